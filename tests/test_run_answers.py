"Workflows piece by piece, with stand-ins whose answers are known, and what is said on refusal."

import json
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
from answers import FALLING, refusal

from reflection_connection import run as wing
from reflection_connection.evaluation import DISTANCES, evaluate_embeddings, leave_out_mask
from reflection_connection.evaluation import paired_bootstrap, rank_metrics
from reflection_connection.run import (
    Answers,
    Draw,
    Run,
    RunError,
    adapt_encoder,
    adapting,
    again,
    ahead_table,
    answers_report,
    asking,
    calibrating,
    calibration_report,
    calibration_table,
    candidates_rule,
    check_parameters,
    check_what,
    class_shares,
    compare,
    differences,
    find_notebook,
    head_only,
    judge_search,
    judged_table,
    judging,
    label_folds,
    labelling,
    loop_windows,
    nearest_answers,
    notebook_parameters,
    notebooks,
    parameters,
    partition,
    pretraining,
    report,
    rerun,
    scoring,
    secrets,
    seeds_table,
    short_hash,
    train_encoder,
    training,
    typed,
    validation_score,
    without_secrets,
)
from reflection_connection.search import probability
from reflection_connection.synthetic import CLASSES, CLEAR
from reflection_connection.windows import WindowReader, window_table

refused = refusal(RunError)


# ---- judging
class Volume:
    "A grid of 60 inlines from 100 and 8 crosslines from 10, 25 and 50 metres apart."

    name, shape, n_samples = 'grid', (60, 8, 40), 40
    inlines = np.arange(100, 160)
    along = dict(inline=np.arange(100, 160), crossline=np.arange(10, 18))

    def lines(self, kind):
        return self.along[kind]

    def across(self, kind, line):
        return self.along['crossline' if kind == 'inline' else 'inline']

    def xy(self, kind, line):
        metres = 25.0 if kind == 'crossline' else 50.0
        n = len(self.across(kind, line))
        return np.stack([np.arange(n) * metres, np.full(n, 3.0)], 1)


def boxes(*rows):
    "A table of windows of 2 traces by 4 samples on the grid."
    frame = pd.DataFrame(rows, columns=['line_kind', 'line', 'left', 'top'])
    frame = frame.assign(width=2, height=4, id=[f'w{i}' for i in range(len(frame))])
    own = frame.line.to_numpy()
    for axis, kind, first in (('il', 'inline', 100), ('xl', 'crossline', 10)):
        along = frame.line_kind == kind
        frame[f'{axis}0'] = np.where(along, own, first + frame.left)
        frame[f'{axis}1'] = np.where(along, own, first + frame.left + 1)
    return frame


def place(kind='inline', line=105, left=3, top=10):
    return dict(line_kind=kind, line=line, left=left, top=top, width=2, height=4)


def test_shares_of_classes_are_those_under_the_window():
    cube = np.zeros((60, 8, 40), np.int8)
    cube[5, 3:5, 10:12] = 6
    cube[7, 2, 0:4] = 1
    items = boxes(('inline', 105, 3, 10), ('crossline', 12, 6, 0), ('inline', 105, 4, 11))
    shares = class_shares(items.set_index(pd.Index([7, 8, 9])), Volume(), cube)
    assert shares.shape == (3, 8) and shares.dtype == np.float32
    expected = np.zeros((3, 8))
    expected[[0, 1, 2], [6, 1, 6]] = 0.5, 0.5, 0.125
    expected[:, 0] = 1 - expected.sum(1)
    np.testing.assert_allclose(shares, expected)
    assert judging._touches(items, Volume(), cube == 1).tolist() == [False, True, False]


def test_zones_are_counted_in_metres():
    assert judging._spacing(Volume()) == [25, 50] and judging._reach(Volume(), 100) == [4, 2]
    nowhere = Volume()
    nowhere.xy = lambda kind, line: np.full((5, 2), np.nan)
    at_one_place = Volume()
    at_one_place.xy = lambda kind, line: np.zeros((5, 2))
    half = Volume()
    half.xy = lambda kind, line: Volume.xy(half, kind, line) * (kind == 'inline')
    said = 'grid: no coordinates, so distances in metres are not known: '
    for volume in (nowhere, at_one_place, half):
        refused(said + 'give a survey with coordinates', judging._spacing, volume)
    asked = SimpleNamespace(places=[place(), place('crossline', 11, 50, 0)])
    zone = judging.near_zone(asked, Volume(), 100.0)
    expected = np.zeros((60, 8), bool)
    expected[1:10, 1:7] = True
    expected[46:56, 0:4] = True
    assert zone.shape == (60, 8, 40) and (zone == expected[:, :, None]).all()
    corner = judging.near_zone(SimpleNamespace(places=[place(line=101, left=0)]), Volume(), 100.0)
    assert corner[:6, :4].all() and corner.sum() == 6 * 4 * 40
    slices = judging._box(Volume(), place('crossline', 11, 50, 0))
    assert slices == [slice(50, 52), slice(1, 2), slice(0, 4)]


def test_bodies_and_what_is_near_them():
    bodies = np.zeros((60, 8, 40), int)
    bodies[5, 3, 10], bodies[30, 6, 20], bodies[5, 4, 30] = 1, 2, 3
    asked = SimpleNamespace(places=[place()])
    kept = {}
    zone = judging.body_zone(asked, Volume(), bodies, 50.0, 3, kept)
    expected = np.zeros(zone.shape, bool)
    expected[3:8, 2:5, 7:14] = True
    assert zone.dtype == bool and (zone == expected).all() and list(kept) == [(1,)]
    kept[(1,)] = 'kept'
    assert judging.body_zone(asked, Volume(), bodies, 50.0, 3, kept) == 'kept'
    nothing = SimpleNamespace(places=[place(top=30, line=107)])
    assert not judging.body_zone(nothing, Volume(), bodies, 50.0, 3).any()


def test_zones_by_what_is_left_out():
    classes = np.zeros((60, 8, 40), np.int8)
    classes[5, 3, 10] = classes[30, 6, 20] = 6
    asked = SimpleNamespace(places=[place()])

    def zones(how):
        return judging._Zones(Volume(), classes, how, 50.0, 3)

    assert (zones('near')(asked, 6) == judging.near_zone(asked, Volume(), 50.0)).all()
    nothing = zones('nothing')(asked, 6)
    assert nothing.shape == (60, 8, 40) and not nothing.any()
    body = zones('body')
    first = body(asked, 6)
    assert first.sum() == 5 * 3 * 7 and body(asked, 6) is first
    assert body(asked, 5) is not first and not body(asked, 5).any()
    again_ = body(asked, 6)
    assert again_ is not first and (again_ == first).all()


def test_nearness_in_window_sizes():
    items = boxes(('inline', 105, 3, 10), ('inline', 107, 3, 10), ('inline', 105, 3, 18))
    asked = SimpleNamespace(places=[place()])
    found = judging._nearness(items, Volume(), asked)
    # lines are points and boxes end one past the last: centres differ by half a line
    centre = np.array([5.5, 4.0, 12.0])
    middles = np.array([[5, 3.5, 12], [7, 3.5, 12], [5, 3.5, 20.0]])
    far = np.linalg.norm((middles - centre) / [2, 2, 4], axis=1)
    np.testing.assert_allclose(found, 1 / (1 + far))
    two = SimpleNamespace(places=[place(), place(top=18)])
    assert judging._nearness(items, Volume(), two)[2] == pytest.approx(found[0])


