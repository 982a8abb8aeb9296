"""The language server: its pure parts, and the whole of it driven by a client over standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command import PYCOMPOSE
from support.compose_corpus import files as corpus
from support.editor import Client

from pycompose.compose.errors import LoadError
from pycompose.compose.load import schema
from pycompose.compose.load.pipeline import load_project
from pycompose.compose.lsp import analysis, answers, homes, symbols
from pycompose.compose.lsp.family import Family
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
    told = {one.name: one.description for one in analysis.keys_at(("services", "web", "healthcheck"))}
    assert told["interval"].endswith('Default: "30s".') and told["retries"].endswith("Default: 3.")
    assert keys["privileged"].endswith("Default: false.") and "Default" not in keys["image"]
    assert "condition" in {one.name for one in analysis.keys_at(("services", "web", "depends_on", "db"))}
    assert "target" in {one.name for one in analysis.keys_at(("services", "web", "ports", 0))}


def _without_description(node: Any, place: str) -> list[str]:
    """Keys of a schema that say nothing of themselves and refer to nothing that does."""
    if isinstance(node, list):
        return [one for index, child in enumerate(node) for one in _without_description(child, f"{place}/{index}")]
    if not isinstance(node, dict):
        return []
    keys = node.get("properties")
    own = keys.items() if isinstance(keys, dict) else ()
    found = [f"{place}/{name}" for name, child in own if isinstance(child, dict) and not child.get("description")]
    return found + [one for name, child in node.items() for one in _without_description(child, f"{place}/{name}")]


def test_every_key_of_the_schemas_is_described() -> None:
    files = [one for one in schema.directory().glob("*.json") if not one.name.startswith("conformance")]
    assert len(files) >= 12
    for file in files:
        assert _without_description(json.loads(file.read_text()), file.name) == []


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


def test_names_behind_merges_builds_and_jobs() -> None:
    text = """\
x-base: &base
  depends_on: [db]
services:
  web:
    <<: *base
    build: {context: ., additional_contexts: {base: "service:db"}, secrets: [key]}
    volumes_from: ["container:db", db:ro]
    models: [llm]
  db: {}
jobs:
  clean: {image: box, depends_on: {db: {}}}
