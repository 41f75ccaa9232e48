"""A whole survey: python benchmarks/survey.py [--quick] [--keep] [--parts index search curve]

A generated cube of F3's size (651 inlines x 951 crosslines x 462 samples), both directions, every
second line, windows of 96 x 96 every 48; --quick takes a tenth of it.

1. `refcon index` with one process and on two workers: minutes, GB on disk, peak memory, windows a
   second. Every few seconds all of its processes are stopped for a moment, and the model alone is
   timed: both rates come from the same minutes of the same machine.
2. Seconds to the first hits, of a survey without an index and of one with it; hits a second; a
   similarity volume.
3. Peak memory and time of SEG-Y files of up to 20 GB (benchmarks/memory.py).

The cube repeats some generated inlines, forwards and backwards, each with noise of its own, so no
two windows are the same. `synthetic.write_survey` would evaluate every inline, which takes ten
times as long.

Prints a table and writes OUT/survey.json; --keep writes benchmarks/results/survey.json as well."""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import memory
import numpy as np
import psutil
import torch
from bench import row

from reflection_connection.encoder import Encoder, pick_precision
from reflection_connection.search import Question, Searcher, read_meta
from reflection_connection.synthetic import Survey
from reflection_connection.synthetic.segy import text_header
from reflection_connection.synthetic.survey_labels import GRID, cdp_xy
from reflection_connection.volume import open_volume

ENCODER = 'refcon-tiny'
F3 = (651, 951, 462)  # inlines, crosslines, samples
TENTH = (206, 301, 462)
PATTERN = 32  # inlines that are generated
NOISE = 0.2  # of an inline's own, as a share of its standard deviation
GRID_OPTIONS = '--window 96 96 --stride 48 48 --lines both --every 2'.split()
REFCON = [str(Path(sys.executable).with_name('refcon'))]
LIMIT_MB = 2000


# The cube


def file_head(sv: Survey, n_samples: int) -> bytes:
    "Textual and binary header of an IEEE file of revision 1."
    head = np.zeros(3600, np.uint8)
    head[:3200] = np.frombuffer(text_header(sv).encode('cp037'), np.uint8)
    words = {3217: round(1000 * sv.dt_ms), 3221: n_samples, 3225: 5, 3229: 4, 3255: 1}
    for byte, value in words.items():
        head[byte - 1 : byte + 1] = np.array([value], '>i2').view(np.uint8)
    head[3500:3504] = 1, 0, 0, 1
    return head.tobytes()


def trace_headers(i: int, shape: tuple, dt_ms: float) -> np.ndarray:  # (n_crosslines, 240) uint8
    "Headers of the traces of an inline, as `synthetic.write_segy` fills them."
    columns = np.arange(shape[1])
    x_cm, y_cm = (np.round(100 * v).astype(int) for v in cdp_xy(i, columns))
    number, inline = i * shape[1] + columns + 1, GRID['inline0'] + i * GRID['inline_step']
    crossline = GRID['crossline0'] + columns * GRID['crossline_step']
    wide = {1: number, 5: number, 9: inline, 21: crossline, 73: x_cm, 77: y_cm}
    wide |= {181: x_cm, 185: y_cm, 189: inline, 193: crossline}
    narrow = {29: 1, 71: -100, 89: 1, 115: shape[2], 117: round(1000 * dt_ms)}
    headers = np.zeros((shape[1], 240), np.uint8)
    for words, kind in ((wide, '>i4'), (narrow, '>i2')):
        for byte, value in words.items():
            bytes_ = np.broadcast_to(np.array(value, kind).reshape(-1, 1), (shape[1], 1))
            bytes_ = np.ascontiguousarray(bytes_).view(np.uint8)
            headers[:, byte - 1 : byte - 1 + bytes_.shape[1]] = bytes_
    return headers


