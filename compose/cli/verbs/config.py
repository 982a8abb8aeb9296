"""`pycompose config`: the model as Compose sees it, or one list out of it.

Output is that of Docker Compose, byte for byte; where Docker Compose prints in no particular order, this prints sorted.
Never answered from the cache, so that what is printed was just checked.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...app.session import require_files
from ...errors import ComposeError, UsageError
from ..session import Session, choices
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ...load.tree import Map
    from ...model import LoadOptions, Project
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", default="yaml", metavar="FORMAT", help="Format the output. Values: [yaml | json]")
    parser.add_argument("--hash", default="", metavar="SERVICES", help="Print the service config hash, one per line")
    parser.add_argument("--environment", action="store_true", help="Print environment used for interpolation")
    parser.add_argument("--images", action="store_true", help="Print the image names, one per line")
    parser.add_argument("--models", action="store_true", help="Print the model names, one per line")
    parser.add_argument("--networks", action="store_true", help="Print the network names, one per line")
    parser.add_argument("--no-consistency", action="store_true", help="Don't check model consistency")
    parser.add_argument("--no-env-resolution", action="store_true", help="Don't resolve service env files")
    parser.add_argument("--no-interpolate", action="store_true", help="Don't interpolate environment variables")
    parser.add_argument("--no-normalize", action="store_true", help="Don't normalize compose model")
    parser.add_argument("--no-path-resolution", action="store_true", help="Don't resolve file paths")
    parser.add_argument("-o", "--output", default="", metavar="FILE", help="Save to file (default to stdout)")
    parser.add_argument("--profiles", action="store_true", help="Print the profile names, one per line")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only validate the configuration, don't print")
    parser.add_argument("--lock-image-digests", action="store_true", help="Produce an override file with image digests")
    parser.add_argument("--resolve-image-digests", action="store_true", help="Pin image tags to digests")
    parser.add_argument("--services", action="store_true", help="Print the service names, one per line")
    parser.add_argument("--variables", action="store_true", help="Print model variables and default values")
    parser.add_argument("--volumes", action="store_true", help="Print the volume names, one per line")
    parser.add_argument("service", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    require_files(choices(args))
    lists = [name for name in _LISTS if getattr(args, name)]
    if lists or args.hash:
        options = _options(args, resolve_environment=args.environment)
        text = _list_text(lists[0] if lists else "hash", args, options)
    else:
        text = _model_text(args, _options(args, resolve_environment=not args.no_env_resolution))
    if args.quiet:
        return 0
    if args.output:
        _save(args.output, text)
    else:
        sys.stdout.write(text)
    return 0


def _options(args: Namespace, *, resolve_environment: bool) -> LoadOptions:
    from dataclasses import replace

    return replace(
        Session(args).load_options(),
        interpolate=not (args.no_interpolate or args.variables),
        normalize=not (args.no_normalize or getattr(args, "compatibility", False)),
        resolve_paths=not args.no_path_resolution,
        consistency=not args.no_consistency,
        resolve_environment=resolve_environment,
    )


def _save(name: str, text: str) -> None:
    try:
        with open(name, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {name}: {error.strerror}") from None


def _load(options: LoadOptions, names: list[str]) -> Project:
    from dataclasses import replace

    from ...load import load_project

    project = load_project(replace(options, services=tuple(names)), cached=False)
    for warning in project.warnings:
        legible.complain(f"warning: {warning}")
    return project


def _model_text(args: Namespace, options: LoadOptions) -> str:
    if args.format not in ("yaml", "json"):
        raise ComposeError(f'unsupported format "{args.format}"')
    if args.no_interpolate:
        model = _model(options)
        if args.format == "json":
            from ...load.dump import model_json

            return model_json(model)
        from ...load.yamldump import model_yaml

        return model_yaml(model)
    project = _load(options, args.service)
    if args.resolve_image_digests or args.lock_image_digests:
        from ...remote.digests import pin_images

        pin_images(project.services)
    if args.lock_image_digests:
        return _locked(project, args.format)
    if args.format == "json":
        from ...load.dump import to_json

        return to_json(project)
    from ...load.yamldump import to_yaml

    return to_yaml(project)


def _locked(project: Project, shape: str) -> str:
    """An override file of images only."""
    images = {name: {"image": one["image"]} for name, one in sorted(project.services.items()) if one.get("image")}
    if shape == "json":
        from ...load.dump import json_text

        return json_text({"services": images})
    from ...load.yamldump import yaml_text

    return yaml_text({"services": images})


def _model(options: LoadOptions) -> Map:
    from ...load.pipeline import load_model

    return load_model(options)


_LISTS = ("services", "volumes", "networks", "models", "profiles", "images", "variables", "environment")


def _list_text(kind: str, args: Namespace, options: LoadOptions) -> str:
    if kind == "variables":
        return _variables(options, args.format)
    if kind == "services" and args.no_interpolate:
        from ...load.services import has_profile
        from ...load.tree import list_at, maps_in

        found = maps_in(_model(options), "services")
        return _lines(sorted(name for name, one in found if has_profile(list_at(one, "profiles"), options.profiles)))
    project = _load(options, args.service if kind in ("profiles", "images", "environment") else [])
    if kind == "hash":
        return _hashes(project, args.hash)
    if kind == "profiles":
        services = [*project.services.values(), *project.disabled_services.values()]
        return _lines(sorted({name for service in services for name in service.get("profiles") or ()}))
    if kind == "images":
        services_by_name = sorted(project.services.items())
        return _lines([service.get("image") or f"{project.name}-{name}" for name, service in services_by_name])
    if kind == "environment":
        return _lines(sorted(f"{name}={value}" for name, value in project.environment.items()))
    return _lines(sorted(getattr(project, kind)))


def _lines(items: list[str]) -> str:
    return "".join(f"{item}\n" for item in items)


def _hashes(project: Project, wanted: str) -> str:
    from ...load.dump import service_hash

    names = sorted(project.services if wanted == "*" else wanted.split(","))
    for name in names:
        if name not in project.services:
            raise ComposeError(f"no such service: {name}")
    return _lines([f"{name} {service_hash(project.services[name])}" for name in names])


def _variables(options: LoadOptions, shape: str) -> str:
    from ...load.interpolate import variables

    found = sorted(variables(_model(options)).values(), key=lambda variable: variable.name)
    if shape == "json":
        from ...load.dump import json_text

        table = {
            item.name: {"required": item.required, "default": item.default, "alternate": item.presence}
            for item in found
        }
        return json_text(table) + "\n"
    rows = [("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE")]
    rows += [(item.name, str(item.required).lower(), item.default, item.presence) for item in found]
    widths = [max(20, *(len(row[column]) + 3 for row in rows)) for column in range(3)]
    return _lines(["".join(row[column].ljust(widths[column]) for column in range(3)) + row[3] for row in rows])
