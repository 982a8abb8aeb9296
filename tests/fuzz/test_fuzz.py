"""Bytes of strangers at random: what reads them answers or refuses, and neither crashes, hangs nor grows.

The default run is short: what is kept in tests/data/corpus, the seeds, and some hundred mutations of both. With
``--fuzz-minutes N`` each target gets that long: by atheris (libFuzzer, guided by coverage) where it is installed, else by
mutations alone. New inputs are kept in tests/data/corpus/TARGET only where they have found something.
"""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fuzz_targets import SEEDS, TARGETS

CORPUS = Path(__file__).resolve().parents[1] / "data" / "corpus"
_MEMORY = 700
"""MiB that a fuzzed process may take; imports and the fuzzer itself are 200 of them."""
_ONE_INPUT = 20
"""Seconds that one input may take on a loaded machine."""


def kept(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def mutated(source: random.Random, inputs: list[bytes]) -> bytes:
    """One of the inputs, with a few of its bytes changed, removed, repeated, or taken from another."""
    data = bytearray(source.choice(inputs))
    for _ in range(source.randrange(1, 6)):
        at = source.randrange(len(data) + 1)
        match source.randrange(5):
            case 0:
                data[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del data[at : at + source.randrange(1, 40)]
            case 2:
                data[at:at] = data[at : at + source.randrange(1, 600)]
            case 3:
                data[at : at + 4] = source.choice(
                    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"]
                )
            case 4:
                other = source.choice(inputs)
                data[at:] = other[source.randrange(len(other) + 1) :]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_stays_mended(name: str) -> None:
    for data in (*SEEDS[name], *kept(name)):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name: str) -> None:
    inputs = [*SEEDS[name], *kept(name)]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 62))
    def check(number: int) -> None:
        TARGETS[name](mutated(random.Random(number), inputs))

    check()


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", TARGETS)
def test_for_long(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seconds = round(float(request.config.getoption("--fuzz-minutes")) * 60)
    if importlib.util.find_spec("atheris") is None:
        inputs, source = [*SEEDS[name], *kept(name)], random.Random(time.time_ns())
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            data = mutated(source, inputs)
            (tmp_path / "last").write_bytes(data)
            TARGETS[name](data)
        return
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, data in enumerate((*SEEDS[name], *kept(name))):
        (corpus / f"seed-{number}").write_bytes(data)
    words = [f"-max_total_time={seconds}", f"-timeout={_ONE_INPUT}", f"-rss_limit_mb={_MEMORY}", "-max_len=8192"]
    words += [f"-artifact_prefix={tmp_path}/found-", str(corpus)]
    here = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "support.fuzz_guided", name, *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stderr[-1500:])
    found = [path.name for path in tmp_path.glob("found-*")]
    assert done.returncode == 0, f"{found}: keep it in {CORPUS / name}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
