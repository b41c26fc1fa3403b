"""Adds to the site what stands elsewhere in the repository, and the pages that the code writes itself."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from headrace.site_pages import contract_reference, event_catalogue, from_the_root, within_docs

ROOT = Path(__file__).resolve().parents[1]
FROM_THE_ROOT = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs once it knows the files of docs/."""
    written = {name: from_the_root((ROOT / file).read_text(encoding="utf-8")) for name, file in FROM_THE_ROOT.items()}
    written |= {"events.md": event_catalogue(), "contract.md": contract_reference()}
    for name, text in written.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Called by MkDocs for each page."""
    return within_docs(markdown) if "/" not in page.file.src_uri else markdown
