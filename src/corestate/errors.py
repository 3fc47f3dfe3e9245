"""One tree of errors. Each class is also of the builtin kind a Python programmer would catch.

Every message says what was expected, what was found and what to do. The core's result codes map one to one onto
classes (``result`` names the code); a few classes have no code because Python finds the fault before the core is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = [
    "AddressError",
    "BusyError",
    "ByteOrderError",
    "ClosedError",
    "ConfigMismatchError",
    "CorestateError",
    "CorruptError",
    "DeadlockError",
    "DetachedError",
    "ExistsError",
    "FormatError",
    "FullError",
    "InvalidError",
    "LayoutVersionError",
    "LimitError",
    "MismatchError",
    "NameInvalidError",
    "NetworkFileSystemError",
    "NotANumberError",
    "NotFoundError",
    "NotOwnerError",
    "NotReadyError",
    "NotRegionError",
    "ParticipantsFullError",
    "RangeError",
    "ReadOnlyError",
    "RegionExistsError",
    "RegionNotFoundError",
    "RegionPermissionError",
    "StaleError",
    "StorageError",
    "StoreBusyError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreGoneError",
    "StoreInUseError",
    "StoreNotFoundError",
    "StoreReadOnlyError",
    "StoreVersionError",
    "TooBigError",
    "TransitionError",
    "TruncatedError",
    "UnsupportedError",
    "UntrustedFileError",
    "WaitInterruptedError",
    "WaitTimeoutError",
    "WrongTypeError",
]


class CorestateError(Exception):
    """Anything corestate refuses or cannot do."""

    result: ClassVar[str | None] = None
    """The core's name of this error (``"CS_E_FULL"``), or None where only Python finds it."""
    expected: ClassVar[str] = "the operation to succeed"
    found: ClassVar[str] = "that it did not"
    advice: ClassVar[str] = "see the cause"

    @property
    def message(self) -> str:
        """What was expected, what was found, what to do."""
        return str(self.args[0]) if self.args else type(self).__name__

    def __str__(self) -> str:
        return self.message  # KeyError would quote it, OSError would prepend an errno

    @classmethod
    def because(
        cls, what: str = "", *, expected: str | None = None, found: str | None = None, advice: str | None = None
    ) -> Self:
        """Make an error whose message reads ``what: expected ..., found ...; advice``.

        What is not given is the class's own wording.
        """
        text = f"expected {expected or cls.expected}, found {found or cls.found}; {advice or cls.advice}"
        return cls(f"{what}: {text}" if what else text)


# -- arguments ---------------------------------------------------------------------------------


class InvalidError(CorestateError, ValueError):
    """An argument makes no sense, such as an unknown enum value."""

    result = "CS_E_INVALID"
    expected = "arguments that make sense"
    found = "an unknown value"
    advice = "see the documentation of the call for what it takes"


class WrongTypeError(CorestateError, TypeError):
    """A value of a type that can never be right."""

    expected = "another type"
    advice = "convert it first"


class NameInvalidError(InvalidError):
    """A name is empty, too long for the region, or not UTF-8."""

    result = "CS_E_NAME"
    expected = "a name of 1 to 63 bytes of UTF-8 (fewer in a region made with smaller key_bytes)"
    found = "one that is empty, longer, or not UTF-8"
    advice = "choose another name"


class RangeError(CorestateError, ValueError, OverflowError):
    """A number is outside what the field can hold."""

    result = "CS_E_RANGE"
    expected = "a number the field can hold"
    found = "one outside it"
    advice = "pass a number within the field's range"


class NotANumberError(CorestateError, ValueError):
    """NaN where it has no meaning."""

    result = "CS_E_NAN"
    expected = "a number"
    found = "NaN"
    advice = "pass a number"


class TooBigError(CorestateError, ValueError):
    """Data does not fit its slot."""

    result = "CS_E_TOO_BIG"
    expected = "data that fits its slot"
    found = "more"
    advice = "pass less, or make the region with more room (RegionConfig)"


class TransitionError(CorestateError, ValueError):
    """The lifecycle has no such transition."""

    result = "CS_E_TRANSITION"
    expected = "a transition of the lifecycle"
    found = "one it does not have"
    advice = "see AgentStatus for what may follow what; failed and cancelled are final"


class MismatchError(CorestateError, ValueError):
    """A compare-and-swap found another value."""

    result = "CS_E_MISMATCH"
    expected = "the value given"
    found = "another"
    advice = "read it again and decide anew"


class LimitError(CorestateError, ValueError):
    """A budget's limit would be exceeded."""

    result = "CS_E_LIMIT"
    expected = "an amount within what is left of the budget"
    found = "more"
    advice = "spend less, or raise the limit"


