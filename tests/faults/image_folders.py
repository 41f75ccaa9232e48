import os

import numpy as np
from PIL import Image

from faults.common import *

group('Folders of images')
bad('empty', embed, 'no usable image', lambda o: (o / 'd').mkdir())
bad('an empty class', embed, 'no usable image', lambda o: (o / 'd' / 'Salt').mkdir(parents=True))
bad('hidden files alone', embed, 'no usable image', images_in('.a.png'))
bad('folders in folders', embed, 'no usable image', images_in('Salt/more/a.png'))
bad(
    'nothing but text',
    embed,
    'not a readable image',
    both(lambda o: (o / 'd').mkdir(), file('d/a.png', 'a')),
)
bad(
    'a FIFO',
    embed,
    'not a regular file',
    lambda o: ((o / 'd').mkdir(), os.mkfifo(o / 'd' / 'a.png')) and None,
)
bad('a symlink to itself', embed, 'no such file or folder', lambda o: (o / 'd').symlink_to('d'))
bad('a file', embed, 'd', file('d', 'x'))
good('one image', embed, '1 embedding', count(1), images_in('a.png'))
good(
    'an image and text',
    embed,
    '1 embedding, the text named',
    count(1),
    both(images_in('a.png'), file('d/b.png', 'x')),
)
good(
    'a link back to the folder',
    embed,
    '1 embedding',
    count(1),
    both(images_in('Salt/a.png'), lambda o: (o / 'd' / 'Salt' / 'up').symlink_to(o / 'd')),
)
good(
    'the same name in two classes',
    embed,
    '2 embeddings, two ids',
    lambda a, o: set(np.load(o / 'e.npz')['ids']) == {'Salt/a.png', 'Fault/a.png'},
    images_in('Salt/a.png', 'Fault/a.png'),
)
good(
    'names: non-ASCII, quotes, spaces, a line break',
    embed,
    '4 embeddings under their names',
    lambda a, o: (
        set(np.load(o / 'e.npz')['ids']) == {'ø地.png', "it's \"one\".png", ' a b .png', 'x\ny.png'}
    ),
    images_in('Ä/ø地.png', "Ä/it's \"one\".png", 'Ä/ a b .png', 'B\nC/x\ny.png'),
)
good(
    'a name that is no text',
    embed,
    '1 embedding, the other left out',
    count(1),
    images_in('a.png', os.fsdecode(b'\xff\xfe.png')),
)
good('a name of 250 letters', embed, '1 embedding', count(1), images_in('x' * 246 + '.png'))
bad(
    'one class, one image, to be scored',
    'evaluate {o}/d --encoder {e}',
    'at least two',
    images_in('Salt/a.png'),
)
bad(
    'no classes, to be scored',
    'evaluate {o}/d --encoder {e}',
    'labelled windows',
    images_in('a.png', 'b.png'),
)
for what in ('head', 'all', 'auto'):
    bad(
        f'a class with one image, to learn from ({what})',
        'train {o}/d --out {o}/t --encoder {e} --what ' + what,
        'least',
        images_in('Salt/a.png', 'Salt/b.png', 'Fault/a.png'),
    )
bad(
    'one class, to learn from',
    'train {o}/d --out {o}/t --encoder {e} --what head',
    'at least two',
    images_in(*(f'Salt/{k}.png' for k in range(6))),
)
bad(
    'no classes, to learn from',
    'train {o}/d --out {o}/t',
    'no labelled windows',
    images_in('a.png'),
)
bad(
    'too few images to search',
    'submit --queries {g}/Fault --corpus {o}/d --encoder {e} --out {o}/r.json',
    'fewer than k',
    images_in('a.png', 'b.png'),
)
bad(
    'no queries',
    'submit --queries {o}/d --corpus {g} --encoder {e} --out {o}/r.json',
    'no usable image',
    lambda o: (o / 'd').mkdir(),
)
bad(
    'names of queries that differ in their ending alone',
    'submit --queries {o}/d --corpus {g} --encoder {e} --out {o}/r.json',
    'a.png',
    both(images_in('a.png'), lambda o: Image.fromarray(noise(5)).save(o / 'd' / 'a.jpg')),
)
bad(
    'to pretrain on, one image',
    'pretrain {o}/d --out {o}/t --steps 1',
    'block for validation',
    images_in('a.png'),
)
