"""What the lifecycle verbs touch and with which exit code they end, where Docker Compose's habits are easily missed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.command import PYCOMPOSE, Command, root_with_box
from support.engine_root import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

SLEEPER = "image: box, command: sleep 600, stop_signal: SIGKILL"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with root_with_box(tmp_path_factory.mktemp("engine")) as directory:
        yield directory


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Iterator[Command]:
    command = Command(root, tmp_path)
    yield command
    command("--profile", "*", "down", "--volumes", "--remove-orphans", "-t", "0", check=False)


def write(command: Command, services: str, rest: str = "") -> None:
    (command.directory / "compose.yaml").write_text(f"name: life\nservices:\n{services}{rest}")


def states(command: Command) -> dict[str, str]:
    return {name.removeprefix("life-").removesuffix("-1"): row["State"] for name, row in command.ps().items()}


def refused(command: Command, *words: str) -> str:
    done = command(*words, check=False)
    assert done.returncode == 1, done
    return done.stderr


def test_orphans_are_left_alone(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n  old: {{{SLEEPER}}}\n")
    project("up", "-d")
    write(project, f"  web: {{{SLEEPER}}}\n")
    for verb in ("pause", "unpause", "kill", "restart", "stop"):
        project(verb)
        assert states(project)["old"] == "running", verb
        assert "no such service: old" in refused(project, verb, "old")
    assert project("ps", "-a", "--orphans=false", "--format", "{{.Service}}").stdout == "web\n"
    assert "Going to remove life-web-1" in project("rm", "-f").stdout
    project("kill", "--remove-orphans")
    assert states(project) == {"old": "exited"}


def test_nothing_to_do_is_no_error_and_nothing_to_start_is_one(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n")
    assert 'service "web" has no container to start' in refused(project, "start")
    for verb in ("restart", "stop", "pause", "unpause"):
        project(verb)
    assert "no container to kill" in project("kill").stderr
    project("create")
    for words in (("pause", "web"), ("kill", "web"), ("unpause",)):
        project(*words)
    assert "Container life-web-1  Stopped" in project("stop").stderr
    project("start")
    project("pause")
    assert "is already paused" in refused(project, "pause")
    assert "no such service: nosuch" in refused(project, "down", "nosuch")


def test_up_does_not_pass_over_a_paused_container(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n")
    project("up", "-d")
    project("pause")
    assert "cannot start a paused container, try unpause instead" in refused(project, "up", "-d")
    project("unpause")
    project("up", "-d")


def test_pull_always_means_it(project: Command) -> None:
    project("image", "tag", "box", "127.0.0.1:1/box")
    write(project, "  web: {image: '127.0.0.1:1/box', command: sleep 600, stop_signal: SIGKILL}\n")
    assert project("up", "-d", "--pull", "always", check=False).returncode == 18
    assert states(project) == {}
    project("up", "-d")


def test_rm_asks_also_without_a_terminal(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n")
    project("create")
    assert project("rm", stdin=b"n\n").stdout == "Going to remove life-web-1"
    assert states(project) == {"web": "created"}
    project("rm", stdin=b"y\n")
    assert states(project) == {}


def test_an_optional_dependency_may_fail(project: Command) -> None:
    write(
        project,
        "  init: {image: box, command: sh -c 'exit 4'}\n"
        "  db: {image: box, command: sleep 600, stop_signal: SIGKILL,"
        " healthcheck: {test: 'false', interval: 100ms, retries: 1}}\n"
        f"  web: {{{SLEEPER}, depends_on: {{init: {{condition: service_completed_successfully, required: false}},"
        " db: {condition: service_healthy, required: false}}}\n",
    )
    shown = project("up", "-d").stderr
    assert 'Skipped: optional dependency "init" didn\'t complete successfully: exit 4' in shown
    assert 'Skipped: optional dependency "db" failed to start: container life-db-1 is unhealthy' in shown
    assert states(project) == {"init": "exited", "db": "running", "web": "running"}


def test_a_dependency_that_one_service_needs_must_not_fail(project: Command) -> None:
    write(
        project,
        "  init: {image: box, command: sh -c 'exit 4'}\n"
        f"  web: {{{SLEEPER}, depends_on: {{init: {{condition: service_completed_successfully}}}}}}\n"
        f"  other: {{{SLEEPER}, depends_on: {{init: {{condition: service_completed_successfully, required: false}}}}}}\n",
    )
    assert refused(project, "up", "-d").count('service "init" didn\'t complete successfully: exit 4') >= 1
    assert states(project) == {"init": "exited", "web": "created", "other": "running"}


def test_start_brings_its_dependencies(project: Command) -> None:
    write(project, f"  a: {{{SLEEPER}, depends_on: [b]}}\n  b: {{{SLEEPER}, depends_on: [c]}}\n  c: {{{SLEEPER}}}\n")
    project("up", "-d")
    project("stop")
    project("start", "a")
    assert set(states(project).values()) == {"running"}


def test_post_start_runs_with_every_start(project: Command) -> None:
    hook = "post_start: [{command: [sh, -c, 'echo hook >> /hooked']}]"
    write(project, f"  web: {{{SLEEPER}, {hook}}}\n")
    project("up", "-d")
    project("restart")
    project("stop")
    project("-p", "life", "start")
    assert project("exec", "-T", "web", "cat", "/hooked").stdout == "hook\n" * 3


def test_post_start_that_failed_is_run_again(project: Command) -> None:
    hook = "post_start: [{command: [sh, -c, 'echo hook >> /hooked; test -e /fine']}]"
    write(project, f"  web: {{{SLEEPER}, {hook}}}\n")
    assert "post_start hook of life-web-1 exited with code 1" in refused(project, "up", "-d")
    project("exec", "-T", "web", "touch", "/fine")
    assert "its post_start hooks have not ended" in project("plan", check=False).stdout
    for _ in range(2):
        project("up", "-d")
        assert project("exec", "-T", "web", "cat", "/hooked").stdout == "hook\n" * 2
    assert project("plan").returncode == 0


def test_post_start_that_was_cut_off_is_run_again(project: Command) -> None:
    script = "echo begun >> /hooked; while [ ! -e /go ]; do sleep 0.05; done; echo ended >> /hooked"
    write(project, f"  web: {{{SLEEPER}, post_start: [{{command: [sh, -c, '{script}']}}]}}\n")
    line = [str(PYCOMPOSE), "--root", str(project.root), "up", "-d"]
    with subprocess.Popen(line, cwd=project.directory, stderr=subprocess.DEVNULL) as command:
        wait_for(
            lambda: project("exec", "-T", "web", "cat", "/hooked", check=False).stdout == "begun\n",
            lambda: "the hook does not run",
        )
        command.kill()
    project("exec", "-T", "web", "touch", "/go")
    project("up", "-d")
    ran = project("exec", "-T", "web", "cat", "/hooked").stdout.split()
    assert ran.count("begun") == 2 and ran.count("ended") >= 1 and ran[-1] == "ended", ran
    project("up", "-d")
    assert project("exec", "-T", "web", "cat", "/hooked").stdout.split().count("begun") == 2


def test_attached_up_ends_with_what_it_is_attached_to(project: Command) -> None:
    write(project, f"  job: {{image: box, command: sh -c 'sleep 0.3; echo done'}}\n  web: {{{SLEEPER}}}\n")
    shown = project("up", "--attach", "job").stdout
    assert shown == "Attaching to job-1\njob-1  | done\njob-1 exited with code 0\n"
    assert states(project)["web"] == "running"
    assert "cannot attach to services not included in up: nosuch" in refused(project, "up", "--attach", "nosuch")


def test_abort_does_not_wait_for_those_who_run_on(project: Command) -> None:
    others = "".join(f"  o{number}: {{{SLEEPER}}}\n" for number in range(3))
    write(project, f"  t: {{image: box, command: sh -c 'sleep 0.3; exit 5'}}\n{others}")
    begun = time.monotonic()
    done = project("up", "--abort-on-container-exit", check=False)
    assert done.returncode == 5
    assert "Aborting on container exit..." in done.stderr
    assert time.monotonic() - begun < 10  # five seconds for each was the mistake
    assert set(states(project).values()) == {"exited"}


def test_a_job_that_was_to_end_aborts_nothing(project: Command) -> None:
    write(
        project,
        "  init: {image: box, command: 'true'}\n"
        "  t: {image: box, command: sh -c 'sleep 1; exit 5',"
        " depends_on: {init: {condition: service_completed_successfully}}}\n",
    )
    assert project("up", "--exit-code-from", "t", check=False).returncode == 5


def test_a_failed_start_leaves_the_others_running(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n  bad: {{image: box, command: no-such-program}}\n")
    assert "compose.yaml:4:21: no-such-program is not found in $PATH of box" in refused(project, "up")
    assert states(project) == {"web": "running", "bad": "created"}


def test_without_all_images_nothing_is_made(project: Command) -> None:
    (project.directory / "Dockerfile").write_text("FROM box\nRUN exit 3\n")
    write(project, f"  web: {{{SLEEPER}}}\n  bad: {{build: .}}\n")
    assert project("up", "-d", check=False).returncode != 0
    assert states(project) == {}
    assert project("network", "ls", "-q", "--filter", "name=life_default").stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_what_up_was_called_for(project: Command, number: signal.Signals) -> None:
    write(project, f"  web: {{{SLEEPER}, depends_on: [db]}}\n  db: {{{SLEEPER}}}\n")
    process = subprocess.Popen(
        # As a shell without job control starts its background jobs.
        ["sh", "-c", 'trap "" INT; exec "$0" "$@"', str(PYCOMPOSE), "--root", str(project.root), "up", "web"],
        cwd=project.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "Attaching to web-1\n"
    while states(project).get("web") != "running":
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert states(project) == {"web": "exited", "db": "running"}


def test_wait_for_a_service_that_dies_at_once(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n  bad: {{image: box, command: sh -c 'sleep 0.2; exit 3'}}\n")
    assert "container life-bad-1 exited (3)" in refused(project, "up", "--wait")
    project("rm", "-fs", "bad")
    write(project, f"  web: {{{SLEEPER}}}\n  job: {{image: box, command: sh -c 'sleep 0.2'}}\n")
    project("up", "--wait", "--remove-orphans")


def test_wait_waits_for_all(project: Command) -> None:
    write(
        project,
        "  a: {image: box, command: sh -c 'sleep 0.7; exit 3'}\n  b: {image: box, command: sh -c 'sleep 1.5; exit 4'}\n",
    )
    project("up", "-d")
    done = project("wait", "a", "b", check=False)
    assert done.returncode == 4
    assert re.sub(r"[0-9a-f]{64}", "ID", done.stdout) == "".join(
        f'container "ID" exited with status code {code}\n' for code in (3, 4)
    )
    assert project("wait", "a", check=False).returncode == 3, "one that has ended is told at once"


def test_down_leaves_one_off_containers(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n")
    project("up", "-d")
    project("run", "-d", "--name", "life-extra", "web")
    assert "Network life_default  Resource is still in use" in project("down").stderr
    assert [*project.ps()] == ["life-extra"]
    project("down", "--remove-orphans")
    assert project.ps() == {}


def test_down_of_a_named_project_goes_by_what_the_engine_has(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n  db: {{{SLEEPER}}}\n")
    project("up", "-d")
    write(project, f"  web: {{{SLEEPER}}}\n")
    project("-p", "life", "-f", "compose.yaml", "down")
    assert states(project) == {"db": "running"}, "an orphan of the file that was named stays"
    project("-p", "life", "down")
    assert project.ps() == {}
    assert project("network", "ls", "-q", "--filter", "name=life_").stdout == ""


def test_down_of_one_service(project: Command) -> None:
    write(
        project,
        f"  web: {{{SLEEPER}, volumes: ['mine:/v']}}\n  db: {{{SLEEPER}, volumes: ['data:/v']}}\n",
        "volumes: {mine: , data: }\n",
    )
    project("up", "-d")
    project("down", "-v", "web")
    assert states(project) == {"db": "running"}
    assert project("volume", "ls", "-q").stdout == "life_data\n"


def test_compatible_names(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n")
    project("--compatibility", "up", "-d")
    assert [*project.ps()] == ["life_web_1"]
    assert "Container life_web_1  Running" in project("up", "-d", COMPOSE_COMPATIBILITY="1").stderr
    assert project("logs").stdout == ""


def test_all_resources(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n", "networks: {unused: }\nvolumes: {spare: }\n")
    project("up", "-d")
    project("--all-resources", "up", "-d")
    assert project("network", "ls", "--filter", "name=life_unused", "--format", "{{.Name}}").stdout == "life_unused\n"
    assert project("volume", "ls", "-q").stdout == "life_spare\n"


def test_menu_detaches(project: Command) -> None:
    write(project, f"  web: {{{SLEEPER}}}\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.directory)
        os.execv(PYCOMPOSE, [str(PYCOMPOSE), "--root", str(project.root), "up", "--menu"])
    shown = b""
    while b"Detach" not in shown:
        assert select.select([terminal], [], [], 30)[0]
        shown += os.read(terminal, 4096)
    os.write(terminal, b"d")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert states(project) == {"web": "running"}
