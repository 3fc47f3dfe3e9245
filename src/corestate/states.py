"""State by id: one value for each (type, id), whoever it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate._shown import named
from corestate.errors import InvalidError
from corestate.scopes.feed import Feed
from corestate.scopes.paths import ScopePath
from corestate.scopes.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from corestate.events import Events
    from corestate.scopes.erasing import Erased
    from corestate.scopes.feed import ChangeRow
    from corestate.scopes.space import Space

__all__ = ["TYPES", "StateSubscription", "States"]

TYPES = ("task", "agent", "lifecycle", "shared")


class States:
    """``state.states``. Each type is a scope of its own, so that versions, history and hot reads are a scope's."""

    def __init__(self, space: Space, events: Events) -> None:
        self._space = space
        self._events = events

    def scope(self, type: str) -> Scope:  # noqa: A002 - the field's name
        """The scope that holds the states of one type, by id.

        Raises:
            InvalidError: none of ``task``, ``agent``, ``lifecycle``, ``shared``.
        """
        if type not in TYPES:
            raise InvalidError.because(
                "type of a state", expected=", ".join(TYPES), found=named(type), advice="choose one of them"
            )
        return Scope(self._space, ScopePath.of("custom", f"corestate:state:{type}"))

    def update(self, id: str, type: str, data: Any, *, if_version: int | None = None) -> int:  # noqa: A002
        """Set the state of an id as a whole; returns its version. Errors as ``Scope.set``."""
        return self.scope(type).set(id, data, if_version=if_version)

    def get(self, id: str, type: str, default: Any = None) -> Any:  # noqa: A002
        """The state of an id, or ``default``."""
        return self.scope(type).get(id, default)

    def delete(self, id: str, type: str) -> bool:  # noqa: A002
        """Delete the state of an id; False when there was none."""
        return self.scope(type).delete(id)

    def erase(self, id: str, type: str) -> Erased:  # noqa: A002
        """Erase the state of an id with its history; see ``Scope.erase``."""
        return self.scope(type).erase(id)

    def subscribe(self, type: str, id: str | None = None, *, since: int | None = None) -> StateSubscription:  # noqa: A002
        """The changes of one id, or of every id of a type: an iterator with ``get(timeout)``.

        Args:
            type: of the states.
            id: None: every one.
            since: after the change of this sequence; None: from now on.
        """
        return StateSubscription(Feed(self._space, self._events, since), self.scope(type).path, id)


class StateSubscription:
    """Changes of states, in order, none lost: they are in the store."""

    def __init__(self, feed: Feed, path: ScopePath, id: str | None) -> None:  # noqa: A002
        self._feed = feed
        self._path = path
        self._id = id

    def get(self, timeout: float | None = None) -> ChangeRow | None:
        """The next change (its ``key`` is the id); None when none came in time."""
        return self._feed.get(timeout, wanted=lambda row: row.scope == self._path and self._id in (None, row.key))

    def __iter__(self) -> Iterator[ChangeRow]:
        while (change := self.get()) is not None:
            yield change

    def close(self) -> None:
        """Let go of the subscription."""
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
