import numpy as np

from faults.common import *

group('Amplitudes that say nothing')
with np.errstate(over='ignore'):
    for what, value in (
        ('all zero', True),
        ('all the same', 7.5),
        ('all NaN', np.nan),
        ('all infinite', np.inf),
    ):
        bad(what, to_index, 'none of', sgy(flat=value, **wide))
        good(
            f'{what}, asked for a report',
            check,
            'no live sample, it says',
            lambda r, o: 'no live sample' in str(r['problems']),
            sgy(flat=value, **wide),
        )
half = lambda value: lambda t, il, xl: (np.where(xl[:, None] < 220, t, value), il, xl)
for what, value, n in (
    ('half zero', 0.0, 24),
    ('half NaN', np.nan, 24),
    ('half infinite', np.inf, 24),
    ('half constant', 3.0, 24),
):
    good(
        what,
        to_index,
        'windows of the living half alone',
        lambda a, o: finite_embeddings(o) and (items_of(o).left + 16 <= 22).all(),
        sgy(change=half(value), **wide),
    )
good(
    'one NaN in every trace',
    to_index,
    'windows, embeddings finite',
    lambda a, o: finite_embeddings(o),
    sgy(change=lambda t, il, xl: (np.where(np.arange(64) == 30, np.nan, t), il, xl), **wide),
)
good(
    'amplitudes of 1e38',
    to_index,
    'windows, embeddings finite',
    lambda a, o: finite_embeddings(o),
    sgy(change=lambda t, il, xl: (t * 1e38 / 2, il, xl), **wide),
)
good(
    'amplitudes of 1e-40',
    to_index,
    'windows, embeddings finite',
    lambda a, o: finite_embeddings(o),
    sgy(change=lambda t, il, xl: (t * 1e-40, il, xl), **wide),
)
bad('shorter than a window', to_index, 'no line has room for a window', sgy(size=(3, 40, 12)))
bad('a single trace', to_index, 'no line has room for a window', sgy(size=(1, 1, 64)))
