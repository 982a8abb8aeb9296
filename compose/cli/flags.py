"""Command-line parsing with the habits of the docker CLI, on argparse.

Adds what argparse lacks: options and arguments in any order, ``--flag=false``, ``-t=5``, an option list that ends at the
first argument where a command line follows (`exec`, `run`), and errors that are raised, not printed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRUE = ("true", "t", "1")
_FALSE = ("false", "f", "0")


class FlagError(UsageError):
    """An option or argument that the command does not have. The exit code is that of Docker Compose for wrong syntax."""

    exit_code = 16


class Positional(NamedTuple):
    dest: str
    nargs: str | int | None
    metavar: str
    default: Any


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


class Parser(argparse.ArgumentParser):
    """A parser for one verb. Arguments that are no options are recorded and distributed by `parse`."""

    def __init__(self, prog: str, description: str, *, interspersed: bool = True) -> None:
        self.positionals: list[Positional] = []
        self._interspersed = interspersed
        super().__init__(
            prog=prog,
            description=description,
            allow_abbrev=False,
            conflict_handler="resolve",
            add_help=False,
            formatter_class=_Formatter,
        )
        self.add_argument("--help", "-h", action="store_true", dest="help", help=argparse.SUPPRESS)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        if names and not names[0].startswith("-"):
            metavar = options.get("metavar") or names[0].upper().rstrip(
                "S" if options.get("nargs") in ("*", "+") else ""
            )
            self.positionals.append(Positional(names[0], options.get("nargs"), metavar, options.get("default")))
            return argparse.Action([], names[0])
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        raise FlagError(f"{message}\nSee '{self.prog} --help'.")

    def usage_line(self) -> str:
        forms = {"*": "[{0}...]", "+": "{0} [{0}...]", "?": "[{0}]", argparse.REMAINDER: "[{0}] [ARGS...]"}
        words = (forms.get(str(item.nargs), "{0}").format(item.metavar) for item in self.positionals)
        return " ".join([f"Usage:  {self.prog} [OPTIONS]", *words])

    def option_actions(self) -> list[argparse.Action]:
        return list(self._actions)

    def help_text(self) -> str:
        formatter = self._get_formatter()
        formatter.start_section("Options")
        formatter.add_arguments([action for action in self._actions if action.help != argparse.SUPPRESS])
        formatter.end_section()
        return f"{self.usage_line()}\n\n{self.description}\n\n{formatter.format_help()}"

    def parse(self, arguments: Sequence[str], namespace: argparse.Namespace) -> argparse.Namespace:
        """Fill ``namespace``. Raises `FlagError`."""
        options, words = self._split(arguments)
        self.parse_args(options, namespace)
        if not namespace.help:
            self._distribute(words, namespace)
        return namespace

    def _split(self, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
        """Options in a form argparse takes, and everything else in order."""
        options: list[str] = []
        words: list[str] = []
        queue = list(arguments)
        while queue:
            item = queue.pop(0)
            if item == "--":
                words += queue
                break
            if item == "-" or not item.startswith("-"):
                words.append(item)
                if not self._interspersed:
                    words += queue
                    break
                continue
            if item.startswith("--"):
                self._long(item, queue, options)
            else:
                self._short(item, queue, options)
        return options, words

    def _long(self, item: str, queue: list[str], options: list[str]) -> None:
        name, equals, value = item.partition("=")
        action = self._option_string_actions.get(name)
        if action is None:
            self.error(f"unknown flag: {name}")
        if action.nargs == 0:
            if equals and value.lower() in _FALSE:
                return
            if equals and value.lower() not in _TRUE:
                self.error(f'invalid argument "{value}" for "{name}" flag: not true or false')
            options.append(name)
            return
        if not equals:
            if not queue:
                self.error(f"flag needs an argument: {name}")
            value = queue.pop(0)
        options.append(f"{name}={value}")

    def _short(self, item: str, queue: list[str], options: list[str]) -> None:
        """A cluster such as ``-dt5``: flags, then at most one option with its value."""
        rest = item[1:]
        while rest:
            name, rest = f"-{rest[0]}", rest[1:]
            action = self._option_string_actions.get(name)
            if action is None:
                self.error(f"unknown shorthand flag: {name[1]!r} in {item}")
            long_name = max(action.option_strings, key=len)
            if action.nargs == 0:
                if rest.startswith("="):
                    self._long(f"{long_name}{rest}", queue, options)
                    return
                options.append(name)
                continue
            if not rest and not queue:
                self.error(f"flag needs an argument: {name[1]!r} in {item}")
            value = rest.removeprefix("=") if rest else queue.pop(0)
            options.append(f"{long_name}={value}" if long_name.startswith("--") else f"{name}{value}")
            return

    def _distribute(self, words: list[str], namespace: argparse.Namespace) -> None:
        left = list(words)
        for index, item in enumerate(self.positionals):
            reserved = sum(1 for later in self.positionals[index + 1 :] if later.nargs is None)
            if item.nargs in ("*", "+", argparse.REMAINDER):
                cut = max(len(left) - reserved, 0)
                values, left = left[:cut], left[cut:]
                if item.nargs == "+" and not values:
                    self.error(f'"{self.prog}" requires at least 1 argument.\n\n{self.usage_line()}')
                setattr(namespace, item.dest, values)
            elif left:
                setattr(namespace, item.dest, left.pop(0))
            elif item.nargs == "?":
                setattr(namespace, item.dest, item.default)
            else:
                count = sum(1 for one in self.positionals if one.nargs in (None, "+"))
                self.error(
                    f'"{self.prog}" requires at least {count} argument{"s"[: count > 1]}.\n\n{self.usage_line()}'
                )
        if left:
            self.error(f"unexpected argument {left[0]!r}\n\n{self.usage_line()}")


def integer(text: str) -> int:
    """An argparse type whose error names the value as users typed it."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid value {text!r}: not a number") from None
