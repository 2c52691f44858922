"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

from user_conversion.options import PathOption, option, own
from user_conversion.settings import Settings

DEFAULTS = Settings()
Config = Annotated[
    PathOption,
    option("Project file: a TOML file whose keys are the options.", "FILE"),
]
# What follows the options is input, too: a shell expands --input logs/* to several words.
InputPath = Annotated[str, own("An input.", "PATH", show=False)]
Open = Annotated[bool, own("Open the page in the browser.")]
Format = Annotated[Literal["table", "json"], option("How to print the result.")]
