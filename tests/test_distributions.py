"What people install: the source distribution and the wheel, each in an environment of its own."

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
from pathlib import Path

import pytest
from conftest import ROOT

LEFT_OUT = (
    '.git',
    '.venv',
    '.*_cache',
    '__pycache__',
    '.ipynb_checkpoints',
    '*.egg-info',
    'build',
    'dist',
    'runs',
    'site',
    'wandb',
)
NOTEBOOKS = {p.name for p in (ROOT / 'nbs').glob('run_*.ipynb')}


def outside(**more):
    "An environment that does not know this checkout."
    return {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'PYTHONHOME')} | more


def build(tree, kind):
    "Build a distribution as pip does, with the setuptools that is here; nothing is downloaded."
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}('dist'))"
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tree, env=outside(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return tree / 'dist' / done.stdout.split()[-1]


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    "A copy of the checkout: builds leave their traces there."
    return shutil.copytree(
        ROOT,
        tmp_path_factory.mktemp('tree') / 'tree',
        ignore=shutil.ignore_patterns(*LEFT_OUT),
        symlinks=True,
    )


@pytest.fixture(scope='module')
def distributions(tree):
    return {kind: build(tree, kind) for kind in ('sdist', 'wheel')}


def install(distribution, folder):
    "A Python with the distribution and, of all else, what is installed here."
    venv.EnvBuilder(with_pip=False).create(folder)
    python = folder / 'bin' / 'python'
    packages = subprocess.check_output(
        [python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], text=True
    ).strip()
    (Path(packages) / 'here.pth').write_text(sysconfig.get_path('purelib') + '\n')
    command = [
        sys.executable,
        '-m',
        'pip',
        '--python',
        python,
        'install',
        '--no-deps',
        '--no-index',
        '--no-build-isolation',
        '--ignore-installed',
        '--disable-pip-version-check',
        distribution,
    ]
    subprocess.run(command, check=True, cwd=folder, env=outside(), capture_output=True, text=True)
    return folder


@pytest.fixture(scope='module', params=['sdist', 'wheel'])
def installed(request, distributions, tmp_path_factory):
    return install(distributions[request.param], tmp_path_factory.mktemp(request.param) / 'env')


def call(environment, *arguments, timeout=300, program='refcon', **more):
    return subprocess.run(
        [environment / 'bin' / program, *map(str, arguments)],
        cwd=environment,
        env=outside(**more),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_the_wheel_holds_what_the_package_needs_and_nothing_else(distributions):
    names = set(zipfile.ZipFile(distributions['wheel']).namelist())
    assert {n.partition('/')[0] for n in names} == {
        'reflection_connection',
        next(n for n in names if n.endswith('METADATA')).partition('/')[0],
    }
    bundled = {
        p.relative_to(ROOT).as_posix()
        for folder in ('encoders', 'explore/static')
        for p in (ROOT / 'reflection_connection' / folder).rglob('*')
        if p.is_file()
    }
    modules = {
        p.relative_to(ROOT).as_posix() for p in (ROOT / 'reflection_connection').rglob('*.py')
    }
    assert bundled | modules | {f'reflection_connection/notebooks/{n}' for n in NOTEBOOKS} == {
        n for n in names if 'dist-info' not in n
    }


def test_the_source_distribution_holds_the_source(distributions):
    names = {n.partition('/')[2] for n in tarfile.open(distributions['sdist']).getnames()}
    assert {
        'settings.ini',
        'setup.py',
        'pyproject.toml',
        'constraints.txt',
        'Makefile',
        'README.md',
        'LICENSE',
        'SECURITY.md',
        'data/LICENSE',
        'data/SHA256SUMS',
    } <= names
    assert {
        p.relative_to(ROOT).as_posix()
        for folder in ('nbs', 'tests', 'data')
        for p in (ROOT / folder).glob('*.*')
    } <= names


def test_metadata_has_no_placeholder(distributions):
    archive = zipfile.ZipFile(distributions['wheel'])
    text = archive.read(next(n for n in archive.namelist() if n.endswith('METADATA'))).decode()
    about = message_from_string(text)
    assert about['License-Expression'] == 'MIT' and about['License-File'] == 'LICENSE'
    assert 'Topic :: Scientific/Engineering' in about.get_all('Classifier')
    assert (
        not [v for n, v in about.items() if re.search(r'example\.|UNKNOWN|@', v)]
        and not about.get_all('Project-URL')
        and not about['Home-page']
    )
    invalid = 'example.' + 'invalid'
    assert not [
        p
        for p in (
            ROOT / 'settings.ini',
            ROOT / 'SECURITY.md',
            ROOT / 'README.md',
            *(ROOT / 'reflection_connection').rglob('*.py'),
        )
        if invalid in p.read_text(encoding='utf-8')
    ]


def test_it_works_where_it_was_installed(installed):
    version = re.search(
        r'^version = (.*)$', (ROOT / 'settings.ini').read_text(encoding='utf-8'), re.M
    )[1]
    done = call(installed, '--version')
    assert (done.returncode, done.stdout) == (0, f'refcon {version}\n'), done.stderr
    assert 'explore' in call(installed, '--help').stdout
    code = """
import json
import reflection_connection.run as r
from reflection_connection.encoder import Encoder
notebooks = {n: str(p) for n, p in r.bundled_notebooks().items()}
print(json.dumps([r.__file__, Encoder.load('refcon-tiny').dim, notebooks]))
"""
    done = call(installed, '-c', code, program='python')
    assert done.returncode == 0, done.stderr
    module, dim, notebooks = json.loads(done.stdout)
    assert dim == 256 and {f'{n}.ipynb' for n in notebooks} == NOTEBOOKS
    assert all(
        Path(p).is_relative_to(installed) and Path(p).is_file()
        for p in (module, *notebooks.values())
    )
    refused = call(installed, 'run', 'run_training', '-p', 'stepz', 3)
    assert refused.returncode == 2 and refused.stderr.startswith(
        "refcon run: run_training.ipynb has no parameter 'stepz': expected one of out, "
    )


def test_a_bundled_notebook_runs_without_a_checkout(distributions, tmp_path):
    environment = install(distributions['wheel'], tmp_path / 'env')
    done = call(
        environment,
        'run',
        'run_evaluation',
        '-p',
        'per_class',
        6,
        '-p',
        'pictures',
        2,
        '--out',
        tmp_path / 'run',
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / 'run' / 'report.html').is_file() and (
        tmp_path / 'run' / 'run_evaluation.ipynb'
    ).is_file()


def test_without_its_settings_it_cannot_be_installed(tree, tmp_path):
    "What was wrong once: the settings were not in the source distribution. This is how it shows."
    poor = shutil.copytree(
        tree, tmp_path / 'poor', ignore=shutil.ignore_patterns('dist', 'build', '*.egg-info')
    )
    manifest = poor / 'MANIFEST.in'
    manifest.write_text(manifest.read_text().replace('settings.ini ', ''))
    with pytest.raises(subprocess.CalledProcessError) as e:
        install(build(poor, 'sdist'), tmp_path / 'env')
    assert 'settings.ini is missing' in e.value.stderr + e.value.stdout
