"""The reader against real files, a corpus of faults, and files too big to load."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
import segyio

from reflection_connection.volume import VolumeError, open_volume, preflight, write_segy_like

SHARED = pathlib.Path(__file__).parents[2] / 'shared' / 'data' / 'segy'
FILES = sorted(p for p in SHARED.glob('*') if p.is_file()) if SHARED.is_dir() else []
REFUSED = {
    'broken': 'truncated',
    'text': 'no traces',
    'small-ps': 'prestack',
    '1xN': 'prestack',
    'shot-gather': 'prestack',
}
ROOT = pathlib.Path(__file__).parents[1]
NP = {2: 'i4', 3: 'i2', 5: 'f4', 6: 'f8', 8: 'i1', 10: 'u4', 11: 'u2', 16: 'u1'}


def raw_traces(path):
    "All traces through segyio, as float32."
    code = int.from_bytes(path.read_bytes()[3224:3226], 'big')
    with segyio.open(path, ignore_geometry=True, endian='big' if code <= 16 else 'little') as f:
        return f.trace.raw[:].astype(np.float32)


def segy(path, traces, il=None, xl=None, fmt=5, endian='>', dt=4000, tr_dt=4000, rev=0, **fields):
    """Write a SEG-Y byte by byte, sharing no code with the package.

    `traces` is (n, n_samples); header columns go by byte, in b21=…"""
    n, ns = traces.shape
    head = np.zeros(3600, np.uint8)
    head[:3200] = 0x40
    put = lambda a, at, v, kind: a.__setitem__(
        (Ellipsis, slice(at - 1, at - 1 + np.dtype(kind).itemsize)),
        np.asarray(v).astype(endian + kind).reshape(-1, 1).view(np.uint8).reshape(*np.shape(v), -1),
    )
    for at, v in ((3217, dt), (3221, ns), (3225, fmt), (3501, rev)):
        put(head, at, v, 'i2' if at != 3221 else 'u2')
    h = np.zeros((n, 240), np.uint8)
    put(h, 117, np.full(n, tr_dt), 'i2')
    for at, v in ((189, il), (193, xl)):
        if v is not None:
            put(h, at, np.asarray(v), 'i4')
    for k, v in fields.items():
        put(h, int(k[1:]), np.broadcast_to(v, n), 'i2' if int(k[1:]) in (71, 109, 115) else 'i4')
    body = traces.astype(endian + NP[fmt]).view(np.uint8).reshape(n, -1)
    path.write_bytes(head.tobytes() + np.concatenate([h, body], 1).tobytes())
    return path


def grid(n_il=4, n_xl=5, ns=20, first=(10, 200)):
    "Traces whose amplitude tells inline, crossline and sample, with their numbers."
    il, xl = (
        a.ravel()
        for a in np.meshgrid(first[0] + np.arange(n_il), first[1] + np.arange(n_xl), indexing='ij')
    )
    return (il * 100.0 + (xl - first[1]))[:, None] + np.arange(ns) / 64, il, xl


def refused(path, word, **kw):
    "It is refused at once, in one line that has `word` and the file's name."
    t = time.time()
    with pytest.raises(VolumeError) as e:
        open_volume(path, **kw)
    assert (
        '\n' not in str(e.value)
        and word in str(e.value)
        and pathlib.Path(path).name in str(e.value)
    ), str(e.value)
    assert time.time() - t < 2


# ---- real files
@pytest.mark.skipif(not FILES, reason='no ../shared/data/segy beside the repository')
def test_shared_files_are_there():
    assert len(FILES) >= 20


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.name)
def test_real_file(path):
    if path.stem in REFUSED:
        return refused(path, REFUSED[path.stem])
    v, raw = open_volume(path), raw_traces(path)
    assert (
        v.traces[:].dtype == np.float32
        and np.array_equal(v.traces[:], raw)
        and np.array_equal(v.traces[-3::-2], raw[-3::-2])
    )
    for kind in ('inline', 'crossline', 'line'):
        for number in v.lines(kind)[::7]:
            ids, section = v.trace_ids(kind, number), v.section(kind, number)
            assert section.shape == v.live(kind, number).shape == (v.n_samples, len(ids))
            assert (
                np.array_equal(section[:, ids >= 0], raw[ids[ids >= 0]].T)
                and not section[:, ids < 0].any()
            )
            assert len(v.across(kind, number)) == len(v.xy(kind, number)) == len(ids)
    assert json.dumps(preflight(path), allow_nan=False)


@pytest.mark.skipif(not FILES, reason='no ../shared/data/segy beside the repository')
def test_what_the_real_files_are():
    at = {p.stem: p for p in FILES}
    v = open_volume(at['penobscot_xl1155'])
    assert (v.lines('crossline').tolist(), v.inlines[[0, -1]].tolist(), v.dt, v.unit) == (
        [1155],
        [1000, 1600],
        4.0,
        'ms',
    )
    assert np.allclose(v.xy('crossline', 1155)[0], [735416.5, 4891905.2])
    z, t = (
        open_volume(at['volve10r12-full-z-il10117sub']),
        open_volume(at['volve10r12-full-twt-arb']),
    )
    assert (z.domain, z.unit, z.t0, z.has_geometry, t.domain, t.unit) == (
        'depth',
        'm',
        4.0,
        False,
        'time',
        'ms',
    )
    dead = open_volume(at['f3-withdead'])
    assert (
        dead.shape == (23, 18, 75)
        and preflight(at['f3-withdead'])['geometry']['empty_positions'] == 175
    )
    neg = open_volume(at['interval-neg-bin-pos-trace'])
    assert neg.dt == 4.0 and any('-2' in p['problem'] for p in neg.problems)
    a, b = open_volume(at['f3']), open_volume(at['f3-lsb'])
    assert np.array_equal(a.section('inline', 120), b.section('inline', 120)) and np.allclose(
        a.xy('inline', 120), b.xy('inline', 120)
    )


# ---- formats, byte orders, orders of traces
@pytest.mark.parametrize('endian', '><')
@pytest.mark.parametrize('fmt', NP)
def test_formats(tmp_path, fmt, endian):
    a, il, xl = grid()
    if NP[fmt][0] in 'iu':
        a = (np.arange(a.size).reshape(a.shape) * 7 % 120).astype(float)
    v = open_volume(segy(tmp_path / 'a.sgy', a, il, xl, fmt, endian))
    assert (
        np.array_equal(v.traces[:], a.astype(np.float32))
        and v.reader.endian == endian
        and v.shape == (4, 5, 20)
    )


@pytest.mark.parametrize('endian', ['big', 'little'])
def test_ibm(tmp_path, endian):
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount, spec.endian = 1, np.arange(9) * 2.0, 3, endian
    a = np.float32([[0, 1, -1, 1e-30, -1e30, 118.625, 3.14159, 1e6, -7]] * 3) * np.float32(
        [[1], [0.3], [-2]]
    )
    with segyio.create(tmp_path / 'i.sgy', spec) as f:
        f.bin.update({3217: 2000, 3221: 9, 3225: 1})
        f.trace = a
        f.header = [{189: 1, 193: k} for k in range(3)]
    assert np.allclose(open_volume(tmp_path / 'i.sgy').traces[:], a, rtol=1e-5)


@pytest.mark.parametrize(
    'case',
    ['crossline-sorted', 'reversed', 'negative', 'holes', 'one line', 'one trace', 'big step'],
)
def test_geometry(tmp_path, case):
    a, il, xl = grid()
    keep = {
        'crossline-sorted': np.argsort(xl, kind='stable'),
        'reversed': np.arange(20)[::-1],
        'holes': np.delete(np.arange(20), [0, 7, 19]),
        'one line': np.arange(5),
        'one trace': np.array([7]),
    }.get(case, np.arange(20))
    a, il, xl = a[keep], il[keep], xl[keep]
    if case == 'negative':
        il, xl = -il, 100 - xl
    if case == 'big step':
        il, xl = il * 1000, xl * -37
    v = open_volume(segy(tmp_path / 'g.sgy', a, il, xl, b181=xl * 10, b185=il * 10, b71=100))
    assert (
        v.has_geometry
        and v.inlines.tolist() == sorted(set(il))
        and v.crosslines.tolist() == sorted(set(xl))
    )
    at = {(i, x): k for k, (i, x) in enumerate(zip(il, xl))}
    for kind in ('inline', 'crossline'):
        for n in v.lines(kind):
            s, xy = v.section(kind, n), v.xy(kind, n)
            for j, m in enumerate(v.across(kind, n)):
                k = at.get((n, m) if kind == 'inline' else (m, n), -1)
                assert v.trace_ids(kind, n)[j] == k
                if k >= 0:
                    assert np.array_equal(s[:, j], a[k].astype('f4')) and np.allclose(
                        xy[j], [xl[k] * 1000, il[k] * 1000]
                    )
                else:
                    assert (
                        not s[:, j].any()
                        and np.isnan(xy[j]).all()
                        and not v.live(kind, n)[:, j].any()
                    )


def test_trace_order(tmp_path):
    a, il, xl = grid()
    none = open_volume(segy(tmp_path / 'a.sgy', a))
    diagonal = open_volume(segy(tmp_path / 'b.sgy', a, np.arange(20) * 3, np.arange(20) * 2))
    twice = open_volume(segy(tmp_path / 'c.sgy', a, il // 2, xl))
    for v in (none, diagonal, twice):
        assert (
            not v.has_geometry
            and v.lines('line').tolist() == [0]
            and np.array_equal(v.section('line', 0), a.T.astype('f4'))
        )
    assert any('repeat' in p['problem'] for p in twice.problems)
    old = open_volume(
        segy(tmp_path / 'd.sgy', a, b9=il, b13=xl, b21=xl), iline_byte=9, xline_byte=13
    )
    assert old.shape == (4, 5, 20)
    huge = open_volume(
        segy(
            tmp_path / 'e.sgy',
            np.ones((3000, 2)),
            np.arange(3000) * 700001,
            np.arange(3000)[::-1] * 70001 % 99991,
        )
    )  # 9 million cells
    assert not huge.has_geometry and huge.grid is None


@pytest.mark.parametrize(
    'bin_us,tr_us,dt,problems',
    [
        (4000, 4000, 4, 0),
        (4000, 0, 4, 0),
        (-2, 2000, 2, 1),
        (0, 3000, 3, 1),
        (0, 0, 1, 1),
        (-4, -4, 1, 1),
        (4000, 2000, 4, 1),
        (4, 4, 0.004, 1),
    ],
)
def test_interval(tmp_path, bin_us, tr_us, dt, problems):
    a, il, xl = grid()
    p = segy(tmp_path / 'a.sgy', a, il, xl, dt=bin_us, tr_dt=tr_us, b181=xl * 25, b185=il * 25)
    v = open_volume(p)
    assert (v.dt, len(v.problems)) == (dt, problems) and all(
        'dt=' in q['remedy'] for q in v.problems
    )
    assert (open_volume(p, dt=2.5).dt, open_volume(p, dt=2.5).problems) == (2.5, [])


def test_nan_and_dead(tmp_path):
    a, il, xl = grid()
    a[3, 4:6] = np.nan
    a[5, 1] = np.inf
    a[8] = 0
    a[9, :6] = 0
    p = segy(tmp_path / 'n.sgy', a, il, xl)
    r, v = preflight(p), open_volume(p)
    assert (r['nan'], r['inf'], r['dead_fraction']) == (2, 1, 1 / 20) and json.dumps(
        r, allow_nan=False
    )
    assert not v.live('inline', 11)[:, 3].any() and np.isfinite(v.scale())
    assert np.array_equal(v.live('inline', 11)[:, 4], np.r_[np.zeros(6, bool), np.ones(14, bool)])
    p = segy(tmp_path / 'z.sgy', np.zeros_like(a), il, xl)
    assert any('no live sample' in q['problem'] for q in preflight(p)['problems'])
    with pytest.raises(VolumeError, match='no live sample'):
        open_volume(p).scale()


# ---- headers that segyio.open would take at their word
@pytest.mark.parametrize('endian', '><')
@pytest.mark.parametrize('fmt', NP)
@pytest.mark.parametrize(
    'case',
    [
        'count',
        'count 0',
        'extended',
        'extended -1',
        'noise where revision 2 counts',
        'trace header extensions',
        'long',
    ],
)
def test_odd_layout(tmp_path, case, fmt, endian):
    ns = 70_000 if case == 'long' else 24
    a, il, xl = grid(3, 4, ns)
    a = (np.arange(a.size).reshape(a.shape) * 7 % 120).astype(float)
    p = (
        segy(
            tmp_path / 'a.sgy',
            a % 65536,
            il,
            xl,
            fmt,
            endian,
            b115=ns % 65536,
            b181=xl * 10,
            b185=il * 10,
        )
        if ns < 65536
        else segy(tmp_path / 'a.sgy', a[:, :1000], il, xl, fmt, endian)
    )
    b, order = p.read_bytes(), {'>': 'big', '<': 'little'}[endian]

    def put(at, value, n):
        nonlocal b
        b = b[: at - 1] + value.to_bytes(n, order, signed=value < 0) + b[at - 1 + n :]

    if case == 'count':
        put(3221, 25, 2)
    if case == 'count 0':
        put(3221, 0, 2)
    if case == 'extended':
        put(3505, 2, 2)
    if case == 'extended -1':
        put(3505, -1, 2)
    if case.startswith('noise'):
        put(3269, 2**32 - 61, 4)  # overflows to a trace of no bytes in C
    if case in ('trace header extensions', 'long'):
        put(3501, 512, 2)
    if case == 'trace header extensions':
        put(3507, 2, 4)
        rec = len(b[3600:]) // 12
        b = b[:3600] + b''.join(
            b[i : i + 240] + bytes(range(240)) * 2 + b[i + 240 : i + rec]
            for i in range(3600, len(b), rec)
        )
    if case == 'long':
        put(3269, ns, 4)
        rec = len(b[3600:]) // 12
        b = b[:3600] + b''.join(
            b[3600 + i * rec : 3840 + i * rec] + x.astype(endian + NP[fmt]).tobytes()
            for i, x in enumerate(a)
        )
    p.write_bytes(b)
    v = open_volume(p)
    assert (
        v.shape == (3, 4, ns)
        and np.array_equal(v.traces[:], a.astype('f4'))
        and np.array_equal(v.traces[3:9:2], a[3:9:2].astype('f4'))
    )
    w = open_volume(
        write_segy_like(
            v,
            tmp_path / 'b.sgy',
            [(v.trace_ids('inline', n), v.section('inline', n)) for n in v.inlines],
        )
    )
    assert (
        np.array_equal(w.traces[:], v.traces[:])
        and w.shape == v.shape
        and w.dt == v.dt
        and np.array_equal(w.xy('inline', 11), v.xy('inline', 11), equal_nan=True)
    )
    with segyio.open(w.path) as f:
        assert np.array_equal(f.iline[11], v.section('inline', 11).T)
    p.write_bytes(b[:-300])
    with pytest.raises(VolumeError, match='became shorter'):
        v.traces[:]


def test_unassigned_header_words(tmp_path):
    "The last two words are read by their byte, and written, in either byte order."
    a, il, xl = grid()
    for e in '><':
        v = open_volume(
            segy(tmp_path / 'a.sgy', a, endian=e, b233=il, b237=xl), iline_byte=233, xline_byte=237
        )
        w = open_volume(
            write_segy_like(v, tmp_path / f'b{"><".index(e)}.sgy', []),
            iline_byte=233,
            xline_byte=237,
        )
        assert v.inlines.tolist() == w.inlines.tolist() == sorted(
            set(il)
        ) and v.crosslines.tolist() == w.crosslines.tolist() == sorted(set(xl))


@pytest.mark.parametrize('encoding', ['cp037', 'latin-1'])
def test_text_headers(tmp_path, encoding):
    "Lines come out whether EBCDIC or ASCII, are kept in what is written, and extended headers with them."
    a, il, xl = grid()
    b = segy(tmp_path / 'a.sgy', a, il, xl).read_bytes()
    lines = [f'C{i:2d} LINE {i} OF TEXT'.ljust(80) for i in range(1, 40)] + ['C40'.ljust(80)]
    extended = ''.join(lines[::-1]).encode(encoding)
    (tmp_path / 'a.sgy').write_bytes(
        ''.join(lines).encode(encoding)
        + b[3200:3504]
        + b'\0\1'
        + b[3506:3600]
        + extended
        + b[3600:]
    )
    v = open_volume(tmp_path / 'a.sgy')
    w = open_volume(write_segy_like(v, tmp_path / 'b.sgy', [], note='a note'))
    assert (
        v.reader.text == [s.rstrip() for s in lines]
        and w.reader.text[:39] == v.reader.text[:39]
        and 'a note' in w.reader.text[39]
    )
    assert (
        (tmp_path / 'b.sgy').read_bytes()[3600:6800] == extended
        and w.reader.first == 6800
        and w.shape == v.shape
    )


@pytest.mark.parametrize('limit', [100, 4000, 6000])
def test_full_disk(tmp_path, limit):
    "Writing stops with one line and leaves nothing."
    a, il, xl = grid()
    p = segy(tmp_path / 'a.sgy', a, il, xl)
    assert run(
        """
        import json, os, resource, signal, sys
        from reflection_connection.volume import VolumeError, open_volume, write_segy_like
        v = open_volume(sys.argv[1])
        items = [(v.trace_ids('inline', 11), v.section('inline', 11))]
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        most = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        try:
            write_segy_like(v, sys.argv[1] + '.out', items)
            print('{}')
        except VolumeError as e:
            print(json.dumps([str(e), os.listdir(os.path.dirname(sys.argv[1]))]))
    """,
        p,
        limit,
    )[1] == ['a.sgy']


# ---- faults
def test_prestack(tmp_path):
    a, il, xl = grid()
    refused(
        segy(
            tmp_path / 'a.sgy',
            np.repeat(a, 2, 0),
            np.repeat(il, 2),
            np.repeat(xl, 2),
            b37=np.tile([100, 200], 20),
        ),
        'prestack',
    )
    refused(
        segy(tmp_path / 'b.sgy', a, b9=il, b13=xl), 'prestack'
    )  # shots, nothing but field records
    refused(
        segy(tmp_path / 'c.sgy', a, b21=np.repeat([1, 2, 3, 4], 5), b37=np.tile(range(5), 4)),
        'prestack',
    )
    refused(
        segy(tmp_path / 'd.sgy', a, b21=np.repeat([1, 2, 3, 4], 5)), 'prestack'
    )  # CDP gathers without offsets


def test_faults(tmp_path):
    a, il, xl = grid()
    good = segy(tmp_path / 'good.sgy', a, il, xl).read_bytes()
    write = lambda name, b: (tmp_path / name).write_bytes(b) and tmp_path / name or tmp_path / name
    patch = lambda at, b: good[: at - 1] + b + good[at - 1 + len(b) :]
    refused(write('empty.sgy', b''), 'empty')
    refused(tmp_path, 'folder')
    refused(tmp_path / 'nowhere.sgy', 'No such file')
    refused(write('short.sgy', good[:3000]), 'shorter')
    refused(write('headers.sgy', good[:3600]), 'no traces')
    refused(write('cut.sgy', good[:-1]), 'truncated')
    refused(write('first.sgy', good[:3700]), 'truncated in its first trace')
    refused(write('text.sgy', b'C 1 CLIENT: nobody   \r\n' * 400), 'plain text')
    for name, count in (
        ('ns0.sgy', b'\0\0'),
        ('ns.sgy', b'\xff\xff'),
    ):  # the trace headers tell where traces are
        v = open_volume(write(name, patch(3221, count)))
        assert (
            np.array_equal(v.traces[:], a.astype('f4'))
            and 'from the file size and the trace headers' in v.problems[0]['problem']
        )
    bare = segy(tmp_path / 'bare.sgy', a, tr_dt=0).read_bytes()  # they say nothing
    refused(write('ns0.sgy', bare[:3220] + b'\0\0' + bare[3222:]), 'zero samples')
    refused(write('ns.sgy', bare[:3220] + b'\xff\xff' + bare[3222:]), 'truncated')
    refused(write('fmt0.sgy', patch(3225, b'\0\0')), 'format code 0')
    refused(write('fmt4.sgy', patch(3225, b'\0\4')), 'fixed point with gain')
    refused(write('fmt7.sgy', patch(3225, b'\0\7')), '24-bit')
    refused(write('x.npy', b'not an array'), 'not a readable .npy')
    refused(write('x.sgy.gz', b'\x1f\x8b' + good), 'gzip')
    refused(write('image.sgy', b'\x89PNG' + good), 'PNG')
    (tmp_path / 'hidden.sgy').write_bytes(good)
    os.mkfifo(tmp_path / 'pipe.sgy')
    refused(tmp_path / 'pipe.sgy', 'not a regular file')  # would hang if it were opened
    os.symlink(tmp_path / 'loop.sgy', tmp_path / 'loop.sgy')
    refused(tmp_path / 'loop.sgy', 'can not be opened')
    for dt in (0, -4, float('nan'), 'x'):
        refused(tmp_path / 'good.sgy', 'sample interval', dt=dt)
    refused(tmp_path / 'good.sgy', 'domain', domain='frequency')
    refused(tmp_path / 'good.sgy', 'trace header', iline_byte=0)
    v = open_volume(tmp_path / 'good.sgy')
    write('good.sgy', good[:-500])
    with pytest.raises(VolumeError, match='became shorter'):
        v.traces[:]


@pytest.mark.parametrize(
    'name,array',
    [
        ('object', np.array([[{}]], object)),
        ('bool', np.ones((3, 3), bool)),
        ('complex', np.ones((3, 3), complex)),
        ('text', np.array([['a', 'b']])),
        ('1d', np.ones(5)),
        ('4d', np.ones((2, 2, 2, 2))),
        ('empty', np.ones((0, 5))),
        ('record', np.zeros((2, 2), 'f4,i4')),
    ],
)
def test_npy_refused(tmp_path, name, array):
    np.save(tmp_path / f'{name}.npy', array)
    refused(tmp_path / f'{name}.npy', 'save')


@pytest.mark.parametrize('dtype', ['f4', '>f8', 'i2', 'u1'])
@pytest.mark.parametrize('order', 'CF')
def test_npy(tmp_path, dtype, order):
    a = (np.arange(3 * 4 * 6) % 200).reshape(3, 4, 6).astype(dtype)
    np.save(tmp_path / 'v.npy', np.asarray(a, order=order))
    np.save(tmp_path / 's.npy', np.asarray(a[1].T, order=order))
    v, s = open_volume(tmp_path / 'v.npy'), open_volume(tmp_path / 's.npy')
    assert (
        v.shape == (3, 4, 6)
        and np.array_equal(v.section('inline', 1), a[1].T)
        and np.array_equal(v.section('crossline', 2), a[:, 2].T)
    )
    assert (
        np.array_equal(v.traces[:], a.reshape(12, 6))
        and np.array_equal(s.section('line', 0), a[1].T)
        and np.array_equal(s.traces[1:3], a[1, 1:3])
    )
    assert v.traces[:].dtype == s.section('line', 0).dtype == np.float32


def test_random_bytes_never_escape(tmp_path):
    "Whatever the bytes, it opens or it is a VolumeError; valid files with damaged headers too."
    rng, p, q = np.random.default_rng(1), tmp_path / 'fuzz.sgy', tmp_path / 'fuzz.npy'
    a, il, xl = grid()
    good = np.frombuffer(segy(p, a, il, xl).read_bytes(), np.uint8)
    np.save(q, a)
    npy = np.frombuffer(q.read_bytes(), np.uint8)
    opened = 0
    for k in range(1500):
        if k % 3 == 0:
            p.write_bytes(rng.bytes(int(rng.integers(1, 8000))))
            path = p
        elif k % 3 == 1:
            b = good.copy()
            at = rng.integers(3200, 3900, 8)
            b[at] = rng.integers(0, 256, 8)
            p.write_bytes(b.tobytes())
            path = p
        else:
            b = npy.copy()
            at = rng.integers(6, 128, 3)
            b[at] = rng.choice(list(b"0123456789(),'{}[]: <>fiOTrueFals\n\0\xff"), 3)
            q.write_bytes(b.tobytes())
            path = q
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                with open_volume(path) as v:
                    v.traces[0:1]
                    opened += 1
                    json.dumps(preflight(path), allow_nan=False)
        except VolumeError as e:
            assert '\n' not in str(e)
    assert opened > 50


# ---- writing
@pytest.mark.parametrize('endian', '><')
@pytest.mark.parametrize('fmt', [3, 5])
def test_write_like(tmp_path, fmt, endian):
    a, il, xl = grid()
    src = open_volume(
        segy(
            tmp_path / 'a.sgy',
            np.round(a),
            il,
            xl,
            fmt,
            endian,
            b181=xl * 9,
            b185=il * -9,
            b71=-10,
            b37=7,
            b21=xl,
        )
    )
    out = write_segy_like(
        src,
        tmp_path / 'b.sgy',
        ((src.trace_ids('inline', n), src.section('inline', n) * 0.5) for n in src.inlines[1:]),
        note='half of a',
    )
    w, keep = open_volume(out), src.traces[:] * 0.5
    keep[:5] = 0
    assert (
        np.array_equal(w.traces[:], keep)
        and w.sample_format == 'IEEE float'
        and w.reader.endian == '>'
        and w.dt == src.dt
    )
    for n in src.inlines:
        assert np.array_equal(w.xy('inline', n), src.xy('inline', n)) and np.array_equal(
            w.trace_ids('inline', n), src.trace_ids('inline', n)
        )
    with (
        segyio.open(out) as f,
        segyio.open(src.path, endian='big' if endian == '>' else 'little') as g,
    ):
        assert (
            dict(f.header[7]) == dict(g.header[7])
            and f.iline[11].shape == (5, 20)
            and b'half of a' in bytes(f.text[0])
        )


def test_write_fails_whole(tmp_path):
    a, il, xl = grid()
    v = open_volume(segy(tmp_path / 'a.sgy', a, il, xl))

    def items():
        yield v.trace_ids('inline', 10), v.section('inline', 10)
        raise RuntimeError('stopped')

    (tmp_path / 'old.sgy').write_bytes(b'old')
    with pytest.raises(RuntimeError):
        write_segy_like(v, tmp_path / 'old.sgy', items())
    assert (tmp_path / 'old.sgy').read_bytes() == b'old' and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(VolumeError, match='cannot be written'):
        write_segy_like(v, tmp_path / 'no' / 'b.sgy', [])


# ---- worker processes and big files
def run(code, *args):
    "A fresh python; its last line as JSON."
    r = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code), *map(str, args)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout.splitlines()[-1])


def test_ibm_in_a_fresh_process(tmp_path):
    "segyio's converter is there although nothing opened a file with segyio before."
    a, il, xl = grid()
    p = segy(tmp_path / 'i.sgy', np.zeros_like(a), il, xl, fmt=2)
    b = bytearray(p.read_bytes())
    b[3224:3226] = b'\0\1'
    b[3840:3844] = b'\xc2\x76\xa0\0'
    p.write_bytes(b)  # -118.625, the textbook's example
    assert run(
        """
        import json, sys
        from reflection_connection.volume import open_volume
        print(json.dumps(open_volume(sys.argv[1]).traces[0].tolist()[:2]))
        """,
        p,
    ) == [-118.625, 0]


def test_forked_worker(tmp_path):
    "A forked process that reads at the same time doesn't move the parent's place in the file, nor the parent its."
    a, il, xl = grid(20, 50, 2000)
    p = segy(tmp_path / 'a.sgy', a, il, xl)
    assert run(
        """
        import json, os, sys
        import numpy as np
        from reflection_connection.volume import open_volume
        v = open_volume(sys.argv[1])
        want = v.traces[:]
        pid = os.fork()
        rng, ok = np.random.default_rng(pid), True
        for _ in range(300):
            ids = rng.permutation(1000)[:20]
            ok &= bool(np.array_equal(v.traces[ids], want[ids]))
        if not pid:
            os._exit(0 if ok else 1)
        print(json.dumps(ok and os.waitpid(pid, 0)[1] == 0))
    """,
        p,
    )


def test_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    a, il, xl = grid(20, 50, 500)
    v = open_volume(segy(tmp_path / 'a.sgy', a, il, xl))
    want = v.traces[:]
    with ThreadPoolExecutor(8) as pool:
        assert all(
            pool.map(
                lambda n: np.array_equal(v.section('inline', n), want[v.trace_ids('inline', n)].T),
                list(v.inlines) * 20,
            )
        )


def test_spawned_workers(tmp_path):
    a, il, xl = grid()
    v = open_volume(segy(tmp_path / 'a.sgy', a, il, xl), dt=2)
    import multiprocessing as mp

    with mp.get_context('spawn').Pool(1) as pool:
        got, dt = pool.apply(first_line, (v,))
    assert np.array_equal(got, v.section('inline', 10)) and dt == 2


def first_line(v):
    return v.section('inline', 10), v.dt


MEASURE = r'''
    import json, re, sys, time
    from reflection_connection.volume import open_volume, preflight
    import numpy as np
    warm = open_volume(sys.argv[2])
    warm.section('inline', warm.inlines[0])
    warm.scale()
    preflight(sys.argv[2])

    def peak():
        "MB; ru_maxrss would count the parent's."
        status = open('/proc/self/status').read()
        return int(re.search(r'VmHWM:\s+(\d+)', status)[1]) / 1024

    before, t = peak(), time.time()
    v = open_volume(sys.argv[1])
    opened = peak() - before
    v.section('inline', v.inlines[-1])
    v.section('crossline', v.crosslines[3])
    v.fingerprint()
    v.scale()
    lines = peak() - before
    preflight(sys.argv[1])
    found = dict(opened=opened, lines=lines, all=peak() - before)
    print(json.dumps(found | dict(seconds=time.time() - t, shape=v.shape)))
'''


needs_proc = pytest.mark.skipif(
    not os.path.exists('/proc/self/status'), reason='peak memory is read from /proc'
)


@needs_proc
def test_memory_segy(tmp_path):
    "A 2 GB SEG-Y (sparse on disk): opening costs headers, a section costs a section."
    a, il, xl = grid()
    small = segy(tmp_path / 'small.sgy', a, il, xl)
    n_il, n_xl, ns = 125, 200, 20_000
    p = tmp_path / 'big.sgy'
    one = segy(tmp_path / 'one.sgy', np.ones((1, ns))).read_bytes()
    with open(p, 'wb') as f:
        f.write(one[:3600])
        f.truncate(3600 + n_il * n_xl * (240 + 4 * ns))
        f.flush()
        for k in range(n_il * n_xl):
            h = np.zeros(60, '>i4')
            h[47], h[48] = 100 + k // n_xl, 5000 + k % n_xl
            os.pwrite(f.fileno(), h.tobytes() + b'?\0\0\0?\1\0\0', 3600 + k * (240 + 4 * ns))
    assert p.stat().st_size > 2e9
    try:
        m = run(MEASURE, p, small)
    finally:
        p.unlink()
    section = n_xl * ns * 4 / 2**20  # 15 MB
    assert m['shape'] == [n_il, n_xl, ns]
    print(m)
    assert m['opened'] < 25 and m['lines'] < 25 + 5 * section and m['all'] < 150, m


@needs_proc
def test_memory_npy(tmp_path):
    a, il, xl = grid()
    small = segy(tmp_path / 'small.sgy', a, il, xl)
    p = tmp_path / 'big.npy'
    m = np.lib.format.open_memmap(p, 'w+', np.float32, (400, 1000, 1250))
    m[0, 0, :2] = 1, 2
    m.flush()
    del m
    assert p.stat().st_size >= 2e9
    try:
        m = run(MEASURE, p, small)
    finally:
        p.unlink()
    print(m)
    assert m['opened'] < 15 and m['lines'] < 80 and m['all'] < 150, m


# ---- MDIO
def test_mdio(tmp_path):
    "Convert with mdio itself, in a process of its own; lines equal the SEG-Y's and are read lazily."
    pytest.importorskip('mdio', reason="pip install 'reflection_connection[mdio]'")
    a, il, xl = grid(6, 7, 30)
    keep = np.delete(np.arange(42), [10, 41])
    src = segy(
        tmp_path / 'a.sgy',
        a[keep],
        il[keep],
        xl[keep],
        rev=256,
        b181=xl[keep] * 10,
        b185=il[keep] * 10,
        b71=-10,
    )
    script = tmp_path / 'convert.py'
    script.write_text(
        textwrap.dedent('''
        import sys
        def main():
            from mdio import segy_to_mdio
            from mdio.builder.template_registry import TemplateRegistry
            from segy.schema import HeaderField
            from segy.standards import get_segy_standard
            fields = dict(inline=189, crossline=193, cdp_x=181, cdp_y=185)
            words = [HeaderField(name=k, byte=b, format='int32') for k, b in fields.items()]
            segy_to_mdio(
                segy_spec=get_segy_standard(1.0).customize(trace_header_fields=words),
                mdio_template=TemplateRegistry().get('PostStack3DTime'),
                input_path=sys.argv[1],
                output_path=sys.argv[2],
                overwrite=True,
            )
        if __name__ == '__main__': main()
    ''')
    )
    r = subprocess.run(
        [sys.executable, script, src, tmp_path / 'a.mdio'],
        capture_output=True,
        text=True,
        env={**os.environ, 'MDIO__IMPORT__CPU_COUNT': '1'},
        timeout=120,
    )
    assert r.returncode == 0, r.stderr
    v, z = open_volume(src), open_volume(tmp_path / 'a.mdio')
    assert (z.format, z.shape, z.dt, z.unit) == ('mdio', v.shape, v.dt, v.unit) and np.array_equal(
        z.traces[:], v.traces[:]
    )
    for kind in ('inline', 'crossline'):
        for n in v.lines(kind):
            assert np.array_equal(z.section(kind, n), v.section(kind, n)) and np.array_equal(
                z.trace_ids(kind, n), v.trace_ids(kind, n)
            )
            assert np.array_equal(z.xy(kind, n), v.xy(kind, n), equal_nan=True)
    assert json.dumps(preflight(tmp_path / 'a.mdio'), allow_nan=False)
    back = open_volume(
        write_segy_like(
            z,
            tmp_path / 'back.sgy',
            [(z.trace_ids('inline', n), z.section('inline', n)) for n in z.inlines],
        )
    )
    assert np.array_equal(back.traces[:], v.traces[:]) and np.allclose(
        back.xy('inline', 12), v.xy('inline', 12)
    )


def test_zarr_faults(tmp_path):
    pytest.importorskip('zarr', reason="pip install 'reflection_connection[mdio]'")
    xarray = pytest.importorskip('xarray')
    (tmp_path / 'empty.zarr').mkdir()
    refused(tmp_path / 'empty.zarr', 'Zarr')
    xarray.Dataset({'a': ('x', np.arange(3.0))}).to_zarr(tmp_path / 'flat.zarr', consolidated=False)
    refused(tmp_path / 'flat.zarr', 'no 2-D or 3-D')


def test_mdio_missing_says_how(tmp_path, monkeypatch):
    (tmp_path / 'a.mdio').mkdir()
    monkeypatch.setitem(sys.modules, 'xarray', None)
    refused(tmp_path / 'a.mdio', "pip install 'reflection_connection[mdio]'")