models: {llm: {}}
secrets: {key: {}}
"""
    found = [(one.kind, one.line, one.defines) for one in symbols.symbols(text) if one.name in ("db", "llm", "key")]
    assert found == [
        ("services", 1, False),
        ("services", 5, False),
        ("secrets", 5, False),
        ("services", 6, False),
        ("models", 7, False),
        ("services", 8, True),
        ("services", 10, False),
        ("models", 11, True),
        ("secrets", 12, True),
    ]
    assert symbols.symbols("# \u2028\x85\nservices: {a: {depends_on: [a]}}\n")[0].line == 1
    assert symbols.symbols("a: &a {<<: *a}\nservices: &s {<<: *s, b: {}}\n")[0].name == "b"


FAMILY = {
    "/p/compose.yaml": "include: [infra/compose.yaml, {path: [more.yml]}]\n"
    "services:\n  web: {extends: {file: base.yml, service: web}, depends_on: [db]}\n  own: {extends: web}\n"
    "networks: {back: {}}\n",
    "/p/compose.override.yaml": "services: {web: {}, db: {}}\n",
    "/p/infra/compose.yaml": "services: {db: {networks: [back]}}\n",
    "/p/more.yml": "services: {mail: {depends_on: [db, web]}}\n",
    "/p/base.yml": "services: {web: {networks: [back], depends_on: [db, helper]}, helper: {}}\n",
    "/q/compose.yaml": "services: {web: {}, db: {}}\n",
}


def test_names_over_files() -> None:
    def places(path: str, line: int, column: int) -> list[tuple[str, int, int]]:
        found = answers.references(FAMILY[path], path, line, column, Family(path, FAMILY))
        return [(one.path, one.symbol.line, one.symbol.start) for one in found]

    web = places("/p/compose.yaml", 2, 2)
    assert web == [
        ("/p/compose.override.yaml", 0, 11),
        ("/p/compose.yaml", 2, 2),
        ("/p/compose.yaml", 3, 17),
        ("/p/more.yml", 0, 35),
    ]
    assert places("/p/more.yml", 0, 35) == web == places("/p/compose.override.yaml", 0, 11)
    base = [("/p/base.yml", 0, 11), ("/p/compose.yaml", 2, 43)]
    assert places("/p/base.yml", 0, 12) == base == places("/p/compose.yaml", 2, 44)
    assert {one[0] for one in places("/p/infra/compose.yaml", 0, 12)} == {
        "/p/base.yml", "/p/compose.yaml", "/p/compose.override.yaml", "/p/infra/compose.yaml", "/p/more.yml",
    }  # fmt: skip
    assert [one[0] for one in places("/p/compose.yaml", 4, 12)] == [
        "/p/base.yml", "/p/compose.yaml", "/p/infra/compose.yaml",
    ]  # fmt: skip
    assert len(places("/q/compose.yaml", 0, 11)) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("store", ""), ("web", ""), ("db", "services.db is there already"), ("a b", "no name"), ("", "no name"),
     ("123", "YAML"), ("no", "YAML"), ("2001-99-99", "YAML"), ("-", "no name"), ("...", "no name")],
)  # fmt: skip
def test_new_names(name: str, words: str) -> None:
    path = "/p/more.yml"
    symbol = symbols.at(FAMILY[path], 0, 36)
    why = answers.refusal(symbol, path, name, Family(path, FAMILY))
    assert words in why and bool(words) == bool(why)


@pytest.mark.parametrize(("encoding", "units"), [("utf-16", 2), ("utf-32", 1), ("utf-8", 4)])
def test_columns_in_units(encoding: str, units: int) -> None:
    from lsprotocol import types

    from pycompose.compose.lsp.positions import Text, normalised

    text = Text(normalised("a\r\n\U0001f600b\rc"), encoding)
    assert text.content == "a\n\U0001f600b\nc"
    columns = [text.column(types.Position(1, one)) for one in (0, units, units + 1, units + 9)]
    assert columns == [0, 1, 2, 2] and text.column(types.Position(9, 3)) == 0
    assert encoding == "utf-32" or text.column(types.Position(1, units - 1)) == 0
    found = text.outward(types.Range(types.Position(1, 1), types.Position(1, 2)))
    assert (found.start.character, found.end.character) == (units, units + 1)


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


CORPUS = 210


@pytest.mark.timeout(900)
def test_an_editor_goes_through_a_corpus(tmp_path: Path) -> None:
    """Findings equal to `config`'s, and an answer to whatever is asked at any place, for files sound and broken."""
    client = Client(tmp_path)
    client.ask("initialize", {"processId": None, "rootUri": tmp_path.as_uri(), "capabilities": {}})
    client.tell("initialized", {})
    sound = 0
    for number, (name, data) in enumerate(corpus(CORPUS)):
        path = tmp_path / name / "compose.yaml"
        path.parent.mkdir()
        path.write_bytes(data)
        try:
            expected = [str(one) for one in load_project(analysis.options_for(str(path), dict(os.environ))).warnings]
            sound += 1
        except LoadError as error:
            expected = [str(one) for one in error.diagnostics]
        text = data.decode("utf-8")
        document = {"uri": path.as_uri()}
        client.tell(
            "textDocument/didOpen", {"textDocument": {**document, "languageId": "yaml", "version": 1, "text": text}}
        )
        found = client.published()
        assert [one["message"] for one in found["diagnostics"]] == expected, name
        lines = text.replace("\r\n", "\n").split("\n")
        for one in found["diagnostics"]:
            start, end = one["range"]["start"], one["range"]["end"]
            assert 0 <= start["line"] < len(lines) and start["character"] < end["character"] + 1, (name, one)
        line = number * 7 % len(lines)
        at = {"textDocument": document, "position": {"line": line, "character": number % (len(lines[line]) + 1)}}
        for method in ("hover", "completion", "definition", "prepareRename"):
            client.ask(f"textDocument/{method}", at)
        client.ask("textDocument/references", {**at, "context": {"includeDeclaration": True}})
        client.answer("textDocument/rename", {**at, "newName": "another"})
        client.ask("textDocument/codeLens", {"textDocument": document})
        client.tell("textDocument/didClose", {"textDocument": document})
        assert client.published()["diagnostics"] == []
        if number % 30 == 0:
            said = subprocess.run(
                [str(PYCOMPOSE), "--file", str(path), "config", "--quiet"], capture_output=True, text=True, check=False
            )
            assert all(one in said.stderr for one in expected) and bool(said.returncode) == (
                any(one["severity"] == 1 for one in found["diagnostics"])
            ), (name, said.stderr)
    assert client.close() == 0
    assert CORPUS // 4 < sound < CORPUS * 3 // 4


