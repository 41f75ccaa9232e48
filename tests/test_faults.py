"""A corpus of faults: every bad, odd or hostile input ends in a right answer or in one line that says what is wrong, in bounded memory and time.

All cases run in one process of its own (torch is imported once); one that dies there takes only its own case with it. What came out of each is
written in faults.md: `REFCON_WRITE_FAULTS=1 pytest tests/test_faults.py` renews it. `REFCON_FUZZ=5000` gives the fuzzers more, and random, examples."""

import builtins
import contextlib
import faulthandler
import io
import json
import os
import re
import resource
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import traceback
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_volume import grid, segy

HERE = Path(__file__).parent
TABLE, SECONDS, MEMORY = (
    HERE / 'faults.md',
    120,
    1 << 30,
)  # a case may take so long, and so many bytes above what the process had at its start
CASES, ROOT_USER = [], os.geteuid() == 0


@dataclass
class Case:
    "What is given, and what must come out."

    group: str
    name: str
    line: str  # command; {o} is the case's own folder, {n} what `make` returned, for the others see `_places`
    says: str = ''  # part of the line that it is refused with; '' where the answer is right
    words: str = ''  # the right answer in words
    right: object = None  # (answer, folder) -> whether it is
    make: object = None  # folder -> what {n} stands for; writes the files
    call: object = None  # (folder, places) -> answer, where the command line has no door
    skip: str = ''  # why it cannot be tried here
    there: str = (
        ''  # written in the table in place of the outcome, where that depends on the machine
    )


def group(name):
    global GROUP
    GROUP = name


def bad(name, line, says, make=None, **more):
    CASES.append(Case(GROUP, name, line, says=says, make=make, **more))


def good(name, line, words, right, make=None, **more):
    CASES.append(Case(GROUP, name, line, words=words, right=right, make=make, **more))


# ---- makers of files
def w(v, n=2):
    return int(v).to_bytes(n, 'big', signed=v < 0)


def sgy(
    cut=None,
    more=b'',
    put=(),
    size=(4, 5, 20),
    first=(10, 200),
    change=None,
    name='a.sgy',
    flat=False,
    **kw,
):
    "A maker of a small SEG-Y: cut after so many bytes, bytes put in at 1-based places, header columns and traces changed."

    def make(o):
        t, il, xl = grid(*size, first)
        if flat:
            t = np.full_like(t, flat if flat is not True else 0)
        if not flat:
            t = np.sin(t * 7.3) + t / 1e4
        if change:
            t, il, xl = change(t, il, xl)
        p = segy(
            o / name, t, il, xl, **{k: v(t, il, xl) if callable(v) else v for k, v in kw.items()}
        )
        b = bytearray(p.read_bytes())
        for at, v in dict(put).items():
            b[at - 1 : at - 1 + len(v)] = v
        p.write_bytes(bytes(b[:cut]) + more)

    return make


def file(name, content):
    return lambda o: (
        (o / name).write_bytes(content if isinstance(content, bytes) else content.encode()) and None
    )


def noise(seed=0, shape=(40, 40)):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def npy(array, name='a.npy', **kw):
    return lambda o: np.save(o / name, array, **kw)


def header(shape, descr='<f4', name='a.npy'):
    h = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return file(name, b'\x93NUMPY\x01\x00' + struct.pack('<H', len(h)) + h + bytes(64))


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width, height, depth=8, color=0, data=b'', before=b''):
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0))
        + before
        + chunk(b'IDAT', zlib.compress(data))
        + chunk(b'IEND', b'')
    )


def picture(name='a.png', mode='L', seed=0, **kw):
    def make(o):
        (o / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed)).convert(mode).save(o / name, **kw)

    return make


def both(*makers):
    def make(o):
        for m in makers:
            m(o)

    return make


def csv(text, name='t.csv'):
    return file(name, text)


def parquet(frame, name='t.parquet'):
    return lambda o: frame.to_parquet(o / name)


def raw_parquet(names, columns):
    def make(o):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(
            pa.Table.from_arrays([pa.array(c) for c in columns], names=names), o / 't.parquet'
        )

    return make


def notebook(*cells, raw=None):
    def make(o):
        if raw is not None:
            (o / 'a.ipynb').write_text(raw)
            return
        (o / 'a.ipynb').write_text(
            json.dumps(
                dict(
                    nbformat=4,
                    nbformat_minor=5,
                    metadata={},
                    cells=[
                        dict(
                            cell_type='code',
                            id=f'c{i}',
                            metadata=m,
                            source=s,
                            outputs=[],
                            execution_count=None,
                        )
                        for i, (m, s) in enumerate(cells)
                    ],
                )
            )
        )

    return make


def changed(folder, into, name, change, sums=False):
    "A maker of a copy of a folder with one file changed: text, bytes, None (removed), or a function of its JSON; `sums`: the checksums changed with it."

    def make(o):
        from hashlib import sha256

        new = Path(shutil.copytree(_places(o.parent)[folder], o / into))
        p = new / name
        if change is None:
            p.unlink()
        elif callable(change):
            _edit(p, change)
        else:
            p.write_bytes(change if isinstance(change, bytes) else change.encode())
        if sums:
            _edit(new / 'meta.json', put('sha256', name, v=sha256(p.read_bytes()).hexdigest()))

    return make


def flipped(folder, into, name, at=-9):
    def make(o):
        new = Path(shutil.copytree(_places(o.parent)[folder], o / into))
        b = bytearray((new / name).read_bytes())
        b[at] ^= 16
        (new / name).write_bytes(b)

    return make


def put(*keys, v=None):
    "Change a value in JSON."

    def change(d):
        for k in keys[:-1]:
            d = d[k]
        d[keys[-1]] = v

    return change


def less(key):
    return lambda d: d.pop(key) and None


def _insert(path, at, more):
    b = path.read_bytes()
    path.write_bytes(b[:at] + more + b[at:])


# ---- the corpus
check = 'check {o}/a.sgy --json'
group('SEG-Y cut short or grown')  # 20 traces of 20 samples: 10,000 bytes
for where, cut, says in (
    ('nothing is left', 0, 'empty file'),
    ('after one byte', 1, '1 bytes, shorter than'),
    ('in the textual header', 1000, 'shorter than'),
    ('in the binary header', 3300, 'shorter than'),
    ('after the headers', 3600, 'no traces'),
    ('in the first trace header', 3700, 'truncated in its first trace'),
    ('in the first trace', 3850, 'truncated in its first trace'),
    ('in a later trace header', 5000, 'truncated'),
    ('in a later trace', 5400, 'truncated'),
    ('one byte short', 9999, 'truncated'),
):
    bad(where, check, says, sgy(cut))
for where, more in (
    ('one byte long', b'\0'),
    ('a trace header too many', bytes(240)),
    ('a second file behind it', bytes(3600)),
):
    bad(where, check, 'truncated, or', sgy(more=more))
good(
    'a whole trace too many',
    check,
    '21 traces',
    lambda r, o: r['n_traces'] == 21,
    sgy(more=bytes(320)),
)
bad(
    'became shorter while open',
    'library: section',
    'it became shorter while open',
    sgy(),
    call=lambda o, p: _shorten(o / 'a.sgy'),
)

group('SEG-Y with wrong headers')
for code in (0, 4, 7, 15, 99, 257, -5):
    bad(
        f'sample format {code}',
        check,
        f'format {code}' if code in (4, 7, 15) else f'format code {code}',
        sgy(put={3225: w(code)}),
    )
good(
    'sample format of another width',
    check,
    '20 traces of IEEE float, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'Canadian practice' in str(r['problems'])
    ),
    sgy(put={3225: w(6)}),
)
bad('format code of the other byte order', check, 'a.sgy', sgy(put={3225: b'\5\0'}))
good(
    'no samples in either header',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3221: w(0)}),
)
bad(
    'no samples in either header, and nothing in the trace headers',
    check,
    'zero samples',
    sgy(tr_dt=0, put={3221: w(0)}),
)
good(
    'no samples in the binary header, some in the traces',
    check,
    '20 samples, from the trace header',
    lambda r, o: r['n_samples'] == 20,
    sgy(put={3221: w(0)} | {3600 + 320 * k + 115: w(20) for k in range(20)}),
)
good(
    '65,535 samples',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3221: b'\xff\xff'}),
)
bad(
    '65,535 samples, and nothing in the trace headers',
    check,
    'truncated',
    sgy(tr_dt=0, put={3221: b'\xff\xff'}),
)
good(
    'one sample of twenty',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3221: w(1)}),
)
good(
    '2 billion samples in a revision-2 header',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3501: w(0x200), 3269: w(2**31 - 1, 4), 3221: w(0)}),
)
bad(
    '2 billion samples in a revision-2 header, and nothing in the trace headers',
    check,
    'absurd sample count',
    sgy(tr_dt=0, put={3501: w(0x200), 3269: w(2**31 - 1, 4), 3221: w(0)}),
)
good(
    'a negative count in a revision-2 header',
    check,
    '20 samples',
    lambda r, o: r['n_samples'] == 20,
    sgy(put={3501: w(0x200), 3269: w(-5, 4)}),
)
good(
    '2 billion more trace headers in a revision-2 header',
    check,
    '20 traces, the number is not believed',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={3501: w(0x200), 3507: w(2**31 - 1, 4)}),
)
good(
    '32,767 extended headers that are not there',
    check,
    'none there, it says',
    lambda r, o: 'none there' in str(r['problems']),
    sgy(put={3505: w(32767)}),
)
good(
    'a negative number of extended headers',
    check,
    '20 traces',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={3505: w(-1)}),
)
good(
    'interval 0',
    check,
    'interval 1 is assumed, it says',
    lambda r, o: r['interval'] == 1 and 'no sample interval' in str(r['problems']),
    sgy(dt=0, tr_dt=0),
)
good(
    'interval -4',
    check,
    'interval 1 is assumed, it says',
    lambda r, o: r['interval'] == 1 and 'no sample interval' in str(r['problems']),
    sgy(dt=-4000, tr_dt=-4000),
)
good(
    'interval negative in one header',
    check,
    'interval 4 of the other',
    lambda r, o: r['interval'] == 4,
    sgy(dt=-4000),
)
good(
    'interval 32.767',
    check,
    'that, and that it is long',
    lambda r, o: r['interval'] == 32.767 and 'long' in str(r['problems']),
    sgy(dt=32767, tr_dt=32767),
)
good(
    'interval written in ms',
    check,
    '0.004, and the remedy',
    lambda r, o: r['interval'] == 0.004 and 'pass --dt 4' in str(r['problems']),
    sgy(dt=4, tr_dt=4),
)
good(
    'interval NaN in a revision-2 header',
    check,
    'interval 1 is assumed',
    lambda r, o: r['interval'] == 1,
    sgy(dt=0, tr_dt=0, put={3501: w(0x200), 3273: struct.pack('>d', np.nan)}),
)
good(
    'interval infinite in a revision-2 header',
    check,
    'interval 1 is assumed',
    lambda r, o: r['interval'] == 1,
    sgy(dt=0, tr_dt=0, put={3501: w(0x200), 3273: struct.pack('>d', np.inf)}),
)
good('start at -32.768 s', check, 'that', lambda r, o: r['t0'] == -32768, sgy(b109=-32768))
good(
    'start times that differ',
    check,
    'said',
    lambda r, o: 'start times differ' in str(r['problems']),
    sgy(b109=lambda t, il, xl: np.arange(len(il))),
)
good(
    'interval 50, unsigned',
    check,
    '50, and that it was read so',
    lambda r, o: r['interval'] == 50 and 'unsigned' in str(r['notes']),
    sgy(dt=-15536, tr_dt=0),
)
good(
    'interval that differs between headers',
    check,
    '4, and both are named',
    lambda r, o: (
        r['interval'] == 4
        and '4 in the binary header but 2 in the trace headers' in str(r['problems'])
    ),
    sgy(tr_dt=2000),
)
good(
    'start time in the lag time',
    check,
    '0, and the lag time is named',
    lambda r, o: r['t0'] == 0 and 'lag time' in str(r['problems']),
    sgy(put={3600 + 320 * k + 105: w(1800) for k in range(20)}),
)
good(
    'first trace without a start time',
    check,
    'that of the others, and how many',
    lambda r, o: r['t0'] == 1800 and '1800 in 19 of 20 traces, 0 in 1' in str(r['problems']),
    sgy(put={3600 + 320 * k + 109: w(1800) for k in range(1, 20)}),
)
good(
    'depth or time not said',
    check,
    'time, and that it is assumed',
    lambda r, o: r['domain'] == 'time' and 'assumed' in str(r['notes']),
    sgy(),
)
good(
    'depth migration, domain not said',
    check,
    'time, and the question',
    lambda r, o: r['domain'] == 'time' and 'time or depth?' in str(r['problems']),
    sgy(put={81: 'C 2 PRE-STACK DEPTH MIGRATION'.encode('cp037')}),
)
good(
    'depth in feet and in metres',
    check,
    'feet by the text, and both are named',
    lambda r, o: r['unit'] == 'ft' and 'in m by bytes 3255-3256' in str(r['problems']),
    sgy(put={81: 'C 2 SAMPLE INTERVAL 4 FT'.encode('cp037'), 3255: w(1)}),
)
good(
    'textual header of random bytes',
    check,
    '20 traces',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={1: np.random.default_rng(0).bytes(3200)}),
)
good(
    '256 bits of the amplitudes flipped',
    check,
    '20 traces, all numbers finite or counted',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={3600 + 320 * k + 241 + 4 * j: bytes([255 - k]) for k in range(16) for j in range(2)}),
)
good(
    'every header word at its largest',
    check,
    'an open file in trace order',
    lambda r, o: r['n_traces'] == 20 and r['geometry']['mode'] == 'trace-order',
    sgy(put={3600 + 320 * k + 1: b'\x7f\xff' * 57 + w(20) + b'\x7f\xff' * 62 for k in range(20)}),
)
good(
    'every header word at its smallest',
    check,
    'an open file in trace order',
    lambda r, o: r['n_traces'] == 20 and r['geometry']['mode'] == 'trace-order',
    sgy(put={3600 + 320 * k + 1: b'\x80\x00' * 57 + w(20) + b'\x80\x00' * 62 for k in range(20)}),
)

for promised in (-1, 0, 2, 5):
    good(
        f'two extended textual headers, {promised} promised',
        check,
        '20 traces, no text among them',
        lambda r, o: (r['n_traces'], r['geometry']['mode']) == (20, 'grid'),
        both(
            sgy(put={3505: w(promised)}),
            lambda o: _insert(
                o / 'a.sgy',
                3600,
                ''.join(
                    t.ljust(3200) for t in ('((SEG: Location Data ver 1.0))', '((SEG: EndText))')
                ).encode('cp037'),
            ),
        ),
    )
good(
    'two data trailer stanzas',
    check,
    '20 traces, no text among them',
    lambda r, o: (r['n_traces'], r['geometry']['mode']) == (20, 'grid'),
    sgy(
        put={3501: w(0x200), 3529: w(2, 4)},
        more=('((SEG: Source))'.ljust(3200) * 2).encode('cp037'),
    ),
)
bad(
    'a tape label in front',
    check,
    '128-byte tape label',
    both(sgy(), lambda o: _insert(o / 'a.sgy', 0, b'   1SY1.0RECORD     0'.ljust(128))),
)
bad(
    'Seismic Unix',
    check,
    'Seismic Unix',
    both(
        sgy(b29=1 << 16, b115=20),
        lambda o: (o / 'a.sgy').write_bytes((o / 'a.sgy').read_bytes()[3600:]),
    ),
)
bad(
    'a failed download',
    check,
    'an HTML page',
    file('a.sgy', '<!DOCTYPE html><html><head><title>Virus scan warning</title></head>'),
)
for name, begins in (('ZGY', b'VBS\0'), ('OpenVDS', b'VDS\0'), ('netCDF', b'CDF\1')):
    bad(name, check, name, file('a.sgy', begins + bytes(5000)))
bad('nothing but zeros', check, 'zero bytes', file('a.sgy', bytes(10_000)))

