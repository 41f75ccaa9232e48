"""What people install: the source distribution, and the wheel in an environment of its own.

Takes two minutes of processor time: installing 1.5 GB half a minute, a bundled notebook another.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email import message_from_string
from fnmatch import fnmatch
from pathlib import Path

import pytest
from conftest import ROOT
from markdown_it import MarkdownIt

from reflection_connection.storage import EXTRAS

NOTEBOOKS = {p.name for p in (ROOT / 'nbs').glob('run_*.ipynb')}
NOT_SHIPPED = ('.git*', '.ci/*', '.pre-commit-config.yaml')  # what serves the repository alone
LEFT_BEHIND = (  # files of no use to anybody else, each in its usual place
    '.venv/pyvenv.cfg',
    '.ruff_cache/CACHEDIR.TAG',
    'build/lib/reflection_connection/old.py',
    'nbs/runs/demo/report.png',
    'nbs/volume/.ipynb_checkpoints/13_segy-checkpoint.ipynb',
    'runs/demo/metrics.json',
    'tests/__pycache__/conftest.pyc',
    'docs/.ipynb_checkpoints/page-checkpoint.ipynb',
)


def outside(**more):
    "An environment that does not know this checkout."
    own = ('PYTHONPATH', 'PYTHONHOME', 'PYTHONDONTWRITEBYTECODE')
    return {k: v for k, v in os.environ.items() if k not in own} | more


def build(tree, kind, into):
    "Build a distribution as pip does, with the setuptools that is here; nothing is downloaded."
    code = f'import sys; from setuptools import build_meta as b; print(b.build_{kind}(sys.argv[1]))'
    command = [sys.executable, '-c', code, into]
    done = subprocess.run(command, cwd=tree, env=outside(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return into / done.stdout.split()[-1]


def metadata(tree, into):
    "The metadata that a build of a tree writes."
    code = (
        'import sys; from setuptools import build_meta as b; '
        'print(b.prepare_metadata_for_build_wheel(sys.argv[1]))'
    )
    command = [sys.executable, '-c', code, into]
    done = subprocess.run(command, cwd=tree, env=outside(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return message_from_string((into / done.stdout.split()[-1] / 'METADATA').read_text())


def unpack(sdist, into):
    "The folder that a source distribution unpacks to."
    with tarfile.open(sdist) as archive:
        archive.extractall(into, filter='data')
    return next(into.iterdir())


@pytest.fixture(scope='module')
def kept():
    "Paths of what git keeps, and of what is new and not ignored."
    if not (ROOT / '.git').exists():
        pytest.skip('no git here to say which files belong to the repository')
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(p for p in listed.split('\0') if p and (ROOT / p).is_file())


@pytest.fixture(scope='module')
def tree(kept, tmp_path_factory):
    "A copy of the checkout, in which somebody has worked."
    folder = tmp_path_factory.mktemp('tree') / 'tree'
    for path in kept:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    for path in LEFT_BEHIND:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text('x')
    return folder


@pytest.fixture(scope='module')
def distributions(tree, tmp_path_factory):
    "The source distribution of the tree, and the wheel that is built from it."
    folder = tmp_path_factory.mktemp('dist')
    sdist = build(tree, 'sdist', folder)
    return {'sdist': sdist, 'wheel': build(unpack(sdist, folder / 'source'), 'wheel', folder)}


def pip(python, *arguments):
    "pip of this environment, for another one."
    command = [sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', *arguments]
    return subprocess.run(command, env=outside(), capture_output=True, text=True)


def environment(folder):
    "An empty environment: nothing but Python, not even pip."
    venv.EnvBuilder(with_pip=False).create(folder)
    return folder / 'bin' / 'python'


@pytest.fixture(scope='module')
def lean(distributions, tmp_path_factory):
    "The wheel with what it requires and no more, as pip brings it; its `bin`."
    python = environment(tmp_path_factory.mktemp('lean') / 'env')
    pinned = ('-c', ROOT / 'constraints.txt')
    done = pip(python, '--no-compile', '--retries', '2', *pinned, distributions['wheel'])
    if done.returncode and 'connection broken by' in done.stderr:
        pytest.skip('no package index can be reached from here')
    assert done.returncode == 0, done.stderr[-2000:]
    return python.parent


def call(bin_, *arguments, cwd, timeout=300, program='refcon'):
    "What a user's command says, from a folder far from the checkout."
    command = [bin_ / program, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=outside(), capture_output=True, text=True, timeout=timeout
    )


def answer(bin_, code, cwd):
    "What a program in the environment prints last, as JSON."
    done = call(bin_, '-c', f'import json\n{code}', cwd=cwd, program='python')
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope='module')
def desk(tmp_path_factory):
    "An empty folder in which a user works."
    return tmp_path_factory.mktemp('desk')


def test_the_source_distribution_holds_what_git_keeps_and_nothing_else(kept, distributions):
    with tarfile.open(distributions['sdist']) as archive:
        names = {m.name.partition('/')[2] for m in archive.getmembers() if m.isfile()}
    written = {'PKG-INFO', 'setup.cfg', *(n for n in names if '.egg-info/' in n)}
    wanted = {p for p in kept if not any(fnmatch(p, q) for q in NOT_SHIPPED)}
    assert names - written == wanted


def test_the_wheel_holds_what_the_package_needs_and_nothing_else(distributions):
    names = zipfile.ZipFile(distributions['wheel']).namelist()
    package = ROOT / 'reflection_connection'
    found = {n.partition('/')[2] for n in names if n.startswith('reflection_connection/')}
    modules = {p.relative_to(package).as_posix() for p in package.rglob('*.py')}
    bundled = {
        p.relative_to(package).as_posix()
        for folder in ('encoders', 'explore/static')
        for p in (package / folder).rglob('*')
        if p.is_file()
    }
    data = {f'data/{p.name}' for p in (ROOT / 'data').glob('*') if p.suffix not in ('.py', '')}
    data |= {'data/LICENSE', 'data/SHA256SUMS'}
    assert found == modules | bundled | data | {f'notebooks/{n}' for n in NOTEBOOKS}
    others = {n.partition('/')[0] for n in names} - {'reflection_connection'}
    assert [n.rpartition('.')[2] for n in others] == ['dist-info']


def about(distributions):
    "The wheel's metadata."
    archive = zipfile.ZipFile(distributions['wheel'])
    text = archive.read(next(n for n in archive.namelist() if n.endswith('METADATA')))
    return message_from_string(text.decode())


def test_the_metadata_names_every_licence(distributions):
    found = about(distributions)
    said = (ROOT / 'data' / 'LICENSE').read_text()
    assert found['License-Expression'].split(' AND ') == [
        'MIT',
        'CC-BY-SA-3.0',
        'LicenseRef-CC-BY-SA-without-version',
        'CC-BY-4.0',
        'LicenseRef-Public-Domain',
    ]
    for words in (
        'Attribution-ShareAlike 3.0',
        '(the source states no version)',
        'Creative Commons Attribution 4.0',
        'Public domain',
    ):
        assert words in said  # each part of the expression is for some of the data
    assert found.get_all('License-File') == ['LICENSE', 'data/LICENSE']
    held = zipfile.ZipFile(distributions['wheel'])
    for name in ('LICENSE', 'data/LICENSE'):
        inside = next(n for n in held.namelist() if n.endswith(f'licenses/{name}'))
        assert held.read(inside) == (ROOT / name).read_bytes()


def test_metadata_has_no_placeholder(distributions):
    found = about(distributions)
    version = re.search(r'^version = (.*)$', (ROOT / 'settings.ini').read_text(), re.M)[1]
    assert found['Version'] == version
    assert 'Topic :: Scientific/Engineering' in found.get_all('Classifier')
    assert not [v for n, v in found.items() if re.search(r'example\.|UNKNOWN|@', v)]
    assert not found.get_all('Project-URL') and not found['Home-page']
    invalid = 'example.' + 'invalid'
    pages = [ROOT / name for name in ('settings.ini', 'SECURITY.md', 'README.md')]
    for page in (*pages, *(ROOT / 'reflection_connection').rglob('*.py')):
        assert invalid not in page.read_text(encoding='utf-8'), page


def links(text):
    "(pictures, links) of a page in Markdown, HTML in it included."
    pictures, others = re.findall(r'<img[^>]*\bsrc="([^"]+)', text), []
    others += re.findall(r'<a[^>]*\bhref="([^"]+)', text)
    for block in MarkdownIt().enable('table').parse(text):
        for token in block.children or []:
            pictures += [token.attrs['src']] if token.type == 'image' else []
            others += [token.attrs['href']] if token.type == 'link_open' else []
    return pictures, others


EVERY_LINK = """
# Links

