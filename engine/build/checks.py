"""BuildKit's build checks on a context that is open: which findings count for this Dockerfile, in every build and for ``--check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidParameter, NotFound, Unprocessable
from .dockerfile.check import check_options
from .dockerfile.errors import excerpt
from .dockerfile.lint import DESCRIPTIONS, Finding, lint
from .progress import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..images.service import Images
    from .dockerfile import Dockerfile
    from .dockerfile.ignore import Ignore
    from .progress import Steps

_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings on one Dockerfile. ``fails`` says that the Dockerfile wants them to fail the build."""

    dockerfile: Dockerfile
    findings: tuple[Finding, ...]
    fails: bool

    def tell(self, steps: Steps) -> None:
        """Warn of each; raise Unprocessable when they fail the build."""
        for one in self.findings:
            steps.emit(Notice(one.message, one.span.first, one.rule))
        if self.fails and self.findings:
            rules = ", ".join(dict.fromkeys(one.rule for one in self.findings))
            raise Unprocessable(f"lint violation found for rules: {rules}")

    def document(self) -> dict[str, Any]:
        """The JSON that ``--check`` answers with."""
        return {
            "error": self.fails and bool(self.findings),
            "warnings": [
                {
                    "ruleName": one.rule,
                    "description": DESCRIPTIONS[one.rule],
                    "url": one.url,
                    "detail": one.message,
                    "line": one.span.first,
                    "excerpt": excerpt(self.dockerfile.source, one.span, self.dockerfile.name),
                }
                for one in self.findings
            ],
        }


def checked(
    dockerfile: Dockerfile,
    arguments: Mapping[str, str],
    predefined: Mapping[str, str],
    images: Images,
    ignore: Ignore | None,
) -> Checked:
    """Look at a Dockerfile. ``arguments`` are the build's. Raises DockerfileError for a ``check`` directive without meaning."""
    options = check_options(dockerfile, arguments.get(_ARGUMENT, ""))

    def base(reference: str) -> dict[str, str] | None:
        try:
            process = images.resolve(reference).process
        except (NotFound, InvalidParameter):
            return None
        return dict(item.partition("=")[::2] for item in process.get("Env") or ())

    found = tuple(one for one in lint(dockerfile, predefined, base, ignore) if options.wants(one))
    return Checked(dockerfile, found, options.error)
