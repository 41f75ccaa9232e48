"""One forward pass for each window, or one for a whole section whose feature map serves all windows
on it?

python benchmarks/dense.py [--lines 15] [--window 48] [--stride 24]

On a synthetic survey whose class cube is known: windows a second, and how good the answers are
(share of the first 20 hits that are right, area under ROC of the likeness over windows), for boxes
on its labelled structures. Queries are embedded the way the index is. The section's way resizes the
section so that a window has the encoder's input size, takes out the mean and the spread of every
window-sized neighbourhood, runs the backbone once for each of the encoder's scales and mirror
images, and averages the feature map under every window."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from reflection_connection.encoder import Encoder
from reflection_connection.search import Example, Index, Question, Searcher, embed_table
from reflection_connection.synthetic import CLASSES, CLEAR, write_survey
from reflection_connection.volume import open_volume
from reflection_connection.windows import volume_windows


def local_scale(section, size):
    "Every sample in standard deviations of its window-sized neighbourhood."
    mean = ndimage.uniform_filter(section, size, mode='nearest')
    spread = np.sqrt(
        np.maximum(
            ndimage.uniform_filter(section**2, size, mode='nearest') - mean**2,
            1e-12 * np.square(section).max() + 1e-30,
        )
    )
    return np.clip((section - mean) / spread, -3, 3).astype(np.float32)


def box_weights(cells, n, starts, size):
    """(len(starts), cells) float32: the mean over a box of a map of `cells` cells that is
    interpolated linearly over n positions."""
    x = (np.arange(n) + 0.5) * cells / n - 0.5
    at = np.clip(np.floor(x).astype(int), 0, max(cells - 2, 0))
    f = np.clip(x - at, 0, 1)
    w = np.zeros((n, cells))
    w[np.arange(n), at] = 1 - f
    if cells > 1:
        w[np.arange(n), at + 1] += f
    total = np.vstack([np.zeros((1, cells)), w.cumsum(0)])
    return ((total[starts + size] - total[starts]) / size).astype(np.float32)


def section_embeddings(encoder, section, windows):
    """(N, D) embeddings of windows (top, left, height, width; one size) from one pass over their
    section."""
    h, w = int(windows.height.iloc[0]), int(windows.width.iloc[0])
    m, pooled = encoder.module, 0
    x = torch.from_numpy(local_scale(section, (h, w)))[None, None]
    views = [(s, flip) for s in m.scales for flip in ((False, True) if m.mirror else (False,))]
    for scale, flip in views:
        size = [
            max(32, round(n * scale * a / b))
            for n, a, b in zip(x.shape[-2:], encoder.recipe.size, (h, w))
        ]
        view = torch.nn.functional.interpolate(
            x, size=size, mode='bilinear', antialias=True, align_corners=False
        )
        out = m.backbone(view.flip(-1) if flip else view).last_hidden_state
        out = out.flip(-1) if flip else out
        down, along = (
            torch.from_numpy(
                box_weights(out.shape[k], section.shape[k - 2], np.unique(windows[c]), n)
            )
            for k, c, n in ((2, 'top', h), (3, 'left', w))
        )
        grid = torch.einsum('tf,cfg,lg->tlc', down, out[0], along)
        pooled = (
            pooled
            + grid[
                np.searchsorted(np.unique(windows.top), windows.top),
                np.searchsorted(np.unique(windows.left), windows.left),
            ]
        )
    z = pooled / len(views)
    if m.neck is not None:
        z = m.neck(z)
    return torch.nn.functional.normalize(z if m.head is None else m.head(z), dim=-1).numpy()


def by_section(encoder, volume, frame):
    z = np.empty((len(frame), encoder.dim), np.float32)
    with torch.inference_mode():
        for (kind, number), g in frame.groupby(['line_kind', 'line']):
            z[g.index] = section_embeddings(encoder, volume.section(kind, int(number)), g)
    return z


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--lines', type=int, default=15)
    p.add_argument('--window', type=int, default=48)
    p.add_argument('--stride', type=int, default=24)
    p.add_argument('--boxes', type=int, default=5)
    p.add_argument(
        '--survey', help='folder of a survey of 300 x 300 x 400 samples that is there already'
    )
    a = p.parse_args()
    folder = Path(a.survey or tempfile.mkdtemp())
    if not (folder / 'survey.sgy').is_file():
        write_survey(folder, 0, 300, 300, 400)
    volume, truth, encoder = (
        open_volume(folder / 'survey.sgy'),
        np.load(folder / 'classes.npy', mmap_mode='r'),
        Encoder.load('refcon-tiny'),
    )
    w = a.window
    labels = pd.read_csv(folder / 'labels.csv')
    boxes = labels[labels.line_kind == 'inline'].groupby('label').head(a.boxes)
    frame = volume_windows(
        volume, (w, w), (a.stride, a.stride), 'inline', len(volume.inlines) // a.lines
    )
    asked = pd.DataFrame(
        [
            dict(
                frame.iloc[0],
                id=f'q{i}',
                line=r.line,
                top=min(max(r.top + r.height // 2 - w // 2, 0), volume.n_samples - w),
                left=min(max(r.left + r.width // 2 - w // 2, 0), len(volume.crosslines) - w),
            )
            for i, r in enumerate(boxes.itertuples())
        ]
    )
    share = lambda r: (
        np.bincount(
            np.asarray(
                truth[
                    np.searchsorted(volume.inlines, r.line), r.left : r.left + w, r.top : r.top + w
                ]
            ).ravel(),
            minlength=len(CLASSES),
        )
        / w**2
    )
    shares, rows = np.stack([share(r) for r in frame.itertuples()]), []

    def by_window(f):
        z, items, _ = embed_table(encoder, f)
        return z[pd.Index(items.id).get_indexer(f.id)]

    ways = {
        'a pass for each window': by_window,
        'a pass for each section': lambda f: by_section(encoder, volume, f),
    }
    for name, way in ways.items():
        t0 = time.perf_counter()
        z = way(frame)
        seconds = time.perf_counter() - t0
        q = way(asked)
        index = Index.for_encoder(encoder)
        index.add(z, frame)
        searcher = Searcher(index, encoder)
        scores = []
        for e, label in zip(q, boxes.label):
            k = CLASSES.index(label)
            right = shares[:, k] >= CLEAR[label]
            question = Question(searcher, Example(e, np.zeros((2, 2)), label))
            hits = searcher.hits(question, 20, 12, 20)
            scores.append(
                (
                    label,
                    right[pd.Index(frame.id).get_indexer(hits.id)].mean(),
                    roc_auc_score(right, searcher.score(question)[0]),
                )
            )
        s = pd.DataFrame(scores, columns=['label', 'p20', 'auc']).groupby('label').mean()
        four = s.loc[['Salt', 'Channel', 'Fault', 'Bright_Chaotic']]
        rows.append(
            {
                'way': name,
                'windows/s': len(frame) / seconds,
                'first 20 right': s.p20.mean(),
                'of the four bodies': four.p20.mean(),
                'area under ROC': s.auc.mean(),
                'of the bodies': four.auc.mean(),
            }
        )
    table = pd.DataFrame(rows)
    table['speed'] = table['windows/s'] / table['windows/s'].iloc[0]
    print(f"{len(frame):,} windows of {w} x {w} every {a.stride}, {encoder}")
    print(table.round(3).to_string(index=False))


if __name__ == '__main__':
    main()
