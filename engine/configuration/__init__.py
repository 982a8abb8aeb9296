"""The engine's configuration file: read once at its start, checked against schemas/engine.schema.json."""

from .document import ConfigurationError
from .settings import Settings, load

__all__ = ["ConfigurationError", "Settings", "load"]
