"""A service's pod: its containers, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...convert.values import seconds
from .container import container, image_of, init_containers, user_ids
from .leaving import handler, leaving
from .logins import pull_secrets
from .names import NETWORK, checked_annotations, dns_name, own_labels, selector
from .placement import placement
from .probes import probes
from .volumes import mounted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ...model import Project
    from ...model.service import Service
    from ..findings import Findings
    from ..objects import Wanted
    from .bodies import pods
    from .bodies.meta import Metadata
    from .facts import Facts
    from .files import Source

GRACE = 10
"""Seconds a container has to end when the file says nothing, as on one machine."""


def pod_template(
    project: Project,
    name: str,
    facts: Facts,
    sources: Mapping[str, Mapping[str, Source]],
    findings: Findings,
    restart: str,
) -> tuple[pods.Template, list[Wanted]]:
    """The template of the service's pods, and the objects that its bind mounts became. ``restart`` is Always, OnFailure or Never."""
    tree = project.services[name]
    volumes = mounted(project, name, facts, sources, findings)
    main = container(project, name, facts, volumes, findings)
    stays = 0
    if restart == "Always":
        main, stays = _serving(project, name, main, facts)
    elif tree.get("healthcheck"):
        words = "a job is done when it has ended; nobody asks for its health"
        findings.ignore(("services", name, "healthcheck"), words)
    spec: pods.PodSpec = {
        "automountServiceAccountToken": False,
        "containers": [main],
        "enableServiceLinks": False,  # else a service called redis puts REDIS_PORT=tcp://… into every container
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": _grace(tree) + stays,
    }
    if keys := pull_secrets(image_of(project, name, facts), facts):
        spec["imagePullSecrets"] = keys
    first = init_containers(project, name, facts, volumes, findings)
    if first:
        spec["initContainers"] = first
    if volumes.volumes:
        spec["volumes"] = volumes.volumes
    _shared(project, name, spec, findings)
    _names(project, name, spec, findings)
    security = _security(name, tree, facts, findings, bool(volumes.volumes))
    if security:
        spec["securityContext"] = security
    spec = {**spec, **placement(project, name, findings)}
    if tree.get("runtime"):
        spec["runtimeClassName"] = tree["runtime"]
    metadata: Metadata = {"labels": _labels(project, name, facts)}
    notes = _annotations(name, tree, findings)
    if notes:
        metadata["annotations"] = notes
    return {"metadata": metadata, "spec": spec}, volumes.objects


def _serving(project: Project, name: str, main: pods.Container, facts: Facts) -> tuple[pods.Container, int]:
    """The container of a pod that others send requests to, and the seconds that it goes on answering when it has been told to end."""
    tree = project.services[name]
    main = {**main, **probes(facts.checks.get(name) or tree.get("healthcheck") or {})}
    stays = 0 if tree.get("pre_stop") else leaving(project, tree)
    if stays:
        main["lifecycle"] = {**main.get("lifecycle", {}), "preStop": handler(stays, facts)}
    return main, stays


def _grace(tree: Service) -> int:
    given = tree.get("stop_grace_period")
    return GRACE if given is None else seconds(given)


def _labels(project: Project, name: str, facts: Facts) -> dict[str, str]:
    """Selectors and networks. The set's own label is for what was applied, which pods are not."""
    labels = {key: value for key, value in own_labels(project.name, facts.namespace).items() if "applyset" not in key}
    labels |= selector(project.name, name)
    for key in sorted(project.services[name].get("networks") or ()):
        labels[network_label(project, key)] = "member"
    return labels


def network_label(project: Project, key: str) -> str:
    """An external network has one label for all who share it, the project's own one of its own."""
    tree = project.networks.get(key) or {}
    return f"{NETWORK}{(tree.get('name') or f'{project.name}_{key}')[:63]}"


def _annotations(name: str, tree: Service, findings: Findings) -> dict[str, str]:
    labels = checked_annotations(tree.get("labels"), ("services", name, "labels"), findings)
    return labels | checked_annotations(tree.get("annotations"), ("services", name, "annotations"), findings)


