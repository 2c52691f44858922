"""One run at a time writes into a store, and publishes all or nothing.

One object, `.staging/state.json`, is the lease and the commit document. It is only ever replaced by
compare-and-swap, so of two runs one loses. A run puts its files as staged objects, commits them in
that object, copies them to their places within the store, and clears up. Whoever finds a commit in
it finishes it first; without one, staged objects are discarded. What was published is listed in a
second object, which the first one names.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from user_conversion.places.processes import is_over, signals_deferred, this_process
from user_conversion.places.stores.commit import Commit, Content, Files, State
from user_conversion.places.stores.errors import NO_CONDITIONS, is_final
from user_conversion.places.stores.parallel import all_of
from user_conversion.places.stores.store import Store, StoredObject
from user_conversion.rules.errors import REBUILD, OutputError, StoreError

STAGING = ".staging/"
STATE = f"{STAGING}state.json"
LEASE_SECONDS = 60.0
TRIES = 6
UNKNOWN = ""


class Lease:
    """The output in a store while one run holds it. Raises `OutputError` if another run does.

    `listed` are the published objects by name, as listed when the lease began, and `published` is
    what they held when they were published. Objects are staged below `staging`. A run that
    rebuilds everything does not need the last publication to be finished.
    """

    def __init__(
        self,
        store: Store,
        holder: str,
        clock: Callable[[], float] = time.time,
        rebuild: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rebuild = rebuild
        since = datetime.now(UTC).isoformat(" ", "seconds")
        self._state = State(uuid.uuid4().hex, holder, this_process(), since)
        self.staging = f"{STAGING}{self._state.run}"
        self._version: dict[str, str] | None = None
        self._lost = False
        self._swapping = threading.RLock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self.listed: dict[str, StoredObject] = {}
        self.published: dict[str, Content] = {}

    def __enter__(self) -> Lease:
        there, self._version = self._read()
        is_first = self._version is None
        if there.run and there.until > self._clock() and not is_over(there.process):
            raise self._held_by(there)
        try:
            self._swap(commit=there.commit, published=there.published)
        except LeaseLostError:
            raise self._held_by(self._read()[0]) from None
        if is_first:
            self._require_conditions()
        self._keeper.start()
        try:
            self._recover()
        except BaseException as error:
            self.__exit__(type(error), error)
            raise
        return self

    def __exit__(self, kind: object = None, error: object = None, *_: object) -> None:
        self._over.set()
        if self._state.run is None or self._lost:
            return
        # If this fails, the next run does it.
        run = self._state.run
        with suppress(StoreError, OutputError):
            # A commit of which we do not know whether it came to be is undone by this, if it did.
            self._swap(run=None)
            if self._state.commit is None:
                ours = self._store.list(f"{STAGING}{run}")
                self._store.delete([each.name for each in ours])

    def publish(self, files: Files, drops: Iterable[str]) -> None:
        """Publish files by the names of their objects, delete others, and end the lease.

        All or nothing. Raises `LeaseLostError`, an `OutputError`, if another run took it over.
        """
        run, before = str(self._state.run), self._state.published
        here = {_staged(run, name): path for name, (path, _) in files.items() if path}
        all_of(lambda name: self._store.write(name, here[name]), here)
        commit = Commit(run, {name: content for name, (_, content) in files.items()}, [*drops])
        with signals_deferred():
            self._swap(commit=commit)  # the commit point
            try:
                self._finish(commit, last=True)
            except StoreError as error:
                raise StoreError(f"{error} The next run will finish this publication.") from None
        left = [_staged(run, name) for name in files]
        with suppress(StoreError):
            self._store.delete([*left, before] if before else left)

    def _recover(self) -> None:
        """Finish what another run has committed, and discard what it has staged."""
        name = self._state.published
        if name and (found := self._store.read(name)):
            self.published = msgspec.json.decode(found, type=dict[str, Content])
        else:
            self._list()
            self.published = {
                name: Content(each.size, UNKNOWN, -1, each.tag)
                for name, each in self.listed.items()
                if "/format=" in name
            }
        if self._state.commit:
            try:
                self._finish(self._state.commit)
            except FileNotFoundError:
                if not self._rebuild:
                    raise OutputError(
                        f"A publication in '{self._store}' was interrupted and cannot be finished, "
                        f"because objects below '{self._store.of(STAGING)}' are gone; {REBUILD}."
                    ) from None
                self._swap(commit=None)
        kept = (STATE, self._state.published)
        names = [name for name in self._list() if name.startswith(STAGING) and name not in kept]
        if names:
            # What was listed before this is not that of a later run.
            self._swap()
            self._store.delete(names)

    def _finish(self, commit: Commit, last: bool = False) -> None:
        """Carry out a commit, and end the lease if it is the `last` one; can be repeated.

        Raises `FileNotFoundError` if staged objects are gone, as they are for a run that slept.
        """
        try:
            for is_document in (False, True):  # they come last: they describe the others
                names = [name for name in commit.objects if ("/" not in name) == is_document]
                all_of(lambda name: self._store.copy(_staged(commit.run, name), name), names)
        except FileNotFoundError:
            self._swap()  # raises another error if the lease is lost
            raise
        if self._clock() > self._state.until - LEASE_SECONDS / 3:
            self._swap()
        self._store.delete(commit.drops)
        self._list()
        contents = self.published | commit.objects
        self.published = {
            name: contents[name]
            if name not in commit.objects
            else msgspec.structs.replace(contents[name], tag=found.tag)
            for name, found in self.listed.items()
            if name in contents
        }
        for name, content in commit.objects.items():
            if name not in self.listed or self.listed[name].size != content.size:
                raise StoreError(f"'{self._store.of(name)}' did not arrive whole.")
        name = f"{STAGING}published-{uuid.uuid4().hex}.json"
        self._store.write(name, msgspec.json.encode(self.published))
        if last:
            self._over.set()
        self._swap(commit=None, published=name, **({"run": None} if last else {}))

    def _list(self) -> list[str]:
        """List what is published; the names of all objects are returned."""
        found = self._store.list()
        self.listed = {each.name: each for each in found if not each.name.startswith(STAGING)}
        return [each.name for each in found]

    def _keep(self) -> None:
        """Renew the lease until the run is over."""
        while not self._over.wait(LEASE_SECONDS / 3):
            try:
                with self._swapping:
                    if not self._over.is_set():
                        self._swap()
            except StoreError:
                continue  # the lease lasts for two more attempts
            except OutputError:
                return  # the next step of the run finds out, too

    def _read(self) -> tuple[State, dict[str, str] | None]:
        found = self._store.read_version(STATE)
        if found is None:
            return State(), None
        try:
            return msgspec.json.decode(found[0], type=State), found[1]
        except msgspec.DecodeError:
            raise OutputError(
                f"'{self._store.of(STATE)}' is damaged: delete it if no run is writing there."
            ) from None

    def _swap(self, **changes: object) -> None:
        """Replace the state by ours. Raises `LeaseLostError` if another run replaced it."""
        with self._swapping:
            if self._lost:
                raise self._is_lost()
            changes |= {"until": self._clock() + LEASE_SECONDS, "beat": uuid.uuid4().hex}
            mine = msgspec.structs.replace(self._state, **changes)
            content = msgspec.json.encode(mine)
            for attempt in range(TRIES):
                try:
                    self._version = self._store.swap(STATE, content, self._version)
                    break
                except Exception as error:
                    # Refused, or done and the answer lost, or refused to both of two runs (409).
                    there, version = self._read()
                    if version != self._version and there.run != self._state.run:
                        self._lost = there.beat != mine.beat
                    if self._lost:
                        raise self._is_lost() from None
                    is_new, self._version = version != self._version, version
                    if there.beat == mine.beat:
                        break
                    if attempt == TRIES - 1 or (is_final(error) and not is_new):
                        raise self._store.refusal("write", STATE, error) from None
                    time.sleep(0.05 * 2**attempt)
            self._state = mine

    def _require_conditions(self) -> None:
        """Raise `StoreError` if the store lets one run write over the lease of another."""
        try:
            self._store.swap(STATE, b"{}", None)
        except Exception:
            return
        raise StoreError(f"Cannot write '{self._store.of(STATE)}': {NO_CONDITIONS}.")

    def _held_by(self, there: State) -> OutputError:
        since = f", since {there.since}" if there.since else ""
        return OutputError(
            f"'{self._store}' is being written by {there.holder or 'another run'}{since}; wait for "
            "it to end, or choose another --output. A run that was killed on another machine is "
            "over a minute later."
        )

    def _is_lost(self) -> OutputError:
        return LeaseLostError(
            f"This run lost '{self._store}' to another run, because it was not heard of for a "
            "minute; nothing more was written. Run again."
        )


class LeaseLostError(OutputError):
    """Another run took the output over."""


def _staged(run: str, name: str) -> str:
    return f"{STAGING}{run}/{name}"
