"""Speed and memory, each as a ratio within one run: make bench (about half an hour on two cores),
or python benchmarks/bench.py --quick

- embedding: every way to compute it as a share of the machine's own matrix-product peak in the same
  precision, from the network's counted operations; `refcon index` against the network alone;
- opening a cube, cutting its windows and making their table, from SEG-Y, npy and Zarr, against
  reading the file's bytes;
- training: steps and useful triplets a second, P x K batches with one forward pass against random
  triplets with three;
- tiling for pretraining: PNG files, written once and read, against windows read in place;
- search: time a query, recall@10 and bytes of every kind of index, and of SciPy's KD-tree, at
  growing numbers of windows; the vectors are mixtures of pairs of 4,000 synthetic windows of one
  class with a little noise, and the queries are not among those that are searched;
- memory: peak of `refcon index` as files and numbers of windows grow (benchmarks/memory.py).

Writes OUT/results.json, OUT/table.md and the plots."""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import faiss
import matplotlib
import memory
import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.spatial import KDTree
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode

from reflection_connection.encoder import (
    CompiledModule,
    Encoder,
    bundled,
    embed_batch,
    for_inference,
    forced,
    openvino_version,
    pick_device,
)
from reflection_connection.evaluation import evaluate_embeddings
from reflection_connection.search import Index, LineJob, Shards, build_index
from reflection_connection.search.embed import LineReaders
from reflection_connection.search.index_kinds import make_faiss
from reflection_connection.search.tuning import fill_index
from reflection_connection.synthetic import labelled_windows, write_survey
from reflection_connection.training import Batches, SiameseConfig, SiameseModel
from reflection_connection.volume import open_volume
from reflection_connection.windows import Grid, Recipe, WindowReader, labelled_table, volume_windows

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402


def seconds(f, n=5):
    "Median seconds of n calls after one that is not counted."
    f()
    times = []
    for _ in range(n):
        t = time.perf_counter()
        f()
        times.append(time.perf_counter() - t)
    return float(np.median(times))


TYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16}


def peak(precision='fp32', n=2048):
    "Matrix product in a precision, operations a second."
    a = torch.randn(n, n).to(TYPES[precision])
    return 2 * n**3 / seconds(lambda: a @ a)


def row(part, what, value, against, ratio, target=None, **more):
    "One line of the table; `ratio` is value / against, and good when at least `target`."
    met = '' if target is None else 'met' if ratio >= target else f'short by {target - ratio:.2f}'
    print(f'{part}: {what}: {value} against {against}: {ratio:.3g} {met}', flush=True)
    return (
        dict(
            part=part, what=what, value=value, against=against, ratio=ratio, target=target, met=met
        )
        | more
    )


def operations(encoder, side):
    "Floating-point operations for one window."
    x = torch.randn(2, 1, side, side)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        for_inference(encoder.module, pick_device('cpu'))[0](x)
    return counter.get_total_flops() / 2


def ways(encoder, side):
    "way -> (precision, function of scaled windows): every way to compute embeddings."
    found, cpu = {}, pick_device('cpu')
    for precision, half in (('fp32', None), ('bf16', torch.bfloat16)):
        ready, context = for_inference(encoder.module, cpu, half)

        def in_torch(x, ready=ready, context=context):
            with context():
                return embed_batch(ready, x, cpu)

        found[f'PyTorch in {precision}'] = precision, in_torch
        if openvino_version():
            single, _ = for_inference(encoder.module, cpu)
            compiled = CompiledModule(single, (side, side), half)
            found[f'OpenVINO in {precision}'] = precision, compiled
    return found


def network(name, side, quick):
    "Every way by turns with the matrix product of its precision."
    encoder = (
        Encoder.load(name) if name in bundled() else Encoder.create(name, Recipe(size=(side, side)))
    )
    x, gflop = torch.randn(64, 1, side, side), operations(encoder, side) / 1e9
    rows, plain = [], None
    with torch.inference_mode():
        for way, (precision, run) in ways(encoder, side).items():
            taken, tops = [], []
            for _ in range(2 if quick else 3):
                tops.append(peak(precision))
                taken.append(seconds(lambda: run(x), 3))
            rate, top = 64 / np.median(taken), np.median(tops)
            plain = rate if plain is None else plain
            rows.append(
                row(
                    'embedding',
                    f'{name} at {side}, {way}',
                    f'{rate:.1f} windows/s, {gflop:.2f} GFLOP each',
                    f'peak {top / 1e9:.0f} GFLOP/s in {precision}',
                    rate * gflop * 1e9 / top,
                    0.6 if side == 224 and way == 'PyTorch in fp32' else None,
                    rate=float(rate),
                    gflop=gflop,
                    precision=precision,
                    times=rate / plain,
                )
            )
    return rows


