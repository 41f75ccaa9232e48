"Known answers of the volume wing: maps, lines, SEG-Y words, texts, the sample axis and stores."

import re
from types import SimpleNamespace

import numpy as np
import pytest
from test_volume import grid, segy

from reflection_connection.volume import VolumeError, open_volume, preflight
from reflection_connection.volume import map_grid, map_units, opening, qc, read_ahead
from reflection_connection.volume import segments as seg
from reflection_connection.volume.coordinates import Coordinates
from reflection_connection.volume.line_index import LineIndex
from reflection_connection.volume.map_grid import Fit, fit_grid, off_map, true_origin, trusted_fit
from reflection_connection.volume.polyline import cells_along, corner_positions
from reflection_connection.volume.prestack import are_gathers, gathers, offsets_differ
from reflection_connection.volume.readers import refuse_options
from reflection_connection.volume import not_segy, stanzas
from reflection_connection.volume.segy import SegyFile, neighbours, width_at, word
from reflection_connection.volume.segy_words import FileBytes, Said, revision, said_by, said_code
from reflection_connection.volume.stanzas import is_end, is_text, text_at_end, text_blocks
from reflection_connection.volume.trace_layout import Layout, alike, headers_from, is_header, marks
from test_axis import volume
from reflection_connection.volume import segy_axis, units, vertical
from reflection_connection.volume.textual import codec, named_bytes, named_ranges, text_lines
from reflection_connection.volume.vertical import (
    domain_evidence,
    domain_of,
    intervals_said,
    ranges_said,
    starts_said,
)
import warnings
from reflection_connection.volume.grid import grid_of
from reflection_connection.volume.line_numbers import COORDINATE_BYTES, Candidate
from reflection_connection.volume.segy_reader import SegyReader
from reflection_connection.volume.store_coordinates import scale_left
from reflection_connection.volume.survey import (
    Survey,
    _exchange_back,
    _left_out,
    first_grid,
    on_the_map,
)
from reflection_connection.volume.zarr_reader import ZarrReader

xarray = pytest.importorskip('xarray', reason="pip install 'reflection_connection[mdio]'")
zarr = pytest.importorskip('zarr', reason="pip install 'reflection_connection[mdio]'")


def exactly(text):
    return '^' + re.escape(text) + '$'


def survey(n_il=10, n_xl=12, steps=((0, 25), (10, 0)), at=(400_000, 6_000_000), **more):
    "A grid of trace positions, and coordinates that lie on it."
    positions = np.arange(n_il * n_xl).reshape(n_il, n_xl)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(n_il), np.arange(n_xl), indexing='ij'))
    xy = np.asarray(at) + np.stack([i, j], 1) @ np.asarray(steps)
    x, y = np.round(xy).astype(np.int32).T.copy()
    return positions, Coordinates(x, y, np.array([1], np.int16), 'bytes 181 and 185', **more)


# ---- map_grid
def test_a_fit_gives_spacing_corner_steps_and_places():
    positions, coordinates = survey()
    fit = fit_grid(positions, coordinates)
    assert np.allclose(fit.spacing, (25, 10)) and fit.misfit < 1e-6 and fit.good
    assert np.allclose(fit.corner, (400_000, 6_000_000))
    assert np.allclose(fit.steps, [[0, 25], [10, 0]], atol=1e-6)
    assert np.allclose(
        fit.at(np.array([2, 0]), np.array([3, 1])), [[400_030, 6_000_050], [400_010, 6_000_000]]
    )
    assert not Fit(0.2, (1, 1), np.zeros(2), np.eye(2)).good
    assert Fit(0.19, (1, 1), np.zeros(2), np.eye(2)).good


def test_misfit_is_the_rms_distance_of_the_best_nine_tenths_in_smaller_spacings():
    positions, coordinates = survey(10, 12)
    rng = np.random.default_rng(0)
    coordinates.x += rng.integers(-4, 5, 120).astype(np.int32)
    coordinates.x[[5, 50]] += 4000
    fit = fit_grid(positions, coordinates)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(10), np.arange(12), indexing='ij'))
    far = np.linalg.norm(coordinates.at(np.arange(120)) - fit.at(i, j), axis=1)
    best = np.sort(far)[:108]
    assert np.isclose(fit.misfit, np.sqrt((best**2).mean()) / min(fit.spacing), rtol=0.05)
    assert fit.misfit > 0.1 and np.allclose(fit.spacing, (25, 10), rtol=0.05)
    assert np.array_equal(off_map(positions, coordinates, fit), [5, 50])


def test_four_traces_and_two_directions_are_needed_for_a_fit():
    positions, coordinates = survey(2, 2)
    assert np.allclose(fit_grid(positions, coordinates).spacing, (25, 10))
    assert trusted_fit(positions, coordinates).good
    coordinates.wrong = (3,)
    assert fit_grid(positions, coordinates) is None
    assert fit_grid(*survey(1, 8)) is None
    assert trusted_fit(*survey(1, 8)) is None and trusted_fit(*survey(8, 1)) is None
    assert trusted_fit(None, coordinates) is None
    assert fit_grid(*survey(steps=((100, 0), (100, 0)))) is None
    assert fit_grid(*survey(steps=((0, 0), (100, 0)))) is None
    assert fit_grid(*survey(steps=((10_000, 0), (10_000, 600)))) is not None
    assert fit_grid(*survey(steps=((10_000, 0), (10_000, 400)))) is None
    assert fit_grid(*survey(steps=((30_000, 0), (10_000, 600)))) is not None
    assert fit_grid(*survey(steps=((30_000, 0), (10_000, 400)))) is None


def test_a_scattered_map_is_not_trusted():
    positions, coordinates = survey()
    coordinates.x += np.random.default_rng(0).integers(-9, 10, 120).astype(np.int32)
    assert fit_grid(positions, coordinates).misfit > 0.2
    assert trusted_fit(positions, coordinates) is None


@pytest.mark.parametrize('cells', [1, 12, 30, 1 << 18])
def test_a_trace_more_than_two_spacings_off_is_off_the_map(cells, monkeypatch):
    monkeypatch.setattr(map_grid, 'MOST_CELLS', cells)
    positions, coordinates = survey()
    fit = fit_grid(positions, coordinates)
    positions[0, 3] = -1
    coordinates.x[[3, 20, 21, 100]] += np.array([900, 49, 51, 51], np.int32)
    assert off_map(positions, coordinates, fit).tolist() == [21, 100]
    turned = positions[::-1]
    fit = fit_grid(turned, coordinates)
    assert off_map(turned, coordinates, fit).tolist() == [21, 100]


@pytest.mark.parametrize('cell', [(0, 0), (4, 5)])
def test_the_one_trace_at_zero_belongs_there_where_the_grid_says_so(cell):
    at = -25 * cell[0], -10 * cell[1]
    positions, coordinates = survey(steps=((25, 0), (0, 10)), at=at)
    assert true_origin(coordinates, positions) == 12 * cell[0] + cell[1]
    off = positions.copy()
    off[cell] = -1
    assert true_origin(coordinates, off) == -1


@pytest.mark.parametrize('shift,belongs', [(24, True), (26, False)])
def test_a_trace_at_zero_is_at_most_a_spacing_off(shift, belongs):
    positions, coordinates = survey(steps=((25, 0), (0, 10)), at=(shift, 0))
    coordinates.x[0] = 0
    coordinates.x[1:] += (coordinates.x[1:] == 0) & (coordinates.y[1:] == 0)
    assert true_origin(coordinates, positions) == (0 if belongs else -1)


def line_through_zero(far, at=3, n=12):
    x = (far + 10 * np.arange(n)).astype(np.int32)
    x[at] = 0
    return Coordinates(x, np.where(x == 0, 0, 1).astype(np.int32), np.array([1], np.int16), '')


@pytest.mark.parametrize('far,origin', [(5, 3), (19, 3), (21, -1), (1000, -1)])
def test_a_trace_at_zero_on_a_line_has_neighbours_near_it(far, origin):
    assert true_origin(line_through_zero(far, at=0), None) == (0 if far < 10 else -1)
    x = far + 10 * np.abs(np.arange(12) - 3) - 10
    x[3] = 0
    y = np.where(np.arange(12) == 3, 0, 0 * x)
    x = np.where((x == 0) & (np.arange(12) != 3), 1, x)
    coordinates = Coordinates(x.astype(np.int32), y.astype(np.int32), np.array([1], np.int16), '')
    assert true_origin(coordinates, None) == origin


def test_no_origin_for_two_zeros_or_two_traces():
    twice = line_through_zero(10)
    twice.x[0] = twice.y[0] = 0
    assert true_origin(twice, None) == -1
    assert true_origin(line_through_zero(10, at=1, n=2), None) == -1
    x = np.array([-10, 0, 10], np.int32)
    three = Coordinates(x, 0 * x, np.array([1], np.int16), '')
    assert true_origin(three, None) == 1
    still = Coordinates(
        np.array([7, 0, 7], np.int32), np.zeros(3, np.int32), np.array([1], np.int16), ''
    )
    assert true_origin(still, None) == -1


# ---- map_units
def plain_line(x, y, n=50, step=(25, 0), scalar=1, **more):
    k = np.arange(n)
    x, y = x + step[0] * k, y + step[1] * k
    return Coordinates(
        x.astype(np.int32),
        y.astype(np.int32),
        np.array([scalar], np.int16),
        'bytes 181 and 185',
        **more,
    )


@pytest.mark.parametrize(
    'asked,kind,unit',
    [
        ('m', 'length', 'm'),
        ('ft', 'length', 'ft'),
        ('degrees', 'degrees', 'degrees'),
        ('arcsec', 'arcsec', 'degrees'),
    ],
)
def test_the_caller_settles_the_unit(asked, kind, unit):
    coordinates = plain_line(400_000, 6_000_000)
    assert map_units.settle_unit(coordinates, 3, 1, asked, ('ft', 'text')) == ([], [])
    assert (coordinates.kind, coordinates.unit) == (kind, unit)


@pytest.mark.parametrize(
    'code,kind,name',
    [
        (2, 'arcsec', 'seconds of arc'),
        (3, 'degrees', 'decimal degrees'),
        (4, 'dms', 'degrees, minutes and seconds'),
    ],
)
def test_angles_by_their_code(code, kind, name):
    angle = plain_line(12, 50, step=(1, 0))
    notes, problems = map_units.settle_unit(angle, code, 1, None)
    assert notes == [f'coordinates are {name} (trace header bytes 89-90: {code}), given as degrees']
    assert problems == [] and (angle.kind, angle.unit) == (kind, 'degrees')
    for system, unit in ((1, 'm'), (2, 'ft'), (0, None)):
        length = plain_line(400_000_000, 1_900_000_000)
        notes, problems = map_units.settle_unit(length, code, system, None)
        what = (
            f'trace header bytes 89-90 say that coordinates are {name}, '
            f'which these numbers cannot be: taken as {unit or "metres"}'
        )
        assert notes == []
        assert problems == [dict(problem=what, remedy="pass units='m' or units='ft'")]
        assert (length.kind, length.unit) == ('length', unit)


@pytest.mark.parametrize(
    'x,y,on_earth',
    [(360, 90, True), (361, 50, False), (12, 91, False), (-360, -90, True), (-361, 1, False)],
)
def test_longitudes_and_latitudes_have_limits(x, y, on_earth):
    assert map_units._on_earth(np.array([[x, y], [0, 1], [np.nan, 5e9]])) is on_earth
    assert map_units._on_earth(np.full((2, 2), np.nan)) is False


def test_degrees_hardly_move():
    def moves(step):
        return map_units._hardly_moves(np.stack([np.arange(9) * step, np.full(9, 50.0)], 1))

    assert moves(0.009) is True and moves(0.011) is False and moves(0) is False
    # the larger of the two steps counts, and steps of nothing do not
    assert map_units._hardly_moves(np.array([[0, 0], [0.001, 0.5], [0.002, 1.0]])) is False
    still = np.array([[0, 0], [0, 0], [0, 0], [0, 0], [0.5, 0]])
    assert map_units._hardly_moves(still) is False
    assert map_units._hardly_moves(np.array([[0, 0], [np.nan, 0], [0.001, 0]])) is True


def test_degrees_without_their_code():
    found = plain_line(120_000, 500_000, step=(5, 0), scalar=-10_000)
    what = 'coordinates look like degrees, though the headers say lengths: taken as degrees'
    said = map_units.settle_unit(found, 0, 1, None, ('ft', 'text'))
    assert said == ([], [dict(problem=what, remedy="pass units='m' if they are not")])
    assert (found.kind, found.unit) == ('degrees', 'degrees')
    far = plain_line(400_000_0, 500_000, step=(5, 0), scalar=-10_000)
    assert map_units.settle_unit(far, 0, 1, None) == ([], []) and far.unit == 'm'
    wide = plain_line(0, 10, step=(1, 1), n=60)
    assert map_units.settle_unit(wide, 1, 2, None) == ([], []) and wide.unit == 'ft'
    assert wide.kind == 'length'


def test_the_textual_header_and_the_binary_header_on_the_unit():
    for system, said, unit in ((1, 'm', 'm'), (2, 'ft', 'ft'), (1, '', 'm'), (0, '', None)):
        c = plain_line(400_000, 6_000_000)
        assert map_units.settle_unit(c, 0, system, None, (said, 'q')) == ([], [])
        assert c.unit == unit
    c = plain_line(400_000, 6_000_000)
    note = 'coordinates are in ft, by the textual header ("UNITS FT")'
    assert map_units.settle_unit(c, 0, 0, None, ('ft', 'UNITS FT')) == ([note], [])
    assert c.unit == 'ft'
    c = plain_line(400_000, 6_000_000)
    what = (
        'coordinates are in ft by the textual header ("UNITS FT") '
        'but in m by bytes 3255-3256 of the binary header; ft is used'
    )
    found = map_units.settle_unit(c, 0, 1, None, ('ft', 'UNITS FT'))
    assert found == ([], [dict(problem=what, remedy="pass units='m' or units='ft'")])
    assert c.unit == 'ft'


@pytest.mark.parametrize('n,more', [(1, ''), (5, ''), (6, ' …'), (12, ' …')])
def test_traces_off_the_grid_are_marked_and_named(n, more):
    positions, coordinates = survey(unit='m')
    coordinates.x[10 * np.arange(n)] += 3000
    found = map_units.doubtful_map(coordinates, positions)
    listed = ', '.join(str(10 * k) for k in range(min(n, 5))) + more
    traces = f'{n} traces have' if n > 1 else '1 trace has'
    what = (
        f'{traces} coordinates far off the grid of lines (file positions {listed}, '
        'from 0): taken as unknown'
    )
    assert found == [dict(problem=what, remedy='repair them if they matter')]
    assert list(coordinates.wrong) == (10 * np.arange(n)).tolist()


def test_more_than_a_tenth_off_the_grid_are_not_marked():
    positions, coordinates = survey(unit='m')
    fit = fit_grid(positions, coordinates)
    coordinates.x[np.arange(13)] += 3000
    assert map_units._mark_slips(coordinates, positions, fit) == []
    assert len(coordinates.wrong) == 0


