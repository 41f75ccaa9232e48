import os

import numpy as np

from faults.common import *

group('Paths of volumes')
bad('no such file', 'check {o}/nope.sgy', 'nope.sgy: can not be opened')
bad('an address, s3', 'check s3://bucket/a.sgy', 'copy it here first')
bad('an address, nobody answers', 'check http://127.0.0.1:9/a.sgy', 'download the file')
bad('an address of a file', 'check file:///data/a.sgy', 'give the path alone, /data/a.sgy')
bad('an address to write to', 'index {s} --encoder {e} --out gs://bucket/i', 'copy it here first')
bad('an empty name', "check ''", 'can not be opened')
bad('a NUL in the name', 'check {n}', 'null', lambda o: str(o / 'a\0b.sgy'))
bad('a folder', 'check {o}', 'a folder, not a volume')
bad('a folder named .sgy', check, 'a folder, not a volume', lambda o: (o / 'a.sgy').mkdir())
bad('a FIFO', check, 'not a regular file', lambda o: os.mkfifo(o / 'a.sgy'))
for device in ('zero', 'null', 'random'):
    bad(f'/dev/{device}', f'check /dev/{device}', 'not a regular file')
bad('a FIFO, to be indexed', to_index, 'a.sgy', lambda o: os.mkfifo(o / 'a.sgy'))
bad(
    'a FIFO in a folder of volumes',
    'index {o} --encoder {e} --out {o}/i',
    'a.sgy: not a regular file',
    lambda o: os.mkfifo(o / 'a.sgy'),
)
bad(
    'a symlink to nothing',
    check,
    'can not be opened',
    lambda o: (o / 'a.sgy').symlink_to(o / 'nothing'),
)
bad(
    'a symlink to itself',
    check,
    'can not be opened',
    lambda o: (o / 'a.sgy').symlink_to(o / 'a.sgy'),
)
bad(
    'a loop of symlinks, to be indexed',
    to_index,
    'a.sgy',
    lambda o: (
        ((o / 'a.sgy').symlink_to(o / 'b.sgy'), (o / 'b.sgy').symlink_to(o / 'a.sgy')) and None
    ),
)
good(
    'a symlink to a file',
    check,
    '20 traces',
    lambda r, o: r['n_traces'] == 20,
    lambda o: (sgy(name='b.sgy')(o), (o / 'a.sgy').symlink_to(o / 'b.sgy')) and None,
)
bad(
    'not allowed to read it',
    check,
    'can not be opened',
    lambda o: (sgy()(o), (o / 'a.sgy').chmod(0)) and None,
    skip='root may read everything' if ROOT_USER else '',
    there='refused: can not be opened (Permission denied); skipped where root runs the tests',
)
for what, name in (
    ('non-ASCII', 'Ærø – 地震 ß.sgy'),
    ('spaces and quotes', "it's a \"file\" .sgy"),
    ('a line break', 'two\nlines.sgy'),
    ('200 letters', 'x' * 200 + '.sgy'),
    ('bytes that are no text', os.fsdecode(b'\xff\xfe.sgy')),
    ('a dash in front', '-x.sgy'),
):
    named = lambda o, name=name: (sgy(name=name)(o), str(o / name))[1]
    if 'no text' in what:
        bad(f'name: {what}', 'check {n}', 'check its name', named)
    else:
        good(f'name: {what}', 'check {n}', '20 traces', lambda r, o: 'n_traces: 20' in r, named)
    bad(
        f'name: {what}, cut short',
        'check {n}',
        'truncated',
        lambda o, name=name: (sgy(name=name, cut=9999)(o), str(o / name))[1],
    )
bad('name of 300 letters', 'check {n}', 'name too long', lambda o: str(o / ('x' * 300 + '.sgy')))
for what, content, says in (
    ('an image', lambda: png(4, 4, data=bytes(20)), 'a PNG image'),
    ('gzip', lambda: b'\x1f\x8b' + bytes(4000), 'gzip'),
    ('zip', lambda: b'PK\3\4' + bytes(4000), 'zip'),
    ('HDF5', lambda: b'\x89HDF' + bytes(4000), 'HDF5'),
    ('plain text', lambda: b'inline crossline\n' * 300, 'plain text'),
    ('random bytes', lambda: np.random.default_rng(1).bytes(5000), 'a.sgy'),
    ('zeros', lambda: bytes(10000), 'zero bytes: an unfinished'),
):
    bad(f'{what} named .sgy', check, says, lambda o, content=content: file('a.sgy', content())(o))
