"""A service as a Swarm ServiceSpec: mode, update, placement, endpoint. Its container is in container.py, its mounts in mounts.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...labels import network_name
from ..extensions import extension
from ..jobs import JOB_MODES, SCHEDULE, mode, replicas
from ..platforms import check_variant
from .container import container_spec
from .labels import IMAGE, SERVICE, STACK
from .mounts import plan_mounts

if TYPE_CHECKING:
    from ...client.bodies import swarm as bodies
    from ...model import Project
    from ...model.deploy import UpdateConfig
    from ...model.service import Service
    from ..findings import Findings
    from .facts import Facts

_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*")
LONGEST_NAME = 63
MONITOR = 5 * 10**9


def service_name(project: Project, name: str) -> str:
    return f"{project.name}_{name}"


def service_spec(project: Project, name: str, facts: Facts, findings: Findings) -> bodies.ServiceSpec:
    """The ServiceSpec of POST /services/create. What cannot be done goes to ``findings``."""
    tree = project.services[name]
    deploy = tree.get("deploy") or {}
    _check_name(project, name, findings)
    mounts = plan_mounts(project, name, facts, findings)
    is_job = name in facts.jobs or mode(tree) in JOB_MODES
    spec: bodies.ServiceSpec = {
        "Name": service_name(project, name),
        "Labels": {
            **(deploy.get("labels") or {}),
            STACK: project.name,
            SERVICE: name,
            IMAGE: tree.get("image") or facts.images.get(name, ""),
        },
        "TaskTemplate": {
            "ContainerSpec": container_spec(project, name, facts, mounts, findings),
            "Resources": _resources(tree),
            "RestartPolicy": _restart(tree, is_job),
            "Placement": _placement(name, tree, mounts.constraints, findings),
            "Networks": _networks(project, name, findings),
        },
        "Mode": _mode(tree, is_job),
    }
    logging = tree.get("logging") or {}
    if logging:
        log: bodies.Driver = {"Name": logging.get("driver") or "", "Options": dict(logging.get("options") or {})}
        spec["TaskTemplate"]["LogDriver"] = log
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


def _mode(tree: Service, is_job: bool) -> bodies.Mode:
    kind = mode(tree)
    count = replicas(tree)
    if kind in ("global", "global-job"):
        return {"GlobalJob": {}} if is_job else {"Global": {}}
    if is_job:
        return {"ReplicatedJob": {"MaxConcurrent": count, "TotalCompletions": count}}
    return {"Replicated": {"Replicas": count}}


def _restart(tree: Service, is_job: bool) -> bodies.RestartPolicy:
    """``deploy.restart_policy``, else ``restart``. On a cluster what says neither is kept running; a job is tried once."""
    policy = (tree.get("deploy") or {}).get("restart_policy")
    if policy:
        condition = {"none": "none", "on-failure": "on-failure"}.get(policy.get("condition") or "any", "any")
        if is_job and condition == "any":
            condition = "on-failure"
        body: bodies.RestartPolicy = {"Condition": condition}
        if (delay := policy.get("delay")) is not None:
            body["Delay"] = int(delay)
        if (window := policy.get("window")) is not None:
            body["Window"] = int(window)
        if (attempts := policy.get("max_attempts")) is not None:
            body["MaxAttempts"] = attempts
        return body
    word, attempts = tree["restart"].policy if "restart" in tree else ("no" if is_job else "always", 0)
    condition = {"no": "none", "on-failure": "on-failure"}.get(word, "on-failure" if is_job else "any")
    found: bodies.RestartPolicy = {"Condition": condition}
    if attempts:
        found["MaxAttempts"] = attempts
    return found


def _resources(tree: Service) -> bodies.Resources:
    declared = (tree.get("deploy") or {}).get("resources") or {}
    limits, reservations = declared.get("limits") or {}, declared.get("reservations") or {}
    upper = _amounts(
        limits.get("cpus") or tree.get("cpus"),
        limits.get("memory") or tree.get("mem_limit"),
        limits.get("pids") or tree.get("pids_limit"),
    )
    lower = _amounts(reservations.get("cpus"), reservations.get("memory") or tree.get("mem_reservation"))
    generic: list[bodies.GenericResource] = [
        {"DiscreteResourceSpec": {"Kind": one["kind"], "Value": one["value"]}}
        for item in reservations.get("generic_resources") or ()
        if (one := item.get("discrete_resource_spec"))
    ]
    if generic:
        lower["GenericResources"] = generic
    found: bodies.Resources = {}
    if upper:
        found["Limits"] = upper
    if lower:
        found["Reservations"] = lower
    return found


def _amounts(cpus: float | None, memory: int | None, pids: int | None = None) -> bodies.Amounts:
    found: bodies.Amounts = {}
    if cpus:
        found["NanoCPUs"] = round(cpus * 1e9)
    if memory:
        found["MemoryBytes"] = int(memory)
    if pids and pids > 0:
        found["Pids"] = pids
    return found


def _placement(name: str, tree: Service, pinned: tuple[str, ...], findings: Findings) -> bodies.Placement:
    declared = (tree.get("deploy") or {}).get("placement") or {}
    body: bodies.Placement = {}
    constraints = [*(declared.get("constraints") or ()), *pinned]
    if constraints:
        body["Constraints"] = constraints
    spreads = [one["spread"] for one in declared.get("preferences") or () if one.get("spread")]
    if spreads:
        body["Preferences"] = [{"Spread": {"SpreadDescriptor": one}} for one in spreads]
    if declared.get("max_replicas_per_node"):
        body["MaxReplicas"] = declared["max_replicas_per_node"]
    if tree.get("platform"):
        system, _, rest = str(tree["platform"]).partition("/")
        architecture = rest.partition("/")[0]
        body["Platforms"] = [{"OS": system, "Architecture": architecture}]
        check_variant(name, tree["platform"], findings)
    return body


def _networks(project: Project, name: str, findings: Findings) -> list[bodies.Attachment]:
    """The service's networks with its names on each: its own and the aliases, as on one machine."""
    tree = project.services[name]
    alone = tree.get("network_mode")
    if alone:
        if alone != "host":
            path = ("services", name, "network_mode")
            findings.refuse(path, f"network_mode {alone} does not exist on Swarm; host does")
        return [{"Target": "host"}]
    found: list[bodies.Attachment] = []
    for key in sorted(tree.get("networks") or ()):
        settings = tree["networks"].get(key) or {}
        aliases = [name, *(settings.get("aliases") or ()), *_link_names(project, name, key)]
        body: bodies.Attachment = {"Target": network_name(project, key), "Aliases": list(dict.fromkeys(aliases))}
        if options := settings.get("driver_opts"):
            body["DriverOpts"] = dict(options)
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


