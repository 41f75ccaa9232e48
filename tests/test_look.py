"""Queries that weigh kind and look: one index, whatever its kind, answers them all.

Embeddings are made of known parts, so the answers are known."""

import json

import numpy as np
import pandas as pd
import pytest

KINDS, LOOKS, OWN = (
    8,
    200,
    0.3,
)  # groups that the windows lie in, and the encoder's own weight of look
N = 4000


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def around(rng, groups, which, dim, spread):
    "(len(which), dim) unit vectors, each near the centre of its group."
    centres = unit(rng.normal(size=(groups, dim)))
    return unit(centres[which] + spread * rng.normal(size=(len(which), dim)))


class Parts:
    "Windows of known kind and look, and an encoder whose embeddings they could be."

    def __init__(self):
        from reflection_connection.encoder import Encoder
        from reflection_connection.windows import Recipe, window_table

        rng = np.random.default_rng(0)
        self.kinds, self.looks = np.arange(N) % KINDS, rng.permutation(N) % LOOKS
        self.kind, self.look = (
            around(rng, KINDS, self.kinds, 16, 0.1),
            around(rng, LOOKS, self.looks, 24, 0.1),
        )
        self.z = np.concatenate([(1 - OWN) ** 0.5 * self.kind, OWN**0.5 * self.look], 1).astype(
            np.float32
        )
        self.encoder = Encoder.create(
            'resnet-tiny',
            Recipe(size=(32, 32)),
            head_dim=16,
            embedding_size=8,
            hidden_sizes=[8, 16, 32, 64],
            depths=[1, 1, 1, 1],
        ).add_look(24, OWN)
        place = dict(
            source='s.sgy',
            line_kind='inline',
            line=1 + np.arange(N) // 40,
            top=8 * (np.arange(N) % 40),
            left=0,
            height=16,
            width=16,
        )
        self.items = window_table(pd.DataFrame({'id': [f'w{i}' for i in range(N)], **place}))

    def similarity(self, i, look):
        "(N,) of window i to all."
        look = OWN if look is None else look
        return (1 - look) * self.kind @ self.kind[i] + look * self.look @ self.look[i]

    def index(self, folder, kind):
        "An index of some kind, tuned as `build_index` does it."
        import faiss

        from reflection_connection.search import Index, Shards, weigher
        from reflection_connection.search.tuning import fill_index

        if kind == 'pq':  # coarser codes than tuning would take
            index = Index.for_encoder(self.encoder, 'ivfpq', n=N, codes='PQ20x4np')
            index.add(self.z, self.items)
            index.use_settings({'nprobe': index.faiss.nlist})
            return index
        np.savez(folder / 'z.npz', z=self.z)
        index = Index.for_encoder(self.encoder, kind, n=N)
        settings = fill_index(
            index, Shards([folder / 'z.npz']), folder / 'index.faiss', weigher(self.encoder)
        )
        index.faiss, index.items = (
            faiss.read_index(str(folder / 'index.faiss')),
            self.items.assign(line_kind='image'),
        )
        index.use_settings(settings)
        index.save(folder / 'index')
        kept = Index.load(folder / 'index')  # with its settings
        kept.items = self.items
        return kept


@pytest.fixture(scope='module')
def parts():
    return Parts()


@pytest.fixture(scope='module')
def searcher(parts):
    from reflection_connection.search import Index, Searcher, fit_probability

    index = Index.for_encoder(parts.encoder)
    index.add(parts.z, parts.items.assign(line_kind='image'))
    parts.encoder.calibration = fit_probability(
        [0.01, 0.02, 0.03, 0.2, 0.3], [True, True, False, False, False]
    )
    return Searcher(index, parts.encoder)


def example(z):
    from reflection_connection.search import Example

    return Example(z, np.zeros((8, 8)), 'made up')


