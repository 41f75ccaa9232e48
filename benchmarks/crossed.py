"""Does a place seen along both directions find more of what is right than one direction does?

python benchmarks/crossed.py [--surveys 3] [--folder FOLDER] [--out benchmarks/results/crossed.json]

Synthetic surveys of 240 x 240 x 288 samples, whose class is known at every sample. A place is the
middle of a window of 48 x 48 on every eighth inline, 16 traces and 24 samples apart. Through it go
the window on its inline, the one on its crossline, and the one on its time slice, all of 48 bins
(shifted inwards where the survey ends). Boxes from the surveys' labels ask, on inlines and on
crosslines; each is seen in all three directions too, with four neighbouring lines, as a search
does it. The ways to put directions together differ in nothing else: places, smoothing, separation
of hits and judge are the same.

Judged twice: in the box's own survey without what lies within 600 m of the box, and in the next
survey, where all is elsewhere. A hit is right when the class fills the share of the window that
`synthetic.CLEAR` asks, in the mean of the inline and the crossline window; `right_own` counts the
window in the direction of the box alone. Intervals are 95 % of Student's t over surveys."""

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from reflection_connection.encoder import Encoder
from reflection_connection.evaluation import auroc
from reflection_connection.run import near_zone
from reflection_connection.search import HITS, MAPS, Example, Index, Question, Searcher, unit_mean
from reflection_connection.synthetic import CLASSES, CLEAR, write_survey
from reflection_connection.volume import open_volume
from reflection_connection.windows import volume_windows

SHAPE = (240, 240, 288)  # inlines, crosslines, samples
SIZE = 48  # of a window: bins and samples
HALF = SIZE // 2
STRIDE = (24, 16)  # samples and traces
EVERY = 8  # inlines
K = 20  # hits
APART = (
    16,
    32,
    24,
)  # inlines, crosslines, samples: a worse hit nearer than all three is no new one
AWAY = 600.0  # metres
DIRECTIONS = ('inline', 'crossline', 'slice')


def starts(middles, n):
    "First positions of windows around middles, shifted inwards where n positions end."
    return np.clip(np.asarray(middles, int) - HALF, 0, n - SIZE)


def cuts(cube, middles, direction):
    "Windows (SIZE, SIZE) through middles (N, 3) of a cube, in one direction."
    first = np.stack([starts(middles[:, a], n) for a, n in enumerate(cube.shape)], 1)
    for (i, j, t), (i0, j0, t0) in zip(middles, first):
        if direction == 'inline':
            yield cube[i, j0 : j0 + SIZE, t0 : t0 + SIZE].T
        elif direction == 'crossline':
            yield cube[i0 : i0 + SIZE, j, t0 : t0 + SIZE].T
        else:
            yield cube[i0 : i0 + SIZE, j0 : j0 + SIZE, t]


def unit_rows(encoder, z):
    "Each row brought to unit length, kind and look by themselves."
    return np.stack([unit_mean(encoder, row) for row in z])


@dataclass
class Seen:
    "One survey: its windows, their embeddings by direction, and what they show."

    volume: object
    classes: np.ndarray  # (n_inlines, n_crosslines, n_samples)
    items: pd.DataFrame  # the places, as windows on inlines
    middles: np.ndarray  # (N, 3)
    z: dict  # direction -> (N, D)
    shares: dict  # direction -> (N, 8) share of each class
    seconds: dict  # of embedding, by direction
    cube: np.ndarray


def middles_of(items, volume):
    "Middles (N, 3) of windows on inlines, in positions of the cube."
    lines = np.searchsorted(volume.inlines, items.line)
    return np.stack([lines, items.left + HALF, items.top + HALF], 1).astype(int)


def load_cube(volume):
    return np.stack([volume.section('inline', int(n)).T for n in volume.inlines])


def shares_of(classes, middles, direction):
    "Share (N, 8) of each class in windows."
    found = [
        np.bincount(cut.ravel(), minlength=len(CLASSES))
        for cut in cuts(classes, middles, direction)
    ]
    return np.stack(found).astype(np.float32) / SIZE**2


def embedded(encoder, cube, middles, direction, file):
    "Embeddings (N, D) of windows in one direction and the seconds they took; kept in a file."
    if file.is_file():
        kept = np.load(file)
        return kept['z'], float(kept['seconds'])
    began = time.perf_counter()
    z = encoder.embed(list(cuts(cube, middles, direction)))
    seconds = time.perf_counter() - began
    np.savez(file, z=z, seconds=seconds)
    return z, seconds


