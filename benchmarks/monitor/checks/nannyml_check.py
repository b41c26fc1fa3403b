"""NannyML's univariate drift by Jensen and Shannon's distance; flagged where any column alerts."""

import nannyml
import pandas as pd
from protocol import Check, answer


def prepare(reference: pd.DataFrame, rows: int) -> Check:
    # Its thresholds come from chunks of the reference that are as large as what is judged, if there are enough.
    size = min(rows, len(reference) // 10)
    calculator = nannyml.UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=size)
    calculator.fit(reference)

    def check(window: pd.DataFrame) -> bool:
        result = calculator.calculate(window).filter(period="analysis").to_df()
        return bool(result.xs("alert", axis=1, level=-1).to_numpy().any())

    return check


if __name__ == "__main__":
    answer(prepare)
