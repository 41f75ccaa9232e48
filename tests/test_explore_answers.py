"The explorer against known answers, without a browser: what it sends, what it says, what it keeps."

import base64
import io
import re
import signal
import threading
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from answers import in_words
from PIL import Image

from reflection_connection.explore import (
    CMAPS,
    Explorer,
    LabelTable,
    averaged,
    base_path,
    body_text,
    checked_message,
    clean_label,
    clip_amplitude,
    colour_bar,
    contour_lines,
    depth_text,
    explorer,
    first_answer,
    first_look,
    first_state,
    from_uri,
    hit_card,
    labels_beside,
    levels_png,
    map_frame,
    number_or_none,
    palette,
    place_text,
    png,
    position_text,
    principal_axes,
    references,
    refuse_unexplorable,
    section_for_page,
    server,
    survey_chart,
    thumbnail,
    trace_spacing,
    with_unit,
    without_ticket,
    writing,
)
from reflection_connection.explore.actions import ACTIONS, TAKES
from reflection_connection.plot import color_range
from reflection_connection.search import HITS, MAPS, Question, Searcher, metric_distance
from reflection_connection.synthetic import CLASSES
from reflection_connection.windows import WindowError


said = in_words(WindowError)


@pytest.fixture(scope='module')
def survey(tmp_path_factory):
    "A folder with a small survey and its index."
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.synthetic import write_survey
    from reflection_connection.windows import Grid

    folder = tmp_path_factory.mktemp('explore')
    path = write_survey(folder / 'survey', seed=4, n_inlines=24, n_crosslines=96, n_samples=128)
    grid = Grid((32, 32), (16, 16), 'both', every=8)
    encoder = Encoder.load('refcon-tiny')
    build_index(encoder, path, folder / 'index', grid, encoder_source='refcon-tiny')
    return folder


@pytest.fixture(scope='module', autouse=True)
def synthetic_once():
    "What is learnt from synthetic windows is the same for every page."
    known, learn = {}, references.synthetic_references

    def once(encoder):
        name = encoder.fingerprint()
        if name not in known:
            known[name] = learn(encoder)
        return known[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, 'synthetic_references', once)
        yield


@pytest.fixture(scope='module')
def searcher(survey):
    return Searcher.open(survey / 'index')


@pytest.fixture
def page(searcher, tmp_path):
    return Explorer(searcher, tmp_path / 'labels.csv', k=6, separation=(1, 4))


def status(page):
    return page.status['kind'], page.status['text']


# actions


def test_sizes_that_a_message_may_have():
    def fits(action, **given):
        try:
            return checked_message({'action': action} | given) == (action, given)
        except WindowError:
            return False

    most = 2**53 - 1
    for action, name, good, bad in (
        ('show', 'source', ['', 'x' * 4096], ['x' * 4097, 3]),
        ('show', 'kind', ['x' * 20], ['x' * 21]),
        ('show', 'number', [-most, most, 1.5], [most + 1, -most - 1, True, '1', 1e300]),
        ('look', 'gain', [0.5, 2], ['2']),
        ('look', 'cmap', ['x' * 40], ['x' * 41]),
        ('look', 'heat', ['x' * 200], ['x' * 201]),
        ('ask', 'box', [[1, 2, 3, 4], [-most, 0, 0, most]], [[1] * 3, [1] * 5, (1, 2, 3, 4)]),
        ('ask', 'box', [], [[1, 2, 3, 4.0], [1, 2, 3, most + 1], [1, 2, 3, True]]),
        ('look', 'clip', [99.5, 50], ['99']),
        ('look', 'cut', [0.5], ['x']),
        ('peek', 'number', [3, 1.5], ['3']),
        ('plane', 'what', ['none', 'level', 'strongest', 'amplitude'], ['x', 3]),
        ('plane', 'sample', [3], [1.5]),
        ('drop', 'place', [0], [0.0]),
        ('follow', 'place', [0, -1], [0.0, False]),
        ('weigh', 'look', [0, 0.25], ['0']),
        ('filter', 'expression', ['x' * 10_000], ['x' * 10_001]),
        ('lasso', 'rows', [[], [1] * 100_000], [[1] * 100_001, [1.5]]),
        ('label', 'name', ['x' * 10_000], ['x' * 10_001]),
        ('export', 'suffix', ['.sgy', '.npy', '.zarr'], ['.exe', '']),
    ):
        assert all(fits(action, **{name: value}) for value in good), (action, name)
        assert not any(fits(action, **{name: value}) for value in bad), (action, name)
    for action in ('clear', 'undo', 'cancel', 'show', 'look', 'weigh', 'export', 'plane'):
        assert fits(action)
    assert fits('refine', place=1, sign=-1)
    assert checked_message(dict(action='label', name='a', place=None)) == ('label', dict(name='a'))


def test_messages_are_refused_with_a_reason():
    names = ', '.join(ACTIONS)
    for content, text in (
        (3, f"the page asks for 'None': expected one of {names}"),
        (dict(action='x' * 90), f"the page asks for '{'x' * 80}': expected one of {names}"),
        (dict(action=['show']), f'''the page asks for "['show']": expected one of {names}'''),
        (
            dict(action='refine', x=1),
            "refine from the page with 'x': expected place, sign",
        ),
        (dict(action='clear', x=1), "clear from the page with 'x': expected nothing"),
        (
            dict(action='show', number='a' * 90),
            f"show from the page: number is '{'a' * 79}, which is of the wrong type, or too large",
        ),
        (dict(action='refine', place=1), 'refine from the page without sign'),
        (dict(action='ask'), 'ask from the page without box'),
        (dict(action='follow'), 'follow from the page without place'),
        (dict(action='filter'), 'filter from the page without expression'),
        (dict(action='lasso'), 'lasso from the page without rows'),
        (dict(action='label', place=3), 'label from the page without name'),
    ):
        with said(text):
            checked_message(content)


# labels


def test_labels_are_cleaned():
    assert clean_label('  salt \t\n wall\x07 ') == 'salt wall'
    assert clean_label('a \x07 b') == 'a b'
    assert clean_label('می\u200cخواهم') == 'می\u200cخواهم'
    assert clean_label('a' * 200) == 'a' * 200
    assert clean_label('a=+-@') == 'a=+-@'
    with said('a label of 201 characters: expected at most 200'):
        clean_label('a' * 201)
    for text in ('', ' \x07 '):
        with said('a label needs a name: write the class, or choose one'):
            clean_label(text)
    for sign in '=+-@':
        with said(
            f'a label cannot begin with {sign}: a spreadsheet that opens the table would compute it'
        ):
            clean_label(f' {sign}1')


