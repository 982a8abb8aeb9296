"""The language server: its pure parts, and the whole of it driven by a client over standard input and output."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command import PYCOMPOSE

from pycompose.compose.errors import LoadError
from pycompose.compose.load.pipeline import load_project
from pycompose.compose.lsp import analysis, symbols
from pycompose.compose.lsp.place import key_at, place_at, variable_before

FILE = """\
name: demo
services:
  web:
    image: box
    depends_on:
      - db
    environment:
      MODE: ${MODE:-fast}
    networks: [back]
    volumes:
      - data:/data
      - type: volume
        source: data
        target: /more
    secrets: [key]
  db:
    image: box
    network_mode: "service:web2"
  web2:
    extends: {service: web}
    links: ["db:alias"]
networks:
  back: {}
volumes:
  data: {}
secrets:
  key: {file: ./key}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services:\n  web:\n    |", (("services", "web"), "", True)),
        ("services:\n  web:\n    im|", (("services", "web"), "im", True)),
        ("services:\n  web:\n    image: b|", (("services", "web", "image"), "b", False)),
        ("services:\n  web:\n    depends_on:\n      - |", (("services", "web", "depends_on", 0), "", False)),
        ("services:\n  web:\n    depends_on:\n    - a\n    - b|", (("services", "web", "depends_on", 1), "b", False)),
        ("services:\n  web:\n    ports:\n      - target: 80\n        |", (("services", "web", "ports", 0), "", True)),
        ("services:\n  web:\n    ports:\n      - 80:80\n    im|", (("services", "web"), "im", True)),
        ("services:\n  web:\n    image: x\n  |", (("services",), "", True)),
        ("|", ((), "", True)),
    ],
)
def test_the_place_in_a_half_written_file(text: str, expected: tuple[Any, ...]) -> None:
    before = text.partition("|")[0]
    line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
    assert tuple(place_at(text.replace("|", ""), line, column)) == expected


def test_keys_names_and_variables() -> None:
    assert key_at(FILE, 3) == ("services", "web", "image")
    assert key_at(FILE, 7) == ("services", "web", "environment", "MODE")
    assert variable_before("a: ${DB_", 0, 8) == "DB_"
    assert variable_before("a: $$DB", 0, 5) is None
    keys = {one.name: one.description for one in analysis.keys_at(("services", "web"))}
    assert {"image", "depends_on", "healthcheck"} <= keys.keys() and all(keys.values())
    assert "condition" in {one.name for one in analysis.keys_at(("services", "web", "depends_on", "db"))}
    assert "target" in {one.name for one in analysis.keys_at(("services", "web", "ports", 0))}


def test_occurrences() -> None:
    found = {
        name: [(one.line, one.defines) for one in symbols.symbols(FILE) if (one.kind, one.name) == name]
        for name in (
            ("services", "db"),
            ("services", "web"),
            ("services", "web2"),
            ("volumes", "data"),
            ("secrets", "key"),
        )
    }
    assert found == {
        ("services", "db"): [(5, False), (15, True), (20, False)],
        ("services", "web"): [(2, True), (19, False)],
        ("services", "web2"): [(17, False), (18, True)],
        ("volumes", "data"): [(10, False), (12, False), (24, True)],
        ("secrets", "key"): [(14, False), (26, True)],
    }
    assert symbols.symbols("a: [") == [] and symbols.symbols("{" * 5000) == []


CASES = Path(__file__).parents[1] / "golden" / "compose"


