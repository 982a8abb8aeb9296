"""Builds for real: images, stages, instructions and failures; RUN by a chroot so that only the builder is tested."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.build_bench import Bench

from pycompose.engine.build.progress import Finished, Notice, StepFailed
from pycompose.engine.build.stage import StepError
from pycompose.engine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def test_a_small_image(bench: Bench) -> None:
    bench.write({"app/hello.txt": "hello"})
    image = bench.build(
        """FROM busybox
LABEL a=b c="d e"
ENV PATH=/opt/bin:$PATH GREETING=hi
WORKDIR /srv/app
COPY app/ .
RUN echo "$GREETING $BASE" > out && pwd
EXPOSE 80 53/udp
VOLUME /data
USER user
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s CMD true
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo ok"]
""",
        tags=("test:one", "two"),
    )
    config = bench.config("test:one")
    process = config["config"]
    assert process["Cmd"] == ["echo ok"]
    assert process["Entrypoint"] == ["/bin/sh", "-c"]
    assert process["Labels"] == {"a": "b", "c": "d e"}
    assert "GREETING=hi" in process["Env"] and "BASE=yes" in process["Env"]
    assert process["Env"][1].startswith("PATH=/opt/bin:/usr/local/sbin") or "PATH=/opt/bin:" in str(process["Env"])
    assert process["WorkingDir"] == "/srv/app"
    assert process["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert process["Volumes"] == {"/data": {}}
    assert process["User"] == "user"
    assert process["StopSignal"] == "SIGQUIT"
    assert process["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000}
    assert bench.listing(image, "srv/app") == {
        "hello.txt": (0o644, 0, 0, "hello"),
        "out": (0o644, 0, 0, "hi yes\n"),
    }
    assert "/srv/app" in bench.output
    layers = [entry for entry in config["history"] if not entry.get("empty_layer")]
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == 4
    assert bench.events[-1] == Finished(image, ("test:one", "two:latest"))


def test_arguments_and_their_scope(bench: Bench) -> None:
    bench.build(
        """ARG BASE=busybox
ARG VERSION=1
FROM $BASE
ARG VERSION
ARG OTHER=${VERSION}-x
ARG TARGETARCH
RUN echo "v=$VERSION o=$OTHER u=$UNDECLARED p=$http_proxy arch=$TARGETARCH"
""",
        args={"VERSION": "7", "UNDECLARED": "no", "http_proxy": "http://proxy"},
    )
    assert "v=7 o=7-x u= p=http://proxy arch=" in bench.output
    assert "arch=\n" not in bench.output


def test_only_needed_stages_are_built_and_copied_from(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox AS base
RUN mkdir /out && echo one > /out/one && ln -s one /out/link && chown 7:8 /out/one
FROM base AS unused
RUN false
FROM busybox AS parallel
RUN echo two > /two
FROM scratch
COPY --from=base /out/ /out/
COPY --from=2 two /renamed
COPY --from=busybox /etc/passwd /
"""
    )
    found = bench.listing(image)
    assert found["out/one"] == (0o644, 7, 8, "one\n")
    assert found["out/link"][3] == "one"
    assert found["renamed"][3] == "two\n"
    assert "passwd" in found
    assert bench.build(target="parallel") != image


