"""The works, one a file: each measures everybody who can do it, and says why where corestate does not lead."""

FILES = (
    "counters",
    "records",
    "directory",
    "events",
    "locks",
    "opening",
    "scopes",
    "logs",
    "tasks",
    "recovery",
    "growth",
)
