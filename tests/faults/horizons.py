from faults.common import *

group('Horizons')
about = 'search {i} --image {p} --k 3 --json --about {o}/h.dat 9999 9999'


def horizon(text):
    return file('h.dat', text)


for what, text, says in (
    ('nothing', '', 'holds no points'),
    ('binary', b'\xff\xfe\0\1' * 50, 'h.dat'),
    ('words', 'top of the salt\nsomewhere\n', 'no horizon'),
    ('two columns', '1 2\n3 4\n', 'three columns'),
    ('another survey', '9e9 9e9 100\n' * 3, 'lies on a trace'),
    ('infinite coordinates', 'inf inf 100\n', 'h.dat'),
    ('rows of different width', '1 2 3\n1 2 3 4\n', 'line 2'),
    ('text in a column', 'x,y,z\n1,2,3\n1,2,n/a\n', 'line 3'),
    ('other columns', 'a,b,c\n1,2,3\n', 'no horizon'),
    ('Petrel header alone', 'BEGIN HEADER\nX\nY\nZ\nEND HEADER\n', 'holds no points'),
    ('Petrel header without end', 'BEGIN HEADER\nX\nY\nZ\n1 2 3\n', 'h.dat'),
    ('Petrel columns without names', 'BEGIN HEADER\nEND HEADER\n1 2 3\n', 'h.dat'),
    ('IESX header alone', 'PROFILE Top   TYPE 1  4\n', 'holds no points'),
    ('IESX cut off', 'PROFILE Top   TYPE 1  4\n  1.0E+05  2.0', 'IESX'),
    ('CPS-3 grid', 'FSASCI 0 1 COMPUTED 0 1.0E+30\n1 2 3\n', 'CPS-3 grid'),
    ('Charisma without numbers', 'INLINE : 1 XLINE : 2\n', 'h.dat'),
    ('EarthVision without rows', '# Field: 1 x\n# Field: 2 y\n# Field: 3 z\n', 'holds no points'),
):
    bad(what, about, says, horizon(text))
for what, options, says in (
    ('no such file', '--about {o}/nowhere.dat 1 1', 'no such file'),
    ('a folder', '--about {o} 1 1', 'file'),
    ('upside down', '--about {o}/h.dat -1 -1', 'lies on a trace'),
    ('distance of text', '--about {o}/h.dat a b', "'a' is not a number"),
    ('both', '--between {o}/h.dat {o}/h.dat --about {o}/h.dat 1 1', 'either'),
    ('columns of nonsense', '--about {o}/h.dat 1 1 --columns a,b', 'expected z and'),
):
    bad(what, 'search {i} --image {p} ' + options, says, horizon('9e9 9e9 100\n'))
group('Files of hits')
out = 'search {i} --image {p} --k 3 '
for what, options, says in (
    ('no format', '--out {o}/a.xyz', 'which format'),
    ('no folder', '--out {o}/b/a.csv', 'no folder'),
    ('a folder in its place', '--out {o}/h.csv', 'cannot be written'),
    ('GeoJSON without a system', '--out {o}/a.geojson', 'coordinate system'),
    ('no such system', '--out {o}/a.gpkg --crs EPSG:0', 'no coordinate system'),
    ('a system of nonsense', '--out {o}/a.gpkg --crs {o}', 'no coordinate system'),
    ('a system in degrees', '--out {o}/a.gpkg --crs EPSG:4326', 'another coordinate system'),
    ('format without a file', '--format petrel', 'belongs to a file'),
):
    bad(what, out + options, says, lambda o: (o / 'h.csv').mkdir())
