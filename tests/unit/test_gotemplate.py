"""The subset of Go templates behind --format, and the words of listings."""

from __future__ import annotations

import pytest

from pycompose.compose.cli.flags.parser import FlagError
from pycompose.compose.cli.show import format
from pycompose.compose.cli.show.absent import absent
from pycompose.compose.cli.show.gotemplate import Template, TemplateError

VALUE = {
    "Name": "web",
    "N": 3,
    "Empty": "",
    "List": ["a", "b"],
    "State": {"Health": {"Status": "healthy"}, "Running": True},
    "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": None},
    "Networks": {"one": {"IP": "1.2.3.4"}, "two": {"IP": "5.6.7.8"}},
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("{{.Name}}-{{.N}}", "web-3"),
        ("{{.State.Health.Status}}", "healthy"),
        ("{{.State.Running}}", "true"),
        ("{{.Nope}}", "<no value>"),
        ("{{json .List}}", '["a","b"]'),
        ("{{.List}}", "[a b]"),
        ("{{upper .Name}} {{.Name | upper | lower}}", "WEB web"),
        ('{{join .List ", "}}', "a, b"),
        ("{{len .List}}", "2"),
        ("{{if .Empty}}x{{else}}y{{end}}", "y"),
        ("{{if .Empty}}x{{else if .Name}}z{{else}}y{{end}}", "z"),
        ("{{range .List}}<{{.}}>{{end}}", "<a><b>"),
        ("{{range $i, $e := .List}}{{$i}}={{$e}} {{end}}", "0=a 1=b "),
        ("{{range .Networks}}{{.IP}} {{end}}", "1.2.3.4 5.6.7.8 "),
        ("{{range $k, $v := .Networks}}{{$k}}:{{$v.IP}} {{end}}", "one:1.2.3.4 two:5.6.7.8 "),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{with .State.Health}}{{.Status}}{{end}}", "healthy"),
        ('{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"),
        ("{{index .List 1}}", "b"),
        ('{{if eq .Name "web"}}yes{{end}}{{if ne .N 3}}no{{end}}', "yes"),
        ("{{if and .Name (not .Empty)}}both{{end}}", "both"),
        ('{{printf "%s:%d %q" .Name .N .Name}}', 'web:3 "web"'),
        ("a {{- /* gone */ -}} b", "ab"),
        ("{{$x := .Name}}{{$x}}", "web"),
        ('{{println "a" 1}}', "a 1\n"),
        ("{{.State.Health}}", "map[Status:healthy]"),
    ],
)
def test_render(source: str, text: str) -> None:
    assert Template(source).render(VALUE) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{.Name",
        "{{if .Name}}x",
        "{{end}}",
        "{{nosuch .Name}}",
        "{{.Name | }}",
        "{{index .N 1}}",
        "{{range .N}}x{{end}}",
        "{{range .Name}}x{{end}}",
        '{{index .List "a"}}',
        "{{index .List 2}}",
        "{{index .List .List}}",
    ],
)
def test_errors(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(source).render(VALUE)


ROWS = [
    {"Name": "a", "State": "running", "_labels": {"x": "1"}},
    {"Name": "longer-name", "State": "exited", "_labels": {}},
]
COLUMNS = (("NAME", "Name"), ("STATE", "State"))


def test_table() -> None:
    assert format.show(None, ROWS, COLUMNS) == "NAME          STATE\na             running\nlonger-name   exited"
    assert format.show("table", [], COLUMNS) == "NAME      STATE"


def test_json_and_templates() -> None:
    assert format.show("json", ROWS[:1], COLUMNS) == '{"Name":"a","State":"running"}'
    assert format.show("json", ROWS, COLUMNS, json_list=True).startswith("[{")
    assert format.show('{{.Name}} {{.Label "x"}}', ROWS, COLUMNS) == "a 1\nlonger-name "
    assert format.show("table {{.State}}\t{{.Name}}", ROWS, COLUMNS).splitlines()[0] == "STATE     NAME"
    with pytest.raises(FlagError):
        format.show("{{.Name", ROWS, COLUMNS)


def test_sizes() -> None:
    assert [format.size(count) for count in (0, 999, 164_000_000)] == ["0B", "999B", "164MB"]


def test_ports() -> None:
    def port(private: int, public: int = 0, ip: str = "", kind: str = "tcp") -> dict[str, object]:
        return {"PrivatePort": private, "PublicPort": public, "IP": ip, "Type": kind}

    assert format.ports([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")]) == "0.0.0.0:8080->80/tcp, :::8080->80/tcp"
    assert format.ports([port(9000), port(9001), port(53, kind="udp")]) == "53/udp, 9000-9001/tcp"
    assert format.ports([port(9000), port(9002), port(9003)]) == "9000/tcp, 9002-9003/tcp"
    same = [port(9000 + n, 9000 + n, "0.0.0.0") for n in range(3)]
    assert format.ports(same) == "0.0.0.0:9000-9002->9000-9002/tcp"
    moved = [port(81, 8081, "0.0.0.0"), port(80, 8080, "0.0.0.0"), port(99)]
    assert format.ports(moved) == "99/tcp, 0.0.0.0:8080->80/tcp, 0.0.0.0:8081->81/tcp"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{.HostConfig.Binds}} {{.Config.Volumes}} {{json .HostConfig.Binds}}", "[] map[] null"),
        ("{{.State.Health}} {{json .State.Health}}", "<nil> null"),
        ("{{len .HostConfig.Binds}}{{range .HostConfig.Binds}}x{{end}}{{if .HostConfig.Binds}}y{{end}}", "0"),
        ("{{.Gateway}}|", "|"),
        ('{{print 1 2 "x" 3}}', "1 2x3"),
    ],
)
def test_absent_fields(source: str, text: str) -> None:
    value = {"HostConfig": {"Binds": None}, "Config": {"Volumes": None}, "State": {}}
    assert Template(source, absent).render(value) == text


@pytest.mark.parametrize("source", ["{{.Nope}}", "{{.State.Health.Status}}"])
def test_fields_that_do_not_exist(source: str) -> None:
    with pytest.raises(TemplateError, match="map has no entry for key"):
        Template(source, absent).render({"State": {"Health": None}})


def test_rows_have_all_their_fields() -> None:
    with pytest.raises(FlagError, match="can't evaluate field Bogus"):
        format.show("{{.Bogus}}", [{"Name": "a"}], (("NAME", "Name"),))
    assert format.show("{{json .}}", [{"Name": "a", "_labels": {}}], (("NAME", "Name"),)) == '{"Name":"a"}'
