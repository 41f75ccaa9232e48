"The campaign of small faults (tests/mutants): what it draws, plants and says."

import ast
import json
import sys
from pathlib import Path

import pytest
from mutants import campaign, faults, reach


@pytest.fixture(scope='module')
def every():
    return faults.every_fault()


def test_a_draw_covers_all_wings_and_is_the_same_by_its_seed(every):
    drawn = faults.draw(150, 5, every)
    assert drawn == faults.draw(150, 5, every) != faults.draw(150, 6, every)
    assert len({fault.place for fault in drawn}) == len(drawn) and 145 <= len(drawn) <= 155
    wings = {path.parent.name for path in Path(faults.PACKAGE).glob('*/*.py')}
    by_wing = {wing: sum(fault.wing == wing for fault in drawn) for wing in wings}
    assert min(by_wing.values()) >= 8, by_wing


def test_a_fault_is_the_same_in_module_and_notebook(every):
    for fault in faults.draw(60, 0, every, at_least=2):
        (first, last), before, after = fault.changed
        assert before != after and last - first <= 30, fault.difference
        ast.parse(fault.mutated)
        path, text = fault.in_notebook('.')
        assert path.is_file() and text, fault.difference
        cells = [''.join(c['source']) for c in json.loads(text)['cells']]
        as_it_is = [
            ''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells']
        ]
        changed = [(a, b) for a, b in zip(as_it_is, cells, strict=True) if a.rstrip() != b.rstrip()]
        assert len(changed) == 1 and ''.join(after).strip() in changed[0][1]


def test_annotations_are_no_faults(every):
    "They are not run: an exchanged `|` in one is nothing that a test could notice."
    for fault in every:
        if fault.operator == 'ReplaceBinaryOperator_BitOr_BitAnd':
            line = fault.source.splitlines()[fault.line - 1]
            assert '| None' not in line[: fault.column + 8].split('=')[0] or 'if' in line, line


SOURCE = '''"A wing."

# %% ../../nbs/wing/01_part.ipynb #cell0001
def larger(a, b):
    return a > b


def unused(a):
    return a + 1
'''
TEST = '''from reflection_connection.wing.part import larger


def test_larger():
    assert {}
'''


@pytest.fixture
def tree(tmp_path, monkeypatch):
    "A repository of one module, its notebook and one test."
    package = tmp_path / faults.PACKAGE / 'wing'
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / '__init__.py').touch()
    (package / 'part.py').write_text(SOURCE)
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'nbs' / 'wing').mkdir(parents=True)
    cell = SOURCE.partition('cell0001\n')[2]
    cells = [dict(id='cell0001', source=cell.splitlines(True))]
    (tmp_path / 'nbs/wing/01_part.ipynb').write_text(json.dumps(dict(cells=cells)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    'test, noticed', [('larger(2, 1) and not larger(1, 2)', False), ('not larger(1, 1)', True)]
)
def test_a_fault_that_no_test_notices_survives(tree, test, noticed, monkeypatch):
    (tree / 'tests/test_part.py').write_text(TEST.format(test))
    for name in [n for n in sys.modules if n.startswith(faults.PACKAGE)]:
        monkeypatch.delitem(sys.modules, name)
    found = faults.every_fault()
    fault = next(f for f in found if f.operator == 'ReplaceComparisonOperator_Gt_GtE')
    name = 'tests/test_part.py::test_larger'
    module = f'{faults.PACKAGE}/wing/part.py'
    known = dict(reach={module: {'larger': [name]}}, seconds={name: 0.1}, notebooks={})
    row = campaign.judge(fault, tree, known, tree / 'said.txt')
    assert row['survived'] != noticed, (tree / 'said.txt').read_text()
    assert (tree / fault.module).read_text() == SOURCE, 'the module is as it was'
    other = next(f for f in found if f.line == 9)
    assert campaign.judge(other, tree, known, tree / 'said.txt')['by'] == 'nothing reaches it'


def test_tests_are_chosen_within_the_time_there_is(every):
    names = [f't{i}' for i in range(200)]
    seconds = {name: 1.0 + i for i, name in enumerate(names)}
    path = f'{faults.PACKAGE}/storage/replace.py'
    place = lambda fault: reach.function_at(reach.functions(fault.source), fault.line)
    fault = next(f for f in every if f.module == path and place(f))
    function = place(fault)
    known = {path: {function: names}}
    taken, spent = campaign.chosen_tests(fault, known, seconds, budget=60)
    assert taken[:3] == names[:3] and spent == sum(seconds[t] for t in taken) <= 60
    assert any(seconds[t] > 10 for t in taken), 'not only the quickest'
    assert campaign.chosen_tests(fault, known, seconds, budget=60)[0] == taken
    assert campaign.chosen_tests(fault, known, dict.fromkeys(names, 99.0), 60)[0] == names[:1]
    assert campaign.chosen_tests(fault, {}, seconds) == ([], 0.0)
    always = dict.fromkeys(campaign.ALWAYS, 2.0)
    assert campaign.chosen_tests(fault, {}, always) == ([*campaign.ALWAYS], 2.0)


def test_functions_are_known_by_their_lines():
    found = reach.functions(
        'class A:\n    def f(self):\n        def g():\n            pass\n        return g\n\nx = 1\n'
    )
    assert [reach.function_at(found, line) for line in (2, 4, 5, 7)] == ['A.f', 'A.f.g', 'A.f', '']
    assert reach._test('tests/test_x.py::test_y[a (b)] (call)') == 'tests/test_x.py::test_y[a (b)]'


def test_the_table_leaves_out_what_nobody_can_see():
    rows = [dict(key=k, wing=w, survived=s) for k, w, s in zip('abcd', 'xxyy', (1, 0, 0, 1))]
    assert campaign.table(rows, {'d'})[2:] == [
        '| x | 2 | 1 | 0.50 |',
        '| y | 1 | 1 | 1.00 |',
        '| all | 3 | 2 | 0.67 |',
    ]


def test_what_is_called_equivalent_is_a_fault_that_there_is(every):
    "A reason outlives its line otherwise."
    listed = faults.equivalents()
    for module, before, after in listed:
        here = [f for f in every if f.module == module]
        near = [f for f in here if f.source.splitlines()[f.line - 1].strip() in before]
        assert any(f.possible and f.words == (before, after) for f in near), (module, after)
    assert all(len(why.split()) >= 3 for why in listed.values())
