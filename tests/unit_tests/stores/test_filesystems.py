"""SQLite is kept away from network filesystems."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import SQLStore, filesystems
from langchain_costguard.stores.filesystems import filesystem_of

MOUNTS = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /home rw,relatime shared:4 master:1 - nfs4 server:/home rw,vers=4.2
31 30 0:27 / /home/ann/local rw,relatime - xfs /dev/vdb rw
32 22 0:28 / /mnt/team\040share rw - cifs //server/share rw
33 22 0:29 / /mnt/over rw - ext4 /dev/vdc rw
34 33 0:30 / /mnt/over rw - fuse.sshfs host:/ rw
a line that nobody understands
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/costs.db", "ext4"),
        ("/home/bob/costs.db", "nfs4"),
        ("/homeless/costs.db", "ext4"),
        ("/home/ann/local/costs.db", "xfs"),
        ("/mnt/team share/costs.db", "cifs"),
        ("/mnt/over/costs.db", "fuse.sshfs"),
        (r"\\server\share\costs.db", "cifs"),
    ],
)
def test_the_nearest_mount_decides(path: str, kind: str) -> None:
    """A local disk below a network home is fine, and a later mount hides an earlier one."""
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_a_system_without_a_list_of_mounts_is_given_the_benefit_of_the_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS and Windows have no such file; their users must be able to work."""
    monkeypatch.setattr(filesystems, "_MOUNTS", Path("/nowhere/mountinfo"))
    assert filesystem_of(Path("/home/bob/costs.db")) is None


def test_a_network_filesystem_is_refused_before_a_file_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines that write one SQLite file over NFS lose lines without a word."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"40 22 0:40 / {PurePosixPath(tmp_path)} rw - nfs server:/x rw\n", encoding="utf-8")
    monkeypatch.setattr(filesystems, "_MOUNTS", mounts)
    with pytest.raises(StoreError, match=r"network filesystem \(nfs\).*postgresql://"):
        SQLStore(tmp_path / "costs.db")
    assert not (tmp_path / "costs.db").exists()
