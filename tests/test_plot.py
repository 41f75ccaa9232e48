"What a picture must hold, read off its artists and its pixels."

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from reflection_connection import plot
from reflection_connection.plot import (
    color_range,
    save_figure,
    show_classes,
    show_confusion,
    show_curves,
    show_hits,
    show_map,
    show_metrics,
    show_section,
)
from reflection_connection.storage import FileError


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close('all')


SECTION = np.random.default_rng(0).normal(size=(50, 40))


@pytest.mark.parametrize(
    'axis, traces, bounds',
    [
        (None, None, (4.5, 9.5, 8, 20)),
        (1000 + 4 * np.arange(50), None, (4.5, 1038, 8, 80)),
        (1000 + 4 * np.arange(50), 201 + 3 * np.arange(40), (214.5, 1038, 24, 80)),
        (2 * np.arange(50), 500 - 5 * np.arange(40), (477.5, 19, -40, 40)),
        (2 * np.arange(50), np.r_[0:20, 90:110], (4.5, 19, 8, 40)),
    ],
)  # a gap: positions
def test_boxes_lie_where_the_table_says(axis, traces, bounds):
    w = dict(top=10, left=5, height=20, width=8)
    for windows in (w, [w], pd.DataFrame([w])):
        ax = show_section(SECTION, axis, traces, windows=windows).axes[0]
        (box,) = ax.patches
        np.testing.assert_allclose([*box.get_xy(), box.get_width(), box.get_height()], bounds)


def test_box_covers_exactly_its_pixels():
    "Drawn, read back: the frame of a bright block runs along the block's edge."
    section = np.zeros((40, 40))
    section[10:20, 8:24] = 1
    section[0, 0] = -1
    fig = show_section(
        section,
        4 * np.arange(40),
        100 + 2 * np.arange(40),
        windows=dict(top=10, left=8, height=10, width=16),
        clip=100,
    )
    ax = fig.axes[0]
    x0, x1, y1, y0 = ax.images[0].get_extent()
    left = (ax.patches[0].get_x() - x0) / (x1 - x0) * 40
    top = (ax.patches[0].get_y() - y0) / (y1 - y0) * 40
    assert (round(left, 6), round(top, 6)) == (8, 10)


def test_overlay_nan_is_transparent():
    def pixels(overlay):
        fig = plt.figure(figsize=(2, 2), dpi=50)
        ax = fig.add_axes([0, 0, 1, 1])
        show_section(SECTION, overlay=overlay, ax=ax)
        for a in fig.axes[1:]:
            a.remove()  # the colour bar takes room
        ax.set_position([0, 0, 1, 1])
        ax.set_axis_off()
        fig.canvas.draw()
        return np.asarray(fig.canvas.buffer_rgba()).copy()

    heat = np.full(SECTION.shape, np.nan)
    bare = pixels(heat)
    heat[:, :20] = 1.0
    some = pixels(heat)
    np.testing.assert_array_equal(bare[:, 55:], some[:, 55:])
    assert (bare[:, :45] != some[:, :45]).mean() > 0.3
    ax = show_section(SECTION, overlay=np.full(SECTION.shape, np.nan)).axes[0]
    assert (
        len(ax.images) == 2
        and ax.images[1].get_array().mask.all()
        and ax.images[1].cmap.get_bad()[3] == 0
    )


def test_zero_is_mid_grey_and_dead_is_sand():
    section = SECTION.copy()
    section[:, 3] = np.nan
    section[0, 0] = 0
    im = show_section(section).axes[0].images[0]
    assert im.norm(0.0) == 0.5 and im.get_array().mask[:, 3].all()
    np.testing.assert_allclose(im.cmap.get_bad()[:3], matplotlib.colors.to_rgb(plot.DEAD))
    for odd in (
        np.zeros((5, 5)),
        np.full((5, 5), np.nan),
        np.ones((1, 1)),
        SECTION.astype(np.float16),
        (SECTION > 0),
    ):
        lo, hi = color_range(odd)
        assert lo < hi
        show_section(odd).canvas.draw()


