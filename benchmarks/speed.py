"""First speed figures, each as a ratio within one run: python benchmarks/speed.py

- synthetic windows a second of processor time, on one thread (so that neighbours on the machine do not count);
- embedding rate of an architecture against the machine's own matrix-product peak, from the model's counted operations;
- reading sections of a SEG-Y against reading the same bytes raw.
"""
import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode

from reflection_connection.encoder import Encoder, bundled
from reflection_connection.synthetic import labelled_windows, write_survey
from reflection_connection.volume import open_volume
from reflection_connection.windows import Recipe


def median_time(f, n=7):
    "Median seconds of n calls after one that is not counted."
    f(); times = []
    for _ in range(n):
        t = time.perf_counter(); f(); times.append(time.perf_counter() - t)
    return float(np.median(times))


def peak(n=2048):
    "fp32 matrix product, floating-point operations a second."
    a = torch.randn(n, n)
    return 2*n**3/median_time(lambda: a @ a)


def synthetic_rate(per_class=20):
    with threadpool_limits(1):
        labelled_windows(1, seed=1); t = time.process_time(); w, _ = labelled_windows(per_class, seed=0)
        return len(w)/(time.process_time() - t)


def embedding(name, size, batch=64):
    encoder = Encoder.load(name) if name in bundled() else Encoder.create(name, Recipe(size=(size, size))); x = torch.randn(batch, 1, size, size)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter: encoder.module(x)
        flops, seconds = counter.get_total_flops(), median_time(lambda: encoder.module(x))
    windows = [np.random.default_rng(i).normal(size=(size, size)).astype('f4') for i in range(batch)]
    whole = median_time(lambda: encoder.embed(windows, device='cpu'))
    return dict(gflop_per_window=flops/batch/1e9, windows_per_second=batch/seconds, fraction_of_peak=flops/seconds/peak(), end_to_end_over_model=seconds/whole)


def reading():
    with tempfile.TemporaryDirectory() as folder:
        path = write_survey(Path(folder), seed=0); volume = open_volume(path)
        ours = median_time(lambda: [volume.section('inline', int(n)) for n in volume.inlines])
        raw = median_time(path.read_bytes)
        volume.close()
    return ours/raw


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--architectures', nargs='+', default=['refcon-tiny:96', 'vit-tiny:224'], metavar='NAME:SIZE')
    a = p.parse_args()
    out = {'threads': torch.get_num_threads(), 'peak_gflops': peak()/1e9, 'synthetic_windows_per_second_of_one_core': synthetic_rate(), 'section_reading_over_raw_reading': reading()}
    out |= {spec: embedding(spec.split(':')[0], int(spec.split(':')[1])) for spec in a.architectures}
    print(json.dumps(out, indent=1))
