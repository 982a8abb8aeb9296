"""What is attested of a build, on request: where an image came from (SLSA provenance 1.0) and what is in it (SPDX 2.3), each an
in-toto statement about the image. Pure but for ``packages``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..timestamps import rfc3339
from .contexts import open_directory, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ..images.types import Image, Platform
    from .options import BuildOptions

_STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"
_BUILD_TYPE = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
_LARGEST = 64 << 20  # of a package database
_MOST = 50_000  # packages


@dataclass(frozen=True, slots=True)
class Built:
    """An image and how it came to be; times in nanoseconds since the epoch, ``bases`` the images that it was made from."""

    image: str
    names: Sequence[str]
    platform: Platform
    bases: Sequence[tuple[str, Image]]
    id: str
    started: int
    finished: int


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package; ``kind`` is that of a package URL (deb, apk), ``system`` its distribution."""

    kind: str
    system: str
    name: str
    version: str
    architecture: str

    @property
    def url(self) -> str:
        """Its package URL (github.com/package-url/purl-spec)."""
        version = quote(self.version, safe=".+-_~:")
        return f"pkg:{self.kind}/{self.system}/{quote(self.name)}@{version}?arch={quote(self.architecture)}"


def statement(built: Built, predicate_type: str, predicate: Mapping[str, object]) -> bytes:
    digest = {"sha256": built.image.removeprefix("sha256:")}
    platform = quote(str(built.platform), safe="")
    subjects = [{"name": f"{_url(name)}?platform={platform}", "digest": digest} for name in built.names]
    body = {
        "_type": _STATEMENT,
        "predicateType": predicate_type,
        "subject": subjects or [{"name": "_", "digest": digest}],
    }
    return json.dumps({**body, "predicate": predicate}, separators=(",", ":"), ensure_ascii=False).encode()


def _url(name: str) -> str:
    repository, _, tag = name.partition("@")[0].rpartition(":")
    return f"pkg:docker/{quote(repository or name.partition('@')[0], safe='/')}@{quote(tag)}"


def provenance(built: Built, options: BuildOptions, version: str) -> dict[str, object]:
    """The predicate. Arguments and labels may say more than everybody should know: mode=max tells them, mode=min does not.
    Secrets are named and never told."""
    whole = options.provenance == "max"
    asked: dict[str, object] = {"frontend": "dockerfile.v0"}
    args = {"target": options.target} if options.target else {}
    if whole:
        args |= {f"build-arg:{name}": value for name, value in options.args.items()}
        args |= {f"label:{name}": value for name, value in options.labels.items()}
    if args or whole:
        asked["args"] = args
    if whole:
        asked["secrets"] = [{"id": name} for name in sorted(options.secrets)]
        asked["ssh"] = [{"id": name} for name in sorted(options.ssh)]
    materials = [
        {"uri": f"{_url(name)}?platform={quote(str(built.platform), safe='')}", "digest": {"sha256": base.id[7:]}}
        for name, base in built.bases
    ]
    times = {"startedOn": rfc3339(built.started), "finishedOn": rfc3339(built.finished)}
    return {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": {"configSource": {"path": options.dockerfile}, "request": asked},
            "internalParameters": {"builderPlatform": str(built.platform)},
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": {"id": "", "version": {"pycompose": version}},
            "metadata": {
                "invocationID": built.id,
                **times,
                "buildkit_hermetic": options.network == "none",
                "buildkit_completeness": {"request": whole, "resolvedDependencies": False},
            },
        },
    }


def spdx(built: Built, found: Sequence[Package], version: str) -> dict[str, object]:
    """The predicate: an SPDX 2.3 document of the packages that the image's package managers know."""
    name = built.names[0] if built.names else built.image
    packages = [
        {
            "SPDXID": f"SPDXRef-Package-{number}",
            "name": one.name,
            "versionInfo": one.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": one.url}
            ],
        }
        for number, one in enumerate(found, 1)
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://pycompose.invalid/spdx/{built.image.removeprefix('sha256:')}-{built.id}",
        "creationInfo": {
            "created": f"{rfc3339(built.finished)[:19]}Z",
            "creators": [f"Tool: pycompose-{version}"],
        },
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": one["SPDXID"]}
            for one in packages
        ],
    }


# the image's packages ----------------------------------------------------------------------------------------------------
def packages(root: Path) -> list[Package]:
    """The packages that are installed below ``root``, by dpkg's and apk's own records, in order of their names."""
    with open_directory(root, "image") as tree:
        release = (read_file(tree, "etc/os-release", _LARGEST) or b"").decode("utf-8", "replace")
        debian = (read_file(tree, "var/lib/dpkg/status", _LARGEST) or b"").decode("utf-8", "replace")
        alpine = (read_file(tree, "lib/apk/db/installed", _LARGEST) or b"").decode("utf-8", "replace")
    system = _distribution(release)
    found = {*dpkg(debian, system or "debian"), *apk(alpine, system or "alpine")}
    return sorted(found, key=lambda one: (one.name, one.version, one.architecture))[:_MOST]


def _distribution(release: str) -> str:
    for line in release.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "ID":
            return value.strip().strip("\"'")
    return ""


def dpkg(status: str, system: str) -> Iterator[Package]:
    """The packages that a dpkg status file has as installed."""
    for paragraph in status.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in paragraph.splitlines() if line[:1] not in (" ", "\t"))
        if fields.get("Status", "").endswith(" installed") and fields.get("Package"):
            yield Package("deb", system, fields["Package"], fields.get("Version", ""), fields.get("Architecture", ""))


def apk(installed: str, system: str) -> Iterator[Package]:
    """The packages of apk's database of installed ones."""
    for paragraph in installed.split("\n\n"):
        fields = dict(line.partition(":")[::2] for line in paragraph.splitlines())
        if fields.get("P"):
            yield Package("apk", system, fields["P"], fields.get("V", ""), fields.get("A", ""))
