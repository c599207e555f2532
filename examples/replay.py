"""Replays real trajectories of other people's agents into run files.

    python examples/replay.py [DIRECTORY] [--data FOLDER] [--limit N]

Three data sets, where the folder has them (else this says so and does nothing); each has a module
of its own in `examples/trajectories`, which says what is recorded as what:

- `autogpt-benchmarks`: Auto-GPT, mini-agi and Turbo on one benchmark
- `tot-game24`: the Game of 24 by tree and by chain of thought, and crosswords
- `openhands`: coding agents, with times and tokens

`--limit` takes that many runs of each.
"""

import argparse
import os
from pathlib import Path

import anyio
from trajectories import benchmark, openhands, thoughts

from decisionlog import Runtime
from decisionlog.testing import FixedClock

SETS = {
    "autogpt-benchmarks": benchmark.replay,
    "tot-game24": thoughts.replay,
    "openhands": openhands.replay,
}


async def replay(directory: str, data: Path, limit: int) -> None:
    clock = FixedClock()  # a replay tells the time of its data
    async with Runtime(directory, clock=clock) as runtime:
        for name, replay_set in SETS.items():
            if (data / name).is_dir():
                print(f"{name}: {await replay_set(runtime, clock, data / name, limit)} runs")
    print(f"To look at them: decisionlog ls {directory}")


def main() -> None:
    beside = Path(__file__).parents[2] / "shared" / "data"
    default = Path(os.environ.get("DECISIONLOG_EXAMPLE_DATA", beside))
    parser = argparse.ArgumentParser(description="Replay real trajectories into run files.")
    parser.add_argument("directory", nargs="?", default="traces")
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--limit", type=int, default=-1, help="runs of each kind")
    args = parser.parse_args()
    if args.data.is_dir():
        anyio.run(replay, args.directory, args.data, args.limit)
    else:
        print(f"There is no folder {args.data}, so nothing is replayed; --data names another.")


if __name__ == "__main__":
    main()