def test_the_project_that_a_file_is_part_of(tmp_path: Path) -> None:
    for directory in ("deploy", "parts"):
        (tmp_path / directory).mkdir()
    (tmp_path / ".env").write_text("COMPOSE_FILE=deploy/base.yaml:deploy/prod.yaml\nPART=parts\n")
    base, prod, part = (tmp_path / name for name in ("deploy/base.yaml", "deploy/prod.yaml", "parts/db.yaml"))
    base.write_text("include:\n  - ../${PART}/db.yaml\nservices: {web: {image: x, depends_on: [db]}}\n")
    prod.write_text("services: {web: {image: y, networks: [front]}}\nnetworks: {front: {}}\n")
    part.write_text("services: {db: {image: x}}\n")
    other = tmp_path / "deploy" / "compose.yaml"
    other.write_text("services: {alone: {image: x}}\n")
    # What `config` says at the top: the second file alone would have a service that nobody has defined.
    found = analysis.analyse(str(prod), {}, {})
    assert found.findings == () and found.project is not None and set(found.project.services) == {"web", "db"}
    broken = analysis.analyse(str(base), {str(prod): b"services: {web: {networks: [gone]}}\n"}, {})
    assert [one.is_error for one in broken.findings] == [True] and "gone" in str(broken.findings[0].diagnostic)
    alone = analysis.analyse(str(other), {}, {})
    assert alone.project is not None and set(alone.project.services) == {"alone"}
    assert set(analysis.variables(str(prod), {}, {})) >= {"PART", "COMPOSE_FILE"}
    # Names go over the files that are loaded together, and over one whose name has a variable in it.
    texts = {str(one): one.read_text() for one in (base, prod, part, other)}
    directories = [str(tmp_path), *(str(one.parent) for one in (base, part))]
    family = Family(
        str(part), texts, homes.together(directories, {}), lambda path, name: homes.expanded(path, name, {})
    )
    places = [(one.path, one.symbol.start) for one in answers.references(texts[str(part)], str(part), 0, 12, family)]
    assert places == [(str(base), 40), (str(part), 11)]
    web = answers.references(texts[str(prod)], str(prod), 0, 12, family)
    assert [one.path for one in web] == [str(base), str(prod)]
    link = answers.definition(texts[str(base)], str(base), 1, 8, family, lambda: analysis.Analysis(None, ()))
    assert link is not None and link.uri == part.as_uri()


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


def test_columns_and_names_of_several_files_as_an_editor_sees_them(tmp_path: Path) -> None:
    """UTF-16 columns, renaming in files that are open and in files that are not, and findings once after a burst of keys."""
    face = "\U0001f600"
    texts = {
        "compose.yaml": f"include: [part/db.yaml]\nservices:\n  web: {{image: box, labels: ['{face}'], depends_on: [db]}}\n",
        "part/db.yaml": f"services: {{other: {{image: '{face}{face}'}}, db: {{image: box}}}}\n",
        "alone/compose.yaml": "services: {db: {image: box}}\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    uris = {name: (tmp_path / name).as_uri() for name in texts}
    client = Client(tmp_path)
    client.ask("initialize", {"processId": os.getpid(), "rootUri": tmp_path.as_uri(), "capabilities": {}})
    client.tell("initialized", {})
    main = {"uri": uris["compose.yaml"]}
    document = {**main, "languageId": "yaml", "version": 1, "text": texts["compose.yaml"]}
    client.tell("textDocument/didOpen", {"textDocument": document})
    assert client.published()["diagnostics"] == []

    def units(name: str, line: int, word: str) -> int:
        before = texts[name].splitlines()[line].split(word)[0]
        return len(before.encode("utf-16-le")) // 2

    at = {"textDocument": main, "position": {"line": 2, "character": units("compose.yaml", 2, "db]")}}
    (own,) = client.ask("textDocument/rename", {**at, "newName": "store"})["changes"][uris["compose.yaml"]]
    changes = client.ask("textDocument/rename", {**at, "newName": "store"})["changes"]
    assert changes.keys() == {uris["compose.yaml"], uris["part/db.yaml"]}
    assert own["range"]["start"] == at["position"] == client.ask("textDocument/prepareRename", at)["start"]
    (there,) = changes[uris["part/db.yaml"]]
    assert there["range"]["start"] == {"line": 0, "character": units("part/db.yaml", 0, "db:")}
    found = client.ask("textDocument/definition", at)
    assert found["uri"] == uris["part/db.yaml"] and found["range"] == there["range"]
    places = client.ask("textDocument/references", {**at, "context": {"includeDeclaration": False}})
    assert [one["uri"] for one in places] == [uris["compose.yaml"]]
    assert (
        "services.web is there already"
        in client.answer("textDocument/rename", {**at, "newName": "web"})["error"]["message"]
    )
    for version in range(2, 30):
        text = texts["compose.yaml"].replace("image: box", f"imag{version}: box")
        client.tell(
            "textDocument/didChange", {"textDocument": {**main, "version": version}, "contentChanges": [{"text": text}]}
        )
    (finding,) = client.published()["diagnostics"]
    assert "imag29" in finding["message"]
    client.tell("textDocument/didClose", {"textDocument": main})
    assert client.published() == {**main, "diagnostics": []}
    assert client.close() == 0
