"""What a user would pick instead, on the same vectors and the same cube:
python benchmarks/peers.py [--windows 100000] [--keep]

None of these is needed by the product. In an environment of its own, with the project in it:

    python -m venv peers && peers/bin/pip install -c constraints.txt -e '.[all]' lancedb
    qdrant-client segysak (each may be left out; what is not there is skipped, and said)

- vectors: an exact index and a compressed one of ours, scikit-learn's NearestNeighbors, LanceDB and
  Qdrant inside the process: time to build, a question, a question with a filter, memory, recall@10;
- cube: windows of 96 x 96 of every tenth inline of a SEG-Y file by ours, plain segyio, segysak
  with xarray, and Zarr in bricks as MDIO keeps them, all cut alike, in turns.

FiftyOne keeps its samples in MongoDB, and asks for that before anything else; where it is not to be
had the table says so. Its own similarity is scikit-learn's NearestNeighbors."""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).with_name('results') / 'peers.json'
QUESTIONS = 20
HALF = "line_kind == 'inline'"


def there(module):
    return importlib.util.find_spec(module) is not None


def clock(f):
    "(processor seconds, seconds by the clock, what it gave)."
    c, w = time.process_time(), time.perf_counter()
    found = f()
    return time.process_time() - c, time.perf_counter() - w, found


def held():
    "MB that the process holds now."
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


class Ours:
    "An index of this project, with its table of windows."

    def __init__(self, kind):
        self.kind = kind

    def build(self, z, folder):
        from search import of_file, places

        from reflection_connection.encoder import Encoder
        from reflection_connection.search import Index
        from reflection_connection.search.tuning import fill_index

        encoder = Encoder.load('refcon-tiny')
        self.index = Index.for_encoder(encoder, self.kind, n=len(z))
        if self.kind == 'flat':
            self.index.add(z, places(len(z)))
            return
        self.index.settings = fill_index(
            self.index, of_file(z), folder / 'index.faiss', encoder.weigh
        )
        self.index.items = places(len(z))

    def ask(self, q):
        return self.index.search(q, 10).rows

    def ask_half(self, q):
        hits = [self.index.hits(v, 10, where=HALF) for v in q]
        return np.stack([h.id.str[1:].astype(int) for h in hits])


class ScikitLearn:
    "Brute force: its trees do not help in 256 dimensions."

    def build(self, z, folder):
        from sklearn.neighbors import NearestNeighbors

        self.nearest = NearestNeighbors(n_neighbors=10, metric='cosine', algorithm='brute').fit(z)

    def ask(self, q):
        return np.concatenate([self.nearest.kneighbors(v[None])[1] for v in q])

    ask_half = None  # a filter is a new table


class LanceDB:
    "In the process; lists of residual product codes, and a second look at ten times as many."

    def build(self, z, folder):
        import lancedb
        import pyarrow as pa

        rows = np.arange(len(z))
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(z.reshape(-1)), z.shape[1])
        kinds = np.where(rows % 2, 'inline', 'crossline')
        data = pa.table({'row': rows, 'line_kind': kinds, 'vector': vectors})
        self.table = lancedb.connect(folder / 'lance').create_table('windows', data)
        self.table.create_index(
            metric='dot', vector_column_name='vector', index_type='IVF_PQ', num_sub_vectors=64
        )

    def _query(self, v):
        return self.table.search(v).distance_type('dot').nprobes(40).refine_factor(10).limit(10)

    def ask(self, q):
        return np.stack([self._query(v).select(['row']).to_arrow()['row'] for v in q])

    def ask_half(self, q):
        half = [self._query(v).where("line_kind = 'inline'", prefilter=True) for v in q]
        return np.stack([found.select(['row']).to_arrow()['row'] for found in half])


