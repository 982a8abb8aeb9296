"""Commands in pods: how they end, as the API server and, for older ones, their own output tell it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from pycompose.compose.deploy.kubernetes.session import _FED, NotRun, _Marked, exit_code, line_of

MARK = b"\nabc:"


def status(message: str, **more: object) -> bytes:
    return json.dumps({"status": "Failure", "message": message, **more}).encode()


def test_how_a_command_ended() -> None:
    assert exit_code(b'{"status": "Success"}') == 0
    causes = [{"reason": "ExitCode", "message": "7"}]
    assert exit_code(status("command terminated", reason="NonZeroExitCode", details={"causes": causes})) == 7


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ('exec: "x": executable file not found in $PATH', 127),
        ("stat /x: no such file or directory", 127),
        ("exec /etc/passwd: permission denied", 126),
        ("the container is gone", 1),
    ],
)
def test_what_could_not_be_run_has_a_shells_exit_code(words: str, code: int) -> None:
    with pytest.raises(NotRun, match=r"exec|stat|gone") as told:
        exit_code(status(words))
    assert told.value.code == code


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_the_end_is_found_however_an_output_is_cut(size: int) -> None:
    output = b"a\nab\nabc\nabc" + MARK + b"17."
    held = _Marked(MARK)
    shown = b"".join(held.feed(output[at : at + size]) for at in range(0, len(output), size))
    assert (shown + held.rest(), held.code) == (b"a\nab\nabc\nabc", 17)


def test_what_only_begins_like_the_end_is_output() -> None:
    held = _Marked(MARK)
    shown = held.feed(b"x\nabc")
    assert (shown, held.code) == (b"x", None)
    assert shown + held.rest() == b"x\nabc"


@pytest.mark.parametrize("shell", [["sh"], ["bash"], ["busybox", "sh"]])
def test_input_in_lines_reaches_a_command_of_an_older_server(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    everything = bytes(range(256)) * 3 + b" -n %s \\n \n"
    done = subprocess.run(
        [*shell, "-c", _FED, "sh", MARK.decode(), "sh", "-c", "cat; echo bad >&2; exit 5"],
        input=line_of(everything[:300]) + line_of(everything[300:]) + b"\n",
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == everything + MARK + b"5."
    assert done.stderr == b"bad\n" + MARK + b"5."


def test_a_shell_that_knows_no_such_command_does_not_tell_of_the_mark() -> None:
    words = ["sh", "-c", _FED, "sh", MARK.decode(), "/no/such/command"]
    done = subprocess.run(words, input=b"\n", capture_output=True, timeout=60, check=True)
    assert done.stdout == MARK + b"127."
    assert done.stderr.endswith(b"not found\n" + MARK + b"127.")
    assert done.stderr.count(MARK) == 1
