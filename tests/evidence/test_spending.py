"""All epochs together spend α, and only names with enough evidence are named."""

import doctest
import importlib

import pytest

from shared.evidence import e_bh, spending


def test_the_examples_in_the_documentation_are_true() -> None:
    assert doctest.testmod(importlib.import_module("shared.evidence.spending")).failed == 0


def test_all_epochs_together_spend_alpha() -> None:
    assert sum(spending(0.05, epoch) for epoch in range(1, 20_000)) == pytest.approx(0.05, abs=1e-5)
    with pytest.raises(ValueError, match="counted from 1"):
        spending(0.05, 0)


def test_names_need_evidence_for_all_that_stand_above_them() -> None:
    assert e_bh({}, 0.05) == []
    assert e_bh({"a": 39.9, "b": 1.0}, 0.05) == []
    assert e_bh({"a": 40.0, "b": 1.0}, 0.05) == ["a"]
    assert e_bh({"b": 21.0, "a": 21.0}, 0.05) == ["a", "b"]
