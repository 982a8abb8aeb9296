"""Keeping containers up with their sources while a command runs: the watcher of `watch`, `up --watch` and the menu."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from ...app.session import require_services
from ...errors import ComposeError, OperationError
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from ...watch.rules import Rule, Work
    from ...watch.tree import Change
    from ..session import Session


class Watcher:
    """What changes from here on is noticed; `run` or `start` acts on it. Raises `OperationError` when there is nothing to
    watch."""

    def __init__(self, session: Session, args: Namespace) -> None:
        from ...watch.rules import rules_of
        from ...watch.sources import SourceWatch

        project = session.project
        require_services(args.services, list(project.services))
        self._session = session
        self._args = args
        self._rules: list[Rule] = rules_of(project.services, args.services or list(project.services))
        self._owed: dict[str, dict[str, Change]] = {}
        self._thread: threading.Thread | None = None
        if not self._rules:
            raise OperationError(
                "none of the selected services is configured for watch, consider setting a 'develop' section"
            )
        self._sources = SourceWatch([rule.path for rule in self._rules], self._skipped, self._say)
        for rule in self._rules:
            if not os.path.exists(rule.path):
                self._say(f"service {rule.service}: develop.watch path {rule.path} does not exist yet")
            elif not rule.matches(rule.path):
                self._say(f"service {rule.service}: develop.watch path {rule.path} is kept out by .dockerignore")

    def start(self) -> None:
        """Act on changes in a thread, until `close`."""
        self._thread = threading.Thread(target=self._run_and_tell, daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._thread is None:
            self.release()
        else:
            self._sources.close()

    def release(self) -> None:
        self._sources.release()

    def _run_and_tell(self) -> None:
        try:
            self.run()
        except ComposeError as error:
            self._say(f"Watch ended: {error}")
        finally:
            self.release()

    def run(self) -> None:
        """Until `close`, or an interruption. Raises `OperationError` when the kernel lets nothing more be watched."""
        self._initial_sync()
        self._say("Watch enabled")
        while (changes := self._sources.wait()) is not None:
            self._handle(changes)

    def _skipped(self, path: str) -> bool:
        """A directory in which no rule has an interest."""
        return all(rule.prunes(path) for rule in self._rules)

    def _initial_sync(self) -> None:
        from dataclasses import replace

        from ...watch.rules import SYNC, SYNCING, plan_work
        from ...watch.tree import Change

        # What comes is copied whole: no rule's hook or restart is meant by it.
        here = {path: Change(None, stamp) for path, stamp in self._sources.paths.items()}
        for rule in self._rules:
            if rule.initial_sync and rule.action in SYNCING:
                for work in plan_work([replace(rule, action=SYNC)], here):
                    self._do(work)

    def _handle(self, changes: Mapping[str, Change]) -> None:
        from ...watch.rules import plan_work
        from ...watch.tree import merge

        for service in dict.fromkeys(rule.service for rule in self._rules):
            rules = [rule for rule in self._rules if rule.service == service]
            owed = self._owed.get(service, {})
            works = plan_work(rules, changes)
            if works and owed:
                works = plan_work(rules, merge(owed, changes))
            for work in works:
                self._owed.pop(service, None)
                if not self._do(work) and not work.rebuild:
                    self._owed[service] = merge(owed, changes)

    def _do(self, work: Work) -> bool:
        """Whether it went well. One failure is reported and does not end the watch."""
        try:
            if work.rebuild:
                self._rebuild(work.service)
                return True
            return self._sync(work)
        except ComposeError as error:
            self._say(f"{work.service}: {error}")
            return False

    def _sync(self, work: Work) -> bool:
        from ...watch.actions import execute, synchronize

        session = self._session
        identities = [one["Id"] for one in session.containers([work.service], all=False)]
        if not identities:
            self._say(f"service {work.service} has no running container to sync to")
            return False
        synchronize(session.engine, identities, work, self._say)
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
        return True

    def _rebuild(self, service: str) -> None:
        from ...app.converge import converge
        from ...plan.reconcile.options import UpOptions
        from ...run.perform import Settings
        from ..session import report_failures

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
        legible.complain(text)
