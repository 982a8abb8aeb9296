"""One target under atheris: ``python -m support.fuzz_guided NAME [libFuzzer's options] [corpus]``."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["pycompose.engine", "h11", "h2", "hpack", "hyperframe"]):
    from support.fuzz_targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
