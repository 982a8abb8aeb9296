"""Questions about a Dockerfile instead of a build of it: ``docker build --call``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotImplemented_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .lent import Lender


async def answer(asked: str, attributes: Mapping[str, str], lender: Lender) -> dict[str, bytes]:
    raise NotImplemented_(f"{asked} is not offered by this engine")
