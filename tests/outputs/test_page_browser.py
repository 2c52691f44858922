"""The page in Chromium, without a window and driven over its debugging pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.command import command
from support.logs import app_loaded, registered, write_log
from support.processes import wait_until

from user_conversion.rules.weeks import DAY, WEEK

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
PHONE, DESKTOP = (390, 844), (1280, 900)
HTML = "<script>alert(1)</script>"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--hide-scrollbars", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
# Chromium reads commands from file descriptor 3 and answers on 4.
WITH_PIPES = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(file), fcntl.F_DUPFD, 10) for file in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


class Browser:
    """One tab of Chromium; `events` are the messages that are no answers to a call."""

    def __init__(self, profile: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._stack = ExitStack()
        their_input, our_output = os.pipe()
        our_input, their_output = os.pipe()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", WITH_PIPES, str(their_input), str(their_output)),
                *(str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}"),
            ],
            pass_fds=(their_input, their_output),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_input)
        os.close(their_output)
        self._out = self._stack.enter_context(os.fdopen(our_output, "wb"))
        self._in = self._stack.enter_context(os.fdopen(our_input, "rb"))
        self._calls = 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": session["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._stack.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters, **self._session}
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, page: Path, size: tuple[int, int], scheme: str) -> None:
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not self.named("Page.loadEventFired"):
            self._receive()

    def evaluate(self, expression: str) -> Any:
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def named(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") == method]

    def _receive(self) -> dict[str, Any]:
        message = bytearray()
        while not message.endswith(b"\0"):
            byte = self._in.read(1)
            assert byte, "Chromium has ended"
            message += byte
        document: dict[str, Any] = json.loads(message[:-1])
        if "method" in document:
            self.events.append(document)
        return document


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on three weeks of users from three channels, one of which is HTML."""
    folder = tmp_path_factory.mktemp("browser")
    # Loads on every day, so that none looks as if its logs were missing.
    lines = [app_loaded(f"2020-01-{6 + n % 24:02}T07:00:00Z", 999) for n in range(96)]
    for user in range(120):
        channel = (HTML, "invite", "x" * 300)[user % 3]
        week, day = divmod(user % 21, 7)
        lines.append(registered(f"2020-01-{6 + 7 * week + day:02}T08:00:00Z", user, channel))
        if user % 4 == 0:
            lines.append(app_loaded(f"2020-01-{15 + 7 * week:02}T08:00:00Z", user))
    log, output = write_log(folder / "events.json", lines), folder / "output"
    assert command("run", "--input", log, "--output", output).status == 0
    return output / "report.html"


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_the_window_without_requests_or_console_messages(
    browser: Browser, page: Path, size: tuple[int, int], scheme: str
) -> None:
    browser.open(page, size, scheme)
    # Charts fill their space, and only the boxes of tables scroll sideways.
    charts = browser.evaluate(
        "[...document.querySelectorAll('.chart > svg')].map(chart => {"
        "const box = chart.getBoundingClientRect(); return [box.width, box.height]})"
    )
    assert len(charts) == 4
    assert all(width > 300 and height > 100 for width, height in charts)
    # A mark without a rule in the style sheet would be black, or an invisible line.
    paints = browser.evaluate(
        "[...document.querySelectorAll('.chart svg :is(rect, circle, polygon, line, polyline)')]"
        ".map(mark => getComputedStyle(mark)[/line/.test(mark.tagName) ? 'stroke' : 'fill'])"
    )
    assert len(paints) > 50
    assert not {"rgb(0, 0, 0)", "none", ""} & {*paints}
    assert 'url("#hatch")' in paints
    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]
    colour = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(colour.removeprefix("rgb(").split(",")[0])
    assert red > 200 if scheme == "light" else red < 50
    assert_no_requests_or_messages(browser, page)


def assert_no_requests_or_messages(browser: Browser, page: Path) -> None:
    urls = {params["request"]["url"] for params in browser.named("Network.requestWillBeSent")}
    assert {url for url in urls if not url.startswith("data:")} == {page.resolve().as_uri()}
    for message in (
        *("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"),
        *("Network.loadingFailed", "Page.javascriptDialogOpening"),
    ):
        assert browser.named(message) == []


