"Figures against known answers: texts, limits, colours and data of what is drawn."

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from answers import in_words
from matplotlib.colors import to_hex, to_rgba

from reflection_connection.plot import (
    COLORS,
    NEUTRAL,
    RIGHT,
    WRONG,
    color_range,
    ink_on,
    is_known,
    label_colors,
    save_figure,
    show_alike,
    show_classes,
    show_confidence,
    show_confusion,
    show_curves,
    show_hits,
    show_image,
    show_map,
    show_metrics,
    show_nearest,
    show_reconstruction,
    show_section,
)
from reflection_connection.plot import curves, galleries, maps, neighbours, scores, sections, style

SECTION = np.random.default_rng(0).normal(size=(48, 40))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close('all')


said = in_words(ValueError)


def hexes(colors):
    return [to_hex(c) for c in colors]


def ticks(axis):
    "How many ticks there are from 0 to each of these."
    locator = axis.get_major_locator()
    return [len(locator.tick_values(0, top)) for top in (2.2, 40, 45, 60, 65)]


SIX_WHOLE_NUMBERS = [4, 6, 7, 7, 6]


# style


def test_known_cells():
    for value in (0, '', False, 'nan', [np.nan], np.zeros(2)):
        assert is_known(value)
    for value in (None, pd.NA, np.nan, float('nan')):
        assert not is_known(value)


def test_colours_of_classes_start_again_after_the_last():
    names = [f'c{i}' for i in range(9)]
    found = label_colors([*names[::-1], None, np.nan, 'c3'])
    assert list(found) == names
    assert list(found.values()) == [*COLORS, COLORS[0]]
    assert label_colors([2, 1]) == {'1': COLORS[0], '2': COLORS[1]}


@pytest.mark.parametrize(
    'color, ink',
    [
        ('#ff0000', 'w'),
        ('#00ff00', 'k'),
        ('#0000ff', 'w'),
        ('#ff00ff', 'w'),
        ('#00ffff', 'k'),
        ('0.49', 'w'),
        ('0.51', 'k'),
        ('#d50000', 'w'),
        ('#00d200', 'w'),
        ('#00db00', 'k'),
        ('#ff5a00', 'k'),
        ('#ff4f00', 'w'),
        ('#ffff00', 'k'),
    ],
)
def test_ink_reads_on_a_colour(color, ink):
    assert ink_on(color) == ink


def test_range_of_colours():
    signed = np.r_[-np.arange(101.0), np.nan, np.inf]
    assert color_range(signed) == (-99.0, 99.0)
    assert color_range(signed, 50) == (-50.0, 50.0)
    assert color_range(signed, 100) == (-100.0, 100.0)
    positive = np.arange(101.0)
    assert color_range(positive, 90) == (10.0, 90.0)
    assert color_range(positive, 51) == (49.0, 51.0)
    assert color_range(positive, 50) == (0.0, 100.0)
    assert color_range(positive + 5, 20) == (5.0, 105.0)
    assert color_range(np.zeros(4)) == color_range(np.full(3, np.nan)) == (-1.0, 1.0)
    assert color_range(np.full(4, 3.0)) == (0.0, 3.0)
    spike = np.zeros(1000)
    spike[7] = -5
    assert color_range(spike) == (-5.0, 5.0)
    assert color_range(spike[:0]) == (-1.0, 1.0)


@pytest.mark.parametrize('clip', [0, -1, 100.5])
def test_clip_is_a_percentage(clip):
    with said(f'expected clip in (0, 100] percent, got {clip}: 99 cuts the strongest hundredth'):
        color_range(SECTION, clip)


def test_an_image_has_two_sides():
    fig, ax = plt.subplots()
    for shape in ((3,), (0, 3), (3, 0), (2, 2, 2)):
        with said(
            f'expected an image (height, width), got shape {shape}: '
            'convert to grey and drop empty ones first'
        ):
            show_image(ax, np.zeros(shape))
    shown = show_image(ax, [[-2, 1], [0, np.nan]], 'seismic', 100, aspect='equal')
    assert shown.get_clim() == (-2, 2)
    assert shown.cmap.name == 'seismic'
    assert shown.get_interpolation() == 'nearest'
    assert ax.get_aspect() == 1
    show_image(ax, [[1.0]])
    assert ax.get_aspect() == 'auto'


def test_records_and_axes():
    assert style.as_records(None) == []
    assert style.as_records({'a': 1}) == style.as_records(pd.DataFrame([{'a': 1}])) == [{'a': 1}]
    fig, ax = style.axes_for(None, (3, 2))
    assert tuple(fig.get_size_inches()) == (3, 2)
    assert fig.get_layout_engine() is not None
    assert style.axes_for(ax, (9, 9)) == (fig, ax)


