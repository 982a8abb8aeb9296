"""What a container's labels say that is acted upon: only where its maker has said it, never its image.

An engine gives a container the labels of its image besides its own. So an image could bring hooks, which run with whatever
rights they ask for, and names of volumes that go with the container. A label with the very text that the image has counts as
the image's, and so does any where there is no image any more to compare it with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import labels
from ..client import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..client import Engine
    from ..client.bodies.containers import ContainerRow

_ACTED_UPON = (labels.PRE_STOP, labels.POST_START, labels.PRE_START, labels.KEPT_VOLUMES)


def by_their_makers(engine: Engine, rows: Iterable[ContainerRow]) -> list[ContainerRow]:
    """The rows of GET /containers/json without what images have brought. Asks for an image only where there is such a label."""
    images: dict[str, Mapping[str, str] | None] = {}
    found: list[ContainerRow] = []
    for row in rows:
        tags = row.get("Labels") or {}
        if any(tags.get(name) for name in _ACTED_UPON):
            image = str(row.get("ImageID") or row.get("Image") or "")
            if image not in images:
                images[image] = _labels(engine, image)
            kept = images[image]
            row = {**row, "Labels": {name: text for name, text in tags.items() if _is_the_makers(name, text, kept)}}
        found.append(row)
    return found


def by_its_maker(engine: Engine, image: str, tags: Mapping[str, str], name: str) -> str:
    """One label of a container of this image; "" for none."""
    text = tags.get(name, "")
    return text if text and _is_the_makers(name, text, _labels(engine, image)) else ""


def _is_the_makers(name: str, text: str, image: Mapping[str, str] | None) -> bool:
    return name not in _ACTED_UPON or (image is not None and image.get(name) != text)


def _labels(engine: Engine, image: str) -> Mapping[str, str] | None:
    try:
        return (engine.images.inspect(image).get("Config") or {}).get("Labels") or {}
    except NotFound:
        return None
