"""X6: who may only read a region's file keeps nobody out of it, and keeps nobody dead alive, whatever it locks."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import corestate

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="open file description locks are Linux's")

# Read locks on the byte of every slot, taken as soon as they are to be had; a line after each round that is asked for.
READER = """
import fcntl, os, struct, sys
if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
    try:
        os.close(os.open(sys.argv[1], os.O_RDWR))
        sys.exit("it may write")
    except PermissionError:
        pass
descriptor = os.open(sys.argv[1], os.O_RDONLY)
for asked in sys.stdin:
    got = 0
    for slot in range(4096):
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK,
                        struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, (1 << 40) + slot, 1, 0))
            got += 1
        except BlockingIOError:
            pass
    print(got, flush=True)
"""

HOLDER = """
import sys
import corestate
state = corestate.attach(sys.argv[1])
taken = state.locks["held"].acquire()
print(state.region.participant, state.locks["held"].inherited, flush=True)
sys.stdin.readline()
"""

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def alive(state, participant):
    """Whether a participant lives; None when nobody has the id."""
    return {one.id: one.alive for one in state.participants()}.get(participant)


def locks(reader):
    reader.tell()
    return int(reader.line())


def check(path, child, *user):
    """A region at path, and somebody beside it who may only read."""
    with corestate.create(path, corestate.RegionConfig(participants=8, permissions=0o644)) as state:
        early = child(HOLDER, path)
        participant = int(early.line().split()[0])
        reader = child(READER, path, *user)
        assert locks(reader) == 4094  # all but those of two who live
        early.kill()
        assert locks(reader) == 4095
        assert alive(state, participant) is False

        later = child(HOLDER, path)  # inherits, and is known to live by its identity
        participant, inherited = later.line().split()
        assert inherited == "True"
        assert state.health().verdict.name == "DEGRADED" or state.health().participants_dead == 0
        assert alive(state, int(participant)) is True
        assert not state.locks["held"].acquire(blocking=False)
        assert state.locks["held"].holder.pid == later.pid
        later.kill()
        assert alive(state, int(participant)) is False
        assert state.locks["held"].acquire(timeout=10)
        assert state.locks["held"].inherited
        state.locks["held"].release()

        others = [corestate.attach(path) for _ in range(7)]
        assert all(one.region.participant for one in others)
        with pytest.raises(corestate.ParticipantsFullError):
            corestate.attach(path)
        pid = os.fork()
        if pid == 0:  # no slot is free: it is detached, and takes none of its parent's along
            os._exit(0 if not state.region.participant and state.region.detached else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        for one in others:
            one.close()
        pid = os.fork()
        if pid == 0:
            state.counters["from a child"].add(1)
            os._exit(0 if state.region.participant else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert state.counters["from a child"].value == 1
        assert [one.me for one in state.participants() if one.alive] == [True]


def test_field_x6_read_locks_say_nothing_of_who_lives(path, child):
    check(path, child)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="another user is root's to be")
def test_field_x6_another_user_who_may_read_stops_nobody(child):
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        check(f"{directory}/a.state", child, "65534")


def test_field_x6_a_process_of_another_pid_namespace_is_not_taken_for_dead(path, child):
    """By its pid, which means nothing here, it would be."""
    with corestate.create(path, corestate.RegionConfig(participants=8)) as state:
        reader = child(READER, path)
        locks(reader)
        there = subprocess.Popen(
            [*CONTAINER, sys.executable, "-c", HOLDER, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            line = there.stdout.readline()
            if not line:
                complaint = there.stderr.read()
                if "Operation not permitted" in complaint or "unshare failed" in complaint:
                    pytest.skip(f"not tested, forbidden here: {complaint.strip()[-200:]}")
                raise AssertionError(complaint)
            participant = int(line.split()[0])
            assert next(one.pid for one in state.participants() if one.id == participant) == 1
            assert alive(state, participant) is True
            assert not state.locks["held"].acquire(blocking=False)
            # One of its own namespace can tell that it is alive, and when it is not: nobody is left there to ask.
            there.send_signal(signal.SIGKILL)
            there.wait()
            time.sleep(0.05)
            assert alive(state, participant) is True
        finally:
            there.kill()
            there.wait()
            for stream in (there.stdin, there.stdout, there.stderr):
                stream.close()
