"""`pycompose image build`: build an image from a Dockerfile."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .....grammar import ulimits
from .... import files
from ...flags.building import build_arguments, byte_size
from ...flags.parser import FlagError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ....build.request import BuildRequest
    from ....build.trees import BuildOutput
    from ....client import Engine
    from ....model.build import Build
    from ....model.parts import Ulimit
    from ...flags.parser import Parser

_PROGRESS = ("auto", "plain", "tty", "quiet", "rawjson")


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--add-host", action="append", default=[], metavar="HOST:IP", help="Add a custom host-to-IP mapping")
    flag("--allow", action="append", default=[], metavar="ENTITLEMENT", help="network.host or security.insecure")
    flag("--build-arg", action="append", default=[], metavar="KEY=VALUE", help="Set build-time variables")
    flag("--build-context", action="append", default=[], metavar="NAME=PATH", help="Additional build contexts")
    flag(
        "--cache-from",
        action="append",
        default=[],
        metavar="SOURCE",
        help="Take steps from these images, or from type=local,src=DIR",
    )
    flag(
        "--cache-to",
        action="append",
        default=[],
        metavar="TARGET",
        help="Where steps are exported to: type=inline, type=local,dest=DIR, type=registry,ref=IMAGE",
    )
    flag("--check", action="store_true", help="Lint the Dockerfile; don't build")
    flag("-f", "--file", dest="dockerfile", metavar="FILE", help="Name of the Dockerfile (default: PATH/Dockerfile)")
    flag("--iidfile", metavar="FILE", help="Write the image ID to the file")
    flag("--label", action="append", default=[], metavar="KEY=VALUE", help="Set metadata for an image")
    flag("--load", action="store_true", help="Accepted for compatibility: images are always loaded")
    flag("-m", "--memory", metavar="BYTES", help="Memory limit of each step")
    flag("--metadata-file", metavar="FILE", help="Write build result metadata to the file")
    flag("--network", metavar="MODE", help="Set the networking mode for the RUN instructions during build")
    flag("--no-cache", action="store_true", help="Do not use cache when building the image")
    flag(
        "--no-cache-filter", action="append", default=[], metavar="STAGE", help="Do not use the cache for these stages"
    )
    flag(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="DEST",
        help="type=local|tar|oci|docker,dest=PATH, a directory, or - (a tar); without a dest the image store",
    )
    flag("--platform", metavar="PLATFORM[,PLATFORM]", help="Platforms to build for; several make an image index")
    flag("--progress", dest="build_progress", choices=_PROGRESS, help="Type of progress output")
    flag("--provenance", metavar="MODE", help="Attest where the image came from (true, mode=min, mode=max)")
    flag("--pull", action="store_true", help="Always attempt to pull a newer version of the image")
    flag("--push", action="store_true", help="Push the image when it is built")
    flag("-q", "--quiet", action="store_true", help="Suppress the build output and print image ID on success")
    flag("--sbom", metavar="MODE", help="Attest which packages the image has (SPDX)")
    flag(
        "--secret",
        action="append",
        default=[],
        metavar="id=ID[,src=FILE|,env=NAME]",
        help="Secret to expose to the build",
    )
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
    flag("--ulimit", action="append", default=[], metavar="NAME=SOFT[:HARD]", help="Ulimit options")
    parser.add_argument("path", metavar="PATH | URL | -")


def run(args: Namespace) -> int:
    from ....build.request import BuildRequest
    from .output import outputs, standard_input

    with ExitStack() as stack:
        tree = _tree(args)
        tar: str | None = None
        if args.path == "-" or args.dockerfile == "-":
            if args.path == "-" and args.dockerfile == "-":
                raise FlagError("invalid argument: can't use stdin for both build context and dockerfile")
            inline, tar = stack.enter_context(standard_input(sys.stdin.buffer))
            if args.dockerfile == "-" and inline is None:
                raise FlagError("--file -: standard input is a tar, not a Dockerfile")
            if inline is not None:
                tree["dockerfile_inline"] = inline
        if args.check:
            return _check(args, BuildRequest(tree, environment=os.environ, context_tar=tar or ""))
        result = stack.enter_context(outputs(args.output))
        return _build(args, _request(args, tree, tar, result))


def _check(args: Namespace, request: BuildRequest) -> int:
    from ....build import check_image
    from ...show.building.checks import report

    text, code = report(check_image(Session(args).engine, request))
    print(text, end="")
    return code


def _build(args: Namespace, request: BuildRequest) -> int:
    from ....build import build_image
    from ....errors import EngineError
    from ...show.building import choose
    from .output import write_metadata

    engine = Session(args).engine
    mode = "quiet" if args.quiet else args.build_progress or {"json": "rawjson"}.get(args.progress, args.progress)
    said: list[str] = []

    def output(text: str) -> None:
        """What an engine other than ours says."""
        said.append(text)
        if mode != "quiet":
            sys.stderr.write(text)
            sys.stderr.flush()

    try:
        with choose(mode if mode in _PROGRESS else "auto", sys.stderr) as view:
            image_id = build_image(engine, request, output, view.handle)
    except EngineError:
        if mode == "quiet" and said:
            sys.stderr.write("".join(said))
        raise
    if mode == "quiet" and image_id:
        print(image_id)
    if args.metadata_file:
        write_metadata(args.metadata_file, image_id, args.tag)
    if args.iidfile and image_id:
        with open(args.iidfile, "w", encoding="utf-8") as file:
            file.write(image_id)
    if args.push:
        _push(engine, args.tag)
    return 0


def _request(args: Namespace, tree: Build, tar: str | None, output: BuildOutput | None) -> BuildRequest:
    from ....build.request import BuildRequest

    return BuildRequest(
        tree,
        tags=args.tag,
        platforms=args.platform.split(",") if args.platform else [],
        secrets=dict(_secret(item) for item in args.secret),
        environment=os.environ,
        memory=byte_size(args.memory, "--memory") if args.memory else None,
        context_tar=tar or "",
        output=output,
    )


def _tree(args: Namespace) -> Build:
    """The flags as a Compose ``build`` section with absolute paths."""
    from .....grammar.git import is_remote
    from ....build import absolute_cache
    from ....convert.values import pairs

    tree: Build = {
        "args": build_arguments(args.build_arg),
        "cache_from": [absolute_cache(item, "src", os.getcwd()) for item in args.cache_from],
        "cache_to": [absolute_cache(item, "dest", os.getcwd()) for item in args.cache_to],
        "labels": pairs(args.label),
        "no_cache": args.no_cache,
        "no_cache_filter": [name for item in args.no_cache_filter for name in item.split(",") if name],
        "pull": args.pull,
        "extra_hosts": args.add_host,
        "entitlements": [name for item in args.allow for name in item.split(",") if name],
    }
    _add_given(args, tree)
    if args.build_context:
        tree["additional_contexts"] = {
            name: value if is_remote(value) or "://" in value or value.startswith("target:") else os.path.abspath(value)
            for name, _, value in (item.partition("=") for item in args.build_context)
        }
    path = args.path
    if path != "-":
        tree["context"] = path if is_remote(path) else os.path.abspath(path)
        if not is_remote(path) and not os.path.isdir(path):
            raise FlagError(f"{path}: no such directory" if not os.path.exists(path) else f"{path}: not a directory")
    if args.dockerfile and args.dockerfile != "-":
        tree["dockerfile"] = args.dockerfile if path == "-" or is_remote(path) else os.path.abspath(args.dockerfile)
    return tree


def _add_given(args: Namespace, tree: Build) -> None:
    """What stays the engine's choice unless a flag says it."""
    from ....model.values import Size

    if args.ssh:
        tree["ssh"] = args.ssh
    if args.network:
        tree["network"] = args.network
    if args.target:
        tree["target"] = args.target
    if args.shm_size:
        tree["shm_size"] = Size(byte_size(args.shm_size, "--shm-size"))
    if args.ulimit:
        tree["ulimits"] = dict(_ulimit(item) for item in args.ulimit)
    if args.provenance is not None:
        tree["provenance"] = args.provenance
    if args.sbom is not None:
        tree["sbom"] = args.sbom


