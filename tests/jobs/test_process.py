"""The command as a process: signals, streams, limits, permissions, paths and secrets."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from support.command import assert_refused, command, command_line, process
from support.datasets import assert_no_litter, contents
from support.logs import app_loaded, registered, write_log

SENTENCE = (
    "user-conversion: interrupted; the previous output is unchanged, unless this run had published "
    "already.\n"
)
FIGURES = ("user_conversion", "weekly_summary", "user_registration", "app_loaded")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [registered("2020-11-02T06:21:14Z", 1), app_loaded("2020-11-11T10:13:42Z", 1)]
    return write_log(tmp_path / "log.json", lines)


# ---------------------------------------------------------------- signals


def interrupted(options: list[object], seconds: float, number: int) -> tuple[int, str, float]:
    """The exit status, standard error, and the seconds between the signal and the end."""
    with subprocess.Popen(
        command_line("run", *options, "--full-refresh"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        time.sleep(seconds)
        run.send_signal(number)
        begun = time.monotonic()
        error = run.communicate(timeout=60)[1]
        return run.returncode, error, time.monotonic() - begun


def interrupt_often(tmp_path: Path, output: Path, users: int, times: int, *more: object) -> None:
    """Each signal ends the run with the sentence; the output is that of a whole run."""
    log = write_log(
        tmp_path / "log.json",
        [
            *(registered("2020-11-02T06:21:14Z", user) for user in range(users)),
            app_loaded("2020-11-10T06:21:14Z", 1),
        ],
    )
    options = ["--input", log, "--output", output, *more]
    begun = time.monotonic()
    assert process("run", *options).status == 0
    duration, random = time.monotonic() - begun, Random(20201102)
    figures = {name: contents(output / name) for name in FIGURES}
    hits = 0
    for _ in range(times):
        number = random.choice([signal.SIGINT, signal.SIGTERM])
        # Before that, Python itself is starting.
        status, error, _ = interrupted(options, random.uniform(0.4, max(duration, 1)), number)
        assert status == 0 or (status, error) == (130, SENTENCE), (number, status, error)
        hits += status == 130
        assert not (output / ".staging").exists() or status == 130
        assert {name: contents(output / name).keys() for name in FIGURES} == {
            name: files.keys() for name, files in figures.items()
        }
    assert hits >= times / 3
    assert process("run", *options).status == 0
    assert_no_litter(output)


def test_a_signal_at_any_moment(tmp_path: Path, output: Path) -> None:
    interrupt_often(tmp_path, output, 50_000, 20)


@pytest.mark.spark
@pytest.mark.long
def test_a_signal_at_any_moment_of_spark(tmp_path: Path, output: Path) -> None:
    interrupt_often(tmp_path, output, 100, 2, "--engine", "spark", "--master", "local[1]")


def test_a_signal_while_the_reader_of_standard_output_waits(log: Path, output: Path) -> None:
    """The pipe is full, so the process waits in a system call."""
    options = ["--input", log, "--output", output]
    assert command("run", *options).status == 0
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 4096)
    with subprocess.Popen(
        command_line("report", "--output", output, "--format", "json"),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        time.sleep(2)
        assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        error = run.communicate(timeout=20)[1]
    os.close(reader)
    os.close(writer)
    assert (run.returncode, error) == (130, SENTENCE)


def test_a_signal_during_the_publication_waits_for_its_end(
    log: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from user_conversion.places.folders import output as output_folder

    def interrupted_roll_forward(*arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)
        roll_forward(*arguments)  # type: ignore[arg-type]

    roll_forward = output_folder.roll_forward
    monkeypatch.setattr(output_folder, "roll_forward", interrupted_roll_forward)
    with pytest.raises(KeyboardInterrupt):
        from user_conversion import run

        run(input=log, output=output)
    assert json.loads((output / "run.json").read_text())["command"] == "run"
    assert not (output / ".staging").exists()


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("blocking", [True, False])
def test_standard_output_that_does_not_block_loses_nothing(
    tmp_path: Path, output: Path, blocking: bool
) -> None:
    lines = [registered("2020-11-02T06:21:14Z", user, f"{user:0300}") for user in range(400)]
    lines.append(app_loaded("2020-11-30T06:21:14Z", 1))
    log = write_log(tmp_path / "log.json", lines)
    options = ["--output", output, "--by", "channel"]
    assert command("run", "--input", log, *options).status == 0
    asked = ("conversion-rate", *options, "--format", "json")
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with (
        subprocess.Popen(command_line(*asked), stdout=writer) as run,
        os.fdopen(reader, "rb") as pipe,
    ):
        os.close(writer)
        time.sleep(1.5)  # until the pipe is full
        printed = pipe.read()
    assert run.returncode == 0
    assert len(printed) > 4096
    assert json.loads(printed)["total_registered"] == 400


def test_closed_standard_streams_are_not_an_error(log: Path, output: Path) -> None:
    shell = 'exec "$@" <&- >&- 2>&-'
    words = command_line("run", "--input", log, "--output", output)
    done = subprocess.run(["sh", "-c", shell, "sh", *words])
    assert done.returncode == 0
    assert (output / "report.html").exists()
    assert json.loads((output / "run.json").read_text())["command"] == "run"


def test_a_sentence_that_nobody_can_read(output: Path) -> None:
    words = command_line("run", "--output", output, "--as-of", "never")
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run(words, stderr=full).returncode == 2


def test_quiet_leaves_errors_only(tmp_path: Path, log: Path, output: Path) -> None:
    (tmp_path / "notes.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    options = ["--input", tmp_path, "--output", output]
    assert "notes.png" in command("run", *options).err
    quiet = command("run", *options, "--quiet", "--full-refresh")
    assert (quiet.status, quiet.err) == (0, "")
    assert "Conversion rate" in quiet.out
    assert_refused(command("run", "--input", tmp_path / "no", "--output", output, "--quiet"), "no")


def test_a_name_forges_no_line(tmp_path: Path, output: Path) -> None:
    name = "a.json\nuser-conversion: done\x1b[2J\u202e"
    for path in (tmp_path / name, tmp_path / "logs" / name):
        done = process("run", "--input", path, "--output", output)
        assert_refused(done, "a.json")
        assert "\x1b" not in done.err and "\u202e" not in done.err
    write_log(tmp_path / "logs" / name, [registered("2020-11-02T06:21:14Z", 1)])
    (tmp_path / "logs" / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    done = process("run", "--input", tmp_path / "logs", "--output", output / name)
    assert done.status == 0
    assert "\nuser-conversion: done" not in done.err + done.out
    assert "\x1b" not in done.err + done.out


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("megabytes", [60, 100, 400, 700])
def test_without_memory_there_is_a_sentence(log: Path, output: Path, megabytes: int) -> None:
    shell = f'ulimit -v {megabytes << 10}; exec "$@"'
    words = command_line("run", "--input", log, "--output", output)
    done = subprocess.run(["sh", "-c", shell, "sh", *words], capture_output=True, text=True)
    (sentence,) = done.stderr.splitlines()
    if done.returncode == 127:  # glibc ends a process that has no room for one more thread
        assert sentence.startswith("cannot allocate memory for thread-local data")
    else:
        assert done.returncode == 1
        assert sentence.startswith("user-conversion: Not enough memory")


def test_without_threads_there_is_a_sentence(log: Path, output: Path) -> None:
    """A terminal's progress bar needs a thread."""
    limited = (
        "import threading, sys\n"
        'def start(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = start\n"
        "from user_conversion.__main__ import main\n"
        "main()"
    )
    python, *_ = command_line()
    words = [python, "-c", limited, "run", "--input", str(log), "--output", str(output)]
    terminal, end = pty.openpty()
    shown: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(terminal, shown))
    reader.start()
    done = subprocess.run(words, stderr=end, stdout=subprocess.DEVNULL)
    os.close(end)
    reader.join()
    os.close(terminal)
    assert b"Traceback" not in b"".join(shown)
    assert (done.returncode, b"threads" in b"".join(shown)) in ((1, True), (0, False))


