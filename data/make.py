"""Make the SEG-Y files, the table of labelled windows and the checksums of this folder.

    python data/make.py SOURCES        write everything; SOURCES holds the original sections
    python data/make.py --summary      count the labels and say how well both readings agree

SOURCES holds the originals under the paths that `SECTIONS` names, and windows_dev.csv, the
earlier labels. readings.csv, in this folder, was made by hand and is only read.
"""

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import segyio

HERE = Path(__file__).resolve().parent
LARGEST = 32767  # of 16-bit integers, either sign
TEXT, BINARY, TRACE = 3200, 400, 240  # bytes of headers
F3 = (
    'CC BY-SA 3.0, creativecommons.org/licenses/by-sa/3.0',
    'TNO and dGB Earth Sciences, Open Seismic Repository',
)
PENOBSCOT = (
    'CC BY-SA (version not stated with the source)',
    'Nova Scotia Department of Energy and dGB Earth Sciences, OSR',
)
TEAPOT = ('public domain', 'RMOTC, US Department of Energy')
F3_BLOCK = 'F3 block, offshore Netherlands'


@dataclass(frozen=True)
class Section:
    "A file of this folder: where it comes from and what its textual header says."

    name: str  # of the SEG-Y file, without its ending
    source: str  # path in SOURCES
    survey: str
    what: str
    rights: tuple  # licence, attribution
    notes: tuple = ()  # more lines of the textual header
    line: tuple = ('line', 0)  # kind and number that labelled windows name


ASSUMED = (
    'The source states no sample interval and no time of the first sample:',
    'the 4 ms and 0 ms of these headers are assumed',
)
FOUR_MS = ('Two-way time', 'Sample interval: 4 ms')
NO_START = ('The source states no time of the first sample: 0 ms is assumed',)
FROM_ARRAY = ('The source is an array without headers: traces are numbered as CDPs',)

SECTIONS = (
    Section(
        'f3_il110_111',
        'open/f3_il110_111.sgy',
        'f3',
        f'{F3_BLOCK}: inlines 110 and 111, crosslines 300 to 1250',
        F3,
        FOUR_MS,
        ('inline', 110),
    ),
    Section(
        'f3_il244',
        'open/f3_il244.npy',
        'f3',
        f'{F3_BLOCK}: inline 244, whole',
        F3,
        FOUR_MS + NO_START + FROM_ARRAY,
    ),
    Section(
        'f3_unnumbered',
        'open/f3_unnumbered.npy',
        'f3',
        f'{F3_BLOCK}: a whole inline of unknown number',
        F3,
        FOUR_MS + NO_START + FROM_ARRAY,
    ),
    Section(
        'f3d178',
        'sections/f3d178.npy',
        'f3',
        f'{F3_BLOCK}: part of a line (salt domes, clinoforms)',
        F3,
        ASSUMED + FROM_ARRAY,
    ),
    Section(
        'f3d75s',
        'sections/f3d75s.npy',
        'f3',
        f'{F3_BLOCK}: part of a line (chaotic band, anticline)',
        F3,
        ASSUMED + FROM_ARRAY,
    ),
    Section(
        'penobscot_xl1155',
        'segy/penobscot_xl1155.sgy',
        'penobscot',
        'Penobscot 3-D, offshore Nova Scotia: crossline 1155',
        PENOBSCOT,
        FOUR_MS,
        ('crossline', 1155),
    ),
    Section(
        'teapot_lineE',
        'open/teapot_lineE.sgy',
        'teapot',
        'Teapot Dome, Wyoming: 2-D line E',
        TEAPOT,
        FOUR_MS,
    ),
    Section(
        'tp73',
        'sections/tp73.npy',
        'teapot',
        'Teapot Dome, Wyoming: part of a section',
        TEAPOT,
        ASSUMED + FROM_ARRAY,
    ),
)
EARLIER = {  # section of windows_dev.csv -> file of this folder; those not named are left out
    'f3d75s': 'f3d75s',
    'f3d178': 'f3d178',
    'penobscot': 'penobscot_xl1155',
    'tp73': 'tp73',
}
PLACE = ['source', 'line_kind', 'line', 'top', 'left', 'height', 'width']
READINGS = ['first_reading', 'second_reading', 'sure_1', 'sure_2']


def source_traces(
    path,  # SEG-Y or .npy
) -> np.ndarray:  # (n_traces, n_samples) float32
    "The amplitudes of a source, one row a trace."
    if path.suffix == '.npy':
        return np.load(path).T
    with segyio.open(path, ignore_geometry=True) as f:
        return f.trace.raw[:]