def _ulimit(text: str) -> tuple[str, Ulimit]:
    try:
        limit = ulimits.parse(text)
    except ValueError as error:
        raise FlagError(f'invalid argument "{text}" for "--ulimit": {error}') from None
    return limit.name, {"soft": limit.soft, "hard": limit.hard}


def _secret(text: str) -> tuple[str, bytes]:
    """``id=ID,src=FILE`` or ``id=ID,env=NAME``: id and bytes. Without either, a variable or a file of that name."""
    parts = dict(item.partition("=")[::2] for item in text.split(","))
    ident = parts.get("id")
    if not ident:
        raise FlagError(f"--secret {text}: no id")
    path = parts.get("src") or parts.get("source")
    name = parts.get("env") or ("" if path else ident)
    if parts.get("type") == "env" and path:
        name, path = path, None
    if not path and name in os.environ:
        return ident, os.environ[name].encode()
    if parts.get("env") or parts.get("type") == "env":
        raise FlagError(f"--secret {text}: the variable {name} is not set")
    try:
        return ident, files.read(path or ident)
    except OSError as error:
        raise FlagError(f"--secret {text}: {error.strerror}") from None


def _push(engine: Engine, tags: list[str]) -> None:
    from ....credentials.lookup import registry_auth
    from ...show.transfer import show_lines

    if not tags:
        raise FlagError("--push: a tag is needed (-t)")
    for tag in tags:
        show_lines(engine.images.push(tag, auth=registry_auth(tag)))
