"""One run at a time writes into a store, and publishes all or nothing.

One object, `.staging/state.json`, is the lease and the commit document. It is only ever replaced by
compare-and-swap, so of two runs one loses. A run puts its files as staged objects, commits them in
that object, copies them to their places within the store, and clears up. Whoever finds a commit in
it finishes it first; without one, staged objects are discarded.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from user_conversion.places.parallel import all_of
from user_conversion.places.store import Store
from user_conversion.rules.errors import OutputError, StoreError

STAGING = ".staging/"
STATE = f"{STAGING}state.json"
LEASE_SECONDS = 60.0
TRIES = 6


class Commit(msgspec.Struct, frozen=True):
    """What is being published: staged objects by their final name, and names to delete."""

    objects: dict[str, str]
    drops: list[str]


class State(msgspec.Struct, frozen=True):
    """Who holds the output until when. `beat` is unique, so that no two documents are equal."""

    run: str | None = None
    holder: str = ""
    since: str = ""
    until: float = 0.0
    beat: str = ""
    commit: Commit | None = None


class Lease:
    """The output in a store while one run holds it. Raises `OutputError` if another run does."""

    def __init__(self, store: Store, holder: str, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._holder = holder
        self._clock = clock
        self._run = uuid.uuid4().hex
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._version: dict[str, str] | None = None
        self._until = 0.0
        self._commit: Commit | None = None
        self._swapping = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Lease:
        there = self._read()
        if there.run and there.until > self._clock():
            raise self._held_by(there)
        self._commit = there.commit
        try:
            self._swap()
        except LeaseLostError:
            raise self._held_by(self._read()) from None
        threading.Thread(target=self._keep, daemon=True).start()
        try:
            if self._commit:
                self._finish(self._commit)
            self._discard_staged()
        except BaseException:
            self._over.set()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if isinstance(error[1], LeaseLostError):
            return  # nothing there is ours any more
        # If this fails, the next run does it.
        with suppress(StoreError, OutputError):
            if self._commit is None:
                self._discard_staged()
            self._swap(holds=False)

    def publish(self, files: Mapping[str, Path], drops: Iterable[str] = ()) -> None:
        """Publish files by the names of their objects, and delete others: all or nothing.

        Raises `LeaseLostError`, an `OutputError`, if another run took the output over.
        """
        staged = {name: f"{STAGING}{self._run}/{n}" for n, name in enumerate(sorted(files))}
        all_of(lambda name: self._store.put(staged[name], files[name]), staged)
        commit = Commit(staged, sorted(drops))
        self._swap(commit)  # the commit point
        self._finish(commit)
        self._discard_staged()

    def _finish(self, commit: Commit) -> None:
        """Carry out a commit; can be repeated. A run that slept finds the staged objects gone."""
        try:
            all_of(lambda name: self._store.copy(commit.objects[name], name), commit.objects)
        except FileNotFoundError:
            raise self._lost() from None
        all_of(self._drop, commit.drops)
        self._commit = None
        self._swap()

    def _drop(self, name: str) -> None:
        if self._clock() > self._until - LEASE_SECONDS / 3:
            self._swap()  # fails if the lease went to another run meanwhile
        self._store.delete(name)

    def _discard_staged(self) -> None:
        left = [each.name for each in self._store.list(STAGING) if each.name != STATE]
        all_of(self._store.delete, left)

    def _keep(self) -> None:
        """Renew the lease until the run is over."""
        while not self._over.wait(LEASE_SECONDS / 3):
            try:
                self._swap()
            except (OutputError, StoreError):
                return  # the next step of the run finds out, too

    def _read(self) -> State:
        found = self._store.read(STATE)
        if found is None:
            self._version = None
            return State()
        content, self._version = found
        try:
            return msgspec.json.decode(content, type=State)
        except msgspec.DecodeError:
            raise OutputError(
                f"'{self._store.of(STATE)}' is damaged: delete it if no run is writing there."
            ) from None

    def _swap(self, commit: Commit | None = None, holds: bool = True) -> None:
        """Replace the state by ours. Raises `LeaseLostError` if another run replaced it."""
        with self._swapping:
            commit = commit or self._commit
            until = self._clock() + LEASE_SECONDS
            run = self._run if holds else None
            mine = State(run, self._holder, self._since, until, uuid.uuid4().hex, commit)
            content = msgspec.json.encode(mine)
            for attempt in range(TRIES):
                expected = self._version
                try:
                    self._version = self._store.swap(STATE, content, expected)
                except Exception as error:
                    # Refused, or done and the answer lost, or refused to both of two runs (409).
                    if self._read().beat != mine.beat:
                        if self._version != expected:
                            raise self._lost() from None
                        if attempt == TRIES - 1:
                            raise self._store.refusal("write", STATE, error) from None
                        time.sleep(0.05 * 2**attempt)
                        continue
                self._until, self._commit = until, commit
                return

    def _held_by(self, there: State) -> OutputError:
        return OutputError(
            f"'{self._store.address}' is being written by {there.holder or 'another run'}"
            f"{f', since {there.since}' if there.since else ''}; wait for it to end, or choose "
            "another --output. A run that was killed is over a minute later."
        )

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(
            f"This run lost '{self._store.address}' to another run, because it was not heard of "
            "for a minute; nothing more was written. Run again."
        )


class LeaseLostError(OutputError):
    """Another run took the output over."""