def scale_factor(
    traces: np.ndarray,  # (n_traces, n_samples) float
) -> float:  # stored amplitude = source amplitude x factor
    "1 where nothing is lost, else what brings the largest |amplitude| just below 32767."
    largest = float(np.abs(traces).max())
    if not 0 < largest < np.inf:
        raise ValueError(f'the largest |amplitude| is {largest}: expected finite and not all 0')
    if largest <= LARGEST and np.array_equal(traces, np.round(traces)):
        return 1.0
    factor = float(f'{LARGEST / largest:.5e}')  # six digits, so that the textual header is exact
    return factor if factor * largest <= LARGEST else float(f'{factor * (1 - 1e-5):.5e}')


def source_text(
    head: bytes,  # the textual header of a source, EBCDIC or ASCII
) -> list:  # its lines that say something, without their numbers
    "What a source's own textual header says; the empty form of an unfilled header is left out."
    text = head.decode('latin-1' if head[:1] == b'C' else 'cp037')
    lines = [text[i + 3 : i + 80].strip() for i in range(0, TEXT, 80)]
    if lines[0].startswith('CLIENT  '):
        return []
    return [line for line in lines if line and not line.startswith(('SEG Y REV', 'END '))]


def text_header(
    section: Section,
    factor: float,
    quoted: list,  # lines of the source's textual header
) -> bytes:  # 3200 bytes, EBCDIC
    "Forty lines: what it is, licence, attribution, how it was made, the source's own words."
    licence, attribution = section.rights
    kept = 'unchanged' if factor == 1 else 'rounded'
    lines = [
        section.what,
        f'Licence: {licence}',
        f'Attribution: {attribution}',
        f'Made by data/make.py of reflection_connection from {Path(section.source).name}',
        f'Amplitudes: 16-bit integers = source x {factor:.9g} ({kept}, none clipped)',
        *section.notes,
    ]
    if quoted:
        lines += ['', 'Textual header of the source:', *quoted]
    if len(lines) > 39 or max(map(len, lines)) > 76:
        raise ValueError(f'{section.name}: {len(lines)} lines, longest {max(map(len, lines))}')
    lines += [''] * (39 - len(lines)) + ['END TEXTUAL HEADER']
    cards = [f'C{k:2d} {line}'.ljust(80) for k, line in enumerate(lines, 1)]
    return ''.join(cards).encode('cp037')


def own_headers(
    n_traces: int,
    n_samples: int,
) -> tuple:  # binary header (400,) and trace headers (n_traces, 240), uint8
    "Headers of a section that has none: CDP numbers from 1 and 4 ms."

    def put(heads, byte, values, kind):  # byte: counted from 1
        values = np.broadcast_to(np.asarray(values, kind), len(heads))
        words = np.ascontiguousarray(values).view(np.uint8).reshape(len(heads), -1)
        heads[:, byte - 1 : byte - 1 + words.shape[1]] = words

    binary = np.zeros((1, BINARY), np.uint8)
    fields = {17: 4000, 21: n_samples, 25: 3, 29: 4, 55: 1, 301: 0x0100, 303: 1}
    for byte, value in fields.items():
        put(binary, byte, value, '>i2')
    numbers = np.arange(1, n_traces + 1)
    heads = np.zeros((n_traces, TRACE), np.uint8)
    for byte in (1, 5, 21):  # trace in line, trace in file, CDP
        put(heads, byte, numbers, '>i4')
    for byte, value in {29: 1, 115: n_samples, 117: 4000}.items():
        put(heads, byte, value, '>i2')
    return binary[0], heads


def kept_headers(
    raw: bytes,  # a SEG-Y file of 4-byte samples
    n_traces: int,
    n_samples: int,
) -> tuple:  # binary header (400,) and trace headers (n_traces, 240), uint8
    "The headers of a SEG-Y file, byte by byte, but for the sample format."
    if len(raw) != TEXT + BINARY + n_traces * (TRACE + 4 * n_samples):
        raise ValueError(f'{len(raw)} bytes are not {n_traces} traces of {n_samples} samples')
    binary = np.frombuffer(raw, np.uint8, BINARY, TEXT).copy()
    binary[24:26] = 0, 3
    traces = np.frombuffer(raw, np.uint8, offset=TEXT + BINARY).reshape(n_traces, -1)
    return binary, traces[:, :TRACE]


def write_section(
    section: Section,
    sources: Path,
    out: Path,
):
    "Write one section as SEG-Y of 16-bit integers (format 3, big endian)."
    path = sources / section.source
    traces = source_traces(path)
    factor = scale_factor(traces)
    stored = np.round(traces.astype(float) * factor).astype('>i2')
    quoted, headers = [], own_headers(*traces.shape)
    if path.suffix == '.sgy':
        raw = path.read_bytes()
        quoted, headers = source_text(raw[:TEXT]), kept_headers(raw, *traces.shape)
    binary, heads = headers
    samples = np.ascontiguousarray(stored).view(np.uint8)
    body = np.concatenate([heads, samples], axis=1).tobytes()
    file = out / f'{section.name}.sgy'
    file.write_bytes(text_header(section, factor, quoted) + binary.tobytes() + body)
    print(f'{file.name}: {stored.shape[1]} samples x {stored.shape[0]} traces, x {factor:.9g}')


