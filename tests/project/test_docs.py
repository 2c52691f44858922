"""The documentation is complete: links, commands, options, columns, keys, presets, errors."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import command
from support.repository import PACKAGE, ROOT

from user_conversion.jobs.report import last_record
from user_conversion.places.place import Folder
from user_conversion.rules import datasets
from user_conversion.rules.paths import path_text
from user_conversion.rules.presets import log_format, presets

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
# Written by `task bench`.
GENERATED = {DOCS / "benchmarks.md"}
LONGEST_LINE = 120
BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


# ---------------------------------------------------------------- pages


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", text_of(page))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GENERATED], ids=page_name)
def test_prose_lines_are_short(page: Path) -> None:
    prose = BLOCK.sub("", text_of(page)).splitlines()
    assert not [
        line for line in prose if len(line) > LONGEST_LINE and not line.startswith(("|", "    "))
    ]


def test_every_page_is_reached_from_the_readme() -> None:
    found, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        found.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)", text_of(page))
        new |= {(page.parent / link).resolve() for link in links if "://" not in link} - found
    assert set(PAGES) <= found


def test_files_that_contributing_names_exist() -> None:
    named = re.findall(r"`([\w./*-]+(?:\.\w+|/))`", text_of(ROOT / "CONTRIBUTING.md"))
    paths = [name for name in named if "NAME" not in name and "base.Engine" not in name]
    assert len(paths) > 30
    for path in paths:
        places = (ROOT, PACKAGE)
        assert any(any(place.glob(path.rstrip("/"))) for place in places) or is_object(path), path


def is_object(name: str) -> bool:
    """Whether a name such as `conversion.CONVERTED` is of something in a module."""
    module, _, member = name.rpartition(".")
    file = PACKAGE / f"{module.replace('.', '/')}.py"
    return file.exists() and re.search(rf"\b{member}\b", file.read_text("utf-8")) is not None


# ---------------------------------------------------------------- commands


def test_the_steps_of_getting_started(tmp_path: Path) -> None:
    """Each sh block runs, and prints the text block that follows it."""
    page = DOCS / "getting-started.md"
    steps = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", text_of(page), re.M | re.S)
    assert len(steps) == 6
    for script, shown in steps:
        ours = f'user-conversion() {{ "{sys.executable}" -m user_conversion "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-c", ours + script], cwd=tmp_path, capture_output=True, text=True
        )
        printed = (done.stdout + done.stderr).replace(f"{tmp_path.resolve()}/", "")
        assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


def commands_of(page: Path) -> Iterator[list[str]]:
    """The commands of a page's sh blocks and tables."""
    text = text_of(page)
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    lines += re.findall(r"^\| .* \| `(user-conversion .*)` \|$", text, re.MULTILINE)
    return (shlex.split(line)[1:] for line in lines if line.startswith("user-conversion "))


def test_commands_and_files_of_the_log_formats_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All options are accepted: the only thing missing is the input."""
    page = DOCS / "how-to" / "log-formats.md"
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "toml"):
        name = block.splitlines()[0].removeprefix("# ")
        Path(name).write_text(block, encoding="utf-8")
        log_format(name, registered="registered", app_loaded="opened")
    found = list(commands_of(page))
    assert {each for each in presets() if any(each in words for words in found)} == {*presets()}
    for words in found:
        done = command(*words)
        assert done.status == 1, done.err
        assert "'logs' does not exist" in done.err


# ---------------------------------------------------------------- reference


FIRST_CELL = re.compile(r"^\| ([^|]*`[^|]*) \|", re.MULTILINE)


def documented(section: str) -> list[str]:
    """The names in the first column of the tables of a section."""
    return [name for row in FIRST_CELL.findall(section) for name in re.findall(r"`([^`]+)`", row)]


def sections(page: Path) -> dict[str, str]:
    parts = re.split(r"^##+ (.*)$", text_of(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(
    "dataset",
    [
        datasets.user_registration(),
        datasets.app_loaded(),
        datasets.user_conversion(),
        datasets.WEEKLY_SUMMARY,
        datasets.REJECTED_EVENTS,
    ],
    ids=lambda dataset: dataset.name,
)
def test_every_column_is_documented_in_order(dataset: datasets.Dataset) -> None:
    columns = [*dataset.columns, *([dataset.partition] if dataset.partition else [])]
    section = sections(DOCS / "reference" / "datasets.md")[dataset.name]
    assert documented(section) == columns
    for name, kind in dataset.columns.items():
        assert re.search(rf"^\| `{name}` \| {kind}", section, re.MULTILINE), name


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run with segments."""
    folder = tmp_path_factory.mktemp("docs") / "output"
    done = command("run", "--input", ROOT / "data-input", "--output", folder, "--by", "channel")
    assert done.status == 0, done.err
    return folder


