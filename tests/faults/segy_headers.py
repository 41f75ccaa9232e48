import struct

import numpy as np

from faults.common import *

group('SEG-Y with wrong headers')
for code in (0, 4, 7, 15, 99, 257, -5):
    bad(
        f'sample format {code}',
        check,
        f'format {code}' if code in (4, 7, 15) else f'format code {code}',
        sgy(put={3225: w(code)}),
    )
good(
    'sample format of another width',
    check,
    '20 traces of IEEE float, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'Canadian practice' in str(r['problems'])
    ),
    sgy(put={3225: w(6)}),
)
bad('format code of the other byte order', check, 'a.sgy', sgy(put={3225: b'\5\0'}))
good(
    'no samples in either header',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3221: w(0)}),
)
bad(
    'no samples in either header, and nothing in the trace headers',
    check,
    'zero samples',
    sgy(tr_dt=0, put={3221: w(0)}),
)
good(
    'no samples in the binary header, some in the traces',
    check,
    '20 samples, from the trace header',
    lambda r, o: r['n_samples'] == 20,
    sgy(put={3221: w(0)} | {3600 + 320 * k + 115: w(20) for k in range(20)}),
)
good(
    '65,535 samples',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3221: b'\xff\xff'}),
)
bad(
    '65,535 samples, and nothing in the trace headers',
    check,
    'truncated',
    sgy(tr_dt=0, put={3221: b'\xff\xff'}),
)
good(
    'one sample of twenty',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3221: w(1)}),
)
good(
    '2 billion samples in a revision-2 header',
    check,
    '20 samples, found by the trace headers, it says',
    lambda r, o: (
        (r['n_traces'], r['n_samples'], r['geometry']['mode']) == (20, 20, 'grid')
        and 'from the file size and the trace headers' in str(r['problems'])
    ),
    sgy(put={3501: w(0x200), 3269: w(2**31 - 1, 4), 3221: w(0)}),
)
bad(
    '2 billion samples in a revision-2 header, and nothing in the trace headers',
    check,
    'absurd sample count',
    sgy(tr_dt=0, put={3501: w(0x200), 3269: w(2**31 - 1, 4), 3221: w(0)}),
)
good(
    'a negative count in a revision-2 header',
    check,
    '20 samples',
    lambda r, o: r['n_samples'] == 20,
    sgy(put={3501: w(0x200), 3269: w(-5, 4)}),
)
good(
    '2 billion more trace headers in a revision-2 header',
    check,
    '20 traces, the number is not believed',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={3501: w(0x200), 3507: w(2**31 - 1, 4)}),
)
good(
    '32,767 extended headers that are not there',
    check,
    'none there, it says',
    lambda r, o: 'none there' in str(r['problems']),
    sgy(put={3505: w(32767)}),
)
good(
    'a negative number of extended headers',
    check,
    '20 traces',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={3505: w(-1)}),
)
good(
    'interval 0',
    check,
    'interval 1 is assumed, it says',
    lambda r, o: r['interval'] == 1 and 'no sample interval' in str(r['problems']),
    sgy(dt=0, tr_dt=0),
)
good(
    'interval -4',
    check,
    'interval 1 is assumed, it says',
    lambda r, o: r['interval'] == 1 and 'no sample interval' in str(r['problems']),
    sgy(dt=-4000, tr_dt=-4000),
)
good(
    'interval negative in one header',
    check,
    'interval 4 of the other',
    lambda r, o: r['interval'] == 4,
    sgy(dt=-4000),
)
good(
    'interval 32.767',
    check,
    'that, and that it is long',
    lambda r, o: r['interval'] == 32.767 and 'long' in str(r['problems']),
    sgy(dt=32767, tr_dt=32767),
)
good(
    'interval written in ms',
    check,
    '0.004, and the remedy',
    lambda r, o: r['interval'] == 0.004 and 'pass --dt 4' in str(r['problems']),
    sgy(dt=4, tr_dt=4),
)
good(
    'interval NaN in a revision-2 header',
    check,
    'interval 1 is assumed',
    lambda r, o: r['interval'] == 1,
    sgy(dt=0, tr_dt=0, put={3501: w(0x200), 3273: struct.pack('>d', np.nan)}),
)
good(
    'interval infinite in a revision-2 header',
    check,
    'interval 1 is assumed',
    lambda r, o: r['interval'] == 1,
    sgy(dt=0, tr_dt=0, put={3501: w(0x200), 3273: struct.pack('>d', np.inf)}),
)
good('start at -32.768 s', check, 'that', lambda r, o: r['t0'] == -32768, sgy(b109=-32768))
good(
    'start times that differ',
    check,
    'said',
    lambda r, o: 'start times differ' in str(r['problems']),
    sgy(b109=lambda t, il, xl: np.arange(len(il))),
)
good(
    'interval 50, unsigned',
    check,
    '50, and that it was read so',
    lambda r, o: r['interval'] == 50 and 'unsigned' in str(r['notes']),
    sgy(dt=-15536, tr_dt=0),
)
good(
    'interval that differs between headers',
    check,
    '4, and both are named',
    lambda r, o: (
        r['interval'] == 4
        and '4 in the binary header but 2 in the trace headers' in str(r['problems'])
    ),
    sgy(tr_dt=2000),
)
good(
    'start time in the lag time',
    check,
    '0, and the lag time is named',
    lambda r, o: r['t0'] == 0 and 'lag time' in str(r['problems']),
    sgy(put={3600 + 320 * k + 105: w(1800) for k in range(20)}),
)
good(
    'first trace without a start time',
    check,
    'that of the others, and how many',
    lambda r, o: r['t0'] == 1800 and '1800 in 19 of 20 traces, 0 in 1' in str(r['problems']),
    sgy(put={3600 + 320 * k + 109: w(1800) for k in range(1, 20)}),
)
good(
    'depth or time not said',
    check,
    'time, and that it is assumed',
    lambda r, o: r['domain'] == 'time' and 'assumed' in str(r['notes']),
    sgy(),
)
good(
    'depth migration, domain not said',
    check,
    'time, and the question',
    lambda r, o: r['domain'] == 'time' and 'time or depth?' in str(r['problems']),
    sgy(put={81: 'C 2 PRE-STACK DEPTH MIGRATION'.encode('cp037')}),
)
good(
    'depth in feet and in metres',
    check,
    'feet by the text, and both are named',
    lambda r, o: r['unit'] == 'ft' and 'in m by bytes 3255-3256' in str(r['problems']),
    sgy(put={81: 'C 2 SAMPLE INTERVAL 4 FT'.encode('cp037'), 3255: w(1)}),
)
good(
    'textual header of random bytes',
    check,
    '20 traces',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={1: np.random.default_rng(0).bytes(3200)}),
)
good(
    '256 bits of the amplitudes flipped',
    check,
    '20 traces, all numbers finite or counted',
    lambda r, o: r['n_traces'] == 20,
    sgy(put={3600 + 320 * k + 241 + 4 * j: bytes([255 - k]) for k in range(16) for j in range(2)}),
)
good(
    'every header word at its largest',
    check,
    'an open file in trace order',
    lambda r, o: r['n_traces'] == 20 and r['geometry']['mode'] == 'trace-order',
    sgy(put={3600 + 320 * k + 1: b'\x7f\xff' * 57 + w(20) + b'\x7f\xff' * 62 for k in range(20)}),
)
good(
    'every header word at its smallest',
    check,
    'an open file in trace order',
    lambda r, o: r['n_traces'] == 20 and r['geometry']['mode'] == 'trace-order',
    sgy(put={3600 + 320 * k + 1: b'\x80\x00' * 57 + w(20) + b'\x80\x00' * 62 for k in range(20)}),
)
for promised in (-1, 0, 2, 5):
    good(
        f'two extended textual headers, {promised} promised',
        check,
        '20 traces, no text among them',
        lambda r, o: (r['n_traces'], r['geometry']['mode']) == (20, 'grid'),
        both(
            sgy(put={3505: w(promised)}),
            lambda o: insert_bytes(
                o / 'a.sgy',
                3600,
                ''.join(
                    t.ljust(3200) for t in ('((SEG: Location Data ver 1.0))', '((SEG: EndText))')
                ).encode('cp037'),
            ),
        ),
    )
