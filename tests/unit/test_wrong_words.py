"""Every verb with every kind of wrong argument: an exit code and words. Nobody listens where the engine should be, so what
gets through the checks of the command line ends there, in words as well."""

from __future__ import annotations

import argparse
import io
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from pycompose.compose.cli.flags.parser import Parser
from pycompose.compose.cli.main import main
from pycompose.compose.cli.show.fault import WORDS
from pycompose.compose.cli.table import COMPOSE, GROUPS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

VERBS = [
    *(((verb,), module) for verb, (module, _) in (COMPOSE | PLAIN).items()),
    *(
        ((group, verb), f"{group}.{module}")
        for group, (_, table) in GROUPS.items()
        for verb, (module, _) in table.items()
    ),
]
KINDS = {
    "empty": "",
    "negative": "-1",
    "bad number": "1e9x",
    "huge number": "9" * 30,
    "huge": "x" * 70_000,
    "NUL": "a\0b",
    "not UTF-8": "\udcff\udcfe",
    "newline": "a\nb",
    "dashes": "--",
    "separators": "=:/,",
    "template": "{{",
}
CODES = (0, 1, 2, 3, 14, 15, 16, 17, 18, 64, 125)


@pytest.fixture(autouse=True)
def _no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "compose.yaml").write_text("services:\n  web:\n    image: busybox\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYCOMPOSE_HOST", f"unix://{tmp_path}/nobody.sock")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Exit code and standard error, with streams as strict as a terminal's."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", "strict") for name in ("stdin", "stdout")}
    streams["stderr"] = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    with monkeypatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        code = main(words)
        streams["stderr"].flush()
    errors = streams["stderr"].buffer
    assert isinstance(errors, io.BytesIO)
    return code, errors.getvalue().decode()


def options(module_name: str) -> tuple[Parser, list[argparse.Action]]:
    parser = Parser("pycompose", "")
    import_module(f"pycompose.compose.cli.verbs.{module_name}").add_arguments(parser)
    return parser, list({id(action): action for action in parser.flags().values()}.values())


def command_lines(
    verb: tuple[str, ...], module_name: str, kinds_of: Callable[[int], Iterable[str]]
) -> Iterator[tuple[str, ...]]:
    """The verb with every kind in its arguments, and in its option number N with ``kinds_of(N)``."""
    parser, actions = options(module_name)
    for value in KINDS.values():
        for count in range(min(len(parser.positionals), 3) + 2):
            yield *verb, *[value] * count
    rest = ["web", "true"][: len(parser.positionals)]
    for index, action in enumerate(actions):
        if action.nargs != 0:
            for kind in kinds_of(index):
                yield *verb, f"{max(action.option_strings, key=len)}={KINDS[kind]}", *rest


def check(monkeypatch: pytest.MonkeyPatch, lines: Iterable[tuple[str, ...]]) -> None:
    for words in lines:
        code, errors = run(monkeypatch, *words)
        shown = [word[:40] for word in words]
        assert code in CODES, (shown, code)
        assert code == 0 or errors.strip(), shown
        assert "Traceback" not in errors and WORDS not in errors, (shown, errors)


@pytest.mark.parametrize(("verb", "module_name"), VERBS, ids=[" ".join(verb) for verb, _ in VERBS])
def test_wrong_words(verb: tuple[str, ...], module_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(KINDS)

    def two_of_them(index: int) -> list[str]:
        return [names[index % len(names)], names[(index + 4) % len(names)]]

    check(monkeypatch, command_lines(verb, module_name, two_of_them))


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "module_name"), VERBS, ids=[" ".join(verb) for verb, _ in VERBS])
def test_all_wrong_words(verb: tuple[str, ...], module_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, command_lines(verb, module_name, lambda _: KINDS))


@pytest.mark.parametrize(("verb", "module_name"), VERBS, ids=[" ".join(verb) for verb, _ in VERBS])
def test_unknown_flags_and_missing_values(
    verb: tuple[str, ...], module_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, errors = run(monkeypatch, *verb, "--no-such-flag")
    assert code in (16, 125)
    assert errors.startswith("unknown flag: --no-such-flag")
    for action in options(module_name)[1]:
        if action.nargs is None:
            for name in action.option_strings:
                code, errors = run(monkeypatch, *verb, name)
                assert code in (16, 125), (verb, name)
                assert errors.startswith("flag needs an argument: "), (verb, name)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["strat"], "did you mean start?"),
        (["image", "lss"], "did you mean ls?"),
        (["up", "--detatch"], "did you mean --detach?"),
        (["--project-nam=x", "ps"], "did you mean --project-name?"),
        (["ps", "--status", "runing"], "did you mean running?"),
    ],
)
def test_what_was_meant(words: list[str], hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, errors = run(monkeypatch, *words)
    assert code != 0
    assert hint in errors


@pytest.mark.parametrize("words", [["container", "--dry-run", "rm", "x"], ["--dry-run", "volume", "rm", "x"]])
def test_no_dry_run_of_what_cannot_show_itself(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, errors = run(monkeypatch, *words)
    assert code == 1
    assert "has no --dry-run" in errors


def test_a_word_that_begins_with_dashes_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    found = argparse.Namespace()
    parser = Parser("pycompose x", "")
    parser.add_argument("--name")
    parser.add_argument("--more", action="append", default=[])
    parser.parse(["--name", "--", "--more=--", "--more", "-x"], found)
    assert (found.name, found.more) == ("--", ["--", "-x"])


def test_the_last_resort(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is reached by nothing known, so here a verb breaks."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("pycompose.compose.cli.verbs.version.run", lambda args: {"": 0}["nothing"])
    code, errors = run(monkeypatch, "version")
    assert code == 70
    (report,) = tmp_path.glob("pycompose-fault-*.txt")
    assert errors == f"{WORDS}: KeyError: 'nothing'; the report is in {report}\n"
    assert "Traceback" in report.read_text()
