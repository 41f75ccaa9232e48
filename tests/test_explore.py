"""The explorer in a real browser: draw a box, get hits, follow one, refine, label, reload.
Screenshots are kept in runs/screenshots."""

import contextlib
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

import pandas as pd
import pytest
from conftest import ROOT

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


class Served:
    "`refcon explore` as a person starts it."

    def __init__(self, index, *options, **environment):
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name('refcon')), 'explore', str(index), *options],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        self.lines = []
        threading.Thread(
            target=lambda: self.lines.extend(iter(self.process.stderr.readline, '')), daemon=True
        ).start()
        end = time.time() + 120
        while not (
            found := re.search(r'http://127\.0\.0\.1:\d+/\S*\?token=\S+', ''.join(self.lines))
        ):
            assert self.process.poll() is None and time.time() < end, ''.join(self.lines)[-2000:]
            time.sleep(0.1)
        self.url = found.group()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
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
    page.said = []
    page.on('pageerror', lambda e: page.said.append(str(e)))
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
    with Served(survey / 'index', '--allow-labels') as served:
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
