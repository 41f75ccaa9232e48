"Embedding shared out over a Dask cluster: a killed worker loses and duplicates nothing."

import os
import signal

import numpy as np
import pytest

distributed = pytest.importorskip(
    'distributed', reason="Dask is not installed: pip install 'reflection_connection[cluster]'"
)


@pytest.fixture(scope='module')
def survey(tmp_path_factory):
    from reflection_connection.synthetic import write_survey

    return write_survey(
        tmp_path_factory.mktemp('cluster') / 'survey',
        seed=3,
        n_inlines=24,
        n_crosslines=160,
        n_samples=160,
    )


@pytest.fixture(scope='module')
def encoder():
    from reflection_connection.encoder import Encoder

    return Encoder.create('resnet-tiny', seed=0)


def test_a_killed_worker_loses_and_duplicates_nothing(survey, encoder, tmp_path):
    from reflection_connection.search import embed_sources
    from reflection_connection.windows import Grid

    grid, made = Grid((64, 64), (32, 32), 'inline'), {}
    alone = embed_sources(encoder, survey, tmp_path / 'alone', grid, chunk=32)
    assert len(alone.files) > 8
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        worker_dashboard_address=None,
    ) as cluster:
        victim = min(w.pid for w in cluster.workers.values())
        killed = []

        def kill_one(done, total):  # at the first shard, whoever made it
            for f in (tmp_path / 'shared').rglob('0*.npz'):
                made.setdefault(f.name, f.stat().st_mtime_ns)
            if not killed:
                os.kill(victim, signal.SIGKILL)
                killed.append(len(made))

        shared = embed_sources(
            encoder,
            survey,
            tmp_path / 'shared',
            grid,
            chunk=32,
            dask=cluster.scheduler_address,
            progress=kill_one,
        )
        assert killed and killed[0] < len(alone.files), 'a worker was killed while there was work'
    assert len(shared.files) == len(alone.files) and all(f.is_file() for f in shared.files)
    assert sorted(p.name for p in shared.files[0].parent.glob('*.npz')) == [
        f.name for f in shared.files
    ], 'nothing half-written lies about under a final name'
    assert (
        shared.items().id.tolist() == alone.items().id.tolist()
        and not shared.items().id.duplicated().any()
    )
    np.testing.assert_allclose(
        np.concatenate(list(shared.embeddings())),
        np.concatenate(list(alone.embeddings())),
        atol=1e-5,
    )
    assert all((shared.files[0].parent / n).stat().st_mtime_ns == t for n, t in made.items()), (
        'finished shards were not made twice'
    )


def test_on_processes_here(refcon, survey, tmp_path):
    "The same command with --dask local gives the same index."
    import pandas as pd

    from reflection_connection.search import Index

    windows = '--encoder refcon-tiny --window 64 64 --stride 64 64 --lines inline --every 6'.split()
    for name, more in (('alone', []), ('shared', ['--dask', 'local'])):
        done = refcon('index', survey, '--out', tmp_path / name, *windows, *more, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = Index.load(tmp_path / 'alone'), Index.load(tmp_path / 'shared')
    pd.testing.assert_frame_equal(one.items, two.items)
    np.testing.assert_allclose(one.embeddings(), two.embeddings(), atol=1e-5)
    assert not list(tmp_path.glob('.*.work'))
