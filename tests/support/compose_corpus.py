"""Compose files by the hundred, made from the schemas by chance that repeats itself: sound ones and broken ones, in every style of YAML.

Values are of the kinds that the schemas admit, names refer to what is there or (seldom) to what is not, variables are set, unset or
wanted; then one file in three is damaged as people damage them while they type.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import yaml

from .schema_walk import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = ("web", "db", "cache-1", "a.b", "Box_2", "worker")
TEXTS = (
    "box",
    "a b",
    "10s",
    "1m30s",
    "64m",
    "8080:80",
    "no",
    "1.5",
    "0x1f",
    "ünï \U0001f600",
    "~",
    "'",
    "- x",
    "#x",
    "${",
    "$$x",
)
VARIABLES = (
    "${MODE}",
    "${MODE:-fast}",
    "${MODE-}",
    "$MODE",
    "${SET:+on}",
    "${GONE:?say which}",
    "${A:-${B:-c}}",
    "$${x}",
)
SOUND: dict[str, tuple[Any, ...]] = {
    "annotations": ({"a": "b"}, ["a=b"]),
    "blkio_config": ({"weight": 300},),
    "build": (".", {"context": ".", "args": {"A": 1}}, {"context": "x", "dockerfile_inline": "FROM box\nRUN true\n"}),
    "cap_add": (["NET_ADMIN"], ["ALL"]),
    "command": ("sleep 600", ["sh", "-c", "echo $$HOME"], None),
    "container_name": ("own", "${MODE:-own}"),
    "cpus": (0.5, "1.5"),
    "deploy": ({"replicas": 2}, {"resources": {"limits": {"memory": "64m", "cpus": "0.5"}}}),
    "develop": ({"watch": [{"path": ".", "action": "rebuild"}]},),
    "devices": (["/dev/null"], ["/dev/null:/dev/zero:r"]),
    "dns": ("9.9.9.9", ["9.9.9.9", "1.1.1.1"]),
    "environment": (
        {"A": "b", "N": 1, "B": True, "E": None},
        ["A=b", "PLAIN"],
        {"V": "${MODE:-fast}", "U": "ü \U0001f600"},
    ),
    "expose": ([80], ["80-82/tcp"]),
    "extra_hosts": (["a:1.2.3.4"], {"a": "::1"}),
    "healthcheck": ({"test": ["CMD", "true"], "interval": "10s", "retries": 3}, {"test": "true"}, {"disable": True}),
    "hostname": ("host-1",),
    "init": (True, False),
    "labels": ({"a.b": "c"}, ["a.b=c"], {"n": 1}),
    "logging": ({"driver": "json-file", "options": {"max-size": "1m"}},),
    "mem_limit": ("64m", 67108864),
    "ports": (["8080:80"], ["127.0.0.1:53:53/udp"], [{"target": 80, "published": "8000-8010"}], [80]),
    "post_start": ([{"command": ["true"]}],),
    "profiles": (["debug"], []),
    "pull_policy": ("never", "missing"),
    "read_only": (True, False),
    "restart": ("always", "no", "on-failure:3", "unless-stopped"),
    "shm_size": ("64m", 1000),
    "stop_grace_period": ("10s", "1m30s", "0s"),
    "sysctls": ({"net.core.somaxconn": 1024}, ["net.core.somaxconn=1024"]),
    "tmpfs": ("/run", ["/run:size=1m"]),
    "ulimits": ({"nofile": 1024}, {"nofile": {"soft": 1, "hard": 2}}),
    "user": ("1000:1000", "nobody"),
    "volumes": (
        ["./x:/x:ro"],
        ["/anonymous"],
        [{"type": "tmpfs", "target": "/t"}],
        [{"type": "bind", "source": ".", "target": "/b"}],
    ),
    "working_dir": ("/srv",),
}
"""Values of each key that are as they should be."""


def files(count: int, seed: int = 18) -> Iterator[tuple[str, bytes]]:
    """A short name for each, and its content."""
    for number in range(count):
        chance = Random(f"{seed} {number}")
        text = _written(_tree(chance), chance)
        name = "sound"
        if number % 3 == 2:
            damage = DAMAGES[number // 3 % len(DAMAGES)]
            name, text = damage.__name__.strip("_"), damage(text, chance)
        data = text.encode("utf-8", "surrogatepass")
        if number % 17 == 3:
            data = b"\xef\xbb\xbf" + data
        if number % 11 == 5:
            data = data.replace(b"\n", b"\r\n")
        yield f"{number}-{name}", data


def _tree(chance: Random) -> dict[str, Any]:
    schema, file = resolve({"$ref": "service.json#/$defs/service"}, "service.json")
    tree: dict[str, Any] = {"services": {}}
    if chance.random() < 0.6:
        tree["name"] = chance.choice(("demo", "a-b", "demo", "${MODE:-demo}", "Wrong Name"))
    for kind, one in (
        ("networks", {}),
        ("volumes", None),
        ("configs", {"content": "x"}),
        ("secrets", {"environment": "S"}),
    ):
        if chance.random() < 0.5:
            tree[kind] = {f"{kind[0]}1": one, f"{kind[0]}2": {"external": True}}
    services = chance.sample(NAMES, chance.randint(1, 4))
    for name in services:
        service: dict[str, Any] = (
            {} if chance.random() < 0.1 else {"image": chance.choice(("box", "box:1", "${IMAGE:-box}"))}
        )
        for key in chance.sample(sorted(SOUND), chance.randint(0, 6)):
            service[key] = chance.choice(SOUND[key])
        if chance.random() < 0.12:
            key = chance.choice(sorted(schema["properties"]))
            service[key] = _value(schema["properties"][key], file, chance, 0)
        others = services[: services.index(name)]
        others += ["nobody"] if chance.random() < 0.05 else []
        if others and chance.random() < 0.5:
            wanted = chance.sample(others, min(len(others), chance.randint(1, 2)))
            service["depends_on"] = (
                wanted if chance.random() < 0.5 else {one: {"condition": "service_healthy"} for one in wanted}
            )
        if chance.random() < (0.4 if "networks" in tree else 0.02):
            service["networks"] = ["n1"] if chance.random() < 0.5 else {"n1": {"aliases": ["x"]}, "default": None}
        for kind in ("configs", "secrets"):
            if kind in tree and chance.random() < 0.4:
                service[kind] = (
                    [f"{kind[0]}1"] if chance.random() < 0.5 else [{"source": f"{kind[0]}1", "target": "/k"}]
                )
        if others and chance.random() < 0.1:
            service["extends"] = {"service": chance.choice(others)}
        tree["services"][name] = service
    if chance.random() < 0.2:
        tree["x-more"] = {"any": ["thing", 1, None]}
    return tree


def _value(node: dict[str, Any], file: str, chance: Random, depth: int) -> Any:
    """A value that the schema admits, seldom one that it does not."""
    node, file = resolve(node, file)
    if chance.random() < 0.03:
        return chance.choice(({"k": 1}, ["x"], True, None, -1, "wrong"))
    forms = [*node.get("oneOf", ()), *node.get("anyOf", ())]
    if forms:
        return _value(chance.choice(forms), file, chance, depth)
    if "enum" in node:
        return chance.choice(node["enum"])
    kind = node.get("type", "string")
    kind = chance.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        return _mapping(node, file, chance, depth)
    if kind == "array":
        if depth > 4:
            return []
        return [_value(node.get("items", {}), file, chance, depth + 1) for _ in range(chance.randint(0, 2))]
    if kind == "string":
        return chance.choice(VARIABLES if chance.random() < 0.2 else TEXTS)
    return {"boolean": chance.random() < 0.5, "null": None, "number": 1.5}.get(kind, chance.randint(0, 9))


def _mapping(node: dict[str, Any], file: str, chance: Random, depth: int) -> dict[str, Any]:
    known = node.get("properties", {})
    wanted = set(node.get("required", ()))
    if known and depth < 4:
        wanted |= set(chance.sample(sorted(known), min(len(known), chance.randint(1, 3))))
    found = {name: _value(known[name], file, chance, depth + 1) for name in sorted(wanted) if name in known}
    below = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    free = [one for one in below if isinstance(one, dict)]
    if free and not known and depth < 4:
        found |= {f"k{at}": _value(free[0], file, chance, depth + 1) for at in range(chance.randint(0, 2))}
    return found


def _written(tree: dict[str, Any], chance: Random) -> str:
    style = chance.choice((False, False, None, True))
    text = yaml.safe_dump(
        tree, default_flow_style=style, allow_unicode=True, sort_keys=False, width=chance.choice((60, 500))
    )
    if chance.random() < 0.3:
        text = f"# a comment, \U0001f600\n{text}\n# the end"
    if style is False and chance.random() < 0.3:
        merged = "x-base: &base\n  restart: always\n  labels: {a: b}\n"
        text = merged + text.replace("    image:", "    <<: *base\n    image:", 1)
    if chance.random() < 0.1:
        text = f"{text}---\nservices: {{late: {{image: box}}}}\n"
    return text


def _cut(text: str, chance: Random) -> str:
    return text[: chance.randint(0, len(text))]


def _tab(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: "\t" + line)


def _typo(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: line.replace(":", "x:", 1))


def _no_colon(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: line.replace(":", "", 1))


def _indented(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: " " + line)


def _twice(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: f"{line}\n{line}")


def _quote(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: line + ' "')


def _alias(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: line.split(":")[0] + ": *nowhere")


def _control(text: str, chance: Random) -> str:
    return _at_a_line(text, chance, lambda line: line + "\x07")


def _at_a_line(text: str, chance: Random, change: Callable[[str], str]) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    lines[at] = change(lines[at])
    return "\n".join(lines)


DAMAGES = (_cut, _tab, _typo, _no_colon, _indented, _twice, _quote, _alias, _control)
