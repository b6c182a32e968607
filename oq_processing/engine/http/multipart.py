"""Multipart forms that are streamed from disk."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

CHUNK = 1024 * 1024


class Upload:
    """A multipart form, with or without one archive that is streamed from disk.

    ``sent`` counts the bytes read: 0 as long as nothing but headers can have left.
    """

    def __init__(self, archive: Path | None, fields: Mapping[str, str]) -> None:
        boundary = uuid.uuid4().hex
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        size, end = 0, ""
        self._file: IO[bytes] = io.BytesIO()
        if archive is not None:
            # the engine only looks at the suffix; the user's file name is nobody's business
            head += (
                f"--{boundary}\r\nContent-Disposition: form-data; "
                'name="archive"; filename="job.zip"\r\nContent-Type: application/zip\r\n\r\n'
            )
            size, end = archive.stat().st_size, "\r\n"
            self._file = archive.open("rb")
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        self.sent = 0
        self._head = head.encode()
        self._tail = f"{end}--{boundary}--\r\n".encode()
        self._size = len(self._head) + size + len(self._tail)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(CHUNK):
            yield data

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as files do."""
        size = CHUNK if size < 0 else size
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        elif not (data := self._file.read(size)):
            data, self._tail = self._tail[:size], self._tail[size:]
        self.sent += len(data)
        return data

    def close(self) -> None:
        """Close the archive."""
        self._file.close()
