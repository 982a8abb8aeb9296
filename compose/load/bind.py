"""The last shape of a tree: every attribute with its type, in the order and with the omissions of
``docker compose config --format json``.

A record is a tuple of fields; each field has a decoder (binder.py, decode.py), and may be left out when it holds its zero value. This
table is the single place that says what a service, a network … may hold; a key of the tree that no record names never gets
here, since the schema refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from ..convert.healthcheck import PROBES
from .binder import Binder, Field, embedded, keyed, listed, record
from .decode import (
    boolean,
    command,
    device_count,
    duration,
    environment,
    exposed,
    free,
    health_test,
    hosts,
    mapping,
    natural,
    options,
    restart,
    single_float,
    size,
    ssh,
    string,
    string_map,
    strings,
    switch,
    ulimit,
    whole,
)
from .tree import Map

if TYPE_CHECKING:
    from ..errors import Diagnostic, Path
    from ..model.resources import FileObject, Model, Network, Volume
    from ..model.service import Service
    from .tree import Node, Place, Section


def env_file(run: Binder, value: Node, path: Path, place: Place | None) -> Node:
    record = run.record(ENV_FILE, value, path, place)
    if record is not None and record.get("required") and not record.get("format"):
        return record.get("path", "")
    return record


F = Field
given = partial(Field, zero=True)
"""An attribute whose zero says something else than its absence."""

ENV_FILE = (F("path", string), F("required", boolean, omit=False), F("format", string))
_ulimits = keyed(ulimit)
_file_reference = record(
    F("source", string), F("target", string), F("uid", string), F("gid", string), given("mode", natural)
)
_hook = (
    F("command", command, omit=False),
    F("user", string),
    F("privileged", boolean),
    F("working_dir", string),
    F("environment", environment),
)
_pre_start_hook = (*_hook, F("image", string), F("per_replica", boolean))
_throttle = listed(record(F("path", string, False, "Path"), F("rate", size, False, "Rate")))
_device_requests = listed(
    record(
        F("capabilities", strings),
        F("driver", string),
        F("count", device_count),
        F("device_ids", strings),
        F("options", mapping),
    )
)
_build = record(
    F("context", string),
    F("dockerfile", string),
    F("dockerfile_inline", string),
    F("entitlements", strings),
    F("args", environment),
    F("provenance", switch),
    F("sbom", switch),
    F("ssh", ssh),
    F("labels", mapping),
    F("cache_from", strings),
    F("cache_to", strings),
    F("no_cache", boolean),
    F("no_cache_filter", strings),
    F("additional_contexts", mapping),
    F("pull", boolean),
    F("extra_hosts", hosts),
    F("isolation", string),
    F("network", string),
    F("target", string),
    F("secrets", listed(_file_reference)),
    F("shm_size", size),
    F("tags", strings),
    F("ulimits", _ulimits),
    F("platforms", strings),
    F("privileged", boolean),
)
_develop = record(
    F(
        "watch",
        listed(
            record(
                F("path", string, omit=False),
                F("action", string, omit=False),
                F("target", string),
                F("exec", embedded(*_hook), omit=False),
                F("include", strings),
                F("ignore", strings),
                F("initial_sync", boolean),
            )
        ),
    )
)
_blkio = record(
    F("weight", natural),
    F("weight_device", listed(record(F("path", string, False, "Path"), F("weight", natural, False, "Weight")))),
    F("device_read_bps", _throttle),
    F("device_read_iops", _throttle),
    F("device_write_bps", _throttle),
    F("device_write_iops", _throttle),
)
_resource = record(
    F("cpus", single_float),
    F("memory", size),
    F("pids", whole),
    F("devices", _device_requests),
    F(
        "generic_resources",
        listed(record(F("discrete_resource_spec", record(F("kind", string, False), F("value", whole, False))))),
    ),
)
_update = record(
    given("parallelism", natural),
    F("delay", duration),
    F("failure_action", string),
    F("monitor", duration),
    F("max_failure_ratio", single_float),
    F("order", string),
)
DEPLOY: tuple[Field, ...] = (
    F("mode", string),
    given("replicas", whole),
    F("labels", mapping),
    F("update_config", _update),
    F("rollback_config", _update),
    F("resources", embedded(F("limits", _resource), F("reservations", _resource)), omit=False),
    F(
        "restart_policy",
        record(
            F("condition", string), given("delay", duration), given("max_attempts", natural), given("window", duration)
        ),
    ),
    F(
        "placement",
        embedded(
            F("constraints", strings),
            F("preferences", listed(record(F("spread", string)))),
            F("max_replicas_per_node", natural),
        ),
        omit=False,
    ),
    F("endpoint_mode", string),
)
_volume = record(
    F("type", string),
    F("source", string),
    F("target", string),
    F("read_only", boolean),
    F("consistency", string),
    F(
        "bind",
        record(
            F("selinux", string),
            F("propagation", string),
            F("create_host_path", boolean),
            F("recursive", string),
            F("x-idmap", string),
        ),
    ),
    F("volume", record(F("labels", mapping), F("nocopy", boolean), F("subpath", string))),
    F("tmpfs", record(F("size", size), F("mode", natural))),
    F("image", record(F("subpath", string))),
)
_port = record(
    F("name", string),
    F("mode", string),
    F("host_ip", string),
    F("target", natural),
    F("published", string),
    F("protocol", string),
    F("app_protocol", string),
)
_service_network = record(
    F("priority", whole),
    F("gw_priority", whole),
    F("interface_name", string),
    F("aliases", strings),
    F("ipv4_address", string),
    F("ipv6_address", string),
    F("link_local_ips", strings),
    F("mac_address", string),
    F("driver_opts", options),
)
_schedule = record(F("cron", string), F("timezone", string), F("concurrency", string), F("missed_fires", string))

SERVICE: tuple[Field, ...] = (
    F("profiles", strings),
    F("annotations", mapping),
    given("attach", boolean),
    F("build", _build),
    F("develop", _develop),
    F("blkio_config", _blkio),
    F("cap_add", strings),
    F("cap_drop", strings),
    F("cgroup_parent", string),
    F("cgroup", string),
    F("cpu_count", whole),
    F("cpu_percent", single_float),
    F("cpu_period", whole),
    F("cpu_quota", whole),
    F("cpu_rt_period", whole),
    F("cpu_rt_runtime", whole),
    F("cpus", single_float),
    F("cpuset", string),
    F("cpu_shares", whole),
    F("command", command, omit=False),
    F("configs", listed(_file_reference)),
    F("container_name", string),
    F("credential_spec", record(F("config", string), F("file", string), F("registry", string))),
    F(
        "depends_on",
        keyed(record(F("condition", string), F("restart", boolean), F("required", boolean, omit=False))),
    ),
    F("deploy", record(*DEPLOY)),
    F("device_cgroup_rules", strings),
    F("devices", listed(record(F("source", string), F("target", string), F("permissions", string)))),
    F("dns", strings),
    F("dns_opt", strings),
    F("dns_search", strings),
    F("domainname", string),
    F("provider", record(F("type", string), F("options", free))),
    F("entrypoint", command, omit=False),
    F("environment", environment),
    F("env_file", listed(env_file)),
    F("expose", exposed),
    F("extends", record(F("file", string), F("service", string))),
    F("external_links", strings),
    F("extra_hosts", hosts),
    F("group_add", strings),
    F("gpus", _device_requests),
    F("hostname", string),
    F(
        "healthcheck",
        record(
            F("test", health_test),
            given("timeout", duration),
            given("interval", duration),
            given("retries", natural),
            given("start_period", duration),
            given("start_interval", duration),
            F("disable", boolean),
            *(F(key, free) for key in PROBES),
        ),
    ),
    F("image", string),
    given("init", boolean),
    F("ipc", string),
    F("isolation", string),
    F("labels", mapping),
    F("label_file", strings),
    F("links", strings),
    F("logging", record(F("driver", string), F("options", options))),
    F("mem_limit", size),
    F("mem_reservation", size),
    F("memswap_limit", size),
    F("mem_swappiness", size),
    F("mac_address", string),
    F("models", keyed(record(F("endpoint_var", string), F("model_var", string)))),
    F("network_mode", string),
    F("networks", keyed(_service_network)),
    F("oom_kill_disable", boolean),
    F("oom_score_adj", whole),
    F("pid", string),
    F("pids_limit", whole),
    F("platform", string),
    F("ports", listed(_port)),
    F("privileged", boolean),
    F("pull_policy", string),
    F("pull_refresh_after", string),
    F("read_only", boolean),
    F("restart", restart),
    F("runtime", string),
    given("scale", whole),
    F("secrets", listed(_file_reference)),
    F("security_opt", strings),
    F("shm_size", size),
    F("stdin_open", boolean),
    given("stop_grace_period", duration),
    F("stop_signal", string),
    F("storage_opt", string_map),
    F("sysctls", mapping),
    F(
        "triggers",
        record(
            given("manual", boolean),
            F("schedule", listed(_schedule)),
            given("x-keep", natural),
            given("x-retries", natural),
            given("x-retry-delay", duration),
        ),
    ),
    F("tmpfs", strings),
    F("tty", boolean),
    F("ulimits", _ulimits),
    F("use_api_socket", boolean),
    F("user", string),
    F("userns_mode", string),
    F("uts", string),
    F("volumes", listed(_volume)),
    F("volumes_from", strings),
    F("working_dir", string),
    F("pre_start", listed(record(*_pre_start_hook))),
    F("post_start", listed(record(*_hook))),
    F("pre_stop", listed(record(*_hook))),
)
NETWORK: tuple[Field, ...] = (
    F("name", string),
    F("driver", string),
    F("driver_opts", options),
    F(
        "ipam",
        embedded(
            F("driver", string),
            F(
                "config",
                listed(
                    record(
                        F("subnet", string), F("gateway", string), F("ip_range", string), F("aux_addresses", mapping)
                    )
                ),
            ),
        ),
        omit=False,
    ),
    F("external", boolean),
    F("internal", boolean),
    F("attachable", boolean),
    F("labels", mapping),
    given("enable_ipv4", boolean),
    given("enable_ipv6", boolean),
)
VOLUME: tuple[Field, ...] = (
    F("name", string),
    F("driver", string),
    F("driver_opts", options),
    F("external", boolean),
    F("labels", mapping),
)
FILE_OBJECT: tuple[Field, ...] = (
    F("name", string),
    F("file", string),
    F("environment", string),
    F("content", string),
    F("external", boolean),
    F("labels", mapping),
    F("driver", string),
    F("driver_opts", string_map),
    F("template_driver", string),
)
MODEL: tuple[Field, ...] = (
    F("name", string),
    F("model", string),
    F("context_size", whole),
    F("runtime_flags", strings),
)
SECTIONS: dict[str, tuple[Field, ...]] = {
    "services": SERVICE,
    "networks": NETWORK,
    "volumes": VOLUME,
    "configs": FILE_OBJECT,
    "secrets": FILE_OBJECT,
    "models": MODEL,
}


@dataclass(frozen=True, slots=True)
class Bound:
    """The sections of a bound tree, names sorted. Jobs are still among the services."""

    services: Section[Service]
    networks: Section[Network]
    volumes: Section[Volume]
    configs: Section[FileObject]
    secrets: Section[FileObject]
    models: Section[Model]


def bind(tree: Map) -> tuple[Bound, list[Diagnostic]]:
    """The bound sections of a normalised tree, and everything that did not fit.

    Here trees get the types of the model. The tables above make them so; tests/unit/test_model_types.py compares the two.
    """
    run = Binder()

    def section(name: str) -> Map:
        bound = keyed(embedded(*SECTIONS[name]))(run, tree.get(name), (name,), None)
        assert isinstance(bound, Map)
        return bound

    return Bound(
        services=cast("Section[Service]", section("services")),
        networks=cast("Section[Network]", section("networks")),
        volumes=cast("Section[Volume]", section("volumes")),
        configs=cast("Section[FileObject]", section("configs")),
        secrets=cast("Section[FileObject]", section("secrets")),
        models=cast("Section[Model]", section("models")),
    ), run.errors
