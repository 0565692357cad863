"""Uploading a run folder to the Hugging Face hub."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError, RunError
from ..models.hub import http_status
from .inspection import inspect_run
from .model_card import CARD, model_card, write_card
from .run_record import RUN_FILE, read_run
from .training_log import LOG_FILE

# What a model needs. Predictions hold gold labels of corpora that may not be published, and stay here.
_PATTERNS = (
    CARD, RUN_FILE, LOG_FILE, "config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*.json",
    "tokenizer.model", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "spiece.model",
)  # fmt: skip


@dataclass(frozen=True)
class Upload:
    """What was uploaded, or would be.

    Attributes:
        repo: the repository.
        files: file -> size in bytes.
        url: where it can be seen; None for a dry run.
    """

    repo: str
    files: dict[str, int]
    url: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the upload as a JSON object."""
        return asdict(self)


def push_run(
    run: str | Path, repo: str, *, results_dir: str | Path = "results", private: bool = False, dry_run: bool = False
) -> Upload:
    """Upload a finished run to a repository of the hub, which is made if it is missing.

    Args:
        run: a run folder.
        repo: the repository, `owner/name`.
        results_dir: the folder of results.
        private: whether a new repository is private.
        dry_run: only tell what would be uploaded.

    Raises:
        RequestError: there is no such finished run, the repository's name is malformed, or access is refused.
        RunError: the hub cannot be reached, or the upload failed.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    folder = Path(run)
    if repo.count("/") != 1:
        raise RequestError(f"--repo {repo}: expected owner/name")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise RequestError(f"--repo {repo}: {error}; write owner/name") from error
    read_run(folder)
    inspected = inspect_run(folder, results_dir)
    if not dry_run:
        write_card(folder, inspected.result)
    paths = sorted({path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()})
    files = {path.name: path.stat().st_size for path in paths}
    files[CARD] = len(model_card(inspected.result).encode())
    if not any(name.endswith(".safetensors") for name in files):
        raise RequestError(f"{folder}: the folder holds no weights; name a run folder with its model")
    if dry_run:
        return Upload(repo, files)
    return Upload(repo, files, _upload(folder, repo, list(files), private))


def _upload(folder: Path, repo: str, files: list[str], private: bool) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        done: Any = api.upload_folder(
            repo_id=repo, folder_path=folder, allow_patterns=files, commit_message="Upload a run of linkbert"
        )
    except Exception as error:
        # The hub's HTTP library changes between versions and raises errors of many types, so all of them are caught.
        status = http_status(error)
        if status in (401, 403):
            raise RequestError(
                f"{repo}: the hub refuses access (HTTP {status}); log in with `hf auth login`, or set HF_TOKEN to a "
                "token that may write there"
            ) from error
        what = f"HTTP {status}" if status is not None else "the hub cannot be reached"
        raise RunError(f"{repo}: the upload failed ({what}: {error}); try again") from error
    return str(done.commit_url).split("/commit/")[0]
