"""The explorer in a real browser: draw a box, get hits, follow one, refine, label, reload.
Screenshots are kept in runs/screenshots."""

import contextlib
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Process, run_command

SHOTS = ROOT / 'runs' / 'screenshots'
FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]


@pytest.fixture(scope='module')
def chromium():
    "Path of a Chromium; Debian's is installed where that is possible."
    names = ('chromium', 'chromium-browser', 'google-chrome')
    found = next(filter(None, map(shutil.which, names)), None)
    if not found and hasattr(os, 'geteuid') and os.geteuid() == 0 and shutil.which('apt-get'):
        for command in (
            ['apt-get', 'update', '-qq'],
            ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', 'chromium'],
        ):
            subprocess.run(
                command,
                env=os.environ | {'DEBIAN_FRONTEND': 'noninteractive'},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=600,
            )
        found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip('no Chromium here, and none can be installed: apt-get install chromium')
    return found


@pytest.fixture(scope='module')
def survey(tmp_path_factory):
    "An index of a synthetic survey, by an encoder that tells kind from look."
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.synthetic import write_survey
    from reflection_connection.windows import Grid

    folder = tmp_path_factory.mktemp('explore')
    path = write_survey(folder / 'survey', seed=4, n_inlines=48, n_crosslines=160, n_samples=224)
    build_index(
        Encoder.load('refcon-tiny'),
        path,
        folder / 'index',
        Grid((48, 48), (24, 24), 'both', every=12),
        encoder_source='refcon-tiny',
    )
    return folder


def serve(argv, environment):
    os.chdir(ROOT)
    os.environ.update(environment)
    run_command(['explore', *argv])


class Served:
    "`refcon explore`: with `installed` as a person starts it, else with everything imported."

    def __init__(self, index, *options, installed=False, **environment):
        argv = [str(index), *options]
        start = self.start_installed if installed else self.start
        self.process = start(argv, environment)
        self.pid = self.process.pid
        end = time.time() + 120
        while not (found := re.search(r'http://127\.0\.0\.1:\d+/\S*\?token=\S+\s', self.said)):
            assert self.alive() and time.time() < end, self.said[-2000:]
            time.sleep(0.1)
        self.url = found.group().strip()

    def start(self, argv, environment):
        process = Process(serve, argv, environment)
        self._said = lambda: process.said
        self.alive = process.process.is_alive
        self.end = process.process.terminate
        return process

    def start_installed(self, argv, environment):
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name('refcon')), 'explore', *argv],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        lines = []
        self._said = lambda: ''.join(lines)
        self.alive = lambda: process.poll() is None
        self.end = process.terminate
        read = lambda: lines.extend(iter(process.stderr.readline, ''))
        threading.Thread(target=read, daemon=True).start()
        return process

    @property
    def said(self):
        return self._said()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.process.wait(30)


@pytest.fixture(scope='module')
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium, args=FLAGS)
        yield b
        b.close()


def opened(browser, url, *cookies):
    "The page, once the explorer is drawn; what its console says is kept in `page.said`."
    page = browser.new_page(viewport={'width': 1360, 'height': 1100})
    page.context.add_cookies(list(cookies))
    page.said, page.sent = [], []
    page.on('pageerror', lambda e: page.said.append(str(e)))
    page.on('websocket', lambda ws: ws.on('framesent', lambda frame: page.sent.append(str(frame))))
    page.goto(url, timeout=90_000)
    page.wait_for_selector('.rc-section', timeout=90_000)
    told(page, 'drag a rectangle', 90_000)  # the encoder is there
    return page


def told(page, text, timeout=30_000):
    "Wait until the status line says `text`."
    page.wait_for_function(
        't => document.querySelector(".rc-said")?.textContent.includes(t)',
        arg=text,
        timeout=timeout,
    )


def status(page):
    return page.text_content('.rc-said')


