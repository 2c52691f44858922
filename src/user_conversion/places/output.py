"""The output of a run, whatever its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from user_conversion.places.folders.output import OutputFolder
from user_conversion.places.place import Folder, place_at

if TYPE_CHECKING:
    from user_conversion.places.stores.output import OutputStore


def output_at(
    where: str, command: str, *, rebuild: bool, on_cluster: bool
) -> OutputFolder | OutputStore:
    """The output at a path or address, for a run of a command, which may use a cluster."""
    place = place_at(where)
    if isinstance(place, Folder):
        return OutputFolder(place.path, command, rebuild=rebuild)
    from user_conversion.places.stores.output import OutputStore

    return OutputStore(place, command, rebuild=rebuild, on_cluster=on_cluster)
