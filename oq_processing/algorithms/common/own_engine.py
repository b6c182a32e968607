"""The user's own engine on this computer: started for an algorithm, or found running."""

from __future__ import annotations

from pathlib import Path

from ... import settings
from ...engine import installation, local
from ...engine.errors import LocalEngineError
from .reporter import Reporter

INSTALLER = Path(__file__).parents[2] / "install_engine.py"


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
    return running
