"""Which images need whose signature. Pure; the keys' content comes in as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ...errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

ACCEPT, REFUSE, SIGNED = "accept", "refuse", "signed"


class Unverified(EngineError):
    """The policy does not let an image in."""

    status = 403


@dataclass(frozen=True, slots=True)
class Rule:
    """``images`` are patterns of whole names (``docker.io/library/*``). With the policy "signed" one good signature by any of
    the public keys (``cosign``) or under any of the certificates (``notary``) is enough; all are PEM."""

    images: tuple[str, ...]
    policy: str = SIGNED
    cosign: tuple[bytes, ...] = ()
    notary: tuple[bytes, ...] = ()


def rule_for(rules: Iterable[Rule], name: str) -> Rule | None:
    """The first rule that names the repository ``name`` (with its domain); without one everything is let in."""
    return next((rule for rule in rules if any(fnmatchcase(name, pattern) for pattern in rule.images)), None)
