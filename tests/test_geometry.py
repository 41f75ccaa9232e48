"""Where line numbers and coordinates stand, found by evidence; a few bad traces; joins of lines."""

import numpy as np
import pytest
from test_volume import segy

from reflection_connection.volume import VolumeError, open_volume, preflight

N_IL, N_XL = 12, 40
PLACES = [(189, 193), (9, 21), (5, 21), (5, 17), (221, 225), (193, 189), (233, 237), (213, 217)]


def numbers(order='inline'):
    "Inline and crossline of every trace of a small survey."
    il, xl = np.meshgrid(100 + np.arange(N_IL), 300 + np.arange(N_XL), indexing='ij')
    if order == 'crossline':
        il, xl = il.T, xl.T
    return il.ravel(), xl.ravel()


def amplitudes(il, xl, n_samples=16):
    return (il * 1000.0 + xl)[:, None] + np.zeros(n_samples)


def on_map(il, xl, spacing=25, turn=(0.8, 0.6)):
    "Coordinates of a survey that is turned on the map, as whole numbers."
    along, beside = spacing * (xl - 300), spacing * (il - 100)
    x, y = (
        450_000 + turn[0] * along - turn[1] * beside,
        6_200_000 + turn[1] * along + turn[0] * beside,
    )
    return np.round(x).astype(int), np.round(y).astype(int)


def write(path, il, xl, at=(189, 193), xy=(181, 185), text=(), binary=(), **fields):
    "A survey with its numbers where they are wanted, and a textual header."
    x, y = on_map(il, xl)
    words = {f'b{at[0]}': il, f'b{at[1]}': xl} | ({f'b{xy[0]}': x, f'b{xy[1]}': y} if xy else {})
    segy(path, amplitudes(il, xl), **(words | fields))
    head = bytearray(path.read_bytes())
    card = ''.join(line.ljust(80) for line in text).ljust(3200)
    head[:3200] = card.encode('cp037')
    for byte, value in binary:
        head[byte - 1 : byte + 1] = int(value).to_bytes(2, 'big')
    path.write_bytes(head)
    return path


def is_the_survey(v):
    assert v.inlines.tolist() == list(range(100, 112)) and v.crosslines.tolist() == list(
        range(300, 340)
    )
    assert np.array_equal(v.section('inline', 103)[0], 103_000 + np.arange(300, 340))
    assert np.array_equal(v.section('crossline', 307)[0], 1000 * np.arange(100, 112) + 307)


@pytest.mark.parametrize('order', ['inline', 'crossline'])
@pytest.mark.parametrize('at', [p for p in PLACES if p != (193, 189)], ids=str)
def test_line_numbers_are_found(tmp_path, at, order):
    v = open_volume(write(tmp_path / 'a.sgy', *numbers(order), at=at))
    is_the_survey(v)
    assert v.problems == [] or all('interval' in p['problem'] for p in v.problems)
    assert (at == (189, 193)) == (not any('line numbers taken' in n for n in v.notes))
    assert at == (189, 193) or any(f'bytes {at[0]} and {at[1]}' in n for n in v.notes)


@pytest.mark.parametrize(
    'at,text',
    [
        ((193, 189), 'C 2 INLINE NUMBER BYTES 193-196  CROSSLINE NUMBER BYTES 189-192'),
        ((9, 13), 'C 2 INLINE BYTES 9-12   CROSSLINE BYTES 13-16'),
        ((17, 13), 'C 2 INLINE: 17-20, XLINE: 13-16 (BYTES)'),
        ((197, 201), 'C 2 Inline number : bytes 197-200   Xline number : bytes 201-204'),
    ],
    ids=str,
)
def test_the_textual_header_is_believed(tmp_path, at, text):
    v = open_volume(write(tmp_path / 'a.sgy', *numbers(), at=at, text=[text]))
    is_the_survey(v)
    assert any('textual header' in n for n in v.notes)


def test_a_textual_header_that_is_wrong_about_bytes(tmp_path):
    v = open_volume(
        write(
            tmp_path / 'a.sgy',
            *numbers(),
            at=(189, 193),
            text=['C 2 INLINE BYTES 9-12   CROSSLINE BYTES 21-24'],
        )
    )
    is_the_survey(v)


