"""A file typed key by key: the server holds what the editor holds, whatever line ends and characters it has, and is never at a loss."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from lsprotocol import types
from support.editor import Client

from pycompose.compose.errors import LoadError
from pycompose.compose.load.pipeline import load_project
from pycompose.compose.lsp import analysis
from pycompose.compose.lsp.positions import edited

if TYPE_CHECKING:
    from pathlib import Path

FACE = "\U0001f600"
TEXT = f"""\
name: demo
services:
  web:
    image: "box{FACE}"
    labels: {{note: "{FACE} a\u2028b\x85c"}}
    depends_on: [db]
  db: {{image: 'box', environment: {{A: "${{HOME}}"}}}}
"""


def _place(text: str, offset: int) -> dict[str, int]:
    """A place as editors tell it, in UTF-16: lines end by the three ends that the protocol has."""
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    last = before.rpartition("\n")[2]
    return {"line": before.count("\n"), "character": len(last.encode("utf-16-le")) // 2}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_edits_go_where_the_editor_means(end: str, encoding: str) -> None:
    text = TEXT.replace("\n", end)
    units = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]

    def place(offset: int) -> types.Position:
        line = text[:offset].count(end)
        last = text[:offset].rpartition(end)[2]
        return types.Position(line, len(last.encode(units)) // size)

    for begin in range(0, len(text) + 1, 3):
        for length in (0, 1, 40):
            stop = min(len(text), begin + length)
            if end == "\r\n" and "\n" in (text[begin : begin + 1], text[stop : stop + 1]):
                continue  # no editor puts its cursor between the two
            change = types.TextDocumentContentChangePartial(types.Range(place(begin), place(stop)), f"<{FACE}>{end}")
            assert edited(text, change, encoding) == f"{text[:begin]}<{FACE}>{end}{text[stop:]}", (begin, stop)
    behind = types.TextDocumentContentChangePartial(types.Range(types.Position(0, 999), types.Position(999, 9)), "!")
    assert edited(text, behind, encoding) == "name: demo!"
    assert edited(text, types.TextDocumentContentChangeWholeDocument("new"), encoding) == "new"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_typed_key_by_key(tmp_path: Path, end: str) -> None:
    """Every beginning of the file is asked about, most of them no YAML; then lines are taken away, and put back."""
    path, whole = tmp_path / "compose.yaml", TEXT.replace("\n", end)
    path.write_text("")
    document: dict[str, Any] = {"uri": path.as_uri()}
    client = Client(tmp_path)
    able = client.ask("initialize", {"processId": os.getpid(), "rootUri": tmp_path.as_uri(), "capabilities": {}})
    sync = able["capabilities"]["textDocumentSync"]
    assert (sync if isinstance(sync, int) else sync["change"]) == types.TextDocumentSyncKind.Incremental
    client.tell("initialized", {})
    client.tell("textDocument/didOpen", {"textDocument": {**document, "languageId": "yaml", "version": 0, "text": ""}})
    held, version = "", 0

    def change(begin: int, stop: int, text: str) -> None:
        nonlocal held, version
        version += 1
        edit = {"range": {"start": _place(held, begin), "end": _place(held, stop)}, "text": text}
        client.tell(
            "textDocument/didChange", {"textDocument": {**document, "version": version}, "contentChanges": [edit]}
        )
        held = held[:begin] + text + held[stop:]

    keys = [end if one == "\n" else one for one in TEXT]
    for number, key in enumerate(keys):
        change(len(held), len(held), key)
        if number % 5 == 0:
            at = {"textDocument": document, "position": _place(held, len(held))}
            for method in ("completion", "hover", "definition"):
                client.ask(f"textDocument/{method}", at)
            client.ask("textDocument/codeLens", {"textDocument": document})
    assert held == whole
    # What is asked for now is answered out of what the editor holds: the name behind the line that has every strange character.
    where = whole.index("db]")
    found = client.ask("textDocument/definition", {"textDocument": document, "position": _place(whole, where)})
    assert found["range"]["start"] == _place(whole, whole.rindex("db: {"))
    begin, stop = whole.index("  db: {"), len(whole)
    change(begin, stop, "")
    _publishes(client, path, held)
    change(begin, begin, whole[begin:stop])
    _publishes(client, path, whole)
    assert client.close() == 0


def _publishes(client: Client, path: Path, text: str) -> None:
    """The findings that come last are those of `config` for this text."""
    path.write_bytes(text.encode())
    try:
        expected = [str(one) for one in load_project(analysis.options_for(str(path), dict(os.environ))).warnings]
    except LoadError as error:
        expected = [str(one) for one in error.diagnostics]
    while [one["message"] for one in client.published()["diagnostics"]] != expected:
        pass  # of an earlier moment of typing; the client's own patience is the limit
