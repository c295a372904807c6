"""What the site takes from outside docs/: README and other pages, notebooks, and each file that a page links to."""

from __future__ import annotations

import base64
import json
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = {
    "README.md": "overview.md",
    "README.zh-CN.md": "overview-zh-cn.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Pages of the repository that stand elsewhere on the site."""
OTHERS: Final = "repository"
"""Where the site keeps the other files that its pages link to."""

_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(?=[)#])")
_FENCED: Final = re.compile(r"^(```.*?^```$)", flags=re.MULTILINE | re.DOTALL)


def site_path(path: str) -> str:
    """Where a file of the repository stands on the site.

    Args:
        path: its path in the repository, with `/`.

    Returns:
        Its path among the site's sources.

    Example:
        >>> site_path("docs/see.md"), site_path("README.md"), site_path("LICENSE")
        ('see.md', 'overview.md', 'repository/LICENSE.txt')
    """
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in PAGES:
        return PAGES[path]
    if path.endswith(".ipynb"):
        return str(Path(path).with_suffix(".md").as_posix())
    return f"{OTHERS}/{path}" if Path(path).suffix else f"{OTHERS}/{path}.txt"


def linked(text: str, page: str) -> set[str]:
    """The files of the repository that a page links to.

    Args:
        text: the page's Markdown.
        page: the page's path in the repository.
    """
    parts = _FENCED.split(text)[::2]
    return {_target(page, found[1]) for part in parts for found in _LINK.finditer(part)}


def relinked(text: str, page: str) -> str:
    """A page of the repository with its links as they are on the site; what stands in fences stays as it is."""
    here = posixpath.dirname(site_path(page))

    def moved(found: re.Match[str]) -> str:
        return posixpath.relpath(site_path(_target(page, found[1])), here or ".")

    parts = _FENCED.split(text)
    return "".join(part if number % 2 else _LINK.sub(moved, part) for number, part in enumerate(parts))


def page_of_notebook(notebook: Mapping[str, Any]) -> str:
    """A notebook as Markdown: its text, its code, and what the code printed and drew.

    Args:
        notebook: what an `.ipynb` file holds.
    """
    return "\n\n".join(part for cell in notebook["cells"] for part in _parts_of(cell)) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what stands outside docs/: pages with their links mended, and what they link to as it is."""
    texts = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    wanted = {*filter(_is_there, PAGES), *_notebooks(), *_outside(texts)}
    while wanted:
        path = wanted.pop()
        if _is_page(path):
            texts[path] = _markdown(path)
            files.append(File.generated(config, site_path(path), content=relinked(texts[path], path)))
            wanted |= {
                found for found in _outside({path: texts[path]}) if files.get_file_from_path(site_path(found)) is None
            }
        else:
            files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend the links of a page of docs/; generated ones are mended already."""
    del config, files
    return markdown if page.file.generated_by else relinked(markdown, f"docs/{page.file.src_uri}")


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _outside(texts: Mapping[str, str]) -> set[str]:
    """The files outside docs/ that pages link to; a link that leads nowhere is left for the build to find."""
    found = {target for page, text in texts.items() for target in linked(text, page)}
    return {path for path in found if not path.startswith("docs/") and _is_there(path)}


def _is_there(path: str) -> bool:
    return (ROOT / path).is_file()


def _is_page(path: str) -> bool:
    return path.endswith((".md", ".ipynb"))


def _notebooks() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def _markdown(path: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    return page_of_notebook(json.loads(text)) if path.endswith(".ipynb") else text


def _parts_of(cell: Mapping[str, Any]) -> Iterable[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        yield from _shown(output)


def _shown(output: Mapping[str, Any]) -> Iterable[str]:
    """The richest form of an output that a page can show: a figure, else what a terminal would."""
    data = output.get("data", {})
    if "image/png" in data:
        image = "".join(data["image/png"]).replace("\n", "")
        base64.b64decode(image, validate=True)  # what is not base64 must not become part of a page
        yield f"![Figure](data:image/png;base64,{image})"
        return
    text = "".join(output.get("text", data.get("text/plain", ())))
    if text.strip():
        yield f"```text\n{text.rstrip()}\n```"
