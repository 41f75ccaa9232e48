"What nobody thought of: files and arguments changed at random end in an answer or in one line."

import builtins
import json
import os
import shutil
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from faults.makers import *
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

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
    edit_json(new / name, lambda v: _changed_at(v, changes))
    if name == 'config.json':
        edit_json(
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


@pytest.fixture(scope='module')
def index_folder(scratch, encoder_folder):
    "An index of the survey."
    places = (scratch / 'survey' / 'survey.sgy', '--encoder', encoder_folder)
    run_refcon('index', *places, '--out', scratch / 'index', '--window', 24, 24)
    return scratch / 'index'


@given(
    st.lists(
        st.tuples(st.integers(0, 999), st.one_of(anything, st.just('gone'))), min_size=1, max_size=3
    )
)
@fuzzed
def test_fuzz_index(index_folder, scratch, changes):
    from reflection_connection.search import Index, SearchError

    new = scratch / 'ix'
    shutil.copytree(index_folder, new, dirs_exist_ok=True)
    edit_json(new / 'meta.json', lambda v: _changed_at(v, changes))
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
