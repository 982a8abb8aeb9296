"""Engines that are not at hand: over TLS with client certificates, over the program ssh, by the name of a context."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.scripted_engine import ScriptedEngine

from pycompose.compose.client import Endpoint, Engine, choose
from pycompose.compose.client.http import Address
from pycompose.compose.client.ssh import command
from pycompose.compose.client.tls import secured
from pycompose.compose.errors import EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, cert.pem and key.pem: one certificate that signs itself is authority, server and client."""
    directory = tmp_path_factory.mktemp("certificates")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(words, cwd=directory, check=True, capture_output=True)
    shutil.copy(directory / "cert.pem", directory / "ca.pem")
    return directory


@pytest.fixture
def echo(certificates: Path) -> Iterator[int]:
    """A TLS port that wants a client's certificate and sends back everything, in reverse, when the input has ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("localhost", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    received = b"".join(iter(lambda: secure.recv(65536), b""))
                    secure.sendall(received[::-1])
            except OSError:
                continue

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_one_direction_ends_before_the_other(echo: int, certificates: Path) -> None:
    tunnel = secured(socket.create_connection(("localhost", echo)), "localhost", str(certificates), verify=True)
    with tunnel:
        tunnel.settimeout(20)
        sent = b"abc" * 400_000
        tunnel.sendall(sent)
        tunnel.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: tunnel.recv(65536), b"")) == sent[::-1]
        assert tunnel.why() == ""


def test_without_a_certificate_it_says_why(echo: int, certificates: Path, tmp_path: Path) -> None:
    shutil.copy(certificates / "ca.pem", tmp_path / "ca.pem")
    client = Engine(Endpoint(Address(None, "localhost", echo, (str(tmp_path), True))))
    with pytest.raises(EngineError, match="CERTIFICATE_REQUIRED"):
        client.containers.list()
    client = Engine(Endpoint(Address(None, "localhost", echo, (str(tmp_path / "none"), True))))
    with pytest.raises(EngineError, match="CERTIFICATE_VERIFY_FAILED"):
        client.containers.list()


_SSH = """#!{python}
import os, select, socket, sys
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if "refused" in sys.argv:
    sys.exit("Permission denied (publickey).")
engine = socket.socket(socket.AF_UNIX)
engine.connect({path!r})
while True:
    for ready in select.select([0, engine], [], [])[0]:
        data = os.read(ready if ready == 0 else engine.fileno(), 65536)
        if not data:
            sys.exit(0)
        os.write(1, data) if ready != 0 else engine.sendall(data)
"""


def test_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.json([])) as engine:
        (tmp_path / "ssh").write_text(
            _SSH.format(python=sys.executable, log=str(tmp_path / "log"), path=str(engine.path))
        )
        (tmp_path / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        client = Engine(choose({}, 0, "ssh://me@far:2222/run/d.sock"))
        assert client.containers.list() == []
        client.close()
        refused = Engine(choose({}, 0, "ssh://refused"))
        with pytest.raises(EngineError, match="Permission denied"):
            refused.containers.list()
    words = "-o ConnectTimeout=30 -T -l me -p 2222 -- far docker --host unix:///run/d.sock system dial-stdio"
    assert words in (tmp_path / "log").read_text().splitlines()


@pytest.mark.parametrize("url", ["ssh://", "ssh://-oProxyCommand=x", "ssh://a:secret@b", "ssh://a?x", "ssh://a:x"])
def test_bad_ssh_urls(url: str) -> None:
    with pytest.raises(UsageError, match="ssh"):
        choose({}, 0, url)
    with pytest.raises(ValueError, match=r"ssh|Port"):
        command(url)


def test_contexts(tmp_path: Path) -> None:
    name = hashlib.sha256(b"far").hexdigest()
    meta = tmp_path / "contexts" / "meta" / name
    meta.mkdir(parents=True)
    environment = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "far"}
    (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "tcp://h:1"}}}))
    assert choose(environment, 0).address == Address(None, "h", 1)
    (tmp_path / "contexts" / "tls" / name / "docker").mkdir(parents=True)
    assert choose(environment, 0).address.tls == (str(tmp_path / "contexts" / "tls" / name / "docker"), True)
    assert choose({**environment, "DOCKER_HOST": "unix:///d"}, 0).address == Address("/d")
    assert choose({**environment, "DOCKER_CONTEXT": "default"}, 0).own
    (meta / "meta.json").write_text("[]")
    with pytest.raises(UsageError, match=r'context "far".*meta\.json'):
        choose(environment, 0)
    with pytest.raises(UsageError, match="context not found"):
        choose({**environment, "DOCKER_CONTEXT": "near"}, 0)
