"""How much each extra adds to an installation, and how long commands take to start.

    python benchmarks/installation.py          installed sizes, a table in Markdown
    python benchmarks/installation.py --start  processor time of small commands; PYTHONPATH names
                                               another checkout to compare with

Sizes are those of the files that packages list as theirs, without compiled bytecode, as they are
installed in the environment that runs this: all extras must be there (`make test` brings them).
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = {canonicalize_name(d.metadata['Name']): d for d in distributions()}
EXTRAS = ('evaluate', 'train', 'explore', 'openvino', 'mdio', 'cluster', 'milvus', 'gis')


def megabytes(name: str) -> float:  # 10^6 bytes
    "Size of an installed package."
    files = [f for f in INSTALLED[name].files or [] if f.suffix != '.pyc']
    return sum(f.locate().stat().st_size for f in files if f.locate().is_file()) / 1e6


def closure(requirements) -> set:
    "Names of packages that requirements bring, with what these bring."
    found, todo = set(), [Requirement(r) for r in requirements]
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        if name in found and not one.extras:
            continue
        found.add(name)
        for text in INSTALLED[name].requires or []:
            needed = Requirement(text)
            wanted = [{'extra': extra} for extra in (*one.extras, '')]
            if needed.marker is None or any(map(needed.marker.evaluate, wanted)):
                todo.append(needed)
    return found


def requirements() -> dict:  # extra, or '' for the base -> requirements
    "What settings.ini asks for."
    parser = ConfigParser(delimiters=['='])
    parser.read(ROOT / 'settings.ini', encoding='utf-8')
    settings = parser['DEFAULT']
    found = {extra: settings[f'{extra}_requirements'].split() for extra in EXTRAS}
    found['train'] += found['evaluate']
    return {'': settings['requirements'].split()} | found


def row(name, packages, known) -> str:
    "A line of the table: what is new, and its largest packages."
    new = sorted(packages - known, key=megabytes, reverse=True)
    largest = ', '.join(f'{p} {megabytes(p):.0f}' for p in new[:4])
    return f'| {name} | {sum(map(megabytes, new)):,.0f} | {len(new)} | {largest} |'


def sizes():
    "The table of docs/installation.md."
    asked = requirements()
    base = closure(asked[''])
    print('| | MB | packages | largest, MB |\n|---|---|---|---|')
    print(row('base', base, set()))
    for extra in EXTRAS:
        print(row(f'`[{extra}]` adds', closure(asked[extra]), base))
    print(row('`[all]` adds', set().union(*map(closure, asked.values())), base))
    for name in ('jupyterlab', 'matplotlib', 'faiss-cpu', 'transformers', 'torch'):
        rest = [r for r in asked[''] if Requirement(r).name != name]
        print(row(f'of the base, only for {name}', base, closure(rest)))


SECTION = ROOT / 'data' / 'f3d75s.sgy'
GRID = ('--window', '96', '96', '--stride', '96', '96')
COMMANDS = {
    'python -c pass': None,
    'refcon --help': ['--help'],
    'refcon check': ['check', SECTION],
    'refcon index': ['index', SECTION, *GRID, '--encoder', 'refcon-tiny', '--out', 'index'],
    'refcon search': ['search', 'index', '--line', '0', '--box', '0', '0', '96', '96'],
}


def seconds(arguments, folder) -> float:
    "Processor time of a command, which what else runs here disturbs less than the clock."
    call = 'import sys; from reflection_connection.cli import main; sys.exit(main(sys.argv[1:]))'
    command = [sys.executable, '-c', *(['pass'] if arguments is None else [call, *arguments])]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start(times=5):
    "Least processor time of every command, and how many times that of Python alone it is."
    print('| | s | times python |\n|---|---|---|')
    bare = None
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in COMMANDS.items():
            taken = min(seconds(arguments, folder) for _ in range(times))
            bare = bare or taken
            print(f'| `{name}` | {taken:.2f} | {taken / bare:.0f} |', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--start', action='store_true', help='start-up times instead of sizes')
    start() if parser.parse_args().start else sizes()