# -- tables and handles ------------------------------------------------------------------------


class FullError(CorestateError, RuntimeError):
    """A table has no free slot."""

    result = "CS_E_FULL"
    expected = "a free slot"
    found = "none"
    advice = "remove what is no longer needed, or make the region with more room (RegionConfig)"


class ParticipantsFullError(FullError):
    """Every participant slot belongs to a living process."""

    result = "CS_E_NO_SLOT"
    expected = "a free participant slot"
    found = "that each belongs to a living process"
    advice = 'close the region in a process that no longer needs it, attach with mode="r" (which takes no slot), or make the region with more participants'  # noqa: E501


class ExistsError(CorestateError, ValueError):
    """The name is taken."""

    result = "CS_E_EXISTS"
    expected = "a name that is free"
    found = "that it is taken"
    advice = "choose another name, or remove the present one first"


class NotFoundError(CorestateError, KeyError):
    """There is no such name or index."""

    result = "CS_E_NOT_FOUND"
    expected = "a name or index that exists"
    found = "none such"
    advice = "check the name, or create it first"


class StaleError(NotFoundError):
    """What the object stood for has been removed; its slot may belong to another now."""

    result = "CS_E_STALE"
    expected = "something that still exists"
    found = "that it has been removed"
    advice = "look it up again by name"


# -- doing -------------------------------------------------------------------------------------


class ReadOnlyError(CorestateError, PermissionError):
    """The region is attached read-only."""

    result = "CS_E_READ_ONLY"
    expected = "a region that may be written"
    found = 'one opened with mode="r"'
    advice = 'open it with mode="rw"'


class BusyError(CorestateError, BlockingIOError):
    """Somebody alive holds it, or a writer never paused."""

    result = "CS_E_BUSY"
    expected = "that nobody holds it"
    found = "a living holder, or a writer that never pauses"
    advice = "try again"


class WaitTimeoutError(CorestateError, TimeoutError):
    """The time passed first."""

    result = "CS_E_TIMEOUT"
    expected = "it to happen in time"
    found = "that the time passed first"
    advice = "wait longer, or find out who should have done it"


class WaitInterruptedError(CorestateError, InterruptedError):
    """A signal interrupted the wait."""

    result = "CS_E_INTERRUPTED"
    expected = "an undisturbed wait"
    found = "a signal"
    advice = "call again"


class ClosedError(CorestateError, RuntimeError, ValueError):
    """The region was closed."""

    result = "CS_E_CLOSED"
    expected = "an open region"
    found = "that it was closed"
    advice = "open it again"


class NotOwnerError(CorestateError, RuntimeError):
    """Released by who does not hold it."""

    result = "CS_E_NOT_OWNER"
    expected = "a lock this process holds"
    found = "that it does not"
    advice = "release once for each acquire"


class DeadlockError(CorestateError, RuntimeError):
    """The calling thread holds this lock already."""

    result = "CS_E_DEADLOCK"
    expected = "a lock this thread does not hold yet"
    found = "that it does"
    advice = "release it first; locks cannot be entered twice"


class DetachedError(CorestateError, RuntimeError):
    """This process has no participant slot: a fork could not claim one."""

    result = "CS_E_DETACHED"
    expected = "a process with a participant slot of its own"
    found = "a child of fork that could not claim one"
    advice = "open the region again in this process"


class UnsupportedError(CorestateError, NotImplementedError):
    """This platform cannot do that."""

    result = "CS_E_UNSUPPORTED"
    expected = "a platform that can"
    found = "one that cannot"
    advice = "see `corestate doctor` for what this machine supports"


class StorageError(CorestateError, OSError):
    """Reading, writing or reserving space failed."""

    result = "CS_E_IO"
    expected = "storage that works"
    found = "that reading or writing failed"
    advice = "see the cause; is the disk full?"


# -- bytes that are no region of ours ----------------------------------------------------------


class FormatError(CorestateError, ValueError):
    """The bytes are nothing this corestate can open."""


class NotRegionError(FormatError):
    """The bytes are no region."""

    result = "CS_E_NOT_REGION"
    expected = "a region"
    found = "something else"
    advice = "check the address; corestate leaves what is not its own alone"


class LayoutVersionError(FormatError):
    """A region of another layout version."""

    result = "CS_E_VERSION"
    expected = "the layout version this corestate knows"
    found = "another"
    advice = "open it with a corestate of that version"


class ByteOrderError(FormatError):
    """A region of other byte order."""

    result = "CS_E_BYTE_ORDER"
    expected = "a region of this machine's byte order"
    found = "the other"
    advice = "a region is little-endian; this one was made by a machine that is not, or is damaged"


