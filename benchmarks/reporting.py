"""What every benchmark's report is made of: lines beside what is asked, and the files that stand beside each other."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table: what is asked, what was measured; None where it could not be."""

    what: str
    asked: str
    measured: float | None
    met: bool | None
    note: str = ""


def write(
    said: Mapping[str, Any],
    page: Callable[[Mapping[str, Any], str], str],
    draw: Callable[[Mapping[str, Any], Path], None],
    target: Path,
) -> None:
    """Write the JSON, and the page and the picture beside it; print the page's tables."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    picture = target.with_suffix(".png")
    draw(said, picture)
    text = page(said, picture.name)
    target.with_suffix(".md").write_text(text, encoding="utf-8")
    print("\n".join(line for line in text.splitlines() if line.startswith("|")), flush=True)
    print(f"==> {target}, and a page and a picture beside it", flush=True)
