"""The text of a job's .ini: read as the engine reads it, changed without touching the rest."""

from __future__ import annotations

import ast
import configparser
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import InvalidJob
from .references import IniReference

_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BREAK = re.compile(r"\r\n|\r|\n")
_DELIMITER = re.compile("[=:]")
_LONGEST_NAME = 200
_HEADER = re.compile(r"\[(?P<name>.+)\]")
_NAME = re.compile(r"[A-Za-z_]\w*$")
_QUOTED = re.compile(r"(?<!\\)(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')")


@dataclass(frozen=True)
class Entry:
    """Where a parameter stands in the text.

    ``line`` counts from 1; ``pieces`` are the (start, end) offsets of its value, one for each line
    of it, without the whitespace and the comments between them.
    """

    section: str
    line: int
    indent: int
    pieces: list[tuple[int, int]]


@dataclass(frozen=True)
class Ini:
    """A parsed .ini: ``values`` are those the engine would see, keys in lower case."""

    name: str
    text: str
    values: dict[str, str]
    entries: dict[str, Entry]
    bom: bool = False
    newline: str = "\n"

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return (_BOM if self.bom else b"") + self.text.encode("utf-8")

    def line_of(self, key: str) -> int:
        """Line, from 1, where ``key`` is set."""
        return self.entries[key].line

    def with_values(self, values: Mapping[str, str]) -> Ini:
        """Return a copy with these parameters set: replaced where they stand, else appended.

        One with an empty value is removed: to the engine an empty value is not always none. Raises
        ``InvalidJob`` if a value cannot be written so that it is read back the same.
        """
        edits = []
        appended = ""
        for key, value in values.items():
            entry = self.entries.get(key)
            lines = [line.strip() for line in value.strip().splitlines()]
            if not lines:
                continue
            if entry is None:
                appended += f"{key} = " + f"{self.newline}  ".join(lines) + self.newline
                continue
            indent = self.newline + " " * (entry.indent + 2)
            start, end = entry.pieces[0][0], entry.pieces[-1][1]
            # 'key=' directly before a line end takes a value without a blank just as well
            edits.append((start, end, indent.join(lines)))
        text = _edited(self.text, edits)
        if appended and text and not text.endswith(("\r", "\n")):
            text += self.newline
        changed = _parse(self.name, text + appended, self.bom)
        for key in (key for key, value in values.items() if not value.strip()):
            while key in changed.entries:  # its section may have hidden one of [DEFAULT]
                changed = changed._without(key)
        for key, value in values.items():
            want = [line.strip() for line in value.strip().splitlines()]
            got = [line.strip() for line in changed.values.get(key, "").splitlines()]
            if got != want:
                raise InvalidJob(f"The parameter {key} cannot be set to {value!r} in {self.name}.")
        return changed

    def _without(self, key: str) -> Ini:
        """Return a copy without a parameter; its lines stay, empty, so that none is renumbered."""
        entry = self.entries[key]
        lines = list(_LINE.finditer(self.text))
        start, end = lines[entry.line - 1].start(), entry.pieces[-1][1]
        breaks = "".join(_BREAK.findall(self.text, start, end))
        return _parse(self.name, self.text[:start] + breaks + self.text[end:], self.bom)

    def with_paths(self, changes: Sequence[tuple[IniReference, str]]) -> Ini:
        """Return a copy in which some paths are replaced, all else byte for byte the same."""
        edits = []
        for key in dict.fromkeys(reference.key for reference, _ in changes):
            mine = {old.path: new for old, new in changes if old.key == key}
            style = next(old.style for old, _ in changes if old.key == key)
            for start, end in self.entries[key].pieces:
                edits.append((start, end, _replaced(self.text[start:end], style, mine)))
        return _parse(self.name, _edited(self.text, edits), self.bom)


def read_ini(data: bytes, name: str) -> Ini:
    """Parse the bytes of an .ini called ``name``.

    Raises ``InvalidJob`` if it is not UTF-8, has no sections, sets a parameter twice or holds lines
    that are not ``name = value``: what the engine refuses as well (commonlib.readinput.get_params).
    """
    bom = data.startswith(_BOM)
    body = data[len(_BOM) :] if bom else data
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = body.count(b"\n", 0, exc.start) + 1
        raise InvalidJob(
            f"{name} is not UTF-8 text (line {line}): save it with the encoding UTF-8."
        ) from exc
    return _parse(name, text, bom)


