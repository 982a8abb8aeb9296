"""Showing the engine's JSON lines of pulls, pushes, loads, imports and bootstraps: live on a terminal, plain elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable


def show_lines(lines: Iterable[dict[str, Any]], *, quiet: bool = False, out: TextIO | None = None) -> dict[str, Any]:
    """Print what comes (to stdout unless ``out``); the last line that was an object of its own (``aux`` or a status without id)."""
    out = sys.stdout if out is None else out
    live = out.isatty() and not quiet
    rows: dict[str, int] = {}
    last: dict[str, Any] = {}
    seen: dict[str, str] = {}
    for line in lines:
        if line.get("aux"):
            last = line
        if quiet:
            if not line.get("id") and line.get("status"):
                last = line
            continue
        ident = str(line.get("id") or "")
        status = str(line.get("status") or line.get("stream") or "").rstrip("\n")
        if not status:
            continue
        if not ident or line.get("progressDetail") is None:
            print(f"{ident}: {status}" if ident else status, flush=True, file=out)
            rows = {name: row + 1 for name, row in rows.items()} if live else rows
            last = line
        elif live:
            _live(ident, status, line, rows, out)
        elif seen.get(ident) != status and not line.get("progressDetail"):
            seen[ident] = status
            print(f"{ident}: {status}", flush=True, file=out)
    return last


def _live(ident: str, status: str, line: dict[str, Any], rows: dict[str, int], out: TextIO) -> None:
    """Rewrite the row of ``ident``; ``rows`` counts how far above the cursor each is."""
    detail = line.get("progressDetail") or {}
    text = f"{ident}: {status}"
    if detail.get("total"):
        text += f" {detail['current'] / 1e6:.1f}MB/{detail['total'] / 1e6:.1f}MB"
    elif detail.get("current"):
        text += f" {detail['current'] / 1e6:.1f}MB"
    if ident not in rows:
        for name in rows:
            rows[name] += 1
        rows[ident] = 1
        print(text, flush=True, file=out)
        return
    up = rows[ident]
    print(f"\033[{up}A\r\033[K{text}\033[{up}B\r", end="", flush=True, file=out)
