"""Image references against Docker's grammar (distribution/reference) and its error words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.compose.credentials.lookup import DOCKER_HUB, registry_of
from pycompose.compose.errors import OperationError
from pycompose.compose.remote.registry import parse_reference
from pycompose.engine.errors import InvalidParameter
from pycompose.engine.images import reference
from pycompose.grammar import references

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("debian", "docker.io/library/debian", "debian"),
        ("debian:12", "docker.io/library/debian:12", "debian:12"),
        ("docker.io/debian", "docker.io/library/debian", "debian"),
        ("index.docker.io/library/debian", "docker.io/library/debian", "debian"),
        ("docker.io/user/app:v1", "docker.io/user/app:v1", "user/app:v1"),
        ("user/app", "docker.io/user/app", "user/app"),
        ("library/debian", "docker.io/library/debian", "debian"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:x", "localhost:5000/app:x", "localhost:5000/app:x"),
        ("registry.example/a/b/c", "registry.example/a/b/c", "registry.example/a/b/c"),
        ("127.0.0.1:5000/a_b/c__d-e:T.a-g", "127.0.0.1:5000/a_b/c__d-e:T.a-g", "127.0.0.1:5000/a_b/c__d-e:T.a-g"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        ("Host/app", "Host/app", "Host/app"),
        ("index.docker.io/debian", "docker.io/library/debian", "debian"),
        ("index.docker.io/user/app:1", "docker.io/user/app:1", "user/app:1"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}", f"debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}", f"debian:12@{DIGEST}"),
        ("docker.io/a/b/c", "docker.io/a/b/c", "a/b/c"),
    ],
)
def test_canonical_and_familiar(text: str, canonical: str, familiar: str) -> None:
    parsed = references.parse(text)
    assert str(parsed) == canonical
    assert parsed.familiar == familiar
    assert references.parse(canonical) == parsed
    assert references.parse(familiar) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("Debian", "repository name (library/Debian) must be lowercase"),
        ("docker.io/Debian:x", "repository name (library/Debian) must be lowercase"),
        ("user/App", "repository name (user/App) must be lowercase"),
        (HEX, "cannot specify 64-byte hexadecimal strings"),
        ("debian:", "invalid reference format"),
        (":12", "invalid reference format"),
        ("debian@sha256:abc", "invalid reference format"),
        ("debian@sha256:" + "a" * 40, "invalid checksum digest length"),
        ("debian@md5:" + "a" * 32, "unsupported digest algorithm"),
        ("a//b", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("debian:" + "x" * 129, "invalid reference format"),
        ("debian:.x", "invalid reference format"),
        ("debian 12", "invalid reference format"),
        ("debian\n", "invalid reference format"),
        ("../../etc", "invalid reference format"),
        ("x/" + "a" * 256, "must not be more than 255 characters"),
        ("café", "invalid reference format"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        references.parse(text)
    assert message in str(caught.value)


def test_default_tag() -> None:
    assert references.parse("debian").with_default_tag.familiar == "debian:latest"
    assert references.parse("debian:12").with_default_tag.familiar == "debian:12"
    assert references.parse(f"debian@{DIGEST}").with_default_tag.tag == ""
    assert references.parse(f"debian@{DIGEST}").version == DIGEST


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parsed = references.parse(text)
    except ValueError:
        return
    assert references.parse(str(parsed)) == parsed
    assert references.parse(parsed.familiar) == parsed


@pytest.mark.parametrize(
    ("text", "digits"), [("abc", "abc"), ("sha256:ab", "ab"), ("xyz", None), ("ABC", None), ("", None)]
)
def test_id_prefix(text: str, digits: str | None) -> None:
    assert references.id_prefix(text) == digits


@pytest.mark.parametrize(
    ("text", "domain", "rest"),
    [
        ("debian:12", "docker.io", "library/debian:12"),
        ("index.docker.io/debian", "docker.io", "library/debian"),
        ("host:5000/a/b", "host:5000", "a/b"),
        ("Host/a", "Host", "a"),
        ("a/b", "docker.io", "a/b"),
    ],
)
def test_domains(text: str, domain: str, rest: str) -> None:
    assert references.split_domain(text) == (domain, rest)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("debian", ("debian", "latest")),
        ("localhost:5000/a", ("localhost:5000/a", "latest")),
        ("localhost:5000/a:b", ("localhost:5000/a", "b")),
        (f"debian:12@{DIGEST}", ("debian:12", DIGEST)),
    ],
)
def test_versions(text: str, version: tuple[str, str]) -> None:
    assert references.split_version(text) == version


def test_both_halves_read_the_same() -> None:
    for text in ("index.docker.io/debian", "debian", "localhost:5000/a:b", f"user/app@{DIGEST}", "Host/app"):
        assert parse_reference(text) == reference.parse(text).with_default_tag
    assert registry_of("index.docker.io/debian") == registry_of("debian") == DOCKER_HUB
    assert registry_of("Host/app") == "Host"
    for text in ("Debian", "a//b", "x/" + "a" * 256):
        with pytest.raises(InvalidParameter, match="invalid ref"):
            reference.parse(text)
        with pytest.raises(OperationError, match="invalid ref"):
            parse_reference(text)
