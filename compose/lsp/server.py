"""The language server over standard input and output: documents as the editor holds them, and which question gets which answer."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from ...version import __version__
from ..errors import ComposeError
from ..screens.store import derive, read
from . import analysis, answers, family, homes, symbols
from .place import key_at
from .positions import Text, edited, normalised

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..client import Engine

QUIET = 0.2
"""Seconds without a key that make a pause in typing, in which the files are looked at."""


class Protocol(LanguageServerProtocol):
    """pygls takes more characters for line ends than the protocol knows (such as U+2028, which a string in YAML may hold): edits that
    come after one would go to other lines. So they are made here."""

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(
        self, params: types.DidChangeTextDocumentParams
    ) -> Generator[object, object, None]:
        text = self.workspace.get_text_document(params.text_document.uri).source
        for one in params.content_changes:
            text = edited(text, one, str(self.workspace.position_encoding))
        params.content_changes = [types.TextDocumentContentChangeWholeDocument(text)]
        yield from super().lsp_text_document__did_change(params)


class Files:
    """The Compose files that are open in the editor. ``engine`` is asked for what runs; it is never started for that."""

    def __init__(self, server: LanguageServer, engine: Engine | None) -> None:
        self._server = server
        self._engine = engine
        self._waiting: asyncio.TimerHandle | None = None

    def content(self, path: str) -> Text:
        """A file as the editor holds it, else as it is on disk."""
        held = self._server.workspace.text_documents
        uri = next((uri for uri in held if answers.path_of(uri) == path), None)
        content = held[uri].source if uri is not None else family.read(path) or ""
        return Text(normalised(content), str(self._server.workspace.position_encoding))

    def text(self, uri: str) -> str:
        return self.content(answers.path_of(uri)).content

    def column(self, uri: str, at: types.Position) -> int:
        return self.content(answers.path_of(uri)).column(at)

    def outward(self, path: str, found: types.Range) -> types.Range:
        return self.content(path).outward(found)

    def placed(self, one: types.Location) -> types.Location:
        return types.Location(one.uri, self.outward(answers.path_of(one.uri), one.range))

    def near(self, uri: str) -> family.Family:
        """The files of the workspace that may share names with this one."""
        path = answers.path_of(uri)
        held = {answers.path_of(one) for one in self._server.workspace.text_documents}
        roots = [answers.path_of(one) for one in self._server.workspace.folders]
        if not roots and self._server.workspace.root_uri:
            roots = [answers.path_of(self._server.workspace.root_uri)]
        texts = {one: self.content(one).content for one in dict.fromkeys((*held, *family.candidates(path, roots)))}
        environment = dict(os.environ)
        directories = dict.fromkeys((*roots, *(os.path.dirname(one) for one in texts)))
        return family.Family(
            path,
            texts,
            homes.together(directories, environment),
            lambda path, name: homes.expanded(path, name, environment),
        )

    def texts(self) -> dict[str, bytes]:
        """Everything that is open, by path."""
        return {
            answers.path_of(uri): str(one.source).encode("utf-8", "replace")
            for uri, one in self._server.workspace.text_documents.items()
        }

    def analyse(self, uri: str) -> analysis.Analysis:
        return analysis.analyse(answers.path_of(uri), self.texts(), dict(os.environ))

    def check_soon(self) -> None:
        """Once nothing has been typed for a moment."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.get_running_loop().call_later(QUIET, self.check)

    def check(self) -> None:
        """Publish the findings of every open file: one may be part of another's project."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        for uri in list(self._server.workspace.text_documents):
            path = answers.path_of(uri)
            if path.endswith((".yaml", ".yml")):
                found = answers.diagnostics(self.analyse(uri), path, self.text(uri))
                for one in found:
                    one.range = self.outward(path, one.range)
                self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found))

    def names(self, uri: str, kind: str) -> Sequence[str]:
        if kind == "images":
            return self._images()
        here = [one.name for one in symbols.symbols(self.text(uri)) if one.kind == kind and one.defines]
        project = self.analyse(uri).project
        return sorted({*here, *(getattr(project, kind) if project is not None else ())})

    def _images(self) -> list[str]:
        if self._engine is None:
            return []
        try:
            found = [read.image(one) for one in self._engine.images.list()]
        except ComposeError:
            return []
        return sorted({tag for one in found for tag in one.tags})

    def live(self, uri: str) -> derive.Project | None:
        """The project's containers, None when there are none or nobody can be asked."""
        project = self.analyse(uri).project
        if project is None or self._engine is None:
            return None
        from ..labels import PROJECT

        try:
            rows = self._engine.containers.list({"label": [f"{PROJECT}={project.name}"]}, all=True)
        except ComposeError:
            return None
        return derive.project(project.name, [read.container(one) for one in rows])


