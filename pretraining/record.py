"""What `pretraining.json` in a run folder says of a pretraining."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import RequestError

RECORD = "pretraining.json"
_OF_FINISHED = {"model": str, "corpus": dict, "relations": dict, "recipe": dict, "steps": int, "held_out": dict,
                "cost": dict, "device": str, "precision": str}  # fmt: skip


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of a pretraining: its `status` and `identity` and, if it is finished, all that it found.

    Raises:
        RequestError: the record cannot be read, or is damaged.
    """
    file = folder / RECORD
    record = read_json(file, OWN_LIMIT)
    needed = {"status": str, "identity": dict}
    if isinstance(record, dict) and record.get("status") == "finished":
        needed |= _OF_FINISHED
    whole = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in needed.items())
    if not whole or not record["identity"].get("evaluate_every"):
        raise RequestError(f"{file}: damaged; pretrain again with --overwrite, or choose another --name")
    return record