good(
    'two data trailer stanzas',
    check,
    '20 traces, no text among them',
    lambda r, o: (r['n_traces'], r['geometry']['mode']) == (20, 'grid'),
    sgy(
        put={3501: w(0x200), 3529: w(2, 4)},
        more=('((SEG: Source))'.ljust(3200) * 2).encode('cp037'),
    ),
)
bad(
    'a tape label in front',
    check,
    '128-byte tape label',
    both(sgy(), lambda o: insert_bytes(o / 'a.sgy', 0, b'   1SY1.0RECORD     0'.ljust(128))),
)
bad(
    'Seismic Unix',
    check,
    'Seismic Unix',
    both(
        sgy(b29=1 << 16, b115=20),
        lambda o: (o / 'a.sgy').write_bytes((o / 'a.sgy').read_bytes()[3600:]),
    ),
)
bad(
    'a failed download',
    check,
    'an HTML page',
    file('a.sgy', '<!DOCTYPE html><html><head><title>Virus scan warning</title></head>'),
)
for name, begins in (('ZGY', b'VBS\0'), ('OpenVDS', b'VDS\0'), ('netCDF', b'CDF\1')):
    bad(name, check, name, file('a.sgy', begins + bytes(5000)))
bad('nothing but zeros', check, 'zero bytes', file('a.sgy', bytes(10_000)))
