"""Whether a create body makes sense: the rules of the Engine API on values and on combinations of options.

Pure: nothing is looked up here but the arguments. Types were already checked (fields.py); what an option does is
decided by bundle.py. Raises InvalidParameter with Docker's words, because people search for those.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING

from ....grammar import ports, restart, signals, sizes, sysctls, ulimits
from ...errors import Conflict, InvalidParameter, NotImplemented_
from . import logoptions, probing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .bodies import Config, Healthcheck, HostConfig, LogConfig, RestartPolicy, Ulimit
    from .container import ContainerSpec

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
MINIMUM_MEMORY = 6 * 1024 * 1024
_BYTE = re.compile(r"^[\x20-\x7e]*$")


def container_name(name: str) -> str:
    """The name without its leading slash. Raises InvalidParameter."""
    bare = name.removeprefix("/")
    if not NAME.fullmatch(bare):
        raise InvalidParameter(f"Invalid container name ({bare}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return bare


def signal_number(text: str) -> int:
    """A signal that may be a stop signal, by name (with or without SIG) or number. Raises InvalidParameter."""
    number = any_signal(text)
    if number > signals.LAST:
        raise InvalidParameter(f"Invalid signal: {text}")
    return number


def any_signal(text: str) -> int:
    """A signal by name, or any number but 0. Raises InvalidParameter."""
    try:
        return signals.parse(text)
    except ValueError:
        raise InvalidParameter(f"Invalid signal: {text}") from None


def config(values: Config) -> None:
    """The rules on Config alone."""
    directory = values["WorkingDir"]
    if directory and not directory.startswith("/"):
        raise InvalidParameter(f"the working directory '{directory}' is invalid, it needs to be an absolute path")
    for name in (values["Hostname"], values["Domainname"]):
        if any(ord(char) < 0x20 or char in "\x7f\x85\u2028\u2029" for char in name):
            raise InvalidParameter(f"invalid hostname format: {name!r}")
    if values["StopSignal"]:
        signal_number(values["StopSignal"])
    for entry in values["Env"] or ():
        if not entry.partition("=")[0]:
            raise InvalidParameter(f"invalid environment variable: {entry}")
        if "\0" in entry:
            raise InvalidParameter("invalid environment variable: it contains a NUL byte")
    for member, words in (("Cmd", values["Cmd"]), ("Entrypoint", values["Entrypoint"])):
        if any("\0" in word for word in words or ()):
            raise InvalidParameter(f"invalid {member}: it contains a NUL byte")
    for port in values["ExposedPorts"] or ():
        exposed_port(port)
    if (check := values["Healthcheck"]) is not None:
        _healthcheck(check)
    for label in values["Labels"] or ():
        if not label:
            raise InvalidParameter("invalid label: empty name")


def readable_log(spec: ContainerSpec) -> None:
    """A check that looks for a line of the output needs a driver that keeps it."""
    if isinstance(spec.probe, probing.LogProbe) and spec.log.driver == "none":
        raise InvalidParameter("Healthcheck LOG: logging driver none keeps no output to look at")


def exposed_port(text: str) -> tuple[int, int, str]:
    """(first, last, protocol) of ``80``, ``80/tcp`` or ``8000-8010/udp``. Raises InvalidParameter."""
    try:
        return ports.parse_exposed(text)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _healthcheck(check: Healthcheck) -> None:
    for word, value in (
        ("Interval", check.get("Interval")),
        ("Timeout", check.get("Timeout")),
        ("StartPeriod", check.get("StartPeriod")),
        ("StartInterval", check.get("StartInterval")),
    ):
        if value and value < 1_000_000:
            raise InvalidParameter(f"{word} in Healthcheck cannot be less than 1ms")
    if (check.get("Retries") or 0) < 0:
        raise InvalidParameter("Retries in Healthcheck cannot be negative")
    test = check.get("Test")
    if test and not probing.is_own(test) and test[0] not in ("NONE", "CMD", "CMD-SHELL"):
        raise InvalidParameter(f"Unknown healthcheck type {test[0]!r} (expected 'CMD', 'CMD-SHELL' or 'NONE')")


def host_config(host: HostConfig, config: Config) -> list[str]:
    """The rules on HostConfig, whose restart policy is `restart_policy`'s, and on its combinations with Config; returns warnings
    for the answer."""
    warnings: list[str] = []
    _modes(host, config)
    if host["AutoRemove"] and (host["RestartPolicy"].get("Name") or "no") != "no":
        raise InvalidParameter("can't create 'AutoRemove' container with restart policy")
    _ports(host)
    _hosts(host)
    _memory(host, warnings)
    _cpu(host)
    _limits(host)
    if host["Isolation"] not in ("", "default"):
        raise InvalidParameter(f"Invalid isolation: \"{host['Isolation']}\" - linux only supports 'default'")
    if host["CpuCount"] or host["CpuPercent"] or host["IOMaximumIOps"] or host["IOMaximumBandwidth"]:
        raise InvalidParameter("CpuCount, CpuPercent, IOMaximumIOps and IOMaximumBandwidth exist on Windows only")
    if host["NetworkMode"] == "host" and (host["PortBindings"] or host["PublishAllPorts"]):
        warnings.append("Published ports are discarded when using host network mode")
    if host["KernelMemory"]:
        warnings.append("Specifying a kernel memory limit is deprecated and will be removed in a future release.")
    return warnings


def log_config(config: LogConfig) -> None:
    """Check a LogConfig's driver and options. Raises InvalidParameter."""
    logoptions.check(config.get("Type"), config.get("Config") or {})


