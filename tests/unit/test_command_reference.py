"""docs/commands.md says what the parsers say; Docker Compose's own flags are all known."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from pycompose.compose.cli.flags.parser import Parser
from pycompose.compose.cli.reference import reference
from pycompose.compose.cli.table import COMPOSE

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"

DOCKER_COMPOSE = {
    "up": "-d --build --no-build --pull --force-recreate --no-recreate --always-recreate-deps --no-deps --no-start --scale"
    " --remove-orphans -V --wait --wait-timeout --abort-on-container-exit --abort-on-container-failure --exit-code-from"
    " --attach --no-attach --attach-dependencies --no-log-prefix --no-color --timestamps -t -w --menu -y --quiet-pull"
    " --quiet-build",
    "down": "-v --rmi --remove-orphans -t",
    "run": "--rm -d -e --env-from-file -v -p -P --use-aliases --entrypoint -u -w -T -i --name --no-deps --build --pull"
    " --cap-add --cap-drop -l --remove-orphans -q --quiet-pull --quiet-build",
    "exec": "-d -e -T -u -w --index --privileged",
    "logs": "-f -n --tail --since --until -t --no-color --no-log-prefix --index",
    "ps": "-a --format --filter --status --services --orphans -q --no-trunc",
    "build": "--build-arg --no-cache --pull --push --with-dependencies --check --print --ssh -m --builder -q --provenance --sbom",
    "watch": "--no-up --prune --quiet",
    "pull": "--policy --include-deps --ignore-pull-failures --ignore-buildable -q",
    "push": "--ignore-push-failures --include-deps -q",
    "create": "--build --no-build --pull --force-recreate --no-recreate --remove-orphans --scale --quiet-pull -y",
    "start": "--wait --wait-timeout",
    "stop": "-t",
    "restart": "-t --no-deps",
    "rm": "-f -s -v",
    "kill": "-s --remove-orphans",
    "wait": "--down-project",
    "cp": "-a -L --index --all",
    "ls": "-a -q --format --filter",
    "scale": "--no-deps",
    "attach": "--detach-keys --index --no-stdin --sig-proxy",
    "commit": "-a -c -m -p --index",
    "events": "--json --since --until",
    "export": "-o --index",
    "images": "--format -q",
    "pause": "",
    "unpause": "",
    "port": "--index --protocol",
    "stats": "-a --format --no-stream --no-trunc",
    "top": "",
    "volumes": "--format -q",
    "version": "-f --short",
    "config": "--format --hash --images --services --volumes --networks --profiles --variables --environment"
    " --no-interpolate --no-normalize --no-path-resolution --no-consistency -o -q"
    " --resolve-image-digests --lock-image-digests",
}


def test_document_is_what_the_parsers_say(update_golden: bool) -> None:
    text = reference()
    if update_golden:
        DOCUMENT.write_text(text)
    assert text == DOCUMENT.read_text()


@pytest.mark.parametrize("verb", sorted(DOCKER_COMPOSE))
def test_every_flag_of_docker_compose(verb: str) -> None:
    parser = Parser(verb, "")
    import_module(f"pycompose.compose.cli.verbs.{COMPOSE[verb][0]}").add_arguments(parser)
    known = {name for action in parser.option_actions() for name in action.option_strings}
    assert [flag for flag in DOCKER_COMPOSE[verb].split() if flag not in known] == []


def test_the_words_are_imperative() -> None:
    """What a command and a flag do is said as what they are told to do: Show, not Shows."""
    said = re.findall(r"^(?:\| `-.*\| )?([A-Z][a-z]+)\b", DOCUMENT.read_text(), re.MULTILINE)
    verbs = {word for word in said if not word.endswith("s")}
    told_of = {word for word in said if word.endswith("s") and {word[:-1], word[:-2]} & verbs}
    assert {"Show", "Remove", "List", "Follow"} < verbs
    assert told_of == set()
