import numpy as np

from faults.common import *

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
