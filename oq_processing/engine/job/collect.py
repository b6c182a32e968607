"""Follow what one .ini refers to, and lay the files out as they will stand in the archive.

The layout keeps the paths the job uses: the archive's root is the folder all relative references
have in common. What lies elsewhere (absolute paths, or paths that would put a home folder or a
whole disk into the archive) goes to ``external/`` and is rewritten in the archived .ini.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .ini import Ini, PathChange
from .references import (
    BrokenXmlError,
    IniReference,
    Role,
    XmlReference,
    ini_references,
    is_absolute,
    xml_references,
)
from .sources import (
    ZIP_ERRORS,
    Bounded,
    Found,
    Opened,
    Source,
    Tree,
    UnusableError,
    ZipTree,
    canonical,
    members_beside,
    open_source,
)

_XML = (".xml", ".nrml")
_SIDECARS = (".shx", ".dbf", ".prj", ".cpg")
#: XML files that refer to others are read up to this size, in bytes.
_PARSED = 256 << 20
#: All other XML files are checked to be well formed up to this size, in bytes.
_CHECKED = 32 << 20
_READ = (Role.SOURCE_MODEL_LOGIC_TREE, Role.GSIM_LOGIC_TREE, Role.EXPOSURE, Role.REINSURANCE)
_ZIPPED = {Role.SOURCE_MODEL_LOGIC_TREE: "ssmLT.xml", Role.EXPOSURE: "exposure.xml"}
_EXTERNAL = "external"


@dataclass(frozen=True)
class Placed:
    """A file in the archive: its name there (POSIX, NFC), its size in bytes, where it is from."""

    name: str
    size: int
    source: Source


@dataclass(frozen=True)
class _Key:
    """A file as the job names it.

    ``group`` is "" for what is reached by relative paths, else the absolute path in the .ini.
    """

    group: str
    place: str


@dataclass(frozen=True)
class Given:
    """An .ini, its place, and the files around it.

    ``base`` are the files that are sent whether referred to or not (of a folder or zip, by place),
    ``base_root`` the folder they come from, "" if there are none; ``extras`` are files by the place
    they are to take.
    """

    tree: Tree
    ini: Ini
    place: str
    base: Mapping[str, Found]
    base_root: str
    extras: Mapping[str, Found]


@dataclass
class Collected:
    """What became of an .ini: its archived name and text, the files, and what is wrong."""

    ini_name: str = ""
    ini: Ini | None = None
    files: dict[str, Placed] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    #: places of what is reached by relative paths
    referenced: set[str] = field(default_factory=set)
    #: whether any file stands in the archive otherwise than where it was found
    changed: bool = False


def collect(given: Given) -> Collected:
    """Find all files of a job and name them for the archive.

    Nothing is raised for what the user got wrong: see ``Collected.problems``.
    """
    with Opened() as opened:
        collector = _Collector(given, opened)
        collector.follow_ini()
        collector.lay_out()
    result = collector.result
    result.problems = list(dict.fromkeys(result.problems))
    result.warnings = list(dict.fromkeys(result.warnings))
    return result


class _Collector:
    def __init__(self, given: Given, opened: Opened) -> None:
        self.tree = given.tree
        self.ini = given.ini
        self.ini_place = given.place
        self.ini_folder = posixpath.dirname(given.place)
        self.base = given.base
        self.base_root = given.base_root
        self.extras = given.extras
        self.opened = opened
        self.in_zip = isinstance(given.tree, ZipTree)
        self.packed: dict[_Key, Found] = {}
        self.unzipped: dict[_Key, Found] = {}
        self.followed: set[tuple[_Key, Role]] = set()
        self.external: list[tuple[IniReference, _Key]] = []
        self.path_changes: list[PathChange] = []
        self.highest: dict[str, set[str]] = {}
        self.xml_changes: dict[_Key, dict[str, str]] = {}
        self.result = Collected()

    # following

    def follow_ini(self) -> None:
        references = []
        for item in ini_references(self.ini.values):
            if isinstance(item, ValueError):
                self.problem(f"{self.ini.name}: {item}")
            else:
                references.append(item)
        # the engine unzips these first, and what they hold may be named by other parameters
        references.sort(key=lambda r: (not _is_zipped(r.path, r.role), r.role is Role.EXPOSURE))
        for reference in references:
            self.follow_reference(reference)

    def follow_reference(self, reference: IniReference) -> None:
        where = f"{self.ini.name}, line {self.ini.line_of(reference.key)}: {reference.key}"
        written = reference.path
        if reference.key == "shakemap_uri":
            written = re.sub(r"^/([A-Za-z]:)", r"\1", written.replace("file://", ""))
        path = canonical(written)
        if is_absolute(path):
            if self.in_zip:
                self.problem(
                    f"{where} names {reference.path}: an absolute path does not exist on the "
                    "server, put the file in the zip"
                )
                return
            key = _Key(posixpath.normpath(path), posixpath.normpath(path))
            self.external.append((reference, key))
        else:
            place = self.beside(self.ini_folder, path)
            if place is None:
                self.problem(f"{where} names {reference.path}, which leads out of the zip")
                return
            key = _Key("", place)
            if not self.in_zip and self.too_far(posixpath.dirname(place)):
                key = _Key(place, place)
                self.external.append((reference, key))
            elif path != written:
                self.path_changes.append(
                    PathChange(reference.key, reference.style, reference.path, path)
                )
            if not key.group:
                self.climb("", self.ini_folder, path)
        before = len(self.result.problems)
        self.take(key, where, reference.path, reference.role)
        if len(self.result.problems) > before and reference.style == "words":
            self.explain_blanks(where, self.ini.values[reference.key])

    def explain_blanks(self, where: str, value: str) -> None:
        """Say what is wrong where a name with blanks was read as a list of names."""
        place = self.beside(self.ini_folder, canonical(value))
        if " " in value and place is not None and not is_absolute(value):
            with suppress(UnusableError):
                if self.tree.find(place) is not None:
                    self.problem(f"{where}: the engine takes no blanks in this name ({value})")

    def too_far(self, folder: str) -> bool:
        together = _common([self.ini_folder, folder])
        return together != self.ini_folder and is_private(together)

    def climb(self, group: str, folder: str, path: str) -> None:
        """Note how high a path goes: ``../here/file`` needs the folder above, if only its name."""
        self.highest.setdefault(group, set()).add(_highest(folder, path) or "/")

    def beside(self, folder: str, path: str) -> str | None:
        """Return the place of a relative path, None if it leads out of the zip."""
        if self.in_zip and _highest(folder, path) is None:
            return None
        return posixpath.normpath(posixpath.join(folder, path))

    def take(self, key: _Key, where: str, written: str, role: Role) -> None:
        """Pack a file and what it refers to in turn."""
        try:
            found = self.find(key)
        except UnusableError as exc:
            self.problem(f"{where} names {written}, which {exc}")
            return
        if _is_zipped(key.place, role):
            self.take_zipped(key, found, where, written, role)
            return
        if found is None:
            self.missing(where, written, role)
            return
        self.pack(key, found, where, written)
        try:
            self.follow(key, found, role)
        except UnusableError as exc:
            self.problem(f"{where} names {written}, which {exc}")

    def missing(self, where: str, written: str, role: Role) -> None:
        if role is Role.GSIM_TABLE:
            self.result.warnings.append(
                f"{where} names {written}, which is not there: it is left to the engine, "
                "which has some tables of its own."
            )
            return
        hint = ""
        if is_absolute(written) and not self.in_zip:
            hint = " on this computer"
        self.problem(f"{where} names {written}, which does not exist{hint}")

    def find(self, key: _Key) -> Found | None:
        extra = self.extras.get(key.place)
        if extra is not None and not key.group:
            return extra
        if key in self.unzipped:
            return self.unzipped[key]
        found = self.tree.find(key.place)
        if found is None:
            low = canonical(key.place).casefold()
            same = [other for other in self.extras if canonical(other).casefold() == low]
            found = self.extras[same[0]] if same and not key.group else None
        return found

    def pack(self, key: _Key, found: Found, where: str, written: str) -> None:
        if key in self.unzipped:
            return
        if key not in self.packed and found.place != key.place:
            true, named = posixpath.basename(found.place), posixpath.basename(key.place)
            if canonical(found.place) != canonical(key.place):
                self.result.warnings.append(
                    f"{where} names {written}, but the file is called "
                    f"{true if true != named else found.place}: it is sent under the name the "
                    "job uses."
                )
        self.packed[key] = found

    def take_zipped(
        self, key: _Key, found: Found | None, where: str, written: str, role: Role
    ) -> None:
        """Follow an exposure or logic tree that the engine unzips beside its zip."""
        xml = _Key(key.group, key.place[:-4] + ".xml")
        if found is not None:
            self.pack(key, found, where, written)
        with suppress(UnusableError):
            beside = self.find(xml)
            if beside is not None and beside.place == xml.place:
                # the engine then does not open the zip
                self.take(xml, where, written, role)
                return
        if found is None:
            self.missing(where, written, role)
            return
        try:
            inside = members_beside(found.source, key.place)
        except (UnusableError, OSError) as exc:
            self.problem(f"{where} names {written}, which {exc}")
            return
        usual = posixpath.join(posixpath.dirname(key.place), _ZIPPED[role])
        if usual in inside:
            inside[xml.place] = inside.pop(usual)
        for place, member in inside.items():
            self.unzipped[_Key(key.group, place)] = member
        if xml.place not in inside:
            self.problem(
                f"{where} names {written}, which holds neither {_ZIPPED[role]} nor "
                f"{posixpath.basename(xml.place)}"
            )
            return
        self.take(xml, where, written, role)

    def follow(self, key: _Key, found: Found, role: Role) -> None:
        if (key, role) in self.followed:
            return
        self.followed.add((key, role))
        stem, suffix = posixpath.splitext(key.place)
        if role is Role.SOURCE_MODEL:
            self.take_optional(_Key(key.group, stem + ".hdf5"))
        if role is Role.SHAPEFILE and suffix.lower() == ".shp":
            for sidecar in _SIDECARS:
                self.take_optional(_Key(key.group, stem + sidecar))
        is_xml = suffix.lower() in _XML
        if role in _READ and (is_xml or role is not Role.EXPOSURE):
            for reference in self.read_xml(key, found, role, _PARSED):
                self.follow_nested(key, reference)
        elif is_xml and found.size <= _CHECKED:
            self.read_xml(key, found, role, _CHECKED)

    def take_optional(self, key: _Key) -> None:
        try:
            found = self.find(key)
        except UnusableError:
            return
        if found is not None and key not in self.unzipped:
            self.packed[key] = found

    def read_xml(self, key: _Key, found: Found, role: Role, limit: int) -> list[XmlReference]:
        try:
            with open_source(found.source, self.opened) as stream:
                return xml_references(Bounded(stream, limit), role)
        except BrokenXmlError as exc:
            self.problem(
                f"{self.shown(key)}, line {exc.line}: the XML is damaged or cut off ({exc})"
            )
        except (OSError, *ZIP_ERRORS) as exc:
            self.problem(f"{self.shown(key)} cannot be read: {exc}")
        return []

    def follow_nested(self, key: _Key, reference: XmlReference) -> None:
        where = f"{self.shown(key)}, line {reference.line},"
        path = canonical(reference.path)
        if is_absolute(path):
            self.problem(
                f"{where} names {reference.path}: an absolute path does not exist on the server, "
                "make it relative to the XML file"
            )
            return
        place = self.beside(posixpath.dirname(key.place), path)
        if place is None:
            self.problem(f"{where} names {reference.path}, which leads out of the zip")
            return
        if path != reference.path:
            if key in self.unzipped:
                self.problem(f"{where} names {reference.path}: write it as {path}")
                return
            self.xml_changes.setdefault(key, {})[reference.path] = path
        self.climb(key.group, posixpath.dirname(key.place), path)
        self.take(_Key(key.group, place), where, reference.path, reference.role)

    # naming

    def lay_out(self) -> None:
        root = self.root()
        ini_name = canonical(_below(root, self.ini_place))
        if not ini_name.endswith(".ini"):
            ini_name = ini_name[: -len(".ini")] + ".ini"
            self.result.changed = True
        self.result.ini_name = ini_name
        used = {found.place for key, found in self.packed.items() if key.place == found.place}
        renamed = {found.place for key, found in self.packed.items() if key.place != found.place}
        for place, found in self.base.items():
            if place not in renamed - used:
                self.put(_below(root, place), found)
        for place, found in self.extras.items():
            self.put(_below(root, place), found)
        names: dict[_Key, str] = {}
        for key, found in self.packed.items():
            if not key.group:
                self.result.referenced.add(key.place)
                names[key] = canonical(_below(root, key.place))
                self.put(names[key], found)
                self.result.changed |= found.place != key.place
        for group in dict.fromkeys(key.group for key in self.packed if key.group):
            names.update(self.put_external(group))
        self.write_xml(names)
        self.write_ini(names)

    def root(self) -> str:
        """Return the folder that becomes the archive's root."""
        if self.in_zip:
            return "/"
        places = [key.place for key in self.packed if not key.group]
        folders = [posixpath.dirname(place) for place in [self.ini_place, *places]]
        own = self.base_root or self.ini_folder
        root = _common([own, *folders])
        if root != own and is_private(root):
            self.problem(
                "the files lie so far apart that the archive would hold your folders from "
                f"{root} on: put the files of the job into one folder"
            )
        return _common([root, *self.highest.get("", ())])

    def put(self, name: str, found: Found) -> None:
        name = canonical(name)
        other = self.result.files.get(name)
        if other is not None and not _same(other.source, found.source):
            self.problem(f"two different files would be called {name} in the archive")
            return
        self.result.files[name] = Placed(name, found.size, found.source)

    def put_external(self, group: str) -> dict[_Key, str]:
        """Name what was reached by one absolute path; its files keep their places to each other."""
        mine = {key: found for key, found in self.packed.items() if key.group == group}
        folders = [posixpath.dirname(key.place) for key in mine]
        root = _common(folders)
        if root != posixpath.dirname(group) and is_private(root):
            self.problem(
                f"{group} refers to files so far apart that the archive would hold your folders "
                f"from {root} on: put them into one folder"
            )
        root = _common([root, *self.highest.get(group, ())])
        names: dict[_Key, str] = {}
        for number in itertools.count(1):
            prefix = _EXTERNAL if number == 1 else f"{_EXTERNAL}/{number}"
            names = {key: canonical(f"{prefix}/{_below(root, key.place)}") for key in mine}
            taken = [
                name
                for key, name in names.items()
                if name in self.result.files
                and not _same(self.result.files[name].source, mine[key].source)
            ]
            if not taken:
                break
        for key, found in mine.items():
            self.put(names[key], found)
        self.result.changed = True
        return names

    def write_xml(self, names: Mapping[_Key, str]) -> None:
        for key, changes in self.xml_changes.items():
            found = self.packed[key]
            try:
                with open_source(found.source, self.opened) as stream:
                    data = Bounded(stream, _PARSED).read()
            except (OSError, UnusableError, *ZIP_ERRORS) as exc:
                self.problem(f"{self.shown(key)} cannot be read: {exc}")
                continue
            written = _with_paths(data, changes)
            if written is None:
                for old, new in changes.items():
                    self.problem(f"{self.shown(key)} names {old}: write it as {new}")
                continue
            self.result.files[names[key]] = Placed(names[key], len(written), written)
            self.result.changed = True
            self.result.warnings.append(
                f"In the copy of {self.shown(key)} that is sent, "
                + ", ".join(f"{old} became {new}" for old, new in changes.items())
                + "."
            )

    def write_ini(self, names: Mapping[_Key, str]) -> None:
        folder = posixpath.dirname(self.result.ini_name)
        changes = list(self.path_changes)
        for reference, key in self.external:
            name = names.get(key)
            if name is None:
                # a zip that is not there, with its XML beside it, is accepted by the engine
                xml = names.get(_Key(key.group, key.place[:-4] + ".xml"))
                name = xml[:-4] + ".zip" if xml else None
            if name is not None:
                new = posixpath.relpath(name, folder or ".")
                changes.append(PathChange(reference.key, reference.style, reference.path, new))
        ini = self.ini
        if changes:
            ini = ini.with_paths(changes)
            self.result.changed = True
            for change in changes:
                self.result.warnings.append(
                    f"In the copy of {ini.name} that is sent, {change.key} names {change.new} "
                    f"instead of {change.old}."
                )
        self.result.ini = ini

    # speaking

    def problem(self, text: str) -> None:
        self.result.problems.append(text)

    def shown(self, key: _Key) -> str:
        """Return a place as the user would name it, seen from the .ini."""
        if key.group:
            return key.place
        return posixpath.relpath(key.place, self.ini_folder or "/")


