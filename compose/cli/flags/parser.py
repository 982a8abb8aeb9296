"""Command-line parsing with the habits of the docker CLI, on argparse.

Adds what argparse lacks: options and arguments in any order, ``--flag=false``, ``-t=5``, an option list that ends at the
first argument where a command line follows (`exec`, `run`), and errors that are raised, not printed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from ...errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRESS = ("auto", "tty", "plain", "json", "quiet")
"""The values of --progress."""

_TRUE = ("true", "t", "1")
_FALSE = ("false", "f", "0")


class FlagError(UsageError):
    """An argument, or the value of an option, that the verb cannot take."""

    exit_code = 1


class WrongSyntax(FlagError):
    """An option or command that does not exist, or an option's value that cannot be read."""

    exit_code = 16


class Positional(NamedTuple):
    dest: str
    nargs: str | int | None
    metavar: str
    default: object


class _Given(NamedTuple):
    """An option as it was given."""

    action: argparse.Action
    name: str
    value: object


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


class Parser(argparse.ArgumentParser):
    """A parser for one verb. Arguments that are no options are recorded and distributed by `parse`.

    ``codes`` are the exit codes for a wrong option and for a wrong number of arguments: the docker CLI and Docker Compose
    have different ones.
    """

    def __init__(
        self,
        prog: str,
        description: str,
        *,
        interspersed: bool = True,
        codes: tuple[int, int] = (WrongSyntax.exit_code, FlagError.exit_code),
    ) -> None:
        self.positionals: list[Positional] = []
        self.is_interspersed = interspersed
        self._switched_off: list[str] = []
        self._flag_code, self._count_code = codes
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

    def flags(self) -> dict[str, argparse.Action]:
        """The options that users are told of, by each of their names."""
        return {
            name: action for name, action in self._option_string_actions.items() if action.help != argparse.SUPPRESS
        }

    def error(self, message: str) -> NoReturn:
        error = WrongSyntax(f"{message}\nSee '{self.prog} --help'.")
        error.exit_code = self._flag_code
        raise error

    def _count_error(self) -> NoReturn:
        """The number of arguments is wrong: say which would be right, and how the verb is used."""
        least = sum(1 for item in self.positionals if item.nargs in (None, "+"))
        most = None if any(item.nargs in ("*", "+", argparse.REMAINDER) for item in self.positionals) else 0
        if most is not None:
            most = len(self.positionals)
        bounds = [f"at least {least}"] * (least > 0) + [f"at most {most}"] * (most is not None)
        words = f"exactly {least}" if least == most else " and ".join(bounds)
        number = most if most is not None else least
        text = f"requires {words} argument{'s'[: number != 1]}" if most != 0 else "accepts no arguments"
        error = FlagError(
            f"\"{self.prog}\" {text}.\nSee '{self.prog} --help'.\n\n{self.usage_line()}\n\n{self.description}"
        )
        error.exit_code = self._count_code
        raise error

    def usage_line(self) -> str:
        forms = {"*": "[{0}...]", "+": "{0} [{0}...]", "?": "[{0}]", argparse.REMAINDER: "[{0}] [ARG...]"}
        words = (
            "[ARG...]" if item.metavar == "ARG" else forms.get(str(item.nargs), "{0}").format(item.metavar)
            for item in self.positionals
        )
        own = [action for action in self._actions if action.help != argparse.SUPPRESS and action.dest != "dry_run"]
        return " ".join([f"Usage:  {self.prog}", *["[OPTIONS]"] * bool(own), *words])

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
        given, words = self._split(arguments)
        for action in self._actions:
            if not hasattr(namespace, action.dest) and action.default is not argparse.SUPPRESS:
                setattr(namespace, action.dest, self.get_default(action.dest))
        # Applied here and not by argparse's own pass, which takes a value such as "--" for something else.
        for option in given:
            option.action(self, namespace, cast("str", option.value), option.name)  # of whatever type its option has
        for name in self._switched_off:
            setattr(namespace, name, False)
        if not namespace.help:
            self._distribute(words, namespace)
        return namespace

    def _split(self, arguments: Sequence[str]) -> tuple[list[_Given], list[str]]:
        """The options with their converted values, and everything else in order."""
        options: list[_Given] = []
        words: list[str] = []
        queue = list(arguments)
        while queue:
            item = queue.pop(0)
            if item == "--":
                words += queue
                break
            if item == "-" or not item.startswith("-"):
                words.append(item)
                if not self.is_interspersed:
                    words += queue
                    break
                continue
            if item.startswith("--"):
                self._long(item, queue, options)
            else:
                self._short(item, queue, options)
        return options, words

    def _long(self, item: str, queue: list[str], options: list[_Given]) -> None:
        name, equals, value = item.partition("=")
        action = self._option_string_actions.get(name)
        if action is None:
            self.error(f"unknown flag: {name}{self._suggestion(name)}")
        if action.nargs == 0:
            if equals and value.lower() in _FALSE:
                self._switched_off.append(action.dest)
                return
            if equals and value.lower() not in _TRUE:
                self.error(f'invalid argument "{value}" for "{name}" flag: not true or false')
            options.append(_Given(action, name, []))
            return
        if not equals and action.nargs == "?":
            options.append(_Given(action, name, action.const))
            return
        if not equals:
            if not queue:
                self.error(f"flag needs an argument: {name}")
            value = queue.pop(0)
        options.append(_Given(action, name, self._converted(action, value)))

    def _suggestion(self, name: str) -> str:
        """The nearest flag that users are told of, to be put behind a message."""
        from ...load.suggest import nearest

        hint = nearest(name, (known for known in self.flags() if known.startswith("--")))
        return f" ({hint})" if hint else ""

    def _converted(self, action: argparse.Action, value: str) -> object:
        """The value as its option wants it; the message names it as docker does."""
        if action.choices is not None and value not in action.choices:
            known = ", ".join(map(str, action.choices))
            self.error(f'invalid argument "{value}" for "{self._names(action)}" flag: one of {known}')
        if not callable(action.type):
            return value
        try:
            return action.type(value)
        except (ValueError, argparse.ArgumentTypeError) as error:
            self.error(f'invalid argument "{value}" for "{self._names(action)}" flag: {error}')

    @staticmethod
    def _names(action: argparse.Action) -> str:
        short = [name for name in action.option_strings if len(name) == 2]
        return ", ".join([*short[:1], *[name for name in action.option_strings if len(name) > 2][:1]])

    def _short(self, item: str, queue: list[str], options: list[_Given]) -> None:
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
                options.append(_Given(action, name, []))
                continue
            if not rest and not queue:
                self.error(f"flag needs an argument: {name[1]!r} in {item}")
            value = rest.removeprefix("=") if rest else queue.pop(0)
            options.append(_Given(action, name, self._converted(action, value)))
            return

    def _distribute(self, words: list[str], namespace: argparse.Namespace) -> None:
        left = list(words)
        for index, item in enumerate(self.positionals):
            reserved = sum(1 for later in self.positionals[index + 1 :] if later.nargs is None)
            if item.nargs in ("*", "+", argparse.REMAINDER):
                cut = max(len(left) - reserved, 0)
                values, left = left[:cut], left[cut:]
                if item.nargs == "+" and not values:
                    self._count_error()
                setattr(namespace, item.dest, values)
            elif left:
                setattr(namespace, item.dest, left.pop(0))
            elif item.nargs == "?":
                setattr(namespace, item.dest, item.default)
            else:
                self._count_error()
        if left:
            self._count_error()


def is_true(text: str) -> bool:
    """The value of a switch that is on unless ``=false`` is written. Raises `FlagError`."""
    if text.lower() not in (*_TRUE, *_FALSE):
        raise FlagError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text.lower() in _TRUE


def filter_word(text: str) -> str:
    """An argparse type for ``--filter``: ``key=value``, in lower case and without spaces around the two."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("bad format of filter (expected name=value)")
    return f"{key.strip().lower()}={value.strip()}"


def integer(text: str) -> int:
    """An argparse type for what fits into 64 bits, whose error names the value as users typed it."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if not -(1 << 63) <= value < 1 << 63:
        raise argparse.ArgumentTypeError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value
