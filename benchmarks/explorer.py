"""How long a person waits for the explorer: python benchmarks/explorer.py [volume or index]

A Chromium opens `refcon explore`, draws a box and waits; every figure is printed as it comes."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
DRAWN = """() => {
  const canvas = document.querySelector('.rc-section');
  if (!canvas || !canvas.width) return false;
  const pixels = canvas.getContext('2d').getImageData(80, 40, 200, 200).data;
  return new Set(pixels).size > 50;
}"""
LOADED = "() => /drag a rectangle/.test(document.querySelector('.rc-said').textContent)"
FIRST = "() => document.querySelector('.rc-hit')"
DONE = """() => {
  const busy = document.querySelector('.rc-status progress');
  return busy.hidden && / hits in /.test(document.querySelector('.rc-said').textContent);
}"""


class Watch:
    "Says how many seconds have gone by since it was set."

    def __init__(self):
        self.start = time.monotonic()

    def say(self, what: str):
        print(f'{what:40}{time.monotonic() - self.start:6.2f} s', flush=True)


def draw_box(page):
    "A rectangle in the middle of the section."
    place = page.locator('.rc-section').bounding_box()
    corners = [
        (place['x'] + share * place['width'], place['y'] + (share + 0.2) * place['height'])
        for share in (0.45, 0.55)
    ]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=5)
    page.mouse.up()


def measure(browser, what, folder):
    "Start, open, ask, end."
    watch = Watch()
    refcon = str(Path(sys.executable).with_name('refcon'))
    server = subprocess.Popen(
        [refcon, 'explore', str(what)], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    url = server.stderr.readline().strip()
    watch.say('command to address')
    page, watch = browser.new_page(viewport=dict(width=1280, height=900)), Watch()
    page.goto(url)
    page.wait_for_function(DRAWN, timeout=120_000)
    watch.say('page to first drawing')
    page.wait_for_function(LOADED, timeout=120_000)
    watch.say('page to encoder')
    draw_box(page)
    watch = Watch()
    page.wait_for_function(FIRST, timeout=120_000)
    watch.say('box to first hits')
    page.wait_for_function(DONE, timeout=600_000)
    watch.say('box to all that is embedded')
    watch = Watch()
    server.terminate()
    server.wait(30)
    watch.say('end')


def main():
    what = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'data' / 'f3_il110_111.sgy').resolve()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = shutil.which('chromium') or shutil.which('google-chrome')
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        measure(browser, what, folder)
        browser.close()


if __name__ == '__main__':
    main()
