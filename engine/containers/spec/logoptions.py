"""Options of the log drivers: what they may be, and what becomes of them at a start. Docker's names and words.

``check`` is what a create body is judged by. ``prepare`` turns the options into what the shim needs, once the container
and its image are known; its failures are those of a start, as they are in Docker. The drivers themselves: json-file,
local and none are engine/runtime/logfile.py, syslog is engine/runtime/syslog.py.
"""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus, urlsplit

from ....grammar import booleans, sizes
from ...errors import EngineError, InvalidParameter
from ...runtime.bundle import LogSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...runtime.wire import SyslogTarget
    from .bodies import LogConfig
    from .record import ContainerRecord

_SHARED = {"mode", "max-buffer-size"}
_EXTRA = {"labels", "labels-regex", "env", "env-regex", "tag"}
KNOWN = {
    "json-file": {"max-size", "max-file", "compress", *_EXTRA, *_SHARED},
    "local": {"max-size", "max-file", "compress", *_SHARED},
    "none": _SHARED,
    "syslog": {
        "syslog-address", "syslog-facility", "syslog-format", "syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key",
        "syslog-tls-skip-verify", *_EXTRA, *_SHARED,
    },
}  # fmt: skip
FACILITIES = {
    "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
    "authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21,
    "local6": 22, "local7": 23,
}  # fmt: skip
FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_PROTOCOLS = ("udp", "tcp", "tcp+tls", "unix", "unixgram")
_LOCAL_SOCKETS = ("/dev/log", "/var/run/syslog", "/var/run/log")
_CONNECT_SECONDS = 10.0


