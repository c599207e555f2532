"""Other people's logs, each format read and replayed by a module of its own.

Each has `replay(runtime, clock, folder, limit)`, which records the runs of a data set and returns
how many they are. Time is that of the data, as far as they tell it.
"""

import gzip
import json
from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """What a compressed JSON file holds."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)
