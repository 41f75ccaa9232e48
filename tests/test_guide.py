"Command lines that the guide shows are ones that the program takes, and no sentence in it is long."

import re
import shlex

import nbformat
import pytest
from conftest import ROOT

from reflection_connection.cli.arguments import mark_values
from reflection_connection.cli.commands import parser

TUTORIALS = ('your_own_segy', 'labels_and_training', 'label_loop')
PAGES = ('explorer', 'larger')
LONGEST = 35  # words of a sentence


def prose(name):
    "The text of a page, or of a notebook's markdown cells."
    if name in PAGES:
        return (ROOT / 'docs' / f'{name}.md').read_text(encoding='utf-8')
    cells = nbformat.read(ROOT / 'nbs' / f'{name}.ipynb', 4).cells
    return '\n\n'.join(c.source for c in cells if c.cell_type == 'markdown')


def command_lines(text):
    "What stands after `refcon` in blocks and in the middle of text."
    blocks = re.findall(r'^```\w*\n(.*?)^```', text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(
        r'`(refcon [^`]+ [^`]+)`', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)
    )
    for line in lines:
        before, found, rest = line.partition('refcon ')
        if found and (not before or before.startswith(('torchrun', 'accelerate'))):
            yield shlex.split(rest, comments=True)


def sentences(text):
    "Sentences of paragraphs and list items, without tables, headings and blocks of code."
    text = re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)
    for line in text.splitlines():
        if not line.startswith(('|', '#', '!')):
            plain = re.sub(r'\]\([^)]*\)|`[^`]*`', ' code ', line)
            yield from re.split(r'(?<=[.!?])[)*]*\s+', plain)


@pytest.mark.parametrize('name', TUTORIALS + PAGES)
def test_command_lines_of_the_guide_are_understood(name):
    found = [words for words in command_lines(prose(name)) if '…' not in words]
    assert found or name == 'your_own_segy', 'no command line in it'
    for words in found:
        parser().parse_args(mark_values(words))  # SystemExit, with a message, for a wrong one


@pytest.mark.parametrize('name', TUTORIALS + PAGES)
def test_sentences_of_the_guide_are_short(name):
    for sentence in sentences(prose(name)):
        words = re.findall(r"[\w'’.,/-]*\w", sentence)
        assert len(words) <= LONGEST, f'{len(words)} words: {sentence}'