def test_the_same_numbers_twice_are_no_news(tmp_path):
    il, xl = numbers()
    v = open_volume(
        write(
            tmp_path / 'a.sgy',
            il,
            xl,
            text=['C 2 INLINE BYTES 9-12   CROSSLINE BYTES 21-24'],
            b9=il,
            b21=xl,
        )
    )
    is_the_survey(v)
    assert not any('line numbers' in n for n in v.notes)


def test_exchanged_lines_by_their_ranges(tmp_path):
    v = open_volume(
        write(
            tmp_path / 'a.sgy',
            *numbers(),
            at=(193, 189),
            text=['C 2 First inline: 100  Last inline: 111'],
        )
    )
    is_the_survey(v)
    assert any('exchanged back' in n for n in v.notes)


def test_the_caller_settles(tmp_path):
    p = write(
        tmp_path / 'a.sgy',
        *numbers(),
        at=(9, 21),
        text=['C 2 INLINE BYTES 9-12   CROSSLINE BYTES 21-24'],
    )
    v = open_volume(p, iline_byte=21, xline_byte=9)
    assert (v.inlines[0], v.crosslines[0]) == (300, 100) and not any(
        'line numbers' in n for n in v.notes
    )
    assert not open_volume(p, iline_byte=189, xline_byte=193).has_geometry
    is_the_survey(open_volume(p, iline_byte=9))


@pytest.mark.parametrize('turn', [(1.0, 0.0), (0.8, 0.6)])
def test_coordinates_where_line_numbers_belong(tmp_path, turn):
    il, xl = numbers()
    x, y = on_map(il - 99, xl - 299, turn=turn)
    p = segy(tmp_path / 'a.sgy', amplitudes(il, xl), b189=x, b193=y, b181=il, b185=xl)
    v = open_volume(p)
    is_the_survey(v)
    assert np.allclose(v.xy('inline', 100)[0], [x[0], y[0]]) and any(
        'look' in n or 'do not' in n for n in v.notes
    )


def test_line_numbers_that_look_like_coordinates_are_a_problem(tmp_path):
    il, xl = numbers()
    v = open_volume(
        segy(
            tmp_path / 'a.sgy', amplitudes(il, xl), b189=6_200_000 + 25 * il, b193=450_000 + 25 * xl
        )
    )
    assert v.has_geometry and any(
        'look like coordinates' in p['problem'] and 'iline_byte=' in p['remedy'] for p in v.problems
    )


@pytest.mark.parametrize('x0,y0', [(450_000, 6_200_000), (0, 0)], ids=['on the map', 'local'])
def test_coordinates_are_not_taken_for_line_numbers(tmp_path, x0, y0):
    il, xl = numbers()
    v = open_volume(
        segy(
            tmp_path / 'a.sgy',
            amplitudes(il, xl),
            b181=x0 + 25 * (xl - 300),
            b185=y0 + 25 * (il - 100),
        )
    )
    assert not v.has_geometry and len(v.segments) == 12
    assert np.allclose(v.xy('line', 0)[41], [x0 + 25, y0 + 25])


# ---- a few bad traces
def spoilt(kind):
    "Numbers of a survey with a few bad traces; which of them are left out."
    il, xl = numbers()
    if kind == 'one repeated':
        order = np.r_[0:100, 99, 100:480]
        return il[order], xl[order], [100], 'repeats'
    if kind == 'a line repeated':
        order = np.r_[0:480, 40:80]
        return il[order], xl[order], list(range(480, 520)), 'repeat'
    if kind == 'a line of eight repeated':
        order = np.r_[0:320, 40:80]
        return il[order], xl[order], list(range(320, 360)), 'repeat'
    if kind == 'padding at the end':
        return np.r_[il, [0] * 30], np.r_[xl, [0] * 30], list(range(480, 510)), 'zero trace headers'
    if kind == 'padding at the start':
        return np.r_[0, il], np.r_[0, xl], [0], 'zero trace headers'
    if kind == 'padding between':
        return (
            np.insert(il, 200, [0] * 5),
            np.insert(xl, 200, [0] * 5),
            list(range(200, 205)),
            'zero trace headers',
        )
    if kind == 'a slip':
        il = il.copy()
        il[77] = 99999
        return il, xl, [77], 'far off'
    if kind == 'the largest':
        xl = xl.copy()
        xl[77:79] = 2**31 - 1
        return il, xl, [77, 78], 'far off'
    if kind == 'a line away':
        il = il.copy()
        il[77] = 140
        return il, xl, [77], 'far off'
    if kind == 'minus one':
        return np.r_[il, [-9999] * 20], np.r_[xl, [-9999] * 20], list(range(480, 500)), 'far off'


