"""``jobs``: what runs to completion. A job is a service with triggers and without what keeps a service running.

Interpolation, merging, paths and defaults are the same for both, so while files are loaded a job is among the services, and
leaves them again with its types known. Diagnostics name it where it stands in the file.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Diagnostic, LoadError, Path, dotted
from .tree import Map, Section, Seq, fail, list_at, map_at, mark, place_at, places_in, places_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ..model.service import Service
    from .tree import Place

FORBIDDEN = frozenset(
    {
        "attach", "container_name", "deploy", "develop", "extends", "external_links", "links", "post_start", "pre_start",
        "pre_stop", "provider", "restart", "scale",
    }
)  # fmt: skip
_NAME = re.compile(r"[a-zA-Z0-9._-]+")


def take_in(tree: Map, base: Map, jobs: set[str]) -> None:
    """Put the jobs of one file among its services; their names go to ``jobs``. ``base`` are the files before it."""
    found = tree.get("jobs")
    place = tree.places.get("jobs")
    services = tree.get("services")
    if isinstance(services, Map):
        for name in services:
            if name in jobs:
                raise _twice(name, tree)
    if "jobs" not in tree:
        return
    del tree["jobs"]
    if found is None:
        return
    if not isinstance(found, Map):
        raise fail("jobs must be a mapping", ("jobs",), place)
    if services is None:
        services = Map()
        tree.put("services", services, place)
    if not isinstance(services, Map):
        return  # the schema says so
    known = map_at(base, "services") or Map()
    for name, job in found.items():
        where = found.places.get(name) or place
        if not _NAME.fullmatch(name):
            hint = "names hold letters, digits, dots, dashes and underscores"
            raise fail(f"jobs.{name} is not a valid name", ("jobs", name), where, hint)
        if name in services or (name in known and name not in jobs):
            raise _twice(name, tree, where)
        if not isinstance(job, Map):
            raise fail(f"jobs.{name} must be a mapping", ("jobs", name), where)
        for key in job:
            if key in FORBIDDEN:
                message = f"jobs.{name}.{key} does not apply: a job runs to completion"
                raise fail(message, ("jobs", name, key), job.places.get(key) or where)
        _long_forms(job)
        services.put(name, job, where)
    jobs.update(found)


def _twice(name: str, tree: Map, where: Place | None = None) -> LoadError:
    place = where or places_in(tree.get("services")).get(name)
    return fail(f"{name} is a job and a service: `run {name}` could mean either", ("jobs", name), place)


def _long_forms(job: Map) -> None:
    """A schedule that is only a cron expression as a mapping."""
    triggers = map_at(job, "triggers")
    schedule = list_at(job, "triggers", "schedule")
    if triggers is None or schedule is None:
        return
    long = Seq()
    for entry, place in zip(schedule, places_of(schedule), strict=True):
        if isinstance(entry, str):
            written = Map()
            written.put("cron", entry, place)
            entry = written
        long.add(entry, place)
    triggers.put("schedule", long, triggers.places.get("schedule"))


def split(services: Section[Service], jobs: Collection[str]) -> tuple[Section[Service], Section[Service]]:
    """The bound services and the bound jobs. Raises `LoadError` for triggers that say nothing, and on services."""
    found: list[Diagnostic] = []
    plain: Section[Service] = Section()
    those: Section[Service] = Section()
    for name, service in services.items():
        (those if name in jobs else plain).take(name, services, service)
        if name not in jobs:
            found += [
                Diagnostic(
                    f"unknown key services.{name}.triggers",
                    path,
                    mark(place_at(service, ("triggers",))),
                    "jobs have it",
                )
                for path in ([("services", name, "triggers")] if "triggers" in service else [])
            ]
            for other in service.get("depends_on", ()):
                if other in jobs:
                    message = f'service "{name}" depends on job {other}: a service cannot wait for a job'
                    hint = "pre_start runs before a service starts"
                    path: Path = ("services", name, "depends_on", other)
                    found.append(Diagnostic(message, path, mark(place_at(service, ("depends_on", other))), hint))
            continue
        found += _triggers(name, service, services)
    if found:
        raise LoadError(found)
    return plain, those


def _triggers(name: str, job: Service, services: Section[Service]) -> Iterable[Diagnostic]:
    path: Path = ("jobs", name, "triggers")
    triggers = job.get("triggers")
    place = mark(places_in(job).get("triggers") or services.places.get(name))
    if not triggers or ("manual" not in triggers and not triggers.get("schedule")):
        yield Diagnostic(f"jobs.{name} needs triggers: `manual` or `schedule`", ("jobs", name), place)
        return
    schedule = triggers.get("schedule", ())
    if triggers.get("manual") is True and schedule:
        message = f"jobs.{name}.triggers: `manual: true` and `schedule` exclude each other"
        yield Diagnostic(message, path, place, "a scheduled job can be run by hand unless it says `manual: false`")
    if len(schedule) > 1:
        yield Diagnostic(f"jobs.{name}.triggers.schedule: only one entry is supported", path, place)
    for entry in schedule:
        if len(entry.get("cron", "").split()) != 5:
            message = f"jobs.{name}.triggers.schedule: cron needs five fields, not {entry.get('cron')!r}"
            yield Diagnostic(message, path, place, "minute hour day-of-month month day-of-week")


def renamed(error: LoadError, jobs: Collection[str]) -> LoadError:
    """The same findings in the words of the file, where jobs are not services."""

    def one(item: Diagnostic) -> Diagnostic:
        if len(item.path) < 2 or item.path[0] != "services" or item.path[1] not in jobs:
            return item
        before, after = dotted(item.path[:2]), dotted(("jobs", item.path[1]))
        return replace(item, path=("jobs", *item.path[1:]), message=item.message.replace(before, after))

    changed = type(error)([one(item) for item in error.diagnostics])
    changed.exit_code = error.exit_code
    return changed
