"""A workflow's scope, its steps, and what happened in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corestate.scopes.erasing import Erased
from corestate.scopes.rows import CHANGES_OF, path_of, stored
from corestate.scopes.scope import Scope
from corestate.stores.checked import checking

if TYPE_CHECKING:
    from corestate.scopes.limits import Limits
    from corestate.scopes.paths import ScopePath
    from corestate.scopes.space import Space

__all__ = ["Moment", "Workflow"]

_change = checking("changes", "sequence time_ns operation key version tag value")


@dataclass(frozen=True)
class Moment:
    """One line of a timeline."""

    time_ns: int
    source: str
    """``"state"``, ``"task"``, ``"audit"`` or ``"event"``."""
    what: str
    """The operation, the task's status, the audit's event type."""
    where: str
    """The scope, task or agent concerned."""
    details: dict[str, Any]


class Workflow(Scope):
    """The scope of a workflow: a mapping of its own, and a scope for each step. Made by ``state.workflow``."""

    def __init__(self, space: Space, path: ScopePath, limits: Limits | None = None) -> None:
        super().__init__(space, path, limits)

    def step(self, name: str, *, limits: Limits | None = None) -> Scope:
        """The scope of a step."""
        return Scope(self._space, self.path.step(name), limits or self.limits)

    def steps(self) -> list[str]:
        """The names of the steps that have ever been written to, in order."""
        with self._space.store.read() as rows:
            found = [path_of(path) for (path,) in rows.all("SELECT path FROM scopes")]
        return sorted(path.name for path in found if path.parts[:-1] == self.path.parts)

    def erase(self, key: str | None = None, *, prefix: str | None = None) -> Erased:
        """As ``Scope.erase``; of all, with neither key nor prefix, in every step as well."""
        done = [super().erase(key, prefix=prefix)]
        if key is None and prefix is None:
            done.extend(self.step(name).erase() for name in self.steps())
        return Erased(sum(one.keys for one in done), sum(one.versions for one in done), done[-1].complete)

    def timeline(self) -> list[Moment]:
        """What happened in the workflow and its steps, and to tasks, audit rows and events that name it, by time.

        An event names it by data, an audit row by details with ``{"workflow": name}``. The region keeps its last events
        only. O(changes of the workflow + events + audit rows).
        """
        with self._space.store.read() as rows:
            scopes = {number: path_of(path) for number, path in rows.all("SELECT id, path FROM scopes")}
            mine = {n: path for n, path in scopes.items() if path.parts[:1] == self.path.parts}
            moments = [
                Moment(
                    when,
                    "state",
                    operation,
                    str(mine[scope]),
                    {
                        "key": key,
                        "version": version,
                        "change": sequence,
                        "value": None if raw is None else stored("changes", "value", tag, raw),
                    },
                )
                for scope in mine
                for sequence, when, operation, key, version, tag, raw in map(_change, rows.all(CHANGES_OF, scope))
            ]
        moments.extend(self._events())
        for source in self._space.timelines:
            moments.extend(source(self.path.name))
        return sorted(moments, key=lambda moment: moment.time_ns)

    def _events(self) -> list[Moment]:
        with self._space.events.subscribe(since=0) as log:
            found = log.drain()
        return [
            Moment(event.time_ns, "event", event.kind, str(self.path), event.data)
            for event in found
            if isinstance(event.data, dict) and event.data.get("workflow") == self.path.name
        ]
