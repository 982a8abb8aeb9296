"""Base images from the real archive: built, configured, complete, and equal to what debootstrap would choose."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.chroot_runner import chroot_runner
from support.image_store import image_store

from pycompose.engine.errors import EngineError, NotFound
from pycompose.engine.images.bootstrap import archive as archive_module
from pycompose.engine.images.bootstrap.archive import Archive
from pycompose.engine.images.bootstrap.freshness import NewestDates, identity
from pycompose.engine.images.bootstrap.suites import Source
from pycompose.engine.images.transport import Transport
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pycompose.engine.images.service import Images

pytestmark = [
    pytest.mark.root,
    pytest.mark.network,
    pytest.mark.skipif(shutil.which("gpgv") is None, reason="gpgv is not installed"),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    root = tmp_path_factory.mktemp("bootstrap")
    with image_store(root) as made:
        yield made
    assert list(Layout.for_root(root).ingest.iterdir()) == []


def packages(root: Path) -> dict[str, str]:
    text = (root / "var/lib/dpkg/status").read_text()
    assert set(re.findall(r"^Status: (.*)$", text, re.MULTILINE)) == {"install ok installed"}
    return dict(re.findall(r"^Package: (.*)\n(?:.+\n)*?Version: (.*)$", text, re.MULTILINE))


def inside(images: Images, ref: str, tmp_path: Path, script: str, *, network: bool = False) -> tuple[int, str]:
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    output = bytearray()
    code = chroot_runner(
        lower=images.layer_paths(images.resolve(ref)),
        upper=tmp_path / "upper",
        work=tmp_path / "work",
        args=["/bin/sh", "-c", script],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
        network=network,
        output=output.extend,
    )
    return code, output.decode(errors="replace")


def test_bookworm_slim(images: Images, tmp_path: Path) -> None:
    messages: list[dict[str, Any]] = []
    image = images.bootstrap("debian:bookworm-slim", runner=chroot_runner, progress=messages.append)
    (root,) = images.layer_paths(image)
    assert image.repo_tags == ("debian:bookworm-slim",) and image.size < 100_000_000
    labels = image.process["Labels"]
    assert labels is not None
    assert labels["io.pycompose.bootstrap.suite"] == "bookworm"
    assert re.fullmatch(r"[0-9A-F]{40}(, [0-9A-F]{40})*", labels["io.pycompose.bootstrap.key"])
    assert "bookworm-security 20" in labels["io.pycompose.bootstrap.date"]
    assert {"apt", "dpkg", "libc6", "bash", "coreutils", "usr-is-merged"} <= packages(root).keys()
    assert (root / "bin").is_symlink() and (root / "lib64").is_symlink()
    assert not (root / "usr/share/man").exists() or not any((root / "usr/share/man").rglob("*.gz"))
    assert (root / "usr/share/doc/apt/copyright").exists()
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert stat.S_IMODE((root / "etc/shadow").stat().st_mode) == 0o640
    assert (root / "etc/shadow").stat().st_gid == 42
    assert "exit 101" in (root / "usr/sbin/policy-rc.d").read_text()
    sources = (root / "etc/apt/sources.list.d/debian.sources").read_text()
    assert "bookworm-updates" in sources and "bookworm-security" in sources
    assert not list((root / "var/lib/apt/lists").glob("*Packages*")) and not list((root / "dev").iterdir())
    trusted = [str(one["status"]) for one in messages if str(one.get("status")).startswith("Trusted: ")]
    assert len(trusted) == 3 and all(re.search(r" of 20.*, signed by [0-9A-F]{40}$", one) for one in trusted)
    assert {"Downloading", "Configuring"} <= {message.get("status") for message in messages}
    code, text = inside(
        images,
        "debian:bookworm-slim",
        tmp_path,
        "set -e; dpkg --audit; test -z \"$(dpkg --verify | grep -v '^??5?????? c \\|^missing   .* /usr/share/')\";"
        " id nobody; awk 'BEGIN { print \"awk\" }'; perl -e 'print \"perl\\n\"'",
    )
    assert code == 0, text


def test_packages_install_on_it(images: Images, tmp_path: Path) -> None:
    # Names are the host's affair in this runner: give the container the host's own resolv.conf.
    resolver = Path("/etc/resolv.conf").read_text().replace("'", "")
    code, text = inside(
        images,
        "debian:bookworm-slim",
        tmp_path,
        f"printf '%s' '{resolver}' > /etc/resolv.conf; "
        "apt-get update -q && apt-get install -qy --no-install-recommends libyaml-0-2 && ldconfig -p | grep libyaml",
        network=True,
    )
    assert code == 0, text
    assert "Processing triggers for libc-bin" in text


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed")
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_same_set_as_minbase(images: Images, tmp_path: Path, suite: str) -> None:
    target = tmp_path / "mm.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", suite, str(target)]
    subprocess.run(command, check=True, capture_output=True)
    text = subprocess.run(
        ["tar", "-xOf", str(target), "./var/lib/dpkg/status"], check=True, capture_output=True, text=True
    ).stdout
    wanted = dict(re.findall(r"^Package: (.*)\n(?:.+\n)*?Version: (.*)$", text, re.MULTILINE))
    image = images.bootstrap(f"debian:{suite}", runner=chroot_runner)
    found = packages(images.layer_paths(image)[0])
    # Of bookworm debootstrap takes usr-is-merged, and so do the official images; mmdebstrap's solver takes usrmerge and its perl.
    assert ("usr-is-merged" in found) == (suite == "bookworm")
    perl = {
        name for name in wanted if re.match(r"lib(file-find-rule|text-glob|number-compare)-perl|libperl5|libgdbm", name)
    }
    for name in {"usrmerge", "perl", *perl, *(name for name in wanted if name.startswith("perl-modules"))}:
        wanted.pop(name, None)
    found.pop("usr-is-merged", None)
    assert found == wanted


def test_a_second_one_comes_from_the_cache(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    real = Archive._download

    def counted(self: Archive, url: str, *rest: Any) -> bool:
        fetched.append(url)
        return real(self, url, *rest)

    monkeypatch.setattr(Archive, "_download", counted)
    image = images.bootstrap("debian:bookworm", runner=chroot_runner)
    assert fetched == []
    assert any((images.layer_paths(image)[0] / "usr/share/man").rglob("*.gz"))


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[NewestDates]:
    store = Store(tmp_path / "dates.db")
    yield NewestDates(store)
    store.close()


def test_refusals(images: Images, newest: NewestDates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="has no suite nosuchsuite"):
        images.bootstrap("debian:nosuchsuite", runner=chroot_runner)
    source = Source("http://deb.debian.org/debian", "bookworm-updates")
    transport = Transport()
    security = Source("http://deb.debian.org/debian-security", "bookworm-security")

    def archive(keyring: str = "debian-archive-keyring", now: float = 0.0, **options: Any) -> Archive:
        return Archive(transport, tmp_path / "cache", keyring, lambda: now or time.time(), newest, **options)

    with pytest.raises(EngineError, match="it expired"):
        archive(now=time.time() + 400 * 86400).release(security)
    archive(now=time.time() + 400 * 86400, allow_expired=True).release(security)
    # true and valid, but one that was newer has been seen
    seen = {"Origin": "Debian", "Label": "Debian-Security", "Codename": "bookworm-security"}
    newest.check(identity(seen), datetime.now(UTC), "", allow_older=False)
    with pytest.raises(EngineError, match=r"but one of .* has been seen"):
        archive().release(security)
    archive(allow_expired=True).release(security)
    with pytest.raises(EngineError, match="says nothing about its validity"):
        archive(now=time.time() + 1000 * 86400).release(Source("http://deb.debian.org/debian", "bookworm"))
    with pytest.raises(EngineError, match="from the future"):
        archive(now=1_000_000_000.0).release(source)
    with pytest.raises(EngineError, match=r"the signature is not good \(unknown key"):
        archive("ubuntu-archive-keyring").release(source)
    real = Archive._fetch
    monkeypatch.setattr(
        Archive, "_fetch", lambda self, *a: (real(self, *a) or b"").replace(b"Origin: Debian", b"Origin: Debiax")
    )
    with pytest.raises(EngineError, match=r"the signature is not good \(bad signature"):
        archive().release(source)
    monkeypatch.setattr(Archive, "_fetch", real)
    monkeypatch.setattr(archive_module.shutil, "which", lambda name: None)
    with pytest.raises(EngineError, match="gpgv is needed"):
        archive().release(source)
    monkeypatch.undo()
    with pytest.raises(EngineError, match="not for bookworm-updates"):
        monkeypatch.setattr(
            Archive,
            "_fetch",
            lambda self, url, largest: real(self, url.replace("bookworm-updates", "bookworm"), largest),
        )
        archive().release(source)
    transport.close()


def test_damaged_downloads_are_refused(newest: NewestDates, tmp_path: Path) -> None:
    transport = Transport()
    archive = Archive(transport, tmp_path / "cache", "debian-archive-keyring", time.time, newest)
    release = archive.release(Source("http://deb.debian.org/debian", "bookworm-updates"))
    digest, size = release.files["main/binary-amd64/Packages.xz"]
    url = "http://deb.debian.org/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz"
    for wrong, length in (("0" * 64, size), (digest, size + 1), (digest, size - 1)):
        with pytest.raises(EngineError, match="does not match the signed index"):
            archive.file([url], wrong, length)
    assert archive.file([url], digest, size).stat().st_size == size
    (tmp_path / "cache" / digest).write_bytes(b"rotten")
    assert archive.file([url], digest, size).stat().st_size == size
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [digest]
    transport.close()
