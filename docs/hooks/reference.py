"The public names of each wing: signature, types, docments, and where a notebook shows them."

import dataclasses
import importlib
import inspect
import re
import types
from functools import cache

from fastcore.docments import docments
from notebooks import defined
from repository import ROOT, WINGS, page_of, relative, title_and_promise

PACKAGE = 'reflection_connection'
CELL = re.compile(r'^# %% \.\./\.\./(nbs/\S+\.ipynb) #\w+$', re.M)
WIDE = 88  # columns of a signature on one line
LONGEST = 300  # characters of a constant that are shown


@cache
def _shown_in(module):
    "{name: (notebook, source of the cell)} of what a module defines, added methods included."
    if not module.startswith(PACKAGE):
        return {}
    path = ROOT / f"{module.replace('.', '/')}.py"
    path = path if path.exists() else path.with_suffix('') / '__init__.py'
    text = path.read_text(encoding='utf-8')
    starts = [*CELL.finditer(text)]
    ends = [found.start() for found in starts[1:]] + [len(text)]
    cells = [(found[1], text[found.end() : end]) for found, end in zip(starts, ends)]
    return {name: cell for cell in cells for name in defined(cell[1])}


def _remark(source, name):
    "The comment beside `name = …`, or beside a field."
    found = re.search(rf'^ *{name}(?:: [^=\n]+?)?(?: = .*?)?  # (.*)$', source, re.M)
    return found[1] if found else ''


@cache
def _modules(wing):
    "Modules of a wing, as its notebooks number them."
    found = sorted((ROOT / 'nbs' / wing).glob('*.ipynb'))
    names = [re.search(r'default_exp ([\w.]+)', path.read_text())[1] for path in found]
    return [f'{PACKAGE}.{name}' for name in names if not name.endswith('.__init__')]


def public(
    wing: str,
) -> list:  # of names
    "What a wing hands on, without the modules themselves and what other packages own."
    module = importlib.import_module(f'{PACKAGE}.{wing}')
    when_asked = [n for n in dir(module) if n not in vars(module)]  # of optional extras
    return [name for name in [*module.__all__, *when_asked] if _is_ours(getattr(module, name))]


def _is_ours(value):
    if isinstance(value, types.ModuleType):
        return False
    owner = getattr(value, '__module__', None)
    made_here = not (inspect.isroutine(value) or inspect.isclass(value))
    return made_here or (owner or '').startswith(PACKAGE)


def home(
    wing: str,
    name: str,  # public name of the wing
) -> str:  # of a module
    "The module that defines a name."
    value = getattr(importlib.import_module(f'{PACKAGE}.{wing}'), name)
    owner = getattr(value, '__module__', '') or ''
    inside = [m for m in _modules(wing) if name in _shown_in(m)]
    if owner.startswith(PACKAGE) and name in _shown_in(owner):
        return owner
    return inside[0] if inside else f'{PACKAGE}.{wing}'


@cache
def _classes():
    "{class: wing} of the classes that types may name."
    found = {}
    for wing in WINGS:
        module = importlib.import_module(f'{PACKAGE}.{wing}')
        found |= {n: wing for n in public(wing) if inspect.isclass(getattr(module, n))}
    return found


def _plain(text):
    "Text that Markdown leaves as it is, but for code."
    parts = re.split(r'(``.*?``|`[^`]*`)', ' '.join(text.split()))
    outside = [re.sub(r'([*_\[\]$])', r'\\\1', part) for part in parts[::2]]
    parts[::2] = [part.replace('<', '&lt;').replace('|', '&#124;') for part in outside]
    return ''.join(parts)


def _default(value):
    if value is inspect.Parameter.empty:
        return ''
    if inspect.isroutine(value) or inspect.isclass(value):
        return value.__name__
    return re.sub(r' at 0x[0-9a-f]+', '', repr(value)).replace(str(ROOT), '')


def _type(annotation):
    if annotation is inspect.Parameter.empty:
        return ''
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"ForwardRef\('(.*?)'\)", r'\1', text)
    return re.sub(r'\b(?:\w+\.)+(?=\w)', '', text)


def _linked_type(annotation, page):
    "A type, with links to the classes of this package."
    shown = _type(annotation)
    if shown in _classes():
        there = relative(f'api/{_classes()[shown]}.md', page)
        return f'[`{shown}`]({there}#{shown})'
    return _code(shown)


