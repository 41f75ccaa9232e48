import shlex

from faults.common import *

group('Filters')
flt = lambda e: 'search {i} --image {p} --k 3 --json --where ' + shlex.quote(e)
for e, words, right in (
    ('line > 0', '3 hits', hits(3)),
    ('line > 10000000000000000000000000000000', 'no hit', hits(0)),
    ('time_ms < -1e308', 'no hit', hits(0)),
    ('line_kind in ["inline", 3]', '3 hits', hits(3)),
    ('label == "x"', 'no hit', hits(0)),
    ('not line > 0', 'no hit', hits(0)),
    ('1 < 2', '3 hits', hits(3)),
    ('line == line', '3 hits', hits(3)),
    ('id != "{x!r:>9}"'.replace('{', '(').replace('}', ')'), '3 hits', hits(3)),
    ('depth_m > 0', 'no hit: no depths', hits(0)),
    (
        'line_kind == "inline" and (line < 1201 or line > 1201)',
        'hits on those',
        lambda r, o: all(h['line'] != 1201 for h in r),
    ),
    ('line in []', 'no hit', hits(0)),
):
    good(e[:60], flt(e), words, right)
for e, says in (
    ('', 'filter'),
    (' ', 'filter'),
    ('nonsense((', 'filter'),
    ('line >', 'filter'),
    ('line = 3', 'filter'),
    ('line > 0; 1', 'filter'),
    ('import os', 'filter'),
    ('xyz > 1', "no column 'xyz'"),
    ('__class__ > 1', "no column '__class__'"),
    ('line.__class__ > 1', 'cannot use'),
    ('items > 1', "no column 'items'"),
    ('__import__("os").getcwd() == 1', 'cannot use'),
    ('open("/etc/passwd") == 1', 'cannot use'),
    ('line[0] > 1', 'cannot use'),
    ('line + 1 > 1', 'cannot use'),
    ('9**9**9**9 > 1', 'cannot use'),
    ('"a"*10**10 == id', 'cannot use'),
    ('line > "a"', 'text column'),
    ('line_kind > 3', 'text column'),
    ('line', 'not a comparison'),
    ('1', 'not a comparison'),
    ('True', 'not a comparison'),
    ('lambda: 1', 'not a comparison'),
    ('[i for i in id] == 1', 'cannot use'),
    ('(line := 3) > 1', 'cannot use'),
    ('f"{line}" == 1', 'cannot use'),
    ('b"a" == id', 'cannot use'),
    ('1j < line', 'cannot use'),
    ('... == line', 'cannot use'),
    ('None == line', 'cannot use'),
    ('line is 3', 'not known'),
    ('3 in line', 'COLUMN in'),
    ('line in 3', 'COLUMN in'),
    ('line in [[1]]', 'filter'),
    ('line == [1, 2]', 'filter'),
    ('-line_kind > 0', 'filter'),
    ('-"a" > 0', 'filter'),
    ('-[1] > 0', 'filter'),
    ('await line > 0', 'filter'),
    ('line > 0\nline < 9', 'filter'),
    ('line > 1if', 'filter'),
    ('"\ud800" == id', 'filter'),
    ('line\0 > 1', 'filter'),
    ('1' * 5000 + ' > line', 'filter'),
):
    bad(repr(e)[1:60] if e.strip() else repr(e), flt(e), says)
for what, e in (
    ('10,000 parentheses', '(' * 10000 + 'line > 0' + ')' * 10000),
    ('100 parentheses', '(' * 100 + 'line' + ')' * 101),
    ('10,000 minus signs', '-' * 10000 + '1 > line'),
    ('3,000 minus signs', '-' * 3000 + '1 > line'),
    ('1,500 times not', 'not ' * 1500 + 'line > 0'),
    ('10,000 comparisons', '1 < ' * 10000 + 'line'),
    ('50,000 letters', 'x' * 50000),
    ('400 lists in lists', '[' * 150 + ']' * 150 + ' == line'),
):
    bad(what, flt(e), 'filter')
for what, text, says in (
    ('two corners', 'x,y\n0,0\n1,1\n', 'three or more'),
    ('NaN', 'x,y\n0,0\n1,1\nnan,3\n', 'line 4'),
    ('infinity', 'x,y\n0,0\n1,1\ninf,3\n', 'line 4'),
    ('text', 'x,y\n0,0\n1,1\na,b\n', 'line 4'),
    ('other columns', 'a,b\n0,0\n', 'columns x and y'),
    ('nothing', '', 'not a readable CSV'),
    ('header alone', 'x,y\n', 'three or more'),
    ('binary', b'\xff\xfe\0\1' * 50, 't.csv'),
):
    bad(f'polygon: {what}', 'search {i} --image {p} --polygon {o}/t.csv', says, file('t.csv', text))
good(
    'polygon of 1e300 corners',
    'search {i} --image {p} --k 3 --json --polygon {o}/t.csv',
    '3 hits',
    hits(3),
    csv('x,y\n-1e300,-1e300\n1e300,-1e300\n1e300,1e300\n-1e300,1e300\n'),
)
good(
    'polygon without area',
    'search {i} --image {p} --json --polygon {o}/t.csv',
    'no hit',
    hits(0),
    csv('x,y\n0,0\n1,1\n2,2\n'),
)