def write_cube(path: Path, shape: tuple, seed: int = 0, pattern: int = PATTERN) -> Path:
    "A SEG-Y of (inlines, crosslines, samples), written inline by inline."
    sv = Survey(seed, pattern, shape[1], shape[2])
    generated = [sv.inline(i).data.T for i in range(pattern)]  # (n_crosslines, n_samples) each
    back_and_forth = [*range(pattern), *range(pattern - 2, 0, -1)]
    with open(path, 'wb') as f:
        f.write(file_head(sv, shape[2]))
        for i in range(shape[0]):
            line = generated[back_and_forth[i % len(back_and_forth)]]
            noise = np.random.default_rng([seed, i]).standard_normal(line.shape, np.float32)
            amplitudes = (line + NOISE * line.std() * noise).astype('>f4')
            record = np.hstack([trace_headers(i, shape, sv.dt_ms), amplitudes.view(np.uint8)])
            f.write(record.tobytes())
    return path


# What a process and its children take


class Watch:
    "Peak memory and processor time of processes and their children, looked at a few times a second."

    def __init__(self, *roots: int, every: float = 0.2):
        self.roots, self.every = roots, every
        self.peak_mb, self._seconds, self._done = 0.0, {}, threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def processes(self) -> list:
        "Those that are there now."
        found = []
        for pid in self.roots:
            try:
                root = psutil.Process(pid)
                found += [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return found

    def _go(self):
        while not self._done.wait(self.every):
            self._look()

    def _look(self):
        total = 0.0
        for p in self.processes():
            try:
                total += p.memory_full_info().pss / 1e6  # pages that are shared count once
                self._seconds[p.pid] = sum(p.cpu_times()[:2])
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        self.peak_mb = max(self.peak_mb, total)

    @property
    def cpu_seconds(self) -> float:
        return sum(self._seconds.values())

    def stop(self):
        self._done.set()
        self._thread.join()


class Said:
    "Lines of a process's standard error, and when they came."

    def __init__(self, stream, clock):
        self.lines, self._stream, self._clock = [], stream, clock
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self):
        for line in self._stream:
            self.lines.append((self._clock(), line.rstrip()))

    def when(self, text: str):
        "Seconds at which the first line with this text came; None before."
        return next((t for t, line in self.lines if text in line), None)

    def text(self):
        self._thread.join()
        return '\n'.join(line for _, line in self.lines)


class Clock:
    "Seconds since it was made, without those in which it was stopped."

    def __init__(self):
        self.start, self.stopped, self._since = time.perf_counter(), 0.0, None

    def __call__(self):
        now = time.perf_counter() if self._since is None else self._since
        return now - self.start - self.stopped

    @contextmanager
    def pause(self):
        self._since = time.perf_counter()
        yield
        self.stopped += time.perf_counter() - self._since
        self._since = None


@contextmanager
def stopped(watch, clock):
    "While it lasts, all processes stand still."
    processes = watch.processes()
    with clock.pause():
        for p in processes:
            os.kill(p.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for p in processes:
                os.kill(p.pid, signal.SIGCONT)


class Alone:
    "The model alone, on windows that are scaled already, computed as for a whole survey."

    batches = 4  # of 64 windows, each time

    def __init__(self, encoder: str):
        made = Encoder.load(encoder)
        height, width = made.recipe.size
        batch = torch.randn(64, 1, height, width)
        self.precision = pick_precision('auto', windows=100_000)
        self.stream = made.stream(repeat(batch), n=100_000)
        self.n, self.rates, self.cpu = self.batches * len(batch), [], []
        self.measure()  # warm up

    def measure(self):
        t, cpu = time.perf_counter(), time.process_time()
        for _ in range(self.batches):
            next(self.stream)
        self.rates.append(self.n / (time.perf_counter() - t))
        self.cpu.append((time.process_time() - cpu) / self.n)


# Indexing


def run_beside(command, alone, every, roots=(), env=None) -> dict:
    "Run `refcon index`; the model alone is timed in between, while all processes stand still."
    clock = Clock()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env
    )
    said, watch = Said(process.stderr, clock), Watch(process.pid, *roots)
    alone.rates, alone.cpu, next_turn = [], [], every / 2
    while process.poll() is None:
        time.sleep(0.05)
        if said.when('embed.planned') and clock() > next_turn:
            with stopped(watch, clock):
                alone.measure()
            next_turn = clock() + every
    seconds, text = clock(), said.text()
    watch.stop()
    if process.returncode:
        raise SystemExit(text[-2000:])
    return dict(
        seconds=seconds,
        planned=said.when('embed.planned'),
        embedded=max(t for t, line in said.lines if line.startswith('indexing:')),
        written=said.when('index.written'),
        peak_mb=watch.peak_mb,
        cpu_seconds=watch.cpu_seconds,
        alone=float(np.median(alone.rates)),
        alone_cpu=float(np.median(alone.cpu)),
        turns=len(alone.rates),
    )


