"""The engine's configuration file: read once at its start, checked against schemas/engine.schema.json."""

from .document import ConfigurationError
from .settings import Remote, Settings, load

__all__ = ["ConfigurationError", "Remote", "Settings", "load"]
