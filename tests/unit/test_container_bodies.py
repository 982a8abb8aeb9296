"""The types of Config and HostConfig say what the tables that check them say; launch.json is read as it was written."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, is_typeddict

import pytest

from pycompose.engine.containers.spec import bodies, fields, shown
from pycompose.engine.images import bodies as images
from pycompose.engine.networks import bodies as networks
from pycompose.engine.networks.types import ENDPOINT
from pycompose.engine.runtime import bundle, restart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pycompose.engine.shapes import Field

TYPES = {
    "string": "str", "int": "int", "int?": "int | None", "bool": "bool", "bool?": "bool | None", "ints": "list[int]",
    "strings": "list[str]", "map": "dict[str, str]", "sets": "Set", "word lists": "list[list[str]]",
}  # fmt: skip


def members(kind: Any) -> dict[str, str]:
    """The members of a TypedDict with their types as they are written, without what says that they need not be there."""
    assert is_typeddict(kind)
    texts = {name: str(getattr(one, "__forward_arg__", one)) for name, one in kind.__annotations__.items()}
    return {name: text.removeprefix("NotRequired[").removesuffix("]") if "NotRequired" in text else text for name, text in texts.items()}  # fmt: skip


def disagreements(table: Mapping[str, Field], kind: Any, where: str = "") -> Iterator[str]:
    """Members that the table and the type tell differently, down to the innermost objects."""
    said = members(kind)
    if set(said) != set(table):
        yield f"{where}: {sorted(set(said) ^ set(table))}"
    for name in set(said) & set(table):
        field, text = table[name], said[name].removesuffix(" | None")
        place = f"{where}.{name}"
        if field.kind in TYPES:
            if TYPES[field.kind].removesuffix(" | None") != text:
                yield f"{place}: {field.kind} in the table, {text} as a type"
        elif field.members is not None:
            inner = next(word for word in re.findall(r"[A-Z]\w+", text) if word != "None")
            owner = next(module for module in (bodies, networks, images) if hasattr(module, inner))
            yield from disagreements(field.members, getattr(owner, inner), place)


@pytest.mark.parametrize(
    ("table", "kind"),
    [(fields.CONFIG, bodies.Config), (fields.HOST_CONFIG, bodies.HostConfig), (ENDPOINT, networks.EndpointSettings)],
    ids=["Config", "HostConfig", "EndpointSettings"],
)
def test_types_say_what_the_tables_say(table: Mapping[str, Field], kind: Any) -> None:
    assert list(disagreements(table, kind)) == []


def test_disagreements_are_found() -> None:
    table = {**fields.CONFIG, "Tty": fields.CONFIG["Image"]}
    del table["User"]
    found = list(disagreements(table, bodies.Config))
    assert len(found) == 2 and "User" in found[0] and found[1].startswith(".Tty: string")


def test_what_inspect_shows_is_of_the_same_types() -> None:
    assert {"Config", "HostConfig", "NetworkSettings", "Mounts"} <= set(shown.ContainerInspect.__annotations__)


def test_a_launch_is_read_as_it_was_written() -> None:
    """Every member, each with a value that is not its default."""
    spec = bundle.LaunchSpec(
        directory="/run/c",
        id="c",
        config={"process": {"args": ["/bin/true"], "terminal": True}, "linux": {"cgroupsPath": "/p/c"}},
        lower=("/l2", "/l1"),
        upper="/u",
        work="/w",
        log=bundle.LogSpec("/log", "local", 10, 3, {"max-size": "10"}, True, None),
        status="/s/status.json",
        control="/run/c/shim.sock",
        user="alice",
        additional_groups=("7",),
        seccomp="/cache/p.bpf",
        init=True,
        stdin_open=True,
        stdin_once=True,
        restart=restart.Policy("on-failure", 3, 0.5, 9.0),
        stop_signal=37,
        stop_timeout=2.5,
        network_mode="path",
        network_path="/proc/9/ns/net",
        resolver="/run/c/resolver.json",
        runtime="runc",
        own_files=("/run/c/hosts",),
        environment="/run/secrets",
        matched=("/data",),
        donors={9: 12345},
    )
    defaults = bundle.LaunchSpec._field_defaults
    assert all(getattr(spec, name) != value for name, value in defaults.items())
    assert bundle.parse(json.loads(json.dumps(spec.document())), "/run/c") == spec
    assert bundle.ShimSpec.parse(json.loads(json.dumps(spec.for_shim().document()))) == spec.for_shim()


def test_the_exec_document_has_the_members_of_its_specification() -> None:
    from pycompose.engine.runtime import client, wire

    assert set(wire.ExecDocument.__annotations__) == {one.name for one in dataclasses.fields(client.ExecSpec)} - {
        "stdin"
    }
