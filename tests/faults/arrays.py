import shutil
import struct

import numpy as np

from faults.common import *

group('.npy and Zarr volumes')
npc = 'check {o}/a.npy --json'
bad('objects (pickled)', npc, 'not numbers', npy(np.array([[1, 'a'], [None, {}]], dtype=object)))
bad(
    'a pickle that would run a command',
    npc,
    'not numbers',
    lambda o: np.save(o / 'a.npy', np.array([[Bomb(str(o / 'ran'))]], dtype=object)),
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
    zarr(lambda z: edit_json(z / 'amplitude' / 'zarr.json', put('shape', v=[10**6, 10**6, 10**6]))),
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
