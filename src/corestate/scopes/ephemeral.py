"""Scopes that live in the region alone: no store, no history, gone with the boot, and quickest to write."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from corestate._binding import error
from corestate._shown import shown
from corestate.errors import CorruptError, UnsupportedError, WrongTypeError
from corestate.scopes.encoding import decode, encode
from corestate.scopes.erasing import Erased, chosen
from corestate.scopes.hot import MISS
from corestate.scopes.limits import checked_key
from corestate.scopes.rows import ConflictError
from corestate.scopes.scope import expiry
from corestate.scopes.space import EPHEMERAL, KeyMissingError
from corestate.scopes.typed import Typed

if TYPE_CHECKING:
    from corestate.scopes.hot import Hot
    from corestate.scopes.paths import ScopePath
    from corestate.scopes.space import Space

__all__ = ["EphemeralScope"]


_MOST_VERSIONS = 1 << 62


class EphemeralScope(Typed, MutableMapping[str, Any]):
    """A mapping in the region's room for hot values. Made by ``state.scope(..., ephemeral=True)``.

    Every process attached shares it; nothing of it outlives the region or a reboot. A value is never evicted: where
    there is no room, setting is a FullError. Key and value together are bounded by ``config.value_bytes``.
    """

    def __init__(self, space: Space, path: ScopePath) -> None:
        self.path = path
        """Which scope this is; a durable scope of the same path is another one."""
        self._space = space
        self._hot: Hot = space.ephemeral
        self._prefix = EPHEMERAL + path.to_bytes()
        if not self._hot.there and space.writable:
            raise UnsupportedError.because(
                f"ephemeral scope {path}",
                expected="a region with room for hot values",
                found="none",
                advice="make the region with RegionConfig(values=...)",
            )

    def __getitem__(self, key: str) -> Any:
        """The value of a key: one call of the core, lock-free.

        Raises:
            KeyMissingError.
        """
        packed = self._prefix + checked_key(key).encode()
        value = self._hot.get(packed)
        for _ in range(100):
            if value is not MISS or self._hot.version(packed) is None:
                break
            value = self._hot.get(packed)
        if value is MISS:
            raise KeyMissingError.because(f"key {key!r:.80} of {self.path}")
        return value

    def _now(self, packed: bytes) -> tuple[int, int, bytes] | None:
        """Under its lock: version, tag and bytes of what there is."""
        found = self._hot.version(packed)
        if found is None or (found[1] and found[1] <= time.time_ns()):
            return None
        return found[0], found[2], found[3]

    def set(self, key: str, value: Any, *, ttl: float | None = None, if_version: int | None = None) -> int:
        """Set a key; returns its new version.

        Raises:
            ConflictError, FullError (no room under this key's lock), TooBigError, ReadOnlyError, and as ``Scope.set``.
        """
        packed = self._prefix + checked_key(key).encode()
        tag, raw = encode(value)
        expires_ns = expiry(ttl)
        with self._hot.locked((packed,)):
            now = self._now(packed)
            if if_version is not None and if_version != (now[0] if now else 0):
                raise ConflictError.because(
                    f"key {key!r:.80}", expected=f"version {if_version}", found=f"version {now[0] if now else 0}"
                )
            return self._put(key, packed, (now[0] if now else 0) + 1, tag, raw, expires_ns)

    def _put(self, key: str, packed: bytes, version: int, tag: int, raw: bytes, expires_ns: int) -> int:
        if version > _MOST_VERSIONS:
            raise CorruptError.because(
                f"key {key!r:.80} of {self.path}",
                expected="a version that a value can have come to",
                found="one that only a peer's scribbling makes",
                advice="delete the key",
            )
        code = self._hot.publish(packed, version, tag, raw, expires_ns, pinned=True)
        if code < 0:
            raise error(
                code,
                f"key {key!r:.80} of {self.path}",
                advice="make the region with larger RegionConfig(values=..., value_bytes=...)",
            )
        return version

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def delete(self, key: str) -> bool:
        """Delete a key; False when it had no value."""
        packed = self._prefix + checked_key(key).encode()
        with self._hot.locked((packed,)):
            there = self._now(packed) is not None
            self._hot.drop(packed)
        return there

    def __delitem__(self, key: str) -> None:
        if not self.delete(key):
            raise KeyMissingError.because(f"key {key!r:.80} of {self.path}")

    def erase(self, key: str | None = None, *, prefix: str | None = None) -> Erased:
        """Erase a key, the keys that start with ``prefix``, or all; nothing of their values is left in the region."""
        wanted = chosen(key, prefix)
        names = [key] if key is not None else [name for name in self.keys() if wanted(name)]
        there = sum(self.delete(name) for name in names)
        return Erased(there, there, complete=True)

    def increment(self, key: str, by: float = 1, *, initial: float = 0, ttl: float | None = None) -> Any:
        """Add to a number, atomically; returns the new value."""
        packed = self._prefix + checked_key(key).encode()
        if type(by) not in (int, float) or type(initial) not in (int, float):
            raise WrongTypeError.because("increment", expected="ints or floats", found=f"{shown(by)}, {shown(initial)}")
        with self._hot.locked((packed,)):
            now = self._now(packed)
            value = decode(now[1], now[2]) if now else initial
            if type(value) not in (int, float):
                raise WrongTypeError.because(f"key {key!r:.80}", expected="a number", found=type(value).__name__)
            tag, raw = encode(value + by)
            self._put(key, packed, (now[0] if now else 0) + 1, tag, raw, expiry(ttl))
            return value + by

    def set_default(self, key: str, value: Any, *, ttl: float | None = None) -> Any:
        """The key's value, after setting it to ``value`` if it had none. Atomic."""
        packed = self._prefix + checked_key(key).encode()
        tag, raw = encode(value)
        with self._hot.locked((packed,)):
            now = self._now(packed)
            if now is not None:
                return decode(now[1], now[2])
            self._put(key, packed, 1, tag, raw, expiry(ttl))
            return value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As ``set_default``."""
        return self.set_default(key, default)

    def keys(self, prefix: str = "") -> list[str]:  # type: ignore[override]
        """The keys that start with ``prefix``, in order. O(room for hot values)."""
        found = []
        for rest in self._hot.pinned(self._prefix + prefix.encode()):
            try:
                key = prefix + rest.decode()
            except UnicodeDecodeError:  # a peer has written there what no key is
                continue
            if self.get(key, MISS) is not MISS:
                found.append(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __repr__(self) -> str:
        return f"<EphemeralScope {self.path}>"