group('Sample formats and byte orders')
VALUES = np.arange(20 * 20).reshape(20, 20) % 97 + 1
for fmt, kind in (
    (2, 'int32'),
    (3, 'int16'),
    (5, 'IEEE float'),
    (6, 'IEEE double'),
    (8, 'int8'),
    (10, 'uint32'),
    (11, 'uint16'),
    (16, 'uint8'),
):
    for endian, order in (('>', 'big'), ('<', 'little')):
        good(
            f'{kind}, {order} endian',
            check,
            f'{kind}, {order} endian, largest amplitude 97',
            lambda r, o, kind=kind, order=order: (
                (r['sample_format'], r['endian'], r['amplitude']['max_abs'], r['geometry']['mode'])
                == (kind, order, 97, 'grid')
            ),
            sgy(fmt=fmt, endian=endian, change=lambda t, il, xl: (VALUES, il, xl)),
        )

group('Line numbers and geometry')
axes = lambda r: (
    r['geometry']['inlines']['first'],
    r['geometry']['inlines']['last'],
    r['geometry']['crosslines']['first'],
    r['geometry']['crosslines']['last'],
)
good(
    'negative line numbers',
    check,
    'inlines -3 … 0, crosslines -200 … -196',
    lambda r, o: axes(r) == (-3, 0, -200, -196),
    sgy(first=(-3, -200)),
)
good(
    'line numbers at both ends of 32 bits',
    check,
    'a grid from one to the other',
    lambda r, o: (
        r['geometry']['inlines']['first'] == -(2**31)
        and r['geometry']['inlines']['last'] == 2**31 - 1
    ),
    sgy(
        change=lambda t, il, xl: (
            t,
            np.where(il < 12, -(2**31), 2**31 - 1)
            + np.where(il % 2, 0, 1) * np.where(il < 12, 1, -1),
            xl,
        )
    ),
)
good(
    'a position twice',
    check,
    'the grid, one trace left out, and says so',
    lambda r, o: (
        r['geometry']['left_out'] == {'repeated position': 1}
        and 'keeps trace 6' in str(r['problems'])
    ),
    sgy(
        change=lambda t, il, xl: (
            t,
            np.where(np.arange(20) == 7, il[6], il),
            np.where(np.arange(20) == 7, xl[6], xl),
        )
    ),
)
good(
    'the whole survey twice',
    check,
    'trace order, and says so',
    lambda r, o: r['n_traces'] == 40 and 'repeat' in str(r['problems']),
    sgy(change=lambda t, il, xl: (np.r_[t, t], np.r_[il, il], np.r_[xl, xl])),
)
good(
    'constant line numbers',
    check,
    'one line in trace order',
    lambda r, o: 'constant' in r['geometry']['why'],
    sgy(change=lambda t, il, xl: (t, il * 0 + 5, xl * 0 + 7)),
)
good(
    'no line numbers',
    check,
    'one line in trace order',
    lambda r, o: r['geometry']['mode'] == 'trace-order',
    sgy(change=lambda t, il, xl: (t, il * 0, xl * 0)),
)
good(
    'missing traces',
    check,
    '5 empty positions',
    lambda r, o: r['geometry']['empty_positions'] == 5 and r['n_traces'] == 15,
    sgy(
        change=lambda t, il, xl: (
            t[np.arange(20) % 4 > 0],
            il[np.arange(20) % 4 > 0],
            xl[np.arange(20) % 4 > 0],
        )
    ),
)
good(
    'line numbers without pattern',
    check,
    'irregular axes',
    lambda r, o: r['geometry']['inlines']['increment'] is None,
    sgy(
        change=lambda t, il, xl: (
            t,
            np.array([1, 2, 50, 51])[il - 10],
            np.array([0, 3, 4, 90, 91])[xl - 200],
        )
    ),
)
good(
    'scattered along a diagonal',
    check,
    'trace order: an arbitrary line',
    lambda r, o: 'arbitrary line' in r['geometry']['why'],
    sgy(change=lambda t, il, xl: (t, np.arange(20), np.arange(20) * 3)),
)
good('a single trace', check, 'one trace', lambda r, o: r['n_traces'] == 1, sgy(size=(1, 1, 20)))
good(
    'shuffled traces',
    check,
    'a grid of 4 x 5',
    lambda r, o: (
        (r['geometry']['inlines']['count'], r['geometry']['crosslines']['count']) == (4, 5)
    ),
    sgy(
        change=lambda t, il, xl: tuple(
            a[np.random.default_rng(0).permutation(20)] for a in (t, il, xl)
        )
    ),
)
turn = lambda il, xl: (
    500000 + (il - 10) * 25 * np.cos(0.5) - (xl - 200) * 12.5 * np.sin(0.5),
    6000000 + (il - 10) * 25 * np.sin(0.5) + (xl - 200) * 12.5 * np.cos(0.5),
)
rotated = sgy(
    b71=-100,
    b181=lambda t, il, xl: np.round(100 * turn(il, xl)[0]),
    b185=lambda t, il, xl: np.round(100 * turn(il, xl)[1]),
    size=(6, 40, 64),
)
good(
    'a survey turned by half a radian',
    check,
    'x and y of the corners, to the centimetre',
    lambda r, o: np.allclose(
        [*r['coordinates']['x'], *r['coordinates']['y']],
        [turn(*c)[k] for k, c in ((0, (10, 239)), (0, (15, 200)), (1, (10, 200)), (1, (15, 239)))],
        atol=0.011,
    ),
    rotated,
)
good(
    'windows of a turned survey',
    'index {o}/a.sgy --encoder {e} --out {o}/i --window 16 16 --stride 16 16 --lines inline --json',
    'x and y of every window, to the centimetre',
    lambda a, o: _turned(o),
    rotated,
    call=lambda o, p: _run(
        'index',
        o / 'a.sgy',
        '--encoder',
        p['e'],
        '--out',
        o / 'i',
        '--window',
        16,
        16,
        '--stride',
        16,
        16,
        '--lines',
        'inline',
    ),
)
good(
    'coordinates at both ends of 32 bits',
    check,
    'finite coordinates',
    lambda r, o: np.isfinite(r['coordinates']['x']).all(),
    sgy(b71=32767, b181=lambda t, il, xl: np.where(il % 2, 1 - 2**31, 2**31 - 1), b185=1),
)
good(
    'coordinates unknown, as the most negative number',
    check,
    'none, and says so',
    lambda r, o: r['coordinates'] is None and 'no CDP coordinates' in str(r['problems']),
    sgy(b181=-(2**31), b185=-(2**31)),
)
good(
    'line numbers at bytes 9 and 21',
    check,
    'a grid of 4 x 5, and says where',
    lambda r, o: r['geometry']['inlines']['count'] == 4 and 'bytes 9 and 21' in str(r['notes']),
    sgy(
        change=lambda t, il, xl: (t, il * 0, xl * 0),
        b9=lambda t, il, xl: np.repeat(np.arange(10, 14), 5),
        b21=lambda t, il, xl: np.tile(np.arange(200, 205), 4),
    ),
)
good(
    'padding traces at the end',
    check,
    'the grid without them, and says so',
    lambda r, o: axes(r) == (10, 13, 200, 204) and 'zero trace headers' in str(r['problems']),
    sgy(change=lambda t, il, xl: (np.r_[t, t[:3] * 0], np.r_[il, 0, 0, 0], np.r_[xl, 0, 0, 0])),
)
for what, fields, change in (
    (
        'offsets at every position',
        dict(b37=lambda t, il, xl: np.arange(len(il))),
        lambda t, il, xl: (np.repeat(t, 3, 0), np.repeat(il, 3), np.repeat(xl, 3)),
    ),
    (
        'CDP gathers without line numbers',
        dict(
            b21=lambda t, il, xl: np.arange(20) // 4, b37=lambda t, il, xl: np.arange(20) % 4 * 100
        ),
        lambda t, il, xl: (t, il * 0, xl * 0),
    ),
    (
        'shot records',
        dict(b9=lambda t, il, xl: np.arange(20) // 5, b13=lambda t, il, xl: np.arange(20) % 5),
        lambda t, il, xl: (t, il * 0, xl * 0),
    ),
):
    bad(f'prestack: {what}', check, 'prestack gathers', sgy(change=change, **fields))

group('Amplitudes that say nothing')
to_index = 'index {o}/a.sgy --encoder {e} --out {o}/i --window 16 16 --stride 16 16 --lines inline'
wide = dict(size=(3, 40, 64))
with np.errstate(over='ignore'):
    for what, value in (
        ('all zero', True),
        ('all the same', 7.5),
        ('all NaN', np.nan),
        ('all infinite', np.inf),
    ):
        bad(what, to_index, 'none of', sgy(flat=value, **wide))
        good(
            f'{what}, asked for a report',
            check,
            'no live sample, it says',
            lambda r, o: 'no live sample' in str(r['problems']),
            sgy(flat=value, **wide),
        )
half = lambda value: lambda t, il, xl: (np.where(xl[:, None] < 220, t, value), il, xl)
for what, value, n in (
    ('half zero', 0.0, 24),
    ('half NaN', np.nan, 24),
    ('half infinite', np.inf, 24),
    ('half constant', 3.0, 24),
):
    good(
        what,
        to_index,
        'windows of the living half alone',
        lambda a, o: _indexed(o) and (_items(o).left + 16 <= 22).all(),
        sgy(change=half(value), **wide),
    )
good(
    'one NaN in every trace',
    to_index,
    'windows, embeddings finite',
    lambda a, o: _indexed(o),
    sgy(change=lambda t, il, xl: (np.where(np.arange(64) == 30, np.nan, t), il, xl), **wide),
)
good(
    'amplitudes of 1e38',
    to_index,
    'windows, embeddings finite',
    lambda a, o: _indexed(o),
    sgy(change=lambda t, il, xl: (t * 1e38 / 2, il, xl), **wide),
)
good(
    'amplitudes of 1e-40',
    to_index,
    'windows, embeddings finite',
    lambda a, o: _indexed(o),
    sgy(change=lambda t, il, xl: (t * 1e-40, il, xl), **wide),
)
bad('shorter than a window', to_index, 'no line has room for a window', sgy(size=(3, 40, 12)))
bad('a single trace', to_index, 'no line has room for a window', sgy(size=(1, 1, 64)))

group('Paths of volumes')
bad('no such file', 'check {o}/nope.sgy', 'nope.sgy: can not be opened')
for address in ('s3://bucket/a.sgy', 'https://host/a.sgy'):
    bad(f'an address, {address.partition(":")[0]}', f'check {address}', 'copy it here first')
bad('an address of a file', 'check file:///data/a.sgy', 'give the path alone, /data/a.sgy')
bad('an address to write to', 'index {s} --encoder {e} --out gs://bucket/i', 'copy it here first')
bad('an empty name', "check ''", 'can not be opened')
bad('a NUL in the name', 'check {n}', 'null', lambda o: str(o / 'a\0b.sgy'))
bad('a folder', 'check {o}', 'a folder, not a volume')
bad('a folder named .sgy', check, 'a folder, not a volume', lambda o: (o / 'a.sgy').mkdir())
bad('a FIFO', check, 'not a regular file', lambda o: os.mkfifo(o / 'a.sgy'))
for device in ('zero', 'null', 'random'):
    bad(f'/dev/{device}', f'check /dev/{device}', 'not a regular file')
bad('a FIFO, to be indexed', to_index, 'a.sgy', lambda o: os.mkfifo(o / 'a.sgy'))
bad(
    'a FIFO in a folder of volumes',
    'index {o} --encoder {e} --out {o}/i',
    'a.sgy: not a regular file',
    lambda o: os.mkfifo(o / 'a.sgy'),
)
bad(
    'a symlink to nothing',
    check,
    'can not be opened',
    lambda o: (o / 'a.sgy').symlink_to(o / 'nothing'),
)
bad(
    'a symlink to itself',
    check,
    'can not be opened',
    lambda o: (o / 'a.sgy').symlink_to(o / 'a.sgy'),
)
bad(
    'a loop of symlinks, to be indexed',
    to_index,
    'a.sgy',
    lambda o: (
        ((o / 'a.sgy').symlink_to(o / 'b.sgy'), (o / 'b.sgy').symlink_to(o / 'a.sgy')) and None
    ),
)
good(
    'a symlink to a file',
    check,
    '20 traces',
    lambda r, o: r['n_traces'] == 20,
    lambda o: (sgy(name='b.sgy')(o), (o / 'a.sgy').symlink_to(o / 'b.sgy')) and None,
)
bad(
    'not allowed to read it',
    check,
    'can not be opened',
    lambda o: (sgy()(o), (o / 'a.sgy').chmod(0)) and None,
    skip='root may read everything' if ROOT_USER else '',
    there='refused: can not be opened (Permission denied); skipped where root runs the tests',
)
for what, name in (
    ('non-ASCII', 'Ærø – 地震 ß.sgy'),
    ('spaces and quotes', "it's a \"file\" .sgy"),
    ('a line break', 'two\nlines.sgy'),
    ('200 letters', 'x' * 200 + '.sgy'),
    ('bytes that are no text', os.fsdecode(b'\xff\xfe.sgy')),
    ('a dash in front', '-x.sgy'),
):
    named = lambda o, name=name: (sgy(name=name)(o), str(o / name))[1]
    if 'no text' in what:
        bad(f'name: {what}', 'check {n}', 'check its name', named)
    else:
        good(f'name: {what}', 'check {n}', '20 traces', lambda r, o: 'n_traces: 20' in r, named)
    bad(
        f'name: {what}, cut short',
        'check {n}',
        'truncated',
        lambda o, name=name: (sgy(name=name, cut=9999)(o), str(o / name))[1],
    )
bad('name of 300 letters', 'check {n}', 'name too long', lambda o: str(o / ('x' * 300 + '.sgy')))
for what, content, says in (
    ('an image', lambda: png(4, 4, data=bytes(20)), 'a PNG image'),
    ('gzip', lambda: b'\x1f\x8b' + bytes(4000), 'gzip'),
    ('zip', lambda: b'PK\3\4' + bytes(4000), 'zip'),
    ('HDF5', lambda: b'\x89HDF' + bytes(4000), 'HDF5'),
    ('plain text', lambda: b'inline crossline\n' * 300, 'plain text'),
    ('random bytes', lambda: np.random.default_rng(1).bytes(5000), 'a.sgy'),
    ('zeros', lambda: bytes(10000), 'zero bytes: an unfinished'),
):
    bad(f'{what} named .sgy', check, says, lambda o, content=content: file('a.sgy', content())(o))

group('.npy and Zarr volumes')
npc = 'check {o}/a.npy --json'
bad('objects (pickled)', npc, 'not numbers', npy(np.array([[1, 'a'], [None, {}]], dtype=object)))
bad(
    'a pickle that would run a command',
    npc,
    'not numbers',
    lambda o: np.save(o / 'a.npy', np.array([[_Bomb(str(o / 'ran'))]], dtype=object)),
)
for what, a, says in (
    ('1-D', np.ones(5), 'shape (5,)'),
    ('4-D', np.ones((2, 2, 2, 2)), 'shape (2, 2, 2, 2)'),
    ('0-D', np.float32(1), 'shape ()'),
    ('text', np.array([['a', 'b']]), 'not numbers'),
    ('complex', np.ones((4, 4), complex), 'not numbers'),
    ('boolean', np.ones((4, 4), bool), 'not numbers'),
    ('records', np.ones((4, 4), [('a', 'f4')]), 'not numbers'),
    ('dates', np.ones((4, 4), 'M8[s]'), 'not numbers'),
    ('no samples', np.ones((0, 4)), 'nothing in it'),
):
    bad(what, npc, says, npy(a))
good(
    '2-D, column by column',
    npc,
    '6 samples, 7 traces',
    lambda r, o: (r['n_samples'], r['n_traces']) == (6, 7),
    npy(np.asfortranarray(np.arange(42.0).reshape(6, 7))),
)
good(
    '3-D of 16-bit floats',
    npc,
    '2 x 3 lines of 5 samples',
    lambda r, o: (r['n_samples'], r['n_traces'], r['sample_format']) == (5, 6, 'float16'),
    npy(np.arange(30.0).reshape(2, 3, 5).astype('f2')),
)
good(
    'big endian',
    npc,
    'largest amplitude 41',
    lambda r, o: r['amplitude']['max_abs'] == 41,
    npy(np.arange(42.0).reshape(6, 7).astype('>f8')),
)
bad(
    'one byte short',
    npc,
    'truncated',
    lambda o: (
        (o / 'a.npy').write_bytes(
            (np.save(o / 'b.npy', np.ones((9, 9))), (o / 'b.npy').read_bytes()[:-1])[1]
        )
        and None
    ),
)
bad('shape of 10**18 samples', npc, 'truncated', header((10**9, 10**9)))
bad('shape beyond 64 bits', npc, 'truncated', header((10**30, 10**30)))
bad('negative shape', npc, 'nothing in it', header((-3, -3)))
bad('shape of floats', npc, 'a.npy', header((2.0, 3.0)))
bad(
    'header that is code',
    npc,
    'not a readable .npy',
    file(
        'a.npy',
        b'\x93NUMPY\x01\x00'
        + struct.pack('<H', 60)
        + b"{'descr': __import__('os').getcwd(), 'shape': (1, 1)}".ljust(60),
    ),
)
bad('header cut short', npc, 'not a readable .npy', file('a.npy', b'\x93NUMPY\x01\x00\xff'))
bad('unknown version', npc, 'not a readable .npy', file('a.npy', b'\x93NUMPY\x09\x00' + bytes(99)))
bad(
    'header of 2 GB',
    npc,
    'not a readable .npy',
    file('a.npy', b'\x93NUMPY\x02\x00' + struct.pack('<I', 2**31 - 1) + b'{' + bytes(99)),
)
bad(
    'deeply nested header',
    npc,
    'not a readable .npy',
    file('a.npy', b'\x93NUMPY\x01\x00' + struct.pack('<H', 9000) + b'(' * 9000),
)
bad(
    'zip archive (.npz)',
    npc,
    'not a readable .npy',
    lambda o: (np.savez(o / 'a.npz', np.ones((4, 4))), (o / 'a.npz').rename(o / 'a.npy')) and None,
)
bad('empty', npc, 'empty file', file('a.npy', b''))
bad('random bytes', npc, 'not a readable .npy', file('a.npy', b'abcdef' * 99))
zc = 'check {o}/a.zarr --json'


def zarr(change=lambda o: None, values=None, dims=('inline', 'crossline', 'time'), axes=None):
    def make(o):
        import xarray

        v = np.arange(60.0).reshape(3, 4, 5) if values is None else values
        xarray.Dataset(
            {'amplitude': (dims, v)}, axes or {d: np.arange(n) for d, n in zip(dims, v.shape)}
        ).to_zarr(o / 'a.zarr', mode='w', consolidated=False)
        change(o / 'a.zarr')

    return make


good(
    'a Zarr store',
    zc,
    '12 traces of 5 samples',
    lambda r, o: (r['n_traces'], r['n_samples']) == (12, 5),
    zarr(),
)
bad('an empty folder named .zarr', zc, 'a.zarr', lambda o: (o / 'a.zarr').mkdir())
bad('a file named .zarr', zc, 'shorter than the 3600 bytes', file('a.zarr', 'zarr'))
for what, text in (
    ('not JSON', '{'),
    ('a list', '[]'),
    ('null', 'null'),
    ('a future format', '{"zarr_format": 99, "node_type": "group"}'),
    ('binary', b'\xff\xfe\0'),
):
    bad(f'zarr.json: {what}', zc, 'a.zarr', zarr(lambda z, text=text: file('zarr.json', text)(z)))
for what, text in (
    ('not JSON', '{'),
    ('a list', '[]'),
    ('without a shape', '{"zarr_format": 3, "node_type": "array"}'),
):
    bad(
        f'zarr.json of the array: {what}',
        zc,
        'a.zarr',
        zarr(lambda z, text=text: file('zarr.json', text)(z / 'amplitude')),
    )
bad(
    'a shape of 10**18',
    zc,
    'a.zarr',
    zarr(lambda z: _edit(z / 'amplitude' / 'zarr.json', put('shape', v=[10**6, 10**6, 10**6]))),
)
bad(
    'chunks of random bytes',
    zc,
    'a.zarr',
    zarr(
        lambda z: (
            [p.write_bytes(b'xyz') for p in (z / 'amplitude' / 'c').rglob('*') if p.is_file()]
            and None
        )
    ),
)
good(
    'chunks that are missing',
    zc,
    'no live sample, it says',
    lambda r, o: 'no live sample' in str(r['problems']),
    zarr(lambda z: shutil.rmtree(z / 'amplitude' / 'c')),
)
bad('other dimensions', zc, 'dimensions that are known by name', zarr(dims=('a', 'b', 'c')))
bad('text in it', zc, 'dimensions that are known by name', zarr(values=np.full((3, 4, 5), 'a')))
ZARR_AXES = dict(inline=np.arange(3), crossline=np.arange(4), time=np.arange(5))
bad(
    'steps of 1 to 4 along time',
    zc,
    'not evenly spaced',
    zarr(axes=ZARR_AXES | dict(time=np.array([0, 1, 2, 3, 7]))),
)
bad(
    'line numbers of 0.5',
    zc,
    'something else than whole numbers',
    zarr(axes=ZARR_AXES | dict(inline=np.arange(3) / 2)),
)


def _two(o):
    import xarray

    cube = (('inline', 'crossline', 'time'), np.arange(60.0).reshape(3, 4, 5))
    xarray.Dataset(dict(near=cube, far=cube), ZARR_AXES).to_zarr(
        o / 'a.zarr', mode='w', consolidated=False
    )


bad('two volumes in it', zc, 'name one of them in the path: a.zarr/far', _two)
good(
    'two volumes in it, one named',
    'check {o}/a.zarr/far --json',
    '12 traces of 5 samples',
    lambda r, o: (r['n_traces'], r['n_samples']) == (12, 5),
    _two,
)


def _mdio_0(o):
    import zarr as z

    group = z.open_group(o / 'a.zarr', mode='w', zarr_format=2)
    group.create_group('data').create_array('chunked_012', shape=(3, 4, 5), dtype='f4')
    group.create_group('metadata')


bad('MDIO of version 0', zc, 'an MDIO store of version 0', _mdio_0)
bad(
    'an array by itself',
    zc,
    'without named dimensions',
    lambda o: __import__('zarr').save_array(o / 'a.zarr', np.ones((3, 4, 5))),
)
bad(
    'axis of NaN',
    zc,
    'a.zarr',
    zarr(axes={'inline': np.arange(3), 'crossline': np.arange(4), 'time': np.full(5, np.nan)}),
)
bad(
    'line numbers of NaN',
    zc,
    'a.zarr',
    zarr(axes={'inline': np.full(3, np.nan), 'crossline': np.arange(4), 'time': np.arange(5)}),
)
bad(
    'line numbers twice',
    zc,
    'a.zarr',
    zarr(axes={'inline': np.array([1, 1, 2]), 'crossline': np.arange(4), 'time': np.arange(5)}),
)
bad(
    'line numbers of text',
    zc,
    'a.zarr',
    zarr(
        axes={'inline': np.array(['a', 'b', 'c']), 'crossline': np.arange(4), 'time': np.arange(5)}
    ),
)

group('Images')
look = 'search {i} --image {o}/a.png --k 3 --json'
hits = lambda n: lambda r, o: len(r) == n
for mode, words in (
    ('L', 'grey'),
    ('RGB', 'RGB'),
    ('RGBA', 'RGBA'),
    ('P', 'palette'),
    ('1', 'black and white'),
    ('LA', 'grey and alpha'),
    ('I;16', '16-bit'),
):
    good(
        f'{words}',
        look,
        '3 hits',
        hits(3),
        picture(mode=mode)
        if mode != 'I;16'
        else lambda o: Image.fromarray((noise().astype('u2') * 257)).save(o / 'a.png'),
    )
good('a palette with transparency', look, '3 hits', hits(3), picture(mode='P', transparency=3))
good(
    'JPEG named .png',
    look,
    '3 hits',
    hits(3),
    lambda o: Image.fromarray(noise()).save(o / 'a.png', 'JPEG'),
)
good(
    'TIFF of 16 bits named .png',
    look,
    '3 hits',
    hits(3),
    lambda o: Image.fromarray(noise().astype('u2') * 257).save(o / 'a.png', 'TIFF'),
)


def frames(o, **kw):
    a, b = (Image.fromarray(noise(k)) for k in (0, 1))
    a.save(o / 'a.png', save_all=True, append_images=[b], **kw)


bad('animated PNG', look, '2 frames', lambda o: frames(o))
bad('TIFF of two pages', look, '2 frames', lambda o: frames(o, format='TIFF'))
bad(
    'GIF named .png',
    look,
    'not a readable image',
    lambda o: Image.fromarray(noise()).save(o / 'a.png', 'GIF'),
)
bad(
    'PostScript named .png',
    look,
    'not a readable image',
    file(
        'a.png',
        '%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(ran) (w) file closefile\nshowpage\n%%EOF\n',
    ),
)
bad('a bomb: 50,000 x 50,000 pixels in 70 bytes', look, 'a.png', file('a.png', png(50000, 50000)))
bad('a bomb: 2 billion pixels wide', look, 'a.png', file('a.png', png(2**31 - 1, 2**31 - 1)))
bad(
    'a bomb: 8,000 x 8,000 pixels in 70 bytes',
    look,
    'not a readable image',
    file('a.png', png(8000, 8000, color=6, depth=8)),
)
bad(
    'a bomb: 8,000 x 8,000 black pixels in 62 kB',
    look,
    'every pixel has the same value',
    lambda o: file('a.png', png(8000, 8000, data=bytes(8001 * 8000)))(o),
)
bad(
    'a bomb: a text of 64 MB in 62 kB',
    look,
    'not a readable image',
    lambda o: file(
        'a.png', png(40, 40, before=chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(1 << 26))))
    )(o),
)
bad(
    'a bomb: TIFF of 2**32 - 1 pixels',
    look,
    'a.png',
    file(
        'a.png',
        b'II*\0\x08\0\0\0\4\0'
        + b''.join(
            struct.pack('<HHII', t, 4, 1, v)
            for t, v in ((256, 2**32 - 1), (257, 2**32 - 1), (262, 1), (273, 8))
        )
        + bytes(4),
    ),
)
good(
    'truncated by a byte of its end',
    look,
    '3 hits',
    hits(3),
    lambda o: (picture()(o), (o / 'a.png').write_bytes((o / 'a.png').read_bytes()[:-1])) and None,
)
bad(
    'truncated in its pixels',
    look,
    'not a readable image',
    lambda o: (picture()(o), (o / 'a.png').write_bytes((o / 'a.png').read_bytes()[:900])) and None,
)
bad('truncated in its header', look, 'not a readable image', file('a.png', png(40, 40)[:20]))
bad('no pixels', look, 'a.png', file('a.png', png(0, 0)))
bad('one pixel', look, 'too small', file('a.png', png(1, 1, data=b'\0\1')))
bad(
    'all of one grey',
    look,
    'every pixel has the same value',
    lambda o: Image.new('L', (40, 40), 7).save(o / 'a.png'),
)
bad(
    'floats',
    look,
    'floating-point',
    lambda o: Image.fromarray(noise().astype('f4')).save(o / 'a.png', 'TIFF'),
)
bad('text', look, 'not a readable image', file('a.png', 'seismic\n'))
bad('empty', look, 'not a readable image', file('a.png', b''))
bad(
    'random bytes', look, 'not a readable image', file('a.png', np.random.default_rng(0).bytes(300))
)
bad('SEG-Y', look, 'not a readable image', sgy(name='a.png'))
bad('a folder', look, 'a.png', lambda o: (o / 'a.png').mkdir())
bad('a FIFO', look, 'not a regular file', lambda o: os.mkfifo(o / 'a.png'))
bad('/dev/zero', 'search {i} --image /dev/zero', 'not a regular file')
bad('not there', look, 'no such image')
bad('a symlink to itself', look, 'a.png', lambda o: (o / 'a.png').symlink_to('a.png'))
bad('a name of 300 letters', 'search {i} --image {n}', 'xxx', lambda o: str(o / ('x' * 300)))

