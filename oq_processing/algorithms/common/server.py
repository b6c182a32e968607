"""The server of a run: found, asked for its version, and the user's own engine started for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qgis.core import Qgis

from ... import settings
from ...connections import Connection
from ...engine import installation, local
from ...engine.abilities import version_note
from ...engine.address import is_readable
from ...engine.client import EngineClient
from ...engine.errors import LocalEngineError, Unreachable
from ...engine.http.transport import Transport
from .reporter import Reporter

INSTALLER = Path(__file__).parents[2] / "install_engine.py"


@contextmanager
def connected(connection: Connection, report: Reporter, may_start: bool) -> Iterator[EngineClient]:
    """Yield the client of a server that has answered; say which, and why this one.

    Where none answers, the user's own engine is started if the algorithm and the options allow it.
    Raises :class:`EngineError`.
    """
    transport = Transport(report.wait, connection.network)
    client = EngineClient(connection.url, transport, connection.credentials)
    try:
        report.info(f"Server: {connection.url} ({connection.reason})")
        if connection.credentials and is_readable(connection.url):
            report.warn(
                f"The connection to {connection.url} is not encrypted: user name, password and "
                "data can be read on the way. Use an address that begins with https:// if the "
                "server has one."
            )
        try:
            version = client.engine_version()
        except Unreachable as error:
            if not (may_start and connection.may_start_own):
                if connection.starting:
                    raise Unreachable(
                        f"Your local engine at {connection.url} is still starting. Try again "
                        "in some seconds, or run Start Local Engine, which waits for it."
                    ) from error
                raise
            if not connection.starting:
                report.warn(
                    f"{error} Starting your local engine, as enabled in Settings › Options › "
                    "OpenQuake."
                )
            client = EngineClient(start_own(report).url, transport)
            version = client.engine_version()
        note = version_note(version)
        report.info(f"OpenQuake Engine {version}{note and f' ({note})'}, QGIS {Qgis.QGIS_VERSION}")
        yield client
    finally:
        transport.close()


def start_own(
    report: Reporter, executable: Path | None = None, port: int | None = None
) -> local.Record:
    """Start the user's own engine, or find it running, and say so."""
    running = local.recorded()
    if running is not None and running.is_starting:
        report.phase(f"Waiting for your local engine, which is starting at {running.url}")
        running = local.adopt_own(report.wait)
    was_there = running is not None
    if running is None:
        try:
            found = installation.find_executable(executable or settings.engine_executable())
        except LocalEngineError as error:
            raise LocalEngineError(
                f"{error} To install one for this user: python3 {INSTALLER}"
            ) from error
        report.phase(f"Starting {found} (10 to 30 seconds)")
        running, was_there = local.start_own(found, port, report.wait)
    if was_there and port not in (None, running.port):
        raise LocalEngineError(
            f"The engine of this user runs already at {running.url}; "
            f"stop it first (Stop Local Engine) to start it at port {port}."
        )
    state = "runs already" if was_there else "is started"
    report.info(f"OpenQuake Engine {running.version} {state} at {running.url}")
    report.info(f"Its database, data and log are in {installation.user_folder()}")
    report.info(
        "Other users of this computer can reach it without a password: they can run, abort and "
        "delete calculations there, and read through it the files that you can read. On a computer "
        "that you share, run Stop Local Engine when you do not need it."
    )
    return running
