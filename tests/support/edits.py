"""Random edits of a directory, as of somebody who works in it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


def below(*roots: Path) -> set[str]:
    found = set()
    for root in roots:
        if os.path.lexists(root):
            found.add(str(root))
        for directory, folders, names in os.walk(root):
            found |= {os.path.join(directory, name) for name in [*folders, *names]}
    return found


def edit(random: Random, root: Path) -> None:
    """One step of somebody who works below ``root``."""
    inside = sorted(path for path in below(root) if path != str(root))
    path = root / "/".join(random.choice(["d1", "d2", "f1", "f3"]) for _ in range(random.randint(1, 3)))
    kind = random.randrange(8)
    try:
        if kind == 0 and inside:
            one = random.choice(inside)
            shutil.rmtree(one) if os.path.isdir(one) and not os.path.islink(one) else os.unlink(one)
        elif kind == 1 and inside:
            os.rename(random.choice(inside), path)
        elif kind == 2:
            path.mkdir(parents=True)
        elif kind == 3:
            path.symlink_to(random.choice(["f1", "../d1", "nowhere"]))
        elif kind == 4 and inside:
            os.link(random.choice(inside), path)
        elif kind == 5 and inside:
            os.chmod(random.choice(inside), random.choice([0o755, 0o700]), follow_symlinks=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "w", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
                file.write(str(random.random()))
    except OSError:
        pass  # as for anybody who mistypes: this step changes nothing