@pytest.mark.parametrize(
    'x,y,odd',
    [
        (6_000_000, 400_000, True),
        (2_610_000, 110_000, True),
        (2_590_000, 400_000, False),
        (9_390_000, 890_000, True),
        (9_410_000, 400_000, False),
        (6_000_000, 99_000, False),
        (6_000_000, 901_000, False),
    ],
)
def test_exchanged_axes(x, y, odd):
    what = f'x at bytes 181 and 185 ({x}) looks like a northing and y ({y}) like an easting'
    expected = [dict(problem=what, remedy='exchange them: x_byte=, y_byte=')] if odd else []
    found = plain_line(x, y, n=1, unit='m')
    assert map_units._axes_exchanged(found, x, y) == expected
    assert map_units.doubtful_map(found, None) == expected
    assert map_units._axes_exchanged(plain_line(x, y, unit='ft'), x, y) == []


def test_angles_have_no_doubtful_lengths():
    assert (
        map_units.doubtful_map(plain_line(6_000_000, 400_000, kind='arcsec', unit='degrees'), None)
        == []
    )
    assert (
        map_units.doubtful_map(plain_line(6_000_000, 400_000, kind='length', unit='degrees'), None)
        == []
    )
    assert (
        map_units.doubtful_map(plain_line(6_000_000, 400_000, kind='degrees', unit='m'), None) == []
    )


def test_odd_scalars():
    what = (
        'the coordinate scalar at bytes 71-72 is {}, which is no power of ten: '
        'coordinates are scaled by it all the same'
    )
    remedy = 'repair it if the coordinates are wrong'
    for scalar in (0, 1, -1, 10, -10, 100, 1000, -1000, 10_000, -10_000):
        assert map_units._odd_scalar(plain_line(1, 1, scalar=scalar)) == []
    for scalar in (2, 99, -101, 1001):
        expected = [dict(problem=what.format(scalar), remedy=remedy)]
        assert map_units._odd_scalar(plain_line(1, 1, scalar=scalar)) == expected
        assert map_units._odd_scalar(plain_line(1, 1, scalar=scalar, floats=True)) == []
    mixed = plain_line(1, 1, n=3)
    mixed.scalar = np.array([7, 1, 5], np.int16)
    assert map_units._odd_scalar(mixed) == [dict(problem=what.format(5), remedy=remedy)]


@pytest.mark.parametrize('unit,name', [('m', 'm'), ('ft', 'ft'), (None, 'units')])
def test_coordinates_beyond_any_map(unit, name):
    what = (
        f'coordinates of 1.01e+08 {name} lie beyond any map: the coordinate scalar '
        'at bytes 71-72 (1) may be wrong'
    )
    remedy = 'repair it, or name other bytes: x_byte=, y_byte='
    for x, y in ((101_000_000, 5), (-101_000_000, 5), (5, 101_000_000), (5, -101_000_000)):
        found = map_units.doubtful_map(plain_line(x, y, unit=unit), None)
        assert found == [dict(problem=what, remedy=remedy)]
    assert map_units.doubtful_map(plain_line(99_000_000, 5, unit=unit), None) == []


@pytest.mark.parametrize(
    'spacing,odd', [(0.4, True), (0.6, False), (2.1, False), (1999, False), (2001, True)]
)
def test_odd_spacings(spacing, odd):
    scalar = -10 if spacing < 10 else 1
    step = round(spacing * (10 if spacing < 10 else 1))
    at = (40_000_000, 60_000_000) if spacing < 10 else (40_000_000, 6_000_000)
    positions, coordinates = survey(steps=((step, 0), (0, step)), at=at, unit='m')
    coordinates.scalar = np.array([scalar], np.int16)
    found = map_units.doubtful_map(coordinates, positions)
    what = (
        f'lines {spacing:g} m apart: the coordinate scalar at bytes 71-72 ({scalar}) may be wrong'
    )
    remedy = 'give window sizes in samples and traces, or repair it'
    assert found == ([dict(problem=what, remedy=remedy)] if odd else [])


def test_spacings_of_odd_maps_directly():
    c = plain_line(1, 1, unit=None)
    seconds = dict(
        problem='lines 0.72 units apart: the coordinates may be seconds of arc',
        remedy="pass units='arcsec' if they are, or units='m' if they are not",
    )
    wrong = dict(
        problem='lines 0.4 units apart: the coordinate scalar at bytes 71-72 (1) may be wrong',
        remedy='give window sizes in samples and traces, or repair it',
    )
    odd = map_units._odd_spacing
    assert odd(c, 0.72, 16_200, 187_560) == [seconds]
    assert odd(c, 0.72, 16_200, 400_000) == []
    assert odd(c, 0.5, 16_200, 187_560)[0]['problem'].startswith(
        'lines 0.5 units apart: the coordinates'
    )
    assert odd(c, 0.4, 16_200, 187_560) == [wrong]
    assert odd(c, 2, 16_200, 187_560) == [] and len(odd(c, 1.99, 16_200, 187_560)) == 1
    assert odd(c, 2000, 1, 1) == [] and len(odd(c, 2001, 1, 1)) == 1
    assert len(odd(c, 2001, 1e8, -1e8)) == 1
    assert odd(c, 2001, 1.1e8, 1) == [] and odd(c, 2001, 1, -1.1e8) == []


def test_what_can_be_seconds_of_arc():
    can = map_units._as_seconds
    assert can(3600, 3600) and can(-648_000, -324_000)
    assert not can(3599, 4000) and not can(4000, 3599)
    assert not can(648_001, 4000) and not can(4000, 324_001)


def test_small_numbers_like_line_numbers_have_no_odd_spacing():
    positions, coordinates = survey(steps=((1, 0), (0, 1)), at=(4000, 5000), unit='m')
    assert map_units.doubtful_map(coordinates, positions) == []
    positions, coordinates = survey(steps=((1, 0), (0, 1)), at=(40_000, 50_000), unit='m')
    assert 'seconds of arc' in map_units.doubtful_map(coordinates, positions)[0]['problem']


# ---- segments
def on_line(steps, y=0.0):
    x = np.r_[0, np.cumsum(steps)].astype(float)
    return np.stack([x, np.full(len(x), y)], 1)


def test_a_step_over_five_times_the_usual_is_a_join():
    still = np.ones(21, int)
    for step, found in ((51, [11]), (50, []), (49, [])):
        steps = np.full(20, 10)
        steps[10] = step
        assert seg.joins(on_line(steps), still).tolist() == found
    nowhere = np.full((21, 2), np.nan)
    for step, found in ((11, [11]), (10, []), (-2, [11])):
        change = np.full(20, 2)
        change[10] = step
        assert seg.joins(nowhere, np.r_[0, np.cumsum(change)]).tolist() == found
    falling = -np.r_[0, np.cumsum(np.where(np.arange(20) == 10, -2, 2))]
    assert seg.joins(nowhere, falling).tolist() == [11]


def test_two_traces_have_no_join_and_three_may():
    far = np.array([[0, 0], [1, 0], [1000, 0.0]])
    assert seg.joins(far[:2], np.array([1, 900])).tolist() == []
    assert seg.joins(far, np.array([5, 5, 5])).dtype == np.int64
    assert seg._leaps_on_map(np.zeros((4, 2))).tolist() == [False] * 3
    assert seg._leaps_in_number(np.full(4, 7)).tolist() == [False] * 3
    assert seg.joins(np.full((3, 2), np.nan), np.array([1, 2, 1])).tolist() == []
    assert seg.joins(np.full((4, 2), np.nan), np.array([1, 2, 3, 1])).tolist() == [3]


def test_a_line_that_runs_back_beside_itself_ends():
    out = np.stack([10.0 * np.arange(10), np.zeros(10)], 1)
    back = out[::-1] + [0, 10]
    both = np.concatenate([out, back])
    assert seg.joins(both, np.ones(20, int)).tolist() == [10]
    at_once = np.concatenate([out, out[-2::-1]])
    assert 10 in seg.joins(at_once, np.ones(19, int)).tolist()
    corner = np.concatenate([out, out[-1] + np.stack([np.zeros(9), 10.0 * np.arange(1, 10)], 1)])
    assert seg.joins(corner, np.ones(19, int)).tolist() == []


def test_turning_back_is_more_than_60_degrees_beyond_a_right_angle():
    for angle, back in ((119, False), (121, True)):
        a = np.radians(angle)
        step = np.array([[1, 0], [np.cos(a), np.sin(a)]])
        near = np.ones(2, bool)
        length = np.ones(2)
        assert seg._turns_back(step, length, near).tolist() == [False, back]
        assert seg._turns_back(step, length, np.array([True, False])).tolist() == [False, False]
        assert seg._turns_back(step, length, np.array([False, True])).tolist() == [False, False]
        aside = np.array([[1, 0], [0, 1], [np.cos(a), np.sin(a)]])
        found = seg._turns_back(aside, np.ones(3), np.ones(3, bool))
        assert found.tolist() == [False, back, False]
    assert seg._turns_back(np.ones((1, 2)), np.ones(1), np.ones(1, bool)).tolist() == [False]


def test_a_course_is_kept_within_60_degrees():
    for angle, kept in ((59, True), (61, False)):
        a = np.radians(angle)
        turned = np.arange(1, 11)[:, None] * [np.cos(a), np.sin(a)]
        xy = np.concatenate([np.stack([np.arange(-9.0, 1), np.zeros(10)], 1), turned])
        # before step k lie traces k-5 … k, after it k+1 … k+6
        assert bool(seg._goes_on(xy)[9]) is kept
    xy = np.stack([np.arange(30.0), np.zeros(30)], 1)
    assert seg._goes_on(xy)[1:-1].all() and not seg._goes_on(xy)[0] and not seg._goes_on(xy)[-1]
    xy[12:, 0] = 12 - np.arange(18)
    assert not seg._goes_on(xy)[12]


def test_restarts_and_runs():
    assert seg.restarts(np.r_[1:11, 1:11]).tolist() == [10]
    assert seg.restarts(np.r_[1:11, 10:20]).tolist() == []
    assert seg.restarts(np.array([2, 1, 2, 3])).tolist() == []  # a quarter
    assert seg.restarts(np.array([2, 1, 2, 3, 4])).tolist() == [1]
    assert seg.restarts(np.arange(9)[::-1]).tolist() == []
    assert seg.runs(np.repeat([7, 3, 9], 5)).tolist() == [5, 10]
    assert seg.runs(np.repeat([7, 3, 7], 5)).tolist() == []
    assert seg.runs(np.array([1, 1, 1, 2])).tolist() == []  # a quarter
    assert seg.runs(np.array([1, 1, 1, 1, 2])).tolist() == [4]
    assert seg.segments_of(9, np.array([0, 3, 3, 9])) == [(0, 3), (3, 9)]
    assert seg.segments_of(1, np.array([], int)) == [(0, 1)]


# ---- polyline
def test_corners_of_a_polyline():
    il, xl = np.array([10, 12, 14]), np.array([100, 105, 120])
    assert corner_positions([(10, 100), (13, 105), (14, 110)], il, xl, 'a').tolist() == [
        [0, 0],
        [1.5, 1],
        [2, 1 + 5 / 15],
    ]
    what = 'a: an arbitrary line needs two or more (inline, crossline) points, got shape '
    for points in ([(10, 100)], [10, 12], [(1, 2, 3), (4, 5, 6)], [[(10, 100)] * 2] * 2):
        with pytest.raises(VolumeError, match=exactly(f'{what}{np.shape(points)}')):
            corner_positions(points, il, xl, 'a')
    for point, what in (
        ((9, 100), 'inline 9 is outside the survey; stay within 10 … 14 by 2'),
        ((14.5, 100), 'inline 14.5 is outside the survey; stay within 10 … 14 by 2'),
        ((10, 99), 'crossline 99 is outside the survey; stay within 100 … 120 (irregular)'),
        ((10, np.nan), 'crossline nan is outside the survey; stay within 100 … 120 (irregular)'),
        ((10, 121), 'crossline 121 is outside the survey; stay within 100 … 120 (irregular)'),
    ):
        with pytest.raises(VolumeError, match=exactly(f'a: {what}')):
            corner_positions([(10, 100), point], il, xl, 'a')


def test_cells_along_a_polyline():
    i, j = cells_along(np.array([[0, 0], [4, 2], [4, 0]], float))
    assert i.tolist() == [0, 1, 2, 3, 4, 4, 4]
    assert j.tolist() == [0, 1, 1, 2, 2, 1, 0]
    assert [a.tolist() for a in cells_along(np.array([[1, 1], [1, 1.2]]))] == [[1], [1]]
    i, j = cells_along(np.array([[0.4, 3], [0.4, 0.6]]))
    assert i.tolist() == [0, 0, 0] and j.tolist() == [3, 2, 1]


# ---- prestack
def headers(n, **columns):
    zero = np.zeros(n, np.int32)
    return dict(ffid=zero, tracf=zero, cdp=zero, offset=zero) | {
        name: np.asarray(value, np.int32) for name, value in columns.items()
    }


def test_what_looks_like_gathers():
    cdp, offset = np.repeat([1, 2, 3], 4), np.tile([100, 200, 300, 400], 3)
    assert gathers(headers(12, cdp=cdp, offset=offset)) == '4 offsets at 3 CDP number(s)'
    assert gathers(headers(12, cdp=np.arange(12), offset=offset)) == ''
    assert gathers(headers(12, cdp=np.repeat([1, 2], 6), offset=np.repeat([5, 6], 6))) == (
        '12 traces at 2 CDP numbers, each a run'
    )
    assert gathers(headers(12, cdp=cdp)) == '12 traces at 3 CDP numbers, each a run'
    assert gathers(headers(12, cdp=cdp, ffid=np.arange(12))) == ''
    assert gathers(headers(12, cdp=np.tile([1, 2, 3], 4))) == ''
    assert gathers(headers(5, cdp=[1, 1, 2, 2, 3])) == ''
    assert gathers(headers(4, cdp=[1, 1, 2, 2])) == '4 traces at 2 CDP numbers, each a run'
    assert gathers(headers(1)) == '' and gathers(headers(2)) == ''
    assert gathers(headers(2, offset=[1, 2])) == '2 offsets at 1 CDP number(s)'
    ffid, tracf = np.repeat([1, 2, 3], 4), np.tile(np.arange(4), 3)
    assert gathers(headers(12, ffid=ffid, tracf=tracf)) == '12 traces in 3 field records'
    assert gathers(headers(12, ffid=ffid, tracf=np.arange(12))) == ''
    assert gathers(headers(12, ffid=ffid, tracf=0 * tracf)) == ''
    assert (
        gathers(headers(4, ffid=[1, 1, 2, 2], tracf=[1, 2, 1, 2])) == '4 traces in 2 field records'
    )
    assert gathers(headers(5, ffid=[1, 1, 2, 2, 3], tracf=[1, 2, 1, 2, 1])) == ''
    assert gathers(headers(4, tracf=[1, 2, 1, 2])) == ''


def test_traces_that_share_a_position_at_another_offset():
    il, xl = np.array([1, 1, 1, 2, 2, 1]), np.array([5, 5, 6, 5, 5, 5])
    offset = np.array([0, 9, 9, 0, 0, 3])
    assert offsets_differ(il, xl, offset, {}) == 2
    assert offsets_differ(il, xl, offset, {'bad': np.arange(6) == 5}) == 1
    assert offsets_differ(il, xl, offset, {'a': np.arange(6) == 5, 'b': np.arange(6) == 1}) == 0
    n = 200
    line, offset = np.arange(n), np.zeros(n, int)
    for repeated, found in ((2, 0), (3, 3)):
        cross = np.arange(n)
        cross[1 : 1 + repeated] = 0
        same = line.copy()
        same[1 : 1 + repeated] = 0
        assert are_gathers(same, cross, np.arange(n), {}) == found