WINDOW = dict(id='w1', survey='s', source='v.sgy', line_kind='inline', line=1, top=2, left=3)
WINDOW |= dict(height=4, width=5)


def test_a_table_of_labels(tmp_path):
    path = tmp_path / 'a.CSV'
    table = LabelTable(path)
    assert (table.path, table.classes(), table.of('w1')) == (path, [], None)
    assert not path.exists()
    with said('nothing to undo: this session has given no label'):
        table.undo()
    table.add(WINDOW | dict(more=1), ' b ')
    table.add(WINDOW | dict(id='2'), 'a')
    assert (table.of('w1'), table.of('2'), table.classes()) == ('b', 'a', ['a', 'b'])
    kept = pd.read_csv(path, dtype=str)
    assert list(kept) == [*WINDOW, 'label']
    assert kept.iloc[0].tolist() == [*map(str, WINDOW.values()), 'b']
    table.add(WINDOW, 'c')
    assert (table.of('w1'), len(table.frame)) == ('c', 2)
    other = LabelTable(path)
    assert other.of('w1') == 'c'
    table.undo()
    assert (table.of('w1'), len(table.frame)) == ('b', 2)
    table.undo()
    assert (table.of('2'), len(table.frame)) == (None, 1)
    other.add(WINDOW, 'd')
    with said(
        'w1 has got another label meanwhile, from another page or by hand: label it anew instead'
    ):
        table.undo()
    other.undo()
    table.undo()
    assert len(table.frame) == 0
    assert list(pd.read_csv(path)) == [*WINDOW, 'label']
    with said('nothing to undo: this session has given no label'):
        table.undo()
    with said(f'{tmp_path}/a.txt: labels are kept in a .csv file'):
        LabelTable(tmp_path / 'a.txt')
    assert labels_beside(tmp_path / 'x' / '..' / 'ix.v1') == tmp_path / 'ix.v1_labels.csv'


