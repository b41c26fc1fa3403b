"""What is written is what is read."""

from collections.abc import Callable
from pathlib import Path

from sklearn.pipeline import Pipeline

from shared.package import Content, predict_scores, read_package


def test_a_package_reads_back_as_it_was_written(
    toy_package: tuple[Path, str], toy_model: Pipeline, content_of: Callable[..., Content]
) -> None:
    package = read_package(toy_package[0])
    content = content_of(toy_model)
    assert package.manifest.digest == toy_package[1]
    assert package.profile == content.profile
    assert package.reference() == content.reference
    frame = package.golden.frame(package.manifest.features)
    scores = predict_scores(package.load_model(), "binary", frame, package.manifest.classes)
    assert [tuple(row) for row in scores.tolist()] == list(package.golden.scores)


def test_demand_lists_each_block_with_its_true_volume(toy_package: tuple[Path, str]) -> None:
    days = read_package(toy_package[0]).demand().days
    assert [day.block for day in days] == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
    assert {(day.volume, len(day.scores)) for day in days} == {(100, 100)}
