"""The floor: DuckDB only parses the JSON, keeping the five fields that the job needs."""

from __future__ import annotations

import json
import sys

import duckdb


def main(log: str) -> None:
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    query = """
        select count(event), count(timestamp), count(initiator_id),
               count(channel), count(device_type)
        from read_json($log, format = 'newline_delimited', ignore_errors = true, columns = {
            event: 'VARCHAR', timestamp: 'VARCHAR', initiator_id: 'VARCHAR',
            channel: 'VARCHAR', device_type: 'VARCHAR'
        })
    """
    print(json.dumps({"values": connection.execute(query, {"log": log}).fetchone()}))


if __name__ == "__main__":
    main(sys.argv[1])
