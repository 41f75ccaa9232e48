"The real sections of data/: they are what was published, they open, and labels lie on them."

import hashlib
import re
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from reflection_connection.volume import open_volume, preflight
from reflection_connection.volume.textual import text_lines
from reflection_connection.windows import load_windows

DATA = ROOT / 'data'
FILES = sorted(DATA.glob('*.sgy'))
MAKE = runpy.run_path(str(DATA / 'make.py'))
SECTIONS = {f'{s.name}.sgy': s for s in MAKE['SECTIONS']}
each_file = pytest.mark.parametrize('path', FILES, ids=lambda p: p.stem)


def header(path):
    "The textual header of a SEG-Y file as one string."
    return '\n'.join(text_lines(path.read_bytes()[:3200]))


def factor(path):
    "Stored amplitude over source amplitude, as the textual header states it."
    return float(re.search(r'= source x ([\d.e+-]+)', header(path))[1])


def test_checksums_hold():
    sums = dict(line.split()[::-1] for line in (DATA / 'SHA256SUMS').read_text().splitlines())
    found = [*FILES, *DATA.glob('*.csv')]
    assert sums == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def test_it_is_small():
    assert sum(p.stat().st_size for p in DATA.iterdir() if p.is_file()) < 10_000_000


@each_file
def test_a_section_opens_without_a_false_alarm(path):
    report = preflight(path)
    problems = [p['problem'] for p in report['problems']]
    has_places = SECTIONS[path.name].source.endswith('.sgy')
    assert problems == ([] if has_places else ['no CDP coordinates at bytes 181 and 185'])
    assert report['sample_format'] == 'int16'
    assert (report['interval'], report['unit']) == (4.0, 'ms')
    assert report['t0'] == (4.0 if path.stem == 'f3_il110_111' else 0.0)


def test_headers_give_line_numbers_and_coordinates():
    with open_volume(DATA / 'f3_il110_111.sgy') as f3:
        assert list(f3.lines('inline')) == [110, 111]
        assert list(f3.across('inline', 110)[[0, -1]]) == [300, 1250]
        np.testing.assert_allclose(f3.xy('inline', 110)[0], [605828.5, 6073806.3])
    with open_volume(DATA / 'penobscot_xl1155.sgy') as penobscot:
        assert list(penobscot.across('crossline', 1155)[[0, -1]]) == [1000, 1600]
        np.testing.assert_allclose(penobscot.xy('crossline', 1155)[0], [735416.5, 4891905.2])
    with open_volume(DATA / 'f3_il244.sgy') as array:
        assert list(array.cdp('line', 0)[[0, -1]]) == [1, 951]


def test_licences_are_named():
    licence, readme = ((DATA / n).read_text() for n in ('LICENSE', 'README.md'))
    assert SECTIONS.keys() == {p.name for p in FILES}
    for path in [*FILES, *DATA.glob('*.csv')]:
        assert path.name in licence
    for path in FILES:
        words, attribution = SECTIONS[path.name].rights
        row = next(line for line in readme.splitlines() if line.startswith(f'| {path.name} '))
        assert words.partition(',')[0].partition(' (')[0] in row
        assert attribution.partition(',')[0] in row
        assert f'Licence: {words}' in header(path)
        assert f'Attribution: {attribution}' in header(path)


def test_unknown_intervals_are_said():
    unknown = {p.stem for p in FILES if 'states no sample interval' in header(p)}
    assert unknown == {'f3d178', 'f3d75s', 'tp73'}


def test_labelled_windows_load_and_lie_in_their_sections():
    table = pd.read_csv(DATA / 'windows.csv')
    loaded = load_windows(DATA / 'windows.csv', DATA)
    frame = loaded.frame
    assert list(frame.id) == list(table.id) and list(frame.label) == list(table.label)
    assert [Path(s).name for s in frame.source] == list(table.source)
    for path, rows in frame.groupby('source'):
        with open_volume(path) as volume:
            n_traces = len(volume.across(rows.line_kind.iloc[0], int(rows.line.iloc[0])))
            assert (rows.top >= 0).all() and (rows.top + rows.height <= volume.n_samples).all()
            assert (rows.left >= 0).all() and (rows.left + rows.width <= n_traces).all()
    assert (frame.live > 0.9).all()


def test_labels_follow_from_the_readings():
    table, readings = (pd.read_csv(DATA / f'{n}.csv') for n in ('windows', 'readings'))
    both = readings.first_reading.eq(readings.second_reading) & readings.first_reading.ne('none')
    new = table[table.reading == 'both']
    assert list(new.id) == list(readings.id[both])
    assert list(new.label) == list(readings.first_reading[both])
    places = [*MAKE['PLACE'], *MAKE['READINGS']]
    assert new[places].to_numpy().tolist() == readings.loc[both, places].to_numpy().tolist()
    assert set(table.reading) == {'both', 'earlier'}


def test_readme_states_what_the_summary_says():
    assert f'```\n{MAKE["summary"](DATA)}\n```' in (DATA / 'README.md').read_text()


def test_kappa_of_a_known_table():
    "Two readings of ten windows: 7 agree where 5 would by chance (Cohen 1960)."
    first = pd.Series(['a'] * 5 + ['b'] * 5)
    second = pd.Series(['a'] * 4 + ['b'] * 4 + ['a'] * 2)
    assert MAKE['kappa'](first, second) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_a_factor_uses_the_range_and_clips_nothing():
    for largest in (1.0, 3.3333, 6.277029, 98765.4):
        traces = np.array([[-largest, largest / 3]])
        stored = np.abs(traces * MAKE['scale_factor'](traces)).max()
        assert 32760 < stored <= 32767
    assert MAKE['scale_factor'](np.array([[-29041.0, 3.0]])) == 1
    with pytest.raises(ValueError, match='finite'):
        MAKE['scale_factor'](np.zeros((2, 3)))


@each_file
def test_traces_equal_their_source(path, shared):
    source = shared / SECTIONS[path.name].source
    traces = MAKE['source_traces'](source)
    with open_volume(path) as volume:
        stored = volume.traces[:]
    step = 1 / factor(path)
    assert stored.shape == traces.shape
    assert np.abs(stored * step - traces).max() <= (0 if step == 1 else 0.51 * step)
    assert step == 1 or np.abs(stored).max() > 32760
    if source.suffix == '.sgy':
        old, new = source.read_bytes(), path.read_bytes()
        n_traces, n_samples = traces.shape
        heads = [
            np.frombuffer(raw, np.uint8, offset=3600).reshape(n_traces, -1)[:, :240]
            for raw in (old, new)
        ]
        assert len(new) == 3600 + n_traces * (240 + 2 * n_samples)
        np.testing.assert_array_equal(*heads)


def test_it_is_made_again_byte_for_byte(shared, tmp_path, monkeypatch):
    monkeypatch.setattr('sys.argv', ['make.py', str(shared), '--out', str(tmp_path)])
    MAKE['main']()
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert made == {n: (DATA / n).read_bytes() for n in made} and len(made) == len(FILES) + 3
