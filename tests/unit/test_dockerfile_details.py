"""Scalars, mounts, ignore patterns, the plan of stages, and the image's configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.build import plan as planning
from pycompose.engine.build.dockerfile import DockerfileError, parse, values
from pycompose.engine.build.dockerfile.arguments import ArgumentError
from pycompose.engine.build.dockerfile.mounts import Mount, parse_device, parse_mount
from pycompose.engine.build.remote import is_http, parse_git
from pycompose.engine.build.state import ImageState, exposed_ports
from pycompose.engine.errors import InvalidParameter
from pycompose.engine.images.types import Platform
from pycompose.grammar.git import GitSource
from pycompose.grammar.ignore import Ignore, PatternError, glob, read_patterns


# scalars -----------------------------------------------------------------------------------------------------------
@given(st.lists(st.text(alphabet='ab,"= ', max_size=6), min_size=1, max_size=5))
def test_csv_fields_round_trip(fields: list[str]) -> None:
    line = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert values.csv_fields(line) == fields


@pytest.mark.parametrize("text", ["", 'a"b', '"a', '"a"b', 'x,"'])
def test_bad_csv(text: str) -> None:
    with pytest.raises(ValueError):
        values.csv_fields(text)


@pytest.mark.parametrize(
    ("change", "before", "directory", "after"),
    [
        ("755", 0o600, False, 0o755),
        ("4711", 0o600, False, 0o4711),
        ("u+x", 0o644, False, 0o744),
        ("+x", 0o644, False, 0o755),
        ("go-rwx", 0o777, False, 0o700),
        ("a=r", 0o777, False, 0o444),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("g=u", 0o640, False, 0o660),
        ("o=", 0o777, False, 0o770),
        ("u+s,o+t", 0o755, True, 0o4755),
        ("+t", 0o777, True, 0o1777),
    ],
)
def test_chmod(change: str, before: int, directory: bool, after: int) -> None:
    assert values.chmod(change).apply(before, directory=directory) == after


@pytest.mark.parametrize("text", ["99", "17777", "u", "x+u", "u+y", "u+x,", "0x1"])
def test_bad_chmod(text: str) -> None:
    with pytest.raises(ValueError, match="invalid chmod"):
        values.chmod(text)


# mounts ------------------------------------------------------------------------------------------------------------
def mount(text: str) -> Mount:
    return parse_mount(text, lambda word: word.replace("$V", "value"))


def test_mounts() -> None:
    assert mount("target=/x") == Mount(target="/x")
    assert mount("type=cache,dst=/c,id=$V,sharing=locked,uid=5,mode=0700") == Mount(
        type="cache", target="/c", id="value", sharing="locked", uid=5, mode=0o700, read_only=False
    )
    assert mount("type=bind,from=a,src=/b,destination=/c,rw") == Mount(
        origin="a", source="/b", target="/c", read_only=False
    )
    assert mount("type=tmpfs,target=/t,size=1m").size == 1 << 20
    assert mount("type=secret,id=s,env=X,required").required
    assert mount('"type=ssh","target=/a,b"').target == "/a,b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=bid", 'unsupported mount type "bid" (did you mean bind?)'),
        ("tagret=/x", "unexpected key 'tagret' in 'tagret=/x' (did you mean target?)"),
        ("required", "unexpected key 'required' for mount type 'bind'"),
        ("size=1", "unexpected key 'size' for mount type 'bind'"),
        ("uid=1", 'uid not allowed for "bind" type mounts'),
        ("bogus", "invalid field 'bogus' must be a key=value pair"),
        ("type=cache,sharing=no", 'unsupported sharing value "no"'),
        ("sharing=shared", "invalid cache sharing set for bind mount"),
        ("type=secret", "one of source, target required"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        ("type=cache,mode=9", "invalid value 9 for mode"),
        ("type=tmpfs,size=x", "invalid value for size: x"),
        ("ro=perhaps", "invalid value for ro: perhaps"),
    ],
)
def test_bad_mounts(text: str, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        mount(text)
    assert message in str(caught.value)


def test_devices() -> None:
    assert parse_device("vendor.com/class=name") == ("vendor.com/class=name", False)
    assert parse_device("name=a,required") == ("a", True)
    with pytest.raises(ArgumentError):
        parse_device("a,b")


# ignore patterns ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        (["a"], "a", True),
        (["a"], "a/b/c", True),
        (["a"], "b/a", False),
        (["**/a"], "b/a", True),
        (["**/a"], "a", True),
        (["**a"], "xa", True),
        (["a/**"], "a", False),
        (["a/**"], "a/b", True),
        (["a/**/z"], "a/z", True),
        (["a/**/z"], "a/b/c/z", True),
        (["*.md", "!README.md"], "README.md", False),
        (["*.md", "!README.md"], "x.md", True),
        (["!README.md", "*.md"], "README.md", True),
        (["*", "!a/b"], "a/b", False),
        (["*", "!a/b"], "a/c", True),
        (["a", "!a/b"], "a/b/c", False),
        (["a?c"], "abc", True),
        (["a?c"], "a/c", False),
        (["[a-c].x"], "b.x", True),
        (["[^a-c].x"], "b.x", False),
        (["\\*.x"], "*.x", True),
        (["\\*.x"], "a.x", False),
        (["."], "a", False),
        (["/a/"], "a", False),
        (["**"], "any/thing", True),
    ],
)
def test_ignore(patterns: list[str], path: str, ignored: bool) -> None:
    assert Ignore(patterns).ignores(path) is ignored


def test_reading_ignore_files() -> None:
    text = "\ufeff# comment\n\n  /a/../b  \n! /c\n #not\n./d\r\n"
    assert read_patterns(text) == ("b", "!c", "#not", "d")


@pytest.mark.parametrize("pattern", ["!", "a[", "[]a]", "[a-]", "a\\"])
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(PatternError):
        Ignore([pattern])


def test_a_walk_may_skip_what_cannot_return() -> None:
    ignore = Ignore(["*", "!src/keep", "!**/deep"])
    assert ignore.may_return("src") and Ignore(["*", "!src/keep"]).may_return("src")
    assert not Ignore(["*", "!src/keep"]).may_return("other")
    assert not Ignore(["*", "!src/keep"]).may_return("src/other")


@given(
    st.lists(st.text(alphabet="ab*?/!.", min_size=1, max_size=6), max_size=5),
    st.lists(st.sampled_from(["a", "b", "ab", "a.b"]), min_size=1, max_size=4),
)
def test_a_walk_agrees_with_a_look_up(patterns: list[str], parts: list[str]) -> None:
    try:
        ignore = Ignore(patterns)
    except PatternError:
        return
    verdict = None
    for depth in range(1, len(parts) + 1):
        verdict = ignore.check("/".join(parts[:depth]), verdict)
    assert verdict is not None and verdict.ignored == ignore.ignores("/".join(parts))


def test_glob_of_one_component() -> None:
    assert glob("*.txt").match("a.txt") and not glob("*.txt").match("a.txt.b")
    assert glob("**x").match("aax")


# plans -------------------------------------------------------------------------------------------------------------
FILE = """ARG TAG=1
FROM base:$TAG AS one
RUN a
FROM one AS two
COPY --from=ONE /a /b
FROM other AS unused
RUN --mount=from=two,target=/t x
FROM scratch
COPY --from=two /a /
COPY --from=some/image:2 /x /
"""


def plan(text: str = FILE, **options: object) -> planning.Plan:
    read = parse(text)
    arguments = planning.global_arguments(read, {}, {})
    settings: dict[str, object] = {"target": "", "contexts": {}, "triggers": lambda base: (), **options}
    return planning.plan(read, arguments=arguments, **settings)


def test_only_what_the_target_needs() -> None:
    whole = plan()
    assert whole.order == (0, 1, 3)
    assert whole.stages[0].base == planning.ImageSource("base:1")
    assert whole.stages[3].sources == {
        "two": planning.StageSource(1),
        "some/image:2": planning.ImageSource("some/image:2"),
    }
    assert plan(target="one").order == (0,)
    assert plan(target="unused").order == (0, 1, 2)


def test_triggers_bring_stages_in() -> None:
    text = "FROM a AS tool\nRUN x\nFROM b\nRUN y\n"
    found = plan(text, triggers=lambda base: ["COPY --from=tool /x /y"] if base == planning.ImageSource("b") else [])
    assert found.order == (0, 1)
    assert found.stages[1].triggers == 1 and len(found.stages[1].instructions) == 2
    text = "FROM a AS parent\nONBUILD RUN late\nFROM parent\n"
    assert [i.code for i in plan(text).stages[1].instructions] == ["RUN late"]


def test_named_contexts_replace_stages_and_images() -> None:
    assert plan("FROM x AS lib\nRUN y\n", contexts={"lib": "/d"}).stages[0].instructions == []
    found = plan("FROM docker.io/library/x:latest\n", contexts={"x": "/d"})
    assert found.stages[0].base == planning.NamedContext("x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM $NOPE\n", "base name ($NOPE) should not be blank"),
        ("FROM --platform=$NOPE a\n", "empty platform value from expression $NOPE"),
        ("FROM a AS x\nCOPY --from=x /a /b\n", "circular dependency detected on stage: x"),
        ("FROM a AS x\nCOPY --from=9 /a /b\n", "invalid stage index 9"),
        ("FROM a AS x\nCOPY --from=$y /a /b\n", "variable expansion is not supported for --from"),
        ("FROM ${a:?missing}\n", "a: missing"),
    ],
)
def test_plans_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        plan(text)
    assert message in str(caught.value)


# state -------------------------------------------------------------------------------------------------------------
def test_exposed_ports() -> None:
    assert exposed_ports(["80", "53/UDP", "8000-8002/sctp", "1.2.3.4:8080:90"]) == [
        "80/tcp",
        "53/udp",
        "8000/sctp",
        "8001/sctp",
        "8002/sctp",
        "90/tcp",
    ]
    for bad in ("", "x", "70000", "9-8", "80/icmp", "/tcp"):
        with pytest.raises(ArgumentError):
            exposed_ports([bad])


def test_paths_relative_to_workdir() -> None:
    state = ImageState.scratch(Platform("linux", "amd64"))
    state.process["WorkingDir"] = "/srv/app"
    assert [state.absolute(path) for path in (".", "x", "x/", "../y", "/z/", "./", "/", "../../../..")] == [
        "/srv/app/",
        "/srv/app/x",
        "/srv/app/x/",
        "/srv/y",
        "/z/",
        "/srv/app/",
        "/",
        "/",
    ]


# sources from elsewhere --------------------------------------------------------------------------------------------
def test_git_and_http_sources() -> None:
    assert parse_git("https://host/b.git") == GitSource("https://host/b.git") and not is_http("https://host/b.git")
    assert parse_git("https://host/b.tar.gz") is None and is_http("https://host/b.tar.gz")
    with pytest.raises(InvalidParameter, match="multiple values"):
        parse_git("https://host/b.git?ref=a&ref=b")
