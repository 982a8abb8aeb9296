"""A service as a Swarm ServiceSpec: mode, update, placement, endpoint. Its container is in container.py, its mounts in mounts.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...convert.values import byte_count, pairs
from ...dataclass import dataclass, field
from ...labels import network_name
from ..extensions import extension
from ..jobs import JOB_MODES, SCHEDULE, mode, replicas
from .container import container_spec
from .labels import IMAGE, SERVICE, STACK
from .mounts import plan_mounts
from .text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Project
    from ...model.service import Service
    from ..findings import Findings

_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*")
LONGEST_NAME = 63
MONITOR = 5 * 10**9


@dataclass(frozen=True, slots=True)
class Facts:
    """What a spec depends on besides the file: image references by service, names of secrets and configs by key, jobs."""

    images: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    jobs: frozenset[str] = frozenset()
    allow_binds: bool = False


def service_name(project: Project, name: str) -> str:
    return f"{project.name}_{name}"


def service_spec(project: Project, name: str, facts: Facts, findings: Findings) -> dict[str, Any]:
    """The ServiceSpec of POST /services/create. What cannot be done goes to ``findings``."""
    tree = project.services[name]
    deploy = tree.get("deploy") or {}
    _check_name(project, name, findings)
    mounts = plan_mounts(project, name, facts, findings)
    is_job = name in facts.jobs or mode(tree) in JOB_MODES
    spec: dict[str, Any] = {
        "Name": service_name(project, name),
        "Labels": {
            **{key: plain(value) for key, value in pairs(deploy.get("labels")).items()},
            STACK: project.name,
            SERVICE: name,
            IMAGE: str(tree.get("image") or facts.images.get(name, "")),
        },
        "TaskTemplate": {
            "ContainerSpec": container_spec(project, name, facts, mounts, findings),
            "Resources": _resources(tree),
            "RestartPolicy": _restart(project, name, is_job, findings),
            "Placement": _placement(tree, mounts.constraints),
            "Networks": _networks(project, name, findings),
        },
        "Mode": _mode(tree, is_job),
    }
    logging = tree.get("logging") or {}
    if logging:
        options = {key: plain(value) for key, value in (logging.get("options") or {}).items()}
        spec["TaskTemplate"]["LogDriver"] = {"Name": logging.get("driver") or "", "Options": options}
    if not is_job:
        _updates(spec, tree, stateful=bool(mounts.constraints))
        spec["EndpointSpec"] = _endpoint(project, name, findings)
    elif tree.get("ports"):
        findings.refuse(("services", name, "ports"), "a job publishes no ports on Swarm")
    if extension(tree, SCHEDULE):
        findings.refuse(("services", name, SCHEDULE), "Swarm starts nothing by the clock")
    return spec


def _check_name(project: Project, name: str, findings: Findings) -> None:
    full = service_name(project, name)
    if len(full) > LONGEST_NAME:
        words = f"{full} is {len(full)} characters long; Swarm takes at most {LONGEST_NAME}"
        findings.refuse(("services", name), words, "choose a shorter project name with -p, or a shorter service name")
    elif not _NAME.fullmatch(full):
        findings.refuse(("services", name), f"{full} is no name for a Swarm service: letters, digits, - and _ only")


def _mode(tree: Service, is_job: bool) -> dict[str, Any]:
    kind = mode(tree)
    count = replicas(tree)
    if kind in ("global", "global-job"):
        return {"GlobalJob": {}} if is_job else {"Global": {}}
    if is_job:
        return {"ReplicatedJob": {"MaxConcurrent": count, "TotalCompletions": count}}
    return {"Replicated": {"Replicas": count}}


def _restart(project: Project, name: str, is_job: bool, findings: Findings) -> dict[str, Any]:
    """``deploy.restart_policy``, else ``restart``. On a cluster what says neither is kept running; a job is tried once."""
    tree = project.services[name]
    policy = (tree.get("deploy") or {}).get("restart_policy")
    if policy:
        condition = {"none": "none", "on-failure": "on-failure"}.get(str(policy.get("condition") or "any"), "any")
        if is_job and condition == "any":
            condition = "on-failure"
        body: dict[str, Any] = {"Condition": condition}
        for field_name, time in (("Delay", policy.get("delay")), ("Window", policy.get("window"))):
            if time is not None:
                body[field_name] = int(time)
        if policy.get("max_attempts") is not None:
            body["MaxAttempts"] = int(policy["max_attempts"])
        return body
    word, _, count = str(tree.get("restart") or ("no" if is_job else "always")).partition(":")
    condition = {"no": "none", "on-failure": "on-failure"}.get(word, "on-failure" if is_job else "any")
    found: dict[str, Any] = {"Condition": condition}
    if count.isdigit():
        found["MaxAttempts"] = int(count)
    return found


def _resources(tree: Mapping[str, Any]) -> dict[str, Any]:
    declared = (tree.get("deploy") or {}).get("resources") or {}
    limits, reservations = declared.get("limits") or {}, declared.get("reservations") or {}
    cpus = limits.get("cpus") or tree.get("cpus")
    memory = limits.get("memory") or tree.get("mem_limit")
    pids = limits.get("pids") or tree.get("pids_limit")
    upper: dict[str, Any] = {}
    if cpus:
        upper["NanoCPUs"] = round(float(cpus) * 1e9)
    if memory:
        upper["MemoryBytes"] = byte_count(memory)
    if pids and int(pids) > 0:
        upper["Pids"] = int(pids)
    lower: dict[str, Any] = {}
    if reservations.get("cpus"):
        lower["NanoCPUs"] = round(float(reservations["cpus"]) * 1e9)
    reserved = reservations.get("memory") or tree.get("mem_reservation")
    if reserved:
        lower["MemoryBytes"] = byte_count(reserved)
    generic = [
        {"DiscreteResourceSpec": {"Kind": one["kind"], "Value": int(one["value"])}}
        for item in reservations.get("generic_resources") or ()
        if (one := item.get("discrete_resource_spec"))
    ]
    if generic:
        lower["GenericResources"] = generic
    return {key: value for key, value in (("Limits", upper), ("Reservations", lower)) if value}


def _placement(tree: Mapping[str, Any], pinned: tuple[str, ...]) -> dict[str, Any]:
    declared = (tree.get("deploy") or {}).get("placement") or {}
    body: dict[str, Any] = {}
    constraints = [*(str(one) for one in declared.get("constraints") or ()), *pinned]
    if constraints:
        body["Constraints"] = constraints
    spreads = [one["spread"] for one in declared.get("preferences") or () if one.get("spread")]
    if spreads:
        body["Preferences"] = [{"Spread": {"SpreadDescriptor": one}} for one in spreads]
    if declared.get("max_replicas_per_node"):
        body["MaxReplicas"] = int(declared["max_replicas_per_node"])
    if tree.get("platform"):
        system, _, rest = str(tree["platform"]).partition("/")
        architecture = rest.partition("/")[0]
        body["Platforms"] = [{"OS": system, "Architecture": architecture}]
    return body


def _networks(project: Project, name: str, findings: Findings) -> list[dict[str, Any]]:
    """The service's networks with its names on each: its own and the aliases, as on one machine."""
    tree = project.services[name]
    alone = tree.get("network_mode")
    if alone:
        if alone != "host":
            path = ("services", name, "network_mode")
            findings.refuse(path, f"network_mode {alone} does not exist on Swarm; host does")
        return [{"Target": "host"}]
    found = []
    for key in sorted(tree.get("networks") or ()):
        settings = (tree["networks"] or {}).get(key) or {}
        aliases = [name, *(str(one) for one in settings.get("aliases") or ()), *_link_names(project, name, key)]
        body: dict[str, Any] = {"Target": network_name(project, key), "Aliases": list(dict.fromkeys(aliases))}
        options = {option: plain(value) for option, value in (settings.get("driver_opts") or {}).items()}
        if options:
            body["DriverOpts"] = options
        found.append(body)
    return found


