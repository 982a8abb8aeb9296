"""Questions about a Dockerfile instead of a build of it: ``docker build --call``, in BuildKit's forms.

``targets`` lists the stages, ``outline`` what a stage takes: arguments, secrets, agents; ``lint`` makes the build checks.
"""

from __future__ import annotations

import json
import posixpath
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from ..build import plan as planning
from ..build.contexts import received_definition
from ..build.dockerfile import DockerfileError, parse
from ..build.dockerfile.errors import Place, excerpt
from ..build.dockerfile.instructions import Arg, Run
from ..build.dockerfile.lint import DESCRIPTIONS
from ..build.dockerfile.mounts import parse_mount
from ..build.options import ReceivedContext
from ..build.state import platform_arguments
from ..errors import NotImplemented_
from ..images.types import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..build.dockerfile import Dockerfile
    from ..build.options import BuildOptions
    from ..build.service import Builder

_VERSION = "1.0.0"
_DESCRIBE, _TARGETS, _OUTLINE = "frontend.subrequests.describe", "frontend.targets", "frontend.outline"
_LINT = "frontend.lint"
_OFFERED = {
    _OUTLINE: "List all parameters current build target supports",
    _TARGETS: "List all targets current build supports",
    _LINT: "Lint a Dockerfile",
    _DESCRIBE: "List available subrequest types",
}


def answer(asked: str, options: BuildOptions, scratch: Path, builder: Builder) -> dict[str, bytes]:
    """A result's metadata. ``scratch`` is a directory for what the client sends. Raises EngineError. Run it in a thread."""
    if asked not in _OFFERED:
        raise NotImplemented_(f"{asked}: unsupported request")
    if asked == _DESCRIBE:
        body = [_request(name, text) for name, text in _OFFERED.items()]
        text = _table(
            ("NAME", "VERSION", "DESCRIPTION"), [(_short(name), _VERSION, text) for name, text in _OFFERED.items()], 1
        )
        return _result(body, text)
    if asked == _LINT:
        return _lint(options, builder)
    dockerfile = _dockerfile(options, scratch)
    return _targets(dockerfile) if asked == _TARGETS else _outline(dockerfile, options)


def _dockerfile(options: BuildOptions, scratch: Path) -> Dockerfile:
    source = options.definition
    if isinstance(options.context, ReceivedContext):
        source = options.context.definition
    if source is None:
        raise NotImplemented_("questions about a Dockerfile in a remote context are not offered by this engine")
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        text, _ = received_definition(source, options.dockerfile, Path(directory) / "definition")
    name = posixpath.basename(options.dockerfile)
    try:
        return parse(text, name)
    except DockerfileError as error:
        if error.span:
            error.place = Place(name, text.decode("utf-8", "replace"), error.span)
        raise


def _lint(options: BuildOptions, builder: Builder) -> dict[str, bytes]:
    """A Dockerfile that cannot be read is a finding as well."""
    warnings: list[dict[str, object]] = []
    body: dict[str, object] = {"warnings": warnings}
    try:
        checked = builder.check(options)
    except DockerfileError as error:
        if error.place is None:
            raise
        place = error.place
        name, source, text = place.name, place.text, f"{error}\n{excerpt(place.text, place.span, place.name)}\n"
        body["buildError"] = {"message": str(error), "location": _location(place.span.first, place.span.last)}
    else:
        name, source, text = checked.dockerfile.name, checked.dockerfile.source, ""
        for one in checked.findings:
            warning = {"ruleName": one.rule, "description": DESCRIPTIONS[one.rule], "url": one.url}
            warnings.append({**warning, "detail": one.message, "location": _location(one.span.first, one.span.last)})
            text += f"\nWARNING: {one.rule} - {one.url}\n{one.message}\n{excerpt(source, one.span, name)}\n"
        if checked.error is not None:
            failure: dict[str, object] = {"message": str(checked.error)}
            body["buildError"] = failure
            text += f"{checked.error}\n"
            if span := checked.error.span:
                failure["location"] = _location(span.first, span.last)
                text += f"{excerpt(source, span, name)}\n"
    body["sources"] = [{"filename": name, "data": _base64(source), "language": "Dockerfile"}]
    failed = b"1" if warnings or "buildError" in body else b"0"
    return {**_result(body, text), "result.statuscode": failed}