group('Folders of images')
embed = 'embed {o}/d --encoder {e} --out {o}/e.npz'
count = lambda n: (
    lambda a, o: (
        len(np.load(o / 'e.npz')['ids']) == n
        and np.isfinite(np.load(o / 'e.npz')['embeddings']).all()
    )
)
d = lambda *names: both(*(picture(f'd/{n}', seed=k) for k, n in enumerate(names)))
bad('empty', embed, 'no usable image', lambda o: (o / 'd').mkdir())
bad('an empty class', embed, 'no usable image', lambda o: (o / 'd' / 'Salt').mkdir(parents=True))
bad('hidden files alone', embed, 'no usable image', d('.a.png'))
bad('folders in folders', embed, 'no usable image', d('Salt/more/a.png'))
bad(
    'nothing but text',
    embed,
    'not a readable image',
    both(lambda o: (o / 'd').mkdir(), file('d/a.png', 'a')),
)
bad(
    'a FIFO',
    embed,
    'not a regular file',
    lambda o: ((o / 'd').mkdir(), os.mkfifo(o / 'd' / 'a.png')) and None,
)
bad('a symlink to itself', embed, 'no such file or folder', lambda o: (o / 'd').symlink_to('d'))
bad('a file', embed, 'd', file('d', 'x'))
good('one image', embed, '1 embedding', count(1), d('a.png'))
good(
    'an image and text',
    embed,
    '1 embedding, the text named',
    count(1),
    both(d('a.png'), file('d/b.png', 'x')),
)
good(
    'a link back to the folder',
    embed,
    '1 embedding',
    count(1),
    both(d('Salt/a.png'), lambda o: (o / 'd' / 'Salt' / 'up').symlink_to(o / 'd')),
)
good(
    'the same name in two classes',
    embed,
    '2 embeddings, two ids',
    lambda a, o: set(np.load(o / 'e.npz')['ids']) == {'Salt/a.png', 'Fault/a.png'},
    d('Salt/a.png', 'Fault/a.png'),
)
good(
    'names: non-ASCII, quotes, spaces, a line break',
    embed,
    '4 embeddings under their names',
    lambda a, o: (
        set(np.load(o / 'e.npz')['ids']) == {'ø地.png', "it's \"one\".png", ' a b .png', 'x\ny.png'}
    ),
    d('Ä/ø地.png', "Ä/it's \"one\".png", 'Ä/ a b .png', 'B\nC/x\ny.png'),
)
good(
    'a name that is no text',
    embed,
    '1 embedding, the other left out',
    count(1),
    d('a.png', os.fsdecode(b'\xff\xfe.png')),
)
good('a name of 250 letters', embed, '1 embedding', count(1), d('x' * 246 + '.png'))
bad(
    'one class, one image, to be scored',
    'evaluate {o}/d --encoder {e}',
    'at least two',
    d('Salt/a.png'),
)
bad(
    'no classes, to be scored',
    'evaluate {o}/d --encoder {e}',
    'labelled windows',
    d('a.png', 'b.png'),
)
for what in ('head', 'all', 'auto'):
    bad(
        f'a class with one image, to learn from ({what})',
        'train {o}/d --out {o}/t --encoder {e} --what ' + what,
        'least',
        d('Salt/a.png', 'Salt/b.png', 'Fault/a.png'),
    )
