import os
import struct
import zlib

import numpy as np
from PIL import Image

from faults.common import *

group('Images')
for mode, words in (
    ('L', 'grey'),
    ('RGB', 'RGB'),
    ('RGBA', 'RGBA'),
    ('P', 'palette'),
    ('1', 'black and white'),
    ('LA', 'grey and alpha'),
    ('I;16', '16-bit'),
):
    good(
        f'{words}',
        look,
        '3 hits',
        hits(3),
        picture(mode=mode)
        if mode != 'I;16'
        else lambda o: Image.fromarray((noise().astype('u2') * 257)).save(o / 'a.png'),
    )
good('a palette with transparency', look, '3 hits', hits(3), picture(mode='P', transparency=3))
good(
    'JPEG named .png',
    look,
    '3 hits',
    hits(3),
    lambda o: Image.fromarray(noise()).save(o / 'a.png', 'JPEG'),
)
good(
    'TIFF of 16 bits named .png',
    look,
    '3 hits',
    hits(3),
    lambda o: Image.fromarray(noise().astype('u2') * 257).save(o / 'a.png', 'TIFF'),
)


def frames(o, **kw):
    a, b = (Image.fromarray(noise(k)) for k in (0, 1))
    a.save(o / 'a.png', save_all=True, append_images=[b], **kw)


bad('animated PNG', look, '2 frames', lambda o: frames(o))
bad('TIFF of two pages', look, '2 frames', lambda o: frames(o, format='TIFF'))
bad(
    'GIF named .png',
    look,
    'not a readable image',
    lambda o: Image.fromarray(noise()).save(o / 'a.png', 'GIF'),
)
bad(
    'PostScript named .png',
    look,
    'not a readable image',
    file(
        'a.png',
        '%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(ran) (w) file '
        'closefile\nshowpage\n%%EOF\n',
    ),
)
bad('a bomb: 50,000 x 50,000 pixels in 70 bytes', look, 'a.png', file('a.png', png(50000, 50000)))
bad('a bomb: 2 billion pixels wide', look, 'a.png', file('a.png', png(2**31 - 1, 2**31 - 1)))
bad(
    'a bomb: 8,000 x 8,000 pixels in 70 bytes',
    look,
    'not a readable image',
    file('a.png', png(8000, 8000, color=6, depth=8)),
)
bad(
    'a bomb: 8,000 x 8,000 black pixels in 62 kB',
    look,
    'every pixel has the same value',
    lambda o: file('a.png', png(8000, 8000, data=bytes(8001 * 8000)))(o),
)
bad(
    'a bomb: a text of 64 MB in 62 kB',
    look,
    'not a readable image',
    lambda o: file(
        'a.png', png(40, 40, before=chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(1 << 26))))
    )(o),
)
bad(
    'a bomb: TIFF of 2**32 - 1 pixels',
    look,
    'a.png',
    file(
        'a.png',
        b'II*\0\x08\0\0\0\4\0'
        + b''.join(
            struct.pack('<HHII', t, 4, 1, v)
            for t, v in ((256, 2**32 - 1), (257, 2**32 - 1), (262, 1), (273, 8))
        )
        + bytes(4),
    ),
)
good(
    'truncated by a byte of its end',
    look,
    '3 hits',
    hits(3),
    lambda o: (picture()(o), (o / 'a.png').write_bytes((o / 'a.png').read_bytes()[:-1])) and None,
)
bad(
    'truncated in its pixels',
    look,
    'not a readable image',
    lambda o: (picture()(o), (o / 'a.png').write_bytes((o / 'a.png').read_bytes()[:900])) and None,
)
bad('truncated in its header', look, 'not a readable image', file('a.png', png(40, 40)[:20]))
bad('no pixels', look, 'a.png', file('a.png', png(0, 0)))
bad('one pixel', look, 'too small', file('a.png', png(1, 1, data=b'\0\1')))
bad(
    'all of one grey',
    look,
    'every pixel has the same value',
    lambda o: Image.new('L', (40, 40), 7).save(o / 'a.png'),
)
bad(
    'floats',
    look,
    'floating-point',
    lambda o: Image.fromarray(noise().astype('f4')).save(o / 'a.png', 'TIFF'),
)
bad('text', look, 'not a readable image', file('a.png', 'seismic\n'))
bad('empty', look, 'not a readable image', file('a.png', b''))
bad(
    'random bytes', look, 'not a readable image', file('a.png', np.random.default_rng(0).bytes(300))
)
bad('SEG-Y', look, 'not a readable image', sgy(name='a.png'))
bad('a folder', look, 'a.png', lambda o: (o / 'a.png').mkdir())
bad('a FIFO', look, 'not a regular file', lambda o: os.mkfifo(o / 'a.png'))
bad('/dev/zero', 'search {i} --image /dev/zero', 'not a regular file')
bad('not there', look, 'no such image')
bad('a symlink to itself', look, 'a.png', lambda o: (o / 'a.png').symlink_to('a.png'))
bad('a name of 300 letters', 'search {i} --image {n}', 'xxx', lambda o: str(o / ('x' * 300)))
