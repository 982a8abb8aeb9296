"""Dockerfiles: what is accepted, what becomes of it, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.build.dockerfile import DockerfileError, parse
from pycompose.engine.build.dockerfile.errors import Span, excerpt
from pycompose.engine.build.dockerfile.instructions import Copy, Env, Healthcheck, Instruction, Onbuild, Run, Volume
from pycompose.engine.build.dockerfile.parse import parse_trigger


def one(text: str) -> Any:
    """The first instruction after FROM."""
    return parse(f"FROM base\n{text}").stages[0].instructions[0]


def refused(text: str) -> str:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    return str(caught.value)


# lines -------------------------------------------------------------------------------------------------------------
def test_continuations_comments_and_blank_lines() -> None:
    run = one("RUN a \\\n  # no part of it\n\n  && b \\  \n && c\n")
    assert run.command.words == ("a   && b  && c",)
    assert run.span == Span(2, 6)
    assert parse("FROM a\nRUN x \\\n\n y\n").empty_continuations == (4,)


def test_an_escaped_escape_does_not_continue() -> None:
    assert one("RUN a \\\\\nUSER x").command.words == ("a \\\\",)


def test_continuation_at_the_end_of_the_file() -> None:
    assert one("RUN x \\").command.words == ("x",)


def test_directives() -> None:
    read = parse("# syntax = docker/dockerfile:1 \n#escape=`\n# check=skip=all\nFROM a\nRUN dir C:\\ `\n /b\n")
    assert (read.syntax, read.escape, read.check) == ("docker/dockerfile:1", "`", "skip=all")
    assert read.stages[0].instructions[0].command.words == ("dir C:\\  /b",)  # type: ignore[attr-defined]
    # Below anything else they are comments.
    assert parse("# hello\n# escape=`\nFROM a\n").escape == "\\"
    assert parse("\n# escape=`\nFROM a\n").escape == "\\"
    assert "invalid escape token" in refused("# escape=x\nFROM a\n")
    assert "only one escape parser directive" in refused("# escape=`\n# Escape=`\nFROM a\n")


def test_byte_order_mark_carriage_returns_and_case() -> None:
    read = parse(b"\xef\xbb\xbffrom a aS Build\r\nrun x\\\r\n y\r\n")
    assert read.stages[0].start.name == "build"
    assert read.stages[0].instructions[0].command.words == ("x y",)  # type: ignore[attr-defined]


def test_a_line_has_its_limit() -> None:
    assert parse("FROM a\nRUN " + "x" * 65000)
    assert "greater than max allowed size of 65535" in refused("FROM a\nRUN " + "x" * 70000)


# here-documents ----------------------------------------------------------------------------------------------------
def test_heredocs() -> None:
    run: Run = one("RUN <<A cat <<-'B' && x\nfirst\nA\n\t\ttabs $V\n\tB\n")
    first, second = run.heredocs
    assert (first.name, first.content, first.expand, first.chomp) == ("A", "first\n", True, False)
    assert (second.name, second.text, second.expand, second.chomp) == ("B", "tabs $V\n", False, True)
    copy: Copy = one("COPY <<one <<'two' /x/\n1\none\n2\ntwo\nUSER y")
    assert [(d.name, d.content, d.expand) for d in copy.documents] == [("one", "1\n", True), ("two", "2\n", False)]


def test_what_is_no_heredoc() -> None:
    assert one("RUN cat <<<EOF").heredocs == ()
    assert one('RUN ["<<EOF"]').heredocs == ()
    assert one("RUN echo '<<EOF'").heredocs == ()
    assert one("CMD cat <<EOF").command.words == ("cat <<EOF",)


def test_heredocs_must_end() -> None:
    assert "unterminated heredoc" in refused("FROM a\nRUN <<EOF\nnever\n")
    assert "COPY cannot accept a heredoc as a destination" in refused("FROM a\nCOPY x <<EOF\nEOF\n")


def test_bytes_survive_in_heredocs() -> None:
    copy = parse(b"FROM a\nCOPY <<E /x\n\xff\xfe\nE\n").stages[0].instructions[0]
    assert isinstance(copy, Copy)
    assert copy.documents[0].content.encode("utf-8", "surrogateescape") == b"\xff\xfe\n"


# instructions ------------------------------------------------------------------------------------------------------
def test_stages_and_arguments_before_them() -> None:
    read = parse("ARG A=1 B\nFROM --platform=$P x AS one\nFROM one\nRUN a\n")
    assert read.arguments[0].pairs == (("A", "1"), ("B", None))
    assert [(s.start.base, s.start.name, s.start.platform) for s in read.stages] == [
        ("x", "one", "$P"),
        ("one", "", ""),
    ]


def test_forms_of_env_and_label() -> None:
    assert one("ENV A=1 B='x y' C=a\\ b").pairs == (("A", "1", False), ("B", "'x y'", False), ("C", "a\\ b", False))
    assert one("ENV NAME the  rest = this").pairs == (("NAME", "the  rest = this", True),)
    assert one('LABEL "a b"=c').pairs == (('"a b"', "c", False),)


def test_json_and_shell_forms() -> None:
    assert one('CMD ["a", "b c"]').command.words == ("a", "b c")
    assert one("CMD ['a']").command.shell
    assert one('CMD ["a"').command.shell
    assert one("CMD []").command.words == () and not one("CMD []").command.shell
    assert one("RUN").command.words == ()
    volume: Volume = one('VOLUME ["/a b", "/c"]')
    assert volume.paths == ("/a b", "/c")
    assert one('COPY ["a b", "c"]').sources == ("a b",)
    assert "arrays must be comprised of strings only" in refused('FROM a\nCMD ["a", 1]\n')
    assert one("CMD [NaN]").command.shell


def test_flags() -> None:
    copy: Copy = one("COPY --from=x --chown=a:b --chmod=u+x --link --parents=false --exclude=*.a --exclude=b s t")
    assert (copy.source, copy.chown, copy.chmod, copy.link, copy.parents, copy.exclude) == (
        "x",
        "a:b",
        "u+x",
        True,
        False,
        ("*.a", "b"),
    )
    add: Copy = one("ADD --checksum=sha256:1 --keep-git-dir --unpack=false s t")
    assert (add.checksum, add.keep_git_dir, add.unpack) == ("sha256:1", True, False)
    run: Run = one('RUN --mount=type=cache,target=/x --network=none --security=insecure --device=a/b=c -- --x "y"')
    assert (run.mounts, run.network, run.security) == (("type=cache,target=/x",), "none", "insecure")
    assert run.command.words == ('--x "y"',)


def test_healthcheck() -> None:
    check: Healthcheck = one("HEALTHCHECK --interval=1m30s --start-interval=200ms --retries=3 CMD curl x")
    assert check.test == ("CMD-SHELL", "curl x")
    assert (check.interval, check.start_interval, check.retries) == (90 * 10**9, 2 * 10**8, 3)
    assert one('HEALTHCHECK cmd ["a"]').test == ("CMD", "a")
    assert one("HEALTHCHECK --anything NONE").test == ("NONE",)


def test_onbuild() -> None:
    trigger: Onbuild = one("ONBUILD  RUN <<E\nx\nE\n")
    assert trigger.expression == "RUN <<E\nx\nE"
    inner = parse_trigger(trigger.expression, Span(7, 7))
    assert isinstance(inner, Run) and inner.heredocs[0].content == "x\n" and inner.span == Span(7, 7)
    assert one("ONBUILD FOO bar").expression == "FOO bar"  # found out when it is triggered


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the Dockerfile cannot be empty"),
        ("# only a comment\n", "file with no instructions"),
        ("ARG a\n", "dockerfile contains no stages to build"),
        ("RUN x\n", "line 1: no build stage in current context"),
        ("FROM a\nFORM b\n", "line 2: unknown instruction: FORM (did you mean FROM?)"),
        ("FROM a\n\nruun b\n", "line 3: unknown instruction: ruun (did you mean run?)"),
        ("FROM a\nXYZZY b\n", "line 2: unknown instruction: XYZZY"),
        ("FROM\n", "FROM requires either one or three arguments"),
        ("FROM a b\n", "FROM requires either one or three arguments"),
        ("FROM a AS 1st\n", 'invalid name for build stage: "1st"'),
        ("FROM --platfrom=x a\n", "unknown flag: --platfrom (did you mean platform?)"),
        ("FROM a\nENV X\n", "ENV must have two arguments"),
        ("FROM a\nENV\n", "ENV requires at least one argument"),
        ("FROM a\nENV A=1 B\n", 'Syntax error - can\'t find = in "B". Must be of the form: name=value'),
        ("FROM a\nLABEL =x\n", "LABEL names can not be blank"),
        ("FROM a\nARG =x\n", "ARG names can not be blank"),
        ("FROM a\nCOPY x\n", "COPY requires at least two arguments, but only one was provided"),
        ("FROM a\nCOPY --link= x y\n", "missing a value on flag: --link"),
        ("FROM a\nCOPY --link=maybe x y\n", "expecting boolean value for flag --link, not: maybe"),
        ("FROM a\nCOPY --chown x y z\n", "missing a value on flag: --chown"),
        ("FROM a\nCOPY --chown=a --chown=b x y\n", "duplicate flag specified: --chown"),
        ("FROM a\nCOPY --checksum=x y z\n", "unknown flag: --checksum"),
        ("FROM a\nRUN --network=dial-up x\n", 'invalid network mode "dial-up"'),
        ("FROM a\nRUN --security=tight x\n", 'security "tight" is not valid'),
        ("FROM a\nRUN --mount=from=$X,target=/y x\n", "'from' doesn't support variable expansion"),
        ("FROM a\nRUN --mount= x\n", "failed to parse csv mounts"),
        ("FROM a\nUSER\n", "USER requires exactly one argument"),
        ("FROM a\nWORKDIR\n", "WORKDIR requires exactly one argument"),
        ("FROM a\nEXPOSE\n", "EXPOSE requires at least one argument"),
        ("FROM a\nVOLUME []\n", "VOLUME requires at least one argument"),
        ('FROM a\nVOLUME [" "]\n', "VOLUME specified can not be an empty string"),
        ("FROM a\nSHELL bash -c\n", "SHELL requires the arguments to be in JSON form"),
        ("FROM a\nSHELL []\n", "SHELL requires at least one argument"),
        ("FROM a\nHEALTHCHECK\n", "HEALTHCHECK requires at least one argument"),
        ("FROM a\nHEALTHCHECK CMD\n", "Missing command after HEALTHCHECK CMD"),
        ("FROM a\nHEALTHCHECK NONE x\n", "HEALTHCHECK NONE takes no arguments"),
        ("FROM a\nHEALTHCHECK TCP 80\n", 'Unknown type "TCP" in HEALTHCHECK (try CMD)'),
        ("FROM a\nHEALTHCHECK --interval=5 CMD x\n", 'time: missing unit in duration "5"'),
        ("FROM a\nHEALTHCHECK --timeout=1us CMD x\n", "cannot be less than 1ms"),
        ("FROM a\nHEALTHCHECK --retries=-1 CMD x\n", "--retries cannot be negative"),
        ("FROM a\nONBUILD\n", "ONBUILD requires at least one argument"),
        ("FROM a\nONBUILD ONBUILD RUN x\n", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("FROM a\nONBUILD FROM x\n", "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM a\nONBUILD ENV x\n", "ENV must have two arguments"),
        ("FROM a\n\\", "unknown instruction: "),
    ],
)
def test_refusals(text: str, message: str) -> None:
    assert message in refused(text)


def test_excerpt_marks_the_lines() -> None:
    assert excerpt("FROM a\nRUN x \\\n y\nCMD z\n", Span(2, 3), context=1).splitlines() == [
        "Dockerfile:2",
        "-" * 20,
        "   1 |     FROM a",
        "   2 | >>> RUN x \\",
        "   3 | >>>  y",
        "   4 |     CMD z",
        "-" * 20,
    ]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except DockerfileError:
        return


_WORDS = [
    "FROM a",
    "RUN",
    "COPY",
    "ENV",
    "ARG",
    "--x=y",
    "<<E",
    "E",
    "\\",
    "#",
    '["a"]',
    "'",
    '"',
    "$X",
    "a=b",
    "\t",
    "HEALTHCHECK CMD",
    "ONBUILD",
]


@given(st.lists(st.tuples(st.sampled_from(_WORDS), st.sampled_from([" ", "\n"])), max_size=30))
def test_near_dockerfiles_are_read_or_refused(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + gap for word, gap in parts)
    try:
        read = parse("FROM base\n" + text)
    except DockerfileError:
        return
    found: list[Instruction] = [i for stage in read.stages for i in (stage.start, *stage.instructions)]
    assert [i.span.first for i in found] == sorted(i.span.first for i in found)
    assert all(isinstance(pair[0], str) for i in found if isinstance(i, Env) for pair in i.pairs)
