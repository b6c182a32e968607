"""Name the files of a job as they will stand in the archive.

The layout keeps the paths the job uses: the archive's root is the folder all relative references
have in common. What lies elsewhere (absolute paths, or paths that would put a home folder or a
whole disk into the archive) goes to ``external/`` and is rewritten in the archived .ini.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .archive import Member
from .follow import PARSED, Key, References
from .ini import Ini
from .inputs import JobFiles
from .origins import ZIP_ERRORS, Bounded, UnusableError, open_origin, same
from .paths import below, canonical, common, is_private
from .references import IniReference
from .trees import Found

_EXTERNAL = "external"


@dataclass
class Layout:
    """The archive: the .ini and its name there, the other files by name, and what is wrong.

    ``changed``: whether any file stands there otherwise than where it was found.
    """

    ini_name: str
    ini: Ini
    members: dict[str, Member] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed: bool = False

    def put(self, name: str, found: Found) -> None:
        """Add a file under its name."""
        name = canonical(name)
        if self.is_taken(name, found):
            self.problems.append(f"two different files would be called {name} in the archive")
        else:
            self.members[name] = Member(name, found.size, found.origin)

    def is_taken(self, name: str, found: Found) -> bool:
        """Return whether another file has this name."""
        other = self.members.get(name)
        return other is not None and not same(other.origin, found.origin)


def lay_out(references: References, job: JobFiles, extras: Mapping[str, Found]) -> Layout:
    """Name all files of a job for the archive: what its .ini needs, of a folder or zip all others.

    Nothing is raised for what the user got wrong: see ``Layout.problems``.
    """
    layout = Layout("", references.ini)
    root = _root(references, job, layout)
    name = canonical(below(root, references.location))
    layout.changed = not name.endswith(".ini")
    layout.ini_name = name[: -len(".ini")] + ".ini"
    files = references.files
    used = {found.location for key, found in files.items() if key.location == found.location}
    renamed = {found.location for found in files.values()} - used
    for location, found in job.others.items():
        if location not in renamed:
            layout.put(below(root, location), found)
    for location, found in extras.items():
        layout.put(below(root, location), found)
    names: dict[Key, str] = {}
    for key, found in files.items():
        if not key.group:
            names[key] = canonical(below(root, key.location))
            layout.put(names[key], found)
            layout.changed |= found.location != key.location
    for group in dict.fromkeys(key.group for key in files if key.group):
        names.update(_put_external(group, references, layout))
    _rewrite_xml(references, names, layout)
    _rewrite_ini(references, names, layout)
    return layout


def _root(references: References, job: JobFiles, layout: Layout) -> str:
    """Return the folder that becomes the archive's root."""
    if job.in_zip:
        return "/"
    own = job.root or references.folder
    inside = [posixpath.dirname(location) for location in references.inside]
    root = common([own, references.folder, *inside])
    if root != own and is_private(root):
        layout.problems.append(
            "the files lie so far apart that the archive would hold your folders from "
            f"{root} on: put the files of the job into one folder"
        )
    return common([root, *references.through.get("", ())])


def _put_external(group: str, references: References, layout: Layout) -> dict[Key, str]:
    """Name what was reached by one absolute path; its files keep their places to each other."""
    mine = {key: found for key, found in references.files.items() if key.group == group}
    root = common(posixpath.dirname(key.location) for key in mine)
    if root != posixpath.dirname(group) and is_private(root):
        layout.problems.append(
            f"{group} refers to files so far apart that the archive would hold your folders "
            f"from {root} on: put them into one folder"
        )
    root = common([root, *references.through.get(group, ())])
    names: dict[Key, str] = {}
    for number in itertools.count(1):
        prefix = _EXTERNAL if number == 1 else f"{_EXTERNAL}/{number}"
        names = {key: canonical(f"{prefix}/{below(root, key.location)}") for key in mine}
        if not any(layout.is_taken(names[key], found) for key, found in mine.items()):
            break
    for key, found in mine.items():
        layout.put(names[key], found)
    layout.changed = True
    return names


def _rewrite_xml(references: References, names: Mapping[Key, str], layout: Layout) -> None:
    changes: dict[Key, dict[str, str]] = {}
    for rewrite in references.rewrites:
        if rewrite.file is not None:
            changes.setdefault(rewrite.file, {})[rewrite.reference.path] = rewrite.new
    for file, paths in changes.items():
        shown = references.shown(file)
        try:
            with open_origin(references.files[file].origin) as stream:
                data = _with_paths(Bounded(stream, PARSED).read(), paths)
        except (OSError, UnusableError, *ZIP_ERRORS) as exc:
            layout.problems.append(f"{shown} cannot be read: {exc}")
            continue
        if data is None:
            layout.problems += [
                f"{shown} names {old}: write it as {new}" for old, new in paths.items()
            ]
            continue
        layout.members[names[file]] = Member(names[file], len(data), data)
        layout.changed = True
        became = ", ".join(f"{old} became {new}" for old, new in paths.items())
        layout.warnings.append(f"In the copy of {shown} that is sent, {became}.")


def _rewrite_ini(references: References, names: Mapping[Key, str], layout: Layout) -> None:
    folder = posixpath.dirname(layout.ini_name) or "."
    changes = []
    for rewrite in references.rewrites:
        reference, new = rewrite.reference, rewrite.new
        if not isinstance(reference, IniReference):
            continue
        if rewrite.target is not None:
            # a zip that is not there, with its XML beside it, is accepted by the engine
            xml = names.get(rewrite.target.unpacked, "")
            name = names.get(rewrite.target) or (xml and xml[: -len(".xml")] + ".zip")
            if not name:
                continue
            new = posixpath.relpath(name, folder)
        changes.append((reference, new))
        layout.warnings.append(
            f"In the copy of {layout.ini.name} that is sent, {reference.key} names {new} instead "
            f"of {reference.path}."
        )
    if changes:
        layout.ini = layout.ini.with_paths(changes)
        layout.changed = True


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
