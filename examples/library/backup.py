"""A script: write what the service ``seed`` keeps in its volume to a file. ``python backup.py FILE``"""

from __future__ import annotations

import sys
from pathlib import Path

from pycompose import ComposeError, Stack


def main(target: str) -> int:
    stack = Stack(Path(__file__).with_name("compose.yaml"))
    try:
        text = stack.run("seed", "cat", "/data/state").check().stdout
    except ComposeError as error:
        print(f"no backup: {error}", file=sys.stderr)
        return error.exit_code
    Path(target).write_text(text)
    print(f"{stack.name}: {len(text)} bytes in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
