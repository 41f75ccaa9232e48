from faults.common import *

group('Boxes, lines and numbers asked for')
ask = 'search {i} --inline 1200 --box 0 0 24 24 --json'
good('a box', ask + ' --k 3', '3 hits', hits(3))
good(
    'the whole line',
    'search {i} --inline 1200 --box 0 0 64 64 --k 3 --json',
    'no hit: all windows overlap it',
    hits(0),
)
for box in (
    '0 0 65 24',
    '0 0 24 65',
    '-1 0 24 24',
    '0 -5 24 24',
    '24 24 0 0',
    '5 5 5 5',
    '0 0 10000000000 24',
    '9223372036854775808 0 99999999999999999999 24',
):
    bad(f'box {box}', f'search {{i}} --inline 1200 --box {box}', 'lies outside')
bad('box of 4 traces', 'search {i} --inline 1200 --box 0 0 24 4', 'at least 8 x 8')
bad('box of words', 'search {i} --inline 1200 --box a b c d', '--box')
bad('box of floats', 'search {i} --inline 1200 --box 0 0 24.5 24', '--box')
bad('box of three numbers', 'search {i} --inline 1200 --box 0 0 24', '--box')
bad('box without a line', 'search {i} --box 0 0 24 24', 'a box is --box')
bad('line without a box', 'search {i} --inline 1200', 'a box is --box')
bad('two lines', 'search {i} --inline 1200 --crossline 3400 --box 0 0 24 24', 'a box is --box')
for n in ('1', '-1200', '99999999999999999999', '-9223372036854775809'):
    bad(f'inline {n}', f'search {{i}} --inline {n} --box 0 0 24 24', f'no inline {n}')
bad('a 2-D line of a survey', 'search {i} --line 0 --box 0 0 24 24', 'has inlines and crosslines')
bad('along one point', 'search {i} --along 1200,3400 --box 0 0 24 24', 'two or more')
bad(
    'along a point outside',
    'search {i} --along 1200,3400 9,9 --box 0 0 24 24',
    'outside the survey',
)
bad('along NaN', 'search {i} --along 1200,3400 nan,nan --box 0 0 24 24', 'outside the survey')
bad('along words', 'search {i} --along here there --box 0 0 24 24', 'INLINE,CROSSLINE')
bad('along infinity', 'search {i} --along 1200,inf 1201,3400 --box 0 0 24 24', 'outside the survey')
bad('nothing asked', 'search {i}', 'nothing is asked')
bad('an id that is not there', 'search {i} --like nothing', 'no window')
bad('an unwanted id that is not there', ask + ' --unlike nothing', 'no window')
bad(
    'a volume that is not in the index',
    ask + ' --volume {o}/a.sgy',
    'the index has the volumes',
    sgy(),
)
good(
    'k beyond the corpus',
    'search {i} --image {p} --k 1000000 --min-separation 0 --json',
    'fewer hits: those that there are',
    lambda r, o: 3 < len(r) <= 200,
)
good(
    'k of 10**30',
    'search {i} --image {p} --k 1' + '0' * 30 + ' --min-separation 0 --json',
    'fewer hits: those that there are',
    lambda r, o: 3 < len(r) <= 200,
)
for k in ('0', '-3', 'ten', '1e3', '3.0', '²', "''", 'nan'):
    bad(f'k {k}', f'search {{i}} --image {{p}} --k {k}', '--k')
for option, value, says in (
    ('--min-separation', '-1', 'min_separation'),
    ('--min-samples', '-1', 'min_samples'),
    ('--min-samples', 'x', '--min-samples'),
    ('--min-confidence', '2', '--min-confidence'),
    ('--min-confidence', 'nan', '--min-confidence'),
    ('--min-confidence', '-0.1', '--min-confidence'),
    ('--map', '{o}/m.tif', 'a map is written as one of'),
    ('--map', '{o}/no/m.npy', 'No such file'),
    ('--map', '{o}/no/m.sgy', 'm.sgy'),
    ('--encoder', '{o}', 'no encoder there'),
    ('--class', 'Salt', '--class needs --labels'),
):
    bad(
        f'{option} {value}'.replace('{o}/', ''),
        f'search {{i}} --image {{p}} {option} {value}',
        says,
    )
good(
    'a least separation of 10**9',
    'search {i} --image {p} --k 5 --min-separation 1000000000 --json',
    '5 hits at most',
    lambda r, o: 1 <= len(r) <= 5,
)
good(
    'a least confidence of 1', 'search {i} --image {p} --min-confidence 1 --json', 'no hit', hits(0)
)
lab = 'search {i} --class Salt --labels {o}/t.csv --volume {s} --json'
bad('a class without labels', lab.replace('Salt', 'Karst'), 'Karst', csv(HEAD + FINE))
bad('labels: header alone', lab, 'no rows', csv(HEAD))
bad('labels: none of them', lab, 'label', csv(HEAD + row(label='')))
bad(
    'labels: a folder without classes',
    'search {i} --class Salt --labels {o}/d',
    'label',
    images_in('a.png'),
)
good('labels of one class', lab + ' --k 2', '2 hits', hits(2), csv(HEAD + row() + row(left=20)))
