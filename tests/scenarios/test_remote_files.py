"""Compose files from git repositories and from registries: -f, include, extends, versions, digests, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left
from support.registry import available, registry

from pycompose.compose.remote import is_remote
from pycompose.compose.remote.oci import ENV_FILE, FILE, manifest_of
from pycompose.compose.remote.registry import Registry, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_root = pytest.mark.root
COMPOSE = (
    "services:\n  job:\n    image: busybox\n    command: cat /src/mark\n    volumes: ['.:/src:ro']\n"
    "    environment: {FROM_FILE: '${FROM_FILE:-no}'}\n"
)


def git(directory: Path, *words: str) -> str:
    command = ["git", "-C", str(directory), "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits, the first under an annotated tag."""
    made = tmp_path / "app.git"
    made.mkdir()
    git(made, "init", "--quiet", "--initial-branch=main")
    (made / "compose.yaml").write_text(COMPOSE)
    (made / "mark").write_text("one\n")
    (made / "parts").mkdir()
    (made / "parts" / "other.yaml").write_text("services: {base: {image: busybox, command: echo extended}}\n")
    (made / "parts" / "link.yaml").symlink_to("/etc/hostname")
    git(made, "add", ".")
    git(made, "commit", "--quiet", "-m", "one")
    git(made, "tag", "-a", "-m", "first", "v1")
    (made / "mark").write_text("two\n")
    git(made, "commit", "--quiet", "-am", "two")
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("remote")
    command = Command(root, root)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "busybox", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    directory = tmp_path / "here"
    directory.mkdir()
    return directory


@needs_root
def test_a_project_from_git(root: Path, here: Path, repository: Path, tmp_path: Path) -> None:
    command = Command(root, here)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    url = f"file://{repository}"
    first = command("-f", f"{url}#v1", "up", **cache)
    assert "job-1  | one" in first.stdout
    assert command("ls", "-a", "--format", "json", **cache).stdout.count('"app"') == 1, "named after the repository"
    assert "job-1  | two" in command("-f", url, "up", **cache).stdout, "another commit is the same project"
    assert "app-job-1" in command("-f", url, "ps", "-a", **cache).stdout
    (repository / "mark").write_text("three\n")
    git(repository, "commit", "--quiet", "-am", "three")
    assert "job-1  | three" in command("up", COMPOSE_FILE=f"{url}#main", **cache).stdout, "a branch is asked for anew"
    command("-f", url, "down", **cache)
    commit = git(repository, "rev-parse", "v1^{commit}")
    shutil.rmtree(repository)
    assert "busybox" in command("-f", f"{url}#{commit}", "config", **cache).stdout, "a commit is what it was"
    assert "does not" in command("-f", url, "config", check=False, **cache).stderr


@needs_root
def test_include_and_extends_from_git(root: Path, here: Path, repository: Path, tmp_path: Path) -> None:
    command = Command(root, here)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    url = f"file://{repository}"
    (here / "compose.yaml").write_text(
        f"include: ['{url}#v1']\n"
        f"services: {{own: {{extends: {{file: '{url}#main:parts/other.yaml', service: base}}}}}}\n"
    )
    shown = json.loads(command("config", "--format", "json", **cache).stdout)["services"]
    assert shown["own"]["command"] == ["echo", "extended"]
    source = shown["job"]["volumes"][0]["source"]
    assert source.startswith(str(tmp_path / "cache")) and Path(f"{source}/mark").read_text() == "one\n"
    for wrong, words in (
        ("#main:../../../etc", "leads outside"),
        ("#main:parts/link.yaml", "leads outside"),
        ("#main:.git/config", "leads outside"),
        ("#--upload-pack=touch", "is no git ref"),
        ("#nowhere", "has no ref nowhere"),
        ("#main:parts/none.yaml", "no such file"),
        ("#main:parts", "no compose.yaml"),
    ):
        (here / "compose.yaml").write_text(f"include:\n  - '{url}{wrong}'\n")
        refused = command("config", check=False, **cache)
        assert refused.returncode != 0 and words in refused.stderr, (wrong, refused.stderr)
        assert "compose.yaml:2:" in refused.stderr
    for wrong in ("http://example.test/app.git", "git://example.test/app"):
        assert "neither encrypted" in command("-f", wrong, "config", check=False, **cache).stderr
    disabled = command("-f", url, "config", check=False, COMPOSE_EXPERIMENTAL_GIT_REMOTE="false", **cache)
    assert "disabled" in disabled.stderr


def test_what_counts_as_remote() -> None:
    for name in ("https://h/x.git", "https://h/x.git#a:b", "ssh://git@h/x", "git@h:x/y.git", "oci://h/x", "file:///x"):
        assert is_remote(name), name
    for name in ("compose.yaml", "/a/b.git", "https://h/x", "ext::sh -c x", "-", "c:file", "a@b/x.git"):
        assert not is_remote(name), name


def publish(reference: str, files: list[tuple[str, dict[str, str], str]], manifest: bytes | None = None) -> None:
    """An artifact of (media type, annotations, content) as Docker Compose publishes one."""
    target = Registry(parse_reference(reference))
    target.put_blob(b"{}")
    layers = []
    for kind, notes, content in files:
        digest = target.put_blob(content.encode())
        notes = {f"com.docker.compose.{name}": value for name, value in notes.items()}
        layers.append({"mediaType": kind, "digest": digest, "size": len(content), "annotations": notes})
    target.put_manifest(
        manifest or manifest_of(layers, "2026-01-01T00:00:00Z"), "application/vnd.oci.image.manifest.v1+json"
    )


