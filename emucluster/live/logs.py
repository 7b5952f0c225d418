"""Each process of a cluster keeps its own log file in the instance's directory."""

import logging
import logging.handlers
from pathlib import Path

MAX_BYTES = 5_000_000


def log_to_file(path: Path) -> None:
    """Send this process's `emucluster` log to `path`, rotated once at 5 MB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger("emucluster")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False
