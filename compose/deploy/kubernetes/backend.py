"""A Kubernetes cluster, and one project in a namespace of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ...errors import OperationError
from ..findings import Findings
from ..jobs import awaited
from ..objects import Cluster
from ..plan import Gate, Rules, plan_deployment, plan_removal
from .convert import WORKLOADS, convert, gates
from .facts import Facts
from .names import PROJECT, SERVICE, dns_name
from .places import FIXED, PLACES
from .verdicts import SCHEDULED
from .workload import is_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...model import Project
    from ...model.service import HealthCheck
    from ...plan.plan import Plan
    from ..backend import LogLine, LogOptions
    from ..objects import Found, Wanted
    from ..plan import Options
    from ..target import Target
    from ..units import Unit
    from .bodies.meta import Object
    from .bodies.pods import PodSpec
    from .bodies.storage import Files
    from .bodies.workloads import Workload
    from .client import Kube
    from .perform import Hands
    from .watch import Watch


def open_kubernetes(name: str, target: Target, environment: Mapping[str, str]) -> KubernetesBackend:
    return KubernetesBackend(name, target, environment)


class KubernetesBackend:
    """The library and the cluster are looked for when something is asked of them: files are written without both."""

    def __init__(self, name: str, target: Target, environment: Mapping[str, str]) -> None:
        self._name = name
        self._target = target
        self._environment = environment
        self._namespace = target.namespace or dns_name(name)
        self._connection: Kube | None = None
        self._watching: Watch | None = None
        self.users: Mapping[str, tuple[int, int]] = {}
        self.checks: Mapping[str, HealthCheck] = {}

    @property
    def _kube(self) -> Kube:
        if self._connection is None:
            from .client import connect

            self._connection = connect(self._target.context, self._environment)
        return self._connection

    @property
    def _watch(self) -> Watch:
        if self._watching is None:
            from .watch import Watch

            self._watching = Watch(self._kube, self._name, self._namespace)
        return self._watching

    @property
    def address(self) -> str:
        return f"{self._kube.address}/{self._namespace}"

    def lookup(self, ref: str) -> str:
        from ..registries import digest_of

        return digest_of(ref)

    def local_registry(self) -> tuple[str, str]:
        """By the ConfigMap of KEP-1755."""
        from .client import KubernetesError
        from .hosting import HOLDER, NAMESPACE, registry_of

        try:
            found = self._kube.get("ConfigMap", HOLDER, NAMESPACE)
        except KubernetesError:
            return "", ""  # who may not read it is told that a registry is missing
        return registry_of(cast("Files", found or {}))

    def check(self, project: Project, findings: Findings) -> None:
        convert(project, self._facts({}), findings)

    def _facts(self, images: Mapping[str, str], minor: int | None = None) -> Facts:
        facts = Facts(self._namespace, images, users=self.users, allow_binds=self._target.allow_binds)
        return facts if minor is None else replace(facts, minor=minor)

    def plan(self, project: Project, images: Mapping[str, str], options: Options) -> Plan:
        from ..checks import look_up_checks
        from .logins import look_up_logins
        from .observe import observe, propose

        findings = Findings(project)
        there = observe(self._kube, self._name, self._namespace)
        logins = look_up_logins(images.values(), there.values())
        jobs = awaited(project)
        serving = [name for name in project.services if not is_job(project, name, jobs)]
        unknown = [name for name in serving if name not in self.checks]
        checks = {**self.checks, **look_up_checks(project, images, unknown)}
        facts = replace(self._facts(images, self._kube.minor), logins=logins, checks=checks)
        wanted = convert(project, facts, findings)
        findings.check()
        proposed = propose(self._kube, wanted, there, force=self._target.force)
        verdicts = self._watch.verdicts() if there else {}
        verdicts |= {key: SCHEDULED for key, one in there.items() if one.kind == "CronJob"}
        rules = Rules(proposed, PLACES, FIXED, frozenset({"Job"}))
        return plan_deployment(project, wanted, Cluster(there, verdicts), _gates(project, wanted), rules, options)

    def plan_removal(self, *, volumes: bool) -> Plan:
        from .observe import observe

        there = observe(self._kube, self._name, self._namespace)
        namespace = f"Namespace {self._namespace}"
        volumes = volumes or not any(one.kind == "PersistentVolumeClaim" for one in there.values())
        if not volumes or not self._is_own(there, namespace) or self._has_foreign_objects():
            there.pop(namespace, None)
        return plan_removal(self._name, Cluster(there), volumes=volumes)

    def _is_own(self, there: Mapping[str, Found], namespace: str) -> bool:
        """Whether the namespace was made for this project."""
        if namespace not in there:
            return False
        labels = cast("Object", there[namespace].body)["metadata"].get("labels", {})
        return labels.get(PROJECT) == self._name

    def _has_foreign_objects(self) -> bool:
        """Whether somebody else has anything in the namespace: then it stays, whoever made it."""
        from .observe import KINDS

        ours = {self._name}
        for kind in (*KINDS, "Pod"):
            for one in self._kube.list(kind, self._namespace):
                labels = one["metadata"].get("labels", {})
                is_token = one.get("type") == "kubernetes.io/service-account-token"
                is_default = is_token or one["metadata"]["name"] == "kube-root-ca.crt"
                if not is_default and labels.get(PROJECT) not in ours:
                    return True
        return False

    def hands(self, project: Project | None) -> Hands:
        from .perform import Hands

        return Hands(self._kube, self._watch, self._name, self._namespace, force=self._target.force)

    def await_news(self, seconds: float) -> None:
        self._watch.wait(seconds)

    def units(self) -> list[Unit]:
        from .listing import units

        labels = {PROJECT: self._name}
        pods = self._kube.pods(self._namespace, labels)
        return list(units(pods, self._kube.services(self._namespace, labels)))

    def images(self) -> dict[str, str]:
        return {
            one["metadata"].get("labels", {}).get(SERVICE, ""): _pod_spec(one)["containers"][0]["image"]
            for kind in WORKLOADS
            for one in self._kube.workloads(kind, self._namespace, {PROJECT: self._name})
        }

    def services(self) -> list[str]:
        found = {
            one["metadata"].get("labels", {}).get(SERVICE, "")
            for kind in WORKLOADS
            for one in self._kube.list(kind, self._namespace, {PROJECT: self._name})
        }
        return sorted(found)

    def logs(self, services: Sequence[str], options: LogOptions, line: LogLine) -> None:
        from .logs import print_logs

        print_logs(self._kube, self._name, self._namespace, services, options, line)

    def scale(self, counts: Mapping[str, int]) -> None:
        for service, count in counts.items():
            kind, name = self._workload(service)
            if kind != "Deployment":
                raise OperationError(f"{service} is a {kind}: its number of pods cannot be chosen")
            body = {
                "apiVersion": "apps/v1",
                "kind": kind,
                "metadata": {"name": name, "namespace": self._namespace},
                "spec": {"replicas": count},
            }
            self._kube.merge(kind, name, self._namespace, body)

    def restart(self, services: Sequence[str]) -> None:
        from datetime import datetime

        now = datetime.now().astimezone().isoformat(timespec="seconds")
        for service in services or self.services():
            kind, name = self._workload(service)
            if kind not in ("Deployment", "DaemonSet"):
                continue
            change = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}}}
            self._kube.merge(kind, name, self._namespace, change)

    def _workload(self, service: str) -> tuple[str, str]:
        for kind in WORKLOADS:
            for one in self._kube.list(kind, self._namespace, {PROJECT: self._name, SERVICE: service}):
                return kind, one["metadata"]["name"]
        raise OperationError(f"no such service: {service}")

    def pod(self, service: str, index: int) -> str:
        """The name of a running pod of ``service``: number ``index`` by name, 0 for the first."""
        pods = [
            one["metadata"]["name"]
            for one in self._kube.pods(self._namespace, {PROJECT: self._name, SERVICE: service})
            if one["status"].get("phase") == "Running" and not one["metadata"].get("deletionTimestamp")
        ]
        if not pods or index > len(pods):
            raise OperationError(f'service "{service}" is not running' + (f" pod #{index}" if index else ""))
        return sorted(pods)[max(index - 1, 0)]

    def execute(self, service: str, index: int, command: list[str], stdin: int | None, *, tty: bool) -> int:
        """Run a command in a pod with our own standard streams; its exit code."""
        from .session import Place, execute

        place = Place(self.pod(service, index), self._namespace, dns_name(service))
        return execute(self._kube, place, command, stdin, tty=tty)

    def processes(self, unit: Unit) -> str:
        from .session import Place, output_of

        return output_of(self._kube, Place(unit.name, self._namespace, dns_name(unit.service)), ["ps"]).rstrip()

    def addresses(self, service: str, port: int, protocol: str) -> list[str]:
        from .listing import published

        services = self._kube.services(self._namespace, {PROJECT: self._name, SERVICE: service})
        pods = self._kube.pods(self._namespace, {PROJECT: self._name, SERVICE: service})
        return published(services, pods, port, protocol)

    def follow(self, service: str, line: LogLine) -> int:
        from .logs import follow_job

        return follow_job(self._kube, self._watch, self._namespace, {PROJECT: self._name, SERVICE: service}, line)

    def remove(self, service: str) -> None:
        labels = {PROJECT: self._name, SERVICE: service}
        for kind in (*WORKLOADS, "Service"):
            for one in self._kube.list(kind, self._namespace, labels):
                self._kube.remove(kind, one["metadata"]["name"], self._namespace)

    def events(self) -> Iterator[dict[str, str]]:
        from .events import project_events

        return project_events(self._kube, self._name, self._namespace)

    def emit(self, project: Project, images: Mapping[str, str], write: Callable[[str, bytes], None]) -> None:
        from .manifests import write_manifests

        findings = Findings(project)
        wanted = convert(project, self._facts(images), findings)
        findings.check()
        write_manifests(project, wanted, write)


def _pod_spec(workload: Workload) -> PodSpec:
    spec = workload["spec"]
    template = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return template["spec"]


def _gates(project: Project, wanted: Sequence[Wanted]) -> dict[str, list[Gate]]:
    keys = {one.service: one.key for one in wanted if one.service}
    return {
        one.key: [Gate(key, how, required) for key, how, required in gates(project, one.service, keys)]
        for one in wanted
        if one.service
    }