def drag(page, selector, *way):
    "Draw with the mouse; positions are shares of the element's size."
    page.locator(selector).scroll_into_view_if_needed()
    b = page.locator(selector).bounding_box()
    at = lambda p: (b['x'] + p[0] * b['width'], b['y'] + p[1] * b['height'])
    page.mouse.move(*at(way[0]))
    page.mouse.down()
    for p in way[1:]:
        page.mouse.move(*at(p), steps=6)
    page.mouse.up()


def at_line(page, number, kind='inline'):
    "Wait until a line is shown."
    page.wait_for_function(
        '([k, n]) => document.querySelector(".rc-kind").value == k'
        ' && document.querySelector(".rc-line").value == n',
        arg=[kind, str(number)],
    )


def ids(page):
    return [c.get_attribute('data-id') for c in page.locator('.rc-hit').all()]


def shot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f'{name}.png', full_page=True)


def on_section(box, section, canvas):
    "A box (top, left, bottom, right) as two corners in shares of the canvas."
    w, h = canvas['width'], canvas['height']
    x = lambda v: (56 + v / section['traces'] * (w - 62)) / w
    y = lambda v: (24 + v / section['samples'] * (h - 30)) / h
    return (x(box[1] + 0.5), y(box[0] + 0.5)), (x(box[3] - 0.5), y(box[2] - 0.5))


def test_the_whole_way_in_a_browser(browser, survey):
    marks = pd.read_csv(survey / 'survey' / 'labels.csv')
    salt = marks[(marks.label == 'Salt') & (marks.line_kind == 'inline')].iloc[0]
    with Served(survey / 'index', '--allow-labels', installed=True) as served:
        page = opened(browser, served.url)
        shot(page, '1-opened')
        ask_for_salt(page, salt)
        weigh_look(page)
        follow_and_refine(page)
        label_and_undo(page, survey / 'index_labels.csv')
        filter_and_lasso(page)
        write_a_map(page, survey)
        labelled = pd.read_csv(survey / 'index_labels.csv').id.tolist()
        assert page.said == []
        asked = ids(page)
        page.reload(timeout=90_000)
        page.wait_for_selector('.rc-section', timeout=90_000)
        told(page, 'written: ')
        assert ids(page) == asked  # the question has waited for the page
        assert '2 labels in' in page.text_content('.rc-kept')
        page.click('.rc-clear')
        told(page, 'drag a rectangle')
        page.fill('input.rc-where', '')
        page.press('input.rc-where', 'Enter')
        all_by_keys(page, salt)
        cards = {
            c.get_attribute('data-id'): c.text_content() for c in page.locator('.rc-hit').all()
        }
        assert all('(labelled)' in cards[i] for i in labelled if i in cards) and page.said == []
        shot(page, '5-reloaded')
        page.close()


def ask_for_salt(page, salt):
    page.fill('.rc-line', str(salt.line))
    page.press('.rc-line', 'Enter')
    at_line(page, salt.line)
    drag(
        page,
        '.rc-section',
        *on_section(
            (salt.top, salt.left, salt.top + 48, salt.left + 48),
            dict(samples=224, traces=160),
            page.locator('.rc-section').bounding_box(),
        ),
    )
    told(page, 'hits in')
    assert page.locator('.rc-hit').count() >= 10
    card = page.text_content('.rc-hit')
    assert (
        re.search(r'(inline|crossline) \d+, \d+ ms', card)
        and 'p = ' in card
        and re.search(r'\d+, \d+ m', card)
    )
    shot(page, '2-hits')


def weigh_look(page):
    """Kind and look are told apart with the slider.
    A double click on it takes the encoder's own weight again."""
    slider, first, lists = page.locator('.rc-look'), ids(page), []
    assert slider.is_visible() and slider.input_value() == '0.35'
    changed = (
        'was => [...document.querySelectorAll(".rc-hit")].map(e => e.dataset.id).join() != was'
    )
    for key, at in (('Home', '0'), ('End', '1')):
        before = ','.join(ids(page))
        slider.press(key)
        page.wait_for_function(changed, arg=before)
        lists.append(ids(page))
        assert slider.input_value() == at
    shot(page, '2-same-look')
    slider.dblclick()
    page.wait_for_function(
        'was => [...document.querySelectorAll(".rc-hit")].map(e => e.dataset.id).join() == was',
        arg=','.join(first),
    )
    assert slider.input_value() == '0.35' and lists[0] != lists[1]


