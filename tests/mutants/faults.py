"""Which small faults there are in the exported modules, and a draw from them."""

import ast
import difflib
import hashlib
import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import parso
from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator

PACKAGE = 'reflection_connection'
CELL = re.compile(r'^# %% (\.\./)*(?P<notebook>nbs/[\w/]+\.ipynb) #(?P<cell>\w+)$')
NUMBERS = 0.2  # the share of changed constants in a draw: as places, they would be two thirds

EXCHANGES = {
    'BinaryOperator': 'Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul '
    'BitAnd_BitOr BitOr_BitAnd',
    'ComparisonOperator': 'Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt '
    'GtE_Lt Is_IsNot IsNot_Is',
    'UnaryOperator': 'Delete_USub Delete_Invert Delete_Not',
}
OTHERS = (
    'AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd '
    'ReplaceBreakWithContinue ReplaceContinueWithBreak ExceptionReplacer NumberReplacer '
    'ZeroIterationForLoop'
)


class RemoveStatement(Operator):
    "A call or an assignment to an attribute or an element is left out."

    def mutation_positions(self, node):
        if node.type == 'simple_stmt' and node.parent.type in ('suite', 'file_input'):
            inner = node.children[0]
            called = inner.type in ('atom_expr', 'power') and inner.children[-1].type == 'trailer'
            stored = inner.type == 'expr_stmt' and inner.children[0].type in ('atom_expr', 'power')
            if called or stored:
                yield inner.start_pos, inner.end_pos

    def mutate(self, node, index):
        inner = node.children[0]
        left_out = parso.python.tree.Keyword('pass', inner.start_pos, inner.get_first_leaf().prefix)
        left_out.parent = node
        node.children[0] = left_out
        return node

    @classmethod
    def examples(cls):
        return ()


def operators():
    "Name -> operator, of the kinds of slips that people make."
    names = [f'Replace{kind}_{pair}' for kind, s in EXCHANGES.items() for pair in s.split()]
    found = {name: get_operator(f'core/{name}')() for name in names + OTHERS.split()}
    return found | {'RemoveStatement': RemoveStatement()}


@dataclass(frozen=True)
class Fault:
    module: str  # path inside the repository
    operator: str
    occurrence: int
    line: int
    column: int
    variant: int

    @property
    def wing(self):
        return self.module.split('/')[1]

    @property
    def place(self):
        "Faults at the same place count as one in a draw."
        return self.module, self.line, self.column

    @cached_property
    def source(self):
        return Path(self.module).read_text(encoding='utf-8')

    @cached_property
    def mutated(self):
        "The module's text with the fault in it."
        visitor = _Plant(operators()[self.operator], self.occurrence)
        return visitor.walk(get_ast(self.source)).get_code()

    @property
    def possible(self):
        "Whether it is Python: the operator for exceptions doesn't know dotted names."
        try:
            ast.parse(self.mutated)
        except (AttributeError, SyntaxError):
            return False
        return True

    @property
    def changed(self):
        "((first, last) lines of the text, [lines as they are], [lines with the fault])."
        before, after = self.source.splitlines(True), self.mutated.splitlines(True)
        blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        a0, a1 = (f([b[i] for b in blocks if b[0] != 'equal']) for f, i in ((min, 1), (max, 2)))
        b0, b1 = (f([b[i] for b in blocks if b[0] != 'equal']) for f, i in ((min, 3), (max, 4)))
        return (a0, a1), before[a0:a1], after[b0:b1]

    @property
    def difference(self):
        (first, _), before, after = self.changed
        told = [f'  {self.module}:{first + 1}  {self.operator}']
        told += ['    - ' + x.strip() for x in before] + ['    + ' + x.strip() for x in after]
        return '\n'.join(told)

    @property
    def key(self):
        "The same as long as the module's text and the fault are."
        _, before, after = self.changed
        told = json.dumps([self.source, self.module, self.line, before, after])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def words(self):
        "How `equivalent.tsv` names it: by the changed lines, whatever stands above them."
        _, before, after = self.changed
        return ' '.join(''.join(before).split()), ' '.join(''.join(after).split())

    def in_notebook(self, root):
        "(path, text) of the notebook with the fault in it; (path, None) where the cell differs."
        (first, last), before, after = self.changed
        lines = self.source.splitlines(True)
        starts = [i for i in range(first + 1) if CELL.match(lines[i].rstrip())]
        if not starts:
            return None, None
        named = CELL.match(lines[starts[-1]].rstrip())
        path = Path(root) / named['notebook']
        notebook = json.loads(path.read_text(encoding='utf-8'))
        cell = next(c for c in notebook['cells'] if c['id'] == named['cell'])
        block = ''.join(before)
        source = ''.join(cell['source']) + '\n'
        earlier = ''.join(lines[starts[-1] : first]).count(block)
        parts = source.split(block)
        if len(parts) < earlier + 2:
            return path, None
        cell['source'] = (
            block.join(parts[: earlier + 1]) + ''.join(after) + block.join(parts[earlier + 1 :])
        )
        return path, json.dumps(notebook)


