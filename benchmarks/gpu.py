"""Is a card used well, and does it give what a processor gives? python benchmarks/gpu.py

- the card's own matrix-product peak in each precision, which every rate below is a share of;
- embedding: precision, folded and channels last or as it was trained, batch sizes;
- a training step: forward, backward and AdamW, with and without augmentation;
- FAISS on the card: flat and IVF-PQ, against FAISS on the processor;
- the same results as on the processor in fp32, within the tolerances in `TOLERANCES`.

Without a card it says so and exits with code 77. `--device cpu` runs all of it small.
Prints a table and writes OUT; exits with code 1 where results are out of tolerance."""

import argparse
import json
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import torch
from bench import row
from torch.utils.flop_counter import FlopCounterMode

from reflection_connection.encoder import Encoder, for_inference
from reflection_connection.encoder.inference import half_type
from reflection_connection.synthetic import labelled_windows
from reflection_connection.training import Batches, SiameseConfig, SiameseModel
from reflection_connection.windows import Recipe

NO_CARD = 77  # exit code: skipped, as test harnesses have it
TYPES = dict(fp32=torch.float32, fp16=torch.float16, bf16=torch.bfloat16)
TOLERANCES = dict(
    cosine=dict(fp32=1e-4, fp16=1e-3, bf16=1e-2),  # most that 1 - cosine to the processor's may be
    loss=dict(fp32=1e-3, fp16=1e-2, bf16=5e-2),  # of a training step, relative
    recall=dict(flat=0.99, ivfpq=0.95),  # least share of the processor's ten nearest
)


@dataclass(frozen=True)
class Sizes:
    "How large everything is."

    product: int  # rows and columns of the matrix products
    encoders: tuple  # (name, side of its windows)
    batches: tuple  # windows at once
    windows: int  # embedded for a rate
    compared: int  # windows whose embeddings are compared
    turns: int  # of each measurement
    members: int  # labelled windows of each class
    of_class: tuple  # classes and windows of each in a training step
    vectors: int  # in the indices of FAISS
    dim: int  # of them
    queries: int


CARD = Sizes(
    product=8192,
    encoders=(('refcon-tiny', 96), ('vit-small', 224)),
    batches=(64, 256, 1024),
    windows=8192,
    compared=256,
    turns=5,
    members=40,
    of_class=(8, 8),
    vectors=1_000_000,
    dim=256,
    queries=1024,
)
SMALL = Sizes(
    product=256,
    encoders=(('refcon-tiny', 96),),
    batches=(4, 8),
    windows=8,
    compared=4,
    turns=1,
    members=2,
    of_class=(2, 2),
    vectors=2_600,
    dim=16,
    queries=64,
)


class Card:
    "A device whose work is waited for when it is timed."

    def __init__(self, name: str, sizes: Sizes):
        self.device, self.sizes = torch.device(name), sizes
        self.peaks = {}  # precision -> operations a second

    def wait(self):
        if self.device.type != 'cpu':
            getattr(torch, self.device.type).synchronize()

    def seconds(self, f) -> float:
        "Median seconds of a call, after one that is not counted."
        f()
        times = []
        for _ in range(self.sizes.turns):
            self.wait()
            t = time.perf_counter()
            f()
            self.wait()
            times.append(time.perf_counter() - t)
        return float(np.median(times))

    def name(self) -> str:
        if self.device.type == 'cuda':
            return torch.cuda.get_device_name(self.device)
        return f'{self.device.type} of {platform.machine()}'


def products(card: Card) -> list:
    "Matrix products in each precision: the peak."
    rows, n = [], card.sizes.product
    for name, kind in TYPES.items():
        a = torch.randn(n, n, device=card.device).to(kind)
        card.peaks[name] = 2 * n**3 / card.seconds(lambda: a @ a)
        value = f'{card.peaks[name] / 1e12:.3g} TFLOP/s'
        ratio = card.peaks[name] / card.peaks['fp32']
        rows.append(row('gpu', f'matrix product, {name}', value, 'fp32', ratio, precision=name))
    return rows


# Embedding


def an_encoder(name, side):
    "A bundled encoder, or an untrained one of this backbone."
    if name.startswith('refcon'):
        return Encoder.load(name)
    return Encoder.create(name, Recipe(size=(side, side)), seed=0)


def operations(module, x) -> float:
    "Floating-point operations of a forward pass, per window."
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops() / len(x)


def forward(card, encoder, precision, folded):
    "A function that embeds a batch on the card."
    half = half_type(card.device, precision)
    if folded:
        module, context = for_inference(encoder.module.to(card.device).eval(), card.device, half)
    else:
        module = encoder.module.to(card.device).eval()
        enabled = half is not None

        def context():
            return torch.autocast(card.device.type, half or torch.bfloat16, enabled=enabled)

    def embed(batch):
        with torch.inference_mode(), context():
            return module(batch)

    return embed


