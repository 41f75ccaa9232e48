"""Which distance between surveys finds what we know to be alike? On synthetic and real surveys.

    python benchmarks/analogues.py            measure, and write benchmarks/results/analogues.json

Each survey is cut in two. One half is compared with the other halves of all: is its own first?
The same is asked of halves recorded anew (other wavelet, gain and noise), and of single real lines.
"""

import argparse
import json
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from scipy import linalg

from reflection_connection.encoder import Encoder
from reflection_connection.evaluation import SurveySample, as_sample, energy_distance
from reflection_connection.evaluation import pair_distances, rank_analogues
from reflection_connection.evaluation.places import rerecord
from reflection_connection.evaluation.set_distances import block_sums
from reflection_connection.search import embed_table
from reflection_connection.synthetic import write_survey
from reflection_connection.volume import EXAMPLES, example_path, open_volume
from reflection_connection.windows import WindowReader, volume_windows

OUT = Path(__file__).resolve().parent / 'results' / 'analogues.json'
WINDOW, STRIDE = (96, 96), (32, 32)
REAL = {
    'f3': 'F3',
    'f3_il244': 'F3',
    'f3_unnumbered': 'F3',
    'f3d178': 'F3',
    'f3d75s': 'F3',
    'penobscot': 'Penobscot',
    'teapot': 'Teapot Dome',
    'tp73': 'Teapot Dome',
}


def family(pairs):
    "A distance of the energy family, from distances of pairs."

    def distance(a, b):
        within = [block_sums(pairs(s.embeddings, s.embeddings), s.blocks) for s in (a, b)]
        across = block_sums(pairs(a.embeddings, b.embeddings), a.blocks, b.blocks)
        mean = [sums.total.sum() / sums.pairs.sum() for sums in (across, *within)]
        return 2 * mean[0] - mean[1] - mean[2]

    return distance


def cosine(a, b):
    return 1 - a.astype(float) @ b.astype(float).T


def rbf(width):
    return lambda a, b: 1 - np.exp(-(pair_distances(a, b) ** 2) / (2 * width**2))


def normalised_energy(a, b):
    "Energy distance as a share of twice the mean distance across."
    across = pair_distances(a.embeddings, b.embeddings).mean()
    return family(pair_distances)(a, b) / (2 * across)


def sliced_wasserstein(a, b, n=128):
    "Mean over directions of the Wasserstein-1 distance of projections."
    axes = np.random.default_rng(0).normal(size=(a.embeddings.shape[1], n))
    axes /= np.linalg.norm(axes, axis=0)
    shares = (np.arange(200) + 0.5) / 200
    ends = [np.quantile(s.embeddings @ axes, shares, axis=0) for s in (a, b)]
    return float(np.abs(ends[0] - ends[1]).mean())


def frechet(a, b):
    "Frechet distance of two normal distributions, as FID has it."
    mean = [s.embeddings.mean(0).astype(float) for s in (a, b)]
    spread = [np.cov(s.embeddings.astype(float), rowvar=False) for s in (a, b)]
    value, axis = linalg.eigh(spread[0])
    root = axis * np.sqrt(np.maximum(value, 0)) @ axis.T
    shared = np.sqrt(np.maximum(linalg.eigvalsh(root @ spread[1] @ root), 0)).sum()
    return float(((mean[0] - mean[1]) ** 2).sum() + np.trace(spread[0] + spread[1]) - 2 * shared)


def mean_nearest(a, b):
    "Chamfer distance: mean distance of the nearest window, both ways."
    d = pair_distances(a.embeddings, b.embeddings)
    return d.min(1).mean() + d.min(0).mean()


DISTANCES = {
    'energy distance': family(pair_distances),
    'energy distance, normalised': normalised_energy,
    'MMD, cosine kernel': family(cosine),
    'MMD, RBF kernel, width 0.5': family(rbf(0.5)),
    'MMD, RBF kernel, width 0.25': family(rbf(0.25)),
    'sliced Wasserstein': sliced_wasserstein,
    'Frechet distance': frechet,
    'mean nearest (Chamfer)': mean_nearest,
}


def part(sample, keep, name) -> SurveySample:
    "Some windows of a sample."
    items = sample.items[keep].reset_index(drop=True)
    return as_sample(name, sample.embeddings[keep], items)


def halves(sample) -> tuple:
    "The windows of both halves of a survey; those across the middle are in neither."
    left, right = sample.items.left, sample.items.left + sample.items.width
    ends = (sample.items.left.min() + right.max()) / 2
    return part(sample, (right <= ends).to_numpy(), 'a'), part(
        sample, (left >= ends).to_numpy(), 'b'
    )


