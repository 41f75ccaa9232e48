"""Commands against known answers: options, bounds, what is handed on, and every line that is said.

What a command calls is replaced by something that remembers what it was given."""

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from answers import in_words

from reflection_connection.cli import COMMANDS, OPENS, Progress, between, commands, main
from reflection_connection.cli import entry, evaluating, learning, notebooks, openings
from reflection_connection.cli import searching, shell, vectors, volumes
from reflection_connection.cli.arguments import mark_values, point, positive, probability, unmarked
from reflection_connection.search import SearchError
from reflection_connection.windows import Grid


def parsed(*argv):
    return commands.parser().parse_args(list(map(str, argv)))


said = in_words(ValueError)


def refused(capsys, *argv):
    "The one line that wrong arguments get."
    with pytest.raises(SystemExit) as end:
        parsed(*argv)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.count('\n') == 1
    return err.strip()


class Remember:
    "Answers the same whatever it is given, and remembers that."

    def __init__(self, answer=None):
        self.answer = answer

    def __call__(self, *args, **options):
        self.args, self.options = args, options
        return self.answer


@pytest.fixture
def put(monkeypatch):
    "Replace a function of the package: put('run.train_encoder', its answer)."

    def replace(name, answer=None):
        instead = answer if callable(answer) else Remember(answer)
        monkeypatch.setattr(f'reflection_connection.{name}', instead)
        return instead

    return replace


# options

NEEDED = dict(
    synth=['o'],
    check=['f'],
    embed=['s', '--encoder', 'e', '--out', 'x.npz'],
    index=['s', '--encoder', 'e', '--out', 'x'],
    search=['i'],
    analogues=['s', '--library', 'l'],
    evaluate=['s', '--encoder', 'e'],
    benchmark=[],
    submit=['--queries', 'q', '--corpus', 'c', '--encoder', 'e', '--out', 'x'],
    train=['d', '--out', 'x'],
    iterate=['d', '--out', 'x'],
    pretrain=['s', '--out', 'x'],
    explore=['i'],
    rerun=['r'],
    run=['n'],
)
HEADERS = dict(
    iline_byte=None,
    xline_byte=None,
    x_byte=None,
    y_byte=None,
    dt=None,
    t0=None,
    domain=None,
    units=None,
    sample_format=None,
    only_for=[],
)
SIZES = dict(window=(96, 96), stride=(48, 48))
ROUNDS = dict(rounds=3, patience=2, min_probability=None, min_margin=None, cap=None, verdicts=None)
DATA = dict(data='d', out='x', encoder='refcon-tiny', volume=None, table=None, merge_case=False)
BROUGHT = dict(columns=None, z_unit=None, gaps=0, crs=None)
SURVEY = SIZES | dict(index_out=None, unit='samples', lines='both', every=1)
DEFAULTS = dict(
    synth=dict(out='o', per_class=20, seed=0, survey=False),
    check=dict(file='f', json=False),
    embed=dict(source='s', dask=None, encoder='e', out='x.npz', unit='samples', precision='auto')
    | dict(crs=None)
    | SIZES,
    index=dict(sources=['s'], encoder='e', out='x', unit='samples', lines='both', every=1)
    | dict(kind='auto', memory=None, milvus=None, dask=None, precision='auto', json=False)
    | SIZES,
    search=dict(index=['i'], image=None, inline=None, crossline=None, line=None, along=None)
    | dict(box=None, volume=[], labels=None, label=None, merge_case=False, like=[], unlike=[])
    | dict(look=None, k=10, where=None, polygon=None, min_separation=2, min_samples=0)
    | dict(min_confidence=None, bodies=False, map=None, encoder=None, json=False, whole=False)
    | dict(between=None, about=None, out=None, format=None, slice=None)
    | BROUGHT
    | SURVEY,
    analogues=dict(sources=['s'], library='l', encoder=None, look=None, k=5, windows=2000)
    | dict(out=None, json=False),
    evaluate=dict(source='s', encoder='e', sections=None, table=None, leave_out=None, exclude=[])
    | dict(merge_case=False, precision='auto', json=False),
    benchmark=dict(entries=[], write=None, encoder=None, out=None, baselines=False)
    | dict(precision='auto', json=False),
    submit=dict(queries='q', corpus='c', encoder='e', precision='auto', out='x'),
    train=DATA
    | dict(what='auto', steps=300, loss='supcon', mining='semihard', lr=1e-3, gather=False)
    | dict(accumulate=1, seed=0, precision='auto', json=False),
    iterate=DATA
    | SIZES
    | ROUNDS
    | dict(corpus=None, what='auto', seed=0, precision='auto', json=False),
    pretrain=dict(sources=['s'], out='x', objective='dinov2', encoder='vitc-pico', size=64)
    | dict(steps=600, batch=32, lr=1e-3, mask='random', assignment='sinkhorn', augment='light')
    | dict(precision='auto', workers=2, every=50, sections=200, fresh=False, seed=0, json=False),
    explore=dict(index=['i'], labels=None, allow_labels=False, port=None, volume=[], encoder=None)
    | dict(base_url='/', keep=120, horizon=[])
    | BROUGHT
    | SURVEY
    | dict(polygon=[]),
    rerun=dict(run='r', out=None, notebook=None, tolerance=0.0, json=False),
    run=dict(notebook='n', parameters=[], out=None),
)


@pytest.mark.parametrize('command', DEFAULTS)
def test_defaults(command, capsys):
    opens = HEADERS if command in OPENS else {}
    expected = dict(command=command, verbose=False) | DEFAULTS[command] | opens
    assert vars(parsed(command, *NEEDED[command])) == expected
    given = NEEDED[command]
    for i, word in enumerate(given):
        if word.startswith('-'):
            text = refused(capsys, command, *given[:i], *given[i + 2 :])
            assert f'the following arguments are required: {word}' in text
    if given and not given[0].startswith('-'):
        assert 'the following arguments are required: ' in refused(capsys, command, *given[1:])
    assert list(COMMANDS) == list(DEFAULTS)


def test_help_says_what_an_index_remembers(capsys):
    for command, (what, _) in COMMANDS.items():
        with pytest.raises(SystemExit) as end:
            parsed(command, '--help')
        assert end.value.code == 0
        text = ' '.join(capsys.readouterr().out.split())
        assert f'{what[0].upper()}{what[1:]}.' in text
        assert ('what headers leave open' in text) == (command in OPENS)
        remembers = command in ('index', 'search', 'explore')
        assert ('An index remembers these.' in text) == remembers
        assert '--verbose' in text
    assert refused(capsys) == (
        'refcon: the following arguments are required: COMMAND (see refcon --help)'
    )


RATE, SEED, BYTE, FINITE = (1e-12, 1e3), (0, 2**32 - 1), (1, 237), (-1e12, 1e12)


