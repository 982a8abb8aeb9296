"""Tables, JSON and templates for listings, and the words for sizes, ages and ports as Docker users know them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from ....grammar import ages, sizes
from ..flags.parser import FlagError
from . import legible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ...client.bodies.containers import PortRow

Row = dict[str, object]


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], minimum: int = 10, padding: int = 3) -> str:
    """Columns as wide as their longest cell plus ``padding``, at least ``minimum``; the last one is not padded. Control
    characters of a cell are shown, not sent."""
    lines = [list(headers), *([legible.cell(str(one)) for one in row] for row in rows)]
    widths = [max(max(len(line[column]) for line in lines) + padding, minimum) for column in range(len(headers) - 1)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)) + line[-1] for line in lines
    )


def show(
    form: str | None,
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[tuple[str, str]],
    *,
    json_list: bool = False,
    minimum: int = 10,
) -> str:
    """``rows`` in the format asked for: table, json, ``table TEMPLATE`` or TEMPLATE.

    ``columns`` are (header, key) of the default table. ``json_list``: one list instead of an object per line.
    """
    form = form or "table"
    if form == "table":
        return table(
            [header for header, _ in columns], ([_cell(row.get(key)) for _, key in columns] for row in rows), minimum
        )
    if form == "json":
        visible = [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]
        if json_list:
            return legible.json(json.dumps(visible, separators=(",", ":"), ensure_ascii=False))
        return "\n".join(_json_line(row) for row in visible)
    return _templated(form, rows, {key: header for header, key in columns})


def _json_line(row: Mapping[str, object]) -> str:
    """One object as Go writes a map: sorted, and harmless inside HTML."""
    text = json.dumps(row, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return legible.json(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _templated(form: str, rows: Sequence[Mapping[str, object]], headers: Mapping[str, str]) -> str:
    from .absent import listed
    from .gotemplate import Template, TemplateError

    is_table = form.startswith("table ")
    source = (form.removeprefix("table ") if is_table else form).replace("\\t", "\t").replace("\\n", "\n")
    try:
        template = Template(source, listed)
    except TemplateError as error:
        raise FlagError(f"template parsing error: template: :1: {error}") from None
    try:
        lines = [template.render({**row, "Label": _labels(row)}) for row in rows]
    except TemplateError as error:
        raise FlagError(f"failed to execute template: template: :1: {error}") from None
    if not is_table:
        return "\n".join(lines)
    # The heading is the same template over the headings of the columns.
    heading = Template(source, lambda name, is_missing: _spaced(name))
    try:
        head = heading.render({**headers, "Label": lambda name: name}).split("\t")
    except TemplateError as error:
        raise FlagError(f"failed to execute template: template: :1: {error}") from None
    cells = [line.split("\t") for line in lines]
    width = max([len(head), *(len(one) for one in cells)])
    return table((head + [""] * width)[:width], [(one + [""] * width)[:width] for one in cells])


def _spaced(name: str) -> str:
    import re

    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).upper()


def _labels(row: Mapping[str, object]) -> Callable[[str], str]:
    labels = row.get("_labels")
    return lambda name: str(labels.get(name, "")) if isinstance(labels, dict) else ""


def moment(seconds: float, form: str = "%Y-%m-%d %H:%M:%S %z %Z") -> str:
    """A point in time in the local zone."""
    return time.strftime(form, time.localtime(seconds))


def ago(moment: float) -> str:
    return f"{ages.format(max(time.time() - moment, 0.0))} ago"


def size(count: float, digits: int = 3) -> str:
    """Bytes as ``12.3MB``, in powers of 1000. Listings have three significant digits, sums have four."""
    return sizes.decimal(count, digits)


def ports(items: Iterable[PortRow]) -> str:
    """Ports as docker lists them: unpublished ones and those published under their own number as ranges, sorted by their
    end of each; then every other publication as ``0.0.0.0:8080->80/tcp``."""
    ordered = sorted(
        (
            item["PrivatePort"],
            item.get("IP") or "",
            item.get("PublicPort") or 0,
            item.get("Type") or "tcp",
        )
        for item in items
    )
    open_runs: dict[tuple[str, str], tuple[int, int]] = {}
    closed: list[str] = []
    mapped: list[str] = []
    for private, address, public, protocol in ordered:
        if address and public != private:
            mapped.append(f"{address}:{public}->{private}/{protocol}")
            continue
        key = (address, protocol)
        first, last = open_runs.get(key, (private, private - 1))
        if private != last + 1:
            closed.append(_run(address, protocol, first, last))
            first = private
        open_runs[key] = (first, private)
    return ", ".join([*closed, *(_run(*key, *ends) for key, ends in open_runs.items()), *mapped])


def _run(address: str, protocol: str, first: int, last: int) -> str:
    span = str(first) if first == last else f"{first}-{last}"
    return f"{address}:{span}->{span}/{protocol}" if address else f"{span}/{protocol}"


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
