from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.runtime.users import MAX_ID, Identity, UserError, resolve

PASSWD = b"""root:x:0:0:root:/root:/bin/bash
# a comment
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
damaged:x:zero:0::/:/bin/sh
mysql:x:999:999::/nonexistent:/bin/false
homeless:x:1000:1000
1000:x:5000:5000:a name of digits:/digits:/bin/sh
+::::::
"""
GROUP = b"""root:x:0:
adm:x:4:www-data, mysql
audio:x:29:
www-data:x:33:
ssl:x:110:www-data
staff:x:50:root,www-data
"""


@pytest.mark.parametrize(
    ("spec", "identity"),
    [
        ("", Identity(0, 0, (0, 50), "/root", "root")),
        ("root", Identity(0, 0, (0, 50), "/root", "root")),
        ("33", Identity(33, 33, (33, 4, 110, 50), "/var/www", "www-data")),
        ("www-data", Identity(33, 33, (33, 4, 110, 50), "/var/www", "www-data")),
        ("www-data:", Identity(33, 33, (33, 4, 110, 50), "/var/www", "www-data")),
        ("www-data:audio", Identity(33, 29, (29,), "/var/www", "www-data")),
        ("www-data:1234", Identity(33, 1234, (1234,), "/var/www", "www-data")),
        ("4242", Identity(4242, 0, (0,), "/", "")),
        ("4242:4243", Identity(4242, 4243, (4243,), "/", "")),
        (":audio", Identity(0, 29, (29,), "/root", "root")),
        ("homeless", Identity(1000, 1000, (1000,), "/", "homeless")),
        ("1000", Identity(1000, 1000, (1000,), "/", "homeless")),
    ],
)
def test_resolve(spec: str, identity: Identity) -> None:
    assert resolve(spec, PASSWD, GROUP) == identity


def test_additional_groups() -> None:
    found = resolve("mysql", PASSWD, GROUP, ["audio", "44", "adm"])
    assert found.groups == (999, 4, 29, 44)
    assert resolve("mysql:0", PASSWD, GROUP, ["audio"]).groups == (0, 29)


@pytest.mark.parametrize(
    ("spec", "additional", "message"),
    [
        ("foo", [], "unable to find user foo: no matching entries in passwd file"),
        ("damaged", [], "unable to find user damaged: no matching entries in passwd file"),
        ("root:foo", [], "unable to find group foo: no matching entries in group file"),
        ("root", ["foo"], "Unable to find group foo: no matching entries in group file"),
        ("-1", [], f"uids and gids must be in range 0-{MAX_ID}"),
        ("2147483648", [], f"uids and gids must be in range 0-{MAX_ID}"),
        ("9" * 5000, [], f"uids and gids must be in range 0-{MAX_ID}"),
        ("0:4294967296", [], f"uids and gids must be in range 0-{MAX_ID}"),
    ],
)
def test_errors(spec: str, additional: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(spec, PASSWD, GROUP, additional)
    assert str(caught.value) == message


def test_no_files_at_all() -> None:
    assert resolve("", b"", b"") == Identity(0, 0, (0,), "/", "")
    assert resolve("7:8", b"", b"") == Identity(7, 8, (8,), "/", "")


@given(st.binary(max_size=400), st.binary(max_size=400), st.text(max_size=12))
def test_hostile_files_give_an_identity_or_one_error(passwd: bytes, group: bytes, spec: str) -> None:
    try:
        found = resolve(spec, passwd, group)
    except UserError:
        return
    assert 0 <= found.uid <= MAX_ID
    assert all(0 <= gid <= MAX_ID for gid in found.groups)
