"Self-training on windows of two numbers: every rule, line and verdict is known beforehand."

import json

import numpy as np
import pandas as pd
import pytest
from answers import FALLING, refusal

from reflection_connection.evaluation import DISTANCES, evaluate_embeddings
from reflection_connection.labelling import (
    LEDGER,
    REVIEW,
    IterateError,
    LabelLoop,
    Ledger,
    LoopState,
    Look,
    Rules,
    check_apart,
    confidence,
    contradicted,
    decide,
    embed_once,
    fit_confidence,
    join_labels,
    loop,
    propose,
    proposals,
    review,
    rules,
    state,
    take_back,
    training_set,
    verdicts,
)
from reflection_connection.search import neighbour_pairs, probability
from reflection_connection.storage import write_table
from reflection_connection.windows import WindowReader, data_fingerprint, window_table

refused = refusal(IterateError)


def at(*degrees):
    "Directions in the plane."
    turn = np.radians(np.array(degrees, float))
    return np.stack([np.cos(turn), np.sin(turn)], 1)


def chance(*degrees):
    "Probability of directions so far apart."
    return probability(FALLING, 1 - np.cos(np.radians(np.array(degrees, float))))


# ---- proposals
def known_windows():
    return at(0, 10, 20, 90, 100), pd.DataFrame(dict(id=list('abcde'), label=list('SSSFF')))


def test_a_proposal_by_hand():
    z_known, known = known_windows()
    found = propose(at(5, 95, 60), ['p', 'q', 'r'], z_known, known, FALLING, few=2)
    assert list(found) == ['id', 'label', 'evidence', 'second', 'margin', 'neighbours', 'rank']
    assert found.id.tolist() == ['p', 'q', 'r'] and found.label.tolist() == ['S', 'F', 'F']
    assert found.second.tolist() == ['F', 'S', 'S']
    salt = [chance(5, 5).mean(), chance(75, 85).mean(), chance(40, 50).mean()]
    fault = [chance(85, 95).mean(), chance(5, 5).mean(), chance(30, 40).mean()]
    best, other = [salt[0], fault[1], fault[2]], [fault[0], salt[1], salt[2]]
    np.testing.assert_allclose(found.evidence, best, atol=1e-5)
    np.testing.assert_allclose(found.margin, np.subtract(best, other), atol=1e-5)
    assert [sorted(n) for n in found.neighbours] == [['a', 'b'], ['d', 'e'], ['d', 'e']]
    assert found['rank'].tolist() == [1, 1, 2]
    few = propose(at(5), ['p'], z_known, known, FALLING)
    assert sorted(few.neighbours[0]) == ['a', 'b', 'c']
    by_length = propose(
        3 * at(5), ['p'], 3 * z_known, known, FALLING | dict(metric='euclidean'), 'euclidean'
    )
    assert by_length.label[0] == 'S'
    refused(
        'the encoder has no probabilities: calibrate it on validation windows first',
        propose,
        at(5),
        ['p'],
        z_known,
        known,
        None,
    )
    refused(
        'only one class has labels (S): a margin needs two',
        propose,
        at(5),
        ['p'],
        z_known[:3],
        known[:3],
        FALLING,
    )


def test_the_best_place_among_all():
    d = np.array([[0.3, 0.1], [0.1, 0.2], [0.2, 0.3], [0.4, 0.4]])
    speakers = np.array([[0, -1], [0, 1], [1, -1], [-1, -1]])
    assert proposals._best_places(d, speakers).tolist() == [3, 1, 3, 4]
    tied = proposals._best_places(np.array([[0.5], [0.5]]), np.array([[0], [0]]))
    assert tied.tolist() == [1, 1]


def judged_proposals(n=60, seed=0):
    rng = np.random.default_rng(seed)
    evidence, margin = rng.uniform(0.05, 0.95, n), rng.uniform(0, 0.8, n)
    label = rng.choice(['A', 'B'], n)
    right = rng.random(n) < 0.15 + 0.8 * evidence * (label == 'A')
    frame = pd.DataFrame(dict(label=label, evidence=evidence, margin=margin))
    return frame, np.where(right, label, 'other')


def test_confidence_by_hand():
    fitted = dict(weights=[2.0, 3.0], offset=-1.0, classes=dict(A=0.5))
    frame = pd.DataFrame(dict(label=['A', 'B'], evidence=[0.9, 0.2], margin=[0.4, 0.1]))
    odds = np.log((frame.evidence + 1e-3) / (1 - frame.evidence + 1e-3))
    f = 2 * odds + 3 * frame.margin - 1
    np.testing.assert_allclose(confidence(fitted, frame), 1 / (1 + np.exp(-f - [0.5, 0])))
    bare = confidence(fitted, frame.drop(columns='label'))
    np.testing.assert_allclose(bare, 1 / (1 + np.exp(-f)))
    for sign in (-1, 1):
        sure = confidence(dict(weights=[0, 0], offset=sign * 1e6, classes={}), frame)
        assert sure == pytest.approx(1 / (1 + np.exp(-50.0 * sign)), rel=1e-9)
    assert proposals.fit_trust is fit_confidence and proposals.trust is confidence


