"""The processes of a container in the words of ps(1): titles and rows for GET /containers/{id}/top.

Docker runs the host's ps; this engine never forks, so the common forms of ps arguments are understood here.
"""

from __future__ import annotations

import os
import pwd
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import EngineError, InvalidParameter
from ...linux import userns

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...linux.cgroup import Cgroup
    from ..spec.shown import Top

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """What /proc says of one process. Times in seconds since boot or of cpu; sizes in KiB."""

    pid: int
    ppid: int
    pgid: int
    sid: int
    uid: int
    gid: int
    state: str
    tty: int
    cpu: float
    started: float
    vsz: int
    rss: int
    nice: int
    priority: int
    threads: int
    name: str
    command: str
    euid_name: str


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            text = file.read()
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
        info = os.stat(f"/proc/{pid}")
        user, group = _own_ids(pid, info)
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    state = fields[0] + ("s" if int(fields[3]) == pid else "") + ("l" if int(fields[17]) > 1 else "")
    if int(fields[16]) > 0:
        state = state[0] + "N" + state[1:]
    if int(fields[16]) < 0:
        state = state[0] + "<" + state[1:]
    if fields[5] == fields[2] and fields[5] != "-1":
        state += "+"
    return Process(
        pid,
        int(fields[1]),
        int(fields[2]),
        int(fields[3]),
        user,
        group,
        state,
        int(fields[4]),
        (int(fields[11]) + int(fields[12])) / _TICKS,
        int(fields[19]) / _TICKS,
        int(fields[20]) // 1024,
        int(fields[21]) * _PAGE // 1024,
        int(fields[16]),
        int(fields[15]),
        int(fields[17]),
        name,
        command or f"[{name}]",
        _user(user),
    )


def _own_ids(pid: int, status: os.stat_result) -> tuple[int, int]:
    """User and group as the process itself knows them: it may be in a user namespace of its container's."""
    if os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user"):
        return status.st_uid, status.st_gid
    ids = []
    for kind, outside in (("uid", status.st_uid), ("gid", status.st_gid)):
        with open(f"/proc/{pid}/{kind}_map") as file:
            ids.append(userns.inside(userns.parse_map(file.read()), outside))
    return ids[0], ids[1]


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _tty(process: Process) -> str:
    if not process.tty:
        return "?"
    major, minor = os.major(process.tty), os.minor(process.tty)
    return f"pts/{minor + 256 * (major - 136)}" if 136 <= major <= 143 else "?"


def _clock(seconds: float, *, wide: bool = True) -> str:
    minutes, rest = divmod(int(seconds), 60)
    if not wide:
        return f"{minutes}:{rest:02d}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"


def _uptime() -> float:
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])


def _age(process: Process) -> float:
    return max(0.0, _uptime() - process.started)


def _start(process: Process) -> str:
    moment = time.localtime(time.time() - _age(process))
    return time.strftime("%H:%M" if _age(process) < 86400 else "%b%d", moment)


def _elapsed(process: Process) -> str:
    age = int(_age(process))
    text = f"{age // 60 % 60:02d}:{age % 60:02d}"
    if age >= 3600:
        text = f"{age // 3600 % 24:02d}:{text}"
    return f"{age // 86400}-{text}" if age >= 86400 else text


def _percent_cpu(process: Process) -> float:
    return 100 * process.cpu / max(_age(process), 0.01)


def _percent_memory(process: Process) -> str:
    with open("/proc/meminfo") as file:
        total = int(file.readline().split()[1])
    return f"{100 * process.rss / total:.1f}"


