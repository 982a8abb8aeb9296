"""A signed package archive: InRelease checked by gpgv, indexes and packages by the digests it lists.

Only what gpgv wrote as the signed text is believed. Whatever lies in the cache is checked again when it is used, so the
cache needs no care and may be deleted at any time.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EngineError, NotFound, Unavailable
from ..blobs import DigestMismatch
from .freshness import identity, longest_age
from .packages import fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..transport import Transport
    from .freshness import NewestDates
    from .suites import Source

_KEYRINGS = (Path("/usr/share/keyrings"), Path("/etc/apt/trusted.gpg.d"))
_SHIPPED = Path(__file__).parent.parent / "keyrings"
_CLOCK_SLACK = 24 * 3600.0
_LARGEST_RELEASE = 16 << 20
_LARGEST_INDEX = 256 << 20
_HASH_LINE = re.compile(r"^ ([0-9a-f]{64})\s+(\d+)\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Release:
    """A verified Release file: its fields, the digests it lists, and who signed it."""

    source: Source
    suite: str
    codename: str
    date: datetime
    by_hash: bool
    files: dict[str, tuple[str, int]]
    fingerprint: str


class Archive:
    """Fetches from mirrors into a cache directory. ``now`` is the clock, in seconds; ``newest`` what was seen before."""

    def __init__(
        self,
        transport: Transport,
        cache: Path,
        keyring: str,
        now: Callable[[], float],
        newest: NewestDates,
        *,
        allow_expired: bool = False,
    ) -> None:
        self._newest = newest
        self._transport = transport
        self._cache = cache
        self._keyring = keyring
        self._now = now
        self._allow_expired = allow_expired
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)

    # release -------------------------------------------------------------------------------------------------------
    def release(self, source: Source) -> Release:
        """Fetch and verify a suite's InRelease. Raises NotFound when the archive has no such suite."""
        url = f"{source.mirror}/dists/{source.suite}/InRelease"
        signed = self._fetch(url, _LARGEST_RELEASE)
        if signed is None:
            raise NotFound(f"{source.mirror} has no suite {source.suite}")
        text, fingerprint = verify(signed, self._find_keyring(), url)
        values = fields(text.split("\nSHA256:", 1)[0])
        suite, codename = values.get("Suite", ""), values.get("Codename", "")
        if source.suite not in (suite, codename):
            raise EngineError(f"{url}: it is for {suite or codename}, not for {source.suite}")
        date = self._fresh(values, source.suite, url)
        _, _, hashes = text.partition("\nSHA256:")
        hashes = re.split(r"\n(?=[A-Za-z])", hashes, maxsplit=1)[0]
        files = {name: (digest, int(size)) for digest, size, name in _HASH_LINE.findall(hashes)}
        return Release(source, suite, codename, date, values.get("Acquire-By-Hash") == "yes", files, fingerprint)

    def _fresh(self, values: dict[str, str], suite: str, url: str) -> datetime:
        try:
            date = parsedate_to_datetime(values["Date"])
            until = parsedate_to_datetime(values["Valid-Until"]) if "Valid-Until" in values else None
        except (KeyError, ValueError):
            raise EngineError(f"{url}: it has no valid Date") from None
        now = self._now()
        if date.timestamp() > now + _CLOCK_SLACK:
            raise EngineError(f"{url}: it is from the future ({values['Date']}); is this machine's clock right?")
        if until is not None and until.timestamp() < now and not self._allow_expired:
            raise EngineError(
                f"{url}: it expired ({values['Valid-Until']}); the mirror is stale, or somebody replays an old archive"
            )
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        longest = longest_age(values.get("Origin", ""), suite)
        aged = longest is not None and date.timestamp() + longest.total_seconds() < now
        if until is None and aged and not self._allow_expired:
            raise EngineError(
                f"{url}: it is of {values['Date']} and says nothing about its validity; "
                "the mirror is stale, or somebody replays an old archive"
            )
        self._newest.check(identity(values), date, url, allow_older=self._allow_expired)
        return date

    def _find_keyring(self) -> Path:
        for directory in _KEYRINGS:
            for suffix in (".gpg", ".pgp"):
                path = directory / f"{self._keyring}{suffix}"
                if path.is_file():
                    return path
        return _SHIPPED / f"{self._keyring}.gpg"

    # files ---------------------------------------------------------------------------------------------------------
    def index(self, release: Release, component: str, architecture: str) -> bytes:
        """One Packages file, verified and decompressed."""
        base = f"{component}/binary-{architecture}/Packages"
        for suffix in (".xz", ".gz"):
            name = base + suffix
            if name not in release.files:
                continue
            digest, size = release.files[name]
            if size > _LARGEST_INDEX:
                raise EngineError(f"{name}: absurd size {size}")
            root = f"{release.source.mirror}/dists/{release.source.suite}"
            directory = name.rpartition("/")[0]
            urls = [f"{root}/{directory}/by-hash/SHA256/{digest}"] if release.by_hash else []
            path = self.file([*urls, f"{root}/{name}"], digest, size)
            data = path.read_bytes()
            return lzma.decompress(data) if suffix == ".xz" else gzip.decompress(data)
        raise NotFound(f"{release.source.mirror} {release.source.suite} has no {component} packages for {architecture}")

    def file(
        self, urls: list[str], digest: str, size: int, progress: Callable[[int], None] = lambda done: None
    ) -> Path:
        """A file by its SHA-256, from the cache or the first of ``urls`` that has it."""
        path = self._cache / digest
        if path.exists() and _digest(path) == (digest, size):
            progress(size)
            return path
        for url in urls:
            if self._download(url, path, digest, size, progress):
                return path
        raise NotFound(f"{urls[-1]}: not found in the archive")

    def _download(self, url: str, path: Path, digest: str, size: int, progress: Callable[[int], None]) -> bool:
        response = self._transport.request("GET", url)
        try:
            if response.status == 404:
                response.drain_conn()
                return False
            if response.status != 200:
                raise Unavailable(f"{url}: HTTP {response.status}")
            actual = hashlib.sha256()
            done = 0
            with tempfile.NamedTemporaryFile(dir=self._cache, delete=False) as file:
                try:
                    for data in response.stream(1 << 18):
                        done += len(data)
                        if done > size:
                            break
                        actual.update(data)
                        file.write(data)
                        progress(len(data))
                    if done != size or actual.hexdigest() != digest:
                        raise DigestMismatch(f"{url}: content does not match the signed index")
                    file.flush()
                    os.replace(file.name, path)
                except BaseException:
                    os.unlink(file.name)
                    raise
            return True
        finally:
            response.release_conn()

    def _fetch(self, url: str, largest: int) -> bytes | None:
        response = self._transport.request("GET", url)
        try:
            if response.status == 404:
                response.drain_conn()
                return None
            if response.status != 200:
                raise Unavailable(f"{url}: HTTP {response.status}")
            data = bytearray()
            for piece in response.stream(1 << 18):
                data += piece
                if len(data) > largest:
                    raise EngineError(f"{url}: absurd size")
            return bytes(data)
        finally:
            response.release_conn()


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def verify(signed: bytes, keyring: Path, what: str) -> tuple[str, str]:
    """Check a clear-signed document with gpgv; returns the signed text and the key's fingerprint.

    Accepted: at least one good signature by a key of the ring, and no bad one. (Releases are signed by several keys, of
    which an older ring knows some.) Raises EngineError otherwise, and when gpgv is missing: there is no unsigned way.
    """
    gpgv = shutil.which("gpgv")
    if gpgv is None:
        raise EngineError("gpgv is needed to check the archive's signature: install the package gpgv")
    if not keyring.is_file():
        raise EngineError(f"keyring {keyring} is missing: install the package {keyring.stem}")
    if signed.count(b"-----BEGIN PGP SIGNED MESSAGE-----") != 1 or not signed.startswith(b"-----BEGIN PGP SIGNED"):
        raise EngineError(f"{what}: it is not one signed document")
    with tempfile.TemporaryDirectory(prefix="pycompose-gpgv-") as directory:
        document, output = Path(directory, "InRelease"), Path(directory, "Release")
        document.write_bytes(signed)
        result = subprocess.run(
            [gpgv, "--status-fd", "1", "--keyring", str(keyring), "--output", str(output), str(document)],
            capture_output=True,
            text=True,
            errors="replace",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "GNUPGHOME": directory},
            check=False,
        )
        words = [line.split()[1:] for line in result.stdout.splitlines() if line.startswith("[GNUPG:] ")]
        kinds = {line[0] for line in words}
        valid = [line for line in words if line[0] == "VALIDSIG" and len(line) > 1]
        unknown_only = result.returncode == 0 or kinds & {"ERRSIG", "NO_PUBKEY"}
        if "BADSIG" in kinds or "GOODSIG" not in kinds or not valid or not unknown_only or not output.exists():
            raise EngineError(f"{what}: the signature is not good ({_complaint(words, kinds)}; keyring {keyring})")
        return output.read_text("utf-8", "replace"), valid[0][-1]


def _complaint(words: list[list[str]], kinds: set[str]) -> str:
    for kind, text in (
        ("BADSIG", "bad signature by key"),
        ("REVKEYSIG", "revoked key"),
        ("EXPKEYSIG", "expired key"),
        ("NO_PUBKEY", "unknown key"),
    ):
        if kind in kinds:
            return f"{text} {next(line[1] for line in words if line[0] == kind)}"
    return "no signature"
