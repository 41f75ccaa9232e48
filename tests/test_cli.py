"""The command line from outside: right answers and located hits.

What a user can get wrong is in test_faults.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import segyio


@pytest.fixture(scope='module')
def work(tmp_path_factory, encoder_folder, refcon):
    "A folder with a survey, images and an index."
    from reflection_connection.synthetic import write_survey

    folder = tmp_path_factory.mktemp('cli')
    write_survey(folder / 'survey', seed=0, n_inlines=12, n_crosslines=128, n_samples=160)
    done = refcon('synth', folder / 'images', '--per-class', 4, '--seed', 1)
    assert done.returncode == 0, done.stderr
    make = (
        'index',
        folder / 'survey' / 'survey.sgy',
        '--encoder',
        encoder_folder,
        '--out',
        folder / 'index',
        '--window',
        64,
        64,
        '--stride',
        32,
        32,
        '--every',
        2,
    )
    done = refcon(*make)
    assert done.returncode == 0, done.stderr
    assert 'nothing to do' in refcon(*make).stdout  # an index of the same windows is there
    return folder


def test_help_of_every_command(refcon):
    from reflection_connection.cli import COMMANDS

    assert refcon('--help', installed=True).returncode == 0
    for name in COMMANDS:
        done = refcon(name, '--help')
        assert done.returncode == 0 and name in done.stdout


def test_check_prints_json(refcon, work):
    report = json.loads(refcon('check', work / 'survey' / 'survey.sgy', '--json').stdout)
    assert (
        report['n_samples'] == 160
        and report['geometry']['inlines']['count'] == 12
        and report['interval'] == 4
    )


def test_verbose_tells_what_happens(refcon, work, encoder_folder):
    import re

    ask = (
        'embed',
        work / 'images' / 'image_corpus',
        '--encoder',
        encoder_folder,
        '--out',
        work / 'v.npz',
    )
    quiet, loud = refcon(*ask), refcon(*ask, '--verbose')
    assert (
        quiet.stdout == loud.stdout
        and quiet.returncode == loud.returncode == 0
        and 'embed.shard' not in quiet.stderr
    )
    lines = [
        ln for ln in loud.stderr.splitlines() if re.match(r'\d\d:\d\d:\d\d\.\d{3} \w+\.\w+ ', ln)
    ]
    assert (
        any('encoder.loaded' in ln for ln in lines)
        and any(
            re.search(r'embed.shard shard=000000 windows=\d+ left_out=0 seconds=', ln)
            for ln in lines
        )
        and 'refcon.embed seconds=' in lines[-1]
    )
    wrong = refcon(
        'embed', work / 'nowhere', '--encoder', encoder_folder, '--out', work / 'v.npz', '-v'
    )
    assert wrong.returncode == 2 and 'refcon.embed error="WindowError"' in wrong.stderr.replace(
        'error=WindowError', 'error="WindowError"'
    )


def test_embed(refcon, work, encoder_folder):
    done = refcon(
        'embed', work / 'images' / 'train', '--encoder', encoder_folder, '--out', work / 'e.npz'
    )
    assert done.returncode == 0, done.stderr
    f = np.load(work / 'e.npz')
    assert (
        f['embeddings'].dtype == np.float32
        and f['ids'].dtype.kind == 'U'
        and len(f['ids']) == len(f['embeddings']) == 32
    )
    np.testing.assert_allclose(np.linalg.norm(f['embeddings'], axis=1), 1, atol=1e-5)


def test_search_by_box(refcon, work):
    from reflection_connection.volume import open_volume

    volume = open_volume(work / 'survey' / 'survey.sgy')
    line = int(volume.crosslines[60])
    done = refcon(
        'search',
        work / 'index',
        '--crossline',
        line,
        '--box',
        40,
        0,
        104,
        12,
        '--k',
        4,
        '--json',
        '--map',
        work / 'map.sgy',
        '--min-separation',
        3,
        installed=True,
    )
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    assert [h['rank'] for h in hits] == list(range(1, len(hits) + 1)) and len(hits) >= 3
    assert set(hits[0]) >= set(
        'id rank distance probability label source line_kind line top left '
        'height width time_ms x y'.split()
    )
    for h in hits:
        section_xy, axis = volume.xy(h['line_kind'], h['line']), volume.axis
        assert h['time_ms'] == axis[h['top'] + h['height'] // 2]
        assert (h['x'], h['y']) == tuple(section_xy[h['left'] + h['width'] // 2])
        assert 0 <= h['probability'] <= 1
    assert all(
        a['similarity'] >= b['similarity'] and a['probability'] >= b['probability']
        for a, b in zip(hits, hits[1:])
    )
    with (
        segyio.open(work / 'map.sgy') as made,
        segyio.open(work / 'survey' / 'survey.sgy') as source,
    ):
        assert (
            (made.ilines == source.ilines).all()
            and (made.xlines == source.xlines).all()
            and (made.samples == source.samples).all()
        )
        values = made.trace.raw[:]
        assert 0 <= values.min() and values.max() <= 1 and values.std() > 0


def test_other_ways_to_ask(refcon, work):
    """Several examples, an arbitrary line, a class, geobodies, a polygon, another map.

    An index that is there is not made again."""
    from reflection_connection.volume import open_volume

    volume = open_volume(work / 'survey' / 'survey.sgy')
    il, xl = volume.inlines, volume.crosslines
    ask = lambda *a: refcon('search', work / 'index', '--json', *a)
    along = ask(
        '--along', f'{il[0]},{xl[5]}', f'{il[-1]},{xl[90]}', '--box', 20, 5, 84, 69, '--k', 3
    )
    assert along.returncode == 0, along.stderr
    first = json.loads(along.stdout)
    assert len(first) == 3
    again = json.loads(
        ask('--like', first[0]['id'], first[1]['id'], '--unlike', first[2]['id'], '--k', 5).stdout
    )
    assert not {h['id'] for h in first} & {h['id'] for h in again}
    labels = work / 'survey' / 'labels.csv'
    of = json.loads(
        ask(
            '--class',
            'Salt',
            '--labels',
            labels,
            '--k',
            4,
            '--min-separation',
            9,
            '--min-samples',
            20,
        ).stdout
    )
    assert len(of) == 4 and all(h['guess'] and 0 <= h['guess_probability'] <= 1 for h in of)
    x, y = np.array([h['x'] for h in of]), np.array([h['y'] for h in of])
    (work / 'here.csv').write_text(
        'x,y\n'
        + ''.join(f'{x[0] + a},{y[0] + b}\n' for a, b in ((-9, -9), (-9, 9), (9, 9), (9, -9)))
    )
    inside = json.loads(
        ask('--class', 'Salt', '--labels', labels, '--polygon', work / 'here.csv').stdout
    )
    assert inside and all(abs(h['x'] - x[0]) < 9 and abs(h['y'] - y[0]) < 9 for h in inside)
    bodies = json.loads(
        ask(
            '--class',
            'Salt',
            '--labels',
            labels,
            '--bodies',
            '--min-confidence',
            0.1,
            '--map',
            work / 'salt.npy',
        ).stdout
    )
    assert bodies and all(b['windows'] >= 1 and b['il0'] <= b['il1'] for b in bodies)
    cube = np.load(work / 'salt.npy')
    assert cube.shape == volume.shape and 0 <= np.nanmin(cube) and np.nanmax(cube) <= 1


def test_filters_and_confidence(refcon, work):
    image = next((work / 'images' / 'train' / 'Salt').glob('*.png'))
    hits = json.loads(
        refcon(
            'search',
            work / 'index',
            '--image',
            image,
            '--json',
            '--where',
            'time_ms < 250 and line_kind == "inline"',
        ).stdout
    )
    assert hits and all(h['time_ms'] < 250 and h['line_kind'] == 'inline' for h in hits)
    assert (
        json.loads(
            refcon(
                'search', work / 'index', '--image', image, '--json', '--min-confidence', 1
            ).stdout
        )
        == []
    )


def test_several_sources_in_one_index(refcon, work, encoder_folder):
    done = refcon(
        'index',
        work / 'survey' / 'survey.sgy',
        work / 'images' / 'image_corpus',
        '--encoder',
        encoder_folder,
        '--out',
        work / 'both',
        '--window',
        64,
        64,
        '--stride',
        64,
        64,
        '--every',
        6,
    )
    assert done.returncode == 0, done.stderr
    image = next((work / 'images' / 'image_corpus').glob('*.png'))
    hits = json.loads(refcon('search', work / 'both', '--image', image, '--k', 3, '--json').stdout)
    assert hits[0]['id'] == image.name and hits[0]['distance'] < 1e-4


def test_evaluate_prints_baselines(refcon, work, encoder_folder):
    done = refcon('evaluate', work / 'images' / 'train', '--encoder', encoder_folder, '--json')
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {'encoder', 'random', 'pca', 'lbp', 'hog'} <= set(found)
    for summary in found.values():
        for name in ('macro_map', 'map', 'p_at_1', 'mrr'):
            low, high = summary[f'{name}_ci']
            assert 0 <= low <= summary[name] <= high <= 1


def test_submit(refcon, work, encoder_folder):
    from reflection_connection.evaluation import check_submission

    done = refcon(
        'submit',
        '--queries',
        work / 'images' / 'query',
        '--corpus',
        work / 'images' / 'image_corpus',
        '--encoder',
        encoder_folder,
        '--out',
        work / 'results.json',
    )
    assert done.returncode == 0, done.stderr
    check_submission(
        work / 'results.json',
        [p.name for p in (work / 'images' / 'query').iterdir()],
        [p.name for p in (work / 'images' / 'image_corpus').iterdir()],
    )


def test_train_then_use(refcon, work):
    done = refcon(
        'train',
        work / 'images',
        '--out',
        work / 'trained',
        '--what',
        'all',
        '--steps',
        2,
        '--json',
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert {'before', 'after', 'leave_out'} <= set(json.loads(done.stdout))
    assert sorted(p.name for p in (work / 'trained').iterdir()) == [
        'config.json',
        'model.safetensors',
        'refcon.json',
    ]


def test_a_handful_of_labels(refcon, work):
    "Four images a class: the head alone learns, in seconds, and says what it gained."
    done = refcon('train', work / 'images', '--out', work / 'adapted', '--json')
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results['what'] == 'head' and results['after'] >= results['before']
    from reflection_connection.encoder import Encoder

    assert Encoder.load(work / 'adapted').provenance['adapted']['strength'] == results['strength']


def test_hub_out_of_reach(refcon, work):
    done = refcon(
        'embed',
        work / 'images' / 'query',
        '--encoder',
        'nobody/nothing',
        '--out',
        work / 'h.npz',
        HF_HUB_OFFLINE='1',
    )
    assert done.returncode == 2 and 'hub' in done.stderr and 'Traceback' not in done.stderr
    done = refcon(
        'train', 'thinkonward/reflection-connection', '--out', work / 't', HF_HUB_OFFLINE='1'
    )
    assert (
        done.returncode == 2
        and 'hub cannot be reached' in done.stderr
        and 'Traceback' not in done.stderr
    )


def test_a_changed_survey_is_noticed(refcon, work, encoder_folder, tmp_path):
    from reflection_connection.synthetic import write_survey

    path = write_survey(tmp_path / 's', seed=0, n_inlines=4, n_crosslines=64, n_samples=96)
    assert (
        refcon(
            'index',
            path,
            '--encoder',
            encoder_folder,
            '--out',
            tmp_path / 'i',
            '--window',
            48,
            48,
            '--lines',
            'inline',
        ).returncode
        == 0
    )
    write_survey(tmp_path / 's', seed=5, n_inlines=4, n_crosslines=64, n_samples=96)
    done = refcon('search', tmp_path / 'i', '--inline', 1200, '--box', 0, 0, 48, 48)
    assert done.returncode == 2 and 'has changed' in done.stderr


def test_real_crossline(refcon, shared, encoder_folder, tmp_path):
    "The path of the issue: check, index, box search on a real SEG-Y with one crossline."
    path = shared / 'segy' / 'penobscot_xl1155.sgy'
    assert 'crossline' in refcon('check', path).stdout
    done = refcon(
        'index',
        path,
        '--encoder',
        encoder_folder,
        '--out',
        tmp_path / 'i',
        '--window',
        96,
        96,
        '--stride',
        48,
        48,
        '--lines',
        'crossline',
    )
    assert done.returncode == 0, done.stderr
    done = refcon(
        'search',
        tmp_path / 'i',
        '--crossline',
        1155,
        '--box',
        704,
        200,
        800,
        296,
        '--k',
        5,
        '--json',
        '--map',
        tmp_path / 'm.sgy',
    )
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    assert len(hits) == 5 and all(
        h['line'] == 1155 and 0 <= h['time_ms'] <= 6000 and 7e5 < h['x'] < 8e5 for h in hits
    )
    assert not any(abs(h['top'] - 704) < 40 and abs(h['left'] - 200) < 40 for h in hits), (
        'the query must not find itself'
    )
    with segyio.open(tmp_path / 'm.sgy') as made, segyio.open(path) as source:
        assert (
            made.tracecount == source.tracecount
            and (made.samples == source.samples).all()
            and (made.ilines == source.ilines).all()
        )


REFCON = str(Path(sys.executable).with_name('refcon'))


def unread(*argv, stream='stdout', **environment):
    "`refcon … | true`: (exit code, what it says elsewhere), where nobody reads a stream."
    read, write = os.pipe()
    os.close(read)
    streams = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE} | {stream: write}
    try:
        done = subprocess.run(
            [REFCON, *map(str, argv)],
            **streams,
            text=True,
            env={k: v for k, v in os.environ.items() if k != 'PYTHONUNBUFFERED'} | environment,
            timeout=300,
        )
    finally:
        os.close(write)
    return done.returncode, done.stderr or done.stdout or ''


@pytest.mark.parametrize(
    'unbuffered', [{}, {'PYTHONUNBUFFERED': '1'}], ids=['buffered', 'unbuffered']
)
def test_a_closed_pipe_ends_quietly(work, unbuffered):
    "As other Unix tools end: with 141, and without a word."
    for argv in (
        ['--help'],
        ['index', '--help'],
        ['--version'],
        ['check', work / 'survey' / 'survey.sgy'],
        ['check', work / 'survey' / 'survey.sgy', '--json'],
        ['check', '--json', work / 'nope.sgy'],
    ):
        code, said = unread(*argv, **unbuffered)
        if argv[-1] == work / 'nope.sgy':
            assert code == 2 and 'nope.sgy' in said  # nothing was to be read
        else:
            assert (code, said) == (141, ''), argv
    assert unread('check', work / 'nope.sgy', stream='stderr', **unbuffered) == (141, '')
    assert unread('nonsense', stream='stderr', **unbuffered) == (141, '')


def test_progress_that_nobody_reads(work, encoder_folder, tmp_path):
    "`refcon index … 2>&1 | head -1`"
    assert unread(
        'index',
        work / 'survey' / 'survey.sgy',
        '--encoder',
        encoder_folder,
        '--out',
        tmp_path / 'i',
        '--window',
        64,
        64,
        '--every',
        6,
        stream='stderr',
    ) == (141, '')


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full on this system')
def test_an_answer_that_cannot_be_written(work):
    for argv in (['--help'], ['check', work / 'survey' / 'survey.sgy']):
        with open('/dev/full', 'w') as full:
            done = subprocess.run(
                [REFCON, *map(str, argv)], stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert (
            done.returncode == 2
            and len(done.stderr.splitlines()) == 1
            and 'No space left on device' in done.stderr
        ), done.stderr


def test_streams_that_are_not_there(work):
    for closed, code in (('>&-', 0), ('2>&-', 0), ('>&- 2>&-', 0)):
        assert (
            subprocess.run(
                f'"{REFCON}" check "{work}/survey/survey.sgy" {closed}', shell=True
            ).returncode
            == code
        )
        assert subprocess.run(f'"{REFCON}" --help {closed}', shell=True).returncode == code


def test_version(refcon):
    from reflection_connection import __version__

    done = refcon('--version')
    assert (done.returncode, done.stdout) == (0, f'refcon {__version__}\n')


def test_terminals_that_know_ascii_alone(refcon, work, tmp_path):
    "Names are printed with replacements; help has nothing to replace."
    from reflection_connection.cli import COMMANDS, parser

    path = tmp_path / 'Übersicht Größe.sgy'
    path.write_bytes((work / 'survey' / 'survey.sgy').read_bytes())
    for more in (dict(PYTHONIOENCODING='ascii'), dict(LC_ALL='C'), dict(LC_ALL='POSIX')):
        done = refcon('check', path, **more)
        assert done.returncode == 0, done.stderr
        if 'PYTHONIOENCODING' in more:
            assert '\\xdcbersicht Gr\\xf6\\xdfe.sgy' in done.stdout
    legacy = dict(LC_ALL='POSIX', PYTHONCOERCECLOCALE='0', PYTHONUTF8='0')
    done = refcon('check', path, **legacy)
    assert (
        done.returncode == 2
        and len(done.stderr.splitlines()) == 1
        and 'set LC_ALL=C.UTF-8' in done.stderr
        and '\\xdcbersicht' in done.stderr
    )
    assert refcon('check', work / 'survey' / 'survey.sgy', **legacy).returncode == 0
    commands = next(a for a in parser()._actions if a.dest == 'command').choices
    assert parser().format_help().isascii() and all(
        commands[name].format_help().isascii() for name in COMMANDS
    )


def test_paths_that_the_shell_left_as_they_are(refcon, work, tmp_path):
    home = dict(HOME=str(work / 'survey'))
    assert refcon('check', '~/survey.sgy', **home).returncode == 0
    assert refcon('search', '~/index', '--image=~/q.png', **dict(HOME=str(work))).stderr.startswith(
        f'refcon search: {work}/q.png'
    )
    for name, why in (
        ('s3://bucket/a.sgy', 'copy it here first'),
        ('http://127.0.0.1:9/a.sgy', ('download the file', 'copy it here first')),
        ('file:///data/a%20b.sgy', 'give the path alone, /data/a b.sgy'),
    ):
        for argv in (
            ['check', name],
            [
                'index',
                work / 'survey' / 'survey.sgy',
                name,
                '--encoder',
                'refcon-tiny',
                '--out',
                tmp_path / 'i',
            ],
            ['search', work / 'index', '--image', name],
        ):
            done = refcon(*argv)
            assert (
                done.returncode == 2
                and any(w in done.stderr for w in ([why] if isinstance(why, str) else why))
                and name in done.stderr
                and len(done.stderr.splitlines()) == 1
            )


def test_numbers_below_zero_are_no_options():
    from reflection_connection.cli import parser

    asked = parser().parse_args(
        [
            'search',
            'i',
            '--along',
            '-3,4',
            '-1.5,-2',
            '--box',
            '-5',
            '0',
            '8',
            '8',
            '--min-samples',
            '-1',
        ]
    )
    assert (
        asked.along == [(-3.0, 4.0), (-1.5, -2.0)]
        and asked.box == [-5, 0, 8, 8]
        and asked.min_samples == -1
    )


def test_commands_say_it_on_standard_error(refcon, encoder_folder, tmp_path, monkeypatch):
    "JSON stays clean; a precision that was asked for is not mentioned."
    from PIL import Image

    monkeypatch.delenv('REFCON_PRECISION')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'images').mkdir()
    for k in range(256):
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (48, 48), dtype=np.uint8)).save(
            tmp_path / 'images' / f'{k}.png'
        )

    def index(name, *more):
        done = refcon(
            'index',
            tmp_path / 'images',
            '--encoder',
            encoder_folder,
            '--out',
            tmp_path / name,
            '--json',
            *more,
        )
        assert done.returncode == 0 and json.loads(done.stdout), done.stderr
        return done.stderr

    assert (
        index('a').count('precision of embedding: ') == 1
        and len(list((tmp_path / 'cache').rglob('precision-*.json'))) == 1
    )
    assert 'precision' not in index('b', '--precision', 'bf16')
