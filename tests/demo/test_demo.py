"""The main job from end to end, as a user runs it: whatever ends it, the books balance and nothing stays behind."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import corestate

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds stray processes through /proc")

COMMAND = [sys.executable, "-c", "from corestate.cli import main; main()", "demo"]
PATIENCE = 60


def processes_of(address):
    """Pid by role of the processes that were started for a region."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if "corestate.demo.roles" in words and address in words:
                found[int(entry.name)] = next(
                    word for word in words if word in ("engine", "sensory", "motor", "observer")
                )
    return found


def await_end(pids):
    """Wait for processes that are no children of this one; those still running after a while."""
    waiting = {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            waiting[os.pidfd_open(pid)] = pid
    poll = select.poll()
    for handle in waiting:
        poll.register(handle, select.POLLIN)
    while waiting and (ready := poll.poll(PATIENCE * 1000)):
        for handle, _ in ready:
            poll.unregister(handle)
            os.close(handle)
            del waiting[handle]
    return list(waiting.values())


@pytest.fixture(params=["shm", "file"])
def address(request, tmp_path):
    """A free address; nothing may be left at it, beside it or running for it."""
    name = f"corestate-test-{uuid.uuid4().hex[:12]}"
    chosen = f"shm:{name}" if request.param == "shm" else str(tmp_path / name)
    yield chosen
    assert processes_of(chosen) == {}
    assert [path for path in Path("/dev/shm").iterdir() if name in path.name] == []
    assert list(tmp_path.iterdir()) == []


class Demo:
    """A running demonstration, in a process group of its own, as a shell would start it."""

    def __init__(self, address, *options):
        self.address = address
        self.process = subprocess.Popen(
            [*COMMAND, "--address", address, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until(self, text):
        for line in self.process.stdout:
            if text in line:
                return
        pytest.fail(f"the demo ended before it said {text!r}: {self.process.stderr.read()}")

    def until_all_run(self):
        self.until("agent_registered id=sensory_processor")  # the last to be started

    def finish(self):
        output, errors = self.process.communicate(timeout=PATIENCE)
        assert errors == ""
        return self.process.returncode, output

    def pid_of(self, role):
        return next(pid for pid, found in processes_of(self.address).items() if found == role)


@pytest.fixture
def start(address):
    started = []

    def starter(*options):
        started.append(Demo(address, *options))
        return started[-1]

    yield starter
    for demo in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.process.pid, signal.SIGKILL)
        demo.process.communicate()


def numbers(output, kind):
    """What the table says of a kind of event: sent by all together, and received by each who listens."""
    rows = [
        line for line in output.splitlines() if re.match(r" +(sensory|burst_engine|motor|observer)\S* +[\d-]", line)
    ]
    assert len(rows) == 5, output
    columns = [re.split(r"  +", row.strip()) for row in rows]
    sent = sum(int(sent.split()[0]) for _, sent, *_ in columns if sent.endswith(kind))
    received = [int(match[1]) for row in columns if (match := re.search(rf"(\d+) {kind}", row[2]))]
    return sent, received


def test_the_whole_run_piped(start):
    demo = start("--seconds", "4", "--neurons", "1000")
    code, output = demo.finish()
    assert code == 0, output
    assert "\x1b" not in output

    # Each kind reached everybody it was for; the one that was killed may have counted one event it never published.
    never_published = sum(map(int, re.findall(r"killed, (\d) never published", output)))
    for kind, listeners in (("sense", 2), ("burst", 2), ("act", 1)):
        sent, received = numbers(output, kind)
        assert sent > 0
        assert received == [sent - (never_published if kind == "sense" else 0)] * listeners
    assert "the books balance" in output

    # The killed one was noticed three times: by the heir of its lock, by the registry, by the observer on the spot.
    before, after = (
        int(re.search(pattern, output)[1]) for pattern in (r"after (\d+) bursts", r"(\d+) bursts followed")
    )
    assert before > 0
    assert after > 0
    assert re.search(r"its lock was inherited by sensory_processor [\d.]+ ms later", output)
    assert re.search(r"the registry removed it as dead [\d.]+ ms later", output)
    assert re.search(r" s  .*sensory_traffic.*SIGKILL", output)
    assert re.search(r"one read +[\d.]+ ns", output)


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_it_in_good_order(start, presses):
    demo = start("--seconds", "600")
    demo.until_all_run()
    for _ in range(presses):
        os.killpg(demo.process.pid, signal.SIGINT)
    code, output = demo.finish()
    assert code == 0, output
    assert "the books balance" in output
    assert "Traceback" not in output


def test_ctrl_c_while_it_starts(start):
    demo = start("--seconds", "600")
    demo.until("corestate top")
    os.killpg(demo.process.pid, signal.SIGINT)
    code, output = demo.finish()
    assert code == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize("role", ["engine", "observer"])
def test_an_interrupt_of_one_process_ends_them_all(start, role):
    demo = start("--seconds", "600")
    demo.until_all_run()
    os.kill(demo.pid_of(role), signal.SIGINT)
    code, output = demo.finish()
    assert code == 0, output
    assert "the books balance" in output


def test_sigterm_ends_it_in_good_order(start):
    demo = start("--seconds", "600")
    demo.until_all_run()
    demo.process.terminate()
    code, output = demo.finish()
    assert code == 0, output
    assert "the books balance" in output


def test_a_killed_launcher_leaves_nothing(start, address):
    demo = start("--seconds", "600")
    demo.until_all_run()
    roles = processes_of(address)
    assert sorted(roles.values()) == ["engine", "motor", "observer", "sensory", "sensory"]
    demo.process.kill()
    assert await_end(roles) == []  # and the region is gone: the fixture looks


def test_a_process_that_dies_unasked_is_an_error(start):
    demo = start("--seconds", "600")
    demo.until_all_run()
    os.kill(demo.pid_of("motor"), signal.SIGKILL)
    code, output = demo.finish()
    assert code == 1
    assert "WRONG: motor ended by itself, with signal 9" in output
    assert "the books balance" not in output


def test_an_engine_started_after_one_that_was_killed_carries_on(address):
    def engine(sign):
        """An engine on its own, as started by hand; returns once it has burst."""
        process = subprocess.Popen([sys.executable, "-m", "corestate.demo.roles", "engine", address])
        with state.events.subscribe(["burst"]) as bursts:
            first = bursts.get(PATIENCE)
        process.send_signal(sign)
        process.wait(PATIENCE)
        assert first is not None
        return process.returncode

    with corestate.create(address) as state:
        assert engine(signal.SIGKILL) == -signal.SIGKILL
        assert state.engine.burst_state == corestate.BurstEngineState.RUNNING
        before = state.engine.burst_count
        assert engine(signal.SIGINT) == 0
        assert state.engine.burst_count > before
        assert state.engine.burst_state == corestate.BurstEngineState.READY
        assert len(state.agents) == 0
    corestate.unlink(address)


def test_a_region_that_exists_is_left_alone(start, address):
    demo = start("--seconds", "600")
    demo.until_all_run()
    second = start()
    _, errors = second.process.communicate(timeout=PATIENCE)
    assert second.process.returncode not in (0, None)
    assert address in errors
    assert "Traceback" not in errors
    demo.until("bursts")  # undisturbed
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.finish()[0] == 0


def test_a_region_no_other_process_could_open_is_refused():
    done = subprocess.run([*COMMAND, "--address", "heap:"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "heap:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [["--seconds", "0"], ["--neurons", "4"]])
def test_impossible_options_are_refused(start, options):
    demo = start(*options)
    _, errors = demo.process.communicate(timeout=PATIENCE)
    assert demo.process.returncode not in (0, None)
    assert options[0].removeprefix("--") in errors
    assert "Traceback" not in errors


def test_without_a_standard_output_it_runs_unseen(address):
    code = "import sys; from corestate.demo.run import main; sys.exit(main(seconds=1, address=sys.argv[1]))"
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", code, address]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_live_view_draws_in_place_and_gives_the_terminal_back(address):
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--address", address, "--seconds", "3"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "50"},
    )
    os.close(terminal)
    shown = bytearray()
    with contextlib.suppress(OSError):  # EIO: the last process has closed the terminal
        while chunk := os.read(controller, 65536):
            shown += chunk
    os.close(controller)
    assert process.wait(PATIENCE) == 0, shown.decode(errors="replace")
    hidden, visible = shown.rfind(b"\x1b[?25l"), shown.rfind(b"\x1b[?25h")
    assert 0 <= hidden < visible
    view, report = shown[:visible].decode(), shown[visible:].decode()
    assert "SIGKILL" in view
    assert "burst_engine" in view
    assert "the books balance" in report