def indexing(quick):
    "`refcon index`, opening and saving too, against the network alone, both as they are chosen."
    folder, encoder = Path(tempfile.mkdtemp()), Encoder.load('refcon-tiny')
    path = write_survey(folder, 0, 60 if quick else 240, 300, 400)
    grid, alone, whole = Grid((96, 96), (48, 48), 'inline'), [], []
    x = torch.randn(64, 1, 96, 96)
    for k in range(4):
        start = time.perf_counter()
        index, _, _ = build_index(encoder, path, folder / f'index{k}', grid)
        whole.append((time.perf_counter() - start) / len(index))
        lots = len(index) // 64
        start = time.perf_counter()
        for _ in encoder.stream([x] * lots, n=len(index)):
            continue
        alone.append((time.perf_counter() - start) / lots / 64)
    ours, model = np.median(whole[1:]), np.median(alone[1:])  # the first one compiles and measures
    return [
        row(
            'indexing',
            f'refcon index, {len(index):,} windows of a SEG-Y of {path.stat().st_size / 1e6:.0f} MB',
            f'{1 / ours:.0f} windows/s',
            f'the network alone {1 / model:.0f}',
            model / ours,
            0.85,
        )
    ]


def embedding(quick):
    sizes = (('refcon-tiny', 96), ('vit-tiny', 224), ('vit-small', 224))
    return [r for name, side in sizes for r in network(name, side, quick)] + indexing(quick)


def reading(quick):
    import xarray

    rows, folder = [], Path(tempfile.mkdtemp())
    path = write_survey(folder, 0, 120, 300, 400)
    v = open_volume(path)
    cube = np.stack([v.section('inline', int(n)).T for n in v.inlines])
    np.save(folder / 'cube.npy', cube)
    xarray.Dataset(
        {'amplitude': (('inline', 'crossline', 'time'), cube)},
        dict(inline=v.inlines, crossline=v.crosslines, time=v.axis),
    ).chunk(inline=64, crossline=64, time=128).to_zarr(folder / 'cube.zarr', consolidated=False)

    def bytes_of(p):
        piece = bytearray(1 << 20)
        for f in [p] if p.is_file() else [f for f in p.rglob('*') if f.is_file()]:
            with open(f, 'rb', buffering=0) as file:
                while file.readinto(piece):
                    continue

    for name, p in zip(('SEG-Y', 'npy', 'Zarr'), (path, folder / 'cube.npy', folder / 'cube.zarr')):
        for kind in ('inline', 'crossline'):
            with open_volume(p) as cube_there:
                jobs = [LineJob(str(p), kind, int(n), 1) for n in cube_there.lines(kind)]

            def windows():
                lines = LineReaders(Grid((96, 96), (96, 96), kind), jobs, False)
                tables = []
                for reader in lines.of(jobs):
                    for stack in reader.stacks():
                        assert stack.pixels.shape[1:] == (96, 96)
                    tables.append(reader.frame)
                lines.close()
                return tables

            ours, disk = seconds(windows, 3), seconds(lambda: bytes_of(p), 3)
            rows.append(
                row(
                    'reading',
                    f'windows along {kind}s of {name}',
                    f'{ours:.2f} s',
                    f'its bytes, raw {disk:.3f} s',
                    disk / ours,
                    0.1 if name in ('SEG-Y', 'npy') and kind == 'inline' else None,
                )
            )
    return rows


