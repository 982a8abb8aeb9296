"""`pycompose system prune`: everything that nothing uses, kind by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.parser import FlagError
from ...flags.shared import add_prune
from ...session import Session
from ...show import foretold, pruning
from ...show.many import filters

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="Remove all unused images not just dangling ones")
    add_prune(parser, 'Provide filter values (e.g. "label=<key>=<value>")')
    flag("--volumes", action="store_true", help="Prune anonymous volumes")


def _question(args: Namespace) -> str:
    kinds = ["all stopped containers", "all networks not used by at least one container"]
    if args.volumes:
        kinds.append("all anonymous volumes not used by at least one container")
    if args.all:
        kinds += ["all images without at least one container associated to them", "all build cache"]
    else:
        kinds += ["all dangling images", "unused build cache"]
    lines = ["WARNING! This will remove:", *(f"  - {kind}" for kind in kinds), ""]
    if args.filter:
        lines += ["  Items to be pruned will be filtered with:", *(f"  - {item}" for item in args.filter), ""]
    return "\n".join(lines)


def run(args: Namespace) -> int:
    wanted = filters(args.filter)
    if args.volumes and "until" in wanted:
        raise FlagError('ERROR: The "until" filter is not supported with "--volumes"')
    if args.dry_run:
        return foretold.tell(pruning.doomed(Session(args).engine, wanted, all=args.all, with_volumes=args.volumes))
    if not pruning.agreed(_question(args), yes=args.force):
        return 0
    engine = Session(args).engine
    count = pruning.containers(engine, wanted)
    pruning.networks(engine, wanted)
    if args.volumes:
        count += pruning.volumes(engine, wanted, all=False)
    count += pruning.images(engine, wanted, all=args.all)
    cache = {key: values for key, values in wanted.items() if not key.startswith("label")}
    count += pruning.build_cache(engine, cache, all=args.all)
    pruning.reclaimed(count)
    return 0
