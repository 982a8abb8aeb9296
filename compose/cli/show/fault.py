"""The last resort: an exception that nobody foresaw is one line for the user and a report in a file."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

from . import legible

WORDS = "this is a fault of pycompose"
EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""


def report(error: BaseException) -> int:
    """Write the traceback to a file of its own and name it on stderr; the exit code."""
    from ....version import __version__

    summary = " ".join(str(error).split())[:200]
    try:
        handle, path = tempfile.mkstemp(prefix="pycompose-fault-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"pycompose {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n\n")
            traceback.print_exception(error, file=file)
    except OSError as refused:
        path = f"nowhere ({refused.strerror})"
    legible.complain(f"{WORDS}: {type(error).__name__}: {summary}; the report is in {path}")
    return EXIT_CODE
