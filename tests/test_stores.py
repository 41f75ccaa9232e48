"""Zarr, MDIO and .npy as people write them.

Dimensions come in any order and under any usual name, units in any spelling, axes fall or are
uneven. Amplitudes encode inline, crossline and sample, so that a transposition shows."""

import itertools
import json
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import segyio

from reflection_connection.cli import main
from reflection_connection.volume import VolumeError, open_volume, preflight, write_segy_like
from reflection_connection.volume.errors import command_line
from reflection_connection.volume.examples import tiny_segy

xarray = pytest.importorskip('xarray', reason="pip install 'reflection_connection[mdio]'")
zarr = pytest.importorskip('zarr', reason="pip install 'reflection_connection[mdio]'")

INLINES, CROSSLINES, TIMES = 100 + 2 * np.arange(6), 300 + np.arange(9), 1000 + 4.0 * np.arange(32)
CUBE = (1e4 * np.arange(6)[:, None, None] + 100 * np.arange(9)[:, None] + np.arange(32) + 1).astype(
    'f4'
)
X = 450000.0 + 25 * np.arange(9) + np.zeros((6, 1))
Y = 6200000.0 + 12.5 * np.arange(6)[:, None] + np.zeros((1, 9))


def write(
    path,
    dims=('inline', 'crossline', 'time'),
    order=(0, 1, 2),
    axis=TIMES,
    units=None,
    attrs=None,
    variable='amplitude',
    extra=None,
    chunks=None,
    dataset_attrs=None,
    numbers=(INLINES, CROSSLINES),
    **options,
):
    "A store whose dimensions `dims` (inline, crossline, vertical) lie in the order `order`."
    vertical_attrs = {**({'units': units} if units else {}), **(attrs or {})}
    coords = {dims[0]: numbers[0], dims[1]: numbers[1]}
    if axis is not None:
        coords[dims[2]] = (dims[2], axis, vertical_attrs)
    ds = xarray.Dataset(
        {variable: ([dims[i] for i in order], CUBE.transpose(order)), **(extra or {})},
        coords,
        dataset_attrs,
    )
    encoding = {variable: {'chunks': [chunks[i] for i in order]}} if chunks else None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        ds.to_zarr(path, mode='w', encoding=encoding, **{'consolidated': False, **options})
    return path


def axis_of(path, **options):
    with open_volume(path, **options) as v:
        return v.t0, v.dt, v.domain, v.unit


def said(v):
    return ' '.join([*v.notes, *(p['problem'] for p in v.problems)])


def is_right(v):
    "Amplitudes by line number, along both lines, and traces one by one."
    assert (
        v.shape == CUBE.shape
        and v.inlines.tolist() == INLINES.tolist()
        and v.crosslines.tolist() == CROSSLINES.tolist()
    )
    for k, n in enumerate(INLINES):
        assert np.array_equal(v.section('inline', n), CUBE[k].T)
    for k, n in enumerate(CROSSLINES):
        assert np.array_equal(v.section('crossline', n), CUBE[:, k].T)
    traces = CUBE.reshape(-1, CUBE.shape[2])
    for ids in ([0], [3, 1, 53], np.arange(0, 54, 7), np.arange(54)):
        assert np.array_equal(v.traces[np.asarray(ids)], traces[ids])


# ---- 1. dimensions by name
NAMES = [
    ('inline', 'crossline', 'time'),
    ('iline', 'xline', 'twt'),
    ('il', 'xl', 't'),
    ('INLINE', 'XLINE', 'TWT'),
    ('inlines', 'crosslines', 'samples'),
    ('Inline_3D', 'Crossline_3D', 'two_way_time'),
    ('in-line', 'cross-line', 'Time'),
    ('inline_number', 'crossline_number', 'twt_ms'),
]


@pytest.mark.parametrize('names', NAMES, ids=' '.join)
def test_dimension_names(tmp_path, names):
    v = open_volume(write(tmp_path / 'a.zarr', names, units='ms'))
    is_right(v)
    assert (v.t0, v.dt, v.domain, v.unit, v.problems) == (1000, 4, 'time', 'ms', [])


@pytest.mark.parametrize('order', list(itertools.permutations(range(3))))
@pytest.mark.parametrize('chunks', [None, (2, 4, 8), (6, 9, 1), (1, 1, 32)])
def test_order_of_dimensions(tmp_path, order, chunks):
    is_right(open_volume(write(tmp_path / 'a.zarr', order=order, units='ms', chunks=chunks)))


