"""A service as a container of a pod, and its pre_start steps as init containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....grammar.numerals import natural
from ...labels import image_name
from ..words import command_words
from .names import dns_name
from .placement import gpus
from .text import cpus, literal, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from ...errors import Path
    from ...model import Project
    from ...model.service import Hook, Service
    from ..findings import Findings
    from .bodies import pods
    from .facts import Facts
    from .volumes import Mounted


def container(project: Project, name: str, facts: Facts, mounted: Mounted, findings: Findings) -> pods.Container:
    tree = project.services[name]
    body: pods.Container = {
        "name": dns_name(name),
        "image": image_of(project, name, facts),
        "imagePullPolicy": "IfNotPresent",
    }
    _add_command(body, name, tree, findings)
    environment = _environment(tree.get("environment") or {})
    if environment:
        body["env"] = environment
    ports = _ports(tree)
    if ports:
        body["ports"] = ports
    resources = _resources(name, tree, findings)
    if resources:
        body["resources"] = resources
    ids = user_ids(tree.get("user") or "", facts.users.get(name), ("services", name, "user"), findings)
    security = _security(name, tree, ids, findings)
    if security:
        body["securityContext"] = security
    if mounted.mounts:
        body["volumeMounts"] = mounted.mounts
    lifecycle = _lifecycle(name, tree, findings)
    if lifecycle:
        body["lifecycle"] = lifecycle
    return body


def image_of(project: Project, name: str, facts: Facts) -> str:
    return facts.images.get(name) or image_name(project, name)


def _add_command(body: pods.Container, name: str, tree: Service, findings: Findings) -> None:
    entrypoint, command = command_words(name, tree, findings)
    if entrypoint is not None:
        body["command"] = [literal(one) for one in entrypoint]
    if command is not None:
        body["args"] = [literal(one) for one in command]
    if tree.get("working_dir"):
        body["workingDir"] = tree["working_dir"]
    if tree.get("stdin_open"):
        body["stdin"] = True
    if tree.get("tty"):
        body["tty"] = True


def init_containers(
    project: Project, name: str, facts: Facts, mounted: Mounted, findings: Findings
) -> list[pods.Container]:
    """The pre_start steps: each runs to its end before the next, with the service's own environment, volumes and user."""
    tree = project.services[name]
    image = image_of(project, name, facts)
    found: list[pods.Container] = []
    for index, hook in enumerate(tree.get("pre_start") or ()):
        environment = {**(tree.get("environment") or {}), **(hook.get("environment") or {})}
        step: Service = {**tree, "privileged": hook.get("privileged", False)}
        body: pods.Container = {
            "name": f"pre-start-{index}",
            "image": hook.get("image") or image,
            "imagePullPolicy": "IfNotPresent",
            "command": [literal(one) for one in hook.get("command") or ()],
        }
        if directory := hook.get("working_dir") or tree.get("working_dir"):
            body["workingDir"] = directory
        if environment:
            body["env"] = _environment(environment)
        security = _security(name, step, _step_ids(name, tree, index, facts, findings), findings)
        if security:
            body["securityContext"] = security
        if mounted.mounts:
            body["volumeMounts"] = mounted.mounts
        found.append(body)
    return found


def _step_ids(name: str, tree: Service, index: int, facts: Facts, findings: Findings) -> tuple[int, int | None] | None:
    """A step runs as the service does unless it says otherwise; only the service's own user was looked up, in the service's image."""
    hook = (tree.get("pre_start") or [])[index]
    own = tree.get("user") or ""
    given = hook.get("user") or own
    known = facts.users.get(name) if given == own and not hook.get("image") else None
    is_own = bool(hook.get("user"))
    path: Path = ("services", name, "pre_start", index, "user" if is_own else "image")
    return user_ids(given, known, path, findings)


def _environment(values: Mapping[str, str | None]) -> list[pods.Variable]:
    return [{"name": key, "value": literal(value)} for key, value in values.items() if value is not None]