class Searcher:
    "Finds windows by the scores that it is given."

    def __init__(self, items, scores, volume=None):
        self.index, self._volume = SimpleNamespace(items=items), volume or Volume()
        self.scores, self.asked = np.asarray(scores, float), []

    def volume(self):
        return self._volume

    def score(self, question, smooth=None):
        self.asked.append(smooth)
        return self.scores, None

    def hits(self, question, k, separation, samples, scores):
        self.asked.append((k, separation, samples))
        order = np.argsort(-scores[0], kind='stable')[:k]
        table = self.index.items.iloc[order]
        return table.assign(probability=np.linspace(0.9, 0.5, len(order)))

    def section_map(self, scores, kind, line):
        rng = np.random.default_rng(line)
        return rng.random((40, 8)) + (np.arange(8) > 3) * scores.max()


def test_a_map_is_judged_on_every_fourth_sample_outside_of_the_zone():
    from sklearn.metrics import roc_auc_score

    searcher = Searcher(boxes(), [0.5])
    truth = np.random.default_rng(0).random((60, 8, 40)) < 0.4
    zone = np.zeros(truth.shape, bool)
    zone[:20, :, 8:30] = True
    found = judging._map_auroc(searcher, searcher.scores, lambda i: truth[i], zone)
    y, values = [], []
    for i in range(0, 60, 2):
        shown = searcher.section_map(searcher.scores, 'inline', 100 + i)
        for s in range(0, 40, 4):
            for x in range(0, 8, 4):
                if not zone[i, x, s]:
                    y.append(truth[i, x, s])
                    values.append(shown[s, x])
    assert found == pytest.approx(roc_auc_score(y, values))
    warnings.simplefilter('error')  # where there is nothing to rank, nobody is asked to
    for all_ in (True, False):
        whole = np.full(truth.shape, all_)
        auroc = judging._map_auroc(searcher, searcher.scores, lambda i, w=whole: w[i], zone)
        assert np.isnan(auroc)


def searched(k=2, left_out='nothing', scores=(0.9, 0.8, 0.7, 0.1), **how):
    "Two clear windows and two others, asked from beside the first."
    classes = np.zeros((60, 8, 40), np.int8)
    salt = CLASSES.index('Salt')
    classes[5, 3:5, 10:14] = classes[40, 3:5, 10:14] = salt
    items = boxes(
        ('inline', 105, 3, 10),
        ('inline', 107, 3, 10),
        ('inline', 140, 3, 10),
        ('inline', 120, 3, 10),
    )
    searcher = Searcher(items, scores)
    question = SimpleNamespace(places=[place()])
    asked = [('q2', 'Salt', question), ('q1', 'Boring', question)]
    return searcher, judge_search(searcher, asked, classes, k, 5, 7, left_out, **how)


def test_a_search_is_judged_by_hand():
    searcher, found = searched()
    assert found.id.tolist() == ['q2', 'q1'] and found.label.tolist() == ['Salt', 'Boring']
    salt = found.iloc[0]
    assert (salt.elsewhere, salt.chance, salt.right) == (2, 0.5, 0.5)
    assert salt.stated == pytest.approx(0.7) and salt.nearest == 0.5
    assert 0 < salt.auroc < 1 and 0 < salt.auroc_nearest < 1
    assert found.right[1] == 0.5 and (2, 5, 7) in searcher.asked
    from reflection_connection.search import MAPS

    assert searcher.asked[0] is None and MAPS in searcher.asked
    _, near = searched(1, 'near', away=50.0)
    assert near.elsewhere.tolist() == [1, 1] and near.chance.tolist() == [0.5, 0.5]
    assert near.right.tolist() == [1, 0] and near.nearest.tolist() == [0, 1]
    assert near.stated.tolist() == [0.9, 0.9]
    _, few = searched(3)
    assert few.elsewhere.tolist() == [2, 2]
    assert (
        few[['right', 'stated', 'nearest', 'auroc', 'auroc_nearest', 'chance']]
        .isna()
        .all(axis=None)
    )
    _, all_gone = searched(1, 'near', away=9999.0)
    assert all_gone.elsewhere.tolist() == [0, 0] and all_gone.chance.isna().all()
    refused("left_out is 'all': expected one of body, near, nothing", searched, left_out='all')
    assert CLEAR['Salt'] < 1


def test_a_table_of_judgements_by_hand():
    figures = ['nearest', 'chance', 'stated', 'auroc', 'auroc_nearest']
    judged = pd.DataFrame(
        dict(
            label=['Salt', 'Salt', 'Boring', 'Fault', 'Fault'],
            right=[0.2, 0.4, 0.9, 0.5, np.nan],
        )
    )
    for i, name in enumerate(figures):
        judged[name] = judged.right / (i + 2)
    told = judged_table(judged)
    assert list(told.index) == ['Boring', 'Fault', 'Salt', 'four bodies', 'all classes']
    assert list(told) == ['right', *figures, 'judged']
    assert told.right.tolist() == pytest.approx([0.9, 0.5, 0.3, 0.4, 1.7 / 3])
    assert told.chance.tolist() == pytest.approx((told.right / 3).tolist())
    assert told.judged.tolist() == [1, 1, 2, 3, 4] and told.judged.dtype.kind == 'i'


# ---- adapting
def test_what_may_learn():
    for what in ('auto', 'head', 'all'):
        check_what(what)
    refused("what is 'tail': expected auto, head or all", check_what, 'tail')
    few = pd.DataFrame(dict(label=['a'] * 49 + ['b'] * 50))
    many = pd.DataFrame(dict(label=['a'] * 50 + ['b'] * 50))
    assert head_only('head', 'resnet-tiny', many) and not head_only('all', 'x', few)
    assert head_only('auto', 'x', few) and not head_only('auto', 'x', many)
    assert not head_only('auto', 'resnet-tiny', few)


def images(labels, surveys=None, prefix='w', z=None, **columns):
    "A reader of windows that are vectors."
    n = len(labels)
    frame = pd.DataFrame(dict(id=[f'{prefix}{i}' for i in range(n)], label=labels, survey=surveys))
    frame['source'] = 'memory ' + frame.id
    frame = frame.assign(line_kind='image', line=0, top=0, left=0, height=1, width=1, **columns)
    z = np.eye(n) if z is None else z
    return WindowReader(window_table(frame), arrays=list(np.asarray(z, 'f4')[:, None]))


def test_folds_of_labels():
    surveys = images(list('abab'), list('ssnn')).frame
    assert label_folds(surveys, 'survey', 0).tolist() == [0, 0, 1, 1]
    frame = images(list('ab') * 9).frame
    folds = label_folds(frame, 'overlapping', 3)
    assert sorted(set(folds)) == [0, 1, 2, 3, 4] and folds[0] == 0
    for k in range(5):
        assert set(frame.label[folds == k]) == {'a', 'b'}
    assert (folds == label_folds(frame, 'overlapping', 3)).all()
    assert any((folds != label_folds(frame, 'overlapping', s)).any() for s in (4, 5))
    three = images(list('aaab') + list('bba')).frame
    assert label_folds(three, 'overlapping', 0).max() == 2
    boxes_ = dict(source='x', line_kind='inline', line=1, height=10, width=10, top=0)
    lefts = [0, 5, 100, 105, 200, 205]
    placed = window_table(
        [
            dict(id=str(i), label='ab'[i % 2], left=l, il0=1, il1=1, xl0=l, xl1=l + 9) | boxes_
            for i, l in enumerate(lefts)
        ]
    )
    folds = label_folds(placed, 'overlapping', 0)
    assert folds.tolist() == [0, 0, 1, 1, 2, 2]
    refused(
        'class b has a single labelled window: at least two of each class are needed',
        label_folds,
        images(list('aab')).frame,
        'overlapping',
        0,
    )
    close = np.array([0, 5, 9, 14, 20, 25])
    near = placed.assign(left=close, xl0=close, xl1=close + 9)
    refused(
        'all 6 labelled windows overlap or lie within 8 lines, traces or samples of each other, '
        'so none can check what the others teach: label some farther apart',
        label_folds,
        near,
        'overlapping',
        0,
    )


