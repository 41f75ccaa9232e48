"A survey in Milvus Lite, from the command line."
import json

import pytest

pytest.importorskip('pymilvus', reason="Milvus is not installed: pip install 'reflection_connection[milvus]'")


def test_index_and_search(refcon, tmp_path):
    from reflection_connection.synthetic import write_survey
    path = write_survey(tmp_path/'survey', seed=3, n_inlines=16, n_crosslines=128, n_samples=160); index = tmp_path/'index'
    command = ('index', path, '--encoder', 'refcon-tiny', '--out', index, '--window', 48, 48, '--stride', 24, 24, '--lines', 'inline', '--every', 3, '--milvus')
    made = refcon(*command, http_proxy='http://127.0.0.1:9', NO_PROXY=''); assert made.returncode == 0, made.stderr[-3000:]        # a company's proxy, which does not know this machine
    assert sorted(p.name for p in index.iterdir()) == ['meta.json'] and (tmp_path/'index.db').exists()
    meta = json.loads((index/'meta.json').read_text()); again = refcon(*command); assert again.returncode == 0, again.stderr[-3000:]
    assert json.loads((index/'meta.json').read_text())['n'] == meta['n'] > 50, 'pushed twice, there once'
    number = json.loads(refcon('check', path, '--json').stdout)['geometry']['inlines']['first']
    ask = lambda *more: refcon('search', index, '--inline', number, '--box', 40, 30, 88, 78, '--k', 5, '--json', *more)
    found = ask('--where', f'line > {number}'); assert found.returncode == 0, found.stderr[-2000:]
    hits = json.loads(found.stdout)
    assert [h['rank'] for h in hits] == [1, 2, 3, 4, 5] and all(h['line'] > number and 0 <= h['probability'] <= 1 for h in hits) and hits == sorted(hits, key=lambda h: h['distance'])
    for more, why in ((('--map', tmp_path/'map.sgy'), 'need an index in memory'), (('--where', 'top < left'), 'compares a column with a value'), (('--min-confidence', '2'), 'min-confidence')):
        bad = ask(*more); assert bad.returncode == 2 and why in bad.stderr and 'Traceback' not in bad.stderr, bad.stderr
