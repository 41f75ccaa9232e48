"What the site takes from the repository, and where it stands there."

import posixpath
import re
from functools import cache
from pathlib import Path

import nbformat
from mkdocs.exceptions import PluginError
from wings import WINGS

ROOT = Path(__file__).resolve().parents[2]
PICTURES = {'.png', '.jpg', '.jpeg', '.svg', '.gif'}
PAGES = {  # file or folder of the repository -> the page that shows it
    'README.md': 'index.md',
    'nbs/index.ipynb': 'index.md',
    'CONTRIBUTING.md': 'house/contributing.md',
    'CHANGELOG.md': 'house/changelog.md',
    'SECURITY.md': 'house/security.md',
    'LICENSE': 'house/licence.md',
    'tests/faults.md': 'house/faults.md',
    'tests/mutants.md': 'house/mutants.md',
    'data/README.md': 'data/sections.md',
    'data/LICENSE': 'data/licence.md',
    'benchmarks/real/README.md': 'benchmark.md',
    'nbs': 'notebooks/index.md',
    'reflection_connection': 'api/index.md',
    **{f'nbs/{wing}': f'notebooks/{wing}/index.md' for wing in WINGS},
    **{f'reflection_connection/{wing}': f'api/{wing}.md' for wing in WINGS},
}
FRONT = {'README.md', 'nbs/index.ipynb'}  # the front page stands for them


class LinkError(PluginError):
    "A link that leads nowhere: one line, no traceback."


@cache
def notebooks() -> list:  # of paths within the repository
    "Notebooks that become pages: those of `nbs`, and those of each wing."
    folders = [ROOT / 'nbs', *(ROOT / 'nbs' / wing for wing in WINGS)]
    found = [path for folder in folders for path in sorted(folder.glob('*.ipynb'))]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return [name for name in names if name not in FRONT]


@cache
def read_notebook(
    name: str,  # path within the repository
):
    "A notebook as nbformat reads it: a copy is wanted before it is changed."
    return nbformat.read(ROOT / name, 4)


@cache
def title_and_promise(
    name: str,  # path of a notebook within the repository
) -> tuple:  # (title, promise), both of one line
    "The first lines of a notebook: a title and what it promises."
    first = next(c.source for c in read_notebook(name).cells if c.cell_type == 'markdown')
    title, *rest = first.splitlines()
    promise = [line.removeprefix('>').strip() for line in rest if line.startswith('>')]
    return title.removeprefix('#').strip(), ' '.join(promise)


def page_of(
    name: str,  # path within the repository
) -> str:  # of the page within the site's sources; '' where the site has none
    "Where a file of the repository stands on the site."
    if name in PAGES:
        return PAGES[name]
    if name.startswith('docs/'):
        return name.removeprefix('docs/')
    if name in notebooks():
        return 'notebooks/' + name.removeprefix('nbs/').removesuffix('.ipynb') + '.md'
    return f'pictures/{name}' if Path(name).suffix in PICTURES else ''


def relative(
    target: str,  # page
    page: str,  # that links to it
) -> str:
    "The link from one page to another."
    return posixpath.relpath(target, posixpath.dirname(page) or '.')


LINK = re.compile(
    r'(?P<code>```.*?```|``.*?``|`[^`]*`)|(?P<text>\[[^\[\]]*\])\((?P<to>[^)\s]+)\)', re.S
)


def _linked(name, page, found, pictures):
    "A link of a file, as the site needs it."
    if found['code'] or re.match(r'[a-z]+:|#', found['to']):
        return found[0]
    path, mark, anchor = found['to'].partition('#')
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    if not (ROOT / target).exists():
        raise LinkError(f'{name}: the link to {path} leads nowhere')
    there = page_of(target)
    if there.startswith('pictures/'):
        pictures.add(target)
    if not there:
        return found['text'][1:-1]  # the site doesn't have it
    return f"{found['text']}({relative(there, page)}{mark}{anchor})"


def with_links(
    text: str,  # Markdown
    name: str,  # file that it is from, within the repository: links are relative to it
    page: str,  # where it will stand
    pictures: set,  # pictures of the repository that it shows are added here
) -> str:
    "Text whose links lead to pages of the site."
    return LINK.sub(lambda found: _linked(name, page, found, pictures), text)
