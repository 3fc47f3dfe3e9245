"""The books of a run: who sent and received how many events, and whether it adds up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from corestate import StateManager

__all__ = ["Account", "Books"]

# Who sends which kind, and who listens for which. The observer listens for all.
_SENDERS = {"sensory_processor": "sense", "sensory_traffic": "sense", "burst_engine": "burst", "motor": "act"}
_LISTENERS = {"burst_engine": "sense", "motor": "burst"}
_KINDS = ("sense", "burst", "act")


@dataclass(frozen=True)
class Account:
    """One process's figures: events sent, all of one kind; events received, by kind; events it was told it lost."""

    process: str
    sends: str | None = None
    sent: int = 0
    received: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    killed: bool = False


@dataclass(frozen=True)
class Books:
    """The accounts of all processes.

    A sender counts an event, then publishes it. So one that was killed may have counted one event that it never
    published: that is what `unpublished` allows for.
    """

    accounts: list[Account]
    disorder: int = 0

    @classmethod
    def of(cls, state: StateManager, observed: dict[str, Any] | None, killed: Collection[str] = ()) -> Books:
        """Collect the books after a run: the observer's report, and counters in the region for everybody else.

        The counters outlive their processes, so that the books of one that was killed are there, too.
        """
        value = {name: state.counters[name].value for name in state.counters}
        accounts = [
            Account(
                process,
                kind,
                value.get(f"{process}.sent", 0),
                {_LISTENERS[process]: value.get(f"{process}.received", 0)} if process in _LISTENERS else {},
                value.get(f"{process}.lost", 0),
                process in killed,
            )
            for process, kind in _SENDERS.items()
        ]
        if observed is None:  # it died, which is a problem of its own
            return cls([*accounts, Account("observer")])
        received = {kind: observed["received"].get(kind, 0) for kind in _KINDS}
        accounts.append(Account("observer", received=received, lost=observed["lost"]))
        return cls(accounts, observed["disorder"])

    def sent(self, kind: str) -> int:
        """Events of a kind that their senders counted."""
        return sum(account.sent for account in self.accounts if account.sends == kind)

    def unpublished(self, kind: str) -> int:
        """Events of a kind that killed senders counted and nobody received, at most one for each of them."""
        most = max(account.received.get(kind, 0) + account.lost for account in self.accounts)
        room = sum(account.killed for account in self.accounts if account.sends == kind)
        return min(room, max(0, self.sent(kind) - most))

    @property
    def published(self) -> int:
        """Events of all kinds that were sent."""
        return sum(self.sent(kind) - self.unpublished(kind) for kind in _KINDS)

    def problems(self) -> list[str]:
        """What does not add up, a sentence each; empty when every event was received once or is named as lost."""
        found = []
        for account in self.accounts:
            for kind, received in account.received.items():
                expected = self.sent(kind) - self.unpublished(kind)
                # Who was overrun knows how many events it lost, not of which kinds they were.
                if not received <= expected <= received + account.lost:
                    lost = f", with {account.lost} lost" if account.lost else ""
                    found.append(f"{account.process} received {received} of {expected} {kind} events{lost}")
        if self.disorder:
            found.append(f"{self.disorder} events arrived twice or out of order")
        return found

    def table(self) -> list[str]:
        """The accounts as aligned lines of text."""
        rows = [("process", "sent", "received", "lost", "")]
        for account in self.accounts:
            sent = f"{account.sent} {account.sends}" if account.sends else "-"
            received = ", ".join(f"{count} {kind}" for kind, count in account.received.items()) or "-"
            lost = str(account.lost) if account.received else "-"
            unpublished = self.unpublished(account.sends) if account.killed and account.sends else 0
            remark = "killed" if account.killed else ""
            rows.append(
                (
                    account.process,
                    sent,
                    received,
                    lost,
                    f"{remark}, {unpublished} never published" if unpublished else remark,
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
