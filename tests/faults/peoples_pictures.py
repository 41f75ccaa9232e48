import numpy as np
from PIL import Image

from faults.common import *

group('Pictures as people have them')
for what, make in (
    (
        'stored on its side',
        lambda o: Image.fromarray(noise()).save(
            o / 'a.png', exif=(lambda e: (e.__setitem__(0x0112, 6), e)[1])(Image.Exif())
        ),
    ),
    (
        'CMYK',
        lambda o: Image.fromarray(noise()).convert('RGB').convert('CMYK').save(o / 'a.png', 'JPEG'),
    ),
    (
        'colours that lie on no scale, it says',
        lambda o: Image.fromarray(np.dstack([noise(k) for k in range(3)])).save(o / 'a.png'),
    ),
    (
        'a colour scale, it says',
        lambda o: (
            (
                lambda im: (
                    im.putpalette(
                        bytes(
                            c
                            for v in range(256)
                            for c in (
                                min(2 * v, 255),
                                255 - abs(2 * v - 255),
                                min(510 - 2 * v, 255),
                            )
                        )
                    ),
                    im.save(o / 'a.png'),
                )
            )(Image.fromarray(noise(), mode='P'))
            and None
        ),
    ),
    (
        'signed 32-bit TIFF',
        lambda o: Image.fromarray(noise().astype('i4') - 99).save(o / 'a.png', 'TIFF'),
    ),
    (
        'floats below zero',
        lambda o: Image.fromarray(noise().astype('f4') - 99).save(o / 'a.png', 'TIFF'),
    ),
):
    good(what, look, '3 hits', hits(3), make)
good(
    'amplitudes in .npy',
    look.replace('a.png', 'a.npy'),
    '3 hits',
    hits(3),
    npy(noise().astype('f4') - 99),
)
bad(
    'a cube in .npy',
    look.replace('a.png', 'a.npy'),
    'three dimensions',
    npy(np.random.default_rng(0).normal(size=(20, 20, 20)).astype('f4')),
)
bad(
    'a pickle in .npy',
    look.replace('a.png', 'a.npy'),
    'not numbers',
    lambda o: np.save(o / 'a.npy', np.array([[Bomb(str(o / 'ran'))]], dtype=object)),
)
bad(
    'GIF',
    look.replace('a.png', 'a.gif'),
    'it is GIF',
    lambda o: Image.fromarray(noise()).save(o / 'a.gif'),
)
bad('WebP', look, 'it is WebP', file('a.png', b'RIFF\0\0\0\0WEBPVP8 ' + bytes(50)))
bad(
    'every pixel transparent',
    look,
    'transparent',
    lambda o: Image.fromarray(np.zeros((40, 40, 4), np.uint8)).save(o / 'a.png'),
)
good(
    'images beside class folders, named',
    embed,
    '1 embedding',
    count(1),
    images_in('Salt/a.png', 'b.png'),
)
good(
    'a folder inside a class folder, named',
    embed,
    '1 embedding',
    count(1),
    images_in('Salt/a.png', 'Salt/more/b.png'),
)
good(
    'val and validation beside train',
    embed,
    '3 embeddings',
    count(3),
    images_in('Train/Salt/a.png', 'val/Salt/a.png', 'validation/Salt/a.png'),
)
