"""A block's rows become a mean excess loss and counts in fixed bins, whatever the rows hold."""

import math

import numpy as np
import pytest

from services.monitor.block_statistics import Kind, add, excess_losses, summarise, with_loss_bins
from shared.package.profile import score_bins

EDGES = score_bins(np.full((1, 1), 0.5))[0].edges
BINARY = Kind("binary", ("no", "yes"), (EDGES,), (0.0, 0.5))
THREE = Kind("multiclass", ("a", "b", "c"), (EDGES,) * 3, (0.0,))
NUMBER = Kind("regression", (), (EDGES,), (0.0, 1.0))


def test_golden_numbers_of_the_excess_loss() -> None:
    scores = np.array([[0.8], [0.8], [0.3]])
    losses = excess_losses(BINARY, scores, ["yes", "no", None], [None] * 3)
    assert losses == pytest.approx([0.04 - 0.16, 0.64 - 0.16])
    (loss,) = excess_losses(THREE, np.array([[0.5, 0.3, 0.2]]), ["b"], [None])
    assert loss == pytest.approx(0.25 + 0.49 + 0.04 - (0.25 + 0.21 + 0.16))
    assert excess_losses(NUMBER, np.array([[3.0], [1.0]]), [None] * 2, [1.0, None]).tolist() == [4.0]


def test_calibrated_scores_have_no_excess_however_hard_the_rows() -> None:
    random = np.random.default_rng(0)
    for chances in (random.beta(1, 8, 40_000), random.beta(5, 5, 40_000)):
        labels = np.where(random.random(40_000) < chances, "yes", "no").tolist()
        assert abs(excess_losses(BINARY, chances[:, None], labels, [None] * 40_000).mean()) < 0.004


def test_a_block_with_enough_labels_has_a_loss_and_counts_all_its_rows() -> None:
    found = summarise(BINARY, "d", [[0.25]] * 20, ["no"] * 12 + [None] * 8, [None] * 20)
    assert (found.rows, found.labelled, found.reason) == (20, 12, None)
    assert found.loss == pytest.approx(0.0625 - 0.1875)
    assert sum(found.score_counts[0]) == 20
    assert sum(found.loss_counts) == 12


def test_labels_of_fewer_than_half_of_the_rows_give_no_loss() -> None:
    found = summarise(BINARY, "d", [[0.25]] * 40, ["no"] * 19 + [None] * 21, [None] * 40)
    assert (found.loss, found.has_scores, found.reason) == (None, True, None)


@pytest.mark.parametrize("kind", [BINARY, THREE, NUMBER], ids=["binary", "multiclass", "regression"])
@pytest.mark.parametrize(
    "scores",
    [[], [[0.5]], [None] * 30, [[math.nan]] * 30, [[math.inf], [-math.inf]] * 15, [[0.5, 0.5]] * 30, [[]] * 30],
    ids=["empty", "one row", "null", "nan", "infinite", "too wide", "no scores"],
)
def test_awkward_blocks_are_answered_with_a_reason(kind: Kind, scores: list[list[float] | None]) -> None:
    found = summarise(kind, "d", scores, ["yes"] * len(scores), [math.inf] * len(scores))
    assert found.loss is None
    assert found.reason == f"block d has {found.rows} usable rows, at least 10 are needed"


def test_strange_labels_are_no_labels() -> None:
    found = summarise(BINARY, "d", [[0.5]] * 20, ["maybe"] * 20, [None] * 20)
    assert (found.labelled, found.loss) == (0, None)


def test_days_add_up_to_a_week() -> None:
    one = summarise(BINARY, "a", [[0.2]] * 10, ["no"] * 10, [None] * 10)
    two = summarise(BINARY, "b", [[0.2]] * 30, ["yes"] * 30, [None] * 30)
    silent = summarise(BINARY, "c", [[0.9]] * 5, [None] * 5, [None] * 5)
    week = add("w", [one, two, silent])
    assert (week.rows, week.labelled, sum(week.score_counts[0]), sum(week.loss_counts)) == (45, 40, 45, 40)
    assert one.loss is not None
    assert two.loss is not None
    assert week.loss == pytest.approx((one.loss * 10 + two.loss * 30) / 40)
    assert add("w", [silent]).loss is None


def test_loss_bins_come_from_the_reference_even_from_an_empty_or_constant_one() -> None:
    assert with_loss_bins(BINARY, np.array([])).loss_edges == ()
    assert len(with_loss_bins(BINARY, np.ones(50)).loss_edges) == 2
    assert len(with_loss_bins(BINARY, np.linspace(0, 1, 100)).loss_edges) >= 32
