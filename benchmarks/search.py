"""Search in embeddings of two parts: python benchmarks/search.py [--windows 1000000]
[--parts kinds maps milvus] [--large 10000000] [--keep]

- kinds: to build every kind of index, its size, and what it finds of the ten nearest by the
  encoder's own weight, by kind alone and by look alone; the compressed kind with `--large` windows
  too, from a file of 16-bit numbers (5 GB for ten million, taken away afterwards);
- maps: score of all windows, similarity of a section and of the cube, for a cube of 700 x 1000 x
  480 samples with windows of 48 x 48 half a window apart on every inline and crossline;
- milvus: the same questions to Milvus Lite, with a filter that it applies itself.

Times are of the processor and on one thread, each also as a ratio to one product of all embeddings
with a question in the same run. Vectors are mixtures of pairs of 4,000 embedded synthetic windows
of one class with a little noise in each part; questions are not among them."""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
from bench import row
from threadpoolctl import threadpool_limits

from reflection_connection.encoder import Encoder, forced
from reflection_connection.search import (
    MAPS,
    Index,
    MilvusIndex,
    Question,
    Searcher,
    Shards,
)
from reflection_connection.search.index_kinds import make_faiss
from reflection_connection.search.shards import Kept
from reflection_connection.search.tuning import fill_index
from reflection_connection.synthetic import labelled_windows
from reflection_connection.volume import open_volume
from reflection_connection.windows import volume_windows, window_table

QUERIES = 200
RESULTS = Path(__file__).with_name('results') / 'search.json'
LOOKS = {'own weight': None, 'kind alone': 0.0, 'look alone': 1.0}


def spent(f, n=3):
    "Least processor seconds of n calls after one that is not counted, and what it gave."
    found, times = f(), []
    for _ in range(n):
        t = time.process_time()
        f()
        times.append(time.process_time() - t)
    return min(times), found


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


class Mixtures:
    "As many embeddings of two parts as wanted, a block at a time."

    def __init__(self, encoder, per_class=500):
        windows, frame = labelled_windows(per_class, seed=9)
        z, self.y = encoder.embed(list(windows)), frame.label.to_numpy(str)
        kind, look = encoder.parts
        self.parts = [
            (unit(z[:, :kind]), slice(0, kind), (1 - encoder.look) ** 0.5),
            (unit(z[:, kind:]), slice(kind, kind + look), encoder.look**0.5),
        ]

    def make(self, n, seed=0, noise=0.02):
        rng = np.random.default_rng(seed)
        order = np.argsort(self.y, kind='stable')
        first = np.searchsorted(self.y[order], self.y)
        members = np.searchsorted(self.y[order], self.y, 'right') - first
        a = rng.integers(len(self.y), size=n)
        b = order[first[a] + rng.integers(10**6, size=n) % members[a]]
        t = rng.random((n, 1), dtype='f4')
        out = np.empty((n, self.parts[-1][1].stop), 'f4')
        for k in range(0, n, 50_000):
            s = slice(k, k + 50_000)
            for z, columns, share in self.parts:
                mixed = t[s] * z[a[s]] + (1 - t[s]) * z[b[s]]
                mixed += noise * rng.standard_normal(mixed.shape, dtype='f4')
                out[s, columns] = share * unit(mixed)
        return out


def of_file(z):
    "Shards that read an array, here or on disk."
    return Shards([Kept(lambda r: np.asarray(z[r[0] : r[-1] + 1], 'f4'), range(len(z)), None)])


def exact_ten(z, questions):
    "(Q, 10) rows of the nearest, block by block."
    best = None
    for k in range(0, len(z), 65_536):
        block = make_faiss('flat', z.shape[1], 1)
        block.add(np.asarray(z[k : k + 65_536], 'f4'))
        like, rows = block.search(questions, 10)
        new = like, rows + k
        best = new if best is None else tuple(np.concatenate(p, 1) for p in zip(best, new))
        order = np.argsort(-best[0], 1, kind='stable')[:, :10]
        best = tuple(np.take_along_axis(p, order, 1) for p in best)
    return best[1]


def shared(found, truth):
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth)]))


