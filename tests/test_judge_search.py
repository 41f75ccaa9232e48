"A search is judged by what it finds elsewhere: the nearest windows in space are no finding."

import numpy as np
import pandas as pd
import pytest

from reflection_connection.encoder import Encoder
from reflection_connection.run import (
    ask_elsewhere,
    class_shares,
    judge_search,
    judged_table,
    questions,
)
from reflection_connection.search import Searcher, build_index
from reflection_connection.synthetic import CLASSES, CLEAR, write_survey
from reflection_connection.windows import Grid

SALT = CLASSES.index('Salt')
BODIES = [
    (12, 20, 40),
    (12, 100, 40),
    (28, 60, 120),
    (36, 140, 60),
    (20, 150, 120),
]  # inline, crossline and sample positions of their middles
RADII = (8, 14, 16)


@pytest.fixture(scope='module')
def survey(tmp_path_factory):
    """A survey of 48 x 176 x 160 samples with five bodies of salt in its class cube, indexed.
    A box on the first body asks."""
    folder = tmp_path_factory.mktemp('judge')
    path = write_survey(folder, 3, 48, 176, 160)
    classes = np.full((48, 176, 160), (SALT + 1) % len(CLASSES), np.int8)
    at = np.indices(classes.shape)
    for body in BODIES:
        classes[sum(((a - m) / r) ** 2 for a, m, r in zip(at, body, RADII)) <= 1] = SALT
    build_index(
        Encoder.load('refcon-tiny'),
        path,
        folder / 'index',
        Grid((24, 24), (8, 12), 'inline', 4),
        encoder_source='refcon-tiny',
    )
    searcher = Searcher.open(folder / 'index')
    asked = [
        dict(
            line_kind='inline',
            line=int(searcher.volume().inlines[12]),
            top=28,
            left=8,
            height=24,
            width=24,
            label='Salt',
            id='salt',
        )
    ]
    pd.DataFrame(asked).to_csv(folder / 'asked.csv', index=False)
    return searcher, questions(searcher, folder / 'asked.csv'), classes


def scored_by(searcher, monkeypatch, like):
    monkeypatch.setattr(Searcher, 'score', lambda self, question, smooth=None: (like, None))


def nearness(searcher):
    items, volume = searcher.index.items, searcher.volume()
    il = np.searchsorted(volume.inlines, items.il0)
    far = [
        (il - 12) / 24,
        (items.left.to_numpy(float) - 8) / 24,
        (items.top.to_numpy(float) - 28) / 24,
    ]
    return 1 / (1 + np.sqrt(sum(f**2 for f in far)))


def salt_share(searcher, classes):
    return class_shares(searcher.index.items, searcher.volume(), classes)[:, SALT]


def judge(survey, **how):
    searcher, asked, classes = survey
    return judge_search(searcher, asked, classes, 10, 2, 8, **({'away': 60.0} | how)).iloc[0]


def test_the_nearest_windows_in_space_are_no_finding(survey, monkeypatch):
    scored_by(survey[0], monkeypatch, nearness(survey[0]))
    all_, elsewhere = judge(survey, left_out='nothing'), judge(survey)
    assert all_.right > 3 * all_.chance  # what made it look good
    assert elsewhere.right <= elsewhere.chance + 0.1 and elsewhere.nearest <= elsewhere.chance + 0.1
    assert elsewhere.elsewhere >= 10 and elsewhere.auroc < 0.6


def test_a_search_that_knows_the_class_is_right(survey, monkeypatch):
    scored_by(survey[0], monkeypatch, salt_share(survey[0], survey[2]))
    found = judge(survey)
    assert found.right > 0.9 and found.nearest < 0.3 and found.auroc > 0.8


def test_right_is_clear_not_half_of_it(survey, monkeypatch):
    "A search that returns windows with half of what is asked for finds nothing."
    share = salt_share(survey[0], survey[2])
    half = (share >= CLEAR['Salt'] / 2) & (share < CLEAR['Salt'])
    scored_by(survey[0], monkeypatch, half.astype(float))
    assert half.sum() > 10 and judge(survey, left_out='nothing').right == 0


def test_near_is_counted_in_metres(survey, monkeypatch):
    scored_by(survey[0], monkeypatch, nearness(survey[0]))
    left = [judge(survey, left_out='near', away=a).elsewhere for a in (0.0, 200.0, 500.0)]
    assert left[0] > left[1] > left[2]
    searcher, asked, classes = survey
    items = searcher.index.items
    per_metre = 1 / 12.5
    first, last = 8 - 200 * per_metre, 8 + 24 + 200 * per_metre
    beyond = (
        (items.left + 24 <= first)
        | (items.left >= last)
        | (np.abs(np.searchsorted(searcher.volume().inlines, items.il0) - 12) > 200 * per_metre)
    )
    assert left[1] == (beyond.to_numpy() & (salt_share(searcher, classes) >= CLEAR['Salt'])).sum()


def test_a_class_that_is_one_body_is_not_judged(survey):
    searcher, asked, classes = survey
    one = np.where(np.arange(176)[None, :, None] < 40, classes, (SALT + 1) % len(CLASSES))
    found = judge_search(searcher, asked, one, 10, 2, 8, away=60.0)
    assert found.elsewhere[0] == 0 and found[['right', 'nearest', 'chance', 'auroc']].isna().all(
        axis=None
    )
    assert judged_table(found).judged['all classes'] == 0


def test_another_survey_is_asked_without_a_place(survey):
    searcher, asked, classes = survey
    moved = ask_elsewhere(searcher, asked)
    assert moved[0][2].places == [] and (moved[0][2].vector == asked[0][2].vector).all()
    found = judge_search(searcher, moved, classes, 10, 2, 8)
    assert np.isnan(found.nearest[0]) and found.right[0] >= 0