@pytest.mark.parametrize('order', list(itertools.permutations(range(3))))
@pytest.mark.parametrize('kind', ['inline', 'crossline'])
def test_each_chunk_is_read_once_with_a_plan(tmp_path, order, kind, monkeypatch):
    v, read = open_volume(write(tmp_path / 'a.zarr', order=order, units='ms', chunks=(2, 3, 8))), []
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *args, **kw):
        read.append(key)
        return await get(self, key, *args, **kw)

    monkeypatch.setattr(zarr.storage.LocalStore, 'get', counted)
    lines = [(kind, int(n)) for n in v.lines(kind)]
    deep = 2 if kind == 'inline' else 3
    v.plan(
        lines, memory=2 * 4 * 32 * deep * (9 if kind == 'inline' else 6)
    )  # room for one layer of chunks
    for line in lines:
        v.section(*line)
    chunks = [key for key in read if key.startswith('amplitude/c/')]
    assert len(chunks) == 3 * 3 * 4 and len(set(chunks)) == len(chunks)


def test_scattered_traces_of_time_slices_are_read_slice_by_slice(tmp_path, monkeypatch):
    "Chunks as wide as the survey are not decoded once a trace."
    v, read = (
        open_volume(write(tmp_path / 'a.zarr', order=(2, 0, 1), units='ms', chunks=(6, 9, 4))),
        [],
    )
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *args, **kw):
        read.append(key)
        return await get(self, key, *args, **kw)

    monkeypatch.setattr(zarr.storage.LocalStore, 'get', counted)
    ids = np.array([0, 13, 26, 39, 53])
    assert np.array_equal(v.traces[ids], CUBE.reshape(54, -1)[ids])
    assert len([key for key in read if key.startswith('amplitude/c/')]) == 8


@pytest.mark.parametrize('name', ['cdp', 'trace', 'CMP', 'inline', 'distance'])
@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_lines(tmp_path, name, order):
    dims, section = (name, 'twt'), CUBE[2]
    xarray.Dataset(
        {'data': ([dims[i] for i in order], section.transpose(order))},
        {name: 1000 + np.arange(9), 'twt': ('twt', TIMES, {'units': 'ms'})},
    ).to_zarr(tmp_path / 'a.zarr', consolidated=False)
    v = open_volume(tmp_path / 'a.zarr')
    assert (
        not v.has_geometry
        and np.array_equal(v.section('line', 0), section.T)
        and (v.t0, v.dt) == (1000, 4)
    )
    back = tmp_path / 'b.sgy'
    write_segy_like(v, back, [(v.trace_ids('line', 0), v.section('line', 0))])
    with segyio.open(back, ignore_geometry=True) as f:
        assert f.attributes(21)[:].tolist() == (1000 + np.arange(9)).tolist()


@pytest.mark.parametrize(
    'dims',
    [
        ('a', 'b', 'c'),
        ('x', 'y', 'time'),
        ('inline', 'offset', 'time'),
        ('inline', 'inlines', 'time'),
    ],
)
def test_unknown_dimensions_are_listed_and_the_expected_names_given(tmp_path, dims):
    write(tmp_path / 'a.zarr', dims)
    with pytest.raises(VolumeError) as e:
        open_volume(tmp_path / 'a.zarr')
    assert f"amplitude ({', '.join(dims)}; float32)" in str(
        e.value
    ) and 'name the dimensions inline, crossline and time or depth' in str(e.value)


def test_dimensions_known_by_the_coordinate_along_them(tmp_path):
    xarray.Dataset(
        {'data': (('i', 'j', 'k'), CUBE)},
        dict(
            inline=('i', INLINES), crossline=('j', CROSSLINES), depth=('k', TIMES, {'units': 'ft'})
        ),
    ).to_zarr(tmp_path / 'a.zarr', consolidated=False)
    v = open_volume(tmp_path / 'a.zarr')
    is_right(v)
    assert (v.t0, v.dt, v.domain, v.unit) == (1000, 4, 'depth', 'ft')


def test_a_dimension_of_length_one_is_left_out(tmp_path):
    xarray.Dataset(
        {'data': (('inline', 'crossline', 'offset', 'time'), CUBE[:, :, None])},
        dict(inline=INLINES, crossline=CROSSLINES, time=('time', TIMES, {'units': 'ms'})),
    ).to_zarr(tmp_path / 'a.zarr', consolidated=False)
    is_right(open_volume(tmp_path / 'a.zarr'))


