"""The one way to open, make, replace and remove a file.

A path is a question asked of whoever may write to its directory. So every file goes through a ``Place``: a name in a
directory that is held open. All steps go by that directory's descriptor, never follow a link by themselves, never block
on a FIFO and never wake a device; what was opened is judged by its descriptor, not by its name.

Who is trusted
    A link that is followed must be this process's effective user's, or root's: another's would lead to files of ours
    that it may not touch. A file that is written must belong to one of these, to the owner the caller named, or to the
    owner of the directory it lies in, who decides about everything in it. The last counts only where nobody else can
    have put that directory there: each one above it is root's, ours or its owner's, and nobody else may write to it,
    not even where a sticky bit stands. These are the kernel's rules of ``fs.protected_regular`` and
    ``fs.protected_symlinks``, kept everywhere, and OpenSSH's of ``StrictModes``.
    A file that is only read may be anybody's: its content is not trusted in any case.
    A file that is written has one name: a second one is how another user's file is passed off as ours.

What it cannot do
    Whoever may rename in a parent directory can put another directory in its place before the place is entered. The
    directory is a boundary, as SECURITY.md says.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from corestate._shown import named
from corestate.errors import CorestateError, UntrustedFileError

if sys.platform not in ("win32", "emscripten"):
    import fcntl
    import pwd

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "CLOEXEC",
    "Place",
    "absolute",
    "in_use",
    "lock_exclusively",
    "owner_name",
    "owner_number",
    "set_permissions",
    "untrusted",
]

CLOEXEC: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
"""What every descriptor is opened with."""
QUIET: int = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""Whatever it is, opening it does nothing."""
SUFFIX = ".corestate-tmp"
"""Of every temporary name."""
UNNAMED: int = getattr(os, "O_TMPFILE", 0)
_BY_DIRECTORY = os.open in os.supports_dir_fd
_MOST_LINKS = 40
HAS_OWNERS = hasattr(os, "geteuid") and sys.platform != "emscripten"
_SETTLE_SECONDS = 1.0
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

in_use: set[tuple[int, int]] = set()
"""Device and inode of files that SQLite has open in this process: any other close of them would drop its locks."""


def absolute(path: str | os.PathLike[str]) -> str:
    """The same path from the root, links in it left alone: what a later ``chdir`` does not change."""
    path = os.fspath(path)
    if os.path.isabs(path):  # noqa: PTH117
        return path
    return os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118 - Path.absolute drops a trailing slash


def owner_number(owner: int | str | None) -> int | None:
    """The user id of an owner given as a number or a name.

    Raises:
        UntrustedFileError: there is no such user.
    """
    if owner is None or (isinstance(owner, int) and not isinstance(owner, bool) and owner >= 0):
        return owner
    if isinstance(owner, str) and HAS_OWNERS:
        with suppress(KeyError):
            return pwd.getpwnam(owner).pw_uid
    raise UntrustedFileError.because(
        "owner", expected="a user's name or number", found=named(owner), advice="see `id NAME`"
    )


def owner_name(uid: int) -> str:
    """A user for a message, such as ``ann (1000)``."""
    if HAS_OWNERS:
        with suppress(KeyError):
            return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    return str(uid)


def untrusted(what: str, uid: int, trusted: frozenset[int], kind: str = "a file") -> UntrustedFileError:
    """The error for what belongs to somebody else."""
    return UntrustedFileError.because(
        what,
        expected=f"{kind} of {' or '.join(owner_name(one) for one in sorted(trusted))}",
        found=f"one of {owner_name(uid)}",
        advice="if that is right, name the owner: corestate.open(..., owner=...) or `corestate --owner USER`; else "
        "use another place",
    )


