"Notebooks as pages: what they say, do and show, without what is hidden. Nothing is run."

import ast
import copy
import re
from functools import cache

import nbformat
from nbconvert import MarkdownExporter
from nbconvert.filters import strip_ansi
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from repository import page_of, read_notebook, with_links

DIRECTIVE = re.compile(r'^#\| *([\w:]+).*\n?', re.M)
HIDDEN = {'hide', 'default_exp'}
WIDGET = nbformat.v4.new_output(
    'display_data',
    {'text/markdown': '*Here is an interactive widget: run the notebook to use it.*'},
)
TEMPLATE = """{% extends 'markdown/index.md.j2' %}
{% block input %}
{{ cell.source | fenced('python', 'code', cell.metadata.get('library')) }}
{% endblock input %}
{% block stream %}
{{ output.text | fenced('text', 'output', True) }}
{% endblock stream %}
{% block data_text scoped %}
{{ output.data['text/plain'] | fenced('text', 'output', True) }}
{% endblock data_text %}
{% block data_html scoped %}
{{ output.data['text/html'] | table }}
{% endblock data_html %}
{% block data_png %}
![{{ cell.metadata.get('caption') }}]({{ output.metadata.filenames['image/png'] }}){ loading=lazy }
{% endblock data_png %}
{% block data_jpg %}
![{{ cell.metadata.get('caption') }}]({{ output.metadata.filenames['image/jpeg'] }}){ loading=lazy }
{% endblock data_jpg %}
"""


def fenced(
    text: str,  # code, or what it prints
    language: str,
    role: str,  # 'code' or 'output'
    apart: bool,  # the search leaves it out
) -> str:
    "A fenced block, longer than any fence within it."
    inside = max(map(len, re.findall(r'`+', text)), default=0)
    fence = '`' * max(3, inside + 1)
    without = ' data-search-exclude=""' if apart else ''
    lines = [line.rpartition('\r')[2] for line in strip_ansi(text).rstrip().split('\n')]
    return '\n'.join([f'{fence} {{.{language} .{role}{without}}}', *lines, fence])


def table(
    html: str,  # as pandas writes it
) -> str:
    "A table in the site's own style."
    html = re.sub(r'<style.*?</style>\s*', '', html, flags=re.S)
    html = re.sub(r' (border|class|style)="[^"]*"', '', html)
    return '\n'.join(['<div class="output" data-search-exclude>', html.strip(), '</div>'])


@cache
def _exporter():
    exporter = MarkdownExporter(raw_template=TEMPLATE, preprocessors=[CoalesceStreamsPreprocessor])
    exporter.register_filter('fenced', fenced)
    exporter.register_filter('table', table)
    return exporter


def directives(
    source: str,  # of a cell
) -> set:
    "What nbdev is told about a cell: export, hide and others."
    return set(DIRECTIVE.findall(source))


@cache
def is_library(
    name: str,  # path of a notebook within the repository
) -> bool:
    "Whether a notebook exports a module."
    return any('default_exp' in directives(c.source) for c in read_notebook(name).cells)


def is_hidden(
    cell,
) -> bool:
    "Whether a cell is kept from readers."
    only_exports = re.fullmatch(r'(import nbdev.*\n)?.*nbdev_export\(\)', cell.source.strip())
    return bool(directives(cell.source) & HIDDEN or only_exports or not cell.source.strip())


def _patched(node):
    "'Class.' of a function that is added to a class, '' of others."
    if not any('patch' in ast.unparse(d) for d in node.decorator_list):
        return ''
    return f'{ast.unparse(node.args.args[0].annotation)}.'


def _named(node):
    "Names that a statement defines."
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [_patched(node) + node.name]
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return []
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    inside = [part for target in targets for part in ast.walk(target)]
    return [n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


@cache
def defined(
    source: str,  # of a cell that is exported
) -> tuple:  # names, 'Class.method' for what is added to a class
    "Public names that a cell defines."
    names = [name for node in ast.parse(source).body for name in _named(node)]
    return tuple(n for n in names if not any(part.startswith('_') for part in n.split('.')))


def _heading(names, level):
    "A heading over a definition, which links and the search lead to."
    first, *others = names
    anchors = ''.join(f'<a id="{name}"></a>' for name in others)
    shown = ', '.join(f'`{name}`' for name in names)
    text = f'{"#" * level} {shown}{anchors} {{ #{first} .definition }}'
    return nbformat.v4.new_markdown_cell(text)


def _without_directives(cell, library):
    cell.source = DIRECTIVE.sub('', cell.source).strip('\n')
    cell.metadata['library'] = library
    first = cell.source.partition('\n')[0]
    cell.metadata['caption'] = f'Picture made by the cell above, which begins {first[:60]!r}'
    cell.metadata['caption'] = re.sub(r'[\[\]`<>"\\]', '', cell.metadata['caption'])
    cell.outputs = [WIDGET if _is_widget(output) else output for output in cell.outputs]


def _is_widget(output):
    return any('widget' in kind for kind in output.get('data', {}))


def _below(text, level):
    "The level of a definition that follows a text cell, and `level` before it."
    outside = re.sub(r'```.*?```', '', text, flags=re.S)
    marks = re.findall(r'^(#+) ', outside, re.M)
    return len(marks[-1]) + 1 if marks else level


def _for_readers(cells, name, page, pictures):
    "Cells of a notebook that are shown, with a heading over each definition."
    level = 2
    for cell in cells:
        if cell.cell_type == 'markdown':
            level = _below(cell.source, level)
            cell.source = with_links(cell.source, name, page, pictures)
            yield cell
        elif cell.cell_type == 'code' and not is_hidden(cell):
            names = defined(cell.source) if 'export' in directives(cell.source) else ()
            if names:
                yield _heading(names, level)
            _without_directives(cell, is_library(name))
            if cell.source:
                yield cell


def as_page(
    name: str,  # path of a notebook within the repository
    pictures: set,  # pictures of the repository that it shows are added here
) -> tuple:  # (Markdown, {file: bytes} of what it shows, beside the page)
    "A notebook as a page, with the outputs that are stored in it."
    page = page_of(name)
    notebook = copy.deepcopy(read_notebook(name))
    notebook.cells = list(_for_readers(notebook.cells, name, page, pictures))
    stem = page.rpartition('/')[2].removesuffix('.md')
    resources = {'unique_key': stem, 'output_files_dir': f'{stem}_files'}
    text, made = _exporter().from_notebook_node(notebook, resources=resources)
    folder = page.rpartition('/')[0]
    return text, {f'{folder}/{file}': data for file, data in made['outputs'].items()}