def _updates(spec: bodies.ServiceSpec, tree: Service, *, stateful: bool) -> None:
    """What the file says, and otherwise: undo what fails, and begin with the new task where two may run side by side."""
    deploy = tree.get("deploy") or {}
    has_host_port = any(port.get("mode") == "host" for port in tree.get("ports") or ())
    side_by_side = not (stateful or has_host_port or mode(tree) == "global")
    default: bodies.UpdateConfig = {
        "Parallelism": 1,
        "FailureAction": "rollback",
        "Monitor": MONITOR,
        "Order": "start-first" if side_by_side else "stop-first",
    }
    forward: bodies.UpdateConfig = {**default, **_update(deploy.get("update_config") or {})}
    spec["UpdateConfig"] = forward
    back: bodies.UpdateConfig = {**default, "FailureAction": "pause", "Order": forward["Order"]}
    spec["RollbackConfig"] = {**back, **_update(deploy.get("rollback_config") or {})}


def _update(tree: UpdateConfig) -> bodies.UpdateConfig:
    body: bodies.UpdateConfig = {}
    if (parallelism := tree.get("parallelism")) is not None:
        body["Parallelism"] = parallelism
    if (delay := tree.get("delay")) is not None:
        body["Delay"] = int(delay)
    if (monitor := tree.get("monitor")) is not None:
        body["Monitor"] = int(monitor)
    if action := tree.get("failure_action"):
        body["FailureAction"] = action
    if order := tree.get("order"):
        body["Order"] = order
    if (ratio := tree.get("max_failure_ratio")) is not None:
        body["MaxFailureRatio"] = float(
            f"{ratio:.7g}"
        )  # of 32 bits, as loader and manager have it: 0.1, not 0.10000000149
    return body


def _endpoint(project: Project, name: str, findings: Findings) -> bodies.Endpoint:
    tree = project.services[name]
    kind = (tree.get("deploy") or {}).get("endpoint_mode") or "vip"
    ports: list[bodies.Port] = []
    for index, port in enumerate(tree.get("ports") or ()):
        path = ("services", name, "ports", index)
        published = port.get("published") or ""
        how = "host" if port.get("mode") == "host" else "ingress"
        if (port.get("host_ip") or "0.0.0.0") not in ("0.0.0.0", "::"):
            findings.refuse(path, f"Swarm publishes on every address of a node, not on {port['host_ip']} alone")
        if "-" in published:
            findings.refuse(path, f"Swarm chooses no port from a range such as {published}")
            continue
        if kind == "dnsrr" and how == "ingress":
            findings.refuse(path, "endpoint_mode dnsrr publishes ports with mode: host only")
        body: bodies.Port = {
            "Protocol": port.get("protocol") or "tcp",
            "TargetPort": port["target"],
            "PublishMode": how,
        }
        if published:
            body["PublishedPort"] = int(published)
        ports.append(body)
    return {"Mode": kind, "Ports": ports} if ports else {"Mode": kind}