@pytest.mark.parametrize(
    'kind',
    [
        'one repeated',
        'a line repeated',
        'a line of eight repeated',
        'padding at the end',
        'padding at the start',
        'padding between',
        'a slip',
        'a line away',
        'the largest',
        'minus one',
    ],
)
def test_a_few_bad_traces_cost_a_few_traces(tmp_path, kind):
    il, xl, out, word = spoilt(kind)
    x, y = on_map(il, xl)
    x, y = (np.where((il == 0) & (xl == 0), 0, a) for a in (x, y))
    p = segy(tmp_path / 'a.sgy', amplitudes(il, xl), il=il, xl=xl, b181=x, b185=y)
    v = open_volume(p)
    assert v.inlines.tolist() == list(
        range(100, 108 if 'eight' in kind else 112)
    ) and v.crosslines.tolist() == list(range(300, 340))
    assert sorted(int(i) for ids in v.left_out.values() for i in ids) == out
    told = [q['problem'] for q in v.problems if 'left out' in q['problem']]
    assert (
        len(told) == 1 and word in told[0] and str(out[0]) in told[0] and str(len(out)) in told[0]
    )
    assert v.traces.shape == (len(il), 16)  # file order keeps them all
    if 'repeat' not in kind:
        assert (v.section('inline', 105)[0] != 0).all() or kind in (
            'a slip',
            'a line away',
            'the largest',
        )
    assert sum(preflight(p)['geometry']['left_out'].values()) == len(out)


def test_the_first_of_repeated_traces_is_kept(tmp_path):
    il, xl = numbers()
    order = np.r_[0:100, 99, 100:480]
    a = amplitudes(il, xl)[order]
    a[100] += 7
    v = open_volume(segy(tmp_path / 'a.sgy', a, il=il[order], xl=xl[order]))
    assert np.array_equal(v.section('inline', 102)[0], 102_000 + np.arange(300, 340))
    assert any('keeps trace 99' in p['problem'] for p in v.problems)


def test_a_trace_that_was_written_twice_is_no_gather(tmp_path):
    il, xl = numbers()
    order = np.r_[0:100, 99, 100:480]
    offset = np.where(np.arange(481) == 100, 350, 0)
    v = open_volume(
        segy(tmp_path / 'a.sgy', amplitudes(il, xl)[order], il=il[order], xl=xl[order], b37=offset)
    )
    assert v.has_geometry and len(v.left_out['repeated position']) == 1


def test_numbers_of_traces_are_no_crosslines(tmp_path):
    il, xl = numbers()
    is_the_survey(
        open_volume(
            segy(tmp_path / 'a.sgy', amplitudes(il, xl), il=il, xl=np.arange(480) + 1, b21=xl)
        )
    )


# ---- no grid
@pytest.mark.parametrize('evidence', ['coordinates', 'cdp', 'inline', 'to and fro'])
def test_joins_of_lines_are_found(tmp_path, evidence):
    il, xl = numbers()
    x, y = on_map(il, np.where(il % 2, 639 - xl, xl) if evidence == 'to and fro' else xl)
    words = dict(coordinates=dict(b181=x, b185=y), cdp=dict(b21=xl), inline=dict(b189=il)).get(
        evidence, dict(b181=x, b185=y)
    )
    v = open_volume(segy(tmp_path / 'a.sgy', amplitudes(il, xl), **words))
    assert not v.has_geometry and v.segments == [(40 * k, 40 * k + 40) for k in range(12)]
    assert any('12 pieces' in p['problem'] and 'iline_byte=' in p['remedy'] for p in v.problems)