def test_the_table_is_saved_as_csv_by_one_click(
    browser: Browser, page: Path, tmp_path: Path
) -> None:
    browser.open(page, DESKTOP, "light")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.evaluate("document.querySelector('a[download]').click()")
    file = tmp_path / "weekly-user-conversion.csv"
    wait_until(file.exists)
    csv = command("report", "--output", page.parent, "--format", "csv").out
    wait_until(lambda: file.read_text() == csv)
    assert_no_requests_or_messages(browser, page)


def test_wide_tables_fit_on_paper_and_badges_are_whole(browser: Browser, tmp_path: Path) -> None:
    start = datetime(2020, 1, 7)
    lines = [registered(f"{start + n % 20 * WEEK:%Y-%m-%dT08:00:00Z}", n) for n in range(400)]
    for n in range(0, 400, 3):
        load = start + (n % 20 + n % 14) * WEEK + DAY
        lines.append(app_loaded(f"{load:%Y-%m-%dT08:00:00Z}", n))
    log = write_log(tmp_path / "log.json", lines)
    done = command("run", "--input", log, "--output", tmp_path / "out", "--title", "Shop")
    assert done.status == 0, done.err
    paper = (794 - 90, 1000)  # A4 without its margins
    for size, medium in ((paper, "print"), (PHONE, "screen")):
        browser.open(tmp_path / "out" / "report.html", size, "light")
        browser.call("Emulation.setEmulatedMedia", media=medium)
        assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]
        torn = "[...document.querySelectorAll('.mark')].filter(m => m.getClientRects().length > 1)"
        assert browser.evaluate(f"{torn}.length") == 0
    assert browser.evaluate("document.title").startswith("Shop")
    assert browser.evaluate("document.querySelectorAll('#cohorts thead th').length") == 15


def test_html_in_a_channel_name_is_shown_as_text(browser: Browser, page: Path) -> None:
    browser.open(page, DESKTOP, "light")
    assert browser.evaluate("document.scripts.length") == 1
    heads = browser.evaluate(
        "[...document.querySelectorAll('#channel tbody th bdi')].map(cell => cell.textContent)"
    )
    assert HTML in heads
    labels = browser.evaluate("document.querySelector('#channel .chart').textContent")
    assert HTML in labels
    assert_no_requests_or_messages(browser, page)


def test_pointer_and_arrow_keys_show_tooltips(browser: Browser, page: Path) -> None:
    browser.open(page, DESKTOP, "light")
    # Scrolling hides a tooltip, so it has to end before the pointer moves.
    places = browser.evaluate(
        "new Promise(done => {const svg = document.querySelector('#weeks .chart svg');"
        "svg.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const middle = style => {const box = svg.querySelector(style).getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + box.height / 2]};"
        "setTimeout(() => done(['.point', '.bar'].map(middle)), 200)})"
    )
    tip = "document.getElementById('tip').innerText"
    # The first week's point in the upper panel, and its bar in the lower one.
    for x, y in places:
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        assert browser.evaluate("document.getElementById('tip').hidden")
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        assert "2020-02, from 6 Jan 2020" in browser.evaluate(tip)
    browser.evaluate("document.querySelector('#weeks .chart').focus({preventScroll: true})")
    for _ in range(2):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
    assert "from 20 Jan 2020" in browser.evaluate(tip)
    assert "unfinished" in browser.evaluate(tip)
    assert_no_requests_or_messages(browser, page)


def test_policy_blocks_requests_scripts_and_styles(browser: Browser, page: Path) -> None:
    browser.open(page, DESKTOP, "light")
    browser.evaluate(
        "document.body.insertAdjacentHTML('beforeend', "
        '\'<img src="https://example.org/x.png" onerror="window.harmed = 1">'
        '<b style="color: red" onclick="window.harmed = 1">x</b>\');'
        "document.querySelector('b').click()"
    )
    assert browser.evaluate("fetch('https://example.org/').catch(() => 'refused')") == "refused"
    assert browser.evaluate("window.harmed === undefined")
    blocked = [entry["entry"]["text"] for entry in browser.named("Log.entryAdded")]
    assert sum("Content Security Policy" in text for text in blocked) >= 3


def test_printed_page_has_light_colours_and_whole_tables(browser: Browser, page: Path) -> None:
    browser.open(page, DESKTOP, "dark")
    printed = browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    assert len(printed["data"]) > 20_000
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(21, 25, 31)"
    hidden = (
        "[...document.querySelectorAll('.table')]"
        ".filter(table => table.scrollHeight > table.clientHeight + 1)"
    )
    assert browser.evaluate(f"{hidden}.length") == 0