def follow_and_refine(page):
    first = ids(page)[0]
    kind, line = re.search(
        r'(inline|crossline) (\d+)', page.locator('.rc-hit .rc-where').nth(2).text_content()
    ).groups()
    page.locator('.rc-hit .rc-go').nth(2).click()
    at_line(page, line, kind)
    page.locator('.rc-hit .rc-plus').nth(0).click()
    told(page, '2 examples of what is meant')
    assert first not in ids(page)
    page.locator('.rc-hit .rc-minus').last.click()
    told(page, '1 of what is not')
    shot(page, '3-refined')


def label_and_undo(page, kept):
    for place, name in ((0, 'salt & <b>sons</b>'), (1, 'Salt'), (2, 'Salt')):
        page.fill('.rc-name', name)
        page.locator('.rc-hit .rc-label').nth(place).click()
        told(page, f'{ids(page)[place]} is {name}')
    page.click('.rc-undo')
    told(page, 'taken back')
    assert page.locator('.rc-hit b').count() == 0  # a name is text, not HTML
    assert pd.read_csv(kept).label.tolist() == [
        'salt & <b>sons</b>',
        'Salt',
    ] and '2 labels in' in page.text_content('.rc-kept')


def filter_and_lasso(page):
    page.fill('input.rc-where', 'nonsense ==')
    page.press('input.rc-where', 'Enter')
    told(page, 'filter')
    assert 'error' in page.get_attribute('.rc-status', 'class')
    shot(page, '4-error')
    page.fill('input.rc-where', "line_kind == 'crossline'")
    page.press('input.rc-where', 'Enter')
    told(page, 'hits in')
    assert all('crossline' in t for t in page.locator('.rc-hit .rc-where').all_text_contents())
    drag(page, '.rc-cloud', (0.3, 0.2), (0.75, 0.2), (0.75, 0.8), (0.3, 0.8), (0.3, 0.2))
    told(page, 'drawn around')


def write_a_map(page, survey):
    page.select_option('.rc-form', '.sgy')
    page.click('.rc-export')
    told(page, 'written: ', 60_000)
    (made,) = survey.glob('survey_similarity_*.sgy')
    assert made.stat().st_size == (survey / 'survey' / 'survey.sgy').stat().st_size


def all_by_keys(page, salt):
    page.fill('.rc-line', str(salt.line))
    page.press('.rc-line', 'Enter')
    at_line(page, salt.line)
    page.focus('.rc-section')
    for key in ('b', 'Shift+ArrowLeft', 'Shift+ArrowLeft', 'Shift+ArrowUp', 'Enter'):
        page.keyboard.press(key)
    told(page, 'hits in')
    page.keyboard.press('n')
    page.wait_for_selector('.rc-hit.current')
    page.keyboard.press('x')
    page.wait_for_function('() => document.querySelector(".rc-kind").value == "crossline"')
    was = page.input_value('.rc-line')
    page.keyboard.press('ArrowRight')
    page.wait_for_function('v => document.querySelector(".rc-line").value != v', arg=was)


