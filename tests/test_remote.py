"""Surveys behind a URL: only ranges are fetched, faults are one line, secrets stay out of it.

A server on this machine stands for https; `memory://` for other file systems of fsspec."""

import json

import fsspec
import numpy as np
import pytest
from served import served

from reflection_connection.cli import main
from reflection_connection.synthetic import write_survey
from reflection_connection.volume import VolumeError, open_volume, preflight
from reflection_connection.volume.examples import tiny_segy
from reflection_connection.volume.remote import RemoteFile, is_url
from reflection_connection.volume.remote_traces import RemoteTraces

pytest.importorskip('aiohttp', reason="pip install 'reflection_connection[remote]'")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    "A cache folder for each test; the server is asked at each read whether the file changed."
    monkeypatch.setenv('REFCON_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(RemoteFile, 'check_every', 0)
    return tmp_path / 'cache'


@pytest.fixture(scope='module')
def survey(tmp_path_factory):
    "A SEG-Y of 4 inlines and 64 crosslines; traces of 12240 bytes."
    return write_survey(tmp_path_factory.mktemp('survey'), 3, 4, 64, 3000)


@pytest.fixture
def server(survey):
    with served({'/data/survey.sgy': survey.read_bytes()}) as (what, address):
        yield what, f'{address}/data/survey.sgy'


def test_a_remote_segy_is_what_the_local_one_is(server, survey):
    _, url = server
    with open_volume(survey) as v, open_volume(url) as w:
        for name in ('shape', 't0', 'dt', 'unit', 'xy_unit', 'notes', 'problems', 'name'):
            assert getattr(w, name) == getattr(v, name), name
        assert str(w.path) == url and w.fingerprint() == v.fingerprint()
        for kind in ('inline', 'crossline'):
            for number in v.lines(kind)[1::30]:
                assert np.array_equal(w.section(kind, number), v.section(kind, number))
                assert np.array_equal(w.xy(kind, number), v.xy(kind, number))
        ids = [5, 6, 200, 3]
        assert np.array_equal(w.traces[ids], v.traces[ids])


@pytest.mark.parametrize('endian', ['big', 'little'])
@pytest.mark.parametrize('fmt', [1, 2, 3, 5, 8])
def test_every_sample_format(fmt, endian, tmp_path):
    local = tiny_segy(tmp_path / 'tiny.sgy', fmt=fmt, endian=endian)
    fsspec.filesystem('memory').pipe('/tiny.sgy', local.read_bytes())
    with open_volume(local) as v, open_volume('memory://tiny.sgy') as w:
        assert np.array_equal(w.traces[:], v.traces[:])
        assert w.fingerprint() == v.fingerprint()
        assert w.inlines.tolist() == v.inlines.tolist()


def test_opening_and_one_inline_fetch_a_part_of_the_file(server, survey):
    what, url = server
    with open_volume(url) as v:
        opened = what.sent
        v.section('inline', int(v.inlines[2]))
        line = what.sent - opened
    record = 240 + 4 * 3000
    assert line <= 64 * record and 256 * 240 < opened
    assert (
        opened + line < 0.75 * survey.stat().st_size
    )  # of a file this small: samples looked at are 0.8 MB of any


def test_headers_are_fetched_once(server, cache):
    what, url = server
    with open_volume(url) as v:
        first = what.requests
        numbers = v.inlines.tolist()
    what.requests = 0
    with open_volume(url) as v:
        assert v.inlines.tolist() == numbers
    assert what.requests < first - 250
    what.requests, what.version = 0, '2'  # another file of the same size
    with open_volume(url):
        assert what.requests > 250


def test_the_cache_has_a_bound(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(RemoteTraces, 'most_kept', 2 * 40 * 240)  # of two tiny surveys
    data = tiny_segy(tmp_path / 'tiny.sgy').read_bytes()
    kept = []
    for name in 'abc':
        fsspec.filesystem('memory').pipe(f'/{name}.sgy', data)
        with open_volume(f'memory://{name}.sgy') as v:
            v.reader.inlines
        kept.append({f.name for f in (cache / 'headers').iterdir()})
    assert [len(names) for names in kept] == [1, 2, 2] and not kept[0] & kept[2]


def test_a_worker_opens_it_again(server):
    _, url = server
    with open_volume(url) as v:
        reopen, about = v.__reduce__()  # what pickle keeps of it
    with reopen(*about) as w, open_volume(url) as v:
        assert np.array_equal(v.traces[3], w.traces[3])


@pytest.mark.parametrize('status, said', [(403, 'access is denied'), (401, 'access is denied')])
def test_refused_by_the_server(server, status, said):
    what, url = server
    what.status = status
    with pytest.raises(VolumeError, match=said):
        open_volume(url)


def test_faults_are_one_line(server):
    what, url = server
    with pytest.raises(VolumeError, match='not found on the server; check the address'):
        open_volume(url + 'x')
    what.status = 500
    with pytest.raises(VolumeError, match='cannot be read from its server .HTTP status 500'):
        open_volume(url)
    what.status, what.ranges = 200, False
    with pytest.raises(VolumeError, match='whole files, not ranges'):
        open_volume(url)
    with pytest.raises(VolumeError, match='cannot be read from its server'):
        open_volume('http://127.0.0.1:9/a.sgy')


def test_a_server_without_ranges_is_not_downloaded(server, survey):
    what, url = server
    what.ranges = False
    with pytest.raises(VolumeError):
        open_volume(url)
    assert what.whole <= 4  # answers that were begun and left, none of them read


def test_a_file_that_changes_under_way(server):
    what, url = server
    with open_volume(url) as v:
        v.traces[0]
        what.version = '2'
        with pytest.raises(VolumeError, match='changed on the server while open; open it again'):
            v.traces[0]


SECRETS = ['http://user:hush@127.0.0.1:9/a.sgy', 'http://127.0.0.1:9/a.sgy?X-Amz-Signature=hush']
SECRETS += [
    'http://user:hush@127.0.0.1:9/a.zarr',
    'file://user:hush@host/etc?hush',
    's3://b/a?hush',
]


@pytest.mark.parametrize('url', SECRETS)
def test_secrets_are_not_told(url, capsys):
    with pytest.raises(VolumeError) as e:
        open_volume(url)
    assert 'hush' not in str(e.value) and '\n' not in str(e.value)
    assert e.value.__suppress_context__ or e.value.__context__ is None
    assert main(['check', url]) == 2
    said = capsys.readouterr()
    assert 'hush' not in said.out + said.err and said.err.count('\n') == 1


def test_a_signed_address_is_read_and_not_shown(server):
    _, url = server
    with open_volume(url + '?sig=hush') as v:
        assert str(v.path) == url and 'hush' not in repr(v) and v.traces[0].any()


@pytest.mark.parametrize('target', ['file:///etc/passwd', 'ftp://127.0.0.1/a'])
def test_a_redirect_leads_to_no_other_scheme(server, target):
    what, url = server
    what.redirect = target
    with pytest.raises(VolumeError, match='redirects to an address that is not http.*refused'):
        open_volume(url)


@pytest.mark.parametrize('url', ['file:///etc/passwd', 'simplecache::http://h/a', 'zip://a::b'])
def test_other_kinds_of_address_are_refused(url):
    with pytest.raises(VolumeError, match='not an address of a known kind'):
        open_volume(url)


def test_paths_are_no_urls():
    assert not any(map(is_url, ['C:/a.sgy', 'C:\\a.sgy', 'dt:4.sgy', '/a//b.sgy', 'a b://c']))


def test_check_of_a_url(server, survey, capsys):
    _, url = server
    assert main(['check', url, '--json']) == 0
    told, local = json.loads(capsys.readouterr().out), preflight(survey)
    told = told[0] if isinstance(told, list) else told
    assert told['file'] == url
    assert {**told, 'file': ''} == {**local, 'file': ''}


def test_a_remote_store(tmp_path):
    xarray = pytest.importorskip('xarray')
    cube = np.random.default_rng(0).normal(size=(6, 9, 32)).astype('f4')
    dims = ('inline', 'crossline', 'time')
    coords = dict(inline=range(6), crossline=range(9), time=('time', 4.0 * np.arange(32)))
    ds = xarray.Dataset({'amplitude': (dims, cube)}, coords)
    ds.time.attrs['units'] = 'ms'
    ds.to_zarr(tmp_path / 'a.zarr', zarr_format=2, consolidated=True)
    files = {
        f'/{p.relative_to(tmp_path)}': p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()
    }
    with served(files) as (what, address), open_volume(f'{address}/a.zarr') as v:
        assert (v.dt, v.unit, v.shape) == (4, 'ms', cube.shape)
        assert np.array_equal(v.section('inline', 2), cube[2].T)
        assert str(v.path) == f'{address}/a.zarr'


def test_an_index_of_a_url_is_searched(server, tmp_path, capsys):
    _, url = server
    grid = ('--window', '64', '32', '--stride', '512', '32', '--encoder', 'refcon-tiny')
    index = str(tmp_path / 'index')
    assert main(['index', url, *grid, '--out', index]) == 0
    line = ('--inline', '1201', '--box', '0', '0', '64', '32', '--k', '2')
    capsys.readouterr()
    assert main(['search', index, *line, '--json']) == 0
    hits = json.loads(capsys.readouterr().out)
    assert len(hits) == 2 and {hit['source'] for hit in hits} <= {url, 'survey.sgy', 'survey'}
