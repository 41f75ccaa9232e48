"""nbdev_test that also looks at what cells show: text, tables and pictures are those stored.

PYTHONPATH=tests python -m notebooks [arguments of nbdev_test]

A cell whose output can't be the same twice (times, paths, what depends on the machine) says so
with the directive `#| varies`. REFCON_WRITE_OUTPUTS=1 stores what differs.
"""

import base64
import importlib
import io
import json
import multiprocessing
import os
import re
import sys

import nbdev.test
import numpy as np
from execnb.shell import CaptureShell
from fastcore.xtras import obj2dict
from forked_kernel import fork_kernels
from PIL import Image

# What most notebooks import, once for all: importing takes longer than most notebooks.
# Nothing of the package: a notebook is to work with what it imports of it, and with no other.
IMPORTED = (
    'accelerate',
    'anywidget',
    'faiss',
    'fastcore.test',
    'IPython.core.magics',
    'ipykernel.kernelapp',
    'kornia.augmentation',
    'matplotlib.patheffects',
    'matplotlib.pyplot',
    'pandas',
    'papermill',
    'pyarrow.parquet',
    'pytorch_metric_learning.losses',
    'pywt',
    'scipy.ndimage',
    'scipy.optimize',
    'scipy.signal',
    'scipy.stats',
    'skimage.feature',
    'skimage.filters',
    'skimage.transform',
    'sklearn.linear_model',
    'sklearn.model_selection',
    'torch',
    'transformers.models.resnet.modeling_resnet',
    'transformers.models.vit.modeling_vit',
    'transformers.trainer',
)
for _name in IMPORTED:
    importlib.import_module(_name)

NUMBER = re.compile(r'(?<![\w.])[-+]?(?:\d[\d,]*)?(?:\.\d+|\d)(?:[eE][-+]?\d+)?(?![\w])')
CLOSE = 0.02  # of a number with a fraction: other processors round otherwise
SIDE = 64  # pixels a picture is compared in
WRITE = os.environ.get('REFCON_WRITE_OUTPUTS') == '1'
LOOK = 6.0  # grey levels that such a pixel may differ by, on average over the worst hundredth


class OutputDiffers(AssertionError):
    "A cell shows something else than is stored with it."


def _number(text):
    return float(text.replace(',', ''))


def _is_whole(text):
    return re.fullmatch(r'[-+]?[\d,]+', text) is not None


def _last_place(text):
    "What a one in a number's last place is worth."
    mantissa, _, exponent = text.lower().partition('e')
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition('.')[2]))


def same_text(stored: str, shown: str) -> str:
    "What differs, '' where nothing does: whole numbers are exact, others close."
    words = [NUMBER.sub('#', ' '.join(t.split())) for t in (stored, shown)]
    if re.sub(r'[-+\s]', '', words[0]) != re.sub(r'[-+\s]', '', words[1]):
        return 'other words'
    for a, b in zip(NUMBER.findall(stored), NUMBER.findall(shown)):
        x, y = _number(a), _number(b)
        off = 0.0 if _is_whole(a) and _is_whole(b) else CLOSE * abs(x) + 1.01 * _last_place(a)
        if not abs(x - y) <= off:
            return f'{b} where {a} is stored'
    return ''


def _grey(png):
    image = Image.open(io.BytesIO(base64.b64decode(''.join(png)))).convert('RGBA')
    paper = Image.new('RGBA', image.size, 'white')
    grey = Image.alpha_composite(paper, image).convert('L')
    return grey.width / grey.height, np.asarray(
        grey.resize((SIDE, SIDE), Image.Resampling.BOX), float
    )