bad(
    'one class, to learn from',
    'train {o}/d --out {o}/t --encoder {e} --what head',
    'at least two',
    d(*(f'Salt/{k}.png' for k in range(6))),
)
bad('no classes, to learn from', 'train {o}/d --out {o}/t', 'no labelled windows', d('a.png'))
bad(
    'too few images to search',
    'submit --queries {g}/Fault --corpus {o}/d --encoder {e} --out {o}/r.json',
    'fewer than k',
    d('a.png', 'b.png'),
)
bad(
    'no queries',
    'submit --queries {o}/d --corpus {g} --encoder {e} --out {o}/r.json',
    'no usable image',
    lambda o: (o / 'd').mkdir(),
)
bad(
    'names of queries that differ in their ending alone',
    'submit --queries {o}/d --corpus {g} --encoder {e} --out {o}/r.json',
    'a.png',
    both(d('a.png'), lambda o: Image.fromarray(noise(5)).save(o / 'd' / 'a.jpg')),
)
bad(
    'to pretrain on, one image',
    'pretrain {o}/d --out {o}/t --steps 1',
    'block for validation',
    d('a.png'),
)

group('Tables of windows')
ev = 'evaluate {o}/t.csv --encoder {e} --sections {s}'
em = 'evaluate {o}/t.parquet --encoder {e} --sections {s}'
HEAD, ROW = 'line_kind,line,top,left,height,width,label\n', 'inline,{0},{1},{2},{3},{4},{5}\n'


def row(line=1200, top=0, left=0, height=20, width=20, label='Salt'):
    return ROW.format(line, top, left, height, width, label)


FINE = row() + row(left=20) + row(left=40, label='Fault') + row(top=30, label='Fault')
good(
    'as it should be',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] + r['encoder']['n_skipped'] == 4,
    csv(HEAD + FINE),
)
good(
    'with a byte-order mark',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv('\ufeff' + HEAD + FINE),
)
good(
    'columns it does not know',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv(HEAD.strip() + ',more\n' + ''.join(f'{ln},x\n' for ln in FINE.splitlines())),
)
good(
    'numbers written as 20.0',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv(HEAD + FINE.replace(',20', ',20.0')),
)
for what, text, says in (
    ('empty', '', 'not a readable CSV'),
    ('header alone', HEAD, 'no rows'),
    ('a line break alone', '\n', 'not a readable CSV'),
    (
        'a column missing',
        'line_kind,line,top,left,height,label\ninline,1200,0,0,20,Salt\n',
        "['width'] are missing",
    ),
    ('no columns of the kind', 'a,b\n1,2\n', 'are missing'),
    ('half of row0, row1', 'section,row0,col0,col1,label\na,1,2,3,x\n', 'are missing'),
    ('ragged', HEAD + 'inline,1200,0\n' + 'a,' * 30 + '\n', 'line 3'),
    ('top missing in a row', HEAD + row() + row(top=''), 'row 2'),
    ('top NaN', HEAD + row(top='nan'), 'row 1'),
    ('top infinite', HEAD + row(top='inf'), 'row 1'),
    ('top is text', HEAD + row() + row(top='top'), 'row 2'),
    ('top 3.5', HEAD + row(top=3.5), 'row 1'),
    ('top negative', HEAD + row(top=-1), 'row 1 lies outside'),
    ('top 10**30', HEAD + row(top=10**30), 'row 1'),
    ('top 2**63', HEAD + row(top=2**63 - 1), 'row 1'),
    ('height 0', HEAD + row(height=0), 'row 1 lies outside'),
    ('height and top that overflow together', HEAD + row(top=2**62, height=2**62), 'row 1'),
    ('line is text', HEAD + row(line='abc'), 'row 1'),
    ('line missing', HEAD + row(line=''), 'row 1'),
    ('line infinite', HEAD + row(line='inf'), 'row 1'),
    ('line 1200.5', HEAD + row(line=1200.5), 'row 1'),
    ('line that is not there', HEAD + row(line=7), 'no inline 7'),
    ('line 10**25', HEAD + row(line=10**25), 'row 1'),
    (
        'unknown line kind',
        HEAD + row().replace('inline', 'timeslice'),
        "unknown line kind 'timeslice'",
    ),
    ('line kind missing', HEAD + row().replace('inline', ''), 'row 1'),
    ('line kind is a number', HEAD + row().replace('inline', '7'), "unknown line kind '7'"),
    ('no labels', HEAD + row(label='') + row(left=20, label=''), 'labelled windows'),
    ('ids twice', 'id,' + HEAD + 'a,' + row() + 'a,' + row(left=20), 'occurs more than once'),
    ('an id missing', 'id,' + HEAD + 'a,' + row() + ',' + row(left=20), 'row 2'),
    (
        'an unknown section',
        'section,row0,row1,col0,col1,label\nnowhere,0,20,0,20,Salt\n',
        'no such volume or section',
    ),
    ('row0 is text', 'section,row0,row1,col0,col1,label\na,x,20,0,20,Salt\n', 'row 1'),
    (
        'rows upside down',
        'line_kind,line,row0,row1,col0,col1,label\ninline,1200,20,0,0,20,Salt\n',
        'row 1 lies outside',
    ),
    ('split is nonsense', 'split,' + HEAD + 'test,' + row(), 'at least two'),
    ('one window', HEAD + row(), 'at least two'),
):
    bad(what, ev, says, csv(text))
good(
    'UTF-16',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    file('t.csv', (HEAD + FINE).encode('utf-16')),
)
good(
    'Latin-1, it says',
    ev + ' --json',
    '2 windows of Störung scored',
    lambda r, o: r['encoder']['per_class']['Störung']['n'] == 2,
    file('t.csv', (HEAD + FINE.replace('Fault', 'Störung')).encode('latin-1')),
)
bad('binary', ev, 't.csv', file('t.csv', np.random.default_rng(0).bytes(3000)))
bad('NUL bytes', ev, 't.csv', file('t.csv', bytes(3000)))
bad('an open quote', ev, 'row 1', csv(HEAD + '"inline,1200\n' * 50))
bad('not there', ev, 'no such table')
bad('a folder named .csv', ev, 'csv', lambda o: (o / 't.csv').mkdir())
bad('a FIFO', ev, 'no such table', lambda o: os.mkfifo(o / 't.csv'))
good(
    'a column twice (CSV)',
    ev + ' --json',
    'the first of them counts',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv(HEAD.strip() + ',top\n' + ''.join(f'{ln},9999\n' for ln in FINE.splitlines())),
)
table = pd.DataFrame(
    [
        dict(
            line_kind='inline',
            line=1200,
            top=0,
            left=14 * k,
            height=20,
            width=20,
            label='AB'[k % 2],
        )
        for k in range(4)
    ]
)
good(
    'Parquet as it should be',
    em + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    parquet(table),
)
good(
    'Parquet with floats and an odd index',
    em + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    parquet(table.astype({'top': float, 'line': float}).set_index(pd.Index(['a', 'b', 'c', 'c']))),
)
good(
    'Parquet with categories',
    em + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    parquet(table.astype({'label': 'category', 'line_kind': 'category'})),
)
for what, make, says in (
    ('of lists', parquet(table.assign(top=[[1], [2], [3], [4]])), 'row 1'),
    ('of dates', parquet(table.assign(top=pd.Timestamp('2020-01-01'))), 'row 1'),
    ('of truths', parquet(table.assign(top=True, label=True)), 'row 1'),
    ('with a column of nothing', parquet(table.assign(width=None)), 'row 1'),
    ('empty', parquet(table.iloc[:0]), 'no rows'),
    (
        'cut short',
        lambda o: (
            (
                parquet(table)(o),
                (o / 't.parquet').write_bytes((o / 't.parquet').read_bytes()[:-100]),
            )
            and None
        ),
        'not a readable Parquet',
    ),
    (
        'of random bytes',
        file('t.parquet', np.random.default_rng(0).bytes(3000)),
        'not a readable Parquet',
    ),
    ('a CSV by that name', file('t.parquet', HEAD + FINE), 'not a readable Parquet'),
    ('zero bytes', file('t.parquet', b''), 'not a readable Parquet'),
    (
        'with a column twice',
        raw_parquet([*table, 'top'], [*(table[c].tolist() for c in table), [1] * 4]),
        'FieldRef.Name(top)',
    ),
    ('without columns', parquet(pd.DataFrame(index=range(3))), 'are missing'),
):
    bad(f'Parquet {what}', em, says, make)
bad(
    'sections that are not there',
    'evaluate {o}/t.csv --encoder {e} --sections {o}/nope',
    'nope',
    csv(HEAD + FINE),
)
bad(
    'a volume that is none',
    'evaluate {o}/t.csv --encoder {e} --sections {o}/t.csv',
    't.csv',
    csv(HEAD + FINE),
)
bad(
    'a table of surveys without its columns',
    'evaluate {g} --encoder {e} --table {o}/t.csv',
    'columns id and survey',
    csv('a,b\n1,2\n'),
)
bad(
    'a table of surveys that is empty',
    'evaluate {g} --encoder {e} --table {o}/t.csv',
    'not a readable CSV',
    csv(''),
)
bad(
    'to learn from: top is text',
    'train {o}/t.csv --volume {s} --out {o}/t',
    'row 1',
    csv(HEAD + row(top='x')),
)
bad(
    'to embed: no volume beside it',
    'embed {o}/t.csv --encoder {e} --out {o}/e.npz',
    'a folder, not a volume',
    csv(HEAD + FINE),
)
bad(
    'to index: a line that is not there',
    'index {o}/t.csv --encoder {e} --out {o}/i',
    'no inline 7',
    both(csv('source,' + HEAD + 'a.sgy,' + row(line=7)), sgy()),
)

group('Boxes, lines and numbers asked for')
ask = 'search {i} --inline 1200 --box 0 0 24 24 --json'
good('a box', ask + ' --k 3', '3 hits', hits(3))
good(
    'the whole line',
    'search {i} --inline 1200 --box 0 0 64 64 --k 3 --json',
    'no hit: all windows overlap it',
    hits(0),
)
for box in (
    '0 0 65 24',
    '0 0 24 65',
    '-1 0 24 24',
    '0 -5 24 24',
    '24 24 0 0',
    '5 5 5 5',
    '0 0 10000000000 24',
    '9223372036854775808 0 99999999999999999999 24',
):
    bad(f'box {box}', f'search {{i}} --inline 1200 --box {box}', 'lies outside')
bad('box of 4 traces', 'search {i} --inline 1200 --box 0 0 24 4', 'at least 8 x 8')
bad('box of words', 'search {i} --inline 1200 --box a b c d', '--box')
bad('box of floats', 'search {i} --inline 1200 --box 0 0 24.5 24', '--box')
bad('box of three numbers', 'search {i} --inline 1200 --box 0 0 24', '--box')
bad('box without a line', 'search {i} --box 0 0 24 24', 'a box is --box')
bad('line without a box', 'search {i} --inline 1200', 'a box is --box')
bad('two lines', 'search {i} --inline 1200 --crossline 3400 --box 0 0 24 24', 'a box is --box')
for n in ('1', '-1200', '99999999999999999999', '-9223372036854775809'):
    bad(f'inline {n}', f'search {{i}} --inline {n} --box 0 0 24 24', f'no inline {n}')
bad('a 2-D line of a survey', 'search {i} --line 0 --box 0 0 24 24', 'has inlines and crosslines')
bad('along one point', 'search {i} --along 1200,3400 --box 0 0 24 24', 'two or more')
bad(
    'along a point outside',
    'search {i} --along 1200,3400 9,9 --box 0 0 24 24',
    'outside the survey',
)
bad('along NaN', 'search {i} --along 1200,3400 nan,nan --box 0 0 24 24', 'outside the survey')
bad('along words', 'search {i} --along here there --box 0 0 24 24', 'INLINE,CROSSLINE')
bad('along infinity', 'search {i} --along 1200,inf 1201,3400 --box 0 0 24 24', 'outside the survey')
bad('nothing asked', 'search {i}', 'nothing is asked')
bad('an id that is not there', 'search {i} --like nothing', 'no window')
bad('an unwanted id that is not there', ask + ' --unlike nothing', 'no window')
bad(
    'a volume that is not in the index',
    ask + ' --volume {o}/a.sgy',
    'the index has the volumes',
    sgy(),
)
good(
    'k beyond the corpus',
    'search {i} --image {p} --k 1000000 --min-separation 0 --json',
    'fewer hits: those that there are',
    lambda r, o: 3 < len(r) <= 200,
)
good(
    'k of 10**30',
    'search {i} --image {p} --k 1' + '0' * 30 + ' --min-separation 0 --json',
    'fewer hits: those that there are',
    lambda r, o: 3 < len(r) <= 200,
)
for k in ('0', '-3', 'ten', '1e3', '3.0', '²', "''", 'nan'):
    bad(f'k {k}', f'search {{i}} --image {{p}} --k {k}', '--k')
for option, value, says in (
    ('--min-separation', '-1', 'min_separation'),
    ('--min-samples', '-1', 'min_samples'),
    ('--min-samples', 'x', '--min-samples'),
    ('--min-confidence', '2', '--min-confidence'),
    ('--min-confidence', 'nan', '--min-confidence'),
    ('--min-confidence', '-0.1', '--min-confidence'),
    ('--map', '{o}/m.tif', 'a map is written as one of'),
    ('--map', '{o}/no/m.npy', 'No such file'),
    ('--map', '{o}/no/m.sgy', 'm.sgy'),
    ('--encoder', '{o}', 'no encoder there'),
    ('--class', 'Salt', '--class needs --labels'),
):
    bad(
        f'{option} {value}'.replace('{o}/', ''),
        f'search {{i}} --image {{p}} {option} {value}',
        says,
    )
good(
    'a least separation of 10**9',
    'search {i} --image {p} --k 5 --min-separation 1000000000 --json',
    '5 hits at most',
    lambda r, o: 1 <= len(r) <= 5,
)
good(
    'a least confidence of 1', 'search {i} --image {p} --min-confidence 1 --json', 'no hit', hits(0)
)
lab = 'search {i} --class Salt --labels {o}/t.csv --volume {s} --json'
bad('a class without labels', lab.replace('Salt', 'Karst'), 'Karst', csv(HEAD + FINE))
bad('labels: header alone', lab, 'no rows', csv(HEAD))
bad('labels: none of them', lab, 'label', csv(HEAD + row(label='')))
bad(
    'labels: a folder without classes',
    'search {i} --class Salt --labels {o}/d',
    'label',
    d('a.png'),
)
good('labels of one class', lab + ' --k 2', '2 hits', hits(2), csv(HEAD + row() + row(left=20)))

group('Filters')
flt = lambda e: 'search {i} --image {p} --k 3 --json --where ' + shlex.quote(e)
for e, words, right in (
    ('line > 0', '3 hits', hits(3)),
    ('line > 10000000000000000000000000000000', 'no hit', hits(0)),
    ('time_ms < -1e308', 'no hit', hits(0)),
    ('line_kind in ["inline", 3]', '3 hits', hits(3)),
    ('label == "x"', 'no hit', hits(0)),
    ('not line > 0', 'no hit', hits(0)),
    ('1 < 2', '3 hits', hits(3)),
    ('line == line', '3 hits', hits(3)),
    ('id != "{x!r:>9}"'.replace('{', '(').replace('}', ')'), '3 hits', hits(3)),
    ('depth_m > 0', 'no hit: no depths', hits(0)),
    (
        'line_kind == "inline" and (line < 1201 or line > 1201)',
        'hits on those',
        lambda r, o: all(h['line'] != 1201 for h in r),
    ),
    ('line in []', 'no hit', hits(0)),
):
    good(e[:60], flt(e), words, right)
