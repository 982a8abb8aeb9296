"""Which project a file is part of: the directory in which `config` loads it, and the files that are loaded with it.

That are the default files of its directory, those that COMPOSE_FILE names in the environment or in a ``.env`` of its directory or of
one above, or the file alone.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ComposeError
from ..load import pipeline, source
from ..load.interpolate import Lookup, MissingVariable, TemplateError, substitute
from ..model import LoadOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ABOVE = 16
"""So many directories above a file are looked at."""


def options_for(path: str, environment: Mapping[str, str], texts: Mapping[str, bytes] | None = None) -> LoadOptions:
    """What `config` would be given to load the project that the file at ``path`` (absolute) is part of."""
    own = Path(path).parent
    for directory in (own, *[*own.parents][:ABOVE]):
        if path in loaded(str(directory), environment, texts):
            return LoadOptions(environment=environment, cwd=directory)
    return LoadOptions(files=(path,), environment=environment, cwd=own)


def loaded(directory: str, environment: Mapping[str, str], texts: Mapping[str, bytes] | None = None) -> tuple[str, ...]:
    """The files that `config` loads in ``directory``; none where it finds none, or not by their names on this machine."""
    if "://" in environment.get("COMPOSE_FILE", ""):
        return ()  # to look there is for who loads the project, and not for who asks about a file beside it
    options = LoadOptions(environment=environment, cwd=Path(directory))
    try:
        found = source.locate(options, source.Files(read_files=dict(texts or {})))
    except (ComposeError, OSError):
        return ()
    return tuple(os.path.normpath(name) for name in found.files)


def together(directories: Iterable[str], environment: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Files that COMPOSE_FILE has loaded together, of each of these directories."""
    found: dict[tuple[str, ...], None] = {}
    for directory in directories:
        if "COMPOSE_FILE" in environment or os.path.isfile(os.path.join(directory, ".env")):
            found[loaded(directory, environment)] = None
    return [one for one in found if len(one) > 1]


def expanded(path: str, name: str, environment: Mapping[str, str]) -> str:
    """A file's name as it is written in the file at ``path``, its variables replaced as `config` does; "" when that fails."""
    if "$" not in name:
        return name
    try:
        _, found = pipeline.open_loader(replace(options_for(path, environment), consistency=False))
        return substitute(name, Lookup(found.environment))
    except (ComposeError, OSError, MissingVariable, TemplateError):
        return ""
