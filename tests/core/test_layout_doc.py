"""docs/layout.md says of every byte what the compiler says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/layout.md"
HEADER = ROOT / "csrc/src/layout.h"
CORE = sorted((ROOT / "csrc/src").glob("*.c"))
PORT = ROOT / "csrc/port" / ("linux.c" if sys.platform == "linux" else "posix.c")


class Answer(Protocol):
    """The fixture's function."""

    def __call__(self, expressions: Sequence[str], *, core: bool = False) -> list[int]: ...


class Field(NamedTuple):
    """A row of a struct's table."""

    offset: int
    size: int
    name: str


def structs(text: str) -> dict[str, tuple[int, list[Field]]]:
    """Each struct the document describes (as C names its type): its size, and the rows of the table below it."""
    found: dict[str, tuple[int, list[Field]]] = {}
    for part in re.split(r"^(?=#)", text, flags=re.MULTILINE):
        if heading := re.match(r"### `((?:struct )?\w+)`, (\d+) bytes\n", part):
            rows = re.findall(r"^\| (\d+) \| (\d+) \| `(\w+)` \|", part, flags=re.MULTILINE)
            found[heading[1]] = (int(heading[2]), [Field(int(at), int(size), name) for at, size, name in rows])
    return found


def constants(text: str) -> list[tuple[str, int]]:
    """Each constant the document gives a value to."""
    return [
        (name, int(value, 0)) for name, value in re.findall(r"^\| `([A-Z]\w+)` \| (\w+) \|", text, flags=re.MULTILINE)
    ]


def sections(text: str) -> list[list[int]]:
    """The rows of the table of a default region: kind, offset, bytes, slots, stride."""
    rows = re.findall(r"^\| \w+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, flags=re.MULTILINE)
    return [[int(number) for number in row] for row in rows]


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


SECTION_OF = """
static cs_section_info section_of(uint32_t kind)
{
    static _Alignas(64) unsigned char memory[8 << 20];
    cs_config config;
    cs_region region;
    cs_section_info info = {0};
    cs_config_default(&config);
    cs_region_format(memory, sizeof memory, &config, 0);
    cs_region_attach(&region, memory, cs_region_size(&config), CS_READ_ONLY, -1);
    cs_region_section(&region, kind, &info);
    return info;
}
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """Values of C expressions, in a program that includes the header and, where asked, is linked with the core."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang-19")
    if compiler is None:
        pytest.skip("no C compiler")
    directory = tmp_path_factory.mktemp("layout")
    flags = ["-std=c11", "-fno-strict-aliasing", f"-I{ROOT / 'csrc/include'}", f"-I{ROOT / 'csrc/src'}"]

    def ask(expressions: Sequence[str], *, core: bool = False) -> list[int]:
        source, program = directory / "ask.c", directory / "ask"
        lines = "".join(f'    printf("%llu\\n", (unsigned long long)({expression}));\n' for expression in expressions)
        source.write_text(
            '#include "view.h"\n#include <stddef.h>\n#include <stdio.h>\n'
            f"{SECTION_OF if core else ''}\nint main(void)\n{{\n{lines}    return 0;\n}}\n"
        )
        files = [str(path) for path in (source, *(CORE if core else ()), *((PORT,) if core else ()))]
        subprocess.run([compiler, *flags, *files, "-o", str(program), "-lpthread"], check=True)
        out = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
        return [int(line) for line in out.split()]

    return ask


def test_p6_every_offset_and_size_is_the_compilers(text: str, answer: Answer) -> None:
    described = structs(text)
    expected, asked = {}, []
    for struct, (size, fields) in described.items():
        asked.append(f"sizeof({struct})")
        expected[asked[-1]] = size
        for field in fields:
            asked.append(f"offsetof({struct}, {field.name})")
            expected[asked[-1]] = field.offset
            asked.append(f"sizeof((({struct} *)0)->{field.name})")
            expected[asked[-1]] = field.size
    assert dict(zip(asked, answer(asked), strict=True)) == expected


def test_every_byte_of_every_struct_is_described(text: str) -> None:
    described = structs(text)
    in_header = {f"struct {name}" for name in re.findall(r"^struct (\w+) \{", HEADER.read_text(), flags=re.MULTILINE)}
    assert in_header, "the header has structs"
    assert in_header <= set(described), "each struct of the header has its table"
    for struct, (size, fields) in described.items():
        end = 0
        for field in fields:
            assert field.offset == end, f"{struct}.{field.name} follows what is before it"
            end += field.size
        assert end == size, f"the rows of {struct} add up to its size"


def test_every_constant_is_the_headers(text: str, answer: Answer) -> None:
    given = constants(text)
    names = [name for name, _ in given]
    bodies = re.findall(r"enum \w+ \{(.*?)\}", HEADER.read_text(), flags=re.DOTALL)
    enums = {name for body in bodies for name in re.findall(r"[A-Z]\w+", body)}
    assert enums, "the header has enums"
    assert enums <= set(names), "each value of them is in the document"
    assert list(zip(names, answer(names), strict=True)) == given


def test_the_example_is_what_a_default_region_has(text: str, answer: Answer) -> None:
    rows = sections(text)
    fields = ("kind", "offset", "size", "count", "stride")
    asked = [f"section_of({row[0]}).{field}" for row in rows for field in fields]
    count, *found = answer(["CS_SECTIONS", *asked], core=True)
    assert [row[0] for row in rows] == list(range(count))
    assert [found[at : at + 5] for at in range(0, len(found), 5)] == rows


def test_the_hash_of_the_example_is_the_cores(text: str, answer: Answer) -> None:
    given = re.search(r"Of `(\w+)` it is (0x\w+)", text)
    assert given is not None
    assert answer([f'csi_hash("{given[1]}", {len(given[1])})'], core=True) == [int(given[2], 16)]