def test_line_numbers_in_any_order_or_missing(tmp_path):
    shuffle = np.array([3, 0, 5, 1, 4, 2])
    ds = xarray.Dataset(
        {'data': (('inline', 'crossline', 'time'), CUBE[shuffle][:, ::-1])},
        dict(
            inline=INLINES[shuffle],
            crossline=CROSSLINES[::-1],
            time=('time', TIMES, {'units': 'ms'}),
        ),
    )
    ds.to_zarr(tmp_path / 'a.zarr', consolidated=False)
    v = open_volume(tmp_path / 'a.zarr')
    for k, n in enumerate(INLINES):
        assert np.array_equal(v.section('inline', n), CUBE[k].T)
    ds.drop_vars(['inline', 'crossline']).to_zarr(tmp_path / 'b.zarr', consolidated=False)
    v = open_volume(tmp_path / 'b.zarr')
    assert v.inlines.tolist() == list(range(6)) and 'numbered from 0' in said(v)
    write(tmp_path / 'c.zarr', numbers=(INLINES + 0.5, CROSSLINES))
    with pytest.raises(
        VolumeError, match='dimension inline holds something else than whole numbers'
    ):
        open_volume(tmp_path / 'c.zarr')


# ---- 2. units and domain
UNITS = [
    *(
        (u, 1, 'time', 'ms')
        for u in ('ms', 'MS', 'msec', 'milliseconds', 'millisecond', '[ms]', 'ms TWT')
    ),
    *((u, 1000, 'time', 'ms') for u in ('s', 'S', 'sec', 'seconds', 'second')),
    *((u, 1e-3, 'time', 'ms') for u in ('us', 'µs', 'μs', 'usec', 'microseconds')),
    *((u, 1, 'depth', 'm') for u in ('m', 'meter', 'Metres', 'meters')),
    *((u, 1000, 'depth', 'm') for u in ('km', 'kilometre', 'kilometers')),
    *((u, 1, 'depth', 'ft') for u in ('ft', 'FT', 'feet', 'foot', 'US_survey_foot')),
]


@pytest.mark.parametrize('unit,factor,domain,kept', UNITS, ids=[u[0] for u in UNITS])
def test_units(tmp_path, unit, factor, domain, kept):
    name = 'time' if domain == 'time' else 'depth'
    for key, attrs in enumerate(
        (
            {'units': unit},
            {'Units': unit},
            {'unit': unit},
            {'unitsV1': {'length' if domain == 'depth' else 'time': unit}},
        )
    ):
        path = write(
            tmp_path / f'{key}.zarr',
            ('inline', 'crossline', name),
            axis=TIMES / factor,
            attrs=attrs,
        )
        assert axis_of(path) == (1000, 4, domain, kept), attrs


def test_single_precision(tmp_path):
    assert axis_of(write(tmp_path / 'a.zarr', axis=(TIMES / 1000).astype('f4'), units='s')) == (
        1000,
        4,
        'time',
        'ms',
    )
    assert axis_of(write(tmp_path / 'b.zarr', axis=np.arange(32, dtype='f4') / 3, units='ms'))[
        1
    ] == pytest.approx(1 / 3, rel=1e-4)


def test_half_milliseconds_in_whole_numbers(tmp_path):
    "As MDIO keeps axes, in 32-bit integers."
    v = open_volume(
        write(tmp_path / 'a.zarr', axis=np.floor(np.arange(32) / 2).astype('i4'), units='ms')
    )
    assert v.dt == pytest.approx(0.5, abs=0.02) and 'whole numbers' in said(v)


@pytest.mark.parametrize(
    'name,unit,domain,kept',
    [
        ('time', 'm', 'depth', 'm'),
        ('depth', 'ms', 'time', 'ms'),
        ('sample', 'ft', 'depth', 'ft'),
        ('samples', 'ms', 'time', 'ms'),
        ('z', 's', 'time', 'ms'),
    ],
)
def test_the_unit_outweighs_the_name(tmp_path, name, unit, domain, kept):
    v = open_volume(
        write(
            tmp_path / 'a.zarr',
            ('inline', 'crossline', name),
            axis=TIMES / (1000 if unit == 's' else 1),
            units=unit,
        )
    )
    assert (v.t0, v.dt, v.domain, v.unit) == (1000, 4, domain, kept)
    assert name.startswith('sample') or f'taken as {domain}' in said(v)


def test_without_units(tmp_path):
    v = open_volume(write(tmp_path / 's.zarr', axis=TIMES / 1000))
    assert (v.t0, v.dt, v.unit) == (1000, 4, 'ms') and 'taken as seconds' in said(v)
    v = open_volume(write(tmp_path / 'us.zarr', axis=TIMES * 1000))
    assert (v.t0, v.dt, v.unit) == (1000, 4, 'ms') and 'taken as microseconds' in said(v)
    v = open_volume(write(tmp_path / 'ms.zarr'))
    assert (v.t0, v.dt, v.unit) == (1000, 4, 'ms') and 'time has no unit: taken as ms' in said(v)
    v = open_volume(write(tmp_path / 'm.zarr', ('inline', 'crossline', 'depth')))
    assert (v.unit, v.problems[0]['problem']) == (
        'm',
        'depth has no unit: m is assumed',
    ) and "units='ft'" in v.problems[0]['remedy']
    v = open_volume(
        write(tmp_path / 'km.zarr', ('inline', 'crossline', 'depth'), axis=TIMES / 1000)
    )
    assert 'not plausible' in said(v) and 'pass dt=4, t0=1000' in v.problems[1]['remedy']
    v = open_volume(write(tmp_path / 'sample.zarr', ('inline', 'crossline', 'sample')))
    assert v.domain == 'time' and 'does not say whether it is time or depth' in said(v)


