"""Known answers of the windows wing: tables, pictures, places, splits and corpora by hand."""

import hashlib
import json
import os
import re
from collections import OrderedDict
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from answers import refusal
import torch
from PIL import Image
from test_volume import grid, segy

from reflection_connection import windows as w
from reflection_connection.volume import Openings, as_openings, open_volume
from reflection_connection.windows import best_split, challenge, classes, colours
from reflection_connection.windows import grid as grids
from reflection_connection.windows import holdout, images, labels, load, neighbours, pictures
from reflection_connection.windows import normalisation, polygons, rows, splits
from reflection_connection.windows import text as texts
from reflection_connection.windows.text import WindowError


says = refusal(WindowError)


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- text
@pytest.mark.parametrize(
    ('raw', 'encoding'),
    [
        (b'\xef\xbb\xbfx', 'utf-8-sig'),
        (b'\xff\xfe\0\0', 'utf-32'),
        (b'\0\0\xfe\xff', 'utf-32'),
        (b'\xff\xfea\0', 'utf-16'),
        (b'\xfe\xff\0a', 'utf-16'),
        (b'x,y\n1,2\n', ''),
        (b'', ''),
        (('a' * 7 + 'ā' * 3).encode('utf-16-le'), ''),  # seven of ten are not more than 0.7
        (('a' * 8 + 'ā' * 2).encode('utf-16-le'), 'utf-16-le'),
        (('a' * 7 + 'ā' * 3).encode('utf-16-be'), ''),
        (('a' * 8 + 'ā' * 2).encode('utf-16-be'), 'utf-16-be'),
        (('a' * 9 + 'Ā').encode('utf-16-le'), ''),  # a zero in another place
        (('a' * 9 + 'Ā').encode('utf-16-be'), ''),
        (('a' * 1000 + 'Ā').encode('utf-16-le'), 'utf-16-le'),  # only the first 2,000 bytes count
        (('a' * 1000 + 'Ā').encode('utf-16-be'), 'utf-16-be'),
        (('a' * 1000 + 'ā' * 2000).encode('utf-16-le'), 'utf-16-le'),
        (('ā' * 1000 + 'a' * 9000).encode('utf-16-le'), ''),
        (('ā' * 299 + 'a' * 701).encode('utf-16-le'), 'utf-16-le'),
        (('ā' * 300 + 'a' * 700).encode('utf-16-le'), ''),
    ],
)
def test_encoding_by_the_first_bytes(raw, encoding):
    assert texts._encoding(raw) == encoding


@pytest.mark.parametrize('code', [*range(32), 127, 128, 160])
def test_control_characters_are_no_text(tmp_path, code):
    path = written(tmp_path / 'a.csv', 'a' + chr(code) + 'b')
    if code in (9, 10, 11, 12, 13, 128, 160):
        kept = '\n' if code == 13 else chr(code)
        assert texts.read_text(path) == ('a' + kept + 'b', 'utf-8')
    else:
        says('a.csv: not a readable CSV table: it is not text', texts.read_text, path)


def test_text_in_windows_1252(tmp_path, capsys):
    assert texts.read_text(written(tmp_path / 'a.csv', b'K\xfcste\r\nx\ry')) == (
        'Küste\nx\ny',
        'cp1252',
    )
    assert capsys.readouterr().out == (
        'a.csv: not UTF-8; read as Windows-1252: save it as UTF-8 if names come out wrong\n'
    )
    says(
        'b.csv: not a readable CSV table: it is not text',
        texts.read_text,
        written(tmp_path / 'b.csv', b'K\xfcste\x81'),
    )
    assert texts.read_text(written(tmp_path / 'c.csv', 'a�b')) == ('a�b', 'utf-8')
    assert capsys.readouterr().out == ''


def test_files_that_are_no_text(tmp_path):
    says(f'{tmp_path}: no such table', texts.read_text, tmp_path)
    says(
        'a.csv: not a readable CSV table (begins like utf-16 and is not): save it as UTF-8',
        texts.read_text,
        written(tmp_path / 'a.csv', b'\xff\xfea\0b'),
    )
    says(
        'b.csv: not a readable CSV table: it is an old Excel workbook; save it as CSV (UTF-8)',
        texts.read_text,
        written(tmp_path / 'b.csv', b'\xd0\xcf\x11\xe0abc'),
    )


def test_a_table_that_the_system_does_not_give(tmp_path, monkeypatch):
    path = written(tmp_path / 'a.csv', 'x')

    def refuse(self):
        raise OSError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'read_bytes', refuse)
    says(f'{path}: not a readable table (Permission denied)', texts.read_text, path)


@pytest.mark.parametrize(
    ('lines', 'separator'),
    [
        (['x y', '1 2', '3 4'], ''),
        (['x\ty', '1\t2', '3\t4'], '\t'),
        (['x y', '1\t2', '3\t4'], ''),
        (['1 2'], ''),
        (['a;b', '1,5;2'], ';'),
        (['a|b', 'c|d'], '|'),
        (['a,b', 'c,d'], ','),
        (['a\tb', 'c\td,e'], '\t'),
        (['a b', 'c d'], ''),
        (['abc', 'd'], ','),
        ([], ','),
        (['', '  '], ','),
        (['> 1;2', 'a,b', 'c,d'], ','),
        (['-> 1;2;', '->', 'a|b', 'c|d'], '|'),
        (['a;b,c', 'd;e', 'f;g,h'], ';'),
        (['a;b,c', 'd,e', 'f,g;h'], ','),
        (['x y', '1', '2'], ''),
        (['x,y', '1 a', '2 b'], ','),
        (['x,y', '1 2', '3 b'], ','),
    ],
)
def test_the_separator_of_a_table(lines, separator):
    assert texts._separator(lines) == separator


def test_rows_of_equal_width():
    assert texts._evenness(['a;b', 'c;d', 'e'], ';') == pytest.approx(2 / 3)
    assert texts._evenness(['a;b', '', 'c;d'], ';') == 1
    assert texts._evenness(['a', 'b'], ';') == 0
    assert texts._evenness(['', ''], ';') == 0
    assert texts._cut(['"a ""b"" c" d', ' e  f'], '') == [['a "b" c', 'd'], ['e', 'f']]
    assert texts._cut(['"a;b"; c'], ';') == [['a;b', 'c']]


@pytest.mark.parametrize(
    'good', ['1', '+1', '-1', '1.', '1,5', '.5', ',5', '1e5', '1.5E-3', '1e+2']
)
def test_numbers_in_text(good):
    assert texts.NUMBER.fullmatch(good)
    assert not texts.NUMBER.fullmatch(good + 'x')


@pytest.mark.parametrize('bad', ['', '.', 'e5', '1e', '--1', '1.2.3', '1 2', 'nan'])
def test_what_is_no_number(bad):
    assert not texts.NUMBER.fullmatch(bad)


def test_cells_of_a_file(tmp_path):
    path = written(
        tmp_path / 'a.csv', '# made by me\n\n# x, y\nlong, 1\n"two\nlines", 2\n#no\n , 3\n'
    )
    assert texts.read_cells(path) == (
        [(2, []), (4, ['long', '1']), (6, ['two\nlines', '2']), (8, ['', '3']), (9, [])],
        ['x', 'y'],
        ',',
        'utf-8',
    )
    path = written(tmp_path / 'b.csv', '"SEP=|"\na|b;c\n')
    assert texts.read_cells(path) == ([(1, []), (2, ['a', 'b;c']), (3, [])], [], '|', 'utf-8')
    path = written(tmp_path / 'c.txt', 'x y\n1 2\n')
    assert texts.read_cells(path) == ([(1, ['x', 'y']), (2, ['1', '2']), (3, [])], [], '', 'utf-8')
    path = written(tmp_path / 'd.csv', '#a;b\n#c;d\n')  # nothing but comments
    assert texts.read_cells(path).rows == [(1, ['#a', 'b']), (2, ['#c', 'd']), (3, [])]
    assert texts.read_cells(path).top == []
    path = written(tmp_path / 'e.csv', 'sep=,\n' + 'x' * 200_000 + ',y\n1,2\n')
    says(
        'e.csv: not a readable CSV table (field larger than field limit (131072))',
        texts.read_cells,
        path,
    )


def test_comments_above_a_table():
    found = texts._without_comments(['', '#one', ' # two', 'a', '#b', 'c'])
    assert found == (['', 'a', 'c'], [1, 4, 6], ['one', 'two'])
    assert texts._excel_separator([]) == (None, [])
    assert texts._excel_separator(['sep=;', 'a']) == (';', ['', 'a'])
    assert texts._excel_separator(['sep=;;', 'a']) == (None, ['sep=;;', 'a'])


# ---- rows
def test_headers_of_a_table(tmp_path):
    path = tmp_path / 'a.csv'
    body = [(3, ['', '']), (4, ['Line-Kind', 'odd']), (5, ['1', '2'])]
    assert rows._header(path, body, [], ('line_kind', 'line')) == (
        ['line_kind', 'odd'],
        [(5, ['1', '2'])],
    )
    body = [(4, ['7', '8']), (5, ['1', '2'])]
    assert rows._header(path, body, ['top', 'LEFT'], ('top', 'left')) == (['top', 'left'], body)
    assert rows._header(path, body, ['top', 'b'], ('top', 'left')) == (['7', '8'], body[1:])
    both = [(4, ['top', 'left']), *body]
    assert rows._header(path, both, ['top', 'left'], ('top', 'left')) == (['top', 'left'], body)
    one = [(4, ['top', 'b']), *body]
    assert rows._header(path, one, ['top', 'left'], ('top', 'left')) == (
        ['top', 'left'],
        one,
    )
    says('a.csv: not a readable CSV table (it is empty)', rows._header, path, [(1, [''])], [], ())


def test_rows_as_wide_as_the_header(tmp_path):
    path = tmp_path / 'a.csv'
    assert rows._fit(path, ['a', 'b'], [(2, ['1']), (3, ['1', '2', ''])]) == (
        ['a', 'b'],
        [['1', ''], ['1', '2']],
    )
    assert rows._fit(path, ['a'], [(2, ['1', 'x']), (3, ['2', 'y'])]) == (
        ['', 'a'],
        [['1', 'x'], ['2', 'y']],
    )
    assert rows._fit(path, ['a'], []) == (['a'], [])
    says(
        'a.csv, line 3: 2 cells where the header has 1: quote cells that hold the separator; '
        'decimal commas need semicolons between the cells',
        rows._fit,
        path,
        ['a'],
        [(2, ['1', '']), (3, ['1', 'y'])],
    )
    says(
        'a.csv, line 2: 2 cells where the header has 1: quote cells that hold the separator; '
        'decimal commas need semicolons between the cells',
        rows._fit,
        path,
        ['a'],
        [(2, ['1', 'x']), (3, ['1', 'y'])],
    )
    assert rows.is_counter(['1', '2'])
    assert not rows.is_counter(['1', '1'])
    assert not rows.is_counter(['1', 'x'])
    assert not rows.is_counter(['1', '-2'])


def test_a_table_as_it_was_written(tmp_path, capsys):
    path = written(tmp_path / 'a.csv', 'Line;odd;odd;;\n1;;x;;\n\n2;b;y;;\n')
    frame = rows.read_rows(path, ('line',))
    assert frame.index.tolist() == [2, 4]
    assert frame.columns.tolist() == ['line', 'odd']
    assert frame.iloc[0].isna().tolist() == [False, True]
    assert frame.iloc[1].tolist() == ['2', 'b']
    assert frame.attrs == {'separator': ';', 'encoding': 'utf-8'}
    assert capsys.readouterr().out == "a.csv: column 'odd' occurs twice: the first of them counts\n"
    path = written(tmp_path / 'b.txt', 'x y\n1 2\n')
    assert rows.read_rows(path).attrs['separator'] == ' '
    assert capsys.readouterr().out == ''
    path = written(tmp_path / 'c.csv', 'a;b;c;b;a\n1;2;3;4;5\n')
    assert rows.read_rows(path).columns.tolist() == ['a', 'b', 'c']
    assert capsys.readouterr().out == "c.csv: column 'b' occurs twice: the first of them counts\n"
    path = written(tmp_path / 'd.csv', 'a;\n1;x\n')
    assert rows.read_rows(path).columns.tolist() == ['a', '']
    says(f'{tmp_path / "no.csv"}: no such table', rows.read_rows, tmp_path / 'no.csv')


def test_parquet_tables(tmp_path):
    path = tmp_path / 'a.parquet'
    pd.DataFrame({'Line Kind': ['a', 'b'], 'line': [1, 2], 'other': [1.5, 2]}).to_parquet(path)
    frame = rows.read_rows(path, ('line_kind', 'line'))
    assert frame.columns.tolist() == ['line_kind', 'line', 'other']
    assert frame.index.tolist() == [1, 2]
    assert frame.line.tolist() == [1, 2]
    bad = written(tmp_path / 'b.PQ', 'nothing')
    with pytest.raises(WindowError, match=r'^b\.PQ: not a readable Parquet table \(.{10,80}\)$'):
        rows.read_rows(bad)
    assert rows.is_parquet('a.PARQUET')
    assert not rows.is_parquet('a.csv')


def test_a_parquet_table_fails_for_no_stated_reason(tmp_path, monkeypatch):
    path = written(tmp_path / 'a.parquet', 'x')

    def fail(_):
        raise OSError

    monkeypatch.setattr(pd, 'read_parquet', fail)
    says('a.parquet: not a readable Parquet table (OSError)', rows.read_rows, path)

    def fail_long(_):
        raise OSError('a' * 100 + '\nb')

    monkeypatch.setattr(pd, 'read_parquet', fail_long)
    says(f'a.parquet: not a readable Parquet table ({"a" * 80})', rows.read_rows, path)


def test_numbers_of_a_column():
    cells = pd.Series(['1', ' 2,5 ', '−3', '.5', '1e2', 'x', '', None, True, 4, np.float32(1.5)])
    found = rows.numbers(cells)
    expected = [1, 2.5, -3, 0.5, 100, np.nan, np.nan, np.nan, np.nan, 4, 1.5]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == float
    assert np.isnan(rows.numbers(pd.Series([True, False]))).tolist() == [True, True]
    assert np.isnan(rows.numbers(pd.to_datetime(pd.Series(['2020-01-01'])))).all()
    assert np.isnan(rows.numbers(pd.to_timedelta(pd.Series([1])))).all()
    assert rows.numbers(pd.Series([1, 2], dtype='uint8')).tolist() == [1, 2]
    np.testing.assert_array_equal(rows.numbers(pd.Series([1, None], dtype='Int64')), [1, np.nan])
    np.testing.assert_array_equal(rows.numbers(pd.Series([np.bool_(True), 'x'])), [np.nan] * 2)


def test_rows_are_named_by_number_and_line():
    frame = pd.DataFrame({'a': [1, 2, 3, 4]}, index=[1, 3, 5, 3])
    assert [rows.row_at(frame, k) for k in range(4)] == [
        'row 1',
        'row 2',
        'row 3 (line 5)',
        'row 4 (line 3)',
    ]


def whole(cells):
    return rows.whole_numbers(
        pd.DataFrame({'top': cells}, index=range(2, 2 + len(cells))), 'top', 'a/t.csv'
    )


def test_whole_numbers():
    found = whole(['1', '2.0', '-3', '1e3', '0'])
    assert found.tolist() == [1, 2, -3, 1000, 0]
    assert found.dtype == np.int64
    assert whole([str(2**53 - 1)]).tolist() == [2**53 - 1]
    for bad in ('1.5', 'x', 'inf', str(2**53), '-9007199254740992'):
        says(f't.csv: row 2: top is {bad!r}: expected a whole number', whole, ['7', bad])
    says("t.csv: row 1: top is '': expected a whole number", whole, [None])
    says(f"t.csv: row 1: top is '{'y' * 40}': expected a whole number", whole, ['y' * 50])
    mark = 'which may be decimals or thousands: write it without the mark'
    for odd in ('1.000', '12,000', '-123.000', '1,234,000'):
        if odd != '1,234,000':
            says(f"t.csv: row 2: top is {odd!r}, {mark}", whole, ['7', odd])
    assert whole(['1.000', '2.0']).tolist() == [1, 2]  # a sure decimal mark
    says(f"t.csv: row 1: top is '1.000', {mark}", whole, ['1.000', '2,0'])
    assert whole(['1234.000', '1.000']).tolist() == [1234, 1]
    assert whole(['0.000', '1.000']).tolist() == [0, 1]
    assert whole(['1.000', '5.0000']).tolist() == [1, 5]
    assert whole(['1.000', '0.0']).tolist() == [1, 0]


def test_thousands():
    for yes in ('1.000', '12.000', '123,000', '+1.000', '-1.000', '1.000.000'):
        assert rows.THOUSANDS.fullmatch(yes)
    for no in ('0.000', '1234.000', '1.00', '1.0000', '1.000,000', '1000'):
        assert not rows.THOUSANDS.fullmatch(no)


# ---- class names
def test_names_among_others():
    assert classes.class_name(' Sal\u200bt\ufeff ') == 'Salt'
    assert classes.name_among(' salt', ['Salt', 'Fault']) == 'salt'
    assert classes.name_among(' salt', ['Salt', 'Fault'], merge_case=True) == 'Salt'
    assert classes.name_among('salt', ['SALT', 'Salt'], merge_case=True) == 'salt'
    assert classes.name_variants(['Salt', 'salt', 'Salt', 'Fault']) == [{'Salt': 2, 'salt': 1}]
    assert classes.name_variants(['Fault', 'Fault']) == []
    assert [classes.is_missing(v) for v in (None, np.nan, pd.NA, '', [None], np.array([1]))] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_labels_in_one_form(capsys):
    found = classes.class_names(pd.Series([1.0, 1.5, '', None, ' a '], index=[5, 6, 7, 8, 9]), 't')
    assert found.index.tolist() == [5, 6, 7, 8, 9]
    assert found.fillna('-').tolist() == ['1', '1.5', '-', '-', 'a']
    assert found.dtype == 'string'
    assert capsys.readouterr().out == 't: 2 of 5 windows have no label\n'
    classes.class_names(pd.Series(['NA', 'null', 'b']), 't', what='images')
    assert capsys.readouterr().out == (
        "t: taken for class names: 'NA', 'null'; leave a cell empty where there is no label\n"
    )


