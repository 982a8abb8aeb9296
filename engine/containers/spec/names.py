"""Names for containers that were given none: an adjective and an animal, so that people can say them aloud."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_ADJECTIVES = (
    "amber", "brave", "brisk", "calm", "clever", "cosmic", "crisp", "curious", "daring", "eager", "early", "fair", "fleet",
    "gentle", "glad", "golden", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind", "light", "lively", "lucky",
    "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "polite", "proud", "quick",
    "quiet", "rapid", "ready", "silent", "simple", "smart", "snug", "steady", "stout", "sunny", "swift", "tidy", "tough",
    "vivid", "warm", "wise", "witty", "young", "zesty",
)  # fmt: skip
_ANIMALS = (
    "ant", "badger", "bear", "beaver", "bison", "bittern", "camel", "cat", "cod", "crane", "crow", "deer", "dolphin",
    "dove", "duck", "eagle", "eel", "elk", "falcon", "ferret", "finch", "fox", "frog", "goose", "gull", "hare", "hawk",
    "heron", "horse", "ibex", "jackal", "jay", "koala", "lark", "lemur", "lion", "lizard", "lynx", "marten", "mole",
    "moose", "moth", "mouse", "newt", "otter", "owl", "panda", "pelican", "perch", "pike", "puffin", "quail", "rabbit",
    "raven", "robin", "seal", "shrew", "snail", "stork", "swan", "tapir", "tern", "toad", "trout", "vole", "walrus",
    "weasel", "whale", "wolf", "wren", "yak", "zebra",
)  # fmt: skip


def unused(taken: Callable[[str], bool]) -> str:
    """A name nobody has yet."""
    while True:
        name = f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_ANIMALS)}"
        if not taken(name):
            return name
        if not taken(numbered := f"{name}{secrets.randbelow(10_000)}"):
            return numbered
