"""`pycompose explain PATH`: each layer that set a value, the winner, and the variables that went into it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...load.explain import Explanation, Setting
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", default="text", metavar="FORMAT", help="Format the output. Values: [text | json]")
    parser.add_argument("path", nargs=None, metavar="PATH")


def run(args: Namespace) -> int:
    from ...load.explain import explain

    found = explain(Session(args).load_options(), args.path)
    print(json.dumps(_tree(found), indent=2) if args.format == "json" else _text(found))
    return 0


def _tree(found: Explanation) -> dict[str, object]:
    from ...errors import dotted

    settings = [
        {
            "kind": setting.kind,
            "file": setting.place.file if setting.place else None,
            "line": setting.place.line if setting.place else None,
            "column": setting.place.column if setting.place else None,
            "value": setting.value,
            "template": setting.template or None,
            "wins": setting.wins,
            "variables": [{"name": one.name, "value": one.value, "source": one.source} for one in setting.variables],
        }
        for setting in found.settings
    ]
    return {"path": dotted(found.path), "value": found.value, "settings": settings}


def _text(found: Explanation) -> str:
    from ...errors import dotted

    lines = [f"{dotted(found.path)} = {_shown(found.value)}"]
    for setting in found.settings:
        lines += _setting(setting)
    return "\n".join(lines)


def _setting(setting: Setting) -> list[str]:
    where = str(setting.place) if setting.place else "no file"
    said = f"{setting.template} -> {_shown(setting.value)}" if setting.template else _shown(setting.value)
    kind = "" if setting.kind == "file" else f" ({setting.kind})"
    lines = [f"  {'*' if setting.wins else ' '} {where}{kind}: {said}"]
    for one in setting.variables:
        value = f" = {_shown(one.value)}" if one.source != "unset" else ""
        lines.append(
            f"      {one.name}{value} from {one.source}" if one.source != "unset" else f"      {one.name} is unset"
        )
    return lines


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