def _signature(function):
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None  # of classes that are made in C


def _one(parameter):
    star = {parameter.VAR_POSITIONAL: '*', parameter.VAR_KEYWORD: '**'}.get(parameter.kind, '')
    told = star + parameter.name
    kind, default = _type(parameter.annotation), _default(parameter.default)
    told += f': {kind}' if kind else ''
    equals = ' = ' if kind else '='
    return told + (equals + default if default else '')


def _parameters(signature):
    return [p for p in signature.parameters.values() if p.name not in ('self', 'cls')]


def _with_marks(parameters):
    "Parameters as text, with the star and the slash of a signature."
    told, before = [], None
    for p in parameters:
        if p.kind == p.KEYWORD_ONLY and before not in (p.KEYWORD_ONLY, p.VAR_POSITIONAL):
            told.append('*')
        told.append(_one(p))
        before = p.kind
    return told


def _call(name, signature, returns):
    "A signature as code."
    told = _with_marks(_parameters(signature))
    arrow = f' -> {returns}' if returns else ''
    line = f"{name}({', '.join(told)}){arrow}"
    if len(line) <= WIDE:
        return line
    return '\n'.join([f'{name}(', *(f'    {one},' for one in told), f'){arrow}'])


def _docments(function):
    "{parameter: what it is}, `return` among them."
    if _is_named_tuple(function):
        source = inspect.getsource(function)
        return {name: _remark(source, name) for name in function._fields}
    found = docments(function, full=True, returns=True)
    return {name: told.get('docment') or '' for name, told in found.items()}


def _row(*cells):
    return f"| {' | '.join(cells)} |"


def _code(text):
    return f'`{text}`' if text else ''


def _table(function, signature, page, is_class):
    "Parameters and what comes back, with types, defaults and docments."
    said = _docments(function)
    rows = [
        _row(
            _code(p.name),
            _linked_type(p.annotation, page),
            _code(_short(_default(p.default))),
            _plain(said.get(p.name, '')),
        )
        for p in _parameters(signature)
    ]
    back = signature.return_annotation
    if not is_class and (said.get('return') or back not in (None, signature.empty)):
        kind = _linked_type(back, page)
        rows.append(_row('**returns**', kind, '', _plain(said.get('return', ''))))
    if not rows:
        return []
    return ['', _row('parameter', 'type', 'default', 'what'), '|---|---|---|---|', *rows]


def _short(text):
    return text if len(text) <= LONGEST else text[:LONGEST] + ' …'


def _docstring(value):
    text = inspect.cleandoc(value.__doc__ or '')
    if text.startswith(f'{getattr(value, "__name__", "")}('):
        return []  # Python's own, of a class without one
    return ['', *(_plain(part) + '\n' for part in text.split('\n\n'))] if text else []


def _callable(value, name, page):
    "Signature, docstring and table of a function, a method or a class."
    is_class = inspect.isclass(value)
    signature = _signature(value)
    if signature is None:
        return _docstring(value)
    back = '' if is_class or signature.return_annotation is None else signature.return_annotation
    call = _call(name.rpartition('.')[2], signature, _type(back) if back else '')
    code = ['', '``` { .python .signature data-search-exclude="" }', call, '```']
    return [*code, *_docstring(value), *_table(value, signature, page, is_class)]


def _is_named_tuple(value):
    return inspect.isclass(value) and issubclass(value, tuple) and hasattr(value, '_fields')


def _has_no_call(cls):
    "Whether a class has no parameters of its own: exceptions, protocols, namespaces."
    if dataclasses.is_dataclass(cls) or _is_named_tuple(cls):
        return False
    return '__init__' not in vars(cls) or getattr(cls, '_is_protocol', False)


def _link(module, name, page):
    if name not in _shown_in(module):
        return []
    notebook, _ = _shown_in(module)[name]
    there = relative(page_of(notebook), page)
    title = title_and_promise(notebook)[0]
    return ['', f'[Defined and shown in *{_plain(title)}*]({there}#{name}){{ .shown-in }}', '']


def _methods(cls):
    "(name, function) of what a class defines itself, added methods included."
    for name, member in sorted(vars(cls).items()):
        if not name.startswith('_') and inspect.isfunction(getattr(member, '__func__', member)):
            yield name, getattr(cls, name)