def test_read_only_and_token(browser, survey):
    with Served(survey / 'index') as served:
        page = opened(browser, served.url)
        assert page.locator('.rc-labels').count() == 0 and 'read-only' in page.text_content(
            '.refcon-explore'
        )
        drag(page, '.rc-section', (0.4, 0.4), (0.7, 0.7))
        told(page, 'hits in')
        assert page.locator('.rc-hit .rc-label').count() == 0
        page.click('.rc-export')
        told(page, 'read-only')
        assert page.said == []
        page.close()
        address = served.url.partition('?')[0]
        for path in ('', 'page.js', 'explore.js', 'explore.css', 'socket', 'nothing'):
            with pytest.raises(urllib.error.HTTPError) as e:
                urllib.request.urlopen(address + path, timeout=10)
            body = e.value.read().decode()  # the form that asks for the token
            assert e.value.code == 403 and 'token' in body and 'refcon' not in body.lower(), path
        token = served.url.partition('token=')[2]
        assert (
            token
            not in subprocess.run(
                ['ps', '-ww', '-eo', 'args'], capture_output=True, text=True
            ).stdout
        )
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)  # ended with the command, not left behind


def test_what_cannot_be_explored(refcon, survey, tmp_path):
    for arguments, why in (
        ((tmp_path,), 'no index there'),
        ((survey / 'index', '--labels', tmp_path / 'a.txt'), '.csv'),
        ((survey / 'index', '--port', 'x'), 'not a whole number'),
    ):
        done = refcon('explore', *arguments)
        assert done.returncode == 2 and why in done.stderr and 'Traceback' not in done.stderr


