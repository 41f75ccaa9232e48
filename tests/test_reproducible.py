"""One seed rules everything: the same command twice, in separate processes, gives the same;
how the work is cut up does not matter."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import forked


def session(o, seed):
    from reflection_connection.cli import main

    small = '--sections 8 --steps 2 --batch 8 --size 32 --workers 0'
    windows = '--window 64 64 --stride 64 64 --every 32'
    for line in (
        f'synth {o}/data --per-class 4 --seed {seed} --survey',
        f'pretrain synthetic {small} --seed {seed} --out {o}/pre',
        f'train {o}/data --encoder resnet-tiny --what all --steps 2 --seed {seed} --out {o}/enc',
        f'index {o}/data/survey/survey.sgy --encoder {o}/enc {windows} --out {o}/index',
        f'embed {o}/data/image_corpus --encoder {o}/enc --out {o}/e.npz',
        f'iterate {o}/data --corpus {o}/data/image_corpus --rounds 1 --min-probability .3'
        f' --seed {seed} --out {o}/loop',
    ):
        if main(line.split()):
            sys.exit(line)


@pytest.fixture(scope='module')
def twice(tmp_path_factory):
    """A small session from synthetic data to labels found, done twice with different hash seeds,
    and once with another seed."""
    out = []
    for name, hash_seed in (('a', '1'), ('b', '2')):
        o = tmp_path_factory.mktemp(name)
        out.append(o)
        done = subprocess.run(
            [sys.executable, __file__, str(o), '3'],
            capture_output=True,
            text=True,
            timeout=1200,
            env=os.environ | {'PYTHONHASHSEED': hash_seed, 'OMP_NUM_THREADS': '1'},
        )
        assert done.returncode == 0, done.stderr[-2000:]
    out.append(tmp_path_factory.mktemp('c'))
    done = forked(session, out[-1], '4', timeout=1200)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def everything(o):
    "name -> what is to be the same; bytes where nothing else than the result is in the file."
    from reflection_connection.search import Index

    index, files = (
        Index.load(o / 'index'),
        [
            p
            for f in ('data', 'enc', 'pre')
            for p in sorted((o / f).rglob('*'))
            if p.is_file()
            and p.name not in ('refcon.json', 'labels.csv')
            and not p.name.startswith('.')
        ],
    )
    about = json.loads((o / 'enc' / 'refcon.json').read_text())
    labels = pd.read_csv(o / 'data' / 'survey' / 'labels.csv').drop(
        columns='source', errors='ignore'
    )
    return {str(p.relative_to(o)): p.read_bytes() for p in files} | {
        'calibration': json.dumps(about['calibration']),
        'labels': labels.to_csv(),
        'windows': index.items.drop(columns='source').to_csv(),
        'index': index.embeddings().tobytes(),
        'embeddings': np.load(o / 'e.npz')['embeddings'].tobytes(),
        'ids': np.load(o / 'e.npz')['ids'].tolist(),
        'loop': (o / 'loop' / 'loop.json').read_text(),
        'proposals': (o / 'loop' / 'review' / 'round1.csv').read_text(),
    }


def test_the_same_command_twice_gives_the_same_bytes(twice):
    a, b = map(everything, twice[:2])
    assert a.keys() == b.keys() and len(a) > 60
    assert [k for k in a if a[k] != b[k]] == []


def test_another_seed_gives_something_else(twice):
    "The comparison can fail."
    a, c = everything(twice[0]), everything(twice[2])
    assert all(
        a[k] != c[k]
        for k in (
            'enc/model.safetensors',
            'pre/model.safetensors',
            'data/survey/survey.sgy',
            'index',
            'embeddings',
            'loop',
            'proposals',
        )
    )


def test_batches_shards_and_order_do_not_matter(twice, tmp_path):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import embed_sources, embed_table
    from reflection_connection.windows import Grid, image_windows

    encoder, survey = Encoder.load('refcon-tiny'), twice[0] / 'data' / 'survey' / 'survey.sgy'
    grid = Grid((64, 64), (64, 64), 'both', every=16)
    whole = embed_sources(encoder, survey, tmp_path / 'a', grid)
    z = np.concatenate(list(whole.embeddings()))
    parts = embed_sources(encoder, survey, tmp_path / 'b', grid, chunk=7)
    assert len(parts.files) > 3 and parts.items().id.tolist() == whole.items().id.tolist()
    np.testing.assert_allclose(np.concatenate(list(parts.embeddings())), z, atol=1e-5)
    images, _ = image_windows(twice[0] / 'data' / 'train')
    a, ia, _ = embed_table(encoder, images)
    b, ib, _ = embed_table(encoder, images.iloc[::-1])
    np.testing.assert_allclose(b[pd.Index(ib.id).get_indexer(ia.id)], a, atol=1e-5)
    pixels = list(images.source)
    some = encoder.embed(pixels, batch_size=64)
    for size in (1, 5):
        np.testing.assert_allclose(encoder.embed(pixels, batch_size=size), some, atol=1e-5)


@pytest.mark.parametrize('objective', ['mae', 'dinov2'])
def test_workers_do_not_matter(objective, tmp_path):
    from reflection_connection.run import pretrain_encoder

    prints = {
        pretrain_encoder(
            'synthetic',
            'vitmae-pico' if objective == 'mae' else 'vitc-pico',
            tmp_path / f'{objective}{w}',
            size=32,
            sections=8,
            steps=2,
            batch=8,
            n_valid=8,
            objective=objective,
            workers=w,
        )[0].fingerprint()
        for w in (0, 2)
    }
    assert len(prints) == 1


if __name__ == '__main__':
    session(*sys.argv[1:])
