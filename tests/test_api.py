"""The public names of every wing, with their parameters, defaults and constants, are as committed.

Other people's scripts use them. Where a change is meant, REFCON_WRITE_API=1 pytest
tests/test_api.py writes api.txt anew, and the diff shows what changes for those scripts.
"""

import importlib
import inspect
import os
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

FILE = Path(__file__).with_name('api.txt')
PACKAGE = 'reflection_connection'


def _default(value):
    "A default as text that is the same in every process."
    if inspect.isfunction(value) or inspect.isclass(value):
        return value.__name__
    return re.sub(r' at 0x[0-9a-f]+', '', repr(value))


def _signature(callable_):
    "Parameters and defaults, without types."
    try:
        parameters = inspect.signature(callable_).parameters.values()
    except (TypeError, ValueError):
        return '(…)'
    told = []
    for p in parameters:
        star = {p.VAR_POSITIONAL: '*', p.VAR_KEYWORD: '**'}.get(p.kind, '')
        given = '' if p.default is p.empty else f'={_default(p.default)}'
        told.append(f'{star}{p.name}{given}')
    return f'({", ".join(told)})'


def _plain(value):
    "Whether a constant is made of numbers, text and containers of these."
    if isinstance(value, dict):
        return all(map(_plain, [*value, *value.values()]))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str, bytes, range))


def _constant(value):
    if isinstance(value, np.ndarray):
        return f'array{value.shape} {np.array2string(value.ravel()[:64], precision=6)}'
    if isinstance(value, (set, frozenset)):
        return f'{{{", ".join(sorted(map(repr, value)))}}}'
    return repr(value) if _plain(value) else type(value).__name__


def _members(cls):
    "Public methods that a class defines itself."
    for name, member in sorted(vars(cls).items()):
        function = getattr(member, '__func__', member)
        if not name.startswith('_') and inspect.isfunction(function):
            yield f'.{name}{_signature(function)}'
        elif isinstance(member, property) and not name.startswith('_'):
            yield f'.{name}'


def described(module):
    "Lines of one module: its public names."
    short = module.__name__.removeprefix(f'{PACKAGE}.')
    for name in sorted(getattr(module, '__all__', [])):
        value = getattr(module, name)
        if inspect.isclass(value):
            yield f'{short}.{name}{_signature(value)}'
            yield from (f'{short}.{name}{member}' for member in _members(value))
        elif callable(value):
            yield f'{short}.{name}{_signature(value)}'
        else:
            yield f'{short}.{name} = {_constant(value)}'


def lines():
    package = importlib.import_module(PACKAGE)
    for wing in sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg):
        inside = importlib.import_module(f'{PACKAGE}.{wing}')
        dir(inside)  # a wing that imports its modules late imports all of them now
        for name in sorted(m.name for m in pkgutil.iter_modules(inside.__path__)):
            yield from described(importlib.import_module(f'{PACKAGE}.{wing}.{name}'))


def test_public_names_and_defaults_are_as_committed():
    now = [' '.join(line.split()).replace(str(ROOT), '') for line in lines()]
    if os.environ.get('REFCON_WRITE_API') == '1':
        FILE.write_text('\n'.join(now) + '\n', encoding='utf-8')
    kept = FILE.read_text(encoding='utf-8').splitlines()
    gone, new = sorted(set(kept) - set(now)), sorted(set(now) - set(kept))
    if gone or new:
        told = [f'- {line}' for line in gone] + [f'+ {line}' for line in new]
        pytest.fail('\n'.join(['api.txt differs:', *told]), pytrace=False)
