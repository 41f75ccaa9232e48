"Known answers of storage: every message, every boundary, and what is left behind."

import errno
import hashlib
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from reflection_connection.storage import (
    BLANK,
    LOOPBACK,
    MANIFEST,
    OWN_CHECKSUM,
    REQUIRED,
    STALE,
    Field,
    FileError,
    Lines,
    ResumableJob,
    as_json,
    check_manifest,
    check_record,
    errors,
    event,
    file_sha256,
    job_key,
    listen,
    locked,
    log,
    loopback_direct,
    manifest,
    permit,
    read_arrays,
    read_json,
    read_steadily,
    read_table,
    records,
    replace,
    settle,
    tables,
    tidy,
    tidy_file,
    timed,
    whole_file,
    whole_folder,
    write_json,
    write_table,
    writing,
)

REMEDY = 'copy it again, or make it anew'


class Other(Exception):
    "An error of whoever asks."


def exactly(text):
    return f'^{re.escape(text)}$'


def names(folder):
    return sorted(p.name for p in folder.iterdir())


# errors


def test_why_something_failed():
    assert errors.reason(OSError(errno.ENOSPC, 'No space left')) == 'No space left'
    assert errors.reason(ValueError('two\n  lines\tof it')) == 'two lines of it'
    assert errors.reason(ValueError('/a/b/c.npz is odd'), '/a/b/c.npz') == 'c.npz is odd'
    assert errors.reason(ValueError('/a/b/c.npz is odd')) == '/a/b/c.npz is odd'
    assert errors.reason(KeyError()) == 'KeyError'
    assert errors.reason(ValueError('x' * 300)) == 'x' * 120
    assert errors.reason(ValueError('abcdef'), most=4) == 'abcd'


def test_what_speaks_against_writing():
    said = (
        '{} cannot be written ({}): make room on the disk, '
        'or check who may write there; what was there is untouched'
    )
    with pytest.raises(FileError, match=exactly(said.format('a.npy', 'No room'))) as e:
        with writing('a.npy'):
            raise OSError(errno.ENOSPC, 'No room')
    assert isinstance(e.value.__cause__, OSError)
    with pytest.raises(Other, match=exactly(said.format('a.npy', 'full; no room?'))):
        with writing('a.npy', Other, (KeyError, RuntimeError)):
            raise RuntimeError('full\nand more')
    with pytest.raises(Other, match=exactly(said.format('a.npy', 'RuntimeError; no room?'))):
        with writing('a.npy', Other, (RuntimeError,)):
            raise RuntimeError
    with pytest.raises(Other, match=exactly(said.format('a', 'y' * 120 + '; no room?'))):
        with writing('a', Other, (RuntimeError,)):
            raise RuntimeError('y' * 121)
    with pytest.raises(RuntimeError, match='^full$'):  # not said to be about writing
        with writing('a.npy'):
            raise RuntimeError('full')


# locks


def test_a_lock_says_whose_it_is(tmp_path):
    path = tmp_path / 'new' / 'deep' / 'a.npy'
    lock = path.with_name('.a.npy.lock')
    with locked(path):
        mine = f'process {os.getpid()} on {socket.gethostname()}'
        assert lock.read_text() == mine
        lock.write_text('first')
        with locked(path):  # the same process may
            assert lock.read_text() == 'first'
        assert not free(lock)
    assert free(lock)
    with pytest.raises(KeyError):
        with locked(path):
            raise KeyError
    assert free(lock)
    with locked(tmp_path / 'b'):
        with locked(tmp_path / 'b'):
            pass
        assert not free(tmp_path / '.b.lock')


