"""How far a service is on a cluster, from the API's own trees: ready, waiting or failed, and why."""

from __future__ import annotations

from typing import Any

import pytest

from pycompose.compose.deploy import columns as table
from pycompose.compose.deploy.kubernetes import verdicts as kubernetes
from pycompose.compose.deploy.kubernetes.client import KubernetesError, checked
from pycompose.compose.deploy.moments import position
from pycompose.compose.deploy.state import FAILED, WAITING
from pycompose.compose.deploy.state import READY as IS_READY
from pycompose.compose.deploy.swarm import verdicts as swarm
from pycompose.compose.load import conformance

NOW = 1_700_000_100.0
LONG_AGO, JUST_NOW = "2023-11-14T22:13:20.123456789Z", "2023-11-14T22:14:59.5Z"
NODES = {
    "a": {"ID": "a", "Description": {"Hostname": "n1"}, "Status": {"State": "ready"}},
    "b": {"ID": "b", "Description": {"Hostname": "n2"}, "Status": {"State": "down"}},
}
IMAGE = {"Image": "x"}


def service(mode: Any = None, status: str = "", **template: Any) -> dict[str, Any]:
    spec = {"Mode": mode or {"Replicated": {"Replicas": 2}}, "TaskTemplate": {"ContainerSpec": IMAGE, **template}}
    return {"ID": "s", "Spec": spec, "UpdateStatus": {"State": status, "Message": "why"} if status else None}


def task(
    state: str = "running", node: str = "a", error: str = "", since: str = LONG_AGO, **more: Any
) -> dict[str, Any]:
    return {
        "ID": f"t{state}{node}",
        "Slot": 1,
        "NodeID": node,
        "ServiceID": "s",
        "CreatedAt": since,
        "DesiredState": "running" if state in ("running", "pending", "preparing") else "shutdown",
        "Spec": {"ContainerSpec": IMAGE},
        "Status": {"State": state, "Err": error, "Timestamp": since},
        **more,
    }


OTHER = {"Spec": {"ContainerSpec": {"Image": "old"}}}
ONCE = {"RestartPolicy": {"Condition": "none"}}
JOB = {"ReplicatedJob": {"TotalCompletions": 1}}


@pytest.mark.parametrize(
    ("tree", "tasks", "state", "word"),
    [
        (service(), [task(), task()], IS_READY, "2/2"),
        (service(), [task(), task(since=JUST_NOW)], WAITING, "2/2"),
        (service(), [task(), task(node="b")], WAITING, "1/2"),
        (service(), [task(), task(**OTHER)], WAITING, "1/2"),
        (service(status="updating"), [task(), task()], WAITING, "2/2"),
        (service(status="completed"), [task(), task()], IS_READY, "2/2"),
        (service(status="rollback_started"), [task()], WAITING, "its update failed; the version before is coming back"),
        (service(status="rollback_completed"), [task(), task()], FAILED, "its update failed and was rolled back"),
        (service(status="paused"), [task()], FAILED, "its update failed and was stopped"),
        (service({"Replicated": {"Replicas": 0}}), [], IS_READY, "0/0"),
        (service({"Global": {}}), [task()], IS_READY, "1/1"),
        (service({"Global": {}}), [], WAITING, "0/1"),
        (service(), [task("rejected", error="No such image: x")] * 2, FAILED, "its tasks are rejected"),
        (service(), [task("failed", error="exit (1)")] * 2, WAITING, "0/2"),
        (service(), [task("failed", error="exit (1)")] * 3, FAILED, "3 tasks failed in a row"),
        (service(), [task("pending", "", "no suitable node (x)")], FAILED, "no node takes its tasks"),
        (service(), [task("pending", "", "no suitable node (x)", JUST_NOW)], WAITING, "0/2"),
        (service(**ONCE), [task("failed", error="exit (1)")], FAILED, "its task failed and is not restarted"),
        (service(**ONCE), [task("complete")] * 2, IS_READY, "completed"),
        (service(JOB, **ONCE), [task("running")], WAITING, "0/1 completed"),
        (service(JOB, **ONCE), [task("complete")], IS_READY, "completed"),
        (service(JOB, **ONCE), [task("failed", error="non-zero exit (4)")], FAILED, "the job failed"),
    ],
)
def test_swarm(tree: dict[str, Any], tasks: list[dict[str, Any]], state: str, word: str) -> None:
    verdict = swarm.judge(tree, tasks, NODES, NOW)
    assert (verdict.state, verdict.word) == (state, word)


def test_a_version_that_came_back_before_is_the_one_that_is_wanted() -> None:
    tree = service(status="rollback_completed")
    assert swarm.judge(tree, [task(), task()], NODES, NOW, is_changed=False).state == IS_READY


def test_a_failed_update_tells_of_its_own_tasks_only() -> None:
    tree = service(status="rollback_completed")
    tree["UpdateStatus"]["StartedAt"] = "2023-11-14T22:14:00.25Z"
    tasks = [task("rejected", error="No such image: y", since=JUST_NOW), task("rejected", "b", "No such image: x")]
    verdict = swarm.judge(tree, tasks, NODES, NOW)
    assert [one.reason for one in verdict.troubles] == ["No such image: y"]


def test_swarm_troubles_name_task_node_and_hint() -> None:
    (one,) = swarm.troubles_of([task("rejected", error="No such image: x")] * 2, NODES)
    assert (one.unit, one.node, one.reason) == ("1.trejecteda", "n1", "No such image: x")
    assert "is it pushed" in one.hint