def test_variants_of_a_name(capsys):
    labels = pd.Series(['salt', 'Salt', 'Salt', 'x'])
    head = "t: class names that differ only by case or spacing: 'salt' (1), 'Salt' (2): "
    assert classes.class_names(labels, 't').tolist() == labels.tolist()
    assert capsys.readouterr().out == (
        head + 'they stay classes of their own; to merge them: --merge-case '
        '(in Python merge_case=True)\n'
    )
    assert classes.class_names(labels, 't', merge_case=True).tolist() == ['Salt'] * 3 + ['x']
    assert capsys.readouterr().out == head + "merged into 'Salt'\n"


# ---- polygons
def test_runs_of_values():
    assert polygons._runs(['a', 'a', 'b', 'a']) == [(0, 2), (2, 3), (3, 4)]
    assert polygons._tells_apart(['a'] * 3 + ['b'] * 3)
    assert not polygons._tells_apart(['a'] * 3 + ['b'] * 2)
    assert not polygons._tells_apart(['a'] * 3 + ['b'] * 3 + ['a'] * 3)
    assert polygons._plain('X (m)') == 'x'
    assert polygons._plain('CDP_X [ft]') == 'cdpx'


def test_columns_of_corners(tmp_path):
    path = tmp_path / 'a.csv'
    assert polygons._named_columns(path, ['id', 'Northing', 'Easting']) == (
        2,
        1,
        ['id', 'northing', 'easting'],
    )
    for header, got in ((['x', 'b'], 'x, b'), (['y'], 'y'), ([], 'none')):
        says(
            f'a.csv: expected columns x and y (or easting and northing), got {got}',
            polygons._named_columns,
            path,
            header,
        )
    unnamed = lambda *cells: polygons._unnamed_columns(path, list(enumerate(cells)))
    says('a.csv: expected columns x and y, got one column', unnamed, ['1'], ['1', '2'])
    assert unnamed(['1', '2'], ['2', '5']) == (0, 1, ['z', 'z'])
    assert unnamed(['1', '5', '6'], ['2', '7', '8']) == (1, 2, ['id', 'z', 'z'])
    assert unnamed(['1', '5', '6'], ['3', '7', '8']) == (0, 1, ['z', 'z', 'z'])
    assert unnamed(['1', '5', '6'], ['1', '7', '8']) == (0, 1, ['z', 'z', 'z'])
    assert unnamed(*[['7', '5', '6']] * 3) == (1, 2, ['id', 'z', 'z'])
    assert unnamed(['1234567', '5', '6'], ['1234568', '7', '8']) == (0, 1, ['z', 'z', 'z'])
    assert unnamed(['123456', '5', '6'], ['123457', '7', '8'])[0] == 1


def test_breaks_between_polygons():
    for yes in ([], ['', ''], ['> a'], ['->'], ['999', '999,0'], ['999', '999', '9.99e2']):
        assert polygons._is_break(yes)
    for no in (['999'], ['999', '1'], ['1', '2'], ['999', ''], ['a>']):
        assert not polygons._is_break(no)
    square = np.array([(0, 0), (0, 1), (1, 1), (0, 0), (5, 5), (5, 6), (6, 6)], float)
    assert [len(r) for r in polygons._closed(square)] == [4, 3]
    twice = np.array([(0, 0), (0, 0), (0, 1), (1, 1)], float)
    assert [len(r) for r in polygons._closed(twice)] == [4]
    back = np.array([(0, 0), (0, 1), (0, 0), (1, 1)], float)
    assert [len(r) for r in polygons._closed(back)] == [4]


def test_polygons_of_a_file(tmp_path, capsys):
    two = 'id,x,y\na,0,0\na,0,4\na,4,0\nb,9,9\nb,9,5\nb,5,9\n'
    found = w.read_polygon(written(tmp_path / 'a.csv', two.replace('id', 'ring')))
    assert [r.tolist() for r in found] == [[[0, 0], [0, 4], [4, 0]], [[9, 9], [9, 5], [5, 9]]]
    assert capsys.readouterr().out == (
        'a.csv: 2 polygons, told apart by column ring; hits lie inside any of them\n'
    )
    found = w.read_polygon(written(tmp_path / 'b.csv', 'x,y\n0,0\n0,4\n4,0\n>\n9,9\n9,5\n5,9\n'))
    assert len(found) == 2
    assert capsys.readouterr().out == 'b.csv: 2 polygons; hits lie inside any of them\n'
    found = w.read_polygon(written(tmp_path / 'c.csv', '# y, x\n1,0\n5,4\n1,8\n'))
    assert [r.tolist() for r in found] == [[[0, 1], [4, 5], [8, 1]]]
    assert capsys.readouterr().out == ''
    petrel = 'BEGIN HEADER\nY\nX\nEND HEADER\n1 0\n5 4\n1 8\n'
    found = w.read_polygon(written(tmp_path / 'd.txt', petrel))
    assert [r.tolist() for r in found] == [[[0, 1], [4, 5], [8, 1]]]
    pd.DataFrame({'y': [1, 5, 1], 'x': [0, 4, 8]}).to_parquet(tmp_path / 'e.pq')
    found = w.read_polygon(tmp_path / 'e.pq')
    assert [r.tolist() for r in found] == [[[0, 1], [4, 5], [8, 1]]]
    gap = 'x,y,name\n0,0,a\n0,4,a\n4,0,a\n,,a\n9,9,a\n9,5,a\n5,9,a\n'  # rows without a place
    assert len(w.read_polygon(written(tmp_path / 'f.csv', gap))) == 2


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'a.csv: not a readable CSV table (it is empty)'),
        ('>\n>\n', 'a.csv: a polygon needs three or more corners, this table has none'),
        (
            'x,y\n',
            'a.csv: a polygon needs three or more corners, this table has none',
        ),
        (
            'x,y\n0,0\n1,1\n0,0\n',
            'a.csv: a polygon needs three or more corners, the one at 0, 0 has 2',
        ),
        ('x,y\n0,0\n1,b\n0,0\n', 'a.csv, line 3: a corner that is not two numbers (1, b)'),
        ('x,y\n0,0\n1\n0,0\n', 'a.csv, line 3: a corner that is not two numbers (1, )'),
        (
            'x;y\n0;0\n1,000;4\n0;0\n',
            'a.csv, line 3: 1,000 and 4 may be decimals or thousands: write them without the mark',
        ),
        (
            'ring,x,y\na,0,0\nb,0,4\na,4,0\nb,5,5\n',
            'a.csv: column ring does not give every polygon three or more corners in a row: '
            'sort the rows by it',
        ),
    ],
)
def test_what_is_no_polygon(tmp_path, content, message):
    path = written(tmp_path / 'a.csv', content)
    says(message, w.read_polygon, path)


def test_columns_that_tell_polygons_apart(tmp_path):
    columns = polygons._Columns(0, 1, ['x', 'y', 'ring', 'z', 'name'])
    cells = [['0', '0', r, d, n] for r, d, n in zip('aaabbb', '111222', 'kkklll')]
    assert polygons._ring_columns(tmp_path, columns, cells) == [2, 4]
    short = [c[:3] for c in cells[:3]] + [c for c in cells[3:]]
    assert polygons._ring_columns(tmp_path, columns, short) == [2, 4]
    one = [['0', '0', 'a', '1', 'k']] * 3
    assert polygons._ring_columns(tmp_path, columns, one) == [2]
    counter = [['0', '0', str(k), '1', 'k'] for k in range(3)]
    assert polygons._ring_columns(tmp_path, columns, counter) == []
    says(f'{tmp_path / "no"}: no such table', w.read_polygon, tmp_path / 'no')


# ---- colours
def test_the_scales_that_are_known():
    known = colours.colour_scales()
    assert all(c.shape == (128, 3) for c in known.values())
    assert not {'hsv', 'gray', 'Greys', 'tab10', 'Set1', 'seismic_r', 'flag'} & set(known)
    assert {'seismic', 'RdBu', 'viridis', 'black-white-red'} <= set(known)
    assert known['seismic'].min() == 0
    assert known['seismic'].max() == 255
    brown = known['cyan-blue-grey-brown-red-yellow']
    for place, colour in colours._SOFTWARE['cyan-blue-grey-brown-red-yellow']:
        assert np.abs(brown - colour).max(1).min() <= (0 if place in (0, 1) else 8), colour
    kept = [[(float(p), c) for p, c in stops] for stops in colours._SOFTWARE.values()]
    digest = hashlib.sha256(repr([kept, sorted(colours._NO_SCALE)]).encode()).hexdigest()
    assert digest[:16] == 'cc288f1576050513'
    np.testing.assert_allclose(
        colours._LIGHT,
        [[0.299, 0.587, 0.114], [-0.10122, -0.19878, 0.3], [0.3, -0.25122, -0.04878]],
    )
    names, curves = colours._curves()
    assert names == list(known)
    np.testing.assert_allclose(curves[3], known[names[3]] @ colours._LIGHT.T)


def test_the_palette_of_pixels():
    pixels = np.array([[12, 0, 0], [0, 0, 0], [11, 0, 0], [0, 12, 0], [0, 0, 12]], np.float32)
    found, weight = colours._palette(pixels)
    expected = np.array([[5.5, 0, 0], [0, 0, 12], [0, 12, 0], [12, 0, 0]]) @ colours._LIGHT.T
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(weight, [2**0.5, 1, 1, 1])
    many = np.array([(r * 12, g * 12, 0) for r in range(21) for g in range(21)], np.float32)
    many = np.concatenate([many, many + [0, 0, 24]])
    assert len(colours._palette(many)[0]) == 500
    assert colours._mean_distance(np.array([10.0, 90.0]), np.array([3.0, 1.0])) == 22.5


@pytest.mark.parametrize(
    ('shape', 'n'),
    [((1000, 1199), 1_199_000), ((1000, 1200), 300_000), ((1000, 2699), 675_000), ((10, 9), 90)],
)
def test_large_pictures_are_thinned_out(shape, n):
    rgb = np.zeros((*shape, 3), np.uint8)
    every, calm = colours._every_and_calm(rgb, np.ones(shape, bool))
    assert len(every) == len(calm) == n


def test_calm_places_are_those_of_little_change():
    rng = np.random.default_rng(0)
    rgb = np.zeros((40, 50, 3), np.uint8)
    rgb[:, :25] = rng.integers(0, 255, (40, 25, 3))
    rgb[:, 25:] = (200, 30, 30)
    live = np.ones((40, 50), bool)
    live[:10] = False
    every, calm = colours._every_and_calm(rgb, live)
    assert len(every) == 30 * 50
    assert (calm == (200, 30, 30)).all()
    assert len(calm) == 690  # all but those within two pixels of the noise
    noise = rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)
    every, calm = colours._every_and_calm(noise, live)
    assert len(calm) == 600  # 0.4 of 1,500
    assert calm.sum() == 226_087


def test_coloured_pixels():
    rgb = np.array([[(24, 0, 0), (25, 0, 0), (0, 25, 10), (9, 0, 25), (9, 20, 24)]], np.uint8)
    assert colours.coloured_pixels(rgb).tolist() == [[False, True, True, True, False]]
    bright = np.array([[(255, 231, 240), (230, 255, 250), (250, 255, 230)]], np.uint8)
    assert colours.coloured_pixels(bright).tolist() == [[False, True, True]]


@pytest.mark.parametrize(
    ('distance', 'to_grey', 'is_known'),
    [(5.2, 10, True), (5.21, 10, False), (16.0, 50, True), (16.01, 50, False)],
)
def test_how_near_a_scale_has_to_be(monkeypatch, distance, to_grey, is_known):
    names = list(colours.colour_scales())
    found = np.full(len(names), 100.0)
    found[7] = distance
    monkeypatch.setattr(colours, '_apart', lambda palette, curves: found)
    monkeypatch.setattr(colours, '_mean_distance', lambda distance, weight: float(to_grey))
    rgb = np.zeros((10, 10, 3), np.uint8)
    assert colours.recognise_scale(rgb) == (names[7] if is_known else '')


def test_a_scale_is_recognised_by_all_and_by_calm_colours(monkeypatch):
    names = list(colours.colour_scales())
    calm, every = np.full(len(names), 90.0), np.full(len(names), 90.0)
    calm[2], every[2], calm[5], every[5] = 1, 50, 3, 4
    ways = [calm, every]
    monkeypatch.setattr(colours, '_apart', lambda palette, curves: ways.pop(0))
    monkeypatch.setattr(colours, '_mean_distance', lambda distance, weight: 50.0)
    assert colours.recognise_scale(np.zeros((10, 10, 3), np.uint8)) == names[5]


def test_distances_to_curves():
    points = np.array([[0.0, 0, 0], [3, 4, 0]])
    curve = np.array([[[0.0, 0, 0], [100, 0, 0]], [[3, 4, 12], [500, 0, 0]]])
    np.testing.assert_allclose(
        colours._apart((points, np.array([1.0, 3.0])), curve), [15 / 4, (13 + 36) / 4]
    )


def test_places_on_a_curve():
    curve = np.array([[0.0, 0, 0], [2, 0, 0], [2, 0, 0], [2, 4, 0]])
    points = np.array([[-1.0, 0, 0], [1, 5, 0], [0.5, -1, 1], [2, 9, 0], [3, 1, 0]])
    np.testing.assert_allclose(
        colours._on_curve(points, curve), [0, 1, 0.25 / 3, 1, (2 + 0.25) / 3], atol=1e-12
    )


def test_amplitudes_off_a_scale():
    scale = colours.colour_scales()['viridis']
    rgb = np.round(scale).astype(np.uint8).reshape(8, 16, 3)
    found = colours.off_scale(rgb, 'viridis')
    assert found.dtype == np.float32
    assert found.shape == (8, 16)
    np.testing.assert_allclose(found.ravel(), np.linspace(-1, 1, 128), atol=0.01)


# ---- pictures
def test_amplitudes_over_their_size():
    values = np.append(np.arange(101.0) - 50, [np.inf, np.nan])
    found = pictures._amplitudes(values)
    top = np.percentile(np.abs(np.arange(101.0) - 50), 99)
    assert top == 50
    np.testing.assert_allclose(found[:101], (np.arange(101) - 50) / 50, rtol=1e-6)
    assert np.isnan(found[101:]).all()
    spike = np.zeros(1000)
    spike[3] = 8
    assert pictures._amplitudes(spike).max() == 1
    assert (pictures._amplitudes(np.zeros(4)) == 0).all()
    nothing = pictures._amplitudes(np.full((2, 3), np.nan))
    assert nothing.shape == (2, 3)
    assert np.isnan(nothing).all()
    assert nothing.dtype == np.float32
    ramp = np.arange(1001.0)
    assert pictures._amplitudes(ramp)[-1] == np.float32(1000 / 990)


@pytest.mark.parametrize(
    ('white', 'of'),
    [(255, 255), (256, 1023), (1023, 1023), (1024, 4095), (4095, 4095), (4096, 16383)]
    + [(16383, 16383), (16384, 65535), (65535, 65535), (65536, 2**24 - 1), (2**24 - 1,) * 2]
    + [(2**24, 2**32 - 1), (2**32 - 1,) * 2],
)
def test_levels_of_grey(white, of):
    values = np.array([[0, white]], np.uint32)
    np.testing.assert_allclose(pictures._levels(values, False), [[-1, 2 * white / of - 1]], 1e-6)
    np.testing.assert_allclose(pictures._levels(values, True), [[1, 1 - 2 * white / of]], 1e-6)


def test_pictures_of_floating_point_numbers():
    found = pictures._floats(np.array([[-0.0, 0.5, 1.0]]), 1, 'a')
    assert found.notes == ['floating-point numbers from 0 to 1: read as levels of grey']
    assert found.pixels.tolist() == [[-1, 0, 1]]
    assert found.pixels.dtype == np.float32
    assert pictures._floats(np.array([[0, 0.5, 1.0]]), -1, 'a').pixels.tolist() == [[1, 0, -1]]
    found = pictures._floats(np.array([[-1.0, 2.0, np.nan] + [2.0] * 99]), -1, 'a')
    assert found.notes == ['floating-point numbers below zero: read as amplitudes']
    assert found.pixels[0, :2].tolist() == [0.5, -1]
    message = (
        'a: floating-point image without numbers below zero: these may be amplitudes or levels '
        'of grey; save amplitudes as .npy instead'
    )
    says(message, pictures._floats, np.array([[0, 1.1]]), 1, 'a')
    says(message, pictures._floats, np.array([[np.nan, np.nan]]), 1, 'a')


def test_pixels_turned_as_their_tag_says():
    pixels = np.arange(6).reshape(2, 3)
    for how in range(1, 9):
        im = Image.fromarray(pixels.astype(np.uint8))
        im.getexif()[0x0112] = how
        expected = np.asarray(pictures._upright(im, []))
        assert pictures._turned(im, pixels, []).tolist() == expected.tolist(), how
    notes = []

    class Damaged:
        def load(self):
            "Its pixels can be read."

        def getexif(self):
            raise SyntaxError('bad tag')

    assert pictures._turned(Damaged(), pixels, notes) is pixels
    assert notes == ['its EXIF data cannot be read (bad tag): taken as it is stored']
    notes.clear()
    pictures._upright(Damaged(), notes)
    assert notes == ['its EXIF data cannot be read (bad tag): taken as it is stored']


def rgba(alpha):
    out = np.full((2, 4, 4), 100, np.uint8)
    out[..., 3] = alpha
    return Image.fromarray(out)


