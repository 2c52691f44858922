"""The report: one page that needs no network, and the same figures for a sheet or a message."""

from __future__ import annotations

from pathlib import Path

from user_conversion.errors import SettingsError

FORMATS = ("html", "csv", "json", "md")
PAGE = "report.html"


def write_report(output: Path, format: str = "html", file: Path | None = None) -> Path | None:  # noqa: A002
    """Write the report on an output folder and say where; None if it went to standard output.

    The page goes to `report.html` in the output folder unless `file` says otherwise; the other
    formats go to standard output unless it does. Raises `DatasetError` if the folder holds no
    conversion, `OutputError` if the file cannot be written.
    """
    text = render_report(output, format)
    target = file or (output / PAGE if format == "html" else None)
    if target is None:
        print(text, end="")
        return None
    _write(target, text)
    return target


def render_report(output: Path, format: str = "html") -> str:  # noqa: A002
    """The report on an output folder as text."""
    if format == "html":
        from user_conversion.report.figures import read_figures
        from user_conversion.report.page import render

        return render(read_figures(output))
    from user_conversion.report import exports
    from user_conversion.report.stored import StoredRun

    writers = {"csv": exports.as_csv, "json": exports.as_json, "md": exports.as_markdown}
    if format not in writers:
        raise SettingsError(f"--format {format}: choose one of {', '.join(FORMATS)}.")
    return writers[format](StoredRun.load(output))


def _write(target: Path, text: str) -> None:
    """Write a file whole or not at all."""
    from user_conversion.publication import output_errors

    with output_errors(target):
        begun = target.with_name(f".{target.name}.begun")
        begun.write_text(text, encoding="utf-8")
        begun.replace(target)