def training(quick):
    "The same number of windows a step; an active triplet is one whose loss is not zero."
    x, frame = labelled_windows(40, seed=5)
    encoder = Encoder.load('refcon-tiny')
    encoder.module.mirror, encoder.module.scales = False, (1.0,)
    x, labels, found = encoder.recipe.batch(list(x)), frame.label.to_numpy(str), {}
    for name, settings in (
        ('random triplets, three passes', dict(mining='random')),
        ('P x K, one pass', dict(mining='semihard')),
    ):
        config = SiameseConfig(steps=12, loss='triplet', augment='none', **settings)
        data = Batches(x, labels, config)
        model = SiameseModel(Encoder.load('refcon-tiny').module, config, data.anchor_ok)
        model.encoder.scales, optimiser, active, t0 = (
            (1.0,),
            torch.optim.AdamW(model.parameters(), 1e-4),
            0.0,
            None,
        )
        for i in range(len(data)):
            b = data[i]
            if i == 2:
                t0 = time.perf_counter()
            if settings['mining'] == 'random':
                out = model.objective(
                    torch.cat([model.encoder(p) for p in b['images'].chunk(3)]), b['labels']
                )
                n = len(b['labels']) // 3
            else:
                out = model(b['images'], b['labels'])
                n = len(model.triplets(b['labels'])[0])
            optimiser.zero_grad()
            out['loss'].backward()
            optimiser.step()
            active += float(out['active_share']) * n * (i >= 2)
        spent = time.perf_counter() - t0
        found[name] = (10 / spent, active / spent)
    (s0, u0), (s1, u1) = found.values()
    return [
        row(
            'training',
            'steps a second, P x K with one pass',
            f'{s1:.2f}',
            f'random triplets, three passes {s0:.2f}',
            s1 / s0,
        ),
        row(
            'training',
            'useful triplets a second, P x K with one pass',
            f'{u1:,.0f}',
            f'random triplets, three passes {u0:,.1f}',
            u1 / u0,
        ),
    ]


def synthetic(quick):
    "On one thread and in processor time, so that neighbours on the machine do not count."
    with threadpool_limits(1):
        labelled_windows(1, seed=1)
        t = time.process_time()
        w, _ = labelled_windows(20, seed=0)
        t = time.process_time() - t
        a = np.random.default_rng(0).normal(size=(1024, 1024))
        s = time.process_time()
        a @ a
        s = time.process_time() - s
    return [
        row(
            'synthetic',
            'labelled windows of 128 x 128 on one core',
            f'{len(w) / t:.0f} a second',
            f'products of 1024 x 1024, {1 / s:.0f} a second',
            len(w) / t * s,
        )
    ]


def tiling(quick):
    folder = Path(tempfile.mkdtemp())
    path = write_survey(folder, 0, 16, 300, 400)
    frame = volume_windows(open_volume(path), (96, 96), (48, 48), 'inline')
    recipe = Recipe()

    def in_place():
        return sum(len(recipe.batch([p], [live], [s])) for p, live, s in WindowReader(frame))

    def write():
        for i, (p, _, s) in enumerate(WindowReader(frame)):
            Image.fromarray((np.clip(p / s, -1, 1) * 127.5 + 127.5).astype(np.uint8)).save(
                folder / f'{i}.png'
            )

    def read():
        return sum(
            len(recipe.batch([np.asarray(Image.open(folder / f'{i}.png'), np.float32)]))
            for i in range(len(frame))
        )

    ours, first, again = seconds(in_place, 3), seconds(write, 3), seconds(read, 3)
    n = len(frame)
    return [
        row(
            'tiling',
            'windows read in place',
            f'{n / ours:,.0f} a second',
            f'PNG files, written and read once {n / (first + again):,.0f}',
            (first + again) / ours,
        ),
        row(
            'tiling',
            'windows read in place',
            f'{n / ours:,.0f} a second',
            f'PNG files that are there already {n / again:,.0f}',
            again / ours,
        ),
    ]


