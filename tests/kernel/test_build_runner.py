"""RUN for real: steps in containers of a whole engine, their confinement, network, mounts and end; a crash in the middle."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, wait_for
from support.killing import victims
from support.truth import lies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("build")) as running:
        running.import_busybox()
        yield running


def build(engine: EngineRoot, context: Path, dockerfile: str, **options: Any) -> tuple[str, str]:
    """(everything written, error) of one build."""
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(dockerfile)
    body = {"context": str(context), **options}
    status, answer = engine.request("POST", "/pycompose/build", body, timeout=60)
    events = [json.loads(line) for line in answer.splitlines() if line]
    if status >= 300:
        return "", str(events[-1]["message"])
    output = "".join(event.get("stream", "") for event in events)
    return output, "".join(event.get("error", "") for event in events)


def test_a_step_is_confined(engine: EngineRoot, tmp_path: Path) -> None:
    output, error = build(
        engine,
        tmp_path,
        """FROM busybox
RUN echo pid $$; id -u; grep -i -E 'cap(eff|bnd)|seccomp:|nonewprivs' /proc/self/status; ls /proc | grep -c '^[0-9]'
RUN mount -t tmpfs none /mnt 2>&1; mknod /dev/sda b 8 0; dd if=/dev/sda of=/dev/null count=1 2>&1 | tail -1; true
USER user
RUN id; echo $HOME; grep CapEff /proc/self/status
""",
    )
    assert error == ""
    assert "pid 1\n" in output
    assert "CapEff:\t00000000a80425fb" in output and "Seccomp:\t2" in output
    assert "mount: permission denied" in output or "Operation not permitted" in output
    assert "uid=1000(user) gid=1000(user)" in output
    assert "CapEff:\t0000000000000000" in output


def test_network_of_a_step(engine: EngineRoot, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN ip -o addr | grep -v ' lo '; ip route; cat /etc/hosts /etc/resolv.conf\n"
    output, error = build(engine, tmp_path, text, extra_hosts=["pinned:192.0.2.1"])
    assert error == "" and "eth0" in output and "default via" in output
    assert "192.0.2.1\tpinned" in output and "nameserver" in output
    output, _ = build(engine, tmp_path, text.replace("RUN", "RUN --network=none"))
    assert "eth0" not in output
    output, error = build(engine, tmp_path, text, network="none")
    assert "eth0" not in output
    _, error = build(engine, tmp_path, text.replace("RUN", "RUN --network=host"))
    assert "network.host is not allowed" in error
    before = set(os.listdir("/sys/class/net"))  # other tests' links come and go meanwhile
    output, error = build(
        engine, tmp_path, "FROM busybox\nRUN --network=host ls /sys/class/net\n", entitlements=["network.host"]
    )
    assert error == "" and before & set(os.listdir("/sys/class/net")) <= set(output.split())


def test_insecure_needs_the_entitlement(engine: EngineRoot, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN --security=insecure mkdir -p /m && mount -t tmpfs none /m && echo mounted\n"
    _, error = build(engine, tmp_path, text)
    assert "security.insecure is not allowed" in error
    output, error = build(engine, tmp_path, text, entitlements=["security.insecure"])
    assert error == "" and "mounted\n" in output
    output, error = build(engine, tmp_path, "FROM busybox\nRUN mount -t tmpfs n /tmp && echo yes\n", privileged=True)
    assert error == "" and "yes\n" in output


def test_mounts_of_a_step(engine: EngineRoot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the context\n")
    (tmp_path / "hidden").write_text("")
    (tmp_path / ".dockerignore").write_text("hidden\n")
    secret = base64.b64encode(b"confidential").decode()
    output, error = build(
        engine,
        tmp_path,
        """FROM busybox AS other
