"""Indexing a file three times as large takes no more memory.

The whole curve, to 20 GB: benchmarks/memory.py."""

import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / 'benchmarks'))


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='peak memory is read from /proc')
def test_memory_does_not_grow_with_the_file(tmp_path):
    import memory

    encoder, peaks = memory.small_encoder(tmp_path / 'encoder'), []
    for gigabytes in (0.5, 1.5):
        path, n = memory.sparse_segy(tmp_path / 'survey.sgy', gigabytes, live=3)
        windows = '--window 128 128 --stride 64 64 --lines inline'.split()
        peak, _, found = memory.index(path, encoder, tmp_path / 'index', *windows)
        assert found == 3 * 46 * 15, 'windows of the live inlines, and of no others'
        peaks.append(peak)
        path.unlink()
    assert peaks[1] < 1.15 * peaks[0] and peaks[1] < 2000, peaks