def test_a_projection_keeps_the_share_of_the_length():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, 5))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    of_class = z[:, :3] / np.linalg.norm(z[:, :3], axis=1, keepdims=True)
    change = np.diag([1.0, 0, 0])
    moved = adapting._moved(z, of_class, change)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved[:, 3:], z[:, 3:], rtol=1e-5)
    share = (z[:, :3] ** 2).sum(1).mean()
    np.testing.assert_allclose((moved[:, :3] ** 2).sum(1), share, rtol=1e-5)
    straight = of_class * [2, 1, 1]
    cosine = (moved[:, :3] * straight).sum(1) / np.linalg.norm(straight, axis=1) / share**0.5
    np.testing.assert_allclose(cosine, 1, rtol=1e-5)


def clouds(n=24, seed=0, apart=1.0):
    "Unit vectors: classes differ in the first number, the others are noise."
    rng = np.random.default_rng(seed)
    y = np.array(list('ab') * (n // 2))
    z = rng.normal(size=(n, 6)) * [0.3, 1, 1, 1, 1, 1]
    z[:, 0] += np.where(y == 'a', apart, -apart)
    return z / np.linalg.norm(z, axis=1, keepdims=True), y


def test_changes_are_what_the_other_folds_ask_for():
    from reflection_connection.training import discriminative_stretch

    z, y = clouds()
    folds = np.arange(24) // 8
    found = adapting._changes(z, y, folds)
    assert len(found) == 3
    for k in range(3):
        others = folds != k
        expected = discriminative_stretch(z[others], y[others], 1.0) - np.eye(6)
        np.testing.assert_allclose(found[k], expected)
    alone = adapting._changes(z, np.where(folds == 0, y, 'a'), folds)
    assert (alone[0] == 0).all() and (alone[1] != 0).any()
    mask = np.eye(24, dtype=bool)
    trials = adapting._try_strengths(z, z, y, folds, mask, 'cosine')
    assert [t.strength for t in trials] == [0, 1, 3]
    d = DISTANCES['cosine'](z, z)
    np.testing.assert_allclose(trials[0].distances, d, atol=1e-5)
    score = rank_metrics(d, y, y, mask).groupby('label').ap.mean().mean()
    assert trials[0].score == pytest.approx(score, abs=1e-3)
    for t in trials[1:]:
        for k in range(3):
            moved = adapting._moved(z, z, t.strength * found[k])
            rows = DISTANCES['cosine'](moved[folds == k], moved)
            np.testing.assert_allclose(t.distances[folds == k], rows, atol=1e-6)


class Vectors:
    "An encoder of windows that are vectors."

    metric, parts, name = 'cosine', None, 'vectors'

    def __init__(self, calibration=None, **provenance):
        self.calibration, self.provenance = calibration, provenance

    def embed(self, pixels, live=None, scales=None):
        return np.stack([p[0] for p in pixels]).astype(np.float32)

    def part(self, z, name):
        assert name == 'class'
        return z


def test_an_encoder_is_adapted_where_it_helps(monkeypatch):
    from reflection_connection import training as taught

    z, y = clouds(30, apart=0.5)
    reader, stretched = images(y, z=z), []
    monkeypatch.setattr(taught, 'stretch_head', lambda encoder, a: stretched.append(a))
    encoder = Vectors(kept=1)
    told = adapt_encoder(encoder, reader, 2)
    folds = label_folds(reader.frame, 'overlapping', 2)
    unit = encoder.embed(reader.arrays)
    trials = adapting._try_strengths(unit, unit, y, folds, np.eye(30, dtype=bool), 'cosine')
    best = max(trials, key=lambda t: t.score)
    assert told['strength'] == best.strength > 0 and told['after'] == best.score > told['before']
    assert told['before'] == trials[0].score and told['what'] == 'head'
    assert told['split'] == '5 folds' and told['leave_out'] == 'overlapping'
    np.testing.assert_allclose(stretched[0], taught.discriminative_stretch(unit, y, best.strength))
    assert encoder.provenance['kept'] == 1
    assert encoder.provenance['adapted'] == dict(
        windows=30, classes=['a', 'b'], folds=5, strength=best.strength, leave_out='overlapping',
        surveys=[],
    )  # fmt: skip
    assert encoder.calibration['pairs'] == 300 == told['calibration']['pairs']
    by_survey = images(y, list('nnnsss' * 5), z=z)
    told = adapt_encoder(Vectors(), by_survey)
    assert told['leave_out'] == 'survey' and told['split'] == '2 folds'
    lone = images(y, np.where(y == 'a', 'n', 's'), z=z)
    assert adapt_encoder(Vectors(), lone)['leave_out'] == 'overlapping'
    perfect = images(y, z=np.eye(6)[(y == 'a').astype(int)])
    stretched.clear()
    told = adapt_encoder(Vectors(), perfect)
    assert told['strength'] == 0 and told['after'] == 1 and stretched == []
    refused(
        '1 class among 3 labelled windows: at least two are needed',
        adapt_encoder,
        Vectors(),
        images(list('aaa')),
    )


def test_adapting_in_turn_by_hand(monkeypatch):
    z, y = clouds(24)
    surveys = np.repeat(['n', 's', 't', 'u'], 6)
    y[-6:] = 'c'  # nothing to find
    reader, asked = images(y, surveys, z=z), []
    encoder = Vectors(FALLING)

    def adapt(copied, others, seed):
        asked.append((sorted(others.frame.survey.unique()), seed))
        copied.provenance = dict(adapted=dict(surveys=sorted(others.frame.survey.unique())))
        copied.calibration = None if 'n' not in set(others.frame.survey) else FALLING
        return dict(strength=len(asked))

    monkeypatch.setattr(adapting, 'adapt_encoder', adapt)
    rows, told = wing.adapt_in_turn(encoder, reader, seed=5)
    assert rows.survey.tolist() == ['n', 's', 't'] and rows.windows.tolist() == [6, 6, 6]
    assert rows.strength.tolist() == [1, 2, 3] and asked[0] == (['s', 't', 'u'], 5)
    assert rows.before.tolist() == pytest.approx(rows.after.tolist())
    mask = leave_out_mask(reader.frame, reader.frame, 'survey')
    unit = encoder.embed(reader.arrays)
    d = DISTANCES['cosine'](unit, unit)
    table = rank_metrics(d, y, y, mask)
    for k, name in enumerate('nst'):
        own = table[surveys == name]
        assert rows.before[k] == pytest.approx(own.groupby('label').ap.mean().mean())
    assert set(told['per_survey']) == {'s', 't'} and told['pairs'] == 120
    none = adapting.adapt_in_turn(encoder, images(y, surveys, z=z), exclude=('c',))[0]
    assert len(none) == 3 and asked[-1][0] == ['n', 's']
    refused(
        '2 surveys: adapting to the others in turn needs at least three',
        wing.adapt_in_turn,
        encoder,
        images(list('abab'), list('nnss')),
    )


# ---- probabilities
def test_answers_by_hand():
    z = np.array([[1.0, 0], [0.8, 0.6], [0, 1.0], [-1.0, 0]])
    y, d = np.array(list('aabc')), 1 - z @ z.T
    mask = np.eye(4, dtype=bool)
    mask[3] = True
    told = nearest_answers(Vectors(FALLING), d, y, mask, ['n', 'n', None, 's'])
    assert told.right.tolist() == [True, False, False, True, False, False, False, False, False]
    np.testing.assert_allclose(told.stated[:3], probability(FALLING, np.array([0.2, 1, 2])))
    assert told.survey.tolist() == ['n'] * 6 + [None] * 3
    assert told.findable.tolist() == [True] * 6 + [False] * 3
    one = nearest_answers(Vectors(FALLING), d[1:2], y, mask, list('nnns'), np.arange(4) == 1)
    assert one.stated.tolist() == told.stated[3:6].tolist() and one.right.tolist() == [
        True,
        False,
        False,
    ]
    with pytest.raises(ValueError, match='calibrated for euclidean'):
        nearest_answers(Vectors(FALLING | dict(metric='euclidean')), d, y, mask, list('nnns'))
    report_ = answers_report(told)
    assert set(report_['per_survey']) == {'n'} and report_['per_survey']['n']['pairs'] == 6
    assert report_['findable']['pairs'] == 6 and report_['pairs'] == 9
    assert report_['right'] == pytest.approx(2 / 9) and len(report_['reliability']) == 3
    assert report_['over_surveys']['worst_survey'] == 'n'
    assert answers_report(Answers(*(np.array([]) for _ in range(4)))) == {}
    lost = told._replace(findable=np.zeros(9, bool), survey=np.full(9, None))
    assert answers_report(lost)['findable'] == {} == answers_report(lost)['over_surveys']
    frame = images(list('aabc'), list('nnms')).frame
    assert calibration_report(Vectors(), z, frame, 'none') == {}
    whole = calibration_report(Vectors(FALLING), z, frame.set_index(frame.index + 3), 'none')
    assert whole['pairs'] == 12 and set(whole['per_survey']) == {'n', 'm', 's'}
    table = calibration_table(whole)
    assert list(table.index) == ['m', 'n', 's', 'all together'] and table.pairs.tolist() == [
        3,
        6,
        3,
        12,
    ]
    assert table.loc['all together', 'stated'] == whole['stated'] and table.pairs.dtype.kind == 'i'


def test_errors_over_surveys_and_the_risk_curve():
    figures = dict(n=dict(error=0.1), s=dict(error=0.4), t=dict(error=0.1))
    over = calibrating._over_surveys(figures)
    assert over == dict(mean_error=pytest.approx(0.2), worst_error=0.4, worst_survey='s')
    assert calibrating._over_surveys({}) == {}
    stated, right = np.linspace(1, 0, 400), np.arange(400) < 100
    coverage, risk = calibrating._risk_curve(stated, right)
    assert len(coverage) == 101 == len(risk) and coverage[0] == 1 / 400 and coverage[-1] == 1
    assert risk[-1] == 0.75 and risk[25] == pytest.approx(0, abs=0.02)


def test_probabilities_are_fitted_or_not(capsys):
    z, y = clouds(20)
    frame = images(y).frame.set_index(pd.Index(range(5, 25)))
    encoder = Vectors()
    told = calibrating.calibrate(encoder, z, frame, 'none')
    assert told['pairs'] == 200 == encoder.calibration['pairs'] and set(told) == {
        'pairs',
        'error_fitted',
    }
    assert encoder.calibration['metric'] == 'cosine' and capsys.readouterr().out == ''
    for labels in (['a'] * 20, list(map(str, range(20)))):
        encoder.calibration = FALLING
        told = calibrating.calibrate(encoder, z, frame.assign(label=labels), 'none')
        assert told == dict(pairs=200, problem='validation windows of one class')
        assert encoder.calibration is None
        assert capsys.readouterr().out == (
            'no probabilities: the validation windows are of one class, or none finds its own\n'
        )


# ---- parts of self-training
def drawn(labels=2, valid=2, test=1, judged=(), seed=0):
    lasting, own = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    return Draw(labels, valid, test, judged, seed, lasting, own)


def test_images_are_drawn_window_by_window():
    frame = images(list('a' * 10 + 'b' * 5) + [None], ['j'] * 2 + ['n'] * 14).frame
    part = partition._image_parts(frame, drawn())
    counts = part.groupby([frame.label, part]).size().to_dict()
    assert counts == {
        ('a', ''): 5, ('a', 'labelled'): 2, ('a', 'test'): 1, ('a', 'valid'): 2,
        ('b', 'labelled'): 2, ('b', 'test'): 1, ('b', 'valid'): 2,
    }  # fmt: skip
    assert part[15] == ''
    capped = partition._image_parts(frame, drawn(0, 9, 0, ('j',)))
    assert capped[:2].tolist() == ['test'] * 2 and (capped == 'valid').sum() == 3 + 2
    assert (capped == 'labelled').sum() == 5 + 3 and capped[15] == ''
    other = drawn()._replace(own=np.random.default_rng([0, 2]))
    moved = partition._image_parts(frame, other)
    assert ((moved == 'valid') == (part == 'valid')).all() and (moved != part).any()
    assert partition._judges(frame, drawn(judged=('n',))).tolist() == ['', ''] + ['test'] * 13 + [
        ''
    ]


def test_labels_are_made_wrong_by_share():
    y = pd.Series(list('aabbcc') * 5)
    same = partition._with_noise(y, 0.0, np.random.default_rng(0))
    assert list(same) == y.tolist()
    some = partition._with_noise(y, 0.3, np.random.default_rng(0))
    assert (np.array(some) != y).sum() == 9 and set(some) <= set('abc')
    assert (np.array(partition._with_noise(y, 1.0, np.random.default_rng(0))) != y).all()


def synthetic(monkeypatch, n=14, classes='abc'):
    labels = [c for c in classes for _ in range(n)]
    asked = []

    def reader(per_class, seed, shape, surveys):
        asked.append((per_class, seed, shape, surveys))
        return images(labels, z=np.random.default_rng(0).normal(size=(len(labels), 4)))

    monkeypatch.setattr(partition, 'synthetic_reader', reader)
    return asked


def test_the_windows_of_self_training(monkeypatch):
    asked = synthetic(monkeypatch, 70)
    parts = loop_windows('synthetic', labels=3, valid=4, per_class=9, surveys=2, seed=7)
    assert asked == [(9 + 3 + 4 + 50, 7, (64, 80), 2)]
    sizes = {name: len(parts[name]) for name in ('labelled', 'valid', 'test', 'corpus')}
    assert sizes == dict(labelled=9, valid=12, test=150, corpus=39)
    assert parts['corpus'].frame.label.isna().all() and len(parts['truth']) == 39
    whole = dict(
        zip(images(list('a' * 70 + 'b' * 70 + 'c' * 70)).frame.id, 'a' * 70 + 'b' * 70 + 'c' * 70)
    )
    assert all(whole[i] == c for i, c in parts['truth'].items())
    odd = loop_windows('synthetic', labels=3, valid=4, unknown=('c',), strangers=True)
    assert set(odd['truth']) == {'c'} and len(odd['truth']) == 70
    assert set(odd['labelled'].frame.label) == {'a', 'b'} == set(odd['test'].frame.label)
    known = loop_windows('synthetic', labels=3, valid=4, unknown=('c',))
    assert set(known['truth']) == set('abc') and asked[-1] == (700 + 3 + 4 + 50, 0, (64, 80), 8)
    wrong = loop_windows('synthetic', labels=3, valid=4, poison=1.0)['labelled'].frame
    assert all(whole[i] != c for i, c in zip(wrong.id, wrong.label))
    again_ = loop_windows('synthetic', labels=3, valid=4, draw=1)
    assert set(again_['valid'].frame.id) == set(odd['valid'].frame.id) | set(
        again_['valid'].frame.id[again_['valid'].frame.label == 'c']
    )
    with pytest.raises(RunError, match='nothing to look through'):
        loop_windows('synthetic', valid=4, per_class=9)
    assert asked[-1][0] == 9 + 5 + 4 + 50
    refused(
        'unknown names z: not among the classes a, b, c', loop_windows, 'synthetic', unknown=('z',)
    )
    refused('judged names j: not among the surveys ', loop_windows, 'synthetic', judged=('j',))
    refused(
        'synthetic: 1 classes have labels, 4 windows are left for validation: '
        'at least two classes of four windows are needed',
        loop_windows,
        'synthetic',
        labels=3,
        valid=4,
        unknown=('b', 'c'),
    )
    refused(
        'synthetic: nothing to look through: name a corpus of volumes or images',
        loop_windows,
        'synthetic',
        labels=0,
    )


def test_windows_of_one_place_are_kept_out_of_the_corpus():
    row = dict(source='x', line_kind='inline', line=1, height=10, width=10, top=0)
    frame = window_table(
        [dict(id=str(l), left=l, il0=1, il1=1, xl0=l, xl1=l + 9) | row for l in (0, 9, 10, 40)]
    )
    pool = WindowReader(frame, arrays=[np.zeros((10, 10))] * 4)
    kept = partition._without(pool, pool.subset([0]))
    assert kept.frame.id.tolist() == ['10', '40']
    lone = images(list('ab'))
    assert partition._without(pool, lone) is pool
    apart = partition._apart(pool, pool.subset([0]))
    assert apart.frame.id.tolist() == ['40']
    listed = images(list('abc'), split=['corpus', 'train', None])
    found = partition._real_pool(listed, pd.Series(['', '', '']), None, None)
    assert found.frame.id.tolist() == ['w0']
    assert len(partition._real_pool(listed, pd.Series(['test', '', '']), None, None)) == 0
    assert partition._take_labels(images(['a', None])) is None


# ---- scoring
def test_methods_are_compared_on_the_same_windows():
    z, y = clouds(20)
    frame = images(y).frame
    found = compare(dict(encoder=z, noise=np.roll(z, 1, 0)), frame, 'none', n_boot=20, seed=3)
    one, queries = evaluate_embeddings(z, frame, 'none', n_boot=20, seed=3)
    assert found['encoder'] == one and 'encoder_ahead' not in found['encoder']
    _, others = evaluate_embeddings(np.roll(z, 1, 0), frame, 'none', n_boot=20)
    assert found['noise']['encoder_ahead'] == paired_bootstrap(queries, others, seed=3)
    table = ahead_table(found)
    ahead = found['noise']['encoder_ahead']
    low, high = ahead['ci']
    said = f"{ahead['difference']:+.2f} [{low:+.2f}, {high:+.2f}], p {ahead['p']:.1g}"
    assert table['encoder ahead by'].tolist() == ['', said]
    assert 'encoder_ahead' not in compare(dict(a=z, b=z), frame, 'none', n_boot=1)['b']
    score = validation_score(frame, 'none', 'euclidean')(z)
    expected = evaluate_embeddings(z, frame, 'none', 'euclidean', n_boot=1)[0]['macro_map']
    assert score == {'macro_map': expected}


def test_who_taught_is_said(capsys):
    frame = images(list('aab'), ['North', 'south', None]).frame
    encoder = Vectors(taught=['NORTH', 'South'])
    assert scoring._taught_by(encoder, frame) == ['North', 'south']
    said = 'North, south: labels there taught vectors, so figures flatter\n'
    assert capsys.readouterr().out == said
    assert scoring._taught_by(Vectors(taught=['x']), frame) == [] and capsys.readouterr().out == ''
    reader = images(['a', 'b', None, 'b'])
    assert scoring._labelled(reader, ('a',)).frame.id.tolist() == ['w1', 'w3']
    refused(
        'exclude names y, z: no such class among a, b', scoring._labelled, reader, ('z', 'a', 'y')
    )
    refused('1 labelled windows: at least two are needed', scoring._labelled, reader, ('b',))


# ---- small workflows
def test_means_over_seeds():
    rows = [dict(by='x', seed=0, m=0.5), dict(by='x', seed=1, m=0.6), dict(by='y', seed=0, m=1)]
    table = seeds_table([*rows, dict(by='z', seed=0, m=np.nan)], ['by'])
    assert table.m.tolist() == ['0.550 ± 0.050', '1.000', ''] and list(table) == ['m']


def test_sources_and_names_of_pretraining():
    assert pretraining._source_names(' a, b ') == ['a', 'b']
    assert pretraining._source_names([Path('a'), 'b']) == ['a', 'b']
    refused(
        "sources is 'a,,b': expected 'synthetic', volumes or folders, separated by commas",
        pretraining._source_names,
        'a,,b',
    )
    assert short_hash('a') == 'ca978112ca1bbdca'
    refused('train_encoder needs a folder to write the encoder into', train_encoder, 'data')


def test_a_stretch_keeps_its_centre_within_what_there_is():
    assert asking._centred(10, 20, 10, 100) == 15 and asking._centred(10, 20, 30, 100) == 5
    assert asking._centred(0, 10, 30, 100) == 0 and asking._centred(90, 10, 30, 100) == 70
    frame = images(['a', 'a', None, 'b', 'a', None]).frame
    assert asking._first_of_each(frame, 1).id.tolist() == ['w0', 'w2', 'w3']
    assert len(asking._first_of_each(frame, 2)) == 5


def test_candidates_of_validation(capsys):
    shared = images(list('aabb'), list('nsnn'), split=['valid'] * 4)
    lone = images(list('aabb'), list('nnss'), split=['valid'] * 4)
    assert candidates_rule(shared, 'survey') == 'survey'
    assert candidates_rule(shared, 'place') == 'overlapping' == candidates_rule(lone, 'survey')
    frame = images(list('ab') + [None, 'a'], split=['train', None, 'train', 'test'])
    assert training._without_test(frame, 'data').frame.id.tolist() == ['w0', 'w1']
    refused(
        'data: no labelled windows: expected class folders or a table with labels',
        training._without_test,
        images([None, None]),
        'data',
    )


# ---- notebooks and their parameters
def notebook(path, source, tags=('parameters',), **about):
    cell = nbformat.v4.new_code_cell(source, metadata=dict(tags=list(tags)))
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=about), path)
    return path