def _targets(dockerfile: Dockerfile) -> dict[str, bytes]:
    last = len(dockerfile.stages) - 1
    entries = []
    rows = []
    for index, stage in enumerate(dockerfile.stages):
        start = stage.start
        entry: dict[str, object] = {"name": start.name, "default": index == last, "base": start.base}
        entry |= {"platform": start.platform, "location": _location(start.span.first, start.span.last)}
        entries.append({name: value for name, value in entry.items() if value})
        shown = f"{start.name} (default)" if start.name and index == last else start.name
        rows.append((shown or ("(default)" if index == last else ""), ""))
    body = {"targets": entries, "sources": [_base64(dockerfile.source)]}
    return _result(body, _table(("TARGET", "DESCRIPTION"), rows, 1))


def _outline(dockerfile: Dockerfile, options: BuildOptions) -> dict[str, bytes]:
    host = Platform.host()
    predefined = platform_arguments(host, host, options.target, options.args)
    values = planning.global_arguments(dockerfile, options.args, predefined)
    plan = planning.plan(
        dockerfile, target=options.target, arguments=values, contexts=options.contexts, triggers=lambda base: ()
    )
    arguments: dict[str, dict[str, object]] = {}
    found: dict[str, dict[str, dict[str, object]]] = {"secret": {}, "ssh": {}, "cache": {}}
    instructions = [*dockerfile.arguments, *(one for index in plan.order for one in plan.stages[index].instructions)]
    for instruction in instructions:
        where = _location(instruction.span.first, instruction.span.last)
        if isinstance(instruction, Arg):
            for name, default in instruction.pairs:
                value = options.args.get(name, default if default is not None else values.get(name, ""))
                arguments[name] = {"name": name, **({"value": value} if value else {}), "location": where}
        elif isinstance(instruction, Run):
            for mount in (parse_mount(text, str) for text in instruction.mounts):
                name = mount.id or {"ssh": "default", "cache": mount.target}.get(
                    mount.type, posixpath.basename(mount.target)
                )
                if mount.type in found:
                    key = "ID" if mount.type == "cache" else "name"
                    entry = found[mount.type].setdefault(name, {key: name, "location": where})
                    if mount.required and mount.type != "cache":
                        entry["required"] = True
    sections: dict[str, object] = {"args": list(arguments.values())}
    sections |= {("secrets" if kind == "secret" else kind): list(entries.values()) for kind, entries in found.items()}
    target = plan.stages[plan.target].name
    body: dict[str, object] = {"name": target, **sections, "sources": [_base64(dockerfile.source)]}
    parts = [_table(("TARGET:", target), [], 1)] if target else []
    if arguments:
        parts.append(
            _table(
                ("BUILD ARG", "VALUE", "DESCRIPTION"),
                [(name, str(one.get("value", "")), "") for name, one in arguments.items()],
                3,
            )
        )
    for kind, heading in (("secret", "SECRET"), ("ssh", "SSH")):
        rows = [(name, "true" if entry.get("required") else "") for name, entry in found[kind].items()]
        if rows:
            parts.append(_table((heading, "REQUIRED"), rows, 3))
    return _result({name: value for name, value in body.items() if value}, "".join(f"{part}\n" for part in parts))


def _location(first: int, last: int) -> dict[str, object]:
    return {"ranges": [{"start": {"line": first}, "end": {"line": last}}]}


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "replace")).decode("ascii")


def _request(name: str, description: str) -> dict[str, object]:
    opts = [{"name": "target", "description": "Target build stage"}] if name == _OUTLINE else []
    names = ("result.json", "result.txt", *(("result.statuscode",) if name == _LINT else ()))
    metadata = [{"name": one, "description": ""} for one in names]
    rest = {"opts": opts, "inputs": None, "metadata": metadata, "refs": None}
    return {"name": name, "version": _VERSION, "type": "rpc", "description": description, **rest}


def _short(name: str) -> str:
    return name.removeprefix("frontend.")


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]], gap: int) -> str:
    lines = [heading, *rows]
    widths = [max(len(line[column]) for line in lines) + gap for column in range(len(heading) - 1)]
    return "".join(
        "".join(word.ljust(width) for word, width in zip(line, widths, strict=False)) + line[-1] + "\n"
        for line in lines
    )


def _result(body: object, text: str) -> dict[str, bytes]:
    shown = json.dumps(body, indent=2, ensure_ascii=False).encode("utf-8", "replace")
    return {"result.json": shown, "result.txt": text.encode("utf-8", "replace"), "version": _VERSION.encode()}
