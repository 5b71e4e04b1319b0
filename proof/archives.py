"""Archives that the repository has: files as earlier versions wrote them."""

from __future__ import annotations

import tarfile
from pathlib import Path

__all__ = ["unpack"]


def unpack(archive: Path, folder: Path) -> None:
    """Put what is in it into the folder."""
    with tarfile.open(archive) as opened:
        # Python has filters since 3.11.4, and asks for one since 3.12.
        if hasattr(tarfile, "data_filter"):
            opened.extraction_filter = tarfile.data_filter
        opened.extractall(folder)
