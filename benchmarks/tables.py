"""Write the tables of README and of the documentation from the results that they state.

    python benchmarks/tables.py            say which pages differ from their results
    python benchmarks/tables.py --write    write them anew

A table stands between `<!-- table: NAME -->` and `<!-- end -->` in a page or a notebook's Markdown.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
PAGES = ('nbs/index.ipynb', 'docs/results.md', 'docs/speed.md', 'docs/alike.md')
PLACE = re.compile(r'(<!-- table: ([\w-]+) -->\n).*?(\n<!-- end -->)', re.DOTALL)


def result(name: str) -> dict:
    "One file of results."
    return json.loads((RESULTS / f'{name}.json').read_text())


def with_interval(figures: dict, name: str) -> str:
    "A figure and its 95 % interval."
    low, high = figures[f'{name}_ci']
    return f'{figures[name]:.2f} [{low:.2f}, {high:.2f}]'


def markdown(head: list, rows: list) -> str:
    "A table in Markdown."
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(map(str, line))} |' for line in lines) + '\n'


def expectations() -> str:
    "What README promises: the same place and the same class, beside HOG (large cells for places)."
    found, unseen = result('seven_surveys'), result('second_party')
    encoder, hog = (found[name]['look_alike'] for name in ('encoder', 'hog_tuned'))
    asked = {
        'moved': 'the same place comes first',
        're_recorded': 'the same place, re-recorded, comes first',
    }
    rows = [
        [text, with_interval(encoder[way], 'recall_1'), with_interval(hog[way], 'recall_1')]
        for way, text in asked.items()
    ]
    before, hog = unseen['refcon-tiny before look'], unseen['hog']
    rows.append(['same class, mAP', with_interval(before, 'macro_map'), f"{hog['macro_map']:.2f}"])
    return markdown(['95 % intervals over surveys', '`refcon-tiny`', 'HOG'], rows)


def same_place() -> str:
    "Recall of the same place by each way of asking, beside HOG with small and large cells."
    found = result('seven_surveys')
    encoder = found['encoder']['look_alike']
    ways = {
        '`refcon-tiny`': encoder,
        'by kind alone': encoder['parts']['kind'],
        'by look alone': encoder['parts']['look'],
        'HOG': found['hog']['look_alike'],
        'HOG, large cells': found['hog_tuned']['look_alike'],
    }
    rows = [
        [
            name,
            with_interval(judged['moved'], 'recall_1'),
            with_interval(judged['re_recorded'], 'recall_1'),
            with_interval(judged['re_recorded'], 'recall_10'),
            f"{judged['effective_dimensions']:.0f}",
        ]
        for name, judged in ways.items()
    ]
    head = ['asked by', 'moved: first', 're-recorded: first', 're-recorded: in ten', 'dimensions']
    return markdown(head, rows)


def by_class() -> str:
    "Macro mAP of encoder and descriptors, each survey left out in turn."
    found = result('seven_surveys')
    names = {'encoder': '`refcon-tiny`', 'pca': 'principal components'}
    methods = ('encoder', 'hog', 'wavelet', 'glcm', 'gabor', 'lbp', 'pca')
    rows = [
        [
            names.get(name, name.upper() if len(name) < 5 else name),
            with_interval(found[name], 'macro_map'),
            with_interval(found[name], 'p_at_1'),
        ]
        for name in methods
    ]
    chance = found['encoder']['chance']
    rows.append(['chance', f"{chance['macro_map']:.2f}", ''])
    return markdown(['method', 'macro mAP', 'P@1'], rows)


def by_survey() -> str:
    "Mean average precision, and recall of the same place re-recorded, survey by survey."
    found = result('seven_surveys')
    encoder, hog = (
        found[name]['look_alike']['re_recorded']['per_survey'] for name in ('encoder', 'hog_tuned')
    )
    taught = set(found['encoder']['taught_by'])
    surveys = sorted(found['encoder']['per_survey'], key=lambda name: (name in taught, name))
    rows = [
        [
            name,
            found['encoder']['per_survey'][name]['n'],
            'yes' if name in taught else 'no',
            f"{found['encoder']['per_survey'][name]['map']:.2f}",
            f"{found['hog']['per_survey'][name]['map']:.2f}",
            encoder[name]['queries'],
            f"{encoder[name]['recall_1']:.2f}",
            f"{hog[name]['recall_1']:.2f}",
        ]
        for name in surveys
    ]
    head = ['survey', 'windows', 'taught the encoder', 'by class: `refcon-tiny`', 'HOG']
    head += ['places', 're-recorded, first: `refcon-tiny`', 'HOG, large cells']
    return markdown(head, rows)


def demo() -> str:
    "What a training of minutes learns."
    found = result('demo')
    names = {
        'refcon-tiny': '`refcon-tiny`, for comparison',
        'encoder': 'the encoder of the demo, 800 steps from random weights',
        'untrained': 'the same network, untrained',
        'pca': 'principal components of pixels',
    }
    rows = [
        [text, with_interval(found[name], 'macro_map'), with_interval(found[name], 'p_at_1')]
        for name, text in names.items()
    ]
    rows.append(['chance', f"{found['encoder']['chance']['macro_map']:.2f}", ''])
    return markdown(['held-out synthetic windows', 'macro mAP', 'P@1'], rows)


def bench_rows(*parts) -> list:
    "Rows of `make bench`: what, how fast, against what, and the ratio."
    measured = json.loads((ROOT / 'benchmarks' / 'results.json').read_text())
    rows = [row for part in parts for row in measured[part]]
    return [
        [row['what'], row['value'], row['against'], f"{row['ratio']:.2g}", row['target'] or '']
        for row in rows
    ]


def speed() -> str:
    "Embedding, reading, training and making windows, each as a ratio within one run."
    head = ['what', 'measured', 'against', 'ratio', 'target']
    return markdown(head, bench_rows('embedding', 'training', 'tiling', 'synthetic', 'reading'))


def index_kinds() -> str:
    "A million windows in each kind of index, and how many of the ten nearest 100,000 give."
    measured = json.loads((ROOT / 'benchmarks' / 'results.json').read_text())['search']
    of_size = {n: {row['kind']: row for row in measured if row['n'] == n} for n in (10**5, 10**6)}
    rows = [
        [
            f'`{kind}`',
            f"{1000 * row['one']:.1f}",
            f"{row['megabytes']:.0f}",
            f"{row['build']:.0f}",
            f"{of_size[10**5][kind]['recall']:.3f}" if kind in of_size[10**5] else 'not measured',
        ]
        for kind, row in of_size[10**6].items()
    ]
    head = ['a million windows', 'ms a query', 'MB', 's to build', 'recall@10 of 100,000']
    return markdown(head, rows)


def memory() -> str:
    "Peak memory of `refcon index` against the size of the file and the number of windows."
    measured = json.loads((ROOT / 'benchmarks' / 'results.json').read_text())['memory']
    rows = [
        [f"{row['gigabytes']:.1f}", f"{row['windows']:,}", f"{row['peak_mb']:.0f}"]
        for row in measured
    ]
    return markdown(['SEG-Y, GB', 'windows', 'peak memory, MB'], rows)


def alike() -> str:
    "Which distance finds a survey's other part, by the benchmark of analogues."
    found = result('analogues')
    ways = ('other_lines', 'other_lines_recorded_anew', 'other_half', 'same_settings')
    rows = [
        [name, *(with_interval(found[way][name], 'first') for way in ways)]
        + [f"{found['real_lines'][name]['first']:.2f}"]
        for name in found['other_lines']
    ]
    head = ['first is right', 'other lines', 'recorded anew', 'other half', 'same settings']
    return markdown([*head, 'real lines'], rows)


LACKS = {
    'ours, flat': 'exact; weights of kind and look, filters, probabilities, places',
    'ours, ivf': 'the same, not exact',
    'scikit-learn': 'exact; no filters, places or probabilities; reads all for each question',
    'LanceDB': 'filters and files on disk; no places, probabilities or similarity sections',
    'Qdrant in the process': 'filters; a stand-in for its server; no places or probabilities',
    'FiftyOne': 'a page for pictures and labels; wants MongoDB; searches by scikit-learn',
}


def peers() -> str:
    "The same vectors in what a user would pick instead."
    rows = []
    for one in result('peers')['vectors']:
        name = f"{one['name']}"
        if 'skipped' in one:
            rows.append([name, 'not measured: ' + one['skipped'], '', '', '', LACKS[name]])
            continue
        product = one['product_ms']
        filtered = one.get('filtered_ms')
        rows.append(
            [
                name,
                f"{one['milliseconds'] / product:.2g}",
                f"{filtered / product:.2g}" if filtered else 'none',
                f"{one['build'] * 1000 / product:,.0f}",
                f"{min(one['recall'].values()):.2f}",
                LACKS[name],
            ]
        )
    head = ['processor time in products', 'a question', 'with a filter', 'build']
    return markdown([*head, 'recall@10, worst weight', 'has, and lacks'], rows)


def peers_cube() -> str:
    "Windows of the same file by what a user would read it with."
    rows = [
        [one['name'], f"{one['windows']}", f"{one['against_segyio']:.1f}"]
        for one in result('peers')['cube']
    ]
    return markdown(['windows of inlines', 'windows', 'time of one, in those of segyio'], rows)


def similarity() -> str:
    "Scores, sections and cubes of a million windows."
    rows = [
        [
            one['short'],
            f"{one['seconds']:.3f}",
            f"{one['seconds'] / one['product']:.2f}",
            one['seconds_wanted'] or '',
            one['met'],
        ]
        for one in result('search')['maps']
    ]
    head = ['with 1,096,300 windows', 'processor seconds', 'products with all', 'wanted', '']
    return markdown(head, rows)


def two_parts() -> str:
    "Kinds of index for embeddings of two parts."
    rows = [
        [
            f"`{one['kind']}`",
            f"{one['n']:,}",
            f"{one['build']:.0f}",
            f"{one['megabytes']:,.0f}",
            *(f"{v / one['product']:.2g}" for v in one['milliseconds'].values()),
            f"{min(one['recall'].values()):.3f}",
        ]
        for one in sorted(result('search')['kinds'], key=lambda one: (one['n'], one['kind']))
    ]
    head = ['kind', 'windows', 'processor s to build', 'MB', 'own weight', 'kind', 'look']
    return markdown([*head, 'recall@10, worst weight'], rows)


def milvus() -> str:
    "Milvus Lite beside an index in memory."
    found = result('search')['milvus']
    rows = [
        [
            one['weight'],
            'yes' if one['filtered'] else 'no',
            f"{one['milliseconds'] / one['ours']:.0f}",
            f"{one['recall']:.2f}",
        ]
        for one in found
    ]
    head = [f"{found[0]['n']:,} windows, weight", 'filter', 'times as long as an index in memory']
    return markdown([*head, 'of the same ten'], rows)


TABLES = {
    'milvus': milvus,
    'peers': peers,
    'peers-cube': peers_cube,
    'similarity': similarity,
    'two-parts': two_parts,
    'alike': alike,
    'expectations': expectations,
    'same-place': same_place,
    'by-class': by_class,
    'by-survey': by_survey,
    'demo': demo,
    'speed': speed,
    'index-kinds': index_kinds,
    'memory': memory,
}


def filled(text: str) -> str:
    "A page with every table made anew."
    return PLACE.sub(lambda found: found[1] + '\n' + TABLES[found[2]]() + found[3], text)


def fill(path: Path, write: bool) -> bool:  # whether the page was as its results say
    "Compare a page with its results, and write it where asked to."
    if path.suffix != '.ipynb':
        old = path.read_text()
        new = filled(old)
        if write and new != old:
            path.write_text(new)
        return new == old
    notebook = nbformat.read(path, 4)
    old = [cell.source for cell in notebook.cells]
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            cell.source = filled(cell.source)
    same = old == [cell.source for cell in notebook.cells]
    if write and not same:
        nbformat.write(notebook, path)
    return same


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument('--write', action='store_true', help='write tables that differ')
    write = arguments.parse_args().write
    different = [page for page in PAGES if not fill(ROOT / page, write)]
    for page in different:
        print(page, 'written' if write else 'differs from its results')
    sys.exit(bool(different) and not write)


if __name__ == '__main__':
    main()
