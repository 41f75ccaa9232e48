"Makers of the files that cases are tried on, and looks at what came out."

import json
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from test_volume import grid, segy

from faults.case import *


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
    """A maker of a small SEG-Y: cut after so many bytes, bytes put in at 1-based places, header
    columns and traces changed."""

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
    """A maker of a copy of a folder with one file changed: text, bytes, None (removed), or a
    function of its JSON; `sums`: the checksums changed with it."""

    def make(o):
        from hashlib import sha256

        new = Path(shutil.copytree(places_in(o.parent)[folder], o / into))
        p = new / name
        if change is None:
            p.unlink()
        elif callable(change):
            edit_json(p, change)
        else:
            p.write_bytes(change if isinstance(change, bytes) else change.encode())
        if sums:
            edit_json(new / 'meta.json', put('sha256', name, v=sha256(p.read_bytes()).hexdigest()))

    return make


def flipped(folder, into, name, at=-9):
    def make(o):
        new = Path(shutil.copytree(places_in(o.parent)[folder], o / into))
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


def insert_bytes(path, at, more):
    b = path.read_bytes()
    path.write_bytes(b[:at] + more + b[at:])


check = 'check {o}/a.sgy --json'


class Bomb:
    "What a pickle may do: here it makes a folder."

    def __init__(self, where):
        self.where = where

    def __reduce__(self):
        return os.mkdir, (self.where,)


def edit_json(path, change):
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


def write_signed(frame, path):
    from reflection_connection.storage import write_table

    write_table(path, frame)


def items_of(o):
    return pd.read_parquet(o / 'i' / 'items.parquet')


def finite_embeddings(o):
    from reflection_connection.search import Index

    z = Index.load(o / 'i').embeddings()
    return len(z) > 0 and np.isfinite(z).all()


def turn(il, xl):
    "Coordinates (m) of a survey that is turned by 0.5 radians."
    return (
        500000 + (il - 10) * 25 * np.cos(0.5) - (xl - 200) * 12.5 * np.sin(0.5),
        6000000 + (il - 10) * 25 * np.sin(0.5) + (xl - 200) * 12.5 * np.cos(0.5),
    )


def coordinates_are_right(o):
    t = items_of(o)
    x, y = turn(t.line.to_numpy(float), 200 + (t.left + t.width // 2).to_numpy(float))
    return len(t) and np.allclose(t.x, x, atol=0.011) and np.allclose(t.y, y, atol=0.011)


def shorten_while_open(path):
    from reflection_connection.volume import open_volume

    v = open_volume(path)
    v.traces[0]
    os.truncate(path, 5000)  # the last block read is in memory: not that of inline 13
    return v.section('inline', 13)


def index_then_move(o, keep=None):
    "An index over a volume that is then gone, or not."
    path = o / (keep or 'gone.sgy')
    shutil.copy(places_in(o.parent)['s'], path)
    run_refcon(
        'index',
        path,
        '--encoder',
        places_in(o.parent)['e'],
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


def places_in(root):
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


def run_refcon(*argv):
    from reflection_connection.cli import main

    code = main([str(a) for a in argv])
    assert code == 0, argv
    return ''
