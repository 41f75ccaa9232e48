"""No two windows of different parts show the same place.

Random tables of rectangles on 2-D lines and 3-D surveys, and planted overlaps."""

import itertools

import numpy as np
import pandas as pd
import pytest

from reflection_connection.encoder import Encoder
from reflection_connection.run import adapt_encoder, loop_windows, train_encoder
from reflection_connection.synthetic import write_survey
from reflection_connection.volume import open_volume
from reflection_connection.windows import (
    GUARD,
    WindowError,
    WindowReader,
    load_labelled,
    near_any,
    near_groups,
    prove_disjoint,
    split_gap,
    split_labelled,
    split_windows,
    window_table,
)

CLASSES = ('Fault', 'Salt', 'Channel')


def rectangle(rng, survey, source, kind, line, n_across, n_samples, step=1):
    "A random rectangle on a line; on a 3-D survey line numbers go up by `step`."
    h, w = (int(rng.integers(8, 33)) for _ in range(2))
    top, left = int(rng.integers(n_samples - h + 1)), int(rng.integers(n_across - w + 1))
    across, own = (step * left, step * (left + w - 1)), (line, line)
    il, xl = (across, own) if kind in ('crossline', 'line') else (own, across)
    return dict(
        source=source,
        survey=survey,
        line_kind=kind,
        line=line,
        top=top,
        left=left,
        height=h,
        width=w,
        il0=il[0],
        il1=il[1],
        xl0=xl[0],
        xl1=xl[1],
        label=str(rng.choice(CLASSES)),
    )


def random_table(seed):
    "Up to three surveys of 2-D lines, or of inlines and crosslines numbered by 1, 2 or 10."
    rng, rows = np.random.default_rng(seed), []
    for survey in [f's{k}' for k in range(int(rng.integers(1, 4)))]:
        flat, step, n_lines = (
            rng.random() < 0.5,
            int(rng.choice([1, 2, 10])),
            int(rng.integers(1, 5)),
        )
        lines = [(f'{survey}-{k}.sgy', 'line', 0) for k in range(n_lines)]
        if not flat:
            lines = [
                (
                    f'{survey}.sgy',
                    str(rng.choice(['inline', 'crossline'])),
                    step * int(rng.integers(0, 200)),
                )
                for _ in range(n_lines)
            ]
        for source, kind, line in lines:
            rows += [
                rectangle(rng, survey, source, kind, line, 240, 160, 1 if flat else step)
                for _ in range(int(rng.integers(4, 20)))
            ]
    return window_table([r | {'id': f'w{k}'} for k, r in enumerate(rows)]), rng


def steps(frame):
    "Increment of the line numbers of each 3-D survey, as the table was made."
    return (
        frame[frame.width > 1]
        .assign(s=lambda f: np.maximum(f.il1 - f.il0, f.xl1 - f.xl0) / (f.width - 1))
        .groupby('survey')
        .s.min()
    )


def between(a, b, step):
    "Positions between two windows, by the definition; inf on different surveys or 2-D lines."
    flat = a.line_kind == 'line'
    if a.survey != b.survey or flat != (b.line_kind == 'line') or (flat and a.source != b.source):
        return np.inf
    z = lambda r: (r.top, r.top + r.height - 1)
    ends = lambda r: (
        [(r.left, r.left + r.width - 1), z(r)]
        if flat
        else [(r.il0 / step, r.il1 / step), (r.xl0 / step, r.xl1 / step), z(r)]
    )
    return max(max(q[0] - p[1], p[0] - q[1]) - 1 for p, q in zip(ends(a), ends(b)))


def shares_pixels(a, b):
    return (
        (a.source, a.line_kind, a.line) == (b.source, b.line_kind, b.line)
        and a.top < b.top + b.height
        and b.top < a.top + a.height
        and a.left < b.left + b.width
        and b.left < a.left + a.width
    )


