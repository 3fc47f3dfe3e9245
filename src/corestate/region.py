"""Where the bytes of a region live, and this process's attachment to them.

How to call the core
    Pass ``region.view`` straight into the call, each time anew::

        code = lib.cs_counter_get(region.view, handle, out)
        if code < 0:
            raise error(code, f"counter {name!r}")

    ``region.view`` is a plain attribute (some 20 ns) that raises ClosedError once the region is closed; there is
    nothing else to check. The call holds a reference to it while it runs, and the memory is unmapped when the last
    such reference goes: a region closed by another thread stays mapped under a call in flight. So **never keep**
    ``region.view`` in an attribute, a closure or a generator's local across a ``yield``: that would keep the region
    attached. A local variable during one function is fine.

    Calls that wait go through ``region.wait``, which turns seconds into nanoseconds, carries on after a signal (so that
    Ctrl-C and handlers run) and lets ``close()`` by another thread end the wait with ClosedError.

    ``region.memory`` (the whole mapping, for NumPy) may be kept: a view made over it holds the mapping by itself.
    ``region.anchor`` is what the hot types (``_hot``) take; cells made with it raise ClosedError after the close.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any, Literal

from corestate._arguments import FOREVER, seconds_to_ns
from corestate._attachment import Attachment
from corestate._binding import address_of, check, error, ffi, lib
from corestate._files import make_file, open_file, unlink_file
from corestate._reserved import has_room
from corestate._shared import open_shared, unlink_shared
from corestate._shown import named, shown
from corestate._storage import compare, private, translate
from corestate._trusted import absolute, owner_number
from corestate._wasm.handles import forget_named, is_handle, open_handle, open_named
from corestate.address import Address, parse, path_of
from corestate.config import RegionConfig
from corestate.errors import (
    AddressError,
    ClosedError,
    ConfigMismatchError,
    CorestateError,
    InvalidError,
    WrongTypeError,
)

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from corestate._storage import Make, Opened

__all__ = ["Mode", "Region", "attach_region", "create_region", "make_region", "open_region", "unlink"]

Mode = Literal["rw", "r"]

BROWSER = sys.platform == "emscripten"
SHM_IN_FILES = sys.platform.startswith("linux")
"""Whether shared memory is a directory of files, in which a region is put in place whole as any file is."""


class Region:
    """One attachment of this process to one region. Made by ``open_region``, ``create_region``, ``attach_region``.

    Safe to use from any number of threads. Leaving it without ``close()`` is no error: the participant slot is given
    back and the memory unmapped when the object goes, or when the interpreter ends. A child of fork has it too, with
    a participant slot of its own.
    """

    address: Address
    """Where it lives; the path of a file is absolute."""
    path: str
    """Of the file, absolute and with links followed; empty where there is none. Others may rename it since."""
    owners: tuple[int, int] | None
    """User and group of the file that is mapped, whatever its name leads to since; None where there is none."""
    file: tuple[int, int] | None
    """Its device and inode: a copy of the file has another, and is another region."""
    owner: int | None
    """The user besides this process's own and root whose files were said to be trusted."""
    mode: Mode
    config: RegionConfig
    """What the region has, whatever was asked for."""
    size: int
    """Bytes."""
    reserved: bool
    """Whether it was made with room for the names of the durable parts, beside what ``config`` says."""
    instance: str
    """Random, one a region, as 32 hexadecimal digits: tells a region from one made later at the same address."""
    view: Any
    """``cs_region *`` for calls of the core. Raises ClosedError after ``close()``. See the module for its use."""
    anchor: Any
    """For the hot types."""
    memory: mmap.mmap
    """The whole mapping, read-only with mode ``"r"``. Raises ClosedError after ``close()``."""

    def __init__(self, address: Address, mode: Mode, storage: Opened, owner: int | None = None) -> None:
        alone = address.kind == "heap" and not BROWSER  # where the page may attach to it
        flags = (0 if storage.writable else lib.CS_READ_ONLY) | (lib.CS_PRIVATE if alone else 0)
        attachment = Attachment(storage.memory, flags, path_of(address))
        self.address = address
        self.path = storage.path
        self.owners = storage.owners
        self.file = storage.file
        self.owner = owner
        self.mode = mode
        self.size = len(storage.memory)
        self.view, self.anchor = attachment.attach(storage.descriptor)
        self.memory = storage.memory
        self._attachment = weakref.ref(attachment)
        info = ffi.new("cs_region_info *")
        check(lib.cs_region_describe(self.view, info), f"describing {address}")
        self.reserved = has_room(self.view)
        self.config = RegionConfig.from_core(info.config, storage.permissions, reserved=self.reserved)
        self._described = info
        self.instance = f"{info.instance[1]:016x}{info.instance[0]:016x}"

    def __getattr__(self, name: str) -> Any:
        if name in ("view", "memory"):  # deleted by close(): an attribute costs less than asking each time
            raise ClosedError.because(f"region {self.address}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return bool(self.anchor.closed)

    @property
    def writable(self) -> bool:
        """Whether it was opened with mode ``"rw"``."""
        return self.mode == "rw"

    @property
    def participant(self) -> int:
        """This process's participant id; 0 when read-only, or detached after a fork that could not claim a slot."""
        return int(lib.cs_participant_self(self.view))

    @property
    def detached(self) -> str:
        """Why this process, a child of fork, has no participant slot; empty when it has one or needs none."""
        attachment = self._attachment()
        return attachment.detached if attachment is not None else ""

    def offset(self, pointer: Any) -> int:
        """Bytes from the start of the region to where a pointer of the core points, for views over ``memory``. O(1)."""
        return address_of(pointer) - address_of(ffi.from_buffer(self.memory))

    def wait(self, call: Callable[[Any, int], int], timeout: float | None = None) -> int:
        """Make a call that waits: ``call(view, timeout_ns)``, until it returns something else than INTERRUPTED.

        Args:
            call: such as ``lambda view, ns: lib.cs_events_wait(view, subscription, ns)``.
            timeout: seconds, or None to wait without bound.

        Returns:
            The result code: zero or more, or ``lib.CS_E_TIMEOUT``; every other error is the caller's to check, too.

        Raises:
            ClosedError: the region was closed, before or meanwhile.
            RangeError, NotANumberError, WrongTypeError: of the timeout.
        """
        left = seconds_to_ns(timeout)
        deadline = None if left == FOREVER else time.monotonic_ns() + left
        while True:
            code: int = call(self.view, left)
            if code == lib.CS_E_CLOSED:
                raise error(code, f"region {self.address}")
            if code != lib.CS_E_INTERRUPTED:
                return code
            if deadline is not None:
                left = max(0, deadline - time.monotonic_ns())

    def close(self) -> None:
        """Give the participant slot back and unmap the memory. Idempotent, does not block, safe beside other threads.

        Threads waiting in this region get ClosedError; so does every later call. The slot is given back and the memory
        unmapped at the last reference: at once, unless a call is in flight or a NumPy view still lives.
        Locks this process still holds count as a dead holder's.
        """
        try:
            view = self.view
            del self.view
        except (ClosedError, AttributeError):
            return  # closed before, or by another thread this moment
        del self.memory
        self.anchor.close()
        lib.cs_region_close(view)

    def __enter__(self) -> Self:
        if self.closed:
            raise ClosedError.because(f"region {self.address}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.size} bytes"
        return f"<corestate region {self.address} mode={self.mode!r} {state}>"


def open_region(
    address: str | os.PathLike[str] | Address,
    *,
    create: bool = True,
    mode: Mode = "rw",
    config: RegionConfig | None = None,
    owner: int | str | None = None,
) -> Region:
    """Attach to the region at an address, making it if there is none.

    However many processes open a new address at once, and whichever of them are killed meanwhile, all end on one
    region, and none ever sees a half-made one.

    Args:
        address: a path, ``shm:name`` or ``heap:``.
        create: make the region if there is none; with mode ``"r"`` nothing is ever made.
        mode: ``"rw"``, or ``"r"``: mapped read-only, takes no participant slot.
        config: sizes for a new region; an existing one must have the same. None: defaults, or what is there.
        owner: a user (name or number) whose region may be written besides one's own, root's, and that of the
            directory's owner (where nobody else can have put that directory there). With mode ``"r"`` anybody's.

    Raises:
        AddressError, RegionNotFoundError, RegionPermissionError, UntrustedFileError (somebody else's, or reached by
        somebody else's link), NetworkFileSystemError, StorageError (no space),
        ConfigMismatchError, FormatError (its subclasses say what is wrong with the bytes), ParticipantsFullError,
        BusyError (its maker, alive, has been at it for a minute), UnsupportedError.
    """
    if BROWSER and is_handle(address):
        return _attach_handle(address, mode, config)
    return _open(parse(address), "if_missing" if create and mode == "rw" else "never", mode, config, owner)


def create_region(address: str | os.PathLike[str] | Address, config: RegionConfig | None = None) -> Region:
    """Make a region where there is none.

    Raises:
        RegionExistsError: something is there already. Else as ``open_region``.
    """
    return _open(parse(address), "always", "rw", config, None)


def attach_region(
    address: str | os.PathLike[str] | Address,
    mode: Mode = "rw",
    config: RegionConfig | None = None,
    *,
    owner: int | str | None = None,
) -> Region:
    """Attach to a region that exists; in Pyodide also by the handle JavaScript has of it.

    Raises:
        RegionNotFoundError: nothing is there. Else as ``open_region``.
    """
    if BROWSER and is_handle(address):
        return _attach_handle(address, mode, config)
    return _open(parse(address), "never", mode, config, owner)


def unlink(address: str | os.PathLike[str] | Address) -> None:
    """Remove the region at an address: its file, or its shared memory. Who is attached stays so, without a name.

    Raises:
        RegionNotFoundError: nothing is there.
        NotRegionError: something else is there; it is left alone.
        RegionPermissionError, StorageError: as the operating system has it.
        AddressError: ``heap:``, which has no name to remove.
    """
    where = parse(address)
    if where.kind == "heap":
        raise AddressError.because("unlink heap:", expected="an address others could use", advice="close it instead")
    if BROWSER:
        forget_named(where)
        return
    (unlink_file if where.kind == "file" or SHM_IN_FILES else unlink_shared)(where)


def _attach_handle(handle: Any, mode: Mode, config: RegionConfig | None) -> Region:
    opened = open_handle(handle, writable=mode == "rw")
    return _as_asked(Region(Address("heap", ""), mode, opened), config)


def _as_asked(region: Region, config: RegionConfig | None) -> Region:
    """The region, if it is what this configuration makes: only now is it known whether names have room of their own."""
    found = region._described.config  # noqa: SLF001 - of one module
    if config is not None and not (region.reserved and config.made(found, reserved=True)):
        try:
            compare(region.address, config, region.config)
        except ConfigMismatchError:
            region.close()
            raise
    return region


def make_region(
    where: Address, config: RegionConfig, fill: Callable[[int, mmap.mmap], None], attached: list[Region]
) -> Region:
    """Make a region in a file, or shared memory that is one, whose content is there before its name is.

    Args:
        where: its address.
        config: its sizes.
        fill: given the descriptor and the mapped region while nobody else can see it.
        attached: where ``fill`` puts the attachment that is returned; so nothing can fail once the name is there.

    Raises:
        RegionExistsError: something is there already. Else as ``create_region``, and what ``fill`` raises.
    """
    path = make_file(where, config, fill, None)
    region = attached[0]
    region.address, region.path = _from_root(where), path
    return region


def _from_root(where: Address) -> Address:
    """The same, whatever directory the process changes to later."""
    return Address("file", absolute(where.name)) if where.kind == "file" else where


def _open(where: Address, making: Make, mode: Mode, config: RegionConfig | None, owner: int | str | None) -> Region:
    if mode not in ("rw", "r"):
        raise InvalidError.because(
            f"region {where}", expected='mode "rw" or "r"', found=named(mode), advice="pass one of them"
        )
    if config is not None and not isinstance(config, RegionConfig):
        raise WrongTypeError.because(f"region {where}", expected="a RegionConfig", found=shown(config))
    if where.kind == "heap":
        if making == "never":
            raise AddressError.because(
                "region heap:",
                expected="an address others could have made",
                found="memory of this process alone, which is made by opening it",
                advice='open it with create=True and mode="rw"',
            )
        return Region(where, mode, private(config or RegionConfig()))
    if BROWSER:
        return _as_asked(Region(where, mode, open_named(where, making, writable=mode == "rw", config=config)), config)
    trusted = owner_number(owner)
    opener = open_file if where.kind == "file" or SHM_IN_FILES else open_shared
    opened = opener(where, making, writable=mode == "rw", config=config, owner=trusted)
    try:
        return _as_asked(Region(_from_root(where), mode, opened, trusted), config)
    except CorestateError:
        raise
    except OSError as problem:
        raise translate(problem, where, writable=mode == "rw") from problem
    finally:
        os.close(opened.descriptor)