def kind_row(encoder, kind, z, asked, truth, product, folder):
    "Build an index, ask it at every weight, and say what it costs."
    file = folder / 'index.faiss'
    t = time.process_time()
    index = Index.for_encoder(encoder, kind, n=len(z))
    settings = fill_index(index, of_file(z), file, encoder.weigh)
    build = time.process_time() - t
    index.faiss = faiss.read_index(str(file))
    index.use_settings(settings)
    recall, seconds = {}, {}
    for name, q in asked.items():
        q20 = q[:20]
        seconds[name], _ = spent(lambda: [index.search(v[None], 10) for v in q20], 2)
        recall[name] = shared(index.search(q, 10).rows, truth[name])
    one = seconds['own weight'] / 20
    return row(
        'search of two parts',
        f'{kind}, {len(z):,} windows',
        f"{one * 1e3:.1f} ms a query, recall@10 {min(recall.values()):.3f} at the worst weight",
        f'a product with all {product * 1e3:.0f} ms',
        min(recall.values()),
        0.95,
        n=len(z),
        kind=kind,
        milliseconds={name: s / 20 * 1e3 for name, s in seconds.items()},
        product=product * 1e3,
        recall=recall,
        build=build,
        megabytes=file.stat().st_size / 1e6,
        settings=settings,
    )


def kinds(encoder, mixtures, n, large=0, which=('flat', 'fp16', 'ivf', 'ivfpq')):
    rows, folder = [], Path(tempfile.mkdtemp())
    q = mixtures.make(QUERIES, seed=1)
    asked = {name: encoder.weigh(q, look) for name, look in LOOKS.items()}
    sizes = [(n, kind) for kind in which] + [(large, 'ivfpq')] * (large > 0)
    z = None
    for size, kind in sizes:
        if z is None or len(z) != size:
            z = stored(mixtures, size, folder)
            truth = {name: exact_ten(z, v) for name, v in asked.items()}
            some = np.asarray(z[:100_000], 'f4')
            product = spent(lambda: some @ q[0])[0] * size / len(some)
        rows.append(kind_row(encoder, kind, z, asked, truth, product, folder))
        (folder / 'index.faiss').unlink()
    for file in folder.iterdir():
        file.unlink()
    return rows


def stored(mixtures, n, folder):
    "As many vectors; more than two million as 16-bit numbers on disk."
    if n <= 2_000_000:
        return mixtures.make(n)
    z = np.lib.format.open_memmap(folder / 'z.npy', 'w+', np.float16, (n, 256))
    for k in range(0, n, 500_000):
        z[k : k + 500_000] = mixtures.make(min(500_000, n - k), seed=100 + k)
    return z


def example_cube(folder, shape=(700, 1000, 480)):
    "A cube of noise: only where its windows lie counts."
    cube = np.lib.format.open_memmap(folder / 'cube.npy', 'w+', 'f4', shape)
    rng = np.random.default_rng(0)
    for k in range(shape[0]):
        cube[k] = rng.standard_normal(shape[1:], dtype='f4')
    cube.flush()
    return open_volume(folder / 'cube.npy')


