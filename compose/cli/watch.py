"""`pycompose watch`: keep containers up with their sources, as ``develop.watch`` says."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

from ..errors import ComposeError, OperationError
from .session import Session, require_services

if TYPE_CHECKING:
    from argparse import Namespace

    from ..watch.inotify import TreeWatch
    from ..watch.rules import Rule, Work
    from .flags import Parser

QUIET = 0.3
"""Seconds without a change after which a burst counts as over."""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--no-up", action="store_true", help="Do not build & start services before watching")
    parser.add_argument("--prune", action="store_true", help="Prune dangling images on rebuild")
    parser.add_argument("--quiet", action="store_true", help="hide build output")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    session = Session(args)
    watcher = Watcher(session, args)
    if not args.no_up:
        from ..reconcile.options import UpOptions
        from .converge import converge, report_failures

        result = converge(session, UpOptions(services=tuple(args.services), build=True))
        if result.failures:
            return report_failures(session, result)
    try:
        watcher.run()
    except KeyboardInterrupt:
        return 130
    return 0


def start_watching(session: Session, args: Namespace) -> Watcher:
    """For `up --watch`: watch in a thread until closed."""
    watcher = Watcher(session, args)
    threading.Thread(target=watcher.run, daemon=True).start()
    return watcher


class Watcher:
    """Raises `OperationError` when there is nothing to watch."""

    def __init__(self, session: Session, args: Namespace) -> None:
        from ..watch.rules import rules_of

        project = session.project
        require_services(args.services, list(project.services))
        self._session = session
        self._args = args
        self._rules: list[Rule] = rules_of(project.services, args.services or list(project.services))
        self._tree: TreeWatch | None = None
        if not self._rules:
            raise OperationError(
                "none of the selected services is configured for watch, consider setting a 'develop' section"
            )
        for rule in self._rules:
            if not os.path.exists(rule.path):
                raise OperationError(f"service {rule.service}: develop.watch path {rule.path} does not exist")

    def run(self) -> None:
        from ..watch.inotify import TreeWatch

        roots = list(dict.fromkeys(rule.path for rule in self._rules))
        self._tree = tree = TreeWatch(roots, self._skipped, self._say)
        try:
            self._initial_sync()
            self._say("Watch enabled")
            pending: set[str] = set()
            while True:
                changed = tree.wait(QUIET if pending else None)
                if changed is None:
                    return
                if changed:
                    pending |= changed
                    continue
                paths, pending = pending, set()
                self._handle(paths)
        finally:
            tree.release()

    def close(self) -> None:
        if self._tree is not None:
            self._tree.close()

    def _skipped(self, path: str) -> bool:
        """A directory in which no rule has an interest."""
        from ..build.ignore import ignored, may_prune

        interested = [rule for rule in self._rules if path == rule.path or path.startswith(rule.path.rstrip("/") + "/")]
        return all(
            path != rule.path
            and may_prune(list(rule.ignore))
            and ignored(list(rule.ignore), os.path.relpath(path, rule.path))
            for rule in interested
        )

    def _initial_sync(self) -> None:
        from ..watch.actions import initial_files
        from ..watch.rules import SYNCING, Work

        for rule in self._rules:
            if rule.initial_sync and rule.action in SYNCING:
                files = tuple((path, rule.destination(path)) for path in initial_files(rule.path, rule.matches))
                self._do(Work(rule.service, (rule,), changed=files))

    def _handle(self, paths: set[str]) -> None:
        from ..watch.rules import plan_work

        for work in plan_work(self._rules, paths, {path: os.path.lexists(path) for path in paths}):
            self._do(work)

    def _do(self, work: Work) -> None:
        """One failure is reported and does not end the watch."""
        try:
            if work.rebuild:
                self._rebuild(work.service)
                return
            self._sync(work)
        except ComposeError as error:
            self._say(f"{work.service}: {error}")

    def _sync(self, work: Work) -> None:
        from ..watch.actions import execute, synchronize

        session = self._session
        identities = [one["Id"] for one in session.containers([work.service], all=False)]
        if not identities:
            self._say(f"service {work.service} has no running container to sync to")
            return
        synchronize(session.engine, identities, work)
        count = len(work.changed) + len(work.deleted)
        if count:
            self._say(
                f"Syncing service {work.service!r} after {count} change{'s were' if count != 1 else ' was'} detected"
            )
        for rule in work.hooks:
            assert rule.hook is not None
            for identity in identities:
                execute(session.engine, identity, {**rule.hook, "command": list(rule.command)})
        if work.restart:
            for identity in identities:
                session.engine.containers.restart(identity)
            self._say(f"service {work.service!r} restarted")

    def _rebuild(self, service: str) -> None:
        from ..perform import Settings
        from ..reconcile.options import UpOptions
        from .converge import converge, report_failures

        self._say(f"Rebuilding service {service!r} after changes were detected...")
        quiet = bool(getattr(self._args, "quiet", False))
        options = UpOptions(services=(service,), with_dependencies=False, build=True, ignore_orphans=True)
        result = converge(self._session, options, settings=Settings(quiet_build=quiet))
        if report_failures(self._session, result) == 0:
            self._say(f"service {service!r} successfully built")
            if getattr(self._args, "prune", False):
                self._session.engine.images.prune({"dangling": ["true"]})

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)