def test_a_line_that_bends_is_one_piece(tmp_path):
    n = np.arange(120)
    x, y = np.minimum(n, 60) * 10, np.maximum(n - 60, 0) * 10
    v = open_volume(
        segy(
            tmp_path / 'a.sgy',
            np.ones((120, 16)),
            b21=1000 + 2 * n,
            b181=400_000 + x,
            b185=5_000_000 + y,
        )
    )
    assert v.segments == [(0, 120)] and v.problems == []
    assert v.cdp('line', 0)[[0, -1]].tolist() == [1000, 1238]


def test_shots_are_not_a_survey(tmp_path):
    shots, channels = (a.ravel() for a in np.meshgrid(np.arange(12), np.arange(40), indexing='ij'))
    with pytest.raises(VolumeError, match='prestack'):
        open_volume(
            segy(
                tmp_path / 'a.sgy',
                np.ones((480, 16)),
                b9=shots + 1,
                b13=channels + 1,
                b21=shots + channels,
                b37=100 * channels,
            )
        )
    with pytest.raises(
        VolumeError, match='prestack'
    ):  # every shot into the same spread: CDP numbers of a grid
        open_volume(
            segy(
                tmp_path / 'b.sgy',
                np.ones((480, 16)),
                b9=shots + 1,
                b21=channels + 1,
                b37=100 * (channels - shots),
            )
        )


# ---- coordinates
def test_coordinates_elsewhere(tmp_path):
    il, xl = numbers()
    v = open_volume(write(tmp_path / 'a.sgy', il, xl, xy=(73, 77)))
    assert np.allclose(v.xy('inline', 100)[0], [450_000, 6_200_000]) and any(
        'bytes 73 and 77' in n for n in v.notes
    )
    again = open_volume(
        write(tmp_path / 'b.sgy', il, xl, xy=(73, 77), b181=xl, b185=il)
    )  # line numbers in their place
    assert np.allclose(again.xy('inline', 100)[0], [450_000, 6_200_000]) and any(
        'again' in n for n in again.notes
    )
    none = open_volume(write(tmp_path / 'c.sgy', il, xl, xy=None, b181=xl, b185=il))
    assert np.isnan(none.xy('inline', 100)).all() and any(
        'line numbers again' in p['problem'] for p in none.problems
    )
    small = open_volume(write(tmp_path / 'd.sgy', il, xl, xy=None, b181=xl - 200, b185=il + 7))
    assert any('look like line numbers' in p['problem'] for p in small.problems)
    chosen = open_volume(
        write(tmp_path / 'e.sgy', il, xl, xy=(73, 77), b181=il * 7, b185=xl * 9),
        x_byte=73,
        y_byte=77,
    )
    assert np.allclose(chosen.xy('inline', 100)[0], [450_000, 6_200_000])


def test_floats_and_unknown_coordinates(tmp_path):
    il, xl = numbers()
    x, y = (np.float32(a + 0.25).view(np.int32) for a in on_map(il, xl))
    v = open_volume(write(tmp_path / 'a.sgy', il, xl, xy=None, b181=x, b185=y))
    assert np.allclose(v.xy('inline', 100)[0], [450_000.25, 6_200_000.25], atol=0.5) and any(
        'floats' in n for n in v.notes
    )
    x, y = on_map(il, xl)
    x[5] = y[5] = -(2**31)
    v = open_volume(write(tmp_path / 'b.sgy', il, xl, xy=None, b181=x, b185=y))
    xy = v.xy('inline', 100)
    assert np.isnan(xy[5]).all() and np.isfinite(np.delete(xy, 5, 0)).all()


def test_a_few_wrong_coordinates_cost_a_few_coordinates(tmp_path):
    il, xl = numbers()
    x, y = on_map(il, xl)
    x[[7, 300]] += 90_000
    y[301] = 17
    v = open_volume(write(tmp_path / 'a.sgy', il, xl, xy=None, b181=x, b185=y, b73=x + 5, b77=y))
    assert v.notes == [
        n for n in v.notes if 'coordinates' not in n
    ]  # the standard's bytes are kept
    assert any(
        '3 traces have coordinates far off' in p['problem'] and '7, 300, 301' in p['problem']
        for p in v.problems
    )
    assert (
        np.isnan(v.xy('inline', 100)[7]).all()
        and np.isfinite(v.xy('inline', 101)).all()
        and np.isfinite(v.section('inline', 100)).all()
    )


