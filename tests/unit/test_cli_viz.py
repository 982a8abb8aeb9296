"""`alpha viz`: what Graphviz gets."""

from __future__ import annotations

from argparse import Namespace

from support.composing import make_project

from pycompose.compose.cli.verbs.alpha.viz import digraph


def test_digraph() -> None:
    project = make_project(
        {
            "web": {"depends_on": ["db"], "ports": [{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}]},
            "db": {"image": "a&b"},
        }
    )
    args = Namespace(spaces=True, indentation_size=2, networks=True, with_ports=True, image=True)
    assert digraph(project, args).splitlines() == [
        'digraph "demo" {',
        "  layout=dot;",
        '  "web" [style="filled" label=<<font point-size="15">web</font>'
        '<font point-size="10"><br/><br/><b>Networks:</b><br/>default</font>'
        '<font point-size="10"><br/><br/><b>Ports:</b><br/>127.0.0.1:8080:80 (tcp, ingress)</font>'
        '<font point-size="10"><br/><br/><b>Image:</b><br/>busybox</font>>];',
        '  "db" [style="filled" label=<<font point-size="15">db</font>'
        '<font point-size="10"><br/><br/><b>Networks:</b><br/>default</font>'
        '<font point-size="10"><br/><br/><b>Image:</b><br/>a&amp;b</font>>];',
        "",
        '  "web" -> "db";',
        "}",
    ]
