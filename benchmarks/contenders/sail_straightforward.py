"""The straightforward job for Spark, as it is, on Sail.

python sail_straightforward.py LOG OUTPUT
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pysail.spark import SparkConnectServer


def main(log: str, output: str) -> None:
    server = SparkConnectServer()
    server.start(background=True)
    host, port = server.listening_address
    remote = os.environ | {"SPARK_REMOTE": f"sc://{host}:{port}", "PYTHONWARNINGS": "ignore"}
    job = Path(__file__).with_name("spark_straightforward.py")
    subprocess.run([sys.executable, job, log, output], env=remote, check=True)
    server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
