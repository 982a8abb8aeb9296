"""Command lines as docker users type them."""

from __future__ import annotations

from argparse import REMAINDER, Namespace

import pytest

from pycompose.compose.cli.flags.parser import FlagError, Parser, integer
from pycompose.compose.cli.main import main
from pycompose.compose.cli.options import parse_global


def parser(*, interspersed: bool = True, rest: bool = False) -> Parser:
    one = Parser("pycompose x", "X", interspersed=interspersed)
    one.add_argument("-d", "--detach", action="store_true")
    one.add_argument("-T", "--no-tty", action="store_true")
    one.add_argument("-t", "--timeout", type=integer)
    one.add_argument("-e", "--env", action="append", default=[])
    if rest:
        one.add_argument("service")
        one.add_argument("command", nargs=REMAINDER)
    else:
        one.add_argument("services", nargs="*")
    return one


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["web", "-d", "db"], {"detach": True, "services": ["web", "db"]}),
        (["-dt5"], {"detach": True, "timeout": 5}),
        (["-t=5", "--env=A=1", "-eB=2"], {"timeout": 5, "env": ["A=1", "B=2"]}),
        (["--timeout", "-1"], {"timeout": -1}),
        (["--detach=false"], {"detach": False}),
        (["--detach=true"], {"detach": True}),
        (["--", "-d"], {"detach": False, "services": ["-d"]}),
        (["-"], {"services": ["-"]}),
    ],
)
def test_options_and_arguments_mix(words: list[str], wanted: dict[str, object]) -> None:
    found = parser().parse(words, Namespace())
    assert {key: getattr(found, key) for key in wanted} == wanted


def test_a_command_line_keeps_its_own_options() -> None:
    found = parser(interspersed=False, rest=True).parse(["-T", "web", "sh", "-c", "-d", "--", "x"], Namespace())
    assert (found.no_tty, found.detach, found.service) == (True, False, "web")
    assert found.command == ["sh", "-c", "-d", "--", "x"]


@pytest.mark.parametrize("words", [["--nope"], ["-z"], ["-t", "x"], ["-t"], ["--detach=maybe"]])
def test_wrong_words(words: list[str]) -> None:
    with pytest.raises(FlagError):
        parser().parse(words, Namespace())


def test_missing_argument() -> None:
    with pytest.raises(FlagError, match="at least 1 argument"):
        parser(rest=True).parse([], Namespace())


def test_global_options() -> None:
    options, rest = parse_global(["-f", "a.yaml", "--file=b.yaml", "-pdemo", "--profile", "x", "--dry-run", "up", "-d"])
    assert (options.file, options.project_name, options.profile, options.dry_run) == (
        ["a.yaml", "b.yaml"],
        "demo",
        ["x"],
        True,
    )
    assert rest == ["up", "-d"]


@pytest.mark.parametrize("words", [["--wrong"], ["nosuchverb"], ["image", "nosuchverb"], ["up", "--nope"]])
def test_exit_code_of_wrong_syntax(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 16
    assert "Traceback" not in capsys.readouterr().err


def test_every_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    from pycompose.compose.cli.table import COMPOSE, GROUPS

    for verb in COMPOSE:
        assert main([verb, "--help"]) == 0, verb
    for group, (_, table) in GROUPS.items():
        assert main([group]) == 0
        for verb in table:
            assert main([group, verb, "--help"]) == 0, (group, verb)
    assert "Usage:  pycompose up [OPTIONS] [SERVICE...]" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--short"]) == 0
    assert main(["--version"]) == 0
    assert "pycompose version" in capsys.readouterr().out


def test_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    from pycompose import __version__

    assert version("pycompose-engine") == __version__


def test_another_version_of_the_engine_is_told() -> None:
    from pycompose import __version__
    from pycompose.compose.app.session import other_version

    assert other_version({"server": f"pycompose/{__version__} (linux)"}) == ""
    assert other_version({"server": "Docker/28.5 (linux)"}) == ""
    warning = other_version({"server": "pycompose/0.0.9 (linux)"})
    assert f"the engine is pycompose 0.0.9, this command is {__version__}" in warning