def see(encoder, folder, seed, every=EVERY):
    "A survey, made where it is not there, with everything embedded."
    folder = Path(folder) / f'survey-{seed}'
    if not (folder / 'labels.csv').is_file():
        write_survey(folder, seed, *SHAPE)
    volume = open_volume(folder / 'survey.sgy')
    classes, cube = np.load(folder / 'classes.npy'), load_cube(volume)
    items = volume_windows(volume, (SIZE, SIZE), STRIDE, 'inline', every)
    middles, z, seconds = middles_of(items, volume), {}, {}
    wanted = DIRECTIONS if every == EVERY else DIRECTIONS[:1]
    for direction in wanted:
        file = folder / f'{direction}-{every}.npz'
        z[direction], seconds[direction] = embedded(encoder, cube, middles, direction, file)
    shares = {d: shares_of(classes, middles, d) for d in ('inline', 'crossline')}
    return Seen(volume, classes, items, middles, z, shares, seconds, cube)


def first_apart(scores, middles, k=K):
    "Positions of the best places of which no two are near each other; none with a score below 0."
    order, taken = np.argsort(-scores, kind='stable'), []
    order = order[scores[order] >= 0]
    while len(order) and len(taken) < k:
        taken.append(order[0])
        far = (np.abs(middles[order] - middles[order[0]]) >= APART).any(1)
        order = order[far]
    return np.array(taken, int)


def searcher_of(encoder, seen):
    index = Index.for_encoder(encoder)
    index.add(seen.z['inline'], seen.items)
    return Searcher(index, encoder)


@dataclass
class Box:
    "What asks: a box on a line, seen in every direction."

    label: str
    kind: str  # 'inline' or 'crossline'
    place: dict
    middle: np.ndarray  # (3,)
    z: dict  # direction -> (D,)


