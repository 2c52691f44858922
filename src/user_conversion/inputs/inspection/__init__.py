"""What a log of unknown layout is, and the command that reads it."""

from user_conversion.inputs.inspection.hints import advice, names_seen, other_preset
from user_conversion.inputs.inspection.inspection import Inspection, inspect
from user_conversion.inputs.inspection.samples import Records, records_of, spread

__all__ = [
    "Inspection",
    "Records",
    "advice",
    "inspect",
    "names_seen",
    "other_preset",
    "records_of",
    "spread",
]
