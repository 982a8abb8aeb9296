"""Limits on untrusted input, in one place: bytes, counts, depths and steps, each with its reason.

Images, archives, build contexts and Dockerfiles are unpacked, parsed and expanded by a process that many containers rely
on. What passes a bound is refused with one line; nothing is cut short in silence. docs/security.md lists these, and
tests/unit/test_bounds.py sees to it that it does. Bounds of a protocol (HTTP, DNS, BuildKit's gRPC) stand with its reader.
"""

from __future__ import annotations

from ..grammar import ignore

MIB = 1 << 20

# archives ------------------------------------------------------------------------------------------------------------
TAR_ENTRIES = 5_000_000
"""Members of one archive: ten times the largest images; each costs an inode, or memory for its directory's time."""

TAR_CONTENT = 1 << 40
"""Bytes of content that the members of one archive say they have, holes included; also of one member."""

TAR_NAMES = 512 * MIB
"""Bytes of all names of one archive: what unpacking remembers of directories grows with them."""

TAR_NAME = 4096
"""Bytes of a name or of a link's target: PATH_MAX."""

TAR_HEADERS = MIB
"""Bytes of one member's extended headers together: room for a few dozen attributes of 64 KiB at most."""

TAR_HEADERS_IN_A_ROW = 64
"""Extended headers before one member."""

TAR_EXTENTS = 1 << 20
"""Pieces of data in a sparse file."""

TAR_TRAILER = 256 * MIB
"""Bytes after an archive's end, which only count for its digest: writers pad to a few megabytes at most."""

TREE_DEPTH = 255
"""Directories below each other; more is an attack on whoever walks the tree."""

ARCHIVE_FILES = 65_536
"""Files of a saved image archive, each kept under a name of ours until it is loaded."""

DISK_RESERVE = 1024 * MIB
"""Bytes of the disk that unpacking leaves free (or one part in DISK_PART of a small one): what decompresses without end
must not take the last block from everybody else."""

DISK_PART = 64
"""See DISK_RESERVE."""

# documents -----------------------------------------------------------------------------------------------------------
MANIFEST = 4 * MIB
"""Bytes of a manifest or an index; registries refuse more as well (distribution specification)."""

SIGNATURES = 50
"""Signatures of one image that are looked at; each costs two requests."""

CONFIGURATION = 8 * MIB
"""Bytes of an image's configuration; also of one that a build makes."""

LAYERS = 1000
"""Layers of an image; overlayfs takes 500, an image may have them twice as empty ones."""

# Dockerfiles ---------------------------------------------------------------------------------------------------------
DOCKERFILE = 4 * MIB
"""Bytes of a Dockerfile, and of a .dockerignore."""

DOCKERFILE_LINE = 65_535
"""Bytes of one line: BuildKit's scanner has the same bound."""

INSTRUCTIONS = 10_000
"""Instructions of a Dockerfile; each is a step with a cache key, an event and an entry in the history."""

STAGES = 1000
"""Stages of a Dockerfile."""

HEREDOCS = 1000
"""Here-documents of one instruction."""

NESTING = 64
"""``${a:-${b:-…}}`` within each other."""

EXPANSION = MIB
"""Bytes that variables may add to one text: no program can be given more in one string (128 KiB) or several (6 MiB)."""

EXPANSIONS = 64 * MIB
"""Bytes of all texts that one build expands: what ``ENV a=$a$a`` doubles is kept in keys, history and configuration."""

PATTERN = ignore.PATTERN
"""Characters of a pattern in .dockerignore, COPY or ``${a#pattern}``: no path is longer."""

PATTERNS = ignore.PATTERNS
"""Patterns of a .dockerignore; every file of the context is held against each."""

MATCHING = 300_000
"""Steps that matching the patterns of one text may take: less than a second."""
