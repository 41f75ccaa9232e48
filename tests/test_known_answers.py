"Answers that can be worked out by hand, for small faults that were once planted and went unnoticed."

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from test_volume import grid, segy
from transformers import TrainerCallback

from reflection_connection.encoder import Encoder
from reflection_connection.labelling import Rules, contradicted
from reflection_connection.run import Run
from reflection_connection.search import (
    Question,
    calibration_error,
    fit_probability,
    milvus_filter,
    probability,
    where,
    work_key,
)
from reflection_connection.training import LoopTrainer, SiameseConfig, cosine, finetune
from reflection_connection.training.siamese import _miner
from reflection_connection.volume import live_mask, open_volume
from reflection_connection.windows import (
    Grid,
    Recipe,
    split_by_block,
    volume_windows,
    window_table,
)

FALLING = dict(kind='platt', scale='distance', a=10.0, b=-5.0, metric='cosine')


# ---- what is live
@pytest.mark.parametrize('nothing', [0.0, np.nan])
def test_a_trailing_run_of_nothing_is_not_live(nothing):
    trace = np.array([nothing, nothing, 1, 2, 0, 3, nothing, nothing, nothing])
    live = live_mask(np.stack([trace, np.arange(9.0) + 1], 1))
    assert live[:, 0].tolist() == [False, False, True, True, True, True, False, False, False]
    assert live[:, 1].all()


def test_normalisation_takes_the_mask_that_it_is_given():
    rng = np.random.default_rng(0)
    window = rng.normal(5.0, 2.0, (16, 16))
    live = np.ones((16, 16), bool)
    live[:, 8:] = False
    window[:, 8:] = 1000.0  # finite, but not data
    scaled = Recipe(size=(16, 16)).scale(window, live)
    data = window[:, :8]
    expected = np.clip((data - data.mean()) / data.std(), -3, 3)
    np.testing.assert_allclose(scaled[:, :8], expected, rtol=1e-5)
    assert (scaled[:, 8:] == 0).all()


# ---- where windows lie
def test_metric_windows_count_traces_along_their_own_line(tmp_path):
    "Inlines 50 m apart, crosslines 12.5 m: an inline runs over crosslines, 8 of them in 100 m."
    traces, il, xl = grid(40, 40, 64)
    place = dict(b73=(il - 10) * 50, b77=((xl - 200) * 12.5).astype(int), b71=1)
    volume = open_volume(segy(tmp_path / 'a.sgy', np.sin(traces), il, xl, **place))
    found = volume_windows(volume, (80, 100), (80, 100), unit='metric')  # ms, m
    widths = found.groupby('line_kind').width.unique()
    assert widths['inline'].tolist() == [8] and widths['crossline'].tolist() == [2]
    assert found.height.unique().tolist() == [20]  # samples of 4 ms


def block(lines, **columns):
    "Windows of one inline each."
    n = len(lines)
    one = dict(source='a', survey='a', line_kind='inline', top=0, left=0, height=8, width=8)
    box = dict(line=lines, il0=lines, il1=lines, xl0=0, xl1=7)
    frame = pd.DataFrame({'id': [f'w{k}' for k in range(n)]})
    return window_table(frame.assign(**(one | box | columns)))


@pytest.mark.parametrize('test', [0.0, 0.2])
def test_no_window_of_any_part_is_within_the_guard_band(test):
    split = split_by_block(block(np.arange(200)), guard=8, test=test, axis='il')
    lines = {part: rows.line.to_numpy() for part, rows in split.groupby('split')}
    parts = ['train', 'valid', 'test'] if test else ['train', 'valid']
    for before, after in zip(parts, parts[1:]):
        assert lines[before].max() < lines[after].min()
        assert lines[after].min() - lines[before].max() - 1 >= 8
    assert len(lines['guard']) <= 2 * 8 + 2, 'no more is lost than the bands'


