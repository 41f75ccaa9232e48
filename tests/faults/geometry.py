import numpy as np

from faults.common import *

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
    lambda a, o: coordinates_are_right(o),
    rotated,
    call=lambda o, p: run_refcon(
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