@contextmanager
def two_workers():
    "(address of a scheduler, its process) with two workers of one thread each."
    code = (
        'import sys, distributed\n'
        'if __name__ == "__main__":\n'
        '    c = distributed.LocalCluster(n_workers=2, threads_per_worker=1, '
        'dashboard_address=None, worker_dashboard_address=None)\n'
        '    print(c.scheduler_address, flush=True)\n'
        '    sys.stdin.read()\n'
        '    c.close()\n'
    )
    folder = Path(os.environ.get('TMPDIR', '/tmp')) / f'refcon-two-workers-{os.getpid()}'
    folder.mkdir()
    (folder / 'cluster.py').write_text(code)  # workers import it
    process = subprocess.Popen(
        [sys.executable, str(folder / 'cluster.py')],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {'OMP_NUM_THREADS': '1'},
    )
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder)


def size_mb(folder: Path) -> float:
    return sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1e6


def index_facts(path, out, encoder, workers, every) -> dict:
    "What `refcon index` took."
    command = [*REFCON, 'index', str(path), '--encoder', str(encoder), '--out', str(out)]
    command += [*GRID_OPTIONS, '--verbose']
    alone = Alone(encoder)
    if workers == 1:
        found = run_beside(command, alone, every)
    else:
        with two_workers() as (address, pid):
            found = run_beside([*command, '--dask', address], alone, every, [pid])
    n = read_meta(out)['n']
    return found | dict(
        workers=workers,
        windows=n,
        precision=alone.precision,
        rate=n / found['seconds'],
        share=n / found['seconds'] / found['alone'],
        embedding_share=n / (found['embedded'] - found['planned']) / found['alone'],
        cpu_share=found['alone_cpu'] * n / found['cpu_seconds'],
        index_mb=size_mb(out),
        gigabytes=path.stat().st_size / 1e9,
    )


def index_rows(facts: dict) -> list:
    who = 'one process' if facts['workers'] == 1 else f"{facts['workers']} workers"
    what = f"refcon index, {who}, {facts['gigabytes']:.2f} GB, {facts['windows']:,} windows"
    alone = f"model alone {facts['alone']:.1f} ({facts['precision']})"
    target = 0.85 if facts['workers'] == 1 else None
    ends = (facts[name] for name in ('planned', 'embedded', 'written', 'seconds'))
    stages = ', '.join(f'{t:.1f}' for t in ends)
    return [
        row('survey', what, f"{facts['rate']:.1f} windows/s", alone, facts['share'], target),
        row(
            'survey',
            f'the same, while it embeds ({who})',
            f'{facts["embedding_share"] * facts["alone"]:.1f} windows/s',
            alone,
            facts['embedding_share'],
        ),
        row(
            'survey',
            f'the same, processor time a window ({who})',
            f"{1e3 * facts['cpu_seconds'] / facts['windows']:.2f} ms",
            f"model alone {1e3 * facts['alone_cpu']:.2f} ms",
            facts['cpu_share'],
        ),
        row(
            'survey',
            f'peak memory, children too ({who})',
            f"{facts['peak_mb']:,.0f} MB",
            f'{LIMIT_MB:,} MB',
            LIMIT_MB / facts['peak_mb'],
            1.0,
        ),
        row(
            'survey',
            f'minutes and MB of the index ({who})',
            f"{facts['seconds'] / 60:.1f} min (planned, embedded, written, ended at {stages} s), "
            f"{facts['index_mb']:.0f} MB",
            f"SEG-Y {1e3 * facts['gigabytes']:,.0f} MB",
            facts['index_mb'] / 1e3 / facts['gigabytes'],
        ),
    ]


