"""The language server over standard input and output: documents as the editor holds them, and which question gets which answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from ...version import __version__
from ..errors import ComposeError
from ..screens.store import derive, read
from . import analysis, answers
from .place import key_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client import Engine


class Files:
    """The Compose files that are open in the editor. ``engine`` is asked for what runs; it is never started for that."""

    def __init__(self, server: LanguageServer, engine: Engine | None) -> None:
        self._server = server
        self._engine = engine

    def text(self, uri: str) -> str:
        return str(self._server.workspace.get_text_document(uri).source)

    def texts(self) -> dict[str, bytes]:
        """Everything that is open, by path."""
        return {
            answers.path_of(uri): str(one.source).encode("utf-8", "replace")
            for uri, one in self._server.workspace.text_documents.items()
        }

    def analyse(self, uri: str) -> analysis.Analysis:
        return analysis.analyse(answers.path_of(uri), self.texts(), dict(os.environ))

    def check(self) -> None:
        """Publish the findings of every open file: one may be part of another's project."""
        for uri in list(self._server.workspace.text_documents):
            path = answers.path_of(uri)
            if path.endswith((".yaml", ".yml")):
                found = answers.diagnostics(self.analyse(uri), path, self.text(uri))
                self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found))

    def names(self, uri: str, kind: str) -> Sequence[str]:
        if kind == "images":
            return self._images()
        from .symbols import symbols

        here = [one.name for one in symbols(self.text(uri)) if one.kind == kind and one.defines]
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
    server = LanguageServer("pycompose", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    files = Files(server, engine)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(given: types.DidOpenTextDocumentParams) -> None:
        files.check()

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(given: types.DidChangeTextDocumentParams) -> None:
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
            at.character,
            lambda kind: files.names(uri, kind),
            lambda: analysis.variables(answers.path_of(uri), files.texts(), dict(os.environ)),
        )

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def define(given: types.DefinitionParams) -> types.Location | None:
        uri, at = given.text_document.uri, given.position
        return answers.definition(files.text(uri), answers.path_of(uri), at.line, at.character, files.analyse(uri))

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def refer(given: types.ReferenceParams) -> list[types.Location]:
        uri, at = given.text_document.uri, given.position
        found = answers.references(files.text(uri), at.line, at.character)
        return [types.Location(uri, answers.span(one)) for one in found]

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    def rename(given: types.RenameParams) -> types.WorkspaceEdit | None:
        uri, at = given.text_document.uri, given.position
        return answers.rename(files.text(uri), answers.path_of(uri), at.line, at.character, given.new_name)

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    def lens(given: types.CodeLensParams) -> list[types.CodeLens]:
        uri = given.text_document.uri
        return answers.lenses(files.text(uri), files.live(uri))

    return server