@pytest.mark.parametrize(
    'kind, rounding',
    [('flat', 1e-5), ('fp16', 2e-3), ('hnsw', 1e-5), ('ivf', 1e-5), ('ivfpq', 0.03), ('pq', 0.35)],
)
def test_one_index_answers_every_weight(parts, tmp_path, kind, rounding):
    index = parts.index(tmp_path, kind)
    asked = np.arange(0, N, 100)
    for look in (0.0, None, 0.5, 1.0):
        q = parts.encoder.weigh(parts.z[asked], look)
        distance, rows = index.search(q, 10)
        exact = np.stack([parts.similarity(i, look) for i in asked])
        np.testing.assert_allclose(
            1 - distance, np.take_along_axis(exact, rows, 1).clip(max=1), atol=rounding
        )
        found = [len(set(r) & set(np.argsort(-e)[:10])) / 10 for r, e in zip(rows, exact)]
        assert np.mean(found) > (0.9 if kind != 'pq' else 0.1)
        same = dict(
            kind=parts.kinds[rows] == parts.kinds[asked, None],
            look=parts.looks[rows] == parts.looks[asked, None],
        )
        if look == 0:
            assert same['kind'].mean() > 0.99 and same['look'].mean() < 0.3
        if look == 1:
            assert same['look'].mean() > 0.95 and same['kind'].mean() < 0.3


def test_near_duplicates_and_similarity(parts, tmp_path):
    "Hits of a vector are those of the distances that it stands for; none shows the place of a better one."
    from reflection_connection.search import HIT_COLUMNS, SearchError, overlaps

    index = parts.index(tmp_path, 'flat')
    for look in (0.0, None, 1.0):
        by_vector = index.hits(parts.encoder.weigh(parts.z[7], look), 12, min_separation=2)
        by_distance = index.hits(1 - parts.similarity(7, look), 12, min_separation=2, scored=True)
        assert by_vector.id.tolist() == by_distance.id.tolist() and list(by_vector)[
            : len(HIT_COLUMNS)
        ] == list(HIT_COLUMNS)
        np.testing.assert_allclose(by_vector.similarity, 1 - by_vector.distance, atol=1e-6)
        for i in range(1, 12):
            assert not overlaps(by_vector.iloc[i], by_vector.iloc[:i], 2).any()
    for wrong, why in ((0.5, 'Encoder.weigh'), (4.0, 'a similarity of'), (np.nan, 'Encoder.weigh')):
        with pytest.raises(SearchError, match=why):
            index.hits(wrong * parts.z[7], 3)


def test_look_alone_and_kind_alone(parts, searcher):
    "What a question does not weigh has no say: not of the examples meant, nor of those not meant."
    from reflection_connection.search import Question

    rng = np.random.default_rng(1)
    other = lambda rows, keep: [
        np.concatenate([k, o])
        for k, o in zip(
            parts.z[rows if keep == 'kind' else rng.permutation(N)[: len(rows)], :16],
            parts.z[rows if keep == 'look' else rng.permutation(N)[: len(rows)], 16:],
        )
    ]
    ask = lambda z, look: Question(
        searcher, list(map(example, z[:3])), list(map(example, z[3:])), look=look
    )
    rows = np.array([3, 11, 19, 40, 41])  # three meant, two not
    for look, keep in ((0.0, 'kind'), (1.0, 'look')):
        a, b = ask(parts.z[rows], look), ask(other(rows, keep), look)
        np.testing.assert_allclose(a.likeness(), b.likeness(), atol=1e-5)
        np.testing.assert_allclose(a.probability(), b.probability(), atol=1e-4)
    q = ask(parts.z[rows], 0.7).vector
    mean = lambda z: unit(z[rows[:3]].mean(0) - 0.25 * z[rows[3:]].mean(0))
    np.testing.assert_allclose(
        q @ parts.z.T,
        0.3 * parts.kind @ mean(parts.kind) + 0.7 * parts.look @ mean(parts.look),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        ask(parts.z[rows], OWN).vector, ask(parts.z[rows], None).vector, atol=1e-6
    )


