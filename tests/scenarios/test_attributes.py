"""Attributes of the specification at work: each is read back from the kernel, from inside the container, or from inspect."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("attributes")
    command = Command(root, root)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "busybox", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)


@pytest.fixture
def command(root: Path, tmp_path: Path) -> Iterator[Command]:
    directory = tmp_path / "demo"
    directory.mkdir()
    command = Command(root, directory)
    yield command
    (directory / "compose.yaml").unlink()
    command("-p", "demo", "down", "-v", "-t", "0")
    assert command("container", "ls", "--all", "--quiet").stdout == ""


def write(command: Command, text: str, **files: str) -> None:
    (command.directory / "compose.yaml").write_text(text)
    for name, content in files.items():
        (command.directory / name.replace("_", ".")).write_text(content)


def inspect(command: Command, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(command("container", "inspect", name).stdout)
    return found[0]


def test_restart_policy(command: Command) -> None:
    """One whose restarts are counted whatever its code, with a delay of its own; one whose long runs end the count."""
    write(
        command,
        "services:\n"
        "  each:\n    image: busybox\n    command: cut -d' ' -f1 /proc/uptime\n"
        "    deploy: {restart_policy: {condition: any, max_attempts: 2, delay: 400ms}}\n"
        "  window:\n    image: busybox\n    volumes: [runs:/runs]\n"
        "    command: sh -c 'echo run >> /runs/log; [ $$(wc -l < /runs/log) -gt 3 ] || sleep 0.6; exit 1'\n"
        "    deploy: {restart_policy: {condition: on-failure, max_attempts: 1, delay: 0s, window: 500ms}}\n"
        "volumes: {runs: }\n",
    )
    assert "no effect" not in command("up", "-d").stderr

    def settled(name: str, restarts: int) -> bool:
        tree = inspect(command, name)
        return bool(tree["State"]["Status"] == "exited" and tree["RestartCount"] == restarts)

    wait_for(lambda: settled("demo-each-1", 2), "two restarts")
    policy = inspect(command, "demo-each-1")["HostConfig"]["RestartPolicy"]
    assert policy == {"Name": "always", "MaximumRetryCount": 2, "Delay": 400_000_000, "Window": 0}
    times = [float(line) for line in command("logs", "--no-log-prefix", "each").stdout.split()]
    assert len(times) == 3
    assert all(later - earlier >= 0.39 for earlier, later in pairwise(times))
    wait_for(lambda: settled("demo-window-1", 3), "three restarts, of which only the last counts")


UPDATE = (
    "services:\n  web:\n    image: busybox\n    command: sh -c '[ $$HOSTNAME != b ] && exec sleep 1000; sleep 0.3; exit 4'\n"
    "    hostname: %s\n    stop_signal: SIGKILL\n"
    "    deploy: {replicas: 2, update_config: {monitor: 5s, failure_action: %s}}\n"
)


def test_an_update_is_monitored(command: Command) -> None:
    write(command, UPDATE % ("a", "pause"))
    command("up", "-d")
    before = {name: inspect(command, name)["Id"] for name in ("demo-web-1", "demo-web-2")}
    write(command, UPDATE % ("b", "pause"))
    assert "monitor demo-web-1" in command("plan", check=False).stdout
    failed = command("up", "-d", check=False)
    assert failed.returncode == 1
    assert "container demo-web-1 exited (4) while it was monitored" in failed.stderr
    assert inspect(command, "demo-web-1")["Id"] != before["demo-web-1"]
    assert inspect(command, "demo-web-2")["Id"] == before["demo-web-2"], "the rest stays as it is"
    write(command, UPDATE % ("b", "continue"))
    assert command("up", "-d", check=False).returncode == 1
    assert inspect(command, "demo-web-2")["Id"] != before["demo-web-2"]


@pytest.mark.parametrize("order", ["stop-first", pytest.param("start-first", marks=pytest.mark.slow)])
def test_an_update_that_fails_is_rolled_back(command: Command, order: str) -> None:
    def running() -> dict[str, tuple[str, str]]:
        rows = map(json.loads, command("ps", "--all", "--format", "json").stdout.splitlines())
        return {row["Name"]: (row["ID"], row["State"]) for row in rows}

    text = UPDATE.replace("monitor: 5s", f"monitor: 1s, order: {order}").replace(
        "}}\n", "}, rollback_config: {parallelism: 1, delay: 300ms}}\n"
    )
    write(command, text % ("a", "rollback"))
    command("up", "-d")
    before = running()
    assert {state for _, state in before.values()} == {"running"}
    write(command, text % ("b", "rollback"))
    assert "roll back web" in command("plan", check=False).stdout
    failed = command("up", "-d", check=False)
    assert failed.returncode == 1 and "exited (4) while it was monitored" in failed.stderr
    assert "Container demo-web-1  Rolled back" in failed.stderr
    assert running() == before, "the same containers as before, running"
    write(command, text % ("c", "rollback"))
    command("up", "-d")
    after = running()
    assert after.keys() == before.keys() and not {*after.values()} & {*before.values()}
    assert "nothing to do" in command("plan").stdout


MODEL_PLUGIN = """#!/bin/sh
echo "$@" >> {calls}
case "$1" in
  docker-cli-plugin-metadata) echo '{{"SchemaVersion": "0.1.0", "Vendor": "test", "Version": "v1.0.6"}}' ;;
  ls) [ -e {pulled} ] && echo '[{{"id": "x", "tags": ["ai/tiny:1"]}}]' || echo '[]' ;;
  pull) touch {pulled} ;;
  configure) [ "$2" != ai/broken ] || {{ echo "no such model" >&2; exit 1; }} ;;
  status) echo '{{"endpoint": "http://runner/v1/", "host": "'$DOCKER_HOST'"}}' ;;
