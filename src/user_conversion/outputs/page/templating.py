"""The template engine of the page and its charts. It escapes every text."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

# A misspelt name in a template is an error, rather than an empty part of a chart.
TEMPLATES = Environment(
    loader=PackageLoader("user_conversion.outputs.page"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