def _ports(tree: Service) -> list[pods.ContainerPort]:
    """What the container listens on; ``mode: host`` takes the port of the node."""
    found: dict[tuple[int, str], pods.ContainerPort] = {}
    for port in tree.get("ports") or ():
        key = (port["target"], (port.get("protocol") or "tcp").upper())
        body = found.setdefault(key, {"containerPort": key[0], "protocol": key[1]})
        published = port.get("published") or ""
        if port.get("mode") == "host" and published.isdecimal():
            body["hostPort"] = int(published)
    return list(found.values())


def _resources(name: str, tree: Service, findings: Findings) -> pods.Resources:
    declared = (tree.get("deploy") or {}).get("resources") or {}
    limits, reservations = declared.get("limits") or {}, declared.get("reservations") or {}
    upper = {**_amounts(limits.get("cpus") or tree.get("cpus"), limits.get("memory") or tree.get("mem_limit"))}
    upper |= gpus(tree, ("services", name, "gpus" if tree.get("gpus") else "deploy"), findings)
    lower = _amounts(reservations.get("cpus"), reservations.get("memory") or tree.get("mem_reservation"))
    found: pods.Resources = {}
    if upper:
        found["limits"] = upper
    if lower:
        found["requests"] = lower
    return found


def _amounts(processors: float | None, memory: int | None) -> dict[str, str]:
    found = {}
    if processors:
        found["cpu"] = cpus(processors)
    if memory:
        found["memory"] = quantity(memory)
    return found


def _security(name: str, tree: Service, ids: tuple[int, int | None] | None, findings: Findings) -> pods.SecurityContext:
    body: pods.SecurityContext = {}
    if tree.get("privileged"):
        body["privileged"] = True
    if tree.get("read_only"):
        body["readOnlyRootFilesystem"] = True
    capabilities: pods.Capabilities = {}
    if added := tree.get("cap_add"):
        capabilities["add"] = [one.upper().removeprefix("CAP_") for one in added]
    if dropped := tree.get("cap_drop"):
        capabilities["drop"] = [one.upper().removeprefix("CAP_") for one in dropped]
    if capabilities:
        body["capabilities"] = capabilities
    if ids is not None:
        body["runAsUser"] = ids[0]
        if ids[1] is not None:
            body["runAsGroup"] = ids[1]
    for index, text in enumerate(tree.get("security_opt") or ()):
        word, _, value = text.partition("=") if "=" in text else text.partition(":")
        if word == "no-new-privileges":
            body["allowPrivilegeEscalation"] = value == "false"
        elif word == "seccomp" and value == "unconfined":
            body["seccompProfile"] = {"type": "Unconfined"}
        elif word == "label" and value.partition(":")[0] in ("user", "role", "type", "level"):
            kind, _, rest = value.partition(":")
            body["seLinuxOptions"] = {**body.get("seLinuxOptions", {}), kind: rest}
        else:
            findings.refuse(("services", name, "security_opt", index), f"a security context has no {text}")
    return body


def user_ids(
    given: str, known: tuple[int, int] | None, path: Path, findings: Findings
) -> tuple[int, int | None] | None:
    """A user of a Compose file as numbers; names are the image's own, and ``known`` what it says of this one."""
    user, _, group = given.partition(":")
    if not user:
        return None
    # Names are the image's own, but for the one that every image has.
    user, group = ("0" if one == "root" else one for one in (user, group))
    uid, gid = natural(user), natural(group)
    if uid is not None and (not group or gid is not None):
        return uid, gid
    if known is not None:
        return known
    words = f"user {given} is a name of the image's, and Kubernetes takes numbers"
    findings.refuse(path, words, "write the number, or build or pull the image here so that it can be looked up")
    return None


def _lifecycle(name: str, tree: Service, findings: Findings) -> pods.Lifecycle:
    body: pods.Lifecycle = {}
    rows: tuple[tuple[str, Literal["postStart", "preStop"], Sequence[Hook]], ...] = (
        ("post_start", "postStart", tree.get("post_start") or ()),
        ("pre_stop", "preStop", tree.get("pre_stop") or ()),
    )
    for key, field, hooks in rows:
        if len(hooks) > 1:
            findings.refuse(("services", name, key, 1), f"a container has one {field} handler, not {len(hooks)}")
        elif hooks:
            body[field] = {"exec": {"command": list(hooks[0].get("command") or ())}}
    return body
