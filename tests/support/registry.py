"""The real thing to test registries against: Debian's docker-registry on a loopback port, optionally with auth and TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}
http:
  addr: 127.0.0.1:{port}
{tls}
{auth}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def available() -> bool:
    return shutil.which("docker-registry") is not None


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    command += [
        "-addext",
        "subjectAltName=DNS:localhost,DNS:localhost.localdomain,IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@contextmanager
def registry(directory: Path, *, user: tuple[str, str] | None = None, tls: bool = False) -> Iterator[str]:
    """Run a registry with its storage under ``directory``; yields ``127.0.0.1:port``."""
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    auth = secure = ""
    if user is not None:
        name, password = user
        digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()
        (directory / "htpasswd").write_text(f"{name}:{digest}\n")
        auth = f"auth: {{htpasswd: {{realm: test, path: {directory}/htpasswd}}}}"
    if tls:
        certificate_path, key = certificate(directory)
        secure = f"  tls: {{certificate: {certificate_path}, key: {key}}}"
    config = directory / "config.yml"
    config.write_text(_CONFIG.format(storage=directory / "data", port=port, tls=secure, auth=auth))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