@pytest.mark.parametrize('seed', range(40))
def test_windows_of_different_parts_are_apart(seed):
    frame, _ = random_table(seed)
    try:
        parts, how = split_windows(frame, seed=seed)
    except WindowError as e:
        assert 'on another survey or line, or farther apart' in str(e) and '\n' not in str(e)
        return
    used, step = parts[parts.split != 'guard'], steps(frame)
    for a, b in itertools.combinations(list(used.itertuples()), 2):
        if a.split == b.split:
            continue
        assert not shares_pixels(a, b), (how, a, b)
        assert between(a, b, step[a.survey]) >= GUARD, (how, a, b)
    assert {'train', 'valid'} <= set(used.split) and (
        used[used.split == 'train'].label.value_counts() >= 2
    ).sum() >= 2
    assert (used[used.split == 'valid'].label.value_counts() >= 2).any()
    if how == 'survey':
        assert used.groupby('survey').split.nunique().max() == 1 and len(used) == len(frame)
    if how == 'line':
        assert used.groupby(['source', 'line_kind', 'line']).split.nunique().max() == 1 and len(
            used
        ) == len(frame)
    least = min(
        (
            between(a, b, step[a.survey])
            for a, b in itertools.combinations(list(used.itertuples()), 2)
            if a.split != b.split
        ),
        default=np.inf,
    )
    assert (
        GUARD <= prove_disjoint(parts, GUARD) <= least + 1e-9
    )  # smaller where too few lines tell their increment
    if used.line_kind.eq('line').all():
        assert split_gap(parts) == pytest.approx(least)


def test_most_random_tables_can_be_split():
    "Refusing everything would be disjoint too."
    found = []
    for seed in range(40):
        try:
            found.append(
                set(split_windows(random_table(seed)[0], seed=seed)[0].split)
                >= {'train', 'valid', 'test'}
            )
        except WindowError:
            found.append(False)
    assert np.mean(found) >= 0.75, found


def grid(survey, source, tops, lefts, size=64, label=None):
    return [
        dict(
            source=source,
            survey=survey,
            line_kind='line',
            line=0,
            top=t,
            left=x,
            height=size,
            width=size,
            label=label or CLASSES[(i + k) % 3],
        )
        for i, t in enumerate(tops)
        for k, x in enumerate(lefts)
    ]


def table(rows):
    return window_table([r | {'id': f'w{k}'} for k, r in enumerate(rows)])


def planted(surveys):
    "Lines on which windows overlap by a half: split one by one, two sides share pixels."
    return table(
        [
            r
            for s in surveys
            for line in range(2)
            for r in grid(s, f'{s}{line}.npy', (0, 32), range(0, 400, 32))
        ]
    )


@pytest.mark.parametrize(
    'surveys, how', [('abcd', 'survey'), ('abc', 'survey'), ('a', 'block'), ('ab', 'line')]
)
def test_planted_overlaps_never_stand_on_two_sides(surveys, how):
    parts, found = split_windows(planted(surveys))
    assert (
        found == how
        and set(parts.split) >= {'train', 'valid', 'test'}
        and split_gap(parts) >= GUARD
    )
    for a, b in itertools.combinations(list(parts[parts.split != 'guard'].itertuples()), 2):
        assert a.split == b.split or not shares_pixels(a, b)


def test_two_surveys_without_a_test_part_are_split_by_survey():
    assert split_windows(planted('ab'), test=0.0)[1] == 'survey'


def test_a_survey_with_classes_that_no_other_has_stays_in_training():
    rows = [r for s in 'abcd' for r in grid(s, f'{s}.npy', (0, 100), range(0, 400, 100))] + grid(
        'c', 'c.npy', (200, 300), (0, 100), label='Only here'
    )
    for seed in range(5):
        assert (
            split_windows(table(rows), seed=seed)[0]
            .query('label == "Only here"')
            .split.eq('train')
            .all()
        )


