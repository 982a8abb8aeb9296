"""The Dockerfile language: text in, frozen instructions out. Pure: no file is read and nothing is run here."""

from .errors import DockerfileError
from .parse import Dockerfile, Stage, parse

__all__ = ["Dockerfile", "DockerfileError", "Stage", "parse"]
