"""The chain of hashes: each row's covers the row and the hash of the one before."""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct

from corestate.errors import InvalidError, WrongTypeError

__all__ = ["GENESIS", "HASH_BYTES", "Chain"]

HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)
"""Stands for the hash before the first row."""

_HEAD = Struct(">QQIII").pack
_SHORTEST_KEY, _LONGEST_KEY = 16, 64


class Chain:
    """Makes the hashes of one trail: BLAKE2b of 32 bytes, keyed where a key is given.

    Args:
        key: 16 to 64 secret bytes. Who has the store but not the key cannot make a row that verifies.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes | None = None) -> None:
        if key is not None and not isinstance(key, (bytes, bytearray)):
            raise WrongTypeError.because("audit key", expected="bytes", found=type(key).__name__)
        if key is not None and not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
            raise InvalidError.because(
                "audit key",
                expected=f"{_SHORTEST_KEY} to {_LONGEST_KEY} bytes",
                found=f"{len(key)}",
                advice="make one with secrets.token_bytes(32), and keep it elsewhere than the store",
            )
        self._key = bytes(key or b"")

    @property
    def keyed(self) -> bool:
        """Whether it takes a key to make these hashes."""
        return bool(self._key)

    def next(
        self, before: bytes, sequence: int, time_ns: int, agent_id: bytes, event_type: bytes, details: bytes
    ) -> bytes:
        """The hash of a row. Lengths are hashed too, so that no two rows share their bytes."""
        head = _HEAD(sequence, time_ns, len(agent_id), len(event_type), len(details))
        whole = b"".join((before, head, agent_id, event_type, details))
        return hashlib.blake2b(whole, digest_size=HASH_BYTES, key=self._key, person=b"corestate-row").digest()

    def seal(self, content: bytes) -> bytes:
        """What stands under something that is not a row."""
        return hashlib.blake2b(content, digest_size=HASH_BYTES, key=self._key, person=b"corestate-seal").digest()

    def sealed(self, content: bytes, seal: bytes) -> bool:
        """Whether a seal is that of this content, under this key."""
        return hmac.compare_digest(self.seal(content), seal)
