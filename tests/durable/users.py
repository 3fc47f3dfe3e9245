"""Programs run as other users."""

from __future__ import annotations

import subprocess
import sys
import textwrap

ANN, BEN, CAY = 61001, 61002, 61003
"""Users that need no entry anywhere."""
TEAM = 61010

_PRELUDE = """
import codecs, fcntl, json, os, signal, stat, struct, sys, time
import corestate
from corestate.stores import connection, copied, sqlite
codecs.lookup("ascii"), codecs.lookup("idna")
sys.path_importer_cache.clear
corestate.open("heap:").scope("global").get("what imports late, as long as it may")
with open(os.devnull) as found:
    pass
os.setgroups(GROUPS)
os.setgid(GID)
os.setuid(UID)
os.umask(UMASK)
"""


def run_as(uid: int, source: str, *arguments: object, gid: int | None = None, umask: int = 0o022) -> str:
    """Run a program as a user; what it printed."""
    done = subprocess.run(
        command(uid, source, *arguments, gid=gid, umask=umask), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def command(uid: int, source: str, *arguments: object, gid: int | None = None, umask: int = 0o022) -> list[str]:
    """The command line that runs a program as a user."""
    gid = uid if gid is None else gid
    prelude = _PRELUDE.replace("GROUPS", repr([gid])).replace("GID", str(gid)).replace("UID", str(uid))
    prelude = prelude.replace("UMASK", str(umask))
    return [sys.executable, "-c", prelude + textwrap.dedent(source), *map(str, arguments)]
