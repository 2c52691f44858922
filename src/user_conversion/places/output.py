"""The output of a run, whatever its place."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

from user_conversion.places.output_folder import OutputFolder
from user_conversion.places.place import Place
from user_conversion.places.publication import Publication
from user_conversion.rules.addresses import is_address


class Output(Protocol):
    """An output while one run holds it. Raises `OutputError` if another run does.

    A run that does not rebuild everything also needs the last publication to be finished.
    """

    @property
    def place(self) -> Place:
        """Where it is."""

    @property
    def scratch(self) -> Path:
        """A folder for an engine's temporary files, gone when the run ends."""

    def publication(self) -> AbstractContextManager[Publication]:
        """Stage files, and publish them when the block ends without an error."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


def output_at(place: str, command: str, *, rebuild: bool) -> Output:
    """The output at a path or address, for a run of a command."""
    if is_address(place):
        from user_conversion.places.output_store import OutputStore

        return OutputStore(place, command, rebuild=rebuild)
    return OutputFolder(Path(place), command, rebuild=rebuild)
