import numpy as np

from faults.common import *

group('Sample formats and byte orders')
VALUES = np.arange(20 * 20).reshape(20, 20) % 97 + 1
for fmt, kind in (
    (2, 'int32'),
    (3, 'int16'),
    (5, 'IEEE float'),
    (6, 'IEEE double'),
    (8, 'int8'),
    (10, 'uint32'),
    (11, 'uint16'),
    (16, 'uint8'),
):
    for endian, order in (('>', 'big'), ('<', 'little')):
        good(
            f'{kind}, {order} endian',
            check,
            f'{kind}, {order} endian, largest amplitude 97',
            lambda r, o, kind=kind, order=order: (
                (r['sample_format'], r['endian'], r['amplitude']['max_abs'], r['geometry']['mode'])
                == (kind, order, 97, 'grid')
            ),
            sgy(fmt=fmt, endian=endian, change=lambda t, il, xl: (VALUES, il, xl)),
        )
