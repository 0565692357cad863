"""Hooks of mkdocs, which builds the pages of this folder (`make docs`)."""

import tempfile
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

_ROOT = Path(__file__).resolve().parents[1]
_folder = tempfile.TemporaryDirectory(prefix="linkbert-docs-")  # removed when mkdocs ends


@event_priority(100)  # mkdocstrings reads its configuration in the same event
def on_config(config: Any) -> Any:
    """Give mkdocstrings a folder named `linkbert`: the folder of the repository may have any other name."""
    package = Path(_folder.name) / "linkbert"
    package.mkdir(exist_ok=True)
    for path in _ROOT.iterdir():
        link = package / path.name
        if (path.suffix == ".py" or (path / "__init__.py").is_file()) and not link.exists():
            link.symlink_to(path)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [_folder.name]
    return config