def _link_names(project: Project, name: str, network: str) -> list[str]:
    """The names that others' ``links`` give this service, on a network that both are in."""
    found = []
    for other in project.services.values():
        for link in other.get("links") or ():
            target, _, alias = str(link).partition(":")
            if target == name and alias and network in (other.get("networks") or ()):
                found.append(alias)
    return found


def _updates(spec: dict[str, Any], tree: Service, *, stateful: bool) -> None:
    """What the file says, and otherwise: undo what fails, and begin with the new task where two may run side by side."""
    deploy = tree.get("deploy") or {}
    has_host_port = any(port.get("mode") == "host" for port in tree.get("ports") or ())
    side_by_side = not (stateful or has_host_port or mode(tree) == "global")
    default = {
        "Parallelism": 1,
        "FailureAction": "rollback",
        "Monitor": MONITOR,
        "Order": "start-first" if side_by_side else "stop-first",
    }
    spec["UpdateConfig"] = {**default, **_update(deploy.get("update_config") or {})}
    back = {"Parallelism": 1, "FailureAction": "pause", "Monitor": MONITOR, "Order": spec["UpdateConfig"]["Order"]}
    spec["RollbackConfig"] = {**back, **_update(deploy.get("rollback_config") or {})}


def _update(tree: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if tree.get("parallelism") is not None:
        body["Parallelism"] = int(tree["parallelism"])
    for key, name in (("delay", "Delay"), ("monitor", "Monitor")):
        if tree.get(key) is not None:
            body[name] = int(tree[key])
    for key, name in (("failure_action", "FailureAction"), ("order", "Order")):
        if tree.get(key):
            body[name] = str(tree[key])
    if tree.get("max_failure_ratio") is not None:
        body["MaxFailureRatio"] = float(tree["max_failure_ratio"])
    return body


def _endpoint(project: Project, name: str, findings: Findings) -> dict[str, Any]:
    tree = project.services[name]
    kind = str((tree.get("deploy") or {}).get("endpoint_mode") or "vip")
    ports: list[dict[str, Any]] = []
    for index, port in enumerate(tree.get("ports") or ()):
        path = ("services", name, "ports", index)
        published = str(port.get("published") or "")
        how = "host" if port.get("mode") == "host" else "ingress"
        if str(port.get("host_ip") or "0.0.0.0") not in ("0.0.0.0", "::"):
            findings.refuse(path, f"Swarm publishes on every address of a node, not on {port['host_ip']} alone")
        if "-" in published:
            findings.refuse(path, f"Swarm chooses no port from a range such as {published}")
            continue
        if kind == "dnsrr" and how == "ingress":
            findings.refuse(path, "endpoint_mode dnsrr publishes ports with mode: host only")
        body: dict[str, Any] = {
            "Protocol": str(port.get("protocol") or "tcp"),
            "TargetPort": int(port["target"]),
            "PublishMode": how,
        }
        if published:
            body["PublishedPort"] = int(published)
        ports.append(body)
    return {"Mode": kind, "Ports": ports} if ports else {"Mode": kind}
