"""The `pycompose` command: global options, the verb, and the one place where errors become exit codes.

Imports next to nothing: the global options are read by hand, then only the verb's own module is loaded.
"""

from __future__ import annotations

import codecs
import errno
import os
import signal
import sys
from argparse import SUPPRESS, Namespace
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

from ..errors import ComposeError, EngineError
from .flags.parser import FlagError, Parser, WrongSyntax
from .flags.shared import add_target
from .options import GLOBAL_HELP, parse_global, suggestion
from .table import ALIASES, CHANGING, CLUSTER, COMPOSE, DRY_RUN, GROUPS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import NoReturn

INTERRUPTED = 130
DOCKER_CODES = (125, 1)
"""The docker CLI's exit codes for a wrong option and for a wrong number of arguments."""

COMPOSE_CODES = (WrongSyntax.exit_code, FlagError.exit_code)
"""Docker Compose's."""

_AS_IT_CAME = "pycompose.as-it-came"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. The console script's target."""
    _take_signals()
    _fill_streams()
    try:
        code = _dispatch(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except ComposeError as error:
        sys.stdout.flush()
        refused = isinstance(error, EngineError) and error.status
        _complain(f"Error response from daemon: {error}" if refused else str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); give Python no second chance to complain at exit.
        _write_no_more()
        return 0
    except OSError as error:
        return _broken(error)
    except BaseExceptionGroup as group:
        # What many tasks at once ran into: a full disk, no more descriptors.
        met = group
        while isinstance(met, BaseExceptionGroup):
            met = met.exceptions[0]
        if isinstance(met, OSError):
            return _broken(met)
        return _unforeseen(group)
    except Exception as error:
        return _unforeseen(error)


def _unforeseen(error: BaseException) -> int:
    from .show.fault import report

    return report(error)


def _broken(error: OSError) -> int:
    """What this machine refuses us: a full disk, a directory that is gone, no more descriptors."""
    if error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT) and error.filename is None:
        _write_no_more()
    where = f"{error.filename}: " if error.filename else ""
    _complain(f"{where}{error.strerror or error}")
    return 1


def _complain(text: str) -> None:
    from .show import legible

    legible.complain(text)


def _write_no_more() -> None:
    """Give Python no second chance to fail, when it flushes standard output at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fill_streams() -> None:
    """Closed standard streams become /dev/null: else a socket gets their number, and output goes there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  (for good)
    codecs.register_error(_AS_IT_CAME, _as_it_came)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors=_AS_IT_CAME)


def _as_it_came(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: bytes of a command line or a file name that are no text are written as they came, what
    the output's encoding does not have as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = b"".join(
        bytes([ord(one) - 0xDC00]) if "\udc80" <= one <= "\udcff" else one.encode("ascii", "backslashreplace")
        for one in error.object[error.start : error.end]
    )
    return written, error.end


def _take_signals() -> None:
    """SIGINT and SIGTERM interrupt, also where whoever started us (a shell's background job) had SIGINT ignored."""
    import threading

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _dispatch(arguments: list[str]) -> int:
    if any("\0" in word for word in arguments):
        raise FlagError("a word of the command line holds a NUL character")
    options, rest = parse_global(arguments)
    if options.show_version:
        rest = ["version"]
    if not rest:
        print(_overview())
        return 0
    verb, *words = rest
    if verb == "__complete":
        from .candidates import complete

        print("\n".join(complete(words)))
        return 0
    verb = verb if verb in COMPOSE else ALIASES.get(verb, verb)
    if verb == "help":
        return _dispatch([*words, "--help"])
    if verb in GROUPS:
        summary, table = GROUPS[verb]
        while words[:1] == ["--dry-run"]:
            options.dry_run, words = True, words[1:]
        if not words or words[0] in ("-h", "--help"):
            print(_group_overview(verb, summary))
            return 0
        name, *words = words
        name = name if name in table else ALIASES.get(name, name)
        if name not in table:
            _unknown_command(f"pycompose {verb}", name, table)
        module_name, summary = table[name]
        prog, path = f"pycompose {verb} {name}", f"{verb}.{module_name}"
        return _run_verb(prog, path, summary, options, words, COMPOSE_CODES if verb == "alpha" else DOCKER_CODES)
    if verb in PLAIN:
        module_name, summary = PLAIN[verb]
        return _run_verb(f"pycompose {verb}", module_name, summary, options, words, DOCKER_CODES)
    if verb not in COMPOSE:
        _unknown_command("pycompose", verb, (*COMPOSE, *PLAIN, *GROUPS, *ALIASES))
    module_name, summary = COMPOSE[verb]
    return _run_verb(f"pycompose {verb}", module_name, summary, options, words)


def _unknown_command(above: str, name: str, known: Iterable[str]) -> NoReturn:
    raise WrongSyntax(f"unknown command: \"{above} {name}\"{suggestion(name, known)}\nSee '{above} --help'.")


def _run_verb(
    prog: str,
    module_name: str,
    summary: str,
    options: Namespace,
    words: list[str],
    codes: tuple[int, int] = COMPOSE_CODES,
) -> int:
    module = import_module(f".verbs.{module_name}", __package__)
    parser = Parser(prog, summary, interspersed=getattr(module, "INTERSPERSED", True), codes=codes)
    module.add_arguments(parser)
    if module_name in CLUSTER:
        add_target(parser)
    verb = prog.removeprefix("pycompose ")
    words_of_help = "Show what would be done, and do nothing" if verb in DRY_RUN else SUPPRESS
    parser.add_argument("--dry-run", action="store_true", default=options.dry_run, help=words_of_help)
    helped = options.help
    args = parser.parse(words, options)
    if args.help or helped:
        print(parser.help_text())
        return 0
    if args.dry_run and verb in CHANGING:
        raise FlagError(f"{prog} cannot show what it would do: it has no --dry-run")
    if module_name in CLUSTER and args.to is not None:
        module = import_module(f".verbs.cluster.{module_name}", __package__)
    return int(module.run(args))


def _overview() -> str:
    width = max(len(name) for name in COMPOSE) + 2
    lines = [
        "Usage:  pycompose [OPTIONS] COMMAND",
        "",
        "Run multi-container applications from Compose files",
        "",
        GLOBAL_HELP,
    ]
    lines += ["Commands:", *(f"  {name:<{width}}{summary}" for name, (_, summary) in sorted(COMPOSE.items()))]
    lines += ["", "Other Commands:", *(f"  {name:<{width}}{summary}" for name, (_, summary) in sorted(PLAIN.items()))]
    lines += [
        "",
        "Management Commands:",
        *(f"  {name:<{width}}{summary}" for name, (summary, _) in sorted(GROUPS.items())),
    ]
    lines += ["", "Run 'pycompose COMMAND --help' for more information on a command."]
    return "\n".join(lines)


def _group_overview(group: str, summary: str) -> str:
    table = GROUPS[group][1]
    width = max(len(name) for name in table) + 2
    lines = [f"Usage:  pycompose {group} COMMAND", "", summary, "", "Commands:"]
    lines += [f"  {name:<{width}}{text}" for name, (_, text) in sorted(table.items())]
    lines += ["", f"Run 'pycompose {group} COMMAND --help' for more information on a command."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
