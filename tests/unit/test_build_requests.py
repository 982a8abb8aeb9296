"""What is sent to have a service built: the query and the tar of POST /build, and the body of our own engine's call."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.scripted_engine import Exchange, ScriptedEngine

from pycompose.compose.build import build_service
from pycompose.compose.errors import OperationError
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.compose.build.trees import BuildFlags
    from pycompose.compose.model import Project

SERVICE = """
services:
  web:
    build:
      context: ./src
      args: [A=1, FROM_SHELL]
      labels: {l: m}
      shm_size: 64m
      extra_hosts: ["h=1.2.3.4"]
      network: host
      target: last
      cache_from: ["registry.example/app", "type=registry,ref=other", "type=local,src=cache"]
      ulimits: {nofile: {soft: 1, hard: 2}}
      platforms: [linux/arm64, linux/amd64]
      tags: [extra]
"""
FLAGS: BuildFlags = {"pull": True, "args": {"B": "2"}, "memory": 1 << 20}
ARGUMENTS = {"A": "1", "B": "2", "FROM_SHELL": "yes"}


def project(directory: Path, text: str = SERVICE) -> Project:
    (directory / "src").mkdir()
    (directory / "src" / "Dockerfile").write_text("FROM scratch\n")
    (directory / "compose.yaml").write_text(text)
    environment = {"HOME": "/", "FROM_SHELL": "yes"}
    return load_project(LoadOptions(environment=environment, cwd=directory, project_name="demo"), cached=False)


def built(directory: Path, server: str, flags: BuildFlags, text: str = SERVICE) -> tuple[Exchange, str]:
    """The request for the build, and what was said meanwhile."""
    said: list[str] = []

    def answer(one: Exchange) -> None:
        if one.path == "/version":
            one.json({"Os": "linux", "Arch": "amd64"})
        else:
            one.chunked([b'{"stream": "Step 1/1 : FROM scratch\\n"}\n', b'{"aux": {"ID": "sha256:1"}}\n'])

    with ScriptedEngine(directory, answer, server=server) as engine:
        assert build_service(engine.client(), project(directory, text), "web", flags, said.append) == "sha256:1"
        return next(one for one in engine.requests if one.path.endswith("/build")), "".join(said)


def test_another_engine_gets_a_query_and_a_tar(tmp_path: Path) -> None:
    request, said = built(tmp_path, "Docker/28", FLAGS)
    query = parse_qs(urlsplit(request.target).query)
    assert json.loads(query["buildargs"][0]) == ARGUMENTS
    assert json.loads(query["labels"][0])["l"] == "m"
    assert json.loads(query["cachefrom"][0]) == ["registry.example/app", "other"]
    assert json.loads(query["ulimits"][0]) == [{"Name": "nofile", "Soft": 1, "Hard": 2}]
    plain = {key: query[key] for key in ("t", "shmsize", "memory", "platform", "extrahosts", "networkmode", "target")}
    assert plain == {
        "t": ["demo-web", "extra"],
        "shmsize": ["67108864"],
        "memory": ["1048576"],
        "platform": ["linux/amd64"],
        "extrahosts": ["h:1.2.3.4"],
        "networkmode": ["host"],
        "target": ["last"],
    }
    assert "pull" in query and "nocache" not in query
    with tarfile.open(fileobj=io.BytesIO(request.body)) as tar:
        assert "Dockerfile" in tar.getnames()
    assert "linux/amd64, without linux/arm64" in said


def test_our_engine_gets_the_section(tmp_path: Path) -> None:
    request, _ = built(tmp_path, "pycompose/1", FLAGS)
    body: dict[str, Any] = json.loads(request.body)
    assert request.path == "/pycompose/build"
    assert body["context"] == str(tmp_path / "src") and body["args"] == ARGUMENTS
    assert (body["shm_size"], body["memory"], body["platforms"]) == (64 << 20, 1 << 20, ["linux/amd64"])
    assert body["extra_hosts"] == ["h:1.2.3.4"] and body["tags"] == ["demo-web", "extra"]
    assert body["pull"] is True and body["no_cache"] is False
    assert f"type=local,src={tmp_path}/cache" in body["cache_from"]
    assert "secrets" not in body and "output" not in body


def test_what_another_engine_cannot_is_named(tmp_path: Path) -> None:
    text = "services: {web: {build: {context: src, ssh: [default=/a], privileged: true}}}\n"
    with pytest.raises(
        OperationError, match=r"^services\.web\.build: this engine's build call has no ssh, privileged$"
    ):
        built(tmp_path, "Docker/28", {}, text)
