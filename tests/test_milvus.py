"A survey in Milvus Lite, from the command line."

import json
import subprocess
import sys

import pytest
from conftest import forked

pytest.importorskip(
    'pymilvus', reason="Milvus is not installed: pip install 'reflection_connection[milvus]'"
)


def test_index_and_search(refcon, tmp_path):
    from reflection_connection.synthetic import write_survey

    path = write_survey(tmp_path / 'survey', seed=3, n_inlines=16, n_crosslines=128, n_samples=160)
    index = tmp_path / 'index'
    windows = '--encoder refcon-tiny --window 48 48 --stride 24 24 --lines inline --every 3'.split()
    command = ('index', path, '--out', index, *windows, '--milvus')
    # a company's proxy, which does not know this machine
    made = refcon(*command, http_proxy='http://127.0.0.1:9', NO_PROXY='')
    assert made.returncode == 0, made.stderr[-3000:]
    assert sorted(p.name for p in index.iterdir()) == ['meta.json']
    assert (tmp_path / 'index.db').exists()
    meta = json.loads((index / 'meta.json').read_text())
    again = refcon(*command)
    assert again.returncode == 0, again.stderr[-3000:]
    assert json.loads((index / 'meta.json').read_text())['n'] == meta['n'] > 50, (
        'pushed twice, there once'
    )
    number = json.loads(refcon('check', path, '--json').stdout)['geometry']['inlines']['first']

    def ask(*more):
        question = ('--inline', number, '--box', 40, 30, 88, 78, '--k', 5, '--json')
        return refcon('search', index, *question, *more)

    found = ask('--where', f'line > {number}')
    assert found.returncode == 0, found.stderr[-2000:]
    hits = json.loads(found.stdout)
    assert [h['rank'] for h in hits] == [1, 2, 3, 4, 5]
    assert all(h['line'] > number and 0 <= h['probability'] <= 1 for h in hits)
    assert hits == sorted(hits, key=lambda h: h['distance'])
    for more, why in (
        (('--map', tmp_path / 'map.sgy'), 'need an index in memory'),
        (('--where', 'top < left'), 'compares a column with a value'),
        (('--min-confidence', '2'), 'min-confidence'),
    ):
        bad = ask(*more)
        assert bad.returncode == 2 and why in bad.stderr, bad.stderr
        assert 'Traceback' not in bad.stderr


def questions_that_weigh_kind_and_look(folder):
    "At every weight Milvus ranks as an index in memory does."
    import numpy as np
    import pandas as pd

    from reflection_connection.encoder import Encoder
    from reflection_connection.search import HitRules, Index, MilvusIndex, Store
    from reflection_connection.windows import window_table

    rng = np.random.default_rng(0)

    def unit(*shape):
        z = rng.normal(size=shape)
        return z / np.linalg.norm(z, axis=1, keepdims=True)

    z = np.concatenate([0.7**0.5 * unit(300, 16), 0.3**0.5 * unit(300, 24)], 1).astype(np.float32)
    place = dict(source='s', line_kind='image', line=0, top=0, left=0, height=8, width=8)
    items = window_table(pd.DataFrame({'id': [f'w{i}' for i in range(300)], **place}))
    encoder = Encoder.create('resnet-tiny', head_dim=16).add_look(24, weight=0.3)
    index = Index.for_encoder(encoder)
    store = MilvusIndex.create(str(folder / 'windows.db'), encoder)
    for one in (index, store):
        assert isinstance(one, Store)
        one.add(z, items)
    lists = []
    for look in (0.0, None, 0.5, 1.0):
        a, b = (one.hits(encoder.weigh(z[7], look), HitRules(k=12)) for one in (index, store))
        assert a.id.tolist() == b.id.tolist() and a.id[0] == 'w7'
        np.testing.assert_allclose(
            b[['similarity', 'distance']], a[['similarity', 'distance']], atol=1e-5
        )
        lists.append(a.id.tolist())
    assert lists[0] != lists[3]
    store.close()


def test_questions_that_weigh_kind_and_look(tmp_path):
    "In a process of its own: Milvus Lite is a server, and its threads stay."
    done = forked(questions_that_weigh_kind_and_look, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


def test_imported_only_where_it_is_asked_for():
    "Who searches an index in memory imports neither pymilvus nor the modules that need it."
    script = """
import sys
from reflection_connection.search import Index, Searcher
assert not [name for name in sys.modules if 'milvus' in name]
from reflection_connection.search import MOST, MilvusIndex, build_milvus, open_milvus
assert MilvusIndex.__name__ in dir(sys.modules['reflection_connection.search'])
assert 'pymilvus' not in sys.modules
"""
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
