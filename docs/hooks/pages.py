"MkDocs hook: pages from notebooks, from the package and from files of the repository."

import html
import re

import reference
from commands import commands_page
from latex2mathml.converter import convert
from mkdocs.structure.files import File
from notebooks import as_page, is_library
from repository import PAGES, ROOT, WINGS, notebooks, page_of, title_and_promise, with_links

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.S)
BOOST = {r'notebooks/\w+/': 0.5, 'house/': 0.3}  # of pages in the search: guides come first
LICENCES = {'LICENSE': 'Licence', 'data/LICENSE': 'Licences of the sections'}  # titles


def _title(name):
    return title_and_promise(name)[0]


def _of_wing(wing):
    return [name for name in notebooks() if name.startswith(f'nbs/{wing}/')]


def _at_top():
    "Notebooks outside the wings: (tutorials, runs, library)."
    names = [name for name in notebooks() if name.count('/') == 1]
    runs = [name for name in names if name.startswith('nbs/run_')]
    library = [name for name in names if is_library(name)]
    return [name for name in names if name not in runs + library], runs, library


def _mentioned(nav):
    "Pages that the navigation names itself."
    if isinstance(nav, str):
        return {nav}
    inside = nav.values() if isinstance(nav, dict) else nav
    return {page for part in inside for page in _mentioned(part)}


def _filled(nav, lists):
    "The navigation with lists of pages in place of names that end in a slash."
    if isinstance(nav, str):
        return lists.get(nav, nav)
    if isinstance(nav, dict):
        return {title: _filled(part, lists) for title, part in nav.items()}
    return [_filled(part, lists) for part in nav]


def _library(wing):
    pages = [{_title(name): page_of(name)} for name in _of_wing(wing)]
    return {wing: [f'notebooks/{wing}/index.md', *pages]}


def on_config(config):
    "Fill in the lists of notebooks and wings."
    named = _mentioned(config.nav)
    others = [[page for page in map(page_of, part) if page not in named] for part in _at_top()]
    tutorials, runs, library = others
    lists = {
        'tutorials/': tutorials,
        'runs/': runs,
        'library/': [*map(_library, WINGS), *library],
        'api/': ['api/index.md', *({wing: f'api/{wing}.md'} for wing in WINGS)],
    }
    config.nav = _filled(config.nav, lists)
    return config


def _rows(names, page):
    "A table of notebooks with what they promise."
    base = page.rpartition('/')[0] + '/'
    told = ['| notebook | what it is for |', '|---|---|']
    for name in names:
        title, promise = title_and_promise(name)
        told.append(f'| [{title}]({page_of(name).removeprefix(base)}) | {promise} |')
    return [*told, '']


def _wing_index(wing):
    page = f'notebooks/{wing}/index.md'
    promise = title_and_promise(f'nbs/{wing}/99_wing.ipynb')[1]
    link = f'Its public names: [API of `{wing}`](../../api/{wing}.md).'
    order = 'The notebooks of this wing, in the order in which they build on each other.'
    lines = [f'# {wing}', '', promise, '', f'{order} {link}', '', *_rows(_of_wing(wing), page)]
    return page, '\n'.join(lines)


def _notebook_index():
    page = 'notebooks/index.md'
    tutorials, runs, library = _at_top()
    lines = ['# Notebooks', '', 'The notebooks are the source of the package and of these pages.']
    lines += ['Outputs are those stored in them.', '', '## Tutorials', '', *_rows(tutorials, page)]
    lines += ['## Run notebooks', '', '`refcon run NAME` executes them.', '', *_rows(runs, page)]
    lines += ['## Library by wing', '', '| wing | what it is for |', '|---|---|']
    for wing in WINGS:
        promise = title_and_promise(f'nbs/{wing}/99_wing.ipynb')[1]
        lines.append(f'| [`{wing}`]({wing}/index.md) | {promise} |')
    lines += ['', *_rows(library, page)]
    return page, '\n'.join(lines)


def _taken_in(pictures):
    "(page, Markdown) of the repository's own files."
    for name, page in PAGES.items():
        if name == 'nbs/index.ipynb' or not (ROOT / name).is_file():
            continue  # README.md is made from it
        text = (ROOT / name).read_text(encoding='utf-8')
        if name in LICENCES:
            text = f'# {LICENCES[name]}\n\n```text\n{text}\n```'
        if page == 'index.md':
            text = f'---\nhide: [navigation]\n---\n\n{text}'
        yield page, with_links(text, name, page, pictures)


def _from_notebooks(pictures):
    "(page or picture, content) of all notebooks."
    for name in notebooks():
        text, made = as_page(name, pictures)
        yield page_of(name), text
        yield from made.items()


def on_files(files, config):
    "Add what is not in `docs`, and lead its links where they lead in the repository."
    pictures = set()
    for file in files.documentation_pages():
        text = with_links(file.content_string, f'docs/{file.src_uri}', file.src_uri, pictures)
        file.content_string = text
    made = dict(_from_notebooks(pictures)) | dict(_taken_in(pictures))
    made |= dict([_notebook_index(), *map(_wing_index, WINGS)])
    made |= {'api/index.md': reference.index_page(), 'commands.md': commands_page()}
    made |= {f'api/{wing}.md': reference.wing_page(wing) for wing in WINGS}
    made |= {page_of(name): (ROOT / name).read_bytes() for name in sorted(pictures)}
    for page, content in made.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    "Guides come before the library in the search."
    for folder, boost in BOOST.items():
        if re.match(folder, page.file.src_uri):
            page.meta.setdefault('search', {'boost': boost})
    return markdown


def _formula(found):
    display = 'block' if found[1] == 'div' else 'inline'
    return convert(html.unescape(found[2]), display=display)


def on_page_content(content, page, config, files):
    "Formulas are written as MathML, which browsers show without a script."
    return FORMULA.sub(_formula, content)
