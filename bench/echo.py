"""Answers each "ping" event with a "pong", spinning or asleep in between: ``echo.py ADDRESS spin|asleep``."""

from __future__ import annotations

import os
import sys

import corestate


def main(address: str, mode: str) -> None:
    """Until an event "end" comes."""
    timeout = 0 if mode == "spin" else None
    if len(cpus := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, [cpus[1]])  # the other process has the first
    with corestate.attach(address) as state, state.events.subscribe(["ping", "end"]) as events:
        state.events.publish("ready")
        get, publish = events.get, state.events.publish
        while True:
            event = get(timeout)
            if event is None:
                continue
            if event.kind == "end":
                return
            publish("pong")


if __name__ == "__main__":
    main(*sys.argv[1:])
