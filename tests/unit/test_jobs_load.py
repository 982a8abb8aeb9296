"""``jobs`` in Compose files: merged and resolved like services, kept apart from them, and refused in the file's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pycompose.compose.errors import LoadError
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions, Project

if TYPE_CHECKING:
    from pathlib import Path

BASE = """
services:
  db: {image: b}
jobs:
  j:
    image: c
    env_file: j.env
    volumes: ["./here:/there", "data:/data"]
    triggers: {schedule: ["*/5 * * * *"]}
  k: {image: c, profiles: [more], depends_on: [j, db], triggers: {manual: true}}
volumes: {data: {}, other: {}}
"""


def load(directory: Path, *texts: str, profiles: tuple[str, ...] = ()) -> Project:
    files = []
    for number, text in enumerate(texts):
        path = directory / f"{number}.yaml"
        path.write_text(text)
        files.append(str(path))
    return load_project(LoadOptions(files=tuple(files), project_name="p", profiles=profiles, cwd=directory))


def test_jobs_are_resolved_like_services_and_are_none(tmp_path: Path) -> None:
    (tmp_path / "j.env").write_text("A=1\n")
    project = load(tmp_path, BASE, "jobs: {j: {image: d, triggers: {x-retries: 2}}}")
    assert list(project.services) == ["db"] and list(project.jobs) == ["j"] and list(project.disabled_jobs) == ["k"]
    job = project.jobs["j"]
    assert job["image"] == "d" and job["environment"] == {"A": "1"} and job["networks"] == {"default": None}
    assert job["volumes"][0]["source"] == str(tmp_path / "here") and list(project.volumes) == ["data"]
    assert job["triggers"] == {"schedule": [{"cron": "*/5 * * * *"}], "x-retries": 2}
    assert list(load(tmp_path, BASE, profiles=("more",)).jobs) == ["j", "k"]
    assert list(project.with_jobs("j").services) == ["db", "j"]


def test_a_job_may_be_reset_by_a_later_file(tmp_path: Path) -> None:
    (tmp_path / "j.env").write_text("")
    assert "j" not in load(tmp_path, BASE, "jobs: {j: !reset null}").jobs


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("{image: c}", "0.yaml:3:3: jobs.j needs triggers: `manual` or `schedule`"),
        ("{image: c, triggers: {}}", "jobs.j needs triggers"),
        ("{image: c, restart: always, triggers: {manual: true}}", "jobs.j.restart does not apply"),
        ("{imge: c, triggers: {manual: true}}", "unknown key jobs.j.imge (did you mean image?)"),
        ("{image: c, triggers: {manual: true, schedule: ['* * * * *']}}", "exclude each other"),
        ("{image: c, triggers: {schedule: ['* * * *']}}", "cron needs five fields, not '* * * *'"),
        ("{image: c, triggers: {schedule: ['* * * * *', '1 * * * *']}}", "only one entry is supported"),
        ("{image: c, triggers: {schedule: [{cron: '* * * * *', missed_fires: all}]}}", "must be one of one, skip, not 'all'"),
        ("{image: c, depends_on: [x], triggers: {manual: true}}", 'depends on undefined service "x"'),
        ("[]", "jobs.j must be a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, job: str, words: str) -> None:
    with pytest.raises(LoadError) as caught:
        load(tmp_path, f"services: {{a: {{image: b}}}}\njobs:\n  j: {job}\n")
    assert words in str(caught.value) and "0.yaml:3:" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: {a: {image: b}}\njobs: {a: {image: b, triggers: {manual: true}}}\n", "a is a job and a service"),
        ("services: {a: {image: b, triggers: {manual: true}}}\n", "unknown key services.a.triggers"),
        (
            "services: {a: {image: b, depends_on: [j]}}\njobs: {j: {image: b, triggers: {manual: true}}}\n",
            'service "a" depends on job j: a service cannot wait for a job',
        ),
        ("services: {a: {image: b}}\njobs: 3\n", "jobs must be a mapping"),
    ],
)
def test_services_and_jobs_are_kept_apart(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LoadError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
