"""Check a zip of the plugin as plugins.qgis.org does: check_package.py ZIP [--publish].

Exits with 1 and a line for each fault. From the site's validator.py and security_scanner.py; the
third tool it runs, bandit, is in script/check.
"""

from __future__ import annotations

import configparser
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

PACKAGE = "oq_processing"
REQUIRED = (
    *("name", "description", "about", "version", "author", "license", "icon", "tags", "category"),
    *("qgisMinimumVersion", "qgisMaximumVersion", "hasProcessingProvider"),
)
ADDRESSES = ("homepage", "repository", "tracker")
BY_PUBLISHER = (*ADDRESSES, "email")
MAX_SIZE = 25_000_000
COMPILED = {".pyc", ".pyo", ".so", ".dll", ".dylib", ".exe", ".bat", ".cmd", ".ps1", ".sh"}


def of_files(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield what is wrong with the files: where they are, what they are, what is missing."""
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        mode = info.external_attr >> 16
        if path.parts[0] != PACKAGE or ".." in path.parts:
            yield f"{path} is outside {PACKAGE}."
        if any(part.startswith(".") or part == "__pycache__" for part in path.parts):
            yield f"{path} is hidden."
        if path.suffix.lower() in COMPILED:
            yield f"{path} is compiled or a program."
        if stat.S_ISLNK(mode):
            yield f"{path} is a link."
        elif mode & 0o111 and not info.is_dir():
            yield f"{path} is executable."
    for name in ("__init__.py", "LICENSE"):
        if f"{PACKAGE}/{name}" not in archive.namelist():
            yield f"{name} is missing."


def metadata(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the fields of metadata.txt, read as the site reads them; {} if it is missing."""
    parser = configparser.ConfigParser()
    parser.optionxform = str
    if (name := f"{PACKAGE}/metadata.txt") in archive.namelist():
        parser.read_string(archive.read(name).decode("utf-8"))
    return dict(parser.items("general")) if parser.has_section("general") else {}


def of_metadata(fields: dict[str, str], names: list[str]) -> Iterator[str]:
    """Yield what is wrong with the fields that every package has."""
    for field in REQUIRED:
        if not fields.get(field, "").strip():
            yield f"metadata.txt has no {field}."
    if f"{PACKAGE}/{fields.get('icon')}" not in names:
        yield f"The icon {fields.get('icon')} is missing."
    if "/" in fields.get("author", ""):
        yield "The author has a slash."
    for field in ADDRESSES:
        address = urlparse(fields.get(field, ""))
        if fields.get(field) and not (address.scheme in ("http", "https") and address.netloc):
            yield f"metadata.txt: {field} is not an address."


def of_secrets(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield what looks like a password or a key to detect-secrets."""
    with tempfile.TemporaryDirectory() as folder:
        archive.extractall(folder)
        files = sorted(str(p) for p in Path(folder).rglob("*") if p.is_file())
        command = [sys.executable, "-m", "detect_secrets.pre_commit_hook", "--no-verify", *files]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            yield f"detect-secrets: {(ran.stdout + ran.stderr).replace(f'{folder}/', '').strip()}"


def main(file: Path, publish: bool) -> None:
    """Print the faults and exit, or print what is left to the publisher."""
    faults = []
    if file.stat().st_size > MAX_SIZE:
        faults.append(f"{file.name} is larger than {MAX_SIZE // 1_000_000} MB.")
    with zipfile.ZipFile(file) as archive:
        faults += of_files(archive)
        fields = metadata(archive)
        faults += of_metadata(fields, archive.namelist())
        faults += of_secrets(archive)
    unset = ", ".join(field for field in BY_PUBLISHER if not fields.get(field))
    if unset:
        note = f"The publisher has to set these in {PACKAGE}/metadata.txt: {unset}."
        if publish:
            faults.append(note)
        else:
            print(f"check_package: {note}")
    sys.exit("\n".join(f"check_package: {fault}" for fault in faults) or None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--publish" in sys.argv[2:])
