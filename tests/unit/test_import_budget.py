"""The quick verbs import nothing heavy: that is what keeps `ps` and `exec` under 60 ms."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    "inspect",
    "random",
    "yaml",
    "jsonschema",
    "networkx",
    "anyio",
    "asyncio",
    "pyroute2",
    "urllib3",
    "http.client",
    "ssl",
    "email",
}

PROGRAM = """
import sys
from pycompose.compose.cli.main import main
main(sys.argv[1:])
print("\\n".join(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["ps"],
        ["logs"],
        ["exec", "web", "true"],
        ["stop"],
        ["ls"],
        ["version"],
        ["--help"],
        ["kill"],
        ["port", "web", "80"],
    ],
    ids=lambda words: words[0],
)
def test_quick_verbs(words: list[str], tmp_path: Path) -> None:
    from support.scripted_engine import Exchange, ScriptedEngine

    (tmp_path / "compose.yaml").write_text("name: demo\nservices:\n  web: {image: x}\n")
    container = {
        "Id": "a" * 64,
        "Names": ["/demo-web-1"],
        "Image": "x",
        "ImageID": "y",
        "State": "running",
        "Status": "Up 1 second",
        "Created": 1,
        "Ports": [{"PrivatePort": 80, "PublicPort": 8080, "IP": "0.0.0.0", "Type": "tcp"}],
        "Labels": {
            "com.docker.compose.project": "demo",
            "com.docker.compose.service": "web",
            "com.docker.compose.oneoff": "False",
        },
    }

    def answer(one: Exchange) -> None:
        if one.path == "/containers/json":
            one.json([container])
        elif one.path.endswith("/logs"):
            one.chunked([b"\1\0\0\0\0\0\0\3hi\n"])
        elif one.path.endswith("/exec"):
            one.json({"Id": "e"}, 201)
        elif one.path == "/exec/e/start":
            one.raw(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            one.connection.close()
        elif one.method == "GET":
            one.json({"Config": {}, "ExitCode": 0})
        else:
            one.empty()

    with ScriptedEngine(tmp_path, answer) as engine:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "-H", f"unix://{engine.path}", *words],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    modules = set(done.stderr.splitlines())
    assert "pycompose.compose.cli.main" in modules, done.stderr
    assert modules & HEAVY == set()
    if words[0] == "ps":
        assert "demo-web-1" in done.stdout
    if words[0] == "port":
        assert done.stdout.strip() == "0.0.0.0:8080"
