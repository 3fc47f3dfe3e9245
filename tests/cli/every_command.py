"""One way or more to run each command of the command line on a region that has something of everything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import corestate
from corestate import AgentType, RegionConfig, StateManager
from corestate.cli.main import cli


def fill(state: StateManager, name: str = "plain", value: object = "value") -> None:
    """Something of everything, each thing named ``name`` and holding ``value`` where it holds anything."""
    state.counters[name].set(5)
    state.gauges[name].set(0.5)
    state.areas[name].fcl_window = 3
    state.agents.register(name, AgentType.SENSORY, capabilities={name: value})
    state.locks[name].acquire()
    state.areas[name].lock.acquire()
    state.events.publish(name, {name: value})
    scope = state.scope("user", name)
    scope[name] = value
    scope[name] = [value]
    state.tasks.push(name, {name: value})
    with state.tasks.pop(timeout=0) as task:
        task.fail(f"{name} {value}")
    state.audit.log(name, name, {name: value})


def make(path: str, name: str = "plain", value: object = "value") -> StateManager:
    """A small region at ``path``, filled."""
    state = corestate.create(path, config=RegionConfig(agents=16, areas=16, counters=16, gauges=16, locks=16))
    fill(state, name, value)
    return state


def ways(address: str, folder: Path, name: str = "plain", value: str = "value") -> dict[str, list[list[str]]]:
    """By command, the argument lists to run it with; every command there is."""
    picture, scope = str(folder / "picture"), f"user:{name.replace('%', '%25').replace('/', '%2F')}"
    (folder / "wrong").write_bytes(b"no region")
    found = {
        "create": [[str(folder / "made")], [str(folder / "made2"), "--json"], [address]],
        "show": [[address], [address, "--json"], [str(folder / f"no{name}")]],
        "agents": [[address], [address, "--json"]],
        "locks": [[address], [address, "--json"], [address, "--all"]],
        "health": [[address], [address, "--json"]],
        "inspect": [[address], [address, "--json"], [str(folder / "wrong")]],
        "top": [[address]],
        "watch": [[address, "--since", "0", "--seconds", "0"], [address, "--since", "0", "--seconds", "0", "--json"]],
        "snapshot": [[address, picture], [address, picture, "--json"], [address, str(folder / f"n{name}" / "x")]],
        "restore": [[picture, str(folder / "back")], [picture, str(folder / "back2"), "--json"], [picture, address]],
        "unlink": [[str(folder / "made")], [str(folder / f"no{name}")]],
        "mirror": [[address, "udp:127.0.0.1:9", "--seconds", "0.1"], [address, address]],
        "doctor": [[], ["--json"], [address], [address, "--json"]],
        "demo": [["--seconds", "1", "--neurons", "40", "--plain"], ["--address", address]],
        "get": [[address, scope, name], [address, scope, name, "--json"], [address, scope, f"no{name}"]],
        "set": [[address, scope, name, value], [address, scope, name, "1", "--json"], [address, name, name, "1"]],
        "keys": [[address, scope], [address, scope, "--json"]],
        "history": [[address, scope, name], [address, scope, name, "--json"]],
        "at": [[address, scope, "#2"], [address, scope, "#2", "--json"], [address, scope, name]],
        "changes": [
            [address, "--since", "0", "--seconds", "0"],
            [address, "--since", "0", "--seconds", "0", "--json"],
        ],
        "tasks": [[address], [address, "--json"], [address, "--requeue", "1"]],
        "audit": [
            *([address], [address, "--json"], [address, "--verify"], [address, "--export", "csv"]),
            *([address, "--export", "jsonl"], [address, "--since", name], [address, "--key-file", f"no{name}"]),
        ],
        "audit-prune": [[address, "--count", "1000"], [address, "--count", "1000", "--json"]],
        "delete": [[address, scope, name], [address, scope, f"no{name}"]],
        "erase": [[address, f"{scope}2", name], [address, f"{scope}2", "--all", "--json"], [address, scope]],
        "adopt": [[address]],
    }
    assert set(found) == set(cli.commands), "a command without a way to run it here"
    return found


def command_line(*arguments: str) -> list[str]:
    """The command as the console script runs it: a file elsewhere, whose directory is first in ``sys.path``."""
    return [sys.executable, __file__, *arguments]


def run(command: list[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    """A command run to its end, with its output as bytes."""
    known = {key: value for key, value in os.environ.items() if key != "PYTHONIOENCODING"}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**known, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=100,
        check=False,
    )


if __name__ == "__main__":
    from corestate.cli import main

    main()
