"""A hook of mkdocs: in code within tables GitHub wants ``\\|`` for a bar, and Python-Markdown shows the backslash."""

from __future__ import annotations

import re

_CODE = re.compile(r"`[^`]*`")


def on_page_markdown(markdown: str, **_: object) -> str:
    lines = markdown.split("\n")
    return "\n".join(_CODE.sub(_plain, line) if line.startswith("|") else line for line in lines)


def _plain(code: re.Match[str]) -> str:
    return code[0].replace("\\|", "|")
