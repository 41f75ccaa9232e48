"""Plant faults one at a time, run the tests that reach them, print what survives.

python -m mutants --seed 1 --faults 200 (with `tests` on the path; `make mutants SEED=1`)
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from .faults import draw, equivalents
from .reach import copy_tree, function_at, functions, settings_of_a_run, update_map

SECONDS = 45  # of tests for one fault, as long as they take without it; the notebook comes first
ALWAYS = (
    'tests/test_api.py::test_public_names_and_defaults_are_as_committed',
)  # reads, runs nothing
PATIENCE = 5  # a run that takes this many times as long has noticed the fault: it hangs


def chosen_tests(fault, reached, seconds, budget=SECONDS):
    """Tests that reach the fault's function, half of the time by the quickest, half drawn.

    A fault outside of functions is reached by whatever reaches the module.
    """
    of_module = reached.get(fault.module, {})
    name = function_at(functions(fault.source), fault.line)
    tests = of_module.get(name) if name else None
    if not name:
        tests = sorted(set().union(*of_module.values()), key=lambda t: (seconds[t], t))
    tests = tests or []
    taken, spent = [], 0.0
    others = list(tests)
    random.Random(fault.key).shuffle(others)
    for candidates, limit in ((tests, budget / 2), (others, budget)):
        for test in candidates:
            if test not in taken and spent + seconds[test] <= limit:
                taken.append(test)
                spent += seconds[test]
    if not taken and tests:
        taken, spent = [tests[0]], seconds[tests[0]]
    always = [test for test in ALWAYS if test in seconds]
    return always + taken, spent + sum(seconds[test] for test in always)


def _quiet(to):
    "What this process says goes to a file, and it is a group of its own, to be ended as one."
    os.setpgid(0, 0)
    file = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = os.fdopen(1, 'w', closefd=False)
    sys.stderr = os.fdopen(2, 'w', closefd=False)


def _tests(names, to):
    _quiet(to)
    import pytest

    sys.exit(pytest.main(['-x', '-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', *names]))


def _notebook(path, to):
    _quiet(to)
    from notebooks import test_nb

    sys.exit(0 if test_nb(Path(path), skip_flags=['notest'], basepath=None)[0] else 1)


def _ended(do, *given, limit):
    "(exit code or None where it hung, seconds)."
    began = time.monotonic()
    process = multiprocessing.get_context('fork').Process(target=do, args=given)
    process.start()
    process.join(limit)
    code = process.exitcode
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # and whatever it has started
    process.join()
    return code, time.monotonic() - began


@contextlib.contextmanager
def planted(fault, tree):
    "The fault in module and notebook of a tree; afterwards both are as they were."
    notebook, text = fault.in_notebook(tree)
    changes = {tree / fault.module: fault.mutated} | ({notebook: text} if text else {})
    before = {path: path.read_text(encoding='utf-8') for path in changes}
    try:
        for path, changed in changes.items():
            path.write_text(changed, encoding='utf-8')
        yield notebook if text else None
    finally:
        for path, original in before.items():
            path.write_text(original, encoding='utf-8')


def judge(fault, tree, known, said):
    "One row of the table: who noticed the fault, or that nobody did."
    row = vars(fault) | {'key': fault.key, 'wing': fault.wing, 'difference': fault.difference}
    row = {k: v for k, v in row.items() if k not in ('source', 'mutated')}
    tests, expected = chosen_tests(fault, known['reach'], known['seconds'])
    with planted(fault, tree) as notebook:
        row['seconds'] = 0.0
        checks = []
        if notebook and (usual := known['notebooks'].get(str(notebook.relative_to(tree)))):
            checks.append((_notebook, notebook, usual, notebook.name))
        if tests:
            checks.append((_tests, tests, expected, f'{len(tests)} tests'))
        row['by'] = None if checks else 'nothing reaches it'
        for do, what, usual, name in checks:
            code, spent = _ended(do, what, said, limit=30 + PATIENCE * usual)
            row['seconds'] += round(spent, 1)
            if code != 0:
                row['by'] = f'{name}{" (it hangs)" if code is None else ""}'
                break
    row['survived'] = row['by'] is None or row['by'] == 'nothing reaches it'
    return row


def _prepare(tree):
    "This process uses the modules of a tree and has imported what every child would import first."
    os.environ.update(settings_of_a_run(tree))
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    os.chdir(tree)
    import faiss  # noqa: F401
    import notebooks  # noqa: F401
    import pytest  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch
    import transformers.models.resnet.modeling_resnet
    import transformers.trainer  # noqa: F401

    torch.set_num_threads(1)


def _worker(number, folder, faults, known, rows):
    tree = folder / str(number) / 'main'
    _prepare(tree)
    while (fault := faults.get()) is not None:
        try:
            rows.put(judge(fault, tree, known, folder / str(number) / 'said.txt'))
        except BaseException as error:
            rows.put({'key': fault.key, 'wing': fault.wing, 'error': repr(error)})
            raise


def _in_parallel(root, folder, jobs, known):
    "Rows as they come."
    context = multiprocessing.get_context('spawn')
    faults, rows = context.Queue(), context.Queue()
    count = min(multiprocessing.cpu_count(), len(jobs))
    for job in [*jobs, *[None] * count]:
        faults.put(job)
    workers = []
    for number in range(count):
        copy_tree(root, folder / str(number) / 'main')
        given = (number, folder, faults, known, rows)
        workers.append(context.Process(target=_worker, args=given))
        workers[-1].start()
    try:
        for _ in jobs:
            yield rows.get()
    finally:
        for worker in workers:
            worker.join(5)
            worker.kill()


def notebook_seconds(root, folder):
    "How long each notebook takes without a fault; those that fail by themselves are left out."
    tree = copy_tree(root, folder / 'map' / 'main')
    paths = sorted(str(p) for p in tree.glob('nbs/*/*.ipynb'))
    with ProcessPoolExecutor(
        multiprocessing.cpu_count(), multiprocessing.get_context('spawn'), _prepare, (tree,)
    ) as pool:
        found = list(pool.map(_time_notebook, paths))
    return {str(Path(p).relative_to(tree)): s for p, s in zip(paths, found, strict=True) if s}


def _time_notebook(path):
    code, seconds = _ended(_notebook, path, os.devnull, limit=600)
    return seconds if code == 0 else None


def the_map(root, folder):
    "Read the map and bring it up to date: new tests, and at first all notebooks, run once."
    file = folder / 'map.json'
    known = json.loads(file.read_text()) if file.exists() else dict(reach={}, seconds={}, files={})
    known = update_map(root, folder, known)
    file.write_text(json.dumps(known))
    if 'notebooks' not in known:
        known['notebooks'] = notebook_seconds(root, folder)
        file.write_text(json.dumps(known))
    return known


def table(rows, excused):
    "Killed and planted by wing, as lines of a Markdown table; equivalent faults are not counted."
    counted = [r for r in rows if r['key'] not in excused]
    planted_, noticed = Counter(), Counter()
    for row in counted:
        planted_[row['wing']] += 1
        noticed[row['wing']] += not row['survived']
    lines = ['| wing | planted | noticed | share |', '|---|---|---|---|']
    for wing in sorted(planted_):
        n, k = planted_[wing], noticed[wing]
        lines.append(f'| {wing} | {n} | {k} | {k / n:.2f} |')
    n, k = sum(planted_.values()), sum(noticed.values())
    return [*lines, f'| all | {n} | {k} | {k / max(n, 1):.2f} |']


def main(argv=None):
    parser = argparse.ArgumentParser(prog='mutants', description=__doc__.splitlines()[0])
    parser.add_argument('--seed', type=int, required=True)
    parser.add_argument('--faults', type=int, default=200)
    parser.add_argument('--wing', help='only faults of one wing')
    args = parser.parse_args(argv)
    root = Path.cwd()
    folder = root / '.mutants'
    folder.mkdir(exist_ok=True)
    known = the_map(root, folder)
    drawn = [f for f in draw(args.faults, args.seed) if args.wing in (None, f.wing)]
    file = folder / f'seed-{args.seed}.jsonl'
    done = {}
    if file.exists():
        done = {r['key']: r for r in map(json.loads, file.read_text().splitlines())}
    why = equivalents()
    excused = {f.key for f in drawn if (f.module, *f.words) in why}
    jobs = [f for f in drawn if f.key not in done and f.key not in excused]
    print(f'{len(drawn)} faults, {len(excused)} equivalent, {len(jobs)} to run', flush=True)
    with file.open('a') as out:
        for row in _in_parallel(root, folder, jobs, known) if jobs else ():
            if 'error' in row:
                raise RuntimeError(f'{row["key"]}: {row["error"]}')
            done[row['key']] = row
            out.write(json.dumps(row) + '\n')
            out.flush()
            if row['survived']:
                print(f'{row["difference"]}\n    {row["by"] or "not noticed"}', flush=True)
    rows = [done[f.key] for f in drawn if f.key in done]
    survived = [r for r in rows if r['survived'] and r['key'] not in excused]
    print(f'\nSurvivors, seed {args.seed}:')
    print('\n'.join(r['difference'] for r in survived))
    print('\n'.join(table(rows, excused)))
    return 0
