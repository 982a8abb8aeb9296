"""A value of a create request is parsed once between the request and the program that runs: the engine's calls are counted.

The engine is a real one, under an interpreter of its own whose .pth file counts: an isolated interpreter takes no other hint.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.engine_root import KEEPER, EngineRoot

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

ROOT = Path(__file__).resolve().parents[2]
COUNTER = """
import os, sys, threading

WANTED = {
    ("security.py", "security_options"), ("security.py", "capabilities"), ("healthcheck.py", "Check.from_config"),
    ("probing.py", "parse"), ("types.py", "EndpointRequest.from_docker"), ("types.py", "PortBinding.from_docker"),
    ("validate.py", "restart_policy"), ("container.py", "ContainerSpec.restart"), ("container.py", "Mode.parse"),
    ("container.py", "Link.parse"), ("mounts.py", "parse_bind"), ("mounts.py", "parse_mount"), ("logoptions.py", "check"),
    ("fields.py", "config"), ("fields.py", "host_config"), ("bundle.py", "parse"), ("bundle.py", "configuration"),
}
OUT = os.open(os.environ["PARSE_COUNTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)

def count(frame, event, argument):
    if event == "call":
        code = frame.f_code
        name = code.co_filename.rpartition("/")[2], code.co_qualname
        if name in WANTED:
            os.write(OUT, (name[1] + "\\n").encode())

threading.setprofile(count)
sys.setprofile(count)
"""


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counts") / "counts"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, counts: Path) -> Iterator[EngineRoot]:
    place = tmp_path_factory.mktemp("interpreter")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True, timeout=60)
    packages = next(place.glob("lib/python3*/site-packages"))
    (packages / "parse_counter.py").write_text(COUNTER)
    paths = [str(ROOT), *(path for path in sys.path if Path(path).name == "site-packages")]
    (packages / "paths.pth").write_text("\n".join([*paths, "import parse_counter"]) + "\n")
    with EngineRoot(
        tmp_path_factory.mktemp("engine"), {"PARSE_COUNTS": str(counts)}, (str(place / "bin" / "python"), str(KEEPER))
    ) as running:
        running.import_busybox()
        yield running


def calls(counts: Path) -> Counter[str]:
    """What was called since the last time."""
    found = Counter(counts.read_text().split())
    os.truncate(counts, 0)
    return found


def test_each_value_is_parsed_once(engine: EngineRoot, counts: Path, tmp_path: Path) -> None:
    status, _ = engine.request("POST", "/networks/create", {"Name": "front"})
    assert status == 201
    calls(counts)
    body = {
        "Image": "busybox",
        "Cmd": ["sleep", "60"],
        "Healthcheck": {"Test": ["TCP", "port=80"], "Interval": 60_000_000_000},
        "ExposedPorts": {"81/tcp": {}},
        "HostConfig": {
            "SecurityOpt": ["no-new-privileges:true"],
            "CapDrop": ["NET_RAW"],
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            "Binds": [f"{tmp_path}:/data:ro"],
            "Mounts": [{"Type": "tmpfs", "Target": "/scratch"}],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
            "NetworkMode": "front",
        },
        "NetworkingConfig": {"EndpointsConfig": {"front": {"Aliases": ["www"]}}},
    }
    created = engine.json("POST", "/containers/create?name=once", body)
    once = dict.fromkeys(
        (
            *("config", "host_config", "security_options", "capabilities", "Check.from_config", "parse"),
            *("EndpointRequest.from_docker", "parse_bind", "parse_mount", "check", "restart_policy"),
        ),
        1,
    )
    found = calls(counts)
    assert {name: found[name] for name in once} == once
    assert engine.request("POST", f"/containers/{created['Id']}/start")[0] == 204
    assert engine.json("GET", f"/containers/{created['Id']}/json")["State"]["Health"]["Status"]
    engine.json("GET", "/containers/json?all=1")
    assert engine.request("POST", f"/containers/{created['Id']}/restart?t=0")[0] == 204
    assert engine.request("POST", f"/containers/{created['Id']}/update", LESS)[0] == 200
    later = calls(counts)
    # A start compiles the OCI configuration, twice here; nothing of the request is parsed another time.
    assert later.pop("configuration") == 2
    assert later.pop("PortBinding.from_docker") == 1
    assert later.pop("Mode.parse") <= 3
    assert later.pop("ContainerSpec.restart") == 1
    assert later == {}
    assert engine.request("DELETE", f"/containers/{created['Id']}?force=1")[0] == 204
    assert engine.request("DELETE", "/networks/front")[0] == 204


LESS = {"Memory": 64 << 20, "MemorySwap": -1}


def test_what_a_restarted_engine_reads_is_parsed_once_more(engine: EngineRoot, counts: Path) -> None:
    created = engine.json("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"CapAdd": ["SYS_TIME"]}})
    engine.stop()
    engine.start()
    calls(counts)
    for _ in range(2):
        assert engine.request("POST", f"/containers/{created['Id']}/start")[0] == 204
        assert engine.request("POST", f"/containers/{created['Id']}/stop?t=0")[0] == 204
    found = calls(counts)
    assert (found["capabilities"], found["security_options"], found["Check.from_config"]) == (1, 1, 1)
    assert found["config"] == found["host_config"] == 0
    assert engine.request("DELETE", f"/containers/{created['Id']}")[0] == 204
