"Long sweeps: brute force over all orders, block borders, random tables, a failed write."

import itertools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from reflection_connection.evaluation import (
    BASELINES,
    LEAVE_OUT,
    METRICS,
    chance_level,
    check_submission,
    default_leave_out,
    evaluate_embeddings,
    expected_ap,
    leave_out_mask,
    make_submission,
    neighbour_confusion,
    paired_bootstrap,
    random_embeddings,
    rank_metrics,
    ranking,
    retrieval,
    summarise,
    write_submission,
)
from reflection_connection.storage import FileError


def plain(rel):
    "The metrics of one order, straight from their definitions."
    rel = np.asarray(rel, float)
    cum = rel.cumsum()
    rank = np.arange(1, len(rel) + 1)
    n = int(rel.sum())
    p = lambda k: rel[:k].sum() / min(k, len(rel))
    return [
        (cum / rank * rel).sum() / n,
        1 / rank[rel > 0][0],
        p(1),
        p(3),
        p(10),
        rel[:n].sum() / n,
    ]


def over_all_orders(d, rel):
    "Mean of the metrics over every order that sorts the distances."
    orders = [
        o
        for o in itertools.permutations(range(len(d)))
        if all(d[a] <= d[b] for a, b in zip(o, o[1:]))
    ]
    return np.mean([plain(np.asarray(rel)[list(o)]) for o in orders], axis=0)


