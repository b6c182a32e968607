"""Real servers between us and the real engine: nginx (TLS, prefixes, limits) and tinyproxy."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import wait_until

from oq_processing import connections
from oq_processing.engine import launch

TOOLS = Path(__file__).parents[2] / ".tools"
PREFIX = "/engines/one"
OUTSIDE = "2130706433"
"""127.0.0.1 as one number: a name that is not this computer's to us, but to a proxy."""

_NGINX = """\
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 1g;
    proxy_set_header Host $http_host;
    server {{
        listen 127.0.0.1:{plain};
        location /open/ {{ proxy_pass {engine}/; }}
        location / {{ return 301 https://$host:{tls}$request_uri; }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        location {prefix}/ {{ proxy_pass {engine}/; }}
        location /unbuffered/ {{
            proxy_pass {engine}/;
            proxy_buffering off;
            proxy_request_buffering off;
        }}
        location /small/ {{ proxy_pass {engine}/; client_max_body_size 1k; }}
        location /slow/ {{ proxy_pass {engine}/; }}
        location /silent/ {{ proxy_pass {engine}/; }}
        location ~ ^/(slow/v1/calc/run|silent/v1/calc/list) {{
            proxy_pass http://127.0.0.1:{silent};
            proxy_read_timeout 1s;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """The real engine behind TLS, and the file of the authority that signed for it."""

    plain: str
    tls: str
    folder: Path

    @property
    def authority(self) -> str:
        return str(self.folder / "ca.pem")

    def requests(self) -> list[str]:
        """What was asked for, in order."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [line.split('"')[1] for line in lines]


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def _certificates(folder: Path) -> None:
    """Make an authority, and what it signs for the names under which nginx is called here."""
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=authority of the tests", "-keyout", folder / "ca.key"),
        *("-out", folder / "ca.pem"),
    )
    _openssl(
        *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"),
        *("-keyout", folder / "server.key", "-out", folder / "server.csr"),
    )
    (folder / "names").write_text(f"subjectAltName=IP:127.0.0.1,DNS:{OUTSIDE}\n")
    _openssl(
        *("x509", "-req", "-days", "2", "-in", folder / "server.csr", "-CA", folder / "ca.pem"),
        *("-CAkey", folder / "ca.key", "-CAcreateserial", "-extfile", folder / "names"),
        *("-out", folder / "server.pem"),
    )


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Have a server for the length of a ``with``; it listens when this begins."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(port), 20)
            assert process.poll() is None, process.stdout.read().decode()
            yield process
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def nginx(server, tmp_path_factory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    _certificates(folder)
    plain, tls = launch.free_port(), launch.free_port()
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        configuration = _NGINX.format(
            folder=folder,
            user=pwd.getpwuid(os.getuid()).pw_name,
            engine=server.url,
            prefix=PREFIX,
            plain=plain,
            tls=tls,
            silent=silent.getsockname()[1],
        )
        (folder / "nginx.conf").write_text(configuration)
        command = [str(TOOLS / "nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
        with running([*command, "-e", str(folder / "error.log")], tls):
            yield Nginx(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", folder)


@dataclass(frozen=True)
class Proxy:
    """A real proxy that wants a login."""

    port: int
    user: str
    password: str
    log: Path

    def served(self) -> list[str]:
        """The requests that it let pass."""
        lines = self.log.read_text().splitlines()
        return [line.partition("): ")[2] for line in lines if "Request (file" in line]


@pytest.fixture(scope="session")
def proxy(tmp_path_factory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    made = Proxy(launch.free_port(), "carol", "pwCarol1", folder / "proxy.log")
    (folder / "tinyproxy.conf").write_text(
        f"Port {made.port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nLogLevel Connect\n"
        f'LogFile "{made.log}"\nBasicAuth {made.user} {made.password}\n'
    )
    command = [str(TOOLS / "tinyproxy"), "-d", "-c", str(folder / "tinyproxy.conf")]
    with running(command, made.port):
        yield made


@pytest.fixture
def saved(registry) -> Iterator:
    """A function that saves a connection for the length of a test."""

    def save(name: str, url: str, **about) -> str:
        connections.save_connection(connections.SavedConnection(name, url, **about))
        return name

    yield save
    for connection in connections.saved_connections():
        connections.remove_connection(connection.name)
