"""What a package says of itself beside pyproject.toml: its page, and where the project is.

`HOME_PAGE` is the address of the repository, on a host whose files are at HOME/blob/TAG and HOME/raw/TAG. With it,
the metadata has links, and those of README.md work on the page of a package index, too. Without it, a package has none:
it was not made for an index.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?\[[^]]*\]\()(?![a-z]+:|#)")
"""The beginning of a link in Markdown to a file of the repository; an exclamation mark makes it a picture."""
PAGES = {
    "Documentation": "blob/{tag}/README.md#documentation",
    "Changelog": "blob/{tag}/CHANGELOG.md",
    "Issues": "issues",
}


def readme_text(text: str, home: str, tag: str) -> str:
    """Return README.md with links that work elsewhere. `home`: an address; without it the text stays as it is."""
    if not home:
        return text
    return LINK.sub(lambda link: f"{link[1]}{home}/{'raw' if link[1][0] == '!' else 'blob'}/{tag}/", text)


def project_urls(home: str, tag: str) -> dict[str, str]:
    """Return the links of a package by name; none without `home`."""
    if not home:
        return {}
    return {"Source": home} | {name: f"{home}/{page.format(tag=tag)}" for name, page in PAGES.items()}


class PackageMetadata(MetadataHookInterface):
    """Fills the fields that pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the fields."""
        home, tag = os.environ.get("HOME_PAGE", "").rstrip("/"), f"v{metadata['version']}"
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme_text(text, home, tag)}
        metadata["urls"] = project_urls(home, tag)