def quality(table, sections):
    """Macro mAP of leave-one-survey-out retrieval over labelled windows, for every way to compute
    embeddings."""
    reader = WindowReader(labelled_table(table, sections))
    encoder, rows = Encoder.load('refcon-tiny'), []
    x = encoder.recipe.batch(*reader.read())
    with torch.inference_mode():
        plain = torch.cat([encoder.module(b) for b in x.split(32)]).numpy()

    def score(z):
        return evaluate_embeddings(z, reader.frame, 'survey', encoder.metric, ['Channel'])[0]

    base = score(plain)
    for name, z in (
        ('folded, channels last, fp32', encoder.embed_batches([x], len(x))),
        *(
            (f'{p} arithmetic', encoder.embed_batches([x], len(x), precision=p))
            for p in ('bf16', 'fp16')
        ),
    ):
        found = score(z)
        rows.append(
            row(
                'quality',
                f'macro mAP, {name}',
                f"{found['macro_map']:.4f}",
                f"{base['macro_map']:.4f} [{base['macro_map_ci'][0]:.2f}, "
                f"{base['macro_map_ci'][1]:.2f}] as it was trained",
                found['macro_map'] / base['macro_map'],
            )
        )
    return rows


def vectors(n, dim_from='refcon-tiny', seed=0):
    """As many embeddings: those of 4,000 synthetic windows, and mixtures of pairs of one class with
    a little noise."""
    windows, frame = labelled_windows(500, seed=9)
    z = Encoder.load(dim_from).embed(list(windows))
    y, rng = frame.label.to_numpy(str), np.random.default_rng(seed)
    members = {c: np.flatnonzero(y == c) for c in np.unique(y)}
    a = rng.integers(len(z), size=n)
    b = np.array(
        [members[y[i]][k % len(members[y[i]])] for i, k in zip(a, rng.integers(10**6, size=n))]
    )
    t = rng.random((n, 1))
    out = (t * z[a] + (1 - t) * z[b] + 0.02 * rng.normal(size=(n, z.shape[1]))).astype('f4')
    return out / np.linalg.norm(out, axis=1, keepdims=True)


QUERIES = 200


