"""Cells of CSV files of any length: Python's own limit, which is one for the process, lifted."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_users = 0
_before = 0


@contextmanager
def long_cells(limit: int) -> Iterator[None]:
    """Let the module csv read cells of up to ``limit`` characters, in all threads, meanwhile.

    The limit that was there before (131,072 unless a program has changed it) returns when the last
    of several readers has ended, unless somebody else has set another one in the meantime.
    """
    global _users, _before  # noqa: PLW0603 - as the limit itself is
    with _lock:
        if not _users:
            _before = csv.field_size_limit(max(limit, csv.field_size_limit()))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users and csv.field_size_limit() == max(limit, _before):
                csv.field_size_limit(_before)
