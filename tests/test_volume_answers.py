"""Known answers of the volume modules from arrays to live: boundaries, messages, exact values."""

import hashlib
import itertools
import re
import struct
from types import MappingProxyType
from types import SimpleNamespace as Some

import numpy as np
import pytest
from answers import in_words
import segyio
from test_volume import grid, segy

from reflection_connection.volume import (
    VolumeError,
    arrays,
    axis,
    bad_traces,
    coordinate_bytes,
    coordinates,
    core,
    dimensions,
    errors,
    examples,
    export,
    floats,
    formats,
    layout,
    layout_candidates,
    levels,
    line_index,
    line_numbers,
    open_volume,
    write_segy_like,
)
from reflection_connection.volume import grid as grids
from reflection_connection.volume.axis import SampleAxis, settle_axis
from reflection_connection.volume.coordinates import UNKNOWN, Coordinates
from reflection_connection.volume.errors import problem
from reflection_connection.volume.live import live_mask
from reflection_connection.volume.map_grid import Fit
from reflection_connection.volume.segy_words import FileBytes, Said
from reflection_connection.volume.trace_layout import Layout
from reflection_connection.volume.units import unit_of


says = in_words(VolumeError)


def asks(what, remedy):
    return [{'problem': what, 'remedy': remedy}]


# ---- export: words of the headers
def test_spare_line():
    numbered = [f'C{i:2d} words about nothing' for i in range(1, 41)]
    lines = [*numbered]
    lines[3] = 'C 4'
    lines[20] = 'C21   '
    lines[5] = ''
    assert export._spare_line(lines) == 20
    assert export._spare_line(numbered) == 38
    lines = [*numbered]
    lines[38] = 'C39 SAMPLE INTERVAL: 4 MS'
    assert export._spare_line(lines) == 37
    lines[37] = 'C38 INLINE: BYTES 189-192'
    assert export._spare_line(lines) == 36
    lines[36] = 'C37 DOMAIN: DEPTH'
    assert export._spare_line(lines) == 35
    lines[35] = 'C36 FIRST SAMPLE: 100 MS'
    assert export._spare_line(lines) == 34
    assert export._spare_line(['C 1 SAMPLE INTERVAL: 4 MS'] * 40) == 38


def test_with_line():
    text = b''.join(f'C{i:2d} words {i}'.encode().ljust(80) for i in range(1, 41))
    text = text[:240] + b'C 4'.ljust(80) + text[320:]
    new = export._with_line(text, 'two   words\nö')
    assert new == text[:240] + b'C 4 two words ?'.ljust(80) + text[320:]
    assert export._with_line(text, 'x' * 100)[240:320] == b'C 4 ' + b'x' * 76
    assert len(export._with_line(text, 'x' * 100)) == 3200


@pytest.mark.parametrize(
    'dt, word, exact',
    [
        (4.0, 4000, 0.0),
        (32.767, 32767, 0.0),
        (32.768, -32768, 0.0),
        (65.535, -1, 0.0),
        (65.536, 0, 65536.0),
        (70.0, 0, 70000.0),
        (4.000002, 4000, 0.0),
        (4.00001, 4000, 4.00001 * 1000),
        (0.3333, 333, 0.3333 * 1000),
    ],
)
def test_interval_words(dt, word, exact):
    assert export._interval_word(Some(dt=dt)) == word
    assert export._exact_interval(Some(dt=dt), {'dt'}) == exact


def test_exact_interval_of_the_source():
    head = bytearray(3840)
    head[3272:3280] = struct.pack('>d', 333.25)
    head[3500] = 2
    v = Some(dt=4.0, reader=Some(head=bytes(head), endian='>'))
    assert export._exact_interval(v, {'t0'}) == 333.25
    assert export._exact_interval(v, {'dt'}) == 0.0


@pytest.mark.parametrize(
    't0, scalar, words',
    [
        (0.0, 0, (0, 0)),
        (4.0, 0, (4, 0)),
        (4.5, 0, (45, -10)),
        (-4.5, 0, (-45, -10)),
        (4.25, 0, (425, -100)),
        (4.125, 0, (4125, -1000)),
        (1.0625, 0, (10625, -10000)),
        (32767.0, 0, (32767, 0)),
        (32768.0, 0, (3277, 10)),
        (32767.4, 0, (32767, 0)),
        (3276.7, 0, (32767, -10)),
        (3276.8, 0, (3277, 0)),
        (40000.0, 0, (4000, 10)),
        (400000.0, 0, (4000, 100)),
        (4e6, 0, (4000, 1000)),
        (4e7, 0, (4000, 10000)),
        (327670000.0, 0, (32767, 10000)),
        (327680000.0, 0, (0, 0)),
        (4.0, -10, (40, -10)),
        (4.5, -100, (450, -100)),
        (4.25, -10, (425, -100)),
        (4.0, 7, (4, 0)),
        (40.0, 10, (4, 10)),
        (4.0, 1, (4, 1)),
        (4.0, -1, (4, -1)),
    ],
)
def test_start_words(t0, scalar, words):
    assert export.start_words(t0, scalar) == words
    if not scalar:
        assert export.start_words(t0) == words


def test_what_a_scalar_multiplies_by():
    assert [export._times(s) for s in (0, 1, 10, -1, -10)] == [1, 1, 10, 1, 0.1]


def test_xy_words():
    def words(xy, unit, lengths):
        found = export.xy_words(np.array(xy, float).reshape(-1, 2), unit, lengths)
        return {k: v if np.isscalar(v) else v.tolist() for k, v in found.items()}

    xy = [[1.25, -2.5], [np.nan, 3.0]]
    assert words(xy, 'm', 'm') == {71: -100, 89: 1, 181: [125, 0], 185: [-250, 300]}
    assert words(xy, 'ft', 'ft') == {71: -100, 89: 1, 181: [125, 0], 185: [-250, 300]}
    assert words(xy, None, None) == {71: -100, 89: 0, 181: [125, 0], 185: [-250, 300]}
    assert words(xy, None, 'ft') == {71: -100, 89: 0, 181: [125, 0], 185: [-250, 300]}
    assert words(xy, 'm', None) == {71: -100, 89: 1, 181: [125, 0], 185: [-250, 300]}
    assert words([[0.3048, 30.48]], 'm', 'ft') == {71: -100, 89: 1, 181: [100], 185: [10000]}
    assert words([[1, 100]], 'ft', 'm') == {71: -100, 89: 1, 181: [30], 185: [3048]}
    assert words([[1.5, -0.5]], 'degrees', 'm') == {
        71: -1000,
        89: 2,
        181: [5400000],
        185: [-1800000],
    }
    assert words([[597, 0]], 'degrees', 'm')[71] == -10
    assert words([[596, 0]], 'degrees', 'm')[71] == -1000
    assert words([[-21474836.47, 0]], 'm', 'm')[71] == -100
    assert words([[-21474836.48, 0]], 'm', 'm')[71] == -10
    assert words([[214748364.7, 0]], 'm', 'm')[71] == -10
    assert words([[214748364.8, 0]], 'm', 'm')[71] == -1
    assert words([[4e9, 0]], 'm', 'm') == {71: -1, 89: 1, 181: [4_000_000_000], 185: [0]}
    assert words([], 'm', 'm') == {71: -100, 89: 1, 181: [], 185: []}


def test_length_unit():
    units = itertools.product(('ms', 'm', 'ft'), ('m', 'ft', 'degrees', None))
    found = [export.length_unit(Some(unit=u, xy_unit=xy)) for u, xy in units]
    assert found == ['m', 'ft', None, None, 'm', 'm', 'm', 'm', 'ft', 'ft', 'ft', 'ft']


def test_own_text():
    def lines(**kw):
        v = Some(
            **dict(name='n' * 80, domain='depth', dt=2.5, t0=10.0, unit='ft', xy_unit='m') | kw
        )
        text = export.own_text(v)
        assert len(text) == 3200
        return [text[i : i + 80].decode().rstrip() for i in range(0, 3200, 80)]

    found = lines()
    assert found[0] == 'C 1 ' + 'n' * 76
    assert found[1] == 'C 2 DOMAIN: DEPTH  INTERVAL: 2.5 ft  FIRST SAMPLE: 10 ft'
    assert found[2] == 'C 3 INLINE: 189  CROSSLINE: 193  CDP X: 181  CDP Y: 185'
    assert found[3] == 'C 4 COORDINATES IN FEET'
    assert found[4] == 'C 5'
    assert lines(unit='ms', xy_unit='m')[3] == 'C 4 COORDINATES IN METRES'
    assert lines(xy_unit='degrees')[3] == 'C 4 COORDINATES IN SECONDS OF ARC'
    assert lines(xy_unit=None)[3] == 'C 4'
    exact = lines(dt=1.23456789, t0=0.123456789, unit='ms', domain='time')[1]
    assert exact == 'C 2 DOMAIN: TIME  INTERVAL: 1.23456789 ms  FIRST SAMPLE: 0.123456789 ms'


def test_axis_line():
    v = Some(domain='depth', t0=5.0, dt=2.5, unit='m')
    words = f'{export.AXIS_WORDS}: depth, first sample 5 m, z interval 2.5 m'
    assert export._axis_line(v) == words


def test_layout_words():
    usual = {3221: 65535, 3225: 5, 3505: 2, 3261: 0, 3265: 0, 3269: 0, 3289: 0, 3293: 0}
    assert export._layout_words(Some(n_samples=65535), 2) == usual
    assert export._layout_words(Some(n_samples=65536), 2) == usual | {3221: 0, 3269: 65536}


def test_what_is_written_is_checked():
    v = Some(n_samples=3, n_traces=4)
    values = np.arange(6.0).reshape(3, 2)
    found = list(export._checked(v, [3, -1], values))
    assert [(i, x.tolist(), x.dtype) for i, x in found] == [(3, [0, 2, 4], np.float32)]
    found = list(export._checked(v, [0, 3], values))
    assert [(i, x.tolist()) for i, x in found] == [(0, [0, 2, 4]), (3, [1, 3, 5])]
    assert list(export._checked(v, [], np.zeros((3, 0)))) == []
    text = 'expected values of shape (3, 2) (n_samples, n_traces), got (2, 3)'
    with says(text, ValueError):
        export._checked(v, [0, 1], values.T)
    with says('trace positions must be -1 … 3, got 0 … 4', ValueError):
        export._checked(v, [4, 0], values)
    with says('trace positions must be -1 … 3, got -2 … 3', ValueError):
        export._checked(v, [-2, 3], values)
    gap = values.copy()
    gap[1, 1] = np.nan
    assert len(list(export._checked(v, [2, -1], gap))) == 1
    with says('values have NaN or infinities: fill them before writing', ValueError):
        export._checked(v, [-1, 2], gap)


def sections(v):
    kinds = ('inline',) if v.has_geometry else ('line',)
    for kind in kinds:
        for n in v.lines(kind):
            yield v.trace_ids(kind, n), 2 * v.section(kind, n)


def test_array_becomes_segy(tmp_path):
    a = np.arange(3 * 4 * 5, dtype='f4').reshape(3, 4, 5) + 1
    np.save(tmp_path / 'cube.npy', a)
    with open_volume(tmp_path / 'cube.npy', dt=2.5, t0=100.5) as v:
        out = write_segy_like(v, tmp_path / 'out.sgy', sections(v), 'doubled')
    assert out == tmp_path / 'out.sgy'
    assert out.stat().st_size == 3600 + 12 * (240 + 20)
    with segyio.open(out, ignore_geometry=True) as f:
        assert np.array_equal(f.trace.raw[:], 2 * a.reshape(12, 5))
        for byte, values in {
            1: range(1, 13),
            21: range(1, 13),
            29: [1] * 12,
            109: [1005] * 12,
            115: [5] * 12,
            117: [2500] * 12,
            189: np.repeat(range(3), 4),
            193: np.tile(range(4), 3),
            215: [-10] * 12,
            71: [-100] * 12,
            181: [0] * 12,
        }.items():
            assert f.attributes(byte)[:].tolist() == list(values), byte
        head = {byte: f.bin[byte] for byte in (3213, 3215, 3217, 3221, 3225, 3255, 3501, 3505)}
        assert head == {3213: 0, 3215: 0, 3217: 2500, 3221: 5, 3225: 5, 3255: 0, 3501: 0, 3505: 0}
        text = bytes(f.text[0])
    assert text.startswith(b'C 1 cube')
    assert b'C40 reflection_connection: doubled' in text
    with open_volume(out) as w:
        assert (w.dt, w.t0, w.unit, w.domain, w.shape) == (2.5, 100.5, 'ms', 'time', (3, 4, 5))


def test_array_in_feet_becomes_segy(tmp_path):
    np.save(tmp_path / 'line.npy', np.ones((5, 4), 'f4'))
    for units, code in (('ft', 2), ('m', 1)):
        with open_volume(tmp_path / 'line.npy', dt=1 / 3, domain='depth', units=units) as v:
            out = write_segy_like(v, tmp_path / 'out.sgy', sections(v))
        with segyio.open(out, ignore_geometry=True) as f:
            assert (f.bin[3255], f.bin[3217], f.bin[3501]) == (code, 333, 2)
            assert f.attributes(189)[:].tolist() == [0] * 4
        raw = out.read_bytes()
        assert struct.unpack('>d', raw[3272:3280])[0] == pytest.approx(1000 / 3)
        with open_volume(out) as w:
            assert (w.dt, w.unit, w.domain) == (pytest.approx(1 / 3), units, 'depth')


def bare(path, n=(4, 5, 20), **kw):
    traces, il, xl = grid(*n)
    x, y = 500000 + 25 * xl, 6000000 + 25 * il
    return segy(path, traces, il, xl, **dict(b71=1, b181=x, b185=y, b29=1) | kw)


def test_headers_of_the_source_stay(tmp_path):
    path = bare(tmp_path / 'a.sgy', b109=12, b37=77)
    with open_volume(path) as v:
        out = write_segy_like(v, tmp_path / 'out.sgy', sections(v), 'a note')
        assert export._set_by_hand(v) == set()
    a, b = path.read_bytes(), out.read_bytes()
    record = 240 + 80
    for at in range(3600, len(a), record):
        assert b[at : at + 240] == a[at : at + 240]
    assert a[3200:3600] == b[3200:3600]
    assert b[:3200].decode('cp037').count('reflection_connection: a note') == 1
    with open_volume(out) as w, open_volume(path) as v:
        assert np.array_equal(w.traces[:], 2 * v.traces[:])


def test_axis_set_by_hand_is_written(tmp_path):
    path = bare(tmp_path / 'a.sgy', b109=12)
    with open_volume(path, dt=4.0, t0=12.0, domain='time') as v:
        assert export._set_by_hand(v) == set()
    with open_volume(path, dt=3, iline_byte=189) as v:
        assert export._set_by_hand(v) == {'dt'}
    with open_volume(path, dt=3, t0=7.5, domain='depth', units='ft') as v:
        assert export._set_by_hand(v) == {'dt', 't0', 'domain', 'units'}
        out = write_segy_like(v, tmp_path / 'out.sgy', sections(v), 'n')
    text = out.read_bytes()[:3200].decode('cp037')
    assert f'{export.AXIS_WORDS}: depth, first sample 7.5 ft, z interval 3 ft' in text
    with segyio.open(out, ignore_geometry=True) as f:
        assert f.attributes(117)[:].tolist() == [3000] * 20
        assert f.attributes(109)[:].tolist() == [75] * 20
        assert f.attributes(215)[:].tolist() == [-10] * 20
        assert (f.bin[3217], f.bin[3255]) == (3000, 2)
    with open_volume(out) as w:
        assert (w.dt, w.t0, w.domain, w.unit) == (3.0, 7.5, 'depth', 'ft')


