"""What is to be built: a ``build`` section made complete, from a service or from flags. Nothing here speaks to an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .. import files
from ..contents import file_content
from ..dataclass import dataclass, field
from ..errors import OperationError
from ..labels import COMPATIBLE_VERSION, PROJECT, SERVICE, VERSION, image_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..model import Project
    from ..model.build import Build
    from .trees import BuildFlags, BuildOutput


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """``tree`` has absolute paths; ``secrets`` are bytes by id; ``environment`` is where arguments without a value come from;
    ``memory`` is a limit in bytes; ``name`` the service's, for errors; ``context_tar`` a file that is the context in place of a directory."""

    tree: Build
    tags: Sequence[str] = ()
    platforms: Sequence[str] = ()
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    name: str = ""
    context_tar: str = ""
    output: BuildOutput | None = None


def service_request(project: Project, name: str, flags: BuildFlags, host: Callable[[], str]) -> BuildRequest:
    """The build of service ``name``. ``host`` tells the engine's platform, if it has to be known. Raises `OperationError`."""
    service = project.services[name]
    tree = service_tree(project, name, flags)
    ref = image_name(project, name)
    default = service.get("platform") or project.environment.get("DOCKER_DEFAULT_PLATFORM", "")
    return BuildRequest(
        tree,
        tags=[ref, *(tag for tag in tree.get("tags", ()) if tag != ref)],
        platforms=_platforms(tree.get("platforms", ()), default, host, every=flags.get("every_platform", False)),
        secrets=_secrets(project, tree),
        environment=project.environment,
        memory=flags.get("memory"),
        name=name,
    )


def service_tree(project: Project, name: str, flags: BuildFlags) -> Build:
    """The service's build section with what flags say, its context absolute, and labels that say whose image it is."""
    directory = str(project.directory)
    own = {PROJECT: project.name, SERVICE: name, VERSION: COMPATIBLE_VERSION}
    tree: Build = {"context": directory, **project.services[name]["build"]}
    tree["args"] = {**tree.get("args", {}), **flags.get("args", {})}
    tree["labels"] = {**tree.get("labels", {}), **own}
    tree["no_cache"] = tree.get("no_cache", False) or flags.get("no_cache", False)
    tree["pull"] = tree.get("pull", False) or flags.get("pull", False)
    if flags.get("ssh"):
        tree["ssh"] = flags["ssh"]
    if (provenance := flags.get("provenance")) is not None:
        tree["provenance"] = provenance
    if (sbom := flags.get("sbom")) is not None:
        tree["sbom"] = sbom
    if contexts := tree.get("additional_contexts"):
        tree["additional_contexts"] = {key: _context(project, value) for key, value in contexts.items()}
    if sources := tree.get("cache_from"):
        tree["cache_from"] = [absolute_cache(one, "src", directory) for one in sources]
    if targets := tree.get("cache_to"):
        tree["cache_to"] = [absolute_cache(one, "dest", directory) for one in targets]
    return tree


def _platforms(wanted: Sequence[str], default: str, host: Callable[[], str], *, every: bool) -> list[str]:
    return list(wanted) if every and wanted else one_platform(wanted, default, host)


def one_platform(wanted: Sequence[str], default: str, host: Callable[[], str]) -> list[str]:
    """The platform to build for, of those that ``build.platforms`` names: the service's own or the environment's
    (``default``), else that of the engine's machine, else the only one. Empty for the engine's choice. Raises
    `OperationError`."""
    if not wanted:
        return [default] if default else []
    if default in wanted:
        return [default]
    if len(wanted) == 1:
        return list(wanted)
    own = host()
    found = next((one for one in wanted if one == own or one.startswith(f"{own}/")), None)
    if found is None:
        raise OperationError(
            f"what is built to be run is for one platform, and none of {', '.join(wanted)} is this machine's ({own}):"
            " choose one with platform"
        )
    return [found]


def absolute_cache(text: str, key: str, directory: str) -> str:
    """A cache source or target with its directory below ``directory`` made absolute: the engine runs elsewhere."""
    if not text.startswith("type=local"):
        return text
    parts = [item.partition("=") for item in text.split(",")]
    return ",".join(
        f"{name}={os.path.abspath(os.path.join(directory, value)) if name == key else value}"
        for name, _, value in parts
    )


def _context(project: Project, value: str) -> str:
    """A named context; another service stands for the image it runs."""
    if value.startswith("service:"):
        return f"docker-image://{image_name(project, value.removeprefix('service:'))}"
    return value


def _secrets(project: Project, tree: Build) -> dict[str, bytes]:
    """The bytes of the secrets that the build uses, by id."""
    result: dict[str, bytes] = {}
    for use in tree.get("secrets", ()):
        source = use["source"]
        content = file_content(project, "secrets", source)
        result[use.get("target") or source] = content if content is not None else read(project.secrets[source]["file"])
    return result


def read(path: str) -> bytes:
    try:
        return files.read(path)
    except OSError as error:
        raise OperationError(f"failed to read dockerfile: {path}: {error.strerror}") from error


def extra_hosts(tree: Build) -> list[str]:
    """``name:address``."""
    return [item.replace("=", ":", 1) if "=" in item else item for item in tree.get("extra_hosts", ())]
