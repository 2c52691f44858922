"""Write tests/golden/VERSION: output folders of this version, which later versions must read.

python scripts/golden.py VERSION

Run it once for each version that is released, in the environment `dev`, and commit the folders.
Never make the folders of an older version again.
"""

import shutil
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
# The output has absolute paths in it. This one says nothing about the machine.
WORK = Path("/tmp/golden")
# Each engine with one type of ids.
OUTPUTS = {"duckdb": "integer-ids", "spark": "text-ids"}


def main() -> None:
    (version,) = sys.argv[1:]
    target = GOLDEN / version
    shutil.copytree(GOLDEN / "logs", WORK / "logs")
    try:
        for engine, log_format in OUTPUTS.items():
            shutil.copy(GOLDEN / f"{log_format}.toml", WORK)
            output = f"{engine}-{log_format}"
            run(engine, log_format, output, "logs/night-1")
            run(engine, log_format, output, "logs/night-1", "logs/night-2")
            # It names the machine, and the next run makes it again.
            (WORK / output / ".lock").unlink()
            shutil.copytree(WORK / output, target / output)
    finally:
        shutil.rmtree(WORK)


def run(engine: str, log_format: str, output: str, *inputs: str) -> None:
    command = [sys.executable, "-m", "user_conversion", "run", "--engine", engine]
    command += ["--log-format", f"{log_format}.toml", "--output", output]
    command += ["--max-rejected", "1", "--no-report", *(f"--input={each}" for each in inputs)]
    subprocess.run(command, cwd=WORK, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
