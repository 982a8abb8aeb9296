"""Zero, nothing and emptiness as the value of every key: each gives a container, or one line that says where."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.schema_walk import keys

from pycompose.compose.convert.container import Facts, create_request
from pycompose.compose.convert.network import network_body
from pycompose.compose.convert.volume import volume_body
from pycompose.compose.errors import ComposeError, LoadError
from pycompose.compose.load import dump, yamldump
from pycompose.compose.load.conformance import ignored, refused
from pycompose.compose.load.pipeline import load_project
from pycompose.compose.model import LoadOptions
from pycompose.compose.plan.observe import Snapshot
from pycompose.compose.plan.reconcile.options import UpOptions
from pycompose.compose.plan.reconcile.up import reconcile_up

VALUES: tuple[Any, ...] = (0, "0", "", [], {}, False, None, [""], [None], {"": ""}, {"k": None}, {"k": ""}, {"k": 0})


def complete(tree: dict[str, Any]) -> dict[str, Any]:
    """The file with a service, and the resources that a service in it may name."""
    services = tree.get("services")
    if isinstance(services, dict) and isinstance(services.get("k"), dict):
        services["k"].setdefault("image", "busybox")
    elif services is None and "services" not in tree:
        tree = {**tree, "services": {"k": {"image": "busybox"}}}
        for noun in ("networks", "volumes", "configs", "secrets"):
            if isinstance(tree.get(noun), dict) and "k" in tree[noun]:
                tree["services"]["k"][noun] = ["k:/k"] if noun == "volumes" else ["k"]
    return tree


def carry_out(text: str) -> None:
    """Everything that becomes of a file before an engine is asked."""
    project = load_project(LoadOptions(files=("-",), stdin=text, cwd=Path("/nowhere"), project_name="p"))
    dump.to_json(project)
    yamldump.to_yaml(project)
    found = refused(project)
    if found:
        raise LoadError(found)
    list(ignored(project, own_engine=True))
    for key in project.networks:
        network_body(project, key)
    for key in project.volumes:
        volume_body(project, key)
    reconcile_up(project, Snapshot("p"), UpOptions(), {})
    for name, service in project.services.items():
        if service.get("provider"):
            continue
        request = create_request(project, name, 1, Facts(api=(1, 44), own=True, socket="/s"))
        json.dumps(request.body)


CASES = [(".".join(path), wrap) for path, wrap in keys()]


BAD: dict[str, str] = {
    "services: {k: {image: x, ports: ['0']}}": "services.k.ports[0]: a container's port is between 1 and 65535",
    "services: {k: {image: x, expose: ['99999']}}": "services.k.expose[0]: expose takes ports between 1 and 65535",
    "services: {k: {image: x, expose: ['90-80']}}": "services.k.expose[0]: expose takes ports between 1 and 65535",
    "services: {k: {image: x, expose: ['80/foo']}}": "as 80, 80-90 or 53/udp, not '80/foo'",
    "services: {k: {image: x, devices: [':/dev/x']}}": "services.k.devices[0]: a device needs a source",
    "services: {k: {image: x, secrets: [{source: s, uid: me}]}}\nsecrets: {s: {file: f}}": "uid is a number, not 'me'",
    "services: {k: {image: x, extends: {service: k, file: nosuch}}}": "1:26: services.k.extends: open",
    "services: {k: {image: x, container_name: n}, l: {image: x, container_name: n}}": (
        'services.l.container_name: container name "n" is already that of service "k"'
    ),
    "services: {k: {image: x, configs: [c]}}\nconfigs: {c: {environment: ''}}": "2:11: configs.c: ",
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_is_told_with_its_place(text: str) -> None:
    with pytest.raises(ComposeError) as raised:
        carry_out(text)
    assert BAD[text] in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "services: {k: {image: x, hostname: n}, l: {image: x, hostname: n}}",
        "services: {k: {image: x, ports: ['80:80', '80:80/udp']}, l: {image: x, ports: ['81:80', '80']}}",
        "services: {k: {image: x, ports: ['127.0.0.1:80:80']}, l: {image: x, ports: ['127.0.0.2:80:80']}}",
        "services: {k: {image: x, ports: ['80:80']}, l: {image: x, scale: 0, ports: ['80:80']}}",
        "services: {k: {image: x, configs: [c]}}\nconfigs: {c: {content: ''}}",
        "services: {k: {image: x, ulimits: {core: 0, nofile: {soft: 0, hard: 5}}}}",
    ],
)
def test_what_two_services_may_share_and_what_may_be_empty(text: str) -> None:
    carry_out(text)


@pytest.mark.parametrize(("key", "wrap"), CASES, ids=[key for key, _ in CASES])
def test_a_key_without_content(key: str, wrap: Any) -> None:
    for value in VALUES:
        tree = complete(wrap(value))
        try:
            carry_out(json.dumps(tree))
        except ComposeError as error:
            lines = str(error).splitlines()
            assert lines, tree
            for line in lines:
                assert re.search(r"\b\d+:\d+: ", line), f"{tree}: {line!r} names no place"