def same_picture(stored, shown) -> str:
    "What differs between two pictures, by their shape and at `SIDE` pixels a side."
    (shape, a), (other_shape, b) = _grey(stored), _grey(shown)
    if abs(shape / other_shape - 1) > 0.03:
        return f'a picture of {other_shape:.2f} to 1 where {shape:.2f} to 1 is stored'
    worst = np.sort(np.abs(a - b).ravel())[-SIDE * SIDE // 100 :].mean()
    return f'another picture: {worst:.0f} grey levels apart' if worst > LOOK else ''


def _shown(outputs, quiet):
    "[(kind, value)] of what a cell shows on paper; warnings and widgets are not looked at."
    found, said = [], ''
    for output in outputs:
        if output['output_type'] == 'stream':
            said += ''.join(output['text']) if output['name'] == 'stdout' else ''
            continue
        data = output.get('data', {})
        if 'image/png' in data:
            found.append(('picture', data['image/png']))
        elif 'text/plain' in data:
            found.append(('text', ''.join(data['text/plain'])))
    return ([('said', said)] if said.strip() and not quiet else []) + found


def compare(stored, shown, quiet=False) -> str:
    "What differs between the outputs of a cell, '' where nothing does."
    a, b = _shown(stored, quiet), _shown(shown, quiet)
    if [kind for kind, _ in a] != [kind for kind, _ in b]:
        kinds = [', '.join(kind for kind, _ in side) or 'nothing' for side in (b, a)]
        return f'{kinds[0]} where {kinds[1]} is stored'
    for (kind, one), (_, other) in zip(a, b):
        text_with_address = kind == 'text' and re.search(r' at 0x|^<', one)
        if text_with_address:
            continue
        difference = (same_picture if kind == 'picture' else same_text)(one, other)
        if difference:
            return difference if kind == 'picture' else f'{difference}:\n{other}\nstored:\n{one}'
    return ''


class Comparing(CaptureShell):
    "Runs a cell and compares what it shows with what is stored."

    def __init__(self, path=None, mpl_format='png', **kwargs):
        super().__init__(path, mpl_format, **kwargs)

    def cell(self, cell, stdout=True, stderr=True, verbose=False):
        stored = [dict(o) for o in cell.get('outputs', [])]
        if cell.cell_type == 'code':
            cell.outputs = []
        super().cell(cell, stdout, stderr, verbose)
        directives = getattr(cell, 'directives_', {}) or {}
        if cell.cell_type != 'code' or self.exc or {'varies', 'hide'} & directives.keys():
            return
        quiet = cell.source.rstrip().endswith(';')
        difference = compare(stored, cell.outputs, quiet)
        if not difference:
            return
        if WRITE:
            found[cell['id']] = cell.outputs
            print(f'cell {cell["id"]} shows {difference}', file=sys.__stdout__, flush=True)
        else:
            self.exc = OutputDiffers(f'cell {cell["id"]} shows {difference}')


found = {}  # cell -> outputs that differ from those stored, of one notebook
_test_nb = nbdev.test.test_nb


def _run(path, args, kwargs):
    found.clear()
    fork_kernels()
    nbdev.test.CaptureShell = Comparing
    answer = _test_nb(path, *args, **kwargs)
    if found:
        notebook = json.loads(path.read_text(encoding='utf-8'))
        for cell in notebook['cells']:
            if cell['id'] in found:
                cell['outputs'] = obj2dict(found[cell['id']])
        text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
        path.write_text(text + '\n', encoding='utf-8')
    return answer


def _run_and_tell(answer, path, args, kwargs):
    answer.send(_run(path, args, kwargs))


def test_nb(path, *args, **kwargs):
    """nbdev's, with outputs compared, or written where they differ.

    Each in a process of its own, in which no other notebook has changed anything."""
    fork = multiprocessing.get_context('fork')
    mine, its = fork.Pipe(duplex=False)
    process = fork.Process(target=_run_and_tell, args=(its, path, args, kwargs))
    process.start()
    its.close()
    try:
        return mine.recv()
    except EOFError:
        return False, 0.0  # it died
    finally:
        process.join()


if __name__ == '__main__':
    import notebooks  # a shell takes the place of __main__, and workers look functions up by module

    nbdev.test.test_nb = notebooks.test_nb
    nbdev.test.nbdev_test()