def test_interval_of_the_traces_is_written_where_the_header_has_none(tmp_path):
    path = bare(tmp_path / 'a.sgy', dt=0, tr_dt=2000)
    with open_volume(path) as v:
        assert v.dt == 2.0
        out = write_segy_like(v, tmp_path / 'out.sgy', [])
    with segyio.open(out, ignore_geometry=True) as f:
        assert f.bin[3217] == 2000
        assert not f.trace.raw[:].any()


def test_array_with_numbers_and_coordinates_becomes_segy(tmp_path):
    np.save(tmp_path / 'a.npy', np.ones((2, 3, 4), 'f4'))
    with open_volume(tmp_path / 'a.npy') as v:
        v.reader.grid = np.array([[5, 4, 3], [2, -1, 0]])
        v.reader.cdp = lambda ids: 70 + ids
        v.reader.xy_unit = 'ft'
        v.reader.xy = lambda ids: np.stack([1.5 * ids, -ids], 1)
        out = write_segy_like(v, tmp_path / 'out.sgy', [(np.array([2]), np.full((4, 1), 9))])
        with segyio.open(out, ignore_geometry=True) as f:
            read = {byte: f.attributes(byte)[:].tolist() for byte in (1, 21, 71, 89, 181, 185)}
            assert f.attributes(189)[[0, 2, 3, 4, 5]].tolist() == [1, 1, 0, 0, 0]
            assert f.attributes(193)[[0, 2, 3, 4, 5]].tolist() == [2, 0, 2, 1, 0]
            assert f.bin[3255] == 2
            assert f.trace.raw[:].sum(1).tolist() == [0, 0, 36, 0, 0, 0]
        assert read == {
            1: [1, 2, 3, 4, 5, 6],
            21: [70, 71, 72, 73, 74, 75],
            71: [-100] * 6,
            89: [1] * 6,
            181: [0, 150, 300, 450, 600, 750],
            185: [0, -100, -200, -300, -400, -500],
        }
        v.reader.cdp = lambda ids: ids + 2**40
        bad = tmp_path / 'bad.sgy'
        with pytest.raises(VolumeError, match=r'can not be written \(.*\); shorten the note'):
            write_segy_like(v, bad, [])
        assert not bad.exists()


def test_more_traces_than_are_written_at_once(tmp_path):
    n = (1 << 14) + 3
    np.save(tmp_path / 'a.npy', np.ones((2, n), 'f4'))
    with open_volume(tmp_path / 'a.npy') as v:
        out = write_segy_like(v, tmp_path / 'out.sgy', [])
    with segyio.open(out, ignore_geometry=True) as f:
        assert f.attributes(1)[:].tolist() == list(range(1, n + 1))


def test_textual_headers_of_the_source_stay(tmp_path):
    path = bare(tmp_path / 'a.sgy')
    raw = bytearray(path.read_bytes())
    first = b''.join(f'C{i:2d} LINE {i}'.encode().ljust(80) for i in range(1, 41))
    second = 'C 1 SECOND BLOCK'.ljust(3200).encode('cp037')
    raw[:3200], raw[3504:3506] = first, struct.pack('>h', 1)
    raw[3212:3216] = struct.pack('>hh', 20, 3)
    path.write_bytes(raw[:3600] + second + raw[3600:])
    with open_volume(path, units='ft') as v:
        assert v.n_traces == 20
        out = write_segy_like(v, tmp_path / 'out.sgy', sections(v), 'a note')
        traces = v.traces[:]
    made = out.read_bytes()
    lines = [made[i : i + 80].decode('cp037').rstrip() for i in range(0, 3200, 80)]
    assert lines[:38] == [f'C{i:2d} LINE {i}' for i in range(1, 39)]
    assert lines[38] == 'C39 reflection_connection: a note'
    assert lines[39] == 'C40 LINE 40'
    assert made[3600:6800] == second
    assert struct.unpack('>hh', made[3212:3216]) == (20, 3)
    assert struct.unpack('>h', made[3254:3256]) == (2,)
    assert len(made) == len(path.read_bytes())
    with open_volume(out) as w:
        assert np.array_equal(w.traces[:], 2 * traces)


def test_the_source_is_not_written_over(tmp_path):
    path = bare(tmp_path / 'a.sgy')
    before = path.read_bytes()
    with open_volume(path) as v:
        with says(f'{path}: is the source itself; choose another name'):
            write_segy_like(v, path, [])
        with pytest.raises(ValueError, match='NaN'):
            items = [(np.arange(20), np.full((20, 20), np.nan))]
            write_segy_like(v, tmp_path / 'b.sgy', items)
    assert path.read_bytes() == before
    assert not (tmp_path / 'b.sgy').exists()


# ---- core
@pytest.fixture
def cube(tmp_path):
    path = bare(tmp_path / 'cube.sgy', b21=1000 + np.arange(20))
    with open_volume(path) as v:
        yield v


def test_traces_in_file_order(cube):
    raw, il, xl = grid()
    raw = raw.astype('f4')
    assert (len(cube.traces), cube.traces.shape) == (20, (20, 20))
    for i in (0, 19, -1, -20, np.int64(3)):
        assert np.array_equal(cube.traces[i], raw[i])
    for i in (slice(None), slice(3, 9, 2), slice(-3, None), [3, -1, -20], np.array([19, 0])):
        assert np.array_equal(cube.traces[i], raw[i])
    assert cube.traces[[]].shape == (0, 20)
    for i in (20, -21):
        with says(f'trace {i} is outside 0 … 19', IndexError):
            cube.traces[i]
    with says('trace positions are integers, slices or lists of integers, got 1.0', TypeError):
        cube.traces[1.0]
    with pytest.raises(TypeError):
        cube.traces[[True, False]]


def test_what_a_volume_says(cube):
    assert (cube.name, cube.format, cube.sample_format) == ('cube', 'segy', 'IEEE float')
    assert (cube.shape, cube.n_traces, cube.n_samples) == ((4, 5, 20), 20, 20)
    assert (cube.dt, cube.t0, cube.unit, cube.domain) == (4.0, 0.0, 'ms', 'time')
    assert cube.axis.tolist() == [4.0 * i for i in range(20)]
    assert cube.axis.dtype == np.float64
    assert cube.opening == {}
    assert cube.has_geometry
    lines = repr(cube).split('\n')
    assert lines[0] == 'cube: SEG-Y IEEE float, 20 traces × 20 samples'
    assert lines[1] == '  inlines 10 … 13, crosslines 200 … 204'
    assert lines[2] == '  time 0 … 76 ms, every 4 ms'
    assert (
        lines[3] == '  time in ms is assumed: nothing says whether the samples are in time or depth'
    )
    assert len(lines) == 4


def test_what_a_line_says(tmp_path):
    np.save(tmp_path / 'a.npy', np.ones((3, 1200), 'f4'))
    with open_volume(tmp_path / 'a.npy') as v:
        lines = repr(v).split('\n')
        assert v.shape == (1200, 3)
    assert lines[0] == 'a: npy float32, 1,200 traces × 3 samples'
    assert lines[1] == '  one line of traces in file order (a 2-D array)'
    assert lines[-1] == '  ! .npy files carry no sample interval; 1 ms is assumed: pass dt='


def test_empty_positions_are_counted():
    def said(grid_):
        lines = np.arange(2), np.arange(3)
        v = Some(has_geometry=True, inlines=lines[0], crosslines=lines[1], grid=grid_, n_traces=n)
        return core._places(v)

    n = 5
    assert said(np.zeros((2, 3))) == 'inlines 0 … 1, crosslines 0 … 2, 1 of 6 positions empty'
    n = 6
    assert said(np.zeros((2, 3))) == 'inlines 0 … 1, crosslines 0 … 2'
    n = 7
    assert said(np.zeros((2, 3))) == 'inlines 0 … 1, crosslines 0 … 2'


def test_lines_of_a_volume(cube):
    raw = grid()[0].astype('f4').reshape(4, 5, 20)
    assert np.array_equal(cube.section('inline', 12), raw[2].T)
    assert np.array_equal(cube.section('crossline', 203), raw[:, 3].T)
    assert np.array_equal(cube.section('inline', 12, 1), raw[2, 1:].T)
    assert np.array_equal(cube.section('inline', 12, 1, 2), raw[2, 1:3].T)
    assert np.array_equal(cube.section('inline', 12, width=2), raw[2, :2].T)
    assert np.array_equal(cube.section('inline', 12, 0, 0), raw[2, :0].T)
    assert cube.section('crossline', 203, 2, 9).flags.c_contiguous
    assert cube.across('inline', 12).tolist() == [200, 201, 202, 203, 204]
    assert cube.across('crossline', 203).tolist() == [10, 11, 12, 13]
    assert cube.cdp('crossline', 203).tolist() == [1003, 1008, 1013, 1018]
    assert cube.cdp('inline', 10).dtype == np.int64
    xy = [[500000 + 25 * 203, 6000000 + 25 * il] for il in (10, 11, 12, 13)]
    assert cube.xy('crossline', 203).tolist() == xy
    assert cube.live('inline', 12).shape == (20, 5)
    assert cube.live('inline', 12).all()
    for call in (cube.section, cube.live, cube.xy, cube.cdp, cube.across):
        with says('cube.sgy: no inline 14; there are 4: 10 … 13'):
            call('inline', 14)
    section, where = cube.arbitrary([(10, 200), (13, 203)])
    assert where.tolist() == [[10, 200], [11, 201], [12, 202], [13, 203]]
    assert np.array_equal(section, np.stack([raw[i, i] for i in range(4)], 1))
    assert section.flags.c_contiguous


def test_a_position_without_trace(tmp_path):
    traces, il, xl = grid()
    keep = np.arange(20) != 7
    path = segy(
        tmp_path / 'a.sgy',
        traces[keep],
        il[keep],
        xl[keep],
        b21=100 + xl[keep],
        b71=1,
        b181=xl[keep],
        b185=il[keep] * 9,
    )
    with open_volume(path) as v:
        assert v.trace_ids('inline', 11).tolist() == [5, 6, -1, 7, 8]
        assert v.cdp('inline', 11).tolist() == [300, 301, -1, 303, 304]
        assert np.isnan(v.xy('inline', 11)).all(1).tolist() == [False, False, True, False, False]
        assert not v.section('inline', 11)[:, 2].any()
        assert not v.live('inline', 11)[:, 2].any()
        assert ', 1 of 20 positions empty' in repr(v)


def test_lines_in_file_order(tmp_path):
    a = np.arange(20, dtype='f4').reshape(4, 5)
    np.save(tmp_path / 'a.npy', a)
    with open_volume(tmp_path / 'a.npy') as v:
        assert np.array_equal(v.section('line', 0, 1, 2), a[:, 1:3])
        assert np.array_equal(v.section('line', 0, 3), a[:, 3:])
        assert v.across('line', 0).tolist() == [0, 1, 2, 3, 4]
        assert v.cdp('line', 0) is None
        with says(
            'a.npy: no arbitrary line: a 2-D array; name the header bytes: iline_byte=, xline_byte='
        ):
            v.arbitrary([(0, 0), (1, 1)])
        for width in (None, 2):
            with says(
                'a.npy: no inlines: a 2-D array; read the whole line with kind \'line\', number 0, '
                'or name the header bytes: iline_byte=, xline_byte='
            ):
                v.section('inline', 0, 1, width)


def reopened(volume):
    "The volume as a worker process gets it."
    make, given = volume.__reduce__()
    return make(*given)


def test_what_is_closed_says_so(cube):
    again = reopened(cube)
    assert np.array_equal(again.traces[:], cube.traces[:])
    again.close()
    with says(f'{cube.path}: the volume is closed; open it again with open_volume'):
        again.section('inline', 10)
    again = open_volume(cube.path, dt=np.float32(2), t0=5)
    assert again.opening == {'dt': 2.0, 't0': 5}
    assert type(again.opening['dt']) is float
    assert reopened(again).dt == 2.0
    again.section('inline', 10)
    with again as same:
        assert same is again
    with pytest.raises(VolumeError):
        again.section('inline', 10)


def test_a_plan_changes_nothing(cube):
    want = [cube.section('inline', n).copy() for n in cube.inlines]
    cube.plan([('inline', n) for n in cube.inlines], 1 << 20)
    assert all(np.array_equal(cube.section('inline', n), a) for n, a in zip(cube.inlines, want))


def test_spread():
    assert core.spread(10, 4).tolist() == [0, 3, 6, 9]
    assert core.spread(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert core.spread(5, 0).tolist() == [0]
    assert core.spread(5, 1).tolist() == [0]
    assert core.spread(4, 3).tolist() == [0, 2, 3]
    assert core.spread(4, 3).dtype == np.int64


def test_scale_and_fingerprint(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 1000)).astype('f4')
    a[0] = 0
    np.save(tmp_path / 'a.npy', a)
    with open_volume(tmp_path / 'a.npy') as v:
        some = core.spread(1000, 400)
        assert v.scale() == np.float32(np.percentile(np.abs(a[1:, some]), 99))
        assert v.scale() == v.scale()
        h = hashlib.blake2b(digest_size=8)
        h.update(str(((tmp_path / 'a.npy').stat().st_size, a.shape, '<f4')).encode())
        h.update(np.ascontiguousarray(a[:, core.spread(1000, 32)].T).tobytes())
        assert v.fingerprint() == h.hexdigest()
    np.save(tmp_path / 'dead.npy', np.zeros((4, 5), 'f4'))
    with open_volume(tmp_path / 'dead.npy') as v:
        with says(
            'dead.npy: no live sample in the traces looked at: dead, constant or NaN; '
            'check the file or its sample format'
        ):
            v.scale()


def test_few_samples_are_looked_at():
    asked = []

    class Reader:
        n_traces, n_samples, path = 100, 1_000_000, 'a.sgy'

        def read(self, ids):
            asked.append(ids.tolist())
            return np.arange(8, dtype='f4').reshape(1, 8) + np.zeros((len(ids), 1), 'f4')

        read_as_coded = read

        def identity(self):
            return [b'a', b'b']

    v = core.Volume(Reader(), {})
    v.scale()
    v.fingerprint()
    assert asked == [[0, 33, 66, 99]] * 2
    assert v._scale == pytest.approx(np.percentile(np.repeat(np.arange(1, 8), 4), 99))


# ---- line_index, live
def test_line_index():
    grid_ = np.array([[0, 1], [2, -1]], np.int32)
    lines = np.array([5, 9]), np.array([1, 2])
    index = line_index.LineIndex(
        Some(path='x/a.sgy', grid=grid_, inlines=lines[0], crosslines=lines[1])
    )
    assert index.trace_ids('inline', 9).tolist() == [2, -1]
    assert index.trace_ids('crossline', 1).tolist() == [0, 2]
    assert index.trace_ids('crossline', 1).dtype == np.int64
    assert index.lines('line').tolist() == []
    assert [index.position('inline', n) for n in (5, 9)] == [0, 1]
    for n in (4, 6, 10):
        with says(f'a.sgy: no inline {n}; there are 2: 5 … 9 by 4'):
            index.position('inline', n)
    with says("a.sgy: has inlines and crosslines; ask for kind 'inline' or 'crossline'"):
        index.trace_ids('line', 0)
    with says("a.sgy: unknown line kind 'xline'; use 'inline', 'crossline' or 'line'"):
        index.lines('xline')


