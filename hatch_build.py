"""The description of the package for an index: README.md, whose links lead into the repository from anywhere."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# A block of code, which stays as it is, or the target of a link.
PARTS = re.compile(r"^```.*?^```$|(?<=\]\()(?P<link>[^)\s]+)(?=\))", re.DOTALL | re.MULTILINE)


def absolute(text: str, repository: str, ref: str, root: Path, folder: str = "") -> str:
    """Markdown with each link within the project as one to its file at that tag or branch of the repository.

    ``folder`` is where the page is, relative to the root; links that stay in it are left as they are.
    """

    def change(part: re.Match[str]) -> str:
        link = part["link"]
        if link is None or link.startswith("#") or re.match(r"[a-z]+:", link):
            return part[0]
        path, mark, anchor = link.partition("#")
        path = posixpath.normpath(posixpath.join(folder, path))
        if folder and path.startswith(f"{folder}/"):
            return link
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"{repository}/{kind}/{ref}/{path}{mark}{anchor}"

    return PARTS.sub(change, text)


class Description(MetadataHookInterface):
    """Adds the field ``readme``, which pyproject.toml names as dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling, for each artefact."""
        root = Path(self.root)
        version = re.search(r'^__version__ = "(.+)"$', (root / "src/batonmq/version.py").read_text(), re.MULTILINE)
        assert version is not None
        text = (root / "README.md").read_text(encoding="utf-8")
        # At the tag of the release: what it describes stays what it is.
        described = absolute(text, metadata["urls"]["Homepage"], f"v{version[1]}", root)
        metadata["readme"] = {"content-type": "text/markdown", "text": described}