def test_transparent_pictures_over_white():
    im, live = pictures._over_white(rgba(7))  # all over the same
    assert np.asarray(im).tolist() == [[[100] * 3] * 4] * 2
    assert live.tolist() == [[True] * 4] * 2
    assert not pictures._over_white(rgba(0))[1].any()
    im, live = pictures._over_white(rgba([[0, 255, 255, 255]] * 2))
    assert np.asarray(im)[0].tolist() == [[100] * 3] * 4
    assert live[0].tolist() == [False, True, True, True]
    im, live = pictures._over_white(rgba([[0, 1, 254, 255]] * 2))
    assert np.asarray(im)[0, :, 0].tolist() == [255, 254, 101, 100]
    assert live[0].tolist() == [False, True, True, True]
    im, live = pictures._over_white(rgba([[1, 255, 255, 255]] * 2))
    assert np.asarray(im)[0, :, 0].tolist() == [254, 100, 100, 100]
    im, live = pictures._over_white(rgba([[0, 0, 254, 0]] * 2))
    assert np.asarray(im)[0, :, 0].tolist() == [255, 255, 101, 255]


def test_words_for_colours():
    words = {
        (0, 0, 0): 'black',
        (255, 255, 255): 'white',
        (128, 128, 128): 'grey',
        (255, 0, 0): 'red',
        (128, 0, 0): 'dark red',
        (0, 0, 255): 'blue',
        (0, 0, 76): 'dark blue',
        (0, 128, 0): 'green',
        (255, 255, 0): 'yellow',
        (0, 255, 255): 'cyan',
        (255, 120, 0): 'orange',
        (120, 60, 0): 'brown',
        (68, 1, 84): 'purple',
        (255, 0, 255): 'magenta',
    }
    assert {c: pictures._colour_name(c) for c in words} == words
    digest = hashlib.sha256(repr(sorted(pictures._NAMED.items())).encode()).hexdigest()
    assert digest[:16] == 'b87c71bc245e0045'


def spotted(n):
    "A grey picture of 1,000 pixels, n of them red."
    out = np.full((25, 40, 3), 90, np.uint8)
    out[..., :] += np.arange(40, dtype=np.uint8)[:, None]
    out.reshape(-1, 3)[:n] = (200, 0, 0)
    return Image.fromarray(out)


@pytest.mark.parametrize(
    ('n', 'begins'),
    [
        (4, None),
        (5, '0% of the pixels are coloured: made grey, so that colours of equal lightness'),
        (99, '10% of the pixels are coloured: made grey'),
        (100, 'colours that lie on no known colour scale, or that JPEG has blurred: made grey'),
    ],
)
def test_how_many_coloured_pixels_are_said(monkeypatch, n, begins):
    monkeypatch.setattr(pictures, 'recognise_scale', lambda rgb, live: '')
    im = spotted(n)
    found = pictures._in_colour(im, np.ones((25, 40), bool))
    np.testing.assert_allclose(found.pixels, np.asarray(im.convert('L')) / 127.5 - 1, atol=1e-6)
    if begins is None:
        assert found.notes == []
    else:
        assert found.notes[0].startswith(begins)
        assert found.notes[0].endswith(
            ' (as red and blue) are no longer told apart; draw it in grey, or save amplitudes as .npy'
        )


def test_a_scale_is_said_by_its_ends(monkeypatch):
    monkeypatch.setattr(pictures, 'recognise_scale', lambda rgb, live: 'viridis')
    found = pictures._in_colour(spotted(100), np.ones((25, 40), bool))
    assert found.notes == [
        'drawn in the colour scale viridis: read back as amplitude, purple as low and yellow as '
        'high; if your scale is the other way round, polarity is reversed'
    ]
    np.testing.assert_array_equal(
        found.pixels, colours.off_scale(np.asarray(spotted(100)), 'viridis')
    )
    few = pictures._in_colour(spotted(99), np.ones((25, 40), bool))
    assert few.notes[0].startswith('10% of the pixels')


@pytest.mark.parametrize(
    ('first', 'name'),
    [
        (b'RIFF1234WEBPVP8 ', 'WebP'),
        (b'RIFF1234WAVE', ''),
        (b'\0\0\0\x1cftypavif', 'AVIF'),
        (b'\0\0\0\x1cftypavis', 'AVIF'),
        (b'\0\0\0\x1cftypheic', 'HEIF'),
        (b'GIF89a', 'GIF'),
        (b'\n  <svg x', 'SVG'),
        (b'\x89PNG', ''),
        (b'\xff\x4f\xff\x51', 'JPEG 2000'),
        (b' ' * 28 + b'%PDF', 'PDF'),
        (b' ' * 29 + b'%PDF', ''),
    ],
)
def test_formats_by_their_first_bytes(tmp_path, first, name):
    assert pictures._other_format(written(tmp_path / 'a', first + b'xxx')) == name


