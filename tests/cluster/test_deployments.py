"""The same project on a real Swarm and a real Kubernetes: order, ownership, failures, and that nothing is left."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import yaml
from cluster.conftest import remove_namespace

from pycompose.compose.client import Engine, choose
from pycompose.compose.deploy.kubernetes.client import connect
from pycompose.compose.deploy.swarm.labels import STACK as STACK_LABEL

if TYPE_CHECKING:
    from cluster.conftest import Lab

NAME = "pycompose-test"

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

STACK = """
services:
  db:
    image: "@IMAGE@"
    command: [sh, -c, "sleep 6; touch /tmp/ok; sleep 100000"]
    stop_grace_period: 1s
    healthcheck: {test: ["CMD-SHELL", "cat /tmp/ok"], interval: 1s, start_period: 30s}
    deploy: {endpoint_mode: dnsrr}
  migrate:
    image: "@IMAGE@"
    command: [sh, -c, "echo migrated; exit ${CODE:-0}"]
    depends_on: {db: {condition: service_healthy}}
  web:
    image: ${IMAGE_OF_WEB:-@IMAGE@}
    command: [sh, -c, "${RUN:-exec httpd -f -p 80 -h /www}"]
    depends_on: {migrate: {condition: service_completed_successfully}}
    environment: {A: "pa$$$$word", B: "{{ x }}", C: "$$(HOME)"}
    stop_grace_period: 1s
    expose: ["80"]
    secrets: [password]
    configs: [{source: site, target: /etc/site.conf}]
    healthcheck: {test: ["CMD", "wget", "-q", "-O-", "http://127.0.0.1/version"], interval: 1s, start_period: 5s}
    deploy: {replicas: 2, endpoint_mode: dnsrr, update_config: {monitor: 2s, order: start-first, failure_action: rollback}}
