"""pycompose: Docker Compose files on a container engine of its own. This is the one package that is installed.

    from pycompose import Stack

    stack = Stack("compose.yaml", ephemeral=True)
    stack.up()
    print(stack.exec("db", "pg_isready").check().stdout)
    stack.down(volumes=True)

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
    "LoadError",
    "OneOffOptions",
    "OperationError",
    "PlanError",
    "Project",
    "Stack",
    "StackError",
    "UpOptions",
    "UsageError",
    "connect",
    "load",
]

if TYPE_CHECKING:
    from .compose.app.asynchronous import AsyncStack
    from .compose.app.loading import connect, load
    from .compose.app.oneoff import OneOffOptions
    from .compose.app.results import CommandFailed, Completed, Container, StackError
    from .compose.app.stack import Stack
    from .compose.client import Engine
    from .compose.errors import ComposeError, EngineError, LoadError, OperationError, PlanError, UsageError
    from .compose.model import Project
    from .compose.plan.reconcile.options import DownOptions, UpOptions
    from .version import __version__ as __version__

_HOMES = {
    "compose.app.asynchronous": ("AsyncStack",),
    "compose.app.loading": ("connect", "load"),
    "compose.app.oneoff": ("OneOffOptions",),
    "compose.app.results": ("CommandFailed", "Completed", "Container", "StackError"),
    "compose.app.stack": ("Stack",),
    "compose.client": ("Engine",),
    "compose.errors": ("ComposeError", "EngineError", "LoadError", "OperationError", "PlanError", "UsageError"),
    "compose.model": ("Project",),
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
