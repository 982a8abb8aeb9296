"""The engine's error tree. Each error carries the HTTP status that the Docker Engine API gives to its kind.

    EngineError 500
    ├── InvalidParameter 400   the request makes no sense
    ├── Unauthorized     401   a registry refused the credentials
    ├── Forbidden        403   refused by policy (for example the last tag of an image in use)
    ├── NotFound         404   no such container, image, network, volume
    ├── Conflict         409   the object is in the wrong state, or the name is taken
    ├── Unprocessable    422   understood, but cannot be carried out as written
    ├── NotImplemented_  501   the API has it, this engine does not
    └── Unavailable      503   something outside the engine does not answer

``NotModified`` (304) is no error for the user: starting what runs, stopping what is stopped.
Libraries raise these and never print or exit; engine/api maps them to responses, in one place.
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of all errors the engine reports to a client; ``str(error)`` is the message shown to the user."""

    status = 500


class ClientGone(Exception):
    """The peer closed the connection or broke it; nobody is left to answer."""


class NotModified(EngineError):
    status = 304


class InvalidParameter(EngineError):
    status = 400


class Unauthorized(EngineError):
    status = 401


class Forbidden(EngineError):
    status = 403


class NotFound(EngineError):
    status = 404


class Conflict(EngineError):
    status = 409


class Unprocessable(EngineError):
    status = 422


class NotImplemented_(EngineError):
    status = 501


class Unavailable(EngineError):
    status = 503
