"""One stage, instruction by instruction: what changes only the configuration, and what makes a layer, cached or anew."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import EngineError, InvalidParameter
from ..images.types import Platform
from ..linux import entries
from ..linux.tree import remove_directory
from ..runtime.users import MAX_FILE, UserError, resolve
from .cache import CacheRecord, key_of, timestamp
from .contexts import open_directory, read_file
from .copying import Destination, Ownership, kernel_message
from .copystep import CopyStep
from .dockerfile.arguments import ArgumentError
from .dockerfile.errors import Place, excerpt
from .dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from .dockerfile.mounts import parse_mount
from .dockerfile.words import ExpansionError, Keep, expand
from .plan import WORK, ImageSource, NamedContext, Scratch, StageSource
from .progress import StepCached, StepDone, StepFailed, StepLog, StepStarted
from .runstep import RunPlan, describe_failure, is_heredoc
from .state import ImageState, exposed_ports, stop_signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..images.types import Layer
    from .plan import Planned, Source
    from .progress import Kind
    from .session import Session
    from .steps import Stream

_TAIL = 20  # lines of output shown with a failure
_TAIL_BYTES = 64 << 10


class StepError(EngineError):
    """A step failed; ``str`` is the message, the event that tells more was already sent."""

    status = 500

    def __init__(self, message: str, place: Place, output: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.place, self.output, self.code = place, output, code


class StageBuild:
    """Builds one planned stage in a session; everything it depends on is in ``session.results``."""

    def __init__(self, session: Session, stage: Planned) -> None:
        self._session, self._stage = session, stage
        self._escape = session.dockerfile.escape
        names = {name.lower() for name in session.options.no_cache_filter}
        self._use_cache = not session.options.no_cache and stage.name not in names
        self._state = ImageState()
        self._step = self._index = 0
        self._tail = bytearray()
        self._secrets: list[bytes] = []

    def run(self) -> ImageState:
        """The finished stage. Raises StepError after telling what failed."""
        kind: Kind = "base" if self._stage.has_base else "config"
        self._guarded(self._stage.start, kind, self._base)
        for place, instruction in enumerate(self._stage.instructions):
            kind = "layer" if isinstance(instruction, WORK) else "config"
            self._guarded(
                instruction,
                kind,
                lambda instruction=instruction: self._dispatch(instruction),  # type: ignore[misc]
                trigger=place < self._stage.triggers,
            )
        return self._state

    # steps ---------------------------------------------------------------------------------------------------------
    def _guarded(
        self,
        instruction: Instruction,
        kind: Kind,
        action: Callable[[], StepCached | None],
        *,
        trigger: bool = False,
    ) -> None:
        session = self._session
        session.check()
        self._step = session.steps.next()
        self._tail.clear()
        text = f"ONBUILD {instruction.code}" if trigger else instruction.code
        label = self._stage.label if len(session.dockerfile.stages) > 1 else ""
        if session.among_others:
            label = f"{session.platform} {label}".rstrip()
        self._index += kind != "config"
        place = (self._index, self._stage.work) if kind != "config" else (0, 0)
        title = self._title(instruction, trigger=trigger) if kind == "layer" else ""
        session.emit(StepStarted(self._step, label, text, *place, instruction.span.first, kind, title))
        started = time.monotonic()
        try:
            cached = action()
        except (ArgumentError, ExpansionError) as error:
            raise self._failed(instruction, str(error)) from None
        except OSError as error:
            raise self._failed(instruction, kernel_message(error)) from error
        except StepError:
            raise
        except EngineError as error:
            raise self._failed(instruction, str(error), getattr(error, "code", 0)) from error
        if cached is not None:
            session.emit(cached)
        else:
            layer = self._state.chain_id if isinstance(instruction, WORK) else ""
            session.emit(StepDone(self._step, time.monotonic() - started, layer))

    def _title(self, instruction: Instruction, *, trigger: bool) -> str:
        text = instruction.code
        if isinstance(instruction, Run) and instruction.heredocs and is_heredoc(instruction.command.words[0]):
            first, *more = instruction.heredocs[0].text.strip().splitlines() or [""]
            text += f" ({first}{'...' if more else ''})"
        with suppress(ExpansionError):
            text = expand(text, self._state.env, escape=self._escape, keep=Keep(quotes=True, unset=True)).text
        word, space, rest = text.partition(" ")
        return f"{'ONBUILD ' if trigger else ''}{word.upper()}{space}{rest}"

    def _failed(self, instruction: Instruction, message: str, code: int = 0) -> StepError:
        session = self._session
        lines = bytes(self._tail).decode("utf-8", "replace").splitlines()[-_TAIL:]
        shown = excerpt(session.dockerfile.source, instruction.span, session.dockerfile.name)
        output = "\n".join(lines)
        if not session.cancelled():
            session.emit(StepFailed(self._step, message, shown, output, code))
        place = Place(session.dockerfile.name, session.dockerfile.source, instruction.span)
        return StepError(message, place, output, code)

    def _log(self, stream: Stream, data: bytes) -> None:
        self._tail += data
        if len(self._tail) > 2 * _TAIL_BYTES:
            del self._tail[:-_TAIL_BYTES]
        self._session.emit(StepLog(self._step, stream, data))

    def _base(self) -> StepCached | None:
        session, base = self._session, self._stage.base
        if isinstance(base, StageSource):
            self._state = session.results[base.index].branch()
        elif isinstance(base, ImageSource):
            self._state = ImageState.of_image(session.image(base))
        elif isinstance(base, Scratch):
            wanted = self._stage.platform
            self._state = ImageState.scratch(Platform.parse(wanted) if wanted else session.platform)
        else:
            return self._context_base(base)
        return None

    def _context_base(self, base: NamedContext) -> StepCached | None:
        """FROM a named context: an image, or a directory that becomes the one layer of a fresh image."""
        session = self._session
        image = session.named_image(base)
        if image is not None:
            self._state = ImageState.of_image(session.image(image))
            return None
        self._state = ImageState.scratch(session.platform)
        copy = Copy(self._stage.start.span, self._stage.start.code, False, ("/",), (), "/")
        return self._copy_from(copy, base)

    def _dispatch(self, instruction: Instruction) -> StepCached | None:
        match instruction:
            case Run():
                return self._run(instruction)
            case Copy():
                return self._copy(instruction)
            case Workdir():
                return self._workdir(instruction)
        self._configure(instruction)
        return self._configured()

    def _configure(self, instruction: Instruction) -> None:
        """What changes the configuration only."""
        state = self._state
        match instruction:
            case Env():
                state.add_env([(self._expand(name), self._expand(value)) for name, value, _ in instruction.pairs])
            case Label():
                state.add_labels([(self._expand(name), self._expand(value)) for name, value, _ in instruction.pairs])
            case Arg():
                self._arguments(instruction)
            case Cmd():
                state.set_command(instruction.command)
            case Entrypoint():
                state.set_entrypoint(instruction.command)
            case Healthcheck():
                state.set_healthcheck(instruction)
            case Expose():
                words = [word for port in instruction.ports for word in self._words(port)]
                state.expose(exposed_ports(words))
            case User():
                state.set_user(self._expand(instruction.user))
            case Volume():
                paths = [self._expand(path) for path in instruction.paths]
                if not all(paths):
                    raise ArgumentError("VOLUME specified can not be an empty string")
                state.add_volumes(paths)
            case Stopsignal():
                state.set_stop_signal(stop_signal(self._expand(instruction.signal)))
            case Shell():
                state.set_shell(instruction.shell)
            case Maintainer():
                state.set_author(instruction.author)
            case Onbuild():
                state.add_trigger(instruction.expression)

    def _configured(self) -> StepCached | None:
        """What only changes the configuration takes no time; it counts as cached when an earlier build came to the same."""
        cache = self._session.cache
        key = self._key("configuration", self._state.process, self._state.other, self._state.args)
        if cache.recall(key) is None:
            cache.remember(key, True)
            return None
        return StepCached(self._step) if self._use_cache else None

    def _expand(self, text: str) -> str:
        return expand(text, self._state.env, escape=self._escape, budget=self._session.budget).text

    def _words(self, text: str) -> tuple[str, ...]:
        return expand(text, self._state.env, escape=self._escape, budget=self._session.budget).words

    def _arguments(self, instruction: Arg) -> None:
        given = self._session.options.args
        pairs: list[tuple[str, str | None]] = []
        for name, default in instruction.pairs:
            value: str | None
            if name in given:
                value = given[name]
            elif default is not None:
                value = self._expand(default)
            else:
                value = self._session.arguments.get(name)
            pairs.append((name, value))
            if value is not None:
                self._state.env[name] = value  # visible to the defaults of the names that follow
        self._state.add_args(pairs)

    # layers --------------------------------------------------------------------------------------------------------
    def _layer(
        self, key: str, created_by: str, make: Callable[[Path, Path], bool], *, always: bool = True
    ) -> StepCached | None:
        """Take the layer from the cache, or make it in an upper directory; the event when it was cached.

        ``make`` gets (upper, work) and tells whether there is a layer at all. Without ``always`` a step that makes none
        leaves no trace but its history.
        """
        session, state = self._session, self._state
        record = self._cached(key) if self._use_cache else None
        cached = record is not None
        if record is None:
            session.check()
            layer = self._make(make)
            record = session.cache.add(key, layer, parent=state.chain_id, text=created_by)
        session.stores.used[key] = record
        state.record(created_by, record.layer, timestamp(record.created))
        if not cached:
            return None
        return StepCached(self._step, record.layer.chain_id if record.layer else "")

    def _cached(self, key: str) -> CacheRecord | None:
        """What is remembered of the step, with its layer held for the build."""
        session = self._session
        record = session.cache.find(key)
        if record is not None and (record.layer is None or session.held([record.layer])):
            return record
        with session.images.lease():
            imported = session.stores.find(key, self._state.layers)
            if imported is None:
                return None
            layer, created, text = imported
            if layer is not None:
                session.held([layer])
        return session.cache.add(key, layer, parent=self._state.chain_id, text=text, created=created)

    def _make(self, make: Callable[[Path, Path], bool]) -> Layer | None:
        session = self._session
        step = session.scratch_directory("step")
        upper, work = step / "upper", step / "work"
        upper.mkdir(mode=0o755)
        work.mkdir(mode=0o755)
        try:
            if not make(upper, work):
                return None
            with session.images.lease():  # nobody prunes it before it is held
                layer = session.images.commit_layer(upper, self._state.layers, clamp=session.epoch)
                session.held([layer])
            return layer
        finally:
            remove_directory(step)

    def _key(self, kind: str, *parts: object) -> str:
        return key_of(kind, self._state.chain_id, self._state.platform, self._session.epoch, *parts)

    def _run(self, instruction: Run) -> StepCached | None:
        state = self._state
        mounts = [parse_mount(mount, self._expand) for mount in instruction.mounts]
        plan = RunPlan(self._session, instruction, state, mounts, self._stage.sources)

        def make(upper: Path, work: Path) -> bool:
            code = plan.run(upper, work, self._log)
            self._session.check()
            if code:
                raise self._failed(instruction, describe_failure(plan.argv, code, state.platform), code)
            return True

        return self._layer(self._key("run", plan.key()), state.run_text(plan.argv), make)

    def _copy(self, instruction: Copy) -> StepCached | None:
        documents = tuple(
            replace(
                document,
                content=expand(document.text, self._state.env, quoting=False, budget=self._session.budget).text
                if document.expand
                else document.text,
            )
            for document in instruction.documents
        )
        expanded = replace(
            instruction,
            sources=tuple(self._expand(source) for source in instruction.sources),
            documents=documents,
            target=self._expand(instruction.target),
            chown=self._expand(instruction.chown),
            chmod=self._expand(instruction.chmod),
            checksum=self._expand(instruction.checksum),
        )
        source = self._stage.sources[instruction.source] if instruction.source else None
        return self._copy_from(expanded, source)

    def _copy_from(self, copy: Copy, source: Source | None) -> StepCached | None:
        session, state = self._session, self._state
        target = state.absolute(copy.target)
        flags = [f"--chown={copy.chown}"] if copy.chown else []
        flags += [f"--chmod={copy.chmod}"] if copy.chmod else []
        words = [*copy.sources, *(f"<<{document.name}" for document in copy.documents)]
        text = " ".join(["ADD" if copy.add else "COPY", *flags, *words, copy.target, "# buildkit"])
        with CopyStep(session, copy, target, source) as step:
            digests = step.prepare()
            options = [copy.add, target, copy.chown, copy.chmod, copy.link, copy.parents, copy.unpack]

            def make(upper: Path, work: Path) -> bool:
                lower = session.lower(state.layers)
                if copy.link:
                    owner = self._owner(copy.chown, lower)
                    step.place(upper, owner)
                else:
                    with session.images.mounted(lower, upper, work) as root:
                        owner = self._owner(copy.chown, (), root)
                        step.place(root, owner)
                return True

            return self._layer(self._key("copy", options, digests), text, make)

    def _owner(self, spec: str, lower: tuple[Path, ...], root: Path | None = None) -> tuple[int, int] | None:
        """``--chown`` by the image's own passwd and group; a bare number is user and group."""
        if not spec:
            return None
        if root is None:
            with self._session.images.mounted(lower) as view:
                return self._owner(spec, lower, view)
        user, colon, _ = spec.partition(":")
        if user.isdecimal() and not colon:
            spec = f"{user}:{user}"
        with open_directory(root, "image") as tree:
            passwd = read_file(tree, "etc/passwd", MAX_FILE) or b""
            groups = read_file(tree, "etc/group", MAX_FILE) or b""
        try:
            identity = resolve(spec, passwd, groups)
        except UserError as error:
            raise InvalidParameter(str(error)) from None
        return identity.uid, identity.gid

    def _workdir(self, instruction: Workdir) -> StepCached | None:
        session, state = self._session, self._state
        path = state.absolute(self._expand(instruction.path)).rstrip("/") or "/"
        state.process["WorkingDir"] = path
        text = f"WORKDIR {path}"
        if path == "/":
            state.record(text)
            return None

        def make(upper: Path, work: Path) -> bool:
            with session.images.mounted(session.lower(state.layers), upper, work) as root:
                owner = self._owner(state.user, (), root)
                fd = entries.open_root(root)
                try:
                    destination = Destination(fd, Ownership(owner))
                    if destination.is_directory(path):
                        return False
                    destination.make_directories(path)
                finally:
                    os.close(fd)
            return True

        return self._layer(self._key("workdir", path, state.user), text, make)
