import numpy as np

from faults.common import *

group('Places to write, and other arguments')
bad('embed: nothing there', 'embed {o}/nope --encoder {e} --out {o}/e.npz', 'nope')
bad(
    'index: random bytes',
    'index {o}/a.sgy --encoder {e} --out {o}/i',
    'not SEG-Y',
    file('a.sgy', np.random.default_rng(0).bytes(5000)),
)
bad(
    'index: zero bytes',
    'index {o}/a.sgy --encoder {e} --out {o}/i',
    'empty file',
    file('a.sgy', b''),
)
bad('search: a polygon that is a folder', 'search {i} --image {p} --polygon {g}', 'no such table')
bad('synth: into a file', 'synth {o}/f --per-class 1', 'f', file('f', 'x'))
bad('synth: inside a file', 'synth {o}/f/x --per-class 1', 'f', file('f', 'x'))
bad('synth: none of each class', 'synth {o}/x --per-class 0', '--per-class')
bad('synth: a negative seed', 'synth {o}/x --per-class 1 --seed -1', 'seed')
bad('synth: a seed of words', 'synth {o}/x --per-class 1 --seed x', '--seed')
for out, says in (
    ('{o}/e.txt', '.npz'),
    ('{o}/no/e.npz', 'there is no folder'),
    ('{o}/f/e.npz', 'there is no folder'),
    ('{o}/d.npz', 'd.npz'),
):
    bad(
        f'embed: --out {out}'.replace('{o}/', ''),
        'embed {g} --encoder {e} --out ' + out,
        says,
        both(file('f', 'x'), lambda o: (o / 'd.npz').mkdir()),
    )
idx = 'index {s} --encoder {e} --out {o}/i '
for more, says in (
    ('--window 5000 64', 'no line has room'),
    ('--window 0 64', '--window'),
    ('--window -3 64', '--window'),
    ('--window 24', '--window'),
    ('--window x y', '--window'),
    ('--window 99999999999999999999 24', 'no line has room'),
    ('--unit feet', '--unit'),
    ('--unit metric --window 100000 100000', 'no line has room'),
    ('--lines timeslice', '--lines'),
    ('--every 0', '--every'),
    ('--kind x', '--kind'),
    ('--memory 0', '--memory'),
    ('--memory -1', '--memory'),
    ('--memory nan', '--memory'),
    ('--memory inf', '--memory'),
    ('--memory x', '--memory'),
    ('--dask nonsense:// --window 24 24', 'nonsense'),
):
    bad(f'index: {more}', idx + more, says)
good(
    'index: a stride of 10**20',
    idx + '--window 24 24 --lines inline --stride 100000000000000000000 100000000000000000000',
    'windows at the ends of each line',
    lambda a, o: finite_embeddings(o),
)
good(
    'index: every 10**20th line',
    idx + '--window 24 24 --lines inline --every 100000000000000000000',
    'windows of the first line',
    lambda a, o: set(items_of(o).line) == {1200},
)
bad('index: into a file', 'index {s} --encoder {e} --out {o}/f --window 24 24', 'f', file('f', 'x'))
bad(
    'index: inside a file',
    'index {s} --encoder {e} --out {o}/f/x --window 24 24',
    'f',
    file('f', 'x'),
)
bad(
    'index: two volumes of one name',
    'index {o}/a.sgy {o}/d/a.sgy --encoder {e} --out {o}/i --window 16 16',
    'two volumes are called a',
    both(sgy(**wide), lambda o: ((o / 'd').mkdir(), sgy(**wide)(o / 'd')) and None),
)
good(
    'index: the same volume twice',
    'index {s} {s} --encoder {e} --out {o}/i --window 24 24',
    'the windows of one',
    lambda a, o: finite_embeddings(o),
)
bad('index: an image', 'index {p} --encoder {e} --out {o}/i', 'single image')
bad('index: nothing there', 'index {o}/nope --encoder {e} --out {o}/i', 'no such file')
good(
    'index: a folder with a broken volume',
    'index {o}/d --encoder {e} --out {o}/i --window 16 16',
    'the whole volume, the other left out',
    lambda a, o: finite_embeddings(o),
    lambda o: (
        ((o / 'd').mkdir(), sgy(**wide)(o / 'd'), sgy(name='b.sgy', cut=9000)(o / 'd')) and None
    ),
)
bad('map: inside a file', 'search {i} --image {p} --map {o}/f/m.npy', 'm.npy', file('f', 'x'))
bad(
    'map: over the volume',
    'search {o}/ix --image {p} --map {o}/v.sgy',
    'the source itself',
    lambda o: index_then_move(o, keep='v.sgy'),
)
bad(
    'map: into a folder',
    'search {i} --image {p} --map {o}/d.sgy',
    'd.sgy',
    lambda o: (o / 'd.sgy').mkdir(),
)
tr = 'train {c} --out {o}/t --encoder {e} '
for more, says in (
    ('--what x', '--what'),
    ('--steps 0', '--steps'),
    ('--steps 1e3', '--steps'),
    ('--loss x', '--loss'),
    ('--lr nan --what all', 'lr'),
    ('--lr -1 --what all', 'lr'),
    ('--lr inf --what all', 'lr'),
    ('--seed -1', 'seed'),
    ('--seed 99999999999999999999999', 'seed'),
    ('--accumulate 0', '--accumulate'),
    ('--encoder nope', 'nope'),
    ('--table {o}/nope.csv', 'nope.csv'),
):
    bad(f'train: {more}'.replace('{o}/', ''), tr + more, says)
