"""A session from a command line: its options as choices, warnings and progress on standard error, failures as an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..app.choices import Choices
from ..app.session import Session as AppSession
from .show import legible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ..app.choices import Display
    from ..app.converge import Convergence


class Terminal:
    """A listener that prints. ``args`` are read when a display opens: a verb may have set --progress by then."""

    def __init__(self, args: Namespace) -> None:
        self._args = args

    def warn(self, text: str) -> None:
        legible.complain(f"warning: {text}")

    def note(self, text: str) -> None:
        legible.complain(text)

    def progress(self, title: str = "Running") -> Display:
        from .show.render import choose_renderer

        return choose_renderer(self._args.progress, self._args.ansi, title)


class Session(AppSession):
    """The application's session, with the parsed options beside it. One per command."""

    def __init__(self, args: Namespace, *, is_ephemeral: bool = False, services: Sequence[str] = ()) -> None:
        super().__init__(choices(args, is_ephemeral=is_ephemeral, services=services), Terminal(args))
        self.args = args


def choices(args: Namespace, *, is_ephemeral: bool = False, services: Sequence[str] = ()) -> Choices:
    """What the options say. ``services`` are those that the verb keeps under another name than `services` or `service`."""
    listed = getattr(args, "services", None)  # of `config` and `ps` a switch
    named = [*services, *(listed if isinstance(listed, list) else ()), getattr(args, "service", None)]
    return Choices(
        files=tuple(args.file),
        project_name=args.project_name,
        project_directory=args.project_directory,
        env_files=tuple(args.env_file),
        profiles=tuple(args.profile),
        services=tuple(name for name in named if isinstance(name, str)),
        host=args.host,
        root=args.root,
        ports=getattr(args, "ports", None),
        parallel=_parallel(args.parallel),
        all_resources=bool(getattr(args, "all_resources", False)),
        compatibility=args.compatibility,
        ephemeral=is_ephemeral,
        dry_run=args.dry_run,
        stdin=_standard_input,
    )


def _parallel(value: str | bool | None) -> int | None:
    """The global option's value; `build` and `pull` have a switch of that name from Compose v1, which says nothing."""
    return int(value) if isinstance(value, str) and value else None


def _standard_input() -> str:
    return sys.stdin.read()


def report_failures(session: AppSession, result: Convergence) -> int:
    """Print why it failed, once per cause; the exit code (0 without failures)."""
    if not result.failures:
        return 0
    from ..app.report import failure_report

    print(failure_report(session, result), file=sys.stderr)
    return max(error.exit_code for _, error in result.failures)


def report_removal(result: Convergence) -> int:
    """Print each failure under its operation; the exit code (0 without failures)."""
    for key, error in result.failures:
        legible.complain(f"{key}: {error}")
    return max((error.exit_code for _, error in result.failures), default=0)