# ---- filters
def test_a_filter_knows_equal_from_less():
    items = block(np.array([1, 2, 3]))
    expected = {
        'line < 2': [1],
        'line <= 2': [1, 2],
        'line > 2': [3],
        'line >= 2': [2, 3],
        'line == 2': [2],
        'line != 2': [1, 3],
        '2 <= line': [2, 3],
        '1 < line <= 3': [2, 3],
        'not line <= 2': [3],
        'not (line < 2 or line >= 3)': [2],
    }
    for expression, lines in expected.items():
        assert items.line[where(items, expression)].tolist() == lines, expression


@pytest.mark.parametrize(
    'sign, negated', [('<', '>='), ('<=', '>'), ('>', '<='), ('>=', '<'), ('==', '!=')]
)
def test_milvus_gets_the_negation_of_a_comparison(sign, negated):
    assert milvus_filter(f'line {sign} 2') == f'line {sign} 2'
    assert milvus_filter(f'not line {sign} 2') == f'(line {negated} 2 or line is null)'
    assert milvus_filter(f'not not line {sign} 2') == f'line {sign} 2'
    mirrored = {'<': '>', '<=': '>=', '>': '<', '>=': '<='}.get(sign, sign)
    assert milvus_filter(f'2 {sign} line') == f'line {mirrored} 2'


# ---- resuming
def test_every_setting_of_the_grid_makes_other_work():
    encoder = Encoder.create('resnet-tiny', head_dim=8, embedding_size=16, hidden_sizes=[16] * 4)
    grids = [
        Grid(),
        Grid((96, 64)),
        Grid(stride=(48, 24)),
        Grid(lines='inline'),
        Grid(every=2),
        Grid(min_live=0.5),
        Grid(unit='metric'),
    ]
    assert len({work_key(encoder, ['a'], g) for g in grids}) == len(grids)
    assert work_key(encoder, ['a'], Grid()) != work_key(encoder, ['b'], Grid())


def test_a_stage_depends_on_the_stages_before_it(tmp_path):
    def second_stage(first):
        run = Run(tmp_path / f'run{first}', dict(first=first, second=1), 'n', 'disabled')
        run.todo('one', 'first')
        try:
            return run.stage_key('two', 'second')
        finally:
            run.release()

    assert second_stage(1) != second_stage(2)


# ---- training
def test_semihard_triplets_are_neither_hard_nor_easy():
    "One anchor, its positive at 1, and negatives nearer, a little farther and far."
    angles = np.deg2rad([0, 60, 40, 70, 150])  # anchor, positive, hard, semihard, easy
    z = torch.tensor(np.stack([np.cos(angles), np.sin(angles)], 1), dtype=torch.float32)
    config = SiameseConfig(mining='semihard', margin=0.3)
    from pytorch_metric_learning.distances import CosineSimilarity

    a, p, n = _miner(config, CosineSimilarity())(z, torch.tensor([0, 0, 1, 2, 3]))
    of_first = sorted(n[(a == 0) & (p == 1)].tolist())
    assert of_first == [3]


def test_schedules_run_from_start_to_end():
    assert [round(cosine(0.992, 1.0, s), 6) for s in (0, 0.5, 1)] == [0.992, 0.996, 1.0]
    assert [round(cosine(0.04, 0.4, s), 6) for s in (0, 0.5, 1)] == [0.04, 0.22, 0.4]


def test_teacher_and_decay_follow_their_schedules():
    from reflection_connection.training import TeacherFollows

    moved, decays = [], []
    follows = TeacherFollows(SimpleNamespace(momentum=0.9, follow=moved.append))
    learns, spared = {'weight_decay': 0.04}, {'weight_decay': 0.0}
    optimizer = SimpleNamespace(param_groups=[learns, spared])
    for step in (0, 50, 100):
        state = SimpleNamespace(global_step=step, max_steps=100)
        follows.on_step_begin(None, state, None, optimizer=optimizer)
        follows.on_optimizer_step(None, state, None)
        decays.append(round(learns['weight_decay'], 6))
    assert [round(m, 6) for m in moved] == [0.9, 0.95, 1.0]
    assert decays == [0.04, 0.22, 0.4] and spared['weight_decay'] == 0


