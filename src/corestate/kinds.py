"""Kinds of events: strings for users, small numbers in the region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corestate._arguments import name_bytes
from corestate._binding import check, error, ffi, lib
from corestate._shown import named
from corestate.errors import InvalidError

if TYPE_CHECKING:
    from corestate.region import Region

__all__ = ["Kinds"]


class Kinds:
    """Both directions, remembered: a kind once interned keeps its number for as long as the region lives."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.names: dict[int, str] = {}
        """Kinds by number, as far as they have been met."""
        self.published: dict[str, int] = {}
        """Numbers of the kinds that users may publish, as far as they have been asked for."""

    def open(self, kind: str) -> int:
        """The number of a user's kind, interned if need be.

        Raises:
            InvalidError: a built-in kind, which only the core publishes. NameInvalidError, WrongTypeError.
            FullError: too many kinds. ReadOnlyError, DetachedError, ClosedError.
        """
        encoded, number = name_bytes(kind, "event kind"), ffi.new("uint32_t *")
        code = lib.cs_kind_open(self._region.view, encoded, len(encoded), number)
        if code == lib.CS_E_FULL:
            raise error(
                code,
                f"event kind {named(kind)}",
                expected=f"at most {self._region.config.event_kinds} kinds of events in this region",
                found="one more",
                advice="use fewer kinds, or make the region with more RegionConfig(event_kinds=...)",
            )
        check(code, f"event kind {kind!r:.100}")
        if number[0] < lib.CS_KIND_USER:
            raise InvalidError.because(
                f"event kind {named(kind)}",
                expected="a kind of your own",
                found="one that corestate itself publishes when it happens",
                advice="choose another name",
            )
        self.published[kind] = int(number[0])
        return int(number[0])

    def find(self, kind: str, *, intern: bool) -> int | None:
        """The number of any kind; None when nobody has interned it (and ``intern`` is False)."""
        encoded, number = name_bytes(kind, "event kind"), ffi.new("uint32_t *")
        call = lib.cs_kind_open if intern else lib.cs_kind_find
        code = call(self._region.view, encoded, len(encoded), number)
        if code == lib.CS_E_NOT_FOUND:
            return None
        check(code, f"event kind {kind!r:.100}")
        return int(number[0])

    def name(self, number: int) -> str:
        """The name of a kind; ``"kind-"`` and its number for one that was never interned, which no core publishes."""
        known = self.names.get(number)
        if known is not None:
            return known
        name, length = ffi.new("char[]", lib.CS_NAME_MAX + 1), ffi.new("uint32_t *")
        if lib.cs_kind_name(self._region.view, number, name, length) < 0:
            return f"kind-{number}"
        known = bytes(ffi.buffer(name, min(length[0], lib.CS_NAME_MAX))).decode("utf-8", "replace")
        self.names[number] = known
        return known
