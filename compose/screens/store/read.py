"""The engine's JSON objects as the store's values. Pure; what is missing takes its default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import labels
from ...plan import observe
from .state import SAMPLES, Container, Image, Mount, Need, Network, Port, Usage, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...client.bodies import networks, volumes
    from ...client.bodies.containers import ContainerRow, PortRow
    from ...client.bodies.images import ImageRow
    from ...client.bodies.stats import Hour, Stats


_CONDITIONS = {"service_healthy": "healthy", "service_completed_successfully": "completed"}
_ANYWHERE = ("", "0.0.0.0", "::")


def container(row: ContainerRow) -> Container:
    """One element of GET /containers/json."""
    tags = row.get("Labels") or {}
    seen = observe.container(row)
    return Container(
        id=seen.id,
        name=seen.name,
        project=tags.get(labels.PROJECT, "") if labels.belongs(tags) else "",
        service=seen.service,
        number=seen.number,
        oneoff=seen.oneoff,
        image=seen.image[:19] if seen.image.startswith("sha256:") else seen.image,  # of one whose name has moved on
        state=seen.state,
        health=seen.health,
        exit_code=seen.exit_code,
        created=float(seen.created),
        status=str(row.get("Status") or ""),
        needs=needs(seen.depends_on),
        ports=_ports(row.get("Ports") or ()),
        networks=tuple(sorted(seen.networks)),
        mounts=tuple(
            Mount(
                str(one.get("Type") or ""),
                str(one.get("Name") or ""),
                str(one.get("Source") or ""),
                str(one.get("Destination") or ""),
                bool(one.get("RW", True)),
            )
            for one in row.get("Mounts") or ()
        ),
        directory=seen.working_dir,
        files=tags.get(labels.CONFIG_FILES, ""),
        env_files=tags.get(labels.ENVIRONMENT_FILE, ""),
    )


def needs(label: str) -> tuple[Need, ...]:
    """The label ``com.docker.compose.depends_on``: ``db:service_healthy:true,cache:service_started:false``. Its last part
    says whether a restart is passed on."""
    found = []
    for part in filter(None, label.split(",")):
        name, _, rest = part.partition(":")
        found.append(Need(name, _CONDITIONS.get(rest.partition(":")[0], "started")))
    return tuple(found)


def _ports(rows: Iterable[PortRow]) -> tuple[Port, ...]:
    found: dict[str, Port] = {}
    for one in rows:
        inside, outside, kind = one.get("PrivatePort"), one.get("PublicPort"), one.get("Type") or "tcp"
        end = "" if kind == "tcp" else f"/{kind}"
        if not outside:
            continue
        address = str(one.get("IP") or "")
        host = "127.0.0.1" if address in _ANYWHERE else f"[{address}]" if ":" in address else address
        text = f"{'' if address in _ANYWHERE else f'{address}:'}{outside}→{inside}{end}"
        found.setdefault(text, Port(text, f"http://{host}:{outside}/" if kind == "tcp" else ""))
    return tuple(found.values())


def network(tree: networks.Network) -> Network:
    """One element of GET /networks."""
    subnets = tuple(str(one.get("Subnet")) for one in (tree.get("IPAM") or {}).get("Config") or () if one.get("Subnet"))
    project = (tree.get("Labels") or {}).get(labels.PROJECT, "")
    return Network(str(tree.get("Id")), str(tree.get("Name")), str(tree.get("Driver") or ""), project, subnets)


def volume(tree: volumes.Volume) -> Volume:
    """One element of GET /volumes."""
    project = (tree.get("Labels") or {}).get(labels.PROJECT, "")
    return Volume(str(tree.get("Name")), str(tree.get("Driver") or ""), project)


def image(tree: ImageRow) -> Image:
    """One element of GET /images/json."""
    tags = tuple(str(one) for one in tree.get("RepoTags") or () if one != "<none>:<none>")
    return Image(str(tree.get("Id")), tags, int(tree.get("Size") or 0), float(tree.get("Created") or 0))


def usage(tree: Stats, at: float, before: Usage | None) -> Usage | None:
    """One answer of GET /containers/{id}/stats, the processor's share since ``before``; None when it says nothing."""
    memory = tree.get("memory_stats") or {}
    if not memory:
        return None
    details = memory.get("stats") or {}
    used = float(memory.get("usage") or 0)
    cache = float(details.get("total_inactive_file", details.get("inactive_file", 0)) or 0)
    networks = (tree.get("networks") or {}).values()
    spent = float(((tree.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0)
    share = 0.0
    if before is not None and at > before.at and spent > before.spent:
        share = (spent - before.spent) / 1e9 / (at - before.at) * 100
    blocks = {"read": 0.0, "write": 0.0}
    for one in (tree.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ():
        word = str(one.get("op", "")).lower()
        if word in blocks:
            blocks[word] += float(one.get("value") or 0)
    return Usage(
        at=at,
        processor=share,
        memory=used - cache if cache < used else used,
        limit=float(memory.get("limit") or 0),
        received=sum(float(one.get("rx_bytes") or 0) for one in networks),
        sent=sum(float(one.get("tx_bytes") or 0) for one in networks),
        read=blocks["read"],
        written=blocks["write"],
        pids=int((tree.get("pids_stats") or {}).get("current") or 0),
        spent=spent,
    )


def history(hour: Hour, seen: tuple[Usage, ...]) -> list[Usage]:
    """What the engine has kept, up to the first sample that was taken here, and ``seen`` from then on."""
    columns = (hour["At"], hour["Memory"], hour["Limit"], hour["Received"], hour["Sent"], hour["Read"], hour["Written"])
    kept = [
        Usage(at, 0.0, memory, limit, received, sent, read, written, int(pids), spent)
        for at, memory, limit, received, sent, read, written, pids, spent in zip(
            *columns, hour["Pids"], hour["Processor"], strict=False
        )
        if not seen or at < seen[0].at
    ]
    found = [*kept, *seen][-SAMPLES:]
    for at in range(1, min(len(kept) + 1, len(found))):
        one, before = found[at], found[at - 1]
        if one.at > before.at and one.spent > before.spent:
            found[at] = one._replace(processor=(one.spent - before.spent) / 1e9 / (one.at - before.at) * 100)
    return found