def test_pictures_that_are_too_large_or_several(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, 'MAX_PIXELS', 1000)
    pictures._refuse_size(Image.new('L', (40, 25)), 'a')
    says(
        'a: 7 x 143 pixels is more than 1,000: cut it into windows first',
        pictures._refuse_size,
        Image.new('L', (7, 143)),
        'a',
    )
    path = tmp_path / 'a.tif'
    pages = [Image.fromarray(np.full((4, 4), k, np.uint8)) for k in (1, 2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    says('a.tif: 2 frames: expected a single image', w.read_picture, path)
    assert w.pictures.MAX_PIXELS == 1000


def test_pixels_that_show_nothing():
    small = 'a: 1 x 9 pixels is too small for a window'
    says(small, pictures._refuse_useless, np.arange(9.0).reshape(9, 1), 'a')
    pictures._refuse_useless(np.arange(4.0).reshape(2, 2), 'a')
    pictures._refuse_useless(np.array([[np.nan, 1], [2, np.nan]]), 'a')
    same = 'a: every pixel has the same value: nothing to compare'
    says(same, pictures._refuse_useless, np.full((2, 2), np.nan), 'a')
    says(same, pictures._refuse_useless, np.array([[np.nan, 1], [1, 1]]), 'a')


def test_pictures_from_files(tmp_path):
    says(f'{tmp_path / "a.png"}: no such image', w.read_picture, tmp_path / 'a.png')
    says(f'{tmp_path}: not a regular file: expected an image', w.read_picture, tmp_path)
    says(
        'a.gif: not a readable image (it is GIF; PNG, JPEG, TIFF, BMP and .npy are read): '
        'save it as PNG',
        w.read_picture,
        written(tmp_path / 'a.gif', b'GIF89a'),
    )
    with open(tmp_path / 'cube.NPY', 'wb') as f:
        np.save(f, np.random.default_rng(0).normal(size=(4, 5, 6)))
    says(
        'cube.NPY: a volume of three dimensions: expected one section (n_samples, n_traces) '
        'as an image; cut it out first',
        w.read_picture,
        tmp_path / 'cube.NPY',
    )
    section = np.arange(1.0, 41.0).reshape(8, 5)
    section[:, 2] = 0
    np.save(tmp_path / 'a.npy', section)
    pixels, notes = w.read_picture(tmp_path / 'a.npy')
    assert notes == []
    assert np.isnan(pixels[:, 2]).all()
    live = section[:, [0, 1, 3, 4]]
    np.testing.assert_allclose(pixels[:, [0, 1, 3, 4]], live / np.percentile(live, 99), rtol=1e-5)
    rgba([[0, 0, 0, 0]] * 2).save(tmp_path / 'b.png')
    says(
        'b.png: every pixel is transparent: nothing to compare',
        w.read_picture,
        tmp_path / 'b.png',
    )
    pale = np.asarray(rgba([[0, 255, 255, 255]] * 2)).copy()
    pale[0, 2, :3] = 50
    Image.fromarray(pale).save(tmp_path / 'c.png')
    pixels, _ = w.read_picture(tmp_path / 'c.png')
    np.testing.assert_allclose(pixels[0], [np.nan, 200 / 255 - 1, 100 / 255 - 1, 200 / 255 - 1])
    assert pixels.dtype == np.float32


def test_deep_pictures_with_a_level_that_is_clear(tmp_path):
    levels = np.array([[0, 300], [40000, 65535]], np.uint16)
    im = Image.fromarray(levels)
    im.info['transparency'] = 300
    found = pictures._deep(im, 'a')
    np.testing.assert_allclose(found.pixels, [[-1, np.nan], [40000 / 65535 * 2 - 1, 1]], 1e-6)
    im.info['transparency'] = b'x'
    assert np.isfinite(pictures._deep(im, 'a').pixels).all()


def test_what_was_assumed_is_told(tmp_path, capsys):
    w.tell({'one': ['a.png'], 'two': ['a.png', 'b.png'], 'more': ['c'] * 1235})
    assert capsys.readouterr().out == 'a.png: one\na.png and 1 more: two\nc and 1,234 more: more\n'
    spotted(50).save(tmp_path / 'a.png')
    said = []
    pixels = w.read_image(tmp_path / 'a.png', said.append)
    assert pixels.shape == (25, 40)
    assert len(said) == 1
    assert said[0].startswith('a.png: 5% of the pixels are coloured: made grey')
    w.read_image(tmp_path / 'a.png')
    assert capsys.readouterr().out == ''


# ---- the table of windows
FIRST = (10, 200)


@pytest.fixture(scope='module')
def cube(tmp_path_factory):
    "A survey whose amplitudes tell inline, crossline and sample."
    traces, il, xl = grid(12, 16, 60, FIRST)
    path = tmp_path_factory.mktemp('cube') / 'cube.sgy'
    segy(path, traces, il, xl, b181=il * 25, b185=xl * 10, b21=xl + 1000)
    return path


@pytest.fixture(scope='module')
def profile(tmp_path_factory):
    "A file that is read in trace order: one line of 50 traces."
    traces, *_ = grid(1, 50, 60, FIRST)
    return segy(tmp_path_factory.mktemp('profile') / 'profile.sgy', traces)


def test_types_of_columns():
    assert [w.column_type(c) for c in ('id', 'split', 'line', 'cdp1', 'x', 'live')] == [
        'string',
        'string',
        'Int64',
        'Int64',
        'float64',
        'float64',
    ]
    frame = w.window_table([{'id': 'a', 'top': 1, 'x': 2, 'odd': 3}, {'id': 'b'}])
    assert tuple(frame.columns) == w.COLUMNS
    assert frame.index.tolist() == [0, 1]
    assert frame.top.isna().tolist() == [False, True]
    says(
        "window id 'a' occurs more than once: give every window its own id",
        w.window_table,
        [{'id': 'b'}, {'id': 'a'}, {'id': 'a'}],
    )
    for column, value, kind in (('top', 'x', 'whole numbers'), ('x', 'y', 'numbers')):
        with pytest.raises(
            WindowError, match=rf'^column {column}: expected {kind} \([^\n]{{5,80}}\)$'
        ):
            w.window_table([{'id': 'a', column: value}])
    assert w.in_metres(10, 'ft') == pytest.approx(3.048)
    assert w.in_metres(10, 'm') == w.in_metres(10, None) == 10


def test_where_boxes_lie(cube, profile):
    with open_volume(cube) as v:
        found = w.locate(v, 'inline', 13, [4, 10], [2, 5], [8, 9], [3, 4])
        assert found.il0.tolist() == found.il1.tolist() == [13, 13]
        assert found.xl0.tolist() == [202, 205]
        assert found.xl1.tolist() == [204, 208]
        assert found.cdp0.tolist() == [1202, 1205]
        assert found.cdp1.tolist() == [1204, 1208]
        assert found.time_ms.tolist() == [32, 56]
        assert found.depth_m.isna().all()
        assert found.x.tolist() == [325, 325]
        assert found.y.tolist() == [2030, 2070]
        assert found.domain.tolist() == ['time', 'time']
        found = w.locate(v, 'crossline', 203, [0], [1], [2], [5])
        assert found[['il0', 'il1', 'xl0', 'xl1']].to_numpy().tolist() == [[11, 15, 203, 203]]
        assert found.x.tolist() == [325]
    with open_volume(profile) as v:
        found = w.locate(v, 'line', 0, [0], [1], [2], [5])
        assert found[['il0', 'il1', 'xl0', 'xl1', 'cdp0', 'cdp1']].isna().all(axis=None)


class Stretch:
    "A volume of which only the numbers matter."

    path, name, domain = Path('stretch.sgy'), 'stretch', 'depth'
    unit, axis, xy_unit, dt, n_samples = 'ft', np.arange(40) * 10.0, 'm', 10.0, 40
    has_geometry = True
    segments = [(0, 12)]

    def __init__(self, **changed):
        self.__dict__ |= changed

    def xy(self, kind, number):
        return np.stack([np.arange(12) * 6.0, np.full(12, number * 1.0)], 1)

    def cdp(self, kind, number):
        return np.array([9, -1, 7, 6, 5, 4, 3, 2, 1, -1, 0, 0])

    def across(self, kind, number):
        return np.arange(12)[::-1] * 2

    def lines(self, kind):
        return np.array([3, 5, 8])


def test_depths_in_metres_and_gaps_in_numbers():
    found = w.locate(Stretch(), 'crossline', 4, [0, 4, 8], [0, 1, 2], [4, 4, 5], [3, 3, 8])
    assert found.time_ms.isna().all()
    np.testing.assert_allclose(found.depth_m, np.array([20, 60, 100]) * 0.3048)
    assert found.il0.tolist() == [18, 16, 4]
    assert found.il1.tolist() == [22, 20, 18]
    assert found.cdp0.isna().tolist() == [False, True, True]
    assert found.cdp0.iloc[0] == 7
    assert found.cdp1.iloc[0] == 9
    assert found.domain.tolist() == ['depth'] * 3
    ahead = w.locate(Stretch(), 'inline', 4, [0], [2], [4], [3])
    assert ahead[['il0', 'il1', 'xl0', 'xl1', 'cdp0', 'cdp1']].to_numpy().tolist() == [
        [4, 4, 14, 18, 5, 7]
    ]


# ---- grids
def test_first_positions():
    assert grids._starts(10, 4, 3).tolist() == [0, 3, 6]
    assert grids._starts(10, 4, 4).tolist() == [0, 4, 6]
    assert grids._starts(4, 4, 3).tolist() == [0]
    assert grids._starts(3, 4, 3).tolist() == []


def test_live_shares_by_counting():
    live = np.random.default_rng(0).random((20, 30)) > 0.4
    tops, lefts = np.array([0, 3, 12]), np.array([0, 7, 22])
    expected = [[live[t : t + 8, a : a + 5].mean() for a in lefts] for t in tops]
    np.testing.assert_allclose(grids._live_share(live, tops, lefts, 8, 5), expected)
    assert grids._live_share(live & False, tops, lefts, 8, 5).tolist() == [[0] * 3] * 3
    assert grids._live_share(live | True, tops, lefts, 8, 5).tolist() == [[1] * 3] * 3


def test_sizes_in_metres(cube, profile):
    with open_volume(cube) as v:
        assert w.trace_spacing(v, 'inline') == 10
        assert w.trace_spacing(v, 'crossline') == 25
        assert w.in_samples(v, 'inline', (30, 44)) == (8, 4)
        assert w.in_samples(v, 'crossline', (1, 1)) == (1, 1)
    with open_volume(profile) as v:
        assert np.isnan(w.trace_spacing(v, 'line'))
        says(
            'profile: no coordinates along its lines, so metres cannot be counted: '
            'give sizes in samples and traces',
            w.in_samples,
            v,
            'line',
            (8, 8),
        )
    assert w.in_samples(Stretch(), 'inline', (30.48, 60)) == (10, 10)
    assert w.in_samples(Stretch(xy_unit='ft'), 'inline', (30.48, 18.3)) == (10, 10)
    says(
        'stretch.sgy: coordinates are degrees, and metres cannot be counted in degrees: '
        'give sizes in samples and traces',
        w.in_samples,
        Stretch(xy_unit='degrees'),
        'inline',
        (8, 8),
    )

    class Bent(Stretch):
        def xy(self, kind, number):
            assert number == 5  # the middle line
            return np.array([(0, 0), (3, 4), (np.nan, 0), (6, 8), (12, 16), (12, 26)])

    assert w.trace_spacing(Bent(), 'inline') == 10

    class Point(Stretch):
        def xy(self, kind, number):
            return np.zeros((5, 2))

    assert np.isnan(w.trace_spacing(Point(), 'inline'))


def test_boxes_over_joins():
    v = Stretch(segments=[(0, 5), (5, 12)])
    assert w.crosses_join(v, 'line', [0, 1, 4, 5, 8, 9], 4).tolist() == [False, False, True] + [
        False,
        False,
        True,
    ]
    assert w.crosses_join(v, 'inline', [0, 4], 4).tolist() == [False, False]
    assert w.crosses_join(v, 'line', 4, 4).tolist() == [True]
    assert grids._lefts(v, 'line', 12, 4, 3).tolist() == [0, 1, 5, 8]
    assert grids._lefts(v, 'inline', 12, 4, 3).tolist() == [0, 3, 6, 8]


def test_windows_of_a_line(cube):
    with open_volume(cube) as v:
        frame = w.line_windows(v, 'inline', 13, (20, 8), (30, 5))
        assert frame.top.tolist() == [0, 0, 0, 30, 30, 30, 40, 40, 40]
        assert frame.left.tolist() == [0, 5, 8] * 3
        assert set(zip(frame.height, frame.width)) == {(20, 8)}
        assert frame.id[4] == 'cube:inline13:30:5'
        assert (frame.survey == 'cube').all()
        assert (frame.source == str(cube)).all()
        assert (frame.live == 1).all()
        assert (frame.line == 13).all()
        assert (frame.line_kind == 'inline').all()
        assert (w.line_windows(v, 'inline', 13, (20, 8), (30, 5), survey='s').survey == 's').all()
        assert len(w.line_windows(v, 'inline', 13, (61, 8), (30, 5))) == 0
        assert len(w.line_windows(v, 'inline', 13, (20, 17), (30, 5))) == 0
        assert len(w.line_windows(v, 'inline', 13, (60, 16), (30, 5))) == 1


def test_windows_that_are_live_enough(tmp_path):
    traces, *_ = grid(1, 10, 20)
    traces[:5] = 0
    with open_volume(segy(tmp_path / 'a.sgy', traces)) as v:
        left = lambda share: w.line_windows(v, 'line', 0, (20, 4), (1, 1), share).left.tolist()
        assert left(0.5) == [3, 4, 5, 6]
        assert left(0.51) == [4, 5, 6]
        assert left(0.9) == [5, 6]
        assert w.line_windows(v, 'line', 0, (20, 4), (1, 1), 0.5).live.tolist() == [0.5, 0.75, 1, 1]
        assert len(w.line_windows(v, 'line', 0, (20, 4), (1, 1), 1.01)) == 0
        says(
            'a: no window of 20 x 8 samples and traces with at least 90% live samples on '
            'inline lines of up to 20 samples: choose a smaller window, other lines or a lower '
            'min_live',
            w.volume_windows,
            v,
            (20, 8),
            lines='inline',
        )
        assert len(w.volume_windows(v, (20, 8), min_live=0.5)) == 1


def test_lines_that_a_grid_takes(cube, profile, capsys):
    with open_volume(cube) as v:
        taken = w.Grid((20, 8), (30, 5), every=5).over(v)
        assert taken == [('inline', k, 9) for k in (10, 15, 20)] + [
            ('crossline', k, 6) for k in (200, 205, 210, 215)
        ]
        assert {k for k, *_ in w.Grid((20, 8), (30, 5), 'crossline').over(v)} == {'crossline'}
        frame = w.volume_windows(v, (20, 8), (30, 5), 'inline', 5, survey='s')
        assert len(frame) == 27
        assert frame.line.unique().tolist() == [10, 15, 20]
        assert (frame.survey == 's').all()
        says(
            "lines is 'odd': expected 'inline', 'crossline' or 'both'",
            w.Grid(lines='odd').over,
            v,
        )
        assert capsys.readouterr().out == ''
        metric = w.Grid((80, 100), (40, 50), 'inline', unit='metric')
        assert metric.sizes(v, 'inline') == ((20, 10), (10, 5))
        assert metric.sizes(v, 'crossline') == ((20, 4), (10, 2))
        assert len(metric.over(v)) == 12
        said = ''.join(capsys.readouterr())
        assert 'the unit of the coordinates is not said; metres are assumed; ' in said
        assert 'units=' in said
        assert said.count('if that is wrong') == 1
        says(
            'cube: no window of 8000 x 100 ms and metres with at least 90% live samples on both '
            'lines of up to 60 samples: choose a smaller window, other lines or a lower min_live',
            w.volume_windows,
            v,
            (8000, 100),
            unit='metric',
        )
    with open_volume(profile) as v:
        assert w.Grid((20, 8), (30, 5), 'inline').over(v) == [('line', 0, 30)]
    with pytest.raises(WindowError, match='of 8000 x 100 metres with'):
        grids._refuse_empty(Stretch(), w.Grid((8000, 100), unit='metric'))


def test_settings_of_a_grid():
    says("unit is 'feet': expected one of samples, metric", w.Grid, unit='feet')
    for odd in (
        dict(window=(0, 8)),
        dict(window=(8, 0)),
        dict(stride=(0, 8)),
        dict(stride=(8, 0.5)),
        dict(every=0),
    ):
        g = dict(window=(96, 96), stride=(48, 48), every=1) | odd
        says(
            f'window {g["window"]}, stride {g["stride"]} and every {g["every"]} '
            'must all be at least 1',
            w.Grid,
            **odd,
        )
    assert w.Grid([8, 8], [1, 1]).window == (8, 8)
    assert w.Grid((0.5, 8), (1, 1), unit='metric').window == (0.5, 8)
    with pytest.raises(WindowError):
        w.Grid((0, 8), unit='metric')


# ---- folders of images
def noise(path, seed=0, shape=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def test_files_and_folders_in_a_folder(tmp_path):
    for name in ('b.PNG', 'a.jpg', '.hidden.png', 'x.txt', 'd/c.bmp', 'd/e/f.npy', '.h/i.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written(tmp_path / name, 'x')
    (tmp_path / 'folder.png').mkdir()
    inside = lambda found: [str(p.relative_to(tmp_path)) for p in found]
    assert inside(w.picture_files(tmp_path)) == ['a.jpg', 'b.PNG']
    assert inside(w.picture_files(tmp_path, deep=True)) == [
        '.h/i.png',
        'a.jpg',
        'b.PNG',
        'd/c.bmp',
        'd/e/f.npy',
    ]
    assert inside(w.folders_in(tmp_path)) == ['d', 'folder.png']
    assert w.loose_pictures(tmp_path, 'beside') == [
        {'file': 'a.jpg', 'problem': 'with 1 more images beside'}
    ]
    assert w.loose_pictures(tmp_path / 'd', 'beside') == [{'file': 'c.bmp', 'problem': 'beside'}]
    assert w.loose_pictures(tmp_path / 'folder.png', 'beside') == []
    assert images.misplaced(tmp_path, []) == []
    assert images.misplaced(tmp_path, w.folders_in(tmp_path)) == [
        {
            'file': 'a.jpg',
            'problem': 'with 1 more images beside the class folders: not read; move it into one',
        },
        {
            'file': 'd/e',
            'problem': 'a folder inside a class folder: its 1 images are not read; move them up',
        },
        {'file': 'folder.png', 'problem': 'a class folder without images'},
    ]


def test_a_folder_of_class_folders(tmp_path, capsys):
    for k, name in enumerate(('Salt/a.png', 'Salt/b.png', 'salt/c.png', 'x/a.png')):
        noise(tmp_path / 'set' / name, k, (20 + k, 30))
    written(tmp_path / 'set' / 'x' / 'bad.png', 'x')
    written(tmp_path / 'set' / 'x' / '.bad.png', 'x')
    frame, report = w.image_windows(tmp_path / 'set', 'train')
    assert frame.id.tolist() == ['Salt/a.png', 'Salt/b.png', 'salt/c.png', 'x/a.png']
    assert frame.label.tolist() == ['Salt', 'Salt', 'salt', 'x']
    assert frame.height.tolist() == [20, 21, 22, 23]
    assert frame.width.tolist() == [30] * 4
    assert frame.live.tolist() == [1] * 4
    assert (frame.split == 'train').all()
    assert (frame.top == 0).all() and (frame.left == 0).all() and (frame.line == 0).all()
    assert (frame.domain == 'image').all() and (frame.line_kind == 'image').all()
    assert frame.source[3] == str(tmp_path / 'set' / 'x' / 'a.png')
    assert report.file.tolist() == ['x/bad.png']
    assert report.columns.tolist() == ['file', 'problem']
    problem = report.problem[0]
    assert capsys.readouterr().out == (
        "set: class names that differ only by case or spacing: 'Salt' (2), 'salt' (1): they stay "
        'classes of their own; to merge them: --merge-case (in Python merge_case=True)\n'
    )
    merged, _ = w.image_windows(tmp_path / 'set', merge_case=True)
    assert merged.label.tolist() == ['Salt'] * 3 + ['x']
    assert merged.split.isna().all()
    says(
        f"{tmp_path / 'set'}: 1 unusable files, first: {problem}; "
        "remove them or skip them with bad='skip'",
        w.image_windows,
        tmp_path / 'set',
        bad='refuse',
    )
    says("bad is 'odd': expected 'skip' or 'refuse'", w.image_windows, tmp_path, bad='odd')
    says(f'{tmp_path / "no"}: no such folder', w.image_windows, tmp_path / 'no')
    (tmp_path / 'empty').mkdir()
    says(
        f'{tmp_path / "empty"}: no usable image: expected image files or class folders with '
        'image files',
        w.image_windows,
        tmp_path / 'empty',
    )
    bad = written(tmp_path / 'empty' / 'bad.png', 'x')
    with pytest.raises(WindowError) as e:
        w.image_windows(tmp_path / 'empty')
    assert str(e.value).startswith(
        f'{tmp_path / "empty"}: no usable image; first of 1 problems: {bad.name}: not a readable'
    )


def test_a_folder_without_classes(tmp_path, capsys):
    for k in range(3):
        spotted(50 + k).save(tmp_path / f'{k}.png')
    frame, report = w.image_windows(tmp_path)
    assert frame.id.tolist() == ['0.png', '1.png', '2.png']
    assert frame.label.isna().all()
    assert len(report) == 0
    assert capsys.readouterr().out.startswith(
        f'{tmp_path.name}/0.png and 2 more: 5% of the pixels are coloured'
    )
    with pytest.raises(WindowError, match='a name that is not Unicode text: rename it'):
        images._image_row(Path('a\udcff.png'), None, None)


def test_folders_of_one_name_in_two_forms(capsys):
    folders = [Path(n) for n in ('z', 'Ku\u0308ste', 'K\u00fcste', 'a', 'e\u0301', '\u00e9', 'a ')]
    images._say_twins(Path('set'), folders)
    images._say_twins(Path('set'), folders[-4:-1] + folders[:2])
    form = 'in different Unicode forms: one class'
    assert capsys.readouterr().out == (
        f"set: 2 folders are named 'K\u00fcste' {form}\n"
        f"set: 2 folders are named 'a' {form}\n"
        f"set: 2 folders are named '\u00e9' {form}\n"
        f"set: 2 folders are named '\u00e9' {form}\n"
    )
    three = [Path(n) for n in ('e\u0301', 'a', 'a ', ' a')] + [Path('\u00e9')]
    images._say_twins(Path('set'), three)
    assert capsys.readouterr().out == (
        f"set: 2 folders are named '\u00e9' {form}\nset: 3 folders are named 'a' {form}\n"
    )


# ---- the challenge's layout
def test_the_challenge_as_one_table(tmp_path, capsys):
    root = tmp_path / 'set'
    for k, name in enumerate(
        (
            'training/A/a.png',
            'training/A/b.png',
            'val/A/a.png',
            'Validation/B/a.png',
            'test/A/a.png',
            'image_corpus/a.png',
            'query/a.png',
            'other/A/a.png',
            'other/b.png',
            'loose.png',
        )
    ):
        noise(root / name, k)
    (root / 'nothing').mkdir()
    written(root / 'val' / 'A' / 'bad.png', 'x')
    names = [(d.name, s) for d, s in challenge._parts_of(root).items()]
    assert names == [
        ('training', 'train'),
        ('Validation', 'valid'),
        ('val', 'valid'),
        ('test', 'test'),
        ('image_corpus', 'corpus'),
        ('query', 'query'),
    ]
    assert w.is_challenge(root)
    assert not w.is_challenge(root / 'other')
    frame, report = w.challenge_windows(root)
    assert frame.id.tolist() == [
        'train/a.png',
        'train/b.png',
        'valid/a.png',
        'val/a.png',
        'test/a.png',
        'corpus/a.png',
        'query/a.png',
    ]
    assert frame.split.tolist() == ['train'] * 2 + ['valid'] * 2 + ['test', 'corpus', 'query']
    assert frame.label.fillna('-').tolist() == ['A', 'A', 'B', 'A', 'A', '-', '-']
    assert frame.index.tolist() == list(range(7))
    assert report.file.tolist() == ['loose.png', 'other/', 'val/A/bad.png']
    assert report.problem.tolist()[:2] == [
        'beside train/: not read; move it into a class folder',
        'none of train, valid, test, image_corpus, query: its 2 images are not read',
    ]
    with pytest.raises(WindowError, match='1 unusable files'):
        w.challenge_windows(root, bad='refuse')
    assert w.challenge_folder(root) == root
    says(
        f'{root / "other"}: no folder train/: expected train/<Class>/*.png, and test/, '
        'image_corpus/, query/ beside it',
        w.challenge_folder,
        root / 'other',
    )
    noise(root / 'test' / 'a' / 'x.png')
    capsys.readouterr()
    merged, _ = w.challenge_windows(root, merge_case=True)
    assert set(merged.label.dropna()) == {'A', 'B'}
    assert "merged into 'A'" in capsys.readouterr().out


def test_what_the_hub_says(monkeypatch):
    import huggingface_hub
    from huggingface_hub import errors

    client = import_module(errors.HTTPError.__module__.partition('.')[0])  # the hub's own

    asked = []
    why = {}

    def fetch(name, repo_type):
        asked.append((name, repo_type))
        if why['is']:
            raise why['is']
        return '/there'

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', fetch)
    why['is'] = None
    assert challenge._from_hub('a/b') == Path('/there')
    assert asked == [('a/b', 'dataset')]
    request = client.Request('GET', 'http://x')
    answer = client.Response(403, request=request)
    away = (
        'a/b: no such folder, and the Hugging Face hub cannot be reached: '
        'check the network, or give a local folder'
    )
    for problem, message in (
        (
            errors.GatedRepoError('x', response=answer),
            'a/b is gated: accept its terms on its hub page, then run `hf auth login`',
        ),
        (
            errors.RepositoryNotFoundError('x', response=answer),
            'a/b: no such folder, and no such data set on the hub '
            '(or it is private: run `hf auth login`)',
        ),
        (
            errors.HFValidationError('x'),
            "a/b: no such folder, and not a data set's name",
        ),
        (errors.LocalEntryNotFoundError('x'), away),
        (errors.OfflineModeIsEnabled('x'), away),
        (client.ConnectError('x'), away),
        (OSError('x'), away),
    ):
        why['is'] = problem
        says(message, challenge._from_hub, 'a/b')


# ---- tables of labels
@pytest.mark.parametrize(
    ('text', 'kind'),
    [
        ('In-line', 'inline'),
        ('ILINE', 'inline'),
        ('il', 'inline'),
        ('Cross line', 'crossline'),
        ('x_line', 'crossline'),
        ('XL', 'crossline'),
        ('2-D', 'line'),
        ('Line', 'line'),
        ('Image', 'image'),
        ('Odd One', 'Odd One'),
    ],
)
def test_line_types_however_written(text, kind):
    assert w.kind_of_line(text) == kind


HEAD = 'line_kind,line,top,left,height,width,label\n'


def test_labels_on_their_lines(cube, tmp_path, capsys):
    path = written(
        tmp_path / 'a.csv',
        HEAD.replace('label', 'label,split,odd')
        + 'XL,203,0,1,20,5,salt,Training,1\nil,13,4,2,8,3,fault,val,2\nil,13,0,0,2,2,,odd,3\n',
    )
    frame = w.labelled_table(path, cube)
    assert frame.id.tolist() == ['a:0', 'a:1', 'a:2']
    assert frame.line_kind.tolist() == ['crossline', 'inline', 'inline']
    assert frame.line.tolist() == [203, 13, 13]
    assert frame.label.fillna('-').tolist() == ['salt', 'fault', '-']
    assert frame.split.tolist() == ['train', 'valid', 'odd']
    assert frame.il0.tolist() == [11, 13, 13]
    assert frame.xl1.tolist() == [203, 204, 201]
    assert (frame.live == 1).all()
    assert (frame.survey == 'cube').all()
    assert (frame.source == str(cube)).all()
    assert capsys.readouterr().out.startswith('a.csv: 1 of 3 windows have no label\n')
    corners = written(
        tmp_path / 'b.csv',
        'section,row0,row1,col0,col1,label,line_kind,line,survey,id\n'
        'cube,4,12,2,5,a,inline,13,there,one\n',
    )
    frame = w.labelled_table(corners, cube.parent)
    assert frame[['top', 'height', 'left', 'width']].to_numpy().tolist() == [[4, 8, 2, 3]]
    assert frame.survey.tolist() == ['there']
    assert frame.id.tolist() == ['one']
    says(
        f'cube: no such volume or section in {tmp_path}',
        w.labelled_table,
        corners,
    )


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (HEAD, 'a.csv: no rows'),
        (
            'top,left,height\n1,1,2\n',
            "a.csv: columns ['label', 'width'] are missing: expected line_kind, line, top, left, "
            'height, width, label or section, row0, row1, col0, col1, label; got top, left, height',
        ),
        (
            'line_kind,top,left,height,width,label\nil,1,1,2,2,a\n',
            "a.csv: columns ['line'] are missing: expected line_kind, line, top, left, "
            'height, width, label or section, row0, row1, col0, col1, label; '
            'got line_kind, top, left, height, width, label',
        ),
        (HEAD + 'il,13,0,0,2,2,a\n,13,0,0,2,2,a\n', 'a.csv: row 2 has no line_kind'),
        (
            'id,' + HEAD + 'x,il,13,0,0,2,2,a\n,il,13,0,0,2,2,a\n',
            'a.csv: row 2 has no id',
        ),
        (
            'source,' + HEAD + '../x,il,13,0,0,2,2,a\n',
            "a.csv: '../x' leads out of the folder that it is looked up in: "
            "give the volume's whole path, or a name below that folder",
        ),
        *(
            (
                HEAD + f'il,13,0,0,2,2,a\nil,13,{box},a\n',
                'a.csv: row 2 lies outside cube.sgy inline 13 (60 samples x 16 traces)',
            )
            for box in ('0,0,1,2', '0,0,2,1', '-1,0,2,2', '0,-1,2,2', '59,0,2,2', '0,15,2,2')
        ),
        (
            HEAD + 'il,13,0,0,2,2,a\nil,13,0,0,2,2,b\n',
            'a.csv: every rectangle has two labels: row 1 (a) and row 2 (b): decide which is right',
        ),
    ],
)
def test_labels_that_cannot_be_used(cube, tmp_path, content, message):
    says(message, w.labelled_table, written(tmp_path / 'a.csv', content), cube)


def test_rectangles_at_the_edges(cube, tmp_path):
    edges = HEAD + 'il,13,58,14,2,2,a\nil,13,0,0,60,16,b\n'
    assert len(w.labelled_table(written(tmp_path / 'a.csv', edges), cube)) == 2


def test_rectangles_said_twice(cube, tmp_path, capsys):
    box = 'il,13,{},0,4,4,{}\n'
    rows_ = [(0, 'a'), (0, 'a'), (4, 'a'), (4, 'b'), (8, ''), (8, 'c'), (12, 'd'), (12, 'd')]
    path = written(tmp_path / 'a.csv', HEAD + ''.join(box.format(*r) for r in rows_))
    frame = w.labelled_table(path, cube)
    assert frame.top.tolist() == [0, 8, 12]
    assert frame.label.tolist() == ['a', 'c', 'd']
    assert frame.id.tolist() == ['a:0', 'a:5', 'a:6']
    assert capsys.readouterr().out.splitlines() == [
        'a.csv: 1 of 8 windows have no label',
        'a.csv: 1 rectangles have two labels and are left out: row 3 (a) and row 4 (b): '
        'decide which is right',
        'a.csv: 3 rows repeat a rectangle, which counts once: first row 2, as row 1',
    ]
    assert len(w.labelled_table(path, cube, labels=False)) == 8
    assert w.labelled_table(path, cube, labels=False).label.isna().sum() == 1
    groups = [pd.Series(['a', 'b'], index=[k, k + 1]) for k in range(0, 8, 2)]
    three = 'row 1 (a) and row 2 (b); row 3 (a) and row 4 (b); row 5 (a) and row 6 (b)'
    assert labels._listed(groups) == three + '; …'
    assert labels._listed(groups[:3]) == three


def test_rectangles_over_joins_and_dead_traces(tmp_path):
    traces, *_ = grid(1, 20, 20)
    traces[:5] = 0
    path = segy(tmp_path / 'a.sgy', traces)
    content = 'top,left,height,width,label\n0,0,4,10,a\n0,5,4,10,b\n'
    frame = w.labelled_table(written(tmp_path / 'a.csv', content), path)
    assert frame.live.tolist() == [0.5, 1]
    assert frame.line_kind.tolist() == ['line', 'line']
    assert frame.line.tolist() == [0, 0]
    rows_ = pd.DataFrame({'left': [0, 3], 'width': [4, 4]})
    v = Stretch(segments=[(0, 5), (5, 12)])
    labels._refuse_joins(rows_, v, 'inline', 't', 'f')
    with pytest.raises(
        WindowError,
        match='^t: row 2 runs over the join of two lines of f, which is read in trace order: ',
    ):
        labels._refuse_joins(rows_, v, 'line', 't', 'f')


def test_where_a_volume_is_looked_for(tmp_path):
    for name in ('a.npy', 'b.segy', 'sections/c.npy', 'd', 'deep/x'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path / name, 'x')
    find = lambda name: str(labels._find_source(name, tmp_path).relative_to(tmp_path))
    assert [find(n) for n in ('a', 'b', 'c', 'd', 'no/d', 'deep/x')] == [
        'a.npy',
        'b.segy',
        'sections/c.npy',
        'd',
        'd',
        'deep/x',
    ]
    says(f'e: no such volume or section in {tmp_path}', labels._find_source, 'e', tmp_path)
    raw = pd.DataFrame({'section': ['/a/../b', 'c']})
    assert labels._sources_of(raw, 'place', Path('t')).tolist() == ['/a/../b', 'c']
    both = raw.assign(source=['d', 'e'])
    assert labels._sources_of(both, 'place', Path('t')).tolist() == ['d', 'e']
    assert labels._sources_of(both[[]], 'place', Path('t')).tolist() == ['place', 'place']
    twice = pd.DataFrame([[1, 2]], columns=['a', 'a'])
    says(
        "t: column 'a' occurs twice: leave one out",
        labels._refuse_repeated_column,
        twice,
        Path('t'),
    )


# ---- reading windows
def test_pixels_of_windows(cube, tmp_path):
    places = [('inline', 13, 4, 2), ('crossline', 203, 0, 1), ('inline', 11, 0, 0)]
    frame = w.window_table(
        [
            dict(id=str(k), source=str(cube), line_kind=kind, line=line, top=top, left=left)
            | dict(height=8, width=3)
            for k, (kind, line, top, left) in enumerate(places)
        ]
    )
    reader = w.WindowReader(frame, keep=2)
    pixels, live, scales = reader.read()
    samples = np.arange(8)[:, None] / 64
    np.testing.assert_allclose(pixels[0], 1300 + 4 / 64 + samples + np.arange(2, 5), rtol=1e-6)
    np.testing.assert_allclose(pixels[1], 3 + samples + np.arange(1100, 1400, 100), rtol=1e-6)
    np.testing.assert_allclose(pixels[2], 1100 + samples + np.arange(3), rtol=1e-6)
    assert all(m.all() and m.shape == (8, 3) for m in live)
    with open_volume(cube) as v:
        assert scales == [v.scale()] * 3
    assert len(reader) == len(list(reader)) == 3
    assert len(reader._sections) == 2
    assert w.WindowReader(frame, scale=False)[0][2] == 1
    some = reader.subset([2, 0])
    assert some.frame.id.tolist() == ['2', '0']
    assert some.keep == 2
    assert some._volumes is reader._volumes
    assert reader.subset([False, True, False]).frame.id.tolist() == ['1']
    assert w.WindowReader(frame).keep == 4


def test_sections_are_kept_by_when_they_were_asked_for(cube):
    reader = w.WindowReader(w.window_table([]), keep=2)
    for line in (10, 11, 10, 12):
        reader._section(str(cube), 'inline', line)
    assert [k[2] for k in reader._sections] == [10, 12]
    reader._section(str(cube), 'inline', 10)
    assert [k[2] for k in reader._sections] == [12, 10]
    assert isinstance(reader._sections, OrderedDict)


def test_windows_that_are_arrays():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, 5)) * k for k in (1, 2, 3, 4)]
    frame = w.window_table(
        [dict(id=str(k), survey=s, split=p) for k, (s, p) in enumerate(zip('aab', 'xyx'))]
        + [dict(id='3', split='z', survey='c')]
    )
    reader = w.WindowReader(frame, arrays=arrays)
    size = lambda *which: np.percentile(np.abs(np.concatenate([arrays[k] for k in which])), 99)
    assert [s for _, _, s in reader] == pytest.approx([size(0, 1), size(0, 1), size(2), size(3)])
    assert reader[1][0] is arrays[1]
    part = reader.part('x')
    assert part.frame.id.tolist() == ['0', '2']
    assert part[0][2] == pytest.approx(size(0, 1))  # the scale of the whole survey
    assert reader.part('y', 'z').frame.id.tolist() == ['1', '3']
    nowhere = w.WindowReader(frame.assign(survey=pd.NA), arrays=arrays)
    assert [s for _, _, s in nowhere] == pytest.approx([size(0, 1, 2, 3)] * 4)
    says('3 arrays for 4 windows: expected one each', w.WindowReader, frame, arrays=arrays[:3])