# ---- probabilities
def test_bins_count_by_their_pairs():
    "Nine pairs stated and right at 0.95 and 1, one stated 0.05 and wrong the other way round."
    p = np.array([0.95] * 9 + [0.05])
    same = np.array([True] * 9 + [True])
    assert calibration_error(p, same) == pytest.approx(0.9 * 0.05 + 0.1 * 0.95)


@pytest.mark.parametrize('n_same, n_other', [(1, 1), (3, 7)])
def test_pairs_of_two_distances_get_platts_targets(n_same, n_other):
    "Platt 1999, section 2.2: (n + 1)/(n + 2) and 1/(n + 2), never 1 and 0."
    distances = np.r_[np.zeros(n_same), np.ones(n_other)]
    fitted = fit_probability(distances, distances == 0)
    near, far = probability(fitted, np.array([0.0, 1.0]))
    assert near == pytest.approx((n_same + 1) / (n_same + 2), abs=2e-3)
    assert far == pytest.approx(1 / (n_other + 2), abs=2e-3)


def test_what_is_not_meant_lowers_the_probability():
    windows = np.eye(3, dtype=np.float32)
    index = SimpleNamespace(
        metric='cosine',
        similarity=lambda z, rows: windows @ np.atleast_2d(z).T,
        faiss=SimpleNamespace(d=3),
    )
    encoder = SimpleNamespace(weigh=lambda z, look: np.asarray(z), parts=None, metric='cosine')
    searcher = SimpleNamespace(calibration=FALLING, index=index, encoder=encoder)
    example = lambda k: SimpleNamespace(z=windows[k], place=None, name=str(k), seen=None)
    question = Question.__new__(Question)
    question.searcher, question._weigh = searcher, lambda z: z
    question.positives, question.negatives = [example(0)], [example(1)]
    question._p, question._n = {None: windows[:1]}, {None: windows[1:2]}
    near, far = probability(FALLING, np.array([0.0, 1.0]))
    expected = [near * (1 - far), far * (1 - near), far * (1 - far)]
    np.testing.assert_allclose(question.probability(), expected, rtol=1e-6)
    question.negatives = []
    np.testing.assert_allclose(question.probability(), [near, far, far], rtol=1e-6)


def test_a_label_does_not_speak_for_itself():
    "Three windows at one place are called Salt, a fourth there Fault; other Faults lie far away."
    z = np.array([[1, 0]] * 4 + [[0, 1]] * 3, np.float32)
    labels = ['Salt'] * 3 + ['Fault'] * 4
    known = pd.DataFrame({'id': list('abcdefg'), 'label': labels})
    found = contradicted(z, known, FALLING, Rules(few=1))
    assert found.id.tolist() == ['d'] and found.second.tolist() == ['Salt']
    near, far = probability(FALLING, np.array([0.0, 1.0]))
    assert found.evidence.tolist() == pytest.approx([far])
    assert found.margin.tolist() == pytest.approx([far - near])


# ---- what a query shows
def test_a_box_half_outside_the_live_traces_asks_about_what_is_live(tmp_path):
    "What is muted is not data, and takes no part in the scaling of what is."
    from reflection_connection.search import Searcher, build_index

    rng = np.random.default_rng(0)
    cube = rng.normal(size=(3, 40, 64)).astype('f4')
    cube[:, :20, :32] = 0  # the first half of the samples of half of the traces
    np.save(tmp_path / 'cube.npy', cube)
    encoder = Encoder.load('refcon-tiny')
    build_index(encoder, tmp_path / 'cube.npy', tmp_path / 'index', Grid((32, 20), (32, 20)))
    searcher = Searcher.open(tmp_path / 'index', encoder='refcon-tiny')
    volume = searcher.volume()
    line = int(volume.inlines[1])
    shown = volume.section('inline', line)[8:40, 4:36]
    live = np.ones((32, 32), bool)
    live[:24, :16] = False
    embedded = lambda mask: encoder.embed([shown], [mask], [volume.scale()])[0]
    example = searcher.box('inline', line, (8, 4, 40, 36), beside=0)
    np.testing.assert_allclose(example.z, embedded(live), atol=1e-5)
    assert np.abs(example.z - embedded(np.ones_like(live))).max() > 1e-3