def size(text: str, what: str) -> int:
    """Bytes of ``10m``, ``1g``, ``512``, ``20kb``. Raises InvalidParameter."""
    try:
        return sizes.parse(text)
    except ValueError as error:
        raise InvalidParameter(f"invalid value for {what}: {error}") from None


def _shares_container(mode: str) -> bool:
    return mode.startswith("container:")


def _modes(host: HostConfig, config: Config) -> None:
    network, uts = host["NetworkMode"], host["UTSMode"]
    ipc, pid = host["IpcMode"], host["PidMode"]
    if ipc not in ("", "none", "private", "shareable", "host") and not (_shares_container(ipc) and ipc != "container:"):
        raise InvalidParameter(f"Invalid IPC mode: {ipc}")
    if pid not in ("", "host", "private") and not (_shares_container(pid) and pid != "container:"):
        raise InvalidParameter(f"invalid PID mode: {pid}")
    if uts not in ("", "host"):
        raise InvalidParameter(f"invalid UTS mode: {uts}")
    if host["CgroupnsMode"] not in ("", "host", "private"):
        raise InvalidParameter(f"invalid cgroup namespace mode: {host['CgroupnsMode']}")
    if uts == "host" and (config["Hostname"] or config["Domainname"]):
        raise InvalidParameter("conflicting options: hostname and the UTS mode")
    if _shares_container(network):
        if network == "container:":
            raise InvalidParameter("Invalid network mode: invalid container format container:<name|id>")
        for given, word in (
            (config["Hostname"], "hostname and the network mode"),
            (host["Links"], "container type network can't be used with links. This would result in undefined behavior"),
            (host["Dns"], "dns and the network mode"),
            (host["ExtraHosts"], "custom host-to-IP mapping and the network mode"),
            (host["PublishAllPorts"] or host["PortBindings"], "port publishing and the container type network mode"),
            (config["ExposedPorts"], "port exposing and the container type network mode"),
        ):
            if given:
                raise InvalidParameter(f"conflicting options: {word}")
    if network == "host" and host["Links"]:
        raise InvalidParameter(
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
        )