def test_parameters_of_a_notebook(tmp_path):
    path = tmp_path / 'n.ipynb'
    notebook(path, "a: int = 3  # how many\nb: float = 1\nc: str = 'x'\nd: bool = True  #no")
    known = notebook_parameters(path)
    assert known == dict(
        a=dict(type='int', default=3, help='how many'),
        b=dict(type='float', default=1, help=''),
        c=dict(type='str', default='x', help=''),
        d=dict(type='bool', default=True, help='no'),
    )
    given = dict(a='5', b='2', d='Off', c='text')
    assert check_parameters(path, given) == dict(a=5, b=2.0, d=False, c='text')
    refused(
        "n.ipynb has no parameter 'z': expected one of a, b, c, d",
        check_parameters,
        path,
        dict(z=1),
    )
    where = 'n.ipynb, parameters'
    for source, said in (
        ('a = 3', "'a = 3' is not NAME: TYPE = DEFAULT with a type among int, float, str, bool"),
        ('a: int', "'a: int' is not NAME: TYPE = DEFAULT with a type among int, float, str, bool"),
        ('a: int = f()', "the default of a is 'f()': expected a number, a text, True or False"),
        ('a: int = True', "the default of a is 'True': expected int"),
        ('a: int = 1.5', "the default of a is '1.5': expected int"),
        ("a: float = 'x'", "the default of a is 'x': expected float"),
    ):
        refused(f'{where}: {said}', notebook_parameters, notebook(path, source))
    with pytest.raises(RunError, match='n.ipynb, parameters: not Python'):
        notebook_parameters(notebook(path, 'a ='))
    notebook(path, 'a: int = 1', tags=('other',))
    refused("n.ipynb has 0 cells tagged 'parameters': expected one", notebook_parameters, path)
    path.write_text('{')
    with pytest.raises(RunError, match='n.ipynb: not a readable notebook'):
        notebook_parameters(path)
    with pytest.raises(RunError, match='no such notebook; give a path, or the name of a bundled'):
        notebook_parameters(tmp_path / 'none.ipynb')
    assert find_notebook(path) == path and find_notebook('nothing') == Path('nothing')
    assert find_notebook('run_training').name == 'run_training.ipynb'
    assert find_notebook('run_training.ipynb') == find_notebook('run_training')
    assert find_notebook('x/run_training') == Path('x/run_training')


