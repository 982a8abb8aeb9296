"""``python -m pycompose``: the command without a resident process."""

import sys

from .compose.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
