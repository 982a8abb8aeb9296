"""``verify`` in the configuration: which signatures images need. Keys are read, and tried, when the engine starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from ..images.signatures.policy import SIGNED, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .document import Value
    from .schema import Fault


def faults(rules: Value) -> Iterator[Fault]:
    """Rules of the right shape that could never be met, or whose keys cannot be used."""
    from ..images.signatures.cosign import load_key  # cryptography is large: only engines with rules load it
    from ..images.signatures.notary import load_certificates

    for index, rule in enumerate(rules.items):
        members = rule.members
        policy = members["policy"].text if "policy" in members else SIGNED
        named = {name: members[name].items for name in ("cosign", "notary") if name in members}
        if policy == SIGNED and not any(named.values()):
            yield rule.line, rule.column, f"verify[{index}]: cosign or notary must name keys that may sign"
        if policy != SIGNED and named:
            yield rule.line, rule.column, f"verify[{index}]: keys mean nothing with policy: {policy}"
        yield from _unusable(named.get("cosign", ()), f"verify[{index}].cosign", load_key)
        yield from _unusable(named.get("notary", ()), f"verify[{index}].notary", load_certificates)


def _unusable(files: Iterable[Value], where: str, load: Callable[[bytes], object]) -> Iterator[Fault]:
    for number, file in enumerate(files):
        try:
            load(Path(file.text).read_bytes())
        except OSError as error:
            yield file.line, file.column, f"{where}[{number}]: {file.text}: {error.strerror}"
        except ValueError as error:
            yield file.line, file.column, f"{where}[{number}]: {file.text}: no usable key: {error}"


class RuleTree(TypedDict):
    """One rule as it is written: patterns of images, what is asked of them, and files with keys."""

    images: list[str]
    policy: NotRequired[str]
    cosign: NotRequired[list[str]]
    notary: NotRequired[list[str]]


def rule(tree: RuleTree) -> Rule:
    return Rule(
        tuple(tree["images"]),
        tree.get("policy", SIGNED),
        cosign=tuple(Path(file).read_bytes() for file in tree.get("cosign", ())),
        notary=tuple(Path(file).read_bytes() for file in tree.get("notary", ())),
    )
