"""pycompose: Docker Compose files on a container engine of its own. This is the one package that is installed.

    from pycompose import Stack

    with Stack("compose.yaml", ephemeral=True).running() as stack:
        print(stack.exec("db", "pg_isready").check().stdout)

The names below are the public library; docs/library.md describes them. Each is imported when it is first used, so that
``import pycompose`` costs nothing.

In a checkout ``compose``, ``engine`` and ``schemas`` are links to the folders of those names at its top; in the wheel they are
folders here. Every import goes through this package, so that neither name ever stands at the top of site-packages.
"""

TYPE_CHECKING = False
"""As in `typing`, which would be most of the import's time."""

__all__ = [
    "AsyncStack",
    "CommandFailed",
    "Completed",
    "ComposeError",
    "Container",
    "DownOptions",
    "Engine",
    "EngineError",
    "ExecOptions",
    "LoadError",
    "LogFeed",
    "LogLine",
    "OneOffOptions",
    "OperationError",
    "Plan",
    "PlanError",
    "Project",
    "Stack",
    "StackError",
    "TimedOut",
    "UpOptions",
    "UsageError",
    "connect",
    "load",
]

if TYPE_CHECKING:
    from .compose.app.asynchronous import AsyncStack
    from .compose.app.commands import ExecOptions
    from .compose.app.feed import LogFeed, LogLine
    from .compose.app.loading import connect, load
    from .compose.app.oneoff import OneOffOptions
    from .compose.app.results import CommandFailed, Completed, Container, StackError, TimedOut
    from .compose.app.stack import Stack
    from .compose.client import Engine
    from .compose.errors import ComposeError, EngineError, LoadError, OperationError, PlanError, UsageError
    from .compose.model import Project
    from .compose.plan.plan import Plan
    from .compose.plan.reconcile.options import DownOptions, UpOptions
    from .version import __version__ as __version__

_HOMES = {
    "compose.app.asynchronous": ("AsyncStack",),
    "compose.app.commands": ("ExecOptions",),
    "compose.app.feed": ("LogFeed", "LogLine"),
    "compose.app.loading": ("connect", "load"),
    "compose.app.oneoff": ("OneOffOptions",),
    "compose.app.results": ("CommandFailed", "Completed", "Container", "StackError", "TimedOut"),
    "compose.app.stack": ("Stack",),
    "compose.client": ("Engine",),
    "compose.errors": ("ComposeError", "EngineError", "LoadError", "OperationError", "PlanError", "UsageError"),
    "compose.model": ("Project",),
    "compose.plan.plan": ("Plan",),
    "compose.plan.reconcile.options": ("DownOptions", "UpOptions"),
    "version": ("__version__",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'pycompose' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