def test_every_key_of_the_json_is_documented(output: Path) -> None:
    found = sections(DOCS / "reference" / "json.md")
    document = last_record(Folder(output)).conversion.as_json()
    assert set(document) == set(documented(found["The answer"]))
    for heading, entry in {
        "weeks": document["weeks"][0],
        "segments, channels": document["segments"][0],
        "segment_test, channel_test": document["segment_test"],
        "cohorts": document["cohorts"][0],
        "events": document["events"],
        "quality": document["quality"],
    }.items():
        assert set(entry) == set(documented(found[heading])), heading
    names = {name.removeprefix("days[].") for name in documented(found["first_loads"])}
    assert names == {*document["first_loads"], *document["first_loads"]["days"][0]}
    assert set(document["gaps"]) <= set(re.findall(r"`(\w+)`", found["gaps"]))


@pytest.mark.parametrize("name", ["run.json", "ledger.json", "state.json"])
def test_every_key_of_the_documents_is_documented(output: Path, name: str) -> None:
    import json

    section = sections(DOCS / "reference" / "json.md")[name]
    named = {part for words in re.findall(r"`([^`]+)`", section) for part in words.split(".")}
    named = {part.removesuffix("[]") for part in named}
    document = json.loads((output / name).read_text("utf-8"))
    assert set(keys(document)) <= named


def keys(document: Any) -> Iterator[str]:
    """The keys of a document, not those of the answer, the counts and the log format."""
    if isinstance(document, list):
        for each in document[:1]:
            yield from keys(each)
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in {
                "result",
                "counts",
                "total",
                "versions",
                "log_format",
                "rows",
                "figures",
            }:
                yield from keys(value)


def test_the_presets_are_documented_with_their_paths() -> None:
    section = sections(DOCS / "reference" / "log-format.md")["Presets"]
    paths, _ = section.split("\n| Preset | Trap |\n")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (`.*) \|$", paths, re.MULTILINE))
    assert set(rows) == set(presets())
    for name, row in rows.items():
        found = log_format(name, registered="registered", app_loaded="opened").fields
        columns = ("event", "timestamp", "initiator_id", "channel", "device_type")
        for column, cell in zip(columns, row.split(" | "), strict=True):
            assert re.findall(r"`([^`]+)`", cell) == [path_text(path) for path in found[column]]


# ---------------------------------------------------------------- errors


def error_sentences() -> Iterator[tuple[str, list[str]]]:
    """Where errors are raised, and the constant parts of what they say."""
    for module in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and _is_error(node.func):
                parts = [
                    " ".join(each.value.split()).strip(" '\";:(.")
                    for each in ast.walk(node.args[0])
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                ]
                if any(" " in part for part in parts):
                    yield f"{module.name}:{node.lineno}", [part for part in parts if " " in part]


def _is_error(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else ""
    return name.endswith("Error") and name[:-5] not in {"", "Value", "Attribute", "NotALog"}


def test_every_error_is_in_troubleshooting() -> None:
    """The page has the first words of one of the constant parts of each sentence.

    Files that an engine cannot decompress are decompressed for it, so Spark's refusal of .zst
    cannot occur.
    """
    page = " ".join(text_of(DOCS / "how-to" / "troubleshooting.md").split())
    sentences = dict(error_sentences())
    assert len(sentences) > 50
    beginnings = {
        where: [" ".join(part.split()[:4]) for part in parts] for where, parts in sentences.items()
    }
    assert not {
        where: sentences[where]
        for where, words in beginnings.items()
        if not any(each in page for each in words) and "Spark cannot read" not in words
    }


def test_every_message_in_troubleshooting_is_one_of_the_code() -> None:
    """Three words of it, one behind the other, are in a text of the code."""
    texts = (
        " ".join(node.value.split())
        for module in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    code = "\n".join(texts)
    messages = documented(text_of(DOCS / "how-to" / "troubleshooting.md"))
    known = [words for each in messages if len(words := each.replace("…", "").split()) >= 6]
    assert len(known) > 80
    windows = {
        " ".join(words): [
            " ".join(words[n : n + 3]).strip("'\".,:;()") for n in range(len(words) - 2)
        ]
        for words in known
    }
    assert not [each for each, found in windows.items() if not any(w in code for w in found)]
