"""A container as it is to be run: what a client has asked for, as values that are parsed once.

``config``, ``host`` and ``networks`` are kept as the API shows them, and are what a record stores: other releases read them.
Everything that acts on a container (start, the launch, the health check, stop, recovery) asks for the values here. Each is
parsed when it is first asked for, at creation at the latest, and goes with the record from then on, however often that is
replaced. Pure: what a value means on this machine (devices, volumes, profiles) is for those who ask.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ....grammar import ports, signals
from ...errors import InvalidParameter
from ...networks.types import EndpointRequest, PortBinding, Resolver
from ...runtime.restart import Policy
from .healthcheck import Check
from .security import SecurityOptions, security_options
from .security import capabilities as capability_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from ...networks.bodies import EndpointSettings
    from .bodies import Config, HostConfig
    from .probing import Probing

DEFAULT_GRACE = 10
OWN_RUNTIMES = ("", "pycompose")


@dataclass(frozen=True, slots=True)
class Mode:
    """Whose namespace a container has. ``word`` is host, none, default, private, shareable, "" or, of networks, a name;
    ``donor`` names the container whose namespace is joined."""

    word: str
    donor: str = ""

    @staticmethod
    def parse(text: str) -> Mode:
        kind, found, donor = text.partition(":")
        return Mode("container", donor) if found and kind == "container" else Mode(text)

    @property
    def joins(self) -> bool:
        return self.word == "container"

    @property
    def is_host(self) -> bool:
        return self.word == "host"


@dataclass(frozen=True, slots=True)
class Link:
    """A legacy link. ``alias`` is "" where the target's name will do."""

    target: str
    alias: str

    @staticmethod
    def parse(text: str) -> Link:
        target, _, alias = text.partition(":")
        return Link(target, alias)