@contextlib.contextmanager
def reverse_proxy(inner, strips):
    """A reverse proxy before port `inner`, at the path /user/ann/proxy/8866/; its port.
    `strips`: it takes the path away."""

    def hand_on(source, target, change=lambda part: part):
        with contextlib.suppress(OSError):
            while part := source.recv(1 << 16):
                target.sendall(change(part))
        for s in (source, target):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    class Pass(socketserver.BaseRequestHandler):
        def handle(self):
            shorter = lambda part: (
                re.sub(rb'^([A-Z]+ )/user/ann/proxy/8866', rb'\1', part) if strips else part
            )
            with socket.create_connection(('127.0.0.1', inner)) as explorer:
                threading.Thread(target=hand_on, args=(explorer, self.request), daemon=True).start()
                hand_on(self.request, explorer, shorter)

    class Proxy(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with Proxy(('127.0.0.1', 0), Pass) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy.server_address[1]
        finally:
            proxy.shutdown()


@pytest.mark.parametrize('strips', [False, True], ids=['path-left', 'path-taken-away'])
def test_behind_a_base_url(browser, survey, strips):
    """JupyterHub and reverse proxies: the page is drawn, and a box is answered, at their path.
    Without the token nothing is answered."""
    with Served(survey / 'index', '--base-url', '/user/ann/proxy/8866') as served:
        port, token = re.search(r':(\d+)/user/ann/proxy/8866/\?token=(\S+)', served.url).groups()
        with reverse_proxy(int(port), strips) as outer:
            address = f'http://127.0.0.1:{outer}/user/ann/proxy/8866/'
            with pytest.raises(urllib.error.HTTPError) as e:
                urllib.request.urlopen(address, timeout=10)
            assert e.value.code == 403
            hub = {
                'name': f'username-127-0-0-1-{outer}',
                'value': 'of the hub',
                'domain': '127.0.0.1',
                'path': '/user/ann/',
            }
            page = opened(browser, f'{address}?token={token}', hub)
            drag(page, '.rc-section', (0.4, 0.4), (0.7, 0.7))
            told(page, 'hits in')
            asked = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
            here = [u for u in asked if u.startswith(f'http://127.0.0.1:{outer}/')]
            assert len(here) > 2 and all(u.startswith(address) for u in here), here
            assert page.said == []
            page.close()


def test_a_closed_page_may_come_back(browser, survey):
    """Within the stated time its question is there again, then it is forgotten.
    A page that is open keeps its own, although nobody touches it."""
    with Served(survey / 'index', '--keep', '4') as served:
        stays = opened(browser, served.url)
        drag(stays, '.rc-section', (0.4, 0.4), (0.7, 0.7))
        told(stays, 'hits in')
        asked = ids(stays)
        leaves = opened(browser, served.url)
        assert ids(leaves) == []  # a question of its own
        leaves.close()
        stays.reload()
        told(stays, 'hits in')
        time.sleep(6)
        assert ids(stays) == asked
        stays.goto('about:blank')
        time.sleep(6)
        stays.goto(served.url)
        told(stays, 'drag a rectangle')
        assert ids(stays) == [] and stays.said == []
        stays.close()


def test_a_lost_connection_is_said(browser, survey):
    with Served(survey / 'index') as served:
        page = opened(browser, served.url)
    page.wait_for_selector('#lost:not([hidden])')
    assert 'connection is lost' in page.text_content('#lost')
    page.close()


# a picture to work in


@pytest.fixture(scope='module')
def two_volumes(survey):
    """An index of the survey and of a line with more samples than a picture has.
    Its samples are high and low in turn: their mean is grey, black and white are detail."""
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.windows import Grid

    samples = np.where(np.arange(1700)[:, None] % 2, 1, -1) * np.hanning(60)
    np.save(survey / 'zigzag.npy', samples.astype(np.float32))
    build_index(
        Encoder.load('refcon-tiny'),
        [survey / 'survey' / 'survey.sgy', survey / 'zigzag.npy'],
        survey / 'two',
        Grid((48, 48), (48, 48), 'inline', every=12),
        encoder_source='refcon-tiny',
    )
    return survey / 'two'


def view(page):
    "Where trace 0 and sample 0 are drawn on the section, and pixels a trace and a sample."
    return json.loads(page.get_attribute('.rc-section', 'data-view'))


def on_canvas(page, sample, trace):
    "Where a sample is drawn, in the window."
    page.locator('.rc-section').scroll_into_view_if_needed()
    b, v = page.locator('.rc-section').bounding_box(), view(page)
    return b['x'] + v['left'] + trace * v['sx'], b['y'] + v['top'] + sample * v['sy']


def drag_box(page, top, left, bottom, right):
    page.mouse.move(*on_canvas(page, top + 0.5, left + 0.5))
    page.mouse.down()
    page.mouse.move(*on_canvas(page, bottom - 0.5, right - 0.5), steps=5)
    page.mouse.up()


def coloured(page, selector, rgb=None):
    "How many pixels have a colour: a certain one, or any that is not grey."
    return page.evaluate(
        """([selector, rgb]) => {
          const c = document.querySelector(selector);
          const d = c.getContext('2d').getImageData(60, 30, c.width - 80, c.height - 40).data;
          let n = 0;
          for (let i = 0; i < d.length; i += 4) {
            const p = [d[i], d[i + 1], d[i + 2]];
            n += rgb ? p.every((v, k) => v === rgb[k]) : Math.max(...p) - Math.min(...p) > 12;
          }
          return n;
        }""",
        [selector, rgb],
    )


def eventually(page, check, why, seconds=20):
    "Wait until something holds."
    end = time.time() + seconds
    while not check():
        assert time.time() < end, why
        page.wait_for_timeout(50)


def asked_for(page, action):
    return sum(f'"{action}"' in frame for frame in page.sent)


def test_a_picture_to_work_in(browser, two_volumes):
    with Served(two_volumes, '--allow-labels') as served:
        page = opened(browser, served.url)
        page.set_viewport_size(dict(width=1280, height=800))
        page.wait_for_function('() => document.querySelector(".rc-section").dataset.view')
        zoom_and_pan(page)
        true_scale(page)
        clip_by_percentile(page)
        drag_box(page, 80, 60, 128, 108)
        told(page, 'hits in')
        draw_only_what_is_similar(page)
        fold_groups(page)
        see_the_followed_hit(page)
        take_examples_out(page)
        look_from_above(page)
        browse_without_a_flash(page)
        errors_stay(page)
        see_the_detail(page)
        assert page.said == []
        page.close()


def zoom_and_pan(page):
    whole = view(page)
    page.mouse.move(*on_canvas(page, 100, 60))
    page.mouse.wheel(0, -200)
    eventually(page, lambda: view(page) != whole, 'the wheel does not zoom')
    near = view(page)
    assert near['sx'] == pytest.approx(2 * whole['sx'])
    for start, scale, place in (('left', 'sx', 60), ('top', 'sy', 100)):  # stays under the pointer
        here = whole[start] + place * whole[scale]
        assert near[start] + place * near[scale] == pytest.approx(here, abs=1)
    for hold, let_go, button in (
        (lambda: page.keyboard.down('Shift'), lambda: page.keyboard.up('Shift'), 'left'),
        (lambda: None, lambda: None, 'middle'),
    ):
        was, (x, y) = view(page), on_canvas(page, 100, 60)
        hold()
        page.mouse.move(x, y)
        page.mouse.down(button=button)
        page.mouse.move(x + 30, y - 20, steps=3)
        page.mouse.up(button=button)
        let_go()
        moved = view(page)
        assert (moved['left'] - was['left'], moved['top'] - was['top']) == pytest.approx((30, -20))
    shot(page, '6-zoomed')
    page.mouse.dblclick(*on_canvas(page, 100, 60))
    assert view(page) == whole
    page.focus('.rc-section')
    page.keyboard.press('i')
    assert view(page)['sx'] == pytest.approx(1.5 * whole['sx'])
    page.keyboard.press('Shift+ArrowRight')
    assert view(page)['left'] < whole['left']
    page.keyboard.press('0')
    assert view(page) == whole
    assert not page.locator('.rc-hit').count()  # nothing was asked by that


def true_scale(page):
    page.click('.rc-aspect')
    for field, value, wanted in (
        ('.rc-exaggeration', '1', 4 / 12.5),  # 4 ms at 2000 m/s are 4 m
        ('.rc-exaggeration', '2', 8 / 12.5),
        ('.rc-velocity', '4000', 16 / 12.5),
    ):
        page.fill(field, value)
        v = view(page)
        assert v['sy'] / v['sx'] == pytest.approx(wanted, rel=1e-3)
    shot(page, '6-true-scale')
    page.click('.rc-aspect')


def clip_by_percentile(page):
    before = coloured(page, '.rc-section', [255, 255, 255])
    page.fill('.rc-clip', '80')
    page.press('.rc-clip', 'Enter')
    more = lambda: coloured(page, '.rc-section', [255, 255, 255]) > 1.5 * before
    eventually(page, more, 'the clip changes nothing')
    page.fill('.rc-clip', '30')
    page.press('.rc-clip', 'Enter')
    told(page, 'expected 50 to 100')
    page.fill('.rc-clip', '99')
    page.press('.rc-clip', 'Enter')
    told(page, 'drag a rectangle')


def draw_only_what_is_similar(page):
    drawn = []
    page.fill('.rc-opacity', '1')
    for cut in ('0.2', '0.9'):
        page.fill('.rc-cut', cut)
        page.wait_for_timeout(600)  # until Python has sent the contours
        drawn.append(coloured(page, '.rc-section'))
    assert drawn[0] > 1.5 * drawn[1] > 0, drawn
    page.fill('.rc-cut', '0.2')
    page.fill('.rc-opacity', '0')  # what is left: contours, and boxes
    page.wait_for_timeout(600)
    contours = coloured(page, '.rc-section')
    page.select_option('.rc-heat', 'none')
    eventually(page, lambda: coloured(page, '.rc-section') < contours, 'no contours')
    assert contours < drawn[0]
    page.select_option('.rc-heat', 'similarity')
    page.fill('.rc-opacity', '0.6')
    number = lambda: re.fullmatch(r'0\.\d\d', page.text_content('.rc-cut-value'))
    eventually(page, number, 'the threshold has no value')
    shot(page, '6-threshold')
    page.fill('.rc-cut', '0.6')


def fold_groups(page):
    groups = page.locator('.rc-group')
    names = groups.locator('summary').all_text_contents()
    n = [int(re.search(r'(\d+) hits?$', name).group(1)) for name in names]
    assert sum(n) == page.locator('.rc-hit').count()
    assert any(re.search(r'geobody \d+: \d+ windows?, inlines \d+ to \d+', m) for m in names)
    first = page.locator('.rc-hit').first
    page.focus('.rc-group summary')
    page.keyboard.press('Enter')
    assert not first.is_visible()
    page.keyboard.press('Enter')
    assert first.is_visible()


def see_the_followed_hit(page):
    followed = [163, 0, 109]
    assert coloured(page, '.rc-section', followed) == 0
    page.locator('.rc-hit .rc-go').first.click()
    page.wait_for_selector('.rc-hit.current')
    eventually(page, lambda: coloured(page, '.rc-section', followed) > 100, 'no followed hit')
    shot(page, '6-followed')


def take_examples_out(page):
    examples = page.locator('.rc-example')
    assert examples.count() == 1
    page.locator('.rc-hit .rc-plus').nth(1).click()
    told(page, '2 examples of what is meant')
    page.locator('.rc-hit .rc-minus').last.click()
    told(page, '1 of what is not')
    assert page.locator('.rc-example.not').count() == 1
    shot(page, '6-examples')
    for left in (2, 1):
        page.locator('.rc-drop').last.click()
        eventually(page, lambda n=left: examples.count() == n, 'an example is not taken out')


def look_from_above(page):
    page.select_option('.rc-plane', 'level')
    page.wait_for_selector('.rc-level')
    eventually(page, lambda: coloured(page, '.rc-map') > 500, 'no similarity on the map')
    page.fill('.rc-level', '104')
    assert page.text_content('.rc-level-value') == '416 ms'
    page.select_option('.rc-plane', 'strongest')
    page.wait_for_selector('.rc-level', state='hidden')
    page.select_option('.rc-plane', 'amplitude')
    grey = """() => {
      const c = document.querySelector('.rc-map'), g = c.getContext('2d');
      const d = g.getImageData(c.width / 2 - 40, c.height / 2 - 20, 80, 40).data;
      return new Set(d.filter((_, i) => i % 4 === 0)).size;
    }"""
    eventually(page, lambda: page.evaluate(grey) > 25, 'no amplitudes on the map')
    shot(page, '6-from-above')
    lines = page.evaluate('() => +document.querySelector(".rc-slider").max + 1')
    page.fill('.rc-slider', '3')
    page.locator('.rc-map').click()  # in the middle
    at = lambda: int(page.input_value('.rc-slider'))
    eventually(page, lambda: abs(at() - (lines - 1) / 2) <= 1, 'the click leads nowhere')
    page.locator('.rc-map').click(modifiers=['Shift'])
    page.wait_for_function('() => document.querySelector(".rc-kind").value == "crossline"')
    assert abs(at() - 79.5) <= 1
    page.select_option('.rc-plane', 'none')
    page.select_option('.rc-kind', 'inline')
    eventually(page, lambda: page.get_attribute('.rc-slider', 'max') == '47', 'no inlines')


def browse_without_a_flash(page):
    """The picture is there at every frame while lines change.
    Of many lines wanted at once, few are asked for, and the last is shown."""
    page.evaluate("""() => {
      window.blank = window.frames_ = 0;
      const c = document.querySelector('.rc-section');
      const look = () => {
        const d = c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data;
        window.frames_ += 1;
        if (d[3] !== 255 || (d[0] === 0xec && d[2] === 0xe5)) window.blank += 1;
        if (window.frames_ < 1000) requestAnimationFrame(look);
      };
      look();
    }""")
    first = int(page.input_value('.rc-line'))
    page.focus('.rc-section')
    for _ in range(5):
        page.keyboard.press('ArrowRight')
    at_line(page, first + 5)
    before = asked_for(page, 'show')
    page.evaluate("""() => {
      const slider = document.querySelector('.rc-slider');
      for (let i = 0; i < 40; i += 1) {
        slider.value = i;
        slider.dispatchEvent(new Event('input'));
      }
    }""")
    eventually(page, lambda: page.input_value('.rc-slider') == '39', 'not the last line')
    eventually(page, lambda: asked_for(page, 'show') > before, 'no line is asked for')
    eventually(page, lambda: page.evaluate('() => window.frames_') > 5, 'no frame')
    page.wait_for_timeout(300)
    assert asked_for(page, 'show') - before <= 3
    assert page.evaluate('() => window.blank') == 0
    eventually(page, lambda: asked_for(page, 'peek'), 'nothing is fetched ahead')


def errors_stay(page):
    page.fill('input.rc-where', 'nonsense ==')
    page.press('input.rc-where', 'Enter')
    told(page, 'filter')
    page.wait_for_timeout(300)
    assert 'error' in page.get_attribute('.rc-status', 'class')
    page.fill('input.rc-where', '')
    page.press('input.rc-where', 'Enter')
    page.wait_for_function(
        '() => !document.querySelector(".rc-status").classList.contains("error")'
    )


def see_the_detail(page):
    """A line larger than a picture is averaged: high and low samples in turn are grey.
    Seen nearer, each sample is there."""
    page.click('.rc-clear')
    page.select_option('.rc-survey', label='zigzag')
    page.wait_for_function('() => document.querySelector(".rc-kind").value == "line"')
    assert page.is_hidden('.rc-plane') and page.is_disabled('.rc-aspect')
    assert coloured(page, '.rc-section', [255, 255, 255]) == 0
    page.mouse.move(*on_canvas(page, 850, 30))
    for _ in range(5):
        page.mouse.wheel(0, -200)
    sharp = lambda: coloured(page, '.rc-section', [255, 255, 255]) > 1000
    eventually(page, sharp, 'no detail')
    shot(page, '6-detail')


@pytest.fixture
def horizons(survey, tmp_path):
    "Two flat horizons of the survey, at 200 and 600 ms, as plain columns."
    from reflection_connection.volume import open_volume

    files = tmp_path / 'top.dat', tmp_path / 'base.dat'
    with open_volume(survey / 'survey' / 'survey.sgy') as volume:
        inline, crossline = np.meshgrid(volume.inlines, volume.crosslines)
    for file, z in zip(files, (200.0, 600.0)):
        frame = pd.DataFrame(dict(inline=inline.ravel(), crossline=crossline.ravel(), z=z))
        frame.to_csv(file, sep=' ', index=False)
    return files


def hits_taken(page, folder):
    "The hits as the page gives them to the browser."
    page.select_option('.rc-take-format', 'csv')
    with page.expect_download() as download:
        page.click('.rc-take')
    download.value.save_as(folder / 'hits.csv')
    return pd.read_csv(folder / 'hits.csv')


def test_without_an_index(browser, survey, horizons, tmp_path):
    "Hits come while the survey is embedded; they are limited to an interval, and taken away."
    path, kept = survey / 'survey' / 'survey.sgy', tmp_path / 'kept'
    marks = [word for file in horizons for word in ('--horizon', str(file))]
    windows = ['--window', '48', '48', '--stride', '24', '24', '--lines', 'inline', '--every', '8']
    with Served(path, '--index-out', str(kept), *windows, *marks) as served:
        page = opened(browser, served.url)
        assert '0 of' in status(page)
        drag_box(page, 80, 60, 128, 108)
        page.wait_for_selector('.rc-hit')
        eventually(page, lambda: (kept / 'meta.json').is_file(), 'it is not embedded whole', 60)
        told(page, 'hits in')
        everywhere = hits_taken(page, tmp_path)
        page.select_option('.rc-top', 'top')
        page.select_option('.rc-base', 'base')
        told(page, 'between')
        between = hits_taken(page, tmp_path)
        assert not everywhere.z.between(200, 600).all()
        assert len(between) and between.z.between(200, 600).all()
        assert page.said == []
        page.close()
