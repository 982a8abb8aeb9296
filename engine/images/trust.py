"""Whose certificates are believed, and which are shown: the host's authorities, and what lies in certs.d for a registry.

    DIRECTORY/HOST[:PORT]/*.crt            authorities, beside the host's
    DIRECTORY/HOST[:PORT]/NAME.cert, .key  a client's certificate and key

As dockerd has it (docs.docker.com, "Verify repository client with certificates").
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

DIRECTORIES = (Path("/etc/pycompose/certs.d"), Path("/etc/docker/certs.d"))


def directory_of(host: str, directories: Iterable[Path] = DIRECTORIES) -> Path | None:
    """The first directory that has something for ``host`` (with its port, as in the URL)."""
    if not host or "/" in host or host.startswith("."):
        return None
    return next((path for base in directories if (path := base / host).is_dir()), None)


def context(directory: Path | None, insecure: bool) -> ssl.SSLContext:
    """SSL_CERT_FILE and SSL_CERT_DIR are honoured by OpenSSL's default paths. ``insecure`` checks no certificate. Raises
    EngineError naming the file that cannot be used."""
    import ssl  # with its authorities it is heavy, and most engines never pull

    made = ssl.create_default_context()
    if directory is not None:
        _load(made, directory)
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _load(made: ssl.SSLContext, directory: Path) -> None:
    for path in sorted(directory.iterdir()):
        try:
            if path.suffix == ".crt":
                made.load_verify_locations(path)
            elif path.suffix == ".cert":
                key = path.with_suffix(".key")
                if not key.exists():
                    raise EngineError(f"missing key {key} for client certificate {path.name}")
                made.load_cert_chain(path, key)
            elif path.suffix == ".key" and not path.with_suffix(".cert").exists():
                raise EngineError(f"missing client certificate {path.with_suffix('.cert')} for key {path.name}")
        except OSError as error:  # ssl.SSLError too
            raise EngineError(f"{path}: no usable certificate: {error.strerror or error}") from None
