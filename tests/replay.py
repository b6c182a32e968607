"""A server that answers what a real engine has answered once: ``golden/answers.zip``.

::

    with Replay() as server:
        EngineClient(server.url).outputs(server.cases["grid"])
        assert server.unknown == []

Fields of outputs are seen without a calculation; ``script/make_golden.py answers`` calculates and
records anew.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

from fake_engine import Answer, FakeEngine, Request

ANSWERS = Path(__file__).parent / "golden" / "answers.zip"
_INDEX = "index.json"


@dataclass(frozen=True)
class Recorded:
    """An answer of the engine: status, the two headers that clients look at, content."""

    status: int
    kind: str
    disposition: str
    body: bytes


class Replay(FakeEngine):
    """The server. ``cases`` are ids of calculations by name, ``unknown`` requests not recorded."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self.port = port
        self.cases: dict[str, int] = {}
        self.recorded: dict[str, Recorded] = {}
        self.unknown: list[str] = []
        self.answers["*"] = self._answer

    def load(self) -> Replay:
        """Read the recorded answers."""
        with zipfile.ZipFile(ANSWERS) as archive:
            index = json.loads(archive.read(_INDEX))
            self.cases = index["cases"]
            for name, about in index["answers"].items():
                self.recorded[name] = Recorded(**about, body=archive.read(name))
        return self

    def save(self) -> None:
        """Write the recorded answers; the same answers make the same file."""
        about = {name: asdict(answer) for name, answer in sorted(self.recorded.items())}
        bodies = {name: values.pop("body") for name, values in about.items()}
        index = json.dumps({"cases": self.cases, "answers": about}, indent=1).encode()
        with zipfile.ZipFile(ANSWERS, "w") as archive:
            for name, body in {_INDEX: index, **bodies}.items():
                # without the time of day
                archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED, 9)

    def find(self, request: Request) -> Recorded | None:
        """Return the recorded answer to a request."""
        return self.recorded.get(name_of(request))

    def _answer(self, request: Request) -> Answer:
        found = self.find(request)
        if found is None:
            self.unknown.append(name_of(request))
            return Answer(500, b"not recorded", {"Content-Type": "text/plain"})
        headers = {"Content-Type": found.kind, "Content-Disposition": found.disposition}
        return Answer(found.status, found.body, {n: text for n, text in headers.items() if text})


def name_of(request: Request) -> str:
    """Return the name that a request's answer is recorded under; of the log, whatever its page."""
    query = urlencode(sorted(request.query.items()))
    path = re.sub(r"(/log)/\d+:\d+$", r"\1", request.path.removeprefix("/v1/"))
    return path + (f"?{query}" if query else "")