def test_only_the_true_origin_lies_at_zero(tmp_path):
    il, xl = numbers()
    x, y = 25 * (xl - 300), 25 * (il - 100)
    v = open_volume(write(tmp_path / 'a.sgy', il, xl, xy=None, b181=x, b185=y))
    assert v.xy('inline', 100)[0].tolist() == [0, 0]
    lost_x, lost_y = x + 500_000, y + 500_000
    lost_x[7] = lost_y[7] = 0
    v = open_volume(write(tmp_path / 'b.sgy', il, xl, xy=None, b181=lost_x, b185=lost_y))
    assert np.isnan(v.xy('inline', 100)[7]).all()


@pytest.mark.parametrize(
    'code,scalar,words,unit',
    [
        (2, -100, lambda lon, lat: (lon * 3600 * 100, lat * 3600 * 100), 'degrees'),
        (3, -10_000, lambda lon, lat: (lon * 1e4, lat * 1e4), 'degrees'),
        (
            4,
            -100,
            lambda lon, lat: tuple(
                (np.floor(d) * 1e4 + np.floor(d % 1 * 60) * 100 + d * 60 % 1 * 60) * 100
                for d in (lon, lat)
            ),
            'degrees',
        ),
        (1, -10_000, lambda lon, lat: (lon * 1e4, lat * 1e4), 'degrees'),
    ],
    ids=['seconds of arc', 'decimal degrees', 'degrees minutes seconds', 'unsaid'],
)
def test_degrees(tmp_path, code, scalar, words, unit):
    il, xl = numbers()
    lon, lat = 4.5 + 0.0004 * (xl - 300), 54.1 + 0.0002 * (il - 100)
    x, y = (np.round(a).astype(int) for a in words(lon, lat))
    p = write(tmp_path / 'a.sgy', il, xl, xy=None, b181=x, b185=y, b71=scalar)
    raw = bytearray(p.read_bytes())
    for k in range(480):
        raw[3600 + k * 304 + 88 : 3600 + k * 304 + 90] = code.to_bytes(2, 'big')
    p.write_bytes(raw)
    v = open_volume(p)
    assert v.xy_unit == unit and np.allclose(
        v.xy('inline', 105), np.stack([lon, lat], 1)[200:240], atol=6e-5
    )
    assert any('degrees' in n for n in v.notes) or any(
        'degrees' in q['problem'] for q in v.problems
    )


def test_units_of_coordinates(tmp_path):
    il, xl = numbers()
    assert open_volume(write(tmp_path / 'a.sgy', il, xl, binary=[(3255, 1)])).xy_unit == 'm'
    assert open_volume(write(tmp_path / 'b.sgy', il, xl, binary=[(3255, 2)])).xy_unit == 'ft'
    unsaid = write(tmp_path / 'c.sgy', il, xl)
    assert open_volume(unsaid).xy_unit is None and open_volume(unsaid, units='ft').xy_unit == 'ft'


def test_doubtful_maps_are_told(tmp_path):
    il, xl = numbers()
    x, y = on_map(il, xl)
    swapped = open_volume(
        write(tmp_path / 'a.sgy', il, xl, xy=None, b181=y, b185=x, binary=[(3255, 1)])
    )
    assert any('northing' in p['problem'] for p in swapped.problems)
    tiny = open_volume(write(tmp_path / 'b.sgy', il, xl, b71=-1000))
    assert any('scalar' in p['problem'] for p in tiny.problems)
    scattered = np.random.default_rng(0).permutation(480)
    mixed = open_volume(write(tmp_path / 'c.sgy', il, xl, xy=None, b181=x[scattered], b185=y))
    assert any('do not lie on a regular grid' in p['problem'] for p in mixed.problems)


