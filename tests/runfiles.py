"""Run files made and read by hand, as another program would: without the library's own codec."""

import json
import platform
from pathlib import Path
from typing import Any
from zlib import crc32

TIME = "2026-01-19T18:42:16Z"


def path_of(traces: Path, run_id: str) -> Path:
    return traces / "runs" / f"{run_id}.jsonl"


def write(traces: Path, run_id: str, *lines: bytes) -> Path:
    """A run file of these lines."""
    path = path_of(traces, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def plain(record: dict[str, Any]) -> bytes:
    """A line without a checksum."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def sealed(record: dict[str, Any]) -> bytes:
    """A line with one."""
    return sealed_body(plain(record)[:-2])


def sealed_body(body: bytes) -> bytes:
    """The same, of what comes before the checksum."""
    return body + b',"crc":"%08x"}\n' % crc32(body)


def unsealed(line: bytes) -> dict[str, Any]:
    """The record in a line, whose checksum is right."""
    body, _, crc = line.rpartition(b',"crc":"')
    assert crc == b'%08x"}\n' % crc32(body), line
    record: dict[str, Any] = json.loads(line)
    assert record.popitem()[0] == "crc"
    return record


def started(seq: int = 1, **fields: Any) -> dict[str, Any]:
    """By a writer of this computer, whose lock is not there."""
    record = {"type": "run_started", "goal_id": "goal", "timestamp": TIME, "run_id": "made"}
    return record | {"host": platform.node(), "writer": "w_1", "seq": seq} | fields


def decided(number: int, seq: int, **fields: Any) -> dict[str, Any]:
    record = {"type": "decision", "id": f"dec_{number}", "timestamp": TIME, "intent": "decide"}
    return record | {"run_id": "made", "seq": seq} | fields


def came_out(number: int, seq: int, **fields: Any) -> dict[str, Any]:
    record = {"type": "outcome", "decision_id": f"dec_{number}", "success": True}
    return record | {"timestamp": TIME, "run_id": "made", "seq": seq} | fields


def ended(seq: int, **fields: Any) -> dict[str, Any]:
    record = {"type": "run_ended", "status": "completed", "timestamp": TIME, "run_id": "made"}
    return record | {"seq": seq} | fields


def whole_run(decisions: int = 2) -> list[dict[str, Any]]:
    """All records of a run."""
    pairs = [(decided(n, 2 * n + 2), came_out(n, 2 * n + 3)) for n in range(decisions)]
    middle = [record for pair in pairs for record in pair]
    return [started(), *middle, ended(2 * decisions + 2)]
