"README and documentation state what was measured, and README stays short."

import re
import runpy
import sys

import nbformat
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / 'benchmarks'))
import tables  # noqa: E402

README = (ROOT / 'README.md').read_text()
NUMBER = re.compile(r'(?<![\w.])\d+\.\d+')


@pytest.mark.parametrize('page', tables.PAGES)
def test_tables_of_a_page_equal_their_results(page):
    assert tables.fill(ROOT / page, write=False), f'{page}: run benchmarks/tables.py --write'


def test_every_table_is_on_a_page():
    text = ''.join((ROOT / page).read_text() for page in tables.PAGES)
    assert {name for _, name, _ in tables.PLACE.findall(text.replace('\\n', '\n'))} == set(
        tables.TABLES
    )


def test_a_changed_figure_is_noticed(tmp_path):
    page = tmp_path / 'page.md'
    text = (ROOT / 'docs' / 'results.md').read_text()
    page.write_text(re.sub(r'\d\.\d\d \[', '7.77 [', text, count=1))
    assert not tables.fill(page, write=False)
    tables.fill(page, write=True)
    assert page.read_text() == (ROOT / 'docs' / 'results.md').read_text()


def shown(notebook) -> str:
    "All text that a notebook shows."
    outputs = [o for c in nbformat.read(notebook, 4).cells for o in c.get('outputs', [])]
    told = [o.get('text', '') for o in outputs]
    told += [o.get('data', {}).get('text/plain', '') for o in outputs]
    html = [o.get('data', {}).get('text/html', '') for o in outputs]
    return '\n'.join(told + [re.sub('<[^>]+>', ' ', part) for part in html])


def cited():
    "(page, source, table) of each table that names the notebook whose figures it rounds."
    for page in (ROOT / 'docs').glob('*.md'):
        for source, table in re.findall(r'<!-- from: (\S+) -->\n\n((?:\|.*\n)+)', page.read_text()):
            yield pytest.param(source, table, id=f'{page.name}: {source}')


@pytest.mark.parametrize(('source', 'table'), list(cited()))
def test_figures_of_a_table_stand_in_the_notebook_it_names(source, table):
    measured = [float(number) for number in NUMBER.findall(shown(ROOT / source))]
    figures = NUMBER.findall(table)
    assert len(figures) > 10
    for figure in figures:
        half = 0.50001 * 10.0 ** -len(figure.partition('.')[2])
        assert any(abs(float(figure) - value) <= half for value in measured), figure


def sentences(text) -> list:
    "Sentences of prose: no code, tables, headings or link targets."
    text = re.sub(r'```.*?```', '', text, flags=re.S)
    text = re.sub(r'\]\([^)]*\)', ']', text)
    lines = [ln for ln in text.splitlines() if not ln.startswith(('|', '#', '<!--', '!['))]
    return re.split(r'(?<=[.?!:])\s+|\n\n|\n- ', '\n'.join(lines))


def test_readme_is_short():
    assert len(README.split()) <= 700
    too_long = [s for s in sentences(README) if len(s.split()) > 35]
    assert not too_long


def test_readme_names_what_make_does():
    makefile = (ROOT / 'Makefile').read_text()
    for target in re.findall(r'`make (\w+)`', README):
        assert re.search(rf'^{target}:', makefile, re.M), target


def test_tables_say_where_they_differ(capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tables.py'])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / 'benchmarks' / 'tables.py'), run_name='__main__')
    assert (done.value.code, capsys.readouterr().out) == (0, '')


def test_peers_cut_the_windows_that_they_are_timed_for(tmp_path):
    "Where windows of a stride fill a line, ours are as many as those of a plain reader."
    import peers
    from reflection_connection.synthetic import write_survey
    from reflection_connection.volume import open_volume

    side, step = peers.SIDE, peers.STEP
    path = write_survey(tmp_path, 0, 12, side + 2 * step, side + step)
    with open_volume(path) as volume:
        numbers = volume.inlines[::4]
    assert len(numbers) == 3
    assert peers.by_ours(path, numbers) == peers.by_segyio(path, numbers) == 3 * 3 * 2