def test_what_a_fingerprint_of_data_tells():
    frame = w.window_table([dict(id='a', top=1, label='x'), dict(id='b', top=2)])
    base = w.data_fingerprint(frame)
    assert re.fullmatch('[0-9a-f]{16}', base)
    assert base == w.data_fingerprint(frame.set_axis([5, 6]), ()) == 'f2060aec232f0f70'
    for column, value in dict(
        id='c', label='y', split='s', top=7, left=7, height=7, width=7
    ).items():
        other = frame.copy()
        other.loc[1, column] = value
        assert w.data_fingerprint(other) != base, column
    pixels = [np.zeros((2, 2))]
    assert w.data_fingerprint(frame, pixels) != base
    assert w.data_fingerprint(frame, opening=Openings()) == base
    assert w.data_fingerprint(frame, opening=as_openings({'units': 'm'})) != base
    assert w.data_fingerprint(frame, pixels) != w.data_fingerprint(frame, [np.ones((2, 2))])


# ---- normalisation
def test_a_recipe_is_what_it_says():
    for good in ((8, 8), [8, 4096], (np.int64(9), 10)):
        assert w.Recipe(size=good).size == tuple(good)
        assert all(type(s) is int for s in w.Recipe(size=good).size)
    for bad in ((7, 8), (8, 4097), (8.0, 8), (8,), (8, 8, 8), '88', 8):
        says(
            f'size is {bad}: expected (height, width), each 8 to 4,096 pixels',
            w.Recipe,
            size=bad,
        )
    says("scaling is 'odd': expected 'window' or 'source'", w.Recipe, scaling='odd')
    for bad in (0, -1, np.inf, '3', None):
        says(f'clip is {bad}: expected a positive number', w.Recipe, clip=bad)
    assert w.Recipe(clip=1).clip == 1
    assert w.Recipe(clip=0.5).clip == 0.5
    recipe = w.Recipe('source', (16, 24), 2.0)
    assert recipe.to_dict() == {'scaling': 'source', 'size': [16, 24], 'clip': 2.0}
    assert w.Recipe.from_dict(recipe.to_dict()) == recipe
    assert (
        recipe.fingerprint()
        == (
            hashlib.sha256(b'{"clip": 2.0, "scaling": "source", "size": [16, 24]}').hexdigest()[:16]
        )
    )
    head = 'recipe: expected clip, scaling, size, got '
    says(head + "['clip', 'size']", w.Recipe.from_dict, {'size': [8, 8], 'clip': 1})
    says(head + '3', w.Recipe.from_dict, 3)


def test_amplitudes_are_scaled_by_hand():
    window = np.array([[1.0, 2, 3], [4, 5, 100]])
    live = np.array([[1, 1, 1], [1, 1, 0]], bool)
    found = w.Recipe(clip=1.0).scale(window, live)
    expected = np.array([[-1, -1, 0], [1, 1, 0]]) * [1, 0.5**0.5, 1]
    np.testing.assert_allclose(found, [[-1, -(0.5**0.5), 0], [0.5**0.5, 1, 0]], rtol=1e-6)
    assert expected.shape == found.shape
    assert found.dtype == np.float32
    whole = w.Recipe(clip=9.0).scale(window)
    np.testing.assert_allclose(whole, (window - window.mean()) / window.std(), rtol=1e-6)
    source = w.Recipe('source', clip=3.0)
    np.testing.assert_allclose(
        source.scale(window, scale=2.0), [[0.5, 1, 1.5], [2, 2.5, 3]], rtol=1e-6
    )
    gap = window.copy()
    gap[0, 1] = np.nan
    np.testing.assert_allclose(
        source.scale(-gap, live, scale=2.0), [[-0.5, 0, -1.5], [-2, -2.5, 0]], rtol=1e-6
    )
    assert w.Recipe('source').scale(window)[0].tolist() == [1, 2, 3]
    contrast = 'window has no contrast (zero variance): leave it out'
    says(contrast, w.Recipe().scale, np.ones((3, 3)))
    says(contrast, source.scale, window, scale=0.0)
    says(
        'window has no live sample: leave it out (min_live)',
        w.Recipe().scale,
        window,
        np.zeros((2, 3), bool),
    )
    says('expected a window (height, width), got shape (3,)', w.Recipe().scale, np.ones(3))


def test_windows_are_resized_and_stacked():
    rng = np.random.default_rng(0)
    windows = [rng.normal(size=(16, 16)), rng.normal(size=(32, 20)), rng.normal(size=(10, 12))]
    live = [None, np.ones((32, 20), bool), None]
    live[1][:10] = False
    recipe = w.Recipe('source', (16, 16), 2.0)
    found = recipe.batch(windows, live, [1.0, 2.0, 3.0])
    assert found.shape == (3, 1, 16, 16)
    for k in range(3):
        image = torch.from_numpy(recipe.scale(windows[k], live[k], k + 1.0))[None, None]
        expected = torch.nn.functional.interpolate(
            image, (16, 16), mode='bilinear', antialias=True, align_corners=False
        )
        torch.testing.assert_close(found[k], expected[0])
    torch.testing.assert_close(
        recipe.batch(windows[:1])[0, 0], torch.from_numpy(recipe.scale(windows[0]))
    )
    assert normalisation.MAX_SIDE == 4096


# ---- neighbours
def lying(*places, **same):
    "A table of windows on places (source, line_kind, line, top, left, il, xl), 4 by 3 each."
    rows_ = []
    for k, (source, kind, line, top, left, il, xl) in enumerate(places):
        place = dict(source=source, line_kind=kind, line=line, top=top, left=left)
        ends = zip(('il0', 'il1', 'xl0', 'xl1'), (*(il or (None,) * 2), *(xl or (None,) * 2)))
        rows_.append(place | dict(ends) | dict(id=f'w{k}', height=4, width=3, survey='s') | same)
    return w.window_table(rows_)


def test_groups_that_are_joined():
    found = w.joined(6, ['a', 'b', None, 'a', 'c', None], [None, 1, 2, 1, 3, None])
    assert found.tolist() == [0, 0, 1, 0, 2, 3]
    assert w.joined(3, [None] * 3).tolist() == [0, 1, 2]


def test_what_windows_can_share(tmp_path):
    frame = w.window_table(
        [
            dict(id='0', source='a', line_kind='inline', survey='s', line=1),
            dict(id='1', source='b', line_kind='crossline', survey='s', line=1),
            dict(id='2', source='b', line_kind='inline', line=2),
            dict(id='3', source='c', line_kind='line', survey='s', line=0),
            dict(id='4', source='c', line_kind='line', survey='t', line=0),
            dict(id='5', source='c', line_kind='line', survey='s', line=1),
            dict(id='6', source='a', line_kind='image', survey='s', line=0),
            dict(id='7', source='d', il0=3),
            dict(id='8', source='d', survey='u'),
            dict(id='9', source='e', il0=3, survey='s'),
        ]
    )
    found = w.grounds(frame)
    assert found.tolist() == [found[0]] * 3 + [found[3]] * 2 + [found[5], -1, found[7], -1] + [
        found[0]
    ]
    assert len(set(found)) == 5
    assert w.grounds(frame.drop(columns='il0')).tolist()[7] == -1
    written(tmp_path / 'a.sgy', 'x')
    (tmp_path / 'b.sgy').symlink_to(tmp_path / 'a.sgy')
    same = [dict(id=n, source=str(tmp_path / f'{n}.sgy'), line_kind='inline') for n in 'ab']
    assert w.grounds(w.window_table(same)).tolist() == [0, 0]
    assert w.line_names(frame)[4] == 'c\nline\n0'


def test_increments_of_line_numbers():
    step = neighbours._increments
    alone = lying(('a', 'inline', 10, 0, 0, (10, 10), (100, 104)))
    assert step(alone) == (1, 2)
    across = lying(('a', 'crossline', 10, 0, 0, (10, 30), (100, 100)))
    assert step(across) == (10, 1)
    both = lying(
        ('a', 'inline', 10, 0, 0, (10, 10), (100, 108)),
        ('a', 'inline', 16, 0, 0, (16, 16), (100, 106)),
        ('a', 'inline', 26, 0, 0, (26, 26), (100, 104)),
    )
    assert step(both) == (2, 2)
    thin = both.assign(width=1)
    assert step(thin) == (2, 2)
    assert step(thin, lambda source: Stretch()) == (2, 2)
    assert step(thin, lambda source: Stretch(lines=lambda kind: [7])) == (1, 1)
    by_kind = {'inline': [5, 8, 11], 'crossline': [4, 9]}
    assert step(thin, lambda source: Stretch(lines=by_kind.get)) == (3, 5)


def test_boxes_of_windows():
    flat = lying(('a', 'line', 0, 5, 7, None, None), ('a', 'line', 0, 1, 2, None, None))
    assert w.boxes(flat).tolist() == [[7, 9, 5, 8], [2, 4, 1, 4]]
    assert w.boxes(flat, depth=False).tolist() == w.boxes(flat).tolist()
    cubed = lying(('a', 'inline', 10, 5, 0, (10, 10), (100, 104)))
    assert w.boxes(cubed).tolist() == [[10, 10, 50, 52, 5, 8]]
    assert w.boxes(cubed, depth=False).tolist() == [[10, 10, 50, 52]]
    unknown = cubed.assign(top=pd.array([pd.NA], dtype='Int64'))
    assert w.boxes(unknown)[0, 4:].tolist() == [-np.inf, np.inf]
    unknown = cubed.assign(height=pd.array([pd.NA], dtype='Int64'))
    assert w.boxes(unknown)[0, 4:].tolist() == [-np.inf, np.inf]
    end = 'so what they overlap is not known: fill these columns'
    says(
        f'survey s: some windows have no il0, il1, xl0, xl1, {end}',
        w.boxes,
        cubed.assign(xl1=pd.array([pd.NA], dtype='Int64')),
    )
    says(
        f'survey s: some windows have no top, left, height, width, {end}',
        w.boxes,
        flat.assign(left=pd.array([3, pd.NA], dtype='Int64')),
    )


def test_gaps_between_boxes():
    a = np.array([[0.0, 2, 0, 2], [10, 12, 0, 2]])
    b = np.array([[3.0, 5, 1, 4], [2, 5, 1, 4], [14, 20, 30, 40], [-9, -4, 0, 0]])
    assert w.gaps(a, b).tolist() == [[0, -1, 27, 3], [4, 4, 27, 13]]
    assert [len(p) for p in w.in_chunks(np.arange(4000))] == [4000]
    assert [len(p) for p in w.in_chunks(np.arange(4001))] == [2001, 2000]


def test_windows_that_are_near():
    frame = lying(
        ('a', 'line', 0, 0, 0, None, None),
        ('a', 'line', 0, 0, 10, None, None),
        ('a', 'line', 0, 0, 21, None, None),
        ('b', 'line', 0, 0, 0, None, None),
        ('a', 'image', 0, 0, 0, None, None),
    )
    groups = lambda **o: pd.factorize(w.near_groups(frame, **o))[0].tolist()
    assert groups(guard=8) == [0, 0, 1, 2, 3]
    assert groups() == [0, 0, 1, 2, 3]
    assert groups(guard=7) == [0, 1, 2, 3, 4]
    assert groups(guard=9) == [0, 0, 0, 1, 2]
    assert groups(guard=1, whole_lines=True) == [0, 0, 0, 1, 2]
    above = lying(
        ('a', 'inline', 10, 0, 0, (10, 10), (100, 102)),
        ('a', 'inline', 10, 40, 0, (10, 10), (100, 102)),
    )
    assert len(set(w.near_groups(above))) == 2
    assert len(set(w.near_groups(above, depth=False))) == 1
    near = lambda **o: w.near_any(frame, frame.iloc[[1, 4]], **o).tolist()
    assert near(guard=7) == [False, True, False, False, False]
    assert near(guard=8) == near() == [True, True, False, False, False]
    assert near(guard=9) == [True, True, True, False, False]
    assert w.near_any(frame.iloc[:0], frame).tolist() == []
    assert w.near_any(frame, frame.iloc[:0]).tolist() == [False] * 5