for e, says in (
    ('', 'filter'),
    (' ', 'filter'),
    ('nonsense((', 'filter'),
    ('line >', 'filter'),
    ('line = 3', 'filter'),
    ('line > 0; 1', 'filter'),
    ('import os', 'filter'),
    ('xyz > 1', "no column 'xyz'"),
    ('__class__ > 1', "no column '__class__'"),
    ('line.__class__ > 1', 'cannot use'),
    ('items > 1', "no column 'items'"),
    ('__import__("os").getcwd() == 1', 'cannot use'),
    ('open("/etc/passwd") == 1', 'cannot use'),
    ('line[0] > 1', 'cannot use'),
    ('line + 1 > 1', 'cannot use'),
    ('9**9**9**9 > 1', 'cannot use'),
    ('"a"*10**10 == id', 'cannot use'),
    ('line > "a"', 'text column'),
    ('line_kind > 3', 'text column'),
    ('line', 'not a comparison'),
    ('1', 'not a comparison'),
    ('True', 'not a comparison'),
    ('lambda: 1', 'not a comparison'),
    ('[i for i in id] == 1', 'cannot use'),
    ('(line := 3) > 1', 'cannot use'),
    ('f"{line}" == 1', 'cannot use'),
    ('b"a" == id', 'cannot use'),
    ('1j < line', 'cannot use'),
    ('... == line', 'cannot use'),
    ('None == line', 'cannot use'),
    ('line is 3', 'not known'),
    ('3 in line', 'COLUMN in'),
    ('line in 3', 'COLUMN in'),
    ('line in [[1]]', 'filter'),
    ('line == [1, 2]', 'filter'),
    ('-line_kind > 0', 'filter'),
    ('-"a" > 0', 'filter'),
    ('-[1] > 0', 'filter'),
    ('await line > 0', 'filter'),
    ('line > 0\nline < 9', 'filter'),
    ('line > 1if', 'filter'),
    ('"\ud800" == id', 'filter'),
    ('line\0 > 1', 'filter'),
    ('1' * 5000 + ' > line', 'filter'),
):
    bad(repr(e)[1:60] if e.strip() else repr(e), flt(e), says)
for what, e in (
    ('10,000 parentheses', '(' * 10000 + 'line > 0' + ')' * 10000),
    ('100 parentheses', '(' * 100 + 'line' + ')' * 101),
    ('10,000 minus signs', '-' * 10000 + '1 > line'),
    ('3,000 minus signs', '-' * 3000 + '1 > line'),
    ('1,500 times not', 'not ' * 1500 + 'line > 0'),
    ('10,000 comparisons', '1 < ' * 10000 + 'line'),
    ('50,000 letters', 'x' * 50000),
    ('400 lists in lists', '[' * 150 + ']' * 150 + ' == line'),
):
    bad(what, flt(e), 'filter')
for what, text, says in (
    ('two corners', 'x,y\n0,0\n1,1\n', 'three or more'),
    ('NaN', 'x,y\n0,0\n1,1\nnan,3\n', 'line 4'),
    ('infinity', 'x,y\n0,0\n1,1\ninf,3\n', 'line 4'),
    ('text', 'x,y\n0,0\n1,1\na,b\n', 'line 4'),
    ('other columns', 'a,b\n0,0\n', 'columns x and y'),
    ('nothing', '', 'not a readable CSV'),
    ('header alone', 'x,y\n', 'three or more'),
    ('binary', b'\xff\xfe\0\1' * 50, 't.csv'),
):
    bad(f'polygon: {what}', 'search {i} --image {p} --polygon {o}/t.csv', says, file('t.csv', text))
good(
    'polygon of 1e300 corners',
    'search {i} --image {p} --k 3 --json --polygon {o}/t.csv',
    '3 hits',
    hits(3),
    csv('x,y\n-1e300,-1e300\n1e300,-1e300\n1e300,1e300\n-1e300,1e300\n'),
)
good(
    'polygon without area',
    'search {i} --image {p} --json --polygon {o}/t.csv',
    'no hit',
    hits(0),
    csv('x,y\n0,0\n1,1\n2,2\n'),
)

group('Encoder folders')
use = 'embed {g} --encoder {o}/enc --out {o}/e.npz'
good('as it should be', 'embed {g} --encoder {e} --out {o}/e.npz', '6 embeddings', count(6))
bad('a name of nothing', 'embed {g} --encoder nope-encoder --out {o}/e.npz', 'no bundled encoder')
bad('an empty folder', 'embed {g} --encoder {o} --out {o}/e.npz', 'no encoder there')
bad(
    'a file of text',
    'embed {g} --encoder {o}/a.txt --out {o}/e.npz',
    'expected a folder',
    file('a.txt', 'x'),
)
bad(
    'weights that are none',
    'embed {g} --encoder {o}/a.pt --out {o}/e.npz',
    'not a readable file of weights',
    file('a.pt', 'x'),
)
bad(
    'weights that would run a command',
    'embed {g} --encoder {o}/a.pt --out {o}/e.npz',
    'not a readable file of weights',
    lambda o: __import__('torch').save(_Bomb(str(o / 'ran')), o / 'a.pt'),
)
for name in ('config.json', 'model.safetensors', 'refcon.json'):
    bad(f'{name} missing', use, 'enc', changed('e', 'enc', name, None))
for at in (-9, 3, 60):
    bad(
        f'a byte of the weights changed, at {at}',
        use,
        'model.safetensors',
        flipped('e', 'enc', 'model.safetensors', at),
    )
bad(
    'a byte of the configuration changed',
    use,
    'config.json',
    changed('e', 'enc', 'config.json', put('hidden_act', v='gelu')),
)
bad(
    'weights cut short',
    use,
    'model.safetensors',
    lambda o: (
        (
            changed('e', 'enc', 'config.json', lambda d: d)(o),
            os.truncate(o / 'enc' / 'model.safetensors', 1000),
        )
        and None
    ),
)
for name in ('refcon.json',):
    for what, text in (
        ('not JSON', '{'),
        ('empty', ''),
        ('a list', '[]'),
        ('null', 'null'),
        ('a number', '3'),
        ('binary', b'\xff\xfe\0'),
        ('an empty object', '{}'),
        ('10,000 lists in lists', '[' * 10000 + ']' * 10000),
    ):
        bad(f'{name}: {what}', use, 'enc', changed('e', 'enc', name, text))
for what, change, says in (
    ('a future format', put('format', v=99), 'format 99'),
    ('format of text', put('format', v='1'), 'format'),
    ('head_dim 10**9', put('head_dim', v=10**9), 'head_dim'),
    ('head_dim 7', put('head_dim', v=7), 'do not fit'),
    ('head_dim negative', put('head_dim', v=-1), 'head_dim'),
    ('head_dim of text', put('head_dim', v='x'), 'head_dim'),
    ('head_dim 3.5', put('head_dim', v=3.5), 'head_dim'),
    ('no scales', put('scales', v=[]), 'scales'),
    ('scales of 0', put('scales', v=[0]), 'scales'),
    ('scales of 10**6', put('scales', v=[10**6]), 'scales'),
    ('scales of text', put('scales', v=['a']), 'scales'),
    ('scales NaN', put('scales', v=[float('nan')]), 'scales'),
    ('scales not a list', put('scales', v=1), 'scales'),
    ('a million scales', put('scales', v=[1] * 10**6), 'scales'),
    ('an unknown pooling', put('pooling', v='max'), 'pooling'),
    ('a pooling that is a list', put('pooling', v=[]), 'pooling'),
    ('an unknown metric', put('metric', v='hamming'), 'metric'),
    ('neck of text', put('neck', v='yes'), 'neck'),
    ('a neck that is not in the weights', put('neck', v=True), 'do not fit'),
    ('mirror null', put('mirror', v=None), 'mirror'),
    ('size negative', put('recipe', 'size', v=[-5, 48]), 'size'),
    ('size 10**9', put('recipe', 'size', v=[10**9, 10**9]), 'size'),
    ('size of text', put('recipe', 'size', v='ab'), 'size'),
    ('size NaN', put('recipe', 'size', v=[float('nan'), 48]), 'size'),
    ('no recipe', less('recipe'), 'recipe'),
    ('recipe null', put('recipe', v=None), 'recipe'),
    ('recipe with more', put('recipe', 'more', v=1), 'recipe'),
    ('clip 0', put('recipe', 'clip', v=0), 'clip'),
    ('clip NaN', put('recipe', 'clip', v=float('nan')), 'clip'),
    ('clip of text', put('recipe', 'clip', v='x'), 'clip'),
    ('an unknown scaling', put('recipe', 'scaling', v='none'), 'scaling'),
    ('no checksum', less('sha256'), 'refcon.json'),
    ('calibration of text', put('calibration', v='x'), 'calibration'),
    ('calibration without a', put('calibration', v={'metric': 'cosine', 'b': 1}), 'calibration'),
    ('calibration of an unknown scale', put('calibration', 'scale', v='x'), 'calibration'),
    ('calibration NaN', put('calibration', 'a', v=float('nan')), 'calibration'),
    ('calibration of another metric', put('calibration', 'metric', v='euclidean'), 'calibration'),
    ('provenance a list', put('provenance', v=[]), 'provenance'),
    ('name null', put('name', v=None), 'name'),
):
    bad(f'refcon.json: {what}', use, says, changed('e', 'enc', 'refcon.json', change))


def config(change):
    def make(o):
        changed('e', 'enc', 'config.json', change)(o)
        from hashlib import sha256

        _edit(
            o / 'enc' / 'refcon.json',
            put(
                'sha256',
                'config.json',
                v=sha256((o / 'enc' / 'config.json').read_bytes()).hexdigest(),
            ),
        )

    return make


for what, change in (
    ('not JSON', '{'),
    ('a list', '[]'),
    ('null', 'null'),
    ('an empty object', '{}'),
    ('10,000 lists in lists', '[' * 10000 + ']' * 10000),
    ('a number of 5,000 digits', '{"a": ' + '1' * 5000 + '}'),
    ('hidden sizes of 10**9', put('hidden_sizes', v=[10**9] * 4)),
    ('hidden sizes of 100,000', put('hidden_sizes', v=[100_000] * 4)),
    ('hidden sizes negative', put('hidden_sizes', v=[-8, 16, 32, 64])),
    ('hidden sizes of text', put('hidden_sizes', v=['a'])),
    ('no hidden sizes', put('hidden_sizes', v=[])),
    ('hidden sizes null', put('hidden_sizes', v=None)),
    ('100,000 layers', put('depths', v=[100_000] * 4)),
    ('10**9 layers', put('depths', v=[10**9] * 4)),
    ('10**9 labels', put('num_labels', v=10**9)),
    ('an unknown model', put('model_type', v='nothing')),
    ('a text model', put('model_type', v='bert')),
    ('a model that is a list', put('model_type', v=[])),
    ('no model', less('model_type')),
    ('an unknown activation', put('hidden_act', v='nothing')),
    ('activation null', put('hidden_act', v=None)),
    ('an unknown layer', put('layer_type', v='nothing')),
    ('channels 10**9', put('num_channels', v=10**9)),
    ('channels 3', put('num_channels', v=3)),
    ('embedding of text', put('embedding_size', v='x')),
):
    bad(
        f'config.json (its checksum too): {what}',
        use,
        'config.json' if isinstance(change, (str, bytes)) else 'enc',
        config(change),
    )

group('Index folders')
seek = 'search {o}/ix --image {p} --k 3'
good('as it should be', 'search {i} --image {p} --k 3 --json', '3 hits', hits(3))
bad('not there', 'search {o}/nope --image {p}', 'no index there')
bad('an empty folder', 'search {o} --image {p}', 'no index there')
bad('a file', 'search {s} --image {p}', 'no index there')
for name in ('meta.json', 'index.faiss', 'items.parquet'):
    bad(f'{name} missing', seek, 'ix', changed('i', 'ix', name, None))
    bad(
        f'{name}: a byte changed',
        seek,
        'ix',
        flipped('i', 'ix', name, 40 if name == 'meta.json' else -9),
    ) if name != 'meta.json' else None
    bad(f'{name}: empty', seek, 'ix', changed('i', 'ix', name, b''))
for what, text in (
    ('not JSON', '{'),
    ('a list', '[]'),
    ('null', 'null'),
    ('a number', '3'),
    ('binary', b'\xff\xfe\0'),
    ('an empty object', '{}'),
    ('10,000 lists in lists', '[' * 10000 + ']' * 10000),
):
    bad(f'meta.json: {what}', seek, 'ix', changed('i', 'ix', 'meta.json', text))
for what, change, says in (
    ('a future format', put('format', v=99), 'format 99'),
    ('format of a list', put('format', v=[2]), 'format'),
    *(
        (f'without {k}', less(k), k)
        for k in (
            'sha256',
            'dim',
            'metric',
            'kind',
            'encoder',
            'recipe',
            'sources',
            'encoder_source',
        )
    ),
    ('dim 10**9', put('dim', v=10**9), 'dim'),
    ('dim 7', put('dim', v=7), 'of 7 numbers'),
    ('dim of text', put('dim', v='x'), 'dim'),
    ('an unknown kind', put('kind', v='x'), 'kind'),
    ('another kind', put('kind', v='hnsw'), 'kind'),
    ('an unknown metric', put('metric', v='x'), 'metric'),
    ('another encoder', put('encoder', v='0' * 16), 'encoder'),
    ('encoder null', put('encoder', v=None), 'encoder'),
    ('an encoder that is gone', put('encoder_source', v='/nowhere/at/all'), '/nowhere/at/all'),
    ('checksums a list', put('sha256', v=[]), 'sha256'),
    ('a checksum short', lambda m: m['sha256'].pop('index.faiss') and None, 'index.faiss'),
    ('sources a list', put('sources', v=[]), 'sources'),
    ('settings a list', put('settings', v=[]), 'settings'),
    ('nprobe of text', put('settings', v={'nprobe': 'x'}), 'settings'),
    ('calibration of text', put('calibration', v='x'), 'calibration'),
    ('old format without precision', put('format', v=1), 'precision'),
    ('milvus of text', put('milvus', v='x'), 'milvus'),
    ('milvus empty', put('milvus', v={}), 'milvus'),
):
    bad(f'meta.json: {what}', seek, says, changed('i', 'ix', 'meta.json', change))
for what, name, content in (
    ('index.faiss cut short', 'index.faiss', b'IxFI' + bytes(20)),
    ('index.faiss of random bytes', 'index.faiss', np.random.default_rng(0).bytes(999)),
    (
        'index.faiss that claims 2**60 numbers',
        'index.faiss',
        b'IxFI'
        + struct.pack('<iqqq?i', 32, 2**55, 2**20, 2**20, True, 0)
        + struct.pack('<Q', 2**60),
    ),
    ('items.parquet of random bytes', 'items.parquet', np.random.default_rng(0).bytes(999)),
    ('items.parquet empty', 'items.parquet', b''),
):
    bad(f'{what} (its checksum too)', seek, 'ix', changed('i', 'ix', name, content, sums=True))


def items(change):
    def make(o):
        changed('i', 'ix', 'items.parquet', b'', sums=False)(o)
        t = change(pd.read_parquet(_places(o.parent)['i'] + '/items.parquet'))
        t.to_parquet(o / 'ix' / 'items.parquet')
        from hashlib import sha256

        _edit(
            o / 'ix' / 'meta.json',
            put(
                'sha256',
                'items.parquet',
                v=sha256((o / 'ix' / 'items.parquet').read_bytes()).hexdigest(),
            ),
        )

    return make


for what, change in (
    ('a row less', lambda t: t.iloc[1:]),
    ('ids twice', lambda t: t.assign(id='a')),
    ('columns of text', lambda t: t.assign(top='x')),
    ('no columns', lambda t: t[[]]),
    ('no ids', lambda t: t.drop(columns='id')),
):
    bad(f'items (their checksum too): {what}', seek, 'ix', items(change))
bad(
    'its volume is gone',
    'search {o}/ix --inline 1200 --box 0 0 24 24',
    'gone.sgy',
    lambda o: _moved(o),
)
bad(
    'a folder of other things to write into',
    'index {s} --encoder {e} --out {g} --window 24 24',
    'holds something else',
)
good(
    'a damaged one is made anew',
    'index {s} --encoder {e} --out {o}/ix --window 24 24 --stride 20 20 --every 2',
    'the index again',
    lambda a, o: 'Index of' in a,
    flipped('i', 'ix', 'index.faiss'),
)

