"""`pycompose alpha viz`: the services and what they depend on in Graphviz's language, as Docker Compose writes it."""

from __future__ import annotations

import sys
from html import escape
from typing import TYPE_CHECKING

from ...flags.parser import integer
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ....model import Project
    from ....model.service import Port
    from ...flags.parser import Parser


MOST_INDENTATION = 1000


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--image", action="store_true", help="Include service's image name in output graph")
    flag("--indentation-size", type=integer, default=1, metavar="N", help="Number of tabs or spaces for indentation")
    flag("--networks", action="store_true", help="Include service's attached networks in output graph")
    flag("--ports", dest="with_ports", action="store_true", help="Include service's exposed ports in output graph")
    flag("--spaces", action="store_true", help="Indent by spaces instead of tabs")


def run(args: Namespace) -> int:
    project = Session(args).project
    print("viz command is EXPERIMENTAL", file=sys.stderr)
    print(digraph(project, args))
    return 0


def digraph(project: Project, args: Namespace) -> str:
    """The graph with a node a service, labelled with what ``args`` ask for, and an edge a dependency."""
    from ....plan.graph import dependencies

    indent = (" " if args.spaces else "\t") * min(max(args.indentation_size, 0), MOST_INDENTATION)
    lines = [f"digraph {_quoted(project.name)} {{", f"{indent}layout=dot;"]
    lines += [
        f'{indent}{_quoted(name)} [style="filled" label=<{_label(project, name, args)}>];' for name in project.services
    ]
    lines.append("")
    for name, service in project.services.items():
        lines += [f"{indent}{_quoted(name)} -> {_quoted(other)};" for other in dependencies(service)]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _label(project: Project, name: str, args: Namespace) -> str:
    from ....labels import image_name

    service = project.services[name]
    parts = [f'<font point-size="15">{escape(name)}</font>']
    if args.networks:
        parts.append(_part("Networks", list(service.get("networks") or ())))
    if args.with_ports and service.get("ports"):
        parts.append(_part("Ports", [_port(port) for port in service["ports"]]))
    if args.image and not service.get("provider"):
        parts.append(_part("Image", [image_name(project, name)]))
    return "".join(parts)


def _part(title: str, lines: list[str]) -> str:
    text = "".join(f"<br/>{escape(line)}" for line in lines)
    return f'<font point-size="10"><br/><br/><b>{title}:</b>{text}</font>'


def _port(port: Port) -> str:
    host = f"{port['host_ip']}:" if port.get("host_ip") else ""
    how = f"({port.get('protocol') or 'tcp'}, {port.get('mode') or 'ingress'})"
    return f"{host}{port.get('published') or ''}:{port['target']} {how}"
