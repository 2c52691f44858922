"""A model of what a disk holds after a power cut.

The disk keeps the order of changes to names, as file systems with a journal do, and may lose the
latest of them; the names in the staging folder are also tried in another order. What was written
to a file and not synced may be lost too: the file is then empty, cut, or filled with zeros.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

Names = dict[str, int]


@dataclass(frozen=True)
class Tree:
    """Folders and files by inode, and the inode of the top."""

    top: int
    folders: dict[int, Names]
    files: dict[int, bytes]


class Disk:
    """Follows a folder: `look` before each step, `sync` when everything was synced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # An inode whose file is open is not used again for another file.
        self._held: dict[int, int] = {}
        self._synced: dict[int, bytes] = {}
        # The folder as it was at the last sync, and at each step since then.
        self.since_sync: list[Tree] = []
        self.sync()

    def look(self) -> bool:
        """Whether something was changed or synced since the last look."""
        tree = self._tree()
        if tree != self.since_sync[-1]:
            self.since_sync.append(tree)
        elif self._looked:
            return False
        self._looked = True
        return True

    def sync(self) -> None:
        self._looked = False
        self.since_sync = [self._tree()]
        self._synced = dict(self.since_sync[0].files)

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def _tree(self) -> Tree:
        tree = Tree(self._folder.stat().st_ino, {}, {})
        for here, folders, files in os.walk(self._folder):
            inodes = {name: self._hold(Path(here, name)) for name in (*folders, *files)}
            tree.folders[Path(here).stat().st_ino] = inodes
            tree.files.update((inodes[name], Path(here, name).read_bytes()) for name in files)
        return tree

    def _hold(self, path: Path) -> int:
        inode = path.stat().st_ino
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)
        return inode

    def after_power_cuts(self, random: Random) -> Iterator[Tree]:
        """What may be on the disk if the power goes now."""
        yield self._damaged(self.since_sync[0], lambda _, old: old)
        yield self._damaged(self.since_sync[-1], lambda _, old: b"")
        yield self._damaged(self.since_sync[-1], lambda new, _: b"\0" * len(new))

        def any_part(new: bytes, old: bytes) -> bytes:
            cut = new[: random.randrange(len(new) + 1)]
            return random.choice((new, old, b"", cut, cut.ljust(len(new), b"\0")))

        yield self._damaged(random.choice(self.since_sync), any_part)
        mixed = _mixed(random.choice(self.since_sync), random.choice(self.since_sync))
        yield self._damaged(mixed, any_part)

    def _damaged(self, tree: Tree, damage: Callable[[bytes, bytes], bytes]) -> Tree:
        files = {
            inode: content
            if self._synced.get(inode) == content
            else damage(content, self._synced.get(inode, b""))
            for inode, content in tree.files.items()
        }
        return Tree(tree.top, tree.folders, files)


def _mixed(tree: Tree, other: Tree) -> Tree:
    """A tree with the names in the staging folder as they are in another one."""
    staging = tree.folders[tree.top].get(".staging")
    if staging not in other.folders:
        return tree
    # A folder that is not in the tree is empty, as what is in it would be in two places.
    folders: dict[int, Names] = {inode: {} for inode in other.folders}
    folders |= tree.folders | {staging: other.folders[staging]}
    return Tree(tree.top, folders, other.files | tree.files)


def write(tree: Tree, folder: Path, inode: int | None = None) -> None:
    """Write a tree below a new folder."""
    folder.mkdir()
    for name, inode_ in tree.folders[tree.top if inode is None else inode].items():
        if inode_ in tree.folders:
            write(tree, folder / name, inode_)
        else:
            (folder / name).write_bytes(tree.files[inode_])