def test_a_figure_is_saved_with_its_dots_and_closed(tmp_path):
    from PIL import Image

    fig = plt.figure(figsize=(2, 1))
    path = save_figure(fig, tmp_path / 'a' / 'b' / 'x.PNG')
    assert Image.open(path).size == (200, 100)
    assert not plt.get_fignums()
    assert Image.open(save_figure(fig, path, dpi=50)).size == (100, 50)
    with said("expected a path ending in .png, got 'x.pdf'"):
        save_figure(fig, tmp_path / 'x.pdf')


# sections


def test_linear_axis():
    axis = sections._linear_axis([4.0, 6.0, 8.0], 3, 'axis')
    assert axis == (4, 2)
    assert axis.edges(3) == (3, 9)
    assert sections._linear_axis([5], 1, 'traces') == (5, 1)
    assert sections._linear_axis(None, 4, 'traces') == (0, 1)
    assert sections._linear_axis([3, 3, 3], 3, 'traces') is None
    assert sections._linear_axis([1, 2, 4], 3, 'traces') is None
    assert sections._linear_axis([0, 1000, 2000.5], 3, 'axis') == (0, 1000.25)
    assert sections._linear_axis([0, 1000, 2010], 3, 'axis') is None
    with said('expected axis with 3 values, one per sample, got shape (2,)'):
        sections._linear_axis([1, 2], 3, 'axis')
    with said('expected traces with 3 values, one per trace, got shape (1, 3)'):
        sections._linear_axis([[1, 2, 3]], 3, 'traces')


@pytest.mark.parametrize(
    'unit, name',
    [
        ('ms', 'two-way time (ms)'),
        ('s', 'two-way time (s)'),
        ('m', 'depth (m)'),
        ('ft', 'depth (ft)'),
        ('samples', 'sample'),
        ('km', 'km'),
    ],
)
def test_axes_of_a_section_are_named(unit, name):
    fig = show_section(
        SECTION, np.arange(48), np.arange(40), unit, 'A title', 90, trace_name='CDP', cmap='RdBu'
    )
    (ax,) = fig.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ('CDP', name, 'A title')
    (image,) = ax.images
    assert image.cmap.name == 'RdBu'
    top = np.percentile(np.abs(SECTION), 90)
    np.testing.assert_allclose(image.get_clim(), (-top, top))
    np.testing.assert_array_equal(image.get_array(), SECTION)
    assert image.get_extent() == [-0.5, 39.5, 47.5, -0.5]
    assert ax.get_xlim() == (-0.5, 39.5)
    assert ax.get_ylim() == (47.5, -0.5)


def test_positions_where_nothing_is_known():
    (ax,) = show_section(SECTION).axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ('trace (position)', 'sample', '')
    assert tuple(ax.figure.get_size_inches()) == (8, 4.5)
    even = ax.xaxis.get_major_formatter()
    assert not isinstance(even, matplotlib.ticker.FuncFormatter)
    with said('expected a section (n_samples, n_traces), got shape (40,)'):
        show_section(SECTION[0])


def test_uneven_numbers_are_written_at_their_positions():
    traces, axis = np.r_[0:20, 90:110] + 0.5, np.r_[0:24, 100:124]
    (ax,) = show_section(SECTION, axis, traces).axes
    across, down = ax.xaxis.get_major_formatter(), ax.yaxis.get_major_formatter()
    assert [across(p, None) for p in (-1, 0, 19, 20.5, 39, 40)] == [
        '',
        '0.5',
        '19.5',
        '90.5',
        '109.5',
        '',
    ]
    assert [down(p, None) for p in (-0.5, 0, 24, 47, 48)] == ['', '0', '100', '123', '']
    for which in (ax.xaxis, ax.yaxis):
        assert ticks(which) == SIX_WHOLE_NUMBERS
    assert ax.get_xlabel() == 'line number'
    assert ax.get_ylabel() == 'two-way time (ms)'


