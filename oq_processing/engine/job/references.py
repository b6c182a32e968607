"""Which files a job refers to: in the values of its .ini, and inside its XML files.

The rules are those of the engine (``commonlib.readinput``, ``hazardlib.logictree``,
``hazardlib.gsim_lt``, ``risklib.asset``), plus what it reads without listing it as an input.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from xml.parsers import expat

_LISTS = {
    f"{stem}_{ending}"
    for stem, endings in {
        "hazard_curves": ("csv", "file"),
        "gmfs": ("csv", "file"),
        "site_model": ("csv", "file"),
        "source_model": ("file",),
        "exposure": ("csv", "file"),
    }.items()
    for ending in endings
}
_ENDINGS = ("_file", "_csv", "_hdf5")
_TABLE = re.compile(
    r"(?<![\w-])[\w-]+_(?:file|table)[\"']?\s*=\s*"
    r"(?P<quoted>\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')"
)
_CHUNK = 1 << 16


class Role(Enum):
    """What a file is, as far as it decides what else belongs to it."""

    PLAIN = ""
    SOURCE_MODEL_LOGIC_TREE = "source_model_logic_tree"
    GSIM_LOGIC_TREE = "gsim_logic_tree"
    SOURCE_MODEL = "source_model"
    EXPOSURE = "exposure"
    REINSURANCE = "reinsurance"
    SHAPEFILE = "shapefile"
    GSIM_TABLE = "gsim_table"


_ROLES = {
    "source_model_logic_tree": Role.SOURCE_MODEL_LOGIC_TREE,
    "gsim_logic_tree": Role.GSIM_LOGIC_TREE,
    "source_model": Role.SOURCE_MODEL,
    "exposure": Role.EXPOSURE,
    "reinsurance": Role.REINSURANCE,
    "geometry": Role.SHAPEFILE,
}


@dataclass(frozen=True)
class IniReference:
    """A path in a value of the .ini.

    ``style`` says how paths stand in the value: ``whole`` (it is the value), ``words`` (separated
    by whitespace) or ``quoted`` (a Python or TOML string).
    """

    key: str
    path: str
    style: str
    role: Role = Role.PLAIN


@dataclass(frozen=True)
class XmlReference:
    """A path inside an XML file, and its line there, from 1."""

    path: str
    line: int
    role: Role


class BrokenXmlError(Exception):
    """The XML is not well formed; ``line`` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


class Readable(Protocol):
    """What XML is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes."""


def ini_references(values: Mapping[str, str]) -> Iterator[IniReference | ValueError]:
    """Yield the paths in the values of an .ini, or an error for a value that cannot be read."""
    for key, value in values.items():
        if not value:
            continue
        if key in _LISTS:
            role = _ROLES.get(key.rpartition("_")[0], Role.PLAIN)
            for word in value.split():
                if _is_file(word):
                    yield IniReference(key, word, "words", role)
        elif key.endswith(_ENDINGS):
            role = _ROLES.get(key.rpartition("_")[0], Role.PLAIN)
            if value.startswith("{"):
                yield from _in_dictionary(key, value, role)
            elif _is_file(value):
                yield IniReference(key, value, "whole", role)
        elif key == "shakemap_uri":
            yield from _in_shakemap_uri(key, value)
        elif key == "gsim":
            for path, _ in _tables(value):
                yield IniReference(key, path, "quoted", Role.GSIM_TABLE)
        elif value.endswith(".hdf5") and key != "description":
            yield IniReference(key, value, "whole")


def _is_file(path: str) -> bool:
    return not path.startswith(("${mosaic}/", "http://", "https://"))


def _in_dictionary(key: str, value: str, role: Role) -> Iterator[IniReference | ValueError]:
    for item in _dictionary(key, value):
        if isinstance(item, ValueError):
            yield item
            continue
        _, content = item
        for path in content if isinstance(content, (list, tuple)) else [content]:
            if not isinstance(path, str):
                yield ValueError(f"{key} holds {path!r}, which is not the name of a file")
            elif path and _is_file(path):
                yield IniReference(key, path, "quoted", role)


def _in_shakemap_uri(key: str, value: str) -> Iterator[IniReference | ValueError]:
    items = []
    for item in _dictionary(key, value):
        if isinstance(item, ValueError):
            yield item
            return
        items.append(item)
    kind = dict(items).get("kind")
    for name, path in items:
        if not isinstance(path, str) or not path or not _is_file(path):
            continue
        if name == "fname" or (isinstance(name, str) and name.endswith("_url")):
            role = Role.SHAPEFILE if kind == "shapefile" else Role.PLAIN
            yield IniReference(key, path, "quoted", role)