def _shared(project: Project, name: str, spec: pods.PodSpec, findings: Findings) -> None:
    tree = project.services[name]
    if tree.get("init"):
        spec["shareProcessNamespace"] = True  # the sandbox's process 1 reaps what containers leave
    rows: tuple[tuple[str, str | None, Literal["hostNetwork", "hostIPC", "hostPID"]], ...] = (
        ("network_mode", tree.get("network_mode"), "hostNetwork"),
        ("ipc", tree.get("ipc"), "hostIPC"),
        ("pid", tree.get("pid"), "hostPID"),
    )
    for key, value, field in rows:
        if value == "host":
            spec[field] = True
        elif value and not (key == "ipc" and value in ("private", "shareable")):
            findings.refuse(("services", name, key), f"{key} {value} does not exist on Kubernetes; host does")
    if spec.get("hostNetwork"):
        spec["dnsPolicy"] = "ClusterFirstWithHostNet"
    if tree.get("userns_mode") not in (None, "", "host"):
        findings.refuse(
            ("services", name, "userns_mode"), f"userns_mode {tree['userns_mode']} does not exist on Kubernetes"
        )
    if (tree.get("stop_signal") or "SIGTERM").upper() not in ("SIGTERM", "TERM", "15"):
        words = f"the kubelet ends containers with SIGTERM, or with the image's STOPSIGNAL; {tree['stop_signal']} cannot be chosen"
        findings.refuse(
            ("services", name, "stop_signal"), words, "set STOPSIGNAL in the image, or end it with pre_stop"
        )


def _names(project: Project, name: str, spec: pods.PodSpec, findings: Findings) -> None:
    tree = project.services[name]
    if tree.get("hostname"):
        host = tree["hostname"]
        if host != dns_name(host) or len(host) > 63:
            findings.refuse(
                ("services", name, "hostname"), f"{host} is no host name for a pod: lower case, digits and dashes"
            )
        spec["hostname"] = host
    hosts: dict[str, list[str]] = {}
    for host, address in _extra_hosts(tree.get("extra_hosts") or []):
        if address == "host-gateway":
            findings.refuse(
                ("services", name, "extra_hosts"),
                "host-gateway is an address of one machine; a pod may run on any node",
            )
        hosts.setdefault(address, []).append(host)
    if hosts:
        spec["hostAliases"] = [{"ip": address, "hostnames": names} for address, names in hosts.items()]
    resolver: pods.Resolver = {}
    if servers := tree.get("dns"):
        resolver["nameservers"] = list(servers)
    if domains := tree.get("dns_search"):
        resolver["searches"] = list(domains)
    if options := tree.get("dns_opt"):
        words = [one.partition(":") for one in options]
        resolver["options"] = [{"name": key, "value": value} if value else {"name": key} for key, _, value in words]
    if resolver:
        spec["dnsConfig"] = resolver


def _extra_hosts(items: list[str]) -> list[tuple[str, str]]:
    split = [one.replace("=", ":", 1).partition(":") for one in items]
    return [(host, address) for host, _, address in split]


def _security(name: str, tree: Service, facts: Facts, findings: Findings, has_volumes: bool) -> pods.PodSecurityContext:
    body: pods.PodSecurityContext = {}
    groups = []
    for index, one in enumerate(tree.get("group_add") or ()):
        if one.isdecimal():
            groups.append(int(one))
        else:
            findings.refuse(
                ("services", name, "group_add", index),
                f"group {one} is a name of the image's, and Kubernetes takes numbers",
            )
    if groups:
        body["supplementalGroups"] = groups
    sysctls: list[pods.Variable] = [{"name": key, "value": value} for key, value in (tree.get("sysctls") or {}).items()]
    if sysctls:
        body["sysctls"] = sysctls
    ids = (
        user_ids(tree["user"], facts.users.get(name), ("services", name, "user"), findings)
        if has_volumes and (tree.get("user") or "").partition(":")[0].isdecimal()
        else None
    )
    if ids is not None and ids[0]:
        # A new claim belongs to root, and a volume of Docker's to whom the image says: the group may write either way.
        body["fsGroup"] = ids[1] or ids[0]
    return body
