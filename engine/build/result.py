"""What a build leaves: its image, what is attested of it, and for several platforms the index of all of them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...version import __version__ as VERSION
from ..images import reference
from ..images.assembly import Part
from ..images.types import Platform, platform_of
from . import attest
from .cache import key_of, timestamp
from .cachedir import MEMBER
from .plan import ImageSource
from .progress import StepStatus
from .state import COMMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..images.bodies import History, ImageConfig
    from .plan import Plan
    from .session import Session
    from .state import ImageState


@dataclass(frozen=True, slots=True)
class Made:
    """The stages of one platform, all built."""

    session: Session
    plan: Plan

    @property
    def state(self) -> ImageState:
        return self.session.results[self.plan.target]


def finish(session: Session, state: ImageState, *, inline: bool) -> str:
    """Store a configuration as an image; all times come from the layers' making, or from the epoch. Its id."""
    process = state.process.copy()
    if session.options.labels:
        process["Labels"] = {**(process.get("Labels") or {}), **session.options.labels}
    config: ImageConfig = {**state.other, "config": process}
    if inline:
        config[MEMBER] = session.stores.index()
    own = [entry for entry in state.history if entry.get("created") == ""]
    stamps = [stamp for entry in state.history if (stamp := entry.get("created"))]
    if session.epoch is not None:
        created = timestamp(session.epoch)
    elif own or not stamps:
        # Settled once per configuration, so that an unchanged build gives the same image again.
        key = key_of("config", config, state.history, [layer.chain_id for layer in state.layers])
        created = session.cache.memo(key, lambda: timestamp(time.time()))
    else:
        created = stamps[-1]
    history: list[History] = []
    for entry in state.history:
        settled = entry.get("created") and not (session.epoch is not None and entry.get("comment") == COMMENT)
        history.append(entry if settled else {**entry, "created": created})
    config["created"] = created
    config["history"] = history
    return session.images.add(config, state.layers).id


def default_of(session: Session, ids: Sequence[str]) -> str:
    """Which of several platforms' images a name means where nobody says one: this machine's, else the first."""
    host = Platform.host()
    return next((id for id in ids if platform_of(session.images.resolve(id)) == host), ids[0])


def bound(made: Sequence[Made], ids: Sequence[str], tags: Sequence[str], started: int, step: int) -> str:
    """Make the index of images that were built for a platform each, with what is attested of them. Its digest."""
    images = made[0].session.images
    parts = []
    for one, id in zip(made, ids, strict=True):
        packed = images.packed(id, lambda status: made[0].session.emit(StepStatus(step, status)))
        statements = _statements(one, packed.manifest.digest, tags, started)
        if statements:
            images.attach(id, statements)
        parts.append(Part(packed, statements))
    return images.bind(parts, default_of(made[0].session, ids))


def _statements(made: Made, subject: str, tags: Sequence[str], started: int) -> list[tuple[str, bytes]]:
    """The in-toto statements that were asked for, each with its predicate type."""
    session, plan = made.session, made.plan
    options = session.options
    if not options.provenance and not options.sbom:
        return []
    bases = {
        stage.base.reference: session.image(stage.base)
        for stage in plan.stages.values()
        if isinstance(stage.base, ImageSource)
    }
    names = [str(reference.parse(tag)) for tag in tags]
    known = [(str(reference.parse(name).with_default_tag), base) for name, base in sorted(bases.items())]
    built = attest.Built(subject, names, session.platform, known, os.urandom(16).hex(), started, time.time_ns())
    statements: list[tuple[str, bytes]] = []
    if options.sbom:
        with session.images.mounted(session.lower(made.state.layers)) as root:
            predicate = attest.spdx(built, attest.packages(root), VERSION)
        statements.append((attest.SPDX, attest.statement(built, attest.SPDX, predicate)))
    if options.provenance:
        predicate = attest.provenance(built, options, VERSION)
        statements.append((attest.PROVENANCE, attest.statement(built, attest.PROVENANCE, predicate)))
    return statements