box = '--inline 1200 --box 0 0 24 24'
bad(
    'its volume is gone: said to be where nothing is',
    f'search {{o}}/ix {box} --volume gone.sgy={{o}}/nope.sgy',
    'nope.sgy: no such file',
    lambda o: _moved(o),
)
bad(
    'its volume is gone: said to be another file',
    f'search {{o}}/ix {box} --volume gone.sgy={{o}}/a.sgy',
    'another volume than the gone.sgy',
    lambda o: (_moved(o), sgy()(o)) and None,
)
bad(
    'its volume is gone: a folder without it',
    f'search {{o}}/ix {box} --volume {{g}}',
    'say where it lies now',
    lambda o: _moved(o),
)
bad(
    'options that make it another volume',
    f'search {{i}} {box} --iline-byte 193 --xline-byte 189',
    'build the index again',
)
for what, v in (
    ('volumes of text', 'x'),
    ('volumes of numbers', {'a': 1}),
    ('volumes without facts', {'a': {}}),
):
    bad(f'meta.json: {what}', seek, 'volumes', changed('i', 'ix', 'meta.json', put('volumes', v=v)))
bad('meta.json: parts of text', seek, 'parts', changed('i', 'ix', 'meta.json', put('parts', v='x')))

group('What headers leave open')
for option, value in (
    ('--iline-byte', '0'),
    ('--xline-byte', '241'),
    ('--x-byte', 'x'),
    ('--dt', '0'),
    ('--dt', 'nan'),
    ('--t0', 'inf'),
    ('--domain', 'sideways'),
    ('--units', 'cubits'),
    ('--sample-format', 'vax'),
):
    bad(f'{option} {value}', f'check {{s}} {option} {value}', option)
good('a start before zero', 'check {s} --t0 -48 --json', 'that', lambda r, o: r['t0'] == -48)
good(
    'an interval for a cube without',
    'check {o}/a.npy --dt 2 --json',
    'that, and no problem',
    lambda r, o: r['interval'] == 2 and not any('interval' in p['problem'] for p in r['problems']),
    npy(np.sin(np.arange(9 * 30 * 40.0)).reshape(9, 30, 40)),
)

group('Tables of the label loop and of the explorer')
loop = 'iterate {g} --corpus {g} --out {o}/l --encoder {e}'
bad('corpus that is not there', 'iterate {g} --corpus {o}/nope --out {o}/l', 'no such file')
bad('data that are not there', 'iterate {o}/nope --corpus {g} --out {o}/l', 'nope')
bad('a corpus of the labelled images', loop, 'validation must stay apart')
bad(
    'too few labels',
    'iterate {o}/d --corpus {k} --out {o}/l --encoder {e}',
    'at least two classes of four',
    d('Salt/a.png', 'Fault/b.png'),
)
bad(
    'verdicts before any round',
    'iterate {c} --corpus {k} --out {o}/l --encoder {e} --verdicts {o}/t.csv',
    'no round has been made',
    csv('id,label,verdict\na,b,accept\n'),
)
it = 'iterate {c} --corpus {k} --out {o}/l --encoder {e} --what head --rounds 1'
for what, make, says in (
    (
        'of random bytes',
        lambda o: (
            ((o / 'l').mkdir(), file('l/labels.parquet', np.random.default_rng(0).bytes(300))(o))
            and None
        ),
        'labels.parquet',
    ),
    (
        'empty',
        lambda o: ((o / 'l').mkdir(), file('l/labels.parquet', b'')(o)) and None,
        'labels.parquet',
    ),
    (
        'without its columns',
        lambda o: (
            ((o / 'l').mkdir(), _signed(pd.DataFrame({'id': ['a']}), o / 'l' / 'labels.parquet'))
            and None
        ),
        'not a ledger',
    ),
    (
        'rounds of text',
        lambda o: (
            (
                (o / 'l').mkdir(),
                _signed(
                    pd.DataFrame(
                        {
                            c: ['a']
                            for c in (
                                'round',
                                'id',
                                'label',
                                'decision',
                                'by',
                                'probability',
                                'evidence',
                                'margin',
                                'second',
                                'neighbours',
                                'reason',
                            )
                        }
                    ),
                    o / 'l' / 'labels.parquet',
                ),
            )
            and None
        ),
        'round',
    ),
):
    bad(f'ledger {what}', it, says, make)
for what, text in (
    ('not JSON', '{'),
    ('an object', '{}'),
    ('a list of numbers', '[1]'),
    ('rounds without keys', '{"key": "0", "rounds": [{}]}'),
    ('binary', b'\xff\0'),
):
    bad(
        f'loop.json: {what}',
        it,
        'loop.json',
        lambda o, text=text: ((o / 'l').mkdir(), file('l/loop.json', text)(o)) and None,
    )
ex = 'explore {i} --labels {o}/t.csv'
for what, text, says in (
    ('without columns', 'a,b\n1,2\n', 'not a table that the explorer can add to'),
    ('empty', '', 'not a readable CSV'),
    ('binary', np.random.default_rng(0).bytes(300), 't.csv'),
):
    bad(f'labels to explore: {what}', ex, says, file('t.csv', text))
bad('labels to explore: .txt', 'explore {i} --labels {o}/t.txt', 'kept in a .csv')
bad('to explore: no index', 'explore {o}', 'no index there')
bad('to explore: another encoder', 'explore {i} --encoder {o}', 'no encoder there')
bad('to explore: port of words', 'explore {i} --port x', '--port')
bad('to explore: port 99999', 'explore {i} --port 99999', 'port')
bad(
    'to explore: a base URL with a host',
    'explore {i} --base-url https://hub/x',
    'expected the path alone',
)
bad('to explore: kept for no time', 'explore {i} --keep 0', '--keep')

group('Notebooks to run')
nb = 'run {o}/a.ipynb --out {o}/r'
P = {'tags': ['parameters']}
for what, make, says in (
    ('not JSON', notebook(raw='{'), 'not a readable notebook'),
    ('empty', notebook(raw=''), 'not a readable notebook'),
    ('a list', notebook(raw='[]'), 'not a readable notebook'),
    ('null', notebook(raw='null'), 'not a readable notebook'),
    ('an object of nothing', notebook(raw='{}'), 'not a readable notebook'),
    (
        'cells that are numbers',
        notebook(raw='{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}'),
        'not a readable notebook',
    ),
    (
        'format 99',
        notebook(raw='{"nbformat": 99, "nbformat_minor": 5, "metadata": {}, "cells": []}'),
        'not a readable notebook',
    ),
    ('no cell of parameters', notebook(({}, 'a = 1')), "0 cells tagged 'parameters'"),
    ('two cells of parameters', notebook((P, 'a: int = 1'), (P, 'b: int = 1')), "2 cells tagged"),
    ('tags that are a number', notebook(({'tags': 5}, 'a: int = 1')), 'a.ipynb'),
    ('parameters that are no Python', notebook((P, 'a: int = = 1')), 'parameters'),
    ('a parameter without a type', notebook((P, 'a = 1')), 'parameters'),
    ('a parameter without a default', notebook((P, 'a: int')), 'parameters'),
    ('a default that is a call', notebook((P, 'a: int = print(1)')), 'parameters'),
    ('a default of another type', notebook((P, 'a: int = "x"')), 'parameters'),
    ('a parameter of an object', notebook((P, 'a.b: int = 1')), 'parameters'),
    ('a type that is unknown', notebook((P, 'a: list = []')), 'parameters'),
    ('100,000 minus signs', notebook((P, 'a: int = ' + '-' * 100000 + '1')), 'parameters'),
):
    bad(what, nb, says, make)
bad('not there', nb, 'no such notebook')
bad('a switch of words', 'run run_pretraining -p compare maybe --out {o}/r', 'one of true')
bad('no bundled notebook', 'run run_nothing --out {o}/r', 'run_training')
bad('text', 'run README.md --out {o}/r', 'not a readable notebook')
bad('a FIFO', nb, 'no such notebook', lambda o: os.mkfifo(o / 'a.ipynb'))
bad('a folder', nb, 'no such notebook', lambda o: (o / 'a.ipynb').mkdir())
bad(
    'a notebook that is not to run',
    'run nbs/synthetic/01_fields.ipynb --out {o}/r',
    "0 cells tagged",
)
rt = 'run nbs/run_training.ipynb --out {o}/r '
for p, says in (
    ('-p stepz 3', 'no parameter'),
    ('-p steps many', 'expected int'),
    ('-p steps 3.5', 'expected int'),
    ('-p steps 1,000', 'a whole number'),
    ('-p steps -1e3', 'expected int'),
    ('-p learning_rate 0,5', 'a decimal point'),
    ("-p steps ''", 'expected int'),
    ('-p steps 3 -p steps 4', 'given twice'),
    ('-p steps', '-p'),
    ('-p __class__ 3', 'no parameter'),
):
    bad(f'run_training {p}', rt + p, says)
bad('out is a file', 'run nbs/run_training.ipynb --out {o}/f', 'is a file', file('f', 'x'))
bad('out is inside a file', 'run nbs/run_training.ipynb --out {o}/f/r', 'f', file('f', 'x'))
bad(
    'out is where the notebook lies',
    'run {o}/a.ipynb --out {o}',
    'would overwrite',
    notebook((P, 'out: str = "x"')),
)

group('Places to write, and other arguments')
bad('embed: nothing there', 'embed {o}/nope --encoder {e} --out {o}/e.npz', 'nope')
bad(
    'index: random bytes',
    'index {o}/a.sgy --encoder {e} --out {o}/i',
    'not SEG-Y',
    file('a.sgy', np.random.default_rng(0).bytes(5000)),
)
bad(
    'index: zero bytes',
    'index {o}/a.sgy --encoder {e} --out {o}/i',
    'empty file',
    file('a.sgy', b''),
)
bad('search: a polygon that is a folder', 'search {i} --image {p} --polygon {g}', 'no such table')
bad('synth: into a file', 'synth {o}/f --per-class 1', 'f', file('f', 'x'))
bad('synth: inside a file', 'synth {o}/f/x --per-class 1', 'f', file('f', 'x'))
bad('synth: none of each class', 'synth {o}/x --per-class 0', '--per-class')
bad('synth: a negative seed', 'synth {o}/x --per-class 1 --seed -1', 'seed')
bad('synth: a seed of words', 'synth {o}/x --per-class 1 --seed x', '--seed')
for out, says in (
    ('{o}/e.txt', '.npz'),
    ('{o}/no/e.npz', 'there is no folder'),
    ('{o}/f/e.npz', 'there is no folder'),
    ('{o}/d.npz', 'd.npz'),
):
    bad(
        f'embed: --out {out}'.replace('{o}/', ''),
        'embed {g} --encoder {e} --out ' + out,
        says,
        both(file('f', 'x'), lambda o: (o / 'd.npz').mkdir()),
    )
idx = 'index {s} --encoder {e} --out {o}/i '
for more, says in (
    ('--window 5000 64', 'no line has room'),
    ('--window 0 64', '--window'),
    ('--window -3 64', '--window'),
    ('--window 24', '--window'),
    ('--window x y', '--window'),
    ('--window 99999999999999999999 24', 'no line has room'),
    ('--unit feet', '--unit'),
    ('--unit metric --window 100000 100000', 'no line has room'),
    ('--lines timeslice', '--lines'),
    ('--every 0', '--every'),
    ('--kind x', '--kind'),
    ('--memory 0', '--memory'),
    ('--memory -1', '--memory'),
    ('--memory nan', '--memory'),
    ('--memory inf', '--memory'),
    ('--memory x', '--memory'),
    ('--dask nonsense:// --window 24 24', 'nonsense'),
):
    bad(f'index: {more}', idx + more, says)
good(
    'index: a stride of 10**20',
    idx + '--window 24 24 --lines inline --stride 100000000000000000000 100000000000000000000',
    'windows at the ends of each line',
    lambda a, o: _indexed(o),
)
good(
    'index: every 10**20th line',
    idx + '--window 24 24 --lines inline --every 100000000000000000000',
    'windows of the first line',
    lambda a, o: set(_items(o).line) == {1200},
)
bad('index: into a file', 'index {s} --encoder {e} --out {o}/f --window 24 24', 'f', file('f', 'x'))
bad(
    'index: inside a file',
    'index {s} --encoder {e} --out {o}/f/x --window 24 24',
    'f',
    file('f', 'x'),
)
bad(
    'index: two volumes of one name',
    'index {o}/a.sgy {o}/d/a.sgy --encoder {e} --out {o}/i --window 16 16',
    'two volumes are called a',
    both(sgy(**wide), lambda o: ((o / 'd').mkdir(), sgy(**wide)(o / 'd')) and None),
)
good(
    'index: the same volume twice',
    'index {s} {s} --encoder {e} --out {o}/i --window 24 24',
    'the windows of one',
    lambda a, o: _indexed(o),
)
bad('index: an image', 'index {p} --encoder {e} --out {o}/i', 'single image')
bad('index: nothing there', 'index {o}/nope --encoder {e} --out {o}/i', 'no such file')
good(
    'index: a folder with a broken volume',
    'index {o}/d --encoder {e} --out {o}/i --window 16 16',
    'the whole volume, the other left out',
    lambda a, o: _indexed(o),
    lambda o: (
        ((o / 'd').mkdir(), sgy(**wide)(o / 'd'), sgy(name='b.sgy', cut=9000)(o / 'd')) and None
    ),
)
bad('map: inside a file', 'search {i} --image {p} --map {o}/f/m.npy', 'm.npy', file('f', 'x'))
bad(
    'map: over the volume',
    'search {o}/ix --image {p} --map {o}/v.sgy',
    'the source itself',
    lambda o: _moved(o, keep='v.sgy'),
)
bad(
    'map: into a folder',
    'search {i} --image {p} --map {o}/d.sgy',
    'd.sgy',
    lambda o: (o / 'd.sgy').mkdir(),
)
tr = 'train {c} --out {o}/t --encoder {e} '
for more, says in (
    ('--what x', '--what'),
    ('--steps 0', '--steps'),
    ('--steps 1e3', '--steps'),
    ('--loss x', '--loss'),
    ('--lr nan --what all', 'lr'),
    ('--lr -1 --what all', 'lr'),
    ('--lr inf --what all', 'lr'),
    ('--seed -1', 'seed'),
    ('--seed 99999999999999999999999', 'seed'),
    ('--accumulate 0', '--accumulate'),
    ('--encoder nope', 'nope'),
    ('--table {o}/nope.csv', 'nope.csv'),
):
    bad(f'train: {more}'.replace('{o}/', ''), tr + more, says)
bad(
    'train: into a folder of other things',
    'train {c} --out {g} --encoder {e} --what head',
    'refcon.json',
)
bad(
    'train: inside a file', 'train {c} --out {o}/f/t --encoder {e} --what head', 'f', file('f', 'x')
)
bad('train: nothing there', 'train {o}/nope --out {o}/t', 'nope')
pt = 'pretrain synthetic --sections 2 --out {o}/t '
for more, says in (
    ('--encoder resnet-tiny', 'resnet'),
    ('--encoder nothing', 'nothing'),
    ('--batch 3', 'batch'),
    ('--batch 0', '--batch'),
    ('--batch 1000000000', 'batch'),
    ('--size 60', 'multiple of the patch'),
    ('--size 1000000', 'size'),
    ('--size -1', '--size'),
    ('--workers -1', '--workers'),
    ('--workers 1000000', '--workers'),
    ('--objective simclr', '--objective'),
    ('--lr nan', 'lr'),
    ('--lr -1', 'lr'),
    ('--seed -1', 'seed'),
    ('--precision x', '--precision'),
):
    bad(f'pretrain: {more}', pt + more, says)
