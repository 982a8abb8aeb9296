"""`pycompose docs`: the documentation that came with this version, in the browser and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .... import version
from ...errors import ComposeError

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

BUILD = "mkdocs build --site-dir pycompose/site"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--no-open", action="store_true", help="Print the address, and do not open a browser")
    parser.add_argument("page", nargs="?", default="index", metavar="[PAGE]", help="A page, such as how-to/operating")


def run(args: Namespace) -> int:
    address = page(installed(), args.page).as_uri()
    print(address)
    if not args.no_open:
        import webbrowser

        webbrowser.open(address)
    return 0


def installed() -> Path:
    """The directory of the built pages: releases bring them, a checkout builds them. Raises ComposeError."""
    site = Path(version.__file__).parent / "site"
    if not (site / "index.html").is_file():
        raise ComposeError(f"the documentation is not built in this checkout; {BUILD} makes it from docs/")
    return site


def page(site: Path, name: str) -> Path:
    """The file of a page by its name, with or without an ending. Raises ComposeError with the names there are."""
    from ...load.suggest import nearest

    names = sorted(str(one.relative_to(site).with_suffix("")) for one in site.rglob("*.html") if one.name != "404.html")
    wanted = name.removesuffix(".html").removesuffix(".md")
    if wanted in names:
        return site / f"{wanted}.html"
    last = [one for one in names if one.rpartition("/")[2] == wanted]
    if len(last) == 1:
        return site / f"{last[0]}.html"
    hint = nearest(wanted, names)
    raise ComposeError(f"no page {name!r}{f' ({hint})' if hint else ''}; there are {', '.join(names)}")
