"""How far a field `HostConfig.Manners` of the API has got."""

import re

from facts import tell

from pycompose.compose.client.bodies import containers
from pycompose.engine.api.versions import fitted
from pycompose.engine.containers.spec import bodies, fields, validate
from pycompose.engine.containers.spec.container import ContainerSpec
from pycompose.engine.errors import InvalidParameter


def kind() -> str:
    """Where a wrong kind is told."""
    try:
        fields.host_config({"Manners": 5})
    except InvalidParameter as error:
        return re.search(r"HostConfig\.Manners", str(error))[0]
    return ""


def sense() -> str:
    try:
        validate.host_config(fields.host_config({"Manners": "rude"}), fields.config({}))
    except InvalidParameter as error:
        return str(error)
    return ""


def older() -> str:
    """What a version before it shows, where a newer one shows it."""
    newer = fitted("container", {"HostConfig": {"Manners": ""}}, (1, 55))
    assert newer == {"HostConfig": {"Manners": ""}}
    before = fitted("container", newer, (1, 54))
    return "" if "Manners" in before["HostConfig"] else str(before)


tell(
    kind=kind,
    typed=lambda: "Manners" in bodies.HostConfig.__annotations__,
    sense=sense,
    value=lambda: ContainerSpec(fields.config({}), fields.host_config({"Manners": "polite"}), {}).polite,
    older=older,
    read=lambda: "Manners" in containers.HostConfig.__annotations__,
)
