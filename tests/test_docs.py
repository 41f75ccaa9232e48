"""The documentation site: it builds without a warning, its links lead somewhere, it loads nothing
from elsewhere, every public name is in it, and nothing that notebooks hide.

What should be there is worked out here anew, not with the code that builds the site."""

import base64
import importlib
import inspect
import os
import re
import subprocess
import sys
import types
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from conftest import ROOT
from test_explore import chromium  # noqa: F401 (a fixture)
from test_explore import FLAGS
from test_repository import NOTEBOOKS, WINGS

pytest.importorskip('mkdocs', reason="mkdocs is not installed: pip install -e '.[docs]'")
LOADS = {  # element -> attribute with an address that a browser fetches by itself
    'script': 'src',
    'img': 'src',
    'iframe': 'src',
    'source': 'src',
    'video': 'src',
    'audio': 'src',
    'embed': 'src',
    'object': 'data',
    'link': 'href',
}
ASLEEP = {  # addresses in Material's own script, each with what on a page would wake it
    'https://unpkg.com/mermaid@11/dist/mermaid.min.js': 'mermaid',
    'https://unpkg.com/resize-observer-polyfill': None,  # for browsers without ResizeObserver
    'https://api.github.com/repos/': 'data-md-component="source"',
    'https://api.github.com/users/': 'data-md-component="source"',
}
NAMES_ONLY = (  # a namespace, comments, and what a warning says
    'http://www.w3.org/',
    'https://clipboardjs.com/',
    'http://lunrjs.com',
    'http://tartarus.org/',
    'https://bit.ly/',
)
NOT_SHOWN = {'nbs/index.ipynb'}  # README.md, which is made from it, is the front page