# ---- what judges has not taught
def blobs(surveys=5, n=24):
    "Unit vectors of three classes in surveys, their classes and surveys."
    rng = np.random.default_rng(0)
    labels = np.tile(['a', 'b', 'c'], surveys * n // 3)
    z = np.eye(6)[['abc'.index(c) for c in labels]] + rng.normal(0, 0.3, (len(labels), 6))
    return z / np.linalg.norm(z, axis=1, keepdims=True), labels, np.repeat(list('vwxyz'), n)


def test_a_curve_is_not_checked_on_the_survey_that_it_was_fitted_on(monkeypatch):
    from reflection_connection.search import calibration_checks
    from reflection_connection.windows import LeakError

    z, labels, surveys = blobs()
    d = np.maximum(1 - z @ z.T, 0)
    calibration_checks.fit_over_surveys(d, labels, surveys)
    made = calibration_checks._LabelledSurveys.pairs
    everything = dict.fromkeys('vwxyz', 1.0)
    for leak in (
        lambda self, weights, among: made(self, everything, list('vwxyz')),
        lambda self, weights, among: made(self, weights, list('vwxyz')),  # as a candidate
    ):
        monkeypatch.setattr(calibration_checks._LabelledSurveys, 'pairs', leak)
        with pytest.raises(LeakError, match='the curve has learned from survey v'):
            calibration_checks.fit_over_surveys(d, labels, surveys)


def test_probabilities_are_not_checked_on_windows_that_fitted_them():
    from reflection_connection.run import calibrate
    from reflection_connection.windows import LeakError

    z, labels, surveys = blobs()
    ids = [f'{s}{i}' for i, s in enumerate(surveys)]
    frame = window_table([dict(id=i, label=c, survey=s) for i, c, s in zip(ids, labels, surveys)])
    encoder = SimpleNamespace(metric='cosine', calibration=None)
    half = surveys < 'x'
    calibrate(encoder, z[half], frame[half], 'survey', test=(z[~half], frame[~half]))
    mixed = np.random.default_rng(0).permutation(labels[~half])
    wrong = frame[~half].assign(label=mixed)
    told = calibrate(encoder, z[half], frame[half], 'none', test=(z[~half], wrong))
    assert told['error_test'] > told['error_fitted'] + 0.2, 'they are checked on what they are not'
    one_more = ~half | (np.arange(len(z)) == 0)
    with pytest.raises(LeakError, match='validation and test must stay apart'):
        calibrate(encoder, z[half], frame[half], 'survey', test=(z[one_more], frame[one_more]))


def test_an_encoder_is_not_adapted_in_turn_to_the_survey_that_judges_it(monkeypatch):
    from reflection_connection.run import adapt_in_turn
    from reflection_connection.synthetic import labelled_windows
    from reflection_connection.windows import LeakError, WindowReader

    pixels, frame = labelled_windows(3, seed=4, surveys=3)
    place = dict(source='synthetic', line_kind='image', line=0, top=0, left=0)
    frame = window_table(frame.assign(**place, height=128, width=128, live=1.0))
    reader = WindowReader(frame, arrays=list(pixels))
    encoder = Encoder.create('resnet-tiny')
    adapt_in_turn(encoder, reader)
    monkeypatch.setattr(WindowReader, 'subset', lambda self, rows: self)  # all but one is all
    with pytest.raises(LeakError, match='the encoder has learned from survey'):
        adapt_in_turn(encoder, reader)


def some_windows(n, survey='a'):
    "A reader of n windows of one survey."
    from reflection_connection.windows import WindowReader

    place = dict(source='x', line_kind='image', line=0, top=0, left=0, height=8, width=8)
    rows = [dict(id=f'{survey}{k}', survey=survey, label='Fault', **place) for k in range(n)]
    return WindowReader(window_table(rows), arrays=[np.ones((8, 8))] * n)


@pytest.mark.parametrize('shared', [('labelled', 'valid'), ('labelled', 'test'), ('valid', 'test')])
def test_parts_of_a_label_loop_with_the_same_windows_are_refused(shared):
    from reflection_connection.run.partition import _keep_apart
    from reflection_connection.windows import LeakError

    parts = {name: some_windows(3, name) for name in ('labelled', 'valid', 'test')}
    _keep_apart(parts, some_windows(3, 'corpus'), True)
    parts[shared[1]] = parts[shared[0]]
    with pytest.raises(LeakError, match='must stay apart'):
        _keep_apart(parts, some_windows(3, 'corpus'), True)


def test_a_survey_in_two_folds_is_refused(monkeypatch):
    from reflection_connection.run import adapting
    from reflection_connection.synthetic import labelled_windows
    from reflection_connection.windows import LeakError, WindowReader

    pixels, frame = labelled_windows(3, seed=4, surveys=3)
    place = dict(source='synthetic', line_kind='image', line=0, top=0, left=0)
    frame = window_table(frame.assign(**place, height=128, width=128, live=1.0))
    reader = WindowReader(frame, arrays=list(pixels))
    halves = np.arange(len(frame)) % 2
    monkeypatch.setattr(adapting, 'label_folds', lambda *_: halves)
    with pytest.raises(LeakError, match='has windows for training and for validation'):
        adapting.adapt_encoder(Encoder.create('resnet-tiny'), reader)


def test_what_has_taught_is_not_forgotten():
    from reflection_connection.run.adapting import note_taught

    encoder = SimpleNamespace(provenance=dict(taught=['F3'], seed=0))
    note_taught(encoder, some_windows(2, 'mine').frame)
    assert encoder.provenance == dict(taught=['F3', 'mine'], seed=0)


def test_the_labels_of_a_fold_do_not_teach_what_judges_it():
    from reflection_connection.run.adapting import _changes

    z, labels, surveys = blobs()
    folds = pd.factorize(surveys)[0]
    before = _changes(z, labels, folds)
    for k in range(5):
        relabelled = np.where(folds == k, np.roll(labels, 1), labels)
        after = _changes(z, relabelled, folds)
        for j in range(5):
            assert np.array_equal(before[j], after[j]) == (j == k)


# ---- what a resumed run has to know
class CutOff(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 5:
            raise KeyboardInterrupt


def dropping(folder, cut=False):
    "Weights after eight steps of a small transformer with dropout, perhaps cut off after five."
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    drop = dict(hidden_dropout_prob=0.3, patch_size=8, image_size=32)
    encoder = Encoder.create('vit-tiny', Recipe(size=(32, 32)), head_dim=16, **sizes, **drop)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(24, 1, 32, 32)).astype('f4'))
    settings = dict(steps=8, eval_every=2, classes=2, per_class=4, loss='supcon', augment='none')
    labels = pd.Series(['a', 'b'] * 12)
    finetune(
        encoder, x, labels, SiameseConfig(**settings), folder=folder, callbacks=[CutOff()] * cut
    )
    return encoder.fingerprint()


