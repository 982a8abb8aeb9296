"""Which names and images a removal takes, and when it must not: Docker's rules and words. Effects go through Records."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..errors import Conflict, InvalidParameter, NotFound
from ..shapes import truth
from . import reference, shapes
from .catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .records import Records
    from .reference import Reference
    from .types import Image, ImageUser, Layer, Platform


def short(id: str) -> str:
    return id.removeprefix("sha256:")[:12]


def _single(names: Sequence[Reference]) -> bool:
    """At most one tag, and digests of that same repository only."""
    tags = [name for name in names if not name.digest]
    return len(tags) <= 1 and len({name.name for name in names}) <= 1


def check(image: Image, users: Sequence[ImageUser], force: bool) -> None:
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
        check(image, users, force)
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


class Removals(Catalogue):
    """The catalogue, and how things leave it."""

    def remove(
        self, ref: str, *, force: bool = False, prune: bool = True, in_use: Callable[[str], Sequence[ImageUser]]
    ) -> list[dict[str, str]]:
        """Untag, or delete with all tags; returns [{"Untagged": …}, {"Deleted": …}]; Conflict in Docker's words."""
        with self._lock:
            alive = self._indexes.alive()
            digest = self._index_of_name(ref)
            users = partial(self._users_of_all, ref, in_use)
            image, names, delete = untag(self._records, ref, force=force, in_use=users)
            if digest is not None and self._records.untag(digest):
                names.append(digest.familiar)
            removed = [{"Untagged": name} for name in names]
            layers = self._delete(image) if delete else []
            others = self._orphans(alive, in_use)
            more = [layer for other in others for layer in self._delete(other)]
        for _ in names:
            self._publish("image", "untag", image.id, {"name": image.id})
        if delete:
            self._publish("image", "delete", image.id, {"name": image.id})
            removed.append({"Deleted": image.id})
            removed += [{"Deleted": layer.chain_id} for layer in reversed(layers)]
        for other in others:
            self._publish("image", "delete", other.id, {"name": other.id})
            removed.append({"Deleted": other.id})
        return removed + [{"Deleted": layer.chain_id} for layer in reversed(more)]

    def remove_platforms(
        self,
        ref: str,
        platforms: Sequence[Platform],
        *,
        force: bool = False,
        prune: bool = True,
        in_use: Callable[[str], Sequence[ImageUser]],
    ) -> list[dict[str, str]]:
        """Delete the images for these platforms of what a name stands for; the name stays with the others, and goes with the last.

        Raises NotFound, Conflict; without ``force`` always, in Docker's words.
        """
        if not force:
            self._records.resolve(ref)
            raise Conflict(
                "Content will be removed from all images referencing this variant. Use --force to force delete."
            )
        with self._lock:
            id, found = self._records.resolve(ref)
            index = self._index(id, found)
            here = self._indexes.images(index) if index else {}
            doomed = [self.resolve(ref, platform) for platform in platforms]
            left = [one for one in here.values() if one not in {image.id for image in doomed}]
            if not left:
                return self.remove(ref, force=force, prune=prune, in_use=in_use)
            for image in doomed:
                check(image, in_use(image.id), force)
            self._records.move_names(index, {image.id for image in doomed}, left[0])
            self._indexes.drop(index, {image.id for image in doomed})
            # Those that have names of their own stay under them.
            now = [now for image in doomed if (now := self._records.get(image.id)) is not None]
            doomed = [image for image in now if not image.repo_tags and not image.repo_digests]
            gone = [layer for image in doomed for layer in self._delete(image)]
        for image in doomed:
            self._publish("image", "delete", image.id, {"name": image.id})
        return [{"Deleted": image.id} for image in doomed] + [{"Deleted": layer.chain_id} for layer in reversed(gone)]

    def _users_of_all(self, text: str, in_use: Callable[[str], Sequence[ImageUser]], id: str) -> Sequence[ImageUser]:
        """Whom an image is in the way of: its own users, and those of the other platforms that would go with its name."""
        index = self._index(*self._records.resolve(text))
        others = {one for one in (self._indexes.images(index).values() if index else ()) if one != id}
        nameless = [
            one for other in sorted(others) if (one := self._records.get(other)) is not None and not one.repo_tags
        ]
        return [*in_use(id), *(user for one in nameless for user in in_use(one.id))]

    def _index_of_name(self, text: str) -> Reference | None:
        """The digest under which a repository has the index of its tag ``text``, when no other tag of the repository needs it: it goes
        with the tag, whichever of the platforms either of them means."""
        _, ref = self._records.resolve(text)
        index = self._indexes.named(ref) if ref is not None and not ref.digest else ""
        if ref is None or not index or self._records.tags_of(ref.name, index) != {ref.tag}:
            return None
        return ref._replace(tag="", digest=index)

    def _orphans(self, alive: set[str], in_use: Callable[[str], Sequence[ImageUser]]) -> list[Image]:
        """Forget the indexes that have lost their last name since these were ``alive``; the nameless images that go with them."""
        known = self._indexes.records()
        ended = alive - self._indexes.alive()
        for digest in known.keys() - self._indexes.alive():
            self._indexes.forget(digest)
        members = self._indexes.members()
        found = {id for digest in ended for id in known[digest]["images"].values() if id not in members}
        images = [image for id in sorted(found) if (image := self._records.get(id)) is not None]
        return [one for one in images if not one.repo_tags and not one.repo_digests and not in_use(one.id)]

    def _delete(self, image: Image) -> list[Layer]:
        """Drop the record, and the blobs and layers that nothing else needs."""
        self._records.delete(image.id)
        removed = self._layers.collect(self._used(), [layer.chain_id for layer in image.layers])
        self._drop_unused_blobs()
        return [layer for layer, _ in removed]

    def _used(self) -> list[str]:
        used = [level for record in self._records.records().values() for level in record["layers"][-1:]]
        for source in self._sources:
            used.extend(source())
        return used

    def prune(
        self,
        *,
        all: bool = False,
        filters: Mapping[str, Sequence[str]] | None = None,
        in_use: Callable[[str], Sequence[ImageUser]],
    ) -> tuple[list[dict[str, str]], int]:
        """Remove dangling (or all unused) images; (removed, bytes reclaimed)."""
        rest = dict(filters or {})
        dangling = rest.pop("dangling", ())
        if len(rest.get("until") or ()) > 1:
            raise InvalidParameter("more than one until filter specified")
        everything = all or (bool(dangling) and not truth("dangling", dangling))
        deleted: list[dict[str, str]] = []
        with self._lock:
            before = {level: record["size"] for level, record in self._layers.records().items()}
            alive = self._indexes.alive()
            candidates = shapes.selected(self._listed(), rest, self.resolve)
            doomed = [image for image in candidates if (everything or not image.repo_tags) and not in_use(image.id)]
            for image in doomed:
                deleted += [{"Untagged": name} for name in (*image.repo_tags, *image.repo_digests)]
                self._records.delete(image.id)
                deleted.append({"Deleted": image.id})
            for image in self._orphans(alive, in_use):
                self._records.delete(image.id)
                deleted.append({"Deleted": image.id})
            gone = self._layers.collect(self._used())
            deleted += [{"Deleted": layer.chain_id} for layer, _ in gone]
            reclaimed = sum(before.get(layer.chain_id, 0) for layer, _ in gone) + self._drop_unused_blobs(
                compressed=True
            )
        self._empty_trash()
        for image in doomed:
            self._publish("image", "delete", image.id, {"name": image.id})
        self._publish("image", "prune", "", {"reclaimed": str(reclaimed)})
        return deleted, reclaimed

    def collect(self) -> int:
        """Delete layers and blobs that no image and no protecting source needs; bytes reclaimed."""
        with self._lock:
            gone = self._layers.collect(self._used())
            freed = sum(layer.size for layer, _ in gone) + self._drop_unused_blobs()
        self._empty_trash()
        return freed

    def _empty_trash(self) -> None:
        """Who prunes wants the space now."""
        if self._trash is not None:
            self._trash.empty()
