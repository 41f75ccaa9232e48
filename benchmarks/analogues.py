"""Which distance between surveys finds what we know to be alike? On synthetic and real surveys.

    python benchmarks/analogues.py --cache DIR      measure, write benchmarks/results/analogues.json

Every other line of a synthetic survey is compared with the lines between of all: are its own first?
The same is asked of surveys recorded anew (other wavelet, gain and noise), of left and right halves
(of a synthetic survey, salt is in one and faults in the other), of synthetic surveys with the same
settings and another earth (is that the nearest?), and of single real lines.
Embeddings are kept in DIR, so that a run that was stopped goes on where it was.
"""

import argparse
import json
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import linalg

from reflection_connection.encoder import Encoder
from reflection_connection.evaluation import SurveySample, as_sample, energy_distance
from reflection_connection.evaluation import pair_distances, rank_analogues
from reflection_connection.evaluation.places import rerecord
from reflection_connection.evaluation.set_distances import block_sums
from reflection_connection.search import embed_table
from reflection_connection.synthetic import Survey
from reflection_connection.synthetic.fields import padded_box
from reflection_connection.synthetic.segy import write_segy
from reflection_connection.synthetic.survey import survey_scene
from reflection_connection.volume import EXAMPLES, example_path, open_volume
from reflection_connection.windows import WindowReader, volume_windows, window_table

OUT = Path(__file__).resolve().parent / 'results' / 'analogues.json'
WINDOW = (96, 96)
SIZE = (32, 320, 288)  # inlines, crosslines and samples of a synthetic survey
REAL = {  # one survey has several lines
    'f3': 'F3',
    'f3_il244': 'F3',
    'f3_unnumbered': 'F3',
    'f3d178': 'F3',
    'f3d75s': 'F3',
    'penobscot': 'Penobscot',
    'teapot': 'Teapot Dome',
    'tp73': 'Teapot Dome',
}
ONE_EACH = ('f3', 'penobscot', 'tp73')  # one line of a real survey, long enough to be cut in two


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


def earth_and_settings(earth, settings) -> Survey:
    "A synthetic survey: the earth of one seed with wavelet, noise and resolution of another."
    made = Survey(earth, *SIZE)
    made.style = Survey(settings, *SIZE).style
    rng = np.random.default_rng([earth, 7])
    made.scene = survey_scene(rng, made.style, padded_box(SIZE[2], SIZE[1], SIZE[0]))
    return made


def embedded(encoder, path, lines, every, stride) -> tuple:
    "Embeddings and table of windows of a survey."
    with open_volume(path) as volume:
        items = volume_windows(volume, WINDOW, stride, lines, every)
    return embed_table(encoder, items)[:2]


def embedded_anew(encoder, items, name) -> np.ndarray:
    "Embeddings of the same windows, recorded anew: one recording a survey."
    pixels, live, scales = WindowReader(items).read()
    seed = zlib.crc32(name.encode())
    anew = [rerecord(np.where(m, p, 0), np.random.default_rng(seed)) for p, m in zip(pixels, live)]
    return encoder.embed(anew, scales=list(scales))


def survey(encoder, cache, name, path=None, made=None, recorded_anew=True) -> tuple:
    "The sample of a survey, and the same recorded anew; embedded where the cache lacks it."
    file = cache / f'{name}.npz'
    if not file.exists():
        with tempfile.TemporaryDirectory() as folder:
            if made:
                path = Path(folder) / 'survey.sgy'
                write_segy(path, made, np.empty((SIZE), np.int8))
            how = ('inline', 8, (48, 32)) if made else ('both', 2, (48, 48))
            z, items = embedded(encoder, path, *how)
            anew = embedded_anew(encoder, items, name) if recorded_anew else z
        new = file.with_suffix('.part.npz')
        np.savez(new, z=z, anew=anew, items=items.to_json(orient='records'))
        new.rename(file)
        print(name, len(z), 'windows', flush=True)
    with np.load(file) as found:
        items = window_table(json.loads(str(found['items'])))
        return tuple(as_sample(name, found[key], items) for key in ('z', 'anew'))


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