def test_likeness_and_probability(parts, searcher):
    "At every weight likeness lies in [0, 1], and a window that is farther away is no more probable."
    from reflection_connection.encoder import Encoder, EncoderError
    from reflection_connection.search import Question, Searcher

    for look in (0.0, 0.3, None, 0.5, 1.0):
        question = Question(searcher, example(parts.z[7]), look=look)
        like, p = question.likeness(), question.probability()
        np.testing.assert_allclose(like, parts.similarity(7, look).clip(0, 1), atol=1e-5)
        assert (np.diff(p[np.argsort(-(parts.z @ question.vector), kind='stable')]) <= 1e-9).all()
        hits = searcher.hits(question, 5)
        assert hits.id[0] == 'w7' and np.allclose(
            hits.similarity, like[[int(i[1:]) for i in hits.id]], atol=1e-6
        )
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(EncoderError, match='from 0'):
            Question(searcher, example(parts.z[7]), look=wrong)
    from reflection_connection.search import Index

    plain = Encoder.create('resnet-tiny', head_dim=40)
    index = Index.for_encoder(plain)
    index.add(parts.z, parts.items.assign(line_kind='image'))
    with pytest.raises(EncoderError, match='leave look out'):
        Question(Searcher(index, plain), example(parts.z[7]), look=0.5)


def test_runs_keep_the_weight(searcher, tmp_path):
    "Questions of a run, and the same questions to another survey."
    from PIL import Image

    from reflection_connection.run import ask_elsewhere, questions

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)).save(
        tmp_path / 'asked.png'
    )
    ((name, label, question),) = asked = questions(searcher, tmp_path / 'asked.png', look=1.0)
    ((_, _, moved),) = ask_elsewhere(searcher, asked)
    assert (
        question.look == moved.look == 1
        and (question.vector == moved.vector).all()
        and not question.vector[:16].any()
    )


@pytest.fixture(scope='module')
def work(tmp_path_factory, parts, refcon):
    "A survey that an encoder of two parts indexed."
    from reflection_connection.synthetic import write_survey

    folder = tmp_path_factory.mktemp('look')
    parts.encoder.save(folder / 'encoder')
    write_survey(folder / 'survey', seed=0, n_inlines=12, n_crosslines=128, n_samples=160)
    done = refcon(
        'index',
        folder / 'survey' / 'survey.sgy',
        '--encoder',
        folder / 'encoder',
        '--out',
        folder / 'index',
        '--window',
        48,
        48,
        '--stride',
        24,
        24,
        '--lines',
        'inline',
        '--every',
        3,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_command_line(refcon, work, encoder_folder):
    from reflection_connection.volume import open_volume

    line = int(open_volume(work / 'survey' / 'survey.sgy').inlines[3])
    box = ('--inline', line, '--box', 40, 24, 88, 72)
    ask = lambda *more: refcon('search', work / 'index', *more, '--k', 5, '--json')
    hits, maps = {}, {}
    for look in (None, OWN, 0, 1):
        out = work / f'{look}.npy'
        done = ask(*box, '--map', out, *([] if look is None else ['--look', look]))
        assert done.returncode == 0, done.stderr
        hits[look], maps[look] = json.loads(done.stdout), np.load(out)
        assert all(0 <= h['similarity'] <= 1 and 0 <= h['distance'] <= 2 for h in hits[look])
    ids = {look: [h['id'] for h in found] for look, found in hits.items()}
    assert ids[None] == ids[OWN] and ids[0] != ids[1]
    np.testing.assert_allclose(maps[OWN], maps[None], atol=1e-5)
    assert np.nanmax(np.abs(maps[0] - maps[1])) > 0.02
    labels = work / 'survey' / 'labels.csv'
    for more, why in (
        ((*box, '--look', 2), 'from 0 to 1'),
        ((*box, '--look', 'much'), 'from 0 to 1'),
        (('--class', 'Salt', '--labels', labels, '--look', 0), '--look'),
    ):
        bad = ask(*more)
        assert bad.returncode == 2 and why in bad.stderr and 'Traceback' not in bad.stderr, (
            bad.stderr
        )
        assert len(bad.stderr.strip().splitlines()) == 1
    plain = refcon(
        'index',
        work / 'survey' / 'survey.sgy',
        '--encoder',
        encoder_folder,
        '--out',
        work / 'plain',
        '--window',
        64,
        64,
        '--lines',
        'inline',
        '--every',
        6,
    )
    assert plain.returncode == 0, plain.stderr
    bad = refcon('search', work / 'plain', *box, '--look', 0.5)
    assert (
        bad.returncode == 2
        and 'leave look out' in bad.stderr
        and len(bad.stderr.strip().splitlines()) == 1
    ), bad.stderr
