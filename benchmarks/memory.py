"""How much memory indexing takes: python benchmarks/memory.py [--gigabytes 1 4 20] [--windows 50000
100000 200000]

1. SEG-Y files of several sizes, most of their traces dead (a sparse file: what is read counts, not
   what lies on the disk), every inline and crossline.
2. A file of live traces cut into more and more windows, with a network of a few numbers, so that
   the table of windows and the embeddings count.

Peak resident memory of the whole process `refcon index`, as the system counts it."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# getrusage would count what the parent held before exec
PEAK = (
    "print([int(v.split()[1])/1024 for v in open('/proc/self/status') if "
    "v.startswith('VmHWM')][0], file=sys.stderr)"
)


def sparse_segy(path, gigabytes, n_samples=3000, n_crosslines=1000, live=8, seed=0):
    "A SEG-Y of about that size; headers everywhere, amplitudes on the first `live` inlines."
    record = 240 + 4 * n_samples
    n_inlines = max(1, round(gigabytes * 1e9 / (record * n_crosslines)))
    n = n_inlines * n_crosslines
    head = np.zeros(3600, np.uint8)
    head[:3200] = 0x40
    word = lambda at, value, kind: head[at - 1 : at - 1 + np.dtype(kind).itemsize].__setitem__(
        slice(None), np.array([value], kind).view(np.uint8)
    )
    word(3217, 2000, '>i2')
    word(3221, n_samples, '>u2')
    word(3225, 5, '>i2')
    with open(path, 'wb') as f:
        f.write(head.tobytes())
        f.truncate(3600 + n * record)
    traces, rng = (
        np.memmap(path, np.uint8, 'r+', 3600, (n_inlines, n_crosslines, record)),
        np.random.default_rng(seed),
    )
    columns = np.arange(n_crosslines)
    for i in range(n_inlines):
        h = np.zeros((n_crosslines, 240), np.uint8)
        for at, values in (
            (181, 100 * columns),
            (185, np.full(n_crosslines, 100 * i)),
            (189, np.full(n_crosslines, 1 + i)),
            (193, 1 + columns),
        ):
            h[:, at - 1 : at + 3] = values.astype('>i4')[:, None].view(np.uint8)
        h[:, 114:116] = np.full(n_crosslines, n_samples, '>u2')[:, None].view(np.uint8)
        h[:, 116:118] = np.full(n_crosslines, 2000, '>i2')[:, None].view(np.uint8)
        traces[i, :, :240] = h
        if i < live:
            traces[i, :, 240:] = (
                rng.normal(size=(n_crosslines, n_samples))
                .astype('>f4')
                .view(np.uint8)
                .reshape(n_crosslines, -1)
            )
        if i % 64 == 0:
            traces.flush()
    del traces
    return path, n


def small_encoder(folder):
    "A network of a few numbers with embeddings of 128."
    from reflection_connection.encoder import Encoder
    from reflection_connection.windows import Recipe

    return Encoder.create(
        'resnet-tiny',
        Recipe(size=(16, 16)),
        head_dim=128,
        embedding_size=4,
        hidden_sizes=[4, 8],
        depths=[1, 1],
    ).save(folder)


def index(path, encoder, out, *more):
    "Peak memory (MB), seconds and windows of `refcon index`, run as a process of its own."
    command = ['refcon', 'index', str(path), '--encoder', str(encoder), '--out', str(out)]
    code = '\n'.join(
        (
            f'import sys; sys.argv = {[*command, *map(str, more)]!r}',
            f'from reflection_connection.cli import main; code = main(); {PEAK}; sys.exit(code)',
        )
    )
    t = time.time()
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    t = time.time() - t
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return (
        float(done.stderr.strip().splitlines()[-1]),
        t,
        json.loads((Path(out) / 'meta.json').read_text())['n'],
    )


def main(gigabytes=(1, 4, 20), windows=(50_000, 100_000, 200_000), folder=None):
    rows, work = [], Path(folder or tempfile.mkdtemp(prefix='refcon-memory-'))
    work.mkdir(exist_ok=True)
    encoder = small_encoder(work / 'encoder')
    idle = subprocess.run(
        [
            sys.executable,
            '-c',
            "import sys, reflection_connection.search; " + PEAK,
        ],
        capture_output=True,
        text=True,
    )
    base = float(idle.stderr)
    for g in gigabytes:
        path, n = sparse_segy(work / 'sparse.sgy', g)
        peak, seconds, found = index(
            path, encoder, work / 'index', '--window', 128, 128, '--stride', 64, 64
        )
        rows.append(
            dict(
                what='file',
                gigabytes=path.stat().st_size / 1e9,
                traces=n,
                windows=found,
                peak_mb=peak,
                imports_mb=base,
                seconds=seconds,
            )
        )
        print(json.dumps(rows[-1]), flush=True)
        path.unlink()
        shutil.rmtree(work / 'index')
    path, n = sparse_segy(work / 'live.sgy', 0.4, 1000, 200, live=10**6) if windows else (None, 0)
    for w in windows:
        from reflection_connection.volume import open_volume

        with open_volume(path) as v:
            lines = len(v.inlines)
        down = max(1, round((1000 - 32) * (200 - 32) * lines / w / 8))
        peak, seconds, found = index(
            path,
            encoder,
            work / 'index',
            '--window',
            32,
            32,
            '--stride',
            down,
            8,
            '--lines',
            'inline',
        )
        rows.append(
            dict(
                what='windows',
                gigabytes=path.stat().st_size / 1e9,
                traces=n,
                windows=found,
                peak_mb=peak,
                imports_mb=base,
                seconds=seconds,
            )
        )
        print(json.dumps(rows[-1]), flush=True)
        shutil.rmtree(work / 'index')
    shutil.rmtree(work)
    return rows


if __name__ == '__main__':
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--gigabytes', type=float, nargs='*', default=[1, 4, 20])
    p.add_argument('--windows', type=int, nargs='*', default=[50_000, 100_000, 200_000])
    a = p.parse_args()
    main(a.gigabytes, a.windows)