def _properties(cls):
    "{name: property} of a class."
    return {
        name: member
        for name, member in sorted(vars(cls).items())
        if isinstance(member, property) and not name.startswith('_')
    }


def _method(cls, name, member, page):
    full = f'{cls.__name__}.{name}'
    link = _link(getattr(member, '__module__', cls.__module__), full, page)
    return [f'#### `{full}` {{ #{full} }}', *_callable(member, full, page), *link, '']


def _property_table(cls, page):
    rows, source = [], inspect.getsource(cls)
    for name, member in _properties(cls).items():
        back = getattr(member.fget, '__annotations__', {}).get('return', inspect.Parameter.empty)
        about = member.__doc__ if inspect.isfunction(member.fget) else _remark(source, name)
        rows.append(_row(_code(name), _linked_type(back, page), _plain(about or '')))
    return ['', _row('property', 'type', 'what'), '|---|---|---|', *rows, ''] if rows else []


def _class(cls, name, page):
    bases = [b.__name__ for b in cls.__bases__ if b is not object]
    bases = ['NamedTuple'] if _is_named_tuple(cls) else bases
    told = ['', f"*A kind of* {', '.join(map(_code, bases))}"] if bases else []
    own = _docstring(cls) if _has_no_call(cls) else _callable(cls, name, page)
    return told + own


def _constant(module, name, value):
    text = _short(' '.join(_default(value).split()))
    code = ['``` { .python .signature data-search-exclude="" }', f'{name} = {text}', '```']
    _, source = _shown_in(module).get(name, ('', ''))
    return ['', *code, '', _plain(_remark(source, name))]


def _entry(wing, name, page):
    "Lines about one public name."
    value = getattr(importlib.import_module(f'{PACKAGE}.{wing}'), name)
    module = home(wing, name)
    heading = f'### `{name}` {{ #{name} }}'
    link = _link(module, name, page)
    if getattr(value, '__name__', name) != name and value.__name__ in public(wing):
        return [heading, '', f'The same as [`{value.__name__}`](#{value.__name__}).', '']
    if inspect.isclass(value):
        methods = [line for m in _methods(value) for line in _method(value, *m, page)]
        about = [*_class(value, name, page), *_property_table(value, page), *link]
        return [heading, *about, *methods, '']
    if callable(value) and hasattr(value, '__name__'):
        return [heading, *_callable(value, name, page), *link, '']
    return [heading, *_constant(module, name, value), *link, '']


def _overview(wing, homes):
    "A table of modules and their names."
    rows = []
    for module, names in homes.items():
        about = (importlib.import_module(module).__doc__ or '').strip()
        shown = ', '.join(f'[`{name}`](#{name})' for name in names)
        rows.append(_row(_code(module.removeprefix(f'{PACKAGE}.')), shown, _plain(about)))
    return [_row('module', 'names', 'what it is'), '|---|---|---|', *rows, '']


def _by_module(wing):
    "{module: names that it makes}, in the order in which notebooks build them."
    homes = {name: home(wing, name) for name in public(wing)}
    order = [*_modules(wing), *sorted({*homes.values()} - {*_modules(wing)})]
    found = {module: [n for n in homes if homes[n] == module] for module in order}
    return {module: names for module, names in found.items() if names}


def wing_page(
    wing: str,
) -> str:  # Markdown
    "All public names of a wing."
    page, homes = f'api/{wing}.md', _by_module(wing)
    promise = title_and_promise(f'nbs/{wing}/99_wing.ipynb')[1]
    lines = [f'# {PACKAGE}.{wing}', '', promise, '', *_overview(wing, homes)]
    for module, names in homes.items():
        about = (importlib.import_module(module).__doc__ or '').strip()
        lines += [f'## {module.removeprefix(PACKAGE + ".")}', '', _plain(about), '']
        lines += [line for name in names for line in ('', *_entry(wing, name, page))]
    return '\n'.join(lines)


def index_page() -> str:  # Markdown
    "The wings, in the order in which data flows."
    rows = []
    for wing in WINGS:
        promise = title_and_promise(f'nbs/{wing}/99_wing.ipynb')[1]
        rows.append(_row(f'[`{wing}`]({wing}.md)', str(len(public(wing))), _plain(promise)))
    head = ['# API by wing', '', 'A wing is a sub-package. The order is that in which data flows.']
    return '\n'.join([*head, '', _row('wing', 'names', 'what it is for'), '|---|---|---|', *rows])