# Searching


def a_box(path) -> tuple:  # (inline, box)
    "A box in the middle of the survey."
    with open_volume(path) as v:
        number, (_, n_crosslines, n_samples) = int(v.inlines[len(v.inlines) // 2]), v.shape
    top, left = (n_samples - 96) // 2, (n_crosslines - 96) // 2
    return number, (top, left, top + 96, left + 96)


def timed_command(command) -> dict:
    "Seconds of a command, and its lines on standard error with their times."
    clock = Clock()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    said, watch = Said(process.stderr, clock), Watch(process.pid)
    answer = process.stdout.read()
    process.wait()
    watch.stop()
    if process.returncode:
        raise SystemExit(said.text()[-2000:])
    return dict(seconds=clock(), said=said, answer=answer, peak_mb=watch.peak_mb)


def questions(out, n: int) -> dict:
    "Seconds of opening an index, and of each of some boxes that are searched for in Python."
    clock = time.perf_counter
    t = clock()
    searcher = Searcher.open(out)
    opened, seconds, found = clock() - t, [], 0
    volume = searcher.volume()
    rng = np.random.default_rng(0)
    for _ in range(n):
        number = int(rng.choice(volume.inlines))
        top, left = (int(rng.integers(m - 96)) for m in (volume.n_samples, volume.shape[1]))
        t = clock()
        example = searcher.box('inline', number, (top, left, top + 96, left + 96))
        found += len(searcher.hits(Question(searcher, example), 10))
        seconds.append(clock() - t)
    return dict(opened=opened, first=seconds[0], each=float(np.median(seconds[1:])), hits=found / n)


def searching(path, out, work, encoder, n_questions) -> dict:
    "Seconds to hits and to a similarity volume."
    number, box = a_box(path)
    asked = ['--inline', str(number), '--box', *map(str, box)]
    fresh = work / 'fresh'
    without = timed_command(
        [*REFCON, 'search', str(path), *asked, '--index-out', str(fresh), *GRID_OPTIONS]
        + ['--encoder', str(encoder)]
    )
    stages = [(t, s) for t, s in without['said'].lines if re.match('(line|coarse|near|rest):', s)]
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(fresh.with_name('.fresh.work'), ignore_errors=True)
    with_index = timed_command([*REFCON, 'search', str(out), *asked, '--json'])
    similarity = work / 'similarity.sgy'
    mapped = timed_command([*REFCON, 'search', str(out), *asked, '--map', str(similarity)])
    size = similarity.stat().st_size / 1e6
    similarity.unlink()
    return dict(
        first_hits=stages[0][0],
        looked_at=stages[-1][1],
        answer=without['seconds'],
        answer_peak_mb=without['peak_mb'],
        with_index=with_index['seconds'],
        with_map=mapped['seconds'],
        map_peak_mb=mapped['peak_mb'],
        map_mb=size,
        hits=len(json.loads(with_index['answer'])),
        **{f'python_{name}': value for name, value in questions(out, n_questions).items()},
    )


def search_rows(facts: dict, whole: float) -> list:
    "`whole`: seconds of indexing everything."
    a_second = facts['python_hits'] / facts['python_each']
    against = f'indexing all {whole:.0f} s'

    def seconds(what, name):
        return row('survey', what, f'{facts[name]:.1f} s', against, facts[name] / whole)

    peak = max(facts['map_peak_mb'], facts['answer_peak_mb'])
    return [
        seconds('refcon search without an index: first hits', 'first_hits'),
        seconds('refcon search without an index: its answer', 'answer'),
        seconds('refcon search of the index', 'with_index'),
        seconds(f"the same with a similarity volume of {facts['map_mb']:.0f} MB", 'with_map'),
        row(
            'survey',
            'hits in Python, ten to a box',
            f"{a_second:.0f} hits/s, {1e3 * facts['python_each']:.0f} ms a box",
            f"opening {facts['python_opened']:.1f} s, first box {facts['python_first']:.2f} s",
            facts['python_each'] / facts['python_opened'],
        ),
        row(
            'survey',
            'peak memory of searching',
            f'{peak:,.0f} MB',
            f'{LIMIT_MB:,} MB',
            LIMIT_MB / peak,
            1.0,
        ),
    ]


# All of it


def curve_rows(curve: list) -> list:
    return [
        row(
            'survey',
            f"peak of refcon index, {g['gigabytes']:.1f} GB ({g['seconds']:.0f} s)",
            f"{g['peak_mb']:,.0f} MB",
            f"{curve[0]['gigabytes']:.1f} GB: {curve[0]['peak_mb']:,.0f} MB",
            g['peak_mb'] / curve[0]['peak_mb'],
        )
        for g in curve
    ]


def rows_of(measured: dict) -> list:
    "Lines of the table, as `bench.row` makes them."
    rows = [r for facts in measured.get('index', []) for r in index_rows(facts)]
    if 'search' in measured:
        rows += search_rows(measured['search'], measured['index'][0]['seconds'])
    return rows + curve_rows(measured.get('curve', []))


def measure(parts, work: Path, quick: bool, encoder=ENCODER, known: dict | None = None) -> dict:
    "index: a dict for one process and one for two workers; search: a dict; curve: a list."
    measured, path = dict(known or {}), work / 'cube.sgy'
    if set(parts) & {'index', 'search'} and not path.is_file():
        write_cube(path, TENTH if quick else F3)
    out = work / 'index-1'
    if 'index' in parts:
        measured['index'] = []
        for workers in (1, 2):
            folder = work / f'index-{workers}'
            shutil.rmtree(folder, ignore_errors=True)
            measured['index'].append(
                index_facts(path, folder, encoder, workers, 5 if quick else 20)
            )
        shutil.rmtree(folder)
    if 'search' in parts:
        measured['search'] = searching(path, out, work, encoder, 8 if quick else 24)
    if 'curve' in parts:
        measured['curve'] = memory.main((0.5, 2) if quick else (1, 4, 20), (), work / 'curve')
    return measured


def survey(quick: bool = False, out='runs/survey') -> list:
    "Rows for `bench.py`."
    return run(['index', 'search', 'curve'], Path(out), quick, False)


def run(parts, out: Path, quick: bool, keep: bool, encoder=ENCODER) -> list:
    out.mkdir(parents=True, exist_ok=True)
    results, work = out / 'survey.json', out / 'work'
    work.mkdir(exist_ok=True)
    known = json.loads(results.read_text()) if results.is_file() else {}
    measured = measure(parts, work, quick, encoder, known) | dict(
        cube=TENTH if quick else F3, cores=os.cpu_count(), encoder=Path(encoder).name
    )
    text = json.dumps(measured, indent=1, default=float) + '\n'
    results.write_text(text)
    if keep:
        Path(__file__).with_name('results').joinpath('survey.json').write_text(text)
    return rows_of(measured)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        '--out', default='runs/survey', help='folder; OUT/work may be removed afterwards'
    )
    every = ['index', 'search', 'curve']
    p.add_argument('--parts', nargs='+', choices=every, default=every)
    p.add_argument('--keep', action='store_true', help='also as benchmarks/results/survey.json')
    p.add_argument('--quick', action='store_true', help='a tenth of the size')
    p.add_argument('--encoder', default=ENCODER, help='name or folder')
    a = p.parse_args()
    run(a.parts, Path(a.out), a.quick, a.keep, a.encoder)


if __name__ == '__main__':
    main()