def test_times_of_log_lines_are_in_order_however_many_digits_they_have() -> None:
    moments = ["20Z", "20.05Z", "20.123456789Z", "20.5Z", "20.999999999Z", "21Z"]
    places = [position(f"2023-11-14T22:13:{one}") for one in moments]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert position("2023-11-14T22:13:20.5Z") == position("2023-11-14T22:13:20.500000000Z")


def workload(kind: str = "Deployment", generation: int = 2, **status: Any) -> dict[str, Any]:
    spec = {"completions": 1} if kind == "Job" else {"replicas": 2}
    return {"kind": kind, "metadata": {"name": "w", "generation": generation}, "spec": spec, "status": status}


WHOLE = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}
EVERYWHERE = {"observedGeneration": 2, "updatedNumberScheduled": 2, "numberAvailable": 2, "desiredNumberScheduled": 2}
DEADLINE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]


def pod(
    state: Any = None, phase: str = "Running", template: str = "new", since: str = LONG_AGO, **container: Any
) -> dict[str, Any]:
    status = {"name": "c", "state": state or {"running": {}}, "ready": False, "restartCount": 0, **container}
    return {
        "metadata": {
            "name": "w-1",
            "labels": {"pod-template-hash": template, "job-name": "w"},
            "creationTimestamp": since.partition(".")[0] + "Z",
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "x"}]},
        "status": {"phase": phase, "containerStatuses": [status]},
    }


def unplaced(since: str) -> dict[str, Any]:
    one = pod(phase="Pending", since=since)
    condition = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    return {**one, "status": {"phase": "Pending", "conditions": [condition]}}


BACK_OFF = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}
CRASH = {"waiting": {"reason": "CrashLoopBackOff"}}
ENDED = {"terminated": {"exitCode": 4, "reason": "Error"}}


@pytest.mark.parametrize(
    ("tree", "pods", "state", "word"),
    [
        (workload(**WHOLE), [], IS_READY, "2/2"),
        (workload(generation=3, **WHOLE), [], WAITING, "2/2"),
        (workload(**{**WHOLE, "replicas": 3}), [], WAITING, "2/2"),
        (workload(**{**WHOLE, "availableReplicas": 1}), [pod()], WAITING, "1/2"),
        (workload("DaemonSet", **EVERYWHERE), [], IS_READY, "2/2"),
        (workload("DaemonSet", observedGeneration=2), [], WAITING, "0/0"),
        (
            workload(**{**WHOLE, "conditions": DEADLINE, "updatedReplicas": 1}),
            [],
            FAILED,
            "it made no progress in time",
        ),
        (workload(observedGeneration=2), [pod(BACK_OFF)], FAILED, "its image cannot be pulled"),
        (workload(observedGeneration=1), [pod(BACK_OFF)], WAITING, "0/2"),
        (workload(observedGeneration=2), [pod(BACK_OFF, template="old"), pod(since=JUST_NOW)], WAITING, "0/2"),
        (workload(observedGeneration=2), [pod(CRASH, restartCount=1)], WAITING, "0/2"),
        (workload(observedGeneration=2), [pod(CRASH, restartCount=3)], FAILED, "a container ends again and again"),
        (workload(observedGeneration=2), [unplaced(LONG_AGO)], FAILED, "no node takes its pods"),
        (workload(observedGeneration=2), [unplaced(JUST_NOW)], WAITING, "0/2"),
        (workload("Job", conditions=[{"type": "Complete", "status": "True"}]), [], IS_READY, "completed"),
        (workload("Job", active=1), [pod()], WAITING, "0/1 completed"),
        (
            workload("Job", conditions=[{"type": "Failed", "status": "True", "message": "m"}]),
            [pod(ENDED, "Failed")],
            FAILED,
            "the job ended with exit code 4",
        ),
    ],
)
def test_kubernetes(tree: dict[str, Any], pods: list[dict[str, Any]], state: str, word: str) -> None:
    verdict = kubernetes.judge(tree, pods, NOW)
    assert (verdict.state, verdict.word) == (state, word)


@pytest.mark.parametrize(
    "tree",
    [{}, {"metadata": None}, {"metadata": []}, {"metadata": {"name": 5}}, {"metadata": {"name": "a"}, "status": "x"}],
)
def test_what_is_no_object_of_kubernetes_is_said_to_be_none(tree: dict[str, Any]) -> None:
    with pytest.raises(KubernetesError, match="without a usable"):
        checked(tree)
    assert checked({"metadata": {"name": "a"}, "status": {}, "spec": None})["metadata"]["name"] == "a"


def test_kubernetes_troubles_name_pod_node_and_hint() -> None:
    (one,) = kubernetes.troubles_of(pod(BACK_OFF), NOW)
    assert (one.unit, one.node) == ("w-1", "n1")
    assert one.reason == 'ImagePullBackOff: Back-off pulling image "x"'
    assert "is it pushed" in one.hint
    (ended,) = kubernetes.troubles_of(pod(ENDED), NOW)
    assert (ended.reason, ended.source) == ("ended with exit code 4", "w-1/c")


def test_the_columns_have_the_keys_of_the_table() -> None:
    columns = table.columns()
    assert set(columns) == {entry.key for entry in conformance.table()}
    for key, one in columns.items():
        assert set(one) == {"swarm", "kubernetes"}
        for column in one.values():
            assert column.status in conformance.STATUSES, key
            assert column.note or column.status == "supported", key
