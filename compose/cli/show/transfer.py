"""Showing the engine's JSON lines of pulls, pushes, loads, imports and bootstraps: live on a terminal, plain elsewhere."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...client.bodies.images import Amount, Transfer

_BAR, _SHORTEST_BAR = 50, 10


def show(lines: Iterable[Transfer], form: str | None, *, quiet: bool = False) -> None:
    """As `show_lines`; with ``form`` json each line as it came."""
    if form != "json":
        show_lines(lines, quiet=quiet)
        return
    for line in lines:
        print(json.dumps(line), flush=True)


def show_lines(lines: Iterable[Transfer], *, quiet: bool = False, out: TextIO | None = None) -> None:
    """Print what comes, to stdout unless ``out``."""
    out = sys.stdout if out is None else out
    live = out.isatty() and not quiet
    rows: dict[str, int] = {}
    seen: dict[str, str] = {}
    for line in lines:
        if quiet:
            continue  # what goes wrong is raised while the lines are read
        ident = str(line.get("id") or "")
        status = str(line.get("status") or line.get("stream") or "").rstrip("\n")
        if not status:
            continue
        if not ident or line.get("progressDetail") is None:
            print(f"{ident}: {status}" if ident else status, flush=True, file=out)
            rows = {name: row + 1 for name, row in rows.items()} if live else rows
        elif live:
            _live(ident, status, line, rows, out)
        elif seen.get(ident) != status and not line.get("progressDetail"):
            seen[ident] = status
            print(f"{ident}: {status}", flush=True, file=out)


def _live(ident: str, status: str, line: Transfer, rows: dict[str, int], out: TextIO) -> None:
    """Rewrite the row of ``ident``; ``rows`` counts how far above the cursor each is."""
    size = shutil.get_terminal_size()
    text = row_text(ident, status, line.get("progressDetail") or {}, size.columns - 1)
    if ident not in rows:
        for name in rows:
            rows[name] += 1
        rows[ident] = 1
        print(text, flush=True, file=out)
        return
    up = rows[ident]
    if up < size.lines:  # what has left the screen cannot be reached
        print(f"\033[{up}A\r\033[K{text}\033[{up}B\r", end="", flush=True, file=out)


def row_text(ident: str, status: str, detail: Amount, width: int) -> str:
    """One layer's row, at most ``width`` long, or else the row would wrap and those above could not be found again.

    With room there is a bar: ``a1b2c3d4e5f6: Downloading [======>        ]  21.5MB/61.2MB``.
    """
    text = f"{ident}: {status}"
    current, total = int(detail.get("current") or 0), int(detail.get("total") or 0)
    if not total:
        return f"{text} {current / 1e6:.1f}MB"[:width] if current else text[:width]
    amount = f"{current / 1e6:>5.1f}MB/{total / 1e6:.1f}MB"
    padded = f"{text:<{len(ident) + 13}}"
    room = min(_BAR, width - len(padded) - len(amount) - 5)
    if room < _SHORTEST_BAR:
        return f"{text} {amount.strip()}"[:width]
    filled = min(room, current * room // total)
    arrow = "=" * (filled - 1) + ">" if 0 < filled < room else "=" * filled
    return f"{padded} [{arrow:<{room}}]  {amount}"