def test_diagnostics_are_those_of_config(tmp_path: Path) -> None:
    """Over every Compose file of the golden tests and of the examples, whole and cut off in the middle."""
    files = sorted({*CASES.rglob("*.y*ml"), *(CASES.parents[2] / "examples").rglob("*.y*ml")})
    assert len(files) >= 60
    for index, file in enumerate(files):
        content = file.read_bytes()
        for cut in (len(content), len(content) * 2 // 3):
            target = tmp_path / f"{index}-{cut}" / "compose.yaml"
            target.parent.mkdir()
            target.write_bytes(content[:cut])
            options = analysis.options_for(str(target), {})
            try:
                expected = [str(one) for one in load_project(options).warnings]
            except LoadError as error:
                expected = [str(one) for one in error.diagnostics]
            # What the editor holds counts, not what is on disk.
            target.write_text("services: {other: {image: x}}\n")
            found = analysis.analyse(str(target), {str(target): content[:cut]}, {})
            assert [str(one.diagnostic) for one in found.findings] == expected, file
            text = content[:cut].decode("utf-8", "replace")
            for line in range(0, text.count("\n") + 1, 5):
                place_at(text, line, 4)
            symbols.symbols(text)


class Client:
    """An editor: messages with their lengths over the pipes of `pycompose lsp`."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [str(PYCOMPOSE), "--root", str(directory / "root"), "lsp"],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        self._notes: list[dict[str, Any]] = []

    def tell(self, method: str, parameters: Any, number: int | None = None) -> None:
        said = {"jsonrpc": "2.0", "method": method, "params": parameters} | ({} if number is None else {"id": number})
        body = json.dumps(said).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def ask(self, method: str, parameters: Any) -> Any:
        self._number += 1
        self.tell(method, parameters, self._number)
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._notes.append(answer)

    def published(self) -> dict[str, Any]:
        """The next findings."""
        while True:
            answer = self._notes.pop(0) if self._notes else self._read()
            if answer.get("method") == "textDocument/publishDiagnostics":
                found: dict[str, Any] = answer["params"]
                return found

    def _read(self) -> dict[str, Any]:
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], 60)
        assert ready, "no answer"
        length = 0
        while (line := out.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        found: dict[str, Any] = json.loads(out.read(length))
        return found

    def close(self) -> int:
        self.ask("shutdown", None)
        self.tell("exit", None)
        code = self._process.wait(timeout=20)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        return code


def test_an_editor_over_standard_input_and_output(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text(FILE)
    (tmp_path / "key").write_text("k")
    (tmp_path / ".env").write_text("MODE=slow\n")
    uri = path.as_uri()
    client = Client(tmp_path)
    able = client.ask("initialize", {"processId": os.getpid(), "rootUri": tmp_path.as_uri(), "capabilities": {}})
    assert {"hoverProvider", "completionProvider", "definitionProvider", "renameProvider", "codeLensProvider"} <= able[
        "capabilities"
    ].keys()
    client.tell("initialized", {})
    document = {"uri": uri, "languageId": "yaml", "version": 1, "text": FILE}
    client.tell("textDocument/didOpen", {"textDocument": document})
    (finding,) = client.published()["diagnostics"]
    assert "web2" in finding["message"]

    def at(line: int, character: int, **more: Any) -> dict[str, Any]:
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}, **more}

    sound = FILE.replace('    network_mode: "service:web2"\n', "")
    change = {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": sound}]}
    client.tell("textDocument/didChange", change)
    assert client.published() == {"uri": uri, "diagnostics": []}
    hover = client.ask("textDocument/hover", at(7, 8))["contents"]["value"]
    assert '"slow"' in hover and "compose.yaml:8:7" in hover and "${MODE:-fast} →" in hover
    items = client.ask("textDocument/completion", at(5, 8))
    assert [one["label"] for one in items] == ["db", "web", "web2"]
    items = client.ask("textDocument/completion", at(7, 15))
    assert next(one for one in items if one["label"] == "MODE")["detail"].endswith(".env:1")
    assert "healthcheck" in [one["label"] for one in client.ask("textDocument/completion", at(3, 4))]
    assert client.ask("textDocument/definition", at(10, 9))["range"]["start"] == {"line": 23, "character": 2}
    edits = client.ask("textDocument/rename", at(15, 3, newName="store"))["changes"][uri]
    assert [one["range"]["start"]["line"] for one in edits] == [5, 15, 19]
    lenses = client.ask("textDocument/codeLens", {"textDocument": {"uri": uri}})
    assert [one["command"]["title"] for one in lenses] == ["not created"] * 3
    broken = {"textDocument": {"uri": uri, "version": 3}, "contentChanges": [{"text": "services:\n  web: {imag: x}\n"}]}
    client.tell("textDocument/didChange", broken)
    (finding,) = client.published()["diagnostics"]
    assert finding["range"]["start"] == {"line": 1, "character": 8} and finding["severity"] == 1
    assert client.close() == 0
    # Looking at files starts no engine.
    assert not (tmp_path / "root").exists()