def test_many_windows_are_one_group(monkeypatch):
    frame = lying(*(('a', 'line', 0, 0, 100 * k, None, None) for k in range(5)))
    monkeypatch.setattr(neighbours, 'MOST_PAIRED', 5)
    assert len(set(w.near_groups(frame))) == 5
    monkeypatch.setattr(neighbours, 'MOST_PAIRED', 4)
    assert w.near_groups(frame).tolist() == [0] * 5
    assert w.near_any(frame, frame.iloc[3:], 1).tolist() == [False] * 3 + [True] * 2


# ---- splits
def test_surveys_given_to_parts():
    frame = w.window_table([dict(id=f'{s}{k}', survey=s) for s in 'abcdefghij' for k in range(2)])
    found = w.split_by_survey(frame, 0.2, 0.3)
    by = found.groupby('survey').split.unique()
    assert all(len(parts) == 1 for parts in by)
    assert found.split.value_counts().to_dict() == {'train': 10, 'test': 6, 'valid': 4}
    order = np.random.default_rng(0).permutation(list('abcdefghij'))
    assert set(order[:2]) == set(found.survey[found.split == 'valid'])
    assert set(order[2:5]) == set(found.survey[found.split == 'test'])
    assert found.split.dtype == 'string'
    none = w.split_by_survey(frame, 0.2, 0.0, seed=1)
    assert none.split.value_counts().to_dict() == {'train': 16, 'valid': 4}
    assert w.split_by_survey(frame[frame.survey <= 'c']).split.nunique() == 3
    assert w.split_by_survey(frame[frame.survey <= 'b'], test=0).split.nunique() == 2
    says(
        '2 surveys do not make a train, a validation and a test set: split by block instead',
        w.split_by_survey,
        frame[frame.survey <= 'b'],
    )
    says(
        '1 surveys do not make a train, a validation set: split by block instead',
        w.split_by_survey,
        frame[frame.survey <= 'a'],
        test=0,
    )
    says(
        'some windows have no survey: fill the column, or split by block',
        w.split_by_survey,
        frame.assign(survey=[None] + ['a'] * 19),
    )


def test_an_axis_cut_into_blocks():
    ends = np.stack([np.arange(0, 20), np.arange(0, 20)], 1)
    cut = lambda guard, **shares: ''.join(p[0] for p in splits.cut_axis(ends, guard, shares))
    assert cut(0, train=0.5, valid=0.25, test=0.25) == 't' * 10 + 'v' * 5 + 't' * 5
    assert cut(4, train=5, valid=3, test=2) == 't' * 8 + 'gggg' + 'vv' + 'gggg' + 'tt'
    assert cut(4, train=1) == 't' * 20
    assert cut(2, valid=1, train=1) == 'v' * 9 + 'gg' + 't' * 9
    wide = np.array([[0, 4], [3, 9], [5, 9], [4, 5], [10, 14], [8, 11], [15, 19]])
    found = splits.cut_axis(wide, 0, {'train': 0.5, 'valid': 0.5})
    assert found.tolist() == ['train'] * 4 + ['valid', 'guard', 'valid']
    shifted = splits.cut_axis(wide + 100, 2, {'train': 0.5, 'valid': 0.5})
    assert shifted.tolist() == ['train', 'guard', 'guard', 'train', 'guard', 'guard', 'valid']
    cuts = [
        np.array(['train', 'valid', 'guard', 'guard'], object),
        np.array(['train', 'train', 'train', 'train'], object),
        np.array(['train', 'valid', 'valid', 'guard'], object),
    ]
    assert splits._fullest(cuts, 's', 3) is cuts[2]
    says(
        'survey s: no split into blocks with a guard of 3 lines: take a smaller guard or more lines',
        splits._fullest,
        cuts[1:2],
        's',
        3,
    )


def on_cube(numbers, survey='s', source='a', along='inline'):
    "A window 3 traces wide on each line (il, first xl) of a cube."
    return lying(*((source, along, i, 0, x, (i, i), (x, x + 2)) for i, x in numbers)).assign(
        survey=survey
    )


def test_surveys_cut_into_blocks():
    frame = on_cube([(i, x) for i in range(0, 60, 2) for x in (0, 40)])
    found = w.split_by_block(frame, guard=4, valid=0.25, test=0.25, axis='il')
    lines_of = lambda part: sorted(set(found.line[found.split == part]))
    # the axis has 30 positions: cuts at 15 and 22.5, two positions kept free on either side
    assert lines_of('train') == list(range(0, 25, 2))
    assert lines_of('valid') == list(range(34, 39, 2))
    assert lines_of('test') == list(range(50, 59, 2))
    assert found.split.dtype == 'string'
    along = w.split_by_block(frame, guard=4, valid=0.5, test=0, axis='xl')
    assert along.split[along.left == 0].unique().tolist() == ['train']
    assert along.split[along.left == 40].unique().tolist() == ['valid']
    auto = w.split_by_block(frame, guard=4, valid=0.5, test=0)
    assert auto.split.tolist() == along.split.tolist()
    assert set(w.split_by_block(frame, guard=4, valid=0.5, test=0, axis='il').split) == {
        'train',
        'valid',
        'guard',
    }
    says("axis is 'odd': expected 'auto', 'il' or 'xl'", w.split_by_block, frame, axis='odd')
    says(
        'some windows have no line numbers (images?): split by survey instead',
        w.split_by_block,
        frame.assign(line_kind=['image'] + ['inline'] * 59),
    )
    says(
        'survey s: no split into blocks with a guard of 99 lines: take a smaller guard or more lines',
        w.split_by_block,
        frame,
        guard=99,
    )


def test_the_gap_between_splits():
    frame = on_cube([(0, 0), (1, 0), (10, 0), (30, 0), (31, 0)]).assign(
        split=['train', 'train', 'valid', 'guard', None]
    )
    assert w.split_gap(frame) == 8
    assert w.prove_disjoint(frame, 8) == 8
    says(
        'splits are 8 lines (of a 2-D line: traces or samples) apart, 9 wanted: '
        'split again with a wider guard band',
        w.prove_disjoint,
        frame,
        9,
    )
    assert w.split_gap(frame.assign(split='train')) == np.inf
    touching = frame.assign(split=['train', 'test', 'valid', 'valid', 'valid'])
    assert w.split_gap(touching) == 0
    same = on_cube([(0, 0), (0, 1)]).assign(split=['train', 'test'])
    assert w.split_gap(same) == -1
    with pytest.raises(WindowError, match='^splits are -1 lines'):
        w.prove_disjoint(same)
    pictured = w.window_table(
        [dict(id=str(k), survey=s, split=p) for k, (s, p) in enumerate(zip('aabb', 'xxyz'))]
    )
    says(
        'survey b is in several splits and its windows have no line numbers: '
        'disjointness cannot be shown',
        w.split_gap,
        pictured,
    )
    assert w.split_gap(pictured[:3]) == np.inf
    says(
        'some windows have no survey: disjointness cannot be shown',
        w.split_gap,
        pictured.assign(survey=['a', None, 'b', 'b']),
    )


# ---- the best split
def test_classes_split_window_by_window():
    sizes = dict(a=3, b=4, c=5, d=6, e=30)
    frame = w.window_table(
        [dict(id=f'{c}{k}', label=c) for c, n in sizes.items() for k in range(n)]
    )
    n = lambda found: (
        found.groupby('label')
        .split.value_counts()
        .unstack(fill_value=0)[['train', 'valid', 'test']]
        .to_numpy()
        .tolist()
    )
    assert n(w.split_by_window(frame)) == [[3, 0, 0], [2, 2, 0], [3, 2, 0], [2, 2, 2], [18, 6, 6]]
    assert n(w.split_by_window(frame, 0.1, 0.3))[-1] == [18, 3, 9]
    none = w.split_by_window(frame, test=0)
    assert 'test' not in set(none.split)
    assert none.split.value_counts()['valid'] == 12
    again = w.split_by_window(frame, seed=3)
    assert again.split.tolist() == w.split_by_window(frame, seed=3).split.tolist()
    assert again.split.tolist() != w.split_by_window(frame).split.tolist()


def test_windows_that_share_no_pixel_are_counted():
    box = np.array([[0, 2, 0, 3], [2, 4, 0, 3], [3, 5, 0, 3], [0, 2, 4, 7]], float)
    assert best_split._n_apart(box) == 3
    assert best_split._n_apart(box[:2]) == 1
    frame = lying(
        ('a', 'line', 0, 0, 0, None, None),
        ('a', 'line', 0, 0, 1, None, None),
        ('a', 'line', 0, 0, 3, None, None),
        ('a', 'line', 1, 0, 1, None, None),
        ('a', 'image', 0, 0, 0, None, None),
        ('a', 'image', 0, 0, 0, None, None),
    ).assign(label=['x', 'x', 'x', 'x', 'y', 'y'])
    assert best_split._pixel_boxes(frame)[2].tolist() == [3, 5, 0, 3]
    every, apart = best_split._counts(frame, np.array([7, 7, 7, 8, 8, 8]))
    assert every.tolist() == [[3, 0], [1, 2]]
    assert apart.tolist() == [[2, 0], [1, 2]]
    every, apart = best_split._parts_have(frame, np.array([2, 2, 2, 0, 0, 0]))
    assert every.tolist() == [[[1, 2], [0, 0], [3, 0]]]
    assert apart.tolist() == [[[1, 2], [0, 0], [2, 0]]]


def test_many_windows_are_not_compared(monkeypatch):
    frame = lying(*(('a', 'line', 0, 0, 0, None, None) for _ in range(3))).assign(label='x')
    monkeypatch.setattr(best_split, 'MOST_PAIRED', 3)
    assert best_split._counts(frame, np.zeros(3, int)).apart.tolist() == [[1]]
    monkeypatch.setattr(best_split, 'MOST_PAIRED', 2)
    assert best_split._counts(frame, np.zeros(3, int)).apart.tolist() == [[3]]


@pytest.mark.parametrize(
    ('train', 'valid', 'test', 'apart_valid', 'worth'),
    [
        ([6, 6], [2, 2], [2, 2], [2, 2], [1, 1, 2, 4, 0]),
        ([6, 6], [2, 2], [2, 2], [2, 1], [1, 1, 2, 3, 0]),  # one class judges
        ([6, 6], [2, 2], [2, 2], [1, 1], [0, 1, 2, 2, 0]),  # none does
        ([6, 6], [3, 0], [2, 2], [3, 0], [0, 1, 2, 3, 0]),  # one class is there
        ([6, 6], [3, 1], [2, 2], [3, 1], [1, 1, 2, 3, 0]),
        ([10, 1], [2, 2], [2, 2], [2, 2], [0, 1, 1, 2, 0]),  # one class is trained
        ([9, 2], [2, 2], [2, 2], [2, 2], [1, 1, 2, 4, 0]),
        ([4, 4], [4, 4], [2, 2], [4, 4], [1, 0, 2, 4, -1]),
        ([5, 5], [3, 3], [2, 2], [3, 3], [1, 1, 2, 4, 0]),  # half of them train
        ([4, 5], [4, 3], [2, 2], [4, 3], [1, 0, 2, 4, 0]),
        ([2, 2], [14, 2], [2, 2], [14, 2], [1, 0, 2, 4, -2]),
        ([6, 6], [2, 2], [0, 0], [2, 2], [0, 1, 2, 2, -1]),
    ],
)
def test_what_a_way_to_share_out_is_worth(train, valid, test, apart_valid, worth):
    every = np.array([[train, valid, test]])
    apart = np.array([[train, apart_valid, test]])
    found = best_split._worth(best_split._Counts(every, apart), (0.6, 0.2, 0.2))
    assert found.tolist() == [worth]
    none = np.array([[train, valid, [0, 0]]])
    without = best_split._Counts(none, apart * (none > 0))
    found = best_split._worth(without, (0.75, 0.25, 0.0))[0]
    judged = (np.array(train) >= 2) & (np.array(apart_valid) >= 2)
    assert found[3] == judged.sum()


def test_the_best_of_ways():
    worth = np.array([[1, 0, 5], [1, 1, 0], [1, 1, 0], [0, 9, 9], [1, 1, -1]])
    assert best_split._best(worth) == 1
    assert best_split._best(worth[:1]) == 0
    assert best_split._best(worth[[0, 3]]) == 0