def test_line_index_without_grid():
    none = np.zeros(0, int)

    def index(n_traces, n_samples):
        reader = Some(path='a.sgy', grid=None, inlines=none, crosslines=none, why='why not')
        reader.n_traces, reader.n_samples = n_traces, n_samples
        return line_index.LineIndex(reader)

    assert index(3, 4).lines('line').tolist() == [0]
    assert index(3, 4).trace_ids('line', 0).tolist() == [0, 1, 2]
    with says("a.sgy: no line 1; a 2-D line is asked for with kind 'line', number 0"):
        index(3, 4).trace_ids('line', 1)
    with says(
        "a.sgy: no crosslines: why not; read the whole line with kind 'line', number 0, "
        'or name the header bytes: iline_byte=, xline_byte='
    ):
        index(3, 4).trace_ids('crossline', 1)
    assert len(index(1 << 9, 1 << 20).trace_ids('line', 0)) == 1 << 9
    with says(
        'a.sgy: 1,025 traces are too many for one section; name the header bytes of its lines '
        '(iline_byte=, xline_byte=), or read traces[i:j]'
    ):
        index(1025, 1 << 19).trace_ids('line', 0)
    assert len(index(1024, 1 << 19).trace_ids('line', 0)) == 1024


def test_live_mask():
    n = np.nan
    a = np.array(
        [
            [0, 1, n, 0, 5],
            [2, 1, 3, 0, 0],
            [0, 1, n, 0, 6],
            [4, 1, 4, 0, n],
            [0, 1, 0, 0, 7],
        ],
        float,
    )
    want = np.array(
        [[0, 0, 0, 0, 1], [1, 0, 1, 0, 1], [1, 0, 0, 0, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool
    )
    assert np.array_equal(live_mask(a), want)
    some = np.nan_to_num(a[:, :2])
    assert np.array_equal(live_mask(some), want[:, :2])
    solid = np.array([[1, 2, -1], [1, 3, -2]], float)
    mask = live_mask(solid)
    assert mask.tolist() == [[False, True, True]] * 2
    mask[0, 0] = True  # it can be written to
    assert not mask[1, 0]
    assert live_mask(np.array([[0.0, 2.0, n, -1]])).tolist() == [[False, True, False, True]]
    assert live_mask(np.array([[3.0, 2.0]])).tolist() == [[True, True]]
    assert live_mask(np.zeros((2, 3))).tolist() == [[False] * 3] * 2
    assert live_mask(np.full((2, 3), n)).tolist() == [[False] * 3] * 2
    assert live_mask(np.zeros((0, 3))).shape == (0, 3)
    assert live_mask(np.zeros((3, 0))).dtype == bool
    for shape in ((3,), (1, 2, 3)):
        with says(f'expected (n_samples, n_traces), got shape {shape}', ValueError):
            live_mask(np.zeros(shape))


# ---- arrays, axis
def test_options_of_segy_alone():
    asked = dict(x_byte=5, iline_byte=9, dt=4, sample_format='ibm')
    text = 'ignored, because this is not a SEG-Y file: iline_byte=9, x_byte=5, sample_format=ibm'
    assert arrays.for_segy_alone(asked) == [text]
    assert arrays.for_segy_alone(dict(dt=4)) == []


def test_npy_header(tmp_path):
    path = tmp_path / 'a.npy'
    np.save(path, np.asfortranarray(np.zeros((3, 4), '>f8')))
    assert arrays.npy_header(path) == ((3, 4), True, np.dtype('>f8'), 128)
    for version in ((1, 0), (2, 0)):
        with open(path, 'wb') as f:
            np.lib.format.write_array(f, np.zeros((5, 6), 'i2'), version)
        assert arrays.npy_header(path)[:3] == ((5, 6), False, np.dtype('i2'))
    path.write_bytes(b'\x93NUMPY\x01\x00')
    with pytest.raises(
        VolumeError, match=r'a\.npy: not a readable \.npy file \(.+\); save it again'
    ):
        arrays.npy_header(path)
    with says(f'{tmp_path}: can not be opened (Is a directory); check its permissions'):
        arrays.npy_header(tmp_path)


def test_arrays_that_are_refused():
    def refuse(size, shape, dtype='f4'):
        arrays.refuse_array('a.npy', size, shape, np.dtype(dtype))

    refuse(24, (2, 3))
    refuse(24, (1, 2, 3))
    refuse(6, (2, 3), 'u1')
    refuse(12, (1, 6), 'i2')
    for dtype in ('complex64', 'bool', 'O', 'U1'):
        with says(
            f'a.npy: .npy of dtype {np.dtype(dtype)}, not numbers; '
            'save real integers or floats, such as float32'
        ):
            refuse(999, (2, 3), dtype)
    for shape in ((3,), (1, 2, 3, 4), ()):
        with says(
            f'a.npy: .npy of shape {shape}; save (n_samples, n_traces) or '
            '(n_inlines, n_crosslines, n_samples)'
        ):
            refuse(9999, shape)
    for shape in ((0, 3), (2, 0), (2, 1.5)):
        with says(
            f'a.npy: .npy of shape {shape}: nothing in it; save an array with at least one sample'
        ):
            refuse(9999, shape)
    with says(
        'a.npy: truncated: shape (2, 3) of float32 needs 24 bytes, 23 are there; copy the file again'
    ):
        refuse(23, (2, 3))


@pytest.mark.parametrize('order', 'CF')
def test_array_reader(tmp_path, order):
    a = np.arange(30, dtype='f8').reshape(2, 3, 5)
    path = tmp_path / 'a.npy'
    np.save(path, np.asarray(a, order=order))
    r = arrays.ArrayReader(path, path.stat().st_size)
    assert (r.n_samples, r.n_traces, r.closed, r.why) == (5, 6, False, '')
    assert (r.sample_format, r.order, r.segments, r.left_out) == ('float64', order, [(0, 6)], {})
    assert r.inlines.tolist() == [0, 1]
    assert r.crosslines.tolist() == [0, 1, 2]
    assert r.grid.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert r.notes == [
        'axes of the array are taken as 2 inlines, 3 crosslines, 5 samples; '
        '.npy files carry no line numbers: they count from 0'
    ]
    assert r.problems == []
    assert np.array_equal(r.read([5, -1, 0]), [a[1, 2], [0] * 5, a[0, 0]])
    many = np.tile([4, 1, -1], 300)
    got = r.read(many)
    assert np.array_equal(got[many >= 0], a.reshape(6, 5)[many[many >= 0]])
    assert not got[many < 0].any()
    assert got.dtype == np.float32
    assert np.isnan(r.xy(np.arange(2))).all()
    assert r.xy(np.arange(2)).shape == (2, 2)
    assert r.cdp(np.arange(2)) is None
    assert r.lines_per_chunk('inline') == 1
    assert r.identity() == [str((path.stat().st_size, (2, 3, 5), '<f8')).encode()]
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(
        VolumeError, match=r'a\.npy: can not be read any more \(.*\); open it again'
    ):
        r.read([0])
    r.close()
    with says(f'{path}: the volume is closed; open it again with open_volume'):
        r.read([0])


@pytest.mark.parametrize('order', 'CF')
def test_array_reader_of_a_line(tmp_path, order):
    a = np.arange(15, dtype='i4').reshape(3, 5)
    path = tmp_path / 'a.npy'
    np.save(path, np.asarray(a, order=order))
    r = arrays.ArrayReader(path, path.stat().st_size, dict(x_byte=3, dt=2))
    assert (r.n_samples, r.n_traces, r.grid, r.why) == (3, 5, None, 'a 2-D array')
    assert r.notes == [
        'axes of the array are taken as 3 samples, 5 traces',
        'ignored, because this is not a SEG-Y file: x_byte=3',
    ]
    assert np.array_equal(r.read([4, -1, 0]), [a[:, 4], [0] * 3, a[:, 0]])
    assert (r.inlines.size, r.crosslines.size) == (0, 0)
    assert r.axis.problems == []


@pytest.mark.parametrize(
    'asked, unit, domain',
    [
        ({}, 'ms', 'time'),
        (dict(units='ft'), 'ms', 'time'),
        (dict(domain='time', units='ft'), 'ms', 'time'),
        (dict(domain='depth'), 'm', 'depth'),
        (dict(domain='depth', units='m'), 'm', 'depth'),
        (dict(domain='depth', units='ft'), 'ft', 'depth'),
    ],
)
def test_axis_of_an_array(tmp_path, asked, unit, domain):
    path = tmp_path / 'a.npy'
    np.save(path, np.ones((3, 5)))
    a = arrays.ArrayReader(path, path.stat().st_size, asked).axis
    assert (a.t0, a.dt, a.unit, a.domain) == (0.0, 1.0, unit, domain)
    what = f'.npy files carry no sample interval; 1 {unit} is assumed'
    assert a.problems == asks(what, 'pass dt=')


def test_settled_axis():
    time = ['time in ms is assumed: nothing says whether the samples are in time or depth']
    metres = ['depths are taken to be in metres: nothing says so']

    def settled(
        domain='time',
        evidence='assumed: x',
        asked=MappingProxyType({}),
        feet=None,
        dt=4.0,
        problems=(),
    ):
        a = SampleAxis(1.0, dt, domain, '', evidence, list(problems), ['first'])
        a = settle_axis(a, asked, feet)
        return a, a.notes[1:]

    a, notes = settled()
    assert (a.unit, a.assumed, notes, a.problems, a.notes[0]) == ('ms', True, time, [], 'first')
    a, notes = settled(evidence='the text')
    assert (a.assumed, notes) == (False, [])
    a, notes = settled('depth', 'the text')
    assert (a.unit, notes) == ('m', metres)
    assert [settled('depth', 'x', feet=f)[0].unit for f in (True, False)] == ['ft', 'm']
    assert [settled('depth', 'x', feet=f)[1] for f in (True, False)] == [[], []]
    a, notes = settled('depth', 'x', dict(units='ft'), feet=False)
    assert (a.unit, notes) == ('ft', [])
    a, notes = settled('depth', 'x', dict(units='m'), feet=True)
    assert (a.unit, notes) == ('m', [])
    a, notes = settled('depth', 'x', dict(units='degrees'), feet=True)
    assert (a.unit, notes) == ('ft', [])
    a, notes = settled(asked=dict(domain='depth', dt=0, t0=0))
    assert (a.domain, a.evidence, a.unit, a.dt, a.t0) == ('depth', 'set by the caller', 'm', 0, 0)
    assert notes == metres
    a, _ = settled(asked=dict(dt=3, t0=7))
    assert (a.dt, a.t0, type(a.dt)) == (3.0, 7.0, float)
    assert axis.LONG == 8.0
    assert settled(dt=8.0)[0].problems == []
    assert settled(dt=8.5)[0].problems == asks(
        'an interval of 8.5 is long for two-way time in ms',
        "if this is depth, pass domain='depth'; if not, pass domain='time'",
    )
    assert settled(dt=8.5, evidence='x')[0].problems == []
    assert settled(dt=8.5, asked=dict(domain='time'))[0].problems == []
    two = [problem('a', 'pass dt='), problem('b', 'pass t0=')]
    assert settled(problems=two, asked=dict(dt=2, t0=None))[0].problems == two[1:]
    assert settled(problems=two, asked=dict(dt=None))[0].problems == two


# ---- coordinates
def i4(*values):
    return np.array(values, np.int32)


def xy_of(x, y, scalar=(1,), place='bytes 181 and 185', **kw):
    return Coordinates(i4(*x), i4(*y), np.array(scalar, np.int16), place, **kw)


def test_scalars():
    assert coordinates.scaled([0, 1, -1, 10, -10, -100]).tolist() == [1, 1, 1, 10, 0.1, 0.01]
    assert coordinates.UNKNOWN == -2147483648


def test_degrees_minutes_seconds():
    found = coordinates.from_dms(np.array([1123036.0, -1123036.0, 15.5, 0.0, 59.0, 100.0]))
    want = [112 + 30 / 60 + 36 / 3600, -112.51, 15.5 / 3600, 0, 59 / 3600, 1 / 60]
    assert found == pytest.approx(want, abs=1e-12)


def test_floats_in_disguise():
    def words(*values):
        return np.array(values, np.float32).view(np.int32)

    assert coordinates.looks_float(words(500000.5, 6e6, 1.0))
    assert coordinates.looks_float(words(-500000.5, 0, 99999990.0))
    assert coordinates.looks_float(np.r_[words(5e5), i4(0, UNKNOWN)])
    assert coordinates.looks_float(words(0.11))
    assert not coordinates.looks_float(words(500000.5, 0.1))
    assert not coordinates.looks_float(words(500000.5, 0.09))
    assert not coordinates.looks_float(words(500000.5, 1e8))
    assert not coordinates.looks_float(words(500000.5, np.inf))
    assert not coordinates.looks_float(words(500000.5, np.nan))
    assert not coordinates.looks_float(np.r_[words(5e5), i4(7)])
    assert not coordinates.looks_float(i4(0, UNKNOWN))
    assert not coordinates.looks_float(i4())
    assert not coordinates.looks_float(words(5e5).astype(np.int64))
    assert coordinates.looks_float(words(5e5)) is True


def test_coordinates_at():
    nan = [np.nan, np.nan]

    def at(ids=(0, 1, 2), **kw):
        given = dict(x=[10, 0, 30], y=[-4, 0, 0]) | kw
        return xy_of(**given).at(np.array(ids))

    np.testing.assert_array_equal(at(), [[10, -4], nan, [30, 0]])
    np.testing.assert_array_equal(at(origin=1), [[10, -4], [0, 0], [30, 0]])
    np.testing.assert_array_equal(at(wrong=(0,)), [nan, nan, [30, 0]])
    np.testing.assert_array_equal(at((2, 0), scalar=(-10,)), [[3, 0], [1, -0.4]])
    np.testing.assert_array_equal(at((2, 0), scalar=(-10, 1, 10)), [[300, 0], [1, -0.4]])
    np.testing.assert_array_equal(at(x=[UNKNOWN, 5, 6], y=[5, UNKNOWN, 5]), [nan, nan, [6, 5]])
    np.testing.assert_array_equal(at(x=[0, 5, 0], y=[5, 0, 0]), [[0, 5], [5, 0], nan])
    np.testing.assert_array_equal(
        at((2, 0), kind='arcsec', x=[3600, 0, 36]), [[0.01, 0], [1, -4 / 3600]]
    )
    dms = at((0,), kind='dms', x=[1003036], y=[-20000], scalar=(1,))
    assert dms == pytest.approx(np.array([[100.51, -2]]))
    bits = np.array([[5e5, -2.5]], np.float32).view(np.int32)
    np.testing.assert_array_equal(
        at((0,), x=bits[:, 0], y=bits[:, 1], floats=True, scalar=(-100,)), [[5e5, -2.5]]
    )
    two = at((1, 0), x=[10, 20], y=[0, 1], scalar=(-10, 10))
    np.testing.assert_array_equal(two, [[200, 10], [1, 0]])
    assert at().dtype == np.float64


def test_coordinates_are_there():
    def there(x, y):
        found = coordinates.is_there(xy_of(x, y))
        assert type(found) is bool
        return found

    assert there([1, 2], [5, 5])
    assert there([5, 5], [1, 2])
    assert there([0, 0], [1, 2])
    assert not there([5, 5], [6, 6])
    assert not there([0, 5], [0, 6])
    assert not there([0, 0], [0, 0])
    assert not there([UNKNOWN, 5], [3, 6])
    assert not there([3, 5], [UNKNOWN, 6])
    assert there([UNKNOWN, 5, 6], [3, 6, 6])
    assert there([7], [0])
    assert there([0], [7])
    assert not there([0], [0])
    assert there([-(2**31) + 1, 2**31 - 1], [0, 0])


# ---- coordinate_bytes
def test_places_of_coordinates():
    places = coordinate_bytes.coordinate_places
    every = [(181, 185), (73, 77), (81, 85), (189, 193), (193, 197), (201, 205)]
    assert places({}, {}, (9, 21)) == every
    assert places({}, {}, (189, 193)) == [(181, 185), (73, 77), (81, 85), (201, 205)]
    assert places({}, {}, (9, 185)) == every[1:]
    assert places(dict(x_byte=5), {}, (9, 21)) == [(5, 185)]
    assert places(dict(y_byte=5), {}, (9, 21)) == [(181, 5)]
    assert places(dict(x_byte=5, y_byte=9), {}, (9, 21)) == [(5, 9)]
    named = dict(x=(81, 'a'), y=(85, 'b'))
    assert places({}, named, (9, 21)) == [(81, 85), (181, 185), (73, 77), *every[3:]]
    assert places({}, dict(x=(81, 'a')), (9, 21)) == every
    assert places({}, named, (81, 21)) == [(181, 185), (73, 77), *every[3:]]
    assert places({}, dict(x=(233, 'a'), y=(237, 'b')), (9, 21))[0] == (233, 237)


def test_coordinates_that_repeat_lines():
    repeats = coordinate_bytes.repeats_lines
    a, b = i4(1, 1, 2), i4(5, 6, 5)
    assert repeats(xy_of(a, b), a, b)
    assert repeats(xy_of(b, a), a, b)
    assert not repeats(xy_of(a, a), a, b)
    assert not repeats(xy_of(a, b), a, b + 1)
    assert not repeats(xy_of(b, a), a + 1, b)
    one, two = i4(1, 1), i4(5, 6)
    assert repeats(xy_of(one, two), one, two)
    assert repeats(xy_of(two, one), two, one)
    assert not repeats(xy_of(one, one), one, one)


def fit_of(misfit=0.0, spacing=(1.0, 1.0)):
    return Fit(misfit, spacing, np.zeros(2), np.eye(2))


def test_coordinates_like_line_numbers():
    like = coordinate_bytes.like_numbers
    assert like(xy_of([1, 19999], [-5, 3]), fit_of())
    assert like(xy_of([1, 2], [-5, 3]), fit_of(spacing=(2.0, 1.0)))
    assert not like(xy_of([1, 20000], [5, 3]), fit_of())
    assert not like(xy_of([1, 5], [5, -20000]), fit_of())
    assert not like(xy_of([1, 2], [5, 3]), fit_of(spacing=(1.0, 2.1)))
    assert not like(xy_of([1, 2], [5, 3], floats=True), fit_of())


def survey(n=(4, 5)):
    il, xl = (a.ravel().astype(np.int32) for a in np.meshgrid(*map(np.arange, n), indexing='ij'))
    return il + 10, xl + 200, np.arange(n[0] * n[1]).reshape(n)


def chosen(words, places=((181, 185), (73, 77)), grid_=True, scalar=None):
    il, xl, g = survey()
    scalar = np.ones(20, np.int16) if scalar is None else scalar
    return coordinate_bytes.choose_coordinates(
        list(places), words, scalar, (il, xl), g if grid_ is True else grid_
    )


def test_chosen_coordinates():
    il, xl, _ = survey()
    zero = np.zeros(20, np.int32)
    x, y = 500000 + 25 * xl, 6000000 + 25 * il
    noise = np.random.default_rng(1).integers(1, 10**6, (2, 20)).astype(np.int32)
    name = 'name the bytes of coordinates: x_byte=, y_byte='

    c = chosen({181: x, 185: y, 73: x, 77: y})
    assert (c.coordinates.place, c.notes, c.problems) == ('bytes 181 and 185', [], [])
    assert c.coordinates.scalar.shape == (1,)
    assert np.array_equal(c.coordinates.x, x)
    assert np.array_equal(c.coordinates.y, y)
    assert not c.coordinates.floats

    differing = np.r_[np.ones(19), -10].astype(np.int16)
    c = chosen({181: x, 185: y}, scalar=differing)
    assert c.coordinates.scalar.tolist() == differing.tolist()

    c = chosen({181: zero, 185: zero, 73: x, 77: y})
    assert c.coordinates.place == 'bytes 73 and 77'
    assert c.notes == [
        'coordinates taken from bytes 73 and 77: nothing stands at bytes 181 and 185'
    ]
    assert c.problems == []

    c = chosen({181: il, 185: xl, 73: x, 77: y})
    told = 'coordinates taken from bytes 73 and 77: bytes 181 and 185 hold the line numbers again'
    assert c.notes == [told]

    c = chosen({181: il + 1, 185: xl, 73: x, 77: y})
    told = (
        'coordinates taken from bytes 73 and 77: those at bytes 181 and 185 look like line numbers'
    )
    assert c.notes == [told]

    c = chosen({181: noise[0], 185: noise[1], 73: x, 77: y})
    assert c.notes == [
        'coordinates taken from bytes 73 and 77: they lie on the grid of lines, '
        'those at bytes 181 and 185 do not'
    ]

    c = chosen({181: xl, 185: xl + 1, 73: x, 77: y})  # no plane: no fit at all
    assert c.notes == [
        'coordinates taken from bytes 73 and 77: they lie on the grid of lines, '
        'those at bytes 181 and 185 do not'
    ]

    c = chosen({181: noise[0], 185: noise[1], 73: x, 77: y}, grid_=None)
    assert (c.coordinates.place, c.notes, c.problems) == ('bytes 181 and 185', [], [])
    c = chosen({181: noise[0], 185: noise[1], 73: x, 77: y}, grid_=np.arange(20).reshape(1, 20))
    assert (c.coordinates.place, c.notes, c.problems) == ('bytes 181 and 185', [], [])

    c = chosen({181: noise[0], 185: noise[1]})
    assert len(c.problems) == 1
    assert re.fullmatch(
        r'coordinates at bytes 181 and 185 do not lie on a regular grid of lines '
        r'\(off by [\d.e+]+ trace spacings\)',
        c.problems[0]['problem'],
    )
    remedy = 'check the bytes: x_byte=, y_byte=, iline_byte=, xline_byte='
    assert c.problems[0]['remedy'] == remedy

    c = chosen({181: il + 1, 185: xl})
    what = 'coordinates at bytes 181 and 185 look like line numbers (one apart, up to 14)'
    assert c.problems == asks(what, name)

    c = chosen({181: il, 185: xl, 73: zero, 77: zero})
    assert c.coordinates is None
    what = 'coordinates at bytes 181 and 185 are the line numbers again: taken as none'
    assert c.problems == asks(what, name)
    c = chosen({181: zero, 185: zero, 73: xl, 77: il})
    what = 'coordinates at bytes 73 and 77 are the line numbers again: taken as none'
    assert c.problems == asks(what, name)
    c = chosen({181: zero, 185: zero})
    assert (c.coordinates, c.notes) == (None, [])
    assert c.problems == asks(
        'no CDP coordinates at bytes 181 and 185',
        'hits will have line numbers but no coordinates; '
        'name other bytes (x_byte=, y_byte=) if they are elsewhere',
    )


def test_chosen_floats():
    il, xl, _ = survey()
    x, y = ((a * 25.0 + 5e5).astype(np.float32).view(np.int32) for a in (xl, il))
    c = chosen({181: x, 185: y})
    assert c.coordinates.floats
    assert c.notes == ['coordinates at bytes 181 and 185 are floats, not integers']
    c = chosen({181: x, 185: il * 25})
    assert not c.coordinates.floats
    c = chosen({181: il * 25, 185: y})
    assert not c.coordinates.floats


# ---- grid
def test_pairs_and_distinct_numbers():
    key = grids.pair_key(i4(1, -1, 0), i4(2, -2, -(2**31)))
    assert key.tolist() == [2**32 + 2, -(2**32) + 2**32 - 2, 2**31]
    assert grids.n_distinct(i4(3, 3, 1)) == 2
    assert grids.constant(i4(3, 3))
    assert not grids.constant(i4(3, 4))


@pytest.mark.parametrize(
    'numbers, words',
    [
        ((), 'none'),
        ((7,), '7'),
        ((7, 8), '7 … 8'),
        ((10, 12, 14), '10 … 14 by 2'),
        ((10, 12, 13), '10 … 13 (irregular)'),
    ],
)
def test_described(numbers, words):
    assert grids.described(i4(*numbers)) == words


def test_evenly_spread():
    assert grids.evenly_spread(10, 4).tolist() == [0, 3, 6, 9]
    assert grids.evenly_spread(3, 9).tolist() == [0, 1, 2]
    assert grids.evenly_spread(4, 3).tolist() == [0, 1, 3]
    assert grids.evenly_spread(4, 3).dtype == np.int64


def test_too_empty():
    cases = [
        (100, 1, 1000, False),
        (100, 1, 1001, True),
        (200, 2, 1000, False),
        (200, 1001, 2, True),
        (30, 3, 30, True),
        (30, 31, 3, True),
        (30, 3, 29, False),
        (30, 2, 30, False),
        (20, 4, 5, False),
    ]
    assert [grids.too_empty(*case[:3]) for case in cases] == [case[3] for case in cases]


def test_grid_of():
    il, xl, _ = survey((3, 4))
    il, xl = il * 2, xl[::-1]
    found = grids.grid_of(il, xl)
    assert found.grid.shape == (3, 4)
    for t in range(12):
        i = found.inlines.tolist().index(il[t])
        j = found.crosslines.tolist().index(xl[t])
        assert found.grid[i, j] == t
    assert found.inlines.tolist() == [20, 22, 24]
    assert found.crosslines.tolist() == [200, 201, 202, 203]
    assert (found.inlines.dtype, found.grid.dtype) == (np.int64, np.int32)
    assert (found.fill, found.why, found.left_out, found.repeats) == (1.0, '', {}, None)
    masks = {'a': np.arange(12) == 5, 'b': np.zeros(12, bool)}
    found = grids.grid_of(il, xl, masks)
    assert {k: v.tolist() for k, v in found.left_out.items()} == {'a': [5]}
    assert found.fill == 11 / 12
    assert np.count_nonzero(found.grid == -1) == 1


def test_grid_of_repeated_positions():
    il, xl = i4(1, 1, 1, 2, 2, 2, 3, 3, 3, 1), i4(1, 2, 3, 1, 2, 3, 1, 2, 3, 2)
    found = grids.grid_of(il, xl)
    assert found.left_out['repeated position'].tolist() == [9]
    assert found.repeats.tolist() == [[9, 1]]
    assert found.grid.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    il[8], xl[8] = 1, 1
    found = grids.grid_of(il, xl, place='bytes 1 and 2')
    assert found.repeats.tolist() == [[8, 0], [9, 1]]
    assert found.grid.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, -1]]
    il[7], xl[7] = 1, 1
    found = grids.grid_of(il, xl, place='bytes 1 and 2')
    assert found.grid is None
    assert found.why == '3 traces repeat an inline/crossline position (bytes 1 and 2)'
    assert (found.inlines.size, found.crosslines.size) == (0, 0)
    assert grids.grid_of(i4(1, 2, 1), i4(1, 2, 1)).repeats.tolist() == [[2, 0]]
    assert grids.grid_of(i4(1, 1, 1), i4(1, 1, 1)).grid is None
    skip = {'x': np.arange(10) == 0}
    il, xl = i4(9, 1, 1, 1, 2, 2, 2, 3, 3, 1), i4(9, 1, 2, 3, 1, 2, 3, 1, 2, 2)
    assert grids.grid_of(il, xl, skip).repeats.tolist() == [[9, 2]]