def test_boxes_carry_rank_label_and_colour():
    size = dict(left=4, height=9, width=6)
    windows = [
        dict(top=4, rank=2.0, label='B', **size),
        dict(top=5, label='A', **size),
        dict(top=6, rank=np.nan, label=None, **size),
        dict(top=7, rank=1, label='A', color='#ffffff', **size),
        dict(top=8, label=7, **size),
    ]
    (ax,) = show_section(SECTION, windows=windows, color='#123456').axes
    assert [a.get_text() for a in ax.texts] == ['2 B', 'A', '1 A', '7']
    classes = label_colors(['7', 'A', 'B'])
    expected = [classes['B'], classes['A'], '#123456', '#ffffff', classes['7']]
    assert hexes(p.get_edgecolor() for p in ax.patches) == [c.lower() for c in expected]
    for box in ax.patches:
        assert not box.get_fill()
        assert box.get_linewidth() == 1.8
        (halo,) = box.get_path_effects()
        assert halo._gc == {'linewidth': 3.4, 'foreground': 'w'}
    inside, above = ax.texts[:2]  # a window at a twelfth of the section has no room above it
    assert (inside.xyann, inside.get_va(), inside.xy) == ((2, -3), 'top', (3.5, 3.5))
    assert (above.xyann, above.get_va(), above.xy) == ((0, 2), 'bottom', (3.5, 4.5))
    for text, ink in zip(ax.texts, ('k', 'w', 'k', 'w')):
        back = text.get_bbox_patch()
        assert text.get_color() == ink_on(back.get_facecolor()[:3])
        assert to_rgba(back.get_edgecolor())[3] == 0
        assert back.get_boxstyle().pad * 8 == pytest.approx(1.2)
        assert (text.get_ha(), text.get_fontsize(), text.get_clip_on()) == ('left', 8, True)
        assert text.anncoords == 'offset points'
    assert hexes(t.get_bbox_patch().get_facecolor() for t in ax.texts) == [
        c.lower() for c in (classes['B'], classes['A'], '#ffffff', classes['7'])
    ]


def test_a_box_needs_a_size():
    with said(
        "window w1 has no ['left', 'width']: "
        'a box needs top, left, height, width in samples and traces'
    ):
        show_section(SECTION, windows=dict(id='w1', top=1, height=3, width=np.nan))


def test_a_heat_map_over_a_section():
    heat = np.full(SECTION.shape, np.nan)
    heat[:, 3], heat[0, 0], heat[0, 1] = 0.25, 0, 1
    ax, bar = show_section(SECTION, 4.0 * np.arange(48), overlay=heat).axes
    below, shown = ax.images
    assert shown.get_clim() == (0, 1)
    assert shown.get_alpha() == 0.5
    assert shown.cmap.name == 'viridis'
    assert shown.get_interpolation() == 'nearest'
    assert shown.get_extent() == below.get_extent() == [-0.5, 39.5, 190, -2]
    np.testing.assert_array_equal(shown.get_array().filled(np.nan), heat)
    assert ax.get_aspect() == 'auto'
    assert bar.get_ylabel() == 'similarity'
    with said("expected an overlay of the section's shape (48, 40), got (2, 2)"):
        show_section(SECTION, overlay=np.zeros((2, 2)))
    heat[5, 5] = 1.5
    out = 'scale it, NaN is transparent'
    with said(f'expected an overlay in [0, 1], got values up to 1.5: {out}'):
        show_section(SECTION, overlay=heat)
    heat[5, 5] = -0.01
    with said(f'expected an overlay in [0, 1], got values up to 1: {out}'):
        show_section(SECTION, overlay=heat)


def test_a_heat_map_only_where_it_is_high():
    "Nothing up to the threshold, three quarters opaque at 1, and the rock shows through between."
    heat = np.full(SECTION.shape, 0.6)
    heat[0, :4] = 0.2, np.nan, 0.7, 1
    ax, bar = show_section(SECTION, overlay=heat, above=0.6, overlay_name='probability').axes
    opacity = ax.images[1].get_alpha()
    np.testing.assert_allclose(opacity[0, :4], [0, 0, 0.375, 0.75])
    assert opacity[1:].max() == 0 and bar.get_ylabel() == 'probability'
    for above in (-0.1, 1):
        with said(f'expected above in [0, 1), got {above}: values up to it are not drawn'):
            show_section(SECTION, overlay=heat, above=above)


# galleries


def test_classes_in_rows_unknown_last():
    images = [SECTION[i : i + 9, :9] for i in range(7)]
    labels = ['zz', 'b_c', 'b_c', None, 'b_c', np.nan, 'zz']
    fig = show_classes(images, labels, n=2, clip=80, cmap='PuOr', title='T')
    assert fig.get_suptitle() == 'T'
    np.testing.assert_allclose(fig.get_size_inches(), (2 * 1.35 + 1, 3 * 1.35))
    axs = np.reshape(fig.axes, (3, 2))
    assert [ax.get_ylabel() for ax in axs[:, 0]] == ['b\nc\n(3)', 'zz\n(2)', 'unknown\n(2)']
    expected = [[1, 2], [0, 6], [3, 5]]
    for row, wanted in zip(axs, expected):
        for ax, i in zip(row, wanted):
            np.testing.assert_array_equal(ax.images[0].get_array(), images[i])
            np.testing.assert_allclose(ax.images[0].get_clim(), color_range(images[i], 80))
            assert ax.images[0].cmap.name == 'PuOr'
            assert not len(ax.get_xticks()) and not len(ax.get_yticks())
        name = row[0].yaxis.label
        assert (name.get_rotation(), name.get_ha(), name.get_va()) == (0, 'right', 'center')
    fig = show_classes(images[:3], ['a', 'a', 'b'])
    assert len(fig.axes) == 4  # no more columns than windows
    assert [ax.axison for ax in fig.axes] == [True, True, True, False]
    assert fig.get_suptitle() == ''
    for few in (images[:2], []):
        with said(
            'expected as many labels as images, at least one, '
            f'got {len(few)} images and {3 if few else 0} labels'
        ):
            show_classes(few, 'abc' if few else '')