def test_an_unknown_unit_is_named(tmp_path):
    v = open_volume(write(tmp_path / 'a.zarr', ('inline', 'crossline', 'depth'), units='furlong'))
    assert v.problems[0]['problem'] == 'depth has unit "furlong", which is not known: m is assumed'


def test_no_values_along_the_vertical_dimension(tmp_path):
    v = open_volume(write(tmp_path / 'a.zarr', axis=None))
    assert (
        (v.t0, v.dt) == (0, 1)
        and 'has no values' in said(v)
        and 'pass dt=' in v.problems[0]['remedy']
    )
    assert open_volume(tmp_path / 'a.zarr', dt=4).problems == []
    v = open_volume(
        write(
            tmp_path / 'b.zarr',
            ('iline', 'xline', 'samples'),
            axis=None,
            dataset_attrs=dict(sample_rate=2.0, d3_domain='TWT'),
        )
    )
    assert (v.dt, v.domain, v.problems) == (2, 'time', []) and 'sample_rate' in said(v)


def test_attributes_of_segysak(tmp_path):
    "measurement_system is the unit of lengths; d3_domain or vert_domain the domain; seisnc holds them as JSON."
    names = ('iline', 'xline', 'samples')
    xy = {'cdp_x': (names[:2], X), 'cdp_y': (names[:2], Y)}
    for attrs in (
        dict(measurement_system='ft', d3_domain='DEPTH'),
        dict(seisnc=json.dumps(dict(measurement_system='ft', vert_domain='DEPTH', text=None))),
    ):
        v = open_volume(
            write(tmp_path / 'a.zarr', names, variable='data', extra=xy, dataset_attrs=attrs)
        )
        assert (v.domain, v.unit, v.xy_unit, v.problems) == ('depth', 'ft', 'ft', [])
    v = open_volume(
        write(
            tmp_path / 'a.zarr',
            names,
            variable='data',
            extra=xy,
            dataset_attrs=dict(measurement_system='m', d3_domain='TWT'),
        )
    )
    assert (v.domain, v.unit, v.xy_unit) == ('time', 'ms', 'm')


def test_coord_scalar_of_segysak(tmp_path):
    names, xy = (
        ('iline', 'xline', 'twt'),
        {'cdp_x': (('iline', 'xline'), X * 100), 'cdp_y': (('iline', 'xline'), Y * 100)},
    )
    for attrs, factor in (
        (dict(coord_scalar=-100.0, coord_scaled=False), 1),
        (dict(coord_scalar=-100.0, coord_scaled=True), 100),
        (dict(coord_scalar=-100.0), 100),
    ):
        v = open_volume(
            write(tmp_path / 'a.zarr', names, units='ms', extra=xy, dataset_attrs=attrs)
        )
        assert np.allclose(v.xy('inline', 102), factor * np.stack([X[1], Y[1]], 1))
        assert ('coord_scaled is missing' in said(v)) == ('coord_scaled' not in attrs)


# ---- 3. what the caller says settles
def test_the_caller_settles(tmp_path):
    path = write(tmp_path / 'a.zarr', ('inline', 'crossline', 'sample'))
    assert axis_of(path, domain='depth', units='ft', dt=5, t0=20) == (20, 5, 'depth', 'ft')
    assert open_volume(path, domain='depth', units='ft').problems == []
    assert axis_of(write(tmp_path / 'b.zarr', units='ms'), domain='depth') == (
        1000,
        4,
        'depth',
        'm',
    )
    assert axis_of(
        write(tmp_path / 'c.zarr', ('inline', 'crossline', 'depth'), units='m'), units='ft'
    ) == (1000, 4, 'depth', 'ft')
    assert axis_of(
        write(tmp_path / 'd.zarr', ('inline', 'crossline', 'depth'), units='ft'), units='degrees'
    ) == (1000, 4, 'depth', 'ft')  # of coordinates alone


