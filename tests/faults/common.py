"Commands, rows and answers that cases of several groups share."

import numpy as np

from faults.makers import *


to_index = 'index {o}/a.sgy --encoder {e} --out {o}/i --window 16 16 --stride 16 16 --lines inline'

wide = dict(size=(3, 40, 64))

look = 'search {i} --image {o}/a.png --k 3 --json'


def hits(n):
    "Whether a search has n hits."
    return lambda found, folder: len(found) == n


embed = 'embed {o}/d --encoder {e} --out {o}/e.npz'


def count(n):
    "Whether n embeddings were written, all of them finite."

    def right(said, folder):
        made = np.load(folder / 'e.npz')
        return len(made['ids']) == n and np.isfinite(made['embeddings']).all()

    return right


def images_in(*names):
    "A maker of pictures of noise in the folder d."
    return both(*(picture(f'd/{n}', seed=k) for k, n in enumerate(names)))


ev = 'evaluate {o}/t.csv --encoder {e} --sections {s}'

HEAD, ROW = 'line_kind,line,top,left,height,width,label\n', 'inline,{0},{1},{2},{3},{4},{5}\n'


def row(line=1200, top=0, left=0, height=20, width=20, label='Salt'):
    return ROW.format(line, top, left, height, width, label)


FINE = row() + row(left=20) + row(left=40, label='Fault') + row(top=30, label='Fault')
