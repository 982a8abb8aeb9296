"""From Compose files to calls of a Docker-compatible engine's API. Knows nothing of engine/."""
