"Package metadata and requirements come from settings.ini."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

parser = ConfigParser(delimiters=['='])
parser.read('settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']
words = lambda key: cfg.get(key, '').split()

setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    long_description=Path('README.md').read_text(encoding='utf-8') if Path('README.md').is_file() else '',
    long_description_content_type='text/markdown',
    license='MIT',
    author=cfg['author'],
    author_email=cfg['author_email'],
    url=cfg['git_url'],
    keywords=cfg['keywords'],
    classifiers=['Intended Audience :: Science/Research', 'Programming Language :: Python :: 3'],
    packages=find_packages(include=['reflection_connection*']),
    package_data={'reflection_connection': ['encoders/*/*', 'static/*']},
    python_requires=f">={cfg['min_python']}",
    install_requires=words('requirements'),
    extras_require={name: words(f'{name}_requirements') for name in ('dev', 'gpu', 'mdio', 'cluster', 'milvus')},
    entry_points={'console_scripts': words('console_scripts')},
    zip_safe=False,
)
