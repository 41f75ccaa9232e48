import os

import numpy as np
import pandas as pd

from faults.common import *

group('Tables of windows')
em = 'evaluate {o}/t.parquet --encoder {e} --sections {s}'
good(
    'as it should be',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] + r['encoder']['n_skipped'] == 4,
    csv(HEAD + FINE),
)
good(
    'with a byte-order mark',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv('\ufeff' + HEAD + FINE),
)
good(
    'columns it does not know',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv(HEAD.strip() + ',more\n' + ''.join(f'{ln},x\n' for ln in FINE.splitlines())),
)
good(
    'numbers written as 20.0',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv(HEAD + FINE.replace(',20', ',20.0')),
)
for what, text, says in (
    ('empty', '', 'not a readable CSV'),
    ('header alone', HEAD, 'no rows'),
    ('a line break alone', '\n', 'not a readable CSV'),
    (
        'a column missing',
        'line_kind,line,top,left,height,label\ninline,1200,0,0,20,Salt\n',
        "['width'] are missing",
    ),
    ('no columns of the kind', 'a,b\n1,2\n', 'are missing'),
    ('half of row0, row1', 'section,row0,col0,col1,label\na,1,2,3,x\n', 'are missing'),
    ('ragged', HEAD + 'inline,1200,0\n' + 'a,' * 30 + '\n', 'line 3'),
    ('top missing in a row', HEAD + row() + row(top=''), 'row 2'),
    ('top NaN', HEAD + row(top='nan'), 'row 1'),
    ('top infinite', HEAD + row(top='inf'), 'row 1'),
    ('top is text', HEAD + row() + row(top='top'), 'row 2'),
    ('top 3.5', HEAD + row(top=3.5), 'row 1'),
    ('top negative', HEAD + row(top=-1), 'row 1 lies outside'),
    ('top 10**30', HEAD + row(top=10**30), 'row 1'),
    ('top 2**63', HEAD + row(top=2**63 - 1), 'row 1'),
    ('height 0', HEAD + row(height=0), 'row 1 lies outside'),
    ('height and top that overflow together', HEAD + row(top=2**62, height=2**62), 'row 1'),
    ('line is text', HEAD + row(line='abc'), 'row 1'),
    ('line missing', HEAD + row(line=''), 'row 1'),
    ('line infinite', HEAD + row(line='inf'), 'row 1'),
    ('line 1200.5', HEAD + row(line=1200.5), 'row 1'),
    ('line that is not there', HEAD + row(line=7), 'no inline 7'),
    ('line 10**25', HEAD + row(line=10**25), 'row 1'),
    (
        'unknown line kind',
        HEAD + row().replace('inline', 'timeslice'),
        "unknown line kind 'timeslice'",
    ),
    ('line kind missing', HEAD + row().replace('inline', ''), 'row 1'),
    ('line kind is a number', HEAD + row().replace('inline', '7'), "unknown line kind '7'"),
    ('no labels', HEAD + row(label='') + row(left=20, label=''), 'labelled windows'),
    ('ids twice', 'id,' + HEAD + 'a,' + row() + 'a,' + row(left=20), 'occurs more than once'),
    ('an id missing', 'id,' + HEAD + 'a,' + row() + ',' + row(left=20), 'row 2'),
    (
        'an unknown section',
        'section,row0,row1,col0,col1,label\nnowhere,0,20,0,20,Salt\n',
        'no such volume or section',
    ),
    ('row0 is text', 'section,row0,row1,col0,col1,label\na,x,20,0,20,Salt\n', 'row 1'),
    (
        'rows upside down',
        'line_kind,line,row0,row1,col0,col1,label\ninline,1200,20,0,0,20,Salt\n',
        'row 1 lies outside',
    ),
    ('split is nonsense', 'split,' + HEAD + 'test,' + row(), 'at least two'),
    ('one window', HEAD + row(), 'at least two'),
):
    bad(what, ev, says, csv(text))
