"""How long a question takes on an index of about 100,000 windows: python benchmarks/search.py
[--survey FOLDER]

Hits for a box (reading, embedding, scoring, ranking), a map of one section, a map of the whole
cube, each warm, as the median of several; the machine's fp32 matrix-product peak in the same run,
and the memory that the process holds. Embeddings are random (their values do not matter for time),
places are those of windows of 48 x 48 half a window apart on every inline and crossline of 300 x
300 x 400 samples."""

import argparse
import json
import resource
import tempfile
from pathlib import Path

import numpy as np
from bench import peak, seconds

from reflection_connection.encoder import Encoder
from reflection_connection.search import MAPS, Index, Question, Searcher
from reflection_connection.synthetic import write_survey
from reflection_connection.volume import open_volume
from reflection_connection.windows import volume_windows


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--survey', help='folder of a survey that is there already')
    a = p.parse_args()
    folder = Path(a.survey or tempfile.mkdtemp())
    if not (folder / 'survey.sgy').is_file():
        write_survey(folder, 0, 300, 300, 400)
    volume, encoder = open_volume(folder / 'survey.sgy'), Encoder.load('refcon-tiny')
    items = volume_windows(volume, (48, 48), (24, 24))
    rng = np.random.default_rng(0)
    z = rng.normal(size=(len(items), encoder.dim)).astype('f4')
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    index = Index.for_encoder(encoder)
    index.add(z, items)
    searcher = Searcher(index, encoder)
    number = int(volume.inlines[150])
    box = (100, 100, 148, 148)
    question = Question(searcher, searcher.box('inline', number, box))
    values = searcher.score(question, MAPS)[0]
    searcher.cube_map(values, kind='inline')
    found = {
        'windows': len(items),
        'hits for a box (s)': seconds(
            lambda: searcher.hits(
                Question(searcher, searcher.box('inline', number, box)), 20, 8, 16
            )
        ),
        'map of a section (s)': seconds(lambda: searcher.section_map(values, 'inline', number)),
        'map of a section on the other lines (s)': seconds(
            lambda: searcher.section_map(values, 'crossline', int(volume.crosslines[100]))
        ),
        'score of all windows (s)': seconds(lambda: searcher.score(question, MAPS)),
        'map of the cube, scores too (s)': seconds(
            lambda: searcher.cube_map(searcher.score(question, MAPS)[0], kind='inline'), 5
        ),
    }
    product = 2 * len(items) * encoder.dim / peak()
    found |= {
        'matrix-product peak (GFLOP/s)': peak() / 1e9,
        'hits for a box, in products of all embeddings with one at that peak': found[
            'hits for a box (s)'
        ]
        / product,
        'memory held (MB)': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        'of which embeddings (MB)': z.nbytes / 1e6,
        'cube (MB)': volume.n_traces * volume.n_samples * 4 / 1e6,
    }
    print(json.dumps({k: round(v, 4) for k, v in found.items()}, indent=1))


if __name__ == '__main__':
    main()
