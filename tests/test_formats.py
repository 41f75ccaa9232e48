"""ZGY and VDS: what the same survey as SEG-Y gives, whatever the format.

The files are written by the library of each format from a synthetic survey and a bumpy one."""

import json
import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

from reflection_connection.cli import main
from reflection_connection.storage import EXTRAS
from reflection_connection.synthetic import write_survey
from reflection_connection.volume import VolumeError, open_volume, preflight
from reflection_connection.volume.examples import bumpy_segy, tiny_segy

pytest.importorskip('openzgy', reason="pip install 'reflection_connection[zgy]'")
pytest.importorskip('openvds', reason="pip install 'reflection_connection[vds]'")
from bricks_out import vds_like

from reflection_connection.volume.zgy_reader import write_zgy

FORMATS = ('zgy', 'vds')


def written(folder, source, fmt, **options):
    "The same survey in another format."
    path = folder / f'{source.stem}.{fmt}'
    with open_volume(source) as v:
        (write_zgy if fmt == 'zgy' else vds_like)(path, v.reader, **options)
    return path


@pytest.fixture(scope='module')
def synthetic(tmp_path_factory):
    "A synthetic survey, larger than a brick along crosslines and samples."
    return write_survey(tmp_path_factory.mktemp('survey'), 3, 12, 70, 80)


@pytest.mark.parametrize('fmt', FORMATS)
def test_a_survey_is_what_its_segy_is(fmt, synthetic, tmp_path):
    path = written(tmp_path, synthetic, fmt)
    with open_volume(synthetic) as v, open_volume(path) as w:
        same = ('shape', 't0', 'dt', 'unit', 'domain', 'n_traces', 'n_samples', 'xy_unit')
        assert {name: getattr(w, name) for name in same} == {n: getattr(v, n) for n in same}
        assert w.format == fmt and w.problems == [] and fmt.upper() in repr(w)
        assert np.array_equal(w.traces[:], v.traces[:])
        assert np.array_equal(w.traces[[3, 700, 5]], v.traces[[3, 700, 5]])
        assert np.array_equal(w.traces[-3::-50], v.traces[-3::-50])
        for kind in ('inline', 'crossline'):
            assert np.array_equal(w.lines(kind), v.lines(kind))
            for number in v.lines(kind)[::5]:
                assert np.array_equal(w.section(kind, number), v.section(kind, number))
                assert np.array_equal(w.live(kind, number), v.live(kind, number))
                assert np.abs(w.xy(kind, number) - v.xy(kind, number)).max() < 0.01
        part = int(v.inlines[2]), 3, 40
        assert np.array_equal(w.section('inline', *part), v.section('inline', *part))
        ends = [(v.inlines[0], v.crosslines[0]), (v.inlines[-1], v.crosslines[-1])]
        assert np.array_equal(w.arbitrary(ends)[0], v.arbitrary(ends)[0])
        assert w.scale() == pytest.approx(v.scale())


@pytest.mark.parametrize('fmt', FORMATS)
def test_several_lines_are_read_ahead(fmt, synthetic, tmp_path):
    with open_volume(synthetic) as v, open_volume(written(tmp_path, synthetic, fmt)) as w:
        lines = [(kind, int(n)) for kind in ('inline', 'crossline') for n in v.lines(kind)[:4]]
        w.plan(lines)
        for line in lines:
            assert np.array_equal(w.section(*line), v.section(*line))


@pytest.mark.parametrize('fmt', FORMATS)
def test_holes_and_dead_traces(fmt, tmp_path):
    source = bumpy_segy(tmp_path / 'bumpy.sgy')
    with open_volume(source) as v, open_volume(written(tmp_path, source, fmt)) as w:
        for number in (10, 14, 35):
            assert np.array_equal(w.section('inline', number), v.section('inline', number))
            assert np.array_equal(w.live('inline', number), v.live('inline', number))
        holes = v.grid < 0
        assert np.array_equal(w.grid < 0, holes) if fmt == 'vds' else not (w.grid < 0).any()


def test_without_a_mask_every_position_of_a_vds_has_a_trace(tmp_path):
    source = bumpy_segy(tmp_path / 'bumpy.sgy')
    with open_volume(written(tmp_path, source, 'vds', mask=False)) as v:
        assert v.n_traces == 900 and not (v.grid < 0).any()


@pytest.mark.parametrize('storage, levels', [('int16', 65535), ('int8', 255)])
def test_integer_zgy_within_half_a_step_of_its_coding_range(storage, levels, synthetic, tmp_path):
    path = written(tmp_path, synthetic, 'zgy', storage=storage)
    with open_volume(synthetic) as v, open_volume(path) as w:
        a, step = v.traces[:], 2 * np.abs(v.traces[:]).max() / levels
        assert w.sample_format == storage
        assert 0 < np.abs(w.traces[:] - a).max() <= 0.51 * step


@pytest.mark.parametrize('compression', ['None', 'Zip'])
def test_compression_of_vds(compression, synthetic, tmp_path):
    path = written(tmp_path, synthetic, 'vds', compression=compression)
    with open_volume(synthetic) as v, open_volume(path) as w:
        assert np.array_equal(w.traces[:], v.traces[:])


UNITS = [
    (('Time', 's'), 0.001, ('time', 'ms', 4.0)),
    (('Sample', 'ms'), 1, ('time', 'ms', 4.0)),
    (('Depth', 'm'), 1, ('depth', 'm', 4.0)),
    (('Depth', 'ft'), 1, ('depth', 'ft', 4.0)),
]


