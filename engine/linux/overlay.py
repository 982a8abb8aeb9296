"""Overlayfs as this process may use it: its marks are in ``trusted.*`` for the host's root, in ``user.*`` for everybody else."""

from __future__ import annotations

from . import userns

PREFIX = "trusted.overlay." if userns.is_initial() else "user.overlay."
OPAQUE = f"{PREFIX}opaque"
REDIRECT = f"{PREFIX}redirect"
METACOPY = f"{PREFIX}metacopy"

SELF_CONTAINED = (
    ("redirect_dir=off", "metacopy=off", "index=off")
    if userns.is_initial()
    else ("userxattr", "redirect_dir=nofollow", "metacopy=off", "index=off")
)
"""What an upper directory holds makes sense without the lower ones: it may become a layer of its own."""

CHEAP = (
    ("redirect_dir=on", "metacopy=on", "index=off", "xino=off")
    if userns.is_initial()
    else ("userxattr", "redirect_dir=nofollow", "metacopy=off", "index=off", "xino=off")
)
"""A renamed directory, or a changed owner or mode, does not copy the data below it, where that is permitted."""