def test_surveys_that_share_a_file_are_one():
    rows = [
        r
        for s in 'abcd'
        for r in grid(s, 'one.npy' if s in 'ab' else f'{s}.npy', (0, 100), range(0, 400, 100))
    ]
    parts, how = split_windows(table(rows))
    assert how == 'survey' and parts[parts.survey.isin(['a', 'b'])].split.nunique() == 1


def test_nothing_honest_left_is_refused():
    with pytest.raises(
        WindowError, match='leave none to validate on.*on another survey or line, or farther apart'
    ):
        split_windows(table(grid('a', 'a.npy', (0, 8, 16), range(0, 120, 8))))


def test_crossing_lines_and_neighbouring_inlines_are_near():
    def at(kind, line, left, survey='s'):
        own, across = (line, line), (left, left + 31)
        il, xl = (own, across) if kind == 'inline' else (across, own)
        return dict(
            source='s.sgy',
            survey=survey,
            line_kind=kind,
            line=line,
            top=0,
            left=left,
            height=16,
            width=32,
            il0=il[0],
            il1=il[1],
            xl0=xl[0],
            xl1=xl[1],
            label='Salt',
        )

    frame = table(
        [
            at('inline', 100, 200),
            at('crossline', 210, 90),
            at('inline', 106, 260),
            at('inline', 106, 220),
            at('inline', 300, 200),
        ]
    )
    groups = near_groups(frame)
    assert groups[0] == groups[1] == groups[3] and len(set(groups)) == 3
    assert near_any(frame[:1], frame[1:]).tolist() == [True] and near_any(
        frame[4:], frame[:4]
    ).tolist() == [False]
    by_ten = frame.assign(**{c: frame[c] * 10 for c in ('il0', 'il1', 'xl0', 'xl1', 'line')})
    assert (near_groups(by_ten) == groups).all()  # near by position, not by number


def test_a_test_part_that_is_given_keeps_its_distance(capsys):
    frame = planted('abcd').assign(split=pd.NA)
    frame.loc[frame.source == 'a0.npy', 'split'] = 'test'
    frame.loc[(frame.source == 'a0.npy') & (frame.left > 128), 'split'] = pd.NA
    made, how = split_labelled(WindowReader(frame), name='t.csv')
    said = capsys.readouterr().out
    assert 'of the test windows that were given' in said and f'split by {how}: ' in said
    assert prove_disjoint(made.frame, GUARD) >= GUARD


def test_loose_images_are_split_by_window_and_it_is_said(capsys):
    frame = table(
        [
            dict(
                source=f'{k}.png',
                line_kind='image',
                line=0,
                top=0,
                left=0,
                height=9,
                width=9,
                label=CLASSES[k % 3],
            )
            for k in range(30)
        ]
    )
    _, how = split_labelled(WindowReader(frame, arrays=[np.zeros((9, 9))] * 30))
    assert how == 'window' and 'near duplicates may be in two parts' in capsys.readouterr().out


def test_increments_come_from_the_volume_where_the_windows_do_not_tell(tmp_path):
    "Inlines by 1 of which every twentieth has labels: by their numbers alone, neighbours."
    path = write_survey(tmp_path, 3, 64, 160, 128)
    lines = open_volume(path).inlines[[0, 20, 40, 60]]
    rows = [
        dict(
            source=str(path),
            survey='s',
            line_kind='inline',
            line=int(n),
            top=t,
            left=x,
            height=32,
            width=32,
            label=CLASSES[i % 3],
        )
        for n in lines
        for i, (t, x) in enumerate(itertools.product((0, 64), (0, 60, 120)))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / 'labels.csv', index=False)
    made, how = load_labelled(tmp_path / 'labels.csv', path)
    assert how == 'line' and set(made.frame.split) == {'train', 'valid', 'test'}
    assert prove_disjoint(made.frame, GUARD, made.volume) == 19
    with pytest.raises(WindowError, match='leave none to validate on'):
        split_windows(made.frame.query('left < 32'))  # nothing but the numbers is known


