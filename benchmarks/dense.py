"""One forward pass for each window, or one for a whole section whose feature map serves all windows
on it? python benchmarks/dense.py [--out FILE]

Judged on the real sections that come with the package, by both measures of the benchmark: kind
(macro mAP of labelled windows against those of other surveys) and look (is a place that was moved
by a few traces and samples found among all places of its survey?), each with a 95 % interval over
surveys. And timed on a section of 400 samples and 900 traces, windows of 96 x 96 half a window
apart.

The section's way takes out the mean and the spread of every window-sized neighbourhood, resizes the
section so that a window has the encoder's input size, runs the backbone once for each mirror image,
and averages the feature map under every window, and under every cell of it for the part for looks."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from reflection_connection.encoder import Encoder, early
from reflection_connection.evaluation import (
    SectionsOf,
    evaluate_embeddings,
    percentile_interval,
    recall_at,
    same_place,
)
from reflection_connection.volume import Openings, example_path
from reflection_connection.windows import load_windows

WINDOW = (64, 80)  # samples and traces of a place


def local_scale(section, size):
    "Every sample in standard deviations of its window-sized neighbourhood."
    mean = ndimage.uniform_filter(section, size, mode='nearest')
    square = ndimage.uniform_filter(section**2, size, mode='nearest')
    spread = np.sqrt(np.maximum(square - mean**2, 1e-12 * np.square(section).max() + 1e-30))
    return np.clip((section - mean) / spread, -3, 3).astype(np.float32)


def box_weights(cells, n, first, last):
    """(boxes, cells): the mean from `first` to `last` (positions, not whole ones either) of a map of
    `cells` cells that is interpolated linearly over n positions."""
    x = (np.arange(n) + 0.5) * cells / n - 0.5
    at = np.clip(np.floor(x).astype(int), 0, max(cells - 2, 0))
    share = np.clip(x - at, 0, 1)
    w = np.zeros((n, cells))
    w[np.arange(n), at] = 1 - share
    if cells > 1:
        w[np.arange(n), at + 1] += share
    total = np.vstack([np.zeros((1, cells)), w.cumsum(0)])
    edges = np.arange(n + 1)
    upto = lambda p: np.stack([np.interp(p, edges, column) for column in total.T], 1)
    return torch.from_numpy((upto(last) - upto(first)) / (last - first)[:, None]).float()


def averaged(features, shape, windows, rows, columns):
    "(N, D, rows, columns): means of a feature map in the cells of windows of a section of a shape."
    top, left, height, width = (
        windows[c].to_numpy(float) for c in ('top', 'left', 'height', 'width')
    )
    down = [
        box_weights(
            features.shape[1], shape[0], top + k * height / rows, top + (k + 1) * height / rows
        )
        for k in range(rows)
    ]
    along = [
        box_weights(
            features.shape[2],
            shape[1],
            left + k * width / columns,
            left + (k + 1) * width / columns,
        )
        for k in range(columns)
    ]
    cells = [
        torch.einsum('nf,dfg,ng->nd', a, features, b) if len(a) < 64 else _many(a, features, b)
        for a in down
        for b in along
    ]
    return torch.stack(cells, 2).unflatten(2, (rows, columns))


def _many(a, features, b):
    "The same for many windows: along the traces first, for each distinct left edge once."
    distinct, which = torch.unique(b, dim=0, return_inverse=True)
    strips = torch.einsum('dfg,lg->ldf', features, distinct)
    return torch.einsum('nf,ndf->nd', a, strips[which])


def section_embeddings(encoder, section, windows):
    "(N, D) embeddings of windows of one size from one pass over their section."
    height, width = int(windows.height.iloc[0]), int(windows.width.iloc[0])
    module = encoder.module
    x = torch.from_numpy(local_scale(section, (height, width)))[None, None]
    size = [
        max(32, round(n * a / b))
        for n, a, b in zip(x.shape[-2:], encoder.recipe.size, (height, width))
    ]
    view = interpolate(x, size=size, mode='bilinear', antialias=True, align_corners=False)
    upright = module.backbone(view).last_hidden_state[0]
    pooled = averaged(upright, section.shape, windows, 1, 1)[..., 0, 0]
    if module.mirror:
        mirrored = module.backbone(view.flip(-1)).last_hidden_state[0].flip(-1)
        pooled = (pooled + averaged(mirrored, section.shape, windows, 1, 1)[..., 0, 0]) / 2
    placed = averaged(upright, section.shape, windows, module.look.grid, module.look.grid)
    numbers = branched(encoder, view, section.shape, windows) if module.branch else None
    return heads(module, pooled, placed.flatten(1), numbers)


def branched(encoder, view, shape, windows):
    "(N, D) shares of the branch: means and maxima over the cells that a window has for itself."
    branch, found = encoder.module.branch, []
    x = early(encoder.module.backbone, view, branch.stage)
    for layers in (branch.stages, branch.last):
        x = layers(x)
        n = round(encoder.recipe.size[0] * x.shape[-2] / view.shape[-2])
        of_cells = averaged(x[0], shape, windows, n, n).flatten(2)
        found += [of_cells.mean(2), of_cells.amax(2)]
    return branch.shares(branch.cosines(torch.cat(found, 1)))


def heads(module, pooled, placed, numbers):
    "Embeddings from pooled, placed and the branch's, as `EncoderModule.forward` makes them."
    unchanged = module.tokens
    module.tokens = lambda x: (pooled, placed, numbers)
    try:
        return module(torch.zeros(1)).numpy()
    finally:
        module.tokens = unchanged


def by_section(encoder, sections, frame):
    "Embeddings of windows (section, top, left, height, width), one pass a section and size."
    z = np.empty((len(frame), encoder.dim), np.float32)
    with torch.inference_mode():
        for (name, _, _), g in frame.groupby(['section', 'height', 'width'], sort=False):
            section = np.nan_to_num(np.asarray(sections[name], np.float32))
            z[g.index] = section_embeddings(encoder, section, g)
    return z


def by_window(encoder, sections, frame):
    "Embeddings of the same windows, one pass each."
    cut = lambda r: np.asarray(sections[r.section])[
        r.top : r.top + r.height, r.left : r.left + r.width
    ]
    return encoder.embed([np.nan_to_num(cut(r)) for r in frame.itertuples()], precision='fp32')


def kind(embed, reader, lines, sections, encoder):
    "Macro mAP and its interval."
    names = [
        lines[place]
        for place in zip(reader.frame.source, reader.frame.line_kind, reader.frame.line)
    ]
    frame = reader.frame.assign(section=names)
    found, _ = evaluate_embeddings(embed(encoder, sections, frame), frame, 'survey', encoder.metric)
    return [found['macro_map'], *found['macro_map_ci']]


def look(embed, places, sections, encoder):
    "Share of moved places that are found first among those of their survey, and its interval."
    here = embed(encoder, sections, places)
    moved = places.assign(top=places.moved_top, left=places.moved_left)
    asked, rows = embed(encoder, sections, moved), []
    for survey, g in places.groupby('survey'):
        found = recall_at(1 - asked[g.index] @ here[g.index].T)
        rows.append(found.assign(survey=survey))
    rows = pd.concat(rows, ignore_index=True)
    means = rows.groupby('survey').recall_1.mean().to_numpy()
    draws = np.random.default_rng(0).choice(means, (1000, len(means))).mean(1)
    return [float(means.mean()), *percentile_interval(draws)]


def rates(encoder):
    "Windows a second of both ways on one section, by turns."
    rng = np.random.default_rng(0)
    section = ndimage.gaussian_filter(rng.normal(size=(400, 900)), (2, 6)).astype(np.float32)
    places = [(t, l) for t in range(0, 400 - 96 + 1, 48) for l in range(0, 900 - 96 + 1, 48)]
    frame = pd.DataFrame(places, columns=['top', 'left']).assign(height=96, width=96, section='a')
    best = {}
    for _ in range(4):
        for way in (by_window, by_section):
            start = time.perf_counter()
            way(encoder, {'a': section}, frame)
            spent = time.perf_counter() - start
            best[way.__name__] = min(best.get(way.__name__, np.inf), spent)
    return {name: len(frame) / spent for name, spent in best.items()}


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--out', help='a JSON file')
    a = p.parse_args()
    encoder = Encoder.load('refcon-tiny')
    reader = load_windows(example_path('windows.csv'), example_path(), opening=Openings(quiet=True))
    sections = SectionsOf(reader, apart=1)
    lines = {place: name for name, place in sections.lines.items()}
    _, places = same_place(sections, WINDOW, 0, sections.surveys, 400)
    rate, found = rates(encoder), {}
    for way in (by_window, by_section):
        found[way.__name__] = dict(
            kind=kind(way, reader, lines, sections, encoder),
            look=look(way, places, sections, encoder),
            rate=rate[way.__name__],
        )
        print(way.__name__, json.dumps(found[way.__name__]), flush=True)
    if a.out:
        Path(a.out).write_text(json.dumps(found, indent=1) + '\n')


if __name__ == '__main__':
    main()