@pytest.mark.parametrize('seed', range(12))
def test_ties_are_the_mean_over_all_orders(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    d, rel = rng.integers(0, 3, n).astype(float), rng.random(n) < 0.5
    rel[rng.integers(n)] = True
    got = rank_metrics(d[None], ['A'], np.where(rel, 'A', 'B'))[list(METRICS)].to_numpy()[0]
    np.testing.assert_allclose(got, over_all_orders(d, rel), atol=1e-12)


@pytest.mark.parametrize('n, r', [(1, 1), (2, 1), (5, 2), (6, 6), (7, 1)])
def test_expected_ap_is_the_mean_over_all_orders(n, r):
    assert np.isclose(expected_ap(r, n)[0], over_all_orders(np.zeros(n), np.arange(n) < r)[0])


def test_perfect_is_one_and_reversed_is_the_worst():
    labels = np.repeat(list('ABC'), 8)
    d = 1.0 - (labels[:, None] == labels[None])
    d += 1e-3 * np.random.default_rng(0).random(d.shape)
    left = np.eye(24, dtype=bool)
    best, worst = (rank_metrics(x, labels, labels, left) for x in (d, -d))
    assert (best[['ap', 'rr', 'p_at_1', 'r_precision']] == 1).all(axis=None)
    assert np.allclose(best.p_at_10, 0.7)
    lowest = np.mean([(i + 1) / (16 + i + 1) for i in range(7)])
    np.testing.assert_allclose(worst.ap, lowest)
    assert (worst.p_at_10 == 0).all()


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(1)
    labels, d = rng.choice(list('ABCD'), 90), np.floor(8 * rng.random((90, 90)))
    left = rng.random((90, 90)) < 0.2
    whole = rank_metrics(d, labels, labels, left)
    confusion = neighbour_confusion(d, labels, labels, left)
    chance = chance_level(labels, labels, left)
    frame = pd.DataFrame(dict(id=np.arange(90).astype(str), label=labels))
    frame['survey'] = rng.choice(['n', 's'], 90)
    emb = random_embeddings(90, 8)
    run, _ = evaluate_embeddings(emb, frame)
    row_blocks = ranking.row_blocks
    for module in (ranking, retrieval):
        monkeypatch.setattr(module, 'row_blocks', lambda r, c: row_blocks(r, c, cells=7 * 90))
    pd.testing.assert_frame_equal(rank_metrics(d, labels, labels, left), whole)
    np.testing.assert_allclose(neighbour_confusion(d, labels, labels, left), confusion)
    assert chance_level(labels, labels, left) == chance
    assert evaluate_embeddings(emb, frame)[0] == run
    own = leave_out_mask(frame, frame, 'survey')
    expected = chance_level(labels, labels, own)['macro_map']
    assert np.isclose(run['chance']['macro_map'], expected)


def test_leave_out_equals_a_loop_over_pairs():
    rng = np.random.default_rng(2)
    n = 60
    places = dict(
        id=[f'w{i}' for i in range(n)],
        survey=rng.choice(['n', 's'], n),
        source=rng.choice(['a.sgy', 'b.sgy'], n),
        line_kind=rng.choice(['inline', 'crossline'], n),
        line=rng.integers(1, 4, n),
        top=rng.integers(0, 50, n),
        left=rng.integers(0, 50, n),
    )
    f = pd.DataFrame(places).assign(height=20, width=30)

    def pair(a, b, how):
        if how == 'none' or a.id == b.id:
            return a.id == b.id
        if how == 'survey':
            return a.survey == b.survey
        section = (a.source, a.line_kind, a.line) == (b.source, b.line_kind, b.line)
        down = a.top < b.top + b.height and b.top < a.top + a.height
        across = a.left < b.left + b.width and b.left < a.left + a.width
        return section and (how == 'section' or (down and across))

    rows = list(f.itertuples())
    for how in LEAVE_OUT:
        np.testing.assert_array_equal(
            leave_out_mask(f, f, how), [[pair(a, b, how) for b in rows] for a in rows]
        )
    # as Parquet gives them back
    typed = f.astype({'line': 'Int64', 'source': 'string', 'survey': 'category', 'top': 'Int32'})
    for how in LEAVE_OUT:
        np.testing.assert_array_equal(leave_out_mask(typed, f, how), leave_out_mask(f, f, how))
    assert default_leave_out(f) == 'survey'
    assert default_leave_out(f.assign(survey=None)) == 'overlapping'


def test_a_missing_source_never_leaks_and_never_crashes():
    f = pd.DataFrame(dict(id=['a', 'b', 'c'], source=['x', None, None], line=1, top=0, left=0))
    f = f.assign(height=9, width=9)
    assert leave_out_mask(f, f, 'overlapping').sum() == 3
    with pytest.raises(ValueError, match='2 of 3 windows have no source'):
        leave_out_mask(f, f, 'section')


def test_intervals_cover():
    "About 95 % of intervals hold the mean of the population that the queries came from."
    rng, hits = np.random.default_rng(3), 0
    for i in range(200):
        ap = rng.beta(2, 2, 60)
        t = pd.DataFrame(dict(label=np.repeat(['A', 'B'], 30)) | dict.fromkeys(METRICS, ap))
        lo, hi = summarise(t, 300, i)['macro_map_ci']
        hits += lo <= 0.5 <= hi
    assert 0.88 <= hits / 200 <= 0.99, hits


def test_paired_p_is_uniform_enough_under_no_difference():
    rng = np.random.default_rng(4)
    table = lambda: pd.DataFrame(dict(label=np.repeat(['A', 'B'], 40), ap=rng.random(80)))
    p = np.array([paired_bootstrap(table(), table(), n_boot=300, seed=i)['p'] for i in range(200)])
    assert 0.01 <= (p < 0.05).mean() <= 0.12 and (p <= 1).all()


@pytest.mark.parametrize('name', list(BASELINES))
def test_baselines_of_two_images(name):
    rng = np.random.default_rng(5)
    section = rng.normal(size=(40, 70)).astype(np.float32)
    photograph = (255 * rng.random((101, 101))).astype(np.uint8)
    e = BASELINES[name]([section, photograph])
    assert e.dtype == np.float32 and np.allclose(np.linalg.norm(e, axis=1), 1, atol=1e-5)


def test_submission_survives_a_failed_write(tmp_path, monkeypatch):
    sub = make_submission(['q'], list('abcd'), [[0.1, 0.4, 0.2, 0.3]], lambda d: 1 - d)
    path = write_submission(tmp_path / 'deep' / 'results.json', sub)
    before = path.read_bytes()

    def broken(*a, **k):
        raise OSError('disk full')

    monkeypatch.setattr('os.replace', broken)
    with pytest.raises(FileError, match='disk full'):
        write_submission(path, sub)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ['results.json']
    assert json.loads(before) == check_submission(path) == sub
    with pytest.raises(ValueError, match='exactly 3'):
        write_submission(path, {'q.png': []})


def test_evaluate_does_not_import_torch():
    code = "import sys, reflection_connection.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def correlated(rng, n_surveys=12, n=10, spread=0.15):
    "Windows of a survey that are easy or hard together; over all possible surveys the mean is 0.5."
    of_survey = rng.normal(0.5, spread, n_surveys)[:, None]
    ap = np.clip(of_survey + rng.normal(0, 0.05, (n_surveys, n)), 0, 1).ravel()
    about = dict(
        label=np.tile(['A', 'B'], n_surveys * n // 2),
        survey=np.repeat([f's{k}' for k in range(n_surveys)], n),
    )
    return pd.DataFrame(about | dict.fromkeys(METRICS, ap))


def test_intervals_cover_when_the_windows_of_a_survey_are_alike():
    "Drawing windows alone, fewer than half of the intervals hold the mean."
    rng, by_survey, by_window = np.random.default_rng(6), [], []
    for i in range(150):
        t = correlated(rng)
        for found, table in ((by_survey, t), (by_window, t.drop(columns='survey'))):
            lo, hi = summarise(table, 200, i)['macro_map_ci']
            found.append(lo <= 0.5 <= hi)
    assert 0.85 <= np.mean(by_survey) <= 1, np.mean(by_survey)
    assert np.mean(by_window) < 0.6, np.mean(by_window)


def test_what_intervals_are_over():
    t = correlated(np.random.default_rng(7))
    n = np.arange(len(t))
    over = lambda f: summarise(f, 20)['intervals']
    one_survey = t.assign(survey='one')
    all_but_one = np.where(n, t.survey, None)
    assert over(t) == dict(over='survey', n=12)
    assert over(one_survey.assign(section=t.survey)) == dict(over='section', n=12)
    assert over(t.assign(survey=all_but_one, section=t.survey)) == dict(over='section', n=12)
    # loose images: each is its own section
    assert over(one_survey.assign(section=n)) == dict(over='window', n=len(t))
    # five of the first survey's ten are not known
    partly = t.assign(survey=np.where(n > 4, t.survey, None))
    assert over(partly) == dict(over='survey', n=17)
    sections = np.where(n > 1, t.survey, None)
    assert over(partly.assign(section=sections)) == dict(over='section', n=14)
    assert paired_bootstrap(partly, t, n_boot=20, over='survey')['ci'] == [0, 0]


def test_a_difference_in_one_survey_only_is_not_sure():
    "Over windows it would be."
    t = correlated(np.random.default_rng(8), n_surveys=5)
    ahead = t.assign(ap=t.ap + np.where(t.survey == 's0', 0.3, 0.0))
    by_survey = paired_bootstrap(ahead, t, n_boot=2000)
    by_window = paired_bootstrap(ahead, t, n_boot=2000, over='window')
    assert by_survey['over'] == 'survey'
    assert by_survey['p'] > 0.05 and by_window['p'] < 0.05
    assert by_survey['difference'] == by_window['difference']
    with pytest.raises(ValueError, match='over is'):
        paired_bootstrap(t, t, over='section')


def test_a_class_in_one_survey_gives_no_empty_figures():
    t = correlated(np.random.default_rng(9))
    t.loc[t.survey == 's3', 'label'] = 'C'
    json.dumps(summarise(t, 300), allow_nan=False)
