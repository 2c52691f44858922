"""Where Spark reads and writes: files that all its processes see, or objects in a store."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from user_conversion.inputs.compression import GZIP, NONE, PARQUET
from user_conversion.inputs.input_file import InputFile, is_hidden
from user_conversion.inputs.lines import LineFile, count_lines

if TYPE_CHECKING:
    from user_conversion.places.stores.remote import Remote

NO_MARK = {"mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
FILE = "file-"
# Spark decompresses by the ending.
ENDINGS = {NONE: ".json", GZIP: ".json.gz", PARQUET: ".parquet"}
COMPRESSED = (".gz", ".bz2", ".deflate", ".snappy", ".lz4", ".lzo", ".zst", ".zstd", ".xz", ".br")


class SharedFiles:
    """Files at paths that the driver and the executors see."""

    write_options: ClassVar[Mapping[str, str]] = NO_MARK | {
        # Hadoop's usual local file system puts a checksum file beside each file, and starts a
        # process, chmod, for each of them: most of the time that hundreds of small files take.
        "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "fs.file.impl.disable.cache": "true",
    }

    def uri(self, path: Path) -> str:
        """A path as Spark writes to it."""
        return f"file:{path.absolute()}"

    def name(self, files: Sequence[LineFile], folder: Path) -> dict[str, int]:
        """Prepare files for `lines`; return their places by their names in the column `file`.

        Empty files are left out.

        There is a folder for each compression, partitioned by that name. It holds links: Spark
        skips files whose names begin with `_` or `.`, takes others for patterns, and decompresses
        by the ending.
        """
        places = {f"{FILE}{place}": place for place, file in enumerate(files) if file.size}
        for name, place in places.items():
            file = files[place]
            link = folder / file.compression / f"file={name}" / f"lines{ENDINGS[file.compression]}"
            link.parent.mkdir(parents=True)
            link.symlink_to(file.path.absolute())
        return places

    def lines(self, reader: Any, names: Sequence[str], folder: Path) -> Any:
        """The lines of the files that have names: the columns `value` and `file`."""
        folders = (folder / compression for compression in (NONE, GZIP))
        texts = (reader.text(escaped(self.uri(path))) for path in folders if path.exists())
        return reduce(lambda some, more: some.union(more), texts)

    def rows(self, reader: Any, names: Sequence[str], folder: Path) -> Any:
        """The rows of the Parquet files that have names, with the column `file`."""
        folder = folder / PARQUET
        links = (escaped(self.uri(folder / f"file={name}")) for name in names)
        return reader.option("basePath", self.uri(folder)).parquet(*links)

    def move(self, written: Path, folder: Path) -> None:
        """Take over what Spark wrote, under names that do not change with each run."""
        folder.mkdir(parents=True)
        for here in [written, *(path for path in written.iterdir() if path.is_dir())]:
            target = folder / here.relative_to(written)
            target.mkdir(exist_ok=True)
            for number, file in enumerate(sorted(here.glob("*.parquet"))):
                # The scratch folder may be on another file system.
                shutil.move(file, target / f"part-{number}.parquet")
        shutil.rmtree(written)


class Objects(SharedFiles):
    """Objects in stores, which the executors reach themselves."""

    write_options = NO_MARK

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def uri(self, path: Path) -> str:
        """See `SharedFiles.uri`."""
        return self._remote.address(path)

    def name(self, files: Sequence[LineFile], folder: Path) -> dict[str, int]:
        """See `SharedFiles.name`. What Spark cannot read where it is becomes an object here."""
        places, to_put = {}, {}
        for place, file in enumerate(files):
            if not file.size:
                continue
            if file.address and _is_readable(file.address, file.compression):
                address = self._remote.hadoop_address(file.address)
            else:
                target = folder / f"{FILE}{place}{ENDINGS[file.compression]}"
                address, to_put[target] = self.uri(target), file.path
            places[_encoded(address)] = place
        self._remote.put(to_put)
        return places

    def lines(self, reader: Any, names: Sequence[str], folder: Path) -> Any:
        """See `SharedFiles.lines`."""
        text = reader.text([escaped(unquote(name)) for name in names])
        return text.selectExpr("value", "_metadata.file_path AS file")

    def rows(self, reader: Any, names: Sequence[str], folder: Path) -> Any:
        """See `SharedFiles.rows`."""
        rows = reader.parquet(*(escaped(unquote(name)) for name in names))
        return rows.drop("file").selectExpr("*", "_metadata.file_path AS file")

    def move(self, written: Path, folder: Path) -> None:
        """See `SharedFiles.move`."""
        self._remote.take_over(written, folder)


def _is_readable(address: str, compression: str) -> bool:
    """Whether Spark reads an object, and as what it is."""
    name = address.rpartition("/")[2]
    is_named_so = {
        NONE: not name.lower().endswith(COMPRESSED),
        GZIP: name.endswith(".gz"),
        PARQUET: True,
    }
    return is_named_so[compression] and not is_hidden(name)


def _encoded(address: str) -> str:
    """An address as Java writes a URI, and Spark the path of a file."""
    return re.sub(
        r'[\x00-\x20"#%<>?\[\\\]^`{|}\x7f]', lambda match: f"%{ord(match[0]):02X}", address
    )


def require_readable(files: Sequence[LineFile]) -> None:
    """Raise an error with the name of a file that cannot be read: Spark does not name it."""
    for file in files:
        if file.compression == GZIP:
            count_lines([file])
        InputFile.at(file.path)


def escaped(uri: str) -> str:
    """A pattern that matches this path alone, as Spark reads from it."""
    return re.sub(r"[\\{}\[\]*?]", r"\\\g<0>", uri)