def _is_zipped(path: str, role: Role) -> bool:
    return role in _ZIPPED and path.endswith(".zip")


def _same(one: Source, other: Source) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        try:
            return one.samefile(other)
        except OSError:
            return one == other
    return one == other


def _common(folders: Iterable[str]) -> str:
    """Return the folder that holds all of these, "" if they lie on different disks."""
    parts = [folder.rstrip("/").split("/") for folder in folders]
    common = []
    for column in zip(*parts):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return "/".join(common) or ("/" if common else "")


def _highest(folder: str, path: str) -> str | None:
    """Return the highest folder on the way of a relative path, None if it goes above the root."""
    steps = folder.rstrip("/").split("/")
    highest = len(steps)
    for part in path.split("/")[:-1]:
        if part == "..":
            if len(steps) == 1:
                return None
            steps.pop()
            highest = min(highest, len(steps))
        elif part not in ("", "."):
            steps.append(part)
    return "/".join(posixpath.normpath(folder).rstrip("/").split("/")[:highest]) or "/"


def _below(root: str, place: str) -> str:
    return place[len(root) :].lstrip("/") if place.startswith(root) else place.lstrip("/")


def is_private(folder: str) -> bool:
    """Tell whether a folder is the root of a disk, a home folder, or above one."""
    path = Path(folder or "/")
    if path.parent == path or re.match(r"[A-Za-z]:/?$", folder):
        return True
    try:
        home = Path.home()
    except RuntimeError:
        return False
    homes = {home, Path(os.path.realpath(home))}
    return any(path == home or path in home.parents for home in homes)


def _with_paths(data: bytes, changes: Mapping[str, str]) -> bytes | None:
    """Replace paths in the text of an XML file; None if one is not found as it stands."""
    declared = re.match(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*encoding=[\"']([\w.-]+)", data)
    encoding = declared.group(1).decode("ascii") if declared else "utf-8"
    for old, new in sorted(changes.items(), key=lambda item: -len(item[0])):
        try:
            # in a double-quoted TOML string a backslash is doubled
            forms = {form.encode(encoding) for form in (old, old.replace("\\", "\\\\"))}
            to = new.encode(encoding)
        except (LookupError, UnicodeError):
            return None
        pattern = b"|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        found = re.compile(rb"(?<![\w./\\-])(?:" + pattern + rb")(?![\w./\\-])")
        data, count = found.subn(lambda _: to, data)  # noqa: B023 - used at once
        if not count:
            return None
    return data