def test_grid_of_a_diagonal():
    found = grids.grid_of(np.arange(40), np.arange(40) % 30)
    assert found.grid is None
    assert found.why == '40 traces would fill only 3.3 % of a 30×40 grid: an arbitrary line'


def grid3d(n_il, n_xl, holes=0, il=None, xl=None):
    g = np.arange(n_il * n_xl).reshape(n_il, n_xl)
    g.reshape(-1)[:holes] = -1
    il = np.arange(n_il) if il is None else np.array(il)
    xl = np.arange(n_xl) if xl is None else np.array(xl)
    return grids.Grid3D(il, xl, g)


def uneven(n, others):
    steps = np.ones(n - 1, int)
    steps[:others] = range(3, 3 + others)
    return np.r_[0, np.cumsum(steps)]


def test_evenly():
    assert grids.evenly(uneven(11, 1))
    assert not grids.evenly(uneven(11, 2))
    assert grids.evenly(i4(1, 7))
    assert not grids.evenly(i4(1, 2, 4))
    assert grids.evenly(i4(5, 8, 11))


def test_full_and_regular_grids():
    odd = uneven(4, 3)
    assert grids.is_regular(grid3d(2, 5, 9))
    assert not grids.is_regular(grid3d(1, 5))
    assert not grids.is_regular(grid3d(5, 1))
    assert not grids.is_regular(grid3d(4, 5, il=odd))
    assert not grids.is_regular(grid3d(5, 4, xl=odd))
    assert not grids.is_regular(grids.no_grid('x'))
    assert grids.is_full(grid3d(2, 5, 1))
    assert not grids.is_full(grid3d(2, 5, 2))
    assert grids.is_full(grid3d(4, 25, 1, il=odd))
    assert grids.is_full(grid3d(25, 4, 1, xl=odd))
    assert not grids.is_full(grid3d(4, 25, 2, il=odd))
    assert not grids.is_full(grid3d(4, 25, 2, xl=uneven(25, 20)))
    assert not grids.is_full(grid3d(4, 25, il=odd, xl=uneven(25, 20)))
    assert not grids.is_full(grid3d(3, 25, il=uneven(3, 2)))
    assert not grids.is_full(grid3d(1, 25))
    assert not grids.is_full(grids.no_grid('x'))


def test_grids_like_coordinates():
    def like(il, xl):
        return grids.as_coordinates(grid3d(len(il), len(xl), il=il, xl=xl))

    far, near = [99995, 100000], [99994, 99999]
    assert like(far, far)
    assert like([-100000, -99995], far)
    assert not like(near, far)
    assert not like(far, near)
    assert not like([99996, 100000], far)
    assert not like(far, [99996, 100000])
    assert like([100000], far)
    assert not grids.sound(grid3d(2, 2, il=far, xl=far))
    assert grids.sound(grid3d(2, 2, il=near, xl=far))
    assert not grids.sound(grid3d(1, 2))
    assert not grids.sound(grids.no_grid('x'))
    assert not like([], [])


def test_grids_that_are_the_same():
    a, b = grid3d(2, 3), grid3d(2, 3, il=[5, 6])
    assert grids.same_cells(a, b)
    assert not grids.same_numbers(a, b)
    assert grids.same_numbers(a, grid3d(2, 3))
    assert not grids.same_numbers(a, grid3d(2, 3, 1))
    assert not grids.same_numbers(a, grid3d(2, 3, xl=[5, 6, 7]))
    assert not grids.same_cells(a, grid3d(2, 3, 1))
    assert not grids.same_cells(a, grid3d(3, 2))


# ---- bad_traces
def lines_with(extra, n=(20, 5), step=1):
    "Regular line numbers from 10 on, and some (number, other number) more."
    il, xl = (
        a.ravel() for a in np.meshgrid(10 + step * np.arange(n[0]), np.arange(n[1]), indexing='ij')
    )
    more = np.array(extra, int).reshape(-1, 2)
    return np.r_[il, more[:, 0]].astype(np.int32), np.r_[xl, more[:, 1]].astype(np.int32)


