"A page of all commands and their options: what `--help` prints."

import contextlib
import io
import os

from reflection_connection.cli import COMMANDS, parser

WIDE = '88'  # columns of the help


def _help(*arguments):
    "What a command prints about itself."
    said, before = io.StringIO(), os.environ.get('COLUMNS')
    os.environ['COLUMNS'] = WIDE
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            parser().parse_args([*arguments, '--help'])
    finally:
        os.environ.pop('COLUMNS') if before is None else os.environ.update(COLUMNS=before)
    return ['```text', said.getvalue().rstrip(), '```', '']


def commands_page() -> str:  # Markdown
    "Every command with its options."
    lines = ['# Commands and options', '', 'What `refcon COMMAND --help` prints.', '', *_help()]
    for name in COMMANDS:
        lines += [f'## refcon {name} {{ #{name} }}', '', *_help(name)]
    return '\n'.join(lines)