class Qdrant:
    "In the process: a simulation of the server in NumPy, exact, for up to some ten thousand."

    def build(self, z, folder):
        from qdrant_client import QdrantClient, models

        self.client = QdrantClient(':memory:')
        params = models.VectorParams(size=z.shape[1], distance=models.Distance.DOT)
        self.client.create_collection('windows', vectors_config=params)
        for k in range(0, len(z), 2000):
            rows = range(k, min(k + 2000, len(z)))
            kinds = [{'line_kind': 'inline' if r % 2 else 'crossline'} for r in rows]
            batch = models.Batch(ids=list(rows), vectors=z[k : k + 2000].tolist(), payloads=kinds)
            self.client.upsert('windows', batch)

    def _ask(self, q, only=None):
        found = [self.client.query_points('windows', v, limit=10, query_filter=only) for v in q]
        return np.array([[p.id for p in f.points] for f in found])

    def ask(self, q):
        return self._ask(q)

    def ask_half(self, q):
        from qdrant_client import models

        match = models.MatchValue(value='inline')
        condition = models.FieldCondition(key='line_kind', match=match)
        return self._ask(q, models.Filter(must=[condition]))


PEERS = {
    'ours, flat': (lambda: Ours('flat'), None),
    'ours, ivf': (lambda: Ours('ivf'), None),
    'scikit-learn': (ScikitLearn, 'sklearn'),
    'LanceDB': (LanceDB, 'lancedb'),
    'Qdrant in the process': (Qdrant, 'qdrant_client'),
}


def least(ask, q):
    "Least seconds a question of three goes, by processor and by clock, and what was found."
    times = [clock(lambda: ask(q)) for _ in range(3)]
    return min(t[0] for t in times) / len(q), min(t[1] for t in times) / len(q), times[0][2]


def one_peer(name, folder):
    "Measure one of them in a process of its own, so that memory is its own; prints JSON."
    from threadpoolctl import threadpool_limits

    z, asked = np.load(folder / 'z.npy'), dict(np.load(folder / 'asked.npz'))
    truth = dict(np.load(folder / 'truth.npz'))
    peer = PEERS[name][0]()
    with threadpool_limits(1):
        before = held()
        cpu, wall, _ = clock(lambda: peer.build(z, Path(tempfile.mkdtemp(dir=folder))))
        found = dict(name=name, n=len(z), build=cpu, build_clock=wall, megabytes=held() - before)
        found['recall'] = {}
        for weight, q in asked.items():
            cpu, wall, rows = least(peer.ask, q)
            if weight == 'own weight':
                found |= dict(milliseconds=cpu * 1e3, milliseconds_clock=wall * 1e3)
            same = [len({*a} & {*b}) / 10 for a, b in zip(rows, truth[weight])]
            found['recall'][weight] = float(np.mean(same))
        if peer.ask_half:
            cpu, wall, rows = least(peer.ask_half, asked['own weight'])
            found |= dict(filtered_ms=cpu * 1e3, filtered_ms_clock=wall * 1e3)
            found['filter_holds'] = bool((rows % 2 == 1).all())
    v = asked['own weight'][0]
    found['product_ms'] = min(clock(lambda: z @ v)[0] for _ in range(5)) * 1e3
    print(json.dumps(found))


def fiftyone():
    "Whether FiftyOne starts here, or in the environment whose Python FIFTYONE_PYTHON names."
    python = os.environ.get('FIFTYONE_PYTHON', sys.executable)
    if python == sys.executable and not there('fiftyone'):
        return 'not installed'
    code = "import fiftyone as fo; fo.Dataset('x')"
    run = subprocess.run([python, '-c', code], capture_output=True, text=True)
    return (
        'starts'
        if run.returncode == 0
        else run.stderr.strip().splitlines()[-1].partition(': ')[2][:60]
    )


