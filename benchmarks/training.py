"""Where a second of training goes, before and after, each as a ratio within one run:

    python benchmarks/training.py                 steps, their parts, generated windows
    python benchmarks/training.py --quality 3     also what an encoder is worth, so many seeds

Ways are compared by turns, in processor time of one core; medians. Before: augmentation with kornia's
blur and torch's standard deviation, under half precision like the network; memory given back to the
system after every step; windows drawn with as many threads as the machine has cores.

Writes OUT, by default benchmarks/results/training.json."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from bench import row
from threadpoolctl import threadpool_limits

from reflection_connection.encoder import Encoder, start_encoder
from reflection_connection.evaluation import benchmark_windows, evaluate_embeddings
from reflection_connection.synthetic import labelled_windows, synthetic_reader, write_sections
from reflection_connection.training import (
    Augment,
    Batches,
    PretrainConfig,
    PretrainData,
    SectionWindows,
    SiameseConfig,
    SiameseModel,
    TwoPartsConfig,
    TwoPartsData,
    TwoPartsModel,
    TwoViews,
    compand,
    finetune,
    flip_polarity,
    gain_with_depth,
    pretraining,
    reshape_spectrum,
    siamese,
)
from reflection_connection.training.loop import memory_kept
from reflection_connection.windows import Corpus, Recipe

RESULTS = Path(__file__).with_name('results') / 'training.json'


def noise_before(x, level=0.4):
    white = torch.randn_like(x)
    smooth = F.avg_pool2d(white, (5, 1), 1, (2, 0)) * 5**0.5
    pick = (torch.rand(len(x), 1, 1, 1) < 0.5).float()
    amount = torch.rand(len(x), 1, 1, 1) * level * x.std((1, 2, 3), keepdim=True)
    return x + amount * (pick * white + (1 - pick) * smooth)


def low_resolution_before(x, p=0.25):
    half = F.interpolate(
        F.avg_pool2d(x, 2, ceil_mode=True), size=x.shape[-2:], mode='bilinear', align_corners=False
    )
    return torch.where(torch.rand(len(x), 1, 1, 1) < p, half, x)


class AugmentBefore(Augment):
    "The augmentation as it was: the same random numbers."

    def __call__(self, x, seed=None):
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.manual_seed(seed)
            x = self.changed(x)
        if self.scaling != 'window':
            return x.clamp(-self.clip, self.clip)
        x = x - x.mean((1, 2, 3), keepdim=True)
        spread = x.std((1, 2, 3), keepdim=True).clamp_min(1e-6)
        return (x / spread).clamp(-self.clip, self.clip)

    def changed(self, x):
        if self.cropping:
            x = self.crop(tuple(x.shape[-2:]))(x)
        x = flip_polarity(self.mirror(x) if self.framing else x)
        if self.level == 'heavy':
            x = compand(gain_with_depth(x))
            x = reshape_spectrum(self.shear(x) if self.framing else x)
            x = noise_before(low_resolution_before(self.blur(x)))
        return x


class ViewsBefore(TwoViews):
    "Two views as they were."

    def __init__(self, size, level='heavy', scaling='window', clip=3.0, **others):
        super().__init__(size, level, scaling, clip, **others)
        self.record = AugmentBefore(level, scaling, clip, crop=False, frame=False)

    def __call__(self, x, seed=None):
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.manual_seed(seed)
            frame = self.shared(len(x), x.device)
            first, second = self.cut(x, frame), self.cut(x, frame)
            return self.record(first), self.record(second)


class Clock:
    "Processor seconds by name."

    def __init__(self):
        self.seconds = {}

    def __call__(self, name, f, *args, **kwargs):
        start = time.process_time()
        out = f(*args, **kwargs)
        self.seconds.setdefault(name, []).append(time.process_time() - start)
        return out

    def medians(self):
        "Of every second step, without the first two: see `compare`."
        return {name: float(np.median(s[3::2])) for name, s in self.seconds.items()}


class Step:
    "A step of a training, by parts: batch, augmentation, forward, backward, optimiser."

    def __init__(self, model, batch, augment=None, follow=None):
        self.model, self.batch, self.augment, self.follow = model.train(), batch, augment, follow
        self.learning = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.learning, 1e-4, fused=True)
        self.clock = Clock()

    def update(self, k):
        torch.nn.utils.clip_grad_norm_(self.learning, 3.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.follow:
            self.follow(k)

    def __call__(self, k):
        batch, clock = self.clock('batch', self.batch, k), self.clock
        with torch.autocast('cpu', torch.bfloat16):
            if self.augment:
                batch = clock('augmentation', self.augment, batch)
            out = clock('forward', self.model, **batch)
        clock('backward', out['loss'].backward)
        clock('optimiser', self.update, k)


class Given:
    "Stands where a model augments, and hands over what was augmented before."

    def __call__(self, images, seed=None):
        return self.views if self.views is not None else images


def siamese_step(data, augmentation, level):
    windows, labels = data
    encoder = start_encoder('resnet-tiny', 0, Recipe(size=(64, 64)))
    config = SiameseConfig(steps=100, loss='supcon', augment=level)
    batches = Batches(encoder.recipe.batch(windows), labels, config)
    model = SiameseModel(encoder.module, config, batches.anchor_ok)
    augment, model.augment = augmentation(level), Given()
    model.augment.views = None

    def augmented(batch):
        return batch | {'images': augment(batch['images'], seed=int(batch['batch_seed']))}

    return Step(model, batches.__getitem__, augmented)


def two_parts_step(data, views):
    windows, labels = data
    x, frame = Recipe(size=(112, 112)).batch(windows), labels.to_frame()
    config = TwoPartsConfig(steps=100)
    lines = list(np.random.default_rng(0).normal(size=(4, 400, 500)).astype('f4'))
    sections = SectionWindows(lines, Recipe(size=(112, 112)))
    batches = TwoPartsData(x, frame, config, (x[::5], labels[::5]), sections)
    model = TwoPartsModel(Encoder.load('refcon-tiny').module, config)
    two, model.views = views(config.size, config.augment), Given()

    def augmented(batch):
        model.views.views = two(batch['images'], int(batch['batch_seed']))
        return batch

    return Step(model, batches.__getitem__, augmented, model.follow)


def pretraining_step(folder, objective, augmentation):
    with redirect_stdout(None):
        corpus = Corpus(folder)
    config = PretrainConfig(objective, steps=600, batch=32)
    encoder = start_encoder('vitc-pico', 0, Recipe(size=(64, 64)))
    sizes = pretraining._sizes(encoder, corpus, config) | {'batch': 32}
    patch_size = encoder.module.backbone.config.patch_size
    data = PretrainData(corpus, encoder.recipe, config, patch_size, sizes)
    data.augment = augmentation(config.augment, crop=False)
    model = pretraining._model(encoder, config, sizes)
    follow = (lambda k: model.follow(0.99)) if objective == 'dinov2' else None

    def batch(k):
        return data.collate([data[i] for i in range(32 * k, 32 * k + 32)])

    return Step(model, batch, follow=follow)


def compare(name, before, after, n):
    "A row: n steps of each way by turns, and where their time goes."
    for k in range(0, 2 * n + 2, 2):
        before(k)  # takes its memory anew and does not count
        before(k + 1)
        with memory_kept():
            after(k)
            after(k + 1)
    parts = {way: step.clock.medians() for way, step in (('before', before), ('after', after))}
    took = {way: sum(p.values()) for way, p in parts.items()}
    rates = {way: f'{1 / s:.2f} steps a second' for way, s in took.items()}
    ratio = took['before'] / took['after']
    return row('training', name, rates['after'], rates['before'], ratio, parts=parts)


def steps(n):
    windows, frame = labelled_windows(40, seed=5)
    data, rows = (list(windows), frame.label), []
    for level in ('light', 'heavy'):
        ways = (siamese_step(data, a, level) for a in (AugmentBefore, Augment))
        rows.append(compare(f'Siamese, {level} augmentation', *ways, 2 * n))
    ways = (two_parts_step(data, v) for v in (ViewsBefore, TwoViews))
    rows.append(compare('two parts', *ways, n))
    with tempfile.TemporaryDirectory() as folder:
        write_sections(folder, 12)
        for objective in ('mae', 'dinov2'):
            ways = (pretraining_step(folder, objective, a) for a in (AugmentBefore, Augment))
            rows.append(compare(f'pretraining, {objective}', *ways, n))
    return rows


DRAW = """
import time
from contextlib import nullcontext
from reflection_connection.synthetic import fields, labelled_windows, survey, windows
if {before}:
    windows.one_core = survey.one_core = nullcontext