def test_ways_to_share_out():
    rng = np.random.default_rng(0)
    sizes = np.array([5, 1, 1, 1, 1, 1])
    drawn = lambda by, wanted=(0.5, 0.3, 0.2): np.bincount(
        best_split._drawn(sizes, wanted, rng, by), minlength=3
    ).tolist()
    assert {tuple(drawn(True)) for _ in range(20)} == {(3, 2, 1)}
    assert {tuple(drawn(True, (0.9, 0.1, 0.0))) for _ in range(20)} == {(5, 1, 0)}
    for _ in range(50):
        part = best_split._drawn(sizes, (0.5, 0.3, 0.2), rng, False)
        assert sizes[part == 1].sum() <= 0.32 * 10
        assert sizes[part > 0].sum() <= 0.52 * 10
    full = best_split._drawn(np.ones(100), (0.48, 0.26, 0.26), rng, False)
    assert np.bincount(full).tolist() == [46, 28, 26]
    ways = best_split._ways(np.array([2, 1, 1]), (0.5, 0.5, 0.0), 0)
    assert len(ways) == 600 + 8
    assert ways[-8:].tolist() == [[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    assert len(best_split._ways(np.ones(7), (0.6, 0.2, 0.2), 0)) == 600 + 3**7
    assert len(best_split._ways(np.ones(8), (0.6, 0.2, 0.2), 0)) == 600
    digest = hashlib.sha256(best_split._ways(np.arange(1, 12), (0.6, 0.2, 0.2), 4).tobytes())
    assert digest.hexdigest()[:16] == 'a9eeb7c004163992'


def test_ways_to_cut():
    options = list(best_split._cut_options(4, (0.6, 0.4, 0.0)))
    assert len(options) == 2 * 4 * 3
    assert {axis for axis, _ in options} == {0, 2}
    assert options[0] == (0, {'train': 0.6})
    assert options[1] == (0, {'train': 0.3 + 0.5 / 3})
    assert options[2] == (0, {'train': 1 / 3})
    assert [list(s) for _, s in options[:12:3]] == [
        ['train'],
        ['valid'],
        ['train', 'valid'],
        ['valid', 'train'],
    ]
    assert best_split._largest_first(np.array([3, -1, -1, -1, 1, 1, 2, 0])) == [1, 0, 2, 3]
    frame = on_cube([(0, 0), (10, 0), (20, 0)]).assign(label=['a', 'b', 'a'])
    parts = np.array([-1, -1, -1])
    assert best_split._worth_of_parts(frame, parts, (0.6, 0.2, 0.2)) == (0.0,)
    worth = best_split._worth_of_parts(frame, np.array([0, -1, 0]), (0.6, 0.4, 0.0))
    assert worth == (0, 1, 1, 0, -1, 2) or worth[-1] == 2


def scattered(seed, kind):
    "A random table of labelled windows on two surveys or lines."
    rng, rows_ = np.random.default_rng(seed), []
    for k in range(60):
        name, x, line = 'ab'[k % 2], int(rng.integers(300)), int(rng.integers(8)) * 15
        top = int(rng.integers(100))
        if kind == 'line':
            rows_.append((name, 'line', line, top, x, None, None))
        else:
            rows_.append((name, 'inline', line, top, x, (line, line), (x, x + 2)))
    return lying(*rows_).assign(
        label=rng.choice(['x', 'y', 'z'], 60), survey=[f's{"ab"[k % 2]}' for k in range(60)]
    )


@pytest.mark.parametrize(
    ('kind', 'n_surveys', 'options', 'how', 'digest'),
    [
        ('inline', 1, dict(guard=2), 'block', '7e3ac23c'),
        ('inline', 2, dict(test=0.0), 'survey', '3a952683'),
        ('inline', 1, dict(guard=20, seed=1), 'block', '6b257a94'),
        ('inline', 1, dict(valid=0.3, test=0.1, guard=3), 'block', '9ce27c14'),
        ('line', 2, dict(guard=4), 'line', '4dad6479'),
        ('line', 1, dict(guard=30, test=0.0), 'line', '7af5dc14'),
    ],
)
def test_the_split_that_is_found(kind, n_surveys, options, how, digest):
    frame = scattered(5, kind)
    if n_surveys == 1:
        frame = frame[frame.source == 'a']
    found, which = w.split_windows(frame, **options)
    kept = hashlib.sha256(' '.join(found.split).encode()).hexdigest()[:8]
    assert (which, kept) == (how, digest)
    if which != 'survey':
        assert w.split_gap(found) >= options.get('guard', 8)


def test_no_split_is_possible():
    frame = lying(*(('a', 'line', 0, 0, k, None, None) for k in range(8))).assign(
        label=list('ab') * 4
    )
    says(
        '8 labelled windows leave none to validate on: windows that overlap, or lie within 8 '
        'lines of each other (on a 2-D line: traces and samples), must not be in two parts; '
        'label some on another survey or line, or farther apart, at least two of each of two '
        'classes on either side',
        w.split_windows,
        frame,
    )
    loose = w.window_table([dict(id=str(k), label='ab'[k % 2]) for k in range(20)])
    found, how = w.split_windows(loose, seed=2)
    assert how == 'window'
    assert found.split.tolist() == w.split_by_window(loose, seed=2).split.tolist()
    one = loose.assign(survey='s')
    assert w.split_windows(one)[1] == 'window'
    assert w.split_windows(one.assign(survey=list('pqrst') * 4))[1] == 'survey'


# ---- roles
def test_roles_are_apart():
    frame = lambda *ids, survey='s': w.window_table([dict(id=i, survey=survey) for i in ids])
    a, b = frame('1', '2'), frame('2', '3', survey='t')
    stay = 'must stay apart'
    for one, other, said in (
        ('training', 'calibration', ('training', 'validation')),
        ('training', 'choice', ('training', 'validation')),
        ('training', 'test', ('training', 'test')),
        ('calibration', 'test', ('validation', 'test')),
        ('choice', 'test', ('validation', 'test')),
    ):
        says(
            f'1 windows, 2 first, are for {said[0]} and for {said[1]}: '
            f'{said[0]} and {said[1]} {stay}',
            w.prove_apart,
            'window',
            **{one: a, other: b},
        )
    w.prove_apart('window', calibration=a, choice=b)
    again = frame('4', '5')
    w.prove_apart('window', training=a, test=again)
    says(
        f'survey s has windows for training and for test: training and test {stay}',
        w.prove_apart,
        training=a,
        test=again,
    )
    unknown = 'some windows have no survey: whether training and test are apart is not known'
    says(unknown, w.prove_apart, training=a, test=frame('4', survey=None))
    says(unknown, w.prove_apart, training=frame('4', survey=None), test=a)
    w.prove_apart(training=a, test=frame('9', survey='t'))
    w.prove_apart('window', calibration=a, choice=a, test=again)
    says(
        f'2 windows, 1 first, are for validation and for test: validation and test {stay}',
        w.prove_apart,
        'window',
        calibration=a,
        choice=a,
        test=a,
    )
    expected = (
        'expected some of training, calibration, choice, test, apart by survey, place, window'
    )
    says(f"roles training apart by 'odd': {expected}", w.prove_apart, 'odd', training=a)
    says(f"roles odd apart by 'place': {expected}", w.prove_apart, 'place', odd=a)


def test_roles_by_place():
    near = on_cube([(0, 0), (4, 0), (5, 0)])
    one, other = near[:1], near[1:]
    end = 'windows for test: training and test must stay apart'
    w.prove_apart('place', 3, training=one, test=other)
    says(
        f'1 windows for training, w0 first, lie within 4 lines, traces or samples of {end}',
        w.prove_apart,
        'place',
        4,
        training=one,
        test=other,
    )
    same = on_cube([(0, 0), (0, 0)])
    says(
        f'1 windows for training, w0 first, show the place of {end}',
        w.prove_apart,
        'place',
        training=same[:1],
        test=same[1:],
    )
    w.prove_apart('window', training=same[:1], test=same[1:])
    assert w.surveys_of(near.assign(survey=['b', None, 'a'])) == ['a', 'b']
    w.refuse_taught(['a'], ['b'])
    says(
        'the head has learned from survey a: a figure there would flatter, so judge it on others',
        w.refuse_taught,
        ['b', 'a'],
        ['a', 'b', 'c'],
        'the head',
    )


# ---- labelled windows, wherever they come from
def test_names_that_a_table_may_call_an_image():
    assert load._called('k1', '/x/Salt/a.png') == ['k1', 'Salt/a.png', 'Salt/a', 'a.png', 'a']


def test_surveys_of_images(tmp_path, capsys):
    path = written(
        tmp_path / 't.csv', 'id,survey\na.png,s\na.png,s\nd/b,t\n,u\nc,\nodd.png,v\nlast,z\n'
    )
    ids = ['a.png', 'q/b.png', 'n1', 'n2', 'n3', 'n4']
    files = ['x/a.png', 'x/d/b.png', 'n1', 'n2', 'n3', 'n4']
    assert load._surveys(ids, files, path).fillna('-').tolist() == ['s', 't'] + ['-'] * 4
    assert capsys.readouterr().out == 't.csv: no survey for 4 of 6 images: n1, n2, n3, …\n'
    load._surveys(ids[:5], files[:5], path)
    assert capsys.readouterr().out == 't.csv: no survey for 3 of 5 images: n1, n2, n3\n'
    load._surveys(ids[:2], files[:2], path)
    assert capsys.readouterr().out == ''
    says(
        "t.csv: none of its ids (a.png, d/b, odd.png, …) is an image's name (n1, n2, n3, …)",
        load._surveys,
        ids[2:],
        files[2:],
        path,
    )
    bad = written(tmp_path / 'u.csv', 'id,odd\na,b\n')
    says(f'{bad}: expected columns id and survey, got id, odd', load._known_surveys, bad)
    two = written(tmp_path / 'v.csv', 'id,survey\nb,s\na,s\na,t\nc,u\nc,v\n')
    says("v.csv: 'a' is given two surveys, s and t: leave one out", load._known_surveys, two)


def test_windows_of_folders_and_tables(cube, tmp_path, capsys):
    root = tmp_path / 'set'
    for k, name in enumerate(('A/a.png', 'A/b.png', 'B/a.png', 'a/c.png')):
        noise(root / name, k)
    written(root / 'A' / 'bad.png', 'x')
    t = written(tmp_path / 't.csv', 'id,survey\nA/a,s\nA/b,s\nB/a,t\na/c,t\n')
    reader = w.load_windows(root, table=t)
    assert reader.frame.survey.tolist() == ['s', 's', 't', 't']
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith('left out A/bad.png: bad.png: not a readable image')
    assert w.load_windows(root).frame.survey.isna().all()
    assert sorted(set(w.load_windows(root, merge_case=True).frame.label)) == ['A', 'B']
    laid = tmp_path / 'laid'
    for k, name in enumerate(('train/A/a.png', 'test/A/b.png')):
        noise(laid / name, k)
    assert w.load_windows(laid).frame.split.tolist() == ['train', 'test']
    rectangles = written(tmp_path / 'r.csv', HEAD + 'il,13,0,0,4,4,a\nil,14,0,0,4,4,A\n')
    reader = w.load_windows(rectangles, cube)
    assert reader.frame.label.tolist() == ['a', 'A']
    assert reader[0][0].shape == (4, 4)
    assert len(set(w.load_windows(rectangles, cube, merge_case=True).frame.label)) == 1
    made = w.load_windows('synthetic', seed=3, per_class=2)
    assert made.frame.label.value_counts().unique().tolist() == [2]
    other = w.load_windows('synthetic', seed=4, per_class=2)
    assert not np.array_equal(made[0][0], other[0][0])


def test_what_is_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / 'a.PNG', 'x')
    written(tmp_path / 'a.doc', 'x')
    (tmp_path / 'owner').mkdir()
    expected = (
        "expected 'synthetic', a folder of images, or a table "
        '(.csv, .tsv, .tab, .txt, .parquet, .pq)'
    )
    says('a.PNG: a single image: expected a folder of images', w.load_windows, 'a.PNG')
    says(f'a.doc: neither a folder nor a table by its ending: {expected}', w.load_windows, 'a.doc')
    for name in (
        'no.png',
        'no',
        'owner/no',
        'x/no.doc',
        'x/y/z',
        'x/',
        '/x/y',
        'x/.y',
        'x/y.abcdefg',
    ):
        assert load._no_such(name) == f'{name}: no such file or folder: {expected}', name
    for name in ('x/y', 'x-1/y.2', 'x/y.a', 'x/y.abcdefgh', 'x_/y-z'):
        assert load._no_such(name) is None, name
    says('a/b: asked', load_from_hub(monkeypatch), 'a/b')


def load_from_hub(monkeypatch):
    def ask(name):
        raise WindowError(f'{name}: asked')

    monkeypatch.setattr(load, 'challenge_folder', ask)
    return w.load_windows


def labelled(n_train, n_valid, n_test=0, label='x', survey='s', start=0):
    "Windows on inlines far apart: rows with a split."
    parts = ['train'] * n_train + ['valid'] * n_valid + ['test'] * n_test
    return [dict(label=label, split=p, survey=survey) for p in parts]


def test_a_split_is_said(capsys):
    frame = w.window_table(
        [
            dict(r, id=str(k))
            for k, r in enumerate(
                labelled(3, 2, 0, 'x') + labelled(2, 0, 1, 'y') + labelled(1, 0, 0, 'z')
            )
        ]
        + [dict(id='g', split='guard', label='x')]
    )
    w.say_split(frame, 'window')
    assert capsys.readouterr().out == (
        'split by window: nobody knows where images were cut, so near duplicates may be in two '
        'parts; 6 train, 2 valid, 1 test, 1 guard\nno validation windows: y, z\n'
    )
    w.say_split(frame[(frame.label == 'x') & (frame.split != 'guard')], 'window')
    assert capsys.readouterr().out.endswith('; 3 train, 2 valid\n')
    with pytest.raises(
        w.WindowError, match='survey s is in several splits and its windows have no'
    ):
        w.say_split(frame, 'survey')
    near = on_cube([(0, 0), (9, 0)]).assign(split=['train', 'valid'], label='x', source=['a', 'b'])
    for how, said in (
        ('line', 'no line is in two parts, and lines in different parts are at least 8 apart'),
        ('block', 'windows in different parts are at least 8 lines, traces or samples apart'),
    ):
        w.say_split(near, how, lambda source: Stretch(lines=lambda kind: np.arange(20)))
        assert capsys.readouterr().out == f'split by {how}: {said}; 1 train, 1 valid\n'
    with pytest.raises(w.LeakError, match='survey a has windows for training and for validation'):
        apart = near.assign(survey='a')
        w.say_split(apart, 'survey', lambda source: Stretch(lines=lambda kind: np.arange(20)))
    w.say_split(near.assign(survey=['a', 'b']), 'survey')
    assert capsys.readouterr().out == (
        'split by survey: no survey is in two parts; 1 train, 1 valid\n'
    )
    close = near.assign(line=[0, 8], il0=[0, 8], il1=[0, 8], source='a')
    with pytest.raises(w.WindowError, match='apart, 8 wanted: split again with a wider guard'):
        w.say_split(close, 'line', lambda source: Stretch(lines=lambda kind: np.arange(20)))


def test_windows_near_a_given_test_part_are_left_out(capsys):
    places = [('a', 'line', 0, 0, 20 * k, None, None) for k in range(20)]
    frame = lying(*places).assign(label=['x', 'y'] * 10)
    frame.loc[19, 'split'] = 'test'
    frame.loc[18, ['left', 'split']] = [390 - 12, None]
    frame.loc[18, 'left'] = 380 - 10
    arrays = [np.random.default_rng(k).normal(size=(4, 3)) for k in range(20)]
    reader, how = w.split_labelled(w.WindowReader(frame, arrays=arrays))
    said = capsys.readouterr().out.splitlines()
    assert how == 'line' or how == 'block'
    assert said[0] == (
        'left out of training and validation: 1 windows within 8 lines, traces or samples of the '
        'test windows that were given'
    )
    assert reader.frame.split[18] == 'guard'
    assert reader.frame.split[19] == 'test'
    assert set(reader.frame.split[:18]) <= {'train', 'valid', 'guard'}
    free = lying(*places[:18]).assign(label=['x', 'y'] * 9)
    w.split_labelled(w.WindowReader(free, arrays=arrays[:18]), test=0.0)
    said = capsys.readouterr().out
    assert 'left out' not in said
    assert ' test' not in said.splitlines()[0].replace('different', '')


def test_what_a_split_is_made_with(monkeypatch):
    places = [('a', 'line', 0, 0, 20 * k, None, None) for k in range(20)]
    frame = lying(*places).assign(label=['x', 'y'] * 10)
    frame.loc[19, 'split'] = 'test'
    arrays = [np.ones((4, 3))] * 20
    asked = []

    def split(frame, **how):
        asked.append((len(frame), how))
        raise WindowError('enough')

    monkeypatch.setattr(load, 'split_windows', split)
    for k, given in ((20, frame), (18, frame[:18])):
        held = w.WindowReader(given, arrays=arrays[:k])
        says('set: enough', w.split_labelled, held, 4, 'set', 0.3)
        placed = w.WindowReader(given)
        says('set: enough', w.split_labelled, placed, 5, 'set', 0.3)
        n, test = (19, 0.0) if k == 20 else (18, 0.3)
        assert asked[-2:] == [
            (n, dict(test=test, seed=4, volume=None)),
            (n, dict(test=test, seed=5, volume=placed.volume)),
        ]


def test_classes_with_too_few_windows(capsys):
    rows_ = labelled(2, 2, 0, 'x') + labelled(1, 1, 0, 'y') + labelled(2, 0, 0, 'z')
    frame = w.window_table([dict(r, id=str(k)) for k, r in enumerate(rows_)])
    reader = load._say_and_drop(w.WindowReader(frame), 'set')
    assert capsys.readouterr().out == 'left out, too few training windows: y\n'
    assert reader.frame.label.tolist() == ['x'] * 4 + ['z'] * 2
    load._say_and_drop(reader, 'set')
    assert capsys.readouterr().out == ''
    says(
        'set: too few windows to keep some for validation: at least four of a class are needed',
        load._say_and_drop,
        w.WindowReader(frame[frame.split == 'train']),
        'set',
    )
    says(
        'set: no labelled windows: expected class folders or a table with labels',
        w.split_labelled,
        w.WindowReader(frame.assign(label=pd.NA)),
        name='set',
    )
    over = lying(*(('a', 'line', 0, 0, k, None, None) for k in range(8)))
    over = over.assign(label=list('ab') * 4)
    with pytest.raises(WindowError, match='^set: 8 labelled windows leave none'):
        w.split_labelled(w.WindowReader(over, arrays=[np.ones((4, 3))] * 8), name='set')


def test_loaded_and_split(tmp_path, capsys):
    reader, how = w.load_labelled('synthetic', seed=1, per_class=5)
    again = w.load_windows('synthetic', seed=1, per_class=5)
    again, how_again = w.split_labelled(again, 1, 'synthetic')
    assert how == how_again
    assert reader.frame.split.tolist() == again.frame.split.tolist()
    for k in range(12):
        noise(tmp_path / 'AB'[k % 2] / f'{k}.png', k)
    for seed in (1, 2):
        reader, how = w.load_labelled(tmp_path, seed=seed)
        expected = w.split_by_window(w.load_windows(tmp_path).frame, seed=seed)
        assert how == 'window'
        assert reader.frame.split.tolist() == expected.split.tolist()


# ---- sources
def test_what_sources_hold(cube, tmp_path, capsys):
    folder = tmp_path / 'f'
    for name in ('b.SGY', 'a.npy', 'x.txt', 'c.png', 'deep/d.segy', 'deep/e.npy', 'v.zarr/g.npy'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        written(folder / name, 'x')
    found = list(w.spread_out([folder, cube]))
    assert found == [
        (folder / 'a.npy', 'volume', False),
        (folder / 'b.SGY', 'volume', False),
        (folder / 'v.zarr', 'volume', False),
        (cube, 'volume', True),
    ]
    assert capsys.readouterr().out == (
        f'{folder}: 1 images beside volumes are not read: put them into a folder of their own\n'
        f'{folder}: 2 volumes in its sub-folders are not read, deep/d.segy first: '
        'name the sub-folders too\n'
    ).replace('deep/d.segy', next(folder.glob('deep/*')).relative_to(folder).as_posix())
    noise(tmp_path / 'p' / 'a.png')
    assert list(w.spread_out([str(tmp_path / 'p')])) == [(tmp_path / 'p', 'images', True)]
    assert capsys.readouterr().out == ''
    says(f'{tmp_path / "no"}: no such file or folder', list, w.spread_out([tmp_path / 'no']))
    image, text = tmp_path / 'p' / 'a.png', folder / 'x.txt'
    says(f'{image} is a single image: expected a folder of images', list, w.spread_out([image]))
    says(
        f'{text}: expected a volume (.sgy, .segy, .npy, .zgy, .vds, .mdio, .zarr), a folder of volumes, '
        'or a folder of images',
        list,
        w.spread_out([text]),
    )


def test_sources_are_opened_once(cube, tmp_path):
    noise(tmp_path / 'p' / 'a.png')
    (tmp_path / 'v').mkdir()
    (tmp_path / 'v' / 'link.sgy').symlink_to(cube)
    odd = tmp_path / 'odd.bin'
    odd.write_bytes(cube.read_bytes())
    there = cube.resolve()
    assert w.open_sources(cube) == w.open_sources(str(cube)) == [('volume', there, True)]
    assert w.open_sources(tmp_path / 'v') == [('volume', there, False)]
    assert w.open_sources([tmp_path / 'v', cube, cube]) == [('volume', there, True)]
    assert w.open_sources(odd) == [('volume', odd.resolve(), True)]
    (kind, what, named), second = w.open_sources([tmp_path / 'p', odd])
    assert (kind, named) == ('table', True)
    assert what.id.tolist() == ['a.png']
    assert second.kind == 'volume'
    path = written(
        tmp_path / 't.csv', f'source,{HEAD}{cube},il,13,0,0,4,4,a\n{cube},il,14,0,0,4,4,b\n'
    )
    (held,) = w.open_sources(path)
    assert held.kind == 'table'
    assert held.named
    assert len(held.what) == 2
    with pytest.raises(WindowError, match='is a single image'):
        w.open_sources(tmp_path / 'p' / 'a.png')


def test_windows_of_sources(cube, tmp_path):
    noise(tmp_path / 'p' / 'a.png')
    (tmp_path / 'v').mkdir()
    (tmp_path / 'v' / 'a.sgy').symlink_to(cube)
    written(tmp_path / 'v' / 'bad.sgy', 'x')
    grid_ = dict(window=(20, 8), stride=(30, 5), lines='inline', every=5)
    frame, report = w.source_windows([tmp_path / 'p', tmp_path / 'v'], **grid_)
    assert frame.line_kind.value_counts().to_dict() == {'inline': 27, 'image': 1}
    assert frame.index.tolist() == list(range(28))
    assert report.columns.tolist() == ['file', 'problem']
    assert report.file.tolist() == [str((tmp_path / 'v' / 'bad.sgy').resolve())]
    metric, _ = w.source_windows(cube, (80, 100), (40, 50), 'inline', 11, 'metric')
    assert set(zip(metric.height, metric.width)) == {(20, 10)}
    small = written(tmp_path / 'w.sgy', 'x')
    from reflection_connection.volume import VolumeError

    with pytest.raises(VolumeError):
        w.source_windows(small)
    (tmp_path / 'bad').mkdir()
    written(tmp_path / 'bad' / 'w.sgy', 'x')
    with pytest.raises(WindowError) as e:
        w.source_windows([tmp_path / 'bad'])
    assert str(e.value).startswith(f'[{tmp_path / "bad"!r}]: no windows; ')
    says('[]: no windows; nothing there', w.source_windows, [])


# ---- shapes
def test_shapes_that_are_drawn():
    rng = np.random.default_rng(0)
    drawn = np.array([w.Shapes(lo=10, hi=100).draw(rng) for _ in range(2000)])
    assert drawn.min() == 10
    assert 95 < drawn.max() <= 100
    assert (drawn[:, 0] <= 2 * drawn[:, 1] + 1).all() and (drawn[:, 1] <= 2 * drawn[:, 0] + 1).all()
    assert abs(np.median(drawn) - 27) < 4  # less than the middle of the logarithms, by the cut
    known = w.Shapes([[40, 100], [3, 2]])
    drawn = np.array([known.draw(rng) for _ in range(2000)])
    large = drawn[drawn[:, 1] > 50]
    assert 800 < len(large) < 1200
    assert large.min(0).tolist() == [36, 90]
    assert large.max(0).tolist() == [44, 110]
    assert drawn.min() == 2
    assert known.area == 21.5 * 51
    assert w.Shapes(lo=10, hi=100).area == 1000
    assert w.Shapes(lo=2, hi=2).draw(rng) == (2, 2)
    known_ = 'known shapes: expected one or more (height, width), each at least 2'
    for bad in ([], [[1, 8]], [[8, 8], [8, 1]]):
        says(known_, w.Shapes, bad)
    w.Shapes([[2, 2]])
    says('shapes from 1 to 8: expected 2 <= lo <= hi', w.Shapes, lo=1, hi=8)
    says('shapes from 9 to 8: expected 2 <= lo <= hi', w.Shapes, lo=9, hi=8)
    same = np.random.default_rng(7)
    assert [w.Shapes().draw(same) for _ in range(3)] == [(89, 116), (103, 60), (64, 113)]


# ---- what is kept back
def test_blocks_kept_back():
    assert holdout._blocks(1000, 0.1, 32) == {'train': (0, 896), 'valid': (904, 1000)}
    assert holdout._blocks(120, 0.1, 32) == {'train': (0, 76), 'valid': (84, 120)}
    assert holdout._blocks(119, 0.1, 32) == {'train': (0, 103), 'valid': (111, 119)}
    assert holdout._blocks(4, 0.5, 32) == {'train': (0, 0), 'valid': (4, 4)}


def test_places_along_the_longer_side():
    v = Stretch(inlines=list(range(10, 15)), crosslines=list(range(100, 120)))
    found = holdout._volume_places(v, (2, 9), 3)
    assert [(p.kind, p.numbers.tolist(), p.first, p.end) for p in found] == [
        ('crossline', list(range(102, 109)), 0, 5),
        ('inline', list(range(10, 15)), 2, 9),
    ]
    assert [p.kind for p in holdout._volume_places(v, (2, 9), 6)] == ['inline']
    assert [p.kind for p in holdout._volume_places(v, (2, 9), 5)] == ['crossline', 'inline']
    assert [p.kind for p in holdout._volume_places(v, (2, 9), 7)] == ['inline']
    assert holdout._volume_places(v, (2, 9), 8) == []
    square = Stretch(inlines=list(range(5)), crosslines=list(range(5)))
    assert holdout._across_longer_side(square, 1, 3)[0].kind == 'inline'
    flat = Stretch(has_geometry=False, segments=[(0, 10), (10, 30)])
    found = holdout._volume_places(flat, (5, 25), 5)
    assert [(p.kind, p.numbers.tolist(), p.first, p.end) for p in found] == [
        ('line', [0], 5, 10),
        ('line', [0], 10, 25),
    ]
    assert len(holdout._volume_places(flat, (5, 25), 6)) == 1


def test_a_volume_as_a_source(cube, profile):
    opening = Openings()
    found = holdout.volume_source(cube, 0.1, 5, 'survey', opening)
    assert (found.survey, found.path, found.kind, found.area) == (
        'cube',
        str(cube),
        'volume',
        12 * 16 * 60,
    )
    spans = lambda s, part: [(p.kind, p.numbers.tolist(), p.first, p.end) for p in s.places[part]]
    whole = [('crossline', list(range(200, 216)), 0, 12), ('inline', list(range(10, 22)), 0, 16)]
    assert spans(found, 'train') == spans(found, 'valid') == whole
    found = holdout.volume_source(profile, 0.3, 5, 'block', opening)
    assert spans(found, 'train') == [('line', [0], 0, 31)]
    assert spans(found, 'valid') == [('line', [0], 39, 50)]
    says(
        'cube.sgy: 60 samples, fewer than the smallest window (61)',
        holdout.volume_source,
        cube,
        0.1,
        61,
        'survey',
        opening,
    )
    says(
        'cube.sgy: no line of 17 traces or more',
        holdout.volume_source,
        cube,
        0.1,
        17,
        'survey',
        opening,
    )
    says(
        'profile.sgy: no line of 48 traces or more outside the validation block',
        holdout.volume_source,
        profile,
        0.1,
        48,
        'block',
        opening,
    )
    holdout.volume_source(profile, 0.1, 50, 'survey', opening)


def test_images_as_a_source(tmp_path):
    for k in range(10):
        noise(tmp_path / f'{k}.png', k, (20, 30 + k))
    written(tmp_path / 'bad.png', 'x')
    names = lambda s, part: [Path(n).stem for p in s.places[part] for n in p.numbers]
    found, report = holdout.image_source(tmp_path, 0.2, 'block')
    assert names(found, 'train') == list('01234567')
    assert names(found, 'valid') == list('89')
    assert found.area == 20 * (300 + 45)
    assert (found.survey, found.path, found.kind) == (tmp_path.name, str(tmp_path), 'images')
    assert report.file.tolist() == ['bad.png']
    assert [p[:1] + p[2:] for p in found.places['train']] == [(None, 0, 0)]
    assert [p[:1] + p[2:] for p in found.places['valid']] == [(None, 0, 0)]
    found, _ = holdout.image_source(tmp_path, 0.2, 'survey')
    assert names(found, 'train') == names(found, 'valid') == list('0123456789')
    found, _ = holdout.image_source(tmp_path, 0.04, 'block')
    assert found.places['valid'] == []
    assert names(found, 'train') == list('0123456789')


# ---- the corpus
@pytest.fixture(scope='module')
def sources_of_corpus(cube, tmp_path_factory):
    root = tmp_path_factory.mktemp('corpus')
    for k in range(10):
        noise(root / 'pictures' / f'{k}.png', k, (40, 50))
    written(root / 'pictures' / 'bad.png', 'x')
    traces, il, xl = grid(40, 8, 60, FIRST)
    traces[:100] = 0
    (root / 'more').mkdir()
    segy(root / 'more' / 'cube.sgy', traces, il, xl)
    written(root / 'more' / 'bad.sgy', 'x')
    return [cube, root / 'pictures', root / 'more']


def make_corpus(sources_, **options):
    options = dict(smallest=6, shapes=w.Shapes(lo=6, hi=12), valid=0.3) | options
    return w.Corpus(sources_, **options)


def test_a_corpus_and_its_table(sources_of_corpus):
    found = make_corpus(sources_of_corpus, valid=0.5)
    frame = found.table()
    assert frame.survey.tolist() == ['cube', 'pictures', 'cube-2']
    assert frame.kind.tolist() == ['volume', 'images', 'volume']
    area = np.array([12 * 16 * 60, 20_000, 40 * 8 * 60])
    np.testing.assert_allclose(frame.megasamples, area / 1e6)
    assert (frame.split == 'block').all()
    serves = np.array([bool(s.places['train']) for s in found.sources])
    expected = np.where(serves, area**0.5, 0)
    np.testing.assert_allclose(frame.train, expected / expected.sum())
    size = make_corpus(sources_of_corpus, weights='size', valid=0.5).table()
    expected = np.where(serves, area, 0)
    np.testing.assert_allclose(size.train, expected / expected.sum())
    equal = make_corpus(sources_of_corpus, weights='equal', valid=0.5).table()
    np.testing.assert_allclose(equal.train, serves / serves.sum())
    own = make_corpus(sources_of_corpus, weights={'pictures': 3, 'cube-2': 1}, valid=0.5).table()
    np.testing.assert_allclose(own.train, [0, 0.75, 0.25])
    assert found.n_windows == round((area * serves).sum() / 72)
    assert found.left_out.columns.tolist() == ['file', 'problem']
    assert sorted(found.left_out.file) == ['bad.png', 'bad.sgy']
    assert repr(found) == (
        f'Corpus: 3 surveys split by block, room for about {found.n_windows:,} windows side by '
        'side, 2 files left out'
    )
    assert repr(make_corpus(sources_of_corpus[0], smallest=3)).endswith('side by side')
    assert w.Corpus(str(sources_of_corpus[1])).n_windows == round(20_000 / (48 * 128))


def test_what_makes_no_corpus(sources_of_corpus, tmp_path):
    for bad in (0, 0.51, -1):
        says(f'valid is {bad}: expected a share above 0 and up to 0.5', w.Corpus, [], valid=bad)
    says('no sources: expected volumes, folders of volumes or folders of images', w.Corpus, [])
    says(
        "weights is 'odd': expected one of root, equal, size, or a dict of surveys",
        make_corpus,
        sources_of_corpus,
        weights='odd',
    )
    says(
        "weights name ['odd']: not among the surveys cube, pictures, cube-2",
        make_corpus,
        sources_of_corpus,
        weights={'odd': 1, 'cube': 1},
    )
    says(
        'nothing to draw for train: all weights are 0',
        make_corpus,
        sources_of_corpus,
        weights={'cube': 0},
    )
    says(
        'nothing to draw for valid: the sources are too small to keep a block for validation; '
        'give more or larger ones',
        make_corpus,
        sources_of_corpus[1],
        valid=0.04,
    )
    (tmp_path / 'bad').mkdir()
    written(tmp_path / 'bad' / 'a.sgy', 'x')
    with pytest.raises(
        WindowError, match=r'^no source can be used; the first of 1 problems: .*a\.sgy'
    ):
        make_corpus(tmp_path / 'bad')


def five(tmp_path, n=5):
    for k in range(n):
        np.save(tmp_path / f's{k}.npy', np.random.default_rng(k).normal(size=(40 + k, 60)))
    return tmp_path


def test_surveys_are_kept_back_where_five_can_be_used(tmp_path):
    found = make_corpus(five(tmp_path), seed=3)
    assert found.split == 'survey'
    order = np.random.default_rng([3, 71]).permutation(5)
    kept = np.isin(np.arange(5), order[:2])
    assert (found.chance['valid'] > 0).tolist() == kept.tolist()
    assert (found.chance['train'] > 0).tolist() == (~kept).tolist()
    least = make_corpus(tmp_path, valid=0.05)
    assert (least.chance['valid'] > 0).sum() == 1
    os.remove(tmp_path / 's4.npy')
    four = make_corpus(tmp_path)
    assert four.split == 'block'
    assert (four.chance['valid'] > 0).all()
    written(tmp_path / 's4.npy', 'x')  # five are there, four can be used
    again = make_corpus(tmp_path)
    assert again.split == 'block'
    assert len(again.sources) == 4


def test_windows_of_a_corpus(sources_of_corpus, cube):
    found = make_corpus(sources_of_corpus, weights='equal', min_live=0.95)
    for part in ('train', 'valid'):
        some = [found.window(i, 5, part) for i in range(60)]
        for one in some:
            assert one.pixels.shape == one.live.shape
            assert one.live.mean() >= 0.95
            assert np.ptp(one.pixels[one.live]) > 0
            (source,) = [s for s in found.sources if s.survey == one.survey]
            assert any(str(one.line) in map(str, p.numbers) for p in source.places[part]) or (
                one.line_kind == 'image' and any(one.path in p.numbers for p in source.places[part])
            )
            if one.line_kind == 'image':
                whole = w.read_image(one.path)
                assert one.line == 0
                assert found.scale(one) == 1.0
            else:
                with open_volume(one.path) as v:
                    whole = v.section(one.line_kind, one.line)
                    assert found.scale(one) == v.scale()
            box = slice(one.top, one.top + one.pixels.shape[0])
            across = slice(one.left, one.left + one.pixels.shape[1])
            np.testing.assert_array_equal(whole[box, across], one.pixels)
        assert len({one.survey for one in some}) >= 2
    a, b = found.window(3, 1), make_corpus(sources_of_corpus, weights='equal').window(3, 1)
    np.testing.assert_array_equal(a.pixels, b.pixels)
    seen = {
        (o.survey, o.line_kind, o.line, o.top, o.left, o.pixels.shape)
        for o in (found.window(3, 1), found.window(4, 1), found.window(3, 2))
    }
    assert len(seen) == 3
    says("part is 'odd': expected 'train' or 'valid'", found.window, 0, part='odd')
    kept = [found.window(i, 0, p) for i in range(6) for p in ('train', 'valid')]
    told = repr([(o.survey, o.line_kind, o.line, o.top, o.left, o.pixels.shape) for o in kept])
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == 'd4dd766a16ab6971'


def test_windows_are_not_larger_than_their_source(sources_of_corpus):
    found = make_corpus(sources_of_corpus[1], shapes=w.Shapes(lo=200, hi=200))
    one = found.window(0)
    assert one.pixels.shape == (40, 50)
    assert (one.top, one.left) == (0, 0)
    found = make_corpus(sources_of_corpus[0], shapes=w.Shapes(lo=200, hi=200), smallest=3)
    place = found.sources[0].places['train'][0]
    one = found.window(0)
    assert one.pixels.shape[0] == 60
    assert one.pixels.shape[1] in {p.end - p.first for p in found.sources[0].places['train']}
    assert place.numbers.size


def test_a_corpus_of_dead_volumes(tmp_path):
    traces, il, xl = grid(40, 40, 60, FIRST)
    path = segy(tmp_path / 'dead.sgy', traces * 0 + 3, il, xl)
    found = make_corpus(path)
    says(
        '256 random train windows, the last 64 of dead, had less than 90% live samples or no '
        'contrast: lower min_live, or leave empty volumes out',
        found.window,
        0,
    )


def test_what_changes_a_corpus(sources_of_corpus, tmp_path):
    base = make_corpus(sources_of_corpus).fingerprint()
    assert re.fullmatch('[0-9a-f]{16}', base)
    assert make_corpus(sources_of_corpus).fingerprint() == base
    for options in (
        dict(min_live=0.8),
        dict(smallest=7),
        dict(shapes=w.Shapes(lo=6, hi=13)),
        dict(shapes=w.Shapes(lo=5, hi=12)),
        dict(shapes=w.Shapes([[8, 8]])),
        dict(weights='equal'),
        dict(valid=0.2),
    ):
        assert make_corpus(sources_of_corpus, **options).fingerprint() != base, options
    found = make_corpus(sources_of_corpus)
    how = found._how_drawn()
    assert how[:5] == [0.9, 6, 6, 12, None]
    assert list(how[5]) == ['train', 'valid']
    assert make_corpus(sources_of_corpus, shapes=w.Shapes([[8, 9]]))._how_drawn()[4] == [[8.0, 9.0]]
    assert json.dumps(how)
    named = [(Path(p).name, n) for p, n in found._identity(found.sources[1])]
    assert [n for n, _ in named] == [f'{k}.png' for k in range(10)]
    assert all(n > 0 for _, n in named)
    assert len(found._identity(found.sources[0])) == 2
    assert found._volume(found.sources[0].path) is found._volume(found.sources[0].path)
    for k in range(3):
        noise(tmp_path / f'{k}.png', k)
    before = make_corpus(tmp_path).fingerprint()
    noise(tmp_path / '2.png', 9, (20, 31))
    assert make_corpus(tmp_path).fingerprint() != before


def test_names_of_the_wing():
    assert 'Corpus' in w.__all__
    assert not any(n.startswith('_') for n in w.__all__)
    with pytest.raises(AttributeError, match='^module reflection_connection.windows has no '):
        w.nothing
    with pytest.warns(
        DeprecationWarning,
        match='^reflection_connection.windows.write_sections has moved to '
        'reflection_connection.synthetic: the old path goes with version 0.3$',
    ) as said:
        assert callable(w.write_sections)
    assert said[0].filename == __file__
    for name in ('synthetic_reader', 'synthetic_pool'):
        with pytest.warns(DeprecationWarning):
            assert callable(getattr(w, name))


# ---- once wrong
def test_a_cell_that_is_too_long_is_refused_in_a_line(tmp_path):
    (tmp_path / 'e.csv').write_text('x,y\n"' + 'a' * 200_000 + '",1\n')
    with pytest.raises(WindowError, match='e.csv: not a readable CSV table .*field limit'):
        w.read_polygon(tmp_path / 'e.csv')


def test_arrays_of_which_some_have_no_survey_have_a_scale():
    loud, quiet = np.full((4, 4), 100.0), np.full((4, 4), 1.0)
    rows = [dict(id=str(k), survey=s, height=4, width=4) for k, s in enumerate(['a', None, 'a'])]
    reader = w.WindowReader(w.window_table(rows), arrays=[loud, quiet, loud])
    assert [reader._array_scale(s) for s in ('a', pd.NA)] == [100.0, 1.0]


@pytest.mark.parametrize('how', ['line', 'block'])
def test_images_of_a_survey_in_several_parts_are_no_proven_split(how):
    "Nobody knows where they were cut."
    rows = [dict(id=str(k), survey='s', line_kind='image', label='Fault') for k in range(4)]
    frame = w.window_table(rows).assign(split=['train', 'train', 'valid', 'test'])
    with pytest.raises(w.WindowError, match='disjointness cannot be shown'):
        w.say_split(frame, how)
    w.say_split(frame, 'window')