@dataclass(frozen=True, slots=True)
class LogChoice:
    """A log driver and its options, checked by logoptions.py."""

    driver: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class ContainerSpec:
    """``config`` and ``host`` are Docker's Config (merged with the image's) and HostConfig, complete. ``networks`` maps the name
    a network was asked for by to the client's EndpointSettings, in order."""

    config: Config
    host: HostConfig
    networks: Mapping[str, EndpointSettings] = field(default_factory=dict)

    def with_host(self, host: HostConfig) -> ContainerSpec:
        """After an update, which changes limits, the restart policy and links."""
        return self._parsed_too(replace(self, host=host), {"restart", "links"})

    def with_networks(self, networks: Mapping[str, EndpointSettings]) -> ContainerSpec:
        """On other networks than before."""
        return self._parsed_too(replace(self, networks=networks), {"endpoints"})

    def completed(self, config: Config, networks: Mapping[str, EndpointSettings]) -> ContainerSpec:
        """At creation: with the image's part of the configuration, and the networks. ``host`` may have been filled in meanwhile
        with what depends on other members."""
        same = config["Healthcheck"] == self.config["Healthcheck"] and config["Shell"] == self.config["Shell"]
        kept = {"security", "capabilities", "restart", "pid", "links", *(("health",) if same else ())}
        return self._parsed_too(replace(self, config=config, networks=networks), self.__dict__.keys() - kept)

    def _parsed_too(self, other: ContainerSpec, but: AbstractSet[str]) -> ContainerSpec:
        """``other`` with what is parsed here already, but for the values that it has differently."""
        for name, value in self.__dict__.items():
            if name not in but and name not in ContainerSpec.__match_args__:
                other.__dict__[name] = value
        return other

    def check(self) -> None:
        """Parse what the validators leave to the parsers. Raises InvalidParameter."""
        _ = self.security, self.capabilities, self.health, self.endpoints

    # what runs -------------------------------------------------------------------------------------------------------
    @property
    def command(self) -> list[str]:
        """The complete argv."""
        return [*(self.config["Entrypoint"] or ()), *(self.config["Cmd"] or ())]

    @property
    def env(self) -> list[str]:
        return self.config["Env"] or []

    @property
    def cwd(self) -> str:
        return self.config["WorkingDir"] or "/"

    @property
    def user(self) -> str:
        return self.config["User"]

    @property
    def groups(self) -> list[str]:
        """Additional groups, by name or number."""
        return self.host["GroupAdd"] or []

    @property
    def tty(self) -> bool:
        return self.config["Tty"]

    @property
    def stdin_open(self) -> bool:
        return self.config["OpenStdin"]

    @property
    def stdin_once(self) -> bool:
        return self.config["StdinOnce"]

    @property
    def console(self) -> tuple[int, int]:
        """Rows and columns of the terminal at its start; (0, 0) for nothing said."""
        size = self.host["ConsoleSize"]
        return (size[0], size[1]) if len(size) == 2 else (0, 0)

    @property
    def init(self) -> bool:
        """Whether the engine's own init runs as the first process."""
        return bool(self.host["Init"])

    @property
    def runtime(self) -> str:
        """Another runtime's name, "" for the engine's own."""
        name = self.host["Runtime"]
        return "" if name in OWN_RUNTIMES else name

    @property
    def image(self) -> str:
        """The image as the client named it."""
        return self.config["Image"]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.config["Labels"] or {}

    @property
    def hostname(self) -> str:
        return self.config["Hostname"]

    @property
    def domainname(self) -> str:
        return self.config["Domainname"]

    # how it ends -----------------------------------------------------------------------------------------------------
    @cached_property
    def stop_signal(self) -> int:
        """Raises ValueError."""
        return signals.parse(self.config["StopSignal"] or "SIGTERM")

    @property
    def stop_timeout(self) -> int:
        """Seconds between the stop signal and SIGKILL when the request does not say."""
        timeout = self.config["StopTimeout"]
        return DEFAULT_GRACE if timeout is None else timeout

    @cached_property
    def restart(self) -> Policy:
        """``Delay`` and ``Window``, in nanoseconds, are ours."""
        given = self.host["RestartPolicy"]  # which validate.py has checked
        delay, window = given.get("Delay"), given.get("Window")
        return Policy(
            given.get("Name") or "no",
            given.get("MaximumRetryCount") or 0,
            None if delay is None else delay / 1e9,
            None if window is None else window / 1e9,
        )

    @property
    def auto_remove(self) -> bool:
        return self.host["AutoRemove"]

    @cached_property
    def health(self) -> Check | None:
        """None when there is no check or it is switched off. Raises InvalidParameter."""
        return Check.from_config(self.config)

    @property
    def probe(self) -> Probing | None:
        """What the engine itself asks to learn whether the container is ready."""
        return None if self.health is None else self.health.own

    @cached_property
    def log(self) -> LogChoice:
        given = self.host["LogConfig"]
        return LogChoice(given.get("Type") or "json-file", given.get("Config") or {})

    # what it may ---------------------------------------------------------------------------------------------------
    @property
    def privileged(self) -> bool:
        return self.host["Privileged"]

    @property
    def read_only(self) -> bool:
        """The root file system."""
        return self.host["ReadonlyRootfs"]

    @cached_property
    def security(self) -> SecurityOptions:
        """Raises InvalidParameter."""
        return security_options(self.host["SecurityOpt"])

    @cached_property
    def capabilities(self) -> tuple[str, ...]:
        """Raises InvalidParameter."""
        host = self.host
        return capability_names(host["CapAdd"], host["CapDrop"], privileged=host["Privileged"])

    @property
    def sysctls(self) -> Mapping[str, str]:
        return self.host["Sysctls"] or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.host["Annotations"] or {}

    @property
    def oom_score(self) -> int:
        return self.host["OomScoreAdj"]

    @property
    def cgroup_parent(self) -> str:
        return self.host["CgroupParent"]

    @property
    def shm_size(self) -> int:
        """Bytes; 0 for the default."""
        return self.host["ShmSize"]

    # namespaces and networks -----------------------------------------------------------------------------------------
    @cached_property
    def network(self) -> Mode:
        return Mode.parse(self.host["NetworkMode"])

    @cached_property
    def ipc(self) -> Mode:
        return Mode.parse(self.host["IpcMode"])

    @cached_property
    def pid(self) -> Mode:
        return Mode.parse(self.host["PidMode"])

    @property
    def own_uts(self) -> bool:
        return self.host["UTSMode"] != "host"

    @property
    def own_cgroups(self) -> bool:
        return self.host["CgroupnsMode"] != "host"

    @cached_property
    def endpoints(self) -> tuple[EndpointRequest, ...]:
        """In the order of ``networks``. Raises InvalidParameter."""
        return tuple(_endpoint(name, settings) for name, settings in self.networks.items())

    @property
    def exposed(self) -> list[str]:
        """``80/tcp``, ``8000-8010/udp``."""
        return list(self.config["ExposedPorts"] or ())

    @cached_property
    def ports(self) -> tuple[PortBinding, ...]:
        """The ports to publish: those asked for, and with PublishAllPorts every exposed one on a free host port."""
        if self.network.word in ("host", "none") or self.network.joins:
            return ()
        bindings: list[PortBinding] = []
        for port, entries in (self.host["PortBindings"] or {}).items():
            bindings += PortBinding.from_docker(port, entries)
        if self.host["PublishAllPorts"]:
            taken = {(binding.container_port, binding.protocol) for binding in bindings}
            for text in self.exposed:
                low, high, protocol = ports.parse_exposed(text)
                numbers = [number for number in range(low, high + 1) if (number, protocol) not in taken]
                bindings += [PortBinding(number, protocol) for number in numbers]
        return tuple(bindings)

    @property
    def resolver(self) -> Resolver:
        host = self.host
        return Resolver(tuple(host["Dns"] or ()), tuple(host["DnsSearch"] or ()), tuple(host["DnsOptions"] or ()))

    @property
    def extra_hosts(self) -> list[str]:
        """``name:address``."""
        return self.host["ExtraHosts"] or []

    @cached_property
    def links(self) -> tuple[Link, ...]:
        return tuple(map(Link.parse, self.host["Links"] or ()))


def _endpoint(name: str, settings: EndpointSettings) -> EndpointRequest:
    try:
        return EndpointRequest.from_docker(name, settings)
    except InvalidParameter as error:
        raise InvalidParameter(f"invalid config for network {name}: {error}") from None
