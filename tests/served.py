"A server of files on this machine that sends ranges, counts bytes, and fails as it is told."

import http.server
import re
import threading
from contextlib import contextmanager


class Served:
    "What a server has, how it behaves, and what it has sent."

    def __init__(self, files):
        self.files, self.sent, self.requests, self.whole = files, 0, 0, 0
        self.ranges, self.status, self.redirect, self.version = True, 200, '', '1'


def _handler(served):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *args):
            "Nothing."

        def do_HEAD(self):
            self.answer(False)

        def do_GET(self):
            self.answer(True)

        def answer(self, body):
            served.requests += 1
            name = self.path.partition('?')[0]
            data = served.files.get(name)
            status = 404 if data is None else served.status
            if served.redirect and name != served.redirect:
                return self.reply(302, b'', Location=served.redirect)
            if status != 200:
                return self.reply(status, b'')
            asked = re.fullmatch(r'bytes=(\d+)-(\d+)', self.headers.get('Range', ''))
            if not asked or not served.ranges:
                served.whole += body
                return self.reply(200, data, body)
            first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
            span = f'bytes {first}-{last}/{len(data)}'
            self.reply(206, data[first : last + 1], body, **{'Content-Range': span})

        def reply(self, status, data, body=True, **headers):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header('Content-Length', str(len(data)))
            self.send_header('ETag', f'"{served.version}"')
            self.end_headers()
            if body:
                served.sent += len(data)
                try:
                    self.wfile.write(data)
                except ConnectionError:
                    self.close_connection = True

    return Handler


@contextmanager
def served(files):  # path after the host -> bytes
    "A server while the block runs, and its address."
    what = Served(files)

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 256  # connections come side by side

        def handle_error(self, request, client_address):
            "A client that leaves in the middle is what some tests are about."

    server = Server(('127.0.0.1', 0), _handler(what))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield what, f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()