@pytest.mark.parametrize(
    'extra, kw, want',
    [
        ([], {}, []),
        ([(5000, 0)], {}, [100]),
        ([(-5000, 0)], {}, [100]),
        ([(39, 0)], {}, []),
        ([(40, 0)], {}, [100]),
        ([(0, 0)], {}, []),
        ([(-1, 0)], {}, [100]),
        ([(68, 0)], dict(step=2), []),
        ([(70, 0)], dict(step=2), [100]),
        ([(25, 0)], dict(step=2), [100]),
        ([(5000, 0), (5000, 0)], {}, [100, 101]),
        ([(5000, 0), (5000, 1)], {}, []),
        ([(5000, i) for i in range(3)], dict(n=(20, 30)), [600, 601, 602]),
        ([(5000, i) for i in range(4)], dict(n=(20, 30)), []),
        ([(5000 + 1000 * i, 0) for i in range(11)], {}, list(range(100, 111))),
        ([(5000 + 1000 * i, 0) for i in range(12)], {}, []),
    ],
)
def test_lines_astray(extra, kw, want):
    found = bad_traces.astray(*lines_with(extra, **kw))
    assert found.dtype == bool
    assert np.flatnonzero(found).tolist() == want


def test_few_lines_are_never_astray():
    assert not bad_traces.astray(i4(1, 1, 1, 900), i4(1, 2, 3, 1)).any()


def test_padding():
    def pad(*rows):
        return bad_traces.padding(*i4(*rows).T).tolist()

    full = (10, 20, 5, 6)
    assert pad(full, (0, 0, 0, 0), (0, 0, 0, 0)) == [False, True, True]
    assert pad(full, (0, 0, 0, 0)) == [False, True]
    assert pad((0, 0, 0, 0), (0, 0, 0, 0)) == [False, False]
    assert pad(full, full) == [False, False]
    for k in range(4):
        part = [0] * 4
        part[k] = 1
        assert pad(full, part) == [False, False]
    assert pad((0, 5, 1, 1), (5, 0, 1, 1), (0, 0, 0, 0)) == [False] * 3
    assert pad((0, 5, 1, 1), (5, 5, 1, 1), (0, 0, 0, 0)) == [False, False, True]
    assert pad((5, 0, 1, 1), (5, 5, 1, 1), (0, 0, 0, 0)) == [False, False, True]
    two = pad((0, 5, 1, 1), (5, 0, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0))
    assert two == [False, False, True, True]


def test_bad_traces():
    il, xl = lines_with([(5000, 0), (0, 0)])
    zero = np.zeros(102, np.int32)
    found = bad_traces.bad_traces((9, 21), {9: il, 21: xl})
    assert {k: np.flatnonzero(v).tolist() for k, v in found.items()} == {
        'zero headers': [101],
        'line number astray': [100],
    }
    for byte in (181, 185):
        words = {9: il, 21: xl, 181: zero, 185: zero} | {byte: zero + 5}
        assert not bad_traces.bad_traces((9, 21), words)['zero headers'].any()
    # coordinates at the bytes of the lines say nothing
    found = bad_traces.bad_traces((181, 185), {181: il, 185: xl})
    assert np.flatnonzero(found['zero headers']).tolist() == [101]
    found = bad_traces.bad_traces((21, 9), {9: il, 21: xl})
    assert np.flatnonzero(found['line number astray']).tolist() == [100]


# ---- line_numbers
def pairs_of(asked=MappingProxyType({}), named=MappingProxyType({})):
    return [(*c.lines, c.origin) for c in line_numbers.candidates(asked, named)]


def test_header_bytes_that_are_usual():
    assert line_numbers.STANDARD_BYTES == {'iline': 189, 'xline': 193, 'x': 181, 'y': 185}
    conventions = ' '.join(f'{a},{b}' for a, b in line_numbers.CONVENTIONS)
    assert conventions == (
        '9,21 5,21 5,17 221,225 181,185 17,21 233,237 9,193 189,21 189,185 5,193 217,221 '
        '197,201 213,217'
    )
    places = ' '.join(f'{a},{b}' for a, b in line_numbers.COORDINATE_BYTES)
    assert places == '181,185 73,77 81,85 189,193 193,197 201,205'


def test_limits():
    assert (bad_traces.FEW, bad_traces.FAR, grids.REPEATED, grids.LARGE) == (0.1, 10, 0.2, 100000)
    assert core._MOST_SAMPLES == 4_000_000
    assert line_index._MAX_LINE == 2**31


def test_candidates():
    usual = [(189, 193, 'standard'), *((*p, 'convention') for p in line_numbers.CONVENTIONS)]
    assert pairs_of() == usual
    assert pairs_of(dict(iline_byte=5, xline_byte=9)) == [(5, 9, 'asked')]
    found = pairs_of(dict(iline_byte=21))
    assert all(il == 21 and xl != 21 for il, xl, _ in found)
    assert found[0] == (21, 193, 'asked')
    assert len({(a, b) for a, b, _ in found}) == len(found)
    found = pairs_of(dict(xline_byte=189))
    assert found[0] == (9, 189, 'asked')
    assert all(xl == 189 and il != 189 for il, xl, _ in found)
    both = dict(iline=(9, 'A'), xline=(13, 'B'))
    assert pairs_of({}, both) == [(9, 13, 'text'), *usual]
    quoted = line_numbers.candidates({}, both)[0]
    assert (quoted.quote, quoted.place) == ('A', 'bytes 9 and 13')
    assert pairs_of({}, dict(iline=(9, 'A')))[0] == (9, 193, 'text')
    only = line_numbers.candidates({}, dict(xline=(13, 'B')))[0]
    assert (only.lines, only.quote) == ((189, 13), 'B')
    assert pairs_of({}, dict(xline=(189, 'B'))) == usual
    assert pairs_of({}, dict(iline=(189, 'A'), xline=(193, 'B'))) == usual
    assert pairs_of({}, dict(iline=(9, 'A'), xline=(21, 'B')))[:2] == [(9, 21, 'text'), usual[0]]
    assert pairs_of({}, dict(iline=(9, 'A'), xline=(21, 'B'))).count((9, 21, 'convention')) == 0
    assert pairs_of(dict(iline_byte=9), both)[0] == (9, 13, 'asked')


def test_wanted_words():
    found = [line_numbers.Candidate(9, 21, 'x'), line_numbers.Candidate(5, 17, 'x')]
    usual = {9, 21, 5, 17, 181, 185, 73, 77, 81, 85, 189, 193, 197, 201, 205}
    assert line_numbers.wanted_words(found, {}) == usual
    named = dict(x=(233, ''), y=(237, ''), iline=(1, ''))
    assert line_numbers.wanted_words(found, named) == usual | {233, 237}


def test_too_many_numbers():
    assert not line_numbers.too_many(np.arange(20), np.arange(20) % 4)
    assert line_numbers.too_many(np.arange(20), np.arange(20) % 5)


def test_weighed():
    il, xl, _ = survey()
    zero = np.zeros(20, np.int32)
    words = {189: il, 193: xl, 9: zero, 21: xl, 5: il, 17: np.arange(20, dtype=np.int32)}
    made = [line_numbers.Candidate(*p, 'x') for p in ((9, 21), (21, 9), (5, 17), (189, 193))]
    found = line_numbers.weighed(made, words, zero)
    assert [c.lines for c, _ in found] == [(189, 193)]
    assert found[0][1].grid.tolist() == np.arange(20).reshape(4, 5).tolist()
    assert line_numbers.weighed(made, words, zero, lambda c, g: False) == []
    asked = []
    line_numbers.weighed(made, words, zero, lambda c, g: asked.append((c, g)))
    assert [c.lines for c, _ in asked] == [(5, 17), (189, 193)]
    assert asked[0][1].grid is None
    assert asked[1][1].grid.shape == (4, 5)


def pair(lines=(189, 193), origin='standard', g=None, quote=''):
    return line_numbers.Candidate(*lines, origin, quote), grid3d(4, 5) if g is None else g


LIKE_COORDINATES = dict(il=100000 + 25 * np.arange(4), xl=100000 + 25 * np.arange(5))


def test_decided_without_another():
    standard = pair()
    d = line_numbers.decided(standard, [])
    assert (d.candidate, d.grid, d.notes, d.problems) == (*standard, [], [])
    d = line_numbers.decided(standard, [standard])
    assert (d.candidate, d.grid, d.notes, d.problems) == (*standard, [], [])
    d = line_numbers.decided(pair(origin='asked', g=grid3d(1, 20)), [pair((9, 21), 'convention')])
    assert (d.candidate.lines, d.notes) == ((189, 193), [])
    far = pair(g=grid3d(4, 5, **LIKE_COORDINATES))
    d = line_numbers.decided(far, [far])
    assert d.problems == asks(
        'line numbers at bytes 189 and 193 look like coordinates '
        '(inlines 100000 … 100075 by 25, crosslines 100000 … 100100 by 25)',
        'name the bytes of the line numbers: iline_byte=, xline_byte=',
    )
    none = pair(g=grids.no_grid('why'))
    assert line_numbers.doubts(none) == []
    # numbers where coordinates belong, with steps of coordinates
    wide = grid3d(4, 5, il=5 * np.arange(4), xl=5 * np.arange(5))
    for origin, lines, taken in (
        ('convention', (181, 185), (189, 193)),
        ('text', (181, 185), (181, 185)),
        ('convention', (9, 21), (9, 21)),
    ):
        d = line_numbers.decided(pair(g=grids.no_grid('why')), [pair(lines, origin, wide)])
        assert d.candidate.lines == taken
    narrow = grid3d(4, 5, il=4 * np.arange(4), xl=5 * np.arange(5))
    d = line_numbers.decided(none, [pair((181, 185), 'convention', narrow)])
    assert d.candidate.lines == (181, 185)


def test_decided_for_another():
    none = pair(g=grids.no_grid('why not'))
    d = line_numbers.decided(none, [pair((9, 21), 'convention')])
    assert d.candidate.lines == (9, 21)
    told = 'line numbers taken from bytes 9 and 21: they make a full 4×5 grid; '
    assert d.notes == [told + 'bytes 189 and 193 do not: why not']
    assert d.problems == []
    d = line_numbers.decided(pair(g=grid3d(1, 20)), [pair((9, 21), 'convention')])
    assert d.notes == [told + 'bytes 189 and 193 hold a single line']
    far = pair(g=grid3d(4, 5, il=LIKE_COORDINATES['il'], xl=LIKE_COORDINATES['xl']))
    d = line_numbers.decided(far, [pair((9, 21), 'convention')])
    assert d.notes == [told + 'bytes 189 and 193 hold what looks like coordinates']
    d = line_numbers.decided(none, [pair((9, 21), 'convention', grid3d(4, 5, 9))])
    assert d.notes == [
        'line numbers taken from bytes 9 and 21: they make a grid of 4×5 with holes, '
        'on which the coordinates lie; bytes 189 and 193 do not: why not'
    ]
    d = line_numbers.decided(none, [pair((9, 21), 'text', quote=' C 5 said ')])
    assert d.notes == ['line numbers taken from bytes 9 and 21: the textual header says "C 5 said"']
    d = line_numbers.decided(none, [pair()])
    assert (d.candidate.lines, d.notes, d.problems) == ((189, 193), [], [])
    # numbers differ, so the other pair is not the standard's once more
    d = line_numbers.decided(pair(g=grid3d(4, 5, il=range(5, 9))), [pair((9, 21), 'text')])
    assert d.candidate.lines == (9, 21)


def test_rivals():
    none = pair(g=grids.no_grid('why not'))
    first = pair((9, 21), 'convention')
    other = pair((5, 17), 'convention', grid3d(5, 4))
    holes = pair((5, 17), 'convention', grid3d(5, 4, 9))

    def problems(*full):
        return line_numbers.decided(none, list(full)).problems

    remedy = 'pass iline_byte=5, xline_byte=17 if those are right'
    assert problems(first, other) == asks(
        'bytes 5 and 17 make a full grid of line numbers too', remedy
    )
    assert problems(first, holes) == asks('bytes 5 and 17 make a grid of line numbers too', remedy)
    assert problems(first, pair((5, 21), 'convention'), other)[0]['remedy'] == remedy
    assert problems(first, pair((5, 21), 'convention')) == []
    assert problems(first, pair((5, 21), 'standard', grid3d(5, 4))) == []
    assert problems(pair((9, 21), 'text'), other) == []


def test_exchanged_lines():
    g = grid3d(4, 5)
    iline, xline = (0, 3, ' C 6 IL 0-3 '), (4, 0, ' C 7 XL 0-4 ')
    assert line_numbers.exchanged(g, dict(iline=iline, xline=xline)) == ''
    assert line_numbers.exchanged(g, dict(iline=xline)) == 'C 7 XL 0-4'
    assert line_numbers.exchanged(g, dict(xline=iline)) == 'C 6 IL 0-3'
    assert line_numbers.exchanged(g, dict(iline=xline, xline=xline)) == ''
    assert line_numbers.exchanged(g, dict(iline=(0, 9, 'x'))) == ''
    assert line_numbers.exchanged(g, {}) == ''
    assert line_numbers.exchanged(grids.no_grid('x'), dict(iline=xline)) == ''
    both = dict(iline=xline, xline=iline)
    assert line_numbers.exchanged(g, both) == 'C 7 XL 0-4'


# ---- dimensions
xr = pytest.importorskip('xarray')


@pytest.mark.parametrize(
    'name, role, unit',
    [
        ('Inline', 'inline', None),
        ('IL_No', 'inline', None),
        ('xlines', 'crossline', None),
        ('CDP', 'trace', None),
        ('twt_ms', 'time', 'ms'),
        ('TWT [s]', 'time', 'ms'),
        ('depth-ft', 'depth', 'ft'),
        ('elevation', 'elevation', None),
        ('inline_m', None, None),
        ('sample number', 'sample', None),
        ('offset', None, None),
        ('times', 'time', None),
    ],
)
def test_role_of(name, role, unit):
    found = dimensions.role_of(name)
    assert (found[0], found[1] and found[1].base) == (role, unit)


def test_names_and_attributes():
    assert dimensions.name_key('A b-C_3.d') == 'abc3d'
    assert dimensions.mapping_of('{"a": 1}') == {'a': 1}
    assert dimensions.mapping_of({'a': 1}) == {'a': 1}
    assert [dimensions.mapping_of(x) for x in ('nonsense', '[1]', None, 5)] == [{}] * 4
    one = Some(attrs={'A b': 1, 'none': None, 'seisnc': '{"C_d": 2}'})
    two = Some(attrs={'a-b': 3, 'attributes': {'E': 4}})
    found = dimensions.all_attributes(one, two)
    assert {k: found[k] for k in ('ab', 'cd', 'e')} == {'ab': 3, 'cd': 2, 'e': 4}
    assert 'none' not in found


def dataset(**variables):
    return xr.Dataset(
        {
            name: (
                tuple(dims.split()),
                np.zeros([3 - (d == 'one') * 2 for d in dims.split()], kind),
            )
            for name, (dims, kind) in variables.items()
        }
    )


@pytest.mark.parametrize(
    'dims, kind, across, vertical, dropped',
    [
        ('inline crossline time', 'f4', ('inline', 'crossline'), 'time', ()),
        ('xline depth iline', 'i2', ('iline', 'xline'), 'depth', ()),
        ('cdp twt', 'f4', ('cdp',), 'twt', ()),
        ('one inline crossline time', 'u1', ('inline', 'crossline'), 'time', ('one',)),
        ('one twt', 'f4', ('one',), 'twt', ()),
        ('one cdp twt', 'f4', ('cdp',), 'twt', ('one',)),
        ('inline crossline time', 'c8', None, None, None),
        ('inline crossline', 'f4', None, None, None),
        ('time depth', 'f4', None, None, None),
        ('inline offset crossline time', 'f4', None, None, None),
        ('inline offset time', 'f4', None, None, None),
        ('inline cdp time', 'f4', None, None, None),
        ('time', 'f4', None, None, None),
    ],
)
def test_layout_of_variables(dims, kind, across, vertical, dropped):
    found = dimensions.layout_of(dataset(a=(dims, kind)), 'a')
    if across is None:
        assert found is None
        return
    assert (found.name, found.across, found.vertical, found.dropped) == (
        'a',
        across,
        vertical,
        dropped,
    )
    assert found.dims == (*across, vertical)