def vectors(n):
    from search import LOOKS, Mixtures, exact_ten

    from reflection_connection.encoder import Encoder

    encoder, folder = Encoder.load('refcon-tiny'), Path(tempfile.mkdtemp())
    mixtures = Mixtures(encoder)
    z, q = mixtures.make(n), mixtures.make(QUESTIONS, seed=1)
    asked = {name: encoder.weigh(q, look) for name, look in LOOKS.items()}
    np.save(folder / 'z.npy', z)
    np.savez(folder / 'asked.npz', **asked)
    np.savez(folder / 'truth.npz', **{name: exact_ten(z, v) for name, v in asked.items()})
    rows = []
    for name, (_, module) in PEERS.items():
        if module and not there(module):
            rows.append(dict(name=name, n=n, skipped=f'{module} is not installed'))
        else:
            command = [sys.executable, __file__, '--one', name, '--folder', str(folder)]
            run = subprocess.run(command, capture_output=True, text=True)
            failed = dict(name=name, n=n, skipped=run.stderr.strip()[-200:])
            rows.append(failed if run.returncode else json.loads(run.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    rows.append(dict(name='FiftyOne', n=n, skipped=fiftyone()))
    return rows


SIDE, STEP, EVERY = 96, 48, 10


def cut(section):
    "Windows of a section (samples, traces), copied: what each way has to give."
    view = np.lib.stride_tricks.sliding_window_view(section, (SIDE, SIDE))[::STEP, ::STEP]
    return np.ascontiguousarray(view, 'f4').reshape(-1, SIDE, SIDE)


def by_ours(path, numbers):
    from reflection_connection.search.embed import LineReaders
    from reflection_connection.search.plan import LineJob
    from reflection_connection.windows import Grid

    jobs = [LineJob(str(path), 'inline', int(n), 1) for n in numbers]
    readers = LineReaders(Grid((SIDE, SIDE), (STEP, STEP), 'inline'), jobs, False).of(jobs)
    return sum(len(stack.pixels) for reader in readers for stack in reader.stacks())


def by_segyio(path, numbers):
    import segyio

    with segyio.open(path) as f:
        return sum(len(cut(f.iline[int(n)].T)) for n in numbers)


def by_xarray(path, numbers):
    "As segysak opens a SEG-Y file: lazy, by name."
    import segysak  # noqa: F401 registers the engine
    import xarray

    with xarray.open_dataset(
        path, dim_byte_fields={'iline': 189, 'xline': 193}, engine='sgy_engine'
    ) as cube:
        return sum(len(cut(cube.data.sel(iline=int(n)).transpose().to_numpy())) for n in numbers)


def by_zarr(path, numbers):
    "As MDIO keeps a cube: Zarr in bricks of 64 x 64 x 64, read through xarray."
    import xarray

    cube = xarray.open_zarr(path.with_suffix('.zarr'), consolidated=False)
    return sum(len(cut(cube.amplitude.sel(inline=int(n)).to_numpy().T)) for n in numbers)


def cube():
    import xarray

    from reflection_connection.synthetic import write_survey
    from reflection_connection.volume import open_volume

    path = write_survey(Path(tempfile.mkdtemp()), 0, 64, 300, 400)
    v = open_volume(path)
    numbers = v.inlines[::EVERY]
    amplitudes = np.stack([v.section('inline', int(n)).T for n in v.inlines])
    named = dict(inline=v.inlines, crossline=v.crosslines)
    data = {'amplitude': (('inline', 'crossline', 'time'), amplitudes)}
    bricks = xarray.Dataset(data, named).chunk(inline=64, crossline=64, time=64)
    bricks.to_zarr(path.with_suffix('.zarr'), consolidated=False)
    ways = {'ours': by_ours, 'segyio': by_segyio, 'Zarr bricks through xarray': by_zarr}
    if there('segysak'):
        ways['segysak and xarray'] = by_xarray
    times, found = {name: [] for name in ways}, {}
    for _ in range(4):
        for name, way in ways.items():
            cpu, _, found[name] = clock(lambda: way(path, numbers))
            times[name].append(cpu)
    return [
        dict(
            name=name,
            windows=int(found[name]),
            milliseconds=min(t) * 1e3 / found[name],
            against_segyio=min(t) / found[name] / (min(times['segyio']) / found['segyio']),
        )
        for name, t in times.items()
    ]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--windows', type=int, default=100_000)
    p.add_argument('--parts', nargs='+', default=['vectors', 'cube'])
    p.add_argument('--keep', action='store_true', help='in benchmarks/results/peers.json')
    p.add_argument('--one', help=argparse.SUPPRESS)
    p.add_argument('--folder', type=Path, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.one:
        return one_peer(a.one, a.folder)
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for part in a.parts:
        known[part] = vectors(a.windows) if part == 'vectors' else cube()
        print(json.dumps(known[part], indent=1))
        if a.keep:
            RESULTS.write_text(json.dumps(known, indent=1) + '\n')
    print(f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most')


if __name__ == '__main__':
    main()