bad('pretrain: nothing there', 'pretrain {o}/nope --out {o}/t', 'no such file')
bad('pretrain: an image', 'pretrain {p} --out {o}/t', 'single image')
bad(
    'pretrain: dead volumes',
    'pretrain {o}/a.sgy --out {o}/t --steps 1 --workers 0',
    'live samples',
    sgy(size=(3, 400, 64), flat=True),
)
bad(
    'pretrain: a volume too small',
    'pretrain {o}/a.sgy --out {o}/t',
    'fewer than the smallest window',
    sgy(),
)
for line, says in (
    ('evaluate {o}/nope --encoder {e}', 'nope'),
    ('evaluate {g} --encoder {e} --leave-out survey', 'survey'),
    ('evaluate {g} --encoder {e} --exclude Pepper', 'Pepper'),
    ('evaluate {g} --encoder {e} --exclude Fault Salt', 'labelled windows'),
    ('submit --queries {o}/nope --corpus {g} --encoder {e} --out {o}/r.json', 'nope'),
    ('submit --queries {g}/Fault --corpus {g} --encoder {e} --out {o}/f/r.json', 'f'),
    ('submit --queries {g}/Fault --corpus {g} --encoder {e} --out {o}', 'c'),
    ('iterate {c} --corpus {k} --out {o}/f --encoder {e} --rounds 1', 'f'),
    ('iterate {c} --corpus {k} --out {o}/l --min-probability 2', '--min-probability'),
    ('iterate {c} --corpus {k} --out {o}/l --cap 0', '--cap'),
    ('iterate {c} --corpus {k} --out {o}/l --rounds 0', '--rounds'),
    ('frobnicate', 'frobnicate'),
    ('check', 'FILE'),
    ('check a b', 'unrecognized'),
    ('check a --jsn', 'unrecognized'),
    ("''", 'choose'),
):
    bad(line.replace('{o}/', ''), line, says, file('f', 'x'))
bad('no command', '', 'COMMAND')


group('Tables as people write them')
scored = lambda n: lambda r, o: r['encoder']['n_queries'] + r['encoder']['n_skipped'] == n
classes = lambda *names: lambda r, o: set(r['encoder']['per_class']) == set(names)
evj = ev + ' --json'
for what, text in (
    ('semicolons', (HEAD + FINE).replace(',', ';')),
    ('tabs', (HEAD + FINE).replace(',', '\t')),
    ('blanks', (HEAD + FINE).replace(',', '  ')),
    ('decimal commas', HEAD.replace(',', ';') + FINE.replace(',', ';').replace(';20', ';20,0')),
    ('CR alone', (HEAD + FINE).replace('\n', '\r')),
    (
        'capitals and blanks in the header',
        HEAD.replace('_', ' ').title().replace(',', ' , ') + FINE,
    ),
    ('a comment', '# by hand\n' + HEAD + FINE),
    (
        'an index column',
        ',' + HEAD + ''.join(f'{k},{ln}\n' for k, ln in enumerate(FINE.splitlines())),
    ),
    ('empty rows', HEAD + FINE + ',,,,,,\n' * 3),
    ('kinds of lines in capitals', HEAD + FINE.replace('inline', 'INLINE')),
    ('a rectangle twice, it says', HEAD + FINE + row()),
):
    good(what, evj, '4 windows scored', scored(4), csv(text))
for name in ('T.CSV', 't.tsv', 't.txt'):
    good(
        f'named {name}',
        evj.replace('t.csv', name),
        '4 windows scored',
        scored(4),
        csv((HEAD + FINE).replace(',', '\t') if name.endswith('tsv') else HEAD + FINE, name),
    )
good(
    'a rectangle with two labels, it says',
    evj,
    '3 windows scored',
    scored(3),
    csv(HEAD + row() + row(left=20) + row(left=40) + row(top=30) + row(top=30, label='Fault')),
)
good(
    'classes NA and None',
    evj,
    'both are classes',
    classes('NA', 'None'),
    csv(HEAD + FINE.replace('Salt', 'NA').replace('Fault', 'None')),
)
good(
    'numeric classes, one missing',
    evj,
    'classes 0 and 1',
    classes('0', '1'),
    csv(
        HEAD
        + (FINE + row(top=40)).replace('Fault', '1').replace('Salt', '0', 2).replace('Salt', '')
    ),
)
good(
    'names that differ by case, it says',
    evj,
    'Salt and salt',
    classes('Salt', 'salt'),
    csv(HEAD + FINE.replace('Fault', 'salt')),
)
good(
    'names that differ by case, merged',
    evj + ' --merge-case',
    'Salt',
    classes('Salt'),
    csv(HEAD + FINE.replace('Fault', 'salt')),
)
bad('decimal commas between commas', ev, 'line 2', csv(HEAD + FINE.replace(',20', ',20,0')))
bad(
    'thousands',
    ev,
    'row 1: line is',
    csv((HEAD + FINE).replace(',', ';').replace('1200', '1.200').replace(';20;', ';1.000;', 1)),
)
bad('a workbook', ev, 'workbook', file('t.csv', b'PK\3\4' + bytes(90)))
bad(
    'a workbook by its ending',
    ev.replace('t.csv', 't.xlsx'),
    'by its ending',
    file('t.xlsx', b'PK\3\4' + bytes(90)),
)
bad('a missing .tsv', ev.replace('t.csv', 't.tsv'), 'no such table')
bad('a missing file of another ending', ev.replace('t.csv', 't.dat'), 'no such file or folder')
poly = 'search {i} --image {p} --k 3 --json --polygon {o}/t.txt'
around = lambda w, h='x,y': (
    h + '\n' + ''.join(f'{a}{w},{b}{w}\n' for a, b in (('-', '-'), ('', '-'), ('', ''), ('-', '')))
)
for what, text in (
    ('semicolons', around('1e300').replace(',', ';')),
    ('no header', around('1e300')[4:]),
    ('easting and northing', around('1e300', 'Easting,Northing')),
    (
        'blanks and z',
        'x y z\n'
        + ''.join(f'{ln.replace(",", " ")} 0\n' for ln in around('1e300').splitlines()[1:]),
    ),
    ('two rings', around('1') + '\n' + around('1e300')[4:]),
):
    good(f'polygon: {what}', poly, '3 hits', hits(3), csv(text, 't.txt'))
bad(
    'polygon: a ring of two corners',
    poly,
    'three or more',
    csv(around('1e300') + '\n1,1\n2,2\n', 't.txt'),
)
bad(
    'polygon: rings mixed up',
    poly,
    'sort the rows',
    csv('poly,x,y\n' + '1,0,0\n2,0,0\n' * 4, 't.txt'),
)

group('Pictures as people have them')
for what, make in (
    (
        'stored on its side',
        lambda o: Image.fromarray(noise()).save(
            o / 'a.png', exif=(lambda e: (e.__setitem__(0x0112, 6), e)[1])(Image.Exif())
        ),
    ),
    (
        'CMYK',
        lambda o: Image.fromarray(noise()).convert('RGB').convert('CMYK').save(o / 'a.png', 'JPEG'),
    ),
    (
        'colours that lie on no scale, it says',
        lambda o: Image.fromarray(np.dstack([noise(k) for k in range(3)])).save(o / 'a.png'),
    ),
    (
        'a colour scale, it says',
        lambda o: (
            (
                lambda im: (
                    im.putpalette(
                        bytes(
                            c
                            for v in range(256)
                            for c in (
                                min(2 * v, 255),
                                255 - abs(2 * v - 255),
                                min(510 - 2 * v, 255),
                            )
                        )
                    ),
                    im.save(o / 'a.png'),
                )
            )(Image.fromarray(noise(), mode='P'))
            and None
        ),
    ),
    (
        'signed 32-bit TIFF',
        lambda o: Image.fromarray(noise().astype('i4') - 99).save(o / 'a.png', 'TIFF'),
    ),
    (
        'floats below zero',
        lambda o: Image.fromarray(noise().astype('f4') - 99).save(o / 'a.png', 'TIFF'),
    ),
):
    good(what, look, '3 hits', hits(3), make)
good(
    'amplitudes in .npy',
    look.replace('a.png', 'a.npy'),
    '3 hits',
    hits(3),
    npy(noise().astype('f4') - 99),
)
bad(
    'a cube in .npy',
    look.replace('a.png', 'a.npy'),
    'three dimensions',
    npy(np.random.default_rng(0).normal(size=(20, 20, 20)).astype('f4')),
)
bad(
    'a pickle in .npy',
    look.replace('a.png', 'a.npy'),
    'not numbers',
    lambda o: np.save(o / 'a.npy', np.array([[_Bomb(str(o / 'ran'))]], dtype=object)),
)
bad(
    'GIF',
    look.replace('a.png', 'a.gif'),
    'it is GIF',
    lambda o: Image.fromarray(noise()).save(o / 'a.gif'),
)
bad('WebP', look, 'it is WebP', file('a.png', b'RIFF\0\0\0\0WEBPVP8 ' + bytes(50)))
bad(
    'every pixel transparent',
    look,
    'transparent',
    lambda o: Image.fromarray(np.zeros((40, 40, 4), np.uint8)).save(o / 'a.png'),
)
good('images beside class folders, named', embed, '1 embedding', count(1), d('Salt/a.png', 'b.png'))
good(
    'a folder inside a class folder, named',
    embed,
    '1 embedding',
    count(1),
    d('Salt/a.png', 'Salt/more/b.png'),
)
good(
    'val and validation beside train',
    embed,
    '3 embeddings',
    count(3),
    d('Train/Salt/a.png', 'val/Salt/a.png', 'validation/Salt/a.png'),
)


# ---- what cases look at, and how they are run
class _Bomb:
    "What a pickle may do: here it makes a folder."

    def __init__(self, where):
        self.where = where

    def __reduce__(self):
        return os.mkdir, (self.where,)


def _edit(path, change):
    "Change JSON, and its own checksum with it, as somebody would who wants it to be taken."
    from hashlib import sha256

    v = json.loads(path.read_text())
    got = change(v)
    v = v if got is None else got
    own = v.pop('sha256_of_this_file', None)
    text = json.dumps(v)
    if own:
        blank = 64 * '0'
        text = json.dumps(v | {'sha256_of_this_file': blank})
        text = text.replace(blank, sha256(text.encode()).hexdigest())
    path.write_text(text)


def _signed(frame, path):
    from reflection_connection.storage import write_table

    write_table(path, frame)


def _items(o):
    return pd.read_parquet(o / 'i' / 'items.parquet')


def _indexed(o):
    from reflection_connection.search import Index

    z = Index.load(o / 'i').embeddings()
    return len(z) > 0 and np.isfinite(z).all()