def beside(middle, direction, shape):
    "The middle, and up to four more on lines at most a sixth of the window away."
    axis = DIRECTIONS.index(direction)
    steps = np.round(SIZE // 6 * np.array([0, -1, -0.5, 0.5, 1])).astype(int)
    moved = np.tile(middle, (5, 1))
    moved[:, axis] += steps
    inside = (moved[:, axis] >= 0) & (moved[:, axis] < shape[axis])
    return moved[inside]


def boxes(encoder, seen, per_class):
    "Boxes of a survey's labels, the first of each class and line type."
    labels = pd.read_csv(Path(seen.volume.path).parent / 'labels.csv')
    out = []
    for row in labels.groupby(['label', 'line_kind']).head(per_class).itertuples():
        at = int(np.searchsorted(seen.volume.lines(row.line_kind), row.line))
        along, down = row.left + HALF, row.top + HALF
        middle = (at, along, down) if row.line_kind == 'inline' else (along, at, down)
        z = {}
        for direction in DIRECTIONS:
            around = beside(middle, direction, seen.cube.shape)
            windows = list(cuts(seen.cube, around, direction))
            z[direction] = unit_mean(encoder, encoder.embed(windows).mean(0))
        place = dict(source=str(seen.volume.path), line_kind=row.line_kind, line=int(row.line))
        place |= dict(top=row.top, left=row.left, height=SIZE, width=SIZE)
        out.append(Box(row.label, row.line_kind, place, np.array(middle), z))
    return out


def ways(encoder, box, z, means):
    "name -> similarity (N,) of every place to a box; `means`: mean embeddings of places."
    s = {d: z[d] @ box.z[d] for d in DIRECTIONS}
    other = 'crossline' if box.kind == 'inline' else 'inline'
    both, three = DIRECTIONS[:2], DIRECTIONS
    query = lambda of: unit_mean(encoder, np.mean([box.z[d] for d in of], 0))
    return {
        'inlines': z['inline'] @ box.z[box.kind],
        'own direction': s[box.kind],
        'other direction': s[other],
        'time slices': s['slice'],
        'both as separate windows': np.maximum(*(z[d] @ box.z[box.kind] for d in both)),
        'mean embedding': means[both] @ query(both),
        'sum of similarities': (s['inline'] + s['crossline']) / 2,
        'greater similarity': np.maximum(s['inline'], s['crossline']),
        'smaller similarity': np.minimum(s['inline'], s['crossline']),
        'mean embedding, with slices': means[three] @ query(three),
        'sum of similarities, with slices': sum(s.values()) / 3,
    }


@dataclass
class Judge:
    "Judges similarities of the places of one survey."

    encoder: object
    seen: Seen

    def __post_init__(self):
        self.searcher = searcher_of(self.encoder, self.seen)
        self.lines = self.seen.volume.inlines[10::20]

    def question(self, box, elsewhere):
        example = Example(
            box.z['inline'], np.zeros((2, 2)), 'box', None if elsewhere else box.place
        )
        return Question(self.searcher, example)

    def zone(self, box, question, elsewhere):
        "What does not count (n_inlines, n_crosslines, n_samples)."
        if elsewhere:
            return np.broadcast_to(False, self.seen.classes.shape)
        return near_zone(question, self.seen.volume, AWAY)

    def map_auroc(self, values, c, zone):
        "Area under ROC of the similarity volume on 12 inlines, every fourth trace and sample."
        grid, found, truth = self.searcher.window_grid(None, 'inline'), [], []
        for number in self.lines:
            i = int(np.searchsorted(self.seen.volume.inlines, number))
            section = grid.line(values, 'inline', int(number))[::4, ::4]
            counts = np.isfinite(section) & ~zone[i].T[::4, ::4]
            found.append(section[counts])
            truth.append((self.seen.classes[i].T[::4, ::4] == c)[counts])
        y = np.concatenate(truth)
        return auroc(y, np.concatenate(found)) if 0 < y.sum() < len(y) else np.nan

    def __call__(self, box, similarities, elsewhere):
        "A row of figures for each way."
        c, question = CLASSES.index(box.label), self.question(box, elsewhere)
        zone, rows = self.zone(box, question, elsewhere), []
        out = zone[tuple(self.seen.middles.T)]
        shares = {d: s[:, c] for d, s in self.seen.shares.items()}
        own = shares[box.kind] >= CLEAR[box.label]
        good = (shares['inline'] + shares['crossline']) / 2 >= CLEAR[box.label]
        middles = self.seen.middles
        if len(first_apart(np.where(good & ~out, 0.0, -1.0), middles)) < K:
            return []  # not so many right places can be found
        for way, values in similarities.items():
            scores = np.where(out, -1.0, self.searcher.smoothed(values, HITS))
            at = first_apart(scores, middles)
            area = self.map_auroc(self.searcher.smoothed(values, MAPS), c, zone)
            figures = dict(right=good[at].mean(), right_own=own[at].mean(), auroc=area)
            rows.append(dict(way=way) | figures | dict(chance=good[~out].mean()))
        return rows


def measured(encoder, folder, seed, following, per_class):
    "A row for each box, way and place of judgement: one survey, asked by itself and by the next."
    seen, asker = see(encoder, folder, seed), see(encoder, folder, following)
    z, judge, rows = seen.z, Judge(encoder, seen), []
    pairs = DIRECTIONS[:2], DIRECTIONS
    means = {p: unit_rows(encoder, np.mean([z[d] for d in p], 0)) for p in pairs}
    for where, other in (('own survey', seen), ('another survey', asker)):
        for k, box in enumerate(boxes(encoder, other, per_class)):
            named = dict(survey=seed, box=k, label=box.label, drawn_on=box.kind, where=where)
            found = judge(box, ways(encoder, box, z, means), where == 'another survey')
            rows += [named | row for row in found]
    return pd.DataFrame(rows)


def both_kinds(encoder, seen):
    """A searcher over windows on every eighth inline and crossline, as `refcon index --lines both`
    makes it, their middles, and the share of each class in the windows."""
    volume = seen.volume
    items = volume_windows(volume, (SIZE, SIZE), STRIDE, 'crossline', EVERY)
    lines = np.searchsorted(volume.crosslines, items.line)
    middles = np.stack([items.left + HALF, lines, items.top + HALF], 1).astype(int)
    file = Path(volume.path).parent / f'crosslines-{EVERY}.npz'
    z, _ = embedded(encoder, seen.cube, middles, 'crossline', file)
    index = Index.for_encoder(encoder)
    index.add(np.concatenate([seen.z['inline'], z]), pd.concat([seen.items, items]))
    shares = [seen.shares['inline'], shares_of(seen.classes, middles, 'crossline')]
    return Searcher(index, encoder), np.concatenate([seen.middles, middles]), np.concatenate(shares)


def corners(place):
    top, left = place['top'], place['left']
    return top, left, top + place['height'], left + place['width']


@dataclass
class Search:
    "Judges what a search answers, for boxes seen on one line type and on both."

    encoder: object
    seen: Seen

    def __post_init__(self):
        self.searcher, self.middles, self.shares = both_kinds(self.encoder, self.seen)
        self.judge = Judge(self.encoder, self.seen)

    def example(self, box, across):
        return self.searcher.box(box.kind, box.place['line'], corners(box.place), across=across)

    def __call__(self, box, example, elsewhere):
        "Figures of one box."
        if elsewhere:
            example = replace(example, place=None)
        question, c = Question(self.searcher, example), CLASSES.index(box.label)
        zone = self.judge.zone(box, question, elsewhere)
        good, out = self.shares[:, c] >= CLEAR[box.label], zone[tuple(self.middles.T)]
        if len(first_apart(np.where(good & ~out, 0.0, -1.0), self.middles)) < K:
            return None
        scores, chances = self.searcher.score(question)
        at = first_apart(np.where(out, -1.0, scores), self.middles)
        inlines = self.searcher.score(question, MAPS).similarity[: len(self.seen.items)]
        area = self.judge.map_auroc(inlines, c, zone)
        stated = chances[at].mean() if chances is not None else np.nan
        return dict(right=good[at].mean(), auroc=area, stated=stated)


def searched(encoder, folder, seed, following, per_class):
    "A row for each box of a survey, way to ask, and place of judgement, through `Searcher`."
    own, other = (Search(encoder, see(encoder, folder, s)) for s in (seed, following))
    asked, rows = boxes(encoder, own.seen, per_class), []
    for (k, box), across in itertools.product(enumerate(asked), (False, True)):
        example = own.example(box, across)
        named = dict(survey=seed, box=k, label=box.label, drawn_on=box.kind)
        named['way'] = 'seen on both' if across else 'as drawn'
        for where, there in (('own survey', own), ('another survey', other)):
            if found := there(box, example, there is other):
                rows.append(named | dict(where=where) | found)
    return pd.DataFrame(rows)


def of_all(make, name, encoder, folder, pairs, per_class):
    "The tables of all surveys, each with the one that is asked besides; kept in files of that name."
    tables = []
    for seed, following in pairs:
        asked = encoder, folder, seed, following, per_class
        tables.append(kept(folder / f'{name}-{seed}.csv', lambda: make(*asked)))
    return pd.concat(tables, ignore_index=True)


def interval(values):
    "(mean, lower, upper) of the values of surveys, 95 % of Student's t."
    values = values.dropna()
    half = stats.t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5
    return [round(float(v), 3) for v in (values.mean(), values.mean() - half, values.mean() + half)]


BASES = ('inlines', 'own direction', 'both as separate windows')


def by_survey(rows, figure):
    "Means (where, drawn_on, way; survey) by label, 'all classes' and boxes on 'either' included."
    keys = ['where', 'drawn_on', 'way', 'label', 'survey']
    means = rows.groupby(keys)[figure].mean()
    either = means.groupby([k for k in keys if k != 'drawn_on']).mean()
    either = pd.concat({'either': either}, names=['drawn_on']).reorder_levels(keys)
    table = pd.concat([means, either]).unstack('label')
    return table.assign(**{'all classes': table.mean(axis=1)})


def summary(rows, figure, bases=BASES):
    "Mean of each way and its gain over each of `BASES`, with intervals over surveys."
    out, means = [], by_survey(rows, figure)
    for (where, drawn), part in means.groupby(level=['where', 'drawn_on']):
        part = part.droplevel(['where', 'drawn_on'])
        for way, label in itertools.product(part.index.unique('way'), part):
            values = part.loc[way][label]
            if values.notna().sum() < 3:
                continue
            row = dict(where=where, drawn_on=drawn, way=way, label=label, figure=figure)
            gains = {base: interval(values - part.loc[base][label]) for base in bases}
            surveys = int(values.notna().sum())
            out.append(row | dict(surveys=surveys, mean=interval(values), gain=gains))
    return out


def kept(file, make):
    "A table from a file; made and written where there is none."
    if not file.is_file():
        make().to_csv(file, index=False)
    return pd.read_csv(file)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--surveys', type=int, default=3)
    p.add_argument('--per-class', type=int, default=2, help='boxes of each class and line type')
    p.add_argument('--searched', type=int, default=3, help='surveys asked through Searcher, too')
    p.add_argument('--folder', help='where surveys and embeddings are kept')
    p.add_argument('--out', default='benchmarks/results/crossed.json')
    a = p.parse_args()
    folder = Path(a.folder or tempfile.mkdtemp())
    seeds = list(range(a.surveys))
    encoder = Encoder.load('refcon-tiny')
    pairs = [(seed, seed + 1) for seed in seeds]
    rows = of_all(measured, 'rows', encoder, folder, pairs, a.per_class)
    ring = [(seed, (seed + 1) % a.searched) for seed in range(a.searched)]
    asked = of_all(searched, 'searched', encoder, folder, ring, 1)
    found = [row for figure in ('right', 'right_own', 'auroc') for row in summary(rows, figure)]
    boxes_judged = (
        rows.drop_duplicates(['survey', 'box', 'where']).groupby(['where', 'drawn_on']).size()
    )
    judged = {' / '.join(key): int(n) for key, n in boxes_judged.items()}
    figures = ('right', 'auroc', 'stated')
    search = [row for figure in figures for row in summary(asked, figure, ('as drawn',))]
    facts = dict(
        surveys=len(seeds), searched=len(ring), shape=SHAPE, boxes_judged=judged, k=K, away=AWAY
    )
    Path(a.out).write_text(json.dumps(facts | dict(found=found, search=search)) + '\n')
    table = pd.DataFrame(found)
    table = table[(table.label == 'all classes') & (table.figure != 'right_own')]
    table['gain'] = [g['both as separate windows'] for g in table.gain]
    print(table.drop(columns=['label']).to_string(index=False))


if __name__ == '__main__':
    main()
