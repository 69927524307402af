"""One file over HTTP, on a bad line: it retries, goes on where it stopped, and gives up in words.

The HTTP itself (redirects, proxies, certificates, time-outs) is requests', the progress bar tqdm's. What stands here is
what no packaged downloader had when this was written: `keras.utils.get_file` has no time-out, no retry and no resume,
and pooch retries from the first byte. The rules are those of RFC 9110, section 14, range requests.
"""

import contextlib
import email.utils
import errno
import http
import itertools
import json
import os
import shutil
import sys
import time
from pathlib import Path

TIMEOUT = 30  # seconds without a byte after which a connection counts as dead
TRIES = 4  # attempts in a row without progress
PAUSE = 1.0  # seconds before the second attempt, doubled before each further one
LONGEST_PAUSE = 60  # seconds; a server's own Retry-After is heeded up to here
PROGRESS = 1 << 16  # bytes an attempt must bring for the count of attempts to start anew
_CHUNK = 1 << 16
_SLOWEST = 1000  # bytes per second, on average over TIMEOUT; below, a connection counts as dead, too
_WORTH_A_RETRY = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(Exception):
    """The file could not be had. The message is a clause without the file's name: "answered 404 Not Found".

    Attributes:
        status: the HTTP status, where that was the reason.
    """

    def __init__(self, reason, status=None):
        super().__init__(reason)
        self.status = status


def download(url, path, limit, magic=b"", room=0, progress=True):
    """Downloads `url` to `path`.

    The bytes arrive in ``<path>.part``, which becomes `path` in one step when it is complete. Whatever ends the call
    before that, the next one asks the server only for the rest; where the server cannot send a part, or has another
    file by now, it starts anew. (A server that names no version of its file gets the benefit of the doubt: the caller
    has to check the content in any case.)

    Args:
        url: an http or https address.
        path: the file to make; its folder exists.
        limit: the most bytes the file may have.
        magic: what its first bytes must be, checked as soon as they are there.
        room: free bytes needed on the disk beside the file itself.
        progress: show bytes, rate and time left.

    Raises:
        DownloadError: no answer, an error, a wrong length, other content, after the retries that make sense.
        OSError: `path` cannot be written; ENOSPC before a byte is fetched, if the server says that it will not fit.
    """
    import requests
    import urllib3

    path = Path(path)
    failures, most = 0, _Part(path).size  # of bytes there have ever been: to lose and regain some is no progress
    with requests.Session() as session:
        while True:
            pause = PAUSE * 2**failures
            try:
                return _attempt(session, url, path, limit, magic, room, progress)
            except _Retry as error:
                reason, pause = str(error), max(pause, error.pause)
            except (requests.TooManyRedirects, ValueError) as error:  # ValueError: no http address at all
                raise DownloadError(f"is not an address that works ({type(error).__name__})") from error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reason = _in_words(error)
            now = _Part(path).size
            failures = 1 if now - most >= PROGRESS else failures + 1
            most = max(most, now)
            if failures >= TRIES:
                raise DownloadError(reason)
            time.sleep(min(pause, LONGEST_PAUSE))


class _Retry(Exception):
    def __init__(self, reason, pause=0.0):
        super().__init__(reason)
        self.pause = pause


class _Part:
    """The part of a file that has arrived: ``<path>.part``, and ``<path>.part.json``, which says of which version."""

    def __init__(self, path):
        self.file = path.with_name(path.name + ".part")
        self.note = path.with_name(path.name + ".part.json")

    @property
    def size(self):
        return self.file.stat().st_size if self.file.exists() else 0

    def version(self, url):
        """(the server's name for the version, its length), each None if not given. Bytes not of `url` are dropped."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            note = json.loads(self.note.read_text())
            if note["url"] == url:
                return note["version"], note["length"]
        self.drop()
        return None, None

    def begin(self, url, version, length):
        self.drop()
        self.note.write_text(json.dumps({"url": url, "version": version, "length": length}))

    def drop(self):
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _attempt(session, url, path, limit, magic, room, progress):
    part = _Part(path)
    version, expected = part.version(url)
    have = part.size
    headers = _headers(have, version)
    with session.get(url, headers=headers, stream=True, timeout=(min(10, TIMEOUT), TIMEOUT)) as response:
        if response.status_code == 416:  # nothing after what is there: complete, or no longer that file
            if response.headers.get("Content-Range", "") == f"bytes */{have}":
                return _finish(part, path)
            part.drop()
            raise _Retry("has a shorter file than before")
        _refuse_error(response)
        have, total = _span(response, part, have, expected)
        if total is not None:
            _check_size(total, have, part, path, limit, room)
        chunks = _chunks(response)
        if have == 0:  # a new file: only when its first bytes look right does it take the place of what is there
            first, chunks = _first_chunk(chunks, response, magic)
            part.begin(url, _strong_version(response.headers), total)
            chunks = itertools.chain([first], chunks)
        have = _receive(chunks, part, have, total, limit, progress)
    if total is not None and have < total:
        raise _Retry(f"closed the connection after {have:,} of {total:,} bytes")
    return _finish(part, path)


def _headers(have, version):
    headers = {"Accept-Encoding": "identity"}  # the file's own bytes, so that lengths and offsets mean something
    if have:
        headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version  # the rest if it is still that file, else all of the new one
    return headers


def _refuse_error(response):
    """Raises what an answer calls for that sends no file: `_Retry`, or `DownloadError` where that cannot help."""
    status = response.status_code
    if status in (200, 206):
        return
    reason = f"answered {status} {_phrase(status)}".rstrip()
    if status in _WORTH_A_RETRY:
        raise _Retry(reason, _retry_after(response.headers.get("Retry-After")))
    raise DownloadError(reason, status)


def _span(response, part, have, expected):
    """(how many bytes come before the answer's first, the whole file's length or None); `_Retry` for a wrong part."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    start, whole = _content_range(response.headers.get("Content-Range", ""))
    if not have or start != have or expected not in (None, whole):
        part.drop()
        raise _Retry("sent another part, or a part of another file, than it was asked for")
    return have, whole


