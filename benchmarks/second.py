"""Where a second goes while a survey is indexed: python benchmarks/second.py [--out FILE]

Indexes a synthetic survey (120 inlines of 300 traces of 400 samples, windows of 96 x 96, half a
window apart) on one core, and counts the processor time of each step, without that of the steps
inside it. The steps are found by the names of functions, so that the script also runs on the code
of an earlier commit: whoever compares puts that commit's package first on PYTHONPATH."""

import argparse
import importlib
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import torch

STEPS = {  # step -> module and name of the functions that do it
    'opening': ['volume.segy_reader:SegyReader.__init__'],
    'reading': ['volume.segy:SegyFile.read', 'volume.read_ahead:LineCache.section'],
    'what is live': ['volume.core:live_mask'],
    'table of windows': [
        'search.embed:line_windows',
        'search.embed:window_table',
        'search.embed:boxes_table',
        'search.embed:line_boxes',
    ],
    'cutting': ['windows.reader:WindowReader.__getitem__', 'search.embed:cut_stack'],
    'scaling': ['windows.normalisation:Recipe.batch'],
    'network': ['encoder.encoder:embed_batch'],
}
spent, local = {}, threading.local()


def counted(step, function):
    "A function whose processor time is counted under a step, without that of steps inside it."

    def call(*args, **options):
        outer = getattr(local, 'inside', 0.0)
        local.inside, start = 0.0, time.thread_time()
        try:
            return function(*args, **options)
        finally:
            whole = time.thread_time() - start
            spent[step] = spent.get(step, 0.0) + whole - local.inside
            local.inside = outer + whole

    return call


def watch():
    "Put counters around the functions that this version of the package has."
    for step, functions in STEPS.items():
        for where in functions:
            module, _, names = where.partition(':')
            owner = importlib.import_module(f'reflection_connection.{module}')
            *inside, name = names.split('.')
            for part in inside:
                owner = getattr(owner, part)
            if hasattr(owner, name):
                setattr(owner, name, counted(step, getattr(owner, name)))


def measured(precision) -> dict:  # windows, seconds, steps
    "Index a survey twice, and count the second time: the first one compiles and measures."
    from reflection_connection.encoder import Encoder, forced
    from reflection_connection.search import build_index
    from reflection_connection.synthetic import write_survey
    from reflection_connection.windows import Grid

    folder = Path(tempfile.mkdtemp())
    survey = write_survey(folder, 0, 120, 300, 400)
    encoder, grid = Encoder.load('refcon-tiny'), Grid((96, 96), (48, 48), 'inline')
    with forced(precision):
        build_index(encoder, survey, folder / 'first', grid)
        watch()
        start = time.process_time()
        index, _, _ = build_index(encoder, survey, folder / 'second', grid)
        seconds = time.process_time() - start
    rest = seconds - sum(spent.values())
    return dict(windows=len(index), seconds=seconds, steps=spent | {'the rest': rest})


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--out', help='a JSON file, to which this measurement is added')
    p.add_argument('--name', default='now', help='of this measurement in the file')
    p.add_argument('--precision', default='auto', help='fp32, bf16 or auto')
    a = p.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    torch.set_num_threads(1)
    found = measured(a.precision)
    for step, seconds in found['steps'].items():
        print(f'{step:18} {seconds:7.3f} s  {seconds / found["seconds"]:6.1%}')
    print(f'{found["windows"]} windows in {found["seconds"]:.2f} s of processor time')
    if a.out:
        file = Path(a.out)
        known = json.loads(file.read_text()) if file.is_file() else {}
        file.write_text(json.dumps(known | {a.name: found}, indent=1) + '\n')


if __name__ == '__main__':
    main()
