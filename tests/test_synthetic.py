"""What a cell of the synthetic notebooks can't test.

Separate processes, files on disk read by other software, memory."""

import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import segyio
from PIL import Image

from reflection_connection.synthetic import (
    CLASSES,
    CLEAR,
    Survey,
    cdp_xy,
    labelled_windows,
    synthetic_section,
    write_challenge,
    write_survey,
)

SMALL = dict(n_inlines=12, n_crosslines=96, n_samples=128)


IMPORTS = 'import hashlib\nfrom reflection_connection.synthetic import labelled_windows\n'


def digest(code):
    "sha256 that a fresh process prints."
    command = [sys.executable, '-c', IMPORTS + code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_two_processes_make_identical_windows():
    code = """
w, f = labelled_windows(2, seed=11, shape=(64, 64))
print(hashlib.sha256(w.tobytes() + f.to_csv().encode()).hexdigest())
"""
    w, f = labelled_windows(2, seed=11, shape=(64, 64))
    here = hashlib.sha256(w.tobytes() + f.to_csv().encode()).hexdigest()
    assert digest(code) == digest(code) == here


def test_generation_leaves_numpys_global_random_state_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    labelled_windows(1, shape=(64, 64))
    synthetic_section(0, (64, 64))
    assert (np.random.get_state()[1] == before).all()


SHAPES = [(32, 32), (50, 125), (128, 128), (99, 60), (33, 200), (224, 224)]


@pytest.mark.parametrize('seed, shape', list(enumerate(SHAPES)))
def test_windows_of_many_seeds_and_shapes_are_finite_and_alive(seed, shape):
    w, f = labelled_windows(8, seed=seed, shape=shape, surveys=8)
    assert np.isfinite(w).all()
    assert (w.std((1, 2)) > 0).all()
    assert list(f.columns) == ['id', 'label', 'survey', 'structure', 'wavelet', 'noise']
    assert set(f.label) == set(CLASSES) and f.id.is_unique


@pytest.mark.parametrize('seed', range(5))
def test_default_survey_holds_at_least_six_classes_for_any_seed(seed, tmp_path):
    write_survey(tmp_path, seed=seed)
    labels = pd.read_csv(tmp_path / 'labels.csv')
    assert labels.label.nunique() >= 6, labels.label.value_counts()
    assert set(labels.line_kind) == {'inline', 'crossline'} and labels.line.nunique() > 8


def test_a_survey_is_written_twice_alike(tmp_path):
    path = write_survey(tmp_path, seed=2, dt_ms=2.0, **SMALL)
    again = write_survey(tmp_path / 'again', seed=2, dt_ms=2.0, **SMALL)
    assert again != path and path.name == 'survey.sgy'
    for name in ('survey.sgy', 'classes.npy', 'labels.csv'):
        assert (tmp_path / name).read_bytes() == (tmp_path / 'again' / name).read_bytes(), name


def test_survey_round_trip(tmp_path):
    path = write_survey(tmp_path, seed=2, dt_ms=2.0, **SMALL)
    classes = np.load(tmp_path / 'classes.npy')
    assert classes.shape == (12, 96, 128) and classes.dtype == np.int8
    assert 0 <= classes.min() and classes.max() < len(CLASSES)
    sv = Survey(2, dt_ms=2.0, **SMALL)
    with segyio.open(str(path), strict=True) as f:
        assert segyio.tools.dt(f) == 2000.0 and f.bin[3217] == 2000 and f.bin[3221] == 128
        for i in (0, 5, 11):
            data, cls = sv.inline(i)
            assert (f.iline[1200 + i].T == data).all() and (classes[i].T == cls).all()
        assert (f.xline[3400 + 2 * 7][5] == f.iline[1205][7]).all()
        h = f.header[5 * 96 + 7]
        assert (h[189], h[193], h[71]) == (1205, 3414, -100)
        assert np.allclose([h[181] / 100, h[185] / 100], cdp_xy(5, 7), atol=0.01)


def test_survey_bytes_and_labels(tmp_path):
    path = write_survey(tmp_path, seed=2, dt_ms=2.0, **SMALL)
    raw = path.read_bytes()
    assert len(raw) == 3600 + 12 * 96 * (240 + 4 * 128)
    assert raw[3500:3504] == b'\x01\x00\x00\x01' and raw[:3].decode('cp037') == 'C 1'
    classes, labels = np.load(tmp_path / 'classes.npy'), pd.read_csv(tmp_path / 'labels.csv')
    for r in labels.itertuples():
        inline = r.line_kind == 'inline'
        section = classes[r.line - 1200] if inline else classes[:, (r.line - 3400) // 2]
        box = section.T[r.top : r.top + r.height, r.left : r.left + r.width]
        assert box.shape == (r.height, r.width)
        assert (box == CLASSES.index(r.label)).mean() >= CLEAR[r.label]


FEW = dict(per_class=3, seed=4, shape=(48, 64), corpus_per_class=2, query_per_class=1, surveys=2)


@pytest.fixture(scope='module')
def challenge(tmp_path_factory):
    return write_challenge(tmp_path_factory.mktemp('challenge') / 'c', **FEW)


def files_in(folder):
    "Paths of all files below a folder, sorted."
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob('*') if p.is_file())


def test_challenge_layout(challenge):
    files = files_in(challenge)
    count = lambda top: sum(f.startswith(top + '/') for f in files)
    assert [count(t) for t in ('train', 'test', 'image_corpus', 'query')] == [24, 8, 16, 8]
    assert len(files) == 24 + 8 + 16 + 8 + 1
    for part in ('train', 'test'):
        assert {p.name for p in (challenge / part).iterdir()} == set(CLASSES)
    for f in files[:-1]:
        if f.endswith('.png'):
            im = Image.open(challenge / f)
            assert (im.mode, im.size) == ('L', (64, 48)) and im.getextrema() == (0, 255)


def test_challenge_truth(challenge):
    truth = pd.read_csv(challenge / 'truth.csv')
    hidden = [f for f in files_in(challenge) if f.startswith(('image_corpus/', 'query/'))]
    assert sorted(truth.file) == hidden
    assert truth[truth.file.str.startswith('image_corpus')].label.value_counts().eq(2).all()
    assert not any(c in f for f in truth.file for c in CLASSES)  # names tell nothing


def test_no_survey_is_in_two_parts_of_a_challenge(challenge):
    truth = pd.read_csv(challenge / 'truth.csv')
    surveys = {
        part: {p.stem.split('-')[1] for p in (challenge / part).rglob('*.png')}
        for part in ('train', 'test')
    }
    surveys |= {
        part: {s.split('-')[1] for s in truth[truth.file.str.startswith(part)].survey}
        for part in ('image_corpus', 'query')
    }
    assert len(set().union(*surveys.values())) == 4
    assert all(len(s) == 1 for s in surveys.values())


def test_a_challenge_is_written_twice_alike(challenge, tmp_path):
    other = write_challenge(tmp_path / 'd', **FEW)
    files = files_in(challenge)
    assert all((challenge / f).read_bytes() == (other / f).read_bytes() for f in files)


def test_a_window_always_shows_something():
    "A salt body without reflections that fills the window: seed 0, survey 4 of 20, number 1938 was one."
    from reflection_connection.synthetic import CLASSES, one_window, random_style

    style = random_style(np.random.default_rng([0, 1, (1938 + CLASSES.index('Salt')) % 20]))
    window, structure = one_window(
        np.random.default_rng([0, 2, CLASSES.index('Salt'), 1938]), 'Salt', style, (96, 96)
    )
    assert np.isfinite(window).all() and window.std() > 0 and structure
