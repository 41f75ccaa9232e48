from faults.common import *

group('Tables as people write them')
scored = lambda n: lambda r, o: r['encoder']['n_queries'] + r['encoder']['n_skipped'] == n
classes = lambda *names: lambda r, o: set(r['encoder']['per_class']) == set(names)
evj = ev + ' --json'
for what, text in (
    ('semicolons', (HEAD + FINE).replace(',', ';')),
    ('tabs', (HEAD + FINE).replace(',', '\t')),
    ('blanks', (HEAD + FINE).replace(',', '  ')),
    ('decimal commas', HEAD.replace(',', ';') + FINE.replace(',', ';').replace(';20', ';20,0')),
    ('CR alone', (HEAD + FINE).replace('\n', '\r')),
    (
        'capitals and blanks in the header',
        HEAD.replace('_', ' ').title().replace(',', ' , ') + FINE,
    ),
    ('a comment', '# by hand\n' + HEAD + FINE),
    (
        'an index column',
        ',' + HEAD + ''.join(f'{k},{ln}\n' for k, ln in enumerate(FINE.splitlines())),
    ),
    ('empty rows', HEAD + FINE + ',,,,,,\n' * 3),
    ('kinds of lines in capitals', HEAD + FINE.replace('inline', 'INLINE')),
    ('a rectangle twice, it says', HEAD + FINE + row()),
):
    good(what, evj, '4 windows scored', scored(4), csv(text))
for name in ('T.CSV', 't.tsv', 't.txt'):
    good(
        f'named {name}',
        evj.replace('t.csv', name),
        '4 windows scored',
        scored(4),
        csv((HEAD + FINE).replace(',', '\t') if name.endswith('tsv') else HEAD + FINE, name),
    )
good(
    'a rectangle with two labels, it says',
    evj,
    '3 windows scored',
    scored(3),
    csv(HEAD + row() + row(left=20) + row(left=40) + row(top=30) + row(top=30, label='Fault')),
)
good(
    'classes NA and None',
    evj,
    'both are classes',
    classes('NA', 'None'),
    csv(HEAD + FINE.replace('Salt', 'NA').replace('Fault', 'None')),
)
good(
    'numeric classes, one missing',
    evj,
    'classes 0 and 1',
    classes('0', '1'),
    csv(
        HEAD
        + (FINE + row(top=40)).replace('Fault', '1').replace('Salt', '0', 2).replace('Salt', '')
    ),
)
good(
    'names that differ by case, it says',
    evj,
    'Salt and salt',
    classes('Salt', 'salt'),
    csv(HEAD + FINE.replace('Fault', 'salt')),
)
good(
    'names that differ by case, merged',
    evj + ' --merge-case',
    'Salt',
    classes('Salt'),
    csv(HEAD + FINE.replace('Fault', 'salt')),
)
bad('decimal commas between commas', ev, 'line 2', csv(HEAD + FINE.replace(',20', ',20,0')))
bad(
    'thousands',
    ev,
    'row 1: line is',
    csv((HEAD + FINE).replace(',', ';').replace('1200', '1.200').replace(';20;', ';1.000;', 1)),
)
bad('a workbook', ev, 'workbook', file('t.csv', b'PK\3\4' + bytes(90)))
bad(
    'a workbook by its ending',
    ev.replace('t.csv', 't.xlsx'),
    'by its ending',
    file('t.xlsx', b'PK\3\4' + bytes(90)),
)
bad('a missing .tsv', ev.replace('t.csv', 't.tsv'), 'no such table')
bad('a missing file of another ending', ev.replace('t.csv', 't.dat'), 'no such file or folder')
poly = 'search {i} --image {p} --k 3 --json --polygon {o}/t.txt'
around = lambda w, h='x,y': (
    h + '\n' + ''.join(f'{a}{w},{b}{w}\n' for a, b in (('-', '-'), ('', '-'), ('', ''), ('-', '')))
)
for what, text in (
    ('semicolons', around('1e300').replace(',', ';')),
    ('no header', around('1e300')[4:]),
    ('easting and northing', around('1e300', 'Easting,Northing')),
    (
        'blanks and z',
        'x y z\n'
        + ''.join(f'{ln.replace(",", " ")} 0\n' for ln in around('1e300').splitlines()[1:]),
    ),
    ('two rings', around('1') + '\n' + around('1e300')[4:]),
):
    good(f'polygon: {what}', poly, '3 hits', hits(3), csv(text, 't.txt'))
bad(
    'polygon: a ring of two corners',
    poly,
    'three or more',
    csv(around('1e300') + '\n1,1\n2,2\n', 't.txt'),
)
bad(
    'polygon: rings mixed up',
    poly,
    'sort the rows',
    csv('poly,x,y\n' + '1,0,0\n2,0,0\n' * 4, 't.txt'),
)