esac
"""
MODELS = (
    "services:\n  web:\n    image: busybox\n    command: sleep 1000\n    stop_signal: SIGKILL\n"
    "    models: {my-llm: , other: {endpoint_var: AT, model_var: WHICH}}\n"
    "models:\n  my-llm: {model: 'ai/tiny:1', context_size: 4096, runtime_flags: [--temp, '0']}\n"
    "  other: {model: 'ai/tiny:1'}\n  unused: {model: ai/none}\n"
)


def plugin(directory: Path, name: str, text: str) -> None:
    path = directory / "cli-plugins" / f"docker-{name}"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    path.chmod(0o755)


def test_models(command: Command, tmp_path: Path) -> None:
    write(command, MODELS)
    refused = command("up", "-d", check=False)
    assert refused.returncode != 0
    assert "compose.yaml:6:" in refused.stderr and "docker-model-plugin" in refused.stderr
    calls = tmp_path / "calls"
    plugin(tmp_path, "model", MODEL_PLUGIN.format(calls=calls, pulled=tmp_path / "pulled"))
    docker = {"DOCKER_CONFIG": str(tmp_path)}
    assert "configure model my-llm" in command("plan", check=False, **docker).stdout
    command("up", "-d", **docker)
    made = calls.read_text().splitlines()
    assert "pull ai/tiny:1" in made and "configure --context-size 4096 ai/tiny:1 -- --temp 0" in made
    assert not any("ai/none" in call for call in made)
    environment = inspect(command, "demo-web-1")["Config"]["Env"]
    assert {"MY_LLM_URL=http://runner/v1/", "MY_LLM_MODEL=ai/tiny:1", "AT=http://runner/v1/", "WHICH=ai/tiny:1"} <= {
        *environment
    }
    assert "nothing to do" in command("plan", **docker).stdout
    write(command, MODELS.replace("model: 'ai/tiny:1'}", "model: ai/broken}"))
    assert "models" in command("plan", check=False, **docker).stdout
    failed = command("up", "-d", check=False, **docker)
    assert (
        failed.returncode == 1
        and "docker-model configure ai/broken failed with exit code 1: no such model" in failed.stderr
    )


PROVIDER = """#!/bin/sh
echo "$@" >> {calls}
[ "$2" = --project-name ] || exit 9
case "$4" in
  up) echo '{{"type": "info", "message": "making it"}}'
      echo '{{"type": "setenv", "message": "URL=tcp://cloud:1"}}'
      echo '{{"type": "rawsetenv", "message": "PLAIN=yes"}}' ;;
