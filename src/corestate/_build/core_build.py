"""Makes ``corestate._core``: the declarations are taken from the public headers, so there is no second copy of them."""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

INCLUDE = Path(__file__).resolve().parents[3] / "csrc" / "include"
MAIN = "corestate/corestate.h"

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_INCLUDE = re.compile(r'^#include "(corestate/[a-z]+\.h)"$', re.MULTILINE)
_CONSTANT = re.compile(r"^#define (CS_[A-Z0-9_]+) -?(?:0x[0-9A-Fa-f]+|[0-9]+)$")
_EXTERN_C = re.compile(r"^#ifdef __cplusplus\n(?:extern \"C\" \{|\})\n#endif\n", re.MULTILINE)
_WRITE = re.compile(r"typedef int \(\*cs_write_fn\)\(([^)]*)\);")


def headers(name: str = MAIN, seen: set[str] | None = None) -> list[str]:
    """The texts of a header and what it includes, each once, in the order a compiler sees them."""
    seen = set() if seen is None else seen
    if name in seen:
        return []
    seen.add(name)
    text = (INCLUDE / name).read_text(encoding="utf-8")
    return [part for included in _INCLUDE.findall(text) for part in headers(included, seen)] + [text]


def declarations(header: str) -> str:
    """What cffi can read of a header: declarations, and constants whose values the compiler fills in."""
    header = _EXTERN_C.sub("", _COMMENT.sub("", header)).replace("\\\n", " ")
    lines = []
    for line in header.splitlines():
        if constant := _CONSTANT.match(line.rstrip()):
            lines.append(f"#define {constant[1]} ...")
        elif not line.lstrip().startswith("#"):
            lines.append(re.sub(r"\bCS_API\s+", "", line))
    return "\n".join(lines)


def cdef() -> str:
    """Everything the public headers declare, and the one function Python defines for the core to call."""
    text = "\n".join(declarations(header) for header in headers())
    write = _WRITE.search(text)
    if write is None:
        raise SystemExit("core_build.py: expected the typedef cs_write_fn in snapshot.h, found none")
    return f'{text}\nextern "Python" int cs_python_write({write[1]});\n'


ffibuilder = FFI()
ffibuilder.cdef(cdef())
ffibuilder.set_source("corestate._core", f'#include "{MAIN}"\n')