@needs_root
@pytest.mark.skipif(not available(), reason="no docker-registry")
def test_a_project_from_a_registry(root: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command(root, here)
    config = tmp_path / "docker"
    config.mkdir()
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "DOCKER_CONFIG": str(config)}
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    with registry(tmp_path / "registry", user=("me", "secret")) as host:
        source = f"{host}/team/app:v1"
        denied = command("-f", f"oci://{source}", "config", check=False, **environment)
        assert "authentication required" in denied.stderr
        command("login", "-u", "me", "-p", "secret", host, **environment)
        main = "services: {web: {extends: {file: base.yaml, service: base}, env_file: [values.env]}}\n"
        over = "services: {web: {labels: {second: 'yes'}}}\n"
        base = "services: {base: {image: busybox, command: echo of-a-registry}}\n"
        files = [
            (FILE, {"file": "compose.yaml"}, main),
            (FILE, {"file": "override.yaml"}, over),
            (FILE, {"file": "base.yaml", "extends": "true"}, base),
            (ENV_FILE, {"envfile": "values.env"}, "VALUE=7\n"),
        ]
        publish(source, files)
        shown = json.loads(command("-f", f"oci://{source}", "config", "--format", "json", **environment).stdout)
        assert shown["name"] == "app"
        web = shown["services"]["web"]
        assert (web["environment"], web["labels"], web["image"]) == ({"VALUE": "7"}, {"second": "yes"}, "busybox")
        assert "web-1  | of-a-registry" in command("-f", f"oci://{source}", "up", **environment).stdout
        publish(source, [(FILE, {"file": "compose.yaml"}, "services: {web: {image: busybox, command: echo newer}}\n")])
        assert "web-1  | newer" in command("-f", f"oci://{source}", "up", **environment).stdout
        command("-f", f"oci://{source}", "down", **environment)
        for name in ("../escape", "..", "compose.yaml"):
            publish(source, [files[0], (ENV_FILE, {"envfile": name}, "X=1\n")])
            refused = command("-f", f"oci://{source}", "config", check=False, **environment)
            assert "is no name of a file" in refused.stderr, name
        assert not (tmp_path / "cache" / "escape").exists()
        other = json.loads(manifest_of([], "x")) | {"artifactType": "a/b"}
        publish(source, [], manifest=json.dumps(other).encode())
        assert "is no Compose project" in command("-f", f"oci://{source}", "config", check=False, **environment).stderr
        assert "not found" in command("-f", f"oci://{host}/none", "config", check=False, **environment).stderr
        # Digests of images are asked for without an engine.
        image = f"{host}/team/image:1"
        publish(image, [], manifest=json.dumps(other).encode())
        digest = f"sha256:{hashlib.sha256(json.dumps(other).encode()).hexdigest()}"
        (here / "compose.yaml").write_text(
            f"name: demo\nservices:\n  web: {{image: '{image}', pre_start: [{{image: '{image}'}}]}}\n"
            "  made: {build: .}\n"
        )
        resolved = json.loads(command("config", "--resolve-image-digests", "--format", "json", **environment).stdout)
        assert resolved["services"]["web"]["image"] == f"{image}@{digest}"
        assert resolved["services"]["web"]["pre_start"][0]["image"] == f"{image}@{digest}"
        locked = command("config", "--lock-image-digests", **environment).stdout
        assert locked == f"services:\n  web:\n    image: {image}@{digest}\n"
    assert os.listdir(here) == ["compose.yaml"]


@needs_root
@pytest.mark.skipif(not available(), reason="no docker-registry")
def test_publish_and_fetch(root: Path, here: Path, tmp_path: Path) -> None:
    command = Command(root, here)
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "DOCKER_CONFIG": str(tmp_path)}
    (here / "parts").mkdir()
    (here / "values.env").write_text("FROM_FILE=yes\n")
    (here / "parts" / "own.env").write_text("OWN=part\n")
    (here / "parts" / "base.yaml").write_text(
        "services:\n  base: {image: busybox, env_file: own.env}\n  chain: {extends: {file: base.yaml, service: base}}\n"
    )
    (here / "compose.yaml").write_text(
        "x-common: &common\n  env_file:  # kept\n    - path: ./values.env\n"
        "services:\n  web:\n    <<: *common\n    extends: {file: 'parts/base.yaml', service: chain}\n"
        "    command: echo ${WORD:-plain}\n    environment: {DB_PASSWORD: hush}\n"
    )
    (here / "over.yaml").write_text("services: {web: {labels: {over: 'yes'}}}\n")
    files = ("-f", "compose.yaml", "-f", "over.yaml")
    with registry(tmp_path / "registry") as host:
        target = f"{host}/team/made:1"
        refused = command(*files, "publish", target, check=False, **environment)
        assert refused.returncode == 1
        assert "DB_PASSWORD" in refused.stderr and "--yes says that this is meant" in refused.stderr
        command(*files, "publish", "--yes", "--with-env", "--oci-version", "1.0", target, **environment)
        fetched = ("-f", f"oci://{target}")
        shown = json.loads(command(*fetched, "config", "--format", "json", WORD="later", **environment).stdout)
        web = shown["services"]["web"]
        assert web["environment"] == {"DB_PASSWORD": "hush", "FROM_FILE": "yes", "OWN": "part"}
        assert (web["command"], web["labels"], shown["name"]) == (["echo", "later"], {"over": "yes"}, "made")
        manifest = Registry(parse_reference(target)).manifest("1").tree
        assert str(here) not in json.dumps(manifest), "nothing says where the files were"
        (here / "more.yaml").write_text("include: [parts/base.yaml]\nservices: {a: {image: busybox}}\n")
        assert (
            "includes local files" in command("-f", "more.yaml", "publish", target, check=False, **environment).stderr
        )
        (here / "more.yaml").write_text("services: {a: {build: .}}\n")
        assert "are only built" in command("-f", "more.yaml", "publish", target, check=False, **environment).stderr