esac
"""


def test_provider(command: Command, tmp_path: Path) -> None:
    write(
        command,
        "services:\n  cloud-db: {provider: {type: attrtest, options: {fast: true, size: 2, zone: [a, b]}}}\n"
        "  web: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, depends_on: [cloud-db]}\n",
    )
    calls = tmp_path / "calls"
    docker = {"DOCKER_CONFIG": str(tmp_path)}
    assert "no program docker-attrtest" in command("up", "-d", check=False, **docker).stderr
    plugin(tmp_path, "attrtest", PROVIDER.format(calls=calls))
    assert "making it" in command("up", "-d", **docker).stderr
    assert {"CLOUD_DB_URL=tcp://cloud:1", "PLAIN=yes"} <= {*inspect(command, "demo-web-1")["Config"]["Env"]}
    assert command("run", "--rm", "web", "sh", "-c", "echo $CLOUD_DB_URL", **docker).stdout == "tcp://cloud:1\n"
    command("down", **docker)
    words = "compose --project-name demo {} --fast=true --size=2 --zone=a --zone=b cloud-db"
    assert calls.read_text().splitlines() == [words.format(verb) for verb in ("up", "up", "down")]


BUILD = (
    "services:\n"
    "  open:\n    image: open\n    build:\n      dockerfile_inline: |\n"
    "        FROM busybox\n"
    "        RUN grep CapEff /proc/self/status > /caps\n"
    "        RUN cat /proc/sys/kernel/random/uuid > /stamp\n"
    "      privileged: true\n      platforms: [linux/amd64]\n      provenance: mode=max\n      sbom: true\n"
    "      cache_to: ['type=local,dest=cache']\n"
    "  allowed:\n    image: allowed\n    build:\n      dockerfile_inline: |\n"
    "        FROM busybox\n"
    "        RUN --security=insecure grep CapEff /proc/self/status > /caps\n"
    "        RUN grep CapEff /proc/self/status > /plain\n"
    "      entitlements: [security.insecure]\n"
)


def test_build(command: Command) -> None:
    write(command, BUILD)
    built = command("build")
    text = built.stdout + built.stderr
    assert "attestations are not made" not in text

    def show(image: str, path: str) -> str:
        return command("container", "run", "--rm", image, "cat", path).stdout

    everything = int(show("open", "/caps").split()[1], 16)
    assert everything == int(show("allowed", "/caps").split()[1], 16)
    default = int(show("allowed", "/plain").split()[1], 16)
    assert default != everything and default & everything == default
    stamp = show("open", "/stamp")
    command("image", "rm", "open")
    command("builder", "prune", "--all", "--force")
    write(command, BUILD.replace("cache_to: ['type=local,dest=cache']", "cache_from: ['type=local,src=cache']"))
    command("build", "open")
    assert show("open", "/stamp") == stamp, "the step came out of the cache's directory"
    write(command, BUILD.replace("      entitlements: [security.insecure]\n", ""))
    assert "lacks this entitlement" in command("build", "allowed", check=False).stderr


@pytest.fixture
def device() -> Iterator[str]:
    """A CDI device of this machine, for as long as the test lasts."""
    directory = Path("/var/run/cdi")
    existed = directory.is_dir()
    directory.mkdir(exist_ok=True)
    kind = f"pycompose.test/attributes{os.getpid()}"
    path = directory / f"pycompose-test-{os.getpid()}.json"
    edits = {
        "env": ["FROM_CDI=yes", "BOTH=cdi"],
        "deviceNodes": [{"path": "/dev/nothing", "hostPath": "/dev/fuse", "permissions": "r"}],
        "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/driver/file", "options": ["ro"]}],
        "additionalGids": [4321],
    }
    devices = [{"name": "one", "containerEdits": edits}]
    path.write_text(json.dumps({"cdiVersion": "0.7.0", "kind": kind, "devices": devices}))
    yield f"{kind}=one"
    path.unlink()
    if not existed:
        directory.rmdir()


def test_devices_by_cdi(command: Command, device: str) -> None:
    web = "image: busybox, command: sleep 1000, stop_signal: SIGKILL, environment: {BOTH: service}"
    write(
        command,
        f"services:\n  short: {{{web}, devices: ['{device}']}}\n"
        f"  long: {{{web}, deploy: {{resources: {{reservations: {{devices: [{{driver: cdi, device_ids: ['{device}'],"
        " capabilities: [x]}]}}}}\n",
    )
    command("up", "-d")
    for service in ("short", "long"):
        show = "xargs -0n1 < /proc/1/environ | grep -E 'CDI|BOTH'; id -G; cat /driver/file; stat -c %t:%T /dev/nothing; : < /dev/nothing && : > /dev/nothing"
        shown = command("exec", "-T", service, "sh", "-c", show, check=False)
        hostname = Path("/etc/hostname").read_text().splitlines()
        assert shown.stdout.splitlines() == ["BOTH=cdi", "FROM_CDI=yes", "0 4321", *hostname, "a:e5"]
        assert "Operation not permitted" in shown.stderr, "it may be read, not written"
    write(command, f"services:\n  gpu: {{{web}, gpus: all}}\n")
    refused = command("up", "-d", check=False)
    assert refused.returncode != 0
    assert 'could not select device driver "" with capabilities: [[gpu]]' in refused.stderr


def test_a_link_too_small_for_ipv6_is_refused_with_words(command: Command) -> None:
    write(
        command,
        "services: {web: {image: busybox}}\n"
        "networks: {default: {enable_ipv6: true, driver_opts: {com.docker.network.driver.mtu: '1234'}}}\n",
    )
    assert "1234 is too small for IPv6" in command("up", "-d", check=False).stderr


def test_values_that_are_not_supported_are_refused_with_their_places(command: Command) -> None:
    write(command, "services:\n  web:\n    image: busybox\n    userns_mode: keep-id\n")
    refused = command("up", "-d", check=False)
    assert refused.returncode != 0
    assert "compose.yaml:4:" in refused.stderr and "'keep-id' is not supported" in refused.stderr


def test_the_api_socket_comes_with_credentials(command: Command, tmp_path: Path) -> None:
    write(
        command,
        "services:\n  web: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, use_api_socket: true}\n"
        "  own: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, use_api_socket: true,"
        " environment: {DOCKER_CONFIG: /mine}}\n",
    )
    entry = {"auths": {"registry.test": {"auth": "bWU6c2VjcmV0"}}}
    (tmp_path / "config.json").write_text(json.dumps(entry | {"psFormat": "x"}))
    command("up", "-d", DOCKER_CONFIG=str(tmp_path))
    show = "cat $DOCKER_CONFIG/config.json; test -S /var/run/docker.sock && echo socket"
    shown = command("exec", "-T", "web", "sh", "-c", show).stdout
    assert shown == json.dumps(entry) + "socket\n"
    assert "no such file" in command("exec", "-T", "own", "sh", "-c", show, check=False).stderr.lower()
    assert "nothing to do" in command("plan", DOCKER_CONFIG=str(tmp_path)).stdout


IGNORED = """
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    cpu_count: 1
    cpu_percent: 10
    cpu_rt_period: 10000
    cpu_rt_runtime: 5000
    isolation: default
    credential_spec: {file: x.json}
    expose: ['80', '90-92/udp']
    ports: [{target: 80, mode: ingress, name: a, app_protocol: http}]
    volumes: [{type: bind, source: ., target: /x, consistency: cached}]
    configs: [c]
    secrets: [s]
    deploy:
      endpoint_mode: vip
      labels: {a: b}
      placement: {constraints: [a==b], max_replicas_per_node: 1, preferences: [{spread: x}]}
      resources: {reservations: {cpus: '0.1', generic_resources: [{discrete_resource_spec: {kind: a, value: 1}}]}}
      rollback_config: {parallelism: 1, delay: 1s, failure_action: pause, monitor: 1s, max_failure_ratio: 0.1}
      update_config: {max_failure_ratio: 0.1}