def test_values_of_parameters():
    for value in ('true', 'YES', 'on', '1'):
        assert typed('p', value, 'bool') is True
    for value in ('false', 'No', 'off', '0'):
        assert typed('p', value, 'bool') is False
    assert typed('p', 3, 'float') == 3.0 and type(typed('p', 3, 'float')) is float
    assert typed('p', '7', 'int') == 7 and typed('p', '1e3', 'float') == 1000
    assert typed('p', '7', 'str') == '7' and typed('p', False, 'bool') is False
    for value, kind in (('x', 'int'), ('1.5', 'int'), (1.5, 'int'), (True, 'int'), (True, 'float'),
                        (1, 'bool'), ('maybe', 'bool'), (3, 'str'), ('x', 'float')):  # fmt: skip
        said = f'parameter p is {value!r}: expected {parameters.EXPECTED[kind]}'
        refused(said, typed, 'p', value, kind)


def test_secrets_stay_inside(monkeypatch):
    monkeypatch.setattr(os, 'environ', dict(
        MY_KEY='abcdefgh', A_TOKEN='abcdefghij"k', PASSWORD='short12', X_SECRET='12345678',
        KEYS='abcdefghzz', api_secret='zyxwvutsr', MY_PASSWORD='pass&word',
    ))  # fmt: skip
    assert secrets() == {
        'abcdefgh': 'MY_KEY', 'abcdefghij"k': 'A_TOKEN', 'zyxwvutsr': 'api_secret',
        'pass&word': 'MY_PASSWORD',
    }  # fmt: skip
    text = 'x abcdefgh y abcdefghij"k z abcdefghij\\"k pass&amp;word short12'
    assert without_secrets(text) == 'x [MY_KEY] y [A_TOKEN] z [A_TOKEN] [MY_PASSWORD] short12'
    said = []
    stream = SimpleNamespace(write=lambda t: said.append(t) or 5, flush=lambda: said.append('f'))
    redacted = notebooks._Redacted(stream)
    assert (
        redacted.write('abcdefgh') == 5 and redacted.flush() is None and said == ['[MY_KEY]', 'f']
    )


