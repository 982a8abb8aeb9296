"""A visitor of the WordPress example: installs the site through its form and reads pages, over real HTTP only."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: status, header fields (lower-case names), and the body as text."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Site:
    """The site at ``host:port``. WordPress remembers the Host header it was installed by, so always use the same one."""

    host: str
    port: int

    def request(self, method: str, path: str, form: dict[str, str] | None = None, timeout: float = 30.0) -> Page:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            body = None if form is None else urllib.parse.urlencode(form)
            headers = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Page(response.status, fields, response.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def get(self, path: str = "/") -> Page:
        return self.request("GET", path)

    def install(self, title: str, user: str = "admin", password: str = "a-Long-pass-phrase-42") -> Page:
        """Post the installer's form; the page says ``Success!`` when it worked."""
        return self.request(
            "POST",
            "/wp-admin/install.php?step=2",
            {
                "weblog_title": title,
                "user_name": user,
                "admin_password": password,
                "admin_password2": password,
                "pw_weak": "on",
                "admin_email": "admin@example.org",
                "blog_public": "0",
                "language": "",
                "Submit": "Install WordPress",
            },
        )

    def first_answer(self, deadline: float, path: str = "/") -> tuple[float, Page]:
        """Seconds until the first answer below 500, and that answer. ``deadline``: seconds from now; TimeoutError after it."""
        begin = time.monotonic()
        while True:
            try:
                page = self.request("GET", path, timeout=5.0)
                if page.status < 500:
                    return time.monotonic() - begin, page
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() - begin > deadline:
                raise TimeoutError(f"no answer from {self.host}:{self.port}{path} within {deadline} s")
            time.sleep(0.02)