@pytest.fixture(scope='module')
def lines(tmp_path_factory):
    "Two surveys of two 2-D lines with labelled windows that overlap by a half."
    folder = tmp_path_factory.mktemp('lines')
    rng, rows = np.random.default_rng(0), []
    for survey, line in itertools.product('ab', range(2)):
        np.save(folder / f'{survey}{line}.npy', rng.normal(size=(96, 400)).astype('f4'))
        rows += [
            dict(
                section=f'{survey}{line}',
                survey=survey,
                row0=t,
                row1=t + 32,
                col0=x,
                col1=x + 32,
                label=CLASSES[(i + k) % 3],
            )
            for i, t in enumerate((0, 16))
            for k, x in enumerate(range(0, 368, 16))
        ]
    pd.DataFrame(rows).to_csv(folder / 'labels.csv', index=False)
    return folder


def apart(*frames):
    whole = pd.concat([f.assign(split=str(k)) for k, f in enumerate(frames)], ignore_index=True)
    assert split_gap(whole) >= GUARD


def test_training_splits_lines_by_survey(lines, tmp_path, capsys):
    _, results = train_encoder(
        lines / 'labels.csv', 'resnet-tiny', lines, folder=tmp_path / 'e', steps=2
    )
    assert (
        results['split'] == 'survey'
        and 'split by survey: no survey is in two parts' in capsys.readouterr().out
    )


def test_folds_of_a_head_keep_windows_together_that_are_near(lines):
    from reflection_connection.run import label_folds

    frame = (
        load_labelled(lines / 'labels.csv', lines)[0]
        .frame.query('survey == "a"')
        .reset_index(drop=True)
    )
    thin = frame[frame.left % 96 < 32].reset_index(drop=True)
    folds = label_folds(thin, 'overlapping', 0)
    assert len(set(folds)) > 1
    apart(*(thin[folds == k] for k in set(folds)))


def test_windows_that_all_overlap_cannot_adapt_a_head(lines):
    from reflection_connection.run import RunError

    reader = load_labelled(lines / 'labels.csv', lines)[0]
    one = reader.subset((reader.frame.source == reader.frame.source[0]).to_numpy())
    with pytest.raises(RunError, match='label some farther apart'):
        adapt_encoder(Encoder.create('resnet-tiny'), one)


@pytest.mark.parametrize('judged', [(), ('b',)])
def test_the_parts_of_a_label_loop_are_apart(lines, judged):
    made = loop_windows(
        lines / 'labels.csv',
        lines,
        corpus=f'{lines}/a0.npy,{lines}/a1.npy',
        judged=judged,
        grid=((32, 32), (16, 16)),
        labels=5,
        valid=4,
    )
    for judge in ('valid', 'test'):
        for other in ('labelled', 'corpus'):
            if len(made[judge]):
                apart(made[judge].frame, made[other].frame)
    if judged:
        apart(made['valid'].frame, made['test'].frame)
    assert len(made['labelled']) and len(made['valid']) and len(made['corpus'])


def test_depth_separates_only_where_nothing_else_does():
    "Two inlines side by side: blocks above one another with a guard; far apart, whole lines."

    def labels(lines):
        return table(
            [
                dict(
                    source='s.sgy',
                    survey='s',
                    line_kind='inline',
                    line=n,
                    top=t,
                    left=x,
                    height=32,
                    width=32,
                    il0=n,
                    il1=n,
                    xl0=x,
                    xl1=x + 31,
                    label=CLASSES[(i + k) % 3],
                )
                for n in lines
                for i, t in enumerate(range(0, 600, 50))
                for k, x in enumerate((0, 20))
            ]
        )

    near, how = split_windows(labels((100, 103)))
    assert (
        how == 'block'
        and set(near.split) >= {'train', 'valid', 'test'}
        and prove_disjoint(near, GUARD) >= GUARD
    )
    far, how = split_windows(labels((100, 201, 303)))
    assert how == 'line' and far.groupby('line').split.nunique().max() == 1
