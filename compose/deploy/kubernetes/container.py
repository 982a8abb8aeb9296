"""A service as a container of a pod, and its pre_start steps as init containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...convert.values import byte_count
from ...errors import Diagnostic, LoadError
from ...labels import image_name
from ..jobs import mode
from .names import dns_name
from .placement import gpus
from .probes import probes
from .text import cpus, literal, plain, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...model import Project
    from ...model.service import Service
    from ..findings import Findings
    from .facts import Facts
    from .volumes import Mounted

LEAVING = 3
"""Seconds a pod goes on answering when it has been told to end: until then other nodes may still send it requests."""


def container(project: Project, name: str, facts: Facts, mounted: Mounted, findings: Findings) -> dict[str, Any]:
    tree = project.services[name]
    body: dict[str, Any] = {
        "name": dns_name(name),
        "image": facts.images.get(name) or image_name(project, name),
        "imagePullPolicy": "IfNotPresent",
    }
    for member, words in (("command", tree.get("entrypoint")), ("args", tree.get("command"))):
        if words is not None:
            body[member] = [literal(one) for one in words]
    given = {"workingDir": tree.get("working_dir"), "stdin": tree.get("stdin_open"), "tty": tree.get("tty")}
    body |= {member: value for member, value in given.items() if value}
    environment = _environment(tree.get("environment") or {})
    if environment:
        body["env"] = environment
    ports = _ports(tree)
    if ports:
        body["ports"] = ports
    resources = _resources(name, tree, findings)
    if resources:
        body["resources"] = resources
    security = _security(name, tree, facts, findings)
    if security:
        body["securityContext"] = security
    if mounted.mounts:
        body["volumeMounts"] = mounted.mounts
    body |= probes(tree)
    lifecycle = _lifecycle(name, tree, findings)
    if lifecycle:
        body["lifecycle"] = lifecycle
    return body


def init_containers(
    project: Project, name: str, facts: Facts, mounted: Mounted, findings: Findings
) -> list[dict[str, Any]]:
    """The pre_start steps: each runs to its end before the next, with the service's own environment, volumes and user."""
    tree = project.services[name]
    own = container(project, name, facts, mounted, findings) if tree.get("pre_start") else {}
    found = []
    for index, hook in enumerate(tree.get("pre_start") or ()):
        environment = {**(tree.get("environment") or {}), **(hook.get("environment") or {})}
        step = {**tree, "user": hook.get("user") or tree.get("user"), "privileged": hook.get("privileged")}
        body: dict[str, Any] = {
            "name": f"pre-start-{index}",
            "image": str(hook.get("image") or own["image"]),
            "imagePullPolicy": "IfNotPresent",
            "command": [literal(str(one)) for one in _words(hook.get("command"))],
        }
        if hook.get("working_dir") or tree.get("working_dir"):
            body["workingDir"] = str(hook.get("working_dir") or tree["working_dir"])
        if environment:
            body["env"] = _environment(environment)
        security = _security(name, step, facts, findings)
        if security:
            body["securityContext"] = security
        if mounted.mounts:
            body["volumeMounts"] = mounted.mounts
        found.append(body)
    return found


