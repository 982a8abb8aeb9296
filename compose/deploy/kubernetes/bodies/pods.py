"""Pods: what is asked of them, and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .meta import Condition, Labels, Metadata


class KeyToPath(TypedDict):
    """``mode`` are permission bits."""

    key: str
    path: str
    mode: int


class ConfigMapVolume(TypedDict):
    name: str
    items: list[KeyToPath]


class SecretVolume(TypedDict):
    secretName: str
    items: list[KeyToPath]


class EmptyDir(TypedDict, total=False):
    medium: str
    sizeLimit: str


class ClaimVolume(TypedDict):
    claimName: str


class HostPath(TypedDict, total=False):
    path: str
    type: str


class Source(TypedDict, total=False):
    """Exactly one of them."""

    configMap: ConfigMapVolume
    secret: SecretVolume
    emptyDir: EmptyDir
    persistentVolumeClaim: ClaimVolume
    hostPath: HostPath


class Volume(Source, total=False):
    name: str


class Mount(TypedDict, total=False):
    """A volume's place in a container."""

    name: str
    mountPath: str
    subPath: str
    readOnly: bool
    mountPropagation: str


class Variable(TypedDict):
    name: str
    value: str


class ContainerPort(TypedDict, total=False):
    containerPort: int
    hostPort: int
    protocol: str


class Resources(TypedDict, total=False):
    """Quantities by the resource's name."""

    limits: dict[str, str]
    requests: dict[str, str]


class Capabilities(TypedDict, total=False):
    add: list[str]
    drop: list[str]


class SeccompProfile(TypedDict):
    type: str


class SecurityContext(TypedDict, total=False):
    privileged: bool
    readOnlyRootFilesystem: bool
    allowPrivilegeEscalation: bool
    capabilities: Capabilities
    runAsUser: int
    runAsGroup: int
    seccompProfile: SeccompProfile
    seLinuxOptions: dict[str, str]


class Command(TypedDict):
    command: list[str]


class Pause(TypedDict):
    seconds: int


class Handler(TypedDict, total=False):
    exec: Command
    sleep: Pause


class Lifecycle(TypedDict, total=False):
    postStart: Handler
    preStop: Handler


class Probe(TypedDict, total=False):
    exec: Command
    timeoutSeconds: int
    periodSeconds: int
    failureThreshold: int


class Probes(TypedDict, total=False):
    """The fields of a container that a health check becomes."""

    readinessProbe: Probe
    startupProbe: Probe


class Container(Probes, total=False):
    name: str
    image: str
    imagePullPolicy: str
    command: list[str]
    args: list[str]
    workingDir: str
    stdin: bool
    tty: bool
    env: list[Variable]
    ports: list[ContainerPort]
    resources: Resources
    securityContext: SecurityContext
    volumeMounts: list[Mount]
    lifecycle: Lifecycle


class Expression(TypedDict, total=False):
    """A requirement on a node's labels."""

    key: str
    operator: str
    values: list[str]


class Term(TypedDict):
    matchExpressions: list[Expression]


class Terms(TypedDict):
    nodeSelectorTerms: list[Term]


class NodeAffinity(TypedDict):
    requiredDuringSchedulingIgnoredDuringExecution: Terms


class PodTerm(TypedDict):
    labelSelector: Labels
    topologyKey: str


class PodAntiAffinity(TypedDict):
    requiredDuringSchedulingIgnoredDuringExecution: list[PodTerm]


class Affinity(TypedDict, total=False):
    nodeAffinity: NodeAffinity
    podAntiAffinity: PodAntiAffinity


class Spread(TypedDict):
    maxSkew: int
    topologyKey: str
    whenUnsatisfiable: str
    labelSelector: Labels


class Placement(TypedDict, total=False):
    """The fields of a pod's spec that say where it may run."""

    affinity: Affinity
    topologySpreadConstraints: list[Spread]
    nodeSelector: dict[str, str]


class HostAlias(TypedDict):
    ip: str
    hostnames: list[str]


class ResolverOption(TypedDict, total=False):
    name: str
    value: str


class Resolver(TypedDict, total=False):
    nameservers: list[str]
    searches: list[str]
    options: list[ResolverOption]


class PodSecurityContext(TypedDict, total=False):
    supplementalGroups: list[int]
    sysctls: list[Variable]
    fsGroup: int


class Reference(TypedDict):
    """An object of the same namespace."""

    name: str


class PodSpec(Placement, total=False):
    automountServiceAccountToken: bool
    containers: list[Container]
    initContainers: list[Container]
    enableServiceLinks: bool
    imagePullSecrets: list[Reference]
    restartPolicy: str
    terminationGracePeriodSeconds: int
    volumes: list[Volume]
    shareProcessNamespace: bool
    hostNetwork: bool
    hostIPC: bool
    hostPID: bool
    dnsPolicy: str
    dnsConfig: Resolver
    hostname: str
    hostAliases: list[HostAlias]
    securityContext: PodSecurityContext
    runtimeClassName: str
    nodeName: str


class Template(TypedDict, total=False):
    metadata: Metadata
    spec: PodSpec


class Waiting(TypedDict, total=False):
    reason: str
    message: str


class Running(TypedDict, total=False):
    startedAt: str


class Terminated(TypedDict, total=False):
    exitCode: int
    reason: str
    message: str


class ContainerState(TypedDict, total=False):
    """One of the three."""

    waiting: Waiting
    running: Running
    terminated: Terminated


class ContainerStatus(TypedDict, total=False):
    name: str
    ready: bool
    restartCount: int
    state: ContainerState
    lastState: ContainerState


class PodStatus(TypedDict, total=False):
    """``phase``: Pending, Running, Succeeded, Failed or Unknown."""

    phase: str
    hostIP: str
    conditions: list[Condition]
    containerStatuses: list[ContainerStatus]
    initContainerStatuses: list[ContainerStatus]


class Pod(TypedDict, total=False):
    metadata: Metadata
    spec: PodSpec
    status: PodStatus
