"Package metadata and requirements come from settings.ini, run notebooks from nbs."

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

parser = ConfigParser(delimiters=['='])
if not parser.read('settings.ini', encoding='utf-8'):
    raise SystemExit('settings.ini is missing: it holds the metadata and the requirements')
cfg = parser['DEFAULT']
words = lambda key: cfg.get(key, '').split()


class WithNotebooksAndData(build_py):
    "Puts run notebooks and real sections into the package, so that both are there without a checkout."

    def run(self):
        super().run()
        if self.editable_mode:
            return  # a checkout: they are beside the package
        self.copy_into('notebooks', Path(cfg['nbs_path']).glob('run_*.ipynb'))
        self.copy_into(
            'data', (p for p in Path('data').iterdir() if p.is_file() and p.suffix != '.py')
        )

    def copy_into(self, name, files):
        "Copy files into a folder of the package."
        folder = Path(self.build_lib) / cfg['lib_name'] / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            self.copy_file(str(file), str(folder / file.name))


def absolute(text: str, address: str) -> str:
    """Markdown that reads the same away from the repository: relative links get its address.

    As long as there is none, pictures are left out, and links become their text."""
    elsewhere = r'(?!https?://|mailto:)'
    picture = re.compile(
        rf'!\[[^\]]*\]\({elsewhere}([^)\s]+)\)|<img [^>]*src="{elsewhere}([^"]+)"[^>]*>'
    )
    link = re.compile(rf'(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\({elsewhere}([^)\s]+)\)')
    if not address:
        text = re.sub(r'\n{3,}', '\n\n', picture.sub('', text))
        return link.sub(r'\1', text)
    raw, page = (f'{address}/{kind}/{cfg["branch"]}/' for kind in ('raw', 'blob'))
    text = picture.sub(lambda m: m[0].replace(m[1] or m[2], raw + (m[1] or m[2])), text)
    text = re.sub(r'\]\((#[^)\s]+)\)', rf']({address}\1)', text)
    return link.sub(rf'[\1]({page}\2)', text)


def extras() -> dict:  # name -> requirements
    "Optional requirements: those in settings.ini, and what is put together from them."
    found = {
        key.removesuffix('_requirements'): words(key)
        for key in cfg
        if key.endswith('_requirements')
    }
    found['train'] += found['evaluate']  # what was trained is judged beside the baselines
    for_users = (
        'train',
        'explore',
        'openvino',
        'mdio',
        'zgy',
        'remote',
        'cluster',
        'milvus',
        'gis',
    )
    return found | {'all': [one for name in for_users for one in found[name]]}


setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    long_description=absolute(Path('README.md').read_text(encoding='utf-8'), cfg['git_url']),
    long_description_content_type='text/markdown',
    author=cfg['author'],
    keywords=cfg['keywords'],
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Framework :: Jupyter',
        'Intended Audience :: Science/Research',
        'Natural Language :: English',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Topic :: Scientific/Engineering :: Visualization',
    ],
    project_urls={'Source': cfg['git_url']} if cfg['git_url'] else {},
    cmdclass={'build_py': WithNotebooksAndData},
    packages=find_packages(include=['reflection_connection*']),
    include_package_data=False,  # what is listed here, not what MANIFEST.in puts into the source distribution
    package_data={'reflection_connection': ['encoders/*/*', 'explore/static/*']},
    python_requires=f">={cfg['min_python']}",
    install_requires=words('requirements'),
    extras_require=extras(),
    entry_points={'console_scripts': words('console_scripts')},
    zip_safe=False,
)
