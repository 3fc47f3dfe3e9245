"""How declarations are taken from headers."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def core_build():
    pytest.importorskip("cffi")
    spec = importlib.util.spec_from_file_location("core_build", ROOT / "src/corestate/_build/core_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_header_is_read_once_and_after_what_it_includes(core_build):
    texts = core_build.headers()
    assert len(texts) == len(set(texts))
    public = {path.name for path in (ROOT / "csrc/include/corestate").glob("*.h")} - {"port.h"}
    assert len(texts) == len(public)
    position = {
        name: next(i for i, text in enumerate(texts) if f" * {name}:" in text) for name in ("base.h", "region.h")
    }
    assert position["base.h"] < position["region.h"]


def test_what_is_left_of_a_header(core_build):
    header = """
/* A comment. */
#ifndef X_H
#define X_H
#include "corestate/base.h"
#define CS_NUMBER 0xFF /* why */
#define CS_TEXT "x"
#define CS_SUM(a, b) \\
    ((a) + (b))
#ifdef __cplusplus
extern "C" {
#endif
CS_API int cs_something(int a); /* CS_API */
enum cs_e { CS_A = 1 };
#ifdef __cplusplus
}
#endif
#endif
"""
    assert core_build.declarations(header).split() == (
        ["#define", "CS_NUMBER", "...", "int", "cs_something(int", "a);", "enum", "cs_e", "{", "CS_A", "=", "1", "};"]
    )
