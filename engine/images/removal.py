"""Which names and images a removal takes, and when it must not: Docker's rules and words. Effects go through Records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Conflict, NotFound
from . import reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .records import Records
    from .reference import Reference
    from .types import Image, ImageUser


def short(id: str) -> str:
    return id.removeprefix("sha256:")[:12]


def _single(names: Sequence[Reference]) -> bool:
    """At most one tag, and digests of that same repository only."""
    tags = [name for name in names if not name.digest]
    return len(tags) <= 1 and len({name.name for name in names}) <= 1


def _check(image: Image, users: Sequence[ImageUser], force: bool) -> None:
    for user in users:
        if user.running:
            raise Conflict(
                f"conflict: unable to delete {short(image.id)} (cannot be forced) - "
                f"image is being used by running container {short(user.container)}"
            )
    if users and not force:
        raise Conflict(
            f"conflict: unable to delete {short(image.id)} (must be forced) - "
            f"image is being used by stopped container {short(users[0].container)}"
        )


def untag(
    records: Records,
    text: str,
    *,
    force: bool,
    in_use: Callable[[str], Sequence[ImageUser]],
) -> tuple[Image, list[str], bool]:
    """Take away the names that removing ``text`` takes.

    Returns the image, the familiar names removed, and whether the image itself is to go. Raises NotFound, Conflict.
    """
    id, ref = records.resolve(text)
    image = records.get(id)
    if image is None:
        raise NotFound(f"No such image: {text}")
    names = [reference.parse(name) for name in (*image.repo_tags, *image.repo_digests)]
    users = in_use(id)
    removed: list[str] = []

    def drop(name: Reference) -> None:
        if records.untag(name):
            removed.append(name.familiar)

    if ref is None:
        if not _single(names) and not force:
            raise Conflict(
                f"conflict: unable to delete {short(id)} (must be forced) - image is referenced in multiple repositories"
            )
        _check(image, users, force)
        for name in names:
            drop(name)
        return image, removed, True
    if users and not force and _single(names):
        raise Conflict(
            f'conflict: unable to remove repository reference "{text}" (must force) - container '
            f"{short(users[0].container)} is using its referenced image {short(id)}"
        )
    drop(ref)
    left = [name for name in names if name != ref]
    if not ref.digest and not any(name.name == ref.name and not name.digest for name in left):
        for name in [name for name in left if name.name == ref.name]:
            drop(name)
            left.remove(name)
    if left:
        return image, removed, False
    # A name is gone already: an image still in use then stays, nameless, without an error.
    stays = any(user.running for user in users) or (bool(users) and not force)
    return image, removed, not stays
