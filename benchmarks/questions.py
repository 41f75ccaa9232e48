"""How to ask, and how to smooth an answer: python benchmarks/questions.py [--table windows.csv
--sections FOLDER] [--survey FOLDER]

1. Examples: average precision of all other windows, mean over classes, with 1 … 50 examples of each
   kind, for the mean of the positives, that minus a quarter or a half of the negatives' mean (the
   best wrong hits of the first question), and a logistic regression on both and as many random
   windows; on synthetic windows of surveys that the encoder has not seen, and on a table of
   labelled windows where one is given.
2. Smoothing: a survey of 300 x 300 x 400 samples, windows of 48 x 48 half a window apart on every
   fifth inline (every tenth with --every 10), five boxes for each of salt, channel, fault zone and
   chaotic unit, asked with one line and with five: first twenty hits more than 600 m from the box
   that are clearly of the class, the same for the nearest windows in space and by chance, area
   under ROC of the map."""

import argparse
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from reflection_connection.encoder import Encoder
from reflection_connection.run import judge_search, questions
from reflection_connection.search import Searcher, build_index, embed_table
from reflection_connection.synthetic import synthetic_reader, write_survey
from reflection_connection.windows import Grid, WindowReader, labelled_table

BODIES = ('Salt', 'Channel', 'Fault', 'Bright_Chaotic')


def ways(z, p, n, rng):
    "name -> scores of all windows."
    mean = lambda rows: z[rows].mean(0)
    yield 'mean', z @ mean(p)
    for share, name in ((0.25, 'mean - 1/4 negatives'), (0.5, 'mean - 1/2 negatives')):
        yield (
            name,
            z @ (mean(p) / np.linalg.norm(mean(p)) - share * mean(n) / np.linalg.norm(mean(n))),
        )
    rows = np.r_[p, n, rng.choice(len(z), len(p) + len(n))]
    y = np.r_[np.ones(len(p)), np.zeros(len(rows) - len(p))]
    yield (
        'logistic regression',
        LogisticRegression(class_weight='balanced', max_iter=1000)
        .fit(z[rows], y)
        .decision_function(z),
    )


def examples(encoder, reader, counts, draws=20):
    "Average precision by number of examples and way, macro over classes."
    z, items, _ = embed_table(encoder, reader)
    labels, rows = items.label.to_numpy(str), []
    for count in counts:
        for c in np.unique(labels):
            of = np.flatnonzero(labels == c)
            if len(of) <= count:
                continue
            for draw in range(draws):
                rng = np.random.default_rng([count, draw])
                p = rng.choice(of, count, replace=False)
                order = np.argsort(-(z @ z[p].mean(0)))
                n = order[labels[order] != c][:count]
                rest = np.setdiff1d(np.arange(len(z)), np.r_[p, n])
                rows += [
                    dict(
                        examples=count,
                        way=name,
                        ap=average_precision_score(labels[rest] == c, s[rest]),
                        c=c,
                    )
                    for name, s in ways(z, p, n, rng)
                ]
    return (
        pd.DataFrame(rows)
        .groupby(['way', 'examples', 'c'], sort=False)
        .ap.mean()
        .groupby(['way', 'examples'], sort=False)
        .mean()
        .unstack()
    )


def smoothing(encoder, folder, every, per_class):
    "Right hits and map AUROC by smoothing and number of lines asked."
    if not (folder / 'survey.sgy').is_file():
        write_survey(folder, 0, 300, 300, 400)
    index = build_index(
        encoder,
        folder / 'survey.sgy',
        folder / f'index-{every}',
        Grid((48, 48), (24, 24), 'inline', every),
        encoder_source=encoder.name,
    )[0]
    truth, boxes, rows = (
        np.load(folder / 'classes.npy', mmap_mode='r'),
        pd.read_csv(folder / 'labels.csv'),
        [],
    )
    boxes = boxes[(boxes.line_kind == 'inline') & boxes.label.isin(BODIES)]
    boxes.to_csv(folder / 'asked.csv', index=False)
    box, score = Searcher.box, Searcher.score
    for lines in (1, 5):
        with patch.object(
            Searcher,
            'box',
            lambda self, *a, **k: box(self, *a, **(k | ({'beside': 0} if lines == 1 else {}))),
        ):
            searcher = Searcher(index, encoder)
            asked = questions(searcher, folder / 'asked.csv', per_class, (48, 48))
        for sigma in (None, (0.6, 0.3, 0.3), (2.0, 1.0, 1.0), (4.0, 1.5, 1.5)):
            with patch.object(
                Searcher, 'score', lambda self, question, how=None: score(self, question, sigma)
            ):
                judged = judge_search(searcher, asked, truth, left_out='near')
            rows.append(
                dict(
                    lines_asked=lines,
                    smoothing=str(sigma),
                    right=judged.groupby('label').right.mean().mean(),
                    nearest=judged.groupby('label').nearest.mean().mean(),
                    chance=judged.groupby('label').chance.mean().mean(),
                    auroc=judged.groupby('label').auroc.mean().mean(),
                )
            )
    return pd.DataFrame(rows)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--table')
    p.add_argument('--sections')
    p.add_argument('--survey')
    p.add_argument('--every', type=int, default=5)
    p.add_argument('--per-class', type=int, default=5)
    a = p.parse_args()
    encoder = Encoder.load('refcon-tiny')
    print('synthetic windows of unseen surveys')
    print(
        examples(encoder, synthetic_reader(150, 77, surveys=12), (1, 3, 8, 20, 50))
        .round(3)
        .to_string()
    )
    if a.table:
        print('\nlabelled windows of', Path(a.table).name)
        print(
            examples(encoder, WindowReader(labelled_table(a.table, a.sections)), (1, 3, 8))
            .round(3)
            .to_string()
        )
    folder = Path(a.survey or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print(f'\nsmoothing, every {a.every}th inline')
    print(smoothing(encoder, folder, a.every, a.per_class).round(3).to_string(index=False))


if __name__ == '__main__':
    main()
