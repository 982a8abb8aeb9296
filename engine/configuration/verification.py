"""``verify`` in the configuration: which signatures images need. Keys are read, and tried, when the engine starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..images.signatures.policy import SIGNED, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .document import Value
    from .schema import Fault


def faults(rules: Value) -> Iterator[Fault]:
    """Rules of the right shape that could never be met, or whose keys cannot be used."""
    from ..images.signatures.cosign import load_key  # cryptography is large: only engines with rules load it
    from ..images.signatures.notary import load_certificates

    for index, rule in enumerate(rules.content):
        members = rule.content
        policy = members["policy"].content if "policy" in members else SIGNED
        named = {name: members[name].content for name in ("cosign", "notary") if name in members}
        if policy == SIGNED and not any(named.values()):
            yield rule.line, rule.column, f"verify[{index}]: cosign or notary must name keys that may sign"
        if policy != SIGNED and named:
            yield rule.line, rule.column, f"verify[{index}]: keys mean nothing with policy: {policy}"
        for name, load in (("cosign", load_key), ("notary", load_certificates)):
            yield from _unusable(named.get(name, ()), f"verify[{index}].{name}", load)


def _unusable(files: Any, where: str, load: Callable[[bytes], Any]) -> Iterator[Fault]:
    for number, file in enumerate(files):
        try:
            load(Path(file.content).read_bytes())
        except OSError as error:
            yield file.line, file.column, f"{where}[{number}]: {file.content}: {error.strerror}"
        except ValueError as error:
            yield file.line, file.column, f"{where}[{number}]: {file.content}: no usable key: {error}"


def rule(tree: Mapping[str, Any]) -> Rule:
    keys = {name: tuple(Path(file).read_bytes() for file in tree.get(name, ())) for name in ("cosign", "notary")}
    return Rule(tuple(tree["images"]), tree.get("policy", SIGNED), **keys)
