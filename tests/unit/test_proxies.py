"""Which proxy a URL goes through: golang.org/x/net/http/httpproxy's rules."""

from __future__ import annotations

import pytest

from pycompose.engine.images.proxies import Proxies


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("", "https://reg.example/v2/", False),
        ("", "http://localhost:5000/", True),
        ("", "https://127.0.0.9/", True),
        ("", "http://[::1]:5000/", True),
        ("", "http://reg.localhost/", False),
        ("*", "https://reg.example/", True),
        ("reg.example", "https://reg.example/", True),
        ("reg.example", "https://sub.reg.example/", True),
        ("reg.example", "https://notreg.example/", False),
        (".example", "https://example/", False),
        (".example", "https://reg.example/", True),
        ("*.example", "https://reg.example/", True),
        ("*.example", "https://example/", False),
        ("REG.example , other", "https://reg.EXAMPLE/", True),
        ("reg.example:5000", "https://reg.example:5000/", True),
        ("reg.example:5000", "https://reg.example/", False),
        ("reg.example:443", "https://reg.example/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8", "http://reg.example/", False),
        ("10.0.0.0/nonsense", "http://10.0.0.1/", False),
        ("10.1.2.3", "http://10.1.2.3:5000/", True),
        ("10.1.2.3:80", "http://10.1.2.3:5000/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("fd00::1", "http://[fd00::1]/", True),
        ("[fd00::1]:80", "http://[fd00::1]/", True),
        (", ,", "https://reg.example/", False),
    ],
)
def test_exceptions(exceptions: str, url: str, direct: bool) -> None:
    found = Proxies.of({"HTTP_PROXY": "proxy:1", "HTTPS_PROXY": "http://proxy:2", "NO_PROXY": exceptions})
    assert found.of_url(url) == ("" if direct else "http://proxy:2" if url.startswith("https") else "http://proxy:1")


def test_names_of_variables() -> None:
    assert Proxies.of({"http_proxy": "low"}).of_url("http://x/") == "http://low"
    assert Proxies.of({"http_proxy": "low", "HTTP_PROXY": "up"}).of_url("http://x/") == "http://up"
    assert Proxies.of({"ALL_PROXY": "socks5://all", "HTTPS_PROXY": "own"}) == Proxies("socks5://all", "http://own")
    assert Proxies.of({"HTTP_PROXY": "up"}).of_url("https://x/") == ""