def parse_parameters(text: str) -> dict[str, str]:
    """Read overrides written as ``description=a b; truncation_level=2``.

    Newlines separate like semicolons; names come back in lower case, as the engine reads them.
    ``name=`` comes back as "", which stands for a parameter to be removed.
    Names of files are allowed, their paths are relative to the .ini. Raises ``InvalidJob`` naming
    every part that is not ``name=value`` and every name given twice.
    """
    values: dict[str, str] = {}
    problems = []
    for part in re.split(r"[;\r\n]", text):
        if not part.strip():
            continue
        name, equals, value = (piece.strip() for piece in part.partition("="))
        key = name.lower()
        if not equals or not _NAME.match(key):
            problems.append(f"'{part.strip()}' is not name=value")
        elif key in values:
            problems.append(f"{key} is given twice")
        else:
            values[key] = value
    if problems:
        raise InvalidJob(
            "The parameters cannot be read; write them like description=a test; "
            "truncation_level=2.\n" + "\n".join(problems)
        )
    return values


def _parse(name: str, text: str, bom: bool) -> Ini:
    parser = configparser.ConfigParser(interpolation=None)
    entries = _entries(name, text, parser.optionxform)
    try:
        parser.read_file(io.StringIO(text, newline=None), name)
    except configparser.MissingSectionHeaderError as exc:
        raise InvalidJob(
            f"{name} is not a job file: line {exc.lineno} stands before any [section]."
        ) from exc
    except configparser.DuplicateOptionError as exc:
        raise InvalidJob(
            f"{name}, line {exc.lineno}: {exc.option} is set twice in [{exc.section}]."
        ) from exc
    except configparser.DuplicateSectionError as exc:
        raise InvalidJob(
            f"{name}, line {exc.lineno}: the section [{exc.section}] stands there twice."
        ) from exc
    except configparser.ParsingError as exc:
        lines = ", ".join(str(number) for number, _ in exc.errors)
        raise InvalidJob(f"{name} cannot be read: line {lines} is not name = value.") from exc
    except configparser.Error as exc:
        raise InvalidJob(f"{name} cannot be read: {exc}") from exc
    _refuse_repeated(parser, name)
    values: dict[str, str] = {}
    for section in parser.sections():
        values.update(parser.items(section))
    entries = {key: entry for key, entry in entries.items() if key in values}
    found = _BREAK.search(text)
    return Ini(name, text, values, entries, bom, found.group() if found else "\n")


def _refuse_repeated(parser: configparser.ConfigParser, name: str) -> None:
    sections: dict[str, list[str]] = {}
    for section in parser.sections():
        for key in parser.options(section):
            sections.setdefault(key, []).append(f"[{section}]")
    repeated = {key: names for key, names in sections.items() if len(names) > 1}
    if repeated:
        raise InvalidJob(
            f"{name} sets a parameter in more than one section.\n"
            + "\n".join(f"{key}: {', '.join(names)}" for key, names in repeated.items())
        )


def _entries(name: str, text: str, lowered: Callable[[str], str]) -> dict[str, Entry]:
    """Find where each parameter stands, by the rules of ``configparser``.

    Raises ``InvalidJob`` for a name that is too long to be one: ``configparser`` would look for its
    end in a time that grows with the square of its length.
    """
    found: dict[str, Entry] = {}
    section = ""
    current: Entry | None = None
    indent = 0
    for number, match in enumerate(_LINE.finditer(text), start=1):
        line = match.group()
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        leading = len(line) - len(line.lstrip())
        start = match.start() + leading
        if current is not None and leading > indent:
            current.pieces.append((start, start + len(stripped)))
            continue
        indent = leading
        if header := _HEADER.match(stripped):
            section, current = header["name"], None
            continue
        delimiter = _DELIMITER.search(stripped)
        end = delimiter.start() if delimiter else len(stripped)
        if end > _LONGEST_NAME:
            raise InvalidJob(f"{name} cannot be read: line {number} is not name = value.")
        if delimiter:
            value = stripped[end + 1 :].lstrip()
            stop = start + len(stripped)
            current = Entry(section, number, indent, [(stop - len(value), stop)])
            key = lowered(stripped[:end].rstrip())
            # a section's own value wins over the one in [DEFAULT]
            if key not in found or section != configparser.DEFAULTSECT:
                found[key] = current
    return found


def _edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _replaced(piece: str, style: str, new: Mapping[str, str]) -> str:
    if style == "whole":
        return new.get(piece, piece)
    if style == "words":
        return re.sub(r"\S+", lambda m: new.get(m.group(), m.group()), piece)

    def requoted(match: re.Match[str]) -> str:
        quoted = match.group()
        for old, to in new.items():
            if old in _string_values(quoted):
                quote = '"' if "'" in to else quoted[0]
                return quote + to + quote
        return quoted

    return _QUOTED.sub(requoted, piece)


def _string_values(quoted: str) -> tuple[str, ...]:
    """Return what a quoted string can mean: with escapes (Python) and, for '…' in TOML, without."""
    inner = quoted[1:-1]
    try:
        value = ast.literal_eval(quoted)
    except (SyntaxError, ValueError):
        return (inner,)
    return (value, inner) if isinstance(value, str) else (inner,)
