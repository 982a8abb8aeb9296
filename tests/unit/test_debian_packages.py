"""Debian versions, package indexes and the choice of the minimal base; image names that stand for a suite."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycompose.engine.errors import EngineError, InvalidParameter
from pycompose.engine.images import reference
from pycompose.engine.images.bootstrap import configuration, version
from pycompose.engine.images.bootstrap.archive import verify
from pycompose.engine.images.bootstrap.packages import Index, fields, minimal
from pycompose.engine.images.bootstrap.suites import DEBIAN, distribution

if TYPE_CHECKING:
    from pathlib import Path

# In ascending order; deb-version(7).
ORDER = [
    "0~~",
    "0~",
    "0",
    "0a",
    "0.1-1",
    "0.1-1+b1",
    "0.9",
    "0.10~rc1-1",
    "0.10-0.1",
    "0.10-1~bpo1",
    "0.10-1",
    "0.10-1+deb12u1",
    "0.10-1.1",
    "0.10+dfsg-1",
    "1.0a",
    "1.0a1",
    "1.0+",
    "1.0.",
    "1:0.1",
]


def test_version_order() -> None:
    assert sorted(ORDER, key=version.key) == ORDER
    assert sorted(reversed(ORDER), key=version.key) == ORDER


_VERSION = st.from_regex(r"\A(?:[0-2]:)?[0-9][0-9a-c.+~]{0,5}(?:-[0-9a-c.+~]{1,4})?\Z")


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="compares with dpkg")
@settings(max_examples=40, deadline=None)
@given(_VERSION, _VERSION)
def test_version_order_is_dpkgs(left: str, right: str) -> None:
    for relation, word in (("<<", "lt"), ("=", "eq"), (">=", "ge")):
        code = subprocess.run(["dpkg", "--compare-versions", left, word, right], capture_output=True).returncode
        assert version.satisfies(left, relation, right) == (code == 0), (left, relation, right)


def stanza(name: str, number: str = "1", **values: str) -> str:
    lines = [f"Package: {name}", f"Version: {number}"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in values.items()]
    return "\n".join([*lines, f"Filename: pool/{name}_{number}.deb", "Size: 1", f"SHA256: {'0' * 64}"])


def index(*texts: str) -> Index:
    made = Index()
    made.add(("\n\n".join(texts) + "\n").encode(), "http://mirror")
    return made


def names(made: Index, *extra: str) -> list[str]:
    return [package.name for package in minimal(made, extra)]


def test_essential_required_and_their_dependencies() -> None:
    made = index(
        stanza("a", Essential="yes", Pre_Depends="libc (>= 1)", Depends="data"),
        stanza("b", Priority="required", Depends="missing | c (>= 2) | d"),
        stanza("c", "1"),
        stanza("d"),
        stanza("e", Priority="optional"),
        stanza("libc", "1.5"),
        stanza("data", Recommends="e"),
    )
    assert names(made) == ["a", "b", "d", "data", "libc"]


def test_alternatives_prefer_what_is_chosen_already() -> None:
    made = index(
        stanza("a", Essential="yes", Depends="usrmerge | usr-is-merged"),
        stanza("usrmerge", Depends="perl"),
        stanza("usr-is-merged"),
        stanza("perl"),
    )
    assert names(made, "usr-is-merged") == ["a", "usr-is-merged"]
    assert names(made) == ["a", "perl", "usrmerge"]


def test_virtual_packages() -> None:
    made = index(
        stanza("a", Essential="yes", Depends="awk, libz (>= 2)"),
        stanza("mawk", Provides="awk"),
        stanza("libz-old", Provides="libz (= 1)"),
        stanza("libz-new", Provides="libz (= 2)"),
    )
    assert names(made) == ["a", "libz-new", "mawk"]


def test_newest_version_of_all_suites_counts() -> None:
    made = index(stanza("a", "1", Priority="required", Depends="x"), stanza("x"))
    made.add(stanza("a", "1+deb12u1", Priority="required").encode(), "http://security")
    (package,) = minimal(made, ())
    assert (package.version, package.mirror) == ("1+deb12u1", "http://security")
    made.add(stanza("a", "2", Priority="optional").encode(), "http://updates")
    assert minimal(made, ()) == []


def test_unsatisfiable() -> None:
    with pytest.raises(EngineError, match="package a: nothing satisfies b"):
        names(index(stanza("a", Essential="yes", Depends="b (>> 3)"), stanza("b", "3")))
    with pytest.raises(EngineError, match="package apt is in none"):
        names(index(stanza("a", Essential="yes")), "apt")


def test_fields_keep_continuations() -> None:
    assert fields("A: 1\nB:\n x\n y\nC: z\n") == {"A": "1", "B": "x\n y", "C": "z"}


@pytest.mark.parametrize(
    ("name", "suite", "slim", "suites"),
    [
        ("debian:bookworm-slim", "bookworm", True, ["bookworm", "bookworm-updates", "bookworm-security"]),
        ("debian:12", "bookworm", False, ["bookworm", "bookworm-updates", "bookworm-security"]),
        ("debian", "stable", False, ["stable", "stable-updates", "stable-security"]),
        ("debian:stable-slim", "stable", True, ["stable", "stable-updates", "stable-security"]),
        ("debian:sid", "sid", False, ["sid"]),
        ("ubuntu:24.04", "noble", False, ["noble", "noble-updates", "noble-security"]),
        ("docker.io/library/ubuntu:jammy", "jammy", False, ["jammy", "jammy-updates", "jammy-security"]),
    ],
)
def test_names_of_suites(name: str, suite: str, slim: bool, suites: list[str]) -> None:
    found = distribution(reference.parse(name), "amd64", None, {})
    assert (found.suite, found.slim) == (suite, slim)
    assert [source.suite for source in found.sources] == suites


def test_mirrors() -> None:
    name = reference.parse("debian:trixie")
    found = distribution(name, "amd64", None, {"PYCOMPOSE_DEBIAN_MIRROR": "http://near/debian/"})
    assert [source.mirror for source in found.sources] == ["http://near/debian"] * 2 + ["http://near/debian-security"]
    assert distribution(name, "amd64", "http://other/x", {}).sources[0].mirror == "http://other/x"
    assert distribution(name, "amd64", None, {}).sources[0].mirror == DEBIAN
    assert "ports.ubuntu.com" in distribution(reference.parse("ubuntu:noble"), "arm64", None, {}).sources[0].mirror


@pytest.mark.parametrize("name", ["alpine", "user/debian:12", "registry.example/debian:12", "debian:bookworm-20240101"])
def test_names_that_no_archive_stands_for(name: str) -> None:
    with pytest.raises(InvalidParameter, match="cannot bootstrap"):
        distribution(reference.parse(name), "amd64", None, {})


def test_slim_leaves_out_documentation() -> None:
    leave = configuration.excluded(True)
    assert leave("/usr/share/doc/apt/changelog.gz") and leave("/usr/share/man/man1/ls.1.gz")
    assert leave("/usr/share/locale/de/LC_MESSAGES/apt.mo")
    assert not leave("/usr/share/doc/apt/copyright") and not leave("/usr/bin/man") and not leave("/usr/share/doc")
    assert not configuration.excluded(False)("/usr/share/man/man1/ls.1.gz")


def test_sources_text() -> None:
    found = distribution(reference.parse("debian:bookworm"), "amd64", None, {})
    text = configuration.sources_text(found, found.sources, "/usr/share/keyrings/debian-archive-keyring.gpg")
    assert "Suites: bookworm bookworm-updates\n" in text
    assert "URIs: http://deb.debian.org/debian-security\nSuites: bookworm-security\n" in text


@pytest.mark.skipif(shutil.which("gpgv") is None, reason="needs gpgv")
def test_what_is_not_signed_is_refused(tmp_path: Path) -> None:
    keyring = tmp_path / "ring.gpg"
    keyring.write_bytes(b"")
    unsigned = b"Origin: Debian\nSuite: stable\n"
    framed = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + unsigned
    for document in (unsigned, b"x\n" + framed, framed + framed):
        with pytest.raises(EngineError, match="not one signed document"):
            verify(document, keyring, "InRelease")
    with pytest.raises(EngineError, match="the signature is not good"):
        verify(framed + b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", keyring, "InRelease")
    with pytest.raises(EngineError, match=r"keyring .* is missing"):
        verify(framed, tmp_path / "none.gpg", "InRelease")