# ps's format specifiers: title and value.
_COLUMNS: dict[str, tuple[str, Callable[[Process], object]]] = {
    "pid": ("PID", lambda p: p.pid),
    "ppid": ("PPID", lambda p: p.ppid),
    "pgid": ("PGID", lambda p: p.pgid),
    "sid": ("SID", lambda p: p.sid),
    "user": ("USER", lambda p: p.euid_name),
    "uid": ("UID", lambda p: p.uid),
    "gid": ("GID", lambda p: p.gid),
    "group": ("GROUP", lambda p: p.gid),
    "comm": ("COMMAND", lambda p: p.name),
    "cmd": ("CMD", lambda p: p.command),
    "args": ("COMMAND", lambda p: p.command),
    "command": ("COMMAND", lambda p: p.command),
    "stat": ("STAT", lambda p: p.state),
    "state": ("S", lambda p: p.state[0]),
    "s": ("S", lambda p: p.state[0]),
    "tty": ("TT", _tty),
    "tname": ("TTY", _tty),
    "time": ("TIME", lambda p: _clock(p.cpu)),
    "cputime": ("TIME", lambda p: _clock(p.cpu)),
    "etime": ("ELAPSED", _elapsed),
    "etimes": ("ELAPSED", lambda p: int(_age(p))),
    "start": ("STARTED", _start),
    "stime": ("STIME", _start),
    "pcpu": ("%CPU", lambda p: f"{_percent_cpu(p):.1f}"),
    "%cpu": ("%CPU", lambda p: f"{_percent_cpu(p):.1f}"),
    "c": ("C", lambda p: int(_percent_cpu(p))),
    "pmem": ("%MEM", _percent_memory),
    "%mem": ("%MEM", _percent_memory),
    "rss": ("RSS", lambda p: p.rss),
    "vsz": ("VSZ", lambda p: p.vsz),
    "sz": ("SZ", lambda p: p.vsz // 4),
    "ni": ("NI", lambda p: p.nice),
    "pri": ("PRI", lambda p: 39 - p.priority),
    "nlwp": ("NLWP", lambda p: p.threads),
}

_Column = tuple[str, "Callable[[Process], object]"]

_FULL: list[_Column] = [
    ("UID", lambda p: p.euid_name),
    *(_COLUMNS[name] for name in ("pid", "ppid", "c", "stime", "tname")),
]
_FULL += [("TIME", lambda p: _clock(p.cpu)), _COLUMNS["cmd"]]
_PLAIN: list[_Column] = [*(_COLUMNS[name] for name in ("pid", "tname", "time")), ("CMD", lambda p: p.name)]
_BSD_USER: list[_Column] = [
    *(_COLUMNS[name] for name in ("user", "pid", "%cpu", "%mem", "vsz", "rss")),
    *(
        ("TTY", _tty),
        _COLUMNS["stat"],
        ("START", _start),
        ("TIME", lambda p: _clock(p.cpu, wide=False)),
        _COLUMNS["args"],
    ),
]
_BSD: list[_Column] = [
    _COLUMNS["pid"],
    ("TTY", _tty),
    _COLUMNS["stat"],
    ("TIME", lambda p: _clock(p.cpu, wide=False)),
    _COLUMNS["args"],
]


def columns(arguments: str) -> list[_Column]:
    """The columns that ps arguments ask for. Raises InvalidParameter for what is not understood."""
    words = arguments.split()
    chosen: list[_Column] = []
    layout = _PLAIN
    index = 0
    while index < len(words):
        word = words[index]
        bare = word.lstrip("-")
        if bare in ("o", "eo", "axo", "Ao") or (bare.startswith("o") and len(bare) > 1) or word == "--format":
            if bare in ("o", "eo", "axo", "Ao", "format"):
                index += 1
                names = words[index] if index < len(words) else ""
            else:
                names = bare[1:]
            chosen += [_named(name) for name in names.split(",") if name]
        elif word.startswith("-") and set(bare) <= set("eAfFwlyN"):
            layout = _FULL if "f" in bare or "F" in bare else layout
        elif not word.startswith("-") and set(bare) <= set("auxwfe"):
            layout = _BSD_USER if "u" in bare else _BSD
        else:
            raise InvalidParameter("ps: error: unsupported SysV option")
        index += 1
    return chosen or layout


def _named(text: str) -> _Column:
    name, given, title = text.partition("=")
    if name not in _COLUMNS:
        raise InvalidParameter(f'ps: error: unknown user-defined format specifier "{name}"')
    known, value = _COLUMNS[name]
    return (title or known if given else known), value


def top(cgroup: Cgroup, arguments: str) -> Top:
    """Titles and Processes of the container's processes."""
    wanted = columns(arguments)
    if "PID" not in [title for title, _ in wanted]:
        # Docker needs it to tell the container's processes from the others.
        raise EngineError("Couldn't find PID field in ps output")
    found = [process for pid in sorted(cgroup.procs()) if (process := _read(pid))]
    return {
        "Titles": [title for title, _ in wanted],
        "Processes": [[str(value(process)) for _, value in wanted] for process in found],
    }
