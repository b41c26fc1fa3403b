"""whylogs' profiles and its drift scores; flagged where any column is in the category DRIFT."""

import pandas as pd
import whylogs
from protocol import Check, answer
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores


def prepare(reference: pd.DataFrame, rows: int) -> Check:
    known = whylogs.log(pandas=reference).profile().view()

    def check(window: pd.DataFrame) -> bool:
        seen = whylogs.log(pandas=window).profile().view()
        scores = calculate_drift_scores(target_view=seen, reference_view=known, with_thresholds=True)
        return any(score and score["drift_category"] == "DRIFT" for score in scores.values())

    return check


if __name__ == "__main__":
    answer(prepare)