labelled_windows(1, seed=1, processes=1)
start = time.process_time(), time.perf_counter()
labelled_windows({n}, {seed}, (96, 96), processes=1)
print(time.process_time() - start[0], time.perf_counter() - start[1])
"""


def drawn(before, n, seed=0):
    "(processor seconds, seconds) of windows in a process of its own, with all cores."
    told = {k: v for k, v in os.environ.items() if k != 'OMP_NUM_THREADS'}
    code = DRAW.format(before=before, n=n, seed=seed)
    out = subprocess.run([sys.executable, '-c', code], env=told, capture_output=True, check=True)
    return [float(t) for t in out.stdout.split()]


def generated(n):
    "Generated windows: by threads, and against matrix products of one core."
    turns = [(drawn(True, n, k), drawn(False, n, k)) for k in range(3)]
    before, after = np.median(turns, 0) / (8 * n)
    rows = []
    for k, what in enumerate(('processor time', 'time')):
        rates = [f'{1 / seconds[k]:.0f} a second' for seconds in (after, before)]
        name = f'generated windows, {what}'
        rows.append(row('training', name, *rates, before[k] / after[k]))
    with threadpool_limits(1):
        a, products = np.random.default_rng(0).normal(size=(1024, 1024)), []
        for _ in range(9):
            start = time.process_time()
            a @ a
            products.append(time.process_time() - start)
    product = float(np.median(products))
    name = 'generated windows of 96 x 96 on one core'
    rates = f'{1 / after[0]:.0f} a second', f'products of 1024 x 1024, {1 / product:.0f} a second'
    return [*rows, row('training', name, *rates, product / after[0])]


def score(encoder, asked):
    "Macro mAP over the labelled windows of the benchmark, surveys left out, and its interval."
    frame = asked.frame[asked.frame.label != ''].rename(columns={'section': 'source'})
    pixels = [asked.pixels[i] for i in frame.index]
    z = encoder.embed(pixels)
    found, _ = evaluate_embeddings(z, frame.reset_index(drop=True), 'survey')
    return found['macro_map'], found['macro_map_ci']


def quality(seeds, n_steps):
    "What an encoder is worth that has learned with either augmentation, in half precision."
    asked, scores = benchmark_windows(), {'before': [], 'after': []}
    for seed in range(seeds):
        reader = synthetic_reader(60, seed)
        for way, augmentation in (('before', AugmentBefore), ('after', Augment)):
            encoder = start_encoder('resnet-tiny', seed, Recipe(size=(64, 64)))
            x = encoder.recipe.batch(*reader.read())
            config = SiameseConfig(
                steps=n_steps, loss='supcon', lr=0.004, precision='bf16', seed=seed, eval_every=100
            )
            with patch.object(siamese, 'Augment', augmentation):
                with tempfile.TemporaryDirectory() as folder, redirect_stdout(None):
                    finetune(encoder, x, reader.frame.label, config, folder=folder)
            scores[way].append(score(encoder, asked))
            print(seed, way, *scores[way][-1], flush=True)
    means = {way: float(np.mean([s for s, _ in found])) for way, found in scores.items()}
    low, high = np.mean([ci for _, ci in scores['before']], 0)
    name = f'macro mAP after {n_steps} heavy steps, mean of {seeds} seeds'
    against = f'{means["before"]:.3f} [{low:.2f}, {high:.2f}] before'
    ratio = means['after'] / means['before']
    return [row('training', name, f'{means["after"]:.3f}', against, ratio, scores=scores)]


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--quality', type=int, default=0, metavar='SEEDS')
    p.add_argument('--quality-steps', type=int, default=300)
    p.add_argument('--only-quality', action='store_true')
    p.add_argument('--steps', type=int, default=8, help='of each training and way')
    p.add_argument('--out', type=Path, default=RESULTS)
    a = p.parse_args()
    torch.set_num_threads(1)
    rows = [] if a.only_quality else steps(a.steps) + generated(8)
    if a.quality:
        rows += quality(a.quality, a.quality_steps)
    a.out.write_text(json.dumps(rows, indent=1, default=float) + '\n')


if __name__ == '__main__':
    main()