def earlier_windows(
    table: pd.DataFrame,  # windows_dev.csv: half-open row0, row1, col0, col1
) -> pd.DataFrame:  # columns id, `PLACE`, label, reading
    "The earlier labels on the sections of this folder."
    table = table[table.section.isin(EARLIER)]
    by_name = {s.name: s for s in SECTIONS}
    placed = [by_name[EARLIER[name]] for name in table.section]
    return pd.DataFrame(
        {
            'id': table.id.to_numpy(),
            'source': [f'{s.name}.sgy' for s in placed],
            'line_kind': [s.line[0] for s in placed],
            'line': [s.line[1] for s in placed],
            'top': table.row0.to_numpy(),
            'left': table.col0.to_numpy(),
            'height': (table.row1 - table.row0).to_numpy(),
            'width': (table.col1 - table.col0).to_numpy(),
            'label': table.label.to_numpy(),
            'reading': 'earlier',
        }
    )


def agreed(
    readings: pd.DataFrame,  # readings.csv
) -> pd.Series:  # bool
    "Windows to which both readings gave the same class."
    return (readings.first_reading == readings.second_reading) & (readings.first_reading != 'none')


def all_windows(
    readings: pd.DataFrame,  # readings.csv
    earlier: pd.DataFrame,  # windows_dev.csv
) -> pd.DataFrame:  # the rows of windows.csv
    "The earlier labels, then the windows on which both readings agree."
    new = readings[agreed(readings)]
    new = new.assign(label=new.first_reading, reading='both')
    surveys = {f'{s.name}.sgy': s.survey for s in SECTIONS}
    table = pd.concat([earlier_windows(earlier), new], ignore_index=True)
    table['survey'] = table.source.map(surveys)
    table[['sure_1', 'sure_2']] = table[['sure_1', 'sure_2']].astype('Int64')
    return table[['id', 'survey', *PLACE, 'label', *READINGS, 'reading']]


def kappa(
    first: pd.Series,
    second: pd.Series,
) -> float:  # 1: full agreement; 0: as by chance
    "Cohen's kappa of two readings (Cohen 1960, A coefficient of agreement for nominal scales)."
    share = (first == second).mean()
    classes = sorted({*first, *second})
    by_chance = sum((first == c).mean() * (second == c).mean() for c in classes)
    return (share - by_chance) / (1 - by_chance)


def summary(
    folder: Path = HERE,
) -> str:  # lines of text
    "Counts of the labels by class and survey, and the agreement of both readings."
    windows = pd.read_csv(folder / 'windows.csv')
    readings = pd.read_csv(folder / 'readings.csv')
    counts = pd.crosstab(windows.label, windows.survey, margins=True, margins_name='all')
    lines = [counts.rename_axis(index=None, columns=None).to_string()]
    two_classes = readings[(readings.first_reading != 'none') & (readings.second_reading != 'none')]
    for words, table in (
        ('both gave a class', two_classes),
        ('all, none counted as a class', readings),
    ):
        same = table.first_reading == table.second_reading
        k = kappa(table.first_reading, table.second_reading)
        lines.append(
            f'{words}: {same.sum()} of {len(table)} agree ({same.mean():.2f}), kappa {k:.2f}'
        )
    lines.append(f'kept: {agreed(readings).sum()} of {len(readings)}')
    return '\n'.join(lines)


def write_checksums(
    folder: Path,
):
    "SHA256SUMS as `sha256sum --check` reads it."
    files = sorted([*folder.glob('*.sgy'), *folder.glob('*.csv')])
    lines = [f'{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n' for p in files]
    (folder / 'SHA256SUMS').write_text(''.join(lines))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('sources', nargs='?', type=Path, help='folder with the originals')
    parser.add_argument('--out', type=Path, default=HERE, help='where to write (default: here)')
    parser.add_argument('--summary', action='store_true', help='count labels, compare readings')
    a = parser.parse_args()
    if a.sources is None and not a.summary:
        parser.error('give the folder with the originals, or --summary')
    if a.sources:
        a.out.mkdir(parents=True, exist_ok=True)
        readings = (HERE / 'readings.csv').read_bytes()
        (a.out / 'readings.csv').write_bytes(readings)
        for section in SECTIONS:
            write_section(section, a.sources, a.out)
        windows = all_windows(
            pd.read_csv(a.out / 'readings.csv'), pd.read_csv(a.sources / 'windows_dev.csv')
        )
        windows.to_csv(a.out / 'windows.csv', index=False, lineterminator='\n')
        write_checksums(a.out)
    if a.summary:
        print(summary(a.out))


if __name__ == '__main__':
    main()
