import os

from faults.common import *

group('Notebooks to run')
nb = 'run {o}/a.ipynb --out {o}/r'
P = {'tags': ['parameters']}
for what, make, says in (
    ('not JSON', notebook(raw='{'), 'not a readable notebook'),
    ('empty', notebook(raw=''), 'not a readable notebook'),
    ('a list', notebook(raw='[]'), 'not a readable notebook'),
    ('null', notebook(raw='null'), 'not a readable notebook'),
    ('an object of nothing', notebook(raw='{}'), 'not a readable notebook'),
    (
        'cells that are numbers',
        notebook(raw='{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}'),
        'not a readable notebook',
    ),
    (
        'format 99',
        notebook(raw='{"nbformat": 99, "nbformat_minor": 5, "metadata": {}, "cells": []}'),
        'not a readable notebook',
    ),
    ('no cell of parameters', notebook(({}, 'a = 1')), "0 cells tagged 'parameters'"),
    ('two cells of parameters', notebook((P, 'a: int = 1'), (P, 'b: int = 1')), "2 cells tagged"),
    ('tags that are a number', notebook(({'tags': 5}, 'a: int = 1')), 'a.ipynb'),
    ('parameters that are no Python', notebook((P, 'a: int = = 1')), 'parameters'),
    ('a parameter without a type', notebook((P, 'a = 1')), 'parameters'),
    ('a parameter without a default', notebook((P, 'a: int')), 'parameters'),
    ('a default that is a call', notebook((P, 'a: int = print(1)')), 'parameters'),
    ('a default of another type', notebook((P, 'a: int = "x"')), 'parameters'),
    ('a parameter of an object', notebook((P, 'a.b: int = 1')), 'parameters'),
    ('a type that is unknown', notebook((P, 'a: list = []')), 'parameters'),
    ('100,000 minus signs', notebook((P, 'a: int = ' + '-' * 100000 + '1')), 'parameters'),
):
    bad(what, nb, says, make)
bad('not there', nb, 'no such notebook')
bad('a switch of words', 'run run_pretraining -p compare maybe --out {o}/r', 'one of true')
bad('no bundled notebook', 'run run_nothing --out {o}/r', 'run_training')
bad('text', 'run README.md --out {o}/r', 'not a readable notebook')
bad('a FIFO', nb, 'no such notebook', lambda o: os.mkfifo(o / 'a.ipynb'))
bad('a folder', nb, 'no such notebook', lambda o: (o / 'a.ipynb').mkdir())
bad(
    'a notebook that is not to run',
    'run nbs/synthetic/01_fields.ipynb --out {o}/r',
    "0 cells tagged",
)
rt = 'run nbs/run_training.ipynb --out {o}/r '
for p, says in (
    ('-p stepz 3', 'no parameter'),
    ('-p steps many', 'expected int'),
    ('-p steps 3.5', 'expected int'),
    ('-p steps 1,000', 'a whole number'),
    ('-p steps -1e3', 'expected int'),
    ('-p learning_rate 0,5', 'a decimal point'),
    ("-p steps ''", 'expected int'),
    ('-p steps 3 -p steps 4', 'given twice'),
    ('-p steps', '-p'),
    ('-p __class__ 3', 'no parameter'),
):
    bad(f'run_training {p}', rt + p, says)
bad('out is a file', 'run nbs/run_training.ipynb --out {o}/f', 'is a file', file('f', 'x'))
bad('out is inside a file', 'run nbs/run_training.ipynb --out {o}/f/r', 'f', file('f', 'x'))
bad(
    'out is where the notebook lies',
    'run {o}/a.ipynb --out {o}',
    'would overwrite',
    notebook((P, 'out: str = "x"')),
)
