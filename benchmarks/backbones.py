"""Backbones at equal compute: python benchmarks/backbones.py --seconds 180

Every architecture is trained from random weights for the same seconds on the same synthetic
windows, as the recipe of the bundled encoder trains (supervised contrastive loss, two heavily
augmented views, running mean of weights), and asked on surveys that it has not seen. The number of
steps is what its own speed, measured on this machine just before, allows. One run each: differences
of a few hundredths are noise."""

import argparse
import json
import tempfile
import time
from pathlib import Path

from reflection_connection.encoder import Encoder
from reflection_connection.run import validation_score
from reflection_connection.synthetic import synthetic_pool
from reflection_connection.training import SiameseConfig, finetune
from reflection_connection.windows import Recipe, load_windows

RATES = {'resnet-tiny': 2e-3, 'resnet-small': 2e-3, 'convnextv2-atto': 1e-3, 'vitc-pico': 5e-4}

if __name__ == '__main__':
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--seconds', type=float, default=180, help='of training for each architecture')
    p.add_argument('--architectures', nargs='+', default=list(RATES), metavar='NAME')
    p.add_argument('--size', type=int, default=64, help='input height and width in pixels')
    p.add_argument('--per-class', type=int, default=1000, help='synthetic windows of each class')
    p.add_argument('--pool', help='folder that keeps the windows for the next time')
    p.add_argument('--real', help='CSV table of labelled rectangles on real sections')
    p.add_argument('--sections', help='the folder with their sections')
    p.add_argument(
        '--exclude', nargs='+', default=[], metavar='CLASS', help='classes of --real left out'
    )
    a = p.parse_args()
    recipe, out = Recipe(size=(a.size, a.size)), {}
    with tempfile.TemporaryDirectory() as work:
        x, frame = synthetic_pool(a.pool or work, a.per_class, 0, recipe, 2)
        v, valid = synthetic_pool(a.pool or work, 60, 1, recipe, 2, chunk=10)
        real = load_windows(a.real, a.sections) if a.real else None
        if real:
            real = real.subset(
                (real.frame.label.notna() & ~real.frame.label.isin(a.exclude)).to_numpy(bool)
            )
        for name in a.architectures:

            def train(steps, folder):
                encoder = Encoder.create(name, recipe)
                finetune(
                    encoder,
                    x,
                    frame.label,
                    SiameseConfig(
                        steps=steps,
                        views=2,
                        loss='supcon',
                        lr=RATES.get(name, 1e-3),
                        average=0.995,
                        eval_every=steps,
                    ),
                    folder=Path(work) / folder,
                )
                return encoder

            train(5, f'{name}-warm')
            t = time.perf_counter()
            train(15, f'{name}-timed')
            rate = 15 / (time.perf_counter() - t)
            steps = max(20, round(a.seconds * rate))
            encoder = train(steps, name)
            encoder.module.mirror = True
            out[name] = dict(
                parameters=encoder.n_parameters,
                steps=steps,
                synthetic=validation_score(valid, 'survey')(
                    encoder.embed_batches((b.float() for b in v.split(64)), len(v))
                )['macro_map'],
            )
            if real:
                out[name]['real'] = validation_score(real.frame, 'survey')(
                    encoder.embed(*real.read())
                )['macro_map']
            print(name, {k: round(w, 3) for k, w in out[name].items()}, flush=True)
    print(json.dumps(out, indent=1))
