"""One image from engine to engine, compared by its id or, where engines count ids differently, by its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...client import NotFound
from ...errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...client import Engine
    from ...client.bodies.images import Image
    from .inventory import WantedImage

    Passing = Callable[[Iterator[bytes]], Iterator[bytes]]


def find(source: Engine, target: Engine, wanted: WantedImage) -> str | None:
    """The id that the whole image, with all of its tags, has at the target; None when something is missing there."""
    before = source.images.inspect(wanted.id)
    found = [_known(target, ref) for ref in (wanted.tags or (wanted.id,))]
    if any(one is None or not _is_same(before, one) for one in found):
        return None
    first = found[0]
    return None if first is None else first["Id"]


def move(source: Engine, target: Engine, wanted: WantedImage, passing: Passing) -> str:
    """Bring the image over; its id at the target. A tag that is another image there is refused. Raises `EngineError`,
    `OperationError`."""
    before = source.images.inspect(wanted.id)
    for tag in wanted.tags:
        there = _known(target, tag)
        if there is not None and not _is_same(before, there):
            raise OperationError(f"{tag} is another image there: tag or remove that one first")
    loaded = [
        line.get("stream", "") for line in target.images.load(passing(source.images.save(wanted.tags or (wanted.id,))))
    ]
    names = wanted.tags or (
        wanted.id,
        *(text.rpartition(": ")[2].strip() for text in loaded if "Loaded image ID" in text),
    )
    after = next((one for one in (_known(target, name) for name in names) if one is not None), None)
    if after is None or not _is_same(before, after):
        raise OperationError("what arrived is not what was sent: its layers differ")
    return after["Id"]


def _known(engine: Engine, ref: str) -> Image | None:
    try:
        return engine.images.inspect(ref)
    except NotFound:
        return None


def _is_same(one: Image, other: Image) -> bool:
    if one["Id"] == other["Id"]:
        return True
    layers = (one.get("RootFS") or {}).get("Layers")
    return bool(layers) and layers == (other.get("RootFS") or {}).get("Layers") and _settings(one) == _settings(other)


def _settings(image: Image) -> list[object]:
    config = image.get("Config") or {}
    return [config.get(key) or None for key in ("Cmd", "Entrypoint", "Env", "Labels", "User", "Volumes", "WorkingDir")]
