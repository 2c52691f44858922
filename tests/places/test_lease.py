"""Publishing to a store: killed, delayed and disturbed at every request."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from user_conversion.places.stores.commit import Content
from user_conversion.places.stores.lease import STATE, Lease
from user_conversion.places.stores.store import Store
from user_conversion.rules.errors import OutputError, StoreError

obstore = pytest.importorskip("obstore", reason="obstore is not installed")
REQUESTS = ("get", "put", "copy", "delete", "list")
OLD = {"weeks/1": b"old", "weeks/2": b"old", "weeks/3": b"old", "ledger.json": b"1"}
NEW = {"weeks/2": b"new", "weeks/4": b"new", "ledger.json": b"2"}
AFTER = {"weeks/1": b"old", "weeks/2": b"new", "weeks/4": b"new", "ledger.json": b"2"}


class Killed(BaseException):
    """The process is gone: nothing that it would do afterwards happens."""


class Machine:
    """Counts the requests of a process, and can kill it before or after one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.dead = 0, False
        self.before: Callable[[int], None] = lambda number: None
        self.after: Callable[[int], None] = lambda number: None
        self._lock = threading.Lock()
        for name in REQUESTS:
            monkeypatch.setattr(obstore, name, self._counted(getattr(obstore, name)))

    def _counted(self, request: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                if self.dead:
                    raise Killed
                number, self.count = self.count, self.count + 1
            self.before(number)
            done = request(*arguments, **options)
            self.after(number)
            return done

        return called

    def restart(self) -> None:
        self.count, self.dead = 0, False
        self.before = self.after = lambda number: None

    def fail(self, when: int) -> Callable[[int], None]:
        def now(number: int) -> None:
            if number == when:
                raise obstore.exceptions.GenericError("connection reset")

        return now

    def kill(self, when: int) -> Callable[[int], None]:
        def now(number: int) -> None:
            if number == when:
                self.dead = True
                raise Killed

        return now


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are repeated at once."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., None]:
    numbers = itertools.count()

    def publish(store: Store, contents: dict[str, bytes], *drops: str, clock: Any = None) -> None:
        files: dict[str, tuple[Path, Content]] = {}
        for name, content in contents.items():
            path = tmp_path / str(next(numbers))
            path.write_bytes(content)
            files[name] = path, Content(len(content), content.decode())
        with Lease(store, "test", clock or (lambda: 0.0)) as lease:
            lease.publish(files, drops)

    return publish


def new_store() -> Store:
    from obstore.store import MemoryStore

    return Store("s3://bucket/output", MemoryStore())


def published(store: Store) -> dict[str, bytes]:
    names = [each.name for each in store.list() if not each.name.startswith(".staging/")]
    return {name: store.read(name) or b"" for name in names}


def require_clean(store: Store) -> None:
    """Nothing is left but the lease and the list of what is published."""
    names = [each.name for each in store.list(".staging/")]
    state = json.loads(store.read(STATE) or b"{}")
    assert (state["run"], state["commit"]) == (None, None)
    assert sorted(names) == sorted({STATE, state["published"]} - {None})
    if state["published"]:
        listed = json.loads(store.read(state["published"]) or b"{}")
        assert {name: hash_ for name, (_, hash_, *_) in listed.items()} == {
            name: content.decode() for name, content in published(store).items()
        }


def deaths(number: int) -> Iterator[tuple[int, str]]:
    return itertools.product(range(number), ("before", "after"))


def start(machine: Machine, publish: Callable[..., None]) -> Store:
    """A store with an old publication, on a machine without faults."""
    store = new_store()
    machine.restart()
    publish(store, OLD)
    machine.restart()
    return store


def all_or_nothing(machine: Machine, store: Store, done: bool) -> dict[str, bytes]:
    """What is published after a run with faults, and after the next one has looked at it."""
    machine.restart()
    for name, content in published(store).items():
        assert content in (OLD.get(name), AFTER.get(name))
    with Lease(store, "next", lambda: 61.0):
        pass
    found = published(store)
    assert found in ((AFTER,) if done else (OLD, AFTER))
    require_clean(store)
    return found


def requests_of_a_publication(machine: Machine, publish: Callable[..., None]) -> int:
    publish(start(machine, publish), NEW, "weeks/3")
    return machine.count


def test_a_run_killed_at_any_request_leaves_all_or_nothing(
    machine: Machine, publish: Callable[..., None]
) -> None:
    for number, moment in deaths(requests_of_a_publication(machine, publish)):
        store = start(machine, publish)
        setattr(machine, moment, machine.kill(number))
        done = True
        try:
            publish(store, NEW, "weeks/3")
        except Killed:
            done = False
        all_or_nothing(machine, store, done)


def test_a_run_killed_while_it_finishes_another_leaves_all_or_nothing(
    machine: Machine, publish: Callable[..., None]
) -> None:
    for number in range(requests_of_a_publication(machine, publish)):
        store = start(machine, publish)
        machine.after = machine.kill(number)
        with suppress(Killed):
            publish(store, NEW, "weeks/3")
        hours = itertools.count(1)
        for again in range(12):
            machine.restart()
            machine.before = machine.kill(again)
            with suppress(Killed), Lease(store, "next", partial(float, 61 * next(hours))):
                pass
        machine.restart()
        with Lease(store, "last", lambda: 1e6):
            pass
        assert published(store) in (OLD, AFTER), number


def test_a_lost_answer_is_no_lost_publication(
    machine: Machine, publish: Callable[..., None]
) -> None:
    for number in range(requests_of_a_publication(machine, publish)):
        store = start(machine, publish)

        machine.after = machine.fail(number)
        publish(store, NEW, "weeks/3")
        machine.restart()
        assert published(store) == AFTER, number


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_on_a_bad_network_all_or_nothing_is_published(
    machine: Machine,
    publish: Callable[..., None],
    share: float,
) -> None:
    outcomes = Counter[str]()
    for seed in range(400):
        store = start(machine, publish)
        # Requests are not done, or done and the answer is lost.
        machine.before, machine.after = bad_network(seed, share), bad_network(-seed, share)
        try:
            publish(store, NEW, "weeks/3")
            done = True
        except (OutputError, StoreError):
            done = False
        found = all_or_nothing(machine, store, done)
        outcomes["done" if done else "finished" if found == AFTER else "discarded"] += 1
    assert share > 0.5 or outcomes["done"]
    assert share < 0.2 or outcomes["discarded"]


def bad_network(seed: int, share: float) -> Callable[[int], None]:
    random = Random(seed)

    def now(_: int) -> None:
        if random.random() < share:
            raise obstore.exceptions.GenericError("connection reset")

    return now


class Pause:
    """At one request of a run, a minute passes and another run publishes."""

    def __init__(
        self, at: int, meanwhile: Callable[[Callable[[], float]], dict[str, bytes]]
    ) -> None:
        self.at, self.meanwhile = at, meanwhile
        self.now = 0.0
        self.seen: dict[str, bytes] | None = None

    def clock(self) -> float:
        return self.now

    def __call__(self, number: int) -> None:
        if number == self.at and self.seen is None:
            self.seen = {}
            self.now += 61
            self.seen = self.meanwhile(self.clock)


def test_a_run_that_slept_while_another_published_changes_nothing(
    machine: Machine, publish: Callable[..., None]
) -> None:
    for number in range(requests_of_a_publication(machine, publish)):
        store = start(machine, publish)

        def other(clock: Callable[[], float], store: Store = store) -> dict[str, bytes]:
            publish(store, {"weeks/1": b"other"}, clock=clock)
            return published(store)

        pause = machine.before = Pause(number, other)
        try:
            publish(store, NEW, "weeks/3", clock=pause.clock)
        except OutputError:
            assert published(store) == pause.seen, number
        else:
            assert published(store).items() >= NEW.items(), number


def test_a_damaged_state_is_named(publish: Callable[..., None]) -> None:
    store = new_store()
    store.write(STATE, b"{")
    with pytest.raises(OutputError, match=r"state.json' is damaged"):
        publish(store, OLD)


def test_a_store_that_ignores_conditions_is_refused(
    monkeypatch: pytest.MonkeyPatch, publish: Callable[..., None]
) -> None:
    put = obstore.put
    monkeypatch.setattr(obstore, "put", lambda *arguments, mode=None, **more: put(*arguments))
    with pytest.raises(StoreError, match="refuses conditional writes"):
        publish(new_store(), OLD)
