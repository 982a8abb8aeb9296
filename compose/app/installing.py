"""What makes an engine start with the machine: systemd's units, and a line for other inits. Pure."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from typing import NamedTuple

VERSION = 2
MARK = "# Made by `pycompose engine install`"
"""How a unit of ours begins. Others are neither replaced nor removed."""

SERVICE_UNIT = """\
{mark}, version {version}; `pycompose engine uninstall` removes it.
[Unit]
Description=pycompose engine{of}
Documentation=https://docs.docker.com/reference/api/engine/
{after}Requires={name}.socket
After={name}.socket
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
ExecStart={command}
# Containers run on while the engine is stopped or replaced. When the machine goes down they are stopped in order, before systemd kills them.
ExecStop={stop}
KillMode=process
Delegate=yes
Restart=on-failure
RestartSec=2
# 75: another engine has this root; 78: its configuration or a newer format, which it would meet again.
RestartPreventExitStatus=75 78
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy={target}
Also={name}.socket
"""

SOCKET_UNIT = """\
{mark}, version {version}; `pycompose engine uninstall` removes it.
[Unit]
Description=Socket of the pycompose engine{of}

[Socket]
ListenStream={socket}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


class Installation(NamedTuple):
    """``command`` runs the engine in the foreground; ``root`` is None for the default one; ``directory`` has the units."""

    command: tuple[str, ...]
    socket: str
    root: str | None
    user: bool
    directory: str

    @property
    def name(self) -> str:
        """The units' name without its suffix: another root is another engine."""
        if self.root is None:
            return "pycompose"
        return f"pycompose-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:6]}"

    def units(self) -> dict[str, str]:
        """Path -> text."""
        values = {
            "mark": MARK,
            "version": VERSION,
            "name": self.name,
            "of": "" if self.root is None else f" of {_literal(self.root)}",
            "after": "" if self.user else "Wants=network-online.target\nAfter=network-online.target\n",
            "command": " ".join(map(_quoted, self.command)),
            "stop": " ".join(map(_quoted, (*self.command[:-1], "stop", "--at-shutdown"))),
            "socket": _literal(self.socket),
            "target": "default.target" if self.user else "multi-user.target",
        }
        return {
            os.path.join(self.directory, f"{self.name}.{kind}"): text.format(**values)
            for kind, text in (("socket", SOCKET_UNIT), ("service", SERVICE_UNIT))
        }

    def hints(self) -> str:
        """How docker's clients find this engine."""
        host = f"unix://{self.socket}"
        return (
            f"docker context create {self.name} --docker {shlex.quote(f'host={host}')}\n"
            f"export DOCKER_HOST={shlex.quote(host)}"
        )


def unit_directory(environment: dict[str, str], *, user: bool) -> str:
    """Where units of the administrator, or of the user, are."""
    if not user:
        return "/etc/systemd/system"
    config = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    return os.path.join(config, "systemd", "user")


def line_for_init(command: tuple[str, ...], init: str, *, user: bool) -> str:
    """What to type so that another init than systemd starts the engine. ``init`` is its name, as in /proc/1/comm."""
    words = shlex.join(command)
    if user or init not in ("openrc-init", "runit", "runsvdir", "s6-svscan", "init"):
        return f"(crontab -l; echo {shlex.quote(f'@reboot {words}')}) | crontab -"
    if init == "init":
        return f"echo {shlex.quote(f'pyco:2345:respawn:{words}')} >>/etc/inittab && telinit q"
    script = shlex.quote(f"#!/bin/sh\nexec {words}\n")
    if init == "openrc-init":
        path = "/etc/local.d/pycompose.start"
        script = shlex.quote(f"#!/bin/sh\n{words} &\n")
        return f"printf %s {script} >{path} && chmod +x {path} && rc-update add local"
    path = "/etc/service/pycompose" if init != "s6-svscan" else "/run/service/pycompose"
    return f"mkdir -p {path} && printf %s {script} >{path}/run && chmod +x {path}/run"


def _quoted(word: str) -> str:
    """A word of ExecStart=, as systemd.service(5) reads it."""
    text = _literal(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return text if re.fullmatch(r"[^\s\"'\\;]+", text) else f'"{text}"'


def _literal(text: str) -> str:
    """Without specifiers."""
    return text.replace("%", "%%")