class Place:
    """A name in a directory that is held open while the place is entered (``with place:``).

    Args:
        path: of the file; a link at its end is followed when its owner is trusted.
        what: for messages, such as ``"region brain.state"``.
        owner: one more user whose files are trusted here.
        wrong_kind: the error for what is no regular file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        what: str,
        *,
        owner: int | None = None,
        wrong_kind: type[CorestateError] = UntrustedFileError,
    ) -> None:
        self.what = what
        self.parent, self.name = os.path.split(os.fspath(path))
        self.directory: int | None = None
        """Descriptor of the directory; None where the system has no such calls."""
        self.directory_status: os.stat_result | None = None
        self.status: os.stat_result | None = None
        """Of what was at the name when the place was entered; None: nothing."""
        self._owner = owner
        self._wrong_kind = wrong_kind

    # -- entering ------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Open the directory, following trusted links.

        Raises:
            FileNotFoundError, NotADirectoryError, PermissionError: of the directory, as the system has it.
            UntrustedFileError: the link at the end is somebody else's.
        """
        if not self.name:
            raise self._wrong_kind.because(self.what, expected="the path of a file", found="that of a directory")
        for _ in range(_MOST_LINKS):
            self._enter_parent()
            try:
                self.status = self._look(self.name)
                if self.status is None or not stat.S_ISLNK(self.status.st_mode):
                    return self
                target = self._target()
            except BaseException:
                self.leave()
                raise
            self.leave()
            self.parent, self.name = os.path.split(os.path.join(self.parent, target))  # noqa: PTH118
            if not self.name:
                raise self._wrong_kind.because(self.what, expected="the path of a file", found="that of a directory")
        raise UntrustedFileError.because(self.what, expected="a file", found=f"more than {_MOST_LINKS} links in a row")

    def _target(self) -> str:
        """Where the link at the name leads, read of the very link whose owner was judged."""
        if self.directory is None or not hasattr(os, "O_PATH"):
            if self.status is not None:
                self._insist_on_own_link(self.status)
            return os.readlink(self._name(self.name), dir_fd=self.directory)
        link = os.open(self.name, os.O_PATH | os.O_NOFOLLOW | CLOEXEC, dir_fd=self.directory)
        try:
            self._insist_on_own_link(os.fstat(link))
            return os.readlink("", dir_fd=link)
        finally:
            os.close(link)

    def _enter_parent(self) -> None:
        if _BY_DIRECTORY:
            self.directory = os.open(self.parent or ".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | CLOEXEC)
            self.directory_status = os.fstat(self.directory)
        else:
            self.directory_status = os.stat(self.parent or ".")  # noqa: PTH116

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the directory. Idempotent."""
        directory, self.directory = self.directory, None
        if directory is not None:
            os.close(directory)

    @property
    def path(self) -> str:
        """Where it is from the root, links followed."""
        return absolute(os.path.join(self.parent, self.name))  # noqa: PTH118

    @property
    def trusted(self) -> frozenset[int]:
        """The users whose files are trusted here. O(directories above) where another user's directory is one."""
        owners = self._own
        if self.directory_status is not None and self.directory_status.st_uid not in owners and self._is_settled():
            owners |= {self.directory_status.st_uid}
        return owners

    @property
    def _own(self) -> frozenset[int]:
        """The users whose files are trusted anywhere."""
        owners = {os.geteuid(), 0} if HAS_OWNERS else set()
        return frozenset(owners if self._owner is None else owners | {self._owner})

    def _is_settled(self) -> bool:
        """Whether only trusted users and its owner can have put the directory where it is."""
        if self.directory_status is None:
            return False
        trusted = self._own | {self.directory_status.st_uid}
        above = os.path.realpath(self.parent or ".")
        if not os.path.samestat(os.stat(above), self.directory_status):  # noqa: PTH116
            return False  # it was moved away meanwhile
        while above != os.path.dirname(above):  # noqa: PTH120
            above = os.path.dirname(above)  # noqa: PTH120
            status = os.stat(above)  # noqa: PTH116
            if status.st_uid not in trusted or status.st_mode & 0o022:
                return False
        return True

    def _name(self, name: str) -> str:
        return name if self.directory is not None else os.path.join(self.parent, name)  # noqa: PTH118

    def _look(self, name: str) -> os.stat_result | None:
        with suppress(FileNotFoundError):
            return os.stat(self._name(name), dir_fd=self.directory, follow_symlinks=False)
        return None

    def look(self) -> os.stat_result | None:
        """See again what is at the name, links not followed; None: nothing."""
        self.status = self._look(self.name)
        return self.status

    # -- judging -------------------------------------------------------------------------------

    def _insist_on_owner(self, status: os.stat_result, kind: str) -> None:
        if HAS_OWNERS and status.st_uid not in self._own and status.st_uid not in self.trusted:
            raise untrusted(self.what, status.st_uid, self.trusted, kind)

    def _insist_on_own_link(self, status: os.stat_result) -> None:
        """Follow only links of this user's or root's: another's would lead to files of ours that it may not touch."""
        own = frozenset((os.geteuid(), 0)) if HAS_OWNERS else frozenset()
        if HAS_OWNERS and status.st_uid not in own:
            raise untrusted(self.what, status.st_uid, own, "a link")

    def _insist_on_regular(self, status: os.stat_result) -> None:
        kind = stat.S_IFMT(status.st_mode)
        if kind != stat.S_IFREG:
            raise self._wrong_kind.because(
                self.what, expected="a regular file", found=_KINDS.get(kind, "a device"), advice="check the path"
            )
        if (status.st_dev, status.st_ino) in in_use:
            raise UntrustedFileError.because(
                self.what, expected="another file", found="a store that this process has open", advice="check the path"
            )

    def _insist_on_one_name(self, status: os.stat_result, name: str) -> None:
        if status.st_nlink != 1:
            raise UntrustedFileError.because(f"{name} of {self.what}", found=f"one with {status.st_nlink} names")

    def judge(self, descriptor: int, *, written: bool) -> os.stat_result:
        """What a descriptor shows, once it is found to be one that may be read, or written.

        Raises:
            UntrustedFileError: somebody else's, or with a second name. The place's ``wrong_kind``: no regular file.
        """
        status = os.fstat(descriptor)
        self._insist_on_regular(status)
        if not written:
            return status
        self._insist_on_owner(status, "a file")
        deadline = time.monotonic() + _SETTLE_SECONDS
        while status.st_nlink > 1 + self._temporary_names(status):
            if time.monotonic() > deadline:  # until then its maker may be taking its temporary name away
                raise UntrustedFileError.because(
                    self.what, expected="a file with one name", found=f"one with {status.st_nlink}", advice="copy it"
                )
            time.sleep(0.001)
            status = os.fstat(descriptor)
        return status

    def _temporary_names(self, status: os.stat_result) -> int:
        """How many names of this file its maker gave it in the directory and may have had no time to take away."""
        names = [self._look(name) for name in self.listing() if name.endswith(SUFFIX)] if status.st_nlink > 1 else []
        return sum(found is not None and os.path.samestat(found, status) for found in names)

    # -- opening and making --------------------------------------------------------------------

    def open(self, flags: int = os.O_RDONLY, *, name: str | None = None, anyones: bool = False) -> int:
        """Open what is there; never makes anything.

        Args:
            flags: how; ``O_RDONLY`` is reading, everything else writing.
            name: another name in the same directory.
            anyones: to be written although it may be somebody else's (what a lock is taken on, say).

        Raises:
            FileNotFoundError, PermissionError, OSError: as the system has it.
            UntrustedFileError, or the place's ``wrong_kind``: see ``judge``.
        """
        status = self.status if name is None else self._look(name)
        if status is not None:
            self._insist_on_regular(status)  # opening a device, even quietly, may do something
        descriptor = os.open(self._name(name or self.name), flags | QUIET | CLOEXEC, dir_fd=self.directory)
        try:
            self.judge(descriptor, written=bool(flags & (os.O_WRONLY | os.O_RDWR)) and not anyones)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def open_private(self, name: str) -> int:
        """Open a file for reading and writing in a directory that nobody untrusted can write to, whoever owns it.

        Raises:
            OSError: as the system has it. UntrustedFileError: it is no regular file, or has a second name.
        """
        descriptor = os.open(self._name(name), os.O_RDWR | QUIET | CLOEXEC, dir_fd=self.directory)
        try:
            status = os.fstat(descriptor)
            self._insist_on_regular(status)
            self._insist_on_one_name(status, name)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def make(self, mode: int = 0o600, *, name: str | None = None) -> int:
        """Make a new file, for reading and writing.

        Raises:
            FileExistsError: the name is taken, by whatever.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | QUIET | CLOEXEC
        return os.open(self._name(name or self.name), flags, mode, dir_fd=self.directory)

    def make_unnamed(self) -> int:
        """Make a file without a name in the directory, mode 0600; ``link_unnamed`` gives it one.

        Raises:
            OSError: EOPNOTSUPP, EISDIR, EINVAL or ENOSYS where that is not to be had.
        """
        return os.open(".", UNNAMED | os.O_RDWR | CLOEXEC, 0o600, dir_fd=self.directory)

    def link_unnamed(self, descriptor: int, *, name: str | None = None) -> None:
        """Give a file made without a name this one.

        Raises:
            FileExistsError: the name is taken. FileNotFoundError: there is no ``/proc`` here.
        """
        os.link(f"/proc/self/fd/{descriptor}", name or self.name, dst_dir_fd=self.directory, follow_symlinks=True)

    def link(self, name: str) -> None:
        """Give the file of another name in the directory this place's name too.

        Raises:
            FileExistsError: the name is taken.
        """
        os.link(
            self._name(name), self._name(self.name), src_dir_fd=self.directory, dst_dir_fd=self.directory,
            follow_symlinks=False,
        )  # fmt: skip

    def replace(self, name: str) -> None:
        """Put the file of another name in the directory in this place, over what is there."""
        os.replace(
            self._name(name), self._name(self.name), src_dir_fd=self.directory, dst_dir_fd=self.directory
        )  # fmt: skip

    def remove(self, name: str | None = None, *, like: int | None = None) -> bool:
        """Remove a name in the directory. False: it is not there, or is not what ``like`` has open.

        Raises:
            OSError: as the system has it.
        """
        name = name or self.name
        if like is not None:
            found = self._look(name)
            if found is None or not os.path.samestat(found, os.fstat(like)):
                return False
        try:
            os.unlink(self._name(name), dir_fd=self.directory)
        except FileNotFoundError:
            return False
        return True

    def listing(self) -> list[str]:
        """The names in the directory; empty where it may not be read. O(entries)."""
        with suppress(OSError):
            if self.directory is None:
                return os.listdir(self.parent or ".")  # noqa: PTH208
            readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | CLOEXEC, dir_fd=self.directory)
            try:
                return os.listdir(readable)  # noqa: PTH208 - of a descriptor
            finally:
                os.close(readable)
        return []

    def sync(self) -> None:
        """Make the names in the directory survive the loss of power, where a system can."""
        if self.directory is None:
            return
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | CLOEXEC, dir_fd=self.directory)
        try:
            os.fsync(readable)
        finally:
            os.close(readable)

    def make_directory(self, mode: int, group: int | None = None, owner: int | None = None) -> bool:
        """Make a directory of this name; False when the name is taken. ``mode`` and ``group`` hold whatever the umask.

        With ``owner`` it is given to another user, which root alone can do.

        It is made closed to all others and opened last.
        """
        try:
            os.mkdir(self._name(self.name), 0o700, dir_fd=self.directory)
        except FileExistsError:
            return False
        descriptor = self.open_directory()
        try:
            self._insist_on_new(descriptor)
            if hasattr(os, "fchown") and (owner is not None or group not in (None, os.fstat(descriptor).st_gid)):
                os.fchown(descriptor, -1 if owner is None else owner, -1 if group is None else group)
            set_permissions(descriptor, mode)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return True

    def _insist_on_new(self, descriptor: int) -> None:
        """Refuse a directory that another user has put in the place of the one that was just made."""
        if descriptor < 0:
            return
        status = os.fstat(descriptor)
        own = not HAS_OWNERS or status.st_uid == os.geteuid()
        if not own or stat.S_IMODE(status.st_mode) & 0o777 != 0o700 or os.listdir(descriptor):
            raise UntrustedFileError.because(
                self.what, expected="the directory that was just made", found="another in its place"
            )

    def set_mode(self, name: str, mode: int, *, like: os.stat_result | None = None) -> None:
        """Give what has this name other permission bits, without opening it: a close would drop SQLite's locks of it.

        With ``like`` only if it is still the same file; else nothing is done.

        Raises:
            OSError: as the system has it.
        """
        if self.directory is None or not hasattr(os, "O_PATH"):
            os.chmod(self._name(name), mode)  # noqa: PTH101
            return
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | CLOEXEC, dir_fd=self.directory)
        try:
            if like is not None and not os.path.samestat(os.fstat(descriptor), like):
                return
            os.chmod(f"/proc/self/fd/{descriptor}", mode)  # noqa: PTH101
        except FileNotFoundError:  # no /proc here: what was looked at is no link
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise
            os.chmod(name, mode, dir_fd=self.directory)
        finally:
            os.close(descriptor)

    def status_of(self, name: str) -> os.stat_result | None:
        """The status of a name in the directory, a link's own where it is one; None: nothing is there."""
        return self._look(name)

    @classmethod
    def inside(cls, path: str, what: str) -> Place:
        """A directory, held open until ``leave``, as the place of what lies in it; a link to one is not followed.

        Its calls take ``name=``. Anybody's: ``directory_status`` is for the caller to judge.

        Raises:
            OSError: as the system has it, FileNotFoundError and NotADirectoryError among them.
        """
        place = cls(os.path.join(path, "."), what)  # noqa: PTH118
        place.parent = path
        if _BY_DIRECTORY:
            place.directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | CLOEXEC)
            place.directory_status = os.fstat(place.directory)
        else:
            place.directory_status = os.stat(path)  # noqa: PTH116
        return place

    def open_directory(self) -> int:
        """Open the directory of this name; -1 where a system cannot.

        Raises:
            FileNotFoundError; UntrustedFileError: it is no directory, or somebody else's.
        """
        if not _BY_DIRECTORY:
            return -1
        try:
            descriptor = os.open(
                self.name, os.O_RDONLY | os.O_DIRECTORY | CLOEXEC | getattr(os, "O_NOFOLLOW", 0), dir_fd=self.directory
            )
        except NotADirectoryError:
            raise UntrustedFileError.because(
                self.what, expected="a directory", found="something else", advice="check the path"
            ) from None
        try:
            self._insist_on_owner(os.fstat(descriptor), "a directory")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def set_permissions(descriptor: int, mode: int) -> None:
    """Give what is open these permission bits, and nothing else that lets somebody in: no access control list.

    A default list of the directory would come into force with the group's bits.
    """
    if hasattr(os, "removexattr"):
        for name in ("system.posix_acl_access", "system.posix_acl_default"):
            with suppress(OSError):
                os.removexattr(descriptor, name)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)


def lock_exclusively(descriptor: int) -> bool:
    """Take the lock by which a temporary file's maker shows that it lives; False when another has it."""
    if sys.platform in ("win32", "emscripten"):
        return True  # there an open file cannot be removed, or nobody else is
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
