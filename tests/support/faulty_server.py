"""A web server on loopback that plays one fault after another, and remembers what it was asked and what it sent."""

import re
import socket
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RIGHT = "the right length"


@dataclass(frozen=True)
class Play:
    """How one request is answered; without arguments, as it should be."""

    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes | None = None  # instead of the file
    length: int | str | None = RIGHT  # what Content-Length says; None: nothing, the end of the connection is the end
    chunked: bool = False
    etag: str | None = '"1"'
    ranges: bool = True  # False: always the whole file
    most: int | None = None  # bytes of a part that is asked for
    stop: int | None = None  # after so many bytes of the body …
    then: str = "close"  # … "close" the connection, "stall", or "trickle" a byte now and then
    mute: bool = False  # not even a status line
    pause: float = 0.0  # seconds between blocks of 16 kB
    noise: bytes = b""  # instead of HTTP


@dataclass
class Asked:
    """A request, and what was sent for it: `sent` bytes of the body, the first being byte `start` of the file."""

    path: str
    range: str | None
    start: int = 0
    sent: int = 0
    gone: float | None = None  # seconds until the client hung up, where it had to


class FaultyServer(ThreadingHTTPServer):
    """Serves `files`, {path: bytes}, as the `scripts` say."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.log = {}, []
        self.stalled = threading.Event()
        self.heal()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_):
        """Clients that hang up are part of the game."""

    def url(self, path=""):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def script(self, path, *plays, then=None):
        """Answers the next requests for `path` with `plays`, one each, and all later ones with `then`."""
        self.scripts[path] = [*plays], then or Play()

    def heal(self):
        """From now on every answer is as it should be."""
        self.scripts = defaultdict(lambda: ([], Play()))

    def asked(self, path=None):
        return [asked for asked in self.log if path in (None, asked.path)]

    def sent_again(self, path):
        """How many bytes of the file `path` were sent that had been sent before."""
        spans = sorted((asked.start, asked.start + asked.sent) for asked in self.asked(path))
        again = end = 0
        for start, stop in spans:
            again += max(0, min(end, stop) - start)
            end = max(end, stop)
        return again


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        # Little is on its way at any time, so that what was sent is about what the client took before it hung up.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        super().setup()

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        self.asked = Asked(self.path, self.headers.get("Range"))
        server.log.append(self.asked)
        plays, last = server.scripts[self.path]
        play = plays.pop(0) if plays else last
        self.close_connection = True
        if play.mute:
            return self._stall()
        if play.noise:
            return self.wfile.write(play.noise)
        file = server.files.get(self.path) if play.body is None else play.body
        if file is None:
            play = Play(404)
        elif play.status in (200, 206):
            return self._answer(play, file)
        self.close_connection = False
        self.send_response(play.status)
        for name, value in {"Content-Length": len(play.body or b""), **play.headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(play.body or b"")

    def _answer(self, play, file):
        status, headers, start = play.status, dict(play.headers), 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.asked.range or "")
        if status == 200 and play.etag:
            headers.setdefault("ETag", play.etag)
        versions = {None, play.etag, headers.get("Last-Modified")} - {'W/"1"'}  # a weak one names no bytes
        if status == 200 and play.ranges and wanted and self.headers.get("If-Range") in versions:
            start, whole = int(wanted[1]), len(file)
            status = 206 if start < whole else 416
            file = file[: start + play.most] if play.most else file
            headers.setdefault("Content-Range", f"bytes {f'{start}-{len(file) - 1}' if status == 206 else '*'}/{whole}")
        body = b"" if status == 416 else file[start:]
        self.asked.start = start
        self.send_response(status)
        if play.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif play.length is not None:
            headers["Content-Length"] = len(body) if play.length == RIGHT else play.length
        self.close_connection = play.length != RIGHT or play.stop is not None
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        body = body[: play.stop]
        for i in range(0, len(body), 1 << 14):
            block = body[i : i + (1 << 14)]
            self.asked.sent += len(block)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if play.chunked else block)
            time.sleep(play.pause)
        if play.stop is None:
            self.wfile.write(b"0\r\n\r\n" if play.chunked else b"")
        elif play.then != "close":
            self._stall(play.then == "trickle")

    def _stall(self, trickle=False):
        """Until the client hangs up."""
        self.server.stalled.set()
        start = time.monotonic()
        self.connection.settimeout(0.05)
        while time.monotonic() - start < 8:
            try:
                if trickle:
                    self.wfile.write(b"\0")
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.asked.gone = time.monotonic() - start