def test_heredocs(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox
ENV NAME=world
COPY <<one <<'two' /docs/
hello $NAME
one
raw $NAME
two
RUN <<EOF
echo first > /ran
echo second >> /ran
EOF
RUN cat <<A >> /ran
third
A
RUN <<-EOF
#!/bin/sh
	echo "fourth $0" >> /ran
EOF
"""
    )
    found = bench.listing(image)
    assert found["docs/one"][3] == "hello world\n"
    assert found["docs/two"][3] == "raw $NAME\n"
    assert found["ran"][3] == "first\nsecond\nthird\nfourth /dev/pipes/EOF\n"
    assert "dev/pipes" not in found


def test_onbuild(bench: Bench) -> None:
    bench.write({"f": "x"})
    bench.build("FROM busybox\nONBUILD COPY f /f\nONBUILD RUN cat /f\n", tags=("parent",))
    assert bench.config("parent")["config"]["OnBuild"] == ["COPY f /f", "RUN cat /f"]
    image = bench.build("FROM parent\nRUN echo after\n")
    assert "x" in bench.output and "after" in bench.output
    assert "OnBuild" not in bench.config(image)["config"]
    assert "f" in bench.listing(image)


def test_reset_rules(bench: Bench) -> None:
    bench.build('FROM busybox\nCMD ["a"]\n', tags=("parent",))
    assert "Cmd" not in bench.config(bench.build('FROM parent\nENTRYPOINT ["e"]\n'))["config"]
    config = bench.config(bench.build('FROM parent\nCMD ["c"]\nENTRYPOINT ["e"]\n'))["config"]
    assert config["Cmd"] == ["c"] and config["Entrypoint"] == ["e"]
    config = bench.config(bench.build('FROM parent\nSHELL ["/bin/ash", "-ec"]\nCMD echo x\n'))["config"]
    assert config["Cmd"] == ["/bin/ash", "-ec", "echo x"]


def test_metadata_makes_no_layer(bench: Bench) -> None:
    base = len(bench.images.resolve("busybox").layers)
    image = bench.build("FROM busybox\nENV A=1\nLABEL l=m\nWORKDIR /tmp\nUSER 5\nEXPOSE 1\nCMD x\n", labels={"o": "p"})
    assert len(bench.images.resolve(image).layers) == base
    assert bench.config(image)["config"]["Labels"] == {"l": "m", "o": "p"}
    assert bench.build(labels={"o": "p"}) == image


def test_failure_tells_line_and_output(bench: Bench) -> None:
    with pytest.raises(StepError, match="did not complete successfully: exit code: 3") as caught:
        bench.build("FROM busybox\n\nRUN echo before; \\\n  exit 3\nRUN true\n")
    (failed,) = [event for event in bench.events if isinstance(event, StepFailed)]
    assert failed.code == 3 and failed.output == "before"
    assert "Dockerfile:3" in failed.excerpt and ">>> RUN echo before" in failed.excerpt
    assert caught.value.output == "before"
    assert bench.ran[-1].startswith("RUN echo before")


def test_bad_files_are_refused_before_anything_runs(bench: Bench) -> None:
    with pytest.raises(EngineError, match="dockerfile parse error on line 2: unknown instruction: FOO"):
        bench.build("FROM busybox\nFOO bar\n")
    with pytest.raises(EngineError, match="failed to read dockerfile: open Nothing"):
        bench.build(dockerfile="Nothing")
    with pytest.raises(EngineError, match=r'target stage "buidl" could not be found \(did you mean build'):
        bench.build("FROM busybox AS build\n", target="buidl")
    with pytest.raises(EngineError, match='"/nothing": not found'):
        bench.build("FROM busybox\nCOPY nothing /\n")
    with pytest.raises(EngineError, match="needs to be defined before"):
        bench.build("FROM busybox AS last\nCOPY --from=later /a /\nFROM busybox AS later\n", target="last")
    assert not bench.runner.steps


def test_a_parallel_failure_stops_the_others(bench: Bench) -> None:
    text = """FROM busybox AS a
RUN sleep 0.2; false
FROM busybox AS b
RUN sleep 0.1
RUN sleep 0.3
RUN echo never
FROM busybox
COPY --from=a / /a
COPY --from=b / /b
"""
    with pytest.raises(EngineError, match="exit code: 1"):
        bench.build(text)
    assert "never" not in bench.output


def test_cancel(bench: Bench) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(EngineError, match="cancel"):
        bench.build("FROM busybox\nRUN sleep 5\n", cancel=cancel)
    assert not bench.runner.steps


def test_proxies_are_there_in_both_forms(bench: Bench) -> None:
    """curl reads http_proxy only, others HTTP_PROXY. What the image sets stays."""
    bench.build(
        "FROM busybox\nENV no_proxy=image\nRUN env | grep -i proxy | sort | tr '\\n' ' '\n",
        args={"HTTP_PROXY": "http://p:1", "NO_PROXY": "arg", "https_proxy": "s"},
    )
    assert (
        "HTTPS_PROXY=s HTTP_PROXY=http://p:1 NO_PROXY=arg http_proxy=http://p:1 https_proxy=s no_proxy=image"
        in bench.output
    )


def test_notices(bench: Bench) -> None:
    bench.build(
        "# check=skip=JSONArgsRecommended\nFROM busybox\nMAINTAINER me\nCMD x\n",
        args={"NOBODY": "1", "http_proxy": "x"},
    )
    texts = [event.text for event in bench.events if isinstance(event, Notice)]
    assert texts == [
        "Maintainer instruction is deprecated in favor of using label",
        "One or more build-args [NOBODY] were not consumed",
    ]
    with pytest.raises(EngineError, match='invalid check option "bogus"'):
        bench.build("# check=bogus=1\nFROM busybox\n")


def test_a_base_whose_configuration_says_null(bench: Bench) -> None:
    base = bench.images.resolve("busybox")
    config = dict(base.config)
    config["config"] = dict.fromkeys(
        ("Env", "Cmd", "Entrypoint", "Labels", "Volumes", "ExposedPorts", "OnBuild", "Shell")
    )
    bench.images.tag(bench.images.add(config, base.layers).id, "bare")
    image = bench.build("FROM bare\nENV A=1\nLABEL b=c\nEXPOSE 80\nVOLUME /v\nRUN true\nCMD true\n")
    process = bench.config(image)["config"]
    assert process["Labels"] == {"b": "c"} and process["Volumes"] == {"/v": {}} and "A=1" in process["Env"]