good(
    'UTF-16',
    ev + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    file('t.csv', (HEAD + FINE).encode('utf-16')),
)
good(
    'Latin-1, it says',
    ev + ' --json',
    '2 windows of Störung scored',
    lambda r, o: r['encoder']['per_class']['Störung']['n'] == 2,
    file('t.csv', (HEAD + FINE.replace('Fault', 'Störung')).encode('latin-1')),
)
bad('binary', ev, 't.csv', file('t.csv', np.random.default_rng(0).bytes(3000)))
bad('NUL bytes', ev, 't.csv', file('t.csv', bytes(3000)))
bad('an open quote', ev, 'row 1', csv(HEAD + '"inline,1200\n' * 50))
bad('not there', ev, 'no such table')
bad('a folder named .csv', ev, 'csv', lambda o: (o / 't.csv').mkdir())
bad('a FIFO', ev, 'no such table', lambda o: os.mkfifo(o / 't.csv'))
good(
    'a column twice (CSV)',
    ev + ' --json',
    'the first of them counts',
    lambda r, o: r['encoder']['n_queries'] == 4,
    csv(HEAD.strip() + ',top\n' + ''.join(f'{ln},9999\n' for ln in FINE.splitlines())),
)
table = pd.DataFrame(
    [
        dict(
            line_kind='inline',
            line=1200,
            top=0,
            left=14 * k,
            height=20,
            width=20,
            label='AB'[k % 2],
        )
        for k in range(4)
    ]
)
good(
    'Parquet as it should be',
    em + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    parquet(table),
)
good(
    'Parquet with floats and an odd index',
    em + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    parquet(table.astype({'top': float, 'line': float}).set_index(pd.Index(['a', 'b', 'c', 'c']))),
)
good(
    'Parquet with categories',
    em + ' --json',
    '4 windows scored',
    lambda r, o: r['encoder']['n_queries'] == 4,
    parquet(table.astype({'label': 'category', 'line_kind': 'category'})),
)
for what, make, says in (
    ('of lists', parquet(table.assign(top=[[1], [2], [3], [4]])), 'row 1'),
    ('of dates', parquet(table.assign(top=pd.Timestamp('2020-01-01'))), 'row 1'),
    ('of truths', parquet(table.assign(top=True, label=True)), 'row 1'),
    ('with a column of nothing', parquet(table.assign(width=None)), 'row 1'),
    ('empty', parquet(table.iloc[:0]), 'no rows'),
    (
        'cut short',
        lambda o: (
            (
                parquet(table)(o),
                (o / 't.parquet').write_bytes((o / 't.parquet').read_bytes()[:-100]),
            )
            and None
        ),
        'not a readable Parquet',
    ),
    (
        'of random bytes',
        file('t.parquet', np.random.default_rng(0).bytes(3000)),
        'not a readable Parquet',
    ),
    ('a CSV by that name', file('t.parquet', HEAD + FINE), 'not a readable Parquet'),
    ('zero bytes', file('t.parquet', b''), 'not a readable Parquet'),
    (
        'with a column twice',
        raw_parquet([*table, 'top'], [*(table[c].tolist() for c in table), [1] * 4]),
        'FieldRef.Name(top)',
    ),
    ('without columns', parquet(pd.DataFrame(index=range(3))), 'are missing'),
):
    bad(f'Parquet {what}', em, says, make)
bad(
    'sections that are not there',
    'evaluate {o}/t.csv --encoder {e} --sections {o}/nope',
    'nope',
    csv(HEAD + FINE),
)
bad(
    'a volume that is none',
    'evaluate {o}/t.csv --encoder {e} --sections {o}/t.csv',
    't.csv',
    csv(HEAD + FINE),
)
bad(
    'a table of surveys without its columns',
    'evaluate {g} --encoder {e} --table {o}/t.csv',
    'columns id and survey',
    csv('a,b\n1,2\n'),
)
bad(
    'a table of surveys that is empty',
    'evaluate {g} --encoder {e} --table {o}/t.csv',
    'not a readable CSV',
    csv(''),
)
bad(
    'to learn from: top is text',
    'train {o}/t.csv --volume {s} --out {o}/t',
    'row 1',
    csv(HEAD + row(top='x')),
)
bad(
    'to embed: no volume beside it',
    'embed {o}/t.csv --encoder {e} --out {o}/e.npz',
    'a folder, not a volume',
    csv(HEAD + FINE),
)
bad(
    'to index: a line that is not there',
    'index {o}/t.csv --encoder {e} --out {o}/i',
    'no inline 7',
    both(csv('source,' + HEAD + 'a.sgy,' + row(line=7)), sgy()),
)
