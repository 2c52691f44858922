"""All files of a run as newline-delimited JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from user_conversion.inputs.compression import NONE, PARQUET, LogStream, compression_at
from user_conversion.inputs.convert import Conversion
from user_conversion.inputs.fingerprint import Content, fingerprint
from user_conversion.inputs.input_file import InputFile, SkippedFile
from user_conversion.inputs.kinds.content import Lines, NotALogError
from user_conversion.inputs.kinds.json_files import as_object
from user_conversion.inputs.kinds.parquet import row_count
from user_conversion.inputs.lines import LineFile, bytes_between, count_lines
from user_conversion.inputs.reading_plan import FileToRead, KnownFile
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import UTF_8, LogFormat

EXAMPLES = 3


@dataclass
class Prepared:
    """The lines to read in order, the inputs they come from, and the files that are not logs.

    `inputs` are as they will be known, with nothing counted yet; `plan` has them as found;
    `begun` has, by the place of an input, its last lines as they were when not finished.
    """

    files: list[LineFile] = field(default_factory=list)
    inputs: list[KnownFile] = field(default_factory=list)
    plan: list[FileToRead] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    begun: dict[int, list[bytes]] = field(default_factory=dict)

    def add(self, more: Prepared) -> None:
        """Add what was prepared later."""
        first = len(self.inputs)
        self.files += (replace(file, origin=first + file.origin) for file in more.files)
        self.begun |= {first + place: lines for place, lines in more.begun.items()}
        self.inputs += more.inputs
        self.plan += more.plan
        self.skipped += more.skipped


def prepare(
    to_read: Sequence[FileToRead],
    log_format: LogFormat,
    engine_compressions: frozenset[str],
    scratch: Path,
    named: Collection[Path] = (),
    copied: Collection[Path] = (),
) -> Prepared:
    """Files as newline-delimited JSON; those that are converted or `copied` are in `scratch`.

    A file is read up to the size that it has in `to_read`. Raises `InputError` if a file cannot
    be read, or one of those `named` is not a log.
    """
    conversion = Conversion(log_format, engine_compressions, scratch)
    prepared = Prepared()
    for each in to_read:
        try:
            _add(prepared, conversion, each, each.file.path in named, each.file.path in copied)
        except NotALogError as error:
            if each.file.path in named:
                raise
            prepared.skipped.append(SkippedFile(error.source, error.reason))
    return prepared


def _add(
    prepared: Prepared, conversion: Conversion, new: FileToRead, is_named: bool, is_copied: bool
) -> None:
    path, source = new.file.path, source_name(new.file)
    origin, can_grow, goes_on_at = len(prepared.inputs), True, None
    members: list[Content] = []
    if new.known is None and not is_copied:
        content = conversion.recognise(path, source)
        if content.is_foreign and not is_named:
            raise NotALogError(source, "JSON without a field of an event")
        can_grow = isinstance(content.kind, Lines) and content.encoding == UTF_8
        for found in conversion.files(path, source, content):
            if isinstance(found, SkippedFile):
                prepared.skipped.append(found)
            else:
                prepared.files.append(_counted(found[0], new, origin))
                goes_on_at = found[0].goes_on_at
                members += [found[0].member] if found[0].member else []
    else:
        known, end = 0, new.file.size if compression_at(path, source) == NONE else None
        if new.known and new.known.unfinished_at is not None:
            before = content_between(path, new.known.unfinished_at, new.known.content.size)
            prepared.begun[origin], known = conversion.unfinished(before)
        lines = conversion.added_lines(path, source, new.start, end, known)
        prepared.files.append(_counted(lines, new, origin))
        if lines.goes_on_at is not None:
            goes_on_at = new.start + lines.goes_on_at
    prepared.inputs.append(_known(new, can_grow, goes_on_at, members))
    prepared.plan.append(new)


def _counted(file: LineFile, new: FileToRead, origin: int) -> LineFile:
    """The lines of a file with their number, which is counted if the file is converted."""
    is_itself = file.path.resolve() == new.file.path.resolve()
    address = new.file.name if is_itself and new.file.is_object else None
    if file.compression == PARQUET:
        lines = row_count(file.path, file.source)
    else:
        lines = new.lines if is_itself else count_lines([file])[0]
    return replace(file, lines=lines, origin=origin, address=address)


def _known(
    new: FileToRead, can_grow: bool, goes_on_at: int | None, members: Sequence[Content]
) -> KnownFile:
    content, print_ = new.fingerprint.content, new.fingerprint
    unfinished = goes_on_at if can_grow else None
    if can_grow and not print_.ends_in_line:
        last = content_between(new.file.path, print_.last_line_at, content.size)
        if as_object(last) is None:
            places = (goes_on_at, print_.last_line_at)
            unfinished = min(place for place in places if place is not None)
    return KnownFile(
        path=new.file.name,
        size=new.file.size,
        modified_ns=new.file.modified_ns,
        tag=new.file.tag,
        sources=(source_name(new.file),),
        content=content,
        event=new.event,
        can_grow=can_grow,
        ends_in_line=print_.ends_in_line,
        unfinished_at=unfinished,
        members=tuple(members),
    )


def prepare_again(
    known: Iterable[tuple[KnownFile, Path]],
    log_format: LogFormat,
    engine_compressions: frozenset[str],
    scratch: Path,
) -> list[LineFile]:
    """What was read before of files that are now at some paths, as newline-delimited JSON."""
    conversion = Conversion(log_format, engine_compressions, scratch)
    files = [file for each, path in known for file in _read_before(conversion, each, path)]
    return [replace(file, lines=count_lines([file])[0]) for file in files]


def _read_before(conversion: Conversion, known: KnownFile, path: Path) -> Iterator[LineFile]:
    source = known.sources[-1]
    if known.can_grow:
        yield conversion.added_lines(path, source, 0, known.content.size)
        return
    for found in conversion.files(path, source, conversion.recognise(path, source)):
        if not isinstance(found, SkippedFile):
            yield found[0]


def source_name(file: InputFile) -> str:
    """What people call a file. Bytes that are not UTF-8 are replaced."""
    return file.name.encode("utf-8", "replace").decode()


def content_between(path: Path, start: int, end: int) -> bytes:
    """Some bytes of a file's content."""
    with LogStream(path) as stream:
        return b"".join(bytes_between(stream, start, end))


def grown_files(prepared: Prepared) -> list[Path]:
    """The files to which lines were added since they were found.

    Raises `InputError` for other changes: lines can be added only to newline-delimited JSON that is
    not compressed.
    """
    pairs = zip(prepared.plan, prepared.inputs, strict=True)
    changed = [(new.file.path, known) for new, known in pairs if not new.file.is_unchanged()]
    for path, known in changed:
        is_plain = known.can_grow and compression_at(path) == NONE
        if not is_plain or fingerprint(path, known.size).content != known.content:
            raise InputError(f"'{path}' changed while it was read; run again.")
    return [path for path, _ in changed]


def require_logs(prepared: Prepared) -> None:
    """Raise `InputError` if no file is a log."""
    if prepared.files:
        return
    skipped = prepared.skipped
    examples = ", ".join(f"'{each.path}' ({each.reason})" for each in skipped[:EXAMPLES])
    raise InputError(
        f"No file is a log of events, of {len(skipped):,} in all, for example {examples}; "
        f"describe them with --log-format (user-conversion inspect '{skipped[0].path}' shows how)."
    )
