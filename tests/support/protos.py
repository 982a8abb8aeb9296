"""What protoc makes of the engine's .proto files: ``python tests/support/protos.py`` writes it all again.

buildkit.binpb     descriptors, which the engine makes its messages of
NAME_pb2.pyi       stubs, which only type checkers read
"""

from __future__ import annotations

import re
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).parents[2] / "engine/buildkit/proto"
_SOURCES = ("gateway.proto", "session.proto", "content.proto")
_IMPORT = re.compile(r"^import (\w+_pb2) as", re.MULTILINE)
# A field that is named as its type hides it inside its class.
_SHADOWED = re.compile(r"^(    (\w+)): \2$", re.MULTILINE)


def descriptors(file: Path) -> None:
    _run("--include_imports", f"--descriptor_set_out={file}", *(str(PROTO / name) for name in _SOURCES))


def stubs(directory: Path) -> None:
    _run(f"--pyi_out={directory}", *map(str, PROTO.glob("*.proto")))
    for path in directory.glob("*_pb2.pyi"):
        text = _IMPORT.sub(r"from . import \1 as", path.read_text())
        shadowed = sorted({match[2] for match in _SHADOWED.finditer(text)})
        text = _SHADOWED.sub(r"\1: _\2", text)
        for name in shadowed:
            text = text.replace(f"_Union[{name}, ", f"_Union[_{name}, ")
        path.write_text(text + "".join(f"\n_{name} = {name}\n" for name in shadowed))


def _run(*words: str) -> None:
    well_known = Path(protoc.__file__).with_name("_proto")
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *words]):
        raise SystemExit("protoc has failed")


if __name__ == "__main__":
    descriptors(PROTO / "buildkit.binpb")
    stubs(PROTO)
