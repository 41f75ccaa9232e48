"""Score the reference entries and write results.json and the tables of README.md.

    python benchmarks/real/make.py             about a minute and a half on one core
    python benchmarks/real/make.py --entries   makes our own entries anew before

Entries of others are files of entries/ too: they are scored and never made anew.
"""

import argparse
import contextlib
import copy
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from reflection_connection.cli import main
from reflection_connection.encoder import Encoder
from reflection_connection.evaluation import (
    benchmark_windows,
    class_table,
    encoder_entry,
    place_table,
    write_entry,
)
from reflection_connection.run import adapt_encoder
from reflection_connection.volume import Openings, example_path
from reflection_connection.windows import load_windows

HERE = Path(__file__).resolve().parent
BEFORE = 'e817b0b'  # the last commit whose bundled encoder had seen no real window
BUNDLED = 'reflection_connection/encoders/refcon-tiny'
SYNTHETIC = (
    '2.8 M parameters, trained on 72,000 synthetic windows; its recipe had three choices made '
    f'while looking at 151 real windows, 88 of which are here; bundled at commit {BEFORE}'
)
ADAPTED = (
    'refcon-synthetic with its head adapted to the labels of two surveys (run.adapt_encoder), '
    'answering for the third'
)
TAUGHT = (
    'the bundled encoder: trained on synthetic windows, on these labelled windows, '
    'and on the sections without labels'
)


def encoder_before(folder) -> Encoder:
    "The bundled encoder of `BEFORE`, from the history of this repository."
    for name in ('config.json', 'model.safetensors', 'refcon.json'):
        asked = ['git', 'show', f'{BEFORE}:{BUNDLED}/{name}']
        file = subprocess.run(asked, cwd=HERE, capture_output=True, check=True).stdout
        (Path(folder) / name).write_bytes(file)
    return Encoder.load(folder)


def adapted_entries(encoder, asked):
    "An entry for each survey, by the encoder adapted to the labels of the two others."
    table, folder = example_path('windows.csv'), example_path()
    reader = load_windows(table, folder, opening=Openings(quiet=True))
    survey = reader.frame.survey.to_numpy(str)
    for held_out in asked.surveys:
        adapted = copy.deepcopy(encoder)
        found = adapt_encoder(adapted, reader.subset(survey != held_out))
        print(held_out, 'held out:', found)
        entry = encoder_entry(adapted, asked, precision='fp32')
        assert entry.taught == tuple(s for s in asked.surveys if s != held_out)
        yield entry._replace(
            name='refcon-adapted',
            seen=entry.taught,
            held_out=held_out,
            chosen_on=tuple(asked.surveys),
            notes=ADAPTED,
        )


def make_entries(asked):
    "Write our own entries."
    with tempfile.TemporaryDirectory() as folder:
        before = encoder_before(folder)
    surveys = tuple(asked.surveys)
    bundled, synthetic = (
        encoder_entry(e, asked, precision='fp32') for e in (Encoder.load('refcon-tiny'), before)
    )
    entries = [
        bundled._replace(seen=surveys, chosen_on=surveys, notes=TAUGHT),
        synthetic._replace(
            name='refcon-synthetic', taught=(), seen=(), chosen_on=surveys, notes=SYNTHETIC
        ),
        *adapted_entries(before, asked),
    ]
    for entry in entries:
        file = '-'.join([entry.name] + ([entry.held_out] if entry.held_out else []))
        write_entry(HERE / 'entries' / f'{file}.npz', entry, asked)


def score() -> str:  # JSON
    "What `refcon benchmark --baselines benchmarks/real/entries/*.npz --json` prints."
    entries = sorted(map(str, (HERE / 'entries').glob('*.npz')))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(['benchmark', '--baselines', *entries, '--json'])
    if code:
        sys.exit(code)
    return printed.getvalue()


def markdown(table) -> str:
    "A table of the page."
    columns = ['method', *(name.strip() for name in table.columns)]
    names = [name.replace('|', r'\|') for name in table.index]
    rows = [[name, *row] for name, row in zip(names, table.to_numpy(str))]
    lines = [columns, ['---'] * len(columns), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def tables(found) -> dict:
    "Name of a table of the page -> its text."
    names = found['asked']['surveys']
    counts = found['asked']['labelled']
    labelled = [[label, *(str(of.get(s, 0)) for s in names)] for label, of in counts.items()]
    head = ['class', *(s.title() for s in names)]
    lines = [head, ['---', *['---:'] * len(names)], *labelled]
    return dict(
        labels='\n'.join('| ' + ' | '.join(line) + ' |' for line in lines),
        by_class=markdown(class_table(found)),
        moved=markdown(place_table(found, 'moved')),
        re_recorded=markdown(place_table(found, 're_recorded')),
    )


def with_tables(page, found) -> str:
    "The page with its tables written anew, each between two comments."
    for name, text in tables(found).items():
        start, end = f'<!-- {name} -->\n', f'<!-- end of {name} -->'
        before, _, rest = page.partition(start)
        page = f'{before}{start}{text}\n{end}{rest.partition(end)[2]}'
    return page


def write():
    "Everything that is asked for."
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--entries', action='store_true', help='make our own entries anew before')
    if parser.parse_args().entries:
        make_entries(benchmark_windows())
    results, page = HERE / 'results.json', HERE / 'README.md'
    results.write_text(score())
    page.write_text(with_tables(page.read_text(), json.loads(results.read_text())))


if __name__ == '__main__':
    write()