def test_hits_beside_their_query():
    query = dict(image=SECTION, label='A', note='asked', line_kind='inline', line=7.0, time_ms=99.6)
    hits = [
        dict(image=SECTION[:5], label='A', rank=3, probability=0.126, distance=9, time_ms=12.4),
        dict(image=SECTION[:6], label='B', distance=0.12345, line_kind='crossline', line=12.0),
        dict(image=SECTION[:7], depth_m=1999.6, line_kind='image', line=0),
        dict(image=SECTION[:8], label=None, probability=np.nan),
    ]
    fig = show_hits(query, hits, k=3, clip=70, cmap='RdBu', title='T')
    assert fig.get_suptitle() == 'T'
    np.testing.assert_allclose(fig.get_size_inches(), (4 * 1.5, 1.5 + 0.55))
    assert [ax.get_title() for ax in fig.axes] == [
        'query',
        '3 ✓  p = 0.13',
        '2 ✗  d = 0.123',
        '3  ',
    ]
    assert [ax.get_xlabel() for ax in fig.axes] == [
        'A\ninline 7, 100 ms\nasked',
        'A\n12 ms',
        'B\ncrossline 12',
        '2000 m',
    ]
    colors, widths = ('k', RIGHT, WRONG, NEUTRAL), (3, 2, 2, 2)
    for ax, color, width, hit in zip(fig.axes, colors, widths, [query, *hits]):
        for spine in ax.spines.values():
            assert to_hex(spine.get_edgecolor()) == to_hex(color)
            assert spine.get_linewidth() == width
        image = ax.images[0]
        np.testing.assert_array_equal(image.get_array(), hit['image'])
        np.testing.assert_allclose(image.get_clim(), color_range(hit['image'], 70))
        assert image.cmap.name == 'RdBu'
        assert to_hex(ax.title.get_color()) == to_hex(color)
        assert ax.title.get_fontsize() == 9
        assert ax.xaxis.label.get_fontsize() == 8
    assert fig.axes[0].title.get_weight() == 'bold'


