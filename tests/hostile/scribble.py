"""Scribbles into a region by a seed, then reads and writes everything there is: ``scribble.py FIRST ROUNDS TARGET``.

Each round starts from the same furnished region. Errors of ours and wrong values are as it should be; any other
exception, a crash, or a call that does not end is not, and says its seed. ``ROUNDS`` of one seed repeat it.
"""

from __future__ import annotations

import collections
import faulthandler
import random
import sys
import time

import looking_everywhere

import corestate
from corestate import durable
from corestate.scopes import hot

NASTY = (0, 1, 2, 3, 7, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)
HANG_SECONDS = 60
HEADER = 320
"""Bytes at the start that a scribbler mostly leaves alone: whoever attached has believed them already."""


def place(dice: random.Random, size: int) -> int:
    """Where to write, 4-byte aligned; anywhere, but seldom in the header."""
    lowest = HEADER if dice.randrange(16) else 0
    return dice.randrange(lowest, size - 8) & ~3


def scribble(memory: object, dice: random.Random) -> None:
    """From one to many changes of a kind each."""
    size = len(memory)
    for _ in range(dice.choice((1, 1, 3, 10, 100, 1000))):
        at, kind = place(dice, size), dice.randrange(6)
        if kind == 0:
            memory[at + dice.randrange(4)] = dice.randrange(256)
        elif kind == 1:
            memory[at : at + 4] = (dice.choice(NASTY) & 0xFFFFFFFF).to_bytes(4, "little")
        elif kind == 2:
            memory[at & ~7 : (at & ~7) + 8] = dice.choice(NASTY).to_bytes(8, "little")
        elif kind == 3:  # what is right elsewhere
            source, length = place(dice, size), dice.choice((4, 8, 64))
            piece = memory[source : source + length]
            memory[at : at + len(piece)] = piece[: size - at]
        elif kind == 4:
            memory[at : at + 4] = (int.from_bytes(memory[at : at + 4], "little") ^ (1 << dice.randrange(32))).to_bytes(
                4, "little"
            )
        else:
            length = min(dice.choice((16, 64, 256)), size - at)
            memory[at : at + length] = dice.randbytes(length)


def main() -> None:
    first, rounds, target = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # A lock that is scribbled to be held by somebody alive is waited for; that this ends takes no ten seconds to show.
    hot._LOCK_SECONDS = durable._TURN_SECONDS = 0.02
    state = corestate.create("heap:", config=looking_everywhere.CONFIG)
    looking_everywhere.furnish(state)
    memory = state.region.memory
    pristine = bytes(memory)
    outcomes: collections.Counter[str] = collections.Counter()
    slowest = (0.0, "", 0)
    for seed in range(first, first + rounds):
        dice = random.Random(seed)
        memory[:] = pristine
        # A manager of its own each round: what one has remembered must not hide what is there.
        view = corestate.StateManager(state.region)
        scribble(memory, dice)
        uses = looking_everywhere.reading(view, target)
        if dice.randrange(2):
            uses |= looking_everywhere.writing(view)
        names = list(uses)
        dice.shuffle(names)
        for name in names:
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            began = time.monotonic()
            try:
                uses[name]()
                outcomes["done"] += 1
            except corestate.CorestateError as problem:
                outcomes[type(problem).__name__] += 1
            except BaseException:
                print(f"seed {seed}, {name}", file=sys.stderr)
                raise
            slowest = max(slowest, (time.monotonic() - began, name, seed))
            faulthandler.cancel_dump_traceback_later()
    print(sum(outcomes.values()), outcomes["done"], f"{slowest[0]:.3f}", *slowest[1:], sep=",")
    print(dict(outcomes.most_common()))


if __name__ == "__main__":
    main()
