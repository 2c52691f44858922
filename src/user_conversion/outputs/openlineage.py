"""The last run as an event of OpenLineage, for data catalogs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from user_conversion.answer.record import RunRecord
from user_conversion.outputs.csv_json import json_text
from user_conversion.rules import datasets
from user_conversion.rules.addresses import is_address, split_address
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.rules.log_format import attributes_of, id_type

SPEC = "https://openlineage.io/spec"


def as_openlineage(record: RunRecord) -> str:
    """The event COMPLETE: inputs, and outputs with their columns and rows."""
    split, ended = record.jobs.split, record.run_at + timedelta(seconds=record.seconds)
    producer = f"urn:user-conversion:{record.versions.get('user-conversion')}"

    def facet(name: str, of: str, **content: Any) -> dict[str, Any]:
        schema = f"{SPEC}/facets/1-0-0/{of}.json#/$defs/{of}"
        return {name: {"_producer": producer, "_schemaURL": schema} | content}

    outputs = []
    for dataset, rows in _outputs(record):
        columns = [{"name": name, "type": kind} for name, kind in dataset.columns.items()]
        schema = facet("schema", "SchemaDatasetFacet", fields=columns)
        written = facet("outputStatistics", "OutputStatisticsOutputDatasetFacet", rowCount=rows)
        named = _named(f"{record.output}/{dataset.name}")
        outputs.append(named | {"facets": schema, "outputFacets": written})
    event = {
        "eventType": "COMPLETE",
        "eventTime": ended.isoformat(),
        "producer": producer,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid5(NAMESPACE_URL, f"{record.output} {record.run_at}"))},
        "job": {"namespace": "user-conversion", "name": record.command},
        "inputs": [_named(path) for path in (split.parameters.input if split else ())],
        "outputs": outputs,
    }
    return json_text(event)


def _named(place: str) -> dict[str, str]:
    """The namespace and the name of a dataset; a path is that of the working folder."""
    if is_address(place):
        return dict(zip(("namespace", "name"), split_address(place), strict=True))
    return {"namespace": "file", "name": str(Path(place).absolute())}


def _outputs(record: RunRecord) -> Iterator[tuple[Dataset, int]]:
    """The datasets that the command published, and the rows of each."""
    if not (split := record.jobs.split):
        return
    result, how = record.conversion, split.parameters.log_format
    columns, total = (attributes_of(how.fields), id_type(how.ids)), split.total or result.events
    events = datasets.event_datasets(*columns, how.kinds)
    if record.command != CONVERSION:
        for kind, dataset in zip(how.kinds, events, strict=True):
            yield dataset, getattr(total, kind)
        yield datasets.REJECTED_EVENTS, total.rejected
    if record.command != SPLIT:
        yield datasets.user_conversion(*columns), result.total_registered
        yield datasets.WEEKLY_SUMMARY, len(result.weeks)