def maps(encoder, mixtures, shape=(700, 1000, 480)):
    folder = Path(tempfile.mkdtemp())
    volume = example_cube(folder, shape)
    items = volume_windows(volume, (48, 48), (24, 24))
    index = Index.for_encoder(encoder)
    index.add(mixtures.make(len(items)), items)
    searcher = Searcher(index, encoder)
    number = int(volume.inlines[shape[0] // 2])
    question = Question(searcher, searcher.box('inline', number, (100, 100, 148, 148)))
    searcher.live()
    product = spent(lambda: index.view() @ question.vector)[0]
    filled = spent(lambda: np.empty(shape, 'f4').fill(1))[0]
    values = searcher.score(question, MAPS)[0]
    crossing = int(volume.crosslines[shape[1] // 2])
    about = f'{len(items):,} windows, {np.prod(shape) / 1e6:.0f} million samples'
    timed = {
        'score of all windows, with probability': (lambda: searcher.score(question, MAPS), None),
        'similarity of an inline': (lambda: searcher.section_map(values, 'inline', number), 0.05),
        'similarity of a crossline': (
            lambda: searcher.section_map(values, 'crossline', crossing),
            0.05,
        ),
        'similarity of the cube': (lambda: searcher.cube_map(values, kind='inline'), 0.5),
        'twenty hits, scores too': (lambda: searcher.hits(question, 20, 8, 16), None),
    }
    rows = []
    for what, (f, target) in timed.items():
        seconds = spent(f)[0]
        said = row(
            'similarity',
            f'{what}, {about}',
            f'{seconds:.3f} s',
            f'a product with all {product:.3f} s, filling the memory of the cube {filled:.3f} s',
            seconds / product,
            None,
            seconds=seconds,
            seconds_wanted=target,
            short=what,
            product=product,
            filled=filled,
            windows=len(items),
            samples=int(np.prod(shape)),
        )
        said['met'] = '' if target is None else 'met' if seconds <= target else 'short'
        rows.append(said)
    rows[-1]['memory_mb'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (folder / 'cube.npy').unlink()
    return rows


FILTER = "line_kind == 'inline' and 500 < time_ms < 1500"


def places(n):
    "A table of windows on a hundred lines."
    at = np.arange(n)
    return window_table(
        dict(
            id=[f'w{i}' for i in at],
            source='made up',
            line_kind=np.where(at % 2, 'inline', 'crossline'),
            line=at % 100,
            top=0,
            left=0,
            height=48,
            width=48,
            time_ms=(at * 7 % 2000).astype(float),
        )
    )


def milvus(encoder, mixtures, n):
    "Milvus Lite beside an index in memory, with and without a filter."
    folder = Path(tempfile.mkdtemp())
    z, items = mixtures.make(n), places(n)
    q = mixtures.make(20 if n < 500_000 else 5, seed=1)
    index = Index.for_encoder(encoder)
    index.add(z, items)
    t, w = time.process_time(), time.perf_counter()
    store = MilvusIndex.create(folder / 'windows.db', encoder)
    store.push(index)
    build = time.process_time() - t, time.perf_counter() - w
    rows = []
    for name, look in LOOKS.items():
        asked = encoder.weigh(q, look)
        for expression in (None, FILTER):

            def ask(where):
                return [where.hits(v, 10, where=expression) for v in asked]

            (ours, truth), (theirs, found) = turns(lambda: ask(index), lambda: ask(store))
            same = np.mean([len({*a.id} & {*b.id}) / 10 for a, b in zip(found, truth)])
            rows.append(
                row(
                    'Milvus Lite',
                    f"{name}, {'filtered' if expression else 'all'}, {n:,} windows",
                    f'{theirs / len(q) * 1e3:.0f} ms a query',
                    f'an exact index in memory {ours / len(q) * 1e3:.0f} ms',
                    ours / theirs,
                    n=n,
                    weight=name,
                    filtered=bool(expression),
                    milliseconds=theirs / len(q) * 1e3,
                    ours=ours / len(q) * 1e3,
                    recall=float(same),
                    build=build[0],
                    build_clock=build[1],
                    megabytes=sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1e6,
                )
            )
    store.close()
    return rows


def turns(*ways, n=2):
    "Least seconds by the clock of each way, taken in turns (Milvus Lite works in other threads)."
    found, times = [f() for f in ways], [[] for _ in ways]
    for _ in range(n):
        for f, mine in zip(ways, times):
            t = time.perf_counter()
            f()
            mine.append(time.perf_counter() - t)
    return list(zip(map(min, times), found))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--windows', type=int, default=1_000_000)
    p.add_argument('--parts', nargs='+', default=['kinds', 'maps', 'milvus'])
    p.add_argument('--kinds', nargs='+', default=['flat', 'fp16', 'ivf', 'ivfpq'])
    p.add_argument('--large', type=int, default=0, help='windows of the compressed kind alone')
    p.add_argument('--keep', action='store_true', help='in benchmarks/results/search.json')
    a = p.parse_args()
    encoder = Encoder.load('refcon-tiny')
    mixtures = Mixtures(encoder)
    for part in a.parts:
        if part == 'kinds':
            new = kinds(encoder, mixtures, a.windows, a.large, a.kinds)
        elif part == 'maps':
            new = maps(encoder, mixtures)
        else:
            new = milvus(encoder, mixtures, a.windows)
        if a.keep:
            keep(part, new)


def keep(part, new):
    "Put rows in the place of older ones; another run may have written meanwhile."
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if part == 'kinds':
        done = {(r['kind'], r['n']) for r in new}
        new = [r for r in known.get(part, []) if (r['kind'], r['n']) not in done] + new
    RESULTS.write_text(json.dumps(known | {part: new}, indent=1) + '\n')


if __name__ == '__main__':
    faiss.omp_set_num_threads(1)
    with forced('fp32'), threadpool_limits(1):
        main()
