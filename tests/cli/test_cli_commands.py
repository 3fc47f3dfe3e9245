"""Each command, for people and for programs."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import corestate
from corestate import AgentType, BurstEngineState

HOLD = """
import corestate, sys
state = corestate.attach(sys.argv[1])
state.engine.burst_state = corestate.BurstEngineState.RUNNING
state.locks["device"].acquire()
state.agents.register("worker", corestate.AgentType.MOTOR, capabilities={"x": 1})
state.events.publish("note", "the last words")
print("ready", flush=True)
sys.stdin.readline()
"""


def test_help_names_every_command(run):
    result = run("--help")
    assert result.code == 0
    for command in (
        *("create", "show", "top", "watch", "agents", "locks", "health", "snapshot", "restore"),
        *("inspect", "doctor", "unlink", "demo"),
    ):
        assert f"  {command} " in result.out
        assert run(command, "--help").code == 0


def test_version(run):
    assert run("--version").out.strip().endswith(corestate.__version__)


def test_create_and_unlink(run, tmp_path, path):
    assert "created" in run("create", path).out
    with corestate.attach(path) as state:
        assert state.config == corestate.RegionConfig()
    assert run("unlink", path).code == 0
    assert list(tmp_path.iterdir()) == []
    found = run("create", path, "--agents", 10, "--events", 64, "--permissions", "640", "--json").json
    assert (found["config"]["agents"], found["config"]["events"], found["config"]["permissions"]) == (10, 64, 0o640)
    with corestate.attach(path) as state:
        assert state.config == corestate.RegionConfig(agents=10, events=64, permissions=0o640)


def test_create_and_unlink_shared_memory(run, shm):
    assert run("create", shm).code == 0
    assert run("show", shm, "--json").json["address"] == shm
    assert run("unlink", shm).code == 0
    assert run("show", shm).code == 1


def test_show(run, live):
    text = run("show", live.address).out
    for word in ("running", "120,000", "spikes", "18,446,744,073,709,551,615", "load", "v1", "3.0 GiB", "12.5 %"):
        assert word in text
    found = run("show", live.address, "--json").json
    assert found["engine"]["burst_state"] == "running"
    assert found["engine"]["neuron_count"] == 120_000
    assert found["counters"] == {"spikes": 2**64 - 1}
    assert found["gauges"] == {"load": 0.5}
    assert found["areas"]["v1"]["fcl_window"] == 30
    assert found["participants"][0]["pid"] == os.getpid()
    assert (found["agents"], found["locks"], found["size"]) == (1, 2, live.region.size)


def test_agents(run, live):
    text = run("agents", live.address).out
    for word in ("camera", "sensory", "running", "live", str(os.getpid()), "fps"):
        assert word in text
    (found,) = run("agents", live.address, "--json").json
    assert (found["id"], found["type"], found["status"]) == ("camera", "sensory", "running")
    assert found["capabilities"] == {"fps": 30}
    assert (found["pid"], found["alive"], found["stale"]) == (os.getpid(), True, False)
    assert found["registered_at"] == live.agents["camera"].registered_at


def test_locks(run, live):
    text = run("locks", live.address).out
    assert "held" in text
    assert "free" in text
    assert str(os.getpid()) in text
    found = {(row["kind"], row["name"]): row for row in run("locks", live.address, "--json").json}
    assert found["lock", "held"]["state"] == "held"
    assert found["lock", "held"]["pid"] == os.getpid()
    assert found["lock", "free"]["state"] == "free"
    assert found["area", "v1"]["state"] == "held"
    live.areas["v2"]
    assert len(run("locks", live.address, "--json").json) == 3
    assert len(run("locks", live.address, "--json", "--all").json) == 4


def test_health_is_also_the_exit_code(run, live, child):
    assert run("health", live.address).code == 0
    assert run("health", live.address, "--json").json["verdict"] == "ok"
    live.engine.api_state = corestate.ServiceState.DEGRADED
    result = run("health", live.address)
    assert result.code == 1
    assert "degraded" in result.out
    assert "service_degraded" in result.out
    live.engine.burst_state = BurstEngineState.ERROR
    result = run("health", live.address, "--json")
    assert (result.code, result.json["verdict"]) == (2, "failed")
    result = run("health", live.address + ".absent")
    assert result.code == 2
    assert result.out == ""
    assert "absent" in result.err


def test_watch_prints_events(run, live):
    newest = live.events.newest
    live.events.publish("spike", b"\x00\xff")
    live.events.publish("quiet", 1)
    text = run("watch", live.address, "--since", 0, "--seconds", 0).out
    assert "agent_registered" in text
    assert '{"neuron": 17}' in text
    assert len(text.splitlines()) == live.events.newest
    found = run("watch", live.address, "--since", newest, "--count", 2, "--json").lines
    assert [event["kind"] for event in found] == ["spike", "quiet"]
    assert [event["data"] for event in found] == [{"base64": "AP8="}, 1]
    assert found[0]["sequence"] == newest + 1
    only = run(
        "watch", live.address, "--since", 0, "--kind", "quiet", "--kind", "agent_registered", "--count", 2, "--json"
    )
    assert [event["kind"] for event in only.lines] == ["agent_registered", "quiet"]
    assert only.lines[0]["data"] == {"id": "camera", "type": "sensory"}


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_watch_says_what_was_lost(run, tmp_path):
    with corestate.create(tmp_path / "r", config=corestate.RegionConfig(events=4)) as state:
        for i in range(4):
            state.events.publish("k", i)
        lines = watch_while(tmp_path / "r", lambda: [state.events.publish("k", i) for i in range(4, 400)])
    losses = [line for line in lines if "lost" in line]
    events = [line for line in lines if "sequence" in line]
    assert sum(line["lost"] for line in losses) + len(events) == 400
    assert [event["sequence"] for event in events] == sorted({event["sequence"] for event in events})


def watch_while(address, act):
    """What ``watch --json`` prints from the oldest event on, while something happens; until event 400."""
    command = [sys.executable, "-c", "from corestate.cli import main; main()", "watch", str(address), "--since", "0"]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True)
    lines = [json.loads(process.stdout.readline())]
    process.send_signal(signal.SIGSTOP)
    act()
    process.send_signal(signal.SIGCONT)
    while lines[-1].get("sequence") != 400:
        lines.append(json.loads(process.stdout.readline()))
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 130
    return lines


def test_snapshot_and_restore(run, live, tmp_path, shm):
    picture = tmp_path / "picture"
    result = run("snapshot", live.address, picture, "--json")
    assert result.json["bytes"] == picture.stat().st_size
    assert str(picture) in run("snapshot", live.address, picture).out
    assert "restored" in run("restore", picture, shm).out
    with corestate.attach(shm) as back:
        assert back.counters["spikes"].value == 2**64 - 1
    again = run("restore", picture, tmp_path / "back", "--json").json
    assert again["address"] == str(tmp_path / "back")
    assert run("restore", picture, shm).code == 1


def test_inspect_tells_what_a_crashed_run_was_doing(run, path, child):
    corestate.create(path).close()
    worker = child(HOLD, path)
    assert worker.line() == "ready"
    during = run("inspect", path, "--json").json
    assert [one["alive"] for one in during["participants"]] == [True]
    worker.kill()
    before = Path(path).read_bytes()
    found = run("inspect", path, "--json").json
    assert [(one["pid"], one["alive"]) for one in found["participants"]] == [(worker.pid, False)]
    assert found["engine"]["burst_state"] == "running"
    assert [(row["name"], row["state"], row["pid"]) for row in found["locks"]] == [("device", "dead", worker.pid)]
    assert [(row["id"], row["alive"]) for row in found["agents"]] == [("worker", False)]
    assert found["events"][-1]["data"] == "the last words"
    text = run("inspect", path).out
    for word in ("died attached", str(worker.pid), "device", "worker", "the last words", "running", "dead"):
        assert word in text
    assert len(run("inspect", path, "--events", 1, "--json").json["events"]) == 1
    assert Path(path).read_bytes() == before, "looking changes nothing"


def test_inspect_says_what_it_can_of_damaged_files(run, live, tmp_path):
    content = Path(live.address).read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(content[: len(content) // 2])
    result = run("inspect", cut)
    assert result.code == 1
    assert f"bytes by its header: {len(content)}" in result.out
    assert str(len(content) // 2) in result.err
    found = run("inspect", cut, "--json").json
    assert found["config"]["agents"] == live.config.agents
    live.snapshot(tmp_path / "picture")
    result = run("inspect", tmp_path / "picture")
    assert result.code == 1
    assert "snapshot" in result.out


def test_doctor(run, live):
    result = run("doctor", "--json")
    assert result.code == 0
    assert {row["result"] for row in result.json} <= {"ok", "limited"}
    text = run("doctor").out
    for word in ("python", "layout version", "lock is inherited", "shared memory"):
        assert word in text


def test_top_prints_a_frame_where_there_is_no_terminal(run, live):
    result = run("top", live.address, "--frames", 2, "--interval", 0.05)
    assert result.code == 0
    for word in ("running", "camera", "spikes", "v1", "held", "a second"):
        assert word in result.out
    assert result.out.count("burst_state") == 2


def test_render_shows_rates_against_an_earlier_sample(live):
    from rich.console import Console

    from corestate.cli.top import render, sample

    before = sample(live)
    live.counters["steps"].add(1_000_000)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(render(live))
    assert "+" not in console.export_text()
    console.print(render(live, before))
    assert "+" in console.export_text()


@pytest.mark.skipif(sys.platform == "win32", reason="a broken pipe is something else there")
def test_a_reader_that_goes_away_is_no_error(live):
    script = "from corestate.cli import main; main()"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", script, "show", live.address],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["\x1b[2Jclear", "[red]markup[/red]", "new\nline", "\u202eright to left"])
def test_names_cannot_steer_the_terminal(run, live, name):
    live.counters[name].add(1)
    live.agents.register(name, AgentType.MOTOR, capabilities=name)
    live.events.publish(name, name)
    live.locks[name]
    for command in (
        ("show",),
        ("agents",),
        ("locks",),
        ("top",),
        ("watch", "--since", 0, "--seconds", 0),
        ("inspect",),
    ):
        text = run(command[0], live.address, *command[1:]).out
        assert "\x1b" not in text
        assert "\u202e" not in text
        if name.startswith("["):
            assert name in text
    assert name in run("show", live.address, "--json").json["counters"]
