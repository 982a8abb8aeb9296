"""`login` and `logout`: what is kept, where, and who may read it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pycompose.compose.cli.verbs.login import server_key
from pycompose.compose.credentials import docker_config
from pycompose.compose.credentials.lookup import DOCKER_HUB, all_registries, registry_auth, registry_of
from pycompose.compose.credentials.store import configuration_file, forget, keep
from pycompose.compose.errors import OperationError
from pycompose.engine.api.routes.images import auth_from, decode
from pycompose.engine.images.registry import credentials as engine_credentials
from pycompose.engine.images.types import Auth


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


@pytest.mark.parametrize("key", ["R", "https://R", "http://R/v2/", "https://R/v1/", "R/"])
@pytest.mark.parametrize("host", ["reg.example:5000", "docker.io", "index.docker.io"])
def test_every_form_of_a_key(directory: Path, key: str, host: str) -> None:
    directory.mkdir()
    auths = {"other.example": {"auth": "eDp5"}, key.replace("R", host): {"auth": "bWU6czpjcmV0"}}
    (directory / "config.json").write_text(json.dumps({"auths": auths}))
    image = f"{host}/a/b" if "5000" in host else "busybox"
    found = _auth(image)
    assert (found["username"], found["password"], found["serveraddress"]) == ("me", "s:cret", registry_of(image))
    sent = json.loads(base64.urlsafe_b64decode(all_registries() or ""))
    assert sent[registry_of(image)]["password"] == "s:cret"
    domain = "reg.example:5000" if "5000" in host else "docker.io"
    assert engine_credentials.lookup(domain, {"DOCKER_CONFIG": str(directory)}) == Auth("me", "s:cret")


@pytest.mark.parametrize(
    ("entry", "auth"),
    [
        ({"username": "me", "password": "pw"}, Auth("me", "pw")),
        ({"username": "other", "auth": "bWU6cHcA"}, Auth("me", "pw")),
        ({"identitytoken": "id"}, Auth(identity_token="id")),
        ({"registrytoken": "rt"}, Auth(registry_token="rt")),
        ({"auth": "bWU6cHc=", "identitytoken": "id"}, Auth("me", "pw", "id")),
        ({"auth": "%%%"}, None),
        ({}, None),
    ],
)
def test_every_form_of_an_entry(directory: Path, entry: dict[str, str], auth: Auth | None) -> None:
    """As the client sends it and as the engine decodes it, and as the engine reads the file itself."""
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"auths": {"reg.example": entry}}))
    header = registry_auth("reg.example/a")
    assert (auth_from(decode(header)) if header else None) == auth
    assert engine_credentials.lookup("reg.example", {"DOCKER_CONFIG": str(directory)}) == auth


def test_header_that_cannot_be_decoded_has_no_credentials() -> None:
    for text in ("placeholder", "null", "W10=", "%", "e30=", "eyI="):
        assert auth_from(decode(text)) == Auth()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"auths": {', ":1:12: Expecting property name enclosed in double quotes"),
        ("[]", ":1:1: not a JSON object"),
        ('{"proxies": []}', ""),
        ('{"auths": [1]}', ": auths is not a JSON object"),
        ("{}", ""),
    ],
)
def test_file_that_does_not_parse_is_told(directory: Path, text: str, fault: str) -> None:
    directory.mkdir()
    (directory / "config.json").write_text(text)
    found = docker_config.read()
    assert found.fault == (f"{directory}/config.json{fault}" if fault else "")
    assert registry_auth("reg.example/a") is None


def test_proxies_of_the_file(directory: Path) -> None:
    directory.mkdir()
    tree = {
        "proxies": {
            "default": {"httpProxy": "http://proxy.test:3128", "noProxy": "intra.test", "ftpProxy": "", "other": "x"},
            "tcp://far:2375": {"allProxy": "socks5://far"},
            "tcp://none:2375": {},
        }
    }
    (directory / "config.json").write_text(json.dumps(tree))
    assert docker_config.proxies(docker_config.read(), "unix:///run/x") == {
        "HTTP_PROXY": "http://proxy.test:3128", "http_proxy": "http://proxy.test:3128",
        "NO_PROXY": "intra.test", "no_proxy": "intra.test",
    }  # fmt: skip
    assert docker_config.proxies(docker_config.read(), "tcp://far:2375")["all_proxy"] == "socks5://far"
    assert docker_config.proxies(docker_config.read(), "tcp://none:2375") == {}
