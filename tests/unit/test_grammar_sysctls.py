"""Kernel parameters: how a name may be written, and whose it is."""

from __future__ import annotations

import pytest

from pycompose.grammar import sysctls


@pytest.mark.parametrize(
    ("name", "dotted", "path"),
    [
        ("net.core.somaxconn", "net.core.somaxconn", "net/core/somaxconn"),
        ("net/core/somaxconn", "net.core.somaxconn", "net/core/somaxconn"),
        ("net.ipv4.conf.eno2/100.rp_filter", "net.ipv4.conf.eno2/100.rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
        ("net/ipv4/conf/eno2.100/rp_filter", "net.ipv4.conf.eno2/100.rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
    ],
)
def test_names(name: str, dotted: str, path: str) -> None:
    assert sysctls.dotted(name) == dotted
    assert sysctls.path(dotted) == path


@pytest.mark.parametrize(
    "name", ["", ".", "kernel", "net..x", "net.", ".net", "net.//.x", "net/../x", "net.x\0", "net/./x"]
)
def test_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="invalid sysctl"):
        sysctls.dotted(name)


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("net.ipv4.ip_forward", "network"),
        ("kernel.shmmax", "ipc"),
        ("kernel.shm_rmid_forced", "ipc"),
        ("fs.mqueue.msg_max", "ipc"),
        ("kernel.domainname", "uts"),
        ("kernel.hostname", "uts"),
        ("kernel.panic", None),
        ("vm.swappiness", None),
        ("network.x", None),
    ],
)
def test_namespaces(name: str, namespace: str | None) -> None:
    assert sysctls.namespace(name) == namespace


def test_flags() -> None:
    assert sysctls.check_flag("net.core.somaxconn=1") == "net.core.somaxconn=1"
    for text in ("net.core.somaxconn", "a.b=c", "kernel.hostname=x", "kernel.domainname=x"):
        with pytest.raises(ValueError, match="is not allowed"):
            sysctls.check_flag(text)
