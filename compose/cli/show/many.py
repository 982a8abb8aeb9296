"""Doing one thing to several objects, as the docker CLI does: print each that worked, report each that did not, go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...errors import EngineError, UsageError
from . import legible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def each(names: Iterable[str], act: Callable[[str], object], *, echo: bool = True, absent_is_fine: bool = False) -> int:
    """The exit code: 1 when any failed; with ``absent_is_fine`` what is not there is told, and no failure."""
    failed = False
    for name in names:
        try:
            act(name)
        except EngineError as error:
            failed = failed or not (absent_is_fine and error.status == 404)
            legible.complain(f"Error response from daemon: {error}")
        else:
            if echo:
                print(name)
    return 1 if failed else 0


class BadTemplate(UsageError):
    """A template that does not parse, with the exit code of ``docker inspect``."""

    exit_code = 64


def inspect(names: Sequence[str], look: Callable[[str], Mapping[str, object]], form: str | None) -> int:
    """Print a JSON list, or every object through the template; the exit code."""
    import json

    found: list[Mapping[str, object]] = []
    code = each(names, lambda name: found.append(look(name)), echo=False)
    if not form or form == "json":
        print(legible.json(json.dumps(found, indent=4, ensure_ascii=False)))
        return code
    from ..flags.parser import FlagError
    from .absent import absent
    from .gotemplate import Template, TemplateError

    try:
        template = Template(form, absent)
    except TemplateError as error:
        raise BadTemplate(f"template parsing error: template: :1: {error}") from None
    try:
        for one in found:
            print(template.render(one))
    except TemplateError as error:
        raise FlagError(f"template parsing error: template: :1: {error}") from None
    return code


def filters(items: Sequence[str]) -> dict[str, list[str]]:
    """``key=value`` items of ``--filter`` in the API's form. Raises `FlagError`."""
    from ..flags.parser import FlagError

    result: dict[str, list[str]] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise FlagError(f"bad format of filter (expected name=value): {item!r}")
        result.setdefault(key.strip().lower(), []).append(value.strip())
    return result


def confirm(question: str, *, yes: bool) -> bool:
    """Ask on the terminal; without one, or without a clear yes, the answer is no."""
    if yes:
        return True
    if not sys.stdin.isatty():
        print(f"{question} Use --force to say yes without a terminal.", file=sys.stderr)
        return False
    print(f"{question} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
