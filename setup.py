"""The native half of the build: two extension modules over one C core. Everything else is in pyproject.toml.

``corestate._core`` is made by cffi from the public header (``src/corestate/_build/core_build.py``), ``corestate._hot``
is hand-written. Both compile the core and this platform's port in, so that a wheel needs no library beside it. In
Pyodide (or with ``CORESTATE_PURE=1``) nothing is compiled: there the core is the wasm build, which the wheel carries.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PURE = sys.platform == "emscripten" or os.environ.get("CORESTATE_PURE") == "1"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
LIMITED_API = not FREE_THREADED and sys.implementation.name == "cpython"  # free-threaded CPython has no abi3

CORE_BUILD = "src/corestate/_build/core_build.py"
HOT_SOURCE = "src/corestate/_hot.c"
NATIVE = ("corestate._core", "corestate._hot")
WASM_FILES = ("embedded.js", "corestate.wasm", "corestate-threads.wasm")


def port_source() -> str:
    if sys.platform == "win32":
        return "csrc/port/windows.c"
    return "csrc/port/linux.c" if sys.platform.startswith("linux") else "csrc/port/posix.c"


def core_sources() -> list[str]:
    found = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "csrc/src").glob("*.c"))
    return [*found, port_source()]


def headers() -> list[str]:
    patterns = ("csrc/include/corestate/*.h", "csrc/src/*.h", "csrc/port/*.h")
    return sorted(path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern))


class BuildNative(build_ext):
    """Adds the core, its port and the compiler's flags to both modules, whoever declared them."""

    def build_extension(self, ext: Extension) -> None:
        if ext.name in NATIVE:
            self.add_core(ext)
        super().build_extension(ext)

    def add_core(self, ext: Extension) -> None:
        def add(current: list[str], more: list[str]) -> list[str]:
            known = {(ROOT / item).resolve() for item in current}
            return [*current, *(item for item in more if (ROOT / item).resolve() not in known)]

        ext.sources = add(list(ext.sources), core_sources())
        ext.include_dirs = add(list(ext.include_dirs), ["csrc/include", "csrc/src"])
        ext.depends = add(list(ext.depends), [*headers(), CORE_BUILD])
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args += ["/std:c11", "/experimental:c11atomics", "/O2"]
        else:
            ext.extra_compile_args += ["-std=c11", "-O3", "-fno-strict-aliasing", "-fvisibility=hidden"]
        if sys.platform.startswith("linux"):  # calls inside a module stay inside it, although the API is exported
            ext.extra_compile_args += ["-fno-semantic-interposition"]
            ext.extra_link_args += ["-Wl,-Bsymbolic-functions"]
        if sys.platform == "win32":
            ext.libraries += ["synchronization", "advapi32"]


class BuildPure(build_py):
    """Puts the wasm build of the core, made in wasm/ by npm, beside the Python that runs on it."""

    def run(self) -> None:
        super().run()
        target = Path(self.build_lib) / "corestate/_wasm"
        for name in WASM_FILES:
            source = ROOT / "wasm/dist" / name
            if not source.exists():
                raise SystemExit(
                    f"expected {source}, found none; run `npm ci --ignore-scripts && npm run build` in wasm/ first"
                )
            self.copy_file(str(source), str(target / name))


def arguments() -> dict[str, Any]:
    if PURE:
        return {"cmdclass": {"build_py": BuildPure}}
    options: dict[str, Any] = {"cmdclass": {"build_ext": BuildNative}}
    if (ROOT / HOT_SOURCE).exists():
        hot = Extension(
            "corestate._hot",
            sources=[HOT_SOURCE],
            define_macros=[("Py_LIMITED_API", "0x030A0000")] if LIMITED_API else [],
            py_limited_api=LIMITED_API,
        )
        options["ext_modules"] = [hot]
    if (ROOT / CORE_BUILD).exists():
        options["cffi_modules"] = [f"{CORE_BUILD}:ffibuilder"]
    if LIMITED_API:
        options["options"] = {"bdist_wheel": {"py_limited_api": "cp310"}}
    return options


setup(**arguments())
