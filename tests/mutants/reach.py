"""Which tests reach which function of the modules, and how long each takes: a map made once."""

import ast
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from coverage import CoverageData

from .faults import PACKAGE

# files whose tests run whole trainings, kill processes or fill a disk: minutes a test
TOO_SLOW = 'runs pretrain iterate interruption reproducible cluster memory processes'.split()
SETTINGS = f"""
[run]
source = {PACKAGE}
parallel = true
patch = subprocess
concurrency = multiprocessing,thread
context = ${{PYTEST_CURRENT_TEST-}}
relative_files = true
disable_warnings = no-data-collected,module-not-imported,no-ctracer
"""


def copy_tree(root, to):
    "The working tree at `to`, without what git ignores, with `shared` beside it where there is one."
    names = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split('\0')
    shutil.rmtree(to, ignore_errors=True)
    for name in filter(None, names):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    beside = to.parent / 'shared'
    if (root.parent / 'shared').is_dir() and not beside.exists():
        beside.symlink_to((root.parent / 'shared').resolve())
    return to


def settings_of_a_run(tree):
    "Environment in which commands use the modules of `tree`."
    return os.environ | {
        'PYTHONPATH': str(tree),
        'REFCON_PRECISION': 'fp32',
        'OMP_NUM_THREADS': '1',
        'MPLBACKEND': 'Agg',
        'PYTHONDONTWRITEBYTECODE': '1',
    }


def functions(source):
    "[(first line, last line, name)] of the functions of a module, the innermost last."
    found = []

    def look(node, above):
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            name = f'{above}.{child.name}'.strip('.') if named else above
            if named and not isinstance(child, ast.ClassDef):
                found.append((child.lineno, child.end_lineno, name))
            look(child, name)

    look(ast.parse(source), '')
    return found


def function_at(found, line):
    "Name of the innermost function of a line, '' outside of all."
    return next((name for a, b, name in reversed(found) if a <= line <= b), '')


def test_files(root):
    "{path: checksum} of the files whose tests take part."
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / 'tests').glob('test_*.py'))
        if path.stem.removeprefix('test_') not in TOO_SLOW
    }


def update_map(root, folder, known):
    """Run the test files that are new or changed once, without a fault; what they reach is kept.

    `known` holds `reach` {module: {function: [test, …]}}, `seconds` {test: …} and `files`. Files
    that are `TOO_SLOW` and tests that don't pass without any fault are left out."""
    files = test_files(root)
    old = {path for path, digest in known['files'].items() if files.get(path) != digest}
    new = sorted(path for path, digest in files.items() if known['files'].get(path) != digest)
    of_old = lambda test: test.partition('::')[0] in old
    seconds = {t: s for t, s in known['seconds'].items() if not of_old(t)}
    reach = {
        module: {name: [t for t in tests if not of_old(t)] for name, tests in functions_.items()}
        for module, functions_ in known['reach'].items()
    }
    if new:
        more, more_seconds = _measured(root, folder, new)
        seconds |= more_seconds
        for module, functions_ in more.items():
            for name, tests in functions_.items():
                both = {*reach.setdefault(module, {}).get(name, []), *tests}
                reach[module][name] = sorted(both, key=lambda t: (seconds[t], t))
    return known | dict(reach=reach, seconds=seconds, files=files)


def _measured(root, folder, files):
    "(reach, seconds) of the tests of some files."
    tree = copy_tree(root, folder / 'map' / 'main')
    for old in (folder / 'map').glob('coverage*'):
        old.unlink()
    (folder / 'coveragerc').write_text(SETTINGS)
    data_file = folder / 'map' / 'coverage'
    environment = settings_of_a_run(tree) | {
        'COVERAGE_FILE': str(data_file),
        'COVERAGE_RCFILE': str(folder / 'coveragerc'),
    }
    times = folder / 'map' / 'times.xml'
    subprocess.run(
        [sys.executable, '-m', 'pytest', *files, '-q', '-n', str(multiprocessing.cpu_count())]
        + ['--dist', 'loadfile', '--no-loadscope-reorder', '-o', 'junit_family=xunit1']
        + [f'--cov={PACKAGE}', '--cov-context=test', '--cov-report=', f'--junitxml={times}']
        + [f'--cov-config={folder / "coveragerc"}', '-p', 'no:cacheprovider'],
        cwd=tree,
        env=environment,
        check=False,
    )
    subprocess.run(
        [sys.executable, '-m', 'coverage', 'combine', '-q'], cwd=tree, env=environment, check=False
    )
    seconds = {}
    for case in ElementTree.parse(times).iter('testcase'):
        if not len([x for x in case if x.tag in ('failure', 'error', 'skipped')]):
            name = f'{case.get("file")}::{case.get("name")}'
            seconds[name] = max(seconds.get(name, 0), float(case.get('time')))
    return _reached(data_file, tree, seconds), seconds


def _reached(data_file, tree, seconds):
    data = CoverageData(str(data_file))
    data.read()
    reach = {}
    for path in data.measured_files():
        module = str(Path(path).relative_to(tree) if Path(path).is_absolute() else Path(path))
        if not (tree / module).is_file():
            continue
        found = functions((tree / module).read_text(encoding='utf-8'))
        tests = defaultdict(set)
        for line, contexts in data.contexts_by_lineno(path).items():
            names = {_test(part) for c in contexts for part in c.split('|')}
            tests[function_at(found, line)] |= names & seconds.keys()
        reach[module] = {name: sorted(t, key=seconds.get) for name, t in tests.items() if t}
    return reach


def _test(context):
    "The test's name in a context such as 'tests/test_x.py::test_y|run' or 'tests/… (call)'."
    return context.rsplit(' (', 1)[0] if context.endswith(')') else context