def _environment(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": key, "value": literal(plain(value))} for key, value in values.items() if value is not None]


def _ports(tree: Service) -> list[dict[str, Any]]:
    """What the container listens on; ``mode: host`` takes the port of the node."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for port in tree.get("ports") or ():
        key = (int(port["target"]), str(port.get("protocol") or "tcp").upper())
        body = found.setdefault(key, {"containerPort": key[0], "protocol": key[1]})
        published = str(port.get("published") or "")
        if port.get("mode") == "host" and published.isdigit():
            body["hostPort"] = int(published)
    return list(found.values())


def _resources(name: str, tree: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    declared = (tree.get("deploy") or {}).get("resources") or {}
    limits, reservations = declared.get("limits") or {}, declared.get("reservations") or {}
    upper = {**_amounts(limits.get("cpus") or tree.get("cpus"), limits.get("memory") or tree.get("mem_limit"))}
    upper |= gpus(tree, ("services", name, "gpus" if tree.get("gpus") else "deploy"), findings)
    lower = _amounts(reservations.get("cpus"), reservations.get("memory") or tree.get("mem_reservation"))
    return {key: value for key, value in (("limits", upper), ("requests", lower)) if value}


def _amounts(processors: Any, memory: Any) -> dict[str, str]:
    found = {}
    if processors and float(processors):
        found["cpu"] = cpus(processors)
    if memory and byte_count(memory):
        found["memory"] = quantity(byte_count(memory))
    return found


def _security(name: str, tree: Mapping[str, Any], facts: Facts, findings: Findings) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if tree.get("privileged"):
        body["privileged"] = True
    if tree.get("read_only"):
        body["readOnlyRootFilesystem"] = True
    capabilities = {
        field: [str(one).upper().removeprefix("CAP_") for one in tree[key]]
        for key, field in (("cap_add", "add"), ("cap_drop", "drop"))
        if tree.get(key)
    }
    if capabilities:
        body["capabilities"] = capabilities
    ids = user_ids(name, tree, facts, findings)
    if ids is not None:
        body["runAsUser"] = ids[0]
        if ids[1] is not None:
            body["runAsGroup"] = ids[1]
    for index, item in enumerate(tree.get("security_opt") or ()):
        text = str(item)
        word, _, value = text.partition("=") if "=" in text else text.partition(":")
        if word == "no-new-privileges":
            body["allowPrivilegeEscalation"] = value == "false"
        elif word == "seccomp" and value == "unconfined":
            body["seccompProfile"] = {"type": "Unconfined"}
        elif word == "label" and value.partition(":")[0] in ("user", "role", "type", "level"):
            kind, _, rest = value.partition(":")
            body.setdefault("seLinuxOptions", {})[kind] = rest
        else:
            findings.refuse(("services", name, "security_opt", index), f"a security context has no {text}")
    return body


def user_ids(name: str, tree: Mapping[str, Any], facts: Facts, findings: Findings) -> tuple[int, int | None] | None:
    """``user`` as numbers; names are those of the image, where that could be asked."""
    user, _, group = str(tree.get("user") or "").partition(":")
    if not user:
        return None
    # Names are the image's own, but for the one that every image has.
    user, group = ("0" if one == "root" else one for one in (user, group))
    if user.isdigit() and (not group or group.isdigit()):
        return int(user), int(group) if group else None
    if name in facts.users:
        return facts.users[name]
    words = f"user {tree['user']} is a name of the image's, and Kubernetes takes numbers"
    findings.refuse(
        ("services", name, "user"),
        words,
        "write the number, or build or pull the image here so that it can be looked up",
    )
    return None


def _lifecycle(name: str, tree: Service, findings: Findings) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for key, field, hooks in (
        ("post_start", "postStart", tree.get("post_start") or ()),
        ("pre_stop", "preStop", tree.get("pre_stop") or ()),
    ):
        if len(hooks) > 1:
            findings.refuse(("services", name, key, 1), f"a container has one {field} handler, not {len(hooks)}")
        elif hooks:
            body[field] = {"exec": {"command": [str(one) for one in _words(hooks[0].get("command"))]}}
    if "preStop" not in body and is_replaced_while_serving(tree):
        # An image without `sleep` loses nothing but the delay: a handler that fails does not keep a pod from ending.
        body["preStop"] = {"exec": {"command": ["sleep", str(LEAVING)]}}
    return body


def is_replaced_while_serving(tree: Service) -> bool:
    """Whether others send the service requests while its pods are replaced one by one."""
    return bool(tree.get("ports") or tree.get("expose")) and mode(tree) in ("replicated", "global")


def _words(command: Any) -> Sequence[Any]:
    if isinstance(command, str):
        from ...shortforms import split_command

        try:
            return split_command(command)
        except ValueError as error:
            raise LoadError(Diagnostic(f"{command!r}: {error}")) from None
    return list(command or ())
