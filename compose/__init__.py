"""From Compose files to containers: model, graph, plan, and calls to any engine that speaks the Docker Engine API."""

__version__ = "0.1.0"