secrets: {password: {environment: PASSWORD}}
configs: {site: {content: "conf=1"}}
"""


def test_waves_contents_changes_and_the_end(lab: Lab) -> None:
    lab.write(STACK)
    assert "create" in lab.run("plan", code=2).stdout
    began = time.monotonic()
    lab.run("deploy")
    assert time.monotonic() - began > 6  # nobody is made before the database is healthy

    # byte for byte, by name, in memory
    environment = lab.inside("web", "cat", "/proc/1/environ").split("\0")
    assert {"A=pa$$word", "B={{ x }}", "C=$(HOME)"} <= set(environment)
    assert lab.inside("web", "cat", "/run/secrets/password", "/etc/site.conf") == "s3cretconf=1"
    assert lab.inside("db", "wget", "-q", "-O-", "http://web:80/version").startswith("version")
    assert [one["Service"] for one in lab.units()] == ["db", "web", "web"]
    assert all(one["Node"] for one in lab.units())
    assert re.search(r"migrate\S+@\S+ +\| migrated", lab.run("logs", "migrate").stdout)

    # a second time: nothing
    before = lab.objects()
    assert "nothing to do" in lab.run("deploy").stdout
    assert "nothing to do" in lab.run("plan").stdout
    assert lab.objects() == before

    # a changed secret reaches the containers, and the old object is gone
    lab.run("deploy", PASSWORD="other")
    assert lab.inside("web", "cat", "/run/secrets/password") == "other"
    secrets = [key for key in lab.objects() if key.lower().startswith("secret")]
    assert len(secrets) == 1
    assert secrets != [key for key in before if key.lower().startswith("secret")]

    # what has left the file goes, and scaling is undone by the next deploy
    lab.run("scale", "web=1")
    lab.write(
        re.sub(r"  migrate:.*?(?=  web:)", "", STACK, flags=re.S).replace(
            "    depends_on: {migrate: {condition: service_completed_successfully}}\n", ""
        )
    )
    lab.run("deploy", PASSWORD="other")
    assert not any("migrate" in key for key in lab.objects())
    assert len([one for one in lab.units() if one["Service"] == "web"]) == 2


def test_a_migration_that_fails_stops_the_deployment(lab: Lab) -> None:
    lab.write(STACK)
    done = lab.run("deploy", code=1, CODE="4")
    assert "the job ended with exit code 4" in done.stderr
    assert "      migrated" in done.stderr
    assert re.search("not deployed because of it: (service|Deployment) .*web", done.stderr)
    assert not any(re.fullmatch(r"(services \S+_web|Deployment web)", key) for key in lab.objects())
    lab.run("deploy")  # and once it is mended, the rest follows
    assert len([one for one in lab.units() if one["Service"] == "web"]) == 2


def test_what_does_not_come_up_is_told_while_the_version_before_serves(lab: Lab) -> None:
    lab.write(STACK)
    lab.run("deploy")
    began = time.monotonic()
    done = lab.run("deploy", code=None, IMAGE_OF_WEB="registry.invalid/nothing:1")
    assert done.returncode != 0
    assert time.monotonic() - began < 60
    assert "registry.invalid/nothing:1" in done.stderr
    done = lab.run("deploy", code=1, RUN="echo broken; exit 3")
    assert re.search("rolled back|the version before is back", done.stderr)
    assert "broken" in done.stderr
    assert re.search(r"on \S+: .*\(?3\)?", done.stderr)
    assert lab.inside("db", "wget", "-q", "-O-", "http://web:80/version").startswith("version")
    assert "nothing to do" in lab.run("deploy").stdout


def test_bad_input_is_one_line(lab: Lab) -> None:
    lab.write(
        "services:\n  a:\n    image: \"@IMAGE@\"\n    volumes: ['/etc:/x']\n    privileged: true\n    mac_address: 02:00:00:00:00:01\n"
    )
    done = lab.run("deploy", code=15)
    assert re.search(r"compose.yaml:5:\d+: services.a.mac_address|compose.yaml:\d+:\d+", done.stderr)
    assert "Traceback" not in done.stderr
    assert lab.objects() == {}
    lab.write(f"services:\n  {'a' * 70}:\n    image: x\n")
    assert re.search(r"compose.yaml:3:\d+: .*at most 63", lab.run("deploy", code=15).stderr)


SMALL = """
services:
  web:
    image: "@IMAGE@"
    command: [sleep, "100000"]
    stop_grace_period: 1s
    init: true
    deploy: {replicas: 2, endpoint_mode: dnsrr}
"""


def test_one_off_commands_have_their_own_exit_code(lab: Lab) -> None:
    lab.write(SMALL)
    lab.run("deploy")
    done = lab.run("run", "web", "sh", "-c", "echo out; exit 7", code=7)
    assert done.stdout == "out\n"
    assert lab.run("exec", "-T", "web", "sh", "-c", "echo in; exit 5", code=5).stdout == "in\n"
    assert [one["Service"] for one in lab.units()] == ["web", "web"]  # the job is gone
    lab.run("restart", "web")
    lab.run("deploy")
    assert "nothing to do" in lab.run("deploy").stdout


def test_what_others_have_made_stays(kubernetes: Lab) -> None:
    kubernetes.write(SMALL)
    kubernetes.run("deploy")
    with closing(connect("", {**os.environ, **kubernetes.environment})) as kube:
        foreign = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "foreign", "namespace": NAME},
            "data": {"a": "b"},
        }
        kube.apply(foreign)
        web = kube.get("Deployment", "web", NAME)
        assert web is not None
        spec = {"replicas": 3, "selector": web["spec"]["selector"], "template": web["spec"]["template"]}
        taken = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NAME},
            "spec": spec,
        }
        kube.apply(taken, force=True, manager="somebody")
        told = kubernetes.run("deploy", code=1).stderr
        assert ".spec.replicas belongs to somebody" in told
        kubernetes.run("deploy", "--force-conflicts")
        assert len(kubernetes.units()) == 2
        kubernetes.run("down", "-v")
        assert kube.get("ConfigMap", "foreign", NAME) is not None
    remove_namespace(kubernetes)


def test_files_are_what_the_server_takes(kubernetes: Lab) -> None:
    kubernetes.write(STACK)
    kubernetes.run("deploy", "--emit", "out", PASSWORD="x")
    kubernetes.run("deploy", PASSWORD="x")
    with closing(connect("", {**os.environ, **kubernetes.environment})) as kube:
        for path in sorted((kubernetes.directory / "out").iterdir()):
            assert path.stat().st_mode & 0o077 == 0  # secrets are in them
            for tree in yaml.safe_load_all(path.read_text()):
                kube.apply(tree, dry_run=True)


CLOCK = """
services:
  web:
    image: "@IMAGE@"
    command: [sleep, "100000"]
    init: true
    stop_grace_period: 1s
