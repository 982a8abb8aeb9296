"""`pycompose login`: have the engine check credentials with a registry, and keep them for pulls and pushes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...credentials.lookup import DOCKER_HUB
from ...errors import OperationError
from ..flags.parser import FlagError
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

_HUB_NAMES = ("", "docker.io", "index.docker.io", "registry-1.docker.io", DOCKER_HUB)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-p", "--password", default="", metavar="PASSWORD", help="Password")
    parser.add_argument("--password-stdin", action="store_true", help="Take the password from stdin")
    parser.add_argument("-u", "--username", default="", metavar="USERNAME", help="Username")
    parser.add_argument("server", nargs="?", default="", metavar="SERVER")


def server_key(text: str) -> str:
    """The key of a registry in the configuration file: its host, Docker Hub's address when none is named."""
    host = text.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return DOCKER_HUB if text in _HUB_NAMES or host in _HUB_NAMES else host


def _password(args: Namespace) -> str:
    if args.password:
        if args.password_stdin:
            raise FlagError("--password and --password-stdin are mutually exclusive")
        print("WARNING! Using --password via the CLI is insecure. Use --password-stdin.", file=sys.stderr)
        return str(args.password)
    if args.password_stdin:
        if not args.username:
            raise FlagError("Must provide --username with --password-stdin")
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    return ""


def _asked(args: Namespace, password: str) -> tuple[str, str]:
    """Ask for what the options do not say."""
    if args.username and password:
        return str(args.username), password
    if not sys.stdin.isatty():
        raise OperationError("Error: Cannot perform an interactive login from a non TTY device")
    from getpass import getpass

    try:
        name = args.username or input("Username: ").strip()
        if not name:
            raise OperationError("Error: Non-null Username Required")
        secret = password or getpass("Password: ")
    except EOFError:
        raise OperationError("error while reading input: EOF") from None
    if not secret:
        raise OperationError("Error: Password Required")
    return name, secret


def run(args: Namespace) -> int:
    from ...credentials.store import keep

    name, password = _asked(args, _password(args))
    server = server_key(args.server)
    answer = Session(args).engine.system.login({"username": name, "password": password, "serveraddress": server})
    path = keep(server, name, password, str(answer.get("IdentityToken") or ""))
    if path is not None:
        print(
            f"WARNING! Your password will be stored unencrypted in {path}.\n"
            "A credential helper (credsStore or credHelpers in that file) keeps it safely.\n",
            file=sys.stderr,
        )
    print(answer.get("Status") or "Login Succeeded")
    return 0