def test_what_takes_long_leaves_a_line_on_a_terminal(log: Path, output: Path) -> None:
    """Every phase, if nothing is too short to be shown; nothing with --quiet."""
    impatient = (
        "from user_conversion.places import progress\n"
        "progress.PATIENCE = 0.0\n"
        "from user_conversion.__main__ import main\n"
        "main()"
    )
    python, *_ = command_line()
    words = [python, "-c", impatient, "run", "--input", str(log), "--output", str(output)]
    shown = on_a_terminal(words)
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in shown.split("\n")]
    stay = [line.rpartition("\r")[2] for line in (each.rstrip("\r") for each in lines)]
    phases = [
        match[1] for line in stay if (match := re.fullmatch(r"([A-Z][a-z ]+): \d+\.\d s", line))
    ]
    assert phases == [
        *("Looking for files", "Looking for new lines", "Converting files"),
        *(
            "Reading unusual lines one by one",
            "Reading events",
            "Writing days",
            "Computing the conversion",
            "Publishing",
        ),
    ]
    assert on_a_terminal([*words, "--full-refresh", "--quiet"]) == ""


def on_a_terminal(words: Sequence[str | bytes]) -> str:
    """What a command shows on standard error, which is a terminal."""
    terminal, end = pty.openpty()
    shown: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(terminal, shown))
    reader.start()
    done = subprocess.run(words, stderr=end, stdout=subprocess.DEVNULL)
    os.close(end)
    reader.join()
    os.close(terminal)
    assert done.returncode == 0
    return b"".join(shown).decode()


