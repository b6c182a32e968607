"""Follow what an .ini refers to, and what that refers to in turn, as the engine does."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from .ini import Ini
from .inputs import JobFiles
from .origins import ZIP_ERRORS, Bounded, Opened, UnusableError, open_origin
from .paths import canonical, common, folded, highest, is_absolute, is_private
from .references import (
    BrokenXmlError,
    IniReference,
    Role,
    XmlReference,
    ini_references,
    xml_references,
)
from .trees import Found, members_beside

#: XML files that refer to others are read up to this size, in bytes.
PARSED = 256 << 20
#: All other XML files are checked to be well formed up to this size, in bytes.
_CHECKED = 32 << 20
_XML = (".xml", ".nrml")
_SIDECARS = (".shx", ".dbf", ".prj", ".cpg")
_READ = (Role.SOURCE_MODEL_LOGIC_TREE, Role.GSIM_LOGIC_TREE, Role.EXPOSURE, Role.REINSURANCE)
_ZIPPED = {Role.SOURCE_MODEL_LOGIC_TREE: "ssmLT.xml", Role.EXPOSURE: "exposure.xml"}


@dataclass(frozen=True)
class Key:
    """A file as the job names it.

    ``group`` is "" for what is reached by relative paths, else the absolute path in the .ini.
    """

    group: str
    location: str

    def beside(self, name: str) -> Key:
        """Return the file that is reached by a path relative to this one."""
        folder = posixpath.dirname(self.location)
        return Key(self.group, posixpath.normpath(posixpath.join(folder, name)))

    @property
    def unpacked(self) -> Key:
        """The XML file that the engine takes for this zip."""
        return Key(self.group, self.location[:-4] + ".xml")


@dataclass(frozen=True)
class Rewrite:
    """A path to be replaced in the copy of ``file`` that is sent, None being the .ini.

    It becomes ``new``, else what leads to ``target``, a file from outside the job's folder.
    """

    file: Key | None
    reference: IniReference | XmlReference
    new: str = ""
    target: Key | None = None


@dataclass
class References:
    """The files that an .ini at ``location`` needs, and what is wrong about them.

    ``through`` are, by group, the folders that relative paths lead through: ``../here/file`` needs
    the folder above, if only its name.
    """

    ini: Ini
    location: str
    files: dict[Key, Found] = field(default_factory=dict)
    rewrites: list[Rewrite] = field(default_factory=list)
    through: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """The folder of the .ini."""
        return posixpath.dirname(self.location)

    @property
    def inside(self) -> set[str]:
        """Locations of what is reached by relative paths."""
        return {key.location for key in self.files if not key.group}

    def shown(self, key: Key) -> str:
        """Return a location as the user would name it, seen from the .ini."""
        return key.location if key.group else posixpath.relpath(key.location, self.folder or "/")


def follow(job: JobFiles, ini: Ini, location: str, extras: Mapping[str, Found]) -> References:
    """Find all files that the .ini at ``location`` needs.

    ``extras`` are files by the location they are to take. Nothing is raised for what the user got
    wrong: see ``References.problems``.
    """
    with Opened() as opened:
        follower = _Follower(job, extras, opened, References(ini, location))
        follower.follow_ini()
    return follower.result


@dataclass(frozen=True)
class _Mention:
    """Where a file is named, how, and as what."""

    where: str
    path: str
    role: Role

    def __str__(self) -> str:
        return f"{self.where} names {self.path}"


@dataclass
class _Follower:
    job: JobFiles
    extras: Mapping[str, Found]
    opened: Opened
    result: References
    unpacked: dict[Key, Found] = field(default_factory=dict)
    followed: set[tuple[Key, Role]] = field(default_factory=set)

    def follow_ini(self) -> None:
        ini, references = self.result.ini, []
        for item in ini_references(ini.values):
            if isinstance(item, ValueError):
                self.problem(f"{ini.name}: {item}")
            else:
                where = f"{ini.name}, line {ini.line_of(item.key)}: {item.key}"
                references.append((item, _Mention(where, item.path, item.role)))
        # the engine unzips these first, and what they hold may be named by other parameters
        references.sort(
            key=lambda r: (not _is_zipped(r[0].path, r[0].role), r[0].role is Role.EXPOSURE)
        )
        for reference, mention in references:
            before = len(self.result.problems)
            self.follow_reference(reference, mention)
            if len(self.result.problems) > before and reference.style == "words":
                self.explain_blanks(mention.where, ini.values[reference.key])

    def follow_reference(self, reference: IniReference, mention: _Mention) -> None:
        folder, written = self.result.folder, reference.path
        if reference.key == "shakemap_uri":
            written = re.sub(r"^/([A-Za-z]:)", r"\1", written.replace("file://", ""))
        path = canonical(written)
        if is_absolute(path):
            if self.job.in_zip:
                self.problem(
                    f"{mention}: an absolute path does not exist on the server, put the file in "
                    "the zip"
                )
                return
            location, outside = posixpath.normpath(path), True
        elif self.leads_out(folder, path):
            self.problem(f"{mention}, which leads out of the zip")
            return
        else:
            location = posixpath.normpath(posixpath.join(folder, path))
            outside = not self.job.in_zip and self.is_too_far(posixpath.dirname(location))
        key = Key(location if outside else "", location)
        if outside:
            self.result.rewrites.append(Rewrite(None, reference, target=key))
        else:
            self.note_way("", folder, path)
            if path != written:
                self.result.rewrites.append(Rewrite(None, reference, path))
        self.take(key, mention)

    def explain_blanks(self, where: str, value: str) -> None:
        """Say what is wrong where a name with blanks was read as a list of names."""
        path = canonical(value)
        if " " not in value or is_absolute(value) or self.leads_out(self.result.folder, path):
            return
        with suppress(UnusableError):
            if self.job.tree.find(Key("", self.result.location).beside(path).location) is not None:
                self.problem(f"{where}: the engine takes no blanks in this name ({value})")

    def is_too_far(self, folder: str) -> bool:
        together = common([self.result.folder, folder])
        return together != self.result.folder and is_private(together)

    def leads_out(self, folder: str, path: str) -> bool:
        return self.job.in_zip and highest(folder, path) is None

    def note_way(self, group: str, folder: str, path: str) -> None:
        self.result.through.setdefault(group, set()).add(highest(folder, path) or "/")

    def take(self, key: Key, mention: _Mention) -> None:
        """Take a file and what it refers to in turn."""
        try:
            found = self.find(key)
            if _is_zipped(key.location, mention.role):
                self.take_zipped(key, found, mention)
            elif found is None:
                self.missing(mention)
            else:
                self.add(key, found, mention)
                self.follow_file(key, found, mention.role)
        except UnusableError as exc:
            self.problem(f"{mention}, which {exc}")

    def missing(self, mention: _Mention) -> None:
        if mention.role is Role.GSIM_TABLE:
            self.result.warnings.append(
                f"{mention}, which is not there: it is left to the engine, which has some tables "
                "of its own."
            )
            return
        here = is_absolute(mention.path) and not self.job.in_zip
        self.problem(f"{mention}, which does not exist" + (" on this computer" if here else ""))

    def find(self, key: Key) -> Found | None:
        extra = None if key.group else self.extras.get(key.location)
        found = extra or self.unpacked.get(key) or self.job.tree.find(key.location)
        if found is None and not key.group:
            low = folded(key.location)
            found = next((self.extras[at] for at in self.extras if folded(at) == low), None)
        return found

    def add(self, key: Key, found: Found, mention: _Mention) -> None:
        if key in self.unpacked:
            return
        if key not in self.result.files and canonical(found.location) != canonical(key.location):
            true, named = posixpath.basename(found.location), posixpath.basename(key.location)
            self.result.warnings.append(
                f"{mention}, but the file is called {true if true != named else found.location}: "
                "it is sent under the name the job uses."
            )
        self.result.files[key] = found

    def take_zipped(self, key: Key, found: Found | None, mention: _Mention) -> None:
        """Follow an exposure or logic tree that the engine unzips beside its zip."""
        if found is not None:
            self.add(key, found, mention)
        with suppress(UnusableError):
            beside = self.find(key.unpacked)
            if beside is not None and beside.location == key.unpacked.location:
                # the engine then does not open the zip
                self.take(key.unpacked, mention)
                return
        if found is None:
            self.missing(mention)
            return
        try:
            inside = members_beside(found.origin, key.location)
        except OSError as exc:
            raise UnusableError(str(exc)) from exc
        usual, own = key.beside(_ZIPPED[mention.role]).location, key.unpacked.location
        if usual in inside:
            inside[own] = inside.pop(usual)
        self.unpacked.update({Key(key.group, at): member for at, member in inside.items()})
        if own in inside:
            self.take(key.unpacked, mention)
        else:
            self.problem(
                f"{mention}, which holds neither {_ZIPPED[mention.role]} nor "
                f"{posixpath.basename(own)}"
            )

    def follow_file(self, key: Key, found: Found, role: Role) -> None:
        if (key, role) in self.followed:
            return
        self.followed.add((key, role))
        stem, suffix = posixpath.splitext(key.location)
        if role is Role.SOURCE_MODEL:
            self.take_optional(Key(key.group, stem + ".hdf5"))
        if role is Role.SHAPEFILE and suffix.lower() == ".shp":
            for sidecar in _SIDECARS:
                self.take_optional(Key(key.group, stem + sidecar))
        is_xml = suffix.lower() in _XML
        if role in _READ and (is_xml or role is not Role.EXPOSURE):
            for reference in self.read_xml(key, found, role, PARSED):
                self.follow_nested(key, reference)
        elif is_xml and found.size <= _CHECKED:
            self.read_xml(key, found, role, _CHECKED)

    def take_optional(self, key: Key) -> None:
        with suppress(UnusableError):
            found = self.find(key)
            if found is not None and key not in self.unpacked:
                self.result.files[key] = found

    def read_xml(self, key: Key, found: Found, role: Role, limit: int) -> list[XmlReference]:
        shown = self.result.shown(key)
        try:
            with open_origin(found.origin, self.opened) as stream:
                return xml_references(Bounded(stream, limit), role)
        except BrokenXmlError as exc:
            self.problem(f"{shown}, line {exc.line}: the XML is damaged or cut off ({exc})")
        except (OSError, *ZIP_ERRORS) as exc:
            self.problem(f"{shown} cannot be read: {exc}")
        return []

    def follow_nested(self, file: Key, reference: XmlReference) -> None:
        where = f"{self.result.shown(file)}, line {reference.line},"
        mention = _Mention(where, reference.path, reference.role)
        path, folder = canonical(reference.path), posixpath.dirname(file.location)
        if is_absolute(path):
            self.problem(
                f"{mention}: an absolute path does not exist on the server, make it relative to "
                "the XML file"
            )
        elif self.leads_out(folder, path):
            self.problem(f"{mention}, which leads out of the zip")
        elif path != reference.path and file in self.unpacked:
            self.problem(f"{mention}: write it as {path}")
        else:
            if path != reference.path:
                self.result.rewrites.append(Rewrite(file, reference, path))
            self.note_way(file.group, folder, path)
            self.take(file.beside(path), mention)

    def problem(self, text: str) -> None:
        self.result.problems.append(text)


def _is_zipped(path: str, role: Role) -> bool:
    return role in _ZIPPED and path.endswith(".zip")