def same_settings(samples, settings) -> dict:
    "Is the nearest other survey the one with the same settings, and another earth?"
    out = {}
    for name, distance in DISTANCES.items():
        d = np.array([[distance(a, b) if a is not b else np.inf for b in samples] for a in samples])
        right = settings[d.argmin(1)] == settings
        # both surveys of one pair of settings are drawn together
        pairs = np.array([right[settings == k].mean() for k in np.unique(settings)])
        drawn = np.random.default_rng(0).integers(0, len(pairs), (10000, len(pairs)))
        ends = np.percentile(pairs[drawn].mean(1), [2.5, 97.5])
        out[name] = dict(first=float(right.mean()), first_ci=ends.tolist(), surveys=len(right))
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


def line_sets(sample) -> tuple:
    "Windows of every other line: twice the same survey, sampled elsewhere."
    turn = pd.factorize(sample.items.line, sort=True)[0] % 2
    return part(sample, turn == 0, 'even'), part(sample, turn == 1, 'odd')


def coverage(samples, cut) -> dict:
    "Of the distance of two surveys' parts: how often its interval holds that of other parts."
    parts = [cut(sample) for sample in samples]
    held = []
    for (a, other_a), (b, other_b) in zip(parts, parts[1:] + parts[:1]):
        low, high = energy_distance(a, b)[1]
        held.append(low <= energy_distance(other_a, other_b, 1)[0] <= high)
    zero = [energy_distance(a, other)[1] for a, other in parts]
    return dict(
        pairs=len(held),
        holds_other=float(np.mean(held)),
        same_survey_holds_0=float(np.mean([low <= 0 <= high for low, high in zero])),
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
    parser.add_argument('--cache', type=Path, required=True, help='folder of embeddings')
    args = parser.parse_args()
    encoder = Encoder.load('refcon-tiny')
    cache = args.cache / encoder.fingerprint()
    cache.mkdir(parents=True, exist_ok=True)
    real = {name: survey(encoder, cache, name, example_path(name)) for name in EXAMPLES}
    seeds = range(900, 900 + args.seeds)
    first = [survey(encoder, cache, f'{s}', made=earth_and_settings(s, s)) for s in seeds]
    second = [
        survey(encoder, cache, f'{s + 1000}', None, earth_and_settings(s + 1000, s), False)
        for s in seeds
    ]
    cut = first + [real[name] for name in ONE_EACH]
    left, right = zip(*(halves(plain) for plain, _ in cut))
    anew = [halves(other)[0] for _, other in cut]
    right = [half._replace(name=str(k)) for k, half in enumerate(right)]
    own = list(range(len(cut)))
    lines = {name: plain for name, (plain, _) in real.items()}
    even, odd = zip(*(line_sets(plain) for plain, _ in first))
    odd = [lines._replace(name=str(k)) for k, lines in enumerate(odd)]
    even_anew = [line_sets(other)[0] for _, other in first]
    result = dict(
        encoder=encoder.fingerprint(),
        windows=[int(min(len(s.items) for s in left)), int(max(len(s.items) for s in left))],
        other_lines=first_found(even, odd, own[: len(odd)]),
        other_lines_recorded_anew=first_found(even_anew, odd, own[: len(odd)]),
        other_half=first_found(left, right, own),
        other_half_recorded_anew=first_found(anew, right, own),
        same_settings=same_settings(
            [plain for plain, _ in first + second], np.tile(np.arange(len(first)), 2)
        ),
        real_lines=real_lines(lines),
        matrix=matrix(lines),
        coverage={
            'other lines': coverage([plain for plain, _ in first], line_sets),
            'other half': coverage([plain for plain, _ in first], halves),
        },
        certain=certain(left, right),
        certain_recorded_anew=certain(even_anew, odd),
    )
    args.out.write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main()
