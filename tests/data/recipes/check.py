"""How far a health check `x-alive` has got."""

from pathlib import Path

import anyio
from facts import tell

from pycompose import LoadError, load
from pycompose.compose.convert.healthcheck import healthcheck
from pycompose.compose.load.conformance import table
from pycompose.compose.model.service import HealthCheck
from pycompose.engine.containers.life import probes
from pycompose.engine.containers.spec import probing
from pycompose.engine.containers.spec.healthcheck import Check

FILE = "name: demo\nservices:\n  web: {image: box, healthcheck: {x-alive: VALUE}}\n"


def loaded(value: str) -> object:
    Path("check.yaml").write_text(FILE.replace("VALUE", value))
    return load("check.yaml").services["web"]


def checked() -> bool:
    """Whether a value of another type than its own is refused."""
    try:
        loaded("[7]")
    except LoadError as error:
        assert "x-alive" in str(error), error
        return True
    return False


def verdict() -> object:
    """What the first probe says."""

    async def probed() -> object:
        check = Check((), own=probing.AliveProbe())
        async with probes.opened(None, None, check) as prober:
            await prober.due(lambda: False)
            probe = await prober.probe()
            return probe and probe.output

    try:
        return anyio.run(probed)
    except RuntimeError as error:
        assert str(error) == "generator didn't yield"
        return None


tell(
    checked=checked,
    table=lambda: "services.*.healthcheck.x-alive" in {row.key for row in table()},
    typed=lambda: "x-alive" in HealthCheck.__annotations__,
    test=lambda: (healthcheck(loaded("true"), (1, 44)) or {}).get("Test"),
    value=lambda: probing.AliveProbe.__name__,
    read=lambda: probing.is_own(["ALIVE"]) and type(probing.parse(["ALIVE"])).__name__,
    prober=lambda: probes._Alive.once,
    verdict=verdict,
)
