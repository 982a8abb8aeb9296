"""Image references against Docker's grammar (distribution/reference) and its error words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.errors import InvalidParameter
from pycompose.engine.images import reference

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
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}", f"debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}", f"debian:12@{DIGEST}"),
        ("docker.io/a/b/c", "docker.io/a/b/c", "a/b/c"),
    ],
)
def test_canonical_and_familiar(text: str, canonical: str, familiar: str) -> None:
    parsed = reference.parse(text)
    assert str(parsed) == canonical
    assert parsed.familiar == familiar
    assert reference.parse(canonical) == parsed
    assert reference.parse(familiar) == parsed


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
    with pytest.raises(InvalidParameter) as caught:
        reference.parse(text)
    assert message in str(caught.value)


def test_default_tag() -> None:
    assert reference.parse("debian").with_default_tag.familiar == "debian:latest"
    assert reference.parse("debian:12").with_default_tag.familiar == "debian:12"
    assert reference.parse(f"debian@{DIGEST}").with_default_tag.tag == ""
    assert reference.parse(f"debian@{DIGEST}").version == DIGEST


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parsed = reference.parse(text)
    except InvalidParameter:
        return
    assert reference.parse(str(parsed)) == parsed
    assert reference.parse(parsed.familiar) == parsed


@pytest.mark.parametrize(
    ("text", "digits"), [("abc", "abc"), ("sha256:ab", "ab"), ("xyz", None), ("ABC", None), ("", None)]
)
def test_id_prefix(text: str, digits: str | None) -> None:
    assert reference.id_prefix(text) == digits