def _read_all(terminal: int, shown: list[bytes]) -> None:
    try:
        while some := os.read(terminal, 4096):
            shown.append(some)
    except OSError:  # the other end is closed
        return


def test_a_time_stamp_far_in_the_future(log: Path, output: Path) -> None:
    os.utime(log, (910_692_730_085, 910_692_730_085))  # in the year 30828, where it can be kept
    for _ in range(2):
        assert command("run", "--input", log, "--output", output).status == 0


# ---------------------------------------------------------------- permissions and links


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_the_output_follows_umask_and_setgid(log: Path, output: Path, umask: int) -> None:
    output.mkdir()
    output.chmod(0o2775)
    words = command_line("run", "--input", log, "--output", output)
    assert subprocess.run(words, umask=umask, stdout=subprocess.DEVNULL).returncode == 0
    below = list(output.rglob("*"))
    assert {path.is_dir() for path in below} == {True, False}
    for path in below:
        expected = (0o2777 if path.is_dir() else 0o666) & ~umask
        assert oct(stat.S_IMODE(path.stat().st_mode)) == oct(expected), path


@pytest.mark.parametrize("name", [".lock", ".staging"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_the_output_is_not_followed(
    tmp_path: Path, log: Path, output: Path, name: str, there: bool
) -> None:
    target = tmp_path / "precious"
    if there and name == ".staging":
        write_log(target / "new" / "a", ["x"])
    elif there:
        target.write_text("x")
    before = contents(target) if target.is_dir() else there and target.read_text()
    output.mkdir()
    (output / name).symlink_to(target)
    done = command("run", "--input", log, "--output", output)
    assert_refused(done, output / name, "link")
    assert target.exists() == there
    assert before == (contents(target) if target.is_dir() else there and target.read_text())


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize("written", ["~/in", "$HOME/in", "${HOME}/in"])
@pytest.mark.parametrize("where", ["variable", "project file"])
def test_home_in_a_variable_or_the_project_file(
    tmp_path: Path, log: Path, written: str, where: str
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    log.rename(home / "in")
    values = {"input": written, "output": written.replace("in", "out")}
    environment = {"HOME": str(home)}
    if where == "variable":
        environment |= {f"USER_CONVERSION_{key.upper()}": text for key, text in values.items()}
        options: list[object] = []
    else:
        file = tmp_path / "project.toml"
        file.write_text("".join(f"{key} = {text!r}\n" for key, text in values.items()))
        options = ["--config", file]
    done = process("run", *options, **environment)
    assert done.status == 0, done.err
    assert (home / "out" / "run.json").exists()
    assert str(home / "out") in done.out


def test_what_the_shell_has_expanded_is_not_expanded_again(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("$HOME", "./~", "~nobody-of-this-name", str(tmp_path / "~" / "~")):
        assert command("run", "--input", log, "--output", name).status == 0
        assert (tmp_path / name / "run.json").exists()
        assert (tmp_path / name / "user_conversion").exists()


def test_without_a_home_there_is_a_sentence(log: Path, output: Path) -> None:
    assert process("run", "--input", log, "--output", output, HOME="").status == 0
    done = process("run", "--input", log, "--output", "~/out", HOME="")
    assert_refused(done, "~/out", "HOME", status=2)
    done = process("run", "--input", log, USER_CONVERSION_OUTPUT="$NO_SUCH/out")
    assert_refused(done, "NO_SUCH", status=2)


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "options",
    [
        ["--engine", "spark", "--master", "sc://127.0.0.1:1/;token=hunter2"],
        ["--engine", "spark", "--master", "spark://me:hunter2@127.0.0.1:1"],
        ["--engine", "duckdb", "--conf", "spark.hadoop.fs.s3a.secret.key=hunter2"],
        ["--engine", "spark", "--master", "sc://127.0.0.1:1/;password=hunter2", "--verbose"],
    ],
)
def test_secrets_are_not_printed(log: Path, output: Path, options: list[str]) -> None:
    if "spark" in options:
        pytest.importorskip("pyspark")
    done = process("run", "--input", log, "--output", output, *options, PYTHONWARNINGS="")
    assert done.status in (1, 2)
    assert done.err.startswith("user-conversion: ")
    assert "hunter2" not in done.out + done.err
