"""The engine's own distributed mode on this computer: what a cluster consists of, on loopback.

A database server, a web server that uses it, and worker pools at addresses of their own, which get
their tasks and return results by zmq as on several computers. All of it lives in one folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers import wait_until

from oq_processing.engine import launch
from oq_processing.engine.client import EngineClient

HERE, THERE = "127.0.0.1", "127.0.0.2"
RECEIVER_PORTS = "21961-21990"  # results come back here; clear of the default ones and of free_port

_CONFIGURATION = """\
[distribution]
oq_distribute = zmq

[dbserver]
file = {folder}/db.sqlite3
host = {here}
port = {database_port}
receiver_host = {here}
receiver_ports = {receiver_ports}

[zworkers]
host_cores = {host_cores}
ctrl_port = {control_port}

[directory]
custom_tmp = {folder}/tmp
"""

_DATABASE = "from openquake.server import dbserver; dbserver.run_server({address!r}, 'INFO', True)"

# a pool takes its port at every address of its computer, so one computer could have but one pool
_POOL = """\
from openquake.baselib import workerpool, zeromq


class Socket(zeromq.Socket):
    def __init__(self, end_point, *arguments, **options):
        super().__init__(end_point.replace("0.0.0.0", {host!r}), *arguments, **options)


zeromq.Socket = Socket
workerpool.workerpool({workers})
"""


@dataclass
class Pool:
    """The workers at one address; ``cpu`` is the processor time they have used, in s, at last."""

    host: str
    process: subprocess.Popen[bytes]
    cpu: float = 0.0

    def ended(self) -> bool:
        """Whether the pool is gone, with all its workers."""
        if self.process.returncode is None:
            # wait4 counts the workers that the pool has buried
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self.cpu = used.ru_utime + used.ru_stime
        return self.process.returncode is not None and not _living(self.process.pid)


def _living(group: int) -> list[int]:
    """Return the processes of a group, without the dead that nobody has buried."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, of_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


class Cluster:
    """A head with its web server and database server; the pools come and go with the jobs.

    The engine stops its pools at the end of each job, and starts by ``ssh`` those of other
    computers that do not run: here ``ssh`` is a program that reaches nobody.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self.folder = folder
        self._python = python
        self._database_port, self._control_port, port = (launch.free_port() for _ in range(3))
        self._web = f"{HERE}:{port}"
        self.url = f"http://{self._web}"
        self.client = EngineClient(self.url)
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def ssh_log(self) -> Path:
        """The words that ``ssh`` was called with, a line for each call."""
        return self.folder / "ssh.log"

    def start(self) -> None:
        for name in ("tmp", "data", "bin"):
            (self.folder / name).mkdir()
        ssh = self.folder / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\necho "$@" >> {self.ssh_log}\nexit 255\n')
        ssh.chmod(0o755)
        self.workers_at({HERE: 1, THERE: 1})
        # the database server first: the web server speaks to it when it starts
        address = f"{HERE}:{self._database_port}"
        database = self._start("database", "-c", _DATABASE.format(address=address))
        self._wait_for(database, HERE, self._database_port)
        words = ("webui", "start", self._web, "--skip-browser")
        web = self._start("web", "-m", "openquake.commands", *words)
        self._wait_for(web, *self._web.split(":"))
        assert self.client.engine_version()

    def workers_at(self, host_cores: Mapping[str, int]) -> None:
        """Say which workers the next jobs are for: address → number."""
        text = _CONFIGURATION.format(
            folder=self.folder,
            here=HERE,
            database_port=self._database_port,
            control_port=self._control_port,
            receiver_ports=RECEIVER_PORTS,
            host_cores=",".join(f"{host} {cores}" for host, cores in host_cores.items()),
        )
        part = self.folder / "openquake.cfg.part"
        part.write_text(text)
        part.replace(self.folder / "openquake.cfg")

    @contextlib.contextmanager
    def silent(self, host: str) -> Iterator[None]:
        """Have an address that does not even refuse, as a computer behind a firewall."""
        address = (host, self._control_port)
        with contextlib.ExitStack() as stack:
            stack.enter_context(socket.create_server(address, backlog=0))
            # what is more than the queue holds gets no answer
            with contextlib.suppress(socket.timeout):
                while True:
                    caller = stack.enter_context(socket.socket())
                    caller.settimeout(0.5)
                    caller.connect(address)
            yield

    @contextlib.contextmanager
    def pools(self, host_cores: Mapping[str, int]) -> Iterator[list[Pool]]:
        """Have workers, address → number, until a job has ended; the next jobs are for them."""
        self.workers_at(host_cores)
        pools = []
        try:
            for host, cores in host_cores.items():
                process = self._start(host, "-c", _POOL.format(host=host, workers=cores))
                pools.append(Pool(host, process))
            for pool in pools:
                self._wait_for(pool.process, pool.host, self._control_port)
            yield pools
        finally:
            self._stop([pool.process for pool in pools])

    def stop(self) -> None:
        """End all that was started here, and nothing else."""
        self._stop(self._processes[::-1])

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OQ_", "PYTHON"))}
        environment |= {
            "OQ_CONFIG_FILE": str(self.folder / "openquake.cfg"),
            "OQ_DATADIR": str(self.folder / "data"),
            "OQ_DATABASE": "localhost",  # any name but 127.0.0.1 means the database server
            "TMPDIR": str(self.folder / "tmp"),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(self._python), *words],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its group is its own, with all that it starts
            )
        self._processes.append(process)
        return process

    def _wait_for(self, process: subprocess.Popen[bytes], host: str, port: int | str) -> None:
        def listens() -> bool:
            assert process.poll() is None, f"a process has ended; its log is in {self.folder}"
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return True
            return False

        wait_until(listens, launch.START_WITHIN)

    def _stop(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            launch.stop(launch.LocalEngine("", "", self.folder, process))
            self._processes.remove(process)


@contextlib.contextmanager
def running(python: Path, folder: Path) -> Iterator[Cluster]:
    """Have a cluster for the length of a ``with``."""
    cluster = Cluster(python, folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