def test_a_table_keeps_its_form(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('id;survey;source;line_kind\n1;s;v;inline\n')
    with said(
        f'{path}: not a table that the explorer can add to: '
        'line, top, left, height, width, label missing'
    ):
        LabelTable(path)
    names = ';'.join([*WINDOW, 'label', 'note'])
    row = '1;s;v;Inline;1.0;2;3;4;5; A\u00a0;mine'
    for coding, written in (('utf-8', 'utf-8'), ('utf-8-sig', 'utf-8-sig')):
        path.write_text(f'{names}\n{row}\n', encoding=coding)
        table = LabelTable(path)
        (known,) = table.frame.to_dict('records')
        assert (known['id'], known['line'], known['label']) == ('1', 1, 'A')
        assert known['line_kind'] == 'inline'
        table.add(WINDOW, 'B')
        first, second, third = path.read_bytes().decode(written).splitlines()
        assert first == names
        assert second == '1;s;v;inline;1;2;3;4;5;A;mine'
        assert third == 'w1;s;v.sgy;inline;1;2;3;4;5;B;'
        assert path.read_bytes().startswith(b'\xef\xbb\xbf') == (coding == 'utf-8-sig')


# pictures


def pixels(uri):
    return np.asarray(from_uri(uri))


def test_colours_of_a_picture():
    sand = [0xD8, 0xC9, 0xA8]
    grey = palette('gray')
    assert len(grey) == 768
    assert grey[:9] == [*sand, 0, 0, 0, 1, 1, 1]
    assert grey[-3:] == [255, 255, 255]
    last = [round(255 * v) for v in matplotlib.colormaps['viridis'](1.0)[:3]]
    assert palette('viridis')[-3:] == last
    values = np.array([[-2, -1, 0, 1], [2, 9, np.nan, np.inf]])
    found = pixels(png(values, -2, 2))
    assert found[..., 3].min() == 255
    assert found[0, :, 0].tolist() == [0, 63, 128, 191]
    assert found[1, :2, 0].tolist() == [255, 255]
    assert found[1, 2, :3].tolist() == found[1, 3, :3].tolist() == sand
    clear = pixels(png(values, -2, 2, 'viridis', clear=True))
    assert clear[1, :, 3].tolist() == [255, 255, 0, 0]
    assert clear[1, 0, :3].tolist() == last
    assert pixels(png(np.array([[1.0, 2.0]]), 1, 1))[0, :, 0].tolist() == [0, 255]
    assert pixels(png(np.array([[5.0, 6.0, 7.0]]), 4, 8))[0, :, 0].tolist() == [63, 128, 191]
    uri = png(values, -2, 2)
    assert uri.startswith('data:image/png;base64,')
    assert Image.open(io.BytesIO(base64.b64decode(uri.partition(',')[2]))).format == 'PNG'
    assert from_uri(uri).mode == 'RGBA'


def test_thumbnails():
    values = np.zeros((4, 8))
    values[:, 4:] = 2
    values[0, 0] = -2
    values[3, 0] = np.nan
    found = pixels(thumbnail(values))
    assert found.shape == (84, 84, 4)
    assert found[0, 0, 0] == 0
    assert found[-1, 0, 0] == found[40, 0, 0] == 127  # what is dead is zero
    assert found[:, -1, 0].tolist() == [255] * 84
    assert pixels(thumbnail(values, 5)).shape == (5, 5, 4)
    wide = np.random.default_rng(0).normal(size=(9, 9))
    lo, hi = color_range(wide)
    wanted = (np.clip((wide - lo) / (hi - lo), 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(pixels(thumbnail(wide, 9))[..., 0], wanted)


class Cube:
    "A volume whose amplitudes tell where they lie."

    domain, unit, n_samples, t0, dt = 'time', 'ms', 3, 100.0, 4.0
    xy_unit, has_geometry, name = 'm', True, 'cube'
    inlines, crosslines, n_traces = np.array([10, 11, 12]), np.array([20, 22]), 6
    axis = np.array([100.0, 104.0, 108.0])
    flat = False

    def section(self, kind, number):
        return np.arange(6.0).reshape(3, 2) - 2

    def live(self, kind, number):
        return np.array([[True, False]] * 3)

    def scale(self):
        return 4.0

    def cdp(self, kind, number):
        return None

    def across(self, kind, number):
        return self.crosslines

    def xy(self, kind, number):
        if self.flat:
            return np.full((2, 2), np.nan if self.flat == 'nan' else 7.0)
        if kind == 'inline':
            return np.array([[0.0, number], [2.0, number]])
        return np.array([[number, 10.0], [number, 11.0], [number, 12.0]])


def test_a_section_for_the_page():
    cube = Cube()
    found = section_for_page(cube, 'inline', 11, 2.0, 'gray')
    picture = found.pop('png')
    assert found == dict(
        kind='inline',
        line=11,
        samples=3,
        traces=2,
        t0=100.0,
        dt=4.0,
        unit='ms',
        domain='time',
        spacing=2.0,
        zname='two-way time (ms)',
        xname='crossline',
        across=[20, 22],
        top=2.0,
        colours=colour_bar('gray'),
        reduced=False,
    )
    cube.xy_unit = 'ft'
    assert trace_spacing(cube, 'inline', 11) == pytest.approx(2 * 0.3048)
    for unit, flat in (('degrees', False), (None, False), ('m', 'nan'), ('m', 'same')):
        cube.xy_unit, cube.flat = unit, flat
        assert trace_spacing(cube, 'inline', 11) is None
    cube.flat = False
    assert pixels(picture)[..., 0].tolist() == [[0, 0xD8], [128, 0xD8], [255, 0xD8]]
    assert pixels(section_for_page(cube, 'inline', 11)['png'])[:, 0, 0].tolist() == [63, 128, 191]
    assert section_for_page(cube, 'crossline', 20)['xname'] == 'inline'
    assert section_for_page(cube, 'line', 0)['xname'] == 'trace'
    cube.cdp = lambda kind, number: np.array([7, 8])
    line = section_for_page(cube, 'line', 0)
    assert (line['xname'], line['across']) == ('CDP', [7, 8])
    assert section_for_page(cube, 'inline', 11)['xname'] == 'crossline'
    cube.domain, cube.unit = 'depth', 'ft'
    assert section_for_page(cube, 'inline', 11)['zname'] == 'depth (ft)'


# charts

HIT = dict(x=1.5, y=2.5, il0=10, il1=11, xl0=20, xl1=22, top=0, left=3, height=2, width=5)
HIT |= dict(probability=0.5, rank=1.0)


def test_a_chart_in_coordinates():
    frame = map_frame(Cube(), 'inline', 11)
    assert frame.name == 'x, y (m)'
    assert frame.same_scale is True
    assert frame.position(HIT) == (1.5, 2.5)
    assert np.array(frame.outline).tolist() == [[0, 10], [2, 10], [2, 12], [0, 12]]
    assert np.array(frame.line).tolist() == [[0, 11], [2, 11]]
    chart = survey_chart(Cube(), 'crossline', 1, [HIT, HIT | dict(probability=np.nan, rank=2)])
    assert chart == dict(
        outline=[[0, 10], [2, 10], [2, 12], [0, 12]],
        line=[[1, 10], [1, 12]],
        metric=True,
        name='x, y (m)',
        hits=[dict(x=1.5, y=2.5, p=0.5, rank=1), dict(x=1.5, y=2.5, p=None, rank=2)],
    )
    assert with_unit('a', None) == with_unit('a', '') == 'a'
    assert number_or_none(np.nan) is number_or_none(None) is None
    assert number_or_none(2) == 2.0


@pytest.mark.parametrize('flat', ['same', 'nan'])
def test_a_chart_in_line_numbers(flat):
    cube = Cube()
    cube.flat = flat
    frame = map_frame(cube, 'inline', 11)
    assert (frame.name, frame.same_scale) == ('crossline, inline', True)
    assert frame.outline == [(20, 10), (22, 10), (22, 12), (20, 12)]
    assert frame.line == [(20, 11), (22, 11)]
    assert frame.position(HIT) == (21.0, 10.5)
    assert map_frame(cube, 'crossline', 22).line == [(22, 10), (22, 12)]


def test_a_chart_of_a_line():
    cube = Cube()
    cube.has_geometry = False
    frame = map_frame(cube, 'line', 0)
    assert (frame.name, frame.same_scale, frame.line) == ('trace, ms', False, [])
    assert frame.outline == [(0, 100), (5, 100), (5, 108), (0, 108)]
    assert frame.position(HIT) == (5.5, 104)
    assert frame.position(HIT | dict(top=2)) == (5.5, 108)
    cube.t0 = np.nan
    assert survey_chart(cube, 'line', 0, [])['outline'] == [[5, 108], [0, 108]]


def test_principal_axes():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 4)) * [1, 9, 0.1, 3] + 5

    class Index:
        def __len__(self):
            return len(z)

        def embeddings(self, rows):
            return z[rows].copy()

    points, rows = principal_axes(Index())
    assert rows.tolist() == list(range(50))
    assert points.dtype == np.float32
    centred = z - z.mean(0)
    for i, values in enumerate(np.linalg.svd(centred)[2][:2] @ centred.T):
        same = min(np.abs(points[:, i] - values).max(), np.abs(points[:, i] + values).max())
        assert same < 1e-4
    assert principal_axes(Index(), most=50)[1].tolist() == list(range(50))
    some, rows = principal_axes(Index(), most=49)
    assert len(some) == len(set(rows)) == 49
    assert (np.diff(rows) > 0).all()
    few = principal_axes(Index(), most=5)[1].tolist()
    assert few == sorted(np.random.default_rng(0).choice(50, 5, replace=False).tolist())
    assert few != principal_axes(Index(), most=5, seed=1)[1].tolist()


# cards of hits


def test_texts_of_a_hit():
    hit = dict(x=1234.56, y=2.5, line_kind='inline', line=7, top=0, height=3, time_ms=99.6)
    cube = Cube()
    assert position_text(hit, cube) == '1235, 2 m'
    cube.xy_unit = 'degrees'
    assert position_text(hit, cube) == '1234.56000, 2.50000 degrees'
    assert position_text(hit, None) == '1235, 2'
    assert position_text(hit | dict(x=np.nan), cube) is None
    assert depth_text(hit, cube) == '104 ms'
    assert depth_text(hit | dict(top=1, height=2), cube) == '108 ms'
    assert depth_text(hit, None) == '100 ms'
    assert depth_text(hit | dict(time_ms=None, depth_m=8.4), None) == '8 m'
    assert depth_text(hit | dict(time_ms=None), None) == ''
    assert place_text(hit, cube) == 'inline 7, 104 ms'
    line = hit | dict(line_kind='line', line=0, cdp0=5, cdp1=9)
    assert place_text(line, cube) == 'line 0, CDP 5 to 9, 104 ms'
    assert place_text(line | dict(line_kind='inline'), cube) == 'inline 0, 104 ms'
    assert place_text(line | dict(cdp0=None, time_ms=None), None) == 'line 0'
    whole = hit | dict(id='w', rank=2.0, source='v', left=4.0, width=5, similarity=1)
    card = hit_card(whole | dict(distance=0.5, probability=np.nan), np.eye(4), None)
    assert card == dict(
        id='w',
        rank=2,
        thumb=thumbnail(np.eye(4)),
        guess=None,
        guess_probability=None,
        place='inline 7, 100 ms',
        xy='1235, 2',
        similarity=1.0,
        distance=0.5,
        probability=None,
        source='v',
        line_kind='inline',
        line=7,
        top=0,
        left=4,
        height=3,
        width=5,
    )
    guessed = dict(guess='A', guess_probability=0.25, distance=None, probability=1)
    card = hit_card(whole | guessed, np.eye(4), None)
    assert (card['guess'], card['guess_probability']) == ('A', 0.25)
    assert (card['distance'], card['probability']) == (None, 1)


# the page


def test_what_cannot_be_explored():
    with said(
        'the windows of this index are in Milvus, and the explorer colours all of them: '
        'it needs an index in memory'
    ):
        refuse_unexplorable(SimpleNamespace(store='m', sources=['v']))
    with said(
        'the index has no volume: the explorer shows sections; search images with refcon search'
    ):
        refuse_unexplorable(SimpleNamespace(store=None, sources=[]))
    refuse_unexplorable(SimpleNamespace(store=None, sources=['v']))


def test_the_first_sight(page, searcher, survey):
    (source,) = searcher.sources
    volume = searcher.volume(source)
    assert page.info == dict(
        sources=[source],
        names=['survey'],
        problems=[],
        lines={
            source: dict(
                inline=volume.inlines.tolist(), crossline=volume.crosslines.tolist(), line=[]
            )
        },
        cmaps=list(CMAPS),
        window=[32, 32],
        allow_labels=True,
        takes={name: list(choices) for name, choices in TAKES.items()},
        horizons=[],
    )
    kind = searcher.kinds(source)[0]
    lines = volume.lines(kind)
    middle = int(lines[len(lines) // 2])
    assert page._where == (source, kind, middle)
    shown = section_for_page(volume, kind, middle, 1.0, 'gray')
    assert page.section == shown | dict(source=source, moved=False)
    assert page.chart == survey_chart(volume, kind, middle, [])
    assert page.heat == dict(png=None)
    assert page.view == dict(
        heats=['similarity', 'probability', 'none'],
        heat='similarity',
        cmap='gray',
        gain=1.0,
        clip=99.0,
        cut=0.6,
        expression='',
        look=searcher.encoder.look,
        current=-1,
    )
    assert page.labels == dict(n=0, classes=sorted(CLASSES), text='0 labels in labels.csv')
    assert page.status == dict(
        text=f'{searcher.index}; drag a rectangle', kind='info', progress=None, n=1
    )
    points, rows = principal_axes(searcher.index)
    assert page.cloud['rows'] == rows.tolist()
    expected = np.rint(points / np.abs(points).max() * 1000)
    np.testing.assert_array_equal(page.cloud['points'], expected)
    assert np.abs(page.cloud['points']).max() == 1000
    assert (page.hits, page.shades, page.query) == ([], [], {})
    sent = 'info section heat view query chart cloud status labels hits shades'.split()
    assert set(sent) <= set(page.traits(sync=True))
    page.tell('a', 'error', 0.5)
    assert page.status == dict(text='a', kind='error', progress=0.5, n=2)


def test_where_labels_are_kept(survey, searcher, tmp_path):
    beside = Explorer(survey / 'index')
    assert beside.table.path == survey / 'index_labels.csv'
    assert (beside.k, beside.separation, beside.allow_labels) == (20, (8, 16), True)
    none = Explorer(searcher)
    assert (none.table, none.allow_labels, none.info['allow_labels']) == (None, False, False)
    assert none.labels == dict(n=0, classes=sorted(CLASSES), text='')
    with said('labels are off: this explorer is read-only (refcon explore --allow-labels)'):
        none.label('a', 0)
    off = Explorer(searcher, tmp_path / 'a.csv', allow_labels=False)
    assert (off.allow_labels, off.info['allow_labels']) == (False, False)
    with said('labels are off: this explorer is read-only (refcon explore --allow-labels)'):
        off.undo()
    none.ask([10, 10, 42, 42])
    assert none.hits[0]['label'] is None
    with said('this explorer is read-only (refcon explore --allow-labels)'):
        none.export()


def test_problems_are_told_once(searcher):
    facts = explorer._facts(
        SimpleNamespace(
            sources=searcher.sources,
            volume=searcher.volume,
            index=searcher.index,
            window_size=searcher.window_size,
            problems=lambda source: ['odd'],
            meta=dict(sizes=['sizes differ']),
        )
    )
    assert facts['problems'] == ['survey: odd', 'sizes differ']


def test_lines(page, searcher):
    (source,) = searcher.sources
    volume = searcher.volume(source)
    page.show(kind='inline', number=float(volume.inlines[3]) + 0.4)
    assert page._where == (source, 'inline', int(volume.inlines[3]))
    page.show()
    assert page._where == (source, 'inline', int(volume.inlines[3]))
    assert page.section['moved'] is False
    page.show(number=10**9)
    assert page._where[2] == int(volume.inlines[-1])
    page.show(kind='crossline')
    middle = volume.crosslines[len(volume.crosslines) // 2]
    assert page._where == (source, 'crossline', int(middle))
    assert page.section['moved'] is True
    assert page.section['kind'] == 'crossline'
    assert page.chart == survey_chart(volume, *page._where[1:], [])
    page.show(source, 'crossline', int(volume.crosslines[0]))
    assert page.section['moved'] is False
    with said('survey has no lines'):
        page.show(kind='line')
    lines = np.array([5, 7, 9, 11])
    assert explorer._other_line(lines, None, None) == 9
    assert explorer._other_line(lines, None, 8.2) == 9
    assert explorer._other_line(lines, 6.9, 11) == 7


def test_gain_colours_and_maps(page, searcher):
    source, kind, number = page._where
    page.look(gain=2, cmap='seismic')
    volume = searcher.volume(source)
    assert page.section['png'] == section_for_page(volume, kind, number, 2.0, 'seismic')['png']
    assert page.view['cmap'] == 'seismic'
    page.look(gain=999_999)
    page.look(gain=1, clip=90)
    top = page.section['top']
    assert top == clip_amplitude(volume, 90) < volume.scale()
    shown = section_for_page(volume, kind, number, 1.0, 'seismic', 90)
    assert page.section['png'] == shown['png']
    for clip in (49.9, 100.1, float('nan')):
        with said(f'clip is {clip}: expected 50 to 100'):
            page.look(clip=clip)
    for cut in (-0.1, 1.1, float('nan')):
        with said(f'threshold is {cut}: expected 0 to 1'):
            page.look(cut=cut)
    for gain in (0, -1, 1e6, float('nan')):
        with said(f'gain is {gain}: expected a positive number'):
            page.look(gain=gain)
    with said(f"colours 'jet': expected one of {', '.join(CMAPS)}"):
        page.look(cmap='jet')
    with said("map 'x': expected one of similarity, probability, none"):
        page.look(heat='x')
    page.ask([10, 10, 42, 42])
    values = page._similarity
    section = searcher.section_map(values, kind, number, source)
    lo, hi = np.percentile(values, [50, 99.5])
    assert page.heat == dict(
        png=levels_png(section, lo, hi),
        step=1,
        lo=lo,
        hi=hi,
        cut=0.6,
        contours=contour_lines(section, lo + 0.6 * (hi - lo)),
        at=[source, kind, number],
    )
    assert page.heat['contours']
    page.look(cut=0.9)
    assert page.view['cut'] == 0.9
    assert page.heat['contours'] == contour_lines(section, lo + 0.9 * (hi - lo))
    page.look(heat='probability')
    section = searcher.section_map(page._probability, kind, number, source)
    assert page.heat['png'] == levels_png(section, 0, 1)
    assert (page.heat['lo'], page.heat['hi']) == (0, 1)
    assert page.view['heat'] == 'probability'
    page.look(heat='none')
    assert page.heat == dict(png=None)


# asking


def test_a_box_asks(page, searcher):
    source, kind, number = page._where
    box = [10, 20, 42, 52]
    page.ask(box)
    example = searcher.box(kind, number, box, source)
    question = Question(searcher, [example], [], look=None)
    alone = searcher.score(question, None)
    scores = [searcher.smoothed(v, HITS) for v in alone]
    np.testing.assert_array_equal(page._similarity, searcher.smoothed(alone.similarity, MAPS))
    np.testing.assert_array_equal(page._probability, searcher.smoothed(alone.probability, MAPS))
    similarity = scores[list(alone._fields).index('similarity')]
    shades = (np.clip(similarity[page._cloud_rows], 0, 1) * 255).astype(int)
    assert page.shades == shades.tolist()
    references = page.references.best()
    found = searcher.hits(question, 6, 1, 4, None, guess=references)
    assert [h['id'] for h in page.hits] == found.id.tolist()
    assert 0 < len(page.hits) <= 6
    for card, hit in zip(page.hits, found.to_dict('records')):
        volume = searcher.volume(source)
        row = page.searcher.rows_of([hit['id']])[0]
        number_of_body = page._bodies[row]
        body = body_text(searcher, page._bodies, number_of_body) if number_of_body else ''
        more = dict(label=None, sign=0, survey='survey', body=body)
        assert card == hit_card(hit, searcher.pixels(hit), volume) | more
        assert card['guess'] in CLASSES
    assert page.query == dict(
        boxes=[dict(source=source, kind=kind, line=number, box=box, sign=1)],
        examples=[dict(thumb=thumbnail(example.pixels), name=example.name, sign=1)],
    )
    assert re.fullmatch(
        rf'{len(page.hits)} hits in \d+\.\d\d s among {len(searcher.index)} windows',
        page.status['text'],
    )
    assert page.status['kind'] == 'info'
    assert float(page.status['text'].split()[3]) < 60
    assert page.chart == survey_chart(volume, kind, number, page._rows)
    assert page.view['current'] == -1
    assert page.hits[0]['similarity'] > page.hits[-1]['similarity']


def test_hits_are_followed_and_refined(page, searcher):
    for act in (lambda: page.follow(0), lambda: page.refine(0, 1)):
        with said('there are no hits yet: drag a rectangle first'):
            act()
    page.ask([10, 20, 42, 52])
    first, last = page.hits[0], page.hits[-1]
    page.follow(len(page.hits) - 1)
    assert page._where == (last['source'], last['line_kind'], last['line'])
    assert page.view['current'] == len(page.hits) - 1
    shown = page.section
    page.follow(len(page.hits) - 1)
    assert page.section is shown
    page.look(gain=1)
    assert page.view['current'] == len(page.hits) - 1
    for place in (-1, len(page.hits), 0.0):
        with said(f'there is no hit number {place}'):
            page.follow(place)
    for sign in (0, 2, -2):
        with said(f'sign is {sign}: expected 1 or -1'):
            page.refine(0, sign)
    page.refine(0, 1)
    assert page.status['text'].endswith('; 2 examples of what is meant, 0 of what is not')
    assert [b['sign'] for b in page.query['boxes']] == [1, 1]
    assert page._signs == {first['id']: 1}
    assert page.view['current'] == -1
    second = page.hits[0]
    page.refine(0, -1)
    assert page.status['text'].endswith('; 2 examples of what is meant, 1 of what is not')
    assert [b['sign'] for b in page.query['boxes']] == [1, 1, -1]
    box = page.query['boxes'][1]
    assert box['box'] == [
        first['top'],
        first['left'],
        first['top'] + first['height'],
        first['left'] + first['width'],
    ]
    assert (box['kind'], box['line']) == (first['line_kind'], first['line'])
    signs = {first['id']: 1, second['id']: -1}
    assert page._signs == signs
    assert all(h['sign'] == signs.get(h['id'], 0) for h in page.hits)
    page.ask([0, 0, 32, 32])
    assert page._signs == {}
    assert len(page.query['boxes']) == 1
    page.clear()
    assert (page.hits, page.shades, page.query, page._rows) == ([], [], {}, [])
    assert page.heat == dict(png=None)
    assert page.chart['hits'] == []
    assert status(page) == ('info', 'drag a rectangle')
    page.lasso([0, 1, 2, 3])
    with said('there is no question to refine: drag a rectangle first'):
        page.refine(0, 1)


def test_messages_are_numbered(page):
    for ticket, taken in (
        (['page', 0], True),
        (['x' * 40, 2**31 - 1], True),
        (['x' * 41, 1], False),
        (['page', -1], False),
        (['page', 2**31], False),
        (['page', True], False),
        (['page'], False),
        ('page', False),
    ):
        content = dict(action='clear', ticket=ticket)
        assert without_ticket(content) == (dict(action='clear'), ticket if taken else None)
    assert without_ticket(['clear']) == (['clear'], None)
    page.act(dict(action='clear', ticket=['page', 4]))
    assert page.answered == ['page', 4]
    page.act(dict(action='follow', place=7, ticket=['page', 5]))
    assert (page.answered, page.status['kind']) == (['page', 5], 'error')


def test_an_error_stays_until_something_succeeds(page):
    said_before = page.status['text']
    page.act(dict(action='follow', place=7))
    page.act(dict(action='follow', place=8))
    page.act(dict(action='peek', number=3))  # the page asks for that by itself
    assert page.status['kind'] == 'error'
    page.act(dict(action='show', number=10**6))
    assert status(page) == ('info', said_before)
    page.tell('half', progress=0.5)
    page.act(dict(action='follow', place=7))
    page.act(dict(action='show'))
    assert status(page) == ('info', said_before)


def test_examples_are_taken_out(page):
    page.ask([10, 20, 42, 52])
    alone = [h['id'] for h in page.hits]
    meant = page.hits[0]['id']
    page.refine(0, 1)
    last = next(i for i, h in enumerate(page.hits) if h['id'] != meant)
    page.refine(last, -1)
    assert [e['sign'] for e in page.query['examples']] == [1, 1, -1]
    assert page.query['examples'][1]['name'] == meant
    for place in (-1, 3):
        with said(f'there is no example number {place}'):
            page.drop(place)
    page.drop(2)
    assert page._signs == {meant: 1}
    page.drop(1)
    assert (page._signs, [h['id'] for h in page.hits]) == ({}, alone)
    page.refine(0, -1)
    page.drop(0)
    assert (page.hits, page.query, page._negatives) == ([], {}, [])


def test_lines_that_come_next(page, searcher, monkeypatch):
    source, kind, here = page._where
    lines = searcher.volume(source).lines(kind).tolist()
    next_ = lines[lines.index(here) + 1]
    page.peek(next_)
    assert page._where == (source, kind, here)
    assert page.ahead == section_for_page(searcher.volume(source), kind, next_) | dict(
        source=source
    )
    monkeypatch.setattr(explorer, 'section_for_page', None)
    page.show(number=next_)  # what was made once is not made again
    assert page.section == page.ahead | dict(moved=False)
    monkeypatch.undo()
    for number in lines:
        page.show(number=number)
    assert len(page._lines) == 12


def test_the_detail_of_a_part(page, searcher):
    source, kind, number = page._where
    volume = searcher.volume(source)
    section, live = volume.section(kind, number), volume.live(kind, number)
    page.zoom([10, 20, 60, 500], [50, 4096])
    traces = section.shape[1]
    assert page.detail['box'] == [10, 20, 60, traces]
    assert page.detail['at'] == [source, kind, number]
    top = page.section['top']
    part = np.where(live, section, np.nan)[10:60, 20:]
    assert page.detail['png'] == png(part, -top, top)
    page.zoom([0, 0, 128, 96], [16, 1])
    assert from_uri(page.detail['png']).size == (16, 16)
    for box in ([-1, 0, 5, 5], [5, 0, 5, 5], [0, 9, 5, 5]):
        with said(f'no part of a section: {box}'):
            page.zoom(box, [9, 9])
    blocks = averaged(np.arange(12.0).reshape(3, 4), (2, 2))
    assert blocks.tolist() == [[2.5, 4.5], [8.5, 10.5]]


def test_another_weight_and_a_filter(page, searcher):
    page.weigh(0.5)
    assert page.view['look'] == 0.5
    assert page.hits == []
    page.ask([10, 20, 42, 52])
    source, kind, number = page._where
    example = searcher.box(kind, number, [10, 20, 42, 52], source)

    def hits(look, where=None):
        question = Question(searcher, [example], [], look=look)
        return searcher.hits(question, 6, 1, 4, where).id.tolist()

    for look in (0, 1, None):
        page.weigh(look)
        assert [h['id'] for h in page.hits] == hits(look)
        assert page.view['look'] == (searcher.encoder.look if look is None else look)
    with pytest.raises(ValueError):
        page.weigh(1.5)
    assert page._look is None
    page.filter(" line_kind == 'crossline' ")
    assert page.view['expression'] == "line_kind == 'crossline'"
    assert [h['id'] for h in page.hits] == hits(None, "line_kind == 'crossline'")
    with pytest.raises(ValueError):
        page.filter('nonsense ==')
    assert page.view['expression'] == "line_kind == 'crossline'"
    page.filter('line < 0')
    assert status(page) == ('error', 'nothing found: does the filter let nothing through?')
    page.filter(' ')
    assert page.hits
    assert page.view['expression'] == ''


def test_windows_drawn_around(page, searcher):
    n = len(searcher.index)
    for rows in ([], [-1, 2], [0, n]):
        with said('no windows there'):
            page.lasso(rows)
    items = searcher.index.items
    apart = (items.line_kind == 'inline') & (items.top % 64 == 0) & (items.left % 64 == 0)
    rows = np.flatnonzero(apart)[:5].tolist()
    page.separation = (0, 0)
    page.lasso(rows)
    z = searcher.index.embeddings(rows)
    middle = z.mean(0) / np.linalg.norm(z.mean(0))
    order = np.argsort(-(z @ middle), kind='stable')
    ids = searcher.index.items.id
    assert [h['id'] for h in page.hits] == [ids[rows[i]] for i in order]
    similarity = np.array([h['similarity'] for h in page.hits])
    np.testing.assert_allclose(similarity, (z @ middle)[order], atol=1e-5)
    distance = metric_distance(similarity, searcher.index.metric)
    np.testing.assert_allclose([h['distance'] for h in page.hits], distance, atol=1e-5)
    assert all(h['guess'] in CLASSES and 0 <= h['guess_probability'] <= 1 for h in page.hits)
    assert status(page) == ('info', '5 of 5 windows drawn around, the middle first')
    page.k = 2
    page.lasso(rows)
    assert status(page) == ('info', '2 of 5 windows drawn around, the middle first')
    page.k, page.separation = 20, (10**6, 10**6)
    page.lasso(rows)
    assert len(page.hits) < 5
    assert status(page)[1] == f'{len(page.hits)} of 5 windows drawn around, the middle first'


def test_without_a_calibration(encoder_folder, survey, tmp_path):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.windows import Grid

    encoder = Encoder.load(encoder_folder)
    encoder.calibration = None
    plain = encoder.save(tmp_path / 'plain')
    volume = survey / 'survey' / 'survey.sgy'
    build_index(encoder, volume, tmp_path / 'ix', Grid((32, 32), (32, 32), 'inline', every=12))
    page = Explorer(tmp_path / 'ix', tmp_path / 'l.csv', encoder=plain, k=3)
    assert page.view['heats'] == ['similarity', 'none']
    assert page.view['look'] is None
    assert page.references.best() is None
    page.ask([0, 0, 32, 32])
    assert page.hits[0]['guess'] is None
    page.lasso([0, 1])
    assert page.hits[0]['guess'] is None


# labelling


def test_hits_and_boxes_get_names(page, searcher, tmp_path):
    kept = tmp_path / 'labels.csv'
    for _ in range(2):
        with said('there is no box to label: drag a rectangle first'):
            page.label('A')
        page.lasso([0, 1])
    page.ask([10, 20, 42, 52])
    source, kind, number = page._where
    name = f'survey:{kind}{number}:10:20:32x32'
    page.label('A')
    assert status(page) == ('info', f'{name} is A')
    (row,) = pd.read_csv(kept).to_dict('records')
    assert row == dict(
        id=name,
        survey='survey',
        source=source,
        line_kind=kind,
        line=number,
        top=10,
        left=20,
        height=32,
        width=32,
        label='A',
    )
    assert page.labels == dict(n=1, classes=sorted({*CLASSES, 'A'}), text='1 label in labels.csv')
    assert page.view['heats'] == ['similarity', 'probability', 'none', 'A']
    page.label(' B ', 1)
    assert status(page) == ('info', f"{page.hits[1]['id']} is B")
    assert [h['label'] for h in page.hits[:2]] == [None, 'B']
    assert page.labels['text'] == '2 labels in labels.csv'
    page.look(heat='B')
    from reflection_connection.search import ClassQuestion

    question = ClassQuestion(searcher, *page.references.own, 'B')
    values = searcher.score(question, MAPS).probability
    section = searcher.section_map(values, kind, number, source)
    assert page.heat['png'] == levels_png(section, 0, 1)
    page.undo()
    assert status(page) == ('info', 'the last label is taken back')
    assert page.hits[1]['label'] is None
    assert page.view['heat'] == 'similarity'
    assert page.view['heats'][-1] == 'A'
    assert page.heat['png'] is not None
    assert page.labels['n'] == 1
    page.ask([10, 20, 42, 52])
    again = Explorer(searcher, kept)
    assert again.labels['n'] == 1
    page._rows[0]['line_kind'] = 'image'
    with said('this hit is an image: its label is the folder that it lies in'):
        page.label('A', 0)


def test_own_labels_are_references(page, searcher):
    synthetic = page.references.best()
    assert set(synthetic[1]) == set(CLASSES)
    assert page.references.best() is synthetic
    assert page.references.own is None and page.references.classes() == []
    page.ask([10, 20, 42, 52])
    (source,) = searcher.sources
    names = ['A', 'B', 'A', 'B', 'A', 'B']
    for i, (row, name) in enumerate(zip(searcher.index.items.to_dict('records')[::3], names)):
        page.table.add(row, name)
        page.references.learn()
        assert (page.references.best() is page.references.own) == (i == 5)
    z, labels = page.references.own
    assert labels.tolist() == names
    assert page.references.classes() == ['A', 'B']
    for row, vector in zip(page.table.frame.to_dict('records'), z):
        box = [row['top'], row['left'], row['top'] + row['height'], row['left'] + row['width']]
        example = searcher.box(row['line_kind'], row['line'], box, source, beside=0)
        np.testing.assert_array_equal(vector, example.z)
    page.table.frame['source'] = 'elsewhere.sgy'
    page.references.learn()
    assert page.references.own is None
    searcher.moved['elsewhere.sgy'] = source
    try:
        page.references.learn()
    finally:
        del searcher.moved['elsewhere.sgy']
    np.testing.assert_array_equal(page.references.own[0], z)
    page.table.frame['label'] = None
    page.references.learn()
    assert page.references.own is None


# what went wrong


def test_what_went_wrong_is_told(page, monkeypatch):
    page.act(dict(action='ask', box=[10, 20, 42, 52]))
    assert page.hits
    page.act(dict(action='follow', place=99))
    assert status(page) == ('error', 'there is no hit number 99')

    def fail(error):
        def tell(self):
            raise error

        monkeypatch.setattr(Explorer, 'clear', tell)
        page.act(dict(action='clear'))

    fail(OSError('a\n b'))
    assert status(page) == ('error', 'a b')
    with pytest.raises(TypeError):
        fail(TypeError('odd'))
    assert status(page) == (
        'error',
        'TypeError: odd (a fault of the program: its traceback is in the log)',
    )
    page._handle_custom_msg(dict(action='nonsense'), [])
    assert "the page asks for 'nonsense'" in page.status['text']


# writing


def test_a_map_is_written(page, searcher, tmp_path):
    with said('there is no map to write: drag a rectangle first'):
        page.export()
    page.ask([10, 20, 42, 52])
    path = tmp_path / 'map.npy'
    page.export(path=path)
    page._thread.join(60)
    assert status(page) == ('info', f'written: {path}')
    assert np.load(path).shape == searcher.volume(searcher.sources[0]).shape
    page.allow_labels = False
    page.export(path=tmp_path / 'b.npy')
    page._thread.join(60)
    with said('this explorer is read-only (refcon explore --allow-labels)'):
        page.export()
    page.allow_labels = True
    page._thread = SimpleNamespace(is_alive=lambda: True)
    with said('a map is being written: wait, or cancel it'):
        page.export()


def test_what_is_handed_to_the_writer(page, searcher, tmp_path, monkeypatch):
    page.ask([10, 20, 42, 52])
    source, kind, number = page._where
    written, told = [], []

    class Worker:
        def write_map(self, **what):
            written.append(what)
            told.append(page.status)

    monkeypatch.setattr(searcher, 'another', Worker, raising=False)
    monkeypatch.setattr(writing.time, 'strftime', lambda form: form)
    page._stop.set()
    page.export('.zarr')
    page._thread.join(60)
    path = tmp_path / 'survey_similarity_%Y%m%d-%H%M%S.zarr'
    assert status(page) == ('info', f'written: {path}')
    (what,), (begun,) = written, told
    assert (begun['text'], begun['progress']) == (f'writing {path.name}', 0.0)
    assert what.pop('progress')(0, 9) is None
    assert what.pop('values') is page._similarity
    note = page._positives[0].name
    assert note
    assert what == dict(path=path, source=source, kind=kind, note=note)
    assert page._thread.daemon
    page._look = 0.25
    assert page._export_note() == f'{note} look 0.25'
    page._look, page._positives = None, []
    assert page._export_note() == ''

    def cancelled(self, **what):
        page.cancel()
        what['progress'](1, 2)

    monkeypatch.setattr(Worker, 'write_map', cancelled)
    page._write(Worker(), path)
    assert status(page) == ('info', f'cancelled: {path.name} is not written')
    page._stop.clear()

    def full(self, **what):
        raise OSError('disk\n full')

    monkeypatch.setattr(Worker, 'write_map', full)
    page._write(Worker(), path)
    assert status(page) == ('error', 'disk full')


def test_progress_of_a_map(page, monkeypatch):
    now = [0.25]
    monkeypatch.setattr(writing.time, 'monotonic', lambda: now[0])
    before = page.status['n']
    progress = writing.until_stopped(
        page._stop, lambda done, all_: page.tell('writing m.sgy', progress=done / all_)
    )
    progress(1, 4)
    assert page.status == dict(text='writing m.sgy', kind='info', progress=0.25, n=before + 1)
    for at, n in ((0.375, 1), (0.5, 2), (0.625, 2), (0.75, 3)):
        now[0] = at
        progress(2, 4)
        assert page.status['n'] == before + n
    assert page.status['progress'] == 0.5
    page._stop.set()
    with pytest.raises(writing.Cancelled):
        progress(3, 4)


# the server


def test_paths_behind_a_proxy():
    for given, base in (
        ('', '/'),
        ('/', '/'),
        ('a', '/a/'),
        ('/user/ann@x/proxy/8866', '/user/ann@x/proxy/8866/'),
        ('/a..b/~c/', '/a..b/~c/'),
    ):
        assert base_path(given) == base
    for wrong in ('http://x/a', '/a/../b', 'a b', '/a//b', 'ä', '/a?b'):
        with (
            said(f'base URL {wrong!r}: expected the path alone, e.g. /user/ann/proxy/8866/')
            if wrong != 'http://x/a'
            else pytest.raises(WindowError, match='base URL')
        ):
            base_path(wrong)


def test_ports():
    listening = server._listening(0)
    with listening:
        port = listening.getsockname()[1]
        assert listening.getsockname()[0] == '127.0.0.1'
        with said(
            f'port {port} is not available (Address already in use): '
            'leave --port out for a free one'
        ):
            server._listening(port)
    with server._listening(port) as again:  # at once, though its last connection is not forgotten
        assert again.getsockname()[1] == port


def test_a_terminated_command_is_an_interrupted_one():
    before = signal.getsignal(signal.SIGTERM)
    try:
        thread = threading.Thread(target=server._end_with_the_command)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) is before
        server._end_with_the_command()
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


class Loop:
    "A server that ends at once."

    fault = 'why'

    def wait(self):
        pass


def test_serving(survey, monkeypatch):
    from contextlib import contextmanager

    calls = []

    class Made:
        def __init__(self, *given):
            self.given, self.closed = given, False

        def close(self):
            self.closed = True

    @contextmanager
    def served(listening, access, survey, keep):
        calls.append((listening.getsockname()[1], access, survey, keep))
        yield Loop()
        listening.close()

    monkeypatch.setattr(server, '_served', served)
    monkeypatch.setattr(server, '_end_with_the_command', lambda: calls.append('end'))
    monkeypatch.setattr(server, '_Explorers', Made)
    monkeypatch.chdir(survey)
    ready = []
    given = ['index', 0, 'l.csv', True, 'refcon-tiny', ready.append, 7, '/b', 9]
    for places in ((), ['survey']):
        calls.clear()
        with said("the page's server has stopped by itself: why"):
            server.serve(*given, dict(dt=4), places)
        end, (port, access, shared, keep) = calls
        assert (end, keep, access.base) == ('end', 9, '/b/')
        assert access.port == port and len(access.token) == 32 != access.cookie
        assert ready.pop() == f'http://127.0.0.1:{port}/b/?token={access.token}'
        opened = ('index', 'l.csv', True, 'refcon-tiny', dict(dt=4), places, None, {})
        assert shared.make.given == opened and shared.make.closed
        assert (shared.look is None) == bool(places)  # volumes have to be looked for


def test_what_cannot_be_served_is_refused_early(survey, searcher, monkeypatch, tmp_path):
    volumes = []
    real = Searcher.volume

    def volume(self, source=None):
        volumes.append(source)
        return real(self, source)

    monkeypatch.setattr(Searcher, 'volume', volume)
    server._Explorers(survey / 'index', None, False, None, None, (), None, {})
    assert set(volumes) >= set(searcher.sources)
    with said(f'{tmp_path}/l.txt: labels are kept in a .csv file'):
        server.serve(survey / 'index', labels=tmp_path / 'l.txt')
    odd = survey / 'index_labels.csv'
    odd.write_text('id\n1\n')
    try:
        with pytest.raises(WindowError, match='not a table that the explorer can add to'):
            server.serve(survey / 'index', allow_labels=True)
    finally:
        odd.unlink()


def test_the_first_look_is_the_explorers(survey, searcher, tmp_path):
    "The page is not drawn anew when the explorer takes over."
    look = first_look(survey / 'index', allow_labels=True)
    state, page = first_state(look), Explorer(searcher, tmp_path / 'l.csv')
    assert state['info'] == page.info
    assert {**state['section'], 'moved': False} == {**page.section, 'moved': False}
    for asked in (dict(kind='crossline'), dict(number=1e6), dict(kind='inline', number=0)):
        page.act(dict(action='show', **asked))
        assert first_answer(look, dict(action='show', **asked))['section'] == page.section
    page.act(dict(action='look', gain=3.5, cmap='PuOr'))
    seen = first_answer(look, dict(action='look', gain=3.5, cmap='PuOr'))['section']
    assert seen['png'] == page.section['png']
