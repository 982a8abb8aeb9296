"""How far a verb `greet` has got."""

import subprocess
import sys
from importlib import import_module

import anyio
from facts import tell

from pycompose import AsyncStack, Stack
from pycompose.compose.cli.flags.parser import Parser


def module() -> bool:
    """Whether the verb's own parser has its flag."""
    verb = import_module("pycompose.compose.cli.verbs.greet")
    parser = Parser("pycompose greet", "")
    verb.add_arguments(parser)
    return "--loud" in {name for action in parser.option_actions() for name in action.option_strings}


def command() -> str:
    """What a user sees."""
    done = subprocess.run([sys.executable, "-m", "pycompose", "greet"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 16), done.stderr
    return " ".join(done.stdout.split()) if done.returncode == 0 else ""


async def awaited() -> list[str]:
    return await AsyncStack("compose.yaml").greet("db")


tell(
    use_case=lambda: import_module("pycompose.compose.app.greeting").greet(Stack("compose.yaml").session, ()),
    method=lambda: Stack("compose.yaml").greet("web"),
    awaited=lambda: anyio.run(awaited),
    module=module,
    command=command,
)