bad(
    'train: into a folder of other things',
    'train {c} --out {g} --encoder {e} --what head',
    'refcon.json',
)
bad(
    'train: inside a file', 'train {c} --out {o}/f/t --encoder {e} --what head', 'f', file('f', 'x')
)
bad('train: nothing there', 'train {o}/nope --out {o}/t', 'nope')
pt = 'pretrain synthetic --sections 2 --out {o}/t '
for more, says in (
    ('--encoder resnet-tiny', 'resnet'),
    ('--encoder nothing', 'nothing'),
    ('--batch 3', 'batch'),
    ('--batch 0', '--batch'),
    ('--batch 1000000000', 'batch'),
    ('--size 60', 'multiple of the patch'),
    ('--size 1000000', 'size'),
    ('--size -1', '--size'),
    ('--workers -1', '--workers'),
    ('--workers 1000000', '--workers'),
    ('--objective simclr', '--objective'),
    ('--lr nan', 'lr'),
    ('--lr -1', 'lr'),
    ('--seed -1', 'seed'),
    ('--precision x', '--precision'),
):
    bad(f'pretrain: {more}', pt + more, says)
bad('pretrain: nothing there', 'pretrain {o}/nope --out {o}/t', 'no such file')
bad('pretrain: an image', 'pretrain {p} --out {o}/t', 'single image')
bad(
    'pretrain: dead volumes',
    'pretrain {o}/a.sgy --out {o}/t --steps 1 --workers 0',
    'live samples',
    sgy(size=(3, 400, 64), flat=True),
)
bad(
    'pretrain: a volume too small',
    'pretrain {o}/a.sgy --out {o}/t',
    'fewer than the smallest window',
    sgy(),
)
for line, says in (
    ('evaluate {o}/nope --encoder {e}', 'nope'),
    ('evaluate {g} --encoder {e} --leave-out survey', 'survey'),
    ('evaluate {g} --encoder {e} --exclude Pepper', 'Pepper'),
    ('evaluate {g} --encoder {e} --exclude Fault Salt', 'labelled windows'),
    ('submit --queries {o}/nope --corpus {g} --encoder {e} --out {o}/r.json', 'nope'),
    ('submit --queries {g}/Fault --corpus {g} --encoder {e} --out {o}/f/r.json', 'f'),
    ('submit --queries {g}/Fault --corpus {g} --encoder {e} --out {o}', 'c'),
    ('iterate {c} --corpus {k} --out {o}/f --encoder {e} --rounds 1', 'f'),
    ('iterate {c} --corpus {k} --out {o}/l --min-probability 2', '--min-probability'),
    ('iterate {c} --corpus {k} --out {o}/l --cap 0', '--cap'),
    ('iterate {c} --corpus {k} --out {o}/l --rounds 0', '--rounds'),
    ('frobnicate', 'frobnicate'),
    ('check', 'FILE'),
    ('check a b', 'unrecognized'),
    ('check a --jsn', 'unrecognized'),
    ("''", 'choose'),
):
    bad(line.replace('{o}/', ''), line, says, file('f', 'x'))
bad('no command', '', 'COMMAND')