def embedding(card: Card) -> list:
    "Windows a second, and embeddings as the processor has them."
    rows = []
    for name, side in card.sizes.encoders:
        encoder = an_encoder(name, side)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(card.sizes.windows, 1, side, side, generator=generator)
        few = x[: card.sizes.compared]
        truth = encoder.embed_batches([few], len(few), 'cpu', precision='fp32')
        flops = operations(encoder.module.eval(), few[:2])
        for precision in TYPES:
            rows += embedding_rates(card, name, encoder, precision, x.to(card.device), flops)
            z = encoder.embed_batches([few], len(few), card.device, precision=precision)
            rows.append(same_embeddings(name, precision, z, truth))
    return rows


def embedding_rates(card, name, encoder, precision, x, flops) -> list:
    rows = []
    for folded in (False, True):
        embed = forward(card, encoder, precision, folded)
        for size in card.sizes.batches:
            rate = len(x) / card.seconds(lambda: [embed(batch) for batch in x.split(size)])
            how = 'folded, channels last' if folded else 'as it was trained'
            rows.append(
                row(
                    'gpu',
                    f'{name}, {precision}, {how}, batches of {size}',
                    f'{rate:,.0f} windows/s',
                    f'peak {card.peaks[precision] / 1e12:.3g} TFLOP/s',
                    rate * flops / card.peaks[precision],
                    rate=rate,
                    precision=precision,
                    folded=folded,
                    batch=size,
                )
            )
    return rows


def checked(what, value, limit, good) -> dict:
    "A row that says whether a result is within its tolerance."
    out = row('gpu', what, f'{value:.3g}', f'{limit:g}', value / limit)
    print(f'  {"within" if good else "OUT OF"} tolerance', flush=True)
    return out | dict(within=bool(good), met='within' if good else 'out of tolerance')


def same_embeddings(name, precision, z, truth) -> dict:
    limit = TOLERANCES['cosine'][precision]
    worst = float((1 - (z * truth).sum(1)).max())
    what = f'{name}, {precision}: 1 - cosine to the processor in fp32, the worst'
    return checked(what, worst, limit, worst <= limit)


# Training


def a_config(card, augment):
    "A loss without mining: which triplets are mined may differ by rounding."
    classes, per_class = card.sizes.of_class
    sizes = dict(steps=1, classes=classes, per_class=per_class)
    return SiameseConfig(loss='supcon', augment=augment, **sizes)


def a_batch(card):
    "A batch of labelled windows, their class numbers, and which classes may be anchors."
    pixels, frame = labelled_windows(card.sizes.members, seed=5)
    encoder = Encoder.load('refcon-tiny')
    x, labels = encoder.recipe.batch(list(pixels)), frame.label.to_numpy(str)
    data = Batches(x, labels, a_config(card, 'none'))
    return data[0]['images'], data[0]['labels'], data.anchor_ok


def a_model(card, device, anchor_ok, augment):
    config = a_config(card, augment)
    return SiameseModel(Encoder.load('refcon-tiny').module, config, anchor_ok).to(device)


def loss_of(model, device, precision, images, labels, seed=None):
    enabled = precision != 'fp32'
    half = TYPES[precision] if enabled else torch.bfloat16
    with torch.autocast(device.type, half, enabled=enabled):
        return model(images, labels, seed)['loss']


def trained_in(device) -> list:
    "Precisions in which a device trains."
    return [name for name in TYPES if name != 'fp16' or device.type != 'cpu']


def training(card: Card) -> list:
    "Steps a second with and without augmentation, and the first loss as the processor has it."
    rows, (images, labels, anchor_ok) = [], a_batch(card)
    cpu = torch.device('cpu')
    truth = loss_of(a_model(card, cpu, anchor_ok, 'none'), cpu, 'fp32', images, labels).item()
    on_card = images.to(card.device), labels.to(card.device)
    for precision in trained_in(card.device):
        model = a_model(card, card.device, anchor_ok, 'none')
        found = loss_of(model, card.device, precision, *on_card).item()
        off, limit = abs(found - truth) / abs(truth), TOLERANCES['loss'][precision]
        what = f"training step, {precision}: loss against the processor's, relative"
        rows.append(checked(what, off, limit, off <= limit))
        for augment in ('none', SiameseConfig.augment):
            model = a_model(card, card.device, anchor_ok, augment)
            rows.append(step_rate(card, model, precision, augment, on_card))
    return rows


def step_rate(card, model, precision, augment, batch) -> dict:
    "Steps a second as a share of the peak; gradients of fp16 are scaled."
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4)
    scaler = torch.amp.GradScaler(card.device.type, enabled=precision == 'fp16')
    seed = torch.tensor(0)

    def step():
        optimiser.zero_grad()
        scaler.scale(loss_of(model, card.device, precision, *batch, seed)).backward()
        scaler.step(optimiser)
        scaler.update()

    with FlopCounterMode(display=False) as counter:
        step()
    rate = 1 / card.seconds(step)
    return row(
        'gpu',
        f'training step of {len(batch[0])} windows, {precision}, augment {augment}',
        f'{rate:.3g} steps/s',
        f'peak {card.peaks[precision] / 1e12:.3g} TFLOP/s',
        rate * counter.get_total_flops() / card.peaks[precision],
        rate=rate,
        precision=precision,
        augment=augment,
    )


