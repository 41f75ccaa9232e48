import numpy as np
import pandas as pd

from faults.common import *

group('Tables of the label loop and of the explorer')
loop = 'iterate {g} --corpus {g} --out {o}/l --encoder {e}'
bad('corpus that is not there', 'iterate {g} --corpus {o}/nope --out {o}/l', 'no such file')
bad('data that are not there', 'iterate {o}/nope --corpus {g} --out {o}/l', 'nope')
bad('a corpus of the labelled images', loop, 'validation must stay apart')
bad(
    'too few labels',
    'iterate {o}/d --corpus {k} --out {o}/l --encoder {e}',
    'at least two classes of four',
    images_in('Salt/a.png', 'Fault/b.png'),
)
bad(
    'verdicts before any round',
    'iterate {c} --corpus {k} --out {o}/l --encoder {e} --verdicts {o}/t.csv',
    'no round has been made',
    csv('id,label,verdict\na,b,accept\n'),
)
it = 'iterate {c} --corpus {k} --out {o}/l --encoder {e} --what head --rounds 1'
for what, make, says in (
    (
        'of random bytes',
        lambda o: (
            ((o / 'l').mkdir(), file('l/labels.parquet', np.random.default_rng(0).bytes(300))(o))
            and None
        ),
        'labels.parquet',
    ),
    (
        'empty',
        lambda o: ((o / 'l').mkdir(), file('l/labels.parquet', b'')(o)) and None,
        'labels.parquet',
    ),
    (
        'without its columns',
        lambda o: (
            (
                (o / 'l').mkdir(),
                write_signed(pd.DataFrame({'id': ['a']}), o / 'l' / 'labels.parquet'),
            )
            and None
        ),
        'not a ledger',
    ),
    (
        'rounds of text',
        lambda o: (
            (
                (o / 'l').mkdir(),
                write_signed(
                    pd.DataFrame(
                        {
                            c: ['a']
                            for c in (
                                'round',
                                'id',
                                'label',
                                'decision',
                                'by',
                                'probability',
                                'evidence',
                                'margin',
                                'second',
                                'neighbours',
                                'reason',
                            )
                        }
                    ),
                    o / 'l' / 'labels.parquet',
                ),
            )
            and None
        ),
        'round',
    ),
):
    bad(f'ledger {what}', it, says, make)
for what, text in (
    ('not JSON', '{'),
    ('an object', '{}'),
    ('a list of numbers', '[1]'),
    ('rounds without keys', '{"key": "0", "rounds": [{}]}'),
    ('binary', b'\xff\0'),
):
    bad(
        f'loop.json: {what}',
        it,
        'loop.json',
        lambda o, text=text: ((o / 'l').mkdir(), file('l/loop.json', text)(o)) and None,
    )
ex = 'explore {i} --labels {o}/t.csv'
for what, text, says in (
    ('without columns', 'a,b\n1,2\n', 'not a table that the explorer can add to'),
    ('empty', '', 'not a readable CSV'),
    ('binary', np.random.default_rng(0).bytes(300), 't.csv'),
):
    bad(f'labels to explore: {what}', ex, says, file('t.csv', text))
bad('labels to explore: .txt', 'explore {i} --labels {o}/t.txt', 'kept in a .csv')
bad('to explore: no index', 'explore {o}', 'no index there')
bad('to explore: another encoder', 'explore {i} --encoder {o}', 'no encoder there')
bad('to explore: port of words', 'explore {i} --port x', '--port')
bad('to explore: port 99999', 'explore {i} --port 99999', 'port')
bad(
    'to explore: a base URL with a host',
    'explore {i} --base-url https://hub/x',
    'expected the path alone',
)
bad('to explore: kept for no time', 'explore {i} --keep 0', '--keep')