configs: {c: {content: x, labels: {a: b}, name: n}}
secrets: {s: {environment: HOME, labels: {a: b}, name: n}}
networks: {default: {attachable: true, ipam: {driver: default, options: {a: b}}}}
"""


def test_keys_without_effect_are_warned_of_and_do_no_harm(command: Command) -> None:
    write(command, IGNORED)
    said = command("up", "-d").stderr
    warned = {match[1] for match in re.finditer(r"compose\.yaml:\d+:\d+: (\S+) has no effect", said)}
    assert warned == {
        *(f"services.web.{key}" for key in ("cpu_count", "cpu_percent", "cpu_rt_period", "cpu_rt_runtime")),
        *(f"services.web.{key}" for key in ("isolation", "credential_spec")),
        *(f"services.web.deploy.{key}" for key in ("endpoint_mode", "labels", "placement")),
        *(f"services.web.deploy.rollback_config.{key}" for key in ("failure_action", "monitor", "max_failure_ratio")),
        *(f"services.web.deploy.resources.reservations.{key}" for key in ("cpus", "generic_resources")),
        "services.web.deploy.update_config.max_failure_ratio",
        *("configs.c.labels", "secrets.s.labels", "networks.default.attachable", "networks.default.ipam.options"),
    }
    assert "nothing to do" in command("plan").stdout


REFUSED = {
    "configs.c.external": "configs: {c: {external: true}}",
    "secrets.s.driver": "secrets: {s: {environment: HOME, driver: vault}}",
    "configs.c.template_driver": "configs: {c: {content: x, template_driver: golang}}",
}


@pytest.mark.parametrize("key", REFUSED)
def test_keys_that_are_refused_are_named_with_their_places(command: Command, key: str) -> None:
    kind, name, _ = key.split(".")
    write(command, f"services:\n  web: {{image: busybox, {kind}: [{name}]}}\n{REFUSED[key]}\n")
    refused = command("up", "-d", check=False)
    assert refused.returncode != 0
    assert re.search(rf"compose\.yaml:3:\d+: {re.escape(key)} is not supported", refused.stderr)
    assert command("container", "ls", "-aq").stdout == ""
