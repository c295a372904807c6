"""Whether a path lies on a network filesystem, where SQLite's locks cannot be trusted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from langchain_costguard.exceptions import StoreError

NETWORK_FILESYSTEMS: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.cephfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone",
        "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "prl_fs", "smb3",
        "smbfs", "vboxsf",
    }
)  # fmt: skip
"""Filesystem types, as the Linux kernel names them, that other machines may write at the same time."""

_MOUNTS: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def refuse_network_filesystem(path: Path) -> None:
    """Refuse a file that other machines could write.

    Where the operating system does not list its mounts (only Linux does, in `/proc/self/mountinfo`), nothing is
    refused but Windows' network paths.

    Raises:
        StoreError: the path is on a network filesystem.
    """
    kind = filesystem_of(path)
    if kind in NETWORK_FILESYSTEMS:
        msg = (
            f"{path} is on a network filesystem ({kind}), where SQLite can lose or damage lines. Keep the ledger on a "
            "local disk, or share it through PostgreSQL: store='postgresql://user@host/database'"
        )
        raise StoreError(msg)


def filesystem_of(path: Path, mounts: str | None = None) -> str | None:
    """The type of the filesystem a path is on.

    Args:
        path: an absolute path; it need not exist.
        mounts: the text of a `mountinfo` file; `None` reads this process's own.

    Returns:
        The kernel's name of the type, such as `"ext4"`; `"cifs"` for a Windows network path; `None` when unknown.
    """
    if str(path).startswith(("\\\\", "//")):
        return "cifs"
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    found: str | None = None
    longest = -1
    for line in mounts.splitlines():
        point, kind = _mount(line)
        # A later line mounted on the same point hides the earlier one.
        if point is not None and len(point.parts) >= longest and path.is_relative_to(point):
            found, longest = kind, len(point.parts)
    return found


def _mount(line: str) -> tuple[Path | None, str]:
    """The mount point and the type that a line of `mountinfo` tells."""
    left, separator, right = line.partition(" - ")
    fields = left.split(" ")
    if not separator or len(fields) < 5:  # noqa: PLR2004 - the mount point is the fifth field
        return None, ""
    point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
    return Path(point), right.split(" ")[0]
