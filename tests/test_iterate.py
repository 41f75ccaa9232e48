"Self-training from outside: killed at any stage, reviewed, misled, as a command and as a run."

import json
import time

import pandas as pd
from conftest import Process


def work(folder):
    from reflection_connection.labelling import Rules
    from reflection_connection.run import iterate_labels, loop_windows

    windows = loop_windows(
        'synthetic', labels=4, valid=6, per_class=20, surveys=3, unknown=('Channel', 'Salt')
    )
    iterate_labels(
        windows, 'refcon-tiny', folder, Rules(min_probability=0.6, cap=4), rounds=2, patience=3
    )


def loop(folder, until=None):
    "Run the loop to its end, or kill it when a file that matches `until` is there."
    with Process(work, folder) as p:
        if until is None:
            assert p.wait() == 0, p.said[-2000:]
            return
        end = time.time() + 300
        while not list(folder.glob(until)):
            assert p.process.exitcode is None and time.time() < end, (
                f'ended before {until} was there: {p.said[-2000:]}'
            )
            time.sleep(0.005)
        p.kill()


def read_loop(folder):
    "The ledger's lines and the rounds of a loop."
    rounds = json.loads((folder / 'loop.json').read_text())['rounds']
    return pd.read_parquet(folder / 'labels.parquet'), rounds


def test_killed_in_any_stage_it_ends_with_the_same_labels(tmp_path):
    loop(tmp_path / 'whole')
    labels, rounds = read_loop(tmp_path / 'whole')
    assert len(rounds) == 3 and rounds[1]['added'] > 0
    for until in ('loop.json', 'embeddings/*.npz', 'labels.parquet', 'review/round1.csv'):
        loop(tmp_path / 'cut', until)  # each goes on where the last was killed
    loop(tmp_path / 'cut')
    again, same = read_loop(tmp_path / 'cut')
    pd.testing.assert_frame_equal(again, labels)
    assert same == rounds


def test_command_and_verdicts(refcon, tmp_path):
    from reflection_connection.synthetic import write_challenge

    data = write_challenge(tmp_path / 'data', per_class=10, seed=3)
    out = tmp_path / 'loop'
    options = ('--min-probability', 0.3, '--min-margin', 0, '--rounds', 1, '--json')
    ask = ('iterate', data, '--out', out, *options)
    done = refcon(*ask)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found['rounds'][1]['added'] == len(found['labels']) > 0
    assert (out / 'review' / 'round1.png').is_file()
    sheet = pd.read_csv(out / 'review' / 'round1.csv', keep_default_na=False)
    sheet.loc[0, 'verdict'] = 'falut'
    sheet.to_csv(tmp_path / 'verdicts.csv', index=False)
    refused = refcon(*ask, '--verdicts', tmp_path / 'verdicts.csv')
    assert refused.returncode == 2
    assert "verdict 'falut'" in refused.stderr and 'Traceback' not in refused.stderr
    sheet.loc[0, 'verdict'] = 'reject'
    sheet.to_csv(tmp_path / 'verdicts.csv', index=False)
    taken = refcon(*ask, '--verdicts', tmp_path / 'verdicts.csv')
    assert taken.returncode == 0, taken.stderr[-2000:]
    ledger = pd.read_parquet(out / 'labels.parquet')
    by_hand = ledger[ledger.by == 'hand']
    assert by_hand[['id', 'decision']].to_numpy().tolist() == [[sheet.id[0], 'reject']]
    after = json.loads(taken.stdout)
    assert sheet.id[0] not in [r['id'] for r in after['labels']]
    assert len(after['rounds']) == 3  # one round more
    other = refcon(*ask[:-3], '--rounds', 1, '--cap', 3)
    assert other.returncode == 2 and 'other rules' in other.stderr
    nothing = refcon('iterate', data / 'train', '--out', tmp_path / 'x')
    assert nothing.returncode == 2 and 'nothing to look through' in nothing.stderr


