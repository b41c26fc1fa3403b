"""The page of what folds is what folds."""

from pathlib import Path

import pytest

from headrace.compiled_page import page

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_the_page_of_compiled_models_is_what_folding_them_says() -> None:
    assert (ROOT / "docs" / "compiled.md").read_text(encoding="utf-8") == page()
