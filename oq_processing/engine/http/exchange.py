"""One request, and what has come of its answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlencode, urlsplit

from ..address import origin
from ..errors import EngineError, ServerFault, Unreachable
from .multipart import CHUNK, Upload
from .sockets import Sockets, announced, pieces

if TYPE_CHECKING:
    import requests

ENDLESS = 900.0  # seconds beyond the timeout for an answer that comes and does not end
PACKED_CHUNK = 64 * 1024  # bytes of a compressed answer, each of which may become a thousand


@dataclass(frozen=True)
class Request:
    """A request to be made once.

    ``timeout`` is in seconds without a byte. An answer of more than ``limit`` bytes that does not
    go to the file ``target`` is an error. ``target`` gets the content of a 200 only, by way of
    ``<target>.part``. ``progress`` gets bytes of the form, if any, else of the download, on the
    thread that waits.
    """

    method: str
    url: str
    timeout: float
    limit: int
    query: Mapping[str, str] | None = None
    form: Upload | None = None
    target: Path | None = None
    progress: Callable[[int, int], None] | None = None

    @property
    def path(self) -> str:
        """The path and query, as the log shows them."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return urlsplit(self.url).path + query


@dataclass
class Answer:
    """Status, headers, and the content unless that went to a file.

    ``status`` is 0 until the answer has begun; ``size`` bytes of its content have come, of
    ``expected`` (0: unknown).
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    size: int = 0
    expected: int = 0

    @property
    def location(self) -> str:
        """Where a redirect points to."""
        return str(self.headers.get("Location", "another address"))

    @property
    def filename(self) -> str:
        """The name the server gives the file; it may be anything, never use it as a path."""
        match = re.search(r'filename="?([^";]+)', self.headers.get("Content-Disposition", ""))
        return match[1].strip() if match else ""

    def text(self) -> str:
        """Return the content as text."""
        return self.content.decode("utf-8", "replace")

    def title(self) -> str:
        """Return the title of an HTML page, "" if there is none."""
        match = re.search(r"<title>([^<]{0,300})", self.text()[:100_000], re.I)
        return " ".join(match[1].split())[:200] if match else ""

    def first_line(self) -> str:
        """Return the first line that is not empty."""
        return next((line.strip()[:300] for line in self.text().splitlines() if line.strip()), "")

    def error(self) -> str:
        """Return the reason an engine gives for an error, "" if it gives none.

        JSON ``{"error": …}`` or ``{"traceback": [lines]}`` (until 3.16 the bare list), or the first
        line of plain text.
        """
        value = self._json()
        if isinstance(value, dict):
            value = value.get("error") or value.get("traceback") or ""
        if isinstance(value, list):
            lines = [str(line).strip() for item in value for line in str(item).splitlines()]
            return next((line for line in reversed(lines) if line), "")
        if isinstance(value, str) and value:
            return value
        plain = self.headers.get("Content-Type", "").startswith("text/plain")
        return self.first_line() if plain else ""

    def job_id(self) -> int | None:
        """Return the ``job_id`` of an answer to a submission."""
        value = self._json()
        number = value.get("job_id") if isinstance(value, dict) else None
        return number if type(number) is int else None  # True is not an id

    def _json(self) -> Any:
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


@dataclass(eq=False)
class Exchange:
    """A request under way: its sockets, what has come of its answer, and what the log gets."""

    request: Request
    answer: Answer = field(default_factory=Answer)
    sockets: Sockets = field(default_factory=Sockets)
    trace: str = ""
    _seen: tuple[int, int, int] = (0, 0, 0)
    _since: float = field(default_factory=time.monotonic)

    def report(self) -> None:
        """Report progress; raise :class:`Unreachable` where a server answers without end.

        A server that goes on with headers (as of 1xx), trailers or single bytes is never silent for
        ``timeout``. ``ENDLESS`` seconds more are for a short answer, or the next piece of a file.
        """
        form, answer = self.request.form, self.answer
        seen = (form.sent if form else 0, answer.status, answer.size if self._target else 0)
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        limit = self.request.timeout + ENDLESS
        if time.monotonic() - self._since > limit:
            raise Unreachable(
                f"{origin(self.request.url)} has not ended its answer within {limit:.0f} s."
            )
        if self.request.progress is None:
            return
        if form is not None:
            self.request.progress(min(form.sent, len(form)), len(form))
        elif self._target is not None and answer.size:
            self.request.progress(answer.size, answer.expected)

    def read(self, response: requests.Response) -> Answer:
        """Read the answer, to memory or to the file."""
        answer = self.answer
        answer.status, answer.headers = response.status_code, response.headers
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "deflate"):  # several packed into each other
            raise ServerFault(f"{origin(response.url)} answered in the encoding {encoding[:50]}.")
        answer.expected = 0 if encoding else announced(response) or 0
        content = pieces(response, PACKED_CHUNK if encoding else CHUNK)
        if self._target is not None:
            self._store(content, self._target)
        else:
            answer.content = b"".join(self._bounded(content))
        return answer

    @property
    def _target(self) -> Path | None:
        return self.request.target if self.answer.status == 200 else None

    def _bounded(self, content: Iterator[bytes]) -> Iterator[bytes]:
        for piece in content:
            self.answer.size += len(piece)
            if self.answer.size > self.request.limit:
                raise ServerFault(
                    f"{self.request.url} answered more than {self.request.limit // 1024**2} MB "
                    "where a short answer is expected; it was not read."
                )
            yield piece

    def _store(self, content: Iterator[bytes], target: Path) -> None:
        part = target.with_name(target.name + ".part")
        try:
            with part.open("wb") as file:
                for piece in content:
                    try:
                        file.write(piece)
                    except OSError as error:
                        raise EngineError(f"Cannot write {part}: {error.strerror}.") from error
                    self.answer.size += len(piece)
            self.sockets.keep(part, target)
        finally:
            part.unlink(missing_ok=True)