@pytest.mark.parametrize(
    'command, option, low, high, kind',
    [
        ('train', '--lr', *RATE, float),
        ('pretrain', '--lr', *RATE, float),
        ('synth', '--seed', *SEED, int),
        ('train', '--seed', *SEED, int),
        ('pretrain', '--workers', 0, 256, int),
        ('search', '--look', 0, 1, float),
        ('explore', '--port', 1, 65535, int),
        ('explore', '--keep', 1, 86400, int),
        ('index', '--memory', 1e-6, 1e6, float),
        ('check', '--iline-byte', *BYTE, int),
        ('check', '--xline-byte', *BYTE, int),
        ('check', '--x-byte', *BYTE, int),
        ('check', '--y-byte', *BYTE, int),
        ('check', '--dt', 1e-9, 1e9, float),
        ('check', '--t0', *FINITE, float),
    ],
)
def test_ranges(command, option, low, high, kind, capsys):
    name = option[2:].replace('-', '_')
    for value in (low, high):
        found = getattr(parsed(command, *NEEDED[command], option, repr(kind(value))), name)
        assert found == value
        assert type(found) is kind
    step = 1 if kind is int else abs(high) * 1e-3
    below = low - 1 if kind is int or low <= 0 else low / 2
    called = 'whole number' if kind is int else 'number'
    for value in (repr(below), repr(kind(high + step)), 'x', 'nan'):
        assert refused(capsys, command, *NEEDED[command], option, value) == (
            f"refcon {command}: argument {option}: '{value}' is not a {called} "
            f'from {low:g} to {high:g} (see refcon {command} --help)'
        )


def test_ways_to_write_numbers(capsys):
    assert [positive('1'), positive('12')] == [1, 12]
    assert probability('0') == 0 and probability('1') == 1 and probability('.5') == 0.5
    assert point('1,-2.5') == (1, -2.5)
    assert between(2, 3)('3') == 3
    for option, value, text in (
        ('--k', '0', "'0' is not a whole number of at least 1"),
        ('--k', '1.5', "'1.5' is not a whole number of at least 1"),
        ('--k', '-1', "'-1' is not a whole number of at least 1"),
        ('--min-confidence', '1.01', "'1.01' is not a probability between 0 and 1"),
        ('--min-confidence', '-.01', "'-.01' is not a probability between 0 and 1"),
        ('--min-confidence', 'nan', "'nan' is not a probability between 0 and 1"),
        ('--min-confidence', 'x', "'x' is not a probability between 0 and 1"),
        ('--along', '1', "'1' is not INLINE,CROSSLINE"),
        ('--along', '1,2,3', "'1,2,3' is not INLINE,CROSSLINE"),
    ):
        assert refused(capsys, 'search', 'i', option, value) == (
            f'refcon search: argument {option}: {text} (see refcon search --help)'
        )
    for few in ('1', '1 2 3'):
        assert 'refcon index: ' in refused(capsys, 'index', *'s --window'.split(), *few.split())
    asked = parsed('search', 'i', '--box', -1, 2, 3, 4, '--volume', 'a', '--volume', 'b')
    assert (asked.box, asked.volume) == ([-1, 2, 3, 4], ['a', 'b'])
    made = parsed('index', 's', 't', *NEEDED['index'][1:], '--window', 1, 2, '--milvus')
    assert (made.sources, made.window, made.milvus) == (['s', 't'], [1, 2], '')


def test_values_of_parameters_are_marked():
    mark = '\0'
    assert mark_values(['run', 'n', '-p', 'a', '-p', '-p', 'b', '--x']) == [
        'run',
        'n',
        '-p',
        'a',
        '-p',
        '-p',
        'b',
        f'{mark}--x',
    ]
    marked = mark_values('run n -p a --x -p b -1 -p c 3 -v'.split())
    assert marked == ['run', 'n', '-p', 'a', f'{mark}--x', '-p', 'b', f'{mark}-1'] + [
        '-p',
        'c',
        f'{mark}3',
        '-v',
    ]
    assert mark_values('run -p a 1'.split()) == ['run', '-p', 'a', f'{mark}1']
    for own in ('-p', '--out', '-v', '--verbose', '-h', '--help'):
        assert mark_values(['run', '-p', 'a', own]) == ['run', '-p', 'a', own]
    for argv in ([], ['run'], ['run', '-p', 'a'], ['search', '-p', 'a', '-1']):
        assert mark_values(argv) == argv
    assert unmarked(f'{mark}--x') == '--x'
    assert unmarked('x') == 'x'


# the shell


def test_places(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', '/home/ann')
    monkeypatch.chdir(tmp_path)
    assert shell.place('~/a') == '/home/ann/a'
    assert shell.place('a~') == 'a~'
    (tmp_path / '~b').touch()
    assert shell.place('~b') == '~b'
    with said('file:///a%20b is an address: give the path alone, /a b'):
        shell.place('FILE:///a%20b')
    with said(
        's3://bucket/a is an address: files and folders are read and written on this machine '
        'only; copy it here first and give its path'
    ):
        shell.place('s3://bucket/a')
    assert shell.place('c://x') == 'c://x'
    names = 'file source sources index out encoder image volume labels polygon map sections '
    names += 'table queries corpus data verdicts run notebook'
    for name in names.split():
        given = SimpleNamespace(**{name: '~/a', 'other': '~/a'})
        assert shell.with_places(given) is given
        assert vars(given) == {name: '/home/ann/a', 'other': '~/a'}
    given = shell.with_places(SimpleNamespace(sources=['~/a', 'b'], sections=200, out=None))
    assert vars(given) == dict(sources=['/home/ann/a', 'b'], sections=200, out=None)


def test_names_that_a_locale_cannot_pass_on(monkeypatch):
    assert shell.not_utf8(['ä']) == ''
    monkeypatch.setattr(sys, 'getfilesystemencoding', lambda: 'UTF8')
    assert shell.not_utf8(['ä']) == ''
    monkeypatch.setattr(sys, 'getfilesystemencoding', lambda: 'ascii')
    assert shell.not_utf8(['a', 'b']) == ''
    assert shell.not_utf8(['a', 'ä', 'ö']) == (
        'ä: a name that is not ASCII needs a UTF-8 locale, and this one is ascii: '
        'set LC_ALL=C.UTF-8, without PYTHONUTF8=0'
    )


def test_streams(monkeypatch, capsys):
    assert shell.unwritten(BrokenPipeError()) == shell.CUT_SHORT == 141
    assert capsys.readouterr().err == ''
    assert shell.unwritten(OSError(28, 'No space')) == 2
    assert capsys.readouterr().err == 'refcon: the answer could not be written (No space)\n'
    assert shell.end_output(7) == 7
    monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(io.BytesIO(), encoding='ascii'))
    monkeypatch.setattr(sys, 'stderr', None)
    shell.open_streams()
    assert sys.stderr.name == os.devnull
    print('ä', flush=True)
    assert sys.stdout.buffer.getvalue() == b'\\xe4\n'


def test_a_full_disk_is_told(monkeypatch, capsys, tmp_path):
    class Full:
        def __init__(self):
            self.file = open(tmp_path / 'out', 'w')

        def flush(self):
            raise OSError(28, 'No space')

        def fileno(self):
            return self.file.fileno()

    full = Full()
    monkeypatch.setattr(sys, 'stdout', full)
    assert shell.end_output(0) == 2
    assert capsys.readouterr().err == 'refcon: the answer could not be written (No space)\n'
    assert os.path.samestat(os.fstat(full.fileno()), os.stat(os.devnull))


