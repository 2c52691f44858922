"""The raw events: which files hold them, what kind each is, and their records as lines of JSON."""

from user_conversion.inputs.content import Content, Kind, NotALogError
from user_conversion.inputs.convert import LineFile, as_lines
from user_conversion.inputs.files import Found, InputFile, PassedOver, find_files
from user_conversion.inputs.kinds import recognise
from user_conversion.inputs.lines import count_lines, line_batches, longest_line, sample
from user_conversion.inputs.preparation import Prepared, prepare

__all__ = [
    "Content",
    "Found",
    "InputFile",
    "Kind",
    "LineFile",
    "NotALogError",
    "PassedOver",
    "Prepared",
    "as_lines",
    "count_lines",
    "find_files",
    "line_batches",
    "longest_line",
    "prepare",
    "recognise",
    "sample",
]
