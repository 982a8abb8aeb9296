"""What passes a bound gets one line, soon and in little memory: archives, documents and Dockerfiles that try to grow."""

from __future__ import annotations

import ast
import io
import re
import tarfile
import time
import tracemalloc
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine import bounds
from pycompose.engine.build.dockerfile import DockerfileError, parse
from pycompose.engine.build.dockerfile.arguments import ArgumentError
from pycompose.engine.build.dockerfile.words import Budget, ExpansionError, expand
from pycompose.engine.build.plan import global_arguments
from pycompose.engine.build.state import ImageState
from pycompose.engine.errors import InvalidParameter
from pycompose.engine.images import manifest
from pycompose.engine.images.changes import apply_changes
from pycompose.engine.images.pack import header, pack
from pycompose.engine.images.tarstream import Limits, TarError, TarReader
from pycompose.engine.images.types import Platform
from pycompose.grammar.ignore import Ignore, PatternError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


def test_a_layer_of_holes_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A build step may leave a file of petabytes that takes no room, and whose archive would take weeks."""
    sizes = bounds.TAR_CONTENT // 2 + 1
    for name in ("a", "b"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(sizes)
    found = 0

    class Enough(Exception):
        pass

    def count(piece: bytes | bytearray) -> None:
        nonlocal found
        found += len(piece)
        if found > 1 << 26:
            raise Enough

    with pytest.raises(Enough):  # one of them may be
        pack(tmp_path, count, layer=True)
    (tmp_path / "a").unlink()
    with (tmp_path / "b").open("r+b") as shorter:
        shorter.truncate(bounds.TAR_CONTENT + 1)
    found = 0
    with pytest.raises(TarError, match="larger"):
        pack(tmp_path, count, layer=True)


def test_bounds_of_protocols_are_what_the_documentation_says() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    rows = re.findall(r"^\| `([a-z_0-9.]+)\.([A-Z_]+)` \| ([0-9,]+) \|", text, re.MULTILINE)
    assert len(rows) > 10
    for module, name, value in rows:
        assert f"{getattr(import_module(f'pycompose.engine.{module}'), name):,}" == value, (module, name)


def test_every_test_that_the_documentation_names_exists() -> None:
    """``…::test_name`` is in the file that the row, or the one before, has named."""
    text = (ROOT / "docs" / "security.md").read_text()
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`(?:tests/kernel/)?(test_\w+\.py|…)(?:::(test_\w+)(…)?)?`", text)
    assert len(named) > 40
    file = ""
    for name, test, begins in named:
        file = file if name == "…" else name
        assert file in sources, name
        pattern = f"def {test}" if begins else f"def {test}\\("
        assert not test or re.search(pattern, sources[file]), (file, test)


@contextmanager
def within(seconds: float, megabytes: float = 0) -> Iterator[None]:
    """A generous roof over what took minutes, or (which slows all down) hundreds of megabytes."""
    if megabytes:
        tracemalloc.start()
    begun = time.process_time()
    try:
        yield
        assert time.process_time() - begun < seconds
        if megabytes:
            assert tracemalloc.get_traced_memory()[1] < megabytes * bounds.MIB
    finally:
        tracemalloc.stop()


def test_every_bound_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    tree = ast.parse((ROOT / "engine" / "bounds.py").read_text())
    names = [node.targets[0].id for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]  # fmt: skip
    missing = [name for name in names if name != "MIB" and f"| `{name}` | {getattr(bounds, name):,} |" not in text]
    assert missing == []
    # And what is in the table exists.
    listed = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `") and line.split("`")[1].isupper()]  # fmt: skip
    assert sorted(listed) == sorted(set(names) - {"MIB"})


# archives ------------------------------------------------------------------------------------------------------------
def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n"
    size = len(body) + 1
    while len(str(size)) + len(body) != size:
        size += 1
    return f"{size}{body}".encode()


def extended(kind: bytes, *records: tuple[str, str]) -> bytes:
    body = b"".join(record(*one) for one in records)
    return header(b"x", 0o644, len(body), kind) + body + bytes(-len(body) % 512)


def read(source: Any, limits: Limits | None = None) -> int:
    return sum(1 for _ in TarReader(source, limits))


def test_global_headers_do_not_pile_up() -> None:
    def source() -> Iterator[bytes]:
        for number in range(400):
            for part in range(2):
                yield extended(b"g", (f"SCHILY.xattr.user.{number}.{part}", "x" * 100_000))
            yield header(b"f", 0o644, 0, b"0")

    with within(20, 20):
        assert read(source()) == 400


def test_extended_headers_of_one_member_have_one_bound() -> None:
    parts = [extended(b"x", (f"SCHILY.xattr.user.{number}", "x" * 200_000)) for number in range(20)]
    with within(10, 20), pytest.raises(TarError, match="extended header of"):
        read([*parts, header(b"f", 0o644, 0, b"0")])


def test_names_together_have_a_bound() -> None:
    limits = Limits(names=10_000)
    with pytest.raises(TarError, match="bytes of names"):
        read((header(b"n" * 90, 0o644, 0, b"0") for _ in range(1000)), limits)


def test_what_follows_the_end_has_a_bound() -> None:
    with within(10, 20), pytest.raises(TarError, match="after its end"):
        read(bytes(1 << 20) for _ in range(1 << 20))


@pytest.mark.parametrize("value", ["9" * 20, "-" + "9" * 18, "99999999999.5"])
def test_impossible_times_become_none(value: str) -> None:
    reader = TarReader([extended(b"x", ("mtime", value)), header(b"f", 0o644, 0, b"0")])
    assert [entry.mtime for entry in reader] == [0]


@pytest.mark.parametrize(
    "records",
    [
        (("uid", "9" * 21),),
        (("size", "-1"),),
        (("SCHILY.xattr.user.a\0b", "x"),),
        (("path", "a\0b"),),
        (("GNU.sparse.map", "0,1," * 10 + "x"), ("GNU.sparse.size", "5")),
        (("GNU.sparse.map", "0,99999999999999999999"), ("GNU.sparse.size", "5")),
    ],
)
def test_extended_headers_that_lie(records: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(TarError):
        read([extended(b"x", *records), header(b"f", 0o644, 0, b"0")])


def test_numbers_in_base_256() -> None:
    block = bytearray(header(b"f", 0o644, 0, b"0"))
    block[136:148] = b"\x80" + b"\xff" * 11  # the time
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert [entry.mtime for entry in TarReader([bytes(block)])] == [0]


# documents -----------------------------------------------------------------------------------------------------------
def test_an_index_that_is_a_manifest_too_is_refused() -> None:
    """CVE-2021-41190: two readers must not see two images in one digest."""
    item = {
        "mediaType": manifest.OCI_MANIFEST,
        "digest": "sha256:" + "a" * 64,
        "size": 1,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    for name in ("config", "layers", "fsLayers"):
        value = {"schemaVersion": 2, "mediaType": manifest.OCI_INDEX, "manifests": [item], name: []}
        with pytest.raises(manifest.InvalidManifest, match="both an index and a manifest"):
            manifest.select(value, Platform("linux", "amd64"), "x")


def test_deep_documents_are_refused() -> None:
    for text in (b"[" * 100_000, b'{"a":' * 100_000):
        with within(5, 50), pytest.raises(manifest.InvalidManifest):
            manifest.document(text, "the manifest")


@pytest.mark.parametrize("change", ["VOLUME [", "CMD " + "[" * 100_000, "VOLUME " + "[" * 100_000])
def test_changes_that_are_no_json(change: str) -> None:
    assert apply_changes({}, [change])


def test_changes_that_are_json_of_another_kind() -> None:
    with pytest.raises(InvalidParameter, match="arrays must be comprised of strings only"):
        apply_changes({}, ['VOLUME ["a", 1]'])


# Dockerfiles ---------------------------------------------------------------------------------------------------------
def test_variables_that_double() -> None:
    with within(10):
        value = "x" * 100
        with pytest.raises(ExpansionError, match="more than") as error:
            for _ in range(30):
                value = expand("$a$a", {"a": value}).text
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 2000


def test_a_build_has_a_budget() -> None:
    budget = Budget(1000)
    with pytest.raises(ExpansionError, match="texts of this build"):
        for _ in range(100):
            expand("$a", {"a": "x" * 100}, budget=budget)


def test_arguments_before_from_that_double() -> None:
    text = "ARG a=xxxxxxxxxxxxxxxx\n" + "ARG a=$a$a\n" * 40 + "FROM scratch\n"
    with within(10), pytest.raises(DockerfileError, match="more than") as error:
        global_arguments(parse(text), {}, {})
    assert error.value.span is not None and error.value.span.first > 10


def test_variables_within_each_other() -> None:
    deep = "${a:-" * 5000 + "x" + "}" * 5000
    with pytest.raises(ExpansionError, match="within each other"):
        expand(deep, {})
    assert expand("${a:-" * 60 + "x" + "}" * 60, {}).text == "x"


@pytest.mark.parametrize(
    "text", ["${x##*a*a*a*a*a*a*b}", "${x%%*a*a*a*a*a*a*b}", "${x//a*a*a*a*a*a*b/c}", "${x/*a*a*a*a*b/c}"]
)
def test_patterns_that_try_every_way(text: str) -> None:
    with within(10):
        try:
            assert expand(text, {"x": "a" * 20_000}).text == "a" * 20_000
        except ExpansionError as error:
            assert "steps" in str(error)


def test_ignore_patterns_that_try_every_way() -> None:
    with within(10):
        ignore = Ignore(["*a" * 20 + "*b", "a/**/" * 20 + "b", "**/*a*a*a*a*a*a*a*a*b"])
        assert not ignore.ignores("a" * 255)
        assert not ignore.ignores("a/" * 250 + "a")
        assert ignore.ignores("a" * 200 + "b")
        assert ignore.ignores("a/" * 100 + "b")


def test_ignore_files_that_are_too_much() -> None:
    with pytest.raises(PatternError, match="characters"):
        Ignore(["a" * (bounds.PATTERN + 1)])
    with pytest.raises(PatternError, match="patterns"):
        Ignore(["a"] * (bounds.PATTERNS + 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM scratch\n" * (bounds.STAGES + 1), "stages"),
        ("FROM scratch\n" + "USER a\n" * (bounds.INSTRUCTIONS + 1), "instructions"),
        ("FROM scratch\nRUN " + "<<A " * (bounds.HEREDOCS + 1) + "\nA\n" * (bounds.HEREDOCS + 1), "here-documents"),
        ("FROM scratch\nRUN " + "x" * 70_000, "line greater"),
        ("#" * (bounds.DOCKERFILE + 1), "larger"),
    ],
)
def test_dockerfiles_that_are_too_much(text: str, words: str) -> None:
    with within(10), pytest.raises(DockerfileError, match=words):
        parse(text)


def test_many_comments_take_their_length() -> None:
    with within(20):
        parse("#a\n" * 400_000 + "FROM scratch\n")


def test_the_history_has_a_bound() -> None:
    state = ImageState()
    with pytest.raises(ArgumentError, match="history"):
        for _ in range(100):
            state.set_user("x" * 200_000)


def test_an_archive_of_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pycompose.engine.images.load import Spool

    monkeypatch.setattr(bounds, "ARCHIVE_FILES", 10)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(20):
            tar.addfile(tarfile.TarInfo(str(number)))
    with pytest.raises(InvalidParameter, match="more than 10 files"), Spool(tmp_path / "spool", None) as spool:
        spool.read([out.getvalue()])
    assert not (tmp_path / "spool").exists()


def test_json_nested_without_end() -> None:
    from pycompose.engine.shapes import decode

    with pytest.raises(ValueError, match="nested too deeply"):
        decode("[" * 100_000)