@pytest.mark.parametrize('vertical, factor, expected', UNITS)
def test_units_of_vds(vertical, factor, expected, tmp_path):
    source = tiny_segy(tmp_path / 'tiny.sgy')
    with open_volume(source, dt=4 * factor) as v:
        vds_like(tmp_path / 'a.vds', v.reader, vertical=vertical)
    with open_volume(tmp_path / 'a.vds') as w:
        assert (w.domain, w.unit, w.dt) == expected and w.problems == []


@pytest.mark.parametrize('fmt', FORMATS)
@pytest.mark.parametrize('units', ['m', 'ft'])
def test_depth_keeps_its_unit(fmt, units, tmp_path):
    source = tiny_segy(tmp_path / 'tiny.sgy')
    with open_volume(source, domain='depth', units=units, dt=10, t0=1500) as v:
        options = {'unit': units} if fmt == 'vds' else {}
        path = tmp_path / f'a.{fmt}'
        (write_zgy if fmt == 'zgy' else vds_like)(path, v.reader, **options)
        with open_volume(path) as w:
            assert (w.domain, w.unit, w.t0, w.dt) == ('depth', units, 1500, 10)
            assert w.xy_unit == units
            assert np.abs(w.xy('inline', 12) - v.xy('inline', 12)).max() < 0.01


@pytest.mark.parametrize('fmt', FORMATS)
def test_options_take_the_place_of_what_the_file_says(fmt, tmp_path):
    path = written(tmp_path, tiny_segy(tmp_path / 'tiny.sgy'), fmt)
    with open_volume(path, dt=2, t0=-50, domain='depth', units='ft', iline_byte=9) as v:
        assert (v.dt, v.t0, v.domain, v.unit, v.xy_unit) == (2, -50, 'depth', 'ft', 'ft')
        assert 'not a SEG-Y file: iline_byte=9' in v.notes[0]


@pytest.mark.parametrize('fmt', FORMATS)
def test_check_and_fingerprint(fmt, synthetic, tmp_path, capsys):
    path = written(tmp_path, synthetic, fmt)
    assert main(['check', str(path), '--json']) == 0
    told = json.loads(capsys.readouterr().out)
    told = told[0] if isinstance(told, list) else told
    assert told['format'] == fmt and told['problems'] == []
    seg = preflight(synthetic)
    for key in ('geometry', 'interval', 'unit', 'amplitude', 'dead_fraction'):
        assert told[key] == seg[key], key
    with open_volume(path) as v, open_volume(path, dt=8) as w:
        assert v.fingerprint() == w.fingerprint() == told['fingerprint']


CUT = """
import sys
from reflection_connection.volume import VolumeError, open_volume
whole = open(sys.argv[1], 'rb').read()
for share in range(1, 20):
    n = max(4, len(whole) * share // 20)
    open(sys.argv[2], 'wb').write(whole[:n])
    try:
        with open_volume(sys.argv[2]) as v:
            a = v.traces[:]
            print('READ', float(abs(a).sum()), v.problems)
    except VolumeError as e:
        print('REFUSED', e)
"""


@pytest.mark.parametrize('fmt', FORMATS)
def test_a_file_that_was_cut_off_ends_in_a_line(fmt, synthetic, tmp_path):
    "In a process of its own, because a library in C++ may end it."
    path, cut = written(tmp_path, synthetic, fmt), tmp_path / f'cut.{fmt}'
    done = subprocess.run(
        [sys.executable, '-c', CUT, str(path), str(cut)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    with open_volume(path) as v:
        whole = f'READ {float(np.abs(v.traces[:]).sum())} []'
    assert len(lines) == 19
    for line in lines:  # low resolutions follow the amplitudes in a ZGY: those may be missing
        assert line.startswith('REFUSED ') and str(cut) in line or fmt == 'zgy' and line == whole
    assert sum(line.startswith('REFUSED') for line in lines) > 8


@pytest.mark.parametrize('fmt', FORMATS)
def test_noise_behind_the_first_bytes_is_refused(fmt, tmp_path):
    magic = {'zgy': b'VBS\0', 'vds': b'HueDataStore'}[fmt]
    noise = np.random.default_rng(0).bytes(5000)
    (tmp_path / f'a.{fmt}').write_bytes(magic + noise)
    with pytest.raises(VolumeError, match=f'not a readable {fmt.upper()} file'):
        open_volume(tmp_path / f'a.{fmt}')


@pytest.mark.parametrize('fmt', FORMATS)
def test_what_is_lacking_is_named(fmt, tmp_path, monkeypatch):
    path = written(tmp_path, tiny_segy(tmp_path / 'tiny.sgy'), fmt)
    monkeypatch.setitem(sys.modules, EXTRAS[fmt][0], None)
    with pytest.raises(VolumeError, match=rf"reading {fmt.upper()} needs .*\[{fmt}\]'"):
        open_volume(path)


@pytest.mark.parametrize('fmt', FORMATS)
def test_a_process_that_was_forked_reads_too(fmt, synthetic, tmp_path):
    with open_volume(written(tmp_path, synthetic, fmt)) as v:
        want, fork = v.traces[5], multiprocessing.get_context('fork')
        answers = fork.Queue()
        child = fork.Process(target=lambda: answers.put(v.traces[5]))
        child.start()
        assert np.array_equal(answers.get(timeout=60), want)
        child.join(60)
        assert child.exitcode == 0 and np.array_equal(v.traces[5], want)


def test_a_line_is_not_written_as_zgy(tmp_path):
    np.save(tmp_path / 'a.npy', np.ones((50, 4), 'f4'))
    with open_volume(tmp_path / 'a.npy') as v, pytest.raises(VolumeError, match='not lines'):
        write_zgy(tmp_path / 'a.zgy', v.reader)
    assert not (tmp_path / 'a.zgy').exists()
