"""What every store offers: transactions over rows, in the SQL that SQLite and PostgreSQL share.

The parts of the durable floor (scopes, audit, tasks, agents) write their SQL once, with ``?`` for parameters, ``INSERT
... ON CONFLICT`` and ``RETURNING``; a store with another parameter style translates. Their tables are in
``stores/schema``, a file a part. One conformance suite runs against every store.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

__all__ = ["SCHEMA_VERSION", "Durability", "Row", "Rows", "Store"]

SCHEMA_VERSION = 1
"""The version of the tables this corestate makes, reads and writes."""

Row = tuple[Any, ...]


class Durability(str, enum.Enum):
    """What a commit survives once it has returned."""

    FULL = "full"
    """The loss of power: each commit waits until the disk has it."""
    NORMAL = "normal"
    """The death of any process, also of all of them. A loss of power may take the last commits, never half of one."""
    BATCHED = "batched"
    """As ``NORMAL``, but what is recorded in bulk is committed together, ``BATCH_SECONDS`` later at most; until then
    the death of this process takes it, and nobody else sees it."""


BATCH_SECONDS = 0.05
"""How long ``BATCHED`` may hold rows back."""


class Rows(ABC):
    """The rows of a store inside one transaction. Used by one thread, within its ``with`` block."""

    @abstractmethod
    def one(self, sql: str, *parameters: object) -> Row | None:
        """The first row, or None."""

    @abstractmethod
    def all(self, sql: str, *parameters: object) -> list[Row]:
        """Every row."""

    @abstractmethod
    def run(self, sql: str, *parameters: object) -> int:
        """Execute; returns how many rows were changed."""

    @abstractmethod
    def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Execute once for each row of parameters."""


class Store(ABC):
    """Keeps rows. Any thread may use it; a child of fork opens it anew by itself."""

    id: bytes
    """16 random bytes made with the store: hot values and anchors name it, so that no other is taken for it."""
    durability: Durability
    session: int = 0
    """Which of the times that somebody had it open this is; 0 where that is nobody else's business."""
    newest: int = 0
    """Sequence of the newest change there was when it was opened."""
    begun: bool = False
    """Whether this opening began the session."""
    gone: bool = False
    """Whether what is open was found not to be the store any more."""

    watched: bool = True
    """Whether ``live`` is asked of the store itself."""

    def look(self) -> None:  # noqa: B027 - a store in memory is always there
        """See that what is open is the store.

        Raises:
            StoreGoneError: it is not any more.
        """

    @property
    def live(self) -> bool:
        """Whether anybody has it open for writing."""
        return True

    @abstractmethod
    def one(self, sql: str, *parameters: object) -> Row | None:
        """The first row of one query, outside any transaction: the quickest look at what is committed."""

    @abstractmethod
    def read(self) -> AbstractContextManager[Rows]:
        """A transaction that sees one state of the store and writes nothing. Never waits for a writer."""

    @abstractmethod
    def write(self) -> AbstractContextManager[Rows]:
        """The one writing transaction of its moment; committed at the end of the block, undone by an exception.

        When the block has been left without an exception the rows are as durable as ``durability`` says.

        Raises:
            StoreBusyError: another writer held the store for too long.
            StoreFullError, StoreReadOnlyError, StoreCorruptError: nothing was written.
            StoreError: this thread is inside a transaction already.
        """

    @abstractmethod
    def check(self) -> list[str]:
        """What is wrong with the store, in words; nothing is an empty list. Reads all of it."""

    @abstractmethod
    def scrub(self) -> None:
        """Have the disk forget what was deleted: call it after the transaction that deleted. O(the store's size).

        Raises:
            StoreBusyError: somebody still reads what was there. StoreError.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the store in this process. Idempotent."""
