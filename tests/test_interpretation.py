"""What interpreters bring and take away, from outside: horizons of a survey with known times in the
layouts of several programs, and files of hits read by parsers of their own."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest
import segyio

from reflection_connection.cli import main
from reflection_connection.interpretation import (
    Horizon,
    InterpretationError,
    about,
    place_points,
    read_horizon,
    read_outlines,
    read_points,
)
from reflection_connection.search import HitRules, SearchError
from reflection_connection.volume import open_volume

BOX = ('--inline', 1206, '--box', 40, 20, 104, 84)


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    "A survey, an index over it, and a dipping horizon in all layouts."
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.synthetic import write_survey
    from reflection_connection.windows import Grid

    folder = tmp_path_factory.mktemp('interpretation')
    survey = write_survey(folder, 0, n_inlines=12, n_crosslines=128, n_samples=160)
    Encoder.create('resnet-tiny').save(folder / 'encoder')
    encoder = Encoder.load(folder / 'encoder')
    grid = Grid((64, 64), (16, 16), 'inline')
    build_index(encoder, survey, folder / 'index', grid, encoder_source=str(folder / 'encoder'))
    return folder


@pytest.fixture(scope='module')
def volume(work):
    return open_volume(work / 'survey.sgy')


@pytest.fixture(scope='module')
def truth(volume):
    "(il, xl, x, y, z) of every trace, and the times as a grid."
    i, j = np.meshgrid(np.arange(12), np.arange(128), indexing='ij')
    z = 300 + 1.25 * j + 2.5 * i
    xy = np.concatenate([volume.xy('inline', int(n)) for n in volume.inlines])
    lines = volume.inlines[i].ravel(), volume.crosslines[j].ravel()
    return np.c_[*lines, xy, z.ravel()], z


def refcon(*argv):
    "(exit code, output, errors) of a command in this process."
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(a) for a in argv])
    return code, out.getvalue(), err.getvalue()


def card(il, xl, x, y, z):
    "A row of OpendTect's IESX writer, as its format string has it."
    text = '%16.8E%16.8E%3d%3d%9.2f%10.2f%10.2f%5d%14.7E I%7d %52s' % (
        (x, y, 0, 14, z, xl, xl, xl, 3.4028235e38, il, '')
    )
    return text[:96] + 'XX' + text[98:]


LAYOUTS = {  # name -> (head, row): as the programs' own documentation has them
    'opendtect_il_xl': (
        '# 1: Inline\n# 2: Crossline\n# 3: Z\n# - - - - - - - - - -\n',
        lambda il, xl, x, y, z: f'{il:.0f}\t{xl:.0f}\t{z / 1000:.6f}',
    ),
    'opendtect_x_y_one_line': (
        '# "X"\t"Y"\t"Z"\n# - - - - - - - - - -\n',
        lambda il, xl, x, y, z: f'{x:.2f}\t{y:.2f}\t{z:.3f}',
    ),
    'opendtect_without_header': (
        '',
        lambda il, xl, x, y, z: f'{x:.2f}\t{y:.2f}\t{il:.0f}\t{xl:.0f}\t{z:.3f}',
    ),
    'iesx': (
        f'{"PROFILE Top":25s}TYPE 1  4 {"":45s}3d_ci7m.ifdf     m  ms\nSNAPPING PARAMETERS 5     0 1\n',
        card,
    ),
    'charisma': (
        '',
        lambda il, xl, x, y, z: (
            f'INLINE : {il:5.0f} XLINE : {xl:5.0f} {x:12.2f} {y:12.2f} {z:9.3f}'
        ),
    ),
    'petrel': (
        '# Petrel Points with attributes\n# Unit in X and Y direction: m\n# Unit in depth: ms\n'
        'VERSION 1\nBEGIN HEADER\nX\nY\nZ\nFLOAT,Amplitude\nEND HEADER\n',
        lambda il, xl, x, y, z: f'{x:.2f} {y:.2f} {-z:.4f} 0.5',
    ),
    'earthvision': (
        '# Type: scattered data\n# Version: 6\n# Format: free\n# Field: 1 x\n# Field: 2 y\n'
        '# Field: 3 z ms\n# Field: 4 column\n# Field: 5 row\n# End:\n',
        lambda il, xl, x, y, z: f'{x:.2f} {y:.2f} {z:.4f} {xl:.0f} {il:.0f}',
    ),
    'cps3': (
        'FFASCI 0 1 COMPUTED 0 1.0E+30\nFFATTR 0 1\n->Top\n',
        lambda il, xl, x, y, z: f'{x:.2f} {y:.2f} {z:.4f}',
    ),
    'xyz': ('', lambda il, xl, x, y, z: f'{x:.2f} {y:.2f} {z:.3f}'),
    'csv': (
        'Horizon,Inline,Crossline,TWT (ms)\n',
        lambda il, xl, x, y, z: f'Top,{il:.0f},{xl:.0f},{z:.3f}',
    ),
    'semicolons': (
        'Easting;Northing;TWT [s]\n',
        lambda il, xl, x, y, z: f'{x:.2f};{y:.2f};{z / 1000:.6f}'.replace('.', ','),
    ),
}


@pytest.mark.parametrize('name', LAYOUTS)
def test_a_horizon_is_the_same_in_every_layout(name, volume, truth, tmp_path):
    head, row = LAYOUTS[name]
    points, z = truth
    points = points[np.random.default_rng(0).permutation(len(points))]  # rows in any order
    path = tmp_path / 'top.dat'
    path.write_text(
        head
        + '\n'.join(
            row(*np.r_[p[:2].astype(int), p[2:]].tolist())
            if name != 'iesx'
            else row(int(p[0]), int(p[1]), *p[2:])
            for p in points
        )
        + '\n'
    )
    horizon = read_horizon(path, volume)
    np.testing.assert_allclose(horizon.z, z, atol=0.006)
    assert horizon.picked == 1 and len(horizon.notes) == 1


@pytest.mark.parametrize(
    'undefined', ['1e30', '1.0E+30', '3.4028235E+38', '-999', '-999.25', 'nan']
)
def test_what_is_not_picked_stays_open(undefined, volume, truth, tmp_path):
    points, z = truth
    rows = [f'{p[2]:.2f} {p[3]:.2f} {p[4]:.3f}' for p in points]
    rows[5] = rows[5].rpartition(' ')[0] + f' {undefined}'
    (tmp_path / 'top.xyz').write_text('\n'.join(rows))
    horizon = read_horizon(tmp_path / 'top.xyz', volume)
    assert np.isnan(horizon.z[0, 5]) and np.isfinite(horizon.z).sum() == z.size - 1


def test_a_horizon_of_a_larger_survey_is_cut_to_the_volume(volume, truth, tmp_path):
    points, z = truth
    far = points.copy()
    far[:, :2] += 5000
    far[:, 2:4] += 90_000
    np.savetxt(tmp_path / 'a.xyz', np.r_[points, far, far][:, [0, 1, 4]], fmt='%.3f')
    horizon = read_horizon(tmp_path / 'a.xyz', volume)
    np.testing.assert_allclose(horizon.z, z, atol=0.001)
    assert f'{2 * len(points):,} points lie on no trace' in horizon.notes[1]


def test_depths_keep_their_unit(work, truth, tmp_path):
    deep = open_volume(work / 'survey.sgy', domain='depth', units='ft', dt=10)
    points, z = truth
    for factor, unit, said in ((1, 'ft', ''), (0.3048, 'm', 'm'), (-1, 'ft', '')):
        head = f'X,Y,Depth ({said})\n' if said else ''
        rows = '\n'.join(f'{p[2]:.2f},{p[3]:.2f},{p[4] * factor:.4f}' for p in points)
        (tmp_path / 'top.csv').write_text(head + rows)
        horizon = read_horizon(tmp_path / 'top.csv', deep)
        np.testing.assert_allclose(horizon.z, z, atol=0.01)
        assert f'z in {unit}' in horizon.notes[0]
    (tmp_path / 'top.csv').write_text('X,Y,TWT (ms)\n' + rows)
    with pytest.raises(InterpretationError, match='z is in ms, the samples of survey are in ft'):
        read_horizon(tmp_path / 'top.csv', deep)


@pytest.mark.parametrize('file', ['teapot_lineE.sgy', 'penobscot_xl1155.sgy', 'f3_il110_111.sgy'])
def test_a_horizon_on_a_single_line(file, tmp_path):
    from conftest import ROOT

    line = open_volume(ROOT / 'data' / file)
    kind = (
        next(k for k in ('line', 'crossline', 'inline') if len(line.lines(k)) == 1)
        if 'f3' not in file
        else 'inline'
    )
    number = int(line.lines(kind)[0])
    xy = line.xy(kind, number)
    z = 0.5 * line.axis[-1] + np.arange(len(xy))
    np.savetxt(tmp_path / 'top.xyz', np.c_[xy, z], fmt='%.3f')
    horizon = read_horizon(tmp_path / 'top.xyz', line)
    along = horizon.along(kind, number)
    there = np.isfinite(along)
    assert there.mean() > 0.95  # traces at one place share a value
    assert np.nanmax(np.abs(along - z)) < 2


def test_a_search_stays_between_horizons(work, volume, truth, tmp_path):
    points, z = truth
    np.savetxt(tmp_path / 'top.xyz', points[:, 2:], fmt='%.3f')
    shifted = points[:, 2:] + [0, 0, 90]
    np.savetxt(tmp_path / 'base.xyz', shifted, fmt='%.3f')
    limits = {
        ('--between', tmp_path / 'top.xyz', tmp_path / 'base.xyz'): (0, 90),
        ('--about', tmp_path / 'top.xyz', 30, 10): (-30, 10),
    }
    for options, (low, high) in limits.items():
        code, out, err = refcon('search', work / 'index', *BOX, '--k', 30, '--json', *options)
        hits = json.loads(out)
        assert code == 0 and hits and 'points by x and y, z in ms' in err
        for hit in hits:
            i = list(volume.inlines).index(hit['line'])
            below = hit['time_ms'] - z[i, hit['left'] + hit['width'] // 2]
            assert low - 1e-3 <= below <= high + 1e-3
    code, _, err = refcon(
        'search', work / 'index', *BOX, '--between', tmp_path / 'base.xyz', tmp_path / 'top.xyz'
    )
    assert code == 2 and 'base lies below top on 100%' in err and err.count('Traceback') == 0


def test_windows_where_nothing_is_picked_are_left_out(work, truth, tmp_path):
    points, _ = truth
    np.savetxt(tmp_path / 'top.xyz', points[1::2, 2:], fmt='%.3f')  # traces without a middle
    ask = ('search', work / 'index', *BOX, '--k', 30, '--about', tmp_path / 'top.xyz', 400, 400)
    (_, nothing, sparse), (_, hits, full) = refcon(*ask), refcon(*ask, '--gaps', 1)
    assert '0 of 420 windows' in sparse and '420 where a horizon is not picked' in sparse
    assert 'nothing found' in nothing and '420 of 420 windows' in full and 'inline' in hits


def parse_opendtect(text):
    "Names and rows of a file with a header in comments, without the package's readers."
    lines = text.rstrip('\n').split('\n')
    head = [line for line in lines if line.startswith('#')]
    assert head[-1] == '# - - - - - - - - - -' and lines[: len(head)] == head
    names = []
    for k, line in enumerate(head[:-1], 1):
        number, _, name = line[2:].partition(': ')
        assert int(number) == k
        names.append(name)
    rows = [line.split('\t') for line in lines[len(head) :]]
    assert {len(row) for row in rows} == {len(names)}
    return names, rows


def parse_petrel(text):
    "Names and rows of Petrel points with attributes, without the package's readers."
    lines = text.rstrip('\n').split('\n')
    assert lines[0] == '# Petrel Points with attributes'
    assert lines[1:3] == ['# Unit in X and Y direction: m', '# Unit in depth: ms']
    assert lines[3:8] == ['VERSION 1', 'BEGIN HEADER', 'X', 'Y', 'Z']
    end = lines.index('END HEADER')
    names = ['X', 'Y', 'Z', *lines[8:end]]
    assert all(n.split(',')[0] in ('INT', 'FLOAT', 'STRING') for n in names[3:])
    rows = [re.findall(r'"[^"]*"|\S+', line) for line in lines[end + 1 :]]
    assert {len(row) for row in rows} == {len(names)}
    for row in rows:
        for name, cell in zip(names[3:], row[3:]):
            kind = name.split(',')[0]
            assert re.fullmatch(
                {'INT': r'-?\d+', 'STRING': r'".*"'}.get(kind, r'-?[\d.e+-]+'), cell
            )
    return names, rows


def found(work, *options):
    code, out, err = refcon('search', work / 'index', *BOX, '--k', 6, '--json', *options)
    assert code == 0, err
    return json.loads(out), err


def test_hits_for_opendtect(work, tmp_path):
    hits, err = found(work, '--out', tmp_path / 'hits.dat', '--format', 'opendtect')
    assert f'{len(hits)} points (OpendTect point set)' in err
    names, rows = parse_opendtect((tmp_path / 'hits.dat').read_text())
    assert names[:3] == ['X (m)', 'Y (m)', 'Z (s)']
    for hit, row in zip(hits, rows, strict=True):
        assert float(row[0]) == pytest.approx(hit['x'], abs=0.006)
        assert float(row[1]) == pytest.approx(hit['y'], abs=0.006)
        assert float(row[2]) * 1000 == pytest.approx(hit['time_ms'], abs=1e-3)
        assert float(row[names.index('similarity')]) == pytest.approx(hit['similarity'], rel=1e-4)


def test_hits_for_petrel(work, tmp_path):
    hits, _ = found(work, '--out', tmp_path / 'hits.prn')
    names, rows = parse_petrel((tmp_path / 'hits.prn').read_text())
    for hit, row in zip(hits, rows, strict=True):
        assert float(row[2]) == pytest.approx(-hit['time_ms'])  # elevations
        assert int(row[names.index('INT,rank')]) == hit['rank']
        assert row[names.index('STRING,id')] == f'"{hit["id"]}"'


def test_hits_for_a_gis(work, tmp_path):
    pyogrio = pytest.importorskip('pyogrio', reason='pyogrio is not installed: [gis]')
    hits, _ = found(work, '--out', tmp_path / 'hits.gpkg', '--crs', 'EPSG:23031')
    meta, _, shapes, fields = pyogrio.raw.read(tmp_path / 'hits.gpkg')
    assert meta['crs'] == 'EPSG:23031' and meta['geometry_type'] == 'Point'
    points = np.array([np.frombuffer(wkb[5:], '<f8') for wkb in shapes])
    np.testing.assert_allclose(points, [[h['x'], h['y']] for h in hits], atol=0.01)
    named = dict(zip(meta['fields'], fields))
    np.testing.assert_allclose(named['z'], [h['time_ms'] for h in hits])
    assert set(named['unit']) == {'ms'}
    found(work, '--out', tmp_path / 'hits.geojson', '--crs', 'EPSG:23031')
    made = json.loads((tmp_path / 'hits.geojson').read_text())
    assert 'crs' not in made and len(made['features']) == len(hits)
    from pyproj import Transformer

    to_map = Transformer.from_crs('EPSG:4326', 'EPSG:23031', always_xy=True)
    for hit, feature in zip(hits, made['features'], strict=True):
        assert to_map.transform(*feature['geometry']['coordinates']) == pytest.approx(
            (hit['x'], hit['y']), abs=0.2
        )


def test_geobodies_as_points_and_outlines(work, tmp_path):
    geopandas = pytest.importorskip('geopandas', reason='geopandas is not installed: [gis]')
    bodies, _ = found(
        work,
        '--bodies',
        '--min-confidence',
        0.9,
        '--out',
        tmp_path / 'b.gpkg',
        '--crs',
        'EPSG:23031',
    )
    points = geopandas.read_file(tmp_path / 'b.gpkg', layer='points')
    outlines = geopandas.read_file(tmp_path / 'b.gpkg', layer='outlines')
    assert points.body.value_counts().sort_index().tolist() == [b['windows'] for b in bodies]
    assert outlines.windows.tolist() == [b['windows'] for b in bodies]
    inside = geopandas.sjoin(points, outlines, predicate='within')
    assert {(a, b) for a, b in inside[['body_left', 'body_right']].to_numpy()} >= {
        (b['body'], b['body']) for b in bodies
    }


@pytest.mark.parametrize(
    'options, says',
    [
        (('--out', 'hits.xyz'), 'which format?'),
        (('--out', 'hits.geojson'), 'nothing says which coordinate system'),
        (('--out', 'hits.gpkg', '--crs', 'EPSG:0'), "no coordinate system 'EPSG:0'"),
        (('--out', 'hits.gpkg', '--crs', 'EPSG:4326'), 'name another coordinate system'),
        (('--out', 'hits.csv', '--crs', 'EPSG:23031'), 'csv holds no coordinate system'),
        (('--out', 'nowhere/hits.csv'), 'no folder to write it into'),
        (('--format', 'petrel'), '--format belongs to a file'),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_in_a_line(
    options, says, work, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = refcon('search', work / 'index', *BOX, '--k', 3, *options)
    last = err.strip().split('\n')[-1]
    assert code == 2 and out == '' and says in last and 'Traceback' not in err
    assert not list(tmp_path.iterdir())  # nothing half-written


def test_the_similarity_along_a_horizon(work, volume, truth, tmp_path):
    points, z = truth
    np.savetxt(tmp_path / 'top.xyz', points[:, 2:], fmt='%.3f')
    cube = tmp_path / 'map.sgy'
    found(work, '--map', cube, '--slice', tmp_path / 'top.xyz', tmp_path / 'slice.csv')
    table = pd.read_csv(tmp_path / 'slice.csv')
    similarity = open_volume(cube)
    row = table.sample(1, random_state=0).iloc[0]
    trace = list(volume.crosslines).index(row.xl)
    section = similarity.section('inline', int(row.il))[:, trace]
    expected = np.interp(row.z, volume.axis, section)
    assert row.similarity == pytest.approx(expected, abs=1e-3)


def test_a_similarity_volume_has_the_headers_of_its_source(work, tmp_path):
    found(work, '--map', tmp_path / 'map.sgy')
    with (
        segyio.open(work / 'survey.sgy') as source,
        segyio.open(tmp_path / 'map.sgy') as made,
    ):
        assert len(source.header) == len(made.header) == 12 * 128
        assert all(dict(a) == dict(b) for a, b in zip(source.header, made.header))


def test_milvus_refuses_horizons(volume):
    from reflection_connection.search.milvus import MilvusIndex

    horizon = {str(volume.path): Horizon('a', volume, np.full(volume.grid.shape, 100.0))}
    rules = HitRules(among=about(horizon, 10, 10))
    with pytest.raises(SearchError, match='in Milvus, which knows no horizons'):
        object.__new__(MilvusIndex).hits(np.ones(4), rules)


def test_columns_are_named_where_the_content_leaves_them_open(tmp_path):
    np.save(tmp_path / 'a.npy', np.random.default_rng(0).normal(size=(8, 8, 64)))
    square = open_volume(tmp_path / 'a.npy', dt=4, domain='time')
    lines = np.stack(np.meshgrid(square.inlines, square.crosslines), -1).reshape(-1, 2)
    np.savetxt(tmp_path / 'top.dat', np.c_[lines, 100 + lines[:, 0]], fmt='%g')
    table = read_points(tmp_path / 'top.dat')
    with pytest.raises(InterpretationError, match=r'may be il,xl,z or xl,il,z .*columns='):
        place_points(table, square)
    found = read_horizon(tmp_path / 'top.dat', square, columns='xl,il,z')
    assert (found.z == 100 + square.crosslines).all()


def test_polygons_of_a_gis_are_converted_to_the_survey(tmp_path):
    geopandas = pytest.importorskip('geopandas', reason='geopandas is not installed: [gis]')
    from shapely import box

    frame = geopandas.GeoDataFrame(geometry=[box(6e5, 6e6, 6.1e5, 6.1e6)], crs='EPSG:23031')
    for name in ('a.gpkg', 'a.shp', 'a.geojson'):
        there = frame.to_crs('EPSG:4326') if name == 'a.geojson' else frame
        there.to_file(tmp_path / name)
        (ring,) = read_outlines(tmp_path / name, 'EPSG:23031')
        np.testing.assert_allclose(ring.min(0), [6e5, 6e6], atol=1)
        np.testing.assert_allclose(ring.max(0), [6.1e5, 6.1e6], atol=1)
