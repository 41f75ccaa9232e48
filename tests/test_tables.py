"""Tables as spreadsheets, interpretation software and people write them.

What is read is what was meant, or a line says what was assumed."""

import json
import unicodedata

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reflection_connection.cli import main
from reflection_connection.labelling import IterateError, Ledger, review, take_back
from reflection_connection.windows import (
    WindowError,
    challenge_windows,
    class_name,
    class_names,
    image_windows,
    labelled_table,
    load_windows,
    name_among,
    read_polygon,
    read_rows,
)

HEAD = ['line_kind', 'line', 'top', 'left', 'height', 'width', 'label']
ROWS = [('inline', 1200 + k, 8 * k, 4 * k, 32, 32, ('Fault', 'Salt')[k % 2]) for k in range(4)]


@pytest.fixture(scope='module')
def survey(tmp_path_factory):
    from reflection_connection.synthetic import write_survey

    return write_survey(
        tmp_path_factory.mktemp('tables') / 'survey',
        seed=0,
        n_inlines=6,
        n_crosslines=64,
        n_samples=96,
        window=(24, 24),
    )


def table(path, rows=ROWS, head=HEAD, separator=',', newline='\n', encoding='utf-8', form=str):
    lines = [separator.join(map(str, head)), *(separator.join(form(v) for v in r) for r in rows)]
    path.write_bytes((newline.join(lines) + newline).encode(encoding))
    return path


def rectangles(frame):
    return frame[['line_kind', 'line', 'top', 'left', 'height', 'width', 'label']].values.tolist()


comma = lambda v: f'{v},0' if isinstance(v, int) else v
FORMS = {
    'plain': dict(),
    'semicolons': dict(separator=';'),
    'tabs': dict(separator='\t'),
    'bars': dict(separator='|'),
    'blanks': dict(separator='   '),
    'comma and blank': dict(separator=', '),
    'semicolons and blanks': dict(separator=' ; '),
    'decimal commas': dict(separator=';', form=comma),
    'decimal commas in tabs': dict(separator='\t', form=comma),
    'decimal commas in quotes': dict(form=lambda v: f'"{v},0"' if isinstance(v, int) else v),
    'decimal points': dict(form=lambda v: f'{v}.0' if isinstance(v, int) else v),
    'three decimals': dict(form=lambda v: f'{v}.000' if isinstance(v, int) else v),
    'CRLF': dict(newline='\r\n'),
    'CR': dict(newline='\r'),
    'blank lines between': dict(newline='\n\n'),
    'UTF-8 with a mark': dict(encoding='utf-8-sig'),
    'UTF-16': dict(encoding='utf-16'),
    'UTF-16 without a mark': dict(encoding='utf-16-le'),
    'UTF-16 big endian': dict(encoding='utf-16-be'),
    'UTF-32': dict(encoding='utf-32'),
    'capitals': dict(head=[h.upper() for h in HEAD]),
    'titles': dict(head=[h.replace('_', ' ').title() for h in HEAD]),
    'blanks in the header': dict(head=[f' {h} ' for h in HEAD]),
    'quotes': dict(head=[f'"{h}"' for h in HEAD], form=lambda v: f'"{v}"'),
    'an index column': dict(head=['', *HEAD], rows=[(k, *r) for k, r in enumerate(ROWS)]),
    'row names as R writes them': dict(rows=[(k + 1, *r) for k, r in enumerate(ROWS)]),
    'a column more': dict(head=[*HEAD, 'note'], rows=[(*r, 'x') for r in ROWS]),
    'another order': dict(head=HEAD[::-1], rows=[r[::-1] for r in ROWS]),
    'a comment': dict(head=['# by hand\nline_kind', *HEAD[1:]]),
    'a header in a comment': dict(head=['#line_kind', *HEAD[1:]]),
    'a comment at the end': dict(rows=[*ROWS, ('# done',)]),
    'separator at the end of lines': dict(
        separator=';', head=[*HEAD, ''], rows=[(*r, '') for r in ROWS]
    ),
    'sep= of Excel': dict(separator=';', head=['sep=;\nline_kind', *HEAD[1:]]),
    'empty rows at the end': dict(rows=[*ROWS, *[('',) * 7] * 3]),
    'kinds of lines in capitals': dict(rows=[('INLINE', *r[1:]) for r in ROWS]),
    'kinds of lines with a dash': dict(rows=[('In-line', *r[1:]) for r in ROWS]),
    'blanks around labels': dict(rows=[(*r[:6], f' {r[6]} ') for r in ROWS]),
    'a blank that does not break': dict(rows=[(*r[:6], f'{r[6]}\u00a0') for r in ROWS]),
}