def make_server(engine: Engine | None) -> LanguageServer:
    """The server with all it can."""
    server = LanguageServer("pycompose", __version__, protocol_cls=Protocol)
    files = Files(server, engine)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(given: types.DidOpenTextDocumentParams) -> None:
        files.check()

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(given: types.DidChangeTextDocumentParams) -> None:
        files.check_soon()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(given: types.DidCloseTextDocumentParams) -> None:
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(given.text_document.uri, []))
        files.check()

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(given: types.DidSaveTextDocumentParams) -> None:
        files.check()

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(given: types.HoverParams) -> types.Hover | None:
        uri, at = given.text_document.uri, given.position
        path = key_at(files.text(uri), at.line)
        told = analysis.explained(answers.path_of(uri), path, files.texts(), dict(os.environ)) if path else None
        return answers.hover(told, path)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["$", "{", "-", " "]))
    def complete(given: types.CompletionParams) -> list[types.CompletionItem]:
        uri, at = given.text_document.uri, given.position
        return answers.completions(
            files.text(uri),
            at.line,
            files.column(uri, at),
            lambda kind: files.names(uri, kind),
            lambda: analysis.variables(answers.path_of(uri), files.texts(), dict(os.environ)),
        )

    _answer_about_names(server, files)

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    def lens(given: types.CodeLensParams) -> list[types.CodeLens]:
        uri = given.text_document.uri
        found = answers.lenses(files.text(uri), files.live(uri))
        for one in found:
            one.range = files.outward(answers.path_of(uri), one.range)
        return found

    return server


def _answer_about_names(server: LanguageServer, files: Files) -> None:
    """Definition, references, renaming."""

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def define(given: types.DefinitionParams) -> types.Location | None:
        uri, at = given.text_document.uri, given.position
        found = answers.definition(
            files.text(uri),
            answers.path_of(uri),
            at.line,
            files.column(uri, at),
            files.near(uri),
            lambda: files.analyse(uri),
        )
        return files.placed(found) if found is not None else None

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def refer(given: types.ReferenceParams) -> list[types.Location]:
        uri, at = given.text_document.uri, given.position
        found = answers.references(
            files.text(uri), answers.path_of(uri), at.line, files.column(uri, at), files.near(uri)
        )
        return [
            files.placed(answers.location(one))
            for one in found
            if given.context.include_declaration or not one.symbol.defines
        ]

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare(given: types.PrepareRenameParams) -> types.Range | None:
        uri, at = given.text_document.uri, given.position
        symbol = symbols.at(files.text(uri), at.line, files.column(uri, at))
        return files.outward(answers.path_of(uri), answers.span(symbol)) if symbol is not None else None

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    def rename(given: types.RenameParams) -> types.WorkspaceEdit | None:
        uri, at, near = given.text_document.uri, given.position, files.near(given.text_document.uri)
        text, path, column = files.text(uri), answers.path_of(uri), files.column(uri, at)
        why = answers.refusal(symbols.at(text, at.line, column), path, given.new_name, near)
        if why:
            raise JsonRpcInvalidParams(why)
        edit = answers.rename(answers.references(text, path, at.line, column, near), given.new_name)
        for name, edits in (edit.changes or {}).items() if edit is not None else ():
            for one in edits:
                one.range = files.outward(answers.path_of(name), one.range)
        return edit