![a picture](nbs/images/explorer.png) and <img width="9" src="nbs/images/label_loop.png">

[a page](CHANGELOG.md), [![a picture that leads](https://host.invalid/a.png)](SECURITY.md),
[this page](#links), [elsewhere](https://host.invalid/), [a person](mailto:a@host.invalid)
"""


@pytest.fixture()
def described(tree, tmp_path):
    "A function address -> (metadata, pictures, links), for README and one of each kind of link."
    copy = shutil.copytree(tree, tmp_path / 'copy', ignore=shutil.ignore_patterns('*.sgy'))
    readme, settings = copy / 'README.md', copy / 'settings.ini'
    readme.write_text(readme.read_text() + EVERY_LINK)
    unpublished = settings.read_text()

    def described_at(address):
        settings.write_text(unpublished.replace('git_url =', f'git_url = {address}'))
        found = metadata(copy, tmp_path)
        return found, *links(found.get_payload())

    return described_at, *links(readme.read_text())


is_relative = lambda path: not re.match('https?://|mailto:', path)


def test_a_description_without_an_address_shows_nothing_that_is_not_there(described):
    described_at, pictures, pages = described
    assert sum(map(is_relative, pictures)) >= 2 and sum(map(is_relative, pages)) >= 3
    _, shown, led = described_at('')
    assert shown == [p for p in pictures if not is_relative(p)]
    assert led == [p for p in pages if not is_relative(p)]


def test_links_of_a_published_description_resolve(described):
    described_at, pictures, pages = described
    address = 'https://git.invalid/refcon'
    found, shown, led = described_at(address)
    assert found['Project-URL'] == f'Source, {address}'
    there = lambda kind, path: f'{address}/{kind}/main/{path}' if is_relative(path) else path
    assert shown == [there('raw', path) for path in pictures]
    assert led == [f'{address}{p}' if p.startswith('#') else there('blob', p) for p in pages]


def test_extras_agree_with_what_the_package_asks_for(distributions):
    found = about(distributions)
    extras = {name: set() for name in found.get_all('Provides-Extra')}
    for line in found.get_all('Requires-Dist'):
        what, _, extra = line.partition('; extra == ')
        if extra:
            extras[extra.strip('"')].add(re.match(r'[\w-]+', what)[0].lower())
    assert {*EXTRAS, 'all', 'dev', 'gpu'} <= set(extras)
    assert extras['evaluate'] < extras['train'] < extras['all']
    everywhere = set(EXTRAS) - {'vds'}  # its wheels are for some machines
    assert extras['all'] == set.union(*(extras[name] for name in everywhere))
    packages = {
        'skimage': 'scikit-image',
        'pywt': 'pywavelets',
        'sklearn': 'scikit-learn',
        'pytorch_metric_learning': 'pytorch-metric-learning',
        'openzgy': 'pyzgy',
    }  # module -> package, where these differ
    for extra, modules in EXTRAS.items():
        assert {packages.get(m, m) for m in modules} <= extras[extra], extra


def test_nothing_of_an_extra_is_installed(lean, desk):
    code = """
from importlib.metadata import distributions
from importlib.util import find_spec
from reflection_connection.storage import EXTRAS
modules = {'wandb', *(m for each in EXTRAS.values() for m in each)}
there = sorted(m for m in modules if find_spec(m))
print(json.dumps([there, sorted(d.metadata['Name'].lower() for d in distributions())]))"""
    there, installed = answer(lean, code, desk)
    assert there == []
    pinned = re.findall(r'^([\w.-]+)==', (ROOT / 'constraints.txt').read_text(), re.M)
    plain = lambda name: re.sub(r'[-_.]+', '-', name.lower())
    unpinned = {*map(plain, installed)} - {*map(plain, pinned)}
    assert unpinned <= {'reflection-connection', 'setuptools'}


def test_a_section_is_checked_indexed_and_searched(lean, desk):
    version = re.search(r'^version = (.*)$', (ROOT / 'settings.ini').read_text(), re.M)[1]
    done = call(lean, '--version', cwd=desk)
    assert (done.returncode, done.stdout) == (0, f'refcon {version}\n'), done.stderr
    code = "from reflection_connection.volume import example_path\nprint(json.dumps(str(example_path('f3'))))"
    f3 = Path(answer(lean, code, desk))
    assert f3.is_relative_to(lean.parent)
    done = call(lean, 'check', f3, '--json', cwd=desk)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['problems'] == []
    grid = ('--window', 96, 96, '--stride', 96, 192, '--lines', 'inline')
    done = call(lean, 'index', f3, '--encoder', 'refcon-tiny', *grid, '--out', 'index', cwd=desk)
    assert done.returncode == 0, done.stderr
    box = ('--inline', 110, '--box', 200, 300, 296, 396)
    done = call(lean, 'search', 'index', *box, '--k', 3, '--json', cwd=desk)
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    assert [h['rank'] for h in hits] == [1, 2, 3]
    assert 1 > hits[0]['similarity'] >= hits[2]['similarity'] > 0
    assert all(h['x'] > 6e5 and h['y'] > 6e6 for h in hits)  # F3's coordinates in metres


def test_sections_labels_and_notebooks_come_along(lean, desk):
    "In one process, since the libraries take seconds to import."
    code = """
import contextlib, io, sys
from reflection_connection.volume import example_path, open_example
from reflection_connection.windows import load_windows
samples = open_example('f3').n_samples
windows = load_windows(example_path('windows.csv')).frame
without = [m for m in ('torch', 'transformers') if m in sys.modules]
from reflection_connection.run import bundled_notebooks, notebook_parameters
found = {p.name: sorted(notebook_parameters(p)) for p in bundled_notebooks().values()}
from reflection_connection.cli import main
with contextlib.redirect_stderr(io.StringIO()) as said:
    code = main(['run', 'run_training', '-p', 'stepz', '3'])
print(json.dumps([samples, len(windows), without, found, code, said.getvalue()]))"""
    samples, windows, loaded, found, code, said = answer(lean, code, desk)
    assert (samples, windows, loaded) == (462, 213, [])
    assert set(found) == NOTEBOOKS
    assert all({'out', 'seed', 'encoder'} <= set(names) for names in found.values())
    assert code == 2 and said.startswith(
        "refcon run: run_training.ipynb has no parameter 'stepz': expected one of out, "
    )
    shown = ''.join(call(lean, 'run', '--help', cwd=desk).stdout.split())
    assert all(name.removesuffix('.ipynb') in shown for name in NOTEBOOKS)


MISSING = {
    'train': (['train', 'synthetic', '--out', 'e'], 'train'),
    'iterate': (['iterate', 'synthetic', '--out', 'e'], 'train'),
    'pretrain': (['pretrain', 'synthetic', '--out', 'e'], 'train'),
    'evaluate': (['evaluate', 'labels.csv', '--encoder', 'refcon-tiny'], 'evaluate'),
    'explore': (['explore', 'index'], 'explore'),
    'check': (['check', 'cube.zarr'], 'mdio'),
}  # name -> (arguments, the extra that is missing)


@pytest.mark.parametrize('name', MISSING)
def test_what_is_missing_is_said_in_one_line(lean, desk, name):
    (desk / 'cube.zarr').mkdir(exist_ok=True)
    arguments, extra = MISSING[name]
    done = call(lean, *arguments, cwd=desk)
    assert done.returncode == 2 and done.stdout == ''
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'refcon {name}: ') and EXTRAS[extra][0] in line
    assert line.endswith(f"not installed: pip install 'reflection_connection[{extra}]'")


def test_a_bundled_notebook_runs_without_a_checkout(distributions, tmp_path):
    "With everything that is installed here beside the wheel."
    python = environment(tmp_path / 'env')
    packages = subprocess.check_output(
        [python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], text=True
    ).strip()
    (Path(packages) / 'here.pth').write_text(sysconfig.get_path('purelib') + '\n')
    done = pip(python, '--no-deps', '--no-index', '--ignore-installed', distributions['wheel'])
    assert done.returncode == 0, done.stderr
    asked = ('-p', 'per_class', 6, '-p', 'pictures', 2, '--out', 'run')
    done = call(python.parent, 'run', 'run_evaluation', *asked, cwd=tmp_path, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / 'run' / 'report.html').is_file()
    assert (tmp_path / 'run' / 'run_evaluation.ipynb').is_file()


def test_without_its_settings_it_cannot_be_installed(tree, tmp_path):
    "What was wrong once: the settings were not in the source distribution. This is how it shows."
    old = shutil.ignore_patterns('*.egg-info')  # of an earlier build: it lists the settings
    poor = shutil.copytree(tree, tmp_path / 'poor', ignore=old)
    manifest = poor / 'MANIFEST.in'
    manifest.write_text(manifest.read_text().replace('settings.ini ', ''))
    source = unpack(build(poor, 'sdist', tmp_path), tmp_path / 'source')
    with pytest.raises(AssertionError, match='settings.ini is missing'):
        build(source, 'wheel', tmp_path)
