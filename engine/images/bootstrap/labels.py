"""The configuration of a bootstrapped image, with labels that say where it came from. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...timestamps import rfc3339

if TYPE_CHECKING:
    from ..bodies import ImageConfig
    from ..types import Platform
    from .base import Base
    from .suites import Distribution

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PREFIX = "io.pycompose.bootstrap."
TOOL = "pycompose bootstrap 1"


def bootstrap_config(distribution: Distribution, base: Base, platform: Platform) -> ImageConfig:
    """An OCI image configuration without its layers."""
    main = base.releases[0]
    created = rfc3339(time.time_ns())
    dates = ", ".join(f"{release.source.suite} {release.date:%Y-%m-%dT%H:%M:%SZ}" for release in base.releases)
    config: ImageConfig = {
        "created": created,
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {
            "Env": [f"PATH={_PATH}"],
            "Cmd": ["bash"],
            "Labels": {
                f"{PREFIX}distribution": distribution.name,
                f"{PREFIX}suite": main.codename or main.suite,
                f"{PREFIX}date": dates,
                f"{PREFIX}mirror": main.source.mirror,
                f"{PREFIX}key": ", ".join(dict.fromkeys(release.fingerprint for release in base.releases)),
                f"{PREFIX}tool": TOOL,
            },
        },
        "history": [
            {
                "created": created,
                "created_by": f"# {TOOL}: {distribution.name} {main.codename or main.suite}"
                + (" slim" if distribution.slim else "")
                + f", {len(base.packages)} packages",
            }
        ],
    }
    if platform.variant:
        config["variant"] = platform.variant
    return config