def test_the_kernel_of_a_notebook(tmp_path, capsys, monkeypatch):
    path = tmp_path / 'n.ipynb'
    monkeypatch.setattr(notebooks, '_startable', lambda name: name == 'there')
    spec = lambda **s: notebook(path, '1', kernelspec=dict(display_name='k') | s)
    assert notebooks._kernel(spec(name='there')) == dict(kernel_name='there', language='python')
    assert capsys.readouterr().err == ''
    default = dict(kernel_name='python3', language='python')
    assert notebooks._kernel(spec(name='gone', language='Python')) == default
    asks = "n.ipynb asks for the kernel 'gone', which is not installed here: running it with"
    assert capsys.readouterr().err == f'{asks} {sys.executable}\n'
    assert notebooks._kernel(notebook(path, '1', language_info=dict(name='ipython'))) == default
    assert capsys.readouterr().err == f'n.ipynb names no kernel: running it with {sys.executable}\n'
    notebook(path, '1', kernelspec=dict(display_name='k', name='ir'), language_info=dict(name='R'))
    said = 'n.ipynb is written in R (kernel ir): expected a notebook in Python'
    refused(said, notebooks._kernel, path)
    monkeypatch.undo()
    assert not notebooks._startable('no-such-kernel')
    long = notebooks._private_sockets('x' * 80)
    assert long == {}
    manager = notebooks._private_sockets('x' * 79)['config'].KernelManager
    assert manager.transport == 'ipc' and manager.ip == 'x' * 79 + '/kernel'


def test_where_a_run_goes_and_what_it_replaces(tmp_path, capsys):
    path = notebook(tmp_path / 'n.ipynb', "out: str = 'there'\na: int = 1\nb: int = 2")
    known = notebook_parameters(path)
    assert notebooks._place(path, known, {}) == Path('there/n.ipynb')
    assert notebooks._place(path, {}, dict(out=str(tmp_path / 'o'))) == tmp_path / 'o' / 'n.ipynb'
    refused(
        f'{path} is a file: expected a folder to write the run into',
        notebooks._place,
        path,
        known,
        dict(out=str(path)),
    )
    refused(
        f'the run would overwrite {path}: choose another folder with --out',
        notebooks._place,
        path,
        known,
        dict(out=str(tmp_path)),
    )
    old = tmp_path / 'old.ipynb'
    assert notebooks._other_parameters(old, known, dict(a=5)) == {}
    old.write_text(json.dumps(dict(metadata=dict(papermill=dict(parameters=dict(a=3, out='x'))))))
    assert notebooks._other_parameters(old, known, dict(a=5)) == dict(a=3)
    assert notebooks._other_parameters(old, known, dict(a=3, b=4)) == dict(b=2)
    assert notebooks._other_parameters(old, known, dict(a=3)) == {}
    notebooks._say_replaced('folder', dict(a=3, c='y' * 50))
    assert capsys.readouterr().err == (
        f"folder holds a run with other parameters (a was 3, c was '{'y' * 39}): "
        'this one takes its place\n'
    )


