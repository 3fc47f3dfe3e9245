"""What kind of file system a descriptor lies on: a region on one over the network is refused.

Such file systems have neither the locks by which a participant's death is noticed nor coherent shared mappings.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from corestate.errors import NetworkFileSystemError

if TYPE_CHECKING:
    from corestate.address import Address

__all__ = ["kind_of", "refuse_network"]

NETWORK = frozenset(
    [
        "9p",
        "acfs",
        "afs",
        "auristorfs",
        "beegfs",
        "ceph",
        "cephfs",
        "cifs",
        "coda",
        "davfs",
        "davfs2",
        "gcsfuse",
        "gfs",
        "gfs2",
        "glusterfs",
        "goofys",
        "gpfs",
        "juicefs",
        "lustre",
        "mfs",
        "moosefs",
        "ncp",
        "ncpfs",
        "nfs",
        "nfs3",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "pvfs2",
        "rclone",
        "s3fs",
        "shfs",
        "smb3",
        "smbfs",
        "sshfs",
        "vboxsf",
    ]
)
"""Types as the kernel names them, and what follows ``fuse.`` where a program serves the file system."""


def _mount_id(descriptor: int) -> str:
    for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "mnt_id":
            return value.strip()
    return ""


def kind_in(mounts: str, mount_id: str) -> str:
    """The type of a mount, from the text of ``/proc/self/mountinfo``; empty when it is not there."""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if fields[0] == mount_id and "-" in fields:
            return fields[fields.index("-", 6) + 1]
    return ""


def kind_of(descriptor: int) -> str:
    """The type of file system a descriptor lies on, such as ``ext4``; empty where nothing says. O(mounts)."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        return kind_in(mounts, _mount_id(descriptor))
    except OSError:
        return ""  # no /proc here: nothing else tells reliably


def is_network(kind: str) -> bool:
    """Whether a type of file system is one over the network."""
    return kind.removeprefix("fuse.") in NETWORK


def refuse_network(descriptor: int, where: Address) -> None:
    """Raise NetworkFileSystemError when a file, or the directory it is to be made in, is on a network file system."""
    kind = kind_of(descriptor)
    if is_network(kind):
        raise NetworkFileSystemError.because(f"region {where}", found=f"{kind}, one over the network")