def embedded(encoder, path, name, lines='inline', every=1, stride=STRIDE):
    "The windows of a survey, and the same recorded anew: two samples."
    with open_volume(path) as volume:
        items = volume_windows(volume, WINDOW, stride, lines, every)
    made = embed_table(encoder, items)
    pixels, live, scales = WindowReader(made.items).read()
    seed = zlib.crc32(name.encode())  # one recording a survey
    anew = [rerecord(np.where(m, p, 0), np.random.default_rng(seed)) for p, m in zip(pixels, live)]
    z = encoder.embed(anew, scales=list(scales))  # sizes differ from the windows'
    return as_sample(name, *made[:2]), as_sample(name, z, made.items)


def synthetic_surveys(encoder, n, folder):
    "Small synthetic surveys of n seeds."
    for seed in range(n):
        path = write_survey(Path(folder) / str(seed), 900 + seed, 32, 320, 288)
        yield f'synthetic {seed}', embedded(encoder, path, f'synthetic {seed}', every=8)


def first_found(queries, candidates, owner) -> dict:
    "Where a query's own candidate stands, by each distance: recall at 1 with interval."
    out = {}
    for name, distance in DISTANCES.items():
        started = time.process_time()
        d = np.array([[distance(q, c) for c in candidates] for q in queries])
        seconds = time.process_time() - started
        ranks = [1 + int((row < row[own]).sum()) for row, own in zip(d, owner)]
        hit = np.array([rank == 1 for rank in ranks])
        drawn = np.random.default_rng(0).integers(0, len(hit), (10000, len(hit)))
        ends = np.percentile(hit[drawn].mean(1), [2.5, 97.5])
        out[name] = dict(
            first=float(hit.mean()),
            first_ci=ends.tolist(),
            mean_reciprocal_rank=float(np.mean(1 / np.array(ranks))),
            surveys=len(hit),
            seconds_a_pair=seconds / d.size,
        )
    return out


def real_lines(samples) -> dict:
    "Is the nearest other line of the same survey? Lines whose survey has no other are left out."
    names = [n for n in samples if list(REAL.values()).count(REAL[n]) > 1]
    out = {}
    for way, distance in DISTANCES.items():
        nearest = {}
        for name in names:
            others = [other for other in samples if other != name]
            nearest[name] = min(others, key=lambda other: distance(samples[name], samples[other]))
        right = [REAL[a] == REAL[b] for a, b in nearest.items()]
        out[way] = dict(first=float(np.mean(right)), lines=len(right), nearest=nearest)
    return out


def matrix(samples) -> dict:
    "Energy distance of every two real lines with its interval."
    names, out = list(samples), {}
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            found, ends = energy_distance(samples[a], samples[b])
            out[f'{a} {b}'] = [found, *ends]
    return out


def coverage(queries, candidates) -> dict:
    "How often the interval of a half against its own other half holds 0."
    ends = [energy_distance(q, c)[1] for q, c in zip(queries, candidates)]
    return dict(
        surveys=len(ends), holds_zero=float(np.mean([low <= 0 <= high for low, high in ends]))
    )


def certain(queries, candidates) -> dict:
    "How often the first is beyond noise before the second, and how often it is right then."
    sure, right = [], []
    for own, query in enumerate(queries):
        ranked = rank_analogues(query, candidates, 300)
        sure.append(bool(ranked.behind_low[1] > 0))
        right.append(ranked.name[0] == candidates[own].name)
    sure, right = np.array(sure), np.array(right)
    return dict(
        surveys=len(sure),
        beyond_noise=float(sure.mean()),
        right_then=float(right[sure].mean()) if sure.any() else None,
        right_else=float(right[~sure].mean()) if (~sure).any() else None,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=24, help='synthetic surveys')
    parser.add_argument('--out', type=Path, default=OUT)
    args = parser.parse_args()
    encoder = Encoder.load('refcon-tiny')
    real = {n: embedded(encoder, example_path(n), n, 'both', 2, (48, 48)) for n in EXAMPLES}
    with tempfile.TemporaryDirectory() as folder:
        surveys = dict(synthetic_surveys(encoder, args.seeds, folder))
    large = {k: v for k, v in (surveys | real).items() if k not in ('teapot', 'f3d75s')}
    cut = {k: (halves(plain), halves(anew)) for k, (plain, anew) in large.items()}
    left = [plain[0] for plain, _ in cut.values()]
    right = [plain[1]._replace(name=k) for k, (plain, _) in cut.items()]
    anew = [other[0] for _, other in cut.values()]
    own = list(range(len(cut)))
    lines = {name: plain for name, (plain, _) in real.items()}
    result = dict(
        encoder=encoder.fingerprint(),
        other_half=first_found(left, right, own),
        other_half_recorded_anew=first_found(anew, right, own),
        real_lines=real_lines(lines),
        matrix=matrix(lines),
        coverage=coverage(left, right),
        certain=certain(left, right),
        windows=[int(min(len(s.items) for s in left)), int(max(len(s.items) for s in left))],
    )
    args.out.write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main()