@pytest.mark.parametrize('form', FORMS)
def test_a_table_of_labels_in_any_form(survey, tmp_path, form):
    found = labelled_table(table(tmp_path / 't.csv', **FORMS[form]), survey)
    assert rectangles(found) == [list(r) for r in ROWS]


@pytest.mark.parametrize(
    'name', ['T.CSV', 't.tsv', 't.TAB', 't.txt', 't.Csv', 't.parquet', 't.PARQUET', 't.pq']
)
def test_endings_in_any_case(survey, tmp_path, name):
    path = tmp_path / name
    if name[2:].lower() in ('parquet', 'pq'):
        pd.DataFrame(ROWS, columns=HEAD).to_parquet(path)
    else:
        table(path)
    assert rectangles(load_windows(path, survey).frame) == [list(r) for r in ROWS]


@pytest.mark.parametrize(
    'name',
    [
        'labels.csv',
        'LABELS.CSV',
        'labels.tsv',
        'labels.xlsx',
        'labels',
        './labels',
        'data/labels.txt',
        'a/b/c',
        'labels.dbf',
        'nowhere/labels.json',
    ],
)
def test_a_missing_file_is_a_missing_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        'reflection_connection.windows.load.challenge_folder',
        lambda *_: pytest.fail('the hub was asked'),
    )
    with pytest.raises(WindowError, match='no such') as e:
        load_windows(name)
    assert 'network' not in str(e.value) and 'hub' not in str(e.value)


