"""`pycompose publish`: the project's files as an OCI artifact in a registry, for `-f oci://…`."""

from __future__ import annotations

import re
import sys
from datetime import UTC
from typing import TYPE_CHECKING

from ...errors import OperationError
from ..flags.parser import FlagError
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...model import Project
    from ..flags.parser import Parser

_SENSITIVE = re.compile(r"pass(word|wd|phrase)?|secret|token|api_?key|private_?key|credential", re.IGNORECASE)


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--app", action="store_true", help="Include the images as well: refused, push them by themselves")
    flag(
        "--oci-version", default="1.1", metavar="VERSION", help="OCI image/artifact specification version (1.0 or 1.1)"
    )
    flag("--resolve-image-digests", action="store_true", help="Pin image tags to digests")
    flag("--with-env", action="store_true", help="Include environment variables in the published OCI artifact")
    flag("-y", "--yes", action="store_true", help='Assume "yes" as answer to all prompts')
    parser.add_argument("repository", metavar="REPOSITORY[:TAG]")


def run(args: Namespace) -> int:
    from datetime import datetime

    from ...remote import is_remote
    from ...remote.publish import Layer, layers_of, send

    if args.oci_version not in ("1.0", "1.1"):
        raise FlagError(f'invalid --oci-version "{args.oci_version}": 1.0 and 1.1 are known')
    if args.app:
        raise OperationError("--app is not supported: images are not copied into the artifact; push them and publish")
    session = Session(args)
    if any(is_remote(name) for name in args.file):
        raise OperationError("a project that comes from elsewhere is published there already")
    args.profile = ["*"]
    project = session.project
    builds = [name for name, service in project.services.items() if service.get("build")]
    unnamed = [name for name in builds if not project.services[name].get("image")]
    if unnamed:
        raise OperationError(f"services without an image cannot be published: {', '.join(unnamed)} are only built")
    layers = layers_of(project.files, str(project.directory), with_environment=args.with_env)
    concerns = _concerns(project, with_environment=args.with_env)
    if concerns and not args.yes:
        _confirm(concerns)
    if args.resolve_image_digests:
        from ...load.yamldump import yaml_text
        from ...remote.digests import pinned

        images = {name: {"image": pinned(str(one["image"]), {})} for name, one in sorted(project.services.items())}
        content = yaml_text({"services": images}).encode()
        layers.append(Layer("application/vnd.docker.compose.file+yaml", {"file": "image-digests.yaml"}, content))
    if args.dry_run:
        print(f"DRY-RUN MODE -  {args.repository}  {len(layers)} files published", file=sys.stderr)
        return 0
    if builds:
        from .push import push_images

        code = push_images(session, {name: str(project.services[name]["image"]) for name in builds})
        if code:
            return code
    print(f" {args.repository}  publishing", file=sys.stderr)
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = send(layers, args.repository, created, args.oci_version)
    print(f" {args.repository}  published {digest}", file=sys.stderr)
    return 0


def _concerns(project: Project, *, with_environment: bool) -> list[str]:
    """What whoever publishes should have seen: nothing here is certain to be a secret, and none of it can be taken back."""
    found: list[str] = []
    for name, service in project.services.items():
        found += [
            f"service {name} mounts {volume.get('source')} of the host (the declaration goes, not the content)"
            for volume in service.get("volumes") or ()
            if volume.get("type") == "bind"
        ]
        if not with_environment:
            found += [
                f"service {name} has a value for {key}, which goes as it is written in the file"
                for key, value in (service.get("environment") or {}).items()
                if value and _SENSITIVE.search(key)
            ]
    found += [
        f"config {name} has its content in the file" for name, one in project.configs.items() if one.get("content")
    ]
    return found


def _confirm(concerns: list[str]) -> None:
    print("About to publish:", *(f"  {one}" for one in concerns), sep="\n", file=sys.stderr)
    if not sys.stdin.isatty():
        raise OperationError("nothing was published: --yes says that this is meant")
    print("Publish it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise OperationError("nothing was published")