def test_a_resumed_run_goes_on_with_the_random_numbers_it_had(tmp_path, monkeypatch):
    whole = dropping(tmp_path / 'whole')
    for name in ('parts', 'forgetful'):
        with pytest.raises(KeyboardInterrupt):
            dropping(tmp_path / name, cut=True)
    assert dropping(tmp_path / 'parts') == whole
    monkeypatch.setattr(LoopTrainer, '_load_rng_state', lambda self, checkpoint: None)
    assert dropping(tmp_path / 'forgetful') != whole


# ---- what is on the disk
def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(tmp_path, monkeypatch):
    "Power can't be cut in a test, but the order of calls can be seen: content, sync, exchange."
    from reflection_connection.storage import replace

    calls = []
    real_sync, real_replace = replace.os.fsync, replace.os.replace

    def sync(number):
        calls.append(('sync', Path(f'/proc/self/fd/{number}').resolve().read_text()))
        real_sync(number)

    def exchange(a, b):
        calls.append(('exchange', Path(a).read_text()))
        real_replace(a, b)

    monkeypatch.setattr(replace.os, 'fsync', sync)
    monkeypatch.setattr(replace.os, 'replace', exchange)
    with replace.whole_file(tmp_path / 'a.txt') as new:
        new.write_text('all of it')
    assert calls == [('sync', 'all of it'), ('exchange', 'all of it')]
