"""BuildKit's build checks on a context that is open: which findings count for this Dockerfile, in every build and for ``--check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

from ..errors import InvalidParameter, NotFound, Unprocessable
from ..images.types import Platform
from .dockerfile.check import check_options
from .dockerfile.errors import excerpt
from .dockerfile.lint import DESCRIPTIONS, Finding, lint
from .evaluation import Surroundings, evaluate
from .progress import Notice
from .state import platform_arguments

if TYPE_CHECKING:
    from ...grammar.ignore import Ignore
    from ..images.service import Images
    from ..images.types import Image
    from .dockerfile import Dockerfile
    from .dockerfile.errors import DockerfileError
    from .options import BuildOptions
    from .progress import Steps

_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"


class CheckWarning(TypedDict):
    ruleName: str
    description: str
    url: str
    detail: str
    line: int
    excerpt: str


class BuildError(TypedDict):
    message: str
    line: NotRequired[int]
    excerpt: NotRequired[str]


class CheckDocument(TypedDict):
    """The JSON that ``--check`` answers with."""

    fails: bool
    warnings: list[CheckWarning]
    buildError: NotRequired[BuildError]


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings on one Dockerfile. ``fails`` says that the Dockerfile wants them to fail the build; ``error`` is what the
    build refuses in any case."""

    dockerfile: Dockerfile
    findings: tuple[Finding, ...]
    fails: bool
    error: DockerfileError | None = None

    def tell(self, steps: Steps) -> None:
        """Warn of each; raise Unprocessable when they fail the build."""
        for one in self.findings:
            steps.emit(Notice(one.message, one.span.first, one.rule))
        if self.fails and self.findings:
            rules = ", ".join(dict.fromkeys(one.rule for one in self.findings))
            raise Unprocessable(f"lint violation found for rules: {rules}")

    def document(self) -> CheckDocument:
        """The JSON that ``--check`` answers with."""
        source, name = self.dockerfile.source, self.dockerfile.name
        document: CheckDocument = {
            "fails": self.error is not None or (self.fails and bool(self.findings)),
            "warnings": [
                {
                    "ruleName": one.rule,
                    "description": DESCRIPTIONS[one.rule],
                    "url": one.url,
                    "detail": one.message,
                    "line": one.span.first,
                    "excerpt": excerpt(source, one.span, name),
                }
                for one in self.findings
            ],
        }
        if self.error is not None:
            refused: BuildError = {"message": str(self.error)}
            if self.error.span is not None:
                refused["line"], refused["excerpt"] = self.error.span.first, excerpt(source, self.error.span, name)
            document["buildError"] = refused
        return document


def checked(
    dockerfile: Dockerfile, options: BuildOptions, images: Images, ignore: Ignore | None, *, every: bool
) -> Checked:
    """Look at a Dockerfile as a build with these options takes it; at ``every`` stage, or at what its target needs. Raises
    DockerfileError for a ``check`` directive without meaning."""
    wanted = check_options(dockerfile, options.args.get(_ARGUMENT, ""))
    platform = Platform.parse(options.platforms[0]) if options.platforms else Platform.host()

    def base(reference: str) -> Image | None:
        try:
            return images.resolve(reference)
        except (NotFound, InvalidParameter):
            return None

    around = Surroundings(
        predefined=platform_arguments(Platform.host(), platform, options.target, options.args),
        given=options.args,
        image=base,
        ignore=ignore,
        target=options.target,
        every=every,
        contexts=options.contexts,
    )
    valued, error = evaluate(dockerfile, around)
    found = sorted({*lint(dockerfile), *valued}, key=lambda one: (one.span, one.rule, one.message))
    return Checked(dockerfile, tuple(one for one in found if wanted.wants(one)), wanted.error, error)
