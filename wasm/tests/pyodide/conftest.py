"""The project's own Python tests, unchanged, inside Pyodide.

Their fixtures are on memory instead of files, and a test that needs what a browser has not (processes, threads, mapped
files, NumPy) is skipped and says so.
"""
# ruff: noqa: D103, I001, INP001, SLF001, S108, TC003 - as in tests/; it runs in Pyodide, from a directory of its own

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import itertools
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import corestate
from corestate import RegionConfig, StateManager
from corestate.errors import InvalidError, RegionNotFoundError, UnsupportedError
from corestate.region import Region, open_region, unlink
from pyodide.ffi import can_run_sync, run_sync

_numbers = itertools.count(1)

SMALL = RegionConfig(
    agents=4,
    areas=3,
    counters=3,
    gauges=3,
    locks=3,
    events=16,
    event_bytes=64,
    event_kinds=3,
    participants=8,
    agent_details_bytes=64,
)


class _Absent(types.ModuleType):
    """Stands for a module, or something in it, that is not here: a test that uses it is skipped."""

    running = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._used()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self._used()

    def _used(self) -> Any:
        if _Absent.running:
            pytest.skip(f"needs {self.__name__}")
        return self  # a parameter of a test


for _name in ("numpy", "resource", "posix_ipc"):
    sys.modules[_name] = _Absent(_name)
_random: Any = _Absent("numpy")  # which hypothesis seeds where it finds NumPy imported
_random.seed = _random.set_state = lambda *_: None
_random.get_state = lambda: None
sys.modules["numpy"].random = sys.modules["numpy.random"] = _random
if not hasattr(os, "geteuid"):
    os.geteuid = os.getuid
_run = asyncio.run


def _run_if_possible(main: Any, **options: Any) -> Any:
    if can_run_sync():
        return _run(main, **options)
    main.close()
    return pytest.skip(_NO_SYNC)


_NO_SYNC = "needs JavaScript promise integration"
asyncio.run = _run_if_possible


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = _BY_NAME.get(getattr(item, "originalname", ""))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
        given = getattr(item, "callspec", None)
        for value in given.params.values() if given else ():
            absent = value if isinstance(value, _Absent) else None
            if isinstance(value, (tuple, list)):
                absent = next((part for part in value if isinstance(part, _Absent)), None)
            if absent is not None:
                item.add_marker(pytest.mark.skip(reason=f"needs {absent.__name__}"))


def pytest_runtest_setup() -> None:
    _Absent.running = True


_NO_FILE = "needs a file that can be mapped"
_NO_PIDS = "needs process ids: here workers attach"
_WORDS = "needs the compiled types: here Python has its own words for wrong arguments"
_FILES = ("shm:", "/proc", "/dev/shm")
_BY_NAME = {
    "test_shared_memory_of_another_program_is_left_alone": _NO_FILE,
    "test_unlink_leaves_alone_what_is_no_region": _NO_FILE,
    "test_unlink_removes_a_region_that_cannot_be_opened": _NO_FILE,
    "test_a_target_that_is_a_directory_is_an_error": _NO_FILE,
    "test_reading_only_maps_read_only_and_takes_no_slot": _NO_PIDS,
    "test_another_configuration_is_an_error_that_lists_the_differences": _NO_PIDS,
    "test_one_thread_serves_all_subscriptions": "needs threads",
    "test_the_waiting_thread_ends_when_nobody_listens": "needs threads",
    "test_add": _WORDS,
    "test_arguments_by_a_wrong_name": _WORDS,
    "test_field_x11_a_snapshot_cannot_ask_for_much": "needs 2 GiB of memory",
    "test_field_l5_what_is_no_file_is_not_read_without_end": "needs a file with a hole: here all of it is in memory",
    "test_what_is_left_open_leaves_nothing": "needs descriptors of its own: /proc is imitated here",
}


def _skips(problem: BaseException) -> str:
    """Why a test that ended like this cannot run here; empty when it should have."""
    words = str(problem)
    if isinstance(problem, UnsupportedError) and "the address of a file" in words:
        return _NO_FILE
    if isinstance(problem, InvalidError) and "shared memory, which has no place beside it" in words:
        return "needs a directory for the store"
    if isinstance(problem, FileNotFoundError):
        name = str(problem.filename)
        return _NO_FILE if not name or name.startswith(_FILES) or "snapshot shm:" in words else ""
    if isinstance(problem, ModuleNotFoundError) and problem.name == "_multiprocessing":
        return "needs processes"
    if isinstance(problem, AttributeError) and words.startswith(("module 'os'", "module 'socket'")):
        return "needs an operating system"
    if isinstance(problem, RuntimeError) and "can't start new thread" in words:
        return "needs threads"
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSYS, errno.ENOTSUP, 138):
        return "needs processes"
    return ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    reason = _skips(call.excinfo.value) if call.excinfo is not None else ""
    if reason:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, reason)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Coroutines run in the loop of the page or worker, where Python can wait for it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if not can_run_sync():
        pytest.skip(_NO_SYNC)
    names = pyfuncitem._fixtureinfo.argnames
    run_sync(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def shm() -> Iterator[str]:
    address = f"shm:corestate-test-{next(_numbers)}"
    yield address
    with contextlib.suppress(RegionNotFoundError):
        unlink(address)


@pytest.fixture
def posix_shm() -> str:
    return pytest.skip("needs shared memory between processes")


@pytest.fixture
def path() -> Iterator[str]:
    """In place of a file."""
    address = f"shm:corestate-test-{next(_numbers)}"
    yield address
    with contextlib.suppress(RegionNotFoundError):
        unlink(address)


@pytest.fixture
def address(shm: str) -> str:
    return shm


@pytest.fixture(params=["shm", "heap"])
def any_address(request: pytest.FixtureRequest) -> str:
    return "heap:" if request.param == "heap" else str(request.getfixturevalue("shm"))


@pytest.fixture
def region(path: str) -> Iterator[Region]:
    with open_region(path) as opened:
        yield opened


@pytest.fixture
def child() -> Callable[..., Any]:
    def start(*_: Any, **__: Any) -> Any:
        pytest.skip("needs processes")

    return start


@pytest.fixture
def state(path: str) -> Iterator[StateManager]:
    with corestate.create(path) as made:
        yield made


@pytest.fixture
def small() -> Iterator[StateManager]:
    name = f"shm:small-{next(_numbers)}"
    with corestate.create(name, config=SMALL) as made:
        yield made
    unlink(name)


@pytest.fixture
def reader(state: StateManager) -> Iterator[StateManager]:
    with corestate.attach(state.address, mode="r") as opened:
        yield opened
