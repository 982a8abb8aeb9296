"""`pycompose engine run`: the keeper and engine in the foreground, for a service manager."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from .....version import __version__
from ....client.autostart import keeper_script
from ....client.endpoint import choose
from ....errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="Configuration of the engine (default: engine.yaml in its root)"
    )

    parser.add_argument(
        "--listen", metavar="ADDRESS", action="append", help="Also listen on tcp://ADDRESS:PORT; needs the --tls flags"
    )
    parser.add_argument("--tlsverify", action="store_true", help="Require client certificates signed by --tlscacert")
    for name, words in (
        ("tlscacert", "CA for client certificates"),
        ("tlscert", "The engine's certificate"),
        ("tlskey", "The key of the engine's certificate"),
    ):
        parser.add_argument(f"--{name}", metavar="FILE", help=words)
    parser.add_argument(
        "--log-level", metavar="LEVEL", choices=("debug", "info", "warning", "error"),
        help="Least level of the engine's own log: debug, info, warning or error",
    )  # fmt: skip
    parser.add_argument(
        "--log-format", metavar="FORMAT", choices=("text", "json"), help="Form of the engine's own log: text or json"
    )
    parser.add_argument("--metrics-addr", metavar="ADDRESS:PORT", help="Serve Prometheus metrics there, at /metrics")


def run(args: Namespace) -> int:
    endpoint = choose(os.environ, os.geteuid(), args.host, args.root)
    if not endpoint.own:
        if endpoint.origin != "DOCKER_HOST":
            raise UsageError(f"engine run starts our own engine: {endpoint.origin} names another one")
        endpoint = choose({}, os.geteuid())
    command = [sys.executable, "-I", "-S", "-E", keeper_script(), "--foreground"]
    if endpoint.root is not None:
        command += ["--root", endpoint.root]
    if args.config:
        os.environ["PYCOMPOSE_ENGINE_CONFIG"] = os.path.abspath(args.config)
    if given := {**_remote(args), **_observed(args)}:
        os.environ["PYCOMPOSE_ENGINE_REMOTE"] = json.dumps(given)
    print(
        f"pycompose {__version__}: starting the engine at {endpoint.address} (Ctrl-C ends it and leaves containers running)"
    )
    sys.stdout.flush()
    os.execv(command[0], command)


def _observed(args: Namespace) -> dict[str, str]:
    """The flags on log and metrics that are given, by the keys of engine.yaml."""
    found = {"log-level": args.log_level, "log-format": args.log_format, "metrics-addr": args.metrics_addr}
    return {key: value for key, value in found.items() if value}


def _remote(args: Namespace) -> dict[str, object]:
    """The flags as the engine reads them; empty without any. What is missing the engine says, as it does for its file."""
    files = {name: os.path.abspath(getattr(args, name)) for name in _FILES if getattr(args, name)}
    if not args.listen:
        if files or args.tlsverify:
            raise UsageError("--tlsverify, --tlscacert, --tlscert and --tlskey belong to --listen tcp://ADDRESS:PORT")
        return {}
    return {"hosts": args.listen, "tlsverify": args.tlsverify, **files}


_FILES = ("tlscacert", "tlscert", "tlskey")