def test_role_by_a_coordinate():
    ds = dataset(a=('x y time', 'f4')).assign_coords(
        iline=('x', np.arange(3)), xline=('y', np.arange(3)), time=('time', np.arange(3))
    )
    assert dimensions.dimension_role(ds, 'x') == 'inline'
    assert dimensions.dimension_role(ds, 'time') == 'time'
    assert dimensions.layout_of(ds, 'a').across == ('x', 'y')
    assert dimensions.dimension_role(dataset(a=('q time', 'f4')), 'q') is None


def test_chosen_variable():
    volume, line = ('inline crossline time', 'f4'), ('cdp time', 'f4')
    found, notes = dimensions.choose_variable('s', dataset(z=volume, a=line))
    assert (found.name, notes) == ('z', [])
    found, notes = dimensions.choose_variable('s', dataset(z=volume, a=line), 'a')
    assert (found.name, notes) == ('a', [])
    many = dataset(b=volume, Seismic=volume, amp=volume)
    found, notes = dimensions.choose_variable('x/s.mdio', many)
    assert found.name == 'Seismic'
    told = 'variable Seismic is read; amp, b can be named in the path (s.mdio/amp)'
    assert notes == [told]
    many.attrs['default_variable_name'] = 'b'
    assert dimensions.choose_variable('s', many)[0].name == 'b'
    assert dimensions.USUAL_VARIABLES == ('amplitude', 'data', 'seismic', 'amplitudes', 'amp')
    with says('x/s: 2 variables that could be the traces: b, c; name one of them in the path: s/b'):
        dimensions.choose_variable('x/s', dataset(c=volume, b=volume))
    remedy = (
        '; name the dimensions inline, crossline and time or depth '
        '(of a line: trace and time or depth)'
    )
    what = 's: no 2-D or 3-D numeric variable with dimensions that are known by name: '
    with says(what + 'the store has no variables' + remedy):
        dimensions.choose_variable('s', dataset())
    odd = dataset(**{f'v{i}': ('p q', 'f4') for i in range(7)})
    six = ', '.join(f'v{i} (p, q; float32)' for i in range(6))
    with says(what + six + ' and 1 more' + remedy):
        dimensions.choose_variable('s', odd)
    with says(what + six + remedy):
        dimensions.choose_variable('s', odd.drop_vars('v6'))
    with says(what + 'v3 (p, q; float32)' + remedy):
        dimensions.choose_variable('s', odd, 'v3')


# ---- errors
@pytest.mark.parametrize(
    'text, told',
    [
        ('pass dt=4', 'pass --dt 4'),
        ("pass domain='depth', units='ft'.", 'pass --domain depth, --units ft.'),
        ('iline_byte=, xline_byte=9)', '--iline-byte, --xline-byte 9)'),
        ('source=a unit=b', '--volume a --unit b'),
        ('my_dt=4 a.dt=4 width=4', 'my_dt=4 a.dt=4 width=4'),
        ("read kind 'line', number 0", 'read --line 0'),
        ("kind 'inline' or 'crossline'", '--inline N or --crossline N'),
        ('this, or read traces[i:j]', 'this'),
        ("units=''", '--units'),
    ],
)
def test_messages_for_the_command_line(text, told):
    assert errors.as_options(text) == told
    assert errors.spoken(text) == text
    assert not errors.speaks_options()
    with errors.command_line():
        assert errors.speaks_options()
        assert errors.spoken(text) == told
        with errors.command_line():
            pass
        assert errors.speaks_options()
    assert not errors.speaks_options()
    with pytest.raises(KeyError), errors.command_line():
        raise KeyError
    assert not errors.speaks_options()


def test_failures_and_problems():
    assert (
        str(errors.failure('dt=4.sgy', 'is\n bad', 'pass  dt=4')) == 'dt=4.sgy: is bad; pass dt=4'
    )
    assert str(errors.failure('a', 'bad')) == 'a: bad'
    with errors.command_line():
        told = str(errors.failure('dt=4.sgy', 'bad', 'pass dt=4'))
    assert told == 'dt=4.sgy: bad; pass --dt 4'
    assert errors.problem(' a \n b', 'c  d') == {'problem': 'a b', 'remedy': 'c  d'}
    assert isinstance(errors.failure('a', 'b'), ValueError)


# ---- examples
@pytest.mark.parametrize('endian', ('big', 'little'))
def test_tiny_segy(tmp_path, endian):
    path = examples.tiny_segy(tmp_path / 'a.sgy', endian=endian)
    assert path == tmp_path / 'a.sgy'
    with segyio.open(path, ignore_geometry=True, endian=endian) as f:
        il, xl = np.repeat(range(10, 15), 8), np.tile(range(200, 208), 5)
        want = (il * 1000 + xl)[:, None] + np.arange(50) / 100
        assert np.array_equal(f.trace.raw[:], want.astype('f4'))
        for byte, values in {
            189: il,
            193: xl,
            181: 5000000 + 250 * xl,
            185: 60000000 + 250 * il,
            71: [-10] * 40,
            117: [4000] * 40,
            115: [50] * 40,
        }.items():
            assert f.attributes(byte)[:].tolist() == list(values), byte
        assert (f.bin[3217], f.bin[3221], f.bin[3225]) == (4000, 50, 5)
        text = bytes(f.text[0])
    assert text[:17] == b'C 1 A tiny survey'
    assert b'C 2 amplitude = inline*1000 + crossline + sample/100' in text


def test_tiny_segy_of_other_kinds(tmp_path):
    keep = lambda i, x: i != x
    path = examples.tiny_segy(tmp_path / 'a.sgy', range(1, 3), range(1, 4), 7, 2000, 1, keep=keep)
    with segyio.open(path, ignore_geometry=True) as f:
        assert f.attributes(189)[:].tolist() == [1, 1, 2, 2]
        assert f.attributes(193)[:].tolist() == [2, 3, 1, 3]
        assert (f.bin[3217], f.bin[3221], f.bin[3225]) == (2000, 7, 1)
        assert np.allclose(f.trace[3], 2003 + np.arange(7) / 100)
    path = examples.tiny_segy(tmp_path / 'b.sgy', range(1, 3), range(1, 4), 7, fmt=8)
    with segyio.open(path, ignore_geometry=True) as f:
        assert f.trace[0].tolist() == [np.int64(1001).astype(np.int8)] * 7


