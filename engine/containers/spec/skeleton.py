"""What every container's file system has though its image has not: the places of the usual mounts.

Docker puts them into a layer of its own above the image; here they lie below it, in views only (export, volumes that are
filled from the image), so that they show neither in a diff nor in a commit.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...linux.tree import remove_directory

if TYPE_CHECKING:
    from pathlib import Path

    from ...layout import Layout

_DIRECTORIES = ("dev", "dev/pts", "dev/shm", "etc", "proc", "sys")
_FILES = ("dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")


def directory(layout: Layout) -> Path:
    """The directory with these places, made when it is missing."""
    target = layout.skeleton
    if target.is_dir():
        return target
    new = target.with_name(f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    new.mkdir(parents=True)
    for name in _DIRECTORIES:
        (new / name).mkdir(mode=0o755)
    for name in _FILES:
        (new / name).touch(mode=0o755)
    os.symlink("/proc/mounts", new / "etc" / "mtab")
    new.chmod(0o755)
    try:
        new.rename(target)
    except OSError:  # another thread was faster
        remove_directory(new)
    return target