class Page(HTMLParser):
    "What a page links to, loads and names, and its blocks of code."

    def __init__(self, path):
        super().__init__()
        self.path, self.ids, self.links, self.loads = path, set(), [], []
        self.code, self._depth = [], 0
        self.html = path.read_text(encoding='utf-8')
        self.feed(self.html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if self._depth or (tag == 'div' and 'code highlight' in (given.get('class') or '')):
            self.code += [] if self._depth else ['']
            self._depth += tag == 'div'
        if tag == 'span':
            return
        self.ids |= {given[key] for key in ('id', 'name') if given.get(key)}
        if tag == 'a' and given.get('href'):
            self.links.append(given['href'])
        if given.get(LOADS.get(tag)) and given.get('rel') not in ('canonical', 'prev', 'next'):
            self.loads.append(given[LOADS[tag]])
        self.loads += re.findall(r'url\(([^)]+)\)', given.get('style') or '')
        self.loads += [part.split()[0] for part in (given.get('srcset') or '').split(',') if part]

    def handle_endtag(self, tag):
        self._depth -= bool(self._depth) and tag == 'div'

    def handle_data(self, data):
        if self._depth:
            self.code[-1] += data


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "{path within the site: page}, built with warnings as errors."
    folder = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', folder],
        cwd=ROOT,
        env=os.environ | {'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'WARNING' not in done.stderr, done.stderr[-3000:]
    pages = {p.relative_to(folder).as_posix(): Page(p) for p in sorted(folder.rglob('*.html'))}
    return types.SimpleNamespace(folder=folder, pages=pages)


def led_to(site, page, link):
    "(file, anchor) of a link within the site."
    parts = urlsplit(link)
    path = unquote(parts.path)
    start = site.folder if path.startswith('/') else page.path.parent  # 404.html knows no folder
    there = (start / path.lstrip('/')).resolve() if path else page.path
    return (there / 'index.html' if there.is_dir() else there), unquote(parts.fragment)


def is_elsewhere(link):
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def test_every_link_picture_and_anchor_leads_somewhere(site):
    lost, followed = [], 0
    for name, page in site.pages.items():
        for link in [*page.links, *page.loads]:
            if is_elsewhere(link):
                continue
            file, anchor = led_to(site, page, link)
            inside = site.pages.get(os.path.relpath(file, site.folder))
            found = file.is_file() and (not anchor or inside is None or anchor in inside.ids)
            followed += 1
            lost += [] if found else [f'{name}: {link}']
    assert not lost, '\n'.join(lost[:20])
    assert followed > 10_000  # it did look


def test_no_page_loads_anything_from_elsewhere(site):
    loads = {(name, at) for name, page in site.pages.items() for at in page.loads}
    assert not [pair for pair in loads if is_elsewhere(pair[1]) and not pair[1].startswith('data:')]
    assert {at for _, at in loads}  # it did look
    for sheet in site.folder.rglob('*.css'):
        text = sheet.read_text(encoding='utf-8')
        assert not re.search(r'@import|url\(\s*["\']?(https?:)?//', text), sheet.name


def test_scripts_know_no_address_that_a_page_could_wake(site):
    for script in site.folder.rglob('*.js'):
        if script.name == 'search_index.js' or 'lunr' in script.parts:
            continue  # the text of the pages; stemmers of languages that the site does not have
        for at in re.findall(r'https?://[\w./@-]+', script.read_text(encoding='utf-8')):
            assert at in ASLEEP or at.startswith(NAMES_ONLY), f'{script.name}: {at}'
    for name, page in site.pages.items():
        for trigger in filter(None, ASLEEP.values()):
            assert f'class="{trigger}"' not in page.html and f'{trigger}>' not in page.html, name
        inline = re.findall(r'<script>(.*?)</script>', page.html, re.S)
        assert not any(re.search(r'fetch\(|XMLHttpRequest|import\(', s) for s in inline), name


def is_public(value):
    "Whether a name of a wing is its own: no module, nothing of other packages."
    if isinstance(value, types.ModuleType):
        return False
    from_elsewhere = inspect.isroutine(value) or inspect.isclass(value)
    return not from_elsewhere or value.__module__.startswith('reflection_connection')


@pytest.mark.parametrize('wing', WINGS)
def test_every_public_name_is_on_its_page(site, wing):
    module = importlib.import_module(f'reflection_connection.{wing}')
    page = site.pages[f'api/{wing}.html']
    public = {name for name in module.__all__ if is_public(getattr(module, name))}
    assert public and not public - page.ids
    methods = {
        f'{name}.{method}'
        for name in public
        if getattr(getattr(module, name), '__name__', '') == name  # not another name for it
        if inspect.isclass(getattr(module, name))
        for method, member in vars(getattr(module, name)).items()
        if inspect.isfunction(getattr(member, '__func__', member)) and method[0] != '_'
    }
    assert not methods - page.ids


@pytest.mark.parametrize('wing', WINGS)
def test_every_public_name_leads_to_the_notebook_that_shows_it(site, wing):
    first, *told = site.pages[f'api/{wing}.html'].html.split('<h3 id="')
    assert told
    where = ('class="shown-in"', 'The same as <a')
    assert not [one[: one.index('"')] for one in told if not any(w in one for w in where)]


def test_a_function_is_told_with_types_defaults_and_meaning(site):
    page = site.pages['api/volume.html']
    row = re.search(r'<tr>\s*<td><code>iline_byte</code></td>(.*?)</tr>', page.html, re.S)[1]
    cells = [re.sub('<.*?>', '', cell) for cell in re.findall(r'<td>(.*?)</td>', row, re.S)]
    assert cells == [
        'int',
        'None',
        'SEG-Y trace header byte of the inline number; None: by evidence',
    ]
    link = '../notebooks/volume/40_core.html#open_volume'
    assert link in page.links and 'open_volume' in site.pages[link[3:].partition('#')[0]].ids


def test_every_command_is_told_with_its_options(site):
    from reflection_connection.cli import COMMANDS

    page = site.pages['commands.html']
    assert COMMANDS and not set(COMMANDS) - page.ids
    told = set(re.findall(r'--[a-z][a-z-]*', re.sub('<.*?>', '', page.html)))
    flags = {flag for _, options in COMMANDS.values() for names, _ in options for flag in names}
    assert not {flag for flag in flags if flag.startswith('--')} - told


def page_of(notebook):
    "Where a notebook is on the site."
    return f'notebooks/{notebook.relative_to(ROOT / "nbs").with_suffix(".html").as_posix()}'


def shown(cell):
    "What is to be seen of a code cell; '' where it is hidden."
    told = re.findall(r'^#\| *([\w:]+)', cell.source, re.M)
    if {'hide', 'default_exp'} & {*told} or 'nbdev_export()' in cell.source:
        return ''
    lines = [line for line in cell.source.split('\n') if not line.startswith('#|')]
    return '\n'.join(lines).strip('\n')


@pytest.mark.parametrize('wing', ['', *WINGS])
def test_notebooks_show_their_cells_and_hide_what_is_hidden(site, wing):
    mine = [p for p in NOTEBOOKS if p.parent == (ROOT / 'nbs' / wing)]
    mine = [p for p in mine if p.relative_to(ROOT).as_posix() not in NOT_SHOWN]
    assert mine
    for notebook in mine:
        page = site.pages[page_of(notebook)]
        cells = [c for c in nbformat.read(notebook, 4).cells if c.cell_type == 'code']
        wanted = [code.rstrip() for code in map(shown, cells) if code]
        assert [block.strip('\n').rstrip() for block in page.code] == wanted, notebook.name
        assert '#|' not in page.html, notebook.name


def test_pictures_that_are_stored_are_those_that_show(site):
    seen = 0
    for notebook in NOTEBOOKS:
        if notebook.relative_to(ROOT).as_posix() in NOT_SHOWN:
            continue
        stored = [
            base64.b64decode(''.join(data))
            for cell in nbformat.read(notebook, 4).cells
            for output in cell.get('outputs', [])
            for kind, data in output.get('data', {}).items()
            if kind in ('image/png', 'image/jpeg') and shown(cell)
        ]
        page = site.pages[page_of(notebook)]
        own = [at for at in page.loads if at.startswith(f'{notebook.stem}_files/')]
        assert [(page.path.parent / at).read_bytes() for at in own] == stored, notebook.name
        seen += len(stored)
    assert seen > 100


@pytest.mark.parametrize(
    'goal', ['notebooks/your_own_segy.html', 'notebooks/when_headers_are_wrong.html']
)
def test_guides_are_two_clicks_from_the_front(site, goal):
    one_click = {
        led_to(site, site.pages['index.html'], at)[0] for at in site.pages['index.html'].links
    }
    two = set(one_click)
    for file in one_click:
        page = site.pages.get(os.path.relpath(file, site.folder))
        two |= {led_to(site, page, at)[0] for at in page.links} if page else set()
    assert site.folder / goal in two


@pytest.fixture(scope='module')
def browser(chromium):  # noqa: F811
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        opened = p.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


def test_search_works_without_a_server_and_nothing_is_asked_for(site, browser):
    asked = []
    page = browser.new_page()
    page.on('request', lambda request: asked.append(request.url))
    page.goto((site.folder / 'index.html').as_uri())
    page.locator('input[name="query"]').fill('open_volume')
    hits = page.locator('.md-search-result__link')
    hits.first.wait_for(timeout=30_000)
    addresses = [hits.nth(i).get_attribute('href') for i in range(hits.count())]
    assert any('api/volume.html' in at for at in addresses), addresses
    assert asked and not [at for at in asked if not at.startswith(('file:', 'data:', 'blob:'))]


@pytest.mark.parametrize('name', ['index', 'results', 'notebooks/search/26_hits', 'api/search'])
def test_pages_fit_a_phone(site, browser, name):
    page = browser.new_page(viewport={'width': 390, 'height': 844})
    page.goto((site.folder / f'{name}.html').as_uri())
    assert page.evaluate('document.documentElement.scrollWidth') <= 390


def test_wings_of_the_site_are_those_of_the_package():
    sys.path.insert(0, str(ROOT / 'docs' / 'hooks'))
    try:
        import repository
    finally:
        sys.path.remove(str(ROOT / 'docs' / 'hooks'))
    assert repository.WINGS == WINGS


@pytest.mark.parametrize('said', ['docs/results.md', 'nbs/kind_and_look.ipynb'])
def test_a_link_that_leads_nowhere_stops_the_build(tmp_path, said):
    sys.path.insert(0, str(ROOT / 'docs' / 'hooks'))
    try:
        import repository
    finally:
        sys.path.remove(str(ROOT / 'docs' / 'hooks'))
    with pytest.raises(repository.LinkError, match=f'{said}: the link to gone.md leads nowhere'):
        repository.with_links('see [it](gone.md)', said, 'index.md', set())