def test_a_reader_that_is_gone(monkeypatch):
    read, write = os.pipe()
    with open(write, 'w') as pipe:
        monkeypatch.setattr(sys, '__stdout__', None)
        monkeypatch.setattr(sys, '__stderr__', pipe)
        assert not shell.reader_is_gone()
        os.close(read)
        assert shell.reader_is_gone()


# the entry


@pytest.fixture
def do(monkeypatch):
    "Let `refcon check` do something else."
    monkeypatch.delenv('REFCON_VERBOSE', raising=False)

    def replace(work):
        monkeypatch.setitem(entry._DO, 'check', work)

    return replace


def test_answers_are_printed(do, capsys):
    for answer, out, code in (
        ('text', 'text\n', 0),
        ('', '', 0),
        ({'a': 1}, '{\n "a": 1\n}\n', 0),
        (([], 1), '[]\n', 1),
    ):
        do(lambda args, answer=answer: answer)
        assert main(['check', 'f']) == code
        assert capsys.readouterr() == (out, '')

    def noisy(args):
        print('by the way')
        return 'text'

    do(noisy)
    assert main(['check', 'f']) == 0
    assert capsys.readouterr() == ('text\n', 'by the way\n')
    assert 'REFCON_VERBOSE' not in os.environ
    assert main(['check', 'f', '-v']) == 0
    out, err = capsys.readouterr()
    assert out == 'text\n'
    assert 'refcon.check' in err
    assert os.environ.pop('REFCON_VERBOSE') == '1'
    do(lambda args: {'a': float('nan')})
    assert main(['check', 'f']) == 2
    assert capsys.readouterr().out == ''


