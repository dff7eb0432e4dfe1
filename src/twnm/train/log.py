"""The log of a training run: one JSON object per line in log.jsonl, also printed."""

import json
from pathlib import Path
from typing import Any


def write_row(folder: Path, row: dict[str, Any]) -> None:
    """Append a row (floats to four decimals) to FOLDER/log.jsonl and print it."""
    text = json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()})
    with (folder / "log.jsonl").open("a") as stream:
        stream.write(text + "\n")
    print(text, flush=True)