def test_rows_of_hits_are_of_their_queries():
    a, b, c = SECTION[:4], SECTION[:5], SECTION[:6]
    fig = show_hits([a, dict(image=b)], [[{}], [{}, {}]], [[c], [a, b]], query_labels=['x', 'y'])
    assert len(fig.axes) == 6
    assert [ax.axison for ax in fig.axes] == [True, True, False, True, True, True]
    shown = [ax.images[0].get_array() if ax.images else None for ax in fig.axes]
    for found, wanted in zip(shown, (a, c, None, b, a, b)):
        assert (found is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_array_equal(found, wanted)
    assert [fig.axes[i].get_xlabel() for i in (0, 3)] == ['x', 'y']
    one = show_hits(a, pd.DataFrame({'label': ['x', 'z']}), [b, c], 'x')
    assert [ax.get_title() for ax in one.axes] == ['query', '1 ✓  ', '2 ✗  ']
    np.testing.assert_array_equal(one.axes[2].images[0].get_array(), c)
    assert len(show_hits(np.stack([a, a, a]), [[], [], []]).axes) == 6
    assert len(show_hits([a], []).axes) == 2
    left, right = plt.figure().subfigures(1, 2)
    assert show_hits(a, [dict(image=b)], into=right) is right
    assert (len(left.axes), len(right.axes)) == (0, 2)


def test_what_does_not_fit_together_is_refused():
    with said('expected at least one query, got none'):
        show_hits([], [])
    with said('expected a label per query, got 2 for 1'):
        show_hits(SECTION, [], query_labels=['a', 'b'])
    with said('expected a list of hits per query, got 1 for 2 queries'):
        show_hits([SECTION, SECTION], [[]])
    with said("a hit has no image: put it under 'image', or give hit_images, a list per query"):
        show_hits(SECTION, [dict(image=SECTION), dict(label='a')])


def test_a_long_place_takes_two_lines():
    hit = dict(line_kind='crossline', line=12345, time_ms=12345)
    assert galleries._place(hit) == 'crossline 12345\n12345 ms'
    assert galleries._place(hit | dict(line=1234, time_ms=1234)) == 'crossline 1234, 1234 ms'
    assert galleries._place(hit | dict(line=1234, time_ms=12345)) == 'crossline 1234\n12345 ms'
    assert galleries._place(hit | dict(line=None)) == '12345 ms'
    assert galleries._place(hit | dict(line_kind=None)) == '12345 ms'
    assert galleries._place(dict(line_kind='line', line=2.0)) == 'line 2'


# neighbours


def test_the_nearest_are_shown_first():
    images = [np.full((3, 3), v) for v in (1.0, 2.0, 3.0, 4.0)]
    d = np.array([[np.inf, 0.3, 0.1, 0.1], [0.5, np.inf, 0.4, np.inf]])
    assert neighbours._nearest(d[0], 2) == [2, 3]
    assert neighbours._nearest(d[0], 9) == [2, 3, 1]

    def probability(distances):
        return 1 - np.asarray(distances)

    fig = show_nearest([1, 0], d, list('abab'), images, notes=['n0', 'n1'], k=2, title='T')
    assert fig.get_suptitle() == 'T'
    assert [ax.get_title() for ax in fig.axes] == [
        'query',
        '1 ✗  d = 0.400',
        '2 ✗  d = 0.500',
        'query',
        '1 ✓  d = 0.100',
        '2 ✗  d = 0.100',
    ]
    assert [fig.axes[i].get_xlabel() for i in (0, 1, 3)] == ['b\nn1', 'a', 'a\nn0']
    values = [ax.images[0].get_array()[0, 0] for ax in fig.axes]
    assert values == [2, 3, 1, 1, 3, 4]
    fig = show_nearest(
        [0], d, list('ab'), images[:2], list('wxyz'), images[::-1], probability=probability
    )
    assert [ax.get_title() for ax in fig.axes][1:] == [
        '1 ✗  p = 0.90',
        '2 ✗  p = 0.90',
        '3 ✗  p = 0.70',
    ]
    assert [ax.get_xlabel() for ax in fig.axes] == ['a', 'y', 'z', 'x']
    assert [ax.images[0].get_array()[0, 0] for ax in fig.axes] == [1, 2, 1, 3]


def test_ways_of_asking_have_a_row_each():
    images = [np.full((3, 3), v) for v in (1.0, 2.0, 3.0)]
    ranked = dict(near=np.array([[0.2, 0.1, np.inf]] * 2), far=np.array([[0.3, 0.4, 0.1]] * 2))
    fig = show_alike(images[:2], ranked, images, places=[0, 1], notes=['p', 'q'], k=2, title='T')
    assert fig.get_suptitle() == 'T'
    axs = np.reshape(fig.axes, (4, 3))
    assert [ax.get_xlabel() for ax in axs[:, 0]] == [
        f'this place\n{note}\n{way}' for note in 'pq' for way in ('near', 'far')
    ]
    assert [[ax.get_title() for ax in row[1:]] for row in axs] == [
        ['1  d = 0.100', '2 ✓  d = 0.200'],
        ['1  d = 0.100', '2 ✓  d = 0.300'],
        ['1 ✓  d = 0.100', '2  d = 0.200'],
        ['1  d = 0.100', '2  d = 0.300'],
    ]
    plain = show_alike(images[:2], ranked, images)
    assert [ax.get_xlabel() for ax in plain.axes if ax.get_title() == 'query'] == [
        'near',
        'far',
        'near',
        'far',
    ]
    with said('expected at least one way of asking, got none'):
        show_alike(images, {}, images)
    with said("expected distances of shape (queries, candidates) = (1, 3) for 'far', got (2, 3)"):
        show_alike(images[:1], dict(near=np.zeros((1, 3)), far=np.zeros((2, 3))), images)


# curves


def test_curves_of_a_history():
    history = [dict(step=3, my_loss=2.0, step_loss=1), dict(step=1, my_loss=5.0, map='0.5')]
    history += [dict(step=2, unloss=1.0, accuracy=np.nan, eval_macro_map=0.25, lr=1)]
    fig = show_curves(history, title='T')
    assert fig.get_suptitle() == 'T'
    np.testing.assert_allclose(fig.get_size_inches(), (8.8, 2.9))
    left, right = fig.axes
    assert [line.get_label() for line in left.lines] == ['my loss', 'step loss']
    assert [line.get_label() for line in right.lines] == ['map', 'eval macro map']
    first, second = left.lines
    assert (list(first.get_xdata()), list(first.get_ydata())) == ([1, 3], [5, 2])
    assert (first.get_linestyle(), second.get_linestyle()) == ('-', '--')
    assert (first.get_color(), second.get_color()) == COLORS[:2]
    assert (first.get_marker(), first.get_markersize()) == ('o', 4)
    assert (left.get_ylabel(), right.get_ylabel()) == ('loss', 'score (0 to 1)')
    assert right.get_ylim() == (-0.02, 1.02)
    assert left.get_ylim() != (-0.02, 1.02)
    for ax in fig.axes:
        assert ax.get_xlabel() == 'training step'
        assert ax.get_legend().get_texts()[0].get_fontsize() == 8
        line = ax.xaxis.get_gridlines()[0]
        assert line.get_visible() and line.get_alpha() == 0.3
        assert ticks(ax.xaxis) == SIX_WHOLE_NUMBERS


def test_many_curves_and_many_values():
    table = pd.DataFrame({f'l{i}_loss': np.arange(20.0) for i in range(9)} | {'step': range(20)})
    table.loc[0, 'l8_loss'] = None
    (ax,) = show_curves(table).axes
    assert [line.get_linestyle() for line in ax.lines] == ['-', '--', ':', '-.'] * 2 + ['-']
    assert [line.get_color() for line in ax.lines] == [*COLORS, COLORS[0]]
    assert [line.get_marker() for line in ax.lines] == [''] * 8 + ['o']
    (ax,) = show_curves([dict(step=1, speed=0.5, loss=None)], scores=['speed']).axes
    assert ax.get_ylabel() == 'score (0 to 1)'
    for history, columns in (([dict(loss=1)], "['loss'] in 1"), ([], '[] in 0')):
        with said(
            f'expected a history with the column step, got {columns} rows: '
            "pass the trainer's log_history"
        ):
            show_curves(history)
    with said("the history has neither a loss nor one of ['x']: ['step', 'map']"):
        show_curves([dict(step=1, map=0.5)], scores=['x'])
    assert curves._logged(pd.DataFrame({'step': [1], 'a_step': [1]}), ['step']) == ['a_step']


def test_rows_of_a_reconstruction():
    images = np.arange(2 * 16.0).reshape(2, 1, 4, 4) - 16
    masked, drawn = images.copy(), images / 2
    masked[:, :, :2] = np.nan
    fig = show_reconstruction(images, masked, drawn, title='T')
    assert fig.get_suptitle() == 'T'
    np.testing.assert_allclose(fig.get_size_inches(), (2.7, 4.2))
    axs = np.reshape(fig.axes, (3, 2))
    assert [ax.get_ylabel() for ax in axs.flat] == ['input', '', 'visible', '', 'drawn', '']
    top = np.percentile(np.abs(images), 99)
    for row, batch in zip(axs, (images, masked, drawn)):
        for ax, image in zip(row, batch):
            (shown,) = ax.images
            np.testing.assert_array_equal(shown.get_array().filled(np.nan), image[0])
            assert shown.get_clim() == (-top, top)
            assert shown.cmap.name == 'gray'
            assert not len(ax.get_xticks()) and not len(ax.get_yticks())
            assert to_hex(ax.get_facecolor()) == '#cfe3f5'
    flat = images[:, 0]
    for batches in ((images, masked, drawn[:1]), (flat, flat, flat)):
        with said(
            f'expected three batches (N, 1, H, W) of one shape, got {[b.shape for b in batches]}'
        ):
            show_reconstruction(*batches)


# scores


def test_confusion_of_classes():
    matrix = [[0.6, 0.61, 0.0], [1.0, 0.256, 0.995], [np.nan] * 3]
    (ax,) = show_confusion(matrix, ['a_b', 'c', 3], title='T').axes
    assert [t.get_text() for t in ax.texts] == ['.60', '.61', '.00', '1', '.26', '.99'] + ['–'] * 3
    assert [t.get_color() for t in ax.texts] == ['k', 'w', 'k', 'w', 'k', 'w', 'k', 'k', 'k']
    assert [t.get_position() for t in ax.texts[:4]] == [(0, 0), (1, 0), (2, 0), (0, 1)]
    for t in ax.texts:
        assert (t.get_ha(), t.get_va(), t.get_fontsize()) == ('center', 'center', 8)
    for ticks in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert [t.get_text() for t in ticks] == ['a b', 'c', '3']
    assert ax.get_xticklabels()[0].get_rotation() == 40
    assert ax.get_xticklabels()[0].get_ha() == 'right'
    assert ax.get_xticklabels()[0].get_rotation_mode() == 'anchor'
    assert ax.get_xlabel() == 'class of the neighbours (share)'
    assert ax.get_ylabel() == 'class of the query'
    assert ax.get_title() == 'T'
    (image,) = ax.images
    assert image.get_clim() == (0, 1)
    assert image.cmap.name == 'Blues'
    assert to_hex(image.cmap.get_bad()) == to_hex('0.92')
    np.testing.assert_array_equal(image.get_array().filled(np.nan), matrix)
    np.testing.assert_allclose(ax.figure.get_size_inches(), (1.8 + 0.62 * 3, 1.3 + 0.55 * 3))
    with said('expected a matrix (2, 2) for 2 classes, got (3, 3)'):
        show_confusion(matrix, 'ab')


def test_bars_of_methods():
    over = dict(intervals=dict(over='survey'))
    summaries = dict(
        one=dict(map=0.5, map_ci=[0.4, 0.65], chance=dict(map=0.2501)) | over,
        two=dict(map=0.25, chance=dict(map=0.25), intervals=dict(over='query')),
        three=dict(map=None, chance=None, map_ci=None),
        four=dict(map=0.1, map_ci=None, chance=dict(map=np.nan)),
    )
    (ax,) = show_metrics(summaries, 'map', 'T').axes
    assert ax.get_title() == 'T'
    assert ax.get_xlabel() == 'mAP (95 % interval over querys or surveys)'
    assert ax.get_xlim() == (0, 1.08)
    assert ax.get_ylim() == (3.5, -0.5)
    np.testing.assert_allclose(ax.figure.get_size_inches(), (6, 1.0 + 0.36 * 4))
    assert [t.get_text() for t in ax.get_yticklabels()] == list(summaries)
    bars = ax.patches
    assert [b.get_width() for b in bars] == [0.5, 0.25, 0.1]
    np.testing.assert_allclose([b.get_height() for b in bars], 0.62)
    np.testing.assert_allclose([b.get_y() + 0.31 for b in bars], [0, 1, 3])
    assert hexes(b.get_facecolor() for b in bars) == [
        c.lower() for c in (COLORS[0], COLORS[4], COLORS[4])
    ]
    texts = [(*t.get_position(), t.get_text(), t.get_fontsize()) for t in ax.texts]
    assert texts == [
        (pytest.approx(0.665), 0, '0.50', 9),
        (pytest.approx(0.265), 1, '0.25', 9),
        (0.01, 2, 'no query could be scored', 8),
        (pytest.approx(0.115), 3, '0.10', 9),
    ]
    assert {t.get_va() for t in ax.texts} == {'center'}
    *intervals, chance = ax.lines
    ends = [(list(i.get_xdata()), list(i.get_ydata())) for i in intervals]
    assert ends == [([0.4, 0.65], [0, 0]), ([0.25, 0.25], [1, 1]), ([0.1, 0.1], [3, 3])]
    assert {(i.get_color(), i.get_lw(), i.get_marker(), i.get_ms()) for i in intervals} == {
        ('k', 1.6, '|', 7)
    }
    assert list(chance.get_xdata()) == [0.25, 0.25]
    assert (chance.get_color(), chance.get_ls(), chance.get_lw()) == (WRONG, '--', 1.3)
    (name,) = ax.get_legend().get_texts()
    assert (name.get_text(), name.get_fontsize()) == ('chance 0.25', 8)
    assert ax.get_legend()._loc == 4  # lower right


def test_bars_without_chance_or_of_another_metric():
    (ax,) = show_metrics(dict(a=dict(macro_map=0.3))).axes
    assert ax.get_xlabel() == 'macro mAP (95 % interval)'
    assert ax.get_legend() is None
    assert scores._metric_name('mrr_at_1', {}) == 'MRR at 1 (95 % interval)'
    (ax,) = show_metrics(dict(a=dict(p=0.4, p_ci=[0.1, 0.3])), 'p').axes
    assert ax.texts[0].get_position()[0] == pytest.approx(0.415)
    with said('expected at least one summary, got none'):
        show_metrics({})
    with said("no 'map' in the summary of ['b']"):
        show_metrics(dict(a=dict(map=1), b={}), 'map')


def test_probabilities_against_what_was_right():
    curve = ([0.2, 0.8], [0.1, 0.9], [5, 10])
    promise = dict(reliability=curve, risk_coverage=([0.5, 1], [0.0, 0.25]), error=0.1234)
    fig = show_confidence(promise, 'T')
    assert fig.get_suptitle() == 'T'
    np.testing.assert_allclose(fig.get_size_inches(), (8, 3.2))
    left, right = fig.axes
    assert left.get_title() == 'calibration error 0.123'
    assert left.title.get_fontsize() == 10
    diagonal, line = left.lines
    assert (list(diagonal.get_xdata()), list(diagonal.get_ydata())) == ([0, 1], [0, 1])
    assert (diagonal.get_color(), diagonal.get_lw(), line.get_lw()) == ('0.7', 1, 1)
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0.2, 0.8], [0.1, 0.9])
    (dots,) = left.collections
    assert list(dots.get_sizes()) == [72, 132]
    np.testing.assert_array_equal(dots.get_offsets(), [[0.2, 0.1], [0.8, 0.9]])
    (risk,) = right.lines
    assert (list(risk.get_xdata()), list(risk.get_ydata())) == ([0.5, 1], [0, 0.25])
    assert risk.get_color() == line.get_color() == COLORS[0]
    for ax in fig.axes:
        assert ax.get_xlim() == ax.get_ylim() == (0, 1)
    assert left.get_aspect() == 1
    assert (left.get_xlabel(), left.get_ylabel()) == (
        'stated probability',
        'share that was right',
    )
    assert right.get_xlabel() == 'share of hits shown, most probable first'
    assert right.get_ylabel() == 'share of them wrong'
    del promise['error']
    assert show_confidence(promise).axes[0].get_title() == ''
    for lacking in promise:
        rest = {k: v for k, v in promise.items() if k != lacking}
        with said(f'expected curves reliability and risk_coverage, got {list(rest)}'):
            show_confidence(rest)