def restart_policy(given: RestartPolicy) -> RestartPolicy:
    """A RestartPolicy as it is recorded: with a name and a count, and our Delay and Window where they are given. Raises
    InvalidParameter."""
    name, count = given.get("Name") or "no", given.get("MaximumRetryCount") or 0
    if name not in restart.NAMES:
        raise InvalidParameter(f"invalid restart policy '{name}'")
    policy: RestartPolicy = {"Name": name, "MaximumRetryCount": count}
    if (delay := given.get("Delay")) is not None:
        policy["Delay"] = delay
    if (window := given.get("Window")) is not None:
        policy["Window"] = window
    for key, value in (("Delay", delay), ("Window", window)):
        if value is not None and value < 0:
            raise InvalidParameter(f"invalid restart policy: {key} is a number of nanoseconds")
    if name != "on-failure" and count and delay is None and window is None:
        raise InvalidParameter(f"maximum retry count cannot be used with restart policy '{name}'")
    if count < 0:
        raise InvalidParameter("maximum retry count cannot be negative")
    return policy


def _ports(host: HostConfig) -> None:
    for port, bindings in (host["PortBindings"] or {}).items():
        low, high, _ = exposed_port(port)
        if low != high:
            raise InvalidParameter(f"invalid port specification: {port!r}")
        for binding in bindings or ():
            text = binding.get("HostPort") or ""
            try:
                ports.parse_range(text or "0")
            except ValueError:
                raise InvalidParameter(f"invalid port specification: {text!r}") from None
            if address := binding.get("HostIp"):
                try:
                    ipaddress.ip_address(address)
                except ValueError:
                    raise InvalidParameter(f"invalid IP address: {address}") from None


def added_hosts(entries: Iterable[str]) -> tuple[str, ...]:
    """``NAME:ADDRESS`` as lines of /etc/hosts are made of them, of containers and of build steps. Raises InvalidParameter."""
    checked = tuple(entries)
    for entry in checked:
        name, _, address = entry.partition(":")
        if not name or not address or any(character.isspace() for character in entry):
            raise InvalidParameter(f"bad format for add-host: {entry!r}")
        if address != "host-gateway":
            _ip(address.removeprefix("[").removesuffix("]"), f"invalid IP address in add-host: {address!r}")
    return checked


def _hosts(host: HostConfig) -> None:
    added_hosts(host["ExtraHosts"] or ())
    for server in host["Dns"] or ():
        _ip(server, f"bad nameserver address: {server}")
    for text in [*(host["DnsSearch"] or ()), *(host["DnsOptions"] or ())]:
        if not _BYTE.match(text) or any(character.isspace() for character in text):
            raise InvalidParameter(f"bad DNS option or search domain: {text!r}")