def test_bumpy_segy(tmp_path):
    path = examples.bumpy_segy(tmp_path / 'a.sgy', 60, (12, 204), dt_us=2000)
    with open_volume(path) as v:
        assert (v.n_samples, v.dt) == (60, 2.0)
        assert v.inlines.tolist() == list(range(10, 40))
        assert v.crosslines.tolist() == list(range(200, 260, 2))
        there = {(i, x): v.grid[i - 10, (x - 200) // 2] for i in v.inlines for x in v.crosslines}
        gone = {k for k, at in there.items() if at < 0}
        assert gone == {k for k in there if k[0] + (k[1] - 200) // 2 >= 50} | {(20, 230)}
        for (i, x), at in there.items():
            if at < 0:
                continue
            t = np.arange(60) - 50 - 12 * np.sin(i / 6) - 8 * np.cos((x - 200) / 9)
            a = (1 - t**2 / 8) * np.exp(-(t**2) / 16) + 0.4 * np.cos(t / 3) * np.exp(-(t**2) / 1600)
            a[:15] = 0
            if (i, x) == (12, 204):
                a[:] = 0
            assert np.allclose(v.traces[at], a, atol=1e-6), (i, x)
    path = examples.bumpy_segy(tmp_path / 'b.sgy')
    with open_volume(path) as v:
        assert v.n_samples == 120
        assert not v.section('inline', 14)[:, 5].any()


# ---- floats
def test_ibm_floats():
    words = np.array([0x41100000, 0xC276A000, 0x00000000, 0x42640000, 0x3F100000], np.uint32)
    assert floats.ibm_values(words).tolist() == [1.0, -118.625, 0.0, 100.0, 1 / 256]
    assert floats.ibm_words([1.0, -118.625, 0.0, 100.0, 1 / 256]).tolist() == words.tolist()
    assert floats.ibm_words([16.0 - 2**-24]).tolist() == [0x42100000]
    assert floats.ibm_words(-0.0) == 0
    some = np.random.default_rng(0).normal(size=999) * 10.0 ** np.arange(-30, 30).repeat(17)[:999]
    assert np.allclose(floats.ibm_values(floats.ibm_words(some)), some, rtol=2**-20, atol=0)


def brute_gaps(words):
    words = np.unique(words).astype(np.int64)
    words = words[words & 0x7F800000 != 0x7F800000]
    inside = expected = places = 0
    for edge in range(2**24, 2**32, 2**24):
        low = ((words >= edge - round(2**24 / 9)) & (words < edge)).sum()
        high = ((words >= edge + 2**20) & (words < edge + round(0.265625 * 2**23))).sum()
        inside += ((words >= edge) & (words < edge + 2**20)).sum()
        expected += min(low, high)
        places += min(low, high) >= 10
    return inside, expected, places


def test_gaps():
    values = np.random.default_rng(0).normal(size=3000) * 3
    ieee = values.astype('f4').view(np.uint32)
    for words in (ieee, floats.ibm_words(values), ieee[:0], np.r_[ieee, ieee]):
        g = floats.gaps_of(words)
        assert (g.inside, g.expected, g.places) == brute_gaps(words)
    edge = 2**24 * 0x41
    for n, places in ((9, 0), (10, 1)):
        words = np.r_[edge - 1 - np.arange(n), edge + 2**20 + np.arange(n)].astype(np.uint32)
        g = floats.gaps_of(np.r_[words, words, np.uint32(0x7F800000)])
        assert (g.inside, g.expected, g.places) == (0, n, places)
    limits = [edge - round(2**24 / 9), edge, edge + 2**20, edge + round(0.265625 * 2**23)]
    for at in limits:
        words = np.r_[edge - 5, edge + 2**20 + 5, at - 1, at].astype(np.uint32)
        g = floats.gaps_of(words)
        assert (g.inside, g.expected, g.places) == brute_gaps(words)
    words = np.array([0xFF800000, 0x7F900000, 0x7F000000, 0xFF000000], np.uint32)
    assert floats.gaps_of(words).inside == 2


@pytest.mark.parametrize(
    'gaps, want',
    [
        ((0, 29, 2), ('', False)),
        ((0, 30, 2), ('ibm', False)),
        ((0, 59, 2), ('ibm', False)),
        ((0, 60, 2), ('ibm', True)),
        ((0, 60, 1), ('', False)),
        ((2, 100, 2), ('ibm', True)),
        ((3, 100, 2), ('', False)),
        ((24, 100, 2), ('', False)),
        ((25, 100, 2), ('ieee', True)),
        ((25, 50, 0), ('ieee', False)),
        ((400, 100, 2), ('ieee', True)),
        ((401, 100, 2), ('', False)),
    ],
)
def test_float_kind(monkeypatch, gaps, want):
    monkeypatch.setattr(floats, 'gaps_of', lambda words: floats.Gaps(*gaps))
    assert floats.float_kind(None) == want


def test_sensible_words():
    def words(*exponents):
        return np.array(exponents, np.uint32) << 23

    assert floats.sensible(words(40, 41, 199, 200)) == 0.5
    assert floats.sensible(words(41, 0)) == 1.0
    assert floats.sensible(words(41 + 256, 256)) == 1.0
    assert np.isnan(floats.sensible(words(0, 256)))
    assert np.isnan(floats.sensible(words()))


def test_reversed_words():
    right = np.random.default_rng(0).normal(size=200).astype('f4').view(np.uint32)
    wrong = right.byteswap()
    assert floats.reversed_bytes(wrong)
    assert not floats.reversed_bytes(right)
    assert not floats.reversed_bytes(np.tile(wrong[:49], 4))
    assert floats.reversed_bytes(np.tile(wrong[:50], 4))
    assert not floats.reversed_bytes(np.r_[np.tile(wrong[:1], 10000), wrong])


# ---- formats
def test_formats_by_their_beginning():
    unpack = 'unpack it and give the SEG-Y file that is inside'
    assert formats.by_signature(b'\x1f\x8b') == ('gzip-compressed', unpack)
    tar = bytes(257) + b'ustar'
    assert formats.by_signature(tar) == ('a tar archive', unpack)
    assert formats.by_signature(bytes(256) + b'ustar') is None
    assert formats.by_signature(b'') is None


def test_formats_of_text():
    plain = ('plain text', 'give the SEG-Y file that it describes')
    utf16 = ('plain text (UTF-16)', plain[1])
    assert formats.by_text(b'\xff\xfea') == utf16
    assert formats.by_text(b'\xfe\xffa') == utf16
    assert formats.by_text(b'two words') == plain
    assert formats.by_text(b'two\nwords\t\r') == plain
    assert formats.by_text(b'oneword') is None
    assert formats.by_text(b'two \x00words') is None
    assert formats.by_text(b'a ' * 1800 + b'\0') == plain
    assert formats.by_text(b'a ' * 1799 + b'a\0') is None
    assert formats.by_text(b'\xef\xbb\xbf{"a": 1}')[0] == 'a JSON file'
    latin = 'größe der Datei und noch viel mehr Worte dazu'.encode('latin-1')
    assert formats.by_text(latin) == plain
    assert formats.by_text(('ö ' * 20).encode('utf8')) == plain
    assert formats.by_text(('ö ' * 20).encode('latin-1')) is None
    # one accent in ten bytes
    assert formats.by_text(b'aaaaa aaa\xf6') == plain
    assert formats.by_text(b'\xf6aaaa aaaa') == plain
    assert formats.by_text(b'\xf6aaaa aaa') is None
    assert formats.by_text(b'\x7f~~~ ~~~') is None
    for begin, name in {
        b'  <!DOCTYPE html x>': 'an HTML page',
        b'<HTML >': 'an HTML page',
        b'<?xml a>': 'an XML file',
        b'[ 1]': 'a JSON file',
        b'version https://git-lfs.github.com': 'a Git LFS pointer, not the data',
        b'# x\n~V ersion': 'a LAS file (well logs)',
    }.items():
        assert formats.by_text(begin + b' \n')[0] == name


def test_formats_of_tapes():
    segd = ('a SEG-D file', 'convert it to SEG-Y first')
    record = 'a file in which the length of each record is written around it'
    assert formats.by_tape(b'0001SD2.1') == segd
    assert formats.by_tape(b'0001SY1.0', 'b.sgy') == (
        'SEG-Y behind a 128-byte tape label',
        'remove it: tail -c +129 b.sgy > unlabelled.sgy',
    )
    assert formats.by_tape(b'0001SY1.0')[1] == 'remove it: tail -c +129 in.sgy > unlabelled.sgy'
    assert formats.by_tape(b'0001\xe2\xe8xxx')[0] == 'SEG-Y behind a 128-byte tape label'
    tif = 'a copy of a tape (TIF) with SEG-Y in it'
    assert formats.by_tape(bytes(8) + struct.pack('<i', 3212))[0] == tif
    assert formats.by_tape(bytes(8) + struct.pack('>i', 3212)) is None
    assert formats.by_tape(bytes(7) + b'\1' + struct.pack('<i', 3212)) is None
    for order in '<>':
        head = struct.pack(order + 'i', 3200) + b'C 1 x'
        assert formats.by_tape(head) == (record, 'export it as a plain SEG-Y file')
    known = {
        code for code in range(65536) if formats.by_tape(b'\x12\x34' + struct.pack('>H', code))
    }
    assert known - {3200} == {
        0x8015,
        0x8022,
        0x8024,
        0x8036,
        0x8038,
        0x8042,
        0x8044,
        0x8048,
        0x8058,
    }
    assert formats.by_tape(b'\x12\x34\x80\x58') == segd
    assert formats.by_tape(b'\x99\x99\x80\x15') == segd
    for head in (b'\x1a\x34', b'\x12\x3a', b'\xa0\x34', b'\x12\xa0'):
        assert formats.by_tape(head + b'\x80\x58') is None
    assert formats.by_tape(b'\x12\x34\x80\x59') is None
    assert formats.by_tape(b'') is None


def test_foreign_files_and_folders(tmp_path):
    def said(name, head):
        return str(formats.foreign(name, head))

    assert said('x/a.sgy', b'0001SY1.0') == (
        'x/a.sgy: not plain SEG-Y but SEG-Y behind a 128-byte tape label; '
        'remove it: tail -c +129 a.sgy > unlabelled.sgy'
    )
    unpack = 'unpack it and give the SEG-Y file that is inside'
    assert said('a', b'BZh') == f'a: not SEG-Y but bzip2-compressed; {unpack}'
    assert said('a', b'a b').startswith('a: not SEG-Y but plain text; ')
    zeros = (
        'zero bytes: an unfinished or preallocated file; repeat the copy or the export that made it'
    )
    assert said('a', bytes(10)) == f'a: begins with 10 {zeros}'
    assert said('a', bytes(3600) + b'1') == f'a: begins with 3600 {zeros}'
    assert formats.foreign('a', bytes(3599) + b'\1') is None
    assert formats.foreign('a', b'') is None
    assert said('a.SEGD', b'\1') == (
        'a.SEGD: not SEG-Y but a SEG-D file, by its name; convert it to SEG-Y first'
    )
    assert formats.foreign_folder(tmp_path) is None
    (tmp_path / 'TraceFile').touch()
    assert formats.foreign_folder(tmp_path)[0] == 'a JavaSeis data set'
    (tmp_path / 'TraceFile').rename(tmp_path / '.survey')
    assert formats.foreign_folder(tmp_path) == (
        'an OpendTect survey',
        'export SEG-Y from OpendTect',
    )


# ---- layout
def laid(n_samples=20, code=5, said_code=5, first=3600, header=240, n_traces=4, **kw):
    return Layout('>', code, said_code, first, header, n_samples, n_traces, **kw)


def said_of(counts=(('binary header', 20),), interval=4000, extended=0, trailers=0, first=0):
    return Said('>', interval, list(counts), extended, [240], trailers, first)


def choice(monkeypatch, marked, others=(), code=5, asked=None):
    "What `_choose` takes of (layout, its marks)."
    known = [(each, m) for each, m in (*marked, *others)]
    marks = lambda data, each, interval: next(m for e, m in known if e is each)
    monkeypatch.setattr(layout, 'candidates', lambda *_: [e for e, _ in marked])
    monkeypatch.setattr(layout, 'by_headers', lambda *_: iter([e for e, _ in others]))
    monkeypatch.setattr(layout, 'marks', marks)
    monkeypatch.setattr(layout, 'refuse_size', lambda *_: VolumeError('size'))
    return layout._choose(Some(path='a.sgy'), b'', said_of(), code, asked)


def test_chosen_layout(monkeypatch):
    a, b, c = laid(1), laid(2), laid(3)
    assert choice(monkeypatch, [(a, 1), (b, 3)]) is b
    assert choice(monkeypatch, [(a, 2), (b, 4)]) is a
    assert choice(monkeypatch, [(a, 1), (b, 1)]) is a
    assert choice(monkeypatch, [(a, 0), (b, 1)]) is b
    assert choice(monkeypatch, [(a, 1)], [(c, 3)]) is c
    assert choice(monkeypatch, [(a, 1)], [(c, 2)]) is a
    assert choice(monkeypatch, [(a, 0)], [(c, 2)]) is c
    assert choice(monkeypatch, [(a, 0)], [(c, 1)]) is a
    assert choice(monkeypatch, [(a, 2)], [(c, 4)]) is a
    assert choice(monkeypatch, [], [(c, 1)]) is c
    assert choice(monkeypatch, [(a, 1)], [(c, 3)], 3, 'ibm') is a
    with says('size'):
        choice(monkeypatch, [], [(c, 0)])
    with says('size'):
        choice(monkeypatch, [])
    with says('a.sgy: absurd sample count 1000001 in the binary header; repair bytes 3221-3222'):
        choice(monkeypatch, [(laid(1_000_001), 2)])


def test_layout_of_two_widths(monkeypatch):
    wide, narrow, same = laid(1, 6, 6), laid(2, 5, 6), laid(3, 6, 6)
    asked = []
    monkeypatch.setattr(layout, '_emptier', lambda *each: asked.append(each[1:]) or each[2])
    assert choice(monkeypatch, [(wide, 3), (narrow, 2)], code=6) is narrow
    assert asked == [(wide, narrow)]
    assert choice(monkeypatch, [(wide, 2), (narrow, 1)], code=6) is wide
    assert choice(monkeypatch, [(wide, 2), (same, 2)], code=6) is wide
    assert choice(monkeypatch, [(wide, 2), (same, 2), (narrow, 2)], code=6) is narrow


def test_known_widths():
    known = [
        layout._width_is_known(*case) for case in ((5, None), (6, None), (3, None), (99, None))
    ]
    assert known == [True] * 4
    assert not layout._width_is_known(3, 'ibm')
    assert not layout._width_is_known(6, 'ibm')
    assert layout._width_is_known(99, 'ibm')
    assert layout._width_is_known(6, 'ieee')


def test_counts_that_are_refused():
    layout._refuse_counts('a', laid(1_000_000, n_traces=2**31 - 1))
    with says('a: 2147483648 traces, more than segyio can count; split the file'):
        layout._refuse_counts('a', laid(n_traces=2**31))


def test_emptier_layout(monkeypatch):
    asked = []
    used = {}

    def headers_at(data, each, ids):
        asked.append(list(ids))
        return np.arange(100) < used[each.code]

    monkeypatch.setattr(layout, 'headers_at', headers_at)
    wide, narrow = laid(code=6, n_traces=30), laid(code=5, n_traces=20)
    for n, taken in ((19, narrow), (20, wide), (21, wide)):
        used.update({6: 40, 5: n})
        assert layout._emptier(None, wide, narrow) is taken
    assert asked[:2] == [list(range(1, 20))] * 2
    layout._emptier(None, laid(code=6, n_traces=5), narrow)
    assert asked[-2] == [1, 2, 3, 4]


def test_sampled_words(tmp_path):
    path = tmp_path / 'a.sgy'
    values = 100 * np.arange(5)[:, None] + np.arange(7)
    for endian in '><':
        body = [bytes(240) + row.astype(endian + 'u4').tobytes() for row in values]
        path.write_bytes(bytes(3600) + b''.join(body))
        each = laid(7, n_traces=5)
        each.endian = endian
        with FileBytes(path, path.stat().st_size) as data:
            words = layout.sampled_words(data, each)
            assert (words.tolist(), words.dtype) == (values.ravel().tolist(), np.uint32)
            words = layout.sampled_words(data, each, 3, 3)
            assert words.tolist() == values[::2, 2:5].ravel().tolist()
            words = layout.sampled_words(data, each, 2, 4)
            assert words.tolist() == values[::4, 1:5].ravel().tolist()
    path.write_bytes(path.read_bytes()[:-2])
    with FileBytes(path, path.stat().st_size) as data:
        assert layout.sampled_words(data, each).tolist() == values.ravel()[:-1].tolist()


@pytest.mark.parametrize(
    'code, kind, clear, taken, told',
    [
        (5, 'ieee', True, 5, None),
        (1, 'ibm', True, 1, None),
        (5, '', False, 5, None),
        (
            5,
            'ibm',
            True,
            1,
            (
                'format code 5 says IEEE float, but the samples look like IBM float: '
                'read as IBM float',
                "pass sample_format='ibm' if that is right, sample_format='ieee' if not",
            ),
        ),
        (
            1,
            'ieee',
            True,
            5,
            (
                'format code 1 says IBM float, but the samples look like IEEE float: '
                'read as IEEE float',
                "pass sample_format='ieee' if that is right, sample_format='ibm' if not",
            ),
        ),
        (
            1,
            'ieee',
            False,
            1,
            (
                'format code 1 says IBM float, but the samples look like IEEE float: '
                'read as IBM float all the same',
                "pass sample_format='ieee' if that is right",
            ),
        ),
    ],
)
def test_settled_floats(monkeypatch, code, kind, clear, taken, told):
    monkeypatch.setattr(layout, 'sampled_words', lambda *_: np.zeros(3, np.uint32))
    monkeypatch.setattr(layout, 'float_kind', lambda words: (kind, clear))
    each = laid(code=code, said_code=code)
    layout._settle_floats(None, each)
    assert each.code == taken
    assert each.problems == (asks(*told) if told else [])


LOOK = 'check that the section looks right'


def test_problems_of_the_sample_count():
    def problems(counts, **kw):
        return layout._count_problems(said_of(counts), laid(**kw))

    usual = [('binary header', 20), ('first trace header', 30)]
    assert problems(usual, n_samples=20) == []
    assert problems(usual, n_samples=30, where='first trace header') == asks(
        '20 samples in the binary header do not fit the file size, 30 in the first trace header do',
        LOOK,
    )
    found = 'found from the file size and the trace headers'
    assert problems(usual, n_samples=65535, where='trace headers') == asks(
        f'20 samples in the binary header, but the traces have 65535: {found}', LOOK
    )
    assert problems(usual, n_samples=65536, where='trace headers') == asks(
        '20 samples in the binary header, but the traces have 65536, more than 16 bits hold: '
        + found,
        LOOK,
    )
    assert problems([], n_samples=5, where='trace headers') == asks(
        f'0 samples in the binary and trace headers, but the traces have 5: {found}', LOOK
    )


def test_problems_of_promises():
    def problems(extended, n_texts, **kw):
        return layout._promise_problems(
            said_of(extended=extended), laid(first=3600 + 3200 * n_texts, **kw)
        )

    assert problems(0, 0) == problems(2, 2) == problems(-1, 2) == problems(-1, 0) == []
    told = 'extended textual headers promised,'
    assert problems(2, 0) == asks(f'2 {told} none there', LOOK)
    assert problems(1, 2) == asks(f'1 {told} 2 there', LOOK)
    assert problems(0, 1) == asks(f'0 {told} 1 there', LOOK)
    assert problems(0, 0, code=5, said_code=6) == asks(
        'sample format 6 means IEEE doubles, but the samples have 4 bytes '
        '(Canadian practice): read as IEEE float',
        "pass sample_format='ieee' if that is right",
    )
    assert problems(0, 0, code=6, said_code=6) == []


def test_notes_of_a_layout():
    def notes(extended=0, n_texts=0, **kw):
        return layout._notes(said_of(extended=extended), laid(first=3600 + 3200 * n_texts, **kw))

    assert notes() == notes(2, 2) == notes(-1, 0) == []
    assert notes(-1, 2) == ['2 extended textual headers, found by their text']
    assert notes(trailers=3, header=720) == [
        '3 data trailer stanzas after the last trace are left out',
        '2 additional trace headers of each trace are left out',
    ]
    assert layout._asked_note(laid()) == []
    told = 'read as IBM float, as asked (format code'
    assert layout._asked_note(laid(code=1)) == [f'{told} 5 says IEEE float)']
    assert layout._asked_note(laid(code=1, said_code=77)) == [
        f'{told} 77 says nothing that can be read)'
    ]


def test_plain_layouts():
    def head(texts=0, samples=20, wide=0):
        h = bytearray(3840)
        h[3504:3506], h[3220:3222] = struct.pack('>h', texts), struct.pack('>H', samples)
        h[3268:3272] = struct.pack('>i', wide)
        return bytes(h)

    assert layout._is_plain(head(), laid())
    assert layout._is_plain(head(1), laid(first=6800))
    assert layout._is_plain(head(samples=40000), laid(40000))
    assert not layout._is_plain(head(1), laid())
    assert not layout._is_plain(head(samples=21), laid())
    for wide in (1, 1 << 24):
        assert not layout._is_plain(head(wide=wide), laid())
    for kw in (dict(code=1), dict(header=480), dict(trailers=1), dict(unnormalised=True)):
        assert not layout._is_plain(head(), laid(**kw))


# ---- layout_candidates
def test_kinds_of():
    kinds = [
        [layout_candidates.kinds_of(code, asked) for code in (1, 3, 6)]
        for asked in (None, 'ibm', 'ieee')
    ]
    assert kinds == [[[1], [3], [6, 5]], [[1]] * 3, [[5], [5], [5, 6]]]


def faked(monkeypatch, **answers):
    asked = {name: [] for name in answers}

    def fake(name):
        def answer(*given):
            asked[name].append(given[1:])
            return answers[name]

        return answer

    for name in answers:
        monkeypatch.setattr(layout_candidates, name, fake(name))
    return asked


@pytest.mark.parametrize(
    'there, extended, first, traces, want',
    [
        (0, 2, 0, False, [2, 0]),
        (0, 2, 0, True, [0]),
        (2, 2, 0, False, [2]),
        (1, 2, 0, False, [2, 1]),
        (3, 2, 0, False, [3]),
        (0, 2, 3600 + 3 * 3200, False, [2, 3, 0]),
        (0, 3, 3600 + 3 * 3200, False, [3, 0]),
        (0, 2, 3601 + 3 * 3200, False, [2, 0]),
        (0, 0, 3600, False, [0]),
        (0, -1, 0, False, [0]),
    ],
)
def test_beginnings(monkeypatch, there, extended, first, traces, want):
    said = said_of(extended=extended, first=first)
    for header, same in ((traces, False), (False, traces)):
        asked = faked(monkeypatch, text_blocks=there, is_header=header, alike=same)
        assert layout_candidates.beginnings(None, said) == want
        assert asked['text_blocks'] == [(extended < 0,)]
        at = 3600 + 3200 * there
        assert all(given[0] == at for given in asked['is_header'])
        assert all((a - 3600) % 3200 == 0 and b > a == at for a, b in asked['alike'])


def test_endings(monkeypatch):
    for there, promised, header, same, want in (
        (0, 2, False, False, [2, 0]),
        (0, 2, True, False, [0]),
        (0, 2, False, True, [0]),
        (2, 2, False, False, [2]),
        (3, 2, False, False, [3]),
        (1, 2, False, False, [2, 1]),
    ):
        asked = faked(monkeypatch, text_at_end=there, text_blocks=1, is_header=header, alike=same)
        said = said_of(trailers=promised)
        assert layout_candidates.endings(Some(size=50000), said) == want
        assert all(given[0] == 50000 - 3200 * promised for given in asked['is_header'])
        assert asked['alike'] in ([], [(50000 - 3200 * promised, 6800)])
        assert asked['text_blocks'] == [(False,)]
    asked = faked(monkeypatch, text_at_end=0, text_blocks=1, is_header=True, alike=True)
    layout_candidates.endings(Some(size=50000), said_of(extended=-1))
    assert asked['text_blocks'] == [(True,)]


def test_frames_and_candidates(monkeypatch):
    faked(monkeypatch, beginnings=[1, 0], endings=[2, 0])
    said = said_of([('a', 10), ('b', 20)])
    said.headers = [480, 240]
    frames = list(layout_candidates._frames(None, said, 6, None))
    assert [(f.code, f.first, f.trailers, f.header) for f in frames] == list(
        itertools.product([6, 5], [6800, 3600], [2, 0], [480, 240])
    )
    assert {(f.endian, f.said_code, f.n_samples) for f in frames} == {('>', 6, 0)}
    size = 3600 + 3 * (240 + 80)
    found = list(layout_candidates.candidates(Some(size=size), said, 5, None))
    assert [(f.n_samples, f.where, f.n_traces, f.first) for f in found] == [(20, 'b', 3, 3600)]


def test_filled_layouts():
    def traces(size, **kw):
        return [f.n_traces for f in layout_candidates.filled(Some(size=size), laid(**kw))]

    assert traces(3600 + 3 * 320) == [3]
    assert traces(3600 + 320) == [1]
    assert traces(3600) == traces(3600 + 319) == traces(3600 + 321) == []
    assert traces(3600 + 320 + 3200, trailers=1) == [1]
    assert traces(3600 + 3200 + 320, first=6800) == [1]


def test_fitting_counts():
    def brute(body, header=240, width=4):
        counts = range(1, min(1_000_000, body) + 1)
        return [
            n
            for n in counts
            if body % (header + n * width) == 0 and 2 * (header + n * width) <= body
        ]

    for body in (1280, 248 * 248, 480, 240, 9600, 244 * 244):
        found = layout_candidates._fitting(Some(size=3600 + body), laid())
        assert found == brute(body), body
        found = layout_candidates._fitting(Some(size=3600 + body + 6400), laid(trailers=2))
        assert found == brute(body), body
    assert layout_candidates._fitting(Some(size=3600 + 1280), laid()) == [4, 20, 100]
    assert layout_candidates._fitting(Some(size=3600), laid()) == []
    assert layout_candidates._fitting(Some(size=3000), laid()) == []
    for n, there in ((1_000_000, True), (1_000_001, False)):
        found = layout_candidates._fitting(Some(size=3600 + 2 * (240 + 4 * n)), laid())
        assert (n in found) == there


def test_layouts_by_headers(monkeypatch):
    said = said_of([('a', 20), ('b', 65536), ('c', 65535)])
    monkeypatch.setattr(layout_candidates, '_frames', lambda *_: [laid(0)])
    monkeypatch.setattr(layout_candidates, '_fitting', lambda *_: [7, 65556])
    monkeypatch.setattr(layout_candidates, 'filled', lambda data, each: [each])
    wrapped = [n + 65536 * k for k in range(1, 16) for n in (20, 65535)]
    for may, marks, want in ((True, 2, [*sorted(wrapped), 7]), (True, 1, []), (False, 2, [])):
        monkeypatch.setattr(layout_candidates, '_may_be', lambda *_: may)
        monkeypatch.setattr(layout_candidates, 'marks', lambda *_: marks)
        found = list(layout_candidates.by_headers(None, said, 5, None))
        assert [f.n_samples for f in found] == want
        assert {f.where for f in found} <= {'trace headers'}


def test_last_trace_header_has_the_interval(monkeypatch):
    def headers_at(data, each, ids):
        assert ids == [3]
        h = np.zeros((1, 240), np.uint8)
        h[0, 116:118] = [0x0F, 0xA0]
        return h

    monkeypatch.setattr(layout_candidates, 'headers_at', headers_at)
    assert layout_candidates._may_be(None, laid(), said_of(interval=4000))
    assert not layout_candidates._may_be(None, laid(), said_of(interval=4001))
    monkeypatch.setattr(layout_candidates, 'headers_at', lambda *_: np.zeros((1, 240), np.uint8))
    assert not layout_candidates._may_be(None, laid(), said_of(interval=0))


# ---- levels
@pytest.mark.parametrize(
    'values, positive, want',
    [
        ([0, 4, 8], '', (0, 4, False, False, True, (4, 4), False)),
        ([8, 4, 0], '', (0, 4, True, False, True, (4, 4), False)),
        ([0, -4, -8], '', (0, 4, False, True, True, (4, 4), False)),
        ([-8, -4, 0], '', (0, 4, True, True, True, (4, 4), False)),
        ([-8, -4, 4], 'down', (-8, 6, False, False, False, (4, 8), False)),
        ([10, 5, 0, -5], '', (-10, 5, False, True, True, (5, 5), False)),
        ([-5, 0, 5], '', (-5, 5, False, False, True, (5, 5), False)),
        ([4, 8], 'up', (-8, 4, True, True, True, (4, 4), False)),
        ([0, 0, 0], '', (0, 0, False, False, False, (0, 0), False)),
        ([7], '', (7, 0, False, False, True, (0, 0), False)),
        ([-7], '', (7, 0, False, True, True, (0, 0), False)),
        ([0, 1, 1, 2, 2], '', (0, 0.5, False, False, True, (0, 1), True)),
        ([0, 1, 1, 2.5, 2.5], '', (0, 0.625, False, False, False, (0, 1.5), False)),
        ([0, 1, 3, 4], '', (0, 4 / 3, False, False, True, (1, 2), True)),
        ([0, 1, 2, 5], '', (0, 5 / 3, False, False, False, (1, 3), False)),
        ([0, 1, 2, 3, 5, 7, 9, 11], '', (0, 11 / 7, False, False, False, (1, 2), False)),
        ([0, 101, 200], '', (0, 100, False, False, True, (99, 101), False)),
        ([0, 102, 200], '', (0, 100, False, False, False, (98, 102), False)),
        ([0, 1, 4, 5], '', (0, 5 / 3, False, False, False, (1, 3), False)),
    ],
)
def test_levels(values, positive, want):
    found = levels.levels_of(np.array(values), positive)
    got = (
        found.first,
        found.step,
        found.flip,
        found.negated,
        found.even,
        found.steps,
        found.rounded,
    )
    assert got[:1] + got[2:] == want[:1] + want[2:]
    assert found.step == pytest.approx(want[1])
    assert np.copysign(1, found.first) == (-1 if want[0] < 0 else 1)


def facts_of(name='z', role='sample', values=(0, 4, 8), unit=None, text='', **kw):
    values = None if values is None else np.array(values, float)
    return levels.VerticalFacts(name, role, values, unit and unit_of(unit), text, **kw)


@pytest.mark.parametrize(
    'kw, asked, want',
    [
        (dict(role='time'), {}, ('time', 'dimension "z"')),
        (dict(role='depth'), {}, ('depth', 'dimension "z"')),
        (dict(role='elevation'), {}, ('depth', 'dimension "z"')),
        (dict(role='time', unit='m', text='M'), {}, ('depth', 'unit "M" of dimension "z"')),
        (dict(role='time', unit='deg', text='deg'), {}, ('time', 'dimension "z"')),
        (dict(role='time'), dict(domain='depth'), ('depth', 'set by the caller')),
        (dict(attrs=dict(d3domain='TVDSS')), {}, ('depth', 'attributes of the dataset')),
        (dict(attrs=dict(vertdomain='Depth')), {}, ('depth', 'attributes of the dataset')),
        (dict(attrs=dict(vertdimension='TWT')), {}, ('time', 'attributes of the dataset')),
        (dict(attrs=dict(domain='time')), {}, ('time', 'attributes of the dataset')),
        (dict(role='time', attrs=dict(domain='depth')), {}, ('time', 'dimension "z"')),
    ],
)
def test_domain_of_facts(kw, asked, want):
    assert levels.domain_of_facts(facts_of(**kw), asked) == (*want, [])


def test_domain_that_nothing_says():
    for attrs in ({}, dict(other='depth')):
        assert levels.domain_of_facts(facts_of(attrs=attrs), {}) == (
            'time',
            'assumed: dimension "z" does not say',
            asks(
                'dimension z does not say whether it is time or depth: time is assumed',
                "pass domain='time' or domain='depth'",
            ),
        )


@pytest.mark.parametrize(
    'kw, domain, step, asked, unit, notes, problems',
    [
        ({}, 'depth', 4, dict(units='ft'), ('ft', 1), [], []),
        ({}, 'depth', 4, dict(units='m'), ('m', 1), [], []),
        ({}, 'time', 4, dict(units='ft'), ('ms', 1), ['z has no unit: taken as ms'], []),
        (dict(unit='s', text='s'), 'time', 4, {}, ('ms', 1000), [], []),
        (
            dict(attrs=dict(measurementsystem='ft')),
            'depth',
            4,
            {},
            ('ft', 1),
            ['z has no unit: ft by the measurement system of the dataset'],
            [],
        ),
        (
            dict(attrs=dict(measurementsys='s')),
            'time',
            4,
            {},
            ('ms', 1000),
            ['z has no unit: ms by the measurement system of the dataset'],
            [],
        ),
        (
            dict(attrs=dict(measurementsystem='ft')),
            'time',
            4,
            {},
            ('ms', 1),
            ['z has no unit: taken as ms'],
            [],
        ),
        (
            {},
            'time',
            0.099,
            {},
            ('ms', 1000),
            ['z has no unit; at steps of 0.099 it is taken as seconds'],
            [],
        ),
        ({}, 'time', 0.1, {}, ('ms', 1), ['z has no unit: taken as ms'], []),
        ({}, 'time', 0, {}, ('ms', 1), ['z has no unit: taken as ms'], []),
        ({}, 'time', 99.9, {}, ('ms', 1), ['z has no unit: taken as ms'], []),
        (
            {},
            'time',
            100,
            {},
            ('ms', 0.001),
            ['z has no unit; at steps of 100 it is taken as microseconds'],
            [],
        ),
        (dict(values=None), 'time', 4, {}, ('ms', 1), [], []),
        (
            dict(text='odd'),
            'time',
            4,
            {},
            ('ms', 1),
            [],
            asks(
                'z has unit "odd", which is not known: ms is assumed',
                'pass dt= and t0= if that is wrong',
            ),
        ),
        (dict(unit='m', text='m'), 'time', 4, {}, ('ms', 1), ['z has no unit: taken as ms'], []),
        (
            dict(lengths=unit_of('kft')),
            'depth',
            4,
            {},
            ('ft', 1),
            ['z has no unit: ft, as coordinates have'],
            [],
        ),
        (
            {},
            'depth',
            4,
            dict(units='degrees'),
            ('m', 1),
            [],
            asks(
                'z has no unit: m is assumed', "pass units='ft' if depths are in feet, or units='m'"
            ),
        ),
    ],
)
def test_unit_of_facts(kw, domain, step, asked, unit, notes, problems):
    found, told, doubts = levels.unit_of_facts(facts_of(**kw), domain, step, asked)
    assert (found.base, found.factor) == unit
    assert (told, doubts) == (notes, problems)


def axis_of(asked=MappingProxyType({}), **kw):
    return levels.vertical_axis('s', facts_of(**kw), asked)


def test_vertical_axis():
    a, flip = axis_of(role='time', unit='ms', text='ms')
    assert (a.t0, a.dt, a.domain, a.unit, flip) == (0, 4, 'time', 'ms', False)
    assert (a.notes, a.problems, a.evidence) == ([], [], 'unit "ms" of dimension "z"')
    a, flip = axis_of(role='time', unit='s', text='s', values=[0.508, 0.504, 0.5])
    assert (a.t0, a.dt, flip) == (500, 4, True)
    assert a.notes == ['z is stored bottom first: samples are reversed']
    a, flip = axis_of(role='elevation', unit='m', text='m', values=[10, 5, 0])
    assert (a.t0, a.dt, a.domain, flip) == (-10, 5, 'depth', False)
    assert a.notes == [
        'z increases upward (10 … 0): its sign is changed, so that depth increases downward'
    ]
    a, flip = axis_of(role='elevation', unit='m', text='m', values=[-10, -5, 0], positive='down')
    assert (a.t0, flip) == (-10, False)
    a, _ = axis_of(role='time', unit='ms', text='ms', values=[0, 1, 1, 2, 2])
    assert (a.dt, a.notes) == (
        0.5,
        ['z holds whole numbers; their mean step, 0.5 ms, is the interval'],
    )
    a, _ = axis_of(role='time', unit='ms', text='ms', values=[3])
    assert (a.t0, a.dt) == (3, 1)
    assert a.problems == asks('one sample along z: interval 1 ms is assumed', 'pass dt=')
    a, _ = axis_of(dict(dt=3), role='time', unit='s', text='s', values=[0, 0.004, 0.012])
    assert a.dt == 3
    assert a.notes == [
        'samples along z are not evenly spaced (steps of 4 to 8 ms); '
        'taken as if they were, at the interval that was given'
    ]
    a, _ = axis_of(role='time', unit='m', text='m')
    assert (a.domain, a.notes) == ('depth', ['dimension z has unit "m": taken as depth'])
    a, _ = axis_of(dict(domain='depth'), role='time', unit='m', text='m')
    assert a.notes == []
    a, _ = axis_of(unit='m', text='m')
    assert (a.domain, a.notes) == ('depth', [])
    a, _ = axis_of(role='depth', unit='ft', text='ft')
    assert a.unit == 'ft'
    a, _ = axis_of(dict(units='degrees'), role='depth', unit='ft', text='ft')
    assert a.unit == 'ft'
    a, _ = axis_of(dict(units='m'), role='depth', unit='ft', text='ft')
    assert a.unit == 'm'


def test_vertical_axis_without_values():
    none = 'dimension z has no values'
    a, flip = axis_of(role='time', values=None, attrs=dict(samplerate=2))
    assert (a.dt, a.t0, flip) == (2.0, 0.0, False)
    assert a.notes == [f'{none}: interval 2 from attribute sample_rate, first sample 0']
    for rate in (0, -1, '2', None):
        a, _ = axis_of(role='time', values=None, attrs=dict(samplerate=rate))
        assert (a.dt, a.t0) == (1.0, 0.0)
        assert a.problems == asks(
            f'{none}: interval 1 ms and first sample 0 are assumed', 'pass dt= and t0='
        )
    a, _ = axis_of(role='time', values=None, attrs=dict(samplerate=1))
    assert a.problems == []


def test_vertical_axis_that_is_refused():
    with says('s: dimension z holds something else than numbers; write it again'):
        axis_of(values=[0, np.nan])
    with says(
        's: samples along z are not evenly spaced: steps of 4 to 8; '
        'resample them to a constant interval, or pass dt= to take them as evenly spaced'
    ):
        axis_of(values=[0, 4, 12])


@pytest.mark.parametrize(
    'domain, dt, likely',
    [
        ('time', 0.02, 0),
        ('time', 100, 0),
        ('time', 0.01, 1000),
        ('time', 200, 0.001),
        ('depth', 0.02, 0),
        ('depth', 500, 0),
        ('depth', 0.01, 1000),
        ('depth', 600, 0.001),
    ],
)
def test_implausible_interval(domain, dt, likely):
    a = Some(domain=domain, dt=dt, t0=5.0, unit='u')
    told = asks(
        f'an interval of {dt:g} u along z is not plausible',
        f'pass dt={dt * likely:g}, t0={5 * likely:g} if the unit is wrong',
    )
    assert levels._implausible(a, facts_of(values=[0, 1])) == (told if likely else [])
    assert levels._implausible(a, facts_of(values=[0])) == []
    assert levels._implausible(a, facts_of(values=None)) == []


def test_tidy_numbers():
    assert levels._tidy(4.0000001, 1e-3) == 4
    assert levels._tidy(4.126, 0.01) == 4.13
    assert levels._tidy(4.126, 1e-6) == 4.126
    assert levels._tidy(1 / 3, 1e-9) == 0.333333333
    assert levels._tidy(1 / 3, 0) == 1 / 3
    assert levels._tidy(2.5, 0.5) == 2