class _Plant(Visitor):
    "Puts in the fault at one occurrence of its operator."

    def __init__(self, operator, occurrence):
        self.operator, self.left = operator, occurrence

    def visit(self, node):
        for index, _ in enumerate(self.operator.mutation_positions(node)):
            if self.left == 0:
                node = self.operator.mutate(node, index)
            self.left -= 1
        return node


class _Places(Visitor):
    "Collects where each operator could act."

    def __init__(self, module, skipped):
        self.module, self.skipped = module, skipped
        self.operators, self.counts, self.found = operators(), defaultdict(int), []

    def visit(self, node):
        for name, operator in self.operators.items():
            for variant, (start, _) in enumerate(operator.mutation_positions(node)):
                n = self.counts[name]
                self.counts[name] += 1
                if not any(a <= start < b for a, b in self.skipped):
                    self.found.append(Fault(self.module, name, n, *start, variant))
        return node


def _not_run(source):
    "Spans ((line, column), (line, column)) of annotations and lists of names."
    spans = []
    for node in ast.walk(ast.parse(source)):
        inside = [getattr(node, 'annotation', None), getattr(node, 'returns', None)]
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '__all__':
            inside.append(node)
        spans += [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in inside if n]
    return spans


def every_fault():
    "All faults of all wings, module by module."
    found = []
    for path in sorted(Path(PACKAGE).glob('*/*.py')):
        if path.name != '__init__.py':
            source = path.read_text(encoding='utf-8')
            visitor = _Places(path.as_posix(), _not_run(source))
            visitor.walk(get_ast(source))
            found += visitor.found
    return found


def _shares(n, at_least, sizes):
    "n shared out in proportion to sizes, but at least so many to each."
    small = set()
    while True:
        left, among = n - at_least * len(small), sum(sizes[w] for w in sizes if w not in small)
        shares = {w: at_least if w in small else left * sizes[w] / among for w in sizes}
        too_small = {w for w in sizes if shares[w] < at_least}
        if not too_small:
            return shares
        small |= too_small


def draw(n, seed, faults=None, at_least=8):
    """n faults at different places, by wing in proportion to its places, `at_least` of each wing.

    A place is drawn first and then what goes wrong there: a comparison that can be slipped up in
    three ways doesn't count three times.
    """
    places = defaultdict(lambda: defaultdict(list))
    numbers = defaultdict(lambda: defaultdict(list))
    for fault in every_fault() if faults is None else faults:
        of_kind = numbers if fault.operator == 'NumberReplacer' else places
        of_kind[fault.wing][fault.place].append(fault)
    random_ = random.Random(seed)
    drawn = []
    for wing, share in _shares(n, at_least, {w: len(places[w]) for w in sorted(places)}).items():
        of_numbers = round(NUMBERS * share)
        for kind, count in ((numbers, of_numbers), (places, round(share) - of_numbers)):
            places_of_wing = sorted(kind[wing])
            random_.shuffle(places_of_wing)
            chosen = (random_.choice(kind[wing][place]) for place in places_of_wing)
            drawn += islice((fault for fault in chosen if fault.possible), count)
    return drawn


def equivalents():
    "{(module, lines, lines with the fault): why nobody can see it}."
    rows = (Path(__file__).parent / 'equivalent.tsv').read_text(encoding='utf-8').splitlines()
    split = [row.split('\t') for row in rows if row and not row.startswith('#')]
    return {(module, before, after): why for module, before, after, why in split}
