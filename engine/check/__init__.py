"""What protects this host from its containers, and what does not: facts are read in one place and judged in another."""

from .facts import Facts, read
from .judgement import Finding, judge

__all__ = ["Facts", "Finding", "judge", "read"]
