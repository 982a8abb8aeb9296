"""The types of the model say what is loaded: the same attributes as the table that binds, and of the same kind; and what goes to an
engine under another name has there the type that it has here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ForwardRef, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from pycompose.compose.convert import bodies, renames
from pycompose.compose.load import bind, decode
from pycompose.compose.load.schema import directory
from pycompose.compose.model import build, deploy, parts, resources, service, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pycompose.compose.load.binder import Decoder, Field

NAMES = {
    **vars(service), **vars(parts), **vars(build), **vars(deploy), **vars(resources), **vars(values), "Json": ForwardRef("Json"),
}  # fmt: skip
SECTIONS = {
    "services": service.Service,
    "networks": resources.Network,
    "volumes": resources.Volume,
    "configs": resources.FileObject,
    "secrets": resources.FileObject,
    "models": resources.Model,
}
KINDS: dict[Any, object] = {
    decode.string: str,
    decode.switch: str,
    decode.restart: values.Restart,
    decode.boolean: bool,
    decode.whole: int,
    decode.natural: int,
    decode.device_count: int,
    decode.single_float: float,
    decode.size: values.Size,
    decode.duration: values.Duration,
    decode.strings: list[str],
    decode.texts: list[str],
    decode.exposed: list[values.Exposed],
    decode.hosts: list[str],
    decode.ssh: list[str],
    decode.health_test: list[str],
    decode.command: list[str] | None,
    decode.mapping: dict[str, str],
    decode.options: dict[str, str],
    decode.string_map: dict[str, str],
    decode.environment: dict[str, str | None],
    decode.ulimit: int | parts.Ulimit,
    bind.env_file: str | service.EnvFile,
}


def hints(of: type) -> dict[str, Any]:
    return get_type_hints(of, localns=NAMES)


def inner(decoder: Decoder) -> Any:
    """What a decoder that is made of others is made of."""
    return [cell.cell_contents for cell in getattr(decoder, "__closure__", None) or ()]


def differences(decoder: Any, hint: Any, path: str) -> Iterator[str]:
    """Where what is bound at ``path`` is not of the type that the model gives it."""
    name = getattr(decoder, "__qualname__", "")
    if decoder in KINDS:
        if KINDS[decoder] != hint:
            yield f"{path}: bound as {KINDS[decoder]}, typed as {hint}"
    elif decoder is decode.free:
        if "Json" not in str(hint):
            yield f"{path}: bound as it is, typed as {hint}"
    elif name.startswith(("record.", "embedded.")):
        (fields,) = inner(decoder)
        yield from members(fields, hint, path)
    elif name.startswith("listed."):
        if get_origin(hint) is not list:
            yield f"{path}: a list, typed as {hint}"
        else:
            (each,) = inner(decoder)
            yield from differences(each, get_args(hint)[0], f"{path}[]")
    elif name.startswith("keyed."):
        if get_origin(hint) is not dict or get_args(hint)[0] is not str:
            yield f"{path}: a mapping, typed as {hint}"
        else:
            # An entry without a value is None where the Specification lets it be.
            below = get_args(hint)[1]
            some = (
                [one for one in get_args(below) if one is not type(None)] if type(None) in get_args(below) else [below]
            )
            (each,) = inner(decoder)
            yield from differences(each, some[0], f"{path}.*")
    else:
        yield f"{path}: no kind is known for {name}"


def members(fields: tuple[Field, ...], hint: Any, path: str) -> Iterator[str]:
    if not is_typeddict(hint):
        yield f"{path}: a record, typed as {hint}"
        return
    typed = hints(hint)
    bound = {field.label or field.key: field for field in fields}
    for key in sorted({*typed, *bound}):
        if key not in bound:
            yield f"{path}.{key}: is in the model and is never bound (compose/load/bind.py)"
        elif key not in typed:
            yield f"{path}.{key}: is bound and missing in {hint.__name__} (compose/model)"
        else:
            yield from differences(bound[key].decode, typed[key], f"{path}.{key}")


@pytest.mark.parametrize("section", SECTIONS)
def test_the_model_has_the_type_of_what_is_bound(section: str) -> None:
    assert list(members(bind.SECTIONS[section], SECTIONS[section], section)) == []


def test_every_key_of_the_schema_is_bound() -> None:
    schema = json.loads((directory() / "service.json").read_text())
    allowed = set(schema["$defs"]["service"]["properties"])
    assert sorted(allowed - set(hints(service.Service))) == [], "compose/model/service.py"
    assert sorted(set(hints(service.Service)) - allowed - {"triggers"}) == [], "schemas/service.json"


@pytest.mark.parametrize(
    ("table", "body"),
    [
        (renames.CONFIG, bodies.ContainerConfig),
        (renames.HOST, bodies.HostConfig),
        (renames.RESOURCES, bodies.Resources),
    ],
    ids=["config", "host", "resources"],
)
def test_what_only_changes_its_name_keeps_its_type(table: dict[str, str], body: type) -> None:
    ours, theirs = hints(service.Service), get_type_hints(body)
    for key, name in table.items():
        mine, there = given(ours[key]), given(theirs[name])
        mine = int if mine in (values.Size, values.Duration) else mine
        assert mine == there, f"{key} is {mine}, {name} {there}"


def given(hint: Any) -> Any:
    """The type of a value that is there."""
    return get_args(hint)[0] if type(None) in get_args(hint) else hint