# Search


def clustered(n, dim, seed=0) -> np.ndarray:  # (n, dim) float32 of unit length
    "Vectors around centres, as embeddings lie."
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(8, n // 500), dim), np.float32)
    z = centres[rng.integers(len(centres), size=n)]
    z += 0.5 * rng.standard_normal((n, dim), np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def faiss_on(card):
    "A function that brings an index to the card; None where FAISS cannot."
    if card.device.type == 'cpu':
        return lambda index: index
    if not hasattr(faiss, 'StandardGpuResources') or not faiss.get_num_gpus():
        return None
    resources, options = faiss.StandardGpuResources(), faiss.GpuClonerOptions()
    options.useFloat16 = True  # tables of product codes

    def bring(index):
        exact = isinstance(index, faiss.IndexFlat)
        return faiss.index_cpu_to_gpu(resources, 0, index, None if exact else options)

    return bring


def searching(card: Card) -> list:
    "Queries a second on the card and on the processor, and the ten nearest of both."
    bring = faiss_on(card)
    if bring is None:
        return [row('gpu', 'FAISS', 'skipped: faiss has no GPU', 'make gpu', float('nan'))]
    s = card.sizes
    z = clustered(s.vectors + s.queries, s.dim)
    z, q = z[s.queries :], z[: s.queries]
    lists = max(16, int(2 * s.vectors**0.5) // 16 * 16)
    rows = []
    for kind, name in (('flat', 'Flat'), ('ivfpq', f'IVF{lists},PQ{s.dim // 4}np')):
        index = faiss.index_factory(s.dim, name, faiss.METRIC_INNER_PRODUCT)
        index.train(z[: max(64 * lists, 10_000)])
        index.add(z)
        if kind == 'ivfpq':
            index.nprobe = 32
        rows += search_rows(card, kind, index, bring, q)
    return rows


def search_rows(card, kind, index, bring, q) -> list:
    there = bring(index)
    truth, found = index.search(q, 10)[1], there.search(q, 10)[1]
    on_card = len(q) / card.seconds(lambda: there.search(q, 10))
    processor = len(q) / card.seconds(lambda: index.search(q, 10))
    share = on_card * 2 * index.ntotal * index.d / card.peaks['fp32']
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth)])
    limit = TOLERANCES['recall'][kind]
    of_peak = f', {share:.3g} of the fp32 peak' if kind == 'flat' else ''
    what = f'FAISS {kind}, {index.ntotal:,} vectors'
    return [
        row(
            'gpu',
            what,
            f'{on_card:,.0f} queries/s{of_peak}',
            f'processor {processor:,.0f}',
            on_card / processor,
            rate=on_card,
        ),
        checked(f"{what}: share of the processor's ten nearest", recall, limit, recall >= limit),
    ]


# All of it


def measure(device: str, sizes: Sizes) -> dict:
    "Everything in one run."
    card = Card(device, sizes)
    torch.backends.cuda.matmul.allow_tf32 = False  # fp32 is fp32
    torch.backends.cudnn.allow_tf32 = False
    rows = products(card) + embedding(card) + training(card) + searching(card)
    return dict(
        card=card.name(),
        torch=torch.__version__,
        faiss=faiss.__version__,
        peaks={name: float(peak) for name, peak in card.peaks.items()},
        rows=rows,
    )


def gpu(quick: bool = False) -> list:
    "Rows for `bench.py`; one that says so without a card."
    device = default_device()
    if device is None:
        return [row('gpu', 'all of it', 'skipped: no card', 'a card', float('nan'))]
    return measure(device, SMALL if quick else CARD)['rows']


def default_device():
    "The accelerator of this machine, or None."
    found = torch.accelerator.current_accelerator(check_available=True)
    return None if found is None else found.type


def main(argv=None) -> int:  # exit code
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--device', help="'cuda', 'cuda:1', 'mps', …; 'cpu' runs everything small")
    p.add_argument('--out', default='runs/gpu.json', help='JSON file')
    a = p.parse_args(argv)
    device = a.device or default_device()
    if device is None:
        print(
            'gpu: no card here: run this where there is one, or everything small with --device cpu',
            file=sys.stderr,
        )
        return NO_CARD
    found = measure(device, SMALL if device == 'cpu' else CARD)
    out = Path(a.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1, default=float) + '\n')
    bad = [r['what'] for r in found['rows'] if r.get('within') is False]
    for what in bad:
        print(f'out of tolerance: {what}', file=sys.stderr)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
