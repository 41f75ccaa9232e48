from faults.common import *

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
    call=lambda o, p: shorten_while_open(o / 'a.sgy'),
)