def free(name):
    "Whether another process could take a lock."
    script = """
import fcntl, sys
with open(sys.argv[1]) as f:
    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
    done = subprocess.run([sys.executable, '-S', '-c', script, str(name)], capture_output=True)
    return done.returncode == 0


@pytest.mark.parametrize(
    'said, owner', [('process 7 on rig \n', 'process 7 on rig'), ('', 'unknown')]
)
def test_the_second_is_told_who_the_first_is(tmp_path, monkeypatch, said, owner):
    path = tmp_path / 'a.npy'
    name = tmp_path / '.a.npy.lock'
    holder = FileLock(name, thread_local=False)
    with holder:
        name.write_text(said)
        wanted = (
            f'{path} is being written by another process ({owner}): '
            'wait until it has ended, or choose another name'
        )
        with pytest.raises(Other, match=exactly(wanted)):
            with locked(path, Other):
                raise AssertionError('two have it')
        monkeypatch.chdir(tmp_path)
        with pytest.raises(FileError, match=exactly(wanted)):  # a relative path is the same one
            with locked('a.npy'):
                raise AssertionError('two have it')
        started = time.monotonic()
        with pytest.raises(FileError):
            with locked(path, wait=0.2):
                raise AssertionError('two have it')
        assert time.monotonic() - started >= 0.2
        threading.Timer(0.1, holder.release).start()
        with locked(path, wait=20):
            assert name.read_text().startswith('process ')


def test_a_lock_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(Other, match='cannot be written'):
        with locked(tmp_path / 'file' / 'a', Other):
            raise AssertionError('no folder there')


# replacing files


def gone():
    "The number of a process that has ended."
    done = subprocess.Popen([sys.executable, '-S', '-c', ''])
    done.wait()
    return done.pid


def test_what_another_process_half_wrote_is_removed_when_it_is_gone(tmp_path):
    path = tmp_path / 'a[1].npy'
    here = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
    assert replace._here() == here
    there = 'z' * 6
    dead = gone()
    old = time.time() - STALE - 60
    stay = [
        f'.a[1].npy.{here}-{os.getpid()}.npy',
        f'.a[1].npy.{here}-1.npy',
        f'.a[1].npy.{there}-{dead}.npy',
        f'.a[1].npy.{here}-x.npy',
        f'.a[1].npy.{here[:5]}-{dead}.npy',
        f'.a[1].npy.{here}a-{dead}.npy',
        f'.a[1].npy.{here}-{dead}.npz',
        f'.a1.npy.{here}-{dead}.npy',
        'a[1].npy',
    ]
    go = [f'.a[1].npy.{here}-{dead}.npy', f'.a[1].npy.{there}-5.npy']
    for name in stay + go:
        (tmp_path / name).write_text('half')
    for name in (*go, *stay[:2], *stay[3:6]):
        os.utime(tmp_path / name, (old, old))
    tidy_file(path)
    assert names(tmp_path) == sorted(stay)
    stale = tmp_path / stay[2]
    for age, removed in ((STALE - 30, False), (STALE + 30, True)):
        os.utime(stale, (time.time() - age,) * 2)
        tidy_file(path)
        assert stale.exists() is not removed
    assert STALE == 600


def test_processes_that_run(monkeypatch):
    assert replace._alive(os.getpid()) is True
    assert replace._alive(gone()) is False

    def forbidden(pid, signal):
        assert signal == 0
        raise PermissionError

    monkeypatch.setattr(os, 'kill', forbidden)
    assert replace._alive(1) is True


def test_a_part_that_another_process_tidied(tmp_path, monkeypatch):
    def vanished(part, suffix):
        raise FileNotFoundError

    seen = []
    for name in ('.a.npy.x1.npy', '.a.npy.x2.npy'):
        (tmp_path / name).write_text('')
    monkeypatch.setattr(replace, '_orphan', lambda *a: seen.append(a) or vanished(*a))
    tidy_file(tmp_path / 'a.npy')
    assert len(seen) == 2


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / 'a.npy'
    path.write_text('old')
    part = f'.a.npy.{replace._here()}-{os.getpid()}.npy'
    left = tmp_path / f'.a.npy.{replace._here()}-{gone()}.npy'
    left.write_text('half')
    with whole_file(str(path)) as new:
        assert new == tmp_path / part
        assert not left.exists()
        new.write_text('new')
        assert path.read_text() == 'old'
    assert (path.read_text(), names(tmp_path)) == ('new', ['a.npy'])
    with pytest.raises(KeyError):
        with whole_file(path) as new:
            new.write_text('half')
            raise KeyError
    assert (path.read_text(), names(tmp_path)) == ('new', ['a.npy'])
    with pytest.raises(Other, match='a.npy cannot be written .No such file'):
        with whole_file(path, Other):
            pass  # nothing was written


def test_what_is_made_has_usual_permissions(tmp_path):
    file, folder = tmp_path / 'a', tmp_path / 'b'
    file.write_text('')
    folder.mkdir()
    before = os.umask(0o027)
    try:
        file.chmod(0o600)
        folder.chmod(0o700)
        permit(file)
        permit(folder)
        assert os.umask(0o027) == 0o027  # as it was
    finally:
        os.umask(before)
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o640, 0o750)


# replacing folders


def test_what_was_set_aside_is_put_back(tmp_path):
    folder = tmp_path / 'a'
    for name in ('.a.1234567.old', '.a.123456789.old', '.b.12345678.old', '.a.12345678.new'):
        (tmp_path / name).mkdir()
    assert settle(str(folder)) == folder
    assert not folder.exists()
    for name in ('.a.aaaaaaaa.old', '.a.bbbbbbbb.old'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'mark').write_text(name)
    settle(folder)
    assert (folder / 'mark').read_text() in ('.a.aaaaaaaa.old', '.a.bbbbbbbb.old')
    before = names(tmp_path)
    settle(folder)
    assert names(tmp_path) == before
    assert settle(tmp_path / 'nowhere' / 'a') == tmp_path / 'nowhere' / 'a'
    (tmp_path / '.c.12345678.old').mkdir()
    tidy(tmp_path / 'c')
    assert (tmp_path / 'c').is_dir()
    tidy(folder)
    assert names(tmp_path) == ['.a.1234567.old', '.a.123456789.old', '.b.12345678.old', 'a', 'c']


def test_a_folder_that_fills_while_it_is_removed(tmp_path, monkeypatch):
    waits, failures = [], [errno.ENOTEMPTY, errno.ENOENT]
    true_rmtree = replace.shutil.rmtree

    def rmtree(folder):
        if failures:
            raise OSError(failures.pop(0), 'again')
        true_rmtree(folder)

    monkeypatch.setattr(replace.shutil, 'rmtree', rmtree)
    monkeypatch.setattr(replace.time, 'sleep', waits.append)
    (tmp_path / 'a').mkdir()
    replace._clear(tmp_path / 'a')
    assert (names(tmp_path), waits) == ([], [0.01, 0.1])
    (tmp_path / 'a').mkdir()
    failures[:] = [errno.EACCES]
    with pytest.raises(OSError, match='again'):
        replace._clear(tmp_path / 'a')
    failures[:], waits[:] = [errno.ENOTEMPTY] * 4, []
    with pytest.raises(OSError, match='again'):
        replace._clear(tmp_path / 'a')
    assert waits == [0.01, 0.1, 1.0]


@pytest.mark.parametrize('exchanged', [True, False])
def test_a_folder_is_whole_or_not_there(tmp_path, monkeypatch, exchanged):
    if not exchanged:
        monkeypatch.setattr(replace, '_exchange', lambda a, b: False)
    on_disk = []
    true_sync = replace._sync
    monkeypatch.setattr(replace, '_sync', lambda p: on_disk.append(p.name) or true_sync(p))
    parent = tmp_path / 'new' / 'deep'
    folder = parent / 'a'

    def make(content):
        with whole_folder(str(folder), 'meta.json') as new:
            assert new.parent == parent and new.suffix == '.new' and not any(new.iterdir())
            assert re.fullmatch(r'\.a\..{8}\.new', new.name)
            (new / 'sub').mkdir(mode=0o700)
            for name in ('meta.json', 'sub/b'):
                (new / name).write_text(content)
                (new / name).chmod(0o600)

    before = os.umask(0o022)
    try:
        make('one')
    finally:
        os.umask(before)
    assert sorted(on_disk) == ['b', 'meta.json']
    modes = [(folder / n).stat().st_mode & 0o777 for n in ('', 'meta.json', 'sub/b')]
    assert modes == [0o755, 0o644, 0o644]
    (parent / '.a.12345678.new').mkdir()
    make('two')
    assert (folder / 'sub' / 'b').read_text() == 'two'
    with pytest.raises(KeyError):
        with whole_folder(folder, 'meta.json') as new:
            (new / 'half').write_text('')
            raise KeyError
    assert (folder / 'sub' / 'b').read_text() == 'two'
    assert names(parent) == ['.a.lock', 'a']


def test_a_folder_of_other_things_is_kept(tmp_path):
    folder = tmp_path / 'a'
    folder.mkdir()
    (folder / 'thesis').write_text('')
    wanted = exactly(f'{folder} exists and has no meta.json: choose another name')
    with pytest.raises(Other, match=wanted):
        with whole_folder(folder, 'meta.json', Other):
            raise AssertionError('it would be lost')
    (folder / 'thesis').unlink()
    (folder / 'meta.json').mkdir()  # no file
    with pytest.raises(Other, match=wanted):
        with whole_folder(folder, 'meta.json', Other):
            raise AssertionError('it would be lost')
    (folder / 'meta.json').rmdir()
    with whole_folder(folder, 'meta.json') as new:  # empty: nothing is lost
        (new / 'meta.json').write_text('')
    assert names(folder) == ['meta.json']
    file = tmp_path / 'b'
    file.write_text('')
    with pytest.raises(
        FileError, match=exactly(f'{file} exists and has no m: choose another name')
    ):
        with whole_folder(file, 'm'):
            raise AssertionError('it would be lost')


def test_names_change_places(tmp_path):
    for name in 'ab':
        (tmp_path / name).mkdir()
        (tmp_path / name / 'mark').write_text(name)
    if replace._exchange(tmp_path / 'a', tmp_path / 'b'):
        assert (tmp_path / 'a' / 'mark').read_text() == 'b'
        assert (tmp_path / 'b' / 'mark').read_text() == 'a'
    assert replace._exchange(tmp_path / 'a', tmp_path / 'nothing') is False


def test_a_system_that_cannot_exchange_names(monkeypatch):
    class Library:
        pass

    monkeypatch.setattr(replace.ctypes, 'CDLL', lambda *a, **k: Library())
    assert replace._exchange('a', 'b') is False


def test_a_folder_is_read_from_one_state(tmp_path):
    folder = tmp_path / 'a'

    def put(text):
        with whole_folder(folder, 'm') as new:
            (new / 'm').write_text(text)

    put('one')
    calls = []

    def replaced_meanwhile():
        calls.append((folder / 'm').read_text())
        if len(calls) == 1:
            put('two')
            raise KeyError('a mixture')
        if len(calls) == 2:
            put('three')
        return calls[-1]

    assert read_steadily(folder, replaced_meanwhile) == 'three'
    assert calls == ['one', 'two', 'three']

    def damaged():
        calls.append('damaged')
        raise KeyError('really')

    with pytest.raises(KeyError, match='really'):
        read_steadily(folder, damaged)
    assert calls.count('damaged') == 1
    assert read_steadily(tmp_path / 'nothing', lambda: 7) == 7
    (tmp_path / 'file').write_text('')
    assert replace._state(tmp_path / 'file' / 'below') is None
    s = os.stat(folder)
    assert replace._state(folder) == (s.st_ino, s.st_mtime_ns)


# records


def test_what_json_can_hold():
    assert as_json(np.float32(0.5)) == 0.5 and type(as_json(np.int64(3))) is int
    assert as_json(np.arange(3)) == [0, 1, 2]
    assert as_json((1, 'a')) == [1, 'a']
    assert as_json({4}) == [4]
    assert as_json(Path('a') / 'b') == 'a/b'
    with pytest.raises(TypeError, match='^object cannot be written as JSON$'):
        as_json(object())


def test_a_record_with_its_checksum(tmp_path):
    path = tmp_path / 'a.json'
    write_json(path, {'format': 3, 'x': np.arange(2), 'ä': BLANK}, checked=True)
    text = path.read_text()
    record = json.loads(text)
    digest = record.pop(OWN_CHECKSUM)
    assert record == {'format': 3, 'x': [0, 1], 'ä': BLANK}
    assert hashlib.sha256(text.replace(digest, BLANK).encode()).hexdigest() == digest
    assert text.startswith('{\n "format": 3,\n')
    for since in (0, 3, 4, None):
        assert read_json(path, since=since) == record
    path.write_bytes(text.replace('\n', '\r\n').encode())  # a copy on Windows
    assert read_json(path) == record
    wanted = f'{path} is damaged or was changed (its checksum differs): {{}}'
    for bad in (digest[:-1], f'{digest}0', 7, 64 * [1], BLANK):
        path.write_text(json.dumps(record | {OWN_CHECKSUM: bad}, indent=1))
        for since in (0, None, 9):
            with pytest.raises(Other, match=exactly(wanted.format('ask'))):
                read_json(path, Other, since, 'ask')
    path.write_text(text.replace('"format": 3', '"format": 2'))
    with pytest.raises(FileError, match=exactly(wanted.format(REMEDY))):
        read_json(path)
    assert not records._is_own('abc', digest[:63])
    assert not records._is_own('abc', None)


def test_a_record_without_its_checksum(tmp_path):
    path = tmp_path / 'a.json'
    write_json(path, {'format': 2})
    assert path.read_text() == '{\n "format": 2\n}'
    assert read_json(path, since=3) == read_json(path, since=None) == {'format': 2}
    for since in (0, 1, 2):
        with pytest.raises(FileError, match='its checksum differs'):
            read_json(path, since=since)
    with pytest.raises(FileError, match='its checksum differs'):
        read_json(path)
    for form, since, is_read in (
        (None, 2, True),
        (None, 1, False),
        (True, 9, False),
        (1.5, 9, False),
    ):
        write_json(path, {} if form is None else {'format': form})
        if is_read:
            assert read_json(path, since=since) == {}
            continue
        with pytest.raises(FileError, match='its checksum differs'):
            read_json(path, since=since)


def test_no_record(tmp_path):
    path = tmp_path / 'a.json'
    with pytest.raises(Other, match=exactly(f'{path}: no such file')):
        read_json(path, Other)
    path.write_text('[1]')
    with pytest.raises(Other, match=exactly(f'{path} is damaged (a list, not a record): {REMEDY}')):
        read_json(path, Other, None)
    path.write_text('{')
    with pytest.raises(Other, match=f'{re.escape(str(path))} is damaged .Expecting .*: {REMEDY}$'):
        read_json(path, Other)
    path.write_bytes(b'\xff\xff')
    with pytest.raises(FileError, match='is damaged .*codec.*: do this$'):
        read_json(path, remedy='do this')
    path.write_text('[' * 200_000)
    with pytest.raises(FileError, match='is damaged .*recursion'):
        read_json(path)
    with pytest.raises(FileError, match='is damaged .Is a directory.: '):
        read_json(tmp_path)
    with pytest.raises(ValueError):
        write_json(tmp_path / 'b.json', {'x': float('nan')})
    with pytest.raises(Other, match='cannot be written'):
        write_json(tmp_path / 'nothing' / 'b.json', {}, Other)
    assert names(tmp_path) == ['a.json']


def test_a_record_and_its_form():
    form = {
        'n': Field(lambda v: type(v) is int, 'a whole number'),
        'name': Field(lambda v: isinstance(v, str), 'a text', default='none'),
    }
    assert form['n'].default is REQUIRED
    given = {'n': 3, 'more': 1}
    assert check_record(given, form, 'x') == {'n': 3, 'more': 1, 'name': 'none'}
    assert given == {'n': 3, 'more': 1}
    assert check_record({'n': 3, 'name': 'a'}, form, 'x') == {'n': 3, 'name': 'a'}
    for record, said in (
        ({}, 'f.json: n is missing: expected a whole number'),
        ({'n': 'y' * 80}, f"f.json: n is {'y' * 60}: expected a whole number"),
        ({'n': 1, 'name': 2}, 'f.json: name is 2: expected a text'),
    ):
        with pytest.raises(Other, match=exactly(said)):
            check_record(record, form, 'f.json', Other)
    with pytest.raises(FileError, match=exactly('f: n is missing: expected any')):
        check_record({}, {'n': Field(lambda v: True, 'any')}, 'f')
    with pytest.raises(FileError):
        check_record({}, form, 'f')


# tables and arrays


def test_a_table_with_its_checksum(tmp_path):
    path = tmp_path / 'a.parquet'
    frame = pd.DataFrame({'id': ['a', BLANK], 'x': [0.5, 2.0]}, index=[5, 9])
    write_table(path, frame)
    raw = path.read_bytes()
    digest = pq.ParquetFile(path).metadata.metadata[OWN_CHECKSUM.encode()]
    assert b'pandas' in pq.ParquetFile(path).metadata.metadata
    head, _, tail = raw.rpartition(digest)
    blank = head + BLANK.encode() + tail
    assert hashlib.sha256(blank).hexdigest().encode() == digest
    pd.testing.assert_frame_equal(read_table(path), frame.reset_index(drop=True))
    path.write_bytes(blank)
    wanted = f'{path} is damaged or was changed (its checksum differs): '
    with pytest.raises(Other, match=exactly(wanted + 'ask')):
        read_table(path, Other, 'ask')
    pq.write_table(pa.table({'x': [1]}), path)
    with pytest.raises(FileError, match=exactly(wanted + REMEDY)):
        read_table(path)
    path.write_bytes(b'none')
    with pytest.raises(Other, match='a.parquet is damaged or no Parquet table .*: ask$'):
        read_table(path, Other, 'ask')
    with pytest.raises(FileError, match=f'is damaged or no Parquet table .*: {REMEDY}$'):
        read_table(tmp_path)
    with pytest.raises(Other, match=exactly(f'{tmp_path / "b"}: no such file')):
        read_table(tmp_path / 'b', Other)
    with pytest.raises(Other, match='cannot be written'):
        write_table(tmp_path / 'nothing' / 'b', frame, Other)
    assert not tables._is_own(b'abc', b'a')


def test_arrays_that_are_checked(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, x=np.arange(1000))
    with read_arrays(path) as arrays:
        assert arrays['x'].sum() == 499_500
    with pytest.raises(
        Other, match='a.npz is damaged .*b.*: remove it and start again, it is made anew'
    ):
        with read_arrays(path, Other) as arrays:
            arrays['b']
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(FileError, match='a.npz is damaged .Bad CRC'):
        with read_arrays(path) as arrays:
            arrays['x']
    path.write_bytes(raw[:50])
    with pytest.raises(FileError, match='is damaged'):
        with read_arrays(path) as arrays:
            arrays['x']
    path.write_bytes(b'')
    with pytest.raises(FileError, match='is damaged'):
        with read_arrays(path) as arrays:
            arrays['x']
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(FileError, match='is damaged .Object arrays cannot be loaded'):
        with read_arrays(path) as arrays:
            arrays['x']


# checksums


def test_which_files_differ(tmp_path):
    for name in ('b', 'sub/c', '.hidden', 'out', 'skip/d', 'sub/out'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / 'link').symlink_to(tmp_path / 'b')
    (tmp_path / 'sub' / MANIFEST).write_text('another')
    assert file_sha256(tmp_path / 'b') == hashlib.sha256(b'b').hexdigest()
    manifest(str(tmp_path), ('out', 'skip'))
    listed = read_json(tmp_path / MANIFEST)
    assert list(listed) == ['b', 'sub/c', 'sub/out', f'sub/{MANIFEST}']
    assert listed['sub/c'] == hashlib.sha256(b'sub/c').hexdigest()
    assert check_manifest(str(tmp_path)) == []
    manifest(tmp_path)
    assert {'out', 'skip/d'} < set(read_json(tmp_path / MANIFEST))
    (tmp_path / 'b').write_text('x')
    (tmp_path / 'out').unlink()
    assert sorted(check_manifest(tmp_path)) == ['b', 'out']
    for name in (f'{tmp_path}/b', '../b', 'sub/../b'):
        write_json(tmp_path / MANIFEST, {'b': '0', name: '0'}, checked=True)
        said = f'{tmp_path / MANIFEST} names {name}, which is not in the folder'
        with pytest.raises(Other, match=exactly(said)):
            check_manifest(tmp_path, Other)
    (tmp_path / MANIFEST).write_text('{"b": "0"}')
    with pytest.raises(Other, match='its checksum differs'):
        check_manifest(tmp_path, Other)
    with pytest.raises(Other, match='no such file'):
        check_manifest(tmp_path / 'sub' / 'nothing', Other)


# events


def test_events_as_lines(tmp_path):
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        out = io.StringIO()
        with listen(out):
            assert log.level == logging.INFO
            event('index.written', windows=3, kind='flat', folder='/a b', none='')
            with listen(tmp_path / 'log', machine=True):
                event('two', path=tmp_path, n=1)
            assert log.level == logging.INFO  # the first still listens
        assert log.level == logging.WARNING
        assert not log.handlers
        event('nobody.listens')
        with listen(tmp_path / 'log'):
            event('added')
    finally:
        log.setLevel(before)
    one, two = out.getvalue().splitlines()
    when = r'\d\d:\d\d:\d\d\.\d{3}'
    assert re.fullmatch(f'{when} index.written windows=3 kind=flat folder="/a b" none=""', one)
    assert re.fullmatch(f'{when} two path={re.escape(str(tmp_path))} n=1', two)
    machine, added = (tmp_path / 'log').read_text().splitlines()
    line = json.loads(machine)
    assert re.fullmatch(rf'\d{{4}}-\d\d-\d\dT{when}\+00:00', line.pop('time'))
    assert line == {'event': 'two', 'process': os.getpid(), 'path': str(tmp_path), 'n': 1}
    assert added.endswith(' added')


def test_a_line_has_the_time_of_its_record():
    record = logging.LogRecord('x', logging.INFO, '', 0, 'plain', None, None)
    record.created = 3661.25
    assert Lines().format(record) == '01:01:01.250 plain'
    line = json.loads(Lines(machine=True).format(record))
    assert line == {
        'time': '1970-01-01T01:01:01.250+00:00',
        'event': 'plain',
        'process': os.getpid(),
    }


def test_events_have_their_seconds(monkeypatch):
    out = io.StringIO()
    clock = iter([10.0, 12.34567, 20.0, 20.5])
    monkeypatch.setattr(
        'reflection_connection.storage.events.time.perf_counter', lambda: next(clock)
    )
    with listen(out):
        with timed('a', known=1) as facts:
            facts['later'] = 2
        with pytest.raises(KeyError):
            with timed('b'):
                raise KeyError('x')
    lines = [line.split(' ', 1)[1] for line in out.getvalue().splitlines()]
    assert lines == ['a known=1 later=2 seconds=2.346', 'b error=KeyError seconds=0.5']


def test_who_listens_is_kept_when_another_ends():
    class Stream(io.StringIO):
        flushed = 0

        def flush(self):
            self.flushed += 1

    out = Stream()
    level = log.level
    with pytest.raises(KeyError):
        with listen(out):
            before = out.flushed
            raise KeyError
    assert (log.handlers, log.level, out.flushed) == ([], level, before + 1)


# jobs


def test_keys_of_jobs():
    depends = ['a', {'n': 1}, Path('b'), np.float64(0.5)]
    text = '["a", {"n": 1}, "b", 0.5]'
    assert job_key(*depends) == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_work_folder_outlives_an_interruption(tmp_path):
    out = tmp_path / 'a.npz'
    work = tmp_path / '.a.npz.work'
    for name in ('.a.npz.12345678.new', '.a.npz.12345678.old'):
        (tmp_path / name).mkdir()
    with pytest.raises(KeyError):
        with ResumableJob(str(out)) as job:
            assert (job.out, job.work) == (out, work)
            assert out.is_dir(), 'what was set aside is put back'
            assert not free(tmp_path / '.a.npz.lock')
            work.mkdir()
            raise KeyError
    assert free(tmp_path / '.a.npz.lock')
    assert work.is_dir() and (tmp_path / '.a.npz.12345678.new').is_dir()
    out.rmdir()
    with ResumableJob(out) as job:
        with job.new_file() as new:
            new.write_text('x')
    assert names(tmp_path) == ['.a.npz.lock', 'a.npz']
    with ResumableJob(tmp_path / 'b', Other) as job:
        with job.new_folder('m') as new:
            (new / 'm').write_text('')
        (tmp_path / 'b' / 'm').unlink()
        (tmp_path / 'b' / 'other').write_text('')
        with pytest.raises(Other, match='has no m'):
            with job.new_folder('m'):
                raise AssertionError('it would be lost')
        with pytest.raises(Other, match='cannot be written'):
            with job.new_file():
                pass
    with FileLock(tmp_path / '.c.lock'), pytest.raises(Other, match='written by another process'):
        with ResumableJob(tmp_path / 'c', Other):
            raise AssertionError('two have it')


# loopback


def test_only_loopback_is_asked_directly():
    assert LOOPBACK == ('127.0.0.1', 'localhost', '::1')
    assert loopback_direct({}) == {}
    assert loopback_direct({'http_proxy': '', 'HTTPS_PROXY': ''}) == {}
    assert loopback_direct({'proxy': 'x', 'http': 'y'}) == {}
    assert loopback_direct({'NO_PROXY': 'a', 'no_proxy': 'b'}) == {}
    all_three = ','.join(LOOPBACK)
    for given, hosts in (
        ({}, all_three),
        ({'no_proxy': ' a , ,b'}, f'a,b,{all_three}'),
        ({'NO_PROXY': 'c'}, f'c,{all_three}'),
        ({'no_proxy': 'a', 'NO_PROXY': 'c'}, f'a,{all_three}'),
        ({'no_proxy': 'localhost,a'}, 'localhost,a,127.0.0.1,::1'),
    ):
        found = loopback_direct({'HTTPS_PROXY': 'http://x'} | given)
        assert found == {'no_proxy': hosts, 'NO_PROXY': hosts}