def test_galleries_have_one_tile_per_image():
    ims = [SECTION] * 7
    assert sum(len(a.images) for a in show_classes(ims, list('AAAABBC'), n=3).axes) == 3 + 2 + 1
    fig = show_hits(
        ims[:3],
        [[dict(image=i, label=l) for i, l in zip(ims, 'ABA')]] * 3,
        query_labels=list('AAB'),
        k=2,
    )
    assert [len(a.images) for a in fig.axes] == [1] * 9
    assert [a.get_title().strip() for a in fig.axes] == [
        'query',
        '1 ✓',
        '2 ✗',
        'query',
        '1 ✓',
        '2 ✗',
        'query',
        '1 ✗',
        '2 ✓',
    ]
    assert len(show_hits(SECTION, []).axes) == 2  # no hits: the query alone, no crash


def test_missing_values_are_left_out_of_the_text():
    hit = dict(
        image=SECTION,
        label=pd.NA,
        probability=np.nan,
        distance=None,
        line_kind='image',
        line=0,
        time_ms=float('nan'),
        rank=1.0,
    )
    ax = show_hits(SECTION, [hit]).axes[1]
    assert ax.get_title().strip() == '1' and ax.get_xlabel() == ''


@pytest.mark.parametrize(
    'make',
    [
        lambda: show_section(
            SECTION,
            4 * np.arange(50),
            windows=[dict(top=1, left=2, height=9, width=9, label='Fault', rank=1)],
            overlay=np.abs(np.tanh(SECTION)),
        ),
        lambda: show_classes([SECTION] * 3, ['A', 'B', None]),
        lambda: show_hits([SECTION], [[dict(image=SECTION, probability=0.5)]]),
        lambda: show_curves(
            [dict(step=1, loss=1.0, eval_macro_map=0.2), dict(step=2, loss=0.5, eval_macro_map=0.4)]
        ),
        lambda: show_confusion(np.eye(3), list('ABC')),
        lambda: show_metrics(
            dict(a=dict(macro_map=0.5, macro_map_ci=[0.4, 0.6], chance=dict(macro_map=0.2)))
        ),
        lambda: show_map(
            [
                dict(x=1.0, y=2.0, probability=0.5, rank=1),
                dict(x=3.0, y=5.0, probability=0.1, rank=2),
            ],
            query=(2.0, 2.0),
            outline=[(0, 0), (4, 0), (4, 6)],
        ),
    ],
)
def test_saved_twice_gives_the_same_bytes_and_closes(make, tmp_path):
    a, b = (save_figure(make(), tmp_path / n / 'f.png') for n in 'ab')
    assert a.read_bytes() == b.read_bytes() and not plt.get_fignums()
    assert b'matplotlib' not in a.read_bytes() and b'tIME' not in a.read_bytes()
    assert [p.name for p in a.parent.iterdir()] == ['f.png']


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = save_figure(show_section(SECTION), tmp_path / 'f.png')
    before = path.read_bytes()

    def broken(*a, **k):
        raise OSError('disk full')

    monkeypatch.setattr('os.replace', broken)
    with pytest.raises(FileError, match='disk full'):
        save_figure(show_section(SECTION), path)
    assert (
        path.read_bytes() == before
        and [p.name for p in tmp_path.iterdir()] == ['f.png']
        and not plt.get_fignums()
    )


def test_given_axes_are_used_and_the_figure_returned():
    fig, axs = plt.subplots(2, 2)
    show = [
        show_section(SECTION, ax=axs[0, 0]),
        show_confusion(np.eye(2), 'AB', ax=axs[0, 1]),
        show_metrics(dict(a=dict(macro_map=0.5)), ax=axs[1, 0]),
        show_map([dict(x=0, y=0)], ax=axs[1, 1]),
    ]
    assert all(f is fig for f in show) and plt.get_fignums() == [fig.number]


def test_plot_needs_no_display_and_no_torch():
    code = """
import sys
import numpy as np
import reflection_connection.plot as p
p.show_section(np.eye(9))
sys.exit('torch' in sys.modules)
"""
    done = subprocess.run([sys.executable, '-c', code], env=dict(os.environ, MPLBACKEND='Agg'))
    assert done.returncode == 0