# ---- files of other people
def scattered(il, xl, share=0.75):
    "Which traces of a survey are there when a quarter of them was never shot."
    return np.random.default_rng(1).random(len(il)) < share


@pytest.mark.parametrize('shape', ['holes', 'triangle'])
@pytest.mark.parametrize('at', [(9, 21), (5, 21)], ids=str)
def test_a_survey_with_holes_is_found_where_coordinates_lie_on_it(tmp_path, at, shape):
    il, xl = numbers()
    there = scattered(il, xl) if shape == 'holes' else xl - 300 < 4 * (il - 99)
    il, xl = il[there], xl[there]
    v = open_volume(write(tmp_path / 'a.sgy', il, xl, at=at))
    assert v.inlines.tolist() == list(range(100, 112)) and v.has_geometry
    row = v.section('inline', 103)[0]
    assert np.array_equal(row[row != 0], 103_000 + xl[il == 103])
    assert any('with holes, on which the coordinates lie' in n for n in v.notes)
    lost = open_volume(write(tmp_path / 'b.sgy', il, xl, at=at, xy=None))
    assert not lost.has_geometry  # numbers alone are no evidence for a grid with holes
    named = f'C 2 INLINE BYTES {at[0]}-{at[0] + 3}   CROSSLINE BYTES {at[1]}-{at[1] + 3}'
    assert open_volume(write(tmp_path / 'c.sgy', il, xl, at=at, xy=None, text=[named])).has_geometry


def test_coordinates_that_scatter_do_not_cut_a_line(tmp_path):
    n, rng = np.arange(200), np.random.default_rng(0)
    x, y = (
        np.round(10 * (a + rng.normal(0, 2, 200))).astype(int)
        for a in (400_000 + 5 * n, 5_000_000 + 4 * n)
    )
    v = open_volume(
        segy(tmp_path / 'a.sgy', np.ones((200, 16)), b21=1 + n, b71=-10, b181=x, b185=y)
    )
    assert v.segments == [(0, 200)]
    there_and_back = np.r_[np.arange(20), np.arange(20)[::-1]]
    x, y = 400_000 + 25 * np.tile(there_and_back, 5), 5_000_000 + 25 * np.repeat(np.arange(10), 20)
    v = open_volume(segy(tmp_path / 'b.sgy', np.ones((200, 16)), b21=1 + n, b181=x, b185=y))
    assert v.segments == [(a, a + 20) for a in range(0, 200, 20)]


def test_lines_without_coordinates_end_where_trace_numbers_begin_anew(tmp_path):
    v = open_volume(segy(tmp_path / 'a.sgy', np.ones((180, 16)), b1=np.r_[1:101, 1:81]))
    assert v.segments == [(0, 100), (100, 180)]
    assert any('jump once' in p['problem'] for p in v.problems)
    assert open_volume(segy(tmp_path / 'b.sgy', np.ones((180, 16)), b1=np.r_[1:181])).segments == [
        (0, 180)
    ]


def test_a_scalar_that_is_no_power_of_ten_is_told(tmp_path):
    il, xl = numbers()
    x, y = on_map(il, xl)
    for scalar in (3, -3, 2000):
        v = open_volume(write(tmp_path / f'{scalar}.sgy', il, xl, b71=scalar))
        assert any(f'scalar at bytes 71-72 is {scalar}' in p['problem'] for p in v.problems)
    for scalar in (0, 1, -1):
        v = open_volume(write(tmp_path / f'{scalar}.sgy', il, xl, b71=scalar))
        assert not any('scalar' in p['problem'] for p in v.problems)
        assert v.xy('inline', 100)[1].tolist() == [x[1], y[1]]


def test_seconds_of_arc_without_their_code_are_told(tmp_path):
    il, xl = numbers()
    x, y = (
        np.round(100 * (16_200 + 0.72 * (xl - 300))).astype(int),
        np.round(100 * (187_560 + 0.72 * (il - 100))).astype(int),
    )
    p = write(tmp_path / 'a.sgy', il, xl, xy=None, b181=x, b185=y, b71=-100)
    assert any('seconds of arc' in q['problem'] for q in open_volume(p).problems)
    said = open_volume(p, units='arcsec')
    assert said.xy_unit == 'degrees' and not any(
        'seconds of arc' in q['problem'] for q in said.problems
    )
    assert not any('seconds of arc' in q['problem'] for q in open_volume(p, units='m').problems)