def test_bytes_are_a_matter_of_segy(tmp_path):
    np.save(tmp_path / 'a.npy', CUBE)
    for path in (write(tmp_path / 'a.zarr', units='ms'), tmp_path / 'a.npy'):
        assert 'not a SEG-Y file: iline_byte=9, sample_format=ibm' in said(
            open_volume(path, iline_byte=9, sample_format='ibm')
        )


# ---- 4. axes that are uneven, fall or are stored bottom first
UNEVEN = [
    np.cumsum(np.linspace(2, 8, 32)),
    np.r_[TIMES[:16], TIMES[16:] + 4],
    np.zeros(32),
    TIMES[::-1].copy() * 0 + np.arange(32) % 5,
]


@pytest.mark.parametrize('axis', UNEVEN)
def test_uneven_axes_are_refused_or_taken_as_even_by_choice(tmp_path, axis):
    path = write(tmp_path / 'a.zarr', ('inline', 'crossline', 'depth'), axis=axis, units='m')
    with pytest.raises(VolumeError, match='not evenly spaced'):
        open_volume(path)
    v = open_volume(path, dt=5)
    assert (v.dt, v.t0, v.unit) == (5, axis[0], 'm') and 'not evenly spaced' in said(v)
    with (
        command_line(),
        pytest.raises(VolumeError, match='pass --dt to take them as evenly spaced'),
    ):
        open_volume(path)


FALLING = [
    (-TIMES, {}, 1000, False),
    (-TIMES[::-1], {}, 1000, True),
    (TIMES[::-1], {}, 1000, True),
    (-TIMES, {'positive': 'up'}, 1000, False),
    (TIMES[::-1] - 1100, {}, -24, False),
    (TIMES - 1100, {}, -100, False),
    (-TIMES[::-1], {'positive': 'down'}, -1124, False),
]


@pytest.mark.parametrize('axis,attrs,first,turned', FALLING)
def test_depth_increases_downward(tmp_path, axis, attrs, first, turned):
    v = open_volume(
        write(
            tmp_path / 'a.zarr', ('inline', 'crossline', 'depth'), axis=axis, units='m', attrs=attrs
        )
    )
    assert (v.t0, v.dt) == (first, 4)
    assert np.array_equal(v.section('inline', 102), CUBE[1].T[::-1] if turned else CUBE[1].T)
    assert np.array_equal(
        v.traces[[3, 40]], CUBE.reshape(54, -1)[[3, 40]][:, :: -1 if turned else 1]
    )
    assert not turned or 'stored bottom first' in said(v)


def test_elevation(tmp_path):
    v = open_volume(
        write(
            tmp_path / 'a.zarr',
            ('inline', 'crossline', 'elevation'),
            axis=200 - 4.0 * np.arange(32),
            units='m',
        )
    )
    assert (v.t0, v.dt, v.domain) == (-200, 4, 'depth') and 'its sign is changed' in said(v)


# ---- 5. several variables; 6. MDIO; 7. kinds of store
def both(path, **options):
    return write(
        path,
        variable='near',
        extra={'far': (('inline', 'crossline', 'time'), -CUBE)},
        units='ms',
        **options,
    )


