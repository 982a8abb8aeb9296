"""Archives, manifests and Dockerfiles at random: a result or one line, never a crash, a hang or growth.

The default run is short. ``--slow`` gives each half an hour; what it finds is kept by hypothesis (.hypothesis) and shrunk.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pycompose.engine.build.dockerfile import DockerfileError, lint, parse
from pycompose.engine.build.dockerfile.words import ExpansionError, expand
from pycompose.engine.errors import EngineError
from pycompose.engine.images import manifest
from pycompose.engine.images.pack import header
from pycompose.engine.images.tarstream import Limits, TarError, TarReader
from pycompose.engine.images.types import Platform
from pycompose.grammar.ignore import Ignore, PatternError, read_patterns

_HALF_HOUR = 1800.0
_SMALL = Limits(entries=1000, total=1 << 24, file=1 << 24, names=1 << 20, trailer=1 << 20)
quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
long = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))

# Strategies ------------------------------------------------------------------------------------------------------------
_KEYS = ("path", "linkpath", "size", "uid", "gid", "mtime", "GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.offset",
         "GNU.sparse.numbytes", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name", "SCHILY.xattr.user.x")  # fmt: skip


def _extended(records: list[tuple[str, bytes]], lie: int) -> bytes:
    body = b""
    for key, value in records:
        text = b" " + key.encode() + b"=" + value + b"\n"
        body += b"%d%s" % (len(text) + len(str(len(text) + 2)) + lie, text)
    return header(b"x", 0o644, len(body), b"x") + body + bytes(-len(body) % 512)


_records = st.lists(st.tuples(st.sampled_from(_KEYS), st.binary(max_size=40)), max_size=4)
_member = st.builds(
    lambda name, size, kind, content: header(name, 0o644, size, kind) + content,
    st.binary(min_size=1, max_size=99).filter(lambda name: b"\0" not in name),
    st.integers(0, 1 << 40),
    st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"L", b"K", b"g", b"S", b"x", b"Z"]),
    st.binary(max_size=1200),
)
_archive = st.lists(
    st.one_of(_member, st.builds(_extended, _records, st.integers(-1, 1)), st.binary(max_size=600)), max_size=8
)

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("sha256:" + "a" * 64),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["config", "layers", "manifests", "digest", "size", "mediaType", "platform", "os", "architecture",
                         "rootfs", "diff_ids", "history", "Env", "Cmd", "Labels", "schemaVersion", "Healthcheck", "x"]),
        inner, max_size=6),
    max_leaves=25,
)  # fmt: skip

_WORDS = ("FROM", "RUN", "ENV", "ARG", "COPY", "ADD", "ONBUILD", "HEALTHCHECK", "VOLUME", "LABEL", "CMD", "USER", "EXPOSE",
          "scratch", "as", "a=b", "a=$a$a", "${a:-", "${a//", "}", "$", "\\", "\n", "\\\n", "<<EOF", "<<-'E'", "EOF", '"', "'", "[", "]",
          '["a"]', "--mount=", "--from=a", "--chmod=u+x", "type=bind,", "#", "# escape=`\n", "# syntax=x\n", "80-90/tcp", "é", "\0")  # fmt: skip
_dockerfile = st.lists(st.sampled_from(_WORDS) | st.text(max_size=5), max_size=40).map(" ".join)
_pattern = st.lists(
    st.sampled_from(["*", "**", "/", "?", "[a-", "]", "!", "\\", "a", "b", "..", "\n"]), max_size=12
).map("".join)


# What holds of everything ------------------------------------------------------------------------------------------------
def check_archive(pieces: list[bytes]) -> None:
    reader = TarReader(pieces, _SMALL)
    with contextlib.suppress(TarError):
        for entry in reader:
            assert b"\0" not in entry.name
            assert 0 <= entry.size <= 1 << 24
            assert -(1 << 63) <= entry.mtime < 1 << 63
            reader.payload(len)


def check_document(value: Any) -> None:
    platform = Platform("linux", "amd64")
    data = json.dumps(value, allow_nan=True).encode()
    with contextlib.suppress(EngineError):
        found = manifest.document(data, "it")
        kind = manifest.kind(found)
        with contextlib.suppress(EngineError):
            manifest.select(found, platform, "it")
        with contextlib.suppress(EngineError):
            manifest.manifest(found, kind, "it")
        manifest.diff_ids(found, 1, "it")


def check_dockerfile(text: str) -> None:
    with contextlib.suppress(ExpansionError):
        expand(text, {"a": "x" * 100, "b": ""})
    with contextlib.suppress(DockerfileError):
        lint.lint(parse(text))


def check_patterns(text: str) -> None:
    with contextlib.suppress(PatternError):
        ignore = Ignore(read_patterns(text))
        ignore.ignores("a/b/ab/aab")
        ignore.may_return("a")


@quick
@given(_archive)
def test_archives(pieces: list[bytes]) -> None:
    check_archive(pieces)


@quick
@given(_json)
def test_documents(value: Any) -> None:
    check_document(value)


@quick
@given(_dockerfile)
def test_dockerfiles(text: str) -> None:
    check_dockerfile(text)


@quick
@given(_pattern)
def test_patterns(text: str) -> None:
    check_patterns(text)


@pytest.mark.slow
@pytest.mark.timeout(2 * _HALF_HOUR)
@pytest.mark.parametrize(
    ("strategy", "check"),
    [(_archive, check_archive), (_json, check_document), (_dockerfile, check_dockerfile), (_pattern, check_patterns)],
    ids=["archives", "documents", "dockerfiles", "patterns"],
)
def test_for_half_an_hour(strategy: st.SearchStrategy[Any], check: Any) -> None:
    ends = time.monotonic() + _HALF_HOUR
    while time.monotonic() < ends:
        long(given(strategy)(check))()