# ---- qc
def test_line_numbers_in_the_report():
    report = qc._axis_report
    assert report(np.array([3, 5, 7])) == dict(first=3, last=7, count=3, increment=2)
    assert report(np.array([3, 5, 8])) == dict(first=3, last=8, count=3, increment=None)
    assert report(np.array([3])) == dict(first=3, last=3, count=1, increment=0)


def test_amplitudes_in_the_report():
    live = np.r_[np.linspace(-1, 1, 101), np.full(4, 2.0)]
    found = qc._live_amplitudes(live)
    p = np.percentile(live, [1, 50, 99]).tolist()
    assert found == dict(amplitude=dict(p1=p[0], p50=p[1], p99=p[2], max_abs=2.0), at_maximum=0.0)
    found = qc._live_amplitudes(np.r_[live, -2.0])
    assert found['at_maximum'] == 5 / 106
    assert qc._live_amplitudes(np.zeros(0)) == dict(
        amplitude=dict(p1=None, p50=None, p99=None, max_abs=None), at_maximum=0.0
    )


def test_problems_of_amplitudes():
    def said(top=1.0, dead=0.0, at=0.0, nan=0, inf=0):
        found = dict(
            amplitude=dict(max_abs=top), dead_fraction=dead, at_maximum=at, nan=nan, inf=inf
        )
        return [(p['problem'], p['remedy']) for p in qc._amplitude_problems(found)]

    masked = 'they are masked; if there are many, check the sample format'
    assert said() == [] and said(dead=0.01, at=0.005, top=1e20) == []
    assert said(top=None, dead=1.0) == [
        (
            'no live sample: every trace looked at is dead, constant or NaN',
            'check the file or its sample format',
        )
    ]
    assert said(dead=0.015) == [
        (
            '1.5 % of the traces are dead',
            'they are masked; nothing to do unless you expected data there',
        )
    ]
    assert said(nan=2) == [('2 NaN and 0 infinite samples', masked)]
    assert said(inf=1) == [('0 NaN and 1 infinite samples', masked)]
    assert said(top=1.1e20) == [
        (
            'amplitudes up to 1.1e+20',
            'the sample format code may be wrong (IBM and IEEE floats mixed up): export it again',
        )
    ]
    assert said(at=0.006) == [
        (
            '0.6 % of the live samples sit at the largest amplitude: clipped',
            'use an unclipped or 32-bit version if there is one',
        )
    ]


def test_a_report_of_a_survey_and_of_a_line(tmp_path):
    traces, il, xl = grid(4, 5, 20)
    traces = np.sin(traces * 7.3)
    traces[3] = 0
    x, y = 400_000 + 25 * xl, 6_000_000 + 25 * il
    keep = np.arange(20) != 7
    path = segy(
        tmp_path / 'a.sgy', traces[keep], il[keep], xl[keep], endian='<', b181=x[keep], b185=y[keep]
    )
    found = preflight(path, units='m')
    assert found['endian'] == 'little' and found['format'] == 'segy'
    assert (found['n_traces'], found['n_samples'], found['interval'], found['t0']) == (
        19,
        20,
        4.0,
        0,
    )
    assert (found['unit'], found['domain'], found['end']) == ('ms', 'time', 76.0)
    assert found['domain_evidence'] == 'assumed: the headers do not say'
    assert found['geometry'] == dict(
        mode='grid',
        inlines=dict(first=10, last=13, count=4, increment=1),
        crosslines=dict(first=200, last=204, count=5, increment=1),
        empty_positions=1,
        left_out={},
    )
    assert found['coordinates'] == dict(x=[405_000, 405_100], y=[6_000_250, 6_000_325])
    assert found['looked_at'] == dict(traces=19, of=19, how='all traces')
    assert found['dead_fraction'] == 1 / 19 and 'at_maximum' not in found
    assert found['live_fraction'] == 18 / 19
    assert [p['problem'] for p in found['problems']] == ['5.3 % of the traces are dead']
    with open_volume(path) as v:
        part = qc._amplitudes(v, 5 * 20 + 19)
    assert part['looked_at'] == dict(traces=5, of=19, how='an even sample of traces')
    line = preflight(segy(tmp_path / 'b.sgy', np.sin(np.arange(240.0)).reshape(12, 20)))
    assert line['geometry'] == dict(
        mode='trace-order',
        why='inline and crossline constant at bytes 189 and 193',
        segments=1,
    )
    assert line['coordinates'] is None and line['endian'] == 'big'


# ---- read_ahead
class CountedReader:
    "A reader of a cube that notes which traces it is asked for."

    n_samples, path = 3, 'cube'

    def __init__(self, n_il=6, n_xl=4, chunk=2):
        self.grid = np.arange(n_il * n_xl).reshape(n_il, n_xl)
        self.inlines, self.crosslines = 10 + np.arange(n_il), 20 + np.arange(n_xl)
        self.chunk, self.asked = chunk, []

    def lines_per_chunk(self, kind):
        return self.chunk

    def read(self, ids):
        self.asked.append(list(ids))
        return np.asarray(ids, np.float32)[:, None] + np.arange(3) / 4


def line_cache(**more):
    reader = CountedReader(**more)
    return reader, read_ahead.LineCache(LineIndex(reader))


def test_lines_of_a_plan_are_read_together():
    reader, cache = line_cache()
    bytes_of_a_line = 4 * 4 * 3
    cache.plan([('inline', n) for n in range(10, 16)], 2 * 3 * bytes_of_a_line)
    for n in range(10, 16):
        right = (4 * (n - 10) + np.arange(4))[None] + np.arange(3)[:, None] / 4
        assert np.array_equal(cache.section('inline', n), right)
    # three lines fit, two fill a chunk; the end of the plan is no reason to stop
    assert [len(ids) for ids in reader.asked] == [8, 8, 8]
    reader, cache = line_cache()
    cache.plan([('inline', n) for n in range(10, 13)], 2 * 3 * bytes_of_a_line)
    cache.section('inline', 10)
    assert [len(ids) for ids in reader.asked] == [12]
    reader, cache = line_cache()
    cache.plan([('inline', n) for n in range(10, 13)], 0)
    cache.section('inline', 10)
    cache.section('inline', 10)[:] = 9
    assert cache.section('inline', 10)[0, 0] == 0
    assert [len(ids) for ids in reader.asked] == [4]
    cache.clear()
    cache.section('inline', 11)
    cache.section('inline', 10)
    assert [len(ids) for ids in reader.asked] == [4, 4, 4]


def test_a_plan_is_read_kind_by_kind_from_where_it_stands():
    reader, cache = line_cache(chunk=1)
    cache.plan([('inline', 10), ('inline', 11), ('crossline', 20), ('crossline', 22)], 10_000)
    cache.section('inline', 11)
    assert reader.asked == [[4, 5, 6, 7]]
    right = 4 * np.arange(6)[None] + 2 + np.arange(3)[:, None] / 4
    assert np.array_equal(cache.section('crossline', 22), right)
    assert reader.asked[1] == [2, 6, 10, 14, 18, 22]
    reader, cache = line_cache(chunk=1)
    cache.plan([('crossline', 22), ('crossline', 20)], 10_000)
    assert np.array_equal(cache.section('crossline', 22), right)
    assert reader.asked == [sorted([*range(0, 24, 4), *range(2, 24, 4)])]
    assert np.array_equal(cache.section('crossline', 20), right - 2)
    assert len(reader.asked) == 1


# ---- readers
def test_options_that_no_file_can_be_opened_with():
    def ok(**options):
        refuse_options('a.sgy', options)

    for byte in (1, 237, 180, np.int32(5)):
        ok(iline_byte=byte, xline_byte=byte, x_byte=byte, y_byte=byte)
    ok(domain='time', units='arcsec', sample_format='ibm', dt=0.5, t0=-3)
    ok(domain=None, units=None, sample_format=None, dt=None, t0=None, iline_byte=None)
    ok(domain='depth', units='ft', sample_format='ieee', dt=np.float32(2), t0=0)
    for name in ('iline_byte', 'xline_byte', 'x_byte', 'y_byte'):
        for byte in (0, 238, 241, -1, '9', 9.0):
            what = (
                f'a.sgy: {name}={byte!r} is not in a trace header; give a 1-based byte from '
                '1 to 237'
            )
            with pytest.raises(VolumeError, match=exactly(what)):
                ok(**{name: byte})
    for name, known in (
        ('domain', "'time', 'depth'"),
        ('units', "'m', 'ft', 'degrees', 'arcsec'"),
        ('sample_format', "'ibm', 'ieee'"),
    ):
        with pytest.raises(VolumeError, match=exactly(f"a.sgy: unknown {name} 'no'; use {known}")):
            ok(**{name: 'no'})
    for dt in (0, -1, True, np.nan, np.inf, '4'):
        what = f'a.sgy: sample interval dt={dt!r}; give a positive number of ms, m or ft'
        with pytest.raises(VolumeError, match=exactly(what)):
            ok(dt=dt)
    for t0 in (False, np.nan, '4'):
        with pytest.raises(
            VolumeError,
            match=exactly(f'a.sgy: first sample t0={t0!r}; give a number of ms, m or ft'),
        ):
            ok(t0=t0)


def test_paths_that_are_no_volume(tmp_path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'empty.sgy').touch()
    (tmp_path / 'a.zarr').mkdir()
    (tmp_path / 'names.NPY').write_bytes(b'no array')
    remedy = 'name a file in it (.sgy, .segy, .npy) or an .mdio/.zarr store'
    for path, what in (
        (tmp_path / 'none', 'can not be opened (No such file or directory); check the path'),
        (tmp_path / 'folder', f'a folder, not a volume; {remedy}'),
        ('/dev/null', 'not a regular file; copy the data to a file first'),
        (tmp_path / 'empty.sgy', 'empty file (0 bytes); copy or export it again'),
    ):
        with pytest.raises(VolumeError, match=exactly(f'{path}: {what}')):
            open_volume(path)
    with pytest.raises(VolumeError, match=r'can not be opened \(.*null'):
        open_volume('a\0b')
    with pytest.raises(VolumeError, match='Zarr store|no variable|no amplitudes|store'):
        open_volume(tmp_path / 'a.zarr')
    with pytest.raises(VolumeError, match=r'names\.NPY') as refused:
        open_volume(tmp_path / 'names.NPY')
    assert 'SEG-Y' not in str(refused.value)
    np.save(tmp_path / 'cube.npy', np.ones((2, 3, 4), np.float32))
    (tmp_path / 'cube.npy').rename(tmp_path / 'cube.dat')
    assert open_volume(tmp_path / 'cube.dat').format == 'npy'


# ---- opening
def test_the_same_line_about_many_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(opening, '_told', {})
    for k in (0, 0, 1, 2, 3, 4, 5):
        opening.say(tmp_path / f'{k}.sgy', ['the  same\nthing'])
    opening.say(tmp_path / '0.sgy', ['the  same\nthing', 'another'])
    assert capsys.readouterr().out.splitlines() == [
        '0.sgy: the same thing',
        '1.sgy: the same thing',
        '2.sgy: the same thing',
        '3.sgy and maybe others: the same thing',
        '0.sgy: another',
    ]
    told = SimpleNamespace(
        path='b.sgy', notes=['a note'], problems=[dict(problem='odd', remedy='mend')]
    )
    opening.tell(told)
    assert capsys.readouterr().out == 'b.sgy: a note\nb.sgy: odd; mend\n'


