"""A command among the users of an engine without root: where its containers' root is root, and its files can be reached.

    python -I -S -E <engine>/runtime/unshare.py ROOT COMMAND [ARGUMENT...]

What belongs to another user of a container belongs to nobody outside. ROOT is empty for the default; of root there is nothing to enter.
"""

from __future__ import annotations

import os
import sys

if not __package__:
    # Run by path, in isolated mode: the package has to be found first.
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3)))
    __package__ = "pycompose.engine.runtime"

from ..documents import NewerFormat
from ..layout import Layout
from .rootless import Withheld, enter

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


def main(root: str, command: list[str]) -> int:
    """Becomes the command. Returns the exit code where there is none."""
    layout = Layout.for_root(root or None)
    try:
        if os.geteuid() != 0:
            enter(layout)
        os.environ["PYCOMPOSE_HOST"] = f"unix://{layout.socket}"
        os.execvp(command[0], command)
    except FileNotFoundError:
        return _say(f"{command[0]}: not found", _NOT_FOUND)
    except (Withheld, NewerFormat, OSError) as error:
        return _say(str(error), _NOT_EXECUTABLE)


def _say(text: str, code: int) -> int:
    print(f"pycompose unshare: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