class TruncatedError(FormatError):
    """Smaller or larger than its header says."""

    result = "CS_E_TRUNCATED"
    expected = "as many bytes as the header says"
    found = "fewer or more"
    advice = "restore it from a snapshot, or remove it and create it anew"


class CorruptError(FormatError):
    """A section table or file that contradicts itself."""

    result = "CS_E_CORRUPT"
    expected = "sections that fit the region and do not overlap"
    found = "a table that contradicts itself"
    advice = "restore it from a snapshot, or remove it and create it anew"


class NotReadyError(FormatError):
    """A region whose maker died before it was complete."""

    result = "CS_E_NOT_READY"
    expected = "a complete region"
    found = "one whose maker died while making it"
    advice = "open it with create=True, which makes it anew"


# -- addresses: found by Python ----------------------------------------------------------------


class AddressError(CorestateError, ValueError):
    """An address that names nothing a region can live in."""

    expected = 'a path, "shm:name" or "heap:"'
    found = "something else"
    advice = "write the address in one of these forms"


class RegionNotFoundError(CorestateError, FileNotFoundError):
    """There is no region at the address."""

    expected = "a region"
    found = "nothing at this address"
    advice = "check the address, or create it: corestate.create(address)"


class RegionExistsError(CorestateError, FileExistsError):
    """There is something at the address already."""

    expected = "a free address"
    found = "that something is there already"
    advice = "attach to it, or unlink it first"


class RegionPermissionError(CorestateError, PermissionError):
    """This user may not open the region."""

    expected = "permission to open it"
    found = "that it was refused"
    advice = 'ask its owner, or open it with mode="r" if reading is enough; who creates a region sets RegionConfig(permissions=...)'  # noqa: E501


class UntrustedFileError(CorestateError, PermissionError):
    """A file, link or directory belongs to somebody else, or is not the kind of thing it should be."""

    expected = "a regular file of this user, with one name"
    found = "something else"
    advice = "use a path in a directory that only you may write to"


class NetworkFileSystemError(CorestateError, OSError):
    """The address lies on a network file system, which has neither the locks nor the coherence."""

    expected = "a file system of this machine"
    found = "one over the network"
    advice = "put the region on a local disk, in /dev/shm or /run, or use shm:name"


class ConfigMismatchError(CorestateError, ValueError):
    """The region at the address was made with another configuration than the one given."""

    expected = "the configuration given"
    found = "another"
    advice = "leave config out to take what the region has, or unlink it and create it anew"
    differences: dict[str, tuple[int, int]]
    """Field: (given, what the region has)."""


# -- the durable floor: found by the store -----------------------------------------------------


class StoreError(CorestateError, RuntimeError):
    """The store refused, or cannot be used this way."""


class StoreNotFoundError(StoreError, FileNotFoundError):
    """There is no store, and none was to be made."""

    expected = "a store"
    found = "no file"
    advice = "open the region for writing, which makes it on first use"


class StoreGoneError(StoreError, FileNotFoundError):
    """The region was used with a store that is not there any more."""

    expected = "the store this region was used with"
    found = "another, or none"
    advice = "put its directory back, or go on without what it had: `corestate adopt ADDRESS`"


class StoreVersionError(StoreError, ValueError):
    """A store of a schema version this corestate does not know."""

    expected = "a schema version this corestate knows"
    found = "a newer one"
    advice = "open it with a newer corestate"


class StoreCorruptError(StoreError, ValueError):
    """The file is no store, or is damaged."""

    expected = "a corestate store"
    found = "a file that is not one, or is damaged"
    advice = "restore it from a backup; to begin anew move its directory away, then: corestate adopt ADDRESS"


class StoreBusyError(StoreError, BlockingIOError):
    """Another process holds the store for writing."""

    expected = "the store to become free"
    found = "that another process is writing"
    advice = "try again; `corestate locks ADDRESS` shows who holds corestate:store"


class StoreInUseError(StoreBusyError):
    """Another region has the store open: one store belongs to one region at a time."""

    expected = "a store of this region alone"
    found = "that another region has it open"
    advice = "close that region, or give this one a store of its own: corestate.open(..., store=...)"


class StoreReadOnlyError(StoreError, PermissionError):
    """The store's file or directory may not be written."""

    expected = "a store that may be written"
    found = "a read-only file or directory"
    advice = "check the permissions of the file and of its directory"


class StoreFullError(StoreError, OSError):
    """The disk is full; the transaction left nothing."""

    expected = "room on the disk"
    found = "none; nothing of the transaction was kept"
    advice = "free space and do it again"
