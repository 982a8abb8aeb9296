"""Every verb against an engine that answers what no engine should: words and an exit code, whatever comes."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from support.scripted_engine import Exchange, ScriptedEngine

from pycompose import __version__
from pycompose.compose.cli.main import main
from pycompose.compose.cli.show.fault import WORDS
from pycompose.compose.client.answers import ANYTHING, Answer, Shape, check, decoded
from pycompose.compose.client.system import _INFO
from pycompose.compose.errors import EngineError
from pycompose.grammar.jsontree import mapping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pycompose.grammar.jsontree import Json

# A command's connections end with its process, which is the test's here.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

JSON = "application/json"


def page(body: bytes, kind: str = JSON, status: int = 200, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


HTML = b"<html>\n<body>\n<h1>Bad\nGateway</h1></body></html>"
WRONG_ROW = (
    b'{"Id":5,"ID":5,"Name":[],"Names":"x","Labels":7,"State":[],"Ports":{},"Config":3,"Mounts":{},"Created":{}}'
)
ANSWERS = {
    "a page": page(HTML, "text/html"),
    "an error page": page(HTML, "text/html", 502),
    "nothing": page(b""),
    "half of JSON": page(b'{"Id": "a'),
    "deep JSON": page(b"[" * 20_000),
    "null": page(b"null"),
    "a number": page(b"7"),
    "a text": page(b'"x"'),
    "an empty list": page(b"[]"),
    "an empty object": page(b"{}"),
    "nulls": page(b"[null]"),
    "lists": page(b"[[]]"),
    "empty objects": page(b"[{}]"),
    "an object of wrong types": page(WRONG_ROW),
    "objects of wrong types": page(b"[" + WRONG_ROW + b"]"),
    "not UTF-8": page(b'{"Id": "\xff\xfe"}'),
    "an unpaired surrogate": page(b'[{"Id": "\\ud800", "Names": ["\\ud800"], "Labels": {}}]'),
    "a body cut off": page(b"[{", length=100),
    "no length": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "an error of another shape": page(b'{"message": {"a": [1]}}', status=500),
    "an error that is a list": page(b"[1]", status=409),
}

VERBS = [
    line.split()
    for line in """\
attach web|commit web x|cp web:/a .|create|down|env|events --json|exec web true|export web -o out|graph --format text|images|kill|logs|ls
pause|plan|port web 80|ps|pull|push|restart|rm -f|run web true|scale web=2|start|stats --no-stream|stop|top|unpause
up -d|up|volumes|wait web|login -u a -p b localhost|search x
container attach x|container commit x y|container cp x:/a .|container create busybox|container diff x|container exec x true
container export x -o out|container inspect x|container kill x|container logs x|container ls|container pause x
container port x|container prune -f|container rename x y|container restart x|container rm x|container run busybox
container start x|container stats --no-stream x|container stop x|container top x|container unpause x
container update --memory 10m x|container wait x|engine status|engine stop|image history x|image import compose.yaml x
image inspect x|image load -i compose.yaml|image ls|image prune -f|image pull x|image push x|image rm x|image save x -o out
image tag x y|lease ls|lease end x|network connect x y|network create x|network disconnect x y|network inspect x
network ls|network prune -f|network rm x|snapshot ls|snapshot save x|snapshot restore x|snapshot rm x|system df
system df -v|system events --until 1|system info|system prune -f|volume create x|volume inspect x|volume ls|volume prune -f
volume rm x|volume export x -o out|volume import x compose.yaml|volume clone x y|volume du|image bootstrap debian:12|builder prune -f""".replace(
        "\n", "|"
    ).split("|")
]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "compose.yaml").write_text(
        "name: demo\nservices:\n  web:\n    image: busybox\n    ports: ['80']\n    volumes: ['data:/data']\nvolumes: {data: }\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYCOMPOSE_HOST", f"unix://{tmp_path}/engine.sock")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> tuple[int, str]:
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", "strict") for name in ("stdin", "stdout")}
    streams["stderr"] = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    with monkeypatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        code = main(words)
        streams["stderr"].flush()
    errors = streams["stderr"].buffer
    assert isinstance(errors, io.BytesIO)
    return code, errors.getvalue().decode()


def once(answer: bytes) -> Callable[[Exchange], None]:
    def reply(exchange: Exchange) -> None:
        exchange.raw(answer)
        exchange.connection.close()

    return reply


@pytest.mark.parametrize("words", VERBS, ids=[" ".join(one) for one in VERBS])
def test_wrong_answers(words: list[str], directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, answer in ANSWERS.items():
        server = f"pycompose/{__version__}"
        with ScriptedEngine(directory, once(answer), version="1.47", server=server):
            code, errors = run(monkeypatch, words)
        assert "Traceback" not in errors and WORDS not in errors, (kind, errors)
        assert 0 <= code < 256, (kind, code)
        assert code == 0 or errors.strip(), kind
        assert all(len(line) < 1000 for line in errors.splitlines()), (kind, errors)


def test_a_field_that_is_missing_is_the_engines_mistake() -> None:
    with pytest.raises(EngineError, match="has no field Id"):
        mapping(decoded(b'{"Name": "x"}', "GET /x", ANYTHING))["Id"]


@pytest.mark.parametrize(
    ("value", "root", "words"),
    [
        ([{"Id": 5}], "objects", r"\[0\]\.Id is a number, not text"),
        ({"Labels": {"a": 1}}, "object", "Labels is an object, not an object of texts or a list of texts"),
        ({"State": {"Running": "yes"}}, "object", "State.Running is text, not true or false"),
        ("x", "object", "it is text, not an object"),
        (None, "objects", "it is nothing, not a list of objects"),
    ],
)
def test_what_is_wrong_is_named(value: Json, root: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        check(value, "GET /x", Shape(root))


def test_labels_may_be_called_like_fields() -> None:
    check({"Labels": {"Id": "5", "Names": "x", "State": "y"}, "Options": {"Size": "1g"}}, "GET /x", Shape("object"))
    namespaces = {"Containers": "moby", "Plugins": "plugins.moby"}  # of dockerd 28
    check({"Containers": 1, "Containerd": {"Namespaces": namespaces}}, "GET /info", _INFO)
    check({"NetworkSettings": {"Networks": {"Names": {"NetworkID": "a"}}}}, "GET /x", Shape("object"))
    assert isinstance(decoded(b"{}", "GET /x", ANYTHING), Answer)