def check(driver: object, options: Mapping[str, str]) -> None:
    """Whether there is such a driver with such options. Raises InvalidParameter."""
    if not isinstance(driver, str) or driver not in KNOWN:
        raise InvalidParameter(f'error looking up logging plugin {driver}: plugin "{driver}" not found')
    for name in options:
        if name not in KNOWN[driver]:
            where = "log driver local" if driver == "local" else f"{driver} log driver"
            raise InvalidParameter(f"unknown log opt '{name}' for {where}")
    mode = options.get("mode", "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidParameter(f"logger: logging mode not supported: {mode}")
    if "max-buffer-size" in options:
        if mode != "non-blocking":
            raise InvalidParameter("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
        try:
            sizes.parse(options["max-buffer-size"])
        except ValueError as error:
            raise InvalidParameter(f"error parsing option max-buffer-size: {error}") from None
    if driver == "syslog":
        address(options.get("syslog-address", ""))
        facility(options.get("syslog-facility", ""))
        if options.get("syslog-format", "") not in FORMATS:
            raise InvalidParameter("Invalid syslog format")


def address(text: str) -> tuple[str, str, int]:
    """(protocol, host or path, port) of a syslog-address; the local daemon's without one. Raises InvalidParameter."""
    if not text:
        return "", "", 0
    parts = urlsplit(text)
    if parts.scheme not in _PROTOCOLS:
        raise InvalidParameter(f"syslog-address should be in form proto://address, got {text}")
    if parts.scheme in ("unix", "unixgram"):
        try:
            os.stat(parts.path)
        except OSError as error:
            raise InvalidParameter(f"stat {parts.path}: {(error.strerror or '').lower()}") from None
        return parts.scheme, parts.path, 0
    try:
        port = parts.port or 514
    except ValueError:
        raise InvalidParameter(f"syslog-address should be in form proto://address, got {text}") from None
    return parts.scheme, parts.hostname or "127.0.0.1", port


def facility(text: str) -> int:
    """The number of a facility, ``daemon`` by default. Raises InvalidParameter."""
    if not text:
        return FACILITIES["daemon"]
    if re.fullmatch(r"[0-9]{1,2}", text) and int(text) <= 23:
        return int(text)
    if text not in FACILITIES:
        raise InvalidParameter("invalid syslog facility")
    return FACILITIES[text]


def prepare(record: ContainerRecord, directory: str, *, connect: bool = False) -> LogSpec:
    """Where the container's output goes; with ``connect`` a syslog server must answer now.

    Raises EngineError in the words of a failed start.
    """
    driver, options = record.spec.log.driver, dict(record.spec.log.options)
    try:
        files = _files(driver, options)
        attributes(record)
        target = _syslog(record, options) if driver == "syslog" else None
        if target is not None and connect:
            _reach(target)
    except InvalidParameter as error:
        raise EngineError(f"failed to initialize logging driver: {error}") from None
    return LogSpec(directory, driver, files.max_size, files.max_file, options, files.compress, target)


class _Files(NamedTuple):
    max_size: int | None
    max_file: int
    compress: bool


# What is kept on disk of a driver that sends its lines elsewhere, so that they can be read back: Docker's numbers.
_CACHE = _Files(20 << 20, 5, True)


def _files(driver: str, options: Mapping[str, str]) -> _Files:
    if driver == "syslog":
        return _CACHE
    maximum = None if options.get("max-size", "-1") == "-1" else _file_size(options["max-size"])
    count = options.get("max-file", "5" if driver == "local" else "1")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", count):
        raise InvalidParameter(f'strconv.Atoi: parsing "{count}": invalid syntax')
    if int(count) < 1:
        raise InvalidParameter("max-file cannot be less than 1")
    compress = driver == "local" and "compress" not in options and int(count) > 1
    if "compress" in options:
        compress = truth(options["compress"])
        if compress and driver == "local" and int(count) < 2:
            raise InvalidParameter("compression cannot be enabled when max file count is 1")
        if compress and driver == "json-file" and (int(count) < 2 or maximum is None):
            raise InvalidParameter("compress cannot be true when max-file is less than 2 or max-size is not set")
    return _Files(maximum, int(count), compress)


def prepare_files(config: LogConfig) -> None:
    """Raises InvalidParameter for options of a LogConfig that no start would accept."""
    _files(config.get("Type") or "json-file", config.get("Config") or {})


def _file_size(text: str) -> int:
    # Unlike every other size, Docker's log files are measured in powers of 1000.
    try:
        size = sizes.parse_decimal(text)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
    if size <= 0:
        raise InvalidParameter("max-size must be a positive number")
    return size


def truth(text: str) -> bool:
    """Go's strconv.ParseBool. Raises InvalidParameter."""
    try:
        return booleans.parse(text)
    except ValueError:
        raise InvalidParameter(f'strconv.ParseBool: parsing "{text}": invalid syntax') from None


def attributes(record: ContainerRecord) -> dict[str, str]:
    """The labels, variables and tag that the options ask for beside every line (``logs --details``)."""
    driver, options = record.spec.log.driver, record.spec.log.options
    if driver not in ("json-file", "syslog"):
        return {}
    labels = record.labels
    variables = dict(entry.partition("=")[::2] for entry in record.spec.env)
    found: dict[str, str] = {}
    for option, values in (("labels", labels), ("env", variables)):
        found |= {name: values[name] for name in options.get(option, "").split(",") if name in values}
        if pattern := options.get(f"{option}-regex"):
            expression = _expression(pattern)
            found |= {name: value for name, value in values.items() if expression.search(name)}
    if options.get("tag"):
        found["tag"] = tag(options["tag"], record)
    return found


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        words = "missing closing )" if "unterminated subpattern" in str(error) else error.msg
        raise InvalidParameter(f"error parsing regexp: {words}: `{pattern}`") from None


def details(found: Mapping[str, str]) -> str:
    """The attributes as ``logs --details`` puts them before a line."""
    return ",".join(f"{quote_plus(name)}={quote_plus(found[name])}" for name in sorted(found))


_REFERENCE = re.compile(r"\{\{-?\s*\.(\w+)\s*-?\}\}")


def tag(template: str, record: ContainerRecord) -> str:
    """A tag's template filled in: names of fields only, no functions. Raises InvalidParameter."""
    image = record.image.removeprefix("sha256:")
    values = {
        "ID": record.id[:12],
        "FullID": record.id,
        "Name": record.name,
        "ImageID": image[:12],
        "ImageFullID": record.image,
        "ImageName": record.spec.image,
        "DaemonName": "docker",
        "Command": " ".join(record.spec.command),
        "ContainerID": record.id,
        "ContainerName": f"/{record.name}",
        "ContainerImageID": record.image,
        "ContainerImageName": record.spec.image,
    }

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise InvalidParameter(
                f'template: log-tag:1:{match.start() + 2}: executing "log-tag" at <.{match[1]}>: '
                f"can't evaluate field {match[1]} in type *logger.Info"
            )
        return values[match[1]]

    filled = _REFERENCE.sub(value, template)
    if "{{" in _REFERENCE.sub("", template):
        raise InvalidParameter(f"template: log-tag:1: only fields such as {{{{.Name}}}} are offered: {template}")
    return filled


def _syslog(record: ContainerRecord, options: Mapping[str, str]) -> SyslogTarget:
    protocol, host, port = address(options.get("syslog-address", ""))
    if not protocol:
        known = [path for path in _LOCAL_SOCKETS if os.path.exists(path)]
        if not known:
            raise InvalidParameter("Unix syslog delivery error")
        protocol, host = "unixgram", known[0]
    result: SyslogTarget = {
        "protocol": protocol,
        "host": host,
        "address": "" if protocol in ("unix", "unixgram") else _resolve(host),
        "port": port,
        "facility": facility(options.get("syslog-facility", "")),
        "format": options.get("syslog-format", ""),
        "tag": tag(options.get("tag") or "{{.ID}}", record),
        "hostname": os.uname().nodename,
    }
    if protocol == "tcp+tls":
        result["tls"] = {
            "ca": options.get("syslog-tls-ca-cert", ""),
            "certificate": options.get("syslog-tls-cert", ""),
            "key": options.get("syslog-tls-key", ""),
            "verify": not truth(options.get("syslog-tls-skip-verify") or "false"),
        }
    return result


def _resolve(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None)[0][4][0])
    except OSError as error:
        raise InvalidParameter(f"dial: lookup {host}: {error.strerror}") from None


def _reach(target: SyslogTarget) -> None:
    """As Docker, a container does not start when its server cannot be reached; datagrams always can."""
    if target["protocol"] not in ("tcp", "tcp+tls"):
        return
    try:
        socket.create_connection((target["host"], target["port"]), _CONNECT_SECONDS).close()
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise InvalidParameter(f"dial tcp {target['host']}:{target['port']}: connect: {words}") from None