@pytest.mark.parametrize(
    'text,unit',
    [
        ('C 3 COORDINATE UNITS: FEET', 'ft'),
        ('C 3 XY UNITS = M', 'm'),
        ('C 4 X/Y IN US SURVEY FEET', 'ft'),
        ('C 9 PROJECTION NAD27 TEXAS SOUTH CENTRAL, US SURVEY FEET', 'ft'),
        ('C 9 UTM ZONE 31N, ED50, METERS', 'm'),
        ('C20 MAP PROJECTION          ZONE ID       COORDINATE UNITS', None),
        ('C 5 COORDINATE UNITS (METERS/FEET)', None),
        ('C 5 MAP: M. MILLER', None),
        ('C 5 PROJECTION DATUM AT 500 FT', None),
        ('C 7 X COORDINATE: BYTES 181-184', None),
    ],
)
def test_the_text_names_the_unit_of_coordinates(tmp_path, text, unit):
    il, xl = numbers()
    v = open_volume(write(tmp_path / 'a.sgy', il, xl, text=[text]))
    assert v.xy_unit == unit and (unit is None) == (
        not any('by the textual header' in n for n in v.notes)
    )
    other = dict(m=2, ft=1).get(unit, 1)
    v = open_volume(write(tmp_path / 'b.sgy', il, xl, text=[text], binary=[(3255, other)]))
    assert v.xy_unit == (unit or 'm')
    assert (unit is None) == (not any('bytes 3255-3256' in p['problem'] for p in v.problems))
    v = open_volume(tmp_path / 'b.sgy', units='ft')
    assert v.xy_unit == 'ft' and not any('bytes 3255-3256' in p['problem'] for p in v.problems)


@pytest.mark.parametrize(
    'inlines',
    [[100, 102, 104, 110, 112, 114, 120, 122], [100, 101, 102, 103, 104, 106, 108, 110]],
    ids=str,
)
def test_uneven_inlines_of_a_survey_without_holes(tmp_path, inlines):
    il, xl = (a.ravel() for a in np.meshgrid(inlines, 300 + np.arange(40), indexing='ij'))
    v = open_volume(write(tmp_path / 'a.sgy', il, xl, at=(9, 21)))
    assert v.inlines.tolist() == inlines and np.array_equal(
        v.section('inline', 104)[0], 104_000 + np.arange(300, 340)
    )


def test_one_largest_sample_of_a_short_file_is_no_clipping(tmp_path):
    samples = np.random.default_rng(0).normal(size=(2, 64))
    said = preflight(segy(tmp_path / 'a.sgy', samples))['problems']
    assert not any('clipped' in p['problem'] for p in said)
    said = preflight(segy(tmp_path / 'b.sgy', np.clip(np.tile(samples, (20, 1)), -1, 1)))[
        'problems'
    ]
    assert any('clipped' in p['problem'] for p in said)


def test_two_pieces_of_a_line_are_no_survey_with_holes(tmp_path):
    n = np.arange(200)
    pieces = dict(
        b5=n + 1,
        b17=n // 100 + 1,
        b21=n + 1,
        b181=450_000 + 25 * n,
        b185=6_200_000 + 500 * (n // 100),
    )
    v = open_volume(segy(tmp_path / 'a.sgy', np.ones((200, 16)), **pieces))
    assert not v.has_geometry and v.segments == [(0, 100), (100, 200)]


def test_coordinates_beyond_any_map_are_told(tmp_path):
    n = np.arange(200)
    line = dict(b21=n + 1, b181=45_000_000 + 1250 * n, b185=620_000_000 + 500 * n)
    assert any(
        'beyond any map' in p['problem']
        for p in open_volume(segy(tmp_path / 'a.sgy', np.ones((200, 16)), **line)).problems
    )
    assert (
        open_volume(segy(tmp_path / 'b.sgy', np.ones((200, 16)), **line, b71=-100)).problems == []
    )
