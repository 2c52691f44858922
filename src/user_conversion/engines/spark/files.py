"""Paths as Spark reads and writes them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from user_conversion.inputs.input_file import InputFile
from user_conversion.inputs.lines import LineFile, count_lines

# Options of Spark's writers for Hadoop's file systems.
WRITE_OPTIONS = {
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Hadoop's usual local file system puts a checksum file beside each file, and starts a process,
    # chmod, for each of them: most of the time that hundreds of small files take.
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
FILE = "file-"
ENDINGS = {"none": ".json", "gzip": ".json.gz"}


def linked(files: Sequence[LineFile], folder: Path) -> dict[str, LineFile]:
    """The files by the name that they have in a column `file` if folders in `folder` are read.

    Empty files are left out.

    There is a folder for each compression, partitioned by that name. It holds links: Spark skips
    files whose names begin with `_` or `.`, takes others for patterns, and decompresses by the
    ending.
    """
    names = {}
    for place, file in enumerate(files):
        if not file.size:
            continue
        name = f"{FILE}{place}"
        link = folder / file.compression / f"file={name}" / f"lines{ENDINGS[file.compression]}"
        link.parent.mkdir(parents=True)
        link.symlink_to(file.path.absolute())
        names[name] = file
    return names


def file_place(name: str) -> int:
    """The place of a file among those that were linked, by its name."""
    return int(name.removeprefix(FILE))


def move(written: Path, folder: Path) -> None:
    """Take over the data files of a Spark write, under names that do not change with each run."""
    folder.mkdir(parents=True)
    for here in [written, *(path for path in written.iterdir() if path.is_dir())]:
        target = folder / here.relative_to(written)
        target.mkdir(exist_ok=True)
        for number, file in enumerate(sorted(here.glob("*.parquet"))):
            # The scratch folder may be on another file system.
            shutil.move(file, target / f"part-{number}.parquet")
    shutil.rmtree(written)


def require_readable(files: Sequence[LineFile]) -> None:
    """Raise an error with the name of a file that cannot be read: Spark does not name it."""
    for file in files:
        if file.compression != "none":
            count_lines([file])
        InputFile.at(file.path)


def uri(path: Path) -> str:
    """A local path as Spark writes to it."""
    return f"file:{path.absolute()}"


def pattern(path: Path) -> str:
    """A pattern that matches this path alone, as Spark reads from it."""
    return re.sub(r"[\\{}\[\]*?]", r"\\\g<0>", uri(path))