@pytest.mark.parametrize(
    'name, content',
    [
        ('labels.xlsx', b'PK\3\4' + bytes(50)),
        ('labels.dbf', b'abc'),
        ('labels', b'a,b\n1,2\n'),
        ('section.png', b'\x89PNG'),
        ('survey.sgy', bytes(4000)),
        ('org/name', b'x'),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'org').mkdir()
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(
        'reflection_connection.windows.load.challenge_folder',
        lambda *_: pytest.fail('the hub was asked'),
    )
    with pytest.raises(
        WindowError, match='single image' if name.endswith('png') else r'\.csv, \.tsv'
    ):
        load_windows(name)


def test_workbooks_and_other_binary_files_are_named(tmp_path):
    for first, says in (
        (b'PK\3\4', 'workbook'),
        (b'\xd0\xcf\x11\xe0', 'workbook'),
        (b'\x1f\x8b', 'gzip'),
        (b'%PDF', 'PDF'),
        (b'PAR1', 'Parquet'),
    ):
        (tmp_path / 't.csv').write_bytes(first + bytes(50))
        with pytest.raises(WindowError, match=says):
            read_rows(tmp_path / 't.csv')


def test_latin_1_is_read_and_said(survey, tmp_path, capsys):
    found = labelled_table(
        table(tmp_path / 't.csv', rows=[(*ROWS[0][:6], 'Störung'), ROWS[1]], encoding='latin-1'),
        survey,
    )
    assert found.label.tolist() == ['Störung', 'Salt']
    assert 'Windows-1252' in capsys.readouterr().out


def test_names_that_look_like_nothing_are_names(survey, tmp_path, capsys):
    names = ['NA', 'None', 'null', 'nan']
    found = labelled_table(
        table(tmp_path / 't.csv', rows=[(*r[:6], n) for r, n in zip(ROWS, names)]), survey
    )
    assert (
        found.label.tolist() == names and "'NA', 'None', 'null', 'nan'" in capsys.readouterr().out
    )


def test_numeric_classes_stay_as_they_were_written(survey, tmp_path, capsys):
    found = labelled_table(
        table(
            tmp_path / 't.csv', rows=[(*r[:6], n) for r, n in zip(ROWS, ['0', '', '007', '1.50'])]
        ),
        survey,
    )
    assert (
        found.label.fillna('-').tolist() == ['0', '-', '007', '1.50']
        and '1 of 4 windows have no label' in capsys.readouterr().out
    )
    pd.DataFrame([(*r[:6], n) for r, n in zip(ROWS, [0, 1, None, 2])], columns=HEAD).to_parquet(
        tmp_path / 't.parquet'
    )  # whole numbers with a gap are floats there
    assert labelled_table(tmp_path / 't.parquet', survey).label.fillna('-').tolist() == [
        '0',
        '1',
        '-',
        '2',
    ]


def test_names_in_two_unicode_forms_are_one_class(survey, tmp_path):
    both = [unicodedata.normalize(f, 'Störung') for f in ('NFC', 'NFD')]
    assert both[0] != both[1]
    assert (
        labelled_table(
            table(tmp_path / 't.csv', rows=[(*r[:6], n) for r, n in zip(ROWS, both * 2)]), survey
        )
        .label.unique()
        .tolist()
        == both[:1]
    )


def test_names_that_differ_by_case_are_named_and_merged_by_choice(survey, tmp_path, capsys):
    path = table(
        tmp_path / 't.csv',
        rows=[
            (*r[:6], n)
            for r, n in zip(
                ROWS, ['Bright_Planar', 'bright planar', 'BRIGHT-PLANAR', 'Bright_Planar']
            )
        ],
    )
    assert load_windows(path, survey).frame.label.nunique() == 3
    said = capsys.readouterr().out
    assert (
        "'Bright_Planar' (2), 'bright planar' (1), 'BRIGHT-PLANAR' (1)" in said
        and '--merge-case' in said
        and 'merge_case=True' in said
    )
    assert (
        load_windows(path, survey, merge_case=True).frame.label.unique().tolist()
        == ['Bright_Planar']
        and 'merged into' in capsys.readouterr().out
    )


def test_rows_on_inlines_need_line_numbers(survey, tmp_path):
    "A column `inline` in place of `line` is not line 0."
    path = table(tmp_path / 't.csv', head=['line_kind', 'inline', *HEAD[2:]])
    with pytest.raises(WindowError, match=r"columns \['line'\] are missing"):
        labelled_table(path, survey)


def test_merged_classes_go_by_any_of_their_names():
    assert name_among('FAULT', ['fault', 'salt'], True) == 'fault'
    assert name_among('FAULT', ['fault', 'salt']) == 'FAULT'
    assert name_among(' Salt dome', ['salt_dome', 'fault'], True) == 'salt_dome'


def test_merging_is_an_option_of_every_command_that_reads_labels():
    from reflection_connection.cli import parser

    for line in (
        'search i --class a --labels t.csv',
        'evaluate d --encoder e',
        'train d --out o',
        'iterate d --out o',
    ):
        assert parser().parse_args([*line.split(), '--merge-case']).merge_case is True


def test_repeated_rectangles_count_once(survey, tmp_path, capsys):
    found = labelled_table(table(tmp_path / 't.csv', rows=[*ROWS, *ROWS[:2]]), survey)
    assert (
        rectangles(found) == [list(r) for r in ROWS]
        and '2 rows repeat a rectangle, which counts once: first row 5, as row 1'
        in capsys.readouterr().out
    )
    found = labelled_table(
        table(tmp_path / 't.csv', rows=[(*ROWS[0][:6], ''), *ROWS]), survey
    )  # with a label, and without
    assert sorted(map(str, found.label)) == ['Fault', 'Fault', 'Salt', 'Salt']
    assert (
        len(
            labelled_table(table(tmp_path / 't.csv', rows=[*ROWS, *ROWS[:2]]), survey, labels=False)
        )
        == 6
    )  # questions may repeat


def test_rectangles_with_two_labels_are_left_out_by_name(survey, tmp_path, capsys):
    found = labelled_table(table(tmp_path / 't.csv', rows=[*ROWS, (*ROWS[0][:6], 'Salt')]), survey)
    assert (
        rectangles(found) == [list(r) for r in ROWS[1:]]
        and '1 rectangles have two labels and are left out: row 1 (Fault) and row 5 (Salt)'
        in capsys.readouterr().out
    )
    with pytest.raises(WindowError, match='every rectangle has two labels'):
        labelled_table(table(tmp_path / 't.csv', rows=[ROWS[0], (*ROWS[0][:6], 'Salt')]), survey)
    found = labelled_table(
        table(tmp_path / 't.csv', rows=[*ROWS, (*ROWS[0][:6], 'FAULT')]), survey, merge_case=True
    )
    assert len(found) == 4


@pytest.mark.parametrize('value', ['1.000', '1,000', "1'000", '1 000', '1.000.000', '12,345'])
def test_thousands_are_not_guessed(survey, tmp_path, value):
    with pytest.raises(WindowError, match='row 1: left is'):
        labelled_table(
            table(
                tmp_path / 't.csv', separator=';', rows=[('inline', 1200, 8, value, 32, 32, 'Salt')]
            ),
            survey,
        )


def test_faults_are_named_by_row_and_line(survey, tmp_path):
    with pytest.raises(WindowError, match=r"row 2 \(line 5\): top is 'x'"):
        labelled_table(
            table(
                tmp_path / 't.csv',
                head=['# one\n# two\nline_kind', *HEAD[1:]],
                rows=[ROWS[0], ('inline', 1200, 'x', 0, 9, 9, 'Salt')],
            ),
            survey,
        )
    with pytest.raises(WindowError, match='line 3: 8 cells where the header has 7'):
        labelled_table(table(tmp_path / 't.csv', rows=[ROWS[0], (*ROWS[1], 'x')]), survey)
    with pytest.raises(WindowError, match='missing.*got kind, name'):
        labelled_table(table(tmp_path / 't.csv', head=['kind', 'name'], rows=[('a', 'b')]), survey)


def test_splits_of_a_table_under_their_usual_names(survey, tmp_path):
    found = labelled_table(
        table(
            tmp_path / 't.csv',
            head=[*HEAD, 'Split'],
            rows=[(*r, s) for r, s in zip(ROWS, ['Training', 'val', 'Validation', 'TEST'])],
        ),
        survey,
    )
    assert found.split.tolist() == ['train', 'valid', 'valid', 'test']


# surveys of images


def pictures(folder, *names, seed=0):
    for k, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(
            np.random.default_rng(seed + k).integers(0, 255, (40, 40), dtype=np.uint8)
        ).save(path)
    return folder


@pytest.mark.parametrize(
    'ids', [('1', '02'), ('1.png', '02.png'), ('Salt/1.png', 'Salt/02.png'), ('Salt/1', 'Salt/02')]
)
def test_a_table_of_surveys_by_any_name_of_the_image(tmp_path, ids):
    d = pictures(tmp_path / 'd', 'Salt/1.png', 'Salt/02.png')
    (tmp_path / 's.csv').write_bytes(
        ('ID;Survey\r\n' + ''.join(f'{i};S{k}\r\n' for k, i in enumerate(ids))).encode('utf-16')
    )
    assert load_windows(d, table=tmp_path / 's.csv').frame.set_index('id').survey.to_dict() == {
        '1.png': 'S0',
        '02.png': 'S1',
    }


def test_a_table_of_surveys_that_does_not_fit_is_named(tmp_path, capsys):
    d = pictures(tmp_path / 'd', 'Salt/1.png', 'Salt/2.png')
    s = tmp_path / 's.csv'
    s.write_text('id,survey\nx,A\n')
    with pytest.raises(WindowError, match='none of its ids'):
        load_windows(d, table=s)
    s.write_text('id,survey\n1,A\n1,B\n')
    with pytest.raises(WindowError, match="'1' is given two surveys, A and B"):
        load_windows(d, table=s)
    s.write_text('id,survey\n1,A\n1,A\n')
    assert (
        load_windows(d, table=s).frame.survey.fillna('').tolist() == ['A', '']
        and 'no survey for 1 of 2 images: 2.png' in capsys.readouterr().out
    )


# polygons

SQUARE = [(450300, 6199900), (450900, 6199900), (450900, 6200400), (450300, 6200400)]
FAR = [(x + 5000, y) for x, y in SQUARE]


def text(rows, head='', separator=','):
    return (head + '\n' if head else '') + ''.join(separator.join(map(str, r)) + '\n' for r in rows)


ONE = {
    'plain': text(SQUARE, 'x,y'),
    'closed': text(SQUARE + SQUARE[:1], 'x,y'),
    'capitals': text(SQUARE, 'X,Y'),
    'semicolons': text(SQUARE, 'x;y', ';'),
    'no header': text(SQUARE),
    'no header, semicolons': text(SQUARE, separator=';'),
    'no header, tabs': text(SQUARE, separator='\t'),
    'x y z': text([(*c, 0) for c in SQUARE], 'x y z', ' '),
    'no header, x y z': text([(*c, -1500.5) for c in SQUARE], separator='  '),
    'a counter': text([(k, *c) for k, c in enumerate(SQUARE)], 'id,x,y'),
    'a counter without header': text([(k + 1, *c) for k, c in enumerate(SQUARE)], separator=' '),
    'blanks': text(SQUARE, 'x , y', ' , '),
    'easting': text(SQUARE, 'Easting,Northing'),
    'units': text(SQUARE, 'X (m);Y [m]', ';'),
    'northing first': text([c[::-1] for c in SQUARE], 'northing,easting'),
    'cdp_x': text(SQUARE, 'CDP_X,CDP_Y'),
    'decimal commas': text([(f'{x},0', f'{y},00') for x, y in SQUARE], 'x;y', ';'),
    'decimal commas, no header': text([(f'{x},0', f'{y},00') for x, y in SQUARE], separator=' '),
    'a comment': '# lease\n' + text(SQUARE, 'x,y'),
    'a header in a comment': text(SQUARE, '# X Y', ' '),
    'Petrel': '# Petrel Points with attributes\nVERSION 1\nBEGIN HEADER\nX\nY\nZ\nEND HEADER\n'
    + text([(*c, -1500) for c in SQUARE], separator=' '),
    'blank lines at the end': text(SQUARE, 'x,y') + '\n\n',
    'a point number': text([(*c, k) for k, c in enumerate(SQUARE)], 'x,y,point'),
    'a name for all': text([('lease 7', *c) for c in SQUARE], 'name,x,y'),
    'polygon 1': text([(1, *c) for c in SQUARE], 'poly,x,y'),
    'polygon 1 without header': text([(1, *c) for c in SQUARE]),
}
TWO = {
    'a column poly': text(
        [(k, *c) for k, ring in ((1, SQUARE), (2, FAR)) for c in ring], 'poly,x,y'
    ),
    'a column ring behind': text(
        [(*c, k) for k, ring in (('a', SQUARE), ('b', FAR)) for c in ring], 'x;y;Ring', ';'
    ),
    'a column id that repeats': text(
        [(k, *c) for k, ring in ((1, SQUARE), (2, FAR)) for c in ring], 'id,x,y'
    ),
    'a column of another name': text(
        [(k, *c) for k, ring in (('north', SQUARE), ('south', FAR)) for c in ring], 'lease,x,y'
    ),
    'a counter and a column': text(
        [
            (n, k, *c)
            for n, (k, c) in enumerate(
                [(k, c) for k, ring in ((1, SQUARE), (2, FAR)) for c in ring]
            )
        ],
        'id,part,x,y',
    ),
    'no header': text([(k, *c) for k, ring in ((1, SQUARE), (2, FAR)) for c in ring]),
    'an empty row': text(SQUARE, 'x,y') + '\n' + text(FAR),
    'empty cells': text(SQUARE, 'x,y') + ',\n' + text(FAR),
    'a row of 999': text([*SQUARE, (999, 999), *FAR], separator=' '),
    'a row of 999 with z': text(
        [(*c, 0) for c in SQUARE] + [('999.000000',) * 3] + [(*c, 0) for c in FAR], separator=' '
    ),
    '->': '->1\n' + text(SQUARE, separator=' ') + '->1\n' + text(FAR, separator=' '),
    'GMT': '> a\n' + text(SQUARE, separator='\t') + '> b\n' + text(FAR, separator='\t'),
    'each closed': text([*SQUARE, SQUARE[0], *FAR, FAR[0]], 'x,y'),
    'UTF-16': text([(k, *c) for k, ring in ((1, SQUARE), (2, FAR)) for c in ring], 'poly,x,y'),
}


@pytest.mark.parametrize('form', ONE)
def test_a_polygon_in_any_form(tmp_path, form):
    (tmp_path / 'p.txt').write_text(ONE[form])
    found = read_polygon(tmp_path / 'p.txt')
    assert len(found) == 1 and found[0][:4].tolist() == [list(map(float, c)) for c in SQUARE]


@pytest.mark.parametrize('form', TWO)
def test_two_polygons_are_never_one(tmp_path, form, capsys):
    (tmp_path / 'p.csv').write_text(TWO[form], encoding='utf-16' if form == 'UTF-16' else 'utf-8')
    found = read_polygon(tmp_path / 'p.csv')
    assert [r[:4].tolist() for r in found] == [
        [list(map(float, c)) for c in ring] for ring in (SQUARE, FAR)
    ] and '2 polygons' in capsys.readouterr().out


@pytest.mark.parametrize(
    'content, says',
    [
        ('x,y\n0,0\n1,1\n', 'three or more'),
        ('x,y\n0,0\n1,1\n0,0\n', 'three or more'),
        ('x,y\n', 'three or more'),
        ('', 'empty'),
        ('a,b\n0,0\n1,1\n', 'columns x and y'),
        ('x,y\n0,0\n1,\n2,2\n', 'line 3'),
        ('1\n2\n3\n', 'x and y'),
        ('x,y\n1,2\n3,a\n', 'line 3'),
        ('poly,x,y\n1,0,0\n2,9,9\n1,1,0\n2,8,8\n1,1,1\n2,7,6\n', 'sort the rows'),
        ('x;y\n450,300;6,199\n450,900;6,199\n451,100;6,400\n', 'decimals or thousands'),
        ('x,y\n0,0\n1,0\n1,1\n\n5,5\n6,6\n', 'three or more'),
    ],
)
def test_what_is_no_polygon_is_named(tmp_path, content, says):
    (tmp_path / 'p.csv').write_text(content)
    with pytest.raises(WindowError, match=says):
        read_polygon(tmp_path / 'p.csv')


def test_inside_any_of_several_polygons():
    from reflection_connection.search import SearchError, inside
    from reflection_connection.windows import window_table

    items = window_table(
        [
            dict(id=str(k), x=x, y=y)
            for k, (x, y) in enumerate(
                [(450600, 6200100), (453000, 6200100), (455600, 6200100), (None, None)]
            )
        ]
    )
    assert (
        inside(items, np.array(SQUARE)).tolist()
        == inside(items, SQUARE).tolist()
        == inside(items, [np.array(SQUARE)]).tolist()
        == [True, False, False, False]
    )
    assert (
        inside(items, [np.array(SQUARE), np.array(FAR + FAR[:1])]).tolist()
        == inside(items, np.array([SQUARE, FAR])).tolist()
        == [True, False, True, False]
    )
    for wrong in (
        [],
        [[0, 0], [1, 1]],
        [SQUARE, [[0, 0]]],
        'abc',
        None,
        [SQUARE, [(0, 0), (1, np.nan), (2, 2)]],
    ):
        with pytest.raises(SearchError, match='three or more'):
            inside(items, wrong)


# verdicts


@pytest.fixture()
def sheet(tmp_path):
    "A review of eight proposals."
    ids = [f's:inline{k}:0:0' for k in range(8)]
    decided = pd.DataFrame(
        dict(
            id=ids,
            label=['Salt', 'Fault'] * 4,
            decision='add',
            probability=0.9,
            evidence=0.8,
            margin=0.5,
            second='Fault',
            neighbours=[['a', 'b']] * 8,
        )
    )
    return (
        pd.read_csv(review(decided, tmp_path / 'round1.csv'), dtype=str, keep_default_na=False),
        tmp_path,
        set(ids),
    )


def judged(sheet, verdicts, write=lambda t, p: t.to_csv(p, index=False), more=None):
    t, folder, shown = sheet
    t = t.copy()
    t.loc[range(len(verdicts)), 'verdict'] = verdicts
    if more is not None:
        t = pd.concat([t, more(t)])
    write(t, folder / 'v.csv')
    ledger = Ledger(folder / 'labels.parquet')
    return take_back(folder / 'v.csv', ledger, {'Salt', 'Fault'}, 1, shown), ledger.lines


@pytest.mark.parametrize(
    'write',
    [
        lambda t, p: t.to_csv(p, index=False, sep=';'),
        lambda t, p: t.to_csv(p, index=False, sep='\t', encoding='utf-16'),
        lambda t, p: t.to_csv(p, index=False, encoding='utf-8-sig', lineterminator='\r\n'),
        lambda t, p: t.rename(columns=str.title).to_csv(p),
        lambda t, p: t.to_csv(p, index=False, quoting=1),
    ],
)
def test_verdicts_in_any_form(sheet, write):
    said, lines = judged(sheet, ['Accept', ' ACCEPT ', 'reject', 'salt', '', 'Reject'], write)
    assert said == {'accept': 2, 'reject': 2, 'Salt': 1}
    assert dict(zip(lines.id, zip(lines.decision, lines.label))) == {
        's:inline0:0:0': ('accept', 'Salt'),
        's:inline1:0:0': ('accept', 'Fault'),
        's:inline2:0:0': ('reject', 'Salt'),
        's:inline3:0:0': ('relabel', 'Salt'),
        's:inline5:0:0': ('reject', 'Fault'),
    }


def test_unclear_verdicts_are_refused_by_name_and_none_is_taken(sheet):
    for verdicts, more, says in (
        (['accept', 'acept'], None, "line 3: verdict 'acept'"),
        (['accept'], lambda t: t.iloc[:1].assign(id='s:inline99:0:0'), 'verdict on s:inline99:0:0'),
        (
            ['accept'],
            lambda t: t.iloc[:1].assign(verdict='reject'),
            's:inline0:0:0 has two verdicts, accept and reject',
        ),
        (['accept'], lambda t: t.iloc[:1].assign(verdict='Fault'), 'two verdicts'),
        (
            ['accept'],
            lambda t: t.iloc[:1].assign(id='s:inline1:0:0', label='Karst'),
            'its label is none of',
        ),
    ):
        with pytest.raises(IterateError, match=says):
            judged(sheet, verdicts, more=more)
        assert not (sheet[1] / 'labels.parquet').exists()
    said, _ = judged(
        sheet,
        ['accept', 'reject'],
        more=lambda t: pd.concat([t.iloc[:2], t.iloc[:1].assign(verdict='')]),
    )
    assert said == {'accept': 1, 'reject': 1}  # said twice, counted once; nothing said beside it


# labels of the explorer


def test_the_explorer_keeps_the_form_of_a_table(tmp_path):
    from reflection_connection.explore import LABEL_COLUMNS, LabelTable

    path = tmp_path / 'L.CSV'
    row = dict(
        id='b',
        survey='s',
        source='s.sgy',
        line_kind='inline',
        line=2,
        top=0,
        left=0,
        height=9,
        width=9,
    )
    path.write_bytes(
        (
            ';'.join(c.title() for c in LABEL_COLUMNS)
            + ';Note\r\n007;NA;s.sgy;Inline;1;0,0;0;9;9;NA;mine\r\n'
        ).encode('utf-16')
    )
    page = LabelTable(path)
    assert (page.of('007'), page.classes()) == ('NA', ['NA'])
    page.add(row, unicodedata.normalize('NFD', 'Störung'))
    text = path.read_text(encoding='utf-8-sig').splitlines()
    assert text[0].count(';') == 10 and text[1] == '007;NA;s.sgy;inline;1;0;0;9;9;NA;mine'
    assert LabelTable(path).of('b') == 'Störung'


# folders


def test_a_class_folder_made_on_a_mac_is_found_by_the_name_as_typed(tmp_path):
    mac, typed = (unicodedata.normalize(f, 'Störung') for f in ('NFD', 'NFC'))
    d = pictures(tmp_path / 'd', f'{mac}/a.png', 'Planar/b.png')
    assert set(image_windows(d)[0].label) == {typed, 'Planar'}


def test_two_folders_of_one_name_are_one_class_and_said(tmp_path, capsys):
    mac, typed = (unicodedata.normalize(f, 'Störung') for f in ('NFD', 'NFC'))
    d = pictures(tmp_path / 'd', f'{mac}/a.png', f'{typed}/a.png', 'Salt/b.png', 'salt/c.png')
    found, _ = image_windows(d)
    said = capsys.readouterr().out
    assert (
        len(found) == 4
        and found.label.value_counts().to_dict() == {typed: 2, 'Salt': 1, 'salt': 1}
        and 'in different Unicode forms' in said
        and "'Salt' (1), 'salt' (1)" in said
    )
    assert image_windows(d, merge_case=True)[0].label.nunique() == 2


def test_what_is_not_read_is_named(tmp_path):
    d = pictures(
        tmp_path / 'd',
        'Salt/a.png',
        'Salt/more/b.png',
        'Salt/more/still/c.png',
        'loose.png',
        'loose2.PNG',
    )
    (d / 'Empty').mkdir()
    (d / 'notes.md').write_text('x')
    found, report = image_windows(d)
    said = dict(zip(report.file, report.problem))
    assert (
        len(found) == 1
        and set(said) == {'loose.png', 'Salt/more', 'Empty'}
        and 'with 1 more images' in said['loose.png']
        and '2 images are not read' in said['Salt/more']
    )


def test_folders_beside_train_are_used_or_named(tmp_path):
    d = pictures(
        tmp_path / 'd',
        'Train/Salt/a.png',
        'Train/Fault/b.png',
        'val/Salt/c.png',
        'validation/Salt/c.png',
        'TEST/Salt/d.png',
        'image_corpus/e.png',
        'extra/Salt/f.png',
        'g.png',
    )
    found, report = challenge_windows(d)
    assert (
        found.split.value_counts().to_dict() == {'train': 2, 'valid': 2, 'test': 1, 'corpus': 1}
        and not found.id.duplicated().any()
    )
    assert {f for f in report.file} == {'extra/', 'g.png'} and len(load_windows(d)) == 6


def test_images_beside_volumes_are_named(tmp_path, capsys):
    from reflection_connection.windows import open_sources

    d = pictures(tmp_path / 'd', 'a.png')
    np.save(d / 's.npy', np.random.default_rng(0).normal(size=(64, 64)))
    assert [k for k, *_ in open_sources(d)] == [
        'volume'
    ] and '1 images beside volumes are not read' in capsys.readouterr().out


# the command line


def test_a_class_is_found_by_its_name_on_the_command_line(tmp_path, capsys, encoder_folder):
    mac = unicodedata.normalize('NFD', 'Störung')
    d = pictures(tmp_path / 'd', f'{mac}/a.png', f'{mac}/b.png', 'Planar/c.png', 'Planar/e.png')
    assert (
        main(
            [
                'index',
                str(pictures(tmp_path / 'corpus', *(f'{k}.png' for k in range(4)), seed=9)),
                '--encoder',
                str(encoder_folder),
                '--out',
                str(tmp_path / 'i'),
            ]
        )
        == 0
    )
    capsys.readouterr()
    assert (
        main(
            [
                'search',
                str(tmp_path / 'i'),
                '--class',
                'Störung',
                '--labels',
                str(d),
                '--k',
                '2',
                '--json',
            ]
        )
        == 0
        and len(json.loads(capsys.readouterr().out)) == 2
    )
    assert (
        main(['evaluate', str(d), '--encoder', str(encoder_folder), '--exclude', mac, '--json'])
        == 0
        and json.loads(capsys.readouterr().out)['encoder']['n_queries'] == 2
    )


def test_a_merged_class_is_asked_for_by_any_of_its_names(tmp_path, capsys, encoder_folder):
    d = pictures(
        tmp_path / 'd', 'fault/a.png', 'fault/b.png', 'Fault/c.png', 'salt/e.png', 'salt/f.png'
    )
    index = str(tmp_path / 'i')
    assert (
        main(
            [
                'index',
                str(pictures(tmp_path / 'corpus', *(f'{k}.png' for k in range(4)), seed=9)),
                '--encoder',
                str(encoder_folder),
                '--out',
                index,
            ]
        )
        == 0
    )
    for name in ('fault', 'Fault', 'FAULT'):
        capsys.readouterr()
        assert (
            main(
                [
                    'search',
                    index,
                    '--class',
                    name,
                    '--labels',
                    str(d),
                    '--merge-case',
                    '--k',
                    '2',
                    '--json',
                ]
            )
            == 0
        )
        assert len(json.loads(capsys.readouterr().out)) == 2
    assert (
        main(
            [
                'evaluate',
                str(d),
                '--encoder',
                str(encoder_folder),
                '--merge-case',
                '--exclude',
                'Fault',
                '--json',
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)['encoder']['n_queries'] == 2
    assert main(['search', index, '--class', 'FAULT', '--labels', str(d), '--json']) == 2


def test_class_names_say_nothing_of_plain_names(capsys):
    assert (
        class_names(pd.Series(['Salt', 'Fault']), 't.csv').tolist() == ['Salt', 'Fault']
        and capsys.readouterr().out == ''
    )


def test_characters_that_take_no_room_make_no_class():
    assert (
        class_name('Salt\u200b') == class_name('\ufeffSalt') == class_name(' Sa\u00adlt') == 'Salt'
    )
    assert (
        class_name('\u0646\u0645\u06a9\u200c\u0647\u0627') == '\u0646\u0645\u06a9\u200c\u0647\u0627'
    )  # a joiner that Persian needs


def test_volumes_in_sub_folders_are_named(tmp_path, capsys):
    (tmp_path / 'd' / 'more').mkdir(parents=True)
    for name in ('d/a.npy', 'd/more/b.npy'):
        np.save(tmp_path / name, np.random.default_rng(0).normal(size=(40, 40)))
    from reflection_connection.windows import open_sources

    assert [str(what) for _, what, *_ in open_sources(tmp_path / 'd')] == [
        str(tmp_path / 'd' / 'a.npy')
    ]
    assert '1 volumes in its sub-folders are not read' in capsys.readouterr().out