def _ip(text: str, message: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise InvalidParameter(message) from None


def _memory(host: HostConfig, warnings: list[str]) -> None:
    memory, swap, reservation = host["Memory"], host["MemorySwap"], host["MemoryReservation"]
    if memory and memory < MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    if memory > 0 and 0 < swap < memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory == 0 and swap > 0:
        raise InvalidParameter("You should always set the Memory limit when using Memoryswap limit, see usage")
    swappiness = host["MemorySwappiness"]
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidParameter(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    if reservation and reservation < MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory reservation allowed is 6MB")
    if memory and reservation and memory < reservation:
        raise InvalidParameter("Minimum memory limit can not be less than memory reservation limit, see usage")
    if host["OomKillDisable"] and not memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running "
            "out of resources."
        )


def _cpu(host: HostConfig) -> None:
    nano, period, quota = host["NanoCpus"], host["CpuPeriod"], host["CpuQuota"]
    online = os.cpu_count() or 1
    if nano > 0 and period > 0:
        raise InvalidParameter("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if nano > 0 and quota > 0:
        raise InvalidParameter("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if nano < 0 or nano > online * 1_000_000_000:
        raise InvalidParameter(f"Range of CPUs is from 0.01 to {online}.00, as there are only {online} CPUs available")
    if host["CpuShares"] < 0:
        raise InvalidParameter(f"invalid CPU shares ({host['CpuShares']}): value must be a positive integer")
    if period and not 1000 <= period <= 1_000_000:
        raise InvalidParameter("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < quota < 1000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if (
        host["CpuRealtimeRuntime"]
        and host["CpuRealtimePeriod"]
        and host["CpuRealtimeRuntime"] > host["CpuRealtimePeriod"]
    ):
        raise InvalidParameter("cpu real-time runtime cannot be higher than cpu real-time period")
    _cpuset(host["CpusetCpus"], "cpus", "CPUs", _online("cpu"))
    _cpuset(host["CpusetMems"], "mems", "memory nodes", _online("node"))


def _cpuset(text: str, kind: str, word: str, available: set[int]) -> None:
    if not number_set(text, f"cpuset {kind}") <= available:
        raise InvalidParameter(
            f"Requested {word} are not available - requested {text}, available: {_ranges(available)}"
        )


def _online(kind: str) -> set[int]:
    try:
        with open(f"/sys/devices/system/{kind}/online") as file:
            return number_set(file.read().strip(), kind)
    except OSError:
        return set(range(os.cpu_count() or 1)) if kind == "cpu" else {0}


def _ranges(numbers: set[int]) -> str:
    """``0-2,4``"""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join("-".join(str(number) for number in part) for part in parts)


def number_set(text: str, what: str) -> set[int]:
    """The numbers of ``0-2,4``. Raises InvalidParameter."""
    numbers: set[int] = set()
    for part in text.split(",") if text else ():
        low, _, high = part.partition("-")
        if (
            not re.fullmatch(r"[0-9]{1,4}(?:-[0-9]{1,4})?", part)
            or int(high or low) > 8192
            or int(high or low) < int(low)
        ):
            raise InvalidParameter(f"Invalid value {text} for {what}: invalid format: {text}")
        numbers.update(range(int(low), int(high or low) + 1))
    return numbers


def _limits(host: HostConfig) -> None:
    if not -1000 <= host["OomScoreAdj"] <= 1000:
        raise InvalidParameter(f"Invalid value {host['OomScoreAdj']}, range for oom score adj is [-1000, 1000]")
    if host["ShmSize"] < 0:
        raise InvalidParameter("SHM size can not be less than 0")
    weight = host["BlkioWeight"]
    if weight and not 10 <= weight <= 1000:
        raise InvalidParameter("Range of blkio weight is from 10 to 1000")
    for limit in host["Ulimits"] or ():
        _ulimit(limit)
    for name in host["Sysctls"] or {}:
        try:
            sysctls.dotted(name)
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
    for rule in host["DeviceCgroupRules"] or ():
        if not re.fullmatch(r"[acb] ([0-9]{1,7}|\*):([0-9]{1,7}|\*) [rwm]{1,3}", rule):
            raise InvalidParameter(f"invalid device cgroup rule format: '{rule}'")
    for path in [*(host["MaskedPaths"] or ()), *(host["ReadonlyPaths"] or ())]:
        if not path.startswith("/"):
            raise InvalidParameter(f"masked and read-only paths must be absolute: {path!r}")


def _ulimit(limit: Ulimit) -> None:
    try:
        ulimits.checked(ulimits.Limit(limit.get("Name", ""), limit.get("Soft", 0), limit.get("Hard", 0)))
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def storage(host: HostConfig, *, quota_supported: bool) -> None:
    """``storage_opt size`` needs a file system with project quotas."""
    for name in host["StorageOpt"] or {}:
        if name != "size":
            raise InvalidParameter(f"Unknown option {name}")
        if not quota_supported:
            raise InvalidParameter("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")


def refuse_name(name: str, owner: str) -> Conflict:
    return Conflict(
        f'Conflict. The container name "/{name}" is already in use by container "{owner}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )


def runtime_name(name: str, known: bool) -> None:
    if not known:
        raise InvalidParameter(f"Unknown runtime specified {name}")


def unsupported(what: str) -> NotImplemented_:
    return NotImplemented_(f"{what}: this engine does not offer it")