def test_confidence_is_the_best_that_the_prior_allows():
    frame, truth = judged_proposals()
    told = fit_confidence(frame, truth)
    right = frame.label.to_numpy() == truth
    assert told['windows'] == 60 and told['right'] == right.mean()
    x = np.stack([np.log((frame.evidence + 1e-3) / (1 - frame.evidence + 1e-3)), frame.margin], 1)
    spread = x.std(0)
    n1, n0 = right.sum(), (~right).sum()
    target = np.where(right, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    is_b = (frame.label == 'B').to_numpy().astype(int)

    def loss(weights, offset, classes):
        f = x @ weights + offset + np.asarray(classes)[is_b]
        p = 1 / (1 + np.exp(-f))
        misfit = -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()
        slopes = np.asarray(weights) * spread
        return misfit + (slopes**2).sum() / 9 / 2 + (np.asarray(classes) ** 2).sum() / 2

    classes = [told['classes']['A'], told['classes']['B']]
    own = loss(told['weights'], told['offset'], classes)
    assert min(told['weights']) >= 0 and classes[0] > 0 > classes[1]
    for i in range(5):
        for step in (-0.05, 0.05):
            moved = np.r_[told['weights'], told['offset'], classes]
            if i < 2 and moved[i] + step < 0:
                continue
            moved[i] += step
            assert loss(moved[:2], moved[2], moved[3:]) > own
    flipped = fit_confidence(frame.assign(evidence=1 - frame.evidence), truth)
    assert flipped['weights'][0] == 0
    alike = fit_confidence(frame.assign(margin=0.3), truth)
    assert np.isfinite(alike['offset']) and np.isfinite(alike['weights']).all()
    said = 'no validation windows: the confidence of proposals cannot be fitted'
    refused(said, fit_confidence, frame[:0], [])
    one = fit_confidence(frame[:1], ['A'])
    assert one['windows'] == 1


# ---- rules
def test_rules_out_of_range_are_refused():
    fractions = (
        'min_probability',
        'min_evidence',
        'min_margin',
        'background_share',
        'contradiction',
    )
    for name in fractions:
        for value in (0, 1):
            assert getattr(Rules(**{name: value}), name) == value
        for value in (-0.01, 1.01):
            refused(f'{name} is {value}: expected a number from 0 to 1', Rules, **{name: value})
    said = (
        'rules: few and cap must be at least 1, mutual at least 0, '
        'balance at least 1, same at least 0'
    )
    for name, least, below in (
        ('few', 1, 0),
        ('cap', 1, 0),
        ('mutual', 0, -1),
        ('balance', 1, 0.99),
        ('same', 0, -0.001),
    ):
        assert getattr(Rules(**{name: least}), name) == least
        refused(said, Rules, **{name: below})
    assert Rules(background=['A', 'B']).background == ('A', 'B')


def table(**columns):
    n = len(next(iter(columns.values())))
    ids = dict(id=[f'w{i}' for i in range(n)])
    frame = pd.DataFrame(ids | columns)
    for name, value in dict(label='A', evidence=0.9, margin=0.9, probability=0.9, rank=1).items():
        if name not in frame:
            frame[name] = value
    return frame


def test_what_speaks_against_a_proposal():
    only = Rules(min_probability=0.5, min_evidence=0.5, min_margin=0.5, mutual=2)
    frame = table(
        evidence=[0.5, 0.49, 0.9, 0.9, 0.9, 0.1],
        probability=[0.5, 0.9, 0.49, 0.9, 0.9, 0.1],
        margin=[0.5, 0.9, 0.9, 0.49, 0.9, 0.1],
        rank=[2, 1, 1, 1, 3, 9],
    )
    reasons = [
        '',
        'unlike any class',
        'low confidence',
        'ambiguous',
        'not mutual',
        'unlike any class',
    ]
    assert only.refuses(frame).tolist() == reasons
    any_rank = Rules(min_probability=0, min_evidence=0, min_margin=0)
    assert any_rank.refuses(frame).tolist() == [''] * 6
    first = Rules(min_probability=0, min_evidence=0, min_margin=0, mutual=1).refuses(frame)
    assert first.tolist() == ['not mutual', '', '', '', 'not mutual', 'not mutual']


def test_shares_of_classes_by_hand():
    have = pd.Series(dict(A=1, B=5, Boring=9))
    want = pd.Series(dict(A=20, B=2, Boring=30))
    shares = Rules(cap=8, balance=1.5).shares(have, want)
    # A may have 9, B 7, so the mean is 8 and the limit 12
    assert shares.to_dict() == dict(A=8, B=2, Boring=3) and shares.dtype.kind == 'i'
    tight = Rules(cap=8, balance=1).shares(have, want)
    assert tight.to_dict() == dict(A=7, B=2, Boring=0)
    alone = Rules(cap=8).shares(have[['Boring']], want[['Boring']])
    assert alone.to_dict() == dict(Boring=8)
    rules_ = Rules(background_share=0.5)
    assert rules_.background_limit(pd.Series(dict(A=4, B=3, Boring=99))) == 1
    assert rules_.background_limit(pd.Series(dict(A=4, B=5))) == 2
    assert rules_.background_limit(pd.Series(dict(Boring=9))) == 0
    counted = rules._count(['A', 'A', 'C'], ['A', 'B'])
    assert counted.to_dict() == dict(A=2, B=0)


EASY = dict(min_probability=0.5, min_evidence=0, min_margin=0)


def test_decisions_by_hand():
    z_known = at(0, 90)
    known = pd.DataFrame(dict(id=['a', 'b'], label=['A', 'B']))
    frame = table(
        label=['A', 'A', 'A', 'A', 'B', 'A', 'A', 'B'],
        probability=[0.6, 0.9, 0.8, 0.7, 0.4, 0.95, 0.9, 0.99],
        margin=[0.1, 0.2, 0.1, 0.1, 0.9, 0.1, 0.3, 0.1],
    )
    z = at(10, 20, 30, 40, 50, 0.5, 60, 70)
    rules_ = Rules(**EASY, cap=3, balance=9)
    found = decide(frame, z, z_known, known, rules_, never=('w7',))
    assert found.decision.tolist() == [
        'class is full',
        'add',
        'add',
        'class is full',
        'low confidence',
        'near duplicate',
        'add',
        'rejected by hand',
    ]
    assert found.id.tolist() == frame.id.tolist() and 'decision' not in frame
    # of two windows at one place the surer one is added
    twice = decide(frame[:3], at(20, 20, 40), z_known, known, rules_)
    assert twice.decision.tolist() == ['near duplicate', 'add', 'add']
    apart = decide(frame[:3], at(20, 20, 40), z_known, known, Rules(**EASY, same=0))
    assert apart.decision.tolist() == ['add'] * 3, 'nothing is closer than nothing'
    wide = Rules(**EASY, same=0.5, balance=9)
    near = decide(frame[:3], at(30, 59, 45), z_known, known, wide)
    assert near.decision.tolist() == ['near duplicate'] * 3
    far = decide(frame[:1], 3 * at(30), 3 * z_known, known, wide, metric='euclidean')
    assert far.decision.tolist() == ['add']


def test_background_gets_a_share_of_what_the_others_got():
    z_known = at(0, 5, 300)
    known = pd.DataFrame(dict(id=list('abc'), label=['A', 'B', 'Boring']))
    labels = ['Boring'] * 5 + ['A'] * 4 + ['B'] * 2
    frame = table(label=labels, probability=np.linspace(0.99, 0.8, 11))
    z = at(*range(20, 240, 20))
    rules_ = Rules(**EASY, balance=9, background_share=0.5)
    found = decide(frame, z, z_known, known, rules_)
    assert found.decision.tolist() == ['add'] + ['class is full'] * 4 + ['add'] * 6
    all_ = decide(frame, z, z_known, known, Rules(**EASY, balance=9, background_share=1.0))
    assert (all_.decision == 'add').sum() == 9 and all_.decision[:3].tolist() == ['add'] * 3
    none = decide(frame, z, z_known, known, Rules(**EASY, balance=9, background=()))
    assert (none.decision == 'add').all()


def places(*boxes):
    "Windows on inline 1 of one volume, at (top, left)."
    return window_table(
        [
            dict(
                id=f'w{i}',
                source='x',
                line_kind='inline',
                line=1,
                top=t,
                left=l,
                height=10,
                width=10,
            )
            for i, (t, l) in enumerate(boxes)
        ]
    )


def test_windows_of_one_place_are_labelled_once():
    items = places((0, 0), (5, 5), (100, 0), (100, 7), (100, 8), (200, 0))
    taken = places((202, 0)).assign(id='a', label='A')
    other = places((900, 0)).assign(id='b', label='B')
    known = pd.concat([taken, other], ignore_index=True)
    frame = table(probability=[0.9, 0.8, 0.9, 0.8, 0.7, 0.6])
    z, z_known = at(10, 30, 50, 70, 110, 130), at(0, 200)
    rules_ = Rules(**EASY, balance=9)
    found = decide(frame, z, z_known, known, rules_, items)
    expected = ['add', 'near duplicate', 'add', 'near duplicate', 'add', 'near duplicate']
    assert found.decision.tolist() == expected
    assert (decide(frame, z, z_known, known, rules_).decision == 'add').all()
    bare = known[['id', 'label']]
    assert decide(frame, z, z_known, bare, rules_, items).decision.tolist() == [
        *expected[:-1],
        'add',
    ]
    nowhere = items[['id']]
    assert (decide(frame, z, z_known, bare, rules_, nowhere).decision == 'add').all()


def test_labels_that_the_others_speak_against():
    z = at(0, 0, 0, 40, 90, 90, 0)
    known = pd.DataFrame(dict(id=list('abcdefg'), label=list('SSSSFFF')))
    found = contradicted(z, known, FALLING, Rules(few=1))
    assert list(found) == ['id', 'label', 'evidence', 'margin', 'second']
    assert found.id.tolist() == ['g'] and found.label[0] == 'F' and found.second[0] == 'S'
    near, far = chance(0, 90)
    assert found.evidence[0] == pytest.approx(far, abs=1e-6)
    assert found.margin[0] == pytest.approx(far - near, abs=1e-6)
    lead = near - far
    assert len(contradicted(z, known, FALLING, Rules(few=1, contradiction=lead - 1e-5))) == 1
    assert len(contradicted(z, known, FALLING, Rules(few=1, contradiction=lead + 1e-5))) == 0
    any_lead = contradicted(z, known, FALLING, Rules(few=1, contradiction=0))
    assert any_lead.id.tolist() == ['g'], 'being behind by nothing is no contradiction'
    assert len(contradicted(z, known, FALLING, Rules(few=3))) <= 1
    length = FALLING | dict(metric='euclidean')
    assert contradicted(2 * z, known, length, Rules(few=1), 'euclidean').id.tolist() == ['g']


# ---- ledger
def lines(*ids, label='A', **more):
    return pd.DataFrame(dict(id=list(ids), label=label) | more)


def test_a_ledger_by_hand(tmp_path):
    path = tmp_path / 'deep' / 'labels.parquet'
    ledger = Ledger(str(path))
    assert ledger.path == path and list(ledger.lines) == list(LEDGER) and not len(ledger.current())
    ledger.write(lines(), 'add', 1)
    assert not path.exists()
    ledger.write(lines('a', 'b', neighbours=[['x', 'y'], None], probability=0.9), 'add', 1)
    assert path.is_file() and ledger.lines.neighbours.tolist() == ['["x", "y"]', '[]']
    ledger.write(lines('c', neighbours='["z"]'), 'accept', 1, 'hand', save=False)
    assert len(Ledger(path).lines) == 2 and ledger.lines.neighbours[2] == '["z"]'
    ledger.write(lines('c', 'd', label='B'), 'add', 2, reason='why')
    assert ledger.lines.id.tolist() == ['a', 'b', 'c', 'd'], 'a person has decided on c'
    assert ledger.lines.reason.tolist() == ['', '', '', 'why']
    assert ledger.lines['round'].tolist() == [1, 1, 1, 2]
    assert ledger.lines.by.tolist() == ['rule', 'rule', 'hand', 'rule']
    assert ledger.by_hand() == {'c'} and ledger.rejected() == ()
    ledger.write(lines('a'), 'withdraw', 2)
    ledger.write(lines('b'), 'reject', 2, 'hand')
    ledger.write(lines('c', label='B'), 'relabel', 2, 'hand')
    held = ledger.current()
    assert list(held) == ['id', 'label', 'round', 'by']
    assert held.to_numpy().tolist() == [['d', 'B', 2, 'rule'], ['c', 'B', 2, 'hand']]
    assert ledger.rejected() == ('b',)
    ledger.write(lines('b'), 'accept', 3, 'hand')
    assert ledger.rejected() == () and 'b' in set(ledger.current().id)
    ledger.write(lines('d'), 'roll back', 3)
    assert set(ledger.current().id) == {'b', 'c'}
    again = Ledger(path)
    pd.testing.assert_frame_equal(
        again.lines.astype(str), ledger.lines.astype(str), check_dtype=False
    )
    n = len(ledger.lines)
    ledger.forget(4)
    assert len(ledger.lines) == n
    path.unlink()
    ledger.forget(4)
    assert not path.exists(), 'nothing has changed'
    ledger.forget(2)
    assert path.is_file() and ledger.lines.index.tolist() == list(range(len(ledger.lines)))
    gone = ledger.lines[ledger.lines.by == 'rule']
    assert gone['round'].tolist() == [1, 1] and (ledger.lines.by == 'hand').sum() == 4
    everyone = 'add, accept, relabel, withdraw, roll back, reject'
    for decision, by in (('keep', 'rule'), ('add', 'me')):
        refused(
            f'decision {decision!r} by {by!r}: expected one of {everyone} by rule or hand',
            ledger.write,
            lines('a'),
            decision,
            1,
            by,
        )


def test_what_is_no_ledger(tmp_path):
    path = tmp_path / 'l.parquet'
    write_table(path, pd.DataFrame(columns=[c for c in LEDGER if c not in ('second', 'id')]))
    refused(f'{path}: not a ledger of labels: id, second missing', Ledger, path)
    write_table(path, pd.DataFrame({c: ['x'] for c in LEDGER}))
    refused(
        f'{path}: not a ledger of labels: column round holds something else than whole numbers',
        Ledger,
        path,
    )
    write_table(path, pd.DataFrame({c: ['x'] for c in LEDGER})[:0])
    assert len(Ledger(path).lines) == 0


# ---- verdicts
def decided_table(n=6):
    frame = table(probability=np.linspace(0.1, 0.6, n), second=['B'] * n)
    decision = ['add', 'ambiguous'] * (n // 2)
    return frame.assign(decision=decision, neighbours=[['k', 'l']] * n)


def test_a_review_shows_what_was_added_and_the_surest_of_the_rest(tmp_path):
    path = review(decided_table(), tmp_path / 'a' / 'r.CSV', refused=2)
    assert path == tmp_path / 'a' / 'r.CSV'
    shown = pd.read_csv(path, keep_default_na=False)
    assert list(shown) == list(REVIEW) and shown.id.tolist() == ['w0', 'w2', 'w4', 'w5', 'w3']
    assert (shown.verdict == '').all() and (shown.neighbours == 'k l').all()
    path = review(decided_table(50), tmp_path / 'r.parquet')
    shown = pd.read_parquet(path)
    assert len(shown) == 45 and shown.decision.tolist() == ['add'] * 25 + ['ambiguous'] * 20
    assert shown.id.tolist()[25:27] == ['w49', 'w47']
    refused(
        f'{tmp_path}/r.xlsx: a review is written as .csv or .parquet',
        review,
        decided_table(),
        tmp_path / 'r.xlsx',
    )


def test_a_verdict_however_it_is_written():
    classes = {'Salt', 'Fault', 'fault'}
    verdict = lambda text: verdicts._verdict(text, classes)
    assert [verdict(t) for t in (' Accept', 'REJECT', '', None, np.nan)] == [
        'accept', 'reject', '', '', '',
    ]  # fmt: skip
    assert (
        verdict('salt ') == 'Salt' and verdict('Fault') == 'Fault' and verdict('fault') == 'fault'
    )
    assert verdict('FAULT') is None and verdict('sal') is None
    assert verdicts._verdict('accept', {'Accept'}) == 'accept'
    assert verdicts._verdict('Accept', {'Accept'}) == 'Accept'


def sheet(tmp_path, *rows, columns=('id', 'label', 'verdict')):
    path = tmp_path / 'v.csv'
    text = [','.join(columns), *(','.join(r) for r in rows)]
    path.write_text('\n'.join(text) + '\n')
    return path


def test_verdicts_are_read_into_the_ledger(tmp_path):
    path = sheet(
        tmp_path,
        ('a', 'salt', 'accept', '0.5', 'k l'),
        ('b', 'Salt', 'Fault', 'x', ''),
        ('c', 'Fault', 'reject', '"0,25"', 'm'),
        ('d', 'Salt', '', '', ''),
        ('a', 'salt', 'ACCEPT', '', ''),
        columns=('id', 'label', 'verdict', 'probability', 'neighbours'),
    )
    ledger = Ledger(tmp_path / 'l.parquet')
    told = take_back(path, ledger, ['Salt', 'Fault'], 3, {'a', 'b', 'c'})
    assert told == dict(accept=1, reject=1, Fault=1)
    kept = Ledger(tmp_path / 'l.parquet').lines
    assert kept.id.tolist() == ['a', 'c', 'b']
    assert kept.decision.tolist() == ['accept', 'reject', 'relabel']
    assert kept.label.tolist() == ['Salt', 'Fault', 'Fault'] and (kept.by == 'hand').all()
    assert (kept['round'] == 3).all() and kept.neighbours.tolist() == ['["k", "l"]', '["m"]', '[]']
    assert kept.probability.astype(float).tolist()[:2] == [0.5, 0.25]
    assert np.isnan(float(kept.probability[2]))
    other = Ledger(tmp_path / 'none.parquet')
    empty = sheet(tmp_path, ('a', 'Salt', ''))
    assert take_back(empty, other, ['Salt'], 1) == {} and not other.path.exists()
    only = sheet(tmp_path, ('a', 'Salt', 'reject'))
    assert take_back(only, other, ['Salt'], 1) == dict(reject=1) and other.path.is_file()


def test_verdicts_that_are_unclear(tmp_path):
    ledger, classes = Ledger(tmp_path / 'l.parquet'), ['Salt', 'Fault']

    def is_refused(said, path, shown=None):
        refused(f'{path}{said}', take_back, path, ledger, classes, 1, shown)
        assert not len(ledger.lines) and not ledger.path.exists()

    is_refused(
        ': expected columns id, label and verdict, got id, label, probability',
        sheet(tmp_path, ('a', 'Salt', '1'), columns=('id', 'label', 'probability')),
    )
    is_refused(
        ", line 3: verdict 'maybe' is none of accept, reject, Fault, Salt",
        sheet(tmp_path, ('a', 'Salt', 'accept'), ('b', 'Salt', 'maybe')),
    )
    is_refused(
        ', line 3: a verdict without an id',
        sheet(tmp_path, ('', 'Salt', ''), ('', 'Salt', 'accept')),
    )
    two = sheet(tmp_path, ('a', 'Salt', 'accept'), ('b', 'Salt', 'reject'), ('c', 'Salt', 'reject'))
    judged = 'which is not among the windows to be judged'
    is_refused(f': verdict on b, {judged} (and 1 more such): leave it out', two, {'a'})
    is_refused(f': verdict on c, {judged}: leave it out', two, {'a', 'b'})
    is_refused(
        ': a has two verdicts, accept and reject: leave one out',
        sheet(tmp_path, ('a', 'Salt', 'accept'), ('a', 'Salt', 'reject')),
    )
    is_refused(
        ', line 3: b is accepted, but its label is none of Fault, Salt',
        sheet(tmp_path, ('a', 'Salt', 'accept'), ('b', 'Gas', 'accept')),
    )
    fine = sheet(tmp_path, ('b', 'Gas', 'Salt'), ('c', 'Gas', 'reject'))
    assert take_back(fine, ledger, classes, 1) == dict(Salt=1, reject=1)
    assert ledger.lines.id.tolist() == ['c', 'b']


# ---- state
def test_the_state_of_a_loop(tmp_path):
    told = []
    loop_ = LoopState(tmp_path, [1, 'a'], lambda *given: told.append(given))
    assert (
        loop_.rounds == [] and len(loop_.key) == 16 and LoopState(tmp_path, [1, 'a']).rounds == []
    )
    one = dict(round=0, valid=0.5, kept=True, stop='')
    loop_.put(one, 'decided', 'encoder')
    assert told == [(one, 'decided', 'encoder')]
    stored = json.loads((tmp_path / 'loop.json').read_text())
    assert stored['format'] == 2 and stored['key'] == loop_.key and stored['rounds'] == [one]
    more = [
        dict(round=1, valid=0.7, kept=True, stop='nothing to add'),
        dict(round=2, valid=0.9, kept=False, stop='drift'),
        dict(round=3, valid=0.6, kept=True, stop='no more gain'),
    ]
    for line in more:
        loop_.put(line)
    assert len(told) == 4 and told[-1] == (more[-1], None, None)
    again = LoopState(tmp_path, [1, 'a'])
    assert again.rounds == [one, *more]
    assert [r['round'] for r in again.fits()] == [0, 3] and again.best()['round'] == 3
    (tmp_path / 'other').mkdir()
    quiet = LoopState(tmp_path / 'other', [2])
    quiet.put(one)
    assert LoopState(tmp_path / 'other', [2]).rounds == [one] and quiet.key != loop_.key
    refused(
        f'{tmp_path} holds a loop over other windows or with other rules: choose another folder',
        LoopState,
        tmp_path,
        [1, 'b'],
    )


def test_a_round_counts_once_it_has_been_told(tmp_path):
    def fails(*given):
        raise KeyboardInterrupt

    loop_ = LoopState(tmp_path, [], fails)
    with pytest.raises(KeyboardInterrupt):
        loop_.put(dict(round=0, valid=0.5, kept=True, stop=''))
    assert not (tmp_path / 'loop.json').exists()


def test_what_is_no_state_of_a_loop(tmp_path):
    path = tmp_path / 'loop.json'
    good = dict(round=0, valid=1, kept=True, stop='')
    said = f'{path}: no state of a label loop: choose another folder'
    for wrong in (
        dict(rounds=[good]),
        dict(key='k'),
        dict(key='k', rounds={}),
        dict(key='k', rounds=['x']),
        dict(key='k', rounds=[good | dict(round=1)]),
        dict(key='k', rounds=[good, good]),
        dict(key='k', rounds=[dict(round=0, valid=1, kept=True)]),
    ):
        path.write_text(json.dumps(wrong))
        refused(said, LoopState, tmp_path, [])
    assert state._is_line(good, 0) and not state._is_line(good, 1) and not state._is_line(None, 0)


# ---- windows to train on
class Angles:
    "An encoder of windows whose pixels are a direction."

    parts, metric = None, 'cosine'

    def __init__(self, name='angles', **provenance):
        self.name, self.provenance, self.calibration = name, provenance, FALLING

    def part(self, z, name):
        assert name == 'class'
        return z * (1, 1)

    def fingerprint(self):
        return self.name

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'refcon.json').write_text(json.dumps(self.provenance))
        self.saved = dict(name=self.name, calibration=self.calibration)

    @classmethod
    def load(cls, folder):
        return cls(folder.name, **json.loads((folder / 'refcon.json').read_text()))


def images(prefix, degrees, labels=None, survey='n'):
    "A reader of windows that are directions."
    labels = [None] * len(degrees) if labels is None else list(labels)
    rows = [
        dict(id=f'{prefix}{i}', label=c, survey=survey, source='memory', line_kind='image', line=0)
        | dict(top=0, left=0, height=1, width=2)
        for i, c in enumerate(labels)
    ]
    return WindowReader(window_table(rows), arrays=list(at(*degrees).astype(np.float32)[:, None]))


@pytest.fixture
def embedded(monkeypatch):
    "Embedding is reading; a window of NaN cannot be used. Returns what has been embedded."
    asked = []

    def embed_table(encoder, reader):
        asked.append((encoder.name, reader.frame.id[0]))
        z = np.stack([reader[i][0][0] for i in range(len(reader))])
        good = np.isfinite(z).all(1)
        left = reader.frame[~good].assign(problem='it is empty')[['id', 'problem']]
        backwards = np.flatnonzero(good)[::-1]
        return z[backwards], reader.frame.iloc[backwards], left

    monkeypatch.setattr(training_set, 'embed_table', embed_table)
    return asked


def test_windows_are_embedded_once(tmp_path, embedded, capsys):
    reader = images('w', [0, 30, 60])
    folder = tmp_path / 'deep' / 'er'
    z = embed_once(Angles(), reader, folder, all_usable=True)
    np.testing.assert_allclose(z, at(0, 30, 60), atol=1e-6)
    np.testing.assert_array_equal(embed_once(Angles(), reader, str(folder)), z)
    assert len(embedded) == 1 and len(list(folder.glob('angles-*.npz'))) == 1
    embed_once(Angles('other'), reader, folder)
    pixels = images('w', [0, 30, 61])
    embed_once(Angles(), pixels, folder)
    assert len(embedded) == 3 and len(list(folder.iterdir())) == 3
    hole = images('w', [0, np.nan, 60])
    z = embed_once(Angles(), hole, folder)
    assert np.isnan(z[1]).all() and np.isfinite(z[[0, 2]]).all()
    assert capsys.readouterr().out == 'left out w1: it is empty\n'
    refused(
        'labelled window w1 cannot be used (see above): leave it out',
        embed_once,
        Angles(),
        hole,
        folder,
        all_usable=True,
    )
    many, changed = (list(range(20)) for _ in range(2))
    changed[19] = 77
    names = [training_set._embeddings_file('f', Angles(), images('w', a)) for a in (many, changed)]
    assert names[0] != names[1] and names[0].parent.name == 'f' and names[0].suffix == '.npz'


def test_labels_of_the_corpus_join_those_given():
    labelled, corpus = images('l', [0, 90], 'SF'), images('c', [5, 50, 95])
    nothing = pd.DataFrame(columns=['id', 'label'])
    assert join_labels(labelled, corpus, nothing) is labelled
    current = pd.DataFrame(dict(id=['c2', 'c0', 'z'], label=['F', 'S', 'S']))
    both = join_labels(labelled, corpus, current)
    assert both.frame.id.tolist() == ['l0', 'l1', 'c0', 'c2']
    assert both.frame.label.tolist() == list('SFSF') and corpus.frame.label.isna().all()
    np.testing.assert_allclose(np.concatenate(both.arrays), at(0, 90, 5, 95), atol=1e-6)


def test_windows_of_volumes_stay_on_their_volumes(tmp_path):
    from reflection_connection.volume import as_openings

    np.save(tmp_path / 'cube.npy', np.arange(6000.0, dtype='f4').reshape(10, 20, 30))
    items = places((0, 0), (15, 5)).assign(source=str(tmp_path / 'cube.npy'))
    labelled = WindowReader(items[:1].assign(label='S'))
    opening = as_openings(dict(domain='depth'))
    corpus = WindowReader(items[1:], opening=opening)
    current = pd.DataFrame(dict(id=['w1'], label=['F']))
    both = join_labels(labelled, corpus, current)
    assert both.arrays is None and both.opening == (labelled.opening or corpus.opening)
    other = join_labels(WindowReader(items[:1].assign(label='S'), opening=opening), corpus, current)
    assert other.opening == opening
    in_memory = images('l', [0], 'S')
    mixed = join_labels(in_memory, corpus, current)
    assert len(mixed.arrays) == 2 and mixed.arrays[1].shape == (10, 10)
    np.testing.assert_array_equal(mixed.arrays[1], corpus[0][0])


def test_validation_is_apart_from_all_others():
    valid, labelled, corpus = images('v', [0]), images('l', [1]), images('c', [2])
    check_apart(valid, labelled, corpus)
    with pytest.raises(IterateError, match='1 windows, v0 first, are for training and for valid'):
        check_apart(valid, labelled, images('v', [3]))
    with pytest.raises(IterateError, match='v0 first'):
        check_apart(valid, images('v', [3]), corpus)


# ---- the loop
VALID = dict(degrees=[2, 8, 88, 93, 40, 50], labels='SSFFSF')


def a_loop(folder, fit=None, corpus=(5, 95, 45, 15, np.nan), **how):
    rules_ = Rules(min_probability=0.5, min_evidence=0.6, min_margin=0.1, few=1, balance=9)
    options = dict(rules=rules_, leave_out='none') | how
    return LabelLoop(
        fit or (lambda reader, work: Angles()),
        images('l', [0, 10, 90, 80], 'SSFF'),
        images('v', VALID['degrees'], VALID['labels']),
        images('c', corpus),
        folder,
        **options,
    )


@pytest.fixture
def angles(monkeypatch, embedded):
    monkeypatch.setattr(loop, 'Encoder', Angles)
    return embedded


def test_a_loop_is_known_by_what_decides_how_it_goes(tmp_path, angles):
    key = a_loop(tmp_path / '0').key
    assert a_loop(tmp_path / '1').key == key
    changes = (
        dict(rules=Rules()),
        dict(patience=2),
        dict(leave_out='overlapping'),
        dict(noise=0.1),
        dict(drift=0.4),
        dict(seed=1),
        dict(corpus=(5, 95, 45)),
    )
    assert len({a_loop(tmp_path / '2', **c).key for c in changes} | {key}) == 8
    assert a_loop(tmp_path / '3', truth=pd.Series(['S'], ['c0']), on_round=print).key == key
    loop_ = a_loop(tmp_path / '4', seed=3)
    assert loop_.ledger.path == tmp_path / '4' / 'labels.parquet' and loop_.said is False
    assert (loop_.patience, loop_.noise, loop_.drift, loop_.seed) == (1, 0.05, 0.3, 3)
    with pytest.raises(IterateError, match='v0 first'):
        LabelLoop(None, images('v', [0], 'S'), images('v', [0], 'S'), images('c', [3]), tmp_path)
    with pytest.raises(IterateError, match='v0 first'):
        LabelLoop(None, images('l', [0], 'S'), images('v', [0], 'S'), images('v', [3]), tmp_path)


def test_a_loop_from_beginning_to_end(tmp_path, angles):
    told, fitted_to = [], []

    def fit(reader, work):
        fitted_to.append((reader.frame.id.tolist(), work.parent.name, work.name[:2]))
        work.mkdir(parents=True)
        return Angles()

    truth = pd.Series(list('SFFS'), ['c0', 'c1', 'c2', 'c3'])
    on_round = lambda line, decided, encoder: told.append((line['round'], decided, encoder))
    loop_ = a_loop(tmp_path, fit, truth=truth, on_round=on_round, patience=2, drift=1.0)
    found = loop_.go(3)
    rounds = found['rounds'].to_dict('records')
    assert [r['round'] for r in rounds] == [0, 1, 2]
    assert rounds[0]['added'] == 0 and rounds[0]['labels'] == 4 and rounds[0]['kept'] is True
    assert rounds[1]['added'] == 3 and rounds[1]['labels'] == 7 and rounds[1]['precision'] == 1
    assert rounds[1]['by_class'] == dict(S=2, F=1) and rounds[1]['withdrawn'] == 0
    assert (
        sum(rounds[1]['refused'].values()) == 1 and rounds[1]['gain'] == 0 and rounds[1]['p'] == 1
    )
    assert rounds[1]['shares'] == pytest.approx(dict(S=2 / 3, F=1 / 3)) and rounds[1]['moved'] == 0
    assert rounds[2]['stop'] == 'nothing to add' == found['stopped']
    assert rounds[2]['valid'] == rounds[1]['valid'] and rounds[2]['labels'] == 7
    added = loop_.ledger.lines[loop_.ledger.lines.decision == 'add']
    assert added.id.tolist() == ['c0', 'c1', 'c3'] and (added['round'] == 1).all()
    assert rounds[1]['mean_probability'] == pytest.approx(added.probability.astype(float).mean())
    frame = loop_.valid.frame
    z = at(*VALID['degrees'])
    score = evaluate_embeddings(z, frame, 'none', n_boot=1)[0]['macro_map']
    assert rounds[0]['valid'] == pytest.approx(score) == rounds[1]['valid']
    assert fitted_to == [
        (['l0', 'l1', 'l2', 'l3'], 'work', '0-'),
        (['l0', 'l1', 'l2', 'l3', 'c0', 'c1', 'c3'], 'work', '1-'),
    ]
    assert not (tmp_path / 'work').exists()
    assert [t[0] for t in told] == [0, 1, 2] and told[0][1] is None and told[0][2] is None
    assert len(told[1][1]) == 4 and told[1][2].name == 'round0' and told[2][2].name == 'round1'
    about = json.loads((tmp_path / 'round1' / 'refcon.json').read_text())
    assert about['label_loop'] == dict(round=1, windows=7, by_hand=0)
    now = join_labels(loop_.labelled, loop_.corpus, loop_.ledger.current())
    assert about['labels'] == data_fingerprint(now.frame, opening=now.opening)
    assert found['best'] == 0 and found['encoder'] == tmp_path / 'round0'
    assert found['ledger'] is loop_.ledger and not len(found['suspects'])
    assert found['story'] == (
        f'3 labels found for 5 windows in 2 rounds (nothing to add); validation macro mAP '
        f'{score:.3f} with 4 labels, {score:.3f} in round 0'
    )
    again = a_loop(tmp_path, fit, patience=2, drift=1.0)
    again.go(3)
    assert len(fitted_to) == 2 and json.dumps(again.rounds) == json.dumps(loop_.rounds)
    short = a_loop(tmp_path / 'short', fit).go(1)
    assert short['stopped'] == 'no more gain'
    patient = a_loop(tmp_path / 'patient', fit, patience=2, drift=1.0).go(1)
    assert patient['stopped'] == 'all rounds done' and len(patient['rounds']) == 2
    none = a_loop(tmp_path / 'none', fit).go(0)
    assert len(none['rounds']) == 1 and none['stopped'] == 'all rounds done'


def test_a_person_has_the_last_word(tmp_path, angles):
    loop_ = a_loop(tmp_path, patience=3)
    loop_.go(1)
    assert not a_loop(tmp_path, patience=3).said
    loop_.ledger.write(lines('c0', label='S'), 'reject', 1, 'hand')
    loop_.ledger.write(lines('c2', label='F'), 'accept', 1, 'hand')
    again = a_loop(tmp_path, patience=3)
    assert again.said is True
    found = again.go(1)
    assert len(found['rounds']) == 3 and again.said is False
    assert set(again.ledger.current().id) == {'c1', 'c2', 'c3'}
    assert found['rounds'].refused[2] == {'rejected by hand': 1}
    assert again.fitted(7, again.labelled).provenance['label_loop']['by_hand'] == 1


def test_labels_that_are_contradicted_are_withdrawn(tmp_path, angles):
    loop_ = a_loop(tmp_path, patience=3)
    loop_.go(0)
    loop_.ledger.write(lines('c1', label='S'), 'add', 0)  # at 95 degrees, among the faults
    loop_.labelled.frame['label'] = ['S', 'F', 'F', 'F']  # so is that at 10 degrees
    encoder = loop_.encoder(0)
    z = loop_.embeddings(encoder, loop_.corpus)
    held = loop_._holding(encoder, z, FALLING)
    assert held.withdrawn.id.tolist() == ['c1'] and held.suspects.id.tolist() == ['l0', 'l1']
    assert held.frame.id.tolist() == ['l0', 'l1', 'l2', 'l3'] and held.z.shape == (4, 2)
    loop_.labelled.frame['label'] = list('SSFF')
    loop_.rounds[0]['round'] = 0
    loop_.step()
    taken = loop_.ledger.lines[loop_.ledger.lines.decision == 'withdraw']
    assert taken.id.tolist() == ['c1'] and taken.reason.tolist() == ['another class is ahead']
    assert loop_.rounds[1]['withdrawn'] == 1 and loop_.rounds[1]['suspects'] == []
    assert 'c1' not in set(loop_.ledger.current().id)


def test_what_is_looked_at(tmp_path, angles):
    loop_ = a_loop(tmp_path)
    loop_.go(0)
    encoder = loop_.encoder(0)
    seen = loop_.look(encoder)
    assert isinstance(seen, Look) and seen.decided.id.tolist() == ['c0', 'c1', 'c2', 'c3']
    valid = at(*VALID['degrees'])
    calibration = loop_.calibration(encoder)
    frame = loop_.valid.frame
    d = DISTANCES['cosine'](valid.astype(np.float32), valid.astype(np.float32))
    pairs, same = neighbour_pairs(d, frame.label, frame.label, np.eye(6, dtype=bool))
    assert calibration['pairs'] == len(pairs) == 30
    assert calibration['positive_share'] == pytest.approx(same.mean())
    z_known = at(0, 10, 90, 80)
    known = loop_.labelled.frame
    expected = propose(at(5, 95, 45, 15), list('abcd'), z_known, known, calibration, few=1)
    for column in ('label', 'evidence', 'margin', 'second'):
        told, wanted = seen.decided[column].tolist(), expected[column].tolist()
        assert told == wanted or told == pytest.approx(wanted, abs=1e-4)
    checked, fitted = loop_.check(encoder, z_known, known, calibration)
    assert checked.id.tolist() == [f'v{i}' for i in range(6)]
    assert fitted == fit_confidence(checked, frame.label)
    np.testing.assert_allclose(
        seen.decided.probability, confidence(fitted, seen.decided), atol=1e-4
    )
    loop_.rounds[0]['answered'] = ['v1', 'v2']
    less, fitted = loop_.check(encoder, z_known, known, calibration)
    assert less.id.tolist() == ['v0', 'v3', 'v4', 'v5'] and fitted['windows'] == 4
    assert fitted == fit_confidence(less, list('SFSF'))
    loop_.rounds[0] |= dict(answered=[f'v{i}' for i in range(6)])
    assert loop_.check(encoder, z_known, known, calibration)[1] is None
    assert (loop_.look(encoder).decided.probability == 0).all()
    loop_.rounds[0]['kept'] = False
    assert len(loop_.check(encoder, z_known, known, calibration)[0]) == 6


def test_validation_windows_like_those_added(tmp_path, angles):
    loop_ = a_loop(tmp_path)
    decided = pd.DataFrame(
        dict(
            decision=[
                'add',
                'class is full',
                'near duplicate',
                'add',
                'ambiguous',
                'low confidence',
            ]
        )
    )
    checked = table(probability=[0.6, 0.9, 0.7, 0.8, 0.4, 0.6])
    assert loop_.like_added(decided, checked) == ['w1', 'w3']  # half of five that stand, rounded
    assert loop_.like_added(decided[:1], checked) == ['w1', 'w3', 'w2', 'w0', 'w5']
    assert loop_.like_added(decided[4:], checked) == []
    assert loop_.like_added(decided[1:4], checked) == ['w1', 'w3']
    assert loop_.like_added(decided[1:3], checked) == []


def test_a_round_has_drifted(tmp_path, angles):
    loop_ = a_loop(tmp_path)

    def drifted(now, then, p=0.9, before=0.9):
        first = dict(shares=then, mean_probability=before)
        loop_.rounds = [None, first, dict(shares={}, mean_probability=0)]
        line = dict(shares=now, mean_probability=p)
        found = loop_.drifted(line)
        return found, line['moved']

    half = dict(A=0.5, B=0.5)
    assert drifted(half, half) == (False, 0)
    assert drifted(dict(A=0.75, B=0.25), half) == (False, 0.25)
    assert drifted(dict(A=1.0), half) == (True, 0.5)
    assert drifted(dict(C=1.0), half) == (True, 1.0)
    assert drifted(half, half, 0.76)[0] is False and drifted(half, half, 0.74)[0] is True
    assert drifted(half, half, None)[0] is False and drifted(half, half, 0.1, None)[0] is False
    loop_.rounds = [None]
    assert loop_.drifted(dict(shares=half, mean_probability=0.9)) is False
    loop_.drift = 0.25
    assert drifted(dict(A=0.75, B=0.25), half)[0] is False


def test_validation_decides_whether_a_round_stays(tmp_path, angles, monkeypatch):
    asked = []

    def judged(difference, p, past=((0.5, ''),), patience=1):
        def paired(new, old, seed, over):
            asked.append((new, old, seed, over))
            return dict(difference=difference, p=p)

        monkeypatch.setattr(loop, 'paired_bootstrap', paired)
        loop_ = a_loop(tmp_path / 'j', patience=patience, seed=4)
        loop_.rounds = [dict(round=i, valid=v, kept=True, stop=s) for i, (v, s) in enumerate(past)]
        monkeypatch.setattr(LabelLoop, 'fitted', lambda self, k, now: f'encoder {k} {now}')
        monkeypatch.setattr(LabelLoop, 'encoder', lambda self, k: f'kept {k}')

        def ask(self, k, encoder):
            self._scores[k] = None, encoder
            return 0.25

        monkeypatch.setattr(LabelLoop, 'ask', ask)
        line = dict(round=len(past), kept=True, stop='')
        loop_.judge(line, 'now')
        assert (line['valid'], line['gain'], line['p']) == (0.25, difference, p)
        return line['kept'], line['stop']

    assert judged(0.1, 0.01) == (True, '')
    assert judged(-0.1, 0.049) == (False, 'validation fell')
    assert judged(-0.1, 0.05) == (True, 'no more gain')
    assert judged(0.0, 0.01) == (True, 'no more gain')
    assert judged(0.0, 1, patience=2) == (True, '')
    two = ((0.5, ''), (0.4, ''))
    assert judged(0.0, 1, two, 2) == (True, 'no more gain') and judged(0, 1, two, 3) == (True, '')
    assert judged(0.0, 1, ((0.4, ''), (0.5, '')), 2) == (True, '')
    assert asked[0] == ('encoder 1 now', 'kept 0', 4, 'window')
    assert asked[-1] == ('encoder 2 now', 'kept 1', 4, 'window')


def test_what_has_drifted_or_fallen_is_rolled_back(tmp_path, angles, monkeypatch):
    for name, stop in (('drifted', 'drift'), ('judge', 'validation fell')):
        with monkeypatch.context() as m:
            if name == 'drifted':
                m.setattr(LabelLoop, 'drifted', lambda self, line: True)
            else:
                fell = lambda self, line, now: line.update(kept=False, stop=stop, valid=0.1)
                m.setattr(LabelLoop, 'judge', fell)
            loop_ = a_loop(tmp_path / name)
            found = loop_.go(3)
        assert found['stopped'] == stop and len(found['rounds']) == 2
        assert not len(loop_.ledger.current()) and not found['rounds'].kept[1]
        back = loop_.ledger.lines[loop_.ledger.lines.decision == 'roll back']
        assert back.id.tolist() == ['c0', 'c1', 'c3'] and (back.reason == stop).all()
        assert 'precision' not in loop_.rounds[1]


def test_an_encoder_is_fitted_once_to_the_same_labels(tmp_path, angles):
    made = []

    def fit(reader, work):
        made.append(work)
        return Angles(start='here')

    loop_ = a_loop(tmp_path, fit)
    first = loop_.fitted(2, loop_.labelled)
    assert first.name == 'round2' and first.provenance['start'] == 'here'
    assert first.calibration == loop_.calibration(first, whole=True) != FALLING
    assert first.saved['name'] == 'round2' and first.saved['calibration'] == first.calibration
    assert loop_.fitted(2, loop_.labelled).provenance == first.provenance and len(made) == 1
    labels = data_fingerprint(loop_.labelled.frame, opening=loop_.labelled.opening)
    assert made[0] == tmp_path / 'work' / f'2-{labels}'
    loop_.fitted(2, loop_.valid)
    assert len(made) == 2


def test_two_processes_do_not_go_on_with_one_loop(tmp_path, angles):
    loop_, other = a_loop(tmp_path), a_loop(tmp_path)
    loop_.go(1)
    refused(
        f'{tmp_path}: another process went on with this loop meanwhile: open it again', other.go, 1
    )


def test_an_unfinished_round_is_made_again(tmp_path, angles):
    loop_ = a_loop(tmp_path, patience=2)
    loop_.go(0)
    loop_.ledger.write(lines('c2', label='S'), 'add', 1)
    again = a_loop(tmp_path, patience=2)
    again.go(1)
    assert again.ledger.current().id.tolist() == ['c0', 'c1', 'c3']