def searching(quick):
    folder, rows, sizes = (
        Path(tempfile.mkdtemp()),
        [],
        (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000),
    )
    all_z = vectors(sizes[-1] + QUERIES)
    product = None
    all_z, q = all_z[QUERIES:], all_z[:QUERIES]  # no query is its own neighbour
    for n in sizes:
        z = all_z[:n]
        files = [folder / f'{i}.npz' for i in range(-(-n // 100_000))]
        for i, f in enumerate(files):
            np.savez(f, z=z[i * 100_000 : (i + 1) * 100_000])
        shards = Shards(files)
        exact = make_faiss('flat', z.shape[1], n)
        exact.add(z)
        truth = exact.search(q, 10)[1]
        product = seconds(lambda: q @ z.T, 3) / len(q)
        for kind in ('flat', 'fp16', 'hnsw', 'ivf', 'ivfpq'):
            t = time.perf_counter()
            index = Index(z.shape[1], kind=kind, n=n)
            settings = fill_index(index, shards, folder / 'index.faiss')
            build = time.perf_counter() - t
            index.faiss = faiss.read_index(str(folder / 'index.faiss'))
            index.use_settings(settings)
            recall = np.mean(
                [len(set(a) & set(b)) / 10 for a, b in zip(index.faiss.search(q, 10)[1], truth)]
            )
            one = seconds(lambda: [index.faiss.search(q[i : i + 1], 10) for i in range(20)], 3) / 20
            many = seconds(lambda: index.faiss.search(q, 10), 3) / len(q)
            size = (folder / 'index.faiss').stat().st_size
            rows.append(
                row(
                    'search',
                    f'{kind}, {n:,} windows',
                    f'{one * 1e3:.2f} ms a query, recall@10 {recall:.3f}',
                    f'a product with all {product * 1e3:.2f} ms',
                    one / product,
                    n=n,
                    kind=kind,
                    one=one,
                    many=many,
                    recall=recall,
                    megabytes=size / 1e6,
                    build=build,
                    said=settings.get('recall_at_10', 1.0),
                    codes=settings.get('codes', ''),
                )
            )
        if n <= 100_000:
            tree = KDTree(z)
            one = seconds(lambda: tree.query(q[:3], 10), 1) / 3
            size = z.nbytes * 2
            rows.append(
                row(
                    'search',
                    f'SciPy KD-tree, {n:,} windows',
                    f'{one * 1e3:.2f} ms a query, recall@10 1.000',
                    f'a product with all {product * 1e3:.2f} ms',
                    one / product,
                    n=n,
                    kind='KD-tree',
                    one=one,
                    many=one,
                    recall=1.0,
                    megabytes=size / 1e6,
                    build=np.nan,
                    said=1.0,
                    codes='',
                )
            )
    return rows


def figures(rows, grown, out):
    s = pd.DataFrame([r for r in rows if r['part'] == 'search'])
    if len(s):
        fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout='constrained')
        for kind, g in s.groupby('kind', sort=False):
            for ax, column, scale in zip(axes, ('one', 'megabytes', 'build'), (1e3, 1, 1)):
                ax.loglog(g.n, g[column] * scale, 'o-', label=kind, ms=4)
        for ax, name in zip(axes, ('ms a query, one at a time', 'MB', 's to build')):
            ax.set(xlabel='windows', ylabel=name)
            ax.grid(alpha=0.3, which='both')
        axes[0].legend(fontsize=7)
        fig.savefig(out / 'search.png', dpi=90)
        plt.close(fig)
    m = pd.DataFrame(grown)
    if len(m):
        fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout='constrained')
        for ax, (what, column, label) in zip(
            axes,
            (
                ('file', 'gigabytes', 'GB of SEG-Y, 5,520 live windows'),
                ('windows', 'windows', 'windows of a SEG-Y of 0.4 GB'),
            ),
        ):
            g = m[m.what == what]
            ax.loglog(g[column], g.peak_mb, 'o-', label='refcon index')
            ax.loglog(g[column], g.imports_mb, ':', label='of which imports')
            ax.axhline(2000, color='0.6', lw=0.8, ls='--')
            ax.set(xlabel=label, ylabel='peak memory, MB', ylim=(200, 4000))
            ax.grid(alpha=0.3, which='both')
        axes[0].legend(fontsize=7)
        fig.savefig(out / 'memory.png', dpi=90)
        plt.close(fig)


PARTS = dict(
    synthetic=synthetic,
    embedding=embedding,
    reading=reading,
    training=training,
    tiling=tiling,
    search=searching,
)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--out', default='runs/bench')
    p.add_argument(
        '--parts', nargs='+', choices=[*PARTS, 'quality', 'memory'], default=[*PARTS, 'memory']
    )
    p.add_argument('--table', help='labelled windows for the part `quality`')
    p.add_argument('--sections')
    p.add_argument(
        '--keep',
        action='store_true',
        help='also as benchmarks/results.json, which nbs/scaling.ipynb draws',
    )
    p.add_argument('--quick', action='store_true', help='smaller sizes')
    a = p.parse_args()
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    known = (
        json.loads((out / 'results.json').read_text()) if (out / 'results.json').is_file() else {}
    )
    for part in a.parts:
        if part == 'memory':
            known[part] = memory.main(*(((0.5, 2), (20_000, 50_000)) if a.quick else ()))
        elif part == 'quality':
            known[part] = quality(a.table, a.sections)
        else:
            with forced('auto' if part == 'embedding' else 'fp32'):
                known[part] = PARTS[part](a.quick)
        (out / 'results.json').write_text(json.dumps(known, indent=1, default=float))
    rows = [r for part in (*PARTS, 'quality') for r in known.get(part, [])]
    grown = known.get('memory', [])
    rows += [
        row(
            'memory',
            f"peak of refcon index, {g['gigabytes']:.1f} GB and {g['windows']:,} windows",
            f"{g['peak_mb']:,.0f} MB",
            '2,000 MB',
            2000 / g['peak_mb'],
            1.0,
        )
        for g in grown
    ]
    table = pd.DataFrame(rows)[['part', 'what', 'value', 'against', 'ratio', 'met']]
    table['ratio'] = [f'{r:.3g}' for r in table.ratio]
    if a.keep:
        shutil.copy(out / 'results.json', Path(__file__).with_name('results.json'))
    (out / 'table.md').write_text(
        '| '
        + ' | '.join(table)
        + ' |\n|'
        + '---|' * len(table.columns)
        + '\n'
        + ''.join('| ' + ' | '.join(map(str, r)) + ' |\n' for r in table.itertuples(index=False))
    )
    figures(rows, grown, out)
    print((out / 'table.md').read_text())


if __name__ == '__main__':
    main()
