"""Scripts that run where there is not enough: tiny file systems of their own, a kernel that refuses a call, limits."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile

import pytest

PRELUDE = f"""
import ctypes, errno, gc, os, resource, struct, sys
sys.path[:0] = {sys.path!r}
import corestate
from corestate import RegionConfig
libc = ctypes.CDLL(None, use_errno=True)
TINY = RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=4, participants=4, values=0)

def call(function, *arguments):
    if function(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def mount_tmpfs(target, options):
    call(libc.mount, b"none", os.fsencode(target), b"tmpfs", 0, options.encode())

def unmount(target):
    call(libc.umount2, os.fsencode(target), 2)  # at once, and for good when the last mapping goes

def free(target):
    found = os.statvfs(target)
    return found.f_bfree * found.f_bsize, found.f_ffree

def attempt(function):
    '''What a call returns, or the error it raised; anything but an error of ours goes through.'''
    try:
        return function()
    except corestate.CorestateError as problem:
        return problem

def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))

def touch(state):
    '''Write to every page, as only memory that is really there can be.'''
    memory = state.region.memory
    for at in range(0, len(memory), 4096):
        memory[at] = memory[at]

def refuse(number, error):
    '''From now on the kernel answers one system call with an error.'''
    load, compare = (0x20, 0, 0, 0), (0x15, 0, 1, number)
    fail, allow = (6, 0, 0, 0x50000 | error), (6, 0, 0, 0x7FFF0000)
    program = struct.pack("<" + 4 * "HBBI", *load, *compare, *fail, *allow)
    kept = ctypes.create_string_buffer(program, len(program))
    filters = struct.pack("@HP", 4, ctypes.addressof(kept))
    call(libc.prctl, 38, 1, 0, 0, 0)
    call(libc.prctl, 22, 2, filters, 0, 0)
"""

MACHINE = platform.machine()

_FORBIDDEN = re.compile(r"Operation not permitted|unshare failed|unshare: unshare\(0x")


def alone(source: str, *arguments: str, namespaces: tuple[str, ...] = (), timeout: float = 110) -> list[str]:
    """Lines a script prints in a process of its own, which must end well and complain of nothing.

    Args:
        source: run after the prelude.
        arguments: its ``sys.argv[1:]``.
        namespaces: options of unshare(1); where they are forbidden the test is skipped and says so.
        timeout: seconds.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:  # a file, so that a traceback shows its lines
        script.write(PRELUDE + source)
        script.flush()
        command = [sys.executable, script.name, *arguments]
        if namespaces:
            command = ["unshare", *namespaces, *command]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        except FileNotFoundError:
            pytest.skip("needs unshare(1) of util-linux")
    if namespaces and done.returncode and _FORBIDDEN.search(done.stderr):
        pytest.skip(f"not tested: {' '.join(namespaces)} is forbidden here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()


MOUNTS = ("--mount", "--propagation", "private")
"""For ``alone``: may mount what it likes, and nobody else sees it."""
