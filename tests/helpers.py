"""Small things that several tests use."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Mapping


def wait_until(condition, seconds: float = 30.0):
    """Return the first true answer of ``condition``; fail when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return answer


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip file of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
