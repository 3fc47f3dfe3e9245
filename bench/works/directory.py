"""A registry of agents, at every size: look one up, register one, list all, memory."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from bench import roles
from bench.results import OURS
from bench.session import Samples, Session

Filled = dict[str, list[tuple[int, float]]]
"""For each peer the sizes it was filled to, and the seconds that took."""


def run(session: Session) -> None:
    """lookup, register, list and memory, for each number of agents."""
    filled: Filled = {}
    for agents in session.form.agents:
        _at(session, agents, filled)
    session.reason(
        "lookup",
        "UltraDict answers from a copy of the whole dict that each process keeps for itself, and lmdb with a dict of "
        "two small numbers from JSON; corestate reads the agent with its type, times and owner from shared memory, "
        "checks that it was one whole, and decodes two parts of MessagePack.",
    )
    session.reason(
        "register",
        "corestate's registration is also an event to every subscriber, a heartbeat and an owner that is looked after "
        "if its process dies, and so is the deregistration; the others store and remove a value.",
    )
    session.reason(
        "list",
        "corestate makes the list from the table itself, agent by agent, as it is at that moment; UltraDict lists the "
        "copy that each process keeps for itself, and `agents.array()` gives a million agents as one NumPy array.",
    )
    session.reason(
        "memory",
        "Agents have fixed places for a name of up to 63 bytes and details of up to 64, twice, so that nobody reads "
        "half a change; the others keep exactly the bytes they were given.",
    )


def _at(session: Session, agents: int, filled: Filled) -> None:
    with ExitStack() as stack:
        cast: dict[str, roles.Directory] = {}
        for name, peer in session.who(roles.Directory).items():
            why = "" if name == OURS else too_slow(session, name, agents, filled)
            if why:
                session.results.missing.append({"name": f"{name}, {agents:,} agents", "why": why})
                continue
            with session.excused(f"{name} with {agents} agents"):
                played: Any = peer.roles[roles.Directory]
                before = time.perf_counter()
                spec = played.create(session.place(), agents=agents)
                filled.setdefault(name, []).append((agents, time.perf_counter() - before))
                stack.callback(session.destroy, name, played, spec)
                cast[name] = stack.enter_context(played(spec))
        _measure(session, cast, agents)
        cast.clear()


def too_slow(session: Session, name: str, agents: int, filled: Filled) -> str:
    """Why a peer is not measured at this size; empty when it is, as it is up to a thousand."""
    if agents <= 1000:
        return ""
    seconds = expected(filled.get(name, []), agents)
    if seconds > session.form.fill_seconds:
        return f"filling it would take about {seconds:.0f} s"
    for row in session.results.rows:
        if row.work == "register" and row.subject == name and row.median / 1e6 > session.form.subject_seconds:
            return f"among {row.parameters['agents']:,} one registration takes {row.median / 1e6:.2g} s"
    return ""


def expected(filled: list[tuple[int, float]], agents: int) -> float:
    """Seconds that filling it with so many would take, by what the last two sizes took; 0 where that is not known."""
    if len(filled) < 2:
        return 0.0
    (fewer, less), (more, took) = filled[-2:]
    return max(0.0, took - less) / (more - fewer) * agents


def _measure(session: Session, cast: dict[str, roles.Directory], agents: int) -> None:
    number = agents // 2
    name = roles.agent_name(number)
    with session.excused(f"what the directories of {agents} agents hold"):
        for who, one in cast.items():
            assert one.lookup(name).result() is not None, who
            assert len(one.listing().result()) == agents, who
    codes = {who: one.lookup(name) for who, one in cast.items()}
    session.keep("lookup", "look up one agent", "us", session.turns(codes), codes=codes, agents=agents)
    codes = {who: one.register() for who, one in cast.items()}
    session.keep(
        "register", "register an agent and deregister it", "us", session.turns(codes), codes=codes, agents=agents
    )
    codes = {who: one.listing() for who, one in cast.items()}
    session.keep("list", "list the ids of all agents", "us", session.turns(codes), codes=codes, agents=agents)
    taken: Samples = {}
    for who, one in cast.items():
        with session.excused(who):
            taken[who] = [one.memory() / agents]
    session.keep("memory", "memory of one agent", "bytes", taken, agents=agents)
