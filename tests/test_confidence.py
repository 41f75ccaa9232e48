"A survey unlike all that an encoder knows is named where it is indexed, searched and evaluated."

import json

import numpy as np
import pandas as pd
import pytest

from reflection_connection.encoder import Encoder
from reflection_connection.search import (
    Searcher,
    SearchError,
    build_index,
    fit_over_surveys,
    fit_probability,
    neighbour_pairs,
    probability,
    read_meta,
    stated_and_right,
)
from reflection_connection.storage import read_json, write_json
from reflection_connection.synthetic import synthetic_section
from reflection_connection.windows import Grid

GRID = Grid((48, 48), (32, 32))


@pytest.fixture(scope='module')
def sections(tmp_path_factory):
    "Lines of synthetic earth, and one of white noise."
    folder = tmp_path_factory.mktemp('sections')
    made = {f'earth{k}': synthetic_section(k, (160, 260)).data for k in range(3)}
    made['noise'] = np.random.default_rng(0).normal(size=(160, 260)).astype(np.float32)
    for name, data in made.items():
        np.save(folder / f'{name}.npy', data)
    return folder


def windows_of(data):
    return [data[r : r + 48, c : c + 48] for r in range(0, 113, 32) for c in range(0, 213, 32)]


@pytest.fixture(scope='module')
def knowing(encoder_folder, sections, tmp_path_factory):
    "An encoder that remembers two of the lines, saved."
    encoder = Encoder.load(encoder_folder)
    first, second = (
        encoder.recipe.batch(windows_of(np.load(sections / f'earth{k}.npy'))) for k in range(2)
    )
    return encoder.remember(first, [second]).save(tmp_path_factory.mktemp('knowing') / 'enc')


def test_the_index_says_and_keeps_it(knowing, sections, tmp_path, capsys, monkeypatch):
    noise = str(sections / 'noise.npy')
    build = lambda: build_index(
        Encoder.load(knowing),
        [str(sections / 'earth2.npy'), noise],
        tmp_path / 'index',
        GRID,
        encoder_source=str(knowing),
    )
    assert build()[2]
    said = capsys.readouterr().out
    assert said.count('unlike all that') == 1 and 'noise.npy: unlike' in said
    assert list(read_meta(tmp_path / 'index')['unlike']) == [noise]
    monkeypatch.setattr(
        'reflection_connection.volume.opening._told', {}
    )  # as another process would see it
    assert not build()[2] and 'noise.npy: unlike' in capsys.readouterr().out
    searcher = Searcher.open(tmp_path / 'index')
    assert 'unlike all that' in searcher.problems(noise)[0]
    assert not any('unlike' in p for p in searcher.problems(str(sections / 'earth2.npy')))


def test_an_encoder_that_remembers_nothing_says_nothing(encoder_folder, sections, tmp_path, capsys):
    build_index(Encoder.load(encoder_folder), str(sections / 'noise.npy'), tmp_path / 'index', GRID)
    assert read_meta(tmp_path / 'index')['unlike'] == {} and 'unlike' not in capsys.readouterr().out


@pytest.mark.parametrize(
    'wrong', [[], {'a': 'text'}, {'a': {'problem': 'x'}}, {'a': {'problem': 'x', 'remedy': 3}}]
)
def test_a_changed_index_is_refused(encoder_folder, sections, tmp_path, wrong):
    build_index(
        Encoder.load(encoder_folder), str(sections / 'earth0.npy'), tmp_path / 'index', GRID
    )
    path = tmp_path / 'index' / 'meta.json'
    write_json(path, read_json(path) | {'unlike': wrong}, checked=True)
    with pytest.raises(SearchError, match='unlike is'):
        read_meta(tmp_path / 'index')


def test_evaluate_says_it_by_survey(refcon, knowing, sections, tmp_path):
    "In print, and beside the figures in JSON."
    rows = [
        dict(
            id=f'{name}{k}',
            survey=name,
            section=name,
            row0=r,
            row1=r + 48,
            col0=c,
            col1=c + 48,
            label='ab'[k % 2],
        )
        for name in ('earth2', 'noise')
        for k, (r, c) in enumerate((r, c) for r in (0, 40, 80) for c in range(0, 200, 40))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / 'windows.csv', index=False)
    done = refcon(
        'evaluate', tmp_path / 'windows.csv', '--sections', sections, '--encoder', knowing, '--json'
    )
    assert done.returncode == 0, done.stderr
    encoder = json.loads(done.stdout)['encoder']
    assert list(encoder['unlike']) == ['noise'] and 'noise: unlike all that' in done.stderr
    promise = encoder['calibration']
    errors = {s: v['error'] for s, v in promise['per_survey'].items()}
    assert promise['over_surveys']['mean_error'] == pytest.approx(np.mean(list(errors.values())))
    assert promise['over_surveys']['worst_error'] == max(errors.values())


def test_leaving_out_by_hand():
    """Errors are those of curves fitted without the survey, as query and as candidate.

    Every survey weighs the same."""
    rng = np.random.default_rng(1)
    s = np.repeat(['a', 'b', 'c', 'd'], [30, 12, 12, 12])
    y = rng.integers(2, size=len(s)).astype(str)
    z = np.where(y == '0', 0.0, 1.0) + rng.normal(0, 0.4, len(s))
    d = np.abs(z[:, None] - z)
    cal, report = fit_over_surveys(d, y, s, k=4)
    for left in 'abcd':
        near, same, w = [], [], []
        for n in sorted(set('abcd') - {left}):
            q, c = np.flatnonzero(s == n), np.flatnonzero((s != n) & (s != left))
            pairs = neighbour_pairs(d[np.ix_(q, c)], y[q], y[c], k=4)
            near.append(pairs[0])
            same.append(pairs[1])
            w.append(np.full(len(pairs[0]), 1 / len(pairs[0])))
        curve = fit_probability(
            np.concatenate(near), np.concatenate(same), weights=np.concatenate(w)
        )
        q, c = np.flatnonzero(s == left), np.flatnonzero(s != left)
        asked = neighbour_pairs(d[np.ix_(q, c)], y[q], y[c], k=4)
        figures = stated_and_right(probability(curve, asked[0]), asked[1])
        assert {k: report['per_survey'][left][k] for k in figures} == pytest.approx(figures)
    assert cal['left_out'] == {
        'surveys': list('abcd'),
        'mean_error': report['mean'],
        'worst_error': report['worst'],
        'together': report['together']['error'],
    }
