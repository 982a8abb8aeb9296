"""A session drawn from a seed: steps over few names, so that they collide and meet each other in every state."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import bodies
from .steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONTAINERS = ("w1", "w2", "w3", "w4")
_NETWORKS = ("n1", "n2", "n3")
_VOLUMES = ("v1", "v2", "v3")
_IMAGES = (
    "busybox",
    "busybox:latest",
    "t1",
    "t2:x",
    "t3:y",
    "nosuch",
    "busybox:nosuch",
    "UPPER",
    "{image:t1}",
    "sha256:0000",
    "a/b/c:d",
)
_SIGNALS = ("", "SIGTERM", "KILL", "9", "0", "BOGUS", "99", "SIGUSR1", "term", "-1", "SIGRTMIN+3")
_PLAIN = {"Image": "busybox", "Cmd": bodies.WAITS}
_BEGINNING = (
    Step("POST", "/networks/create", {"Name": "n2", "IPAM": {"Config": [{"Subnet": "10.251.0.0/24"}]}}, "net:n2"),
    Step("POST", "/containers/create?name=w1", _PLAIN, "id:w1"),
    Step("POST", "/containers/w1/start", settle="w1"),
    Step(
        "POST",
        "/containers/create?name=w2",
        {**_PLAIN, "HostConfig": {"NetworkMode": "n2", "Binds": ["v1:/data"]}},
        "id:w2",
    ),
    Step("POST", "/containers/w2/start", settle="w2"),
    Step("POST", "/containers/w1/exec", {"Cmd": ["echo", "hello"], "AttachStdout": True}, "exec:e1"),
    Step(
        "POST",
        "/containers/create?name=w3",
        {"Image": "busybox", "Cmd": ["sh", "-c", "exit 3"], "Labels": {"k": "v"}},
        "id:w3",
    ),
    Step("POST", "/containers/w3/start", settle="w3"),
)


class Drawer:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._networks = 0
        self._weighted: list[tuple[Callable[[], Step], int]] = [
            (self._create, 14), (self._start, 12), (self._stop, 5), (self._kill, 5), (self._pause, 3), (self._unpause, 4),
            (self._restart, 3), (self._rename, 3), (self._update, 4), (self._wait, 2), (self._remove, 8), (self._inspect, 3),
            (self._exec_create, 6), (self._exec_start, 6), (self._exec_inspect, 3), (self._exec_resize, 1), (self._resize, 1),
            (self._logs, 4), (self._top, 3), (self._stats, 1), (self._archive_put, 4), (self._archive_get, 4), (self._changes, 2),
            (self._commit, 3), (self._export, 1), (self._list, 6), (self._prune, 2), (self._attach, 1),
            (self._network_create, 6), (self._network_connect, 6), (self._network_disconnect, 4), (self._network_inspect, 2), (self._network_list, 3),
            (self._network_remove, 3), (self._volume_create, 4), (self._volume_inspect, 2), (self._volume_remove, 3), (self._volume_list, 3),
            (self._tag, 3), (self._image_inspect, 3), (self._image_remove, 3), (self._image_list, 4), (self._events, 2), (self._wrong, 3), (self._system, 1),
            (self._images_get, 1),
        ]  # fmt: skip

    def steps(self, count: int) -> Iterator[Step]:
        """``count`` steps. The first ones make sensible things, so that there is something to be right and wrong about."""
        kinds, weights = zip(*self._weighted, strict=True)
        begin = _BEGINNING[: self._random.randint(0, len(_BEGINNING))]
        yield from begin[:count]
        for _ in range(count - len(begin)):
            yield self._random.choices(kinds, weights)[0]()

    # what is drawn ---------------------------------------------------------------------------------------------------
    def _one(self, choices: Any) -> Any:
        return self._random.choice(choices)

    def _maybe(self, text: str, chance: float = 0.3) -> str:
        return text if self._random.random() < chance else ""

    def _container(self) -> str:
        chance = self._random.random()
        if chance < 0.03:
            return str(self._one(("nosuch", "%20", "zz", "a%2Fb", "C1")))
        name: str = self._one(_CONTAINERS)
        return f"{{id:{name}}}" if chance < 0.1 else f"{{short:{name}}}" if chance < 0.13 else name

    def _about(self, method: str, call: str, body: Any = None, *, settle: bool = True, alias: str = "") -> Step:
        name = self._container()
        touches = (f"/containers/{name}/json",)
        return Step(method, f"/containers/{name}/{call}", body, alias, touches, name if settle else "")

    def _query(self, **values: Any) -> str:
        return "?" + "&".join(f"{key}={quote(str(value))}" for key, value in values.items() if value is not None)

    def _filters(self, table: dict[str, list[str]]) -> str:
        chance = self._random.random()
        if chance < 0.06:
            return quote(
                self._one(
                    (
                        "bogus",
                        "[]",
                        "{}",
                        '{"status":"x"}',
                        '{"name":{"x":true}}',
                        '{"label":[1]}',
                        "",
                        '{"nosuch":["1"]}',
                        '{"name":[]}',
                    )
                )
            )
        keys = self._random.sample(sorted(table), self._random.randint(1, 2))
        return quote(
            json.dumps(
                {key: self._random.sample(table[key], self._random.randint(1, min(2, len(table[key])))) for key in keys}
            )
        )

    # containers ------------------------------------------------------------------------------------------------------
    def _create(self) -> Step:
        name = self._one((*_CONTAINERS, *_CONTAINERS, "b@d", "x", ""))
        query = self._query(
            name=name or "-wrong", platform=self._one((None,) * 20 + ("linux/amd64", "bogus", "linux/arm64"))
        )
        return Step(
            "POST",
            f"/containers/create{query}",
            bodies.container(self._random),
            f"id:{name}",
            (f"/containers/{name}/json",) if name in _CONTAINERS else (),
        )

    def _start(self) -> Step:
        return self._about(
            "POST",
            "start"
            + self._maybe(
                self._query(detachKeys=self._one(("ctrl-x", "bogus")), checkpoint=self._one((None, None, "x"))), 0.05
            ),
        )

    def _stop(self) -> Step:
        # With a signal that can be caught no time at all is a race.
        query = self._one(
            (
                self._query(t=0, signal="SIGKILL"),
                self._query(t=self._one((1, 1, None, -1, "x", "1.5"))),
                self._query(t=1, signal=self._one(("BOGUS", "SIGTERM", "SIGKILL"))),
            )
        )
        return self._about("POST", "stop" + query)

    def _kill(self) -> Step:
        return self._about("POST", "kill" + self._query(signal=self._one(_SIGNALS)))

    def _pause(self) -> Step:
        return self._about("POST", "pause")

    def _unpause(self) -> Step:
        return self._about("POST", "unpause")

    def _restart(self) -> Step:
        return self._about(
            "POST",
            "restart" + self._query(t=self._one((1, 1, "x", None)), signal=self._one((None, None, "SIGKILL", "BOGUS"))),
        )

    def _rename(self) -> Step:
        new = self._one((*_CONTAINERS, "c5", "", "b@d", "/w2", "x"))
        step = self._about("POST", "rename" + self._query(name=new))
        return Step(step.method, step.path, None, "", (*step.touches, "/containers/c5/json"), "")

    def _update(self) -> Step:
        body = (
            bodies.drawn(self._random, bodies.UPDATE, 2) if self._random.random() < 0.95 else self._one(([], None, "x"))
        )
        return self._about("POST", "update", body)

    def _wait(self) -> Step:
        # Without one that runs: what waits would wait for ever.
        return self._about(
            "POST", "wait" + self._query(condition=self._one(("not-running", "bogus", ""))), settle=False, alias="wait"
        )

    def _remove(self) -> Step:
        return self._about(
            "DELETE",
            self._query(
                v=self._one((None, "1", "true", "0", "x")),
                force=self._one(("1", "1", "0", None, "bogus")),
                link=self._one((None,) * 9 + ("1",)),
            ),
        ).removed()

    def _inspect(self) -> Step:
        return self._about("GET", "json" + self._query(size=self._one((None, "1", "x"))), settle=False)

    def _logs(self) -> Step:
        query = self._query(
            stdout=self._one((1, 1, 0, "true")), stderr=self._one((1, 0, None)), tail=self._one((None, 1, 0, "all", "x", -1)),
            since=self._one((None, None, None, "0", "x", "99999999999")), until=self._one((None, None, "1", "x")), details=self._one((None, 1)),
        )  # fmt: skip
        return self._about("GET", "logs" + query, settle=False)

    def _top(self) -> Step:
        return self._about(
            "GET",
            "top" + self._query(ps_args=self._one((None, "-o pid,comm", "aux", "-bogus", "-o comm", "", "-ef"))),
            settle=False,
        )

    def _stats(self) -> Step:
        return self._about("GET", "stats?stream=false&one-shot=1", settle=False)

    def _attach(self) -> Step:
        return self._about(
            "POST",
            "attach"
            + self._query(
                logs=1, stream=0, stdout=1, stderr=self._one((1, None)), detachKeys=self._one((None, "bogus"))
            ),
            settle=False,
        )

    def _resize(self) -> Step:
        return self._about(
            "POST",
            "resize" + self._query(h=self._one((10, "x", 0, -1, None)), w=self._one((20, "x", None))),
            settle=False,
        )

    def _archive_put(self) -> Step:
        query = self._query(
            path=self._one(("/tmp", "/", "/nosuch", "", "/etc/passwd", "relative", "tmp/..", None)),
            noOverwriteDirNonDir=self._one((None, "1", "x")),
            copyUIDGID=self._one((None, "1")),
        )
        body = self._one(
            (
                {"tar": {"put": "content"}},
                {"tar": {"put": "content"}},
                {"tar": {"tmp": "content"}},
                {"raw": "no tar"},
                {"tar": {"../escape": "x"}},
                {"tar": {}},
            )
        )
        return self._about("PUT", "archive" + query, body, settle=False)

    def _archive_get(self) -> Step:
        query = self._query(
            path=self._one(
                (
                    "/tmp/put",
                    "/etc/passwd",
                    "/tmp",
                    "/tmp/.",
                    "/nosuch",
                    "",
                    "/etc/passwd/",
                    "tmp/put",
                    None,
                    "/tmp/put/x",
                    "/etc/passwd/.",
                )
            )
        )
        return self._about(self._one(("GET", "HEAD")), "archive" + query, settle=False)

    def _changes(self) -> Step:
        return self._about("GET", "changes", settle=False)

    def _export(self) -> Step:
        return self._about("GET", "export", settle=False)

    def _exec_create(self) -> Step:
        body = {"Cmd": ["sh", "-c", "exit 3"], **bodies.drawn(self._random, bodies.EXEC, 2)}
        return self._about(
            "POST",
            "exec",
            body if self._random.random() < 0.96 else self._one((None, [], {})),
            alias=f"exec:{self._one(('e1', 'e2', 'e3'))}",
            settle=False,
        )

    def _execution(self) -> str:
        return str(self._one(("{exec:e1}", "{exec:e2}", "{exec:e3}", "{exec:e1}", "nosuch")))

    def _exec_start(self) -> Step:
        name = self._execution()
        body = self._one(
            (
                {"Detach": True},
                {"Detach": False},
                {"Detach": False, "Tty": True},
                {},
                None,
                "x",
                {"Detach": True, "Tty": True},
            )
        )
        return Step("POST", f"/exec/{name}/start", body, touches=(f"/exec/{name}/json",))

    def _exec_inspect(self) -> Step:
        return Step("GET", f"/exec/{self._execution()}/json")

    def _exec_resize(self) -> Step:
        return Step("POST", f"/exec/{self._execution()}/resize" + self._query(h=self._one((10, "x")), w=20))

    def _list(self) -> Step:
        table = {
            "status": ["running", "exited", "created", "paused", "dead", "bogus", "restarting"], "name": ["w1", "w", "^/w2$", "[", "nosuch"],
            "label": ["k", "k=v", "k=x", "=", ""], "label!": ["k"], "id": ["{id:w1}", "{short:w2}", "zz"], "exited": ["0", "3", "137", "7", "x"], "ancestor": ["busybox", "nosuch", "t1"],
            "before": ["w1", "nosuch"], "since": ["w2", "nosuch"], "volume": ["v1", "/data", "nosuch"], "network": ["n1", "bridge", "none", "nosuch"],
            "publish": ["80", "80/tcp", "1-100/udp", "x"], "expose": ["80/tcp", "x", "53/udp"], "health": ["none", "starting", "bogus"], "is-task": ["false", "true", "x"],
        }  # fmt: skip
        query = self._query(
            all=self._one((1, 1, 1, 0, None, "x")),
            limit=self._one((None, None, 1, 2, 0, -1, "x")),
            size=self._one((None, None, "0")),
        )
        return Step("GET", f"/containers/json{query}" + self._maybe(f"&filters={self._filters(table)}", 0.8))

    def _prune(self) -> Step:
        noun = self._one(("containers", "networks", "volumes", "images", "volumes"))
        table = {
            "label": ["k", "k=v"],
            "label!": ["k"],
            "until": ["1h", "x", "2020-01-01", "0"],
            "all": ["1", "x", "false"],
            "dangling": ["1", "0", "x"],
            "bogus": ["1"],
        }
        if noun == "images":
            table["until"] = ["1h", "x"]
            return Step(
                "POST",
                f"/{noun}/prune?filters={quote(json.dumps(self._one(({'until': ['1h']}, {'until': ['x']}, {'dangling': ['x']}, {'label': ['k']}, {'dangling': ['1']}))))}",
            )
        return Step("POST", f"/{noun}/prune" + self._maybe(f"?filters={self._filters(table)}", 0.8))

    # images ----------------------------------------------------------------------------------------------------------
    def _commit(self) -> Step:
        query = self._query(
            container=self._container(), repo=self._one(("t1", "t2", "UPPER", None)), tag=self._one((None, "x", "b@d")), pause=self._one((None, "0", "1")),
            changes=self._one((None, "CMD true", "BOGUS x", "ENV A=1", "LABEL a=b", "EXPOSE 80", "USER x", "FROM y")), comment=self._one((None, "words")), author=self._one((None, "me")),
        )  # fmt: skip
        return Step(
            "POST",
            f"/commit{query}",
            self._one((None, None, {}, {"Cmd": ["x"]}, {"Labels": {"c": "d"}})),
            "image:t1",
            ("/images/t1/json", "/images/t2:x/json"),
        )

    def _tag(self) -> Step:
        query = self._query(
            repo=self._one(
                ("t1", "t2", "t3", "UPPER", "a/b/c", "", "sha256", "t1@sha256:00", "t2:y", "h:5000/x", "-x")
            ),
            tag=self._one((None, "x", "y", "b@d", "", "latest")),
        )
        return Step("POST", f"/images/{self._one(_IMAGES)}/tag{query}")

    def _image_inspect(self) -> Step:
        return Step("GET", f"/images/{self._one(_IMAGES)}/{self._one(('json', 'history'))}")

    def _image_remove(self) -> Step:
        # The image that everything is made of stays.
        image = self._one([name for name in _IMAGES if name not in ("busybox", "busybox:latest")])
        return Step(
            "DELETE",
            f"/images/{image}" + self._query(force=self._one((None, "1", "x")), noprune=self._one((None, "1"))),
        )

    def _image_list(self) -> Step:
        table = {
            "reference": ["busybox", "t*", "*:x", "nosuch", "[", "a/*/*"], "dangling": ["true", "false", "x"], "label": ["k", "a=b"], "before": ["busybox", "nosuch"],
            "since": ["busybox", "nosuch"], "until": ["1h", "x"], "bogus": ["1"],
        }  # fmt: skip
        return Step(
            "GET",
            "/images/json"
            + self._query(all=self._one((None, 1, "x")), digests=self._one((None, 1)))
            + self._maybe(f"&filters={self._filters(table)}", 0.7),
        )

    def _images_get(self) -> Step:
        return Step(
            "GET",
            self._one(
                (
                    "/images/get?names=nosuch",
                    "/images/nosuch/get",
                    "/images/busybox/history?platform=x",
                    "/images/search",
                    "/images/get",
                )
            ),
        )

    # networks --------------------------------------------------------------------------------------------------------
    def _network_create(self) -> Step:
        name = self._one((*_NETWORKS, *_NETWORKS, "bridge", "host", "", "b/d", "default", "container:x", " "))
        body: Any = {"Name": name, **bodies.drawn(self._random, bodies.NETWORK, 2)}
        self._networks += 1
        if name == "n2" and self._random.random() < 0.7:
            body = {"Name": "n2", "IPAM": {"Config": [{"Subnet": "10.251.0.0/24"}]}}
        if self._random.random() < 0.03:
            body = self._one(([], None, {}, {"Name": 5}))
        body = json.loads(json.dumps(body).replace("{n}", str(self._networks % 200)))
        return Step(
            "POST", "/networks/create", body, f"net:{name}", (f"/networks/{name}",) if name in _NETWORKS else ()
        )

    def _network(self) -> str:
        return str(self._one((*_NETWORKS, *_NETWORKS, *_NETWORKS, "bridge", "host", "none", "nosuch", "{net:n1}")))

    def _network_connect(self) -> Step:
        network, name = self._network(), self._container()
        body: Any = {"Container": name}
        if self._random.random() < 0.5:
            body["EndpointConfig"] = self._one(
                (
                    {"Aliases": ["x"]},
                    {"IPAMConfig": {"IPv4Address": "10.251.0.88"}},
                    {"IPAMConfig": {"IPv4Address": "bogus"}},
                    {},
                    None,
                    {"MacAddress": "bogus"},
                    {"Aliases": "x"},
                    {"Links": ["nosuch"]},
                    {"GwPriority": 3},
                    {"DriverOpts": {"k": "v"}},
                    {"IPAMConfig": {"IPv4Address": "10.9.9.9"}},
                )
            )
        if self._random.random() < 0.03:
            body = self._one(({}, None, [], {"Container": ""}))
        return Step(
            "POST", f"/networks/{network}/connect", body, "", (f"/networks/{network}", f"/containers/{name}/json")
        )

    def _network_disconnect(self) -> Step:
        network, name = self._network(), self._container()
        body = {"Container": name, "Force": self._one((False, True))}
        return Step(
            "POST", f"/networks/{network}/disconnect", body, "", (f"/networks/{network}", f"/containers/{name}/json")
        )

    def _network_inspect(self) -> Step:
        return Step(
            "GET",
            f"/networks/{self._network()}"
            + self._query(scope=self._one((None, "local", "swarm", "x")), verbose=self._one((None, "1", "x"))),
        )

    def _network_list(self) -> Step:
        table = {
            "name": ["n1", "n", "bridge"],
            "driver": ["bridge", "host", "bogus"],
            "type": ["custom", "builtin", "x"],
            "dangling": ["true", "false", "x"],
            "label": ["k"],
            "scope": ["local", "swarm", "x"],
            "id": ["zz", "{net:n1}"],
            "bogus": ["1"],
        }
        return Step("GET", "/networks" + self._maybe(f"?filters={self._filters(table)}", 0.9))

    def _network_remove(self) -> Step:
        return Step("DELETE", f"/networks/{self._network()}")

    # volumes ---------------------------------------------------------------------------------------------------------
    def _volume_create(self) -> Step:
        name = self._one((*_VOLUMES, *_VOLUMES, "b/d", "x"))
        body: Any = {"Name": name, **bodies.drawn(self._random, bodies.VOLUME, 1)}
        if self._random.random() < 0.04:
            body = self._one((None, [], "x", {"Name": 5}))
        return Step("POST", "/volumes/create", body, "", (f"/volumes/{name}",) if name in _VOLUMES else ())

    def _volume(self) -> str:
        return str(self._one((*_VOLUMES, "nosuch", "x")))

    def _volume_inspect(self) -> Step:
        return Step("GET", f"/volumes/{self._volume()}")

    def _volume_remove(self) -> Step:
        return Step("DELETE", f"/volumes/{self._volume()}" + self._query(force=self._one((None, "1", "x", "0"))))

    def _volume_list(self) -> Step:
        table = {
            "name": ["v1", "v", "["],
            "driver": ["local", "bogus"],
            "dangling": ["true", "false", "0", "x"],
            "label": ["k", "k=v"],
            "bogus": ["1"],
        }
        return Step("GET", "/volumes" + self._maybe(f"?filters={self._filters(table)}", 0.9))

    # others ----------------------------------------------------------------------------------------------------------
    def _events(self) -> Step:
        table = {
            "type": ["container", "network", "bogus"],
            "event": ["start", "bogus"],
            "container": ["w1"],
            "label": ["k"],
            "bogus": ["1"],
        }
        return Step(
            "GET",
            "/events?since=1&until=2" + self._maybe(f"&filters={self._filters(table)}", 0.8)
            if self._random.random() < 0.8
            else "/events" + self._one(("?since=x", "?until=x", "?since=2&until=1", "?since=1&until=-")),
        )

    def _wrong(self) -> Step:
        return Step(
            self._one(("GET", "POST", "PUT", "DELETE", "HEAD")),
            self._one(
                (
                    "/containers/w1",
                    "/containers",
                    "/images",
                    "/bogus",
                    "/containers/create",
                    "/volumes/v1/x",
                    "/networks/n1/x",
                    "/containers/w1/bogus",
                    "/exec/x",
                    "/images/busybox",
                    "/services",
                    "/swarm",
                    "/plugins",
                    "/volumes",
                    "/_ping",
                    "/version",
                    "/containers/json",
                    "/auth",
                    "/session",
                    "/build",
                    "/images/create",
                    "/images/load",
                    "/distribution/x/json",
                    "/nodes",
                    "/tasks",
                    "/configs",
                    "/secrets",
                )
            ),
        ).checked()

    def _system(self) -> Step:
        return Step(
            "GET",
            self._one(
                (
                    "/system/df?type=bogus",
                    "/system/df?type=container",
                    "/_ping",
                    "/plugins",
                    "/swarm",
                    "/services",
                    "/nodes",
                    "/system/df?type=volume&type=x",
                )
            ),
        )