def _check_size(total, have, part, path, limit, room):
    if total > limit:
        part.drop()
        raise DownloadError(f"has a file of {total / 1e6:,.0f} MB there, which cannot be the right one")
    if shutil.disk_usage(path.parent).free < total - have + room:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _first_chunk(chunks, response, magic):
    """(the first bytes, at least as many as `magic` has, the chunks that follow); `DownloadError` for other content."""
    first = next(chunks, b"")
    while len(first) < len(magic) and (more := next(chunks, b"")):
        first += more
    if first and not first.startswith(magic):
        kind = response.headers.get("Content-Type", "something else").partition(";")[0]
        raise DownloadError(f"sent {'a web page' if kind == 'text/html' else kind} instead of the file")
    return first, chunks


def _chunks(response):
    """The body as it comes, not waiting for a chunk to fill up; `_Retry` where it comes too slowly."""
    receive = getattr(response.raw, "read1", response.raw.read)  # urllib3 has read1 since version 2.1
    window, received = time.monotonic(), 0
    while chunk := receive(_CHUNK, decode_content=False):
        yield chunk
        received += len(chunk)
        if time.monotonic() - window > TIMEOUT:
            if received < _SLOWEST * TIMEOUT:
                raise _Retry(f"sent only {received:,} bytes in {TIMEOUT} seconds")
            window, received = time.monotonic(), 0


def _receive(chunks, part, have, total, limit, progress):
    bar = progress_bar(None, part.file.stem, progress, total, initial=have, unit="B", unit_scale=True)
    with open(part.file, "ab") as file, bar:
        for chunk in chunks:
            have += len(chunk)
            if have > limit:
                file.close()
                part.drop()
                raise DownloadError(f"sent more than {limit / 1e6:,.0f} MB, which cannot be the right file")
            file.write(chunk)
            bar.update(len(chunk))
    return have


def _finish(part, path):
    os.replace(part.file, path)
    part.note.unlink(missing_ok=True)


def progress_bar(items, what, show, total=None, **options):
    """tqdm's bar for `items` (None: call its ``update``), for a terminal, a notebook or a log (a line now and then)."""
    from tqdm.auto import tqdm

    in_a_log = not sys.stderr.isatty() and "ipykernel" not in sys.modules
    options = {"mininterval": 10 if in_a_log else 0.2, "dynamic_ncols": not in_a_log, "unit": " files", **options}
    return tqdm(items, desc=what, total=total, disable=not show, **options)


def _strong_version(headers):
    """The version that `If-Range` may name: a strong ETag, else the date of the last change, else None."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _content_range(text):
    """(first byte, whole length or None) of ``bytes 100-199/200``; (None, None) if it is not that."""
    try:
        unit, _, rest = text.partition(" ")
        span, _, whole = rest.partition("/")
        start = int(span.partition("-")[0])
        return (start, None if whole == "*" else int(whole)) if unit == "bytes" else (None, None)
    except ValueError:
        return None, None


def _retry_after(text):
    """Seconds, from a number of seconds or an HTTP date."""
    if not text:
        return 0.0
    if text.isdigit():
        return float(text)
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def _phrase(status):
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _in_words(error):
    text = f"{type(error).__name__} {error}".lower()
    for sign, words in (
        ("certificate", "has a certificate that this machine does not trust"),
        ("sslerror", "does not speak https"),
        ("resol", "could not be found from here (no network?)"),
        ("getaddrinfo", "could not be found from here (no network?)"),
        ("proxy", "was not reached through the proxy"),
        ("refused", "refused the connection"),
        ("unreachable", "could not be reached from here (no network?)"),
        ("timed out", f"said nothing for {TIMEOUT} seconds"),
        ("timeout", f"said nothing for {TIMEOUT} seconds"),
        ("incomplete", "closed the connection too early"),
        ("reset", "closed the connection too early"),
        ("aborted", "closed the connection too early"),
    ):
        if sign in text:
            return words
    return f"could not be read ({type(error).__name__})"