def test_out_of_distribution_classes_and_label_noise():
    "Little is added, and validation is no worse."
    import tempfile

    from reflection_connection.run import iterate_labels, loop_windows

    common = dict(labels=5, valid=15, per_class=60, surveys=4, unknown=('Channel', 'Salt'))
    for n, options in ((200, dict(strangers=True)), (600, dict(poison=0.2))):
        windows = loop_windows('synthetic', **common, **options)
        assert len(windows['corpus']) >= n
        found = iterate_labels(windows, 'refcon-tiny', tempfile.mkdtemp(), rounds=2, what='head')
        rounds = found['rounds']
        held = found['ledger'].current()
        right = (held.id.map(windows['truth']) == held.label).sum()
        assert rounds.valid[found['best']] >= rounds.valid[0], found['story']
        assert len(held) - right <= 0.03 * len(windows['corpus']), found['story']
        if 'poison' in options:
            assert right >= 0.8 * len(held)


def test_run_notebook(refcon, tmp_path):
    parameters = dict(
        labels=4,
        valid=6,
        per_class=12,
        surveys=3,
        unknown='Channel,Salt',
        min_probability=0.6,
        min_evidence=0.5,
        cap=4,
        rounds=1,
        seeds=2,
        similarity=0.5,
        what='head',
    )
    given = [text for name, value in parameters.items() for text in ('-p', name, value)]
    ask = ('run', 'nbs/run_iterative.ipynb', '--out', tmp_path / 'run', *given)
    done = refcon(*ask, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
    judged = {name: summary['judged'] for name, summary in metrics['summary'].items()}
    assert set(judged) == {
        'start',
        'fine-tuned once',
        'last round',
        'round that validates best',
        'threshold alone',
    }
    assert all(len(v) == 2 and 0 < min(v) <= max(v) < 1 for v in judged.values())
    for name in (
        'report.html',
        'figures/rounds.png',
        'loop0/labels.parquet',
        'loop1/review/round1.csv',
    ):
        assert (tmp_path / 'run' / name).is_file()
    weights = tmp_path / 'run' / 'loop0' / 'round1' / 'model.safetensors'
    before = weights.stat().st_mtime_ns
    done = refcon(*ask, timeout=600)
    assert done.returncode == 0 and weights.stat().st_mtime_ns == before
    assert json.loads((tmp_path / 'run' / 'metrics.json').read_text()) == metrics


def test_real_sections(refcon, shared, tmp_path):
    "Labels of two surveys, real sections as the corpus; no window of one part lies on one of another."
    from reflection_connection.run import iterate_labels, loop_windows
    from reflection_connection.search import overlaps

    dev = pd.read_csv(shared / 'windows_dev.csv')
    others = tuple(sorted(set(dev.survey) - {'f3', 'penobscot'}))
    windows = loop_windows(
        shared / 'windows_dev.csv',
        shared / 'sections',
        corpus=str(shared / 'sections'),
        judged=others,
        unknown=('Channel',),
        grid=((64, 96), (48, 72)),
    )
    parts = {k: windows[k].frame for k in ('labelled', 'valid', 'test', 'corpus')}
    assert set(parts['test'].survey) == set(others) and len(parts['corpus']) > 200
    surveys = {frozenset(parts[k].survey) for k in ('labelled', 'valid')}
    assert surveys == {frozenset(['f3']), frozenset(['penobscot'])}  # a survey each
    pairs = (('valid', 'labelled'), ('valid', 'corpus'), ('test', 'corpus'), ('labelled', 'corpus'))
    for a, b in pairs:
        for _, row in parts[a].iterrows():
            assert not overlaps(row, parts[b], share=0.01).any(), (a, b)
    found = iterate_labels(windows, 'refcon-tiny', tmp_path / 'loop', rounds=1)
    assert found['rounds'].valid.notna().all()