# ---- run folders
def test_a_run_folder_by_hand(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv('REFCON_VERBOSE', raising=False)
    run = Run(tmp_path / 'r', dict(a=1, b=2), 'nb', track='disabled')
    assert run.wandb is None and run.report_to() == () and (tmp_path / 'r' / 'figures').is_dir()
    about = json.loads((tmp_path / 'r' / 'params.json').read_text())
    assert about['parameters'] == dict(a=1, b=2) and about['notebook'] == 'nb'
    assert about['folder'] == os.getcwd() and about['packages'] and about['python']
    assert run.todo('one', 'a', fact=1) is True
    key = run._chain
    assert run.checkpoints() == tmp_path / 'r' / 'checkpoints' / key and len(key) == 16
    run.done(score=0.5)
    assert run.results('one') == dict(score=0.5) and run.stage_seconds()['one'] < 60
    run.record(x=1.0)
    run.record(y=2)
    assert json.loads((tmp_path / 'r' / 'metrics.json').read_text()) == dict(x=1.0, y=2)
    frame = pd.DataFrame(dict(n=[1.23456, np.nan]))
    assert run.table('t<1>', frame) is frame and run.tables['t<1>'] is frame
    refused("figure 'a/b': a name cannot lead out of the folder figures", run.figure, 'a/b', None)
    import matplotlib.pyplot as plt

    run.chapter('First <part>', 'One.\n\nTwo <2>.')
    run.figure('my_plot', plt.figure())
    run.chapter('Second part')
    run.figure('other', plt.figure(), 'what <it> shows')
    plt.close('all')
    assert run.figures == dict(my_plot='my plot', other='what <it> shows')
    assert run.finish('A & B', 'it <came> out') == tmp_path / 'r' / 'report.html'
    page = (tmp_path / 'r' / 'report.html').read_text()
    for part in ('<h1>A &amp; B</h1><p>it &lt;came&gt; out</p>', '<h3>t&lt;1&gt;</h3>', '<td>1.235</td>',
                 '<td></td>', '<title>A &amp; B</title>', '<figcaption>what &lt;it&gt; shows</figcaption>',
                 '<td>parameters.a</td><td>1</td>', '<summary>How it was made</summary>',
                 'max-width:62rem'):  # fmt: skip
        assert part in page
    order = ['<h2>First &lt;part&gt;</h2><p>One.</p><p>Two &lt;2&gt;.</p>', 'my plot',
             '<h2>Second part</h2><figure>', 'what &lt;it&gt; shows', '<h2>Tables</h2>', 't&lt;1&gt;',
             'How it was made']  # fmt: skip
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    finished = json.loads((tmp_path / 'r' / 'params.json').read_text())
    assert finished['finished'] and set(finished['stage_seconds']) == {'one'}
    assert list(report._flat(dict(a=1, b=dict(c=2, d=dict(e=3))))) == [
        ('a', 1),
        ('b.c', 2),
        ('b.d.e', 3),
    ]
    capsys.readouterr()
    second = Run(tmp_path / 'r', dict(a=1, b=9), 'nb', track='disabled')
    assert not (tmp_path / 'r' / again.MANIFEST).exists()
    assert second.todo('one', 'a', fact=1) is False
    assert capsys.readouterr().out == f"one: taken from {tmp_path / 'r'}\n"
    assert second.todo('two') is True and second.todo('one', 'a', fact=1) is True
    second.release()
    third = Run(tmp_path / 'r', dict(a=2), 'nb', track='disabled')
    assert third.todo('one', 'a', fact=1) is True
    third.release()
    said = "track is 'maybe': expected one of auto, offline, online, disabled"
    refused(said, Run, tmp_path / 's', {}, 'nb', 'maybe')


# ---- again
def finished(folder, score=0.5, shown='x', **given):
    run = Run(folder, dict(out=str(folder)) | given, 'nb', track='disabled')
    run.record(
        score=score, place=str(folder.resolve() / 'deep'), seconds=score, many=[1, dict(a=shown)]
    )
    pd.DataFrame(dict(n=[1.0, np.nan], c=['u', 'v'])).to_csv(folder / 'table.csv', index=False)
    (folder / 'notes.txt').write_text(shown)
    run.finish('t')
    return folder


def test_two_runs_are_compared_result_by_result(tmp_path):
    one, two = finished(tmp_path / 'a'), finished(tmp_path / 'b')
    told = differences(one, two)
    assert not len(told.results) and told.compared == 9 and not len(told.circumstances)
    found = again._results(one)
    assert (
        found['place'] == './deep' and found['many.1.a'] == 'x' and found['table.csv.1.n'] is None
    )
    other = finished(tmp_path / 'c', 0.505, 'y')
    told = differences(one, other)
    assert told.results.what.tolist() == ['score', 'many.1.a', 'notes.txt']
    assert told.results.iloc[0].tolist() == ['score', 0.5, 0.505]
    assert differences(one, other, 0.01).results.what.tolist() == ['many.1.a', 'notes.txt']
    assert not again._same(True, 1.1, 0.5) and again._same(100, 99, 0.01)
    assert not again._same(100, 98.9, 0.01) and again._same(-100, -99, 0.01)
    leaves = dict(again._leaves(dict(a=dict(b=1, seconds=2), c=[3, 4], data_wait=5)))
    assert leaves == {'a.b': 1, 'c.0': 3, 'c.1': 4}


def test_a_run_is_repeated_with_its_parameters(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(again, 'run_notebook', lambda *given, cwd: asked.append((*given, cwd)))
    source = "out: str = 'o'\ntrack: str = 'auto'\na: int = 1"
    folder = finished(tmp_path / 'a', a=4, track='online', gone=1)
    refused(
        f'{folder}/nb.ipynb is not there: the run was not made by refcon run; '
        'name its notebook (--notebook)',
        rerun,
        folder,
    )
    path = notebook(folder / 'nb.ipynb', source)
    assert rerun(folder) == tmp_path / 'a-again'
    given = dict(a=4, track='disabled')
    assert asked == [(path, given, (tmp_path / 'a-again').resolve(), os.getcwd())]
    for out in (folder, finished(tmp_path / 'b')):
        refused(
            f'{out} holds a finished run: name another folder (--out), or remove it',
            rerun,
            folder,
            out,
        )
    bare = notebook(tmp_path / 'bare.ipynb', 'a: int = 1')
    assert rerun(folder, tmp_path / 'x', bare) == tmp_path / 'x' and asked[-1][1] == dict(a=4)
    (folder / 'notes.txt').write_text('changed')
    refused(
        f'{folder}/notes.txt is not as the run left it (1 such files): '
        'a comparison would say nothing; copy the run again',
        rerun,
        folder,
    )
    refused(
        f'{tmp_path}/z: no finished run there (params.json, metrics.json and {again.MANIFEST} expected)',
        rerun,
        tmp_path / 'z',
    )


# ---- self-training as a workflow
def test_what_a_round_learns_from(monkeypatch, tmp_path):
    from reflection_connection import training as taught

    made = []
    monkeypatch.setattr(labelling, 'adapt_encoder', lambda *given: made.append(('head', given[2])))
    monkeypatch.setattr(taught, 'toward', lambda one, other: made.append('toward'))

    def finetune(encoder, x, labels, config, folder):
        made.append((x, list(labels), config, folder))

    monkeypatch.setattr(taught, 'finetune', finetune)
    recipe = SimpleNamespace(batch=lambda pixels, live, scales: len(pixels))
    start = lambda name, seed: SimpleNamespace(name=name, seed=seed, recipe=recipe, provenance={})
    monkeypatch.setattr(labelling, 'start_encoder', start)
    reader = images(list('aabb'), ['n', 's', None, 's'])
    fitted = labelling.fit_labels('mine', seed=4)(reader, 'work')
    assert (fitted.name, fitted.seed) == ('mine', 4) and made == [('head', 4)]
    made.clear()
    all_weights = labelling.fit_labels('mine', 'all', 4, steps=30)(reader, 'work')
    assert all_weights.provenance == {'taught': ['n', 's']}
    (n, labels, config, folder), toward = made
    assert n == 4 and labels == list('aabb') and folder == 'work' and toward == 'toward'
    assert (config.loss, config.average, config.steps, config.lr) == ('supcon', 0.98, 30, 0.002)
    assert config.eval_every == 30 and config.seed == 4
    made.clear()
    labelling.fit_labels('resnet-tiny')(reader, 'work')
    assert len(made) == 1 and made[0][2].steps == 250 == made[0][2].eval_every
    assert made[0][2].seed == 0
    labelling.fit_labels('resnet-tiny', eval_every=7, loss='triplet')(reader, 'work')
    assert made[1][2].eval_every == 7 and made[1][2].loss == 'triplet'
    refused("what is 'tail': expected auto, head or all", labelling.fit_labels, 'x', 'tail')


def test_windows_above_a_threshold():
    turn = np.radians([0, 10, 20, 90, 95])
    z = np.stack([np.cos(turn), np.sin(turn)], 1)
    z[4] = np.nan
    corpus = images([None] * 5)
    labelled = images(list('ba'), z=[[1.0, 0], [0.0, 1]])
    above = lambda similarity, nearest: labelling._above_threshold(
        Vectors(), labelled, corpus, z, similarity, nearest
    )
    found = above(0.9, 10)
    assert found.id.tolist() == ['w3', 'w0', 'w1', 'w2'] and found.label.tolist() == list('abbb')
    assert above(0.9, 2).id.tolist() == ['w3', 'w0', 'w1']
    both = above(0.3, 10)
    assert both.label[both.id == 'w2'].tolist() == ['a'] and both.id.is_unique
    exact = images([None], z=[[1.0, 0]])
    one = labelling._above_threshold(Vectors(), labelled, exact, np.eye(2)[:1], 1.0, 3)
    assert one.id.tolist() == ['w0']


def test_rounds_are_said(tmp_path, capsys):
    rounds = labelling._Rounds({}, tmp_path, None)
    line = dict(round=2, valid=0.61234, added=3, withdrawn=1, stop='drift')
    rounds(line, None, None)
    rounds(line | dict(valid=None), pd.DataFrame(), None)
    assert capsys.readouterr().out == (
        'round 2: 3 labels added, 1 withdrawn, validation 0.612 drift\n'
        'round 2: 3 labels added, 1 withdrawn, not validated: drift\n'
    )
    assert not (tmp_path / 'review').exists()
    decided = pd.DataFrame(
        dict(id=['a'], label='x', decision='ambiguous', probability=0.5, evidence=0.5, margin=0.1)
    ).assign(second='y', neighbours=[['k']])
    rounds(line, decided, None)
    assert [p.name for p in (tmp_path / 'review').iterdir()] == ['round2.csv']
    logged = []
    run = SimpleNamespace(wandb=SimpleNamespace(log=logged.append))
    told = labelling._Rounds({}, tmp_path, run)
    told.track(line | dict(labels=9, precision=None, by_class=dict(S=2)), None)
    assert logged == [
        {'loop/added': 3, 'loop/withdrawn': 1, 'loop/labels': 9, 'loop/valid': 0.61234}
        | {'loop/added/S': 2}
    ]


def test_verdicts_speak_of_what_was_shown(tmp_path, capsys, monkeypatch):
    corpus = images([None] * 4)
    for k, ids in ((1, ['w0', 'gone']), (2, ['w2'])):
        pd.DataFrame(dict(id=ids, label='a')).to_csv(tmp_path / f'round{k}.csv', index=False)
    other = tmp_path / 'other.csv'
    shown = labelling._shown
    assert shown(tmp_path, other, 2, corpus) == {'w0', 'w2'}
    assert shown(tmp_path, other, 1, corpus) == {'w0'}
    everything = {'w0', 'w1', 'w2', 'w3'}
    assert shown(tmp_path, other, 3, corpus) == everything
    assert shown(tmp_path, tmp_path / 'round2.csv', 2, corpus) == everything
    windows = dict(labelled=images(list('ab')), corpus=corpus)
    loop = SimpleNamespace(rounds=[{}], ledger='ledger', said=False)
    refused(
        f'{tmp_path}: no round has been made yet, so there is nothing to judge: '
        'run it without verdicts first',
        labelling._heed,
        other,
        loop,
        tmp_path,
        windows,
    )
    asked = []
    monkeypatch.setattr(
        labelling, 'take_back', lambda *given: asked.append(given) or dict(accept=1)
    )
    loop.rounds = [dict(round=0), dict(round=1)]
    labelling._heed(other, loop, tmp_path, windows)
    assert asked == [(other, 'ledger', {'a', 'b'}, 1, everything)] and loop.said is True
    assert capsys.readouterr().out == "verdicts: {'accept': 1}\n"


def test_the_better_of_start_and_result_is_kept(monkeypatch, tmp_path, capsys):
    scores = {}

    def start(name, seed):
        kept = Vectors()
        kept.name = f'{name} {seed}'
        return kept

    valid = SimpleNamespace(
        pixels=([np.eye(2)],), frame='frame', leave_out='none', how='place',
        score=lambda metric: lambda z: dict(macro_map=scores.pop('next')),
    )  # fmt: skip
    folder = tmp_path / 'made'

    def finetune(encoder, reader, config, valid, checkpoints):
        assert checkpoints == tmp_path / '.made.checkpoints'
        checkpoints.mkdir()
        scores['next'] = scores['after']

    saved = []
    monkeypatch.setattr(training, '_finetune', finetune)
    monkeypatch.setattr(training, 'start_encoder', start)
    monkeypatch.setattr(training, 'calibrate', lambda *given: given[0].name)
    taught = lambda encoder: encoder.provenance['taught']
    monkeypatch.setattr(training, '_save', lambda e, folder: saved.append((e.name, taught(e))))
    part = lambda *splits: SimpleNamespace(frame=pd.DataFrame(dict(survey=splits)))
    reader = SimpleNamespace(part=part)

    def train(before, after, name='mine'):
        scores.update(next=before, after=after)
        config = SimpleNamespace(seed=3)
        _, told = training._train_all(Vectors(), reader, name, folder, config, valid)
        assert not (tmp_path / '.made.checkpoints').exists()
        assert told['what'] == 'all' and told['leave_out'] == 'none' and told['split'] == 'place'
        return told['before'], told['after'], told['calibration']

    assert train(0.5, 0.6) == (0.5, 0.6, 'vectors') and train(0.5, 0.5)[2] == 'vectors'
    assert train(0.5, 0.4, 'resnet-tiny') == (0.5, 0.4, 'vectors')
    assert capsys.readouterr().out == ''
    assert train(0.5, 0.4) == (0.5, 0.5, 'mine 3') and saved[-1] == ('mine 3', ['train', 'valid'])
    said = 'the start is kept: training changed validation macro mAP from 0.500 to 0.400\n'
    assert capsys.readouterr().out == said
