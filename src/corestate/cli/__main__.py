"""``python -m corestate.cli`` is the command ``corestate``."""

from corestate.cli.main import main

main()
