"""SQLite, used plainly through Python's own module."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from bench import roles
from bench.peers import Peer
from bench.roles import Statement

UPSERT = "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
TABLE = "CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID"


class Database:
    """One file in write-ahead mode, a connection in each process, a commit for each statement."""

    tables = (TABLE,)

    @classmethod
    def create(cls, place: Path) -> Any:
        path = place / "plain.db"
        with cls.connect(path) as made:
            for table in cls.tables:
                made.execute(table)
            if TABLE in cls.tables:
                made.execute(UPSERT, ("c", 0))
                made.execute(UPSERT, ("r", bytes(roles.RECORD_BYTES)))
        made.close()
        return path

    @staticmethod
    def connect(path: Path) -> sqlite3.Connection:
        made = sqlite3.connect(path, isolation_level=None, timeout=60)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = NORMAL")
        return made

    def __init__(self, path: Path) -> None:
        self.path, self.db = path, self.connect(path)

    def close(self) -> None:
        self.db.close()


class Counter(Database, roles.Counter):
    def read(self) -> Statement:
        return Statement("run(sql).fetchone()[0]", {"run": self.db.execute, "sql": "SELECT v FROM t WHERE k = 'c'"})

    def add(self) -> Statement:
        return Statement("run(sql)", {"run": self.db.execute, "sql": "UPDATE t SET v = v + 1 WHERE k = 'c'"})


class Record(Database, roles.Record):
    def read(self) -> Statement:
        return Statement("run(sql).fetchone()[0]", {"run": self.db.execute, "sql": "SELECT v FROM t WHERE k = 'r'"})

    def write(self) -> Statement:
        sql = "UPDATE t SET v = ? WHERE k = 'r'"
        return Statement("run(sql, (data,))", {"run": self.db.execute, "sql": sql})


class Directory(Database, roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Any:
        path = place / "plain.db"
        made = cls.connect(path)
        made.execute(TABLE)
        made.execute("BEGIN")
        rows = ((roles.agent_name(n), json.dumps(roles.agent_details(n))) for n in range(agents))
        made.executemany("INSERT INTO t VALUES (?, ?)", rows)
        made.execute("COMMIT")
        made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made.close()
        return path

    def lookup(self, name: str) -> Statement:
        names = {"run": self.db.execute, "sql": "SELECT v FROM t WHERE k = ?", "loads": json.loads, "name": name}
        return Statement("loads(run(sql, (name,)).fetchone()[0])", names)

    def register(self) -> Statement:
        names = {
            "run": self.db.execute,
            "into": "INSERT INTO t VALUES (?, ?)",
            "off": "DELETE FROM t WHERE k = ?",
            "dumps": json.dumps,
            "details": roles.agent_details(1),
        }
        return Statement("run(into, ('newcomer', dumps(details))); run(off, ('newcomer',))", names)

    def listing(self) -> Statement:
        return Statement("[key for key, in run(sql)]", {"run": self.db.execute, "sql": "SELECT k FROM t"})

    def memory(self) -> int:
        return self.path.stat().st_size


class Attach(Database, roles.Attach):
    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        """Nothing stays open."""

    def attach(self) -> Statement:
        code = "db = connect(path); db.execute(sql).fetchone(); db.close()"
        return Statement(code, {"connect": self.connect, "path": self.path, "sql": "SELECT v FROM t WHERE k = 'c'"})


class Mutex(Database, roles.Mutex):
    def take(self) -> Statement:
        return Statement("run('BEGIN IMMEDIATE'); run('COMMIT')", {"run": self.db.execute})

    def acquire(self, timeout: float) -> bool:
        self.db.execute(f"PRAGMA busy_timeout = {int(timeout * 1000)}")
        try:
            self.db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def release(self) -> None:
        self.db.execute("COMMIT")


class Store(Database, roles.Store):
    def get(self, key: str) -> Any:
        return json.loads(self.db.execute("SELECT v FROM t WHERE k = ?", (key,)).fetchone()[0])

    def set(self, key: str, value: Any) -> None:
        self.db.execute(UPSERT, (key, json.dumps(value)))

    def reading(self, key: str) -> Statement:
        names = {"run": self.db.execute, "sql": "SELECT v FROM t WHERE k = ?", "loads": json.loads}
        return Statement(f"loads(run(sql, ({key},)).fetchone()[0])", names)

    def writing(self, key: str) -> Statement:
        return Statement(
            f"run(sql, ({key}, dumps(value)))", {"run": self.db.execute, "sql": UPSERT, "dumps": json.dumps}
        )


class Log(Database, roles.Log):
    tables = ("CREATE TABLE t (id INTEGER PRIMARY KEY, time INTEGER, agent TEXT, type TEXT, details TEXT)",)

    def append(self) -> Statement:
        names = {
            "run": self.db.execute,
            "sql": "INSERT INTO t (time, agent, type, details) VALUES (?, ?, ?, ?)",
            "time": time.time_ns,
            "dumps": json.dumps,
        }
        return Statement("run(sql, (time(), 'agent', 'PII_DETECTED', dumps({'field': 'email'})))", names)

    def count(self) -> int:
        return int(self.db.execute("SELECT count(*) FROM t").fetchone()[0])


class Tasks(Database, roles.Tasks):
    tables = ("CREATE TABLE t (id INTEGER PRIMARY KEY, kind TEXT, data TEXT)",)

    def push(self) -> Statement:
        names = {"run": self.db.execute, "sql": "INSERT INTO t (kind, data) VALUES (?, ?)", "dumps": json.dumps}
        return Statement("run(sql, ('inspect', dumps({'area': 'v1'})))", names)

    def pop(self) -> Statement:
        sql = "DELETE FROM t WHERE id = (SELECT max(id) FROM t) RETURNING kind, data"
        return Statement("run(sql).fetchall()", {"run": self.db.execute, "sql": sql})


PEER = Peer(
    "SQLite",
    "Python's sqlite3, write-ahead mode, synchronous=NORMAL, a commit for each statement; values as JSON; no history, "
    "no events, no hash chain, no leases; its lock is BEGIN IMMEDIATE",
    {
        roles.Counter: Counter,
        roles.Record: Record,
        roles.Directory: Directory,
        roles.Mutex: Mutex,
        roles.Attach: Attach,
        roles.Store: Store,
        roles.Log: Log,
        roles.Tasks: Tasks,
    },
    lambda: sqlite3.sqlite_version,
)
