"benchmarks/gpu.py says when there is no card, and runs all its paths on a processor."

import json
import sys

import pytest
import torch
from conftest import ROOT

sys.path.insert(0, str(ROOT / 'benchmarks'))


@pytest.fixture(scope='module')
def gpu():
    import gpu

    return gpu


def test_without_a_card_it_says_so(gpu, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.accelerator, 'current_accelerator', lambda **_: None)
    code = gpu.main(['--out', str(tmp_path / 'gpu.json')])
    said = capsys.readouterr().err
    assert code == gpu.NO_CARD and said.count('\n') == 1 and 'no card' in said
    assert not (tmp_path / 'gpu.json').exists()


def test_all_of_it_runs_small_on_a_processor(gpu, tmp_path):
    assert gpu.main(['--device', 'cpu', '--out', str(tmp_path / 'gpu.json')]) == 0
    found = json.loads((tmp_path / 'gpu.json').read_text())
    assert set(found['peaks']) == {'fp32', 'fp16', 'bf16'}
    said = ' '.join(r['what'] for r in found['rows'])
    for part in ('matrix product', 'refcon-tiny', 'training step', 'FAISS flat', 'FAISS ivfpq'):
        assert part in said
    compared = [r for r in found['rows'] if 'within' in r]
    assert len(compared) == 7 and all(r['within'] for r in compared)


def test_what_is_out_of_tolerance_is_told(gpu, monkeypatch, capsys, tmp_path):
    rows = [gpu.checked('a loss', 2.0, 1.0, False), gpu.checked('another', 0.5, 1.0, True)]
    found = dict(rows=rows, card='none')
    monkeypatch.setattr(gpu, 'measure', lambda device, sizes: found)
    assert gpu.main(['--device', 'cpu', '--out', str(tmp_path / 'gpu.json')]) == 1
    assert capsys.readouterr().err == 'out of tolerance: a loss\n'
