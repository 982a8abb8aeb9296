"""How far an attribute `greeting` of a service has got."""

from facts import tell

from pycompose import LoadError, load
from pycompose.compose.convert.bodies import ContainerConfig
from pycompose.compose.convert.container import Facts, create_request
from pycompose.compose.load.conformance import table
from pycompose.compose.model.service import Service
from pycompose.engine.containers.spec.bodies import Config
from pycompose.engine.containers.spec.fields import CONFIG

try:
    project = load("compose.yaml")
except LoadError as error:
    assert "compose.yaml:4:21: unknown key services.web.greeting" in str(error), error
    project = None

tell(
    allowed=lambda: project is not None,
    table=lambda: "services.*.greeting" in {row.key for row in table()},
    typed=lambda: "greeting" in Service.__annotations__,
    bound=lambda: project and project.services["web"].get("greeting"),
    member=lambda: "Greeting" in ContainerConfig.__annotations__,
    body=lambda: project and create_request(project, "web", 1, Facts()).body.get("Greeting"),
    field=lambda: "Greeting" in CONFIG,
    kept=lambda: "Greeting" in Config.__annotations__,
)