RUN mkdir /o && echo from a stage > /o/f
FROM busybox
RUN --mount=type=bind,target=/ctx ls /ctx; cat /ctx/file; touch /ctx/x 2>&1; true
RUN --mount=from=other,source=/o,target=/o,rw cat /o/f; touch /o/x && echo written
RUN --mount=type=secret,id=s,mode=0440,uid=5 wc -c < /run/secrets/s; stat -c '%a %u' /run/secrets/s; mount | grep secrets
RUN --mount=type=secret,id=s,env=S echo length ${#S}
RUN --mount=type=cache,target=/c echo cached > /c/f
RUN --mount=type=cache,target=/c,readonly cat /c/f; touch /c/x 2>&1; true
RUN --mount=type=tmpfs,target=/t,size=1m df /t | tail -1
RUN ls -d /ctx /o /c /t /run/secrets 2>/dev/null | wc -l
""",
        secrets={"s": secret},
    )
    assert error == ""
    assert "Dockerfile\nfile\nfrom the context\n" in output and "hidden" not in output
    assert output.count("Read-only file system") == 2
    assert "from a stage\nwritten\n" in output
    assert "12\n440 5\n" in output and "tmpfs on /run/secrets/s" in output
    assert "length 12\n" in output
    assert "cached\n" in output and "1024" in output
    assert output.rstrip().count("\n0\n") >= 1
    assert "confidential" not in output


def test_limits_and_shm(engine: EngineRoot, tmp_path: Path) -> None:
    output, error = build(
        engine,
        tmp_path,
        "FROM busybox\nRUN ulimit -n; df -k /dev/shm | tail -1\n",
        ulimits={"nofile": {"soft": 1000, "hard": 1001}},
        shm_size=8 << 20,
    )
    assert error == "" and "1000\n" in output and "8192" in output


def test_output_is_live_and_failures_are_told(engine: EngineRoot, tmp_path: Path) -> None:
    output, error = build(engine, tmp_path, "FROM busybox\nRUN echo out; echo err >&2; exit 7\n")
    assert "out\n" in output and "err\n" in output
    assert 'process "/bin/sh -c echo out; echo err >&2; exit 7" did not complete successfully: exit code: 7' in error
    assert "Dockerfile:2" in error and ">>> RUN echo out" in error
    output, error = build(engine, tmp_path, 'FROM busybox\nRUN ["/nothing/here"]\n')
    assert "no such file or directory" in output and "exit code: 127" in error
    _, error = build(engine, tmp_path, "FROM busybox\nUSER mallory\nRUN true\n")
    assert "unable to find user mallory" in error
    output, _ = build(engine, tmp_path, "FROM busybox\nRUN seq 100000\n")
    assert output.count("\n") > 100_000 and "99999\n100000\n" in output


def test_a_client_that_leaves_ends_the_step(engine: EngineRoot, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN sleep 300\n")
    with pytest.raises(TimeoutError):
        engine.request("POST", "/pycompose/build", {"context": str(tmp_path)}, timeout=1)
    runs = engine.layout.build_runs
    wait_for(lambda: not list(runs.iterdir()), lambda: "the step goes on")


@pytest.mark.parametrize("everything", [False, True])
def test_a_crash_in_the_middle_leaves_nothing(tmp_path: Path, everything: bool) -> None:
    with EngineRoot(tmp_path / "root") as engine:
        engine.import_busybox()
        context = tmp_path / "context"

        def interrupted() -> None:
            with suppress(OSError, HTTPException):
                build(engine, context, "FROM busybox\nRUN echo one > /one\nRUN sleep 300\n")

        thread = threading.Thread(target=interrupted)
        thread.start()
        runs = engine.layout.build_runs
        wait_for(
            lambda: runs.is_dir() and any(path.name == "status.json" for path in runs.rglob("*")), lambda: "no step"
        )
        if everything:
            found: dict[str, list[int]] = {}

            def seen() -> bool:  # between two steps there is no shim
                found.update(victims(engine.layout, client=0))
                return bool(found.get("shim"))

            wait_for(seen, lambda: "no step")
            kinds = {kind: found[kind] for kind in ("keeper", "engine", "shim")}
            for pid in (*kinds["keeper"], *kinds["engine"], *kinds["shim"]):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            engine.await_gone(*kinds["keeper"], *kinds["engine"], *kinds["shim"])
            engine.start()
        else:
            os.kill(engine.pid, signal.SIGKILL)
        thread.join(30)
        wait_for(engine.is_up, lambda: "the engine does not come back")
        wait_for(lambda: not list(runs.iterdir()), lambda: "the step goes on")
        assert not list((engine.layout.build_cache / "work").glob("*"))
        assert not lies(engine)
        output, error = build(engine, context, "FROM busybox\nRUN echo one > /one\nRUN cat /one\n")
        assert error == "" and "one\n" in output
