"Look-alike measures against brute force, on tables of volumes, and from the command line."

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from reflection_connection.evaluation import (
    LookalikeError,
    SectionsOf,
    effective_dimensions,
    judge_look,
    look_table,
    random_embeddings,
    recall_at,
    rerecord,
    same_place,
    structure_within_class,
)
from reflection_connection.synthetic import synthetic_section
from reflection_connection.windows import load_windows


@pytest.fixture(scope='module')
def earth():
    return {f'line {k}': synthetic_section(k, (160, 260)).data for k in range(4)}


def over_all_orders(d, right, k):
    "Mean rank of the right candidate, and how often it is among the first k, over all orders."
    orders = [
        o
        for o in itertools.permutations(range(len(d)))
        if all(d[a] <= d[b] for a, b in zip(o, o[1:]))
    ]
    ranks = np.array([o.index(right) + 1 for o in orders])
    return ranks.mean(), (ranks <= k).mean()


@pytest.mark.parametrize('seed', range(6))
def test_ties_are_the_mean_over_all_orders(seed):
    rng = np.random.default_rng(seed)
    d = rng.integers(0, 3, 6).astype(float)
    for right in range(6):
        got = recall_at(d[None], [right]).iloc[0]
        assert (got['rank'], got.recall_1) == pytest.approx(over_all_orders(d, right, 1))


def test_right_candidates_are_checked():
    for right in ([0], [0, 3], [-1, 0]):
        with pytest.raises(LookalikeError, match='position of a right candidate'):
            recall_at(np.zeros((2, 3)), right)


def test_effective_dimensions_do_not_depend_on_the_side_that_is_summed():
    z = np.random.default_rng(0).normal(size=(40, 30)) * np.arange(30)
    wide = np.hstack([z, np.zeros((40, 30))])  # more columns than rows: the other product
    assert effective_dimensions(wide) == pytest.approx(effective_dimensions(z))
    assert effective_dimensions(1e-6 * z + 5) == pytest.approx(effective_dimensions(z), rel=1e-4)


def test_the_same_seed_gives_the_same_windows(earth):
    (a, f), (b, g), (c, _) = (same_place(earth, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(f, g)
    for name in a:
        assert all(np.array_equal(x, y) for x, y in zip(a[name], b[name]))
    assert not all(np.array_equal(x, y) for x, y in zip(a['moved'], c['moved']))


def test_no_window_is_on_dead_traces_and_all_stay_inside(earth):
    muted = {name: np.where(np.arange(260) % 130 < 40, 0, s) for name, s in earth.items()}
    windows, frame = same_place(muted, window=(32, 40), min_live=0.95)
    assert len(frame)
    for window in (*windows['candidates'], *windows['moved']):
        assert (window != 0).mean() >= 0.95
    assert (frame.moved_top >= 0).all()
    assert (frame.moved_top + 32 <= 160).all() and (frame.moved_left + 40 <= 260).all()
    assert ((frame.moved_top != frame.top) & (frame.moved_left != frame.left)).all()


def test_recordings_differ_and_keep_the_amplitude_unit(earth):
    rng, window = np.random.default_rng(0), 1e4 * earth['line 0'][:64, :80]
    spread = [rerecord(window, rng).std() / window.std() for _ in range(20)]
    assert 0.3 < min(spread) < max(spread) < 3 and len(set(spread)) == 20


def test_intervals_are_over_what_is_known(earth):
    surveys = dict(zip(earth, 'aabb'))
    look = lambda shown: random_embeddings(len(shown), 8)

    def judged(**known):
        places = same_place(earth, (40, 50), **known)
        return judge_look(look, *places, baselines=(), n_boot=20)['encoder']

    assert judged(surveys=surveys)['intervals'] == dict(over='survey', n=2)
    assert judged()['intervals'] == dict(over='section', n=4)
    json.dumps(judged(), allow_nan=False)


def test_sections_that_are_hard_together_widen_the_interval(earth):
    "Half of the sections are always found and half never: over windows, the interval would be narrow."
    windows, frame = same_place(earth, (32, 40))
    hard = np.tile(frame.section.isin(['line 0', 'line 1']).to_numpy(), 3)
    place = np.tile(np.arange(len(frame)), 3)
    place[len(frame) :][hard[len(frame) :]] = -1  # a point that is no window's
    z = np.eye(len(frame) + 1)[place]
    judged = judge_look(lambda shown: z, windows, frame, baselines=(), n_boot=300)
    figures = judged['encoder']['moved']
    low, high = figures['recall_1_ci']
    assert 0.4 < figures['recall_1'] < 0.6 and low <= 0.1 and high >= 0.9


def test_lines_close_together_count_once(earth, tmp_path):
    cube = np.stack([earth['line 0'].T] * 20)  # (inlines, crosslines, samples)
    np.save(tmp_path / 'cube.npy', cube)
    labels = ((0, 'A'), (3, 'B'), (9, 'A'), (17, 'B'))
    rows = [f'inline,{line},0,0,64,80,{label}' for line, label in labels]
    table = ['line_kind,line,top,left,height,width,label', *rows]
    (tmp_path / 't.csv').write_text('\n'.join(table))
    reader = load_windows(tmp_path / 't.csv', tmp_path / 'cube.npy')
    first = min(reader.frame.line)
    found = SectionsOf(reader)
    assert [line - first for _, _, line in found.lines.values()] == [0, 9, 17]
    assert np.array_equal(found[next(iter(found))], earth['line 0'])
    assert not len(SectionsOf(load_windows('synthetic', per_class=1)))


def test_structure_needs_its_columns():
    with pytest.raises(LookalikeError, match='columns id, label, structure and survey'):
        structure_within_class(np.eye(2), pd.DataFrame(dict(id=[1, 2])))


def test_evaluate_judges_looks_where_there_are_sections(earth, encoder_folder, tmp_path, capsys):
    from reflection_connection.cli import main

    for name, section in earth.items():
        np.save(tmp_path / f'{name}.npy', section)
    np.save(tmp_path / 'small.npy', earth['line 0'][:48, :64])
    corners = ((0, 0, 'A'), (8, 16, 'B'), (16, 24, 'A'), (4, 8, 'B'))
    rows = [
        f'{name},{name[-1:]},{top},{left},32,40,{label}'
        for name in (*earth, 'small')
        for top, left, label in corners
    ]
    head = 'section,survey,top,left,height,width,label'
    (tmp_path / 't.csv').write_text('\n'.join([head, *rows]))
    small = [row for row in rows if row.startswith('small')]
    (tmp_path / 'small.csv').write_text('\n'.join([head, *small]))

    def ask(table, *more):
        table = str(tmp_path / table)
        return main(['evaluate', table, '--encoder', str(encoder_folder), *more])

    assert ask('t.csv', '--json') == 0
    found = json.loads(capsys.readouterr().out)
    for method in ('encoder', 'hog', 'hog_tuned'):
        figures = found[method]['look_alike']
        assert {'moved', 're_recorded', 'effective_dimensions', 'intervals'} <= set(figures)
        measured = {'recall_1', 'recall_1_ci', 'recall_10', 'median_rank', 'median_rank_ci'}
        assert measured <= set(figures['moved'])
    assert 'look_alike' not in found['lbp'] and found['encoder']['macro_map'] is not None
    looks = {name: found[name]['look_alike'] for name in ('encoder', 'hog')}
    assert list(look_table(looks).index) == ['encoder', 'hog']
    assert ask('small.csv', '--leave-out', 'none') == 0
    assert 'same place: not judged' in capsys.readouterr().out
