"Surveys that look alike, and embeddings as GeoParquet: what a notebook has no room for."

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from reflection_connection.cli import main
from reflection_connection.encoder import Encoder
from reflection_connection.evaluation import SurveySample, counterparts, missing_there
from reflection_connection.evaluation import rank_analogues
from reflection_connection.search import EmbedError, build_index, write_geoparquet
from reflection_connection.volume import example_path
from reflection_connection.windows import Grid, window_table


def sample(name, centres, seed, blocks=8, each=6, noise=0.1):
    "A survey of blocks; each block has a window of every centre."
    rng = np.random.default_rng(seed)
    z = np.tile(centres, (blocks * each // len(centres) + 1, 1))[: blocks * each]
    z = z + noise * rng.normal(size=z.shape)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    rows = [dict(id=f'{name}{k}', source=name) for k in range(len(z))]
    return SurveySample(name, z.astype(np.float32), window_table(rows), np.arange(len(z)) // each)


AXES = np.eye(8)


def test_the_twin_comes_first_and_beyond_noise():
    here = sample('here', AXES[:3], 0)
    there = [sample('other', AXES[3:6], 1), sample('twin', AXES[:3], 2)]
    ranked = rank_analogues(here, there, 200)
    assert list(ranked.name) == ['twin', 'other']
    assert ranked.low[0] <= 0 <= ranked.high[0]
    assert ranked.behind_low[1] > 0
    assert ranked.missing[0] < 0.3 and ranked.missing[1] == 1


def test_two_twins_are_within_noise():
    here = sample('here', AXES[:3], 0)
    ranked = rank_analogues(here, [sample(f'twin{k}', AXES[:3], k) for k in (1, 2)], 200)
    assert ranked.behind_low[1] <= 0


def test_what_one_survey_lacks_is_named():
    here = sample('here', AXES[:3], 0)
    there = sample('there', AXES[:2], 1)
    lacking = missing_there(here, there, 8)
    thirds = {f'here{k}' for k in range(48) if k % 3 == 2}
    assert len(lacking) == 8 and set(lacking.id_here) <= thirds
    shared = counterparts(here, there, 8)
    assert not set(shared.id_here) & thirds


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    folder, encoder = tmp_path_factory.mktemp('library'), Encoder.load('refcon-tiny')
    for name in ('f3_unnumbered', 'penobscot'):
        grid = Grid((96, 96), (192, 192))
        build_index(encoder, example_path(name), folder / name, grid, encoder_source='refcon-tiny')
    return folder


def test_command(library, tmp_path, capsys):
    asked = ['analogues', example_path('f3_il244'), '--library', library]
    assert main([*map(str, asked), '--out', str(tmp_path / 'r'), '--json']) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [s['name'] for s in answer['surveys']] == ['f3_unnumbered', 'penobscot']
    made = {p.name for p in (tmp_path / 'r').iterdir()}
    assert {'surveys.csv', 'pairs.csv', 'missing.csv', 'surveys.png', 'pairs.png'} <= made
    own = ['analogues', library / 'penobscot', '--library', library]
    assert main(list(map(str, own))) == 0
    text = capsys.readouterr()
    assert 'left out penobscot: it holds a volume of the survey itself' in text.err
    assert 'nothing to compare it with' in text.out


@pytest.mark.parametrize(
    'asked, said',
    [(['--library', 'nowhere'], 'no such folder'), (['--library', '.'], 'no index there')],
)
def test_refusals(asked, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['analogues', str(example_path('f3_il244')), *asked]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and said in told[0]


def windows(n=4):
    rows = [dict(id=f'w{k}', source='a.sgy', x=6e5 + k, y=6e6 - k) for k in range(n - 1)]
    return window_table([*rows, dict(id='image', source='b.png')]), np.eye(n, dtype=np.float32)


def test_geopandas_reads_it(tmp_path):
    geopandas = pytest.importorskip('geopandas')
    items, z = windows()
    write_geoparquet(tmp_path / 'z.parquet', items, [z], 4, 'EPSG:23031', 'm')
    frame = geopandas.read_parquet(tmp_path / 'z.parquet')
    assert frame.crs.to_epsg() == 23031
    assert np.array_equal(frame.geometry.x[:3], items.x[:3].astype(float))
    assert frame.geometry[3] is None
    assert frame.total_bounds.tolist() == [6e5, 6e6 - 2, 6e5 + 2, 6e6]
    write_geoparquet(tmp_path / 'z.parquet', items, [z], 4)
    assert geopandas.read_parquet(tmp_path / 'z.parquet').crs is None


def test_plain_parquet_reads_it(tmp_path):
    items, z = windows()
    write_geoparquet(tmp_path / 'z.parquet', items, [z[:1], z[:0], z[1:]], 4)
    assert np.array_equal(np.stack(pd.read_parquet(tmp_path / 'z.parquet').embedding), z)
    kind = pq.read_schema(tmp_path / 'z.parquet').field('embedding').type
    assert kind.list_size == 4 and str(kind.value_type) == 'float'


def test_no_window_has_coordinates(tmp_path):
    items, z = windows(1)
    write_geoparquet(tmp_path / 'z.parquet', items, [z], 1)
    geo = json.loads(pq.read_schema(tmp_path / 'z.parquet').metadata[b'geo'])
    assert 'bbox' not in geo['columns']['geometry']


def test_nothing_is_left_of_a_file_that_fails(tmp_path):
    items, z = windows()
    (tmp_path / 'z.parquet').write_bytes(b'old')

    def broken():
        yield z[:2]
        raise EmbedError('stopped')

    with pytest.raises(EmbedError, match='stopped'):
        write_geoparquet(tmp_path / 'z.parquet', items, broken(), 4)
    assert [p.name for p in tmp_path.iterdir()] == ['z.parquet']
    assert (tmp_path / 'z.parquet').read_bytes() == b'old'
