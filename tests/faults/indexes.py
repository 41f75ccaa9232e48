import struct

import numpy as np
import pandas as pd

from faults.common import *

group('Index folders')
seek = 'search {o}/ix --image {p} --k 3'
good('as it should be', 'search {i} --image {p} --k 3 --json', '3 hits', hits(3))
bad('not there', 'search {o}/nope --image {p}', 'no index there')
bad('an empty folder', 'search {o} --image {p}', 'no index there')
bad('a survey without room', 'search {s} --image {p}', 'no line has room for a window')
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
        t = change(pd.read_parquet(places_in(o.parent)['i'] + '/items.parquet'))
        t.to_parquet(o / 'ix' / 'items.parquet')
        from hashlib import sha256

        edit_json(
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
    lambda o: index_then_move(o),
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
    lambda o: index_then_move(o),
)
bad(
    'its volume is gone: said to be another file',
    f'search {{o}}/ix {box} --volume gone.sgy={{o}}/a.sgy',
    'another volume than the gone.sgy',
    lambda o: (index_then_move(o), sgy()(o)) and None,
)
bad(
    'its volume is gone: a folder without it',
    f'search {{o}}/ix {box} --volume {{g}}',
    'say where it lies now',
    lambda o: index_then_move(o),
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