jobs:
  tick:
    image: "@IMAGE@"
    command: [sh, -c, "echo tick"]
    triggers: {schedule: ["* * * * *"], x-keep: 2}
  by-hand:
    image: "@IMAGE@"
    command: [sh, -c, "echo done by hand; exit 9"]
    triggers: {manual: true}
"""


def test_what_a_clock_has_started_is_no_change(kubernetes: Lab) -> None:
    """The runs of a CronJob have its pods' labels: they are neither removed nor waited for."""
    kubernetes.write(CLOCK)
    kubernetes.run("deploy")
    assert "nothing to do" in kubernetes.run("plan").stdout
    with closing(connect("", {**os.environ, **kubernetes.environment})) as kube:
        end = time.monotonic() + 200
        for _, job in kube.watch("Job", NAME, {}):
            status = job.get("status")
            if isinstance(status, dict) and status.get("succeeded"):
                break
            assert time.monotonic() < end
    assert "nothing to do" in kubernetes.run("deploy").stdout
    assert re.search(r"tick-\S+@\S+ +\| tick", kubernetes.run("logs", "tick").stdout)
    assert kubernetes.run("run", "by-hand", code=9).stdout == "done by hand\n"
    kubernetes.run("down", "-v")
    assert kubernetes.objects() == {}


VOLUMES = """
services:
  each:
    image: "@IMAGE@"
    command: [sleep, "100000"]
    init: true
    stop_grace_period: 1s
    volumes: ["cache:/cache", "shared:/shared"]
    deploy: {mode: global, endpoint_mode: dnsrr}
  one:
    image: "@IMAGE@"
    command: [sleep, "100000"]
    init: true
    stop_grace_period: 1s
    volumes: ["shared:/shared", "own:/own"]
    deploy: {endpoint_mode: dnsrr}
volumes:
  cache: {driver: local}
  own:
  shared: {driver_opts: {type: tmpfs, device: tmpfs}}
"""


@pytest.mark.parametrize("goes_first", [False, True], ids=["at once", "after the services"])
def test_volumes_of_every_node_go_when_asked_to(swarm: Lab, goes_first: bool) -> None:
    """Pinned ones, one on each node, and those whose options say where their data is."""
    if not swarm.nodes:
        pytest.skip("the engines of the nodes are not known: PYCOMPOSE_TEST_SWARM_NODES")
    swarm.write(VOLUMES)
    swarm.run("deploy")

    def volumes() -> set[str]:
        found = set()
        for address in (swarm.to.removeprefix("swarm:"), *(one.partition("=")[2] for one in swarm.nodes)):
            with closing(Engine(choose({}, os.geteuid(), host=address))) as node:
                found |= {one["Name"] for one in node.volumes.list({"label": [f"{STACK_LABEL}={NAME}"]})}
        return found

    assert volumes() == {f"{NAME}_{name}" for name in ("cache", "own", "shared")}
    if goes_first:
        swarm.run("down")
        assert volumes()
    swarm.run("down", "-v")
    assert volumes() == set()
    assert swarm.objects() == {}
