"""The API over TCP: both sides prove who they are, or nothing is said."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest
import requests
from support.engine_root import EngineRoot, docker_cli

from pycompose.engine.api.remote import HANDSHAKE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ours/ and theirs/: each an authority with ca.pem, and a cert.pem and key.pem of it for 127.0.0.1."""
    directory = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "theirs"):
        place = directory / name
        place.mkdir()

        def openssl(command: str, place: Path = place) -> None:
            subprocess.run(["openssl", *command.split()], cwd=place, check=True, capture_output=True)

        (place / "ext").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl(f"req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 2 -subj /CN={name}")
        openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=somebody")
        openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile ext -out cert.pem"
        )
    return directory


@pytest.fixture(autouse=True)
def _no_other_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def port(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    root = tmp_path_factory.mktemp("remote")
    number = free_port()
    ours = certificates / "ours"
    (root / "engine.yaml").write_text(
        f"hosts: ['tcp://127.0.0.1:{number}']\ntlsverify: true\n"
        f"tlscacert: {ours}/ca.pem\ntlscert: {ours}/cert.pem\ntlskey: {ours}/key.pem\n"
    )
    with EngineRoot(root) as engine:
        engine.import_busybox()
        yield number


def client(port: int, certificates: Path, who: str = "ours") -> docker.DockerClient:
    mine = certificates / who
    config = docker.tls.TLSConfig(
        client_cert=(str(mine / "cert.pem"), str(mine / "key.pem")),
        ca_cert=str(certificates / "ours/ca.pem"),
        verify=True,
    )
    return docker.DockerClient(base_url=f"tcp://127.0.0.1:{port}", tls=config, version="1.45", timeout=20)


def test_who_has_a_certificate_is_served(port: int, certificates: Path) -> None:
    connection = client(port, certificates)
    assert connection.containers.run("busybox", ["echo", "over tcp"], remove=True) == b"over tcp\n"
    big = connection.containers.run("busybox", ["head", "-c", "5000000", "/dev/zero"], remove=True)
    assert len(big) == 5_000_000
    connection.close()


@pytest.mark.skipif(docker_cli() is None and shutil.which("docker-trixie") is None, reason="no docker CLI here")
def test_the_docker_cli_with_input(port: int, certificates: Path) -> None:
    """Half-closed streams: the container sees the end of its input, and its last words still arrive."""
    command = [docker_cli() or "docker-trixie", "--tlsverify", "-H", f"tcp://127.0.0.1:{port}"]
    for flag, name in (("--tlscacert", "ca"), ("--tlscert", "cert"), ("--tlskey", "key")):
        command += [flag, str(certificates / "ours" / f"{name}.pem")]
    done = subprocess.run(
        [*command, "run", "--rm", "-i", "busybox", "sh", "-c", "wc -c; exit 3"],
        input=b"x" * 100_000, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (3, b"100000"), done


def test_our_own_command(port: int, certificates: Path) -> None:
    environment = {**os.environ, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates / "ours")}
    command = [
        sys.executable,
        "-m",
        "pycompose.compose.cli.main",
        "-H",
        f"tcp://127.0.0.1:{port}",
        "container",
        "run",
        "--rm",
    ]
    done = subprocess.run(
        [*command, "-i", "busybox", "sh", "-c", "wc -c; head -c 3000000 /dev/zero"],
        input=b"x" * 300_000, capture_output=True, timeout=30, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout == b"300000\n" + bytes(3_000_000)


@pytest.mark.parametrize("how", ["theirs", "none", "plain"])
def test_others_are_not(port: int, certificates: Path, how: str) -> None:
    if how == "theirs":
        with pytest.raises((requests.exceptions.ConnectionError, docker.errors.DockerException)):
            client(port, certificates, "theirs").ping()
        return
    with socket.create_connection(("127.0.0.1", port), 20) as raw:
        if how == "none":
            context = ssl.create_default_context(cafile=str(certificates / "ours/ca.pem"))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            with (
                pytest.raises((ssl.SSLError, ConnectionError)),
                context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
            ):
                # TLS 1.3 tells a client only afterwards.
                secured.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
                if not secured.recv(100):
                    raise ConnectionError
        else:
            raw.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while data := _received(raw):
                answer += data
            assert b"HTTP" not in answer


def _received(plain: socket.socket) -> bytes:
    try:
        return plain.recv(4096)
    except ConnectionError:
        return b""


def test_those_who_never_finish_a_handshake_hold_nobody_up(port: int, certificates: Path) -> None:
    """More than may be under way at a time: the oldest of them go, and who has a certificate is served meanwhile."""
    idle = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(100)]
    began = time.monotonic()
    try:
        connection = client(port, certificates)
        assert connection.ping()
        connection.close()
        assert time.monotonic() - began < HANDSHAKE_SECONDS / 2
    finally:
        for one in idle:
            one.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hosts: ['tcp://127.0.0.1:1']\n", "tlscacert, tlscert, tlskey, tlsverify: true missing"),
        ("hosts: ['tcp://127.0.0.1:1']\ntlsverify: true\ntlscacert: /x\ntlscert: /x\n", "tlskey missing"),
        ("hosts: ['tcp://127.0.0.1:1']\ntlsverify: true\ntlscacert: /x\ntlscert: /x\ntlskey: /x\n", "/x: No such file"),
        ("hosts: ['tcp://nowhere']\n", "want tcp://ADDRESS:PORT"),
    ],
)
def test_tcp_without_tls_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "engine.yaml").write_text(text)
    command = [sys.executable, "-m", "pycompose.compose.cli.main", "--root", str(tmp_path), "engine", "run"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode != 0
    assert words in done.stderr


def test_flags_of_engine_run(tmp_path: Path, certificates: Path) -> None:
    command = [sys.executable, "-m", "pycompose.compose.cli.main", "--root", str(tmp_path), "engine", "run"]
    refused = subprocess.run(
        [*command, "--listen", "tcp://127.0.0.1:1"], text=True, capture_output=True, timeout=30, check=False
    )
    assert (refused.returncode != 0, "only offered with TLS" in refused.stderr) == (True, True), refused
    number = free_port()
    ours = certificates / "ours"
    command += ["--listen", f"tcp://127.0.0.1:{number}", "--tlsverify", "--tlscacert", f"{ours}/ca.pem"]
    command += ["--tlscert", f"{ours}/cert.pem", "--tlskey", f"{ours}/key.pem"]
    with subprocess.Popen(command) as engine:
        root = EngineRoot(tmp_path)
        from support.engine_root import wait_for

        wait_for(root.is_up, lambda: "the engine does not come up")
        connection = client(number, certificates)
        assert connection.ping()
        connection.close()
        root.stop()
        assert engine.wait(20) == 0