def test_openings_for_all_and_for_some(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(opening, '_told', {})
    traces, il, xl = grid()
    path = segy(tmp_path / 'a.sgy', traces, il, xl, dt=0, tr_dt=0)
    given = opening.Openings(dict(dt=2.0, t0=None))
    assert given.every == {'dt': 2.0} and given.open(path).dt == 2.0 and bool(given)
    assert not opening.Openings() and opening.Openings(None, {path: {'dt': 2}})
    capsys.readouterr()
    quiet = opening.Openings()
    assert not quiet.quiet and quiet.quietly().quiet and quiet.quietly() == quiet
    assert quiet.quietly().open(path).dt == 1.0 and capsys.readouterr().out == ''
    opened = quiet.open(path)
    assert 'no sample interval' in capsys.readouterr().out
    assert quiet.problems == {str(path): opened.problems}
    some = opening.Openings(dict(t0=1.0), {tmp_path / 'x' / '..' / 'a.sgy': dict(dt=3.0)}, True)
    assert some.of(path) == {'dt': 3.0} and some.of('b') == {'t0': 1.0}
    assert some.besides({'b': {'dt': 9.0}}) is some
    mine = opening.Openings({}, {path: dict(dt=3.0)}, True)
    both = mine.besides({str(path): dict(dt=7.0), '/b.sgy': dict(t0=5.0), '/c.sgy': {}})
    assert both.of(path) == {'dt': 3.0} and both.of('/b.sgy') == {'t0': 5.0}
    assert '/c.sgy' not in both.some and both.quiet is True and both.every == {}
    assert quiet.besides({'/b.sgy': dict(t0=5.0)}).quiet is False
    assert (
        mine != some
        and mine != 'text'
        and repr(opening.Openings(dict(dt=2))) == ('Openings({"every": {"dt": 2}, "some": {}})')
    )
    assert opening._key('a\0b') == 'a\0b'


def test_options_in_words_and_from_text():
    names = 'iline_byte, xline_byte, x_byte, y_byte, dt, t0, domain, units, sample_format'
    assert opening.in_words({}) == 'no options'
    assert opening.in_words(dict(iline_byte=9, dt=2)) == 'iline_byte=9, dt=2'
    read = opening.from_text('iline_byte=9, xline_byte=21; /a.sgy: dt=2 domain=depth;; t0=-5')
    assert read.every == dict(iline_byte=9, xline_byte=21, t0=-5.0)
    assert read.some == {'/a.sgy': dict(dt=2.0, domain='depth')}
    assert type(read.every['iline_byte']) is int and type(read.every['t0']) is float
    types = opening.from_text('x_byte=1 y_byte=2 xline_byte=3 dt=4').every
    assert [type(v) for v in types.values()] == [int, int, int, float]
    for text in ('dt', 'dt=x', 'iline_byte=2.5'):
        what = f'opening {text!r}: expected NAME=VALUE with a name among {names}'
        with pytest.raises(VolumeError, match=exactly(what)):
            opening.from_text(text)
    what = f"unknown option 'a' for opening volumes: expected {names}"
    for made in (lambda: opening.Openings(dict(b=1, a=1)), lambda: opening.from_text('a=1')):
        with pytest.raises(VolumeError, match=exactly(what)):
            made()
    same = opening.as_openings
    assert same(read) is read and same('dt=2') == opening.Openings(dict(dt=2.0)) and not same()
    assert same(read.to_dict()) == read and same(dict(dt=2.0)).every == dict(dt=2.0)


# ---- segy_words
def put(head, **words):
    "Words of a header of 3840 bytes: at_3217_i2=4000."
    head = bytearray(head)
    for place, value in words.items():
        _, at, kind = place.split('_')
        raw = np.array([value], ('<' if kind.isupper() else '>') + kind.lower()).tobytes()
        head[int(at) - 1 : int(at) - 1 + len(raw)] = raw
    return bytes(head)


EMPTY = bytes(3840)


def test_words_of_the_binary_header():
    head = put(EMPTY, at_3217_i2=-15536, at_3221_u2=40_000, at_3225_i2=5, at_3505_i2=-1)
    head = put(head, at_3269_i4=70_000, at_3529_i4=3, at_3521_u8=9600, at_3715_u2=50)
    said = said_by(head, '>')
    assert said == Said(
        '>',
        50_000,
        [('binary header', 40_000), ('extended sample count', 70_000), ('first trace header', 50)],
        -1,
        [240],
        0,
        0,
    )
    assert said_code(head, '>') == 5 and said_code(head, '<') == 1280
    assert said_by(head[:3839], '>').counts[-1] == ('extended sample count', 70_000)
    new = said_by(put(head, at_3501_u1=2), '>')
    assert new.counts == [
        ('revision-2 binary header', 70_000),
        ('binary header', 40_000),
        ('first trace header', 50),
    ]
    assert (new.trailers, new.first, new.headers) == (3, 9600, [240])
    assert said_by(put(EMPTY, at_3269_i4=-5, at_3221_u2=1), '>').counts == [('binary header', 1)]


def test_additional_headers_of_a_trace():
    def lengths(minor=0, major=2, **words):
        return said_by(put(EMPTY, at_3501_u1=major, at_3502_u1=minor, **words), '>').headers

    assert lengths(at_3507_i4=2) == [720, 240]  # the high half of the word is 0
    assert lengths(at_3507_i2=2) == [720, 240] == lengths(at_3508_u1=2)
    assert lengths(1, at_3507_i2=2) == [720, 240]
    assert lengths(at_3507_i4=99) == [24_000, 240] and lengths(at_3507_i4=100) == [240]
    assert lengths(major=1, at_3507_i4=2) == [240]
    little = put(EMPTY, at_3501_u1=2, at_3507_I4=3)
    assert said_by(little, '<').headers == [960, 240]
    assert said_by(put(little, at_3502_u1=1), '<').headers == [960, 240]


def test_revisions():
    def of(major, minor, endian):
        return revision(put(EMPTY, at_3501_u1=major, at_3502_u1=minor), endian)

    assert of(2, 1, '>') == (2, 1) and of(0, 1, '>') == (0, 1)
    assert of(0, 2, '<') == (2, 0) and of(0, 1, '<') == (1, 0) and of(1, 2, '<') == (2, 1)
    assert of(2, 1, '<') == (2, 1) and of(0, 3, '<') == (0, 3) and of(1, 0, '<') == (1, 0)


def test_bytes_of_a_file(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(bytes(range(10)))
    with FileBytes(path, 10) as data:
        assert data.at(3, 4) == bytes([3, 4, 5, 6]) and data.at(8, 5) == bytes([8, 9])
        assert (
            data.at(0, 1) == b'\0'
            and data.at(-1, 4) == b''
            and (data.path, data.size) == (path, 10)
        )
    assert data.file.closed
    what = f'{tmp_path / "b"}: can not be opened (No such file or directory); check its permissions'
    with pytest.raises(VolumeError, match=exactly(what)):
        FileBytes(tmp_path / 'b', 0)
    with FileBytes(path, 10) as data:
        data.file.close()
        data.file = open(path, 'ab', buffering=0)
        what = f'{path}: unreadable (Bad file descriptor); check the disk or copy the file again'
        with pytest.raises(VolumeError, match=exactly(what)):
            data.at(0, 1)


# ---- stanzas
def block(text='', fill=b' ', n=3200):
    return text.encode('latin-1').ljust(n, fill)


def test_what_is_text():
    assert is_text(block('C 1 CLIENT'.ljust(80), b' ')) and is_text(('C 1 ' * 800).encode('cp037'))
    assert is_text(block('((', b'\1')) and is_text('(('.encode('cp037') + bytes(3198))
    assert is_text(block('x' * 40, b'\0')) and not is_text(block('x' * 39, b'\0'))
    assert not is_text(bytes(3200)) and not is_text(b'\1' + b' ' * 3199)
    assert is_text(b' ' * 39 + b'~' + b'\0' * 3160) and not is_text(
        b' ' * 39 + b'\x7f' + b' ' * 3160
    )
    assert not is_text(b' ' * 39 + b'\1' + b' ' * 3160) and is_text(b'\t\n\r' + b' ' * 3197)
    assert not is_text(b'\x0b' + b' ' * 3199) and not is_text(b'\x1f' + b' ' * 3199)
    for n, right in ((159, True), (160, False), (161, False)):
        assert is_text(b'A' * (3200 - n) + b'\1' * n) is right
    for code in range(256):
        character = bytes([code]).decode('cp037')
        known = character in '\n\r\t' or ' ' <= character <= '~' or code == 0x15
        ascii_ = code in (9, 10, 13) or 32 <= code < 127
        assert stanzas._EBCDIC[code] == known and stanzas._ASCII[code] == ascii_


def test_what_ends_the_texts():
    for text in ('((SEG:EndText))', '  (( SEG : ENDTEXT', '((seg:endtext'):
        assert is_end(block(text)) and is_end(text.ljust(3200).encode('cp037'))
    assert not is_end(block('(SEG: EndText)')) and not is_end(block('x((SEG: EndText))'))


def file_of(tmp_path, *blocks, head=bytes(3600)):
    path = tmp_path / 'texts.sgy'
    path.write_bytes(head + b''.join(blocks))
    return FileBytes(path, path.stat().st_size)


def test_texts_before_and_after_the_traces(tmp_path):
    text, other, end = block('C 1 '), bytes(3200), block('((SEG: EndText))')
    named = block('((SEG: Layout))')

    def before(*blocks, variable=False):
        with file_of(tmp_path, *blocks) as data:
            return text_blocks(data, variable)

    def after(*blocks):
        with file_of(tmp_path, *blocks) as data:
            return text_at_end(data)

    assert before() == 0 and before(text) == 1 and before(text, text, other, text) == 2
    assert before(other, text) == 0 and before(text, b'C') == 1
    assert before(text, other, end, text, variable=True) == 3
    assert before(text, other, end) == 1 and before(text, other, variable=True) == 1
    assert before(text, end, other, end, variable=True) == 2
    assert before(text, end, text, other, end, variable=True) == 3
    assert before(text, other, other, end, other, variable=True) == 4
    assert after() == 0 and after(other, text) == 0 and after(other, named) == 1
    assert after(other, named, text) == 2 and after(other, text, named) == 1
    assert after(named, other, text) == 0 and after(named, text, named, text) == 4


# ---- trace_layout
def test_a_layout_adds_up():
    layout = Layout('>', 3, 3, 3600 + 6400, 480, 100)
    assert (layout.width, layout.record, layout.n_texts) == (2, 680, 2)
    assert Layout('>', 6, 6, 3600, 240, 10).record == 320
    assert (layout.n_traces, layout.trailers, layout.where) == (0, 0, 'binary header')
    assert not layout.plain and not layout.unnormalised and layout.problems == layout.notes == []


def traces_file(tmp_path, n=10, ns=20, **words):
    "A file of headers with such words, its bytes, and the layout."
    path = segy(tmp_path / 'marks.sgy', np.ones((n, ns)), tr_dt=words.pop('interval', 0), **words)
    data = FileBytes(path, path.stat().st_size)
    return data, Layout('>', 5, 5, 3600, 240, ns, n)


@pytest.mark.parametrize(
    'words,n,right',
    [
        ({}, 10, 0),
        (dict(interval=4000), 10, 1),
        (dict(b115=20), 10, 1),
        (dict(b115=21), 10, 0),
        (dict(b5=np.arange(10)), 10, 1),
        (dict(b193=-np.arange(10)), 10, 1),
        (dict(b9=np.arange(10) * 9999), 10, 1),
        (dict(b9=np.arange(10) * 10_000), 10, 0),
        (dict(b41=np.arange(10)), 10, 0),
        (dict(b5=np.arange(4)), 4, 1),
        (dict(b5=np.arange(3)), 3, 0),
        (dict(b5=np.array([1, 2, 3, 4, 5, 7, 8, 9, 10, 11])), 10, 1),
        (dict(b5=np.array([1, 2, 4, 5, 7, 8, 9, 10, 11, 12])), 10, 0),
        (dict(b115=20, b17=np.arange(10), interval=4000), 10, 3),
    ],
)
def test_marks_of_trace_headers(tmp_path, words, n, right):
    data, layout = traces_file(tmp_path, n, **words)
    assert marks(data, layout, 4000) == right
    assert marks(data, layout, 0) == right - ('interval' in words)
    data.__exit__()


def test_kinds_of_traces_and_four_fifths(tmp_path):
    data, layout = traces_file(tmp_path)
    for kinds, right in ((1, 1), (49, 1), (50, 0), (0, 0), (-1, 0)):
        path = data.path
        raw = bytearray(path.read_bytes())
        for k in range(10):
            raw[3600 + k * 320 + 28 : 3600 + k * 320 + 30] = int(kinds).to_bytes(
                2, 'big', signed=True
            )
        path.write_bytes(raw)
        assert marks(data, layout, 4000) == right
    for n, wrong, right in ((5, 1, 1), (5, 2, 0), (10, 1, 1), (10, 2, 0)):
        b115 = np.where(np.arange(n) < wrong, 7, 20)
        data, layout = traces_file(tmp_path, n, b115=b115)
        assert marks(data, layout, 4000) == right
    # eight traces at the beginning are looked at, and eight further on
    data, layout = traces_file(tmp_path, 100, b115=np.where(np.arange(100) < 8, 20, 7))
    assert marks(data, layout, 4000) == 0


def test_a_header_and_one_that_is_alike(tmp_path):
    data, layout = traces_file(tmp_path, b115=20, interval=4000)

    def stands(interval=4000, counts=(('a', 20),), at=3600):
        return is_header(data, at, Said('>', interval, list(counts), 0, [240], 0, 0))

    assert stands() and stands(counts=[('b', 7), ('a', 20)]) and stands(at=3920)
    assert not stands(interval=4001) and not stands(counts=[('a', 21)]) and not stands(at=3604)
    data, layout = traces_file(tmp_path, b115=20)
    assert not stands(interval=0)
    data, layout = traces_file(tmp_path, interval=4000)
    assert not stands(counts=[('a', 0)])
    path = tmp_path / 'parts'
    path.write_bytes(bytes([1] * 12 + [0] * 228 + [9] * 7 + [0] * 233 + [9] * 6 + [0] * 234))
    data = FileBytes(path, 720)
    assert alike(data, 0, 240) and not alike(data, 0, 480) and alike(data, 240, 480)
    assert alike(data, 0, 480, 6) and not alike(data, 300, 540) and alike(data, 480, 720 - 240)
    assert (
        headers_from(data, 0, 700).shape == (2, 240) and not headers_from(data, 700)[0, 20:].any()
    )


# ---- not_segy
def test_files_that_are_no_segy(tmp_path):
    path = tmp_path / 'a.sgy'

    def said(raw, **options):
        path.write_bytes(raw)
        with pytest.raises(VolumeError) as refused:
            open_volume(path, **options)
        return str(refused.value).removeprefix(f'{path}: ')

    text = ('C 1 CLIENT'.ljust(80) * 40).encode('cp037')
    whole = segy(tmp_path / 'b.sgy', np.ones((6, 20)), b1=np.arange(6)).read_bytes()
    whole = text + whole[3200:]
    assert said(text[:100] + bytes(3000)) == (
        'not SEG-Y: 3100 bytes, shorter than the 3600 bytes of headers; copy the file again'
    )
    for code, name in (
        (4, 'fixed point with gain'),
        (7, '24-bit integer'),
        (15, '24-bit unsigned integer'),
    ):
        for raw in (code.to_bytes(2, 'big'), code.to_bytes(2, 'little')):
            assert said(whole[:3224] + raw + whole[3226:]) == (
                f'sample format {code} ({name}) is not supported; export it as IEEE float (format 5)'
            )
    known = [1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 16]
    what = f'not SEG-Y: sample format code 77 at bytes 3225-3226 is none of {known}; '
    assert said(whole[:3224] + b'\0\x4d' + whole[3226:]) == (
        what + "pass sample_format='ieee' or sample_format='ibm', or export it again"
    )
    noise = np.random.default_rng(0).integers(1, 255, 3920, np.uint8).tobytes()
    assert said(text + bytes(24) + b'\0\x4d' + noise[:1174]) == (
        what + 'check that this is a SEG-Y file, or export it again'
    )
    label = block('0001SEGY', n=128)
    assert 'label of 128 bytes' in said(label + whole)


def test_files_that_end_too_early(tmp_path):
    n, ns = 6, 20
    raw = segy(tmp_path / 'b.sgy', np.ones((n, ns)), b1=1 + np.arange(n), b115=ns).read_bytes()
    path = tmp_path / 'a.sgy'

    def said(raw, **options):
        path.write_bytes(raw)
        with pytest.raises(VolumeError) as refused:
            open_volume(path, **options)
        return str(refused.value).removeprefix(f'{path}: ')

    again = 'copy or export it again'
    assert said(raw[:3600]) == f'no traces: the file ends after its headers (3600 bytes); {again}'
    assert said(raw[:3700]) == (
        'truncated in its first trace: 20 samples need 320 bytes, 100 are left; copy the file again'
    )
    assert said(raw[: 3600 + 320 * 4 + 250]) == (
        'truncated: 4 whole traces of 20 samples and 250 bytes more; copy the file again'
    )
    assert said(raw + b'\0' * 100) == (
        'truncated, or something follows its last trace: 6 whole traces of 20 samples '
        'and 100 bytes more; copy the file again, or export it without what follows'
    )
    bare = segy(tmp_path / 'c.sgy', np.ones((n, ns)), tr_dt=0).read_bytes()
    assert said(bare + b'\1' * 100) == (
        'truncated, or traces of varying length: 6 whole traces of 20 samples '
        'and 100 bytes more; copy the file again, or export it with a fixed trace length'
    )
    repair = 'repair bytes 3221-3222 or export it again'
    no_count = bytearray(bare[:-7])
    no_count[3220:3222] = b'\0\0'
    assert (
        said(bytes(no_count)) == f'zero samples per trace in the binary and trace headers; {repair}'
    )
    absurd = bytearray(no_count)
    absurd[3500], absurd[3268:3272] = 2, (1_000_001).to_bytes(4, 'big')
    assert said(bytes(absurd)) == (
        f'absurd sample count 1000001 in the revision-2 binary header; {repair}'
    )
    absurd[3268:3272] = (1_000_000).to_bytes(4, 'big')
    assert said(bytes(absurd)).startswith(
        'truncated in its first trace: 1000000 samples need 4000240'
    )


def test_traces_of_varying_length_are_followed(tmp_path):
    def record(ns, interval=4000):
        head = bytearray(240)
        head[0], head[114:116], head[116:118] = (
            1,
            ns.to_bytes(2, 'big'),
            interval.to_bytes(2, 'big'),
        )
        return bytes(head) + np.ones(ns, '>f4').tobytes()

    head = put(bytes(3600), at_3217_i2=4000, at_3221_u2=20, at_3225_i2=5)
    path = tmp_path / 'a.sgy'

    def varying(*records):
        path.write_bytes(head + b''.join(records))
        layout = Layout('>', 5, 5, 3600, 240, 20, 1)
        with FileBytes(path, path.stat().st_size) as data:
            return not_segy._varying(data, layout, said_by(head, '>'))

    assert varying(record(20), record(31), record(12)) == (12, 31)
    assert varying(record(20), record(20)) is None
    assert varying(record(20), record(31)[:-1]) is None
    assert varying(record(20), record(31, 2000)) is None
    assert varying(record(20), record(0), record(9)) is None
    path.write_bytes(head + record(20) + record(31) + record(12))
    what = (
        f'{path}: traces of varying length: 12 to 31 samples; export it with a fixed trace length'
    )
    with pytest.raises(VolumeError, match=exactly(what)):
        open_volume(path)


def test_orders_that_differ():
    def said(endian, what):
        return str(not_segy.mixed_orders('a.sgy', endian, what))

    remedy = 'export it again in one byte order'
    assert said('>', 'samples') == (
        f'a.sgy: samples are little-endian behind a big-endian binary header; {remedy}'
    )
    assert said('<', 'trace headers') == (
        f'a.sgy: trace headers are big-endian behind a little-endian binary header; {remedy}'
    )


# ---- segy
def test_runs_of_neighbouring_traces():
    def parts(ids, most=100):
        return [(s.start, s.stop) for s in neighbours(np.array(ids, int), most)]

    assert parts([]) == [] and parts([5]) == [(0, 1)] and parts([-1]) == []
    assert parts([3, 4, 5, 9, 8, 7, 8]) == [(0, 3), (3, 4), (4, 5), (5, 7)]
    assert parts([-1, 0, 1, -1, -1, 5]) == [(1, 3), (5, 6)]
    assert parts(range(7), 3) == [(0, 3), (3, 6), (6, 7)]


def test_widths_of_header_words():
    assert [width_at(b) for b in (1, 29, 71, 73, 115, 117, 189, 2, 237)] == [
        4,
        2,
        2,
        4,
        2,
        2,
        4,
        4,
        4,
    ]
    assert width_at(215) == 2 and width_at(215, 215) == 4 and width_at(213, 215) == width_at(213)
    h = np.zeros((2, 240), np.uint8)
    h[:, 114:116] = 255
    h[1, 70:74] = [255, 254, 0, 7]
    assert word(h, 115).tolist() == [65535, 65535] and word(h, 71).tolist() == [0, -2]
    assert word(h, 71, 71).tolist() == [0, -131065] and word(h, 71).dtype == np.int16


@pytest.mark.parametrize('endian', '><')
def test_traces_and_headers_of_a_file(tmp_path, endian, monkeypatch):
    traces, il, xl = grid(4, 5, 20)
    at = dict(b233=np.arange(20) * 70_000, b237=-np.arange(20), b1=np.arange(20))
    path = segy(tmp_path / 'a.sgy', traces, il, xl, endian=endian, **at)
    file = SegyFile(path, path.stat().st_size)
    monkeypatch.setattr(SegyFile, 'block', 3 * 320)
    ids = np.array([7, 8, 9, 10, 11, -1, 0, 1, 19, 3])
    right = np.where(ids[:, None] >= 0, traces[ids], 0).astype(np.float32)
    assert np.array_equal(file.read(ids), right) and np.array_equal(file.read_as_coded(ids), right)
    monkeypatch.setattr(SegyFile, 'block', 1)
    assert np.array_equal(file.read(ids), right) and file.read([]).shape == (0, 20)
    assert file.headers(2, 5).shape == (3, 240)
    found = file.columns(dict(a=189, b=193, w=233, v=237))
    assert found['a'].tolist() == il.tolist() and found['b'].tolist() == xl.tolist()
    assert found['w'].tolist() == at['b233'].tolist() and found['v'].tolist() == at['b237'].tolist()
    own = file.own_words([189, 237, 9])
    assert (
        list(own) == [9, 189, 237] and own[189].tolist() == il.tolist() and file.own_words([]) == {}
    )
    assert (file.endian, file.code, file.first, file.head) == (
        endian,
        5,
        3600,
        path.read_bytes()[:3840],
    )
    with pytest.raises(VolumeError, match='can not be opened|unreadable|end'):
        path.write_bytes(path.read_bytes()[:4000])
        file.read(np.arange(20))
    what = f'{path}: ends at byte 4000: it became shorter while open; open it again'
    assert str(file._unreadable(OSError(5, 'Input/output error'))) == what
    file.size = 4000
    what = f'{path}: unreadable (Input/output error); check the disk or copy the file again'
    assert str(file._unreadable(OSError(5, 'Input/output error'))) == what
    assert 'unreadable (odd)' in str(file._unreadable(OSError('odd')))
    file.close()
    file.close()
    what = f'{path}: the volume is closed; open it again with open_volume'
    with pytest.raises(VolumeError, match=exactly(what)):
        file.read(np.arange(2))


def test_a_fingerprint_reads_samples_under_their_code(tmp_path):
    traces, il, xl = grid(4, 5, 20)
    path = segy(tmp_path / 'a.sgy', traces, il, xl)
    usual = open_volume(path)
    other = open_volume(path, sample_format='ibm')
    ids = np.arange(20)
    assert not np.array_equal(other.reader.read(ids), usual.reader.read(ids))
    assert np.array_equal(other.reader.read_as_coded(ids), usual.reader.read(ids))
    assert not np.array_equal(other.reader.read(ids), usual.reader.read(ids))
    assert other.fingerprint() == usual.fingerprint()


# ---- textual
def bytes_of(*lines):
    return {name: byte for name, (byte, _) in named_bytes(list(lines)).items()}


@pytest.mark.parametrize(
    'line,right',
    [
        ('INLINE BYTES 189-192  XLINE BYTES 193-196', dict(iline=189, xline=193)),
        ('INLINE 9 CROSSLINE 21', dict(iline=9, xline=21)),
        ('INLINE 190 CROSSLINE 194', {}),
        ('INLINE 190-193', {}),
        ('INLINE 190-193 CROSSLINE 194-197', {}),
        ('INLINE BYTE 190', dict(iline=190)),
        ('INLINE BYTES 190-191', dict(iline=190)),
        ('INLINE BYTES 190-192', dict(iline=190)),
        ('INLINE BYTES 190-193', dict(iline=190)),
        ('INLINE BYTES 190-194', dict(iline=190)),
        ('INLINE BYTES 190-195', {}),
        ('INLINE BYTES 192-190', {}),
        ('INLINE 190-192', {}),
        ('INLINE BYTE 237', dict(iline=237)),
        ('INLINE BYTE 238', {}),
        ('INLINE BYTE 1', dict(iline=1)),
        ('INLINE BYTE 0', {}),
        ('INLINE: 189', {}),
        ('INLINE (189)', dict(iline=189)),
        ('INLINE RANGE 189', {}),
        ('INLINE 189 FROM 500', {}),
        ('INLINE BYTE 189 100', dict(iline=189)),
        ('INLINE 189-192 500', dict(iline=189)),
        ('LINE BYTE 9', dict(iline=9)),
        ('LINE 9', {}),
        ('LINE 9 XLINE 21', dict(xline=21)),
        ('I/X BYTES 189 193', dict(iline=189, xline=193)),
        ('XLINE (CDP) BYTES 21-24', dict(xline=21, cdp=21)),
        ('BYTES 21-24 CDP', dict(cdp=21)),
        ('CDP X 181 CDP Y 185', dict(x=181, y=185)),
        ('SOURCE X BYTE 73, SOURCE Y BYTE 77', dict(x=73, y=77)),
        ('OFFSET BYTE 37 INLINE BYTE 9', dict(iline=9)),
        ('OFFSET INLINE BYTE 9', dict(iline=9)),
        ('INLINE OFFSET BYTE 37', {}),
        ('COORDINATE SCALAR BYTE 71', dict(scalar=71)),
        ('4 BYTE INTEGER INLINE BYTE 17', dict(iline=17)),
    ],
)
def test_bytes_that_a_line_names(line, right):
    assert bytes_of(f'C 7 {line}') == right
    assert all(quote == f'C 7 {line}' for _, quote in named_bytes([f'C 7 {line}']).values())


@pytest.mark.parametrize(
    'byte', [1, 5, 9, 13, 17, 21, 25, 37, 71, 73, 77, 81, 85, *range(181, 238, 4)]
)
def test_usual_bytes_need_no_words(byte):
    assert bytes_of(f'INLINE {byte} CROSSLINE {byte}') == dict(iline=byte, xline=byte)
    for other in (byte + 1, byte + 3, byte - 1):
        assert bytes_of(f'INLINE {other} CROSSLINE {other}') == {}


def test_headings_say_that_bytes_follow():
    assert bytes_of('TRACE HEADER LOCATIONS:', 'INLINE 190', 'XLINE 194') == dict(
        iline=190, xline=194
    )
    assert bytes_of('TRACE HEADER LOCATIONS:', 'INLINE 190', '', 'XLINE 194') == dict(iline=190)
    assert bytes_of('TRACE HEADER LOCATIONS:', 'INLINE FROM 190') == {}
    assert bytes_of('BINARY HEADER BYTES:', 'INLINE 190', 'XLINE 194') == {}
    both = ['BINARY HEADER BYTES:', 'INLINE 190', 'TRACE HEADER BYTES:', 'XLINE 194']
    assert bytes_of(*both) == dict(xline=194)
    assert bytes_of('BINARY HEADER BYTES:', 'INLINE 190', '', 'XLINE BYTE 194') == dict(xline=194)


def test_the_least_doubtful_line_counts():
    assert bytes_of('INLINE 189 XLINE 193', 'INLINE BYTES 9-12', 'INLINE BYTES 17-20') == dict(
        iline=9, xline=193
    )
    assert bytes_of('SOURCE X BYTE 73', 'CDP X BYTE 181') == dict(x=181)
    assert bytes_of('LINE BYTE 9', 'INLINE BYTE 189') == dict(iline=189)


@pytest.mark.parametrize(
    'line,right',
    [
        ('INLINES 100 - 200', dict(iline=(100, 200))),
        ('INLINE: 100 TO 200  CROSSLINE: 300-400', dict(iline=(100, 200), xline=(300, 400))),
        ('FIRST INLINE 100 LAST INLINE 200', dict(iline=(100, 200))),
        ('INLINE MIN 1 MAX 5', dict(iline=(1, 5))),
        ('INLINE 200 - 100', {}),
        ('INLINE 7 - 7', dict(iline=(7, 7))),
        ('INLINE 189-192', {}),
        ('INLINE 189-190', {}),
        ('INLINE 189-193', dict(iline=(189, 193))),
        ('INLINE 10 - 13', dict(iline=(10, 13))),
        ('INLINE BYTES 189-192', {}),
    ],
)
def test_ranges_that_a_line_names(line, right):
    found = named_ranges(['', f'C 3 {line}'])
    assert found == {kind: (*ends, f'C 3 {line}') for kind, ends in right.items()}
    assert named_ranges(['TRACE HEADER BYTES:', line]) == {}
    twice = named_ranges(['INLINES 5 - 6', '', 'INLINES 7 - 8'])
    assert twice == dict(iline=(5, 6, 'INLINES 5 - 6'))


def test_lines_of_a_textual_header():
    text = ''.join(f'C{k:2} LINE {k}'.ljust(80) for k in range(1, 41))
    right = [f'C{k:2} LINE {k}' for k in range(1, 41)]
    for code in ('cp037', 'latin-1'):
        assert text_lines(text.encode(code)) == right and codec(text.encode(code)) == code
    assert text_lines(text.encode('cp037') + b'more') == right
    assert text_lines(b'A\0B\n' + b' ' * 100) == ['A B'] + [''] * 39
    assert codec(b'AB' * 10 + b'\xc1' * 3180 + b'A' * 9000) == 'cp037'
    assert codec(bytes(3200)) == 'cp037' and text_lines(b'') == [''] * 40


# ---- vertical
@pytest.mark.parametrize(
    'line,right',
    [
        ('REFCON AXIS: {d}', 9),
        ('{o} TO {d}', 3),
        ('CONVERTED TO {d}', 3),
        ('CONVERTED BACK TO {d}', 3),
        ('BACK TO {d}', 3),
        ('{d} STRETCHED', 3),
        ('{d} DOMAIN', 4),
        ('DOMAIN: {d}', 4),
        ('{d} RANGE: 7', 4),
        ('VERTICAL UNIT: {d}', 4),
        ('{d} VOLUME', 3),
        ('IN {d}', 3),
        ('OUTPUT FINAL {d}', 3),
    ],
)
def test_weights_of_phrases(line, right):
    for d, o in (('DEPTH', 'TIME'), ('TIME', 'DEPTH')):
        quote = f'C 5 {line.format(d=d, o=o)}'
        assert domain_evidence(['', quote]) == [(right, d.lower(), quote)]


@pytest.mark.parametrize(
    'line,right',
    [
        ('TIME/DEPTH', []),
        ('NOT DEPTH CONVERTED', []),
        ('STREAMER DEPTH 7', []),
        ('DEPTH OF WATER', []),
        ('DEPTH POINTS', []),
        ('START TIME', []),
        ('TIME VARIANT FILTER', []),
        ('TIME 12:30', []),
        ('MIGRATED IN TIME', []),
        ('AIRGUNS AT DEPTH', []),
        ('PSDM', [(1, 'depth')]),
        ('MIGRATED IN DEPTH', [(1, 'depth')]),
        ('DEPTH', [(1, 'depth')]),
        ('TWT', [(2, 'time')]),
        ('TWO WAY', [(2, 'time')]),
        ('DEPTH CONVERSION', [(2, 'depth')]),
        ('TIME DEPTH CONVERSION', [(2, 'depth')]),
        ('Z UNITS: M', [(4, 'depth')]),
        ('Z UNITS: MS', [(4, 'time')]),
        ('SAMPLE INTERVAL 4 MS', [(3, 'time')]),
        ('RECORDED SAMPLE INTERVAL 4 MS', [(1, 'time')]),
        ('RECORDED SAMPLE INTERVAL 4 M', [(3, 'depth')]),
        ('SAMPLE INTERVAL 4', []),
        ('FIRST SAMPLE 4 M', [(3, 'depth')]),
        ('PSDM IN DEPTH, TIME DOMAIN', [(1, 'depth'), (4, 'time'), (3, 'depth')]),
    ],
)
def test_evidence_of_lines(line, right):
    assert domain_evidence([line]) == [(weight, domain, line) for weight, domain in right]


def test_a_domain_by_weight_and_number():
    def of(*numbers, lines=()):
        found = domain_of(list(lines), [(w, d, f'{d} {w}') for w, d in numbers])
        return found.name, found.evidence, found.doubt

    assumed = 'assumed: the headers do not say'
    assert of() == ('time', assumed, '')
    assert of((1, 'depth')) == ('time', assumed, 'depth stands in the depth 1')
    assert of((1, 'time')) == ('time', assumed, '')
    assert of((2, 'depth')) == ('depth', 'depth 2', '')
    assert of((2, 'time'), (1, 'depth')) == ('time', 'time 2', '')
    both = 'the headers say both depth (depth {}) and time (time {})'
    assert of((2, 'time'), (2, 'depth')) == ('time', 'time 2', both.format(2, 2))
    assert of((2, 'time'), (2, 'depth'), (1, 'depth')) == ('depth', 'depth 2', both.format(2, 2))
    assert of((4, 'time'), (3, 'depth')) == ('time', 'time 4', both.format(3, 4))
    assert of((4, 'time'), (2, 'depth')) == ('time', 'time 4', '')
    assert of((3, 'time'), (2, 'depth')) == ('time', 'time 3', '')
    assert of((9, 'depth'), (4, 'time')) == ('depth', 'depth 9', '')
    assert of((8, 'depth'), (4, 'time')) == ('depth', 'depth 8', both.format(8, 4))
    assert of(lines=['DEPTH DOMAIN']) == ('depth', 'textual header: "DEPTH DOMAIN"', '')
    assert domain_of([]).assumed and not domain_of(['TIME DOMAIN']).assumed


@pytest.mark.parametrize(
    'line,value,unit,size,recording',
    [
        ('SAMPLE INTERVAL 4 MS', 4, 'ms', 4, False),
        ('RECORDED SAMPLE INTERVAL 4 MS', 4, 'ms', 4, True),
        ('SAMPLE RATE: 500 HZ', 2, 'ms', 2, False),
        ('DT 2000 US', 2000, 'us', 2, False),
        ('4 MS SAMPLE INTERVAL', 4, 'ms', 4, False),
        ('SAMPLED AT 2 S', 2, 's', 2000, False),
        ('SAMPLE INTERVAL 0,5 KM', 0.5, 'km', 500, False),
        ('DZ = 6.25 FT', 6.25, 'ft', 6.25, False),
        ('DZ = 500 MM', 500, 'mm', 0.5, False),
        ('SAMPLE INTERVAL (M): 4', 4, 'm', 4, False),
        ('SAMPLE INTERVAL (M) 5 FT', 5, 'ft', 5, False),
        ('SAMPLE INTERVAL 7', 7, '', 7, False),
    ],
)
def test_intervals_that_a_line_names(line, value, unit, size, recording):
    (said,) = intervals_said(['', f' C 4 {line} '])
    assert (said.value, said.unit, said.recording, said.quote) == (
        value,
        unit,
        recording,
        f'C 4 {line}',
    )
    assert np.isclose(said.size, size)
    time = unit in ('us', 'ms', 's')
    assert said.domain == ('time' if time else 'depth' if unit else '')
    assert intervals_said(['SAMPLE INTERVAL 0 MS', 'SAMPLE RATE 0 HZ']) == []


def test_ranges_and_starts():
    def ranges(line):
        return [
            tuple((s.value, s.unit) if s else None for s in found) for found in ranges_said([line])
        ]

    assert ranges('DEPTH MIN: -4 MAX: -1848 DELTA: 4') == [((4, ''), (1848, ''), (4, ''))]
    assert ranges('TIME RANGE: 0 - 3000 MS STEP 4') == [((0, 'ms'), (3000, 'ms'), (4, 'ms'))]
    assert ranges('DEPTH 9 - 5 M') == [((5, 'm'), (9, 'm'), None)]
    assert ranges('DEPTH 0 - 9') == [((0, ''), (9, ''), None)]
    assert ranges('DEPTH 0 TO -9') == [((0, ''), (9, ''), None)]
    assert ranges('TIME -4 TO 8') == ranges('TIME 4 TO -8') == ranges('DEPTH 5 - 5') == []
    for line, value, unit in (
        ('FIRST SAMPLE: 4 M', 4, 'm'),
        ('START TIME 100 MS', 100, 'ms'),
        ('T0 = 12', 12, ''),
        ('DATA START 1,5 S', 1.5, 's'),
        ('TIME RANGE: 8 - 3000 MS', 8, 'ms'),
    ):
        (said,) = starts_said(['', line])
        assert (said.value, said.unit, said.quote) == (value, unit, line)
    assert starts_said(['FIRST SAMPLE AT 12:30']) == []


def test_units_in_a_text():
    depth = vertical.depth_unit_said
    assert depth(['SAMPLE INTERVAL 5 M']) == ('m', 'SAMPLE INTERVAL 5 M')
    assert depth(['FIRST SAMPLE 5 FT']) == ('ft', 'FIRST SAMPLE 5 FT')
    assert depth(['SAMPLE INTERVAL 1 KM']) == ('m', 'SAMPLE INTERVAL 1 KM')
    assert depth(['SAMPLE INTERVAL 4 MS']) == depth([]) == ('', '')
    assert depth(['UNITS: FEET', 'Z UNITS: M']) == ('m', 'Z UNITS: M')
    assert depth(['UNITS: FEET']) == ('ft', 'UNITS: FEET')
    assert depth(['Z UNIT: M', 'SAMPLE INTERVAL 5 FT']) == ('ft', 'SAMPLE INTERVAL 5 FT')
    axis = 'REFCON AXIS: DEPTH, FIRST SAMPLE 0 M'
    assert depth(['SAMPLE INTERVAL 5 FT', axis]) == ('m', axis)
    maps = vertical.map_unit_said
    assert maps(['', ' COORDINATE UNITS: FEET ']) == ('ft', 'COORDINATE UNITS: FEET')
    assert maps(['UTM ZONE 31N METERS']) == ('m', 'UTM ZONE 31N METERS')
    assert maps(['UTM FEET', 'XY UNITS: M']) == ('m', 'XY UNITS: M')
    assert maps(['UTM METERS FEET']) == maps(['METERS']) == maps(['XY UNITS: KM']) == ('', '')
    assert maps(['COORDINATE UNITS (METERS/FEET)']) == maps([]) == ('', '')
    assert vertical.plain('C 1 Größe_µs – É') == 'grosse us - e'


# ---- units
@pytest.mark.parametrize(
    'text,quantity,base,factor',
    [
        ('ms', 'time', 'ms', 1),
        ('Seconds', 'time', 'ms', 1000),
        ('µs', 'time', 'ms', 1e-3),
        ('ns', 'time', 'ms', 1e-6),
        ('min', 'time', 'ms', 6e4),
        ('hours', 'time', 'ms', 3.6e6),
        ('ms TWT', 'time', 'ms', 1),
        ('two-way time (s)', 'time', 'ms', 1000),
        ('m', 'length', 'm', 1),
        ('km', 'length', 'm', 1000),
        ('dm', 'length', 'm', 0.1),
        ('cm', 'length', 'm', 0.01),
        ('mm', 'length', 'm', 0.001),
        ('ftUS', 'length', 'ft', 1),
        ('kft', 'length', 'ft', 1000),
        ('yards', 'length', 'ft', 3),
        ('inches', 'length', 'ft', 1 / 12),
        ('miles', 'length', 'ft', 5280),
        ('degrees_north', 'angle', 'degrees', 1),
        ('°', 'angle', 'degrees', 1),
        ('arcsec', 'angle', 'degrees', 1 / 3600),
        ('radians', 'angle', 'degrees', 180 / np.pi),
    ],
)
def test_units_of_stores(text, quantity, base, factor):
    unit = units.unit_of(text)
    assert (unit.quantity, unit.base) == (quantity, base) and np.isclose(
        unit.factor, factor, rtol=1e-12
    )
    assert unit.domain == dict(time='time', length='depth', angle=None)[quantity]


def test_what_is_no_unit_and_where_units_stand():
    for text in ('', 'm/s', 'twt', 'parsec', 'is', None, 5):
        assert units.unit_of(text) is None
    assert units.unit_of('mss') is None or units.unit_of('mss').base == 'ms'
    ms, m = units.unit_of('ms'), units.unit_of('m')
    stated = units.stated_unit
    assert stated({}) == stated({'other': 'm'}) == stated({'units': ''}) == (None, '')
    assert stated({'units': 'ms'}) == (ms, 'ms') and stated({'UOM': 'm'}) == (m, 'm')
    assert stated({'unit': 'm', 'units': 'ms'}) == (ms, 'ms')
    assert stated({'units': 'odd', 'unit': 'm'}) == (m, 'm') and stated({'unit': 'odd'}) == (
        None,
        'odd',
    )
    assert stated({'units': 'odd', 'unit': 'strange'}) == (None, 'odd')
    assert stated({'unitsV1': {'time': 'ms'}, 'units': 'm'}) == (ms, 'ms')


# ---- segy_axis
def heard(value, unit='', recording=False, quote='TEXT'):
    return vertical.Said(value, unit, quote, recording)


def test_intervals_of_16_bits():
    got = segy_axis.unsigned([0, 5, 32767, -15536, -2, -36, -1036, -32768])
    assert got.tolist() == [0, 5, 32767, 50_000, 0, 65_500, 64_500, 0]
    assert segy_axis.counted(np.array([5, 3, 3, 7, 5, 9])) == [(5, 2), (3, 2), (7, 1), (9, 1)]
    assert segy_axis.shares([(4000, 80), (2000, 80)], 1000) == '4 in 80 of 160 traces, 2 in 80'
    assert segy_axis.shares([(1, 2000), (2, 3), (3, 2), (4, 1)]) == (
        '1 in 2,000 of 2,006 traces, 2 in 3, 3 in 2, 4 in 1'
    )
    assert segy_axis.shares([(k, 10 - k) for k in range(6)]).endswith(
        '0 in 10 of 45 traces, 1 in 9, 2 in 8, 3 in 7, 2 other values in 11'
    )


def binary_only(endian='>', **words):
    return SimpleNamespace(head=put(EMPTY, **words), endian=endian, n_samples=101)


def test_intervals_of_the_binary_header():
    def double(us, major=2, bytes_=0):
        reader = binary_only(at_3501_u1=major, at_3273_f8=us, at_3217_i2=bytes_)
        return segy_axis._binary_interval(reader)

    assert double(2500.5) == (2500.5, []) and double(2500.5, 1, 4000) == (4000, [])
    for us, right in ((1, 1), (0.9, 0), (9_999_999, 9_999_999), (1e7, 0), (np.nan, 0), (np.inf, 0)):
        assert double(us) == (right, [])
    assert double(4004, bytes_=4000) == (4004, [])
    what = (
        'sample interval 4.005 in bytes 3273-3280 of the binary header '
        'but 4 in bytes 3217-3218; 4.005 is used, as revision 2 has it'
    )
    problem = dict(problem=what, remedy='pass dt= if that is wrong')
    assert double(4005, bytes_=4000) == (4005, [problem])
    assert double(101, bytes_=100) == (101, []) and len(double(101.5, bytes_=100)[1]) == 1
    assert double(0, bytes_=-15536) == (50_000, [])
    assert segy_axis.extended_interval(binary_only('<', at_3502_u1=2, at_3273_F8=7.0)) == 7.0


def test_intervals_of_the_text():
    lines = ['TIME RANGE: 0 - 400 MS STEP 4', 'SAMPLE INTERVAL 5 M', 'SAMPLE INTERVAL 6']

    def values(domain, n):
        return [s.value for s in segy_axis._text_intervals(lines, domain, n)]

    assert values('time', 101) == values('time', 102) == values('time', 100) == [6, 4]
    assert values('time', 103) == values('time', 99) == [6] and values('depth', 101) == [5, 6]
    assert segy_axis._text_intervals(['TIME RANGE: 0 - 400 MS STEP 0'], 'time', 101) == []
    assert segy_axis._text_intervals(['TIME RANGE: 0 - 400 MS'], 'time', 101) == []
    agrees = segy_axis._agrees
    assert agrees(heard(4, 'ms'), 4000) and not agrees(heard(4000, 'ms'), 4000)
    assert agrees(heard(4), 4000) and agrees(heard(4000), 4000) and not agrees(heard(5), 4000)
    assert agrees(heard(4.039, 'ms'), 4000) and not agrees(heard(4.041, 'ms'), 4000)
    assert not agrees(heard(3.95, 'ms'), 4000)
    first = segy_axis._first_us
    assert first([]) == 0 and first([heard(2, 'ms', True)]) == 0
    assert first([heard(2, 'ms', True), heard(4, 'ms'), heard(8, 'ms')]) == 4000
    assert first([heard(100)]) == 100 and first([heard(99)]) == 99_000
    assert first([heard(2000, 'us')]) == 2000


def test_between_the_binary_and_the_trace_headers():
    between, remedy = segy_axis._between_headers, 'pass dt= if that is wrong'
    assert between(0, 0, [], []) == (0, []) and between(4000, 4000, [], []) == (4000, [])
    assert between(4000, 4000, [(4004, 9)], []) == (4000, [])
    assert between(100, 100, [(101, 9)], []) == (100, [])
    what = "sample interval -2 in the binary header; the trace headers' 4 is used"
    assert between(0, -2, [(4000, 9)], []) == (4000, [dict(problem=what, remedy=remedy)])
    what = 'sample interval 4 in the binary header but 2 in the trace headers; {} is used{}'
    agreed = ', which the textual header confirms'
    for said, us, why in (
        ([], 4, ''),
        ([heard(2, 'ms')], 2, agreed),
        ([heard(4, 'ms')], 4, agreed),
    ):
        found = between(4000, 4000, [(2000, 9)], said)
        assert found == (us * 1000, [dict(problem=what.format(us, why), remedy=remedy)])
    assert len(between(4000, 4000, [(4005, 9)], [])[1]) == 1

    def traces(binary, *found):
        us, (problem,) = between(binary, 0, list(found), [])
        assert problem['remedy'] == 'bring the traces to one interval, or pass dt='
        return us, problem['problem']

    what = 'sample intervals differ between traces: '
    assert traces(2000, (4000, 5), (2000, 5)) == (
        2000,
        what + '2 in 5 of 10 traces, 4 in 5; 2 is used',
    )
    assert traces(2000, (4000, 6), (2000, 4)) == (
        4000,
        what + '4 in 6 of 10 traces, 2 in 4, 2 in the binary header; 4 is used',
    )
    assert traces(0, (4000, 5), (2000, 5)) == (
        4000,
        what + '4 in 5 of 10 traces, 2 in 5; 4 is used',
    )


def test_doubts_about_an_interval():
    doubted = segy_axis._doubted
    note = (
        'sample interval 4, written without thousandths in the headers: '
        'the textual header says so too ("TEXT")'
    )
    assert doubted(4, [heard(4, 'ms')]) == (4000, [], [note])
    assert doubted(4, [heard(9), heard(4.03, 'm')]).value == 4000
    assert doubted(4, [heard(4.05, 'm')]).value == 4 and doubted(4, [heard(4, 'us')]).notes == []
    assert doubted(4, [heard(4, 's')]).problems and doubted(4, [heard(4, 'km')]).problems
    assert doubted(4000, [heard(4, 'ms')]) == (4000, [], []) == doubted(4000, [])
    assert doubted(100, []) == (100, [], [])
    what = 'sample interval 0.099 looks like ms or m written where thousandths belong'
    assert doubted(99, []) == (99, [dict(problem=what, remedy='pass dt=99')], [])
    what = 'sample interval 4 in the headers but 2 in the textual header ("B"); 4 is used'
    said = [heard(8, 'ms', True, 'A'), heard(2, 'ms', quote='B')]
    remedy = 'pass dt=2 if the text is right'
    assert doubted(4000, said) == (4000, [dict(problem=what, remedy=remedy)], [])
    assert doubted(4000, said[:1]) == (4000, [], [])


def test_an_interval_is_found_somewhere():
    def of(binary, traces, *lines):
        reader = binary_only(at_3217_i2=binary)
        return segy_axis.interval_of(reader, np.array(traces, np.int16), list(lines), 'time')

    assert of(4000, [4000, 4000]) == (4.0, [], []) == of(4000, [0, 0])
    what = 'no sample interval: 0 in the binary header, -2 in the first trace header; 1 is assumed'
    assert of(0, [-2, 0]) == (1.0, [dict(problem=what, remedy='pass dt=')], [])
    note = 'sample interval 2 by the textual header ("SI 2 MS"): the other headers have none'
    assert of(0, [0], 'RECORDED SI 1 MS', 'SI 2 MS') == (2.0, [], [note])
    note = 'sample interval -15536 in the binary header is read as unsigned: 50'
    assert of(-15536, [0]) == (50.0, [], [note])
    assert of(-15536, [4000, 4000], 'SI 4 MS').notes == []
    assert of(4000, [0, 4000, -2]) == (4.0, [], [])


def columns(n=4, **words):
    zero = np.zeros(n, np.int16)
    return dict(delay=zero, time_scalar=zero, lag_a=zero, lag_b=zero, other=zero + 1) | {
        name: np.asarray(value, np.int16) for name, value in words.items()
    }


def test_where_traces_start():
    delay, scalar = [100] * 8, [0, 1, 10, -10, 100, -1000, 10_000, 7]
    starts = segy_axis.starts_of(columns(8, delay=delay, time_scalar=scalar))
    assert starts.tolist() == [100, 100, 1000, 10, 10_000, 0.1, 1_000_000, 100]
    start = segy_axis.start_of
    assert start(columns(delay=[100] * 4), [], 4, 'time') == (100, [])
    c = columns(delay=[100, 100, 0, 100], other=[1, 1, 0, 1])
    assert start(c, [], 4, 'time') == (100, [])
    assert start(columns(other=[0] * 4), [], 4, 'time') == (0, [])
    t0, (problem,) = start(columns(delay=[100, 8, 100, 0]), [], 4, 'time')
    assert t0 == 100 and problem == dict(
        problem='start times differ between traces (0 … 100): 100 in 2 of 4 traces, 8 in 1, 0 in 1; '
        'the axis starts at 100, so windows on the other traces are shifted',
        remedy='shift the traces to a common start, or pass t0=',
    )
    what = (
        'the first sample is at 100 by the trace headers '
        'but at 60 by the textual header ("FIRST SAMPLE 60 MS"); 100 is used'
    )
    lines = ['FIRST SAMPLE 60 MS', 'FIRST SAMPLE 5 M']
    t0, problems = start(columns(delay=[100] * 4), lines, 4, 'time')
    assert problems == [dict(problem=what, remedy='pass t0=60 if the text is right')]
    for dt, doubtful in ((79, True), (80, False)):
        assert bool(start(columns(delay=[100] * 4), lines, dt, 'time')[1]) is doubtful
    assert 'at 5 by' in start(columns(delay=[100] * 4), lines, 4, 'depth')[1][0]['problem']
    assert start(columns(), ['RECORDED FIRST SAMPLE 60 MS'], 4, 'time') == (0, [])
    assert start(columns(), ['FIRST SAMPLE 60 MS', 'FIRST SAMPLE 0 MS'], 4, 'time') == (0, [])


def test_lag_times():
    def said(**words):
        t0, problems = segy_axis.start_of(columns(**words), [], 4, 'time')
        return [(p['problem'], p['remedy']) for p in problems]

    what = (
        'the delay (bytes 109-110) is 0 but the lag time (bytes {}) is {}, '
        'where some programs write the first sample; 0 is used'
    )
    remedy = 'pass t0={} if the first sample is there'
    assert said(lag_a=[8] * 4) == [(what.format('105-106', 8), remedy.format(8))]
    assert said(lag_b=[-9] * 4) == [(what.format('107-108', -9), remedy.format(-9))]
    assert said(lag_a=[7] * 4, lag_b=[9] * 4) == [(what.format('105-106', 7), remedy.format(7))]
    assert said(lag_a=[8, 8, 8, 9]) == said() == said(lag_a=[8] * 4, delay=[4] * 4) == []
    assert said(lag_a=[8, 8, 8, 0], lag_b=[5] * 4) == [
        (what.format('107-108', 5), remedy.format(5))
    ]


def test_a_domain_by_the_code_of_traces_and_units_of_depth():
    def by(code, major):
        c = dict(kind=np.array([code, code, 1], np.int16))
        return segy_axis._by_code(binary_only(at_3501_u1=major), c)

    said = 'trace identification code {} (bytes 29-30)'
    assert by(25, 2) == [(4, 'depth', said.format(25))] and by(25, 1) == [] and by(1, 2) == []
    assert by(130, 0) == by(130, 2) == [(3, 'depth', said.format(130))]

    def unit(system, *lines):
        return segy_axis._depth_unit(binary_only(at_3255_i2=system), list(lines))

    assert unit(0) == (None, []) and unit(1) == (False, []) and unit(2) == (True, [])
    assert unit(0, 'SI 5 FT') == unit(2, 'SI 5 FT') == (True, [])
    assert unit(0, 'SI 5 M') == unit(1, 'SI 5 M') == (False, [])
    what = (
        'depth is in {} by the textual header ("{}") '
        'but in {} by bytes 3255-3256 of the binary header; {} is used'
    )
    remedy = "pass units='m' or units='ft'"
    for system, line, ours, theirs in ((1, 'SI 5 FT', 'ft', 'm'), (2, 'SI 5 M', 'm', 'ft')):
        problem = dict(problem=what.format(ours, line, theirs, ours), remedy=remedy)
        assert unit(system, line) == (ours == 'ft', [problem])
    doubt = segy_axis._domain_problem
    remedy = "pass domain='time' or domain='depth'"
    assert doubt('', 'time') == []
    assert doubt('the headers differ', 'depth') == [
        dict(problem='time or depth? the headers differ; depth is taken', remedy=remedy)
    ]
    assert doubt('depth stands there', 'time') == [
        dict(problem='time or depth? depth stands there; time is assumed', remedy=remedy)
    ]


def test_an_axis_and_its_notes(tmp_path):
    made = dict(text=['SAMPLE INTERVAL 5 M'], binary={3217: 5000, 3255: 2}, b117=5000, b109=10)
    path = volume(tmp_path / 'a.sgy', **made)
    v = open_volume(path)
    assert (v.domain, v.unit, v.dt, v.t0) == ('depth', 'm', 5.0, 10.0)
    assert v.notes[-1] == 'depth, by the textual header: "C 1 SAMPLE INTERVAL 5 M"'
    assert [p['problem'] for p in v.problems] == [
        'depth is in m by the textual header ("C 1 SAMPLE INTERVAL 5 M") '
        'but in ft by bytes 3255-3256 of the binary header; m is used'
    ]
    v = open_volume(path, domain='depth')
    assert not any('by the textual' in n for n in v.notes)
    v = open_volume(path, domain='time')
    assert (v.unit, v.dt, v.problems) == ('ms', 5.0, [])
    text = ['FIRST SAMPLE 12 MS', 'SAMPLE INTERVAL 4 MS']
    path = volume(tmp_path / 'b.sgy', text=text, binary={3217: 4000}, b117=4000, b109=10)
    assert open_volume(path).problems == []  # half a sample
    assert 'first sample is at 10' in open_volume(path, dt=3).problems[0]['problem']
    assert open_volume(path, dt=3, t0=10).problems == []


# ---- survey
def placed(il, xl, **more):
    return grid_of(np.asarray(il, np.int32), np.asarray(xl, np.int32), **more)


def test_traces_without_a_place_are_told():
    il, xl = np.repeat(np.arange(10, 14), 5), np.tile(np.arange(200, 205), 4)

    def said(reason, ids, repeats=None):
        found = placed(il, xl)
        found.repeats = repeats
        survey = Survey((189, 193), found, {189: il, 193: xl})
        one = _left_out(survey, reason, np.array(ids))
        assert one['remedy'] == 'repair or remove them if they matter'
        return one['problem']

    kept = np.array([[7, 3], [8, 4]])
    assert said('repeated position', [7], kept) == (
        '1 trace repeats an inline/crossline position that is taken '
        '(file position 7, from 0; inline 11, crossline 202 keeps trace 3): left out'
    )
    assert said('repeated position', [7, 8], kept) == (
        '2 traces repeat an inline/crossline position that is taken '
        '(file positions 7, 8, from 0; inline 11, crossline 202 keeps trace 3): left out'
    )
    assert said('zero headers', [4, 5]) == (
        '2 traces with zero trace headers, as padding has them (file positions 4, 5, from 0): left out'
    )
    for n, more in ((5, ''), (6, ' …')):
        assert said('far off', range(6, 6 + n)) == (
            f'{n} traces with a line number far off the others '
            f'(file positions 6, 7, 8, 9, 10{more}, from 0: inline 11, crossline 201): left out'
        )


def test_the_grid_of_the_bytes_that_are_believed_first():
    def first(il, xl, offset=None):
        words = {189: np.asarray(il, np.int32), 193: np.asarray(xl, np.int32)}
        offset = np.zeros(len(words[189]), np.int32) if offset is None else np.asarray(offset)
        return first_grid('a.sgy', Candidate(189, 193, 'standard'), words, offset)

    alike = 'inline and crossline constant at bytes 189 and 193'
    assert first([5] * 9, [7] * 9).why == alike and first([0], [0]).why == alike
    assert first([0] * 9, [0] * 9).why == alike
    for il, xl in (([5], [7]), ([0], [7]), ([5], [0])):
        assert first(il, xl).grid.tolist() == [[0]]
    assert first([5] * 9, np.arange(9)).grid.shape == (1, 9)
    assert first(np.arange(9), [5] * 9).grid.shape == (9, 1)
    il, xl = np.repeat(np.arange(1, 5), 10), np.tile(np.repeat(np.arange(5), 2), 4)
    what = (
        'a.sgy: prestack gathers, not a stack (40 traces at 20 inline/crossline positions, '
        'with differing offsets); stack the data first, or, if it is a stack, '
        'name the bytes of its line numbers: iline_byte=, xline_byte='
    )
    with pytest.raises(VolumeError, match=exactly(what)):
        first(il, xl, np.tile([0, 100], 20))
    assert 'repeat' in first(il, xl).why
    full = np.repeat(np.arange(4), 10), np.tile(np.arange(10), 4)
    assert first(*full, np.arange(40)).grid.shape == (4, 10)


def test_exchanged_lines_change_places():
    il, xl = np.repeat(np.arange(10, 14), 5), np.tile(np.arange(200, 205), 4)
    survey = Survey((189, 193), placed(il, xl), {189: il, 193: xl})
    _exchange_back(survey, 'bytes 189 and 193', 'QUOTE')
    assert survey.lines == (193, 189) and survey.notes == [
        "inlines and crosslines stand in each other's place at bytes 189 and 193, "
        'by the textual header ("QUOTE"): exchanged back'
    ]
    assert survey.grid.inlines.tolist() == list(range(200, 205))
    assert survey.grid.crosslines.tolist() == list(range(10, 14))
    assert survey.grid.grid.tolist() == np.arange(20).reshape(4, 5).T.tolist()


def test_a_grid_on_the_map_or_not():
    positions, coordinates = survey(10, 12)
    il, xl = (a.ravel() for a in np.meshgrid(np.arange(10), np.arange(12), indexing='ij'))
    zero = np.zeros(120, np.int32)
    pairs = COORDINATE_BYTES
    words = {byte: zero for pair in pairs for byte in pair}
    one = Candidate(9, 21, 'convention')
    scalar = np.ones(120, np.int16)
    assert on_the_map(one, placed(il, xl), words, scalar) is False
    for x, y in pairs:
        there = words | {x: coordinates.x, y: coordinates.y}
        assert on_the_map(one, placed(il, xl), there, scalar) is True
        taken = Candidate(x, y, 'convention')
        assert on_the_map(taken, placed(il, xl), there, scalar) is False
    scattered = np.random.default_rng(0).permutation(120)
    x, y = pairs[0]
    there = words | {x: coordinates.x[scattered], y: coordinates.y[scattered]}
    assert on_the_map(one, placed(il, xl), there, scalar) is False


# ---- segy_reader
def test_a_reader_of_a_survey(tmp_path):
    traces, il, xl = grid(4, 5, 20)
    x, y = 400_000 + 25 * xl, 6_000_000 + 25 * il
    path = segy(tmp_path / 'a.sgy', traces, il, xl, b181=x, b185=y, b21=1 + np.arange(20))
    v = open_volume(path)
    reader = v.reader
    assert reader.segments == [(0, 20)] and reader.lines_per_chunk('inline') == 1
    assert reader.xy([3, 0]).tolist() == [[x[3], y[3]], [x[0], y[0]]]
    assert reader.cdp(np.array([3, 0])).tolist() == [4, 1] and reader.xy_unit is None
    size, head, inlines, crosslines, xs, ys = reader.identity()
    assert size == str(path.stat().st_size).encode() and head == path.read_bytes()[:3840]
    assert inlines == np.arange(10, 14).tobytes() and crosslines == np.arange(200, 205).tobytes()
    assert xs == x.astype(np.int32).tobytes() and ys == y.astype(np.int32).tobytes()
    bare = open_volume(segy(tmp_path / 'b.sgy', traces, il, xl)).reader
    assert bare.cdp(np.arange(3)) is None and bare.xy_unit is None
    assert np.isnan(bare.xy([1, 2])).all() and bare.xy([1, 2]).shape == (2, 2)
    assert bare.identity()[4:] == [b'', b''] and bare.sample_format == 'IEEE float'


def test_codes_of_coordinates_that_differ_count_for_nothing(tmp_path):
    x, y = 40 * np.tile(np.arange(5), 4) + 7, 30 * np.repeat(np.arange(4), 5) + 3
    here = dict(b181=x, b185=y)
    arcsec = open_volume(volume(tmp_path / 'a.sgy', b89=2, **here))
    assert arcsec.xy_unit == 'degrees' and any('bytes 89-90: 2' in n for n in arcsec.notes)
    some = np.where(np.arange(20) < 10, 0, 2)
    assert open_volume(volume(tmp_path / 'b.sgy', b89=some, **here)).xy_unit == 'degrees'
    both = np.where(np.arange(20) < 10, 3, 2)
    differ = open_volume(volume(tmp_path / 'c.sgy', b89=both, **here))
    assert differ.xy_unit is None and not any('89-90' in n for n in differ.notes)


def test_pieces_of_a_line_are_told(tmp_path):
    remedy = 'if this is a 3-D survey, name the bytes of its line numbers: iline_byte=, xline_byte='
    why = 'inline and crossline constant at bytes 189 and 193'
    for lengths, times in (((100, 80), 'once'), ((100, 80, 60), '2 times')):
        counted = np.concatenate([1 + np.arange(n) for n in lengths])
        v = open_volume(segy(tmp_path / f'{times}.sgy', np.ones((len(counted), 16)), b1=counted))
        ends = np.cumsum((0, *lengths)).tolist()
        assert v.segments == list(zip(ends, ends[1:]))
        what = (
            f'no grid of inlines and crosslines ({why}), and traces jump {times}: '
            f'taken as {len(lengths)} pieces of line, no window runs from one into the next'
        )
        assert dict(problem=what, remedy=remedy) in v.problems
    line = open_volume(segy(tmp_path / 'whole.sgy', np.ones((180, 16)), b1=1 + np.arange(180)))
    assert line.segments == [(0, 180)] and not any('jump' in p['problem'] for p in line.problems)
    cdp = open_volume(
        segy(tmp_path / 'cdp.sgy', np.ones((180, 16)), b1=counted[:180], b21=np.arange(180))
    )
    assert cdp.segments == [(0, 180)]
    reader = SimpleNamespace(segments=[(0, 9)], why='5 traces repeat a position')
    assert SegyReader._segment_problems(reader) == [
        dict(
            problem='no grid: 5 traces repeat a position',
            remedy='name other header bytes (iline_byte=, xline_byte=), or read it in trace order',
        )
    ]


# ---- stores
def stored(path, cube=None, coords=None, extra=None, attrs=None, chunks=None, dims=None, **numbers):
    "A small store: amplitudes tell inline, crossline and sample."
    cube = CUBE if cube is None else cube
    dims = dims or ('inline', 'crossline', 'time')
    n_il, n_xl, n = cube.shape
    known = {
        dims[0]: 10 + np.arange(n_il),
        dims[1]: 200 + np.arange(n_xl),
        dims[2]: (dims[2], 4.0 * np.arange(n), {'units': 'ms'}),
    }
    known = {name: v for name, v in (known | (coords or {})).items() if v is not None}
    ds = xarray.Dataset({'amplitude': (dims, cube), **(extra or {})}, known, attrs)
    encoding = {'amplitude': {'chunks': chunks}} if chunks else None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        ds.to_zarr(path, mode='w', encoding=encoding, consolidated=False)
    return path


CUBE = (100 * np.arange(4)[:, None, None] + 10 * np.arange(5)[:, None] + np.arange(6)).astype('f4')
XY = (('inline', 'crossline'), np.add.outer(10.0 * np.arange(4), np.arange(5.0)))


@pytest.mark.parametrize('chunks', [None, (1, 1, 1), (2, 2, 4), (4, 5, 2), (3, 2, 6)])
def test_traces_of_a_store(tmp_path, chunks):
    v = open_volume(stored(tmp_path / 'a.zarr', chunks=chunks))
    traces = CUBE.reshape(-1, 6)
    for ids in ([0], [19, 0], [3, -1, 7, 7], [-1, -1], [], np.arange(20)[::-1], [0, 4, 15, 19]):
        ids = np.array(ids, int)
        right = np.where(ids[:, None] >= 0, traces[ids], 0)
        assert np.array_equal(v.reader.read(ids), right)
        assert np.array_equal(v.reader.read_as_coded(ids), right)
    sizes = chunks or CUBE.shape
    assert v.reader.lines_per_chunk('inline') == sizes[0]
    assert v.reader.lines_per_chunk('crossline') == sizes[1]
    assert v.reader.segments == [(0, 20)] and v.reader.left_out == {} and v.format == 'mdio'
    about, il, xl = v.reader.identity()
    assert about == b"((4, 5, 6), '<f4')"
    assert il == np.arange(10, 14).tobytes() and xl == np.arange(200, 205).tobytes()
    assert v.reader.cdp(np.arange(3)) is None and np.isnan(v.reader.xy(np.arange(3))).all()
    reader = v.reader
    v.close()
    what = f'{tmp_path / "a.zarr"}: the volume is closed; open it again with open_volume'
    with pytest.raises(VolumeError, match=exactly(what)):
        reader.read(np.arange(2))


def test_few_traces_far_apart_are_not_read_as_a_block(tmp_path, monkeypatch):
    v = open_volume(stored(tmp_path / 'a.zarr', chunks=(2, 2, 3)))
    parts = []
    block = ZarrReader._read_block

    def noted(self, amplitudes, rows, at, samples):
        parts.append((len(rows), samples.start, samples.stop))
        block(self, amplitudes, rows, at, samples)

    monkeypatch.setattr(ZarrReader, '_read_block', noted)
    v.reader.read(np.array([0, 8]))  # 2 × 4 cells: four times as many as traces
    assert parts == [(2, 0, 6)]
    parts.clear()
    v.reader.read(np.array([0, 9]))  # 2 × 5 cells
    assert parts == [(1, 0, 3), (1, 3, 6), (1, 0, 3), (1, 3, 6)]


def test_a_masked_store_and_one_in_any_order(tmp_path):
    mask = np.ones((4, 5), bool)
    mask[0, 1] = mask[2] = False
    for name in ('trace_mask', 'live_mask'):
        path = stored(
            tmp_path / f'{name}.zarr',
            coords=dict(inline=np.array([13, 10, 12, 11])),
            extra={name: (('crossline', 'inline'), mask.T)},
        )
        v = open_volume(path)
        assert v.n_traces == 14 and v.inlines.tolist() == [10, 11, 12, 13]
        assert v.grid.tolist() == [
            [4, 5, 6, 7, 8],
            [9, 10, 11, 12, 13],
            [-1] * 5,
            [0, -1, 1, 2, 3],
        ]
        assert np.array_equal(v.section('inline', 11), CUBE[3].T)
    nothing = {'trace_mask': (('inline', 'crossline'), mask & False)}
    path = stored(tmp_path / 'none.zarr', extra=nothing)
    with pytest.raises(
        VolumeError, match=exactly(f'{path}: no traces: the trace mask is empty; write it again')
    ):
        open_volume(path)
    path = stored(tmp_path / 'part.zarr', extra={'trace_mask': (('inline',), mask[:, 0])})
    what = "trace_mask has dimensions ('inline',), amplitudes ('inline', 'crossline', 'time')"
    with pytest.raises(VolumeError, match=exactly(f'{path}: {what}; write it again')):
        open_volume(path)


def test_line_numbers_of_a_store(tmp_path):
    path = stored(tmp_path / 'twice.zarr', coords=dict(crossline=np.array([1, 2, 3, 2, 5])))
    what = f'{path}: number 2 occurs twice on dimension crossline; give every line its own number'
    with pytest.raises(VolumeError, match=exactly(what)):
        open_volume(path)
    for k, odd in enumerate(([1, 2, 3.5, 4], [1, 2, np.nan, 4], ['a', 'b', 'c', 'd'])):
        path = stored(tmp_path / f'{k}.zarr', coords=dict(inline=np.array(odd)))
        what = (
            f'{path}: dimension inline holds something else than whole numbers; write '
            'line numbers along it'
        )
        with pytest.raises(VolumeError, match=exactly(what)):
            open_volume(path)
    v = open_volume(stored(tmp_path / 'f.zarr', coords=dict(inline=np.array([4.0, 3, 2, 1]))))
    assert v.inlines.tolist() == [1, 2, 3, 4] and v.inlines.dtype == np.int64
    v = open_volume(stored(tmp_path / 'none.zarr', coords=dict(inline=None)))
    assert v.inlines.tolist() == [0, 1, 2, 3]
    assert 'dimension inline has no numbers: its lines are numbered from 0' in v.notes
    coords = dict(inline=None, il=('inline', [7, 8, 9, 10]), other=('inline', [1, 1, 1, 1]))
    assert open_volume(stored(tmp_path / 'il.zarr', coords=coords)).inlines.tolist() == [
        7,
        8,
        9,
        10,
    ]


def test_a_line_of_a_store(tmp_path):
    ds = xarray.Dataset(
        {'amplitude': (('cdp', 'time'), CUBE[0])},
        {'cdp': [7, 9, 11, 13, 15], 'time': ('time', 4.0 * np.arange(6), {'units': 'ms'})},
    )
    ds['trace_mask'] = ('cdp', np.array([True, False, True, True, True]))
    ds.to_zarr(tmp_path / 'a.zarr', consolidated=False)
    v = open_volume(tmp_path / 'a.zarr')
    assert v.reader.why == 'a line: dimensions cdp, time' and not v.has_geometry
    assert v.reader.cdp(np.array([0, 1, 3])).tolist() == [7, 11, 15]
    assert np.array_equal(v.traces[:], CUBE[0][[0, 2, 3, 4]])
    assert v.reader.lines_per_chunk('line') == 1


def test_stores_that_are_refused(tmp_path):
    path = stored(tmp_path / 'empty.zarr', cube=np.zeros((0, 5, 6), 'f4'))
    what = f'{path}: empty: variable amplitude has shape (0, 5, 6); write it again'
    with pytest.raises(VolumeError, match=exactly(what)):
        open_volume(path)
    path = stored(tmp_path / 'words.zarr', coords=dict(time=('time', list('abcdef'))))
    what = f'{path}: dimension time holds something else than numbers; write it again'
    with pytest.raises(VolumeError, match=exactly(what)):
        open_volume(path)
    nest = tmp_path / 'nest.zarr'
    zarr.open_group(nest, mode='w')
    for k in range(7):
        zarr.open_group(nest / f'g{k}', mode='w')
    what = (
        f'{nest}: no variables, only groups: g0, g1, g2, g3, g4, g5; name one of '
        'them in the path: nest.zarr/g0'
    )
    with pytest.raises(VolumeError, match=exactly(what)):
        open_volume(nest)
    old = tmp_path / 'old.mdio'
    (old / 'metadata').mkdir(parents=True)
    (old / 'data' / 'chunked_012').mkdir(parents=True)
    what = (
        f'{old}: an MDIO store of version 0, which this package does not read; '
        'export it to SEG-Y with the multidimio 0.x that wrote it, '
        'and use that file or import it with multidimio 1'
    )
    with pytest.raises(VolumeError, match=exactly(what)):
        open_volume(old)
    for missing in ('metadata', 'data/chunked_012'):
        other = tmp_path / f'{missing[:4]}.mdio'
        (other / missing).mkdir(parents=True)
        with pytest.raises(VolumeError) as refused:
            open_volume(other)
        assert 'version 0' not in str(refused.value)
    alone = tmp_path / 'array.zarr'
    zarr.save_array(alone, np.zeros((2, 3, 4), 'f4'))
    what = (
        f'{alone}: a Zarr array by itself, without named dimensions; '
        'write it with xarray as a variable with dimensions inline, crossline, time'
    )
    with pytest.raises(VolumeError, match=exactly(what)):
        open_volume(alone)
    assert open_volume(stored(tmp_path / 'v.zarr') / 'amplitude').n_traces == 20


# ---- store_coordinates
def test_coordinates_of_a_store(tmp_path):
    def opened(name, x=('x', {}), y=('y', {}), attrs=None, coords=None, **asked):
        extra = {
            x[0]: (XY[0], 400_000 + XY[1], x[1]),
            y[0]: (XY[0], 6_000_000 + XY[1], y[1]),
        }
        return open_volume(
            stored(tmp_path / f'{name}.zarr', extra=extra, attrs=attrs, coords=coords), **asked
        )

    right = np.stack([400_000 + XY[1].ravel(), 6_000_000 + XY[1].ravel()], 1)
    pairs = (
        'cdp_x cdp_y',
        'ensemble_x ensemble_y',
        'x_coord y_coord',
        'coord_x coord_y',
        'x_coordinate y_coordinate',
        'easting northing',
        'Eastings Northings',
        'utm_x utm_y',
    )
    for pair in pairs:
        x, y = pair.split()
        v = opened(pair.replace(' ', ''), (x, {}), (y, {}))
        assert np.array_equal(v.reader.xy(np.arange(20)), right) and v.xy_unit is None
    for pair in ('cdp_lon cdp_lat', 'longitude latitude', 'lon lat', 'long lat'):
        x, y = pair.split()
        v = opened(pair.replace(' ', ''), (x, {}), (y, {}))
        assert v.xy_unit == 'degrees' and np.array_equal(v.reader.xy(np.arange(20)), right)
        v = opened(pair.replace(' ', '') + 'm', (x, {}), (y, {}), units='m')
        assert v.xy_unit == 'degrees'
    v = opened('km', ('x', {'units': 'km'}), ('y', {}))
    assert v.xy_unit == 'm' and np.allclose(v.reader.xy(np.arange(20)), 1000 * right)
    v = opened('onlyy', ('x', {}), ('y', {'units': 'ft'}))
    assert v.xy_unit == 'ft' and np.array_equal(v.reader.xy(np.arange(20)), right)
    v = opened('apart', ('x', {'units': 'm'}), ('y', {'units': 'ft'}))
    assert (
        v.xy_unit is None
        and dict(problem='x is in m, y in ft', remedy='write both in one unit') in v.problems
    )
    assert opened('asked', units='ft').xy_unit == 'ft'
    assert opened('measured', attrs={'measurement_system': 'm'}).xy_unit == 'm'
    assert opened('sys', attrs={'measurement_sys': 'ft'}).xy_unit == 'ft'
    assert opened('kmsystem', attrs={'measurement_system': 'km'}).xy_unit is None
    assert opened('mssystem', attrs={'measurement_system': 'ms'}).xy_unit is None
    v = opened('scaled', attrs={'coord_scalar': -10, 'coord_scaled': False})
    assert np.allclose(v.reader.xy(np.arange(20)), right / 10)
    one_way = stored(
        tmp_path / 'one.zarr',
        extra={'x': ('crossline', 7.0 + np.arange(5)), 'y': ('inline', 9.0 + np.arange(4))},
    )
    xy = open_volume(one_way).reader.xy(np.arange(20))
    assert xy[:, 0].tolist() == np.tile(7.0 + np.arange(5), 4).tolist()
    assert xy[:, 1].tolist() == np.repeat(9.0 + np.arange(4), 5).tolist()
    odd = stored(tmp_path / 'odd.zarr', extra={'x': XY, 'y': ('time', np.arange(6.0))})
    assert np.isnan(open_volume(odd).reader.xy(np.arange(3))).all()
    single = stored(tmp_path / 'single.zarr', extra={'x': ((), 5.0), 'y': ((), 6.0)})
    assert np.isnan(open_volume(single).reader.xy(np.arange(3))).all()


def test_scalars_that_are_left():
    def left(value, **done):
        factor, problems = scale_left(dict(coordscalar=value, **done))
        return factor, [(p['problem'], p['remedy']) for p in problems]

    assert scale_left({}) == (1.0, [])
    for scaled in (True, 'true', 'True', 1, '1'):
        assert left(-100, coordscaled=scaled) == (1.0, [])
    for scaled in (False, 'false', 0):
        for value, factor in (
            (-10, 0.1),
            (100, 100),
            (-1000, 0.001),
            (10_000, 10_000),
            (-1e4, 1e-4),
        ):
            assert left(value, coordscaled=scaled) == (factor, [])
        for value in (0, 1, -1, 7, 99, '10', None):
            assert left(value, coordscaled=scaled) == (1.0, [])
    what = (
        'attribute coord_scalar is -100 and coord_scaled is missing: coordinates '
        'are taken as they are'
    )
    remedy = 'set coord_scaled to true or false in the store'
    assert left(-100) == (1.0, [(what, remedy)])


def test_no_zero_has_a_sign():
    (first, last, step), *_ = ranges_said(['TIME 0 TO -8 MS'])
    assert str(first.value) == '0.0' and last.value == 8 and step is None
