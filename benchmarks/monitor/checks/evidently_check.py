"""Evidently's preset for data drift; flagged where it counts any drifted column."""

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
from protocol import Check, answer


def prepare(reference: pd.DataFrame, rows: int) -> Check:
    def check(window: pd.DataFrame) -> bool:
        said = Report([DataDriftPreset()]).run(window, reference).dict()
        counts = [one["value"]["count"] for one in said["metrics"] if "DriftedColumnsCount" in str(one)]
        return counts[0] > 0

    return check


if __name__ == "__main__":
    answer(prepare)
