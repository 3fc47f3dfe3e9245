"""The example on an emulated board, mirrored to this machine, in ``corestate top``: ``make -C embedded run``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emulator import BUILD, MACHINES, Board

from corestate._children import start
from corestate.mirror import Mirror


def main() -> int:
    """Run until top ends, at Ctrl-C or after some frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, default=BUILD / "gcc/sensors.elf")
    parser.add_argument("--machine", choices=MACHINES, default=MACHINES[0])
    parser.add_argument("--region", type=Path, default=BUILD / "board.state", help="where the mirror is put")
    parser.add_argument("--frames", type=int, default=None, help="end after this many frames of top")
    options = parser.parse_args()
    with Board(options.image, options.machine) as board, Mirror(board.line, options.region) as mirror:
        print(f"{options.machine} runs {options.image.name}; its state is {options.region}", flush=True)
        mirror.wait_ready(30)
        frames = ["--frames", str(options.frames)] if options.frames else []
        top = start("corestate", "top", str(options.region), *frames)
        try:
            return top.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            print(mirror.report())


if __name__ == "__main__":
    sys.exit(main())
