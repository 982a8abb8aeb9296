"""Every path the engine has on disk, and nowhere else.

``state`` is durable (survives a reboot); ``run`` is for this boot only (sockets, pids, mount points, zone files). Both are
closed to everybody but the engine's user; the group that may use the socket passes through ``run`` and no further.

    state/engine.db                     records (SQLite, WAL; the engine is the one writer)
    state/blobs/sha256/<hex>            content-addressed blobs; state/ingest/ holds what is not yet verified
    state/layers/<24 hex of chain id>/fs   an unpacked layer in overlayfs form
    state/containers/<id>/              upper, work, log/, hour, status.json (the shim is its one writer)
    state/volumes/<name>/_data          the local volume driver's data; .import-<hex>/ what is about to become some
    state/layered/<hex>/{fs,work}       layers of volumes with snapshots
    state/cache/                        anything that may be deleted at rest
    ROOT/engine.yaml                    the configuration; of the default root /etc/pycompose/engine.yaml
    run/engine.sock, engine.lock        the API socket (held by the keeper), the lock of this root
    run/containers/<id>/                launch.json, bundle/, hosts, hostname, resolv.conf, resolver.json, shim.sock
    run/build/<id>/                     launch.json, hosts, resolv.conf, shim.sock of one RUN step of a build
    run/files/<id>/                     configs and secrets of one container, on a ramfs that is mounted at run/files
    run/networks/<id>/zone.json         names of one network, read by every shim on it
    run/leases/<id>.sock                control socket of a lease's guard
    run/mounts/<uuid>/                  temporary merged views
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

OWNER = "PYCOMPOSE_OWNER"
"""Set by the keeper of an ordinary user, for whoever it starts: their own user id is 0, in a user namespace."""


def owner() -> int:
    """The user on the host whose engine this is."""
    given = os.environ.get(OWNER, "")
    return int(given) if os.geteuid() == 0 and given.isdecimal() else os.geteuid()


def runtime_directory(given: str | None, user: int) -> Path | None:
    """The user's directory for this boot: what XDG_RUNTIME_DIR names, else where systemd makes it; None where there is none
    that is the user's own (``su`` keeps the variable of somebody else)."""
    for path in (given, f"/run/user/{user}"):
        if path:
            try:
                if Path(path).stat().st_uid == os.geteuid():
                    return Path(path)
            except OSError:
                continue
    return None


class Layout(NamedTuple):
    """Paths of one engine instance. ``root`` is what identifies the instance; all are absolute."""

    root: Path
    state: Path
    run: Path

    @staticmethod
    def for_root(root: str | os.PathLike[str] | None) -> Layout:
        """The layout for ``--root`` / ``PYCOMPOSE_ROOT``, or the user's default when ``root`` is None or empty."""
        default = Layout._default()
        if root:
            base = Path(os.path.abspath(root))
            # The default root by its own name (the keeper tells it to the engine) is still the default layout.
            return default if base == default.root else Layout(base, base / "state", base / "run")
        return default

    @staticmethod
    def _default() -> Layout:
        if owner() == 0:
            return Layout(Path("/var/lib/pycompose"), Path("/var/lib/pycompose"), Path("/run/pycompose"))
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "pycompose"
        runtime = runtime_directory(os.environ.get("XDG_RUNTIME_DIR"), owner())
        return Layout(data, data, data / "run" if runtime is None else runtime / "pycompose")

    @property
    def instance(self) -> str:
        """Six hex digits derived from the root: the part of every kernel name that keeps two engines apart."""
        # Here, because OpenSSL is larger than the rest of the keeper, which imports this module too.
        import hashlib

        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:6]

    @property
    def configuration(self) -> Path:
        """engine.yaml: in the root, or for the default root where configuration is looked for."""
        if self.root != Layout._default().root:
            return self.root / "engine.yaml"
        if owner() == 0:
            return Path("/etc/pycompose/engine.yaml")
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pycompose" / "engine.yaml"

    @property
    def network(self) -> Path:
        """The network namespace that holds the bridges of an engine without root; of root's there is none."""
        return self.run / "netns"

    @property
    def lifeline(self) -> Path:
        """The FIFO by which that namespace's uplink knows whether somebody is left to be served."""
        return self.run / "uplink"

    @property
    def ids(self) -> Path:
        """How ids are mapped, of an engine without root: what is below ``state`` depends on it."""
        return self.state / "ids.json"

    @property
    def socket(self) -> Path:
        return self.run / "engine.sock"

    @property
    def lock(self) -> Path:
        return self.run / "engine.lock"

    @property
    def engine_log(self) -> Path:
        return self.run / "engine.log"

    @property
    def last_log(self) -> Path:
        """What the engine before this one has logged, if anything."""
        return self.state / "engine.log"

    @property
    def database(self) -> Path:
        return self.state / "engine.db"

    @property
    def blobs(self) -> Path:
        return self.state / "blobs" / "sha256"

    @property
    def ingest(self) -> Path:
        return self.state / "ingest"

    @property
    def layers(self) -> Path:
        return self.state / "layers"

    @property
    def cache(self) -> Path:
        return self.state / "cache"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def layered(self) -> Path:
        return self.state / "layered"

    @property
    def closed(self) -> tuple[Path, ...]:
        """Directories full of untrusted files, which no user of this machine may pass through."""
        return self.state / "containers", self.volumes, self.layered, self.layers, self.cache, self.run / "containers"

    @property
    def skeleton(self) -> Path:
        return self.state / "skeleton"

    @property
    def mounts(self) -> Path:
        return self.run / "mounts"

    def layer(self, chain_id: str) -> Path:
        """Directory of the layer with this chain ID (``sha256:<hex>`` or bare hex)."""
        return self.layers / chain_id.removeprefix("sha256:")[:24]

    def container_state(self, container_id: str) -> Path:
        return self.state.joinpath("containers", container_id)

    def container_run(self, container_id: str) -> Path:
        return self.run.joinpath("containers", container_id)

    @property
    def files(self) -> Path:
        return self.run / "files"

    def container_files(self, container_id: str) -> Path:
        return self.files / container_id

    @property
    def build_runs(self) -> Path:
        return self.run / "build"

    @property
    def build_cache(self) -> Path:
        return self.cache / "build"

    def lease_control(self, lease_id: str) -> Path:
        return self.run / "leases" / f"{lease_id}.sock"

    def network_run(self, network_id: str) -> Path:
        return self.run.joinpath("networks", network_id)
