"""What is attested of a build: package databases as they are written, statements as in-toto, SLSA and SPDX have them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pycompose.engine.build import attest
from pycompose.engine.build.options import BuildOptions, EmptyContext
from pycompose.engine.images.types import Image, Platform

_STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u4
Description: GNU C Library
 with: a colon in its continuation

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: odd
Status: install ok installed
"""
_APK = "P:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\n\nP:busybox\nV:1.36\nA:x86_64\n\nX:nothing\n"


def _built(*names: str) -> attest.Built:
    base = Image(f"sha256:{'b' * 64}", {}, ())
    bases = [("docker.io/library/busybox:latest", base)]
    return attest.Built(f"sha256:{'a' * 64}", names, Platform("linux", "arm64"), bases, "0" * 32, 10**18, 2 * 10**18)


def test_package_databases() -> None:
    debian = list(attest.dpkg(_STATUS, "debian"))
    assert [(one.name, one.version) for one in debian] == [("libc6", "2.36-9+deb12u4"), ("odd", "")]
    assert debian[0].url == "pkg:deb/debian/libc6@2.36-9+deb12u4?arch=amd64"
    assert [one.url for one in attest.apk(_APK, "alpine")] == [
        "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64",
        "pkg:apk/alpine/busybox@1.36?arch=x86_64",
    ]
    assert list(attest.dpkg("", "debian")) == list(attest.apk("\0\n\n:", "x")) == []


@pytest.mark.parametrize(("mode", "told"), [("min", False), ("max", True)])
def test_arguments_are_told_in_full_provenance_only(mode: str, told: bool) -> None:
    options = BuildOptions(
        context=EmptyContext(), args={"TOKEN": "x"}, secrets={"s": b"secret"}, target="t", provenance=mode
    )
    predicate: Any = attest.provenance(_built(), options, "1")
    text = json.dumps(predicate)
    assert ("TOKEN" in text) is told and 'secret"' not in text.replace('"secrets"', "")
    definition = predicate["buildDefinition"]
    assert definition["externalParameters"]["request"]["args"]["target"] == "t"
    assert definition["resolvedDependencies"] == [
        {
            "uri": "pkg:docker/docker.io/library/busybox@latest?platform=linux%2Farm64",
            "digest": {"sha256": "b" * 64},
        }
    ]
    assert predicate["runDetails"]["metadata"]["finishedOn"] == "2033-05-18T03:33:20Z"


def test_a_statement_is_about_the_image() -> None:
    body = json.loads(attest.statement(_built("docker.io/me/app:1"), attest.SPDX, {"x": 1}))
    assert body["_type"] == "https://in-toto.io/Statement/v1"
    (subject,) = body["subject"]
    assert subject["digest"] == {"sha256": "a" * 64}
    assert subject["name"] == "pkg:docker/docker.io/me/app@1?platform=linux%2Farm64"
    assert json.loads(attest.statement(_built(), attest.SPDX, {}))["subject"][0]["name"] == "_"


def test_an_spdx_document_names_each_package_once() -> None:
    document: Any = attest.spdx(_built("docker.io/me/app:1"), list(attest.apk(_APK, "alpine")), "1")
    assert document["spdxVersion"] == "SPDX-2.3" and document["name"] == "docker.io/me/app:1"
    assert [one["SPDXID"] for one in document["packages"]] == ["SPDXRef-Package-1", "SPDXRef-Package-2"]
    assert {one["relatedSpdxElement"] for one in document["relationships"]} == {
        "SPDXRef-Package-1",
        "SPDXRef-Package-2",
    }
    assert document["creationInfo"]["created"].endswith("Z")