def _dictionary(key: str, value: str) -> Iterator[tuple[object, object] | ValueError]:
    try:
        content = ast.literal_eval(value)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        content = None
    if isinstance(content, dict):
        yield from content.items()
    else:
        yield ValueError(f"{key} is not a dictionary like {{'structural': 'file.xml'}}")


def _tables(toml: str) -> Iterator[tuple[str, int]]:
    """Yield (path, offset) of the file keys of a TOML text; no TOML reader in Python 3.9."""
    blanked = re.sub(r"(?m)^[ \t]*#.*$", lambda m: " " * len(m.group()), toml)
    for match in _TABLE.finditer(blanked):
        quoted = match["quoted"]
        path = quoted[1:-1]
        if quoted[0] == '"':
            with suppress(SyntaxError, ValueError):
                path = ast.literal_eval(quoted)
        if path:
            yield path, match.start()


class _EnoughError(Exception):
    """Raised inside the parser when nothing more can follow."""


class _Reader:
    """Collects the references of one XML file; local names, for namespaces differ."""

    def __init__(self, role: Role, parser: expat.XMLParserType) -> None:
        self.role = role
        self.parser = parser
        self.found: list[XmlReference] = []
        self.uncertainty_type = ""
        self.wanted = {
            Role.SOURCE_MODEL_LOGIC_TREE: "uncertaintyModel",
            Role.GSIM_LOGIC_TREE: "uncertaintyModel",
            Role.EXPOSURE: "assets",
            Role.REINSURANCE: "policies",
        }.get(role, "")
        self.text: list[str] | None = None
        self.line = 0
        if self.wanted:
            parser.StartElementHandler = self.start
            parser.EndElementHandler = self.end
            parser.CharacterDataHandler = self.characters

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        if tag == "logicTreeBranchSet":
            self.uncertainty_type = attributes.get("uncertaintyType", "")
        elif tag == "asset" and self.role is Role.EXPOSURE:
            raise _EnoughError
        elif tag == self.wanted:
            self.text = []
            self.line = self.parser.CurrentLineNumber
            if self.role is Role.GSIM_LOGIC_TREE:
                for key, value in attributes.items():
                    if key.endswith(("_file", "_table")) and value:
                        self.add(value, self.line, Role.GSIM_TABLE)

    def characters(self, data: str) -> None:
        if self.text is not None:
            if not self.text:
                self.line = self.parser.CurrentLineNumber
            self.text.append(data)

    def end(self, name: str) -> None:
        if self.text is None or name.rpartition(":")[2] != self.wanted:
            return
        text, self.text = "".join(self.text), None
        if self.role is Role.GSIM_LOGIC_TREE:
            for path, offset in _tables(text):
                self.add(path, self.line + text.count("\n", 0, offset), Role.GSIM_TABLE)
        elif self.role is Role.REINSURANCE:
            if text.strip():
                before = text[: len(text) - len(text.lstrip())]
                self.add(text.strip(), self.line + before.count("\n"), Role.PLAIN)
        elif self.role is Role.EXPOSURE:
            self.add_words(text, Role.PLAIN)
        elif self.uncertainty_type in ("sourceModel", "extendModel"):
            self.add_words(text, Role.SOURCE_MODEL)

    def add_words(self, text: str, role: Role) -> None:
        for number, line in enumerate(text.split("\n"), start=self.line):
            for word in line.split():
                self.add(word, number, role)

    def add(self, path: str, line: int, role: Role) -> None:
        self.found.append(XmlReference(path, line, role))


def xml_references(stream: Readable, role: Role) -> list[XmlReference]:
    """Return the files an XML file refers to; an exposure is read up to its first asset.

    Raises ``BrokenXmlError`` if it is not well formed, for roles without references too.
    """
    parser = expat.ParserCreate()
    reader = _Reader(role, parser)
    try:
        while True:
            chunk = stream.read(_CHUNK)
            parser.Parse(chunk, not chunk)
            if not chunk:
                break
    except _EnoughError:
        pass
    except expat.ExpatError as exc:
        raise BrokenXmlError(expat.ErrorString(exc.code), exc.lineno) from exc
    return reader.found