def test_what_went_wrong_takes_one_line(do, capsys):
    def fail(error):
        def work(args):
            raise error

        do(work)
        return main(['check', 'f'])

    assert fail(ValueError('a\n  b')) == 2
    assert capsys.readouterr().err == 'refcon check: a b\n'
    assert fail(SearchError('a')) == 2
    assert capsys.readouterr().err == 'refcon check: a\n'
    assert fail(FileNotFoundError(2, 'gone')) == 2
    assert capsys.readouterr().err == 'refcon check: [Errno 2] gone\n'
    assert fail(BrokenPipeError('pipe')) == 2
    capsys.readouterr()
    assert fail(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == 'refcon check: interrupted\n'
    with pytest.raises(json.JSONDecodeError):
        fail(json.JSONDecodeError('a', 'b', 0))
    with pytest.raises(TypeError):
        fail(TypeError('a'))


def test_exit_codes(do, capsys, monkeypatch):
    assert main(['--version']) == 0
    assert capsys.readouterr().out.startswith('refcon ')
    assert main(['--help']) == 0
    assert main(['nonsense']) == 2
    assert main(['check', 's3://a']) == 2
    assert capsys.readouterr().err.endswith('copy it here first and give its path\n')
    do(lambda args: 'text')
    monkeypatch.setattr(sys, 'argv', ['refcon', 'check', 'f'])
    assert main() == 0
    assert capsys.readouterr().out == 'text\n'
    with monkeypatch.context() as closed:
        closed.setattr(sys, 'stdout', None)
        assert main() == 0
    monkeypatch.setattr(entry, 'reader_is_gone', lambda: True)

    def gone(args):
        raise BrokenPipeError

    do(gone)
    assert main(['check', 'f']) == 141
    monkeypatch.setattr(sys, 'getfilesystemencoding', lambda: 'ascii')
    capsys.readouterr()
    assert main(['check', 'ä']) == 2
    assert capsys.readouterr().err.startswith('refcon: ä: a name that is not ASCII needs')


# openings


def test_what_headers_leave_open(monkeypatch, tmp_path):
    monkeypatch.delenv('RANK', raising=False)
    given = ['check', 'f', '--iline-byte', 1, '--xline-byte', 2, '--x-byte', 3, '--y-byte', 4]
    given += ['--dt', 5, '--t0', -6, '--domain', 'depth', '--units', 'ft']
    given += ['--sample-format', 'ibm']
    options = openings.opening_of(parsed(*given)).of('f')
    for name, value in dict(iline_byte=1, xline_byte=2, x_byte=3, y_byte=4, dt=5, t0=-6).items():
        assert options[name] == value
    assert (options['domain'], options['units'], options['sample_format']) == ('depth', 'ft', 'ibm')
    a, b = tmp_path / 'a.sgy', tmp_path / 'b.sgy'
    a.touch()
    one = openings.opening_of(parsed(*given, '--for', a))
    assert one.of(str(a)) == options
    assert one.of(str(b)) != options
    with said(f'--for {b}: no such file or folder'):
        openings.opening_of(parsed(*given, '--for', a, b))
    openings.opening_of(parsed('search', 'i', '--for', b))  # an index knows where it was
    for rank, quiet in (('0', False), ('1', True)):
        monkeypatch.setenv('RANK', rank)
        assert openings.opening_of(parsed('check', 'f')).quiet == quiet
        assert openings.opening_of(parsed('check', 'f', '--for', a)).quiet == quiet


def test_options_for_volumes_that_are_not_read(tmp_path):
    asked = SimpleNamespace(only_for=[str(tmp_path / 'd' / 'a.sgy')])
    inside = [str(tmp_path / 'd')]
    openings.refuse_others(asked, inside)
    openings.refuse_others(asked, ['x.sgy', str(tmp_path / 'd' / 'a.sgy')])
    openings.refuse_others(asked, [str(tmp_path / 't.csv')])
    openings.refuse_others(SimpleNamespace(only_for=[]), [])
    none = f'--for {asked.only_for[0]}: none of the volumes that are read: '
    with said(f'{none}x.sgy, y.sgy'):
        openings.refuse_others(asked, ['p/x.sgy', 'y.sgy'])
    with said(f'{none}(none)'):
        openings.refuse_others(asked, [])
    asked.only_for.append('z.sgy')
    with said('--for z.sgy: none of the volumes that are read: d'):
        openings.refuse_others(asked, inside)


# volumes


def test_synthetic_data(put, tmp_path):
    challenge, survey = put('synthetic.write_challenge', 'C'), put('synthetic.write_survey', 'S')
    text = 'C: train/, test/, image_corpus/, query/ and truth.csv'
    assert volumes.synth(parsed('synth', tmp_path, '--per-class', 3, '--seed', 5)) == text
    assert challenge.args == (str(tmp_path), 3, 5)
    assert not hasattr(survey, 'args')
    assert volumes.synth(parsed('synth', tmp_path, '--seed', 5, '--survey')) == (
        f'{text}\nS: a 3-D survey, with classes.npy and labels.csv'
    )
    assert survey.args == (tmp_path / 'survey', 5)


def test_a_report_as_lines(put, capsys):
    report = dict(
        n=0,
        no=None,
        empty=[],
        numbers=[1, 2],
        inner=dict(a=1, deeper=dict(words=['x', 'y'])),
        rows=[dict(what='w', value=3), 'plain'],
    )
    check = put('volume.preflight', report)
    assert main(['check', 'f', '--dt', '3']) == 0
    assert capsys.readouterr().out.splitlines() == [
        'n: 0',
        'no: none',
        'empty: none',
        'numbers: [1, 2]',
        'inner:',
        '  a: 1',
        '  deeper:',
        '    words:',
        '      x',
        '      y',
        'rows:',
        '  what: w; value: 3',
        '  plain',
    ]
    assert check.args == ('f',)
    assert check.options['dt'] == 3
    assert main(['check', 'f', '--json']) == 0
    assert json.loads(capsys.readouterr().out) == report
    assert list(volumes.report_lines(dict(a=1), 2)) == ['    a: 1']
    assert main(['check', 'f', '--for', __file__]) == 2
    assert 'none of the volumes that are read: f' in capsys.readouterr().err


# vectors


def test_progress(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(vectors.time, 'time', lambda: now[0])
    tell = Progress('reading')
    assert tell.every == 5

    def told(at, done, total=5000):
        now[0] = 100.0 + at
        tell(done, total)
        return capsys.readouterr().err

    assert told(0.5, 1000) == 'reading: 1,000 of 5,000 windows\n'
    assert told(5.4, 1500) == ''
    assert told(5.5, 1550) == 'reading: 1,550 of 5,000 windows, 100 a second, 34 s left\n'
    assert told(6.0, 5000) == 'reading: 5,000 of 5,000 windows, 667 a second, 0 s left\n'
    now[0] = 100.0
    tell = Progress('reading', every=0.5)
    assert told(1.0, 200) == 'reading: 200 of 5,000 windows, 200 a second, 24 s left\n'
    assert told(1.4, 300) == ''
    assert told(1.5, 300) == 'reading: 300 of 5,000 windows, 200 a second, 24 s left\n'
    now[0] = 100.0
    tell = Progress('x', every=0)
    assert told(0.25, 100) == 'x: 100 of 5,000 windows\n'
    assert told(0.5, 200) == 'x: 200 of 5,000 windows, 200 a second, 24 s left\n'
    now[0] = 100.0
    tell = Progress('x')
    assert told(0.0, 5000) == 'x: 5,000 of 5,000 windows\n'


REPORT = pd.DataFrame(dict(id=['w1', 'w2'], problem=['dead', 'small']))
LEFT_OUT = 'left out w1: dead\nleft out w2: small\n'


def test_embed(put, capsys, tmp_path):
    put('encoder.Encoder.load', lambda name: f'<{name}>')
    made = put('search.embed_file', ((1234, 8), REPORT))
    out = str(tmp_path / 'x.npz')
    asked = ['embed', 's', '--encoder', 'e', '--out', out, '--window', '1', '2', '--stride', '3']
    asked += ['4', '--unit', 'metric', '--dask', 'local', '--precision', 'bf16', '--dt', '2']
    assert main(asked) == 0
    assert capsys.readouterr() == (f'{out}: 1,234 embeddings of 8 numbers\n', LEFT_OUT)
    encoder, source, to, grid = made.args
    assert (encoder, source, to) == ('<e>', 's', out)
    assert (tuple(grid.window), tuple(grid.stride), grid.unit) == ((1, 2), (3, 4), 'metric')
    options = made.options
    assert (options['dask'], options['precision']) == ('local', 'bf16')
    assert options['opening'].of('s')['dt'] == 2
    assert options['progress'].what == 'embedding'
    assert main(['embed', 's', '--encoder', 'e', '--out', 'x.np']) == 2
    assert capsys.readouterr().err == (
        'refcon embed: --out is x.np: expected a name ending in .npz or .parquet\n'
    )
    assert main(['embed', 's', '--encoder', 'e', '--out', 'no/such/x.npz']) == 2
    assert capsys.readouterr().err == (
        'refcon embed: --out is no/such/x.npz: there is no folder no/such\n'
    )
    assert main([*asked, '--for', __file__]) == 2
    assert 'none of the volumes that are read: s' in capsys.readouterr().err


class Made:
    def __len__(self):
        return 5

    def __str__(self):
        return 'an index'


def test_index(put, capsys, tmp_path):
    put('encoder.Encoder.load', lambda name: f'<{name}>')
    made = put('search.build_index', (Made(), REPORT, True))
    asked = ['index', 's', 't', '--encoder', 'e', '--out', 'o', '--window', '1', '2', '--stride']
    asked += ['3', '4', '--unit', 'metric', '--dask', 'local', '--precision', 'bf16', '--dt', '2']
    asked += ['--lines', 'inline', '--every', '7', '--kind', 'hnsw', '--memory', '1.5']
    assert main(asked) == 0
    assert capsys.readouterr() == ('o: an index\n', LEFT_OUT)
    assert made.args == ('<e>', ['s', 't'], 'o')
    options = made.options
    grid = options['grid']
    assert (tuple(grid.window), tuple(grid.stride), grid.unit) == ((1, 2), (3, 4), 'metric')
    assert (grid.lines, grid.every) == ('inline', 7)
    assert (options['kind'], options['memory']) == ('hnsw', 1_500_000_000)
    assert (options['dask'], options['precision']) == ('local', 'bf16')
    assert options['encoder_source'] == 'e'
    assert options['progress'].what == 'indexing'
    assert options['opening'].of('s')['dt'] == 2
    made.answer = (Made(), REPORT[:0], False)
    folder = tmp_path / 'a' / '..' / 'e'
    (tmp_path / 'a').mkdir()
    (tmp_path / 'e').mkdir()
    assert main(['index', 's', '--encoder', str(folder), '--out', 'o']) == 0
    assert capsys.readouterr() == ('o: an index, unchanged: nothing to do\n', '')
    assert made.options['encoder_source'] == str((tmp_path / 'e').resolve())
    assert made.options['memory'] is None
    milvus = put('search.build_milvus', (Made(), REPORT[:0]))
    assert main(['index', 's', '--encoder', 'e', '--out', 'o', '--milvus']) == 0
    assert capsys.readouterr().out == 'o: an index\n'
    assert milvus.args == ('<e>', ['s'], 'o', '')
    assert 'kind' not in milvus.options and 'grid' in milvus.options
    assert main(['index', 's', '--encoder', 'e', '--out', 'o', '--for', __file__]) == 2


def test_index_as_json(put):
    volume = dict(opening=dict(dt=2), notes=['n'], problems=[])
    meta = dict(volumes={'s': volume}, dim=8, encoder='e', unlike={}, sizes=[])
    put('search.read_meta', meta)
    answer = vectors._index_json(Path('o'), Made(), REPORT, False)
    assert answer == dict(
        out='o',
        windows=5,
        dim=8,
        kind='milvus',
        encoder='e',
        worked=False,
        left_out=REPORT.to_dict('records'),
        opening={'s': dict(dt=2)},
        notes={'s': ['n']},
        problems={'s': []},
        unlike={},
        sizes=[],
    )
    meta['kind'] = 'flat'
    assert vectors._index_json('o', Made(), REPORT, True)['kind'] == 'flat'


# learning


def test_train(put, capsys):
    results = dict(what='head', before=0.1234, after=0.5678, split='survey', leave_out='none')
    work, rank = put('run.train_encoder', (None, results)), put('training.rank', 0)
    asked = ['train', 'd', '--out', 'o', '--encoder', 'e', '--volume', 'v', '--table', 't']
    asked += ['--merge-case', '--what', 'head', '--steps', '3', '--loss', 'triplet', '--mining']
    asked += ['hard', '--lr', '.5', '--gather', '--accumulate', '2', '--seed', '9']
    asked += ['--precision', 'fp16', '--dt', '2']
    assert main(asked) == 0
    told = 'validation macro mAP 0.123 -> 0.568 (split by survey, candidates left out: none)\n'
    assert capsys.readouterr().out == f'o: head trained, {told}'
    assert work.args == ('d', 'e')
    opening = work.options.pop('opening')
    assert opening.of('x')['dt'] == 2
    assert work.options == dict(
        folder='o',
        volume='v',
        table='t',
        merge_case=True,
        seed=9,
        what='head',
        steps=3,
        loss='triplet',
        mining='hard',
        lr=0.5,
        gather=True,
        accumulate=2,
        precision='fp16',
    )
    results['what'] = 'all'
    assert main(['train', 'd', '--out', 'o']) == 0
    assert capsys.readouterr().out == f'o: all weights trained, {told}'
    assert main(['train', 'd', '--out', 'o', '--json']) == 0
    assert json.loads(capsys.readouterr().out) == results | dict(problems={})
    rank.answer = 1
    assert main(['train', 'd', '--out', 'o']) == 0
    assert capsys.readouterr().out == ''


def test_iterate(put, capsys):
    suspects = pd.DataFrame([dict(id=f'w{i}', label='A', second='B') for i in range(6)])
    ledger = SimpleNamespace(path='labels.parquet', current=lambda: suspects[:1])
    rounds = pd.DataFrame(dict(score=[0.5, np.nan]))
    found = dict(story='told', ledger=ledger, encoder=Path('e'), suspects=suspects, rounds=rounds)
    work, windows = put('run.iterate_labels', found), put('run.loop_windows', 'W')
    asked = ['iterate', 'd', '--out', 'o', '--encoder', 'e', '--volume', 'v', '--table', 't']
    asked += ['--merge-case', '--what', 'head', '--corpus', 'c', '--window', '1', '2', '--stride']
    asked += ['3', '4', '--rounds', '5', '--patience', '6', '--seed', '7', '--verdicts', 'y.csv']
    asked += ['--min-probability', '.25', '--min-margin', '.125', '--cap', '8', '--dt', '2']
    assert main(asked) == 0
    assert capsys.readouterr().out.splitlines() == [
        'told',
        'labels:  labels.parquet',
        'review:  o/review',
        'encoder: e',
        *(f'look at w{i}: labelled A, B is ahead' for i in range(5)),
    ]
    assert windows.args == ('d', 'v', 't')
    assert windows.options.pop('opening').of('x')['dt'] == 2
    assert windows.options == dict(grid=([1, 2], [3, 4]), corpus=['c'], seed=7, merge_case=True)
    *first, rules = work.args
    assert first == ['W', 'e', 'o']
    assert (rules.min_probability, rules.min_margin, rules.cap) == (0.25, 0.125, 8)
    assert work.options == dict(rounds=5, patience=6, what='head', seed=7, verdicts='y.csv')
    assert main(['iterate', 'd', '--out', 'o', '--json']) == 0
    assert json.loads(capsys.readouterr().out) == dict(
        problems={},
        story='told',
        encoder='e',
        labels=suspects[:1].to_dict('records'),
        suspects=suspects.to_dict('records'),
        rounds=[dict(score=0.5), dict(score=None)],
    )
    from reflection_connection.labelling import Rules

    assert work.args[3] == Rules()


def test_pretrain(put, capsys):
    facts = dict(windows_seen=12345, surveys=3, data_wait=0.1234)
    encoder = SimpleNamespace(provenance=dict(pretraining=facts), dim=16)
    history = [
        dict(loss=3.0, eval_loss=9.0),
        dict(eval_loss=1.23456, eval_rank=7.89),
        dict(loss=2.0),
    ]
    work, rank = put('run.pretrain_encoder', (encoder, history)), put('training.rank', 0)
    asked = ['pretrain', 's', 't', '--out', 'o', '--encoder', 'e', '--objective', 'mae', '--size']
    asked += ['32', '--steps', '3', '--batch', '4', '--lr', '.5', '--mask', 'trace']
    asked += ['--assignment', 'centering', '--augment', 'heavy', '--precision', 'fp16']
    asked += ['--workers', '0', '--every', '6', '--sections', '7', '--fresh', '--seed', '8']
    assert main([*asked, '--dt', '2']) == 0
    assert capsys.readouterr().out == (
        'o: 12,345 windows of 3 surveys; held-out loss 1.235, effective rank 7.9 of 16; '
        'waited for data 12.3% of the time\n'
    )
    assert work.args == (['s', 't'], 'e', 'o')
    assert work.options.pop('opening').of('x')['dt'] == 2
    assert work.options == dict(
        resume=False,
        size=32,
        sections=7,
        seed=8,
        objective='mae',
        mask='trace',
        assignment='centering',
        augment='heavy',
        steps=3,
        batch=4,
        lr=0.5,
        precision='fp16',
        workers=0,
        every=6,
    )
    assert main(['pretrain', 's', '--out', 'o', '--json']) == 0
    assert json.loads(capsys.readouterr().out) == facts | dict(
        losses=[3, 2], problems={}, eval_loss=1.23456, eval_rank=7.89
    )
    assert work.options['resume'] is True
    assert learning._last_figures([]) == {}
    rank.answer = 1
    assert main(['pretrain', 's', '--out', 'o']) == 0
    assert capsys.readouterr().out == ''


# notebooks


def test_run(put, capsys, tmp_path):
    work = put('run.run_notebook', tmp_path / 'n.ipynb')
    assert main(['run', 'n', '-p', 'a', '-1', '-p', 'b', '--x', '--out', 'o']) == 0
    assert capsys.readouterr().out == f'notebook: {tmp_path}/n.ipynb\n'
    assert work.args == ('n', dict(a='-1', b='--x'), 'o')
    (tmp_path / 'report.html').touch()
    assert main(['run', 'n']) == 0
    assert capsys.readouterr().out == (
        f'notebook: {tmp_path}/n.ipynb\nreport:   {tmp_path}/report.html\n'
    )
    assert main('run n -p b 1 -p a 1 -p b 2 -p a 2'.split()) == 2
    assert capsys.readouterr().err == 'refcon run: parameter a is given twice\n'


def test_rerun(put, capsys):
    changes = pd.DataFrame([dict(what='w', before=1, now=2), dict(what='v', before=3, now=4)])
    again = put('run.rerun', Path('r-again'))
    found = put('run.differences', (changes, changes[:1], 7))
    assert main(['rerun', 'r', '--out', 'o', '--notebook', 'n', '--tolerance', '0.5']) == 1
    assert capsys.readouterr().out == (
        'r-again: 7 results compared, 2 differ\n  w: 1 -> 2\n  v: 3 -> 4\n'
        'circumstances that differ:\n  w: 1 -> 2\n'
    )
    assert again.args == ('r', 'o', 'n')
    assert found.args == ('r', Path('r-again'), 0.5)
    found.answer = (changes[:0], changes[:0], 7)
    assert main(['rerun', 'r']) == 0
    assert capsys.readouterr().out == 'r-again: 7 results compared, none differ\n'
    found.answer = (changes[:1], changes[1:], 7)
    assert main(['rerun', 'r', '--json']) == 1
    assert json.loads(capsys.readouterr().out) == dict(
        out='r-again',
        compared=7,
        results=[dict(what='w', before=1, now=2)],
        circumstances=[dict(what='v', before=3, now=4)],
    )
    for wrong in ('-0.1', 'nan'):
        assert main(['rerun', 'r', '--tolerance', wrong]) == 2
        assert capsys.readouterr().err == (
            f'refcon rerun: --tolerance is {wrong}: expected a number of at least 0\n'
        )
    assert notebooks._listed(changes[:0]) == ''


# evaluating


def test_lines_about_unknown_windows():
    assert evaluating._unknown_lines(dict(auroc=None)) == []
    some = dict(auroc=0.756, n_unknown=12)
    line = '12 windows have none of their class to find: '
    line += 'told from the others with an area under ROC of 0.76'
    assert evaluating._unknown_lines(some) == [line]
    for n, plural in ((1, ''), (2, 's')):
        assert evaluating._unknown_lines(some | dict(surveys=n, auroc_of_survey=0.5)) == [
            f"{line}, 0.50 by the survey's name alone (they are of {n} survey{plural})"
        ]


def test_lines_about_calibration():
    assert evaluating._calibration_lines(None) == []
    a = dict(stated=0.5, right=0.25, error=0.1234)
    one = '0.50 stated, 0.25 right, expected calibration error 0.123'
    over = dict(mean_error=0.1, worst_error=0.3, worst_survey='N')
    c = a | dict(pairs=10, findable=a | dict(pairs=9), over_surveys=over, per_survey=dict(M=a, N=a))
    all_of_them = f'probabilities of the ten nearest: {one}'
    some = f'  of windows that have some of their class to find: {one}'
    surveys = '  over surveys: error 0.100 on average, 0.300 at worst (N)'
    assert evaluating._calibration_lines(c) == [
        all_of_them,
        some,
        surveys,
        f'  M: {one}',
        f'  N: {one}',
    ]
    as_many = c | dict(findable=a | dict(pairs=10), per_survey=dict(M=a))
    assert evaluating._calibration_lines(as_many) == [all_of_them, f'  M: {one}']
    none = c | dict(findable=None, over_surveys=None)
    assert evaluating._calibration_lines(none) == [all_of_them, f'  M: {one}', f'  N: {one}']


def test_look_alike_measures(put):
    sections = [0, 1]

    class Sections(list):
        surveys = 'S'

    put('evaluation.SectionsOf', lambda reader: Sections(sections))
    frame = pd.DataFrame(dict(section=list('aabb')))
    place = put('evaluation.same_place', (dict(candidates=[np.zeros((3, 5))]), frame))
    judged = dict(encoder=dict(intervals=dict(n=2, over='section')))
    put('evaluation.judge_look', judged)
    table = pd.DataFrame(dict(x=[1]))
    put('evaluation.look_table', table)
    assert evaluating._look_alike('E', 'R') == (
        judged,
        [
            'same place among 4 windows of 2 sections (3 samples x 5 traces), moved, and moved '
            'and recorded otherwise; chance 0.250; intervals over 2 sections',
            table.to_string(),
        ],
    )
    assert place.options == dict(surveys='S')
    from reflection_connection.evaluation import LookalikeError

    def refuse(*_, **__):
        raise LookalikeError('too few')

    put('evaluation.same_place', refuse)
    assert evaluating._look_alike('E', 'R') == ({}, ['same place: not judged: too few'])
    sections.clear()
    assert evaluating._look_alike('E', 'R') == ({}, [])


def found_by_evaluation():
    return dict(
        encoder=dict(
            n_queries=7,
            n_skipped=3,
            leave_out='survey',
            chance=dict(macro_map=0.2),
            intervals=dict(n=4, over='survey'),
            per_class=dict(A=dict(map=0.5, n=2), B=dict(map=0.25, n=5)),
            unknown=dict(auroc=None),
            calibration=None,
        )
    )


def test_the_report_of_an_evaluation(put, capsys):
    found = found_by_evaluation()
    put('run.ahead_table', pd.DataFrame(dict(t=[1])))
    head = '10 windows, left out: survey, chance 0.200; intervals and p over 4 surveys'
    lines = [head, '   t\n0  1', 'encoder, mAP by class (windows): B 0.25 (5)  A 0.50 (2)']
    assert evaluating._evaluation_text(found, ['look']) == '\n'.join([*lines, 'look'])
    found['encoder']['per_survey'] = dict(S=dict(map=1, n=2))
    lines.append('encoder, mAP by survey (windows): S 1.00 (2)')
    assert evaluating._evaluation_text(found, []) == '\n'.join(lines)

    frame = pd.DataFrame(dict(label=['A', 'B', None]))
    read = put('windows.load_windows', SimpleNamespace(frame=frame))
    put('encoder.Encoder.load', lambda name: f'<{name}>')
    score = put('run.score_encoder', found)
    put('cli.evaluating._look_alike', ({}, ['why not']))
    asked = ['evaluate', 's', '--encoder', 'e', '--sections', 'p', '--table', 't', '--merge-case']
    asked += ['--leave-out', 'section', '--exclude', 'a', '--dt', '2']
    assert main(asked) == 0
    assert capsys.readouterr().out == '\n'.join([*lines, 'why not']) + '\n'
    assert read.args == ('s', 'p', 't')
    assert read.options['merge_case'] is True
    assert read.options['opening'].of('s')['dt'] == 2
    assert score.args[0] == '<e>' and score.args[2:] == ('section', ['A'])
    assert main([*asked, '--json']) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (found, 'why not\n')
    put('cli.evaluating._look_alike', (dict(encoder=5), ['a table']))
    problems = put('cli.evaluating.problems_of', dict(v=[]))
    assert main([*asked, '--json']) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)['encoder']['look_alike'] == 5
    assert 'problems' not in json.loads(out)
    assert err == ''
    problems.answer = dict(v=[], w=['p'])
    assert main([*asked, '--json']) == 0
    assert json.loads(capsys.readouterr().out)['problems'] == problems.answer
    among = put('windows.name_among', 'N')
    for more, merged in (([], False), (['--merge-case'], True)):
        assert main(['evaluate', 's', '--encoder', 'e', '--exclude', 'a', *more]) == 0
        name, classes, merge_case = among.args
        assert (name, list(classes), merge_case) == ('a', ['A', 'B'], merged)
        assert score.args[3] == ['N']


def test_submit(put, capsys, monkeypatch):
    encoder = SimpleNamespace(name='E', calibration=None, metric='cosine')
    put('encoder.Encoder.load', encoder)
    asked = ['submit', '--queries', 'q', '--corpus', 'c', '--encoder', 'e', '--out', 'o.json']
    assert main(asked) == 2
    assert capsys.readouterr().err == (
        'refcon submit: E has no calibration, and a confidence must be a probability: '
        'train it with validation windows first (refcon train)\n'
    )
    encoder.calibration = 'K'
    put('cli.evaluating._embedded', lambda encoder, folder: ([folder] * 1200, f'z{folder}'))
    from reflection_connection.evaluation import DISTANCES

    monkeypatch.setitem(DISTANCES, 'cosine', lambda a, b: (a, b))
    put('search.probability', lambda *given: given)
    made, written = put('evaluation.make_submission', 'S'), put('evaluation.write_submission')
    assert main(asked) == 0
    assert capsys.readouterr().out == 'o.json: 1,200 queries answered from 1,200 images\n'
    queries, images, distances, confidence = made.args
    assert (queries[0], images[0], distances) == ('q', 'c', ('zq', 'zc'))
    assert confidence(0.5) == ('K', 0.5, 'cosine')
    assert written.args == ('o.json', 'S')


# searching


class Asked:
    "A searcher that says what it was asked for."

    store, sources, meta = None, ['v.sgy'], {}
    encoder = SimpleNamespace(embed=lambda *a: f'embedded {len(a)}')

    def image(self, file):
        return f'image {file}'

    def indexed(self, name):
        return f'indexed {name}'

    def box(self, kind, where, box, volume):
        return ('box', kind, where, box, volume)

    def arbitrary(self, where, box, volume):
        return ('along', where, box, volume)

    def volume(self, name):
        return SimpleNamespace(path=Path(f'/{name}'))

    def openings(self):
        return 'O'


BOX = ['--box', 1, 2, 3, 4]
NOT_A_BOX = (
    'a box is --box TOP LEFT BOTTOM RIGHT with one of --inline N, --crossline N, '
    '--line 0, --along IL,XL IL,XL'
)


def test_examples():
    def examples(*argv):
        return searching._examples(parsed('search', 'i', *argv), Asked(), 'V')

    assert examples() == []
    assert examples('--image', 'a', 'b', '--like', 'c') == ['image a', 'image b', 'indexed c']
    for kind in ('inline', 'crossline', 'line'):
        assert examples(f'--{kind}', 0, *BOX, '--like', 'c') == [
            'indexed c',
            ('box', kind, 0, [1, 2, 3, 4], 'V'),
        ]
    points = [(1, 2), (3, 4)]
    assert examples('--along', '1,2', '3,4', *BOX) == [('along', points, [1, 2, 3, 4], 'V')]
    for wrong in (BOX, ['--inline', 1], ['--inline', 1, '--line', 0, *BOX]):
        with said(NOT_A_BOX, SearchError):
            examples(*wrong)


def test_which_volume_is_meant(tmp_path):
    file, folder = tmp_path / 'a.sgy', tmp_path / 'd'
    file.touch()
    folder.mkdir()
    a, d = str(file), str(folder)
    assert searching._volumes([]) == (None, [])
    assert searching._volumes(['name']) == ('name', [])
    assert searching._volumes([a]) == (a, [a])
    assert searching._volumes([d]) == (None, [d])
    assert searching._volumes(['x=y', 'name']) == ('name', ['x=y'])
    odd = tmp_path / 'b=c.sgy'
    odd.touch()
    assert searching._volumes([str(odd)]) == (str(odd), [str(odd)])
    with said(
        '--volume names a and b: a box lies on one volume; say OLD=NEW where volumes lie now',
        SearchError,
    ):
        searching._volumes(['a', 'b'])


def test_sections_of_labelled_windows(tmp_path):
    folder, searcher = str(tmp_path), Asked()

    def sections(volumes, chosen):
        return searching._sections_of(SimpleNamespace(volume=volumes), searcher, chosen)

    assert sections([], 'v') == '/v'
    assert sections([folder], folder) == folder
    assert sections([folder], 'v') == '/v'
    assert sections([folder], None) == folder
    assert sections([], None) == 'v.sgy'
    searcher.sources = ['v.sgy', 'w.sgy']
    assert sections([], None) is None
    searcher.sources = []
    assert sections([], None) is None


class Windows:
    def __init__(self, labels):
        self.frame = pd.DataFrame(dict(label=labels))

    def __len__(self):
        return len(self.frame)

    def subset(self, keep):
        return Windows(self.frame.label[keep].tolist())

    def read(self):
        return 1, 2, 3


def test_labelled_windows(put):
    read = put('windows.load_windows', Windows(['A', None, 'b']))

    def labels(*argv):
        return searching._labels(parsed('search', 'i', *argv), Asked(), None)

    assert labels() == (None, None)
    with said('--class needs --labels: a table or folder of labelled windows', SearchError):
        labels('--class', 'A')
    found, label = labels('--labels', 't')
    assert (found.embeddings, found.classes.tolist(), label) == ('embedded 3', ['A', 'b'], None)
    assert read.args == ('t', 'v.sgy')
    assert read.options == dict(merge_case=False, opening='O')
    assert labels('--labels', 't', '--class', 'A')[1] == 'A'
    assert labels('--labels', 't', '--class', 'B', '--merge-case')[1] == 'b'
    among = put('windows.name_among', 'N')
    assert labels('--labels', 't', '--class', 'B')[1] == 'N'
    name, classes, merge_case = among.args
    assert (name, list(classes), merge_case) == ('B', ['A', 'b'], False)
    read.answer = Windows([None])
    with said('--labels t: no window in it has a label', SearchError):
        labels('--labels', 't')


def test_one_question(put):
    plain, of_class = put('search.Question', 'Q'), put('search.ClassQuestion', 'C')
    searcher = Asked()

    def question(examples, labelled, label, *argv):
        asked = parsed('search', 'i', *argv)
        return searching._question(asked, searcher, examples, labelled, label)

    assert question(['e'], None, None, '--unlike', 'u', '--look', 0.5) == 'Q'
    assert plain.args == (searcher, ['e'], ['indexed u'])
    assert plain.options == dict(look=0.5)
    assert question([], ('Z', 'L'), 'A') == 'C'
    assert of_class.args == (searcher, 'Z', 'L', 'A')
    for examples, label in (([], None), (['e'], 'A')):
        with said(
            'nothing is asked, or more than one thing: specify exactly one query, either '
            '--class NAME with --labels, or --image PNG, a box, --like ID',
            SearchError,
        ):
            question(examples, None, label)
    with said(
        "--look weighs what examples have in common with windows: --class goes by the encoder's "
        'own weight; leave --look out, or search with --like ID',
        SearchError,
    ):
        question([], ('Z', 'L'), 'A', '--look', 0)


SQUARE = 'x,y\n0,0\n10,0\n10,10\n0,10\n'


def test_a_polygon_that_holds_no_window(tmp_path, capsys):
    from reflection_connection.windows import read_polygon

    (tmp_path / 'p.csv').write_text(SQUARE)
    square = read_polygon(tmp_path / 'p.csv')
    items = pd.DataFrame(dict(x=[20, 50.5, None], y=[5, 6, None], z=1))
    searching._say_empty('p', square, items)
    assert capsys.readouterr().err == (
        'p: no window lies inside; windows of the index have x 20 … 50.5, y 5 … 6\n'
    )
    searching._say_empty('p', square, items[2:])
    assert capsys.readouterr().err == (
        'p: no window lies inside; windows of the index have no coordinates\n'
    )
    searching._say_empty('p', square, items.assign(x=[5, 50, None]))
    searching._say_empty('p', None, items)
    assert capsys.readouterr().err == ''


def test_what_is_found(tmp_path, put):
    searcher = Asked()
    searcher.hits, searcher.geobodies = Remember('H'), Remember('B')
    searcher.index = SimpleNamespace(items=pd.DataFrame(dict(x=[5.0], y=[5.0])))
    empty, write = put('cli.searching._say_empty'), put('cli.searching._write_map')

    def find(*argv):
        return searching._find(parsed('search', 'i', *argv), searcher, 'Q', 'L')

    assert find('--k', 3, '--min-separation', 4, '--min-samples', 5, '--where', 'w') == 'H'
    assert searcher.hits.args == ('Q', 3, 4, 5, 'w', None, None, 'L')
    assert empty.args[:2] == (None, None)
    assert not hasattr(write, 'args')
    (tmp_path / 'p.csv').write_text(SQUARE)
    asked = ['--polygon', tmp_path / 'p.csv', '--where', 'w']
    assert find(*asked, '--min-confidence', 0, '--map', 'm.npy') == 'H'
    polygon, least, _ = searcher.hits.args[5:]
    assert polygon is not None and least == 0
    assert write.args[1:] == (searcher, 'Q')
    assert empty.args[0] == str(tmp_path / 'p.csv') and empty.args[1] is polygon
    for given, least in (([], 0.5), (['--min-confidence', 0], 0), (['--min-confidence', 1], 1)):
        assert find(*asked, '--bodies', *given) == 'B'
        limits = searcher.geobodies.options
        assert searcher.geobodies.args == ('Q',) and limits.pop('polygon') is not None
        assert limits == dict(least=least, expression='w', among=None)
    del empty.args
    searcher.store = 'Milvus'
    find()
    assert not hasattr(empty, 'args')


def test_a_map(capsys):
    searcher = Asked()
    searcher.score, searcher.write_map = Remember(('S', None)), Remember()
    place = dict(source='v', line_kind='inline', line=7)
    examples = [SimpleNamespace(place=None), SimpleNamespace(place=place)]
    question = SimpleNamespace(name='a.png', positives=examples)

    def write(question, *argv):
        asked = parsed('search', 'i', '--map', 'm.sgy', *argv)
        asked.chosen = 'chosen'
        searching._write_map(asked, searcher, question)
        assert capsys.readouterr() == ('', 'm.sgy: similarity in [0, 1]\n')
        return searcher.write_map.args

    assert write(question, '--inline', 7, *BOX, '--look', 0.25) == (
        'S',
        'm.sgy',
        'v',
        'inline',
        'SIMILARITY TO INLINE 7 BOX 1 2 3 4 LOOK 0.25',
    )
    from reflection_connection.search import MAPS

    assert searcher.score.args == (question, MAPS)
    note = 'SIMILARITY TO INLINE 7 BOX '
    assert write(question, '--like', 'c')[2:] == ('v', 'inline', note)
    named = SimpleNamespace(name='class a')
    assert write(named)[2:] == ('chosen', None, 'SIMILARITY TO CLASS A')
    searcher.sources = []
    with said('--map needs a volume in the index: images have no geometry', SearchError):
        write(question)


def hits():
    place = dict(source='v', cdp0=1, cdp1=2, il0=3, il1=4, xl0=5, xl1=6)
    return pd.DataFrame([place | dict(rank=1, x=1.23456, y=2.0, none=None)])


@pytest.mark.parametrize(
    'units, line, bodies, columns',
    [
        ({'m'}, False, False, 'rank x y'),
        ({'ft'}, True, False, 'cdp0 cdp1 rank x_(ft) y_(ft)'),
        ({'m', 'ft'}, False, True, 'il0 il1 xl0 xl1 rank x y'),
        ({None}, False, False, 'rank x y'),
        (set(), False, False, 'rank x y'),
    ],
)
def test_hits_as_text(units, line, bodies, columns):
    searcher = Asked()
    searcher.units, searcher.is_line = lambda sources: units, lambda source: line
    text = searching._as_text(hits(), searcher, ['v'], bodies)
    head, row = text.splitlines()
    assert head.replace(' (', '_(').split() == columns.split()
    assert row.split()[-2:] == ['1.235', '2.000']
    assert searching._as_text(hits()[:0], searcher, [], bodies) == 'nothing found'


def test_search(put, capsys):
    searcher = Asked()
    searcher.moved, searcher.problems = {'old.sgy': 'v.sgy'}, lambda source: [f'{source}!']
    searcher.warn, searcher.units = Remember(), lambda sources: {'m'}
    searcher.is_line = lambda source: False
    opened = put('search.Searcher.open', searcher)
    put('cli.searching._question', 'Q')
    find = put('cli.searching._find', hits())
    assert main(['search', 'i', '--encoder', 'e', '--dt', '2', '--volume', 'a=b', '--json']) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row['none'], row['problems'], row['cdp0']) == (None, ['v!'], 1)
    folder, encoder, opening, places = opened.args
    assert (folder, encoder, places) == ('i', 'e', ['a=b'])
    assert opening.of('v')['dt'] == 2
    assert find.args[2:] == ('Q', None)
    assert searcher.warn.args == (['v'],)
    assert main(['search', 'i', '--volume', 'v']) == 0
    assert capsys.readouterr().out.split() == ['rank', 'x', 'y', '1', '1.235', '2.000']
    assert find.args[0].chosen == 'v'
    assert main(['search', 'i', '--bodies']) == 0
    assert 'il0' in capsys.readouterr().out
    for known, code in (('v.sgy', 0), ('old.sgy', 0), ('w.sgy', 2)):
        assert main(['search', 'i', '--for', known]) == code
    assert '--for w.sgy: none of the volumes that are read: v.sgy, old.sgy' in (
        capsys.readouterr().err
    )


def test_explore(put, capsys):
    work = put('explore.serve')
    asked = ['explore', 'i', '--labels', 'l.csv', '--allow-labels', '--port', '8', '--encoder', 'e']
    asked += ['--base-url', '/p/', '--keep', '3', '--volume', 'v', '--dt', '2']
    assert main(asked) == 0
    assert capsys.readouterr() == ('', '')
    *first, ready = work.args
    assert first == ['i', 8, 'l.csv', True, 'e']
    assert work.options.pop('opening').of('v')['dt'] == 2
    nothing = dict(horizons=[], polygons=[], crs=None, columns=None, z_unit=None, gaps=0)
    assert work.options == dict(
        base_url='/p/', keep=3, places=['v'], brought=nothing, out=None, grid=Grid()
    )
    ready('http://x')
    assert capsys.readouterr() == ('', 'http://x\nopen it in a browser; Ctrl-C ends it\n')
    assert main(['explore', 'i']) == 0
    assert work.args[1:5] == (0, None, False, None)
