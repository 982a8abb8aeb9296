"""`login` and `logout`: what is kept, where, and who may read it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pycompose.compose.cli.login import server_key
from pycompose.compose.credential_store import configuration_file, forget, keep
from pycompose.compose.credentials import DOCKER_HUB, all_registries, registry_auth
from pycompose.compose.errors import OperationError


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker"


def _auth(image: str) -> dict[str, str]:
    header = registry_auth(image)
    assert header is not None
    decoded: dict[str, str] = json.loads(base64.urlsafe_b64decode(header))
    return decoded


def test_kept_beside_what_was_there(directory: Path) -> None:
    directory.mkdir()
    (directory / "config.json").write_text('{"psFormat": "x"}')
    assert keep("reg.example:5000", "me", "s:cret") == configuration_file()
    tree = json.loads((directory / "config.json").read_text())
    assert tree == {"psFormat": "x", "auths": {"reg.example:5000": {"auth": "bWU6czpjcmV0"}}}
    assert (directory / "config.json").stat().st_mode & 0o777 == 0o600
    assert _auth("reg.example:5000/a/b")["password"] == "s:cret"
    forget("reg.example:5000")
    assert registry_auth("reg.example:5000/a/b") is None
    assert json.loads((directory / "config.json").read_text())["psFormat"] == "x"


def test_identity_token_instead_of_the_password() -> None:
    keep(DOCKER_HUB, "me", "secret", "token")
    assert "secret" not in Path(configuration_file()).read_text()
    assert _auth("busybox")["identitytoken"] == "token"


def test_helper(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-fake"
    helper.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/calls\ncat >> {tmp_path}/calls\necho >> {tmp_path}/calls\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    directory.mkdir()
    (directory / "config.json").write_text('{"credsStore": "fake"}')
    assert keep("reg.example", "me", "pw") is None
    assert json.loads((directory / "config.json").read_text())["auths"] == {"reg.example": {}}
    forget("reg.example")
    verb, stored, erase, host = (tmp_path / "calls").read_text().splitlines()
    assert (verb, erase, host) == ("store", "erase", "reg.example")
    assert json.loads(stored) == {"ServerURL": "reg.example", "Username": "me", "Secret": "pw"}
    assert "pw" not in (directory / "config.json").read_text()


def test_missing_helper_and_broken_file(directory: Path) -> None:
    directory.mkdir()
    (directory / "config.json").write_text('{"credsStore": "nosuchhelper"}')
    with pytest.raises(OperationError, match="nosuchhelper"):
        keep("reg.example", "me", "pw")
    with pytest.raises(OperationError, match=r"docker-credential-nosuchhelper: executable file not found"):
        registry_auth("reg.example/a")
    assert all_registries() is None
    (directory / "config.json").write_text("{")
    with pytest.raises(OperationError, match=r"config\.json"):
        keep("reg.example", "me", "pw")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", DOCKER_HUB),
        ("docker.io", DOCKER_HUB),
        ("https://index.docker.io/v1/", DOCKER_HUB),
        ("https://reg.example:5000/v2/", "reg.example:5000"),
        ("reg.example", "reg.example"),
    ],
)
def test_server_keys(text: str, key: str) -> None:
    assert server_key(text) == key