def _turned(o):
    t = _items(o)
    x, y = turn(t.line.to_numpy(float), 200 + (t.left + t.width // 2).to_numpy(float))
    return len(t) and np.allclose(t.x, x, atol=0.011) and np.allclose(t.y, y, atol=0.011)


def _shorten(path):
    from reflection_connection.volume import open_volume

    v = open_volume(path)
    v.traces[0]
    os.truncate(path, 5000)  # the last block read is in memory: not that of inline 13
    return v.section('inline', 13)


def _moved(o, keep=None):
    "An index over a volume that is then gone, or not."
    path = o / (keep or 'gone.sgy')
    shutil.copy(_places(o.parent)['s'], path)
    _run(
        'index',
        path,
        '--encoder',
        _places(o.parent)['e'],
        '--out',
        o / 'ix',
        '--window',
        24,
        24,
        '--every',
        4,
    )
    if not keep:
        path.unlink()


def _places(root):
    return {
        k: str(root / v)
        for k, v in dict(
            s='survey/survey.sgy',
            i='index',
            g='images',
            p='images/Fault/a.png',
            c='classes',
            k='corpus',
            e='encoder',
        ).items()
    }


def _run(*argv):
    from reflection_connection.cli import main

    code = main([str(a) for a in argv])
    assert code == 0, argv
    return ''


def _prepare(root):
    "The survey, images and index that cases share; the encoder is there."
    from reflection_connection.synthetic import write_survey

    p = _places(root)
    write_survey(
        root / 'survey', seed=0, n_inlines=4, n_crosslines=64, n_samples=64, window=(24, 24)
    )
    n = 0
    for folder, classes, each in (
        ('images', ('Fault', 'Salt'), 3),
        ('classes', ('Fault', 'Salt'), 8),
        ('corpus', ('',), 6),
    ):
        for c in classes:
            (root / folder / c).mkdir(parents=True)
            for k in range(each):
                Image.fromarray(noise(n := n + 1)).save(
                    root / folder / c / f'{"abcdefgh"[k] if folder != "corpus" else f"u{k}"}.png'
                )
    _run(
        'index',
        p['s'],
        '--encoder',
        p['e'],
        '--out',
        p['i'],
        '--window',
        24,
        24,
        '--stride',
        20,
        20,
        '--every',
        2,
    )


def _one(case, o, places):
    "What came of a case: exit code, standard output and error."
    o.mkdir()
    name = case.make(o) if case.make else None
    fill = dict(o=str(o), n=name, **places)
    out, err = (
        io.TextIOWrapper(io.BytesIO(), 'utf-8', k, write_through=True)
        for k in ('strict', 'backslashreplace')
    )
    code = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if case.call:
                try:
                    print(case.call(o, places), end='')
                    code = 0
                except ValueError as e:
                    if type(e).__module__.split('.')[0] != 'reflection_connection':
                        raise
                    print(f'refcon library: {type(e).__name__}: {e}', file=sys.stderr)
                    code = 2
            else:
                from reflection_connection.cli import main

                code = main(
                    [
                        fill[a[1:-1]]
                        if a in ('{n}', '{o}')
                        else a.format(**fill)
                        if '{' in a and '--where' not in case.line
                        else a.replace('{i}', fill['i']).replace('{p}', fill['p'])
                        for a in shlex.split(case.line)
                    ]
                )
        except SystemExit as e:
            code = e.code
        except _Late:
            traceback.print_exc()
            code = 'late'
        except BaseException:
            traceback.print_exc()
            code = 'traceback'
    text = [s.buffer.getvalue().decode('utf-8', 'replace') for s in (out, err)]
    return dict(code=code, out=text[0], err=text[1])


class _Late(BaseException):
    pass


def _late(*_):
    raise _Late


def _child(root, first):
    "Run cases from `first` on; a line of JSON each."
    import xarray  # noqa: F401

    import reflection_connection.explore  # noqa: F401
    import reflection_connection.run  # noqa: F401
    import reflection_connection.training  # noqa: F401

    if not (root / 'index').is_dir():
        with contextlib.redirect_stdout(io.StringIO()):
            _prepare(root)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start, places = peak(), _places(root)
    data = (
        int(next(ln for ln in open('/proc/self/status') if ln.startswith('VmData')).split()[1])
        * 1024
        if os.path.exists('/proc/self/status')
        else None
    )
    if data:
        resource.setrlimit(
            resource.RLIMIT_DATA, (data + 3 * MEMORY,) * 2
        )  # what asks for more is refused by the system
    signal.signal(signal.SIGALRM, _late)
    with open(root / 'results.jsonl', 'a') as f:
        for k in range(first, len(CASES)):
            if CASES[k].skip:
                continue
            faulthandler.dump_traceback_later(SECONDS + 30, exit=True)
            signal.alarm(SECONDS)
            before = peak()
            try:
                got = _one(CASES[k], root / f'{k:03d}', places)
            except Exception:
                got = dict(code='not made', out='', err=traceback.format_exc())
            signal.alarm(0)
            got['grown'] = peak() - start if peak() > before else 0
            f.write(json.dumps(dict(k=k, **got)) + '\n')
            f.flush()
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope='module')
def results(tmp_path_factory, encoder_folder):
    "What came out of every case, and the folder that they ran in."
    root = tmp_path_factory.mktemp('faults')
    shutil.copytree(encoder_folder, root / 'encoder')
    got, log = {}, root / 'results.jsonl'
    log.touch()
    while True:
        first = max(got, default=-1) + 1
        done = subprocess.run(
            [sys.executable, __file__, str(root), str(first)],
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            timeout=1800,
            env=os.environ
            | {'HF_HUB_OFFLINE': '1', 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'},
        )
        got = {r['k']: r for r in map(json.loads, log.read_text().splitlines())}
        if done.returncode == 0:
            return got, root
        k = next((k for k in range(first, len(CASES)) if k not in got and not CASES[k].skip), None)
        assert k is not None and (got or (root / 'index').is_dir()), done.stderr[-3000:]
        got[k] = dict(
            k=k,
            code='died',
            out='',
            err=f'the process died with code {done.returncode}:\n{done.stderr[-3000:]}',
            grown=0,
        )
        with open(log, 'a') as f:
            f.write(json.dumps(got[k]) + '\n')


def _said(got):
    return [ln for ln in got['err'].splitlines() if ln.startswith('refcon')]


def _tokens(case, o):
    words = shlex.split(case.line)[1:]
    return {
        Path(a.format(o='', n='', **_places(Path('/')))).name if '--where' not in case.line else a
        for a in words
        if len(a) > 1
    } | {'filter', case.says}


@pytest.mark.parametrize(
    'k',
    range(len(CASES)),
    ids=lambda k: f'{CASES[k].group}: {CASES[k].name}'.encode('ascii', 'backslashreplace').decode()[
        :90
    ],
)
def test_fault(k, results):
    case = CASES[k]
    if case.skip:
        pytest.skip(case.skip)
    got, root = results
    r, o = got[k], root / f'{k:03d}'
    assert r['code'] in (0, 2) and 'Traceback' not in r['err'], (
        f'{case.line}\n{r["code"]}\n{r["err"]}'
    )
    assert r['grown'] < MEMORY, f'{r["grown"] / 1e6:.0f} MB'
    assert not (o / 'ran').exists(), 'a file ran code'
    if case.says:
        assert r['code'] == 2 and r['out'] == '' and len(_said(r)) == 1, (
            f'{case.line}\n{r["code"]} {r["out"][:500]}\n{r["err"]}'
        )
        line = _said(r)[0]
        assert len(line) > 20 and case.says in line, line
        assert any(t and t in line for t in _tokens(case, o)), (
            f'{line}: names neither file nor argument'
        )
    else:
        assert r['code'] == 0, f'{case.line}\n{r["err"]}'
        assert case.right(
            json.loads(r['out']) if '--json' in case.line and not case.call else r['out'], o
        ), r['out'][:2000]


def _tidy(text, root, o):
    "A line without the names of temporary folders."
    for path in (f'{o.resolve()}', f'{o}', f'{root.resolve()}', f'{root}'):
        text = text.replace(path + '/', '').replace(path, 'FOLDER')
    for what, instead in (
        (r'\b[0-9a-f]{16}\b', 'FINGERPRINT'),
        (r'(\d\.\d{3})\d+', r'\1…'),
        (r'0x[0-9a-f]{6,}', '0x…'),
        (r'conflicting sizes for dimension.*\)', 'conflicting sizes for dimension …)'),
        (r'position \d+(-\d+)?', 'position …'),
        (r'\bprocess \d+ on [\w.-]+', 'process … on …'),
    ):
        text = re.sub(
            what, instead, text
        )  # they differ from run to run, or from machine to machine
    return text


def _cell(text):
    return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def faults_table(results):
    "All cases and what came of them, as Markdown."
    got, root = results
    out = [
        '# Faults and what comes of them',
        '',
        f'{len(CASES)} cases, written by `REFCON_WRITE_FAULTS=1 pytest tests/test_faults.py` and compared with each run of it. Every one ends in a right answer, or in exit code 2 with the line given here.',
    ]
    last = None
    short = dict(
        s='survey.sgy',
        i='INDEX',
        g='IMAGES',
        p='image.png',
        c='CLASSES',
        k='CORPUS',
        e='ENCODER',
        n='NAME',
    )
    for k, case in enumerate(CASES):
        if case.group != last:
            out += ['', f'## {case.group}', '', '| case | command | outcome |', '|---|---|---|']
            last = case.group
        line = case.line
        for p, name in short.items():
            line = line.replace('{%s}' % p, name)
        line = line.replace('{o}/', '').replace('{o}', 'FOLDER')
        line = line if len(line) < 140 else line[:120] + '…'
        if case.there:
            outcome = case.there
        elif case.says:
            outcome = 'refused: ' + _tidy(
                (_said(got[k]) or [str(got[k]['code'])])[0].split(': ', 1)[-1],
                root,
                root / f'{k:03d}',
            )
        else:
            outcome = 'right: ' + case.words
        out.append(
            '| '
            + ' | '.join(
                _cell(v).replace('|', '\\|')
                for v in (
                    case.name,
                    f'`{line}`',
                    outcome if len(outcome) < 400 else outcome[:380] + '…',
                )
            )
            + ' |'
        )
    return '\n'.join(out) + '\n'


def test_the_table_of_faults_is_as_committed(results):
    made = faults_table(results)
    if os.environ.get('REFCON_WRITE_FAULTS'):
        TABLE.write_text(made)
    assert TABLE.is_file() and made == TABLE.read_text(), (
        'outcomes differ from tests/faults.md: look at them, then renew it with REFCON_WRITE_FAULTS=1 pytest tests/test_faults.py'
    )
    assert len(CASES) >= 150


# ---- and what nobody thought of
FUZZ = int(os.environ.get('REFCON_FUZZ', 0))
fuzzed = settings(
    max_examples=FUZZ or 200,
    derandomize=not FUZZ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
extreme = st.sampled_from(
    [
        0,
        1,
        2,
        3,
        4,
        5,
        8,
        16,
        20,
        240,
        255,
        256,
        2**15 - 1,
        2**15,
        2**16 - 1,
        2**31 - 1,
        2**31,
        2**32 - 1,
    ]
) | st.integers(0, 2**32 - 1)
change = st.one_of(
    st.tuples(st.just('byte'), st.integers(0, 2**16), st.integers(0, 255)),
    st.tuples(st.just('head'), st.integers(3200, 3620), st.integers(0, 255)),
    st.tuples(st.just('cut'), st.integers(0, 2**16), st.none()),
    st.tuples(st.just('more'), st.integers(0, 2**16), st.binary(max_size=400)),
    st.tuples(st.just('half'), st.integers(3200, 3900), extreme),
    st.tuples(st.just('word'), st.integers(3200, 3900), extreme),
)


def mutated(raw, changes):
    b = bytearray(raw)
    for kind, at, v in changes:
        if kind in ('byte', 'head') and b:
            b[at % len(b)] = v
        elif kind == 'cut':
            b = b[: at % (len(b) + 1)]
        elif kind == 'more':
            at %= len(b) + 1
            b[at:at] = v
        elif kind in ('half', 'word') and at + 4 <= len(b):
            n = 2 if kind == 'half' else 4
            b[at : at + n] = (v % 256**n).to_bytes(n, 'big')
    return bytes(b)


def one_line(e):
    assert len(str(e).splitlines()) == 1 and len(str(e)) > 20, repr(str(e))


@pytest.fixture(scope='module')
def scratch(tmp_path_factory):
    "Files to change: a small SEG-Y, images, an encoder, an index, a survey with its volume."
    from reflection_connection.synthetic import write_survey

    o = tmp_path_factory.mktemp('fuzz')
    sgy()(o)
    write_survey(o / 'survey', seed=0, n_inlines=2, n_crosslines=64, n_samples=64, window=(24, 24))
    for kind in ('png', 'tif', 'jpg', 'bmp'):
        Image.fromarray(noise()).save(o / f'a.{kind}')
    return o


@given(st.lists(change, max_size=12))
@fuzzed
def test_fuzz_segy(scratch, changes):
    from reflection_connection.volume import VolumeError, open_volume, preflight

    path = scratch / 'f.sgy'
    raw = mutated((scratch / 'a.sgy').read_bytes(), changes)
    path.write_bytes(raw)
    try:
        json.dumps(preflight(path), allow_nan=False)
        with open_volume(path) as v:
            assert (
                v.traces[:].shape == (v.n_traces, v.n_samples)
                and v.n_traces * v.n_samples <= len(raw)
                and len(v.axis) == v.n_samples
                and np.isfinite([v.t0, v.dt]).all()
                and v.dt > 0
            )
            if v.has_geometry:
                assert (
                    v.shape[:2] == (len(v.inlines), len(v.crosslines))
                    and (v.reader.grid >= 0).sum() + sum(map(len, v.left_out.values()))
                    == v.n_traces
                )
            for kind in ('inline', 'crossline', 'line'):
                for number in v.lines(kind)[:2]:
                    assert (
                        v.section(kind, int(number)).shape
                        == (v.n_samples, len(v.across(kind, int(number))))
                        == v.live(kind, int(number)).shape
                    )
    except VolumeError as e:
        one_line(e)
        assert 'f.sgy' in str(e)


names = st.sampled_from(
    ['line', 'top', 'time_ms', 'label', 'line_kind', 'id', 'il0', 'nope', '__class__', 'x']
)
constant = st.one_of(st.integers(), st.floats(), st.text(max_size=5)).map(repr)
atom = names | constant | st.lists(constant, max_size=3).map(lambda v: f"[{', '.join(v)}]")
bare = st.recursive(
    atom,
    lambda a: st.one_of(
        a.map(lambda v: f'-{v}'),
        a.map(lambda v: f'({v})'),
        st.tuples(a, st.sampled_from(['.', '**', '+', '[0]', '()']), a).map(''.join),
        a.map(lambda v: f'{v}()'),
        a.map(lambda v: f'[{v}]'),
    ),
    max_leaves=3,
)
compared = st.lists(
    st.tuples(
        bare, st.sampled_from(['<', '<=', '>', '>=', '==', '!=', 'in', 'not in', 'is', '=', ':='])
    ),
    min_size=1,
    max_size=3,
).flatmap(lambda v: bare.map(lambda b: ' '.join(f'{a} {op}' for a, op in v) + f' {b}'))
grammar = st.recursive(
    compared,
    lambda c: st.one_of(
        st.tuples(c, st.sampled_from([' and ', ' or ', ' if ', ', ']), c).map(''.join),
        c.map(lambda v: f'not ({v})'),
        c.map(lambda v: f'({v})'),
    ),
    max_leaves=4,
)
ITEMS = [
    dict(
        id=f'w{k}',
        source='s',
        line_kind=['inline', 'crossline'][k % 2],
        line=k,
        top=None if k == 3 else k,
        left=0,
        height=8,
        width=8,
        time_ms=float(k),
        label='a' if k else None,
    )
    for k in range(5)
]


@pytest.fixture(scope='module')
def table_of_items():
    from reflection_connection.windows import window_table

    return window_table(ITEMS)


@given(
    grammar | st.text(max_size=60) | st.text(alphabet='()[]<>=!-.,"\'0aeinorxt_ \n\0', max_size=200)
)
@fuzzed
def test_fuzz_filter(table_of_items, expression):
    from reflection_connection.search import SearchError, where

    def never(*_, **__):
        raise AssertionError('evaluated')

    with pytest.MonkeyPatch.context() as m:
        for name in ('eval', 'exec', 'open'):
            m.setattr(builtins, name, never)
        try:
            found = where(table_of_items, expression)
        except SearchError as e:
            assert 'filter' in str(e)
            return
    assert found.shape == (5,) and found.dtype == bool


value = st.one_of(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.none(),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)
column = st.sampled_from(
    [
        'line_kind',
        'line',
        'top',
        'left',
        'height',
        'width',
        'label',
        'id',
        'survey',
        'split',
        'x',
        'live',
        'source',
        'section',
        'row0',
        'row1',
        'col0',
        'col1',
        'time_ms',
        'index',
        '',
    ]
)
sound = dict(line_kind='inline', line=1200, top=3, left=4, height=20, width=20, label='Salt')


@given(
    st.dictionaries(column, st.lists(value, min_size=3, max_size=3), max_size=4),
    st.sets(st.sampled_from(sorted(sound)), max_size=1),
    st.booleans(),
)
@fuzzed
def test_fuzz_table(scratch, columns, gone, as_csv):
    from reflection_connection.volume import VolumeError
    from reflection_connection.windows import COLUMNS, WindowError, labelled_table

    frame = pd.DataFrame(
        {c: [v] * 3 for c, v in sound.items() if c not in gone}
        | {c: pd.Series(v, dtype=object) for c, v in columns.items()}
    )
    path = scratch / ('t.csv' if as_csv else 't.parquet')
    try:
        frame.to_csv(path, index=False, errors='replace') if as_csv else frame.to_parquet(path)
    except (ValueError, OverflowError, TypeError, __import__('pyarrow').ArrowException):
        return  # no such table can be written
    try:
        got = labelled_table(path, scratch / 'survey' / 'survey.sgy')
    except (WindowError, VolumeError) as e:
        one_line(e)
        return
    assert (
        list(got) == list(COLUMNS)
        and 1 <= len(got) <= 3
        and not got.id.duplicated().any()
        and (got.top >= 0).all()
        and (got.top + got.height <= 64).all()
        and (got.left + got.width <= 64).all()
    )


@given(
    st.sampled_from(['png', 'tif', 'jpg', 'bmp']),
    st.lists(
        st.tuples(
            st.sampled_from(['byte', 'cut', 'more']), st.integers(0, 2000), st.integers(0, 255)
        )
        | st.tuples(st.just('byte'), st.integers(0, 60), st.integers(0, 255)),
        max_size=8,
    ),
    st.booleans(),
)
@fuzzed
def test_fuzz_image(scratch, kind, changes, checked):
    from reflection_connection.windows import MAX_PIXELS, WindowError, read_image

    b = bytearray(
        mutated(
            (scratch / f'a.{kind}').read_bytes(),
            [(k, at, bytes([v] * 3) if k == 'more' else v) for k, at, v in changes],
        )
    )
    if checked and kind == 'png' and len(b) > 33:
        b[29:33] = struct.pack(
            '>I', zlib.crc32(bytes(b[12:29]))
        )  # the header's checksum fits again
    path = scratch / 'f.png'
    path.write_bytes(bytes(b))
    try:
        pixels = read_image(path)
    except WindowError as e:
        one_line(e)
        assert 'f.png' in str(e)
        return
    assert (
        pixels.ndim == 2
        and pixels.dtype == np.float32
        and np.nanmin(pixels) < np.nanmax(pixels)
        and not np.isinf(pixels).any()
        and pixels.size <= MAX_PIXELS
    )


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(['cosine', 'mean', 'resnet', 'flat', 2, 32, 48, 10**9, -1]),
    ),
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=5,
)


def _places_in(v, at=()):
    "Every place in JSON, as keys."
    out = [at] if at else []
    for k in v if isinstance(v, dict) else range(len(v)) if isinstance(v, list) else ():
        out += _places_in(v[k], (*at, k))
    return out


@given(
    st.sampled_from(['refcon.json', 'config.json']),
    st.lists(
        st.tuples(st.integers(0, 999), st.one_of(anything, st.just('gone'))), min_size=1, max_size=3
    ),
)
@fuzzed
def test_fuzz_encoder(encoder_folder, scratch, name, changes):
    from hashlib import sha256

    from reflection_connection.encoder import Encoder, EncoderError

    new = scratch / 'enc'
    shutil.copytree(encoder_folder, new, dirs_exist_ok=True)
    _edit(new / name, lambda v: _changed_at(v, changes))
    if name == 'config.json':
        _edit(
            new / 'refcon.json',
            put('sha256', name, v=sha256((new / name).read_bytes()).hexdigest()),
        )
    try:
        encoder = Encoder.load(new)
    except EncoderError as e:
        one_line(e)
        assert 'enc' in str(e)
        return
    try:
        z = encoder.embed([noise(), noise(1)])
    except EncoderError as e:
        one_line(e)
        return  # settings that give no finite numbers
    assert (
        z.shape == (2, encoder.dim)
        and np.isfinite(z).all()
        and encoder.fingerprint()
        and repr(encoder)
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 999), st.one_of(anything, st.just('gone'))), min_size=1, max_size=3
    )
)
@fuzzed
def test_fuzz_index(results, scratch, changes):
    from reflection_connection.search import Index, SearchError

    new = scratch / 'ix'
    shutil.copytree(_places(results[1])['i'], new, dirs_exist_ok=True)
    _edit(new / 'meta.json', lambda v: _changed_at(v, changes))
    try:
        index = Index.load(new)
    except SearchError as e:
        one_line(e)
        assert 'ix' in str(e)
        return
    d, rows = index.search(index.embeddings([0]), 3)
    assert rows[0, 0] == 0 and np.isfinite(d).all()


def _changed_at(v, changes):
    for k, new in changes:
        at = (places := _places_in(v)) and places[k % len(places)]
        if not at:
            continue
        d = v
        for key in at[:-1]:
            d = d[key]
        if new == 'gone':
            del d[at[-1]]
        else:
            d[at[-1]] = new
    return v


if __name__ == '__main__':
    _child(Path(sys.argv[1]), int(sys.argv[2]))
