"""Run the engine's AreaSourceClassicalPSHA demo through qgis_process and draw its hazard map.

Uses nothing but the two algorithms, as anybody's script would; see README.md.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from oq_processing.engine import launch  # noqa: E402 - from this checkout
from oq_processing.engine.errors import LocalEngineError  # noqa: E402

QGIS_PROCESS = CHECKOUT / "script" / "qgis_process"
JOB = CHECKOUT / ".engine" / "demos" / "hazard" / "AreaSourceClassicalPSHA" / "job.ini"
OUTPUT = CHECKOUT / "demo-output"
GEOPACKAGE = OUTPUT / "hazard_map.gpkg"
PICTURE = OUTPUT / "hazard_map.png"


class Failed(Exception):
    """A step of the demo failed and has said why."""


def say(text: str) -> None:
    """Print a line of the demo's own."""
    print(f"demo: {text}", flush=True)


def run(command: list[str]) -> str:
    """Run a command with its output shown as it comes; return what it printed."""
    printed = bytearray()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            while piece := os.read(process.stdout.fileno(), 65536):
                printed += piece
                sys.stdout.buffer.write(piece)
                sys.stdout.flush()
        except BaseException as reason:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # Ctrl-C has reached it too: it aborts its calculation
            if not isinstance(reason, KeyboardInterrupt):
                process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    if process.returncode:
        raise Failed(f"{Path(command[0]).name} {' '.join(command[1:3])} failed, see above.")
    return printed.decode(errors="replace")


def algorithm(name: str, **parameters: object) -> dict[str, str]:
    """Run an algorithm of the plugin; return its results."""
    arguments = [f"{key}={value}" for key, value in parameters.items()]
    say(f"script/qgis_process run openquake:{name} -- {' '.join(arguments)}")
    printed = run([str(QGIS_PROCESS), "run", f"openquake:{name}", "--", *arguments])
    _, _, results = printed.rpartition("Results")
    return dict(re.findall(r"^([A-Z_]+):\s*(.*)$", results, re.MULTILINE))


def demo(server: str) -> None:
    """Calculate, load, draw; the files appear in the output folder when they are complete."""
    os.environ["OPENQUAKE_SERVER"] = server
    calculation = algorithm("runcalculation", JOB=JOB)["CALCULATION_ID"]
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=OUTPUT, prefix="new-") as folder:
        layer, picture = Path(folder) / GEOPACKAGE.name, Path(folder) / PICTURE.name
        algorithm(
            "loadoutputaslayer",
            CALCULATION_ID=calculation,
            OUTPUT_TYPE="hmaps",
            GEOMETRY="cell",
            OUTPUT=layer,
        )
        say("drawing the map")
        draw = CHECKOUT / "script" / "draw_map.py"
        run(["/usr/bin/python3", str(draw), str(layer), str(picture)])
        layer.replace(GEOPACKAGE)
        picture.replace(PICTURE)


def terminated(number: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C: with everything stopped that was started."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run the demo with an engine of its own; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminated)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="openquake-demo-") as folder:
            say("starting an engine on this computer (10 to 30 s)")
            with launch.running(CHECKOUT / ".engine" / "bin" / "oq", Path(folder)) as engine:
                say(f"engine {engine.version} answers at {engine.url}")
                try:
                    demo(engine.url)
                finally:
                    # nothing may interrupt the engine's end
                    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                        signal.signal(number, signal.SIG_IGN)
                    say("stopping the engine")
    except (Failed, LocalEngineError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    say(f"done in {time.monotonic() - started:.0f} s:")
    for file, command in ((GEOPACKAGE, "qgis"), (PICTURE, "xdg-open")):
        path = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        say(f"  {path}  (open it: {command} {path})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
