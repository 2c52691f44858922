"""What a log of unknown layout is, and the command that reads it."""

from user_conversion.inputs.inspection.hints import advice, names_seen, other_preset
from user_conversion.inputs.inspection.inspection import Inspection, inspect

__all__ = ["Inspection", "advice", "inspect", "names_seen", "other_preset"]