# maps


def test_hits_on_a_map():
    hits = [dict(x=1, y=2, rank=1.0, probability=0.3), dict(x=5, y=7, rank=2, probability=None)]
    hits += [dict(x=None, y=7, rank=3), dict(x=1, y=np.nan, rank=4)]
    outline = [(0, 0), (9, 0), (9, 8)]
    fig = show_map(hits, dict(x=3, y=4), outline, 'T')
    ax, bar = fig.axes
    assert tuple(fig.get_size_inches()) == (5.6, 4.6)
    assert ax.get_title() == 'T · 2 of 4 without coordinates'
    assert ax.title.get_fontsize() == 10
    assert bar.get_ylabel() == 'probability of the same class'
    (dots,) = ax.collections
    np.testing.assert_array_equal(dots.get_offsets(), [[1, 2], [5, 7]])
    assert dots.get_clim() == (0, 1)
    assert dots.cmap.name == 'viridis'
    assert dots.get_array()[0] == 0.3
    assert list(dots.get_sizes()) == [55]
    assert list(dots.get_linewidths()) == [0.7]
    assert dots.get_zorder() == 3
    assert [(t.get_text(), t.xy, t.xyann) for t in ax.texts] == [
        ('1', (1, 2), (6, 4)),
        ('2', (5, 7), (6, 4)),
    ]
    assert {(t.anncoords, t.get_fontsize()) for t in ax.texts} == {('offset points', 8)}
    (star,) = ax.lines
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([3], [4])
    assert (star.get_marker(), star.get_ms(), star.get_color(), star.get_zorder()) == (
        '*',
        15,
        WRONG,
        4,
    )
    assert (star.get_ls(), star.get_markeredgecolor()) == ('None', 'k')
    names = ax.get_legend().get_texts()
    assert [(t.get_text(), t.get_fontsize()) for t in names] == [('hit', 8), ('query', 8)]
    (field,) = ax.patches
    np.testing.assert_array_equal(field.get_xy()[:3], outline)
    assert hexes([field.get_facecolor(), field.get_edgecolor()]) == hexes(['0.95', '0.5'])
    assert (field.get_linewidth(), field.get_zorder()) == (1, 0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ('x (m)', 'y (m)')
    assert (ax.get_aspect(), ax.get_adjustable()) == (1, 'datalim')
    assert ax.margins() == (0.08, 0.08)
    assert not ax.xaxis.get_major_formatter().get_useOffset()
    assert not ax.xaxis.get_major_formatter()._scientific
    assert ticks(ax.xaxis) == [5, 5, 4, 5, 5]
    assert ax.xaxis.get_tick_params()['labelsize'] == 8


@pytest.mark.parametrize('probability', [{}, dict(probability=np.nan)])
def test_a_map_without_probabilities(probability):
    hit = dict(x='1', y=2) | probability
    fig = show_map(hit, (8, 9))
    (ax,) = fig.axes
    (dots,) = ax.collections
    np.testing.assert_array_equal(dots.get_offsets(), [[1, 2]])
    assert hexes(dots.get_facecolor()) == [COLORS[0].lower()]
    assert ax.get_title() == ''
    assert (list(ax.lines[0].get_xdata()), list(ax.lines[0].get_ydata())) == ([8], [9])
    (ax,) = show_map(hit, title='T').axes
    assert (ax.get_title(), ax.get_legend()) == ('T', None)


def test_many_ranks_are_not_written():
    for n, written in ((30, 30), (31, 0)):
        (ax,) = show_map([dict(x=i, y=i, rank=i) for i in range(n)]).axes
        assert len(ax.texts) == written
    with said(
        "expected hits with x and y in m, got the columns ['x']: the source has no coordinates"
    ):
        show_map([dict(x=1)])
    lost = maps._located([dict(x=1, y=None), dict(x=1, y=1)])
    assert (len(lost.table), lost.lost) == (1, 1)
