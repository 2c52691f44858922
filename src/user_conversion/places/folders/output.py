"""Publishes a run's files in the output folder atomically: all or none.

A run writes below `.staging/new`, which mirrors the output folder. `publish.json` beside it is
the commit point: without it the staged files are discarded; with it they are moved into place,
and the next run finishes a publication that was killed. Readers see each partition either as it
was or as it will be, never in between. After each of these steps everything is synced to disk, so
that a power cut leaves the steps in their order. Only one run at a time holds the folder: the lock
is the operating system's, so it ends with the process that holds it. The datasets are on the file
system of the output folder, so that everything can be renamed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from user_conversion.places.documents import decoded, write_document
from user_conversion.places.folders.roll_forward import Manifest, require_possible, roll_forward
from user_conversion.places.folders.sync import sync
from user_conversion.places.place import Folder
from user_conversion.places.processes import signals_deferred
from user_conversion.places.progress import watched
from user_conversion.places.publication import Publication, output_errors
from user_conversion.rules.errors import OutputError

STAGING = ".staging"
LOCK = ".lock"


class OutputFolder:
    """The output folder while one run holds it. Raises `OutputError` if another run does.

    A run that does not rebuild everything also needs the last publication to be finished.
    """

    def __init__(self, path: Path, command: str, *, rebuild: bool = False) -> None:
        self.path = path
        self.place = Folder(path)
        self.staging = path / STAGING
        self._command = command
        self._rebuild = rebuild
        self._created = not path.exists()

    def __enter__(self) -> OutputFolder:
        if "\\" in str(self.path.absolute()):
            raise OutputError(f"'{self.path}' has a backslash, which is a slash to the engines.")
        with output_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for path in (self.path / LOCK, self.staging):
                if path.is_symlink():
                    raise OutputError(f"'{path}' is a link, which is not followed: remove it.")
            self._take_lock()
            try:
                require_possible(self.path, self.staging)
                self._recover()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # The next run finishes a publication that was committed but not moved into place.
            if not self._manifest.exists():
                shutil.rmtree(self.staging, ignore_errors=True)
            if self._created and os.listdir(self.path) == [LOCK]:  # noqa: PTH208
                (self.path / LOCK).unlink()
                self.path.rmdir()
        finally:
            self._lock.close()

    def _take_lock(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._lock = os.fdopen(os.open(self.path / LOCK, flags, 0o666), "a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another run"
            self._lock.close()
            raise OutputError(
                f"'{self.path}' is being written by {holder}; wait for it to end, or choose "
                "another --output."
            ) from None
        self._lock.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._lock.write(
            f"{self._command} (process {os.getpid()} on {socket.gethostname()}, since {since})"
        )
        self._lock.flush()

    def _recover(self) -> None:
        """Finish a publication that was committed, or discard what was staged."""
        if self._manifest.exists():
            # The run that was killed may not have got to this.
            sync(self.path)
            try:
                self._finish(decoded(self._manifest.read_bytes(), Manifest))
            except (FileNotFoundError, ValueError):
                # Until a rebuild is committed, the output may be a mix of two runs.
                if self._rebuild:
                    return
                raise OutputError(
                    f"A publication in '{self.path}' was interrupted and cannot be finished, "
                    f"because '{self._manifest}' or a file that it names is damaged or of another "
                    "version; rebuild with events-split --full-refresh."
                ) from None
        shutil.rmtree(self.staging, ignore_errors=True)

    @contextmanager
    def publication(self) -> Iterator[Publication]:
        """Stage files, and publish them when the block ends without an error."""
        with output_errors(self.path):
            for folder in ("new", "dropped"):  # of a publication that cannot be finished
                shutil.rmtree(self.staging / folder, ignore_errors=True)
            publication = Publication(self.place, self.path, self.staging / "new")
            publication.folder.mkdir(parents=True)
            yield publication
            with watched("Publishing"):
                self._commit(publication)

    @property
    def _manifest(self) -> Path:
        return self.staging / "publish.json"

    @property
    def scratch(self) -> Path:
        """A folder for an engine's temporary files, gone when the run ends."""
        return self.staging / "scratch"

    def _commit(self, publication: Publication) -> None:
        publication.follow_umask()
        manifest = Manifest.of(publication.folder, publication.files, publication.drops, self.path)
        begun = self.staging / "publish.json.begun"
        write_document(begun, manifest)
        sync(self.path)
        with signals_deferred():
            begun.rename(self._manifest)
            sync(self.path)
            self._finish(manifest)

    def _finish(self, manifest: Manifest) -> None:
        roll_forward(manifest, self.staging, self.path)
        sync(self.path)
        # The manifest goes first: without it staged files are discarded.
        self._manifest.unlink()
        sync(self.path)
