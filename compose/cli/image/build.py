"""`pycompose image build`: build an image from a Dockerfile."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ..container.values import ulimit
from ..flags import FlagError
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--add-host", action="append", default=[], metavar="HOST:IP", help="Add a custom host-to-IP mapping")
    flag("--build-arg", action="append", default=[], metavar="KEY=VALUE", help="Set build-time variables")
    flag("--build-context", action="append", default=[], metavar="NAME=PATH", help="Additional build contexts")
    flag("--cache-from", action="append", default=[], metavar="IMAGE", help="Images to consider as cache sources")
    flag("--cache-to", action="append", default=[], metavar="DEST", help="Cache export destinations")
    for name in ("--builder", "--progress", "--provenance", "--sbom"):
        flag(name, metavar="VALUE", help="Accepted for compatibility: one builder, plain output, no attestations")
    flag("-f", "--file", dest="dockerfile", metavar="FILE", help="Name of the Dockerfile (default: PATH/Dockerfile)")
    flag("--iidfile", metavar="FILE", help="Write the image ID to the file")
    flag("--label", action="append", default=[], metavar="KEY=VALUE", help="Set metadata for an image")
    flag("--load", action="store_true", help="Accepted for compatibility: images are always kept")
    flag("--network", metavar="MODE", help="Set the networking mode for the RUN instructions during build")
    flag("--no-cache", action="store_true", help="Do not use cache when building the image")
    flag("--no-cache-filter", action="append", default=[], metavar="STAGE", help="Do not cache specified stages")
    flag("--platform", metavar="PLATFORM", help="Set target platform for build")
    flag("--pull", action="store_true", help="Always attempt to pull a newer version of the image")
    flag("-q", "--quiet", action="store_true", help="Suppress the build output and print image ID on success")
    flag("--secret", action="append", default=[], metavar="id=ID,src=FILE", help="Secret to expose to the build")
    flag("--shm-size", metavar="BYTES", help="Size of /dev/shm")
    flag(
        "--ssh",
        action="append",
        default=[],
        metavar="ID[=SOCKET]",
        help="SSH agent socket or keys to expose to the build",
    )
    flag("-t", "--tag", action="append", default=[], metavar="NAME:TAG", help="Name and optionally a tag")
    flag("--target", metavar="STAGE", help="Set the target build stage to build")
    flag("--ulimit", type=ulimit, action="append", default=[], metavar="NAME=SOFT[:HARD]", help="Ulimit options")
    parser.add_argument("path", metavar="PATH | URL | -")


def run(args: Namespace) -> int:
    from ...build import build_image, is_remote
    from ...convert.values import pairs

    path = args.path
    tree: dict[str, Any] = {
        "args": {
            key: (value if "=" in item else os.environ.get(key))
            for item in args.build_arg
            for key, _, value in [item.partition("=")]
        },
        "cache_from": args.cache_from,
        "labels": pairs(args.label),
        "no_cache": args.no_cache,
        "pull": args.pull,
        "extra_hosts": args.add_host,
        "ssh": args.ssh or None,
    }
    if args.cache_to:
        tree["cache_to"] = args.cache_to
    if args.no_cache_filter:
        tree["no_cache_filter"] = args.no_cache_filter
    if args.ulimit:
        tree["ulimits"] = {one["Name"]: {"soft": one["Soft"], "hard": one["Hard"]} for one in args.ulimit}
    if args.network:
        tree["network"] = args.network
    if args.target:
        tree["target"] = args.target
    if args.shm_size:
        tree["shm_size"] = args.shm_size
    if args.build_context:
        tree["additional_contexts"] = {
            name: value if is_remote(value) or "://" in value else os.path.abspath(value)
            for name, _, value in (item.partition("=") for item in args.build_context)
        }
    if path == "-":
        tree["dockerfile_inline"] = sys.stdin.read()
        tree["context"] = None
    else:
        tree["context"] = path if is_remote(path) else os.path.abspath(path)
    if args.dockerfile == "-":
        tree["dockerfile_inline"] = sys.stdin.read()
    elif args.dockerfile:
        tree["dockerfile"] = args.dockerfile if is_remote(path) else os.path.abspath(args.dockerfile)

    def output(text: str) -> None:
        if not args.quiet:
            print(text, end="", flush=True)

    secrets = dict(_secret(item) for item in args.secret)
    engine = Session(args).engine
    image_id = build_image(engine, tree, args.tag, [args.platform] if args.platform else [], output, secrets=secrets)
    if args.quiet:
        print(image_id)
    if args.iidfile:
        with open(args.iidfile, "w", encoding="utf-8") as file:
            file.write(image_id)
    return 0


def _secret(text: str) -> tuple[str, bytes]:
    """``id=ID,src=FILE`` or ``id=ID,env=NAME``: id and bytes."""
    parts = dict(item.partition("=")[::2] for item in text.split(","))
    ident = parts.get("id")
    if not ident:
        raise FlagError(f"--secret {text}: no id")
    if parts.get("env"):
        return ident, os.environ.get(parts["env"], "").encode()
    path = parts.get("src") or parts.get("source") or ident
    try:
        with open(path, "rb") as file:
            return ident, file.read()
    except OSError as error:
        raise FlagError(f"--secret {text}: {error.strerror}") from None