@pytest.mark.parametrize('version', [2, 3])
def test_two_variables_are_named_and_chosen_in_the_path(tmp_path, version, capsys):
    path = both(tmp_path / 'a.zarr', zarr_format=version)
    with pytest.raises(VolumeError, match=r'far, near; name one of them in the path: a.zarr/far'):
        open_volume(path)
    is_right(open_volume(path / 'near'))
    far = open_volume(path / 'far')
    assert far.name == 'far' and np.array_equal(far.section('inline', 102), -CUBE[1].T)
    assert main(['check', f'{path}/far', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['geometry']['inlines']['first'] == 100


def test_the_usual_name_is_taken_and_the_others_are_named(tmp_path):
    for name in ('amplitude', 'data', 'Seismic'):
        v = open_volume(
            write(
                tmp_path / f'{name}.zarr',
                variable=name,
                units='ms',
                extra={'envelope': (('inline', 'crossline', 'time'), -CUBE)},
            )
        )
        is_right(v)
        assert f'variable {name} is read; envelope can be named in the path' in said(v)
    v = open_volume(
        both(tmp_path / 'b.zarr', dataset_attrs={'attributes': {'defaultVariableName': 'far'}})
    )
    assert np.array_equal(v.section('inline', 102), -CUBE[1].T)


def test_groups_are_named(tmp_path):
    both(tmp_path / 'a.zarr', group='stack')
    with pytest.raises(
        VolumeError,
        match='no variables, only groups: stack; name one of them in the path: a.zarr/stack',
    ):
        open_volume(tmp_path / 'a.zarr')
    is_right(open_volume(tmp_path / 'a.zarr' / 'stack' / 'near'))


def test_an_array_by_itself(tmp_path):
    zarr.save_array(tmp_path / 'a.zarr', CUBE)
    with pytest.raises(VolumeError, match='without named dimensions'):
        open_volume(tmp_path / 'a.zarr')


def test_mdio_of_version_0_is_named(tmp_path):
    group = zarr.open_group(tmp_path / 'a.mdio', mode='w', zarr_format=2)
    data, about = group.create_group('data'), group.create_group('metadata')
    data.create_array('chunked_012', shape=CUBE.shape, dtype='f4')[:] = CUBE
    about.create_array('live_mask', shape=CUBE.shape[:2], dtype='bool')[:] = True
    group.attrs.update(
        api_version='0.8', dimension=[{'name': 'inline', 'coords': INLINES.tolist()}]
    )
    with pytest.raises(VolumeError, match='MDIO store of version 0.*multidimio 1'):
        open_volume(tmp_path / 'a.mdio')


@pytest.mark.parametrize(
    'options',
    [
        dict(zarr_format=2),
        dict(zarr_format=2, consolidated=True),
        dict(zarr_format=3),
        dict(zarr_format=3, consolidated=True),
    ],
)
def test_versions_of_zarr(tmp_path, options):
    is_right(open_volume(write(tmp_path / 'a.zarr', units='ms', **options)))


def test_a_zipped_store_ends_in_one_line(tmp_path):
    write(zarr.storage.ZipStore(tmp_path / 'a.zarr.zip', mode='w'), units='ms')
    with pytest.raises(VolumeError) as e:
        open_volume(tmp_path / 'a.zarr.zip')
    assert 'zip' in str(e.value).lower() and '\n' not in str(e.value)


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_the_mask_in_either_order(tmp_path, order):
    mask = np.ones((6, 9), bool)
    mask[2, 3] = mask[5, 0] = False
    dims = ('inline', 'crossline')
    v = open_volume(
        write(
            tmp_path / 'a.zarr',
            units='ms',
            order=(1, 0, 2),
            extra={'trace_mask': ([dims[i] for i in order], mask.transpose(order))},
        )
    )
    assert v.n_traces == 52 and v.grid[2, 3] == v.grid[5, 0] == -1
    assert (
        np.array_equal(v.section('crossline', 303)[:, [0, 3]], CUBE[[0, 3], 3].T)
        and not v.section('crossline', 303)[:, 2].any()
    )


# ---- coordinates
@pytest.mark.parametrize(
    'names',
    [
        ('cdp_x', 'cdp_y'),
        ('CDP_X', 'CDP_Y'),
        ('cdp-x', 'cdp-y'),
        ('x', 'y'),
        ('easting', 'northing'),
        ('X', 'Y'),
    ],
)
@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_coordinates(tmp_path, names, order):
    dims = ('inline', 'crossline')
    extra = {
        n: ([dims[i] for i in order], a.transpose(order), {'units': 'm'})
        for n, a in zip(names, (X, Y))
    }
    v = open_volume(write(tmp_path / 'a.zarr', units='ms', order=(2, 1, 0), extra=extra))
    assert np.array_equal(v.xy('inline', 104), np.stack([X[2], Y[2]], 1)) and np.array_equal(
        v.xy('crossline', 305), np.stack([X[:, 5], Y[:, 5]], 1)
    )
    assert v.xy_unit == 'm'


def test_coordinates_along_one_line_each(tmp_path):
    v = open_volume(
        write(
            tmp_path / 'a.zarr',
            units='ms',
            extra={'x': ('crossline', X[0]), 'y': ('inline', Y[:, 0])},
        )
    )
    assert np.array_equal(v.xy('inline', 104), np.stack([X[2], Y[2]], 1)) and v.xy_unit is None


XY_UNITS = [
    ({'units': 'm'}, 1, 'm'),
    ({'unitsV1': {'length': 'ft'}}, 1, 'ft'),
    ({'units': 'km'}, 1000, 'm'),
    ({'units': 'degrees_east'}, 1, 'degrees'),
    ({'units': 'arcsec'}, 1 / 3600, 'degrees'),
    ({}, 1, None),
    ({'units': 'furlong'}, 1, None),
]


@pytest.mark.parametrize('attrs,factor,unit', XY_UNITS, ids=str)
def test_units_of_coordinates(tmp_path, attrs, factor, unit):
    extra = {n: (('inline', 'crossline'), a, attrs) for n, a in (('cdp_x', X), ('cdp_y', Y))}
    v = open_volume(write(tmp_path / 'a.zarr', units='ms', extra=extra))
    assert v.xy_unit == unit and np.allclose(
        v.xy('inline', 104), factor * np.stack([X[2], Y[2]], 1)
    )


def test_latitude_and_longitude(tmp_path):
    extra = {
        'latitude': (('inline', 'crossline'), Y / 1e5),
        'longitude': (('inline', 'crossline'), X / 1e5),
    }
    v = open_volume(write(tmp_path / 'a.zarr', units='ms', extra=extra))
    assert v.xy_unit == 'degrees' and np.allclose(
        v.xy('inline', 104), np.stack([X[2], Y[2]], 1) / 1e5
    )


def test_the_caller_says_the_unit_of_coordinates(tmp_path):
    extra = {n: (('inline', 'crossline'), a) for n, a in (('cdp_x', X), ('cdp_y', Y))}
    path = write(tmp_path / 'a.zarr', units='ms', extra=extra)
    assert [open_volume(path, units=u).xy_unit for u in ('m', 'ft', 'degrees', 'arcsec')] == [
        'm',
        'ft',
        'degrees',
        'degrees',
    ]
    assert np.allclose(
        open_volume(path, units='arcsec').xy('inline', 104), np.stack([X[2], Y[2]], 1) / 3600
    )


def test_depth_without_a_unit_has_that_of_the_coordinates(tmp_path):
    "MDIO states units of coordinates, from the measurement system of the SEG-Y, and none of depths."
    extra = {
        n: (('inline', 'crossline'), a, {'unitsV1': {'length': 'ft'}})
        for n, a in (('cdp_x', X), ('cdp_y', Y))
    }
    v = open_volume(write(tmp_path / 'a.zarr', ('inline', 'crossline', 'depth'), extra=extra))
    assert (v.unit, v.problems) == ('ft', []) and 'as coordinates have' in said(v)


# ---- 8. .npy
def test_npy_says_what_it_assumes(tmp_path):
    np.save(tmp_path / 'a.npy', CUBE)
    v = open_volume(tmp_path / 'a.npy')
    assert '6 inlines, 9 crosslines, 32 samples' in said(v) and 'count from 0' in said(v)
    assert v.problems == [
        {'problem': '.npy files carry no sample interval; 1 ms is assumed', 'remedy': 'pass dt='}
    ]
    v = open_volume(tmp_path / 'a.npy', dt=5, t0=100, domain='depth', units='ft')
    assert (v.t0, v.dt, v.domain, v.unit, v.problems) == (100, 5, 'depth', 'ft', [])


# ---- maps
MAPS = [
    ('time', TIMES, 'ms', 'm'),
    ('time', TIMES, 'ms', 'ft'),
    ('depth', TIMES, 'ft', 'ft'),
    ('depth', TIMES / 1000, 'km', 'm'),
    ('depth', TIMES - 1100, 'm', 'm'),
    ('depth', 1000.25 + 12.5 * np.arange(32), 'm', 'm'),
    ('depth', 40000 + 50.0 * np.arange(32), 'ft', 'ft'),
    ('time', np.arange(32) / 3, 'ms', 'm'),
]


@pytest.mark.parametrize('name,axis,unit,lengths', MAPS)
def test_a_map_has_the_axis_and_the_coordinates_of_its_source(tmp_path, name, axis, unit, lengths):
    extra = {
        n: (('inline', 'crossline'), a, {'units': lengths})
        for n, a in (('cdp_x', X + 0.25), ('cdp_y', Y))
    }
    source = write(
        tmp_path / 'a.zarr',
        ('inline', 'crossline', name),
        axis=axis,
        units=unit,
        extra=extra,
        order=(1, 2, 0),
    )
    v = open_volume(source)
    write_segy_like(
        v,
        tmp_path / 'm.sgy',
        [(v.trace_ids('inline', n), v.section('inline', n)) for n in v.inlines],
    )
    a, b = preflight(source), preflight(tmp_path / 'm.sgy')
    for key in ('geometry', 'domain', 'unit', 'coordinates'):
        assert b[key] == a[key], key
    assert (b['t0'], b['interval'], b['end']) == pytest.approx(
        (a['t0'], a['interval'], a['end']), abs=0.02 * a['interval']
    )
    with segyio.open(tmp_path / 'm.sgy', iline=189, xline=193) as f:
        assert f.bin[3255] == {'m': 1, 'ft': 2}[lengths]
    text = (tmp_path / 'm.sgy').read_bytes()[:3200].decode('cp037')
    assert f'DOMAIN: {v.domain.upper()}' in text and re.search(
        rf'INTERVAL: [\d.]+ {v.unit}\b', text
    )
    is_right(open_volume(tmp_path / 'm.sgy'))


def test_a_map_in_degrees(tmp_path):
    "Seconds of arc with scalar -1000, code 2 in bytes 89-90: a tenth of a millisecond of arc is 3 mm."
    extra = {
        'latitude': (('inline', 'crossline'), Y / 1e5),
        'longitude': (('inline', 'crossline'), X / 1e5),
    }
    v = open_volume(write(tmp_path / 'a.zarr', units='ms', extra=extra))
    write_segy_like(v, tmp_path / 'm.sgy', [])
    with segyio.open(tmp_path / 'm.sgy', iline=189, xline=193) as f:
        assert set(f.attributes(89)[:]) == {2} and set(f.attributes(71)[:]) == {-1000}
        assert np.allclose(
            f.attributes(181)[:] / 3.6e6, X.reshape(-1) / 1e5, atol=2e-7
        ) and np.allclose(f.attributes(185)[:] / 3.6e6, Y.reshape(-1) / 1e5, atol=2e-7)


def test_a_map_of_depths_in_feet_with_coordinates_in_metres(tmp_path):
    "One unit for all lengths: the depths', so coordinates are converted."
    extra = {
        n: (('inline', 'crossline'), a, {'units': 'm'}) for n, a in (('cdp_x', X), ('cdp_y', Y))
    }
    v = open_volume(
        write(tmp_path / 'a.zarr', ('inline', 'crossline', 'depth'), units='ft', extra=extra)
    )
    back = open_volume(write_segy_like(v, tmp_path / 'm.sgy', []))
    assert back.unit == 'ft' and np.allclose(
        back.xy('inline', 104) * 0.3048, v.xy('inline', 104), atol=0.005
    )


CONVERT = """
import sys
from mdio import segy_to_mdio
from mdio.builder.schemas.v1.units import LengthUnitModel, TimeUnitModel
from mdio.builder.template_registry import get_template
from segy.schema import HeaderField
from segy.standards import get_segy_standard

def main(source, target, name, unit, **places):
    words = [HeaderField(name=k, byte=int(b), format='int32') for k, b in places.items()]
    template = get_template(name)
    model = TimeUnitModel(time=unit) if 'Time' in name else LengthUnitModel(length=unit)
    template.add_units({'time' if 'Time' in name else 'depth': model})
    segy_to_mdio(
        segy_spec=get_segy_standard(1.0).customize(trace_header_fields=words),
        mdio_template=template, input_path=source, output_path=target,
    )

if __name__ == '__main__':
    main(*sys.argv[1:5], **dict(arg.split('=') for arg in sys.argv[5:]))
"""
CUBE_WORDS = ('inline=189', 'crossline=193', 'cdp_x=181', 'cdp_y=185')
TEMPLATES = [
    ('PostStack3DTime', 'ms', CUBE_WORDS, ('time', 'ms', 4)),
    ('PostStack3DDepth', 'ft', CUBE_WORDS, ('depth', 'ft', 4)),
    ('PostStack2DTime', 'ms', ('cdp=193', *CUBE_WORDS[2:]), ('time', 'ms', 4)),
    ('CdpOffsetGathers3DTime', 'ms', (*CUBE_WORDS, 'offset=37'), None),
]


@pytest.mark.parametrize('name, unit, words, axis', TEMPLATES)
def test_templates_of_mdio(name, unit, words, axis, tmp_path):
    "Written by multidimio from a SEG-Y; units and dimensions are those the store names."
    pytest.importorskip('mdio', reason="pip install 'reflection_connection[mdio]'")
    lines = [10] if '2D' in name else range(10, 13)
    source = tiny_segy(tmp_path / 'tiny.sgy', lines)
    if axis is None:  # two offsets at each crossing
        with segyio.open(source, 'r+', ignore_geometry=True) as f:
            for k, h in enumerate(f.header):
                f.header[k].update({193: 200 + k % 8 // 2, 37: 100 * (k % 2)})
    (tmp_path / 'convert.py').write_text(CONVERT)
    done = subprocess.run(
        [sys.executable, tmp_path / 'convert.py', source, tmp_path / 'a.mdio', name, unit, *words],
        capture_output=True,
        text=True,
        env={**os.environ, 'MDIO__IMPORT__CPU_COUNT': '1'},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    if axis is None:
        with pytest.raises(VolumeError, match='no 2-D or 3-D numeric variable.*offset'):
            open_volume(tmp_path / 'a.mdio')
        return
    with open_volume(source) as v, open_volume(tmp_path / 'a.mdio') as w:
        assert (w.domain, w.unit, w.dt) == axis and w.notes == w.problems == []
        assert w.inlines.tolist() == ([] if '2D' in name else v.inlines.tolist())
        assert np.array_equal(w.traces[:], v.traces[:])
