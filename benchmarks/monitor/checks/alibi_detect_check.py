"""alibi-detect's tabular test with its Bonferroni correction; flagged where it says drift."""

import numpy as np
import pandas as pd
from alibi_detect.cd import TabularDrift
from protocol import Check, answer


def prepare(reference: pd.DataFrame, rows: int) -> Check:
    texts = [place for place, name in enumerate(reference) if name[0] == "c"]
    levels = {
        name: {level: code for code, level in enumerate(sorted(set(reference[name])))}
        for name in reference
        if name[0] == "c"
    }

    def coded(frame: pd.DataFrame) -> np.ndarray:
        columns = [
            frame[name].map(levels[name]).to_numpy(float) if name in levels else frame[name].to_numpy()
            for name in frame
        ]
        return np.column_stack(columns)

    test = TabularDrift(coded(reference), p_val=0.05, categories_per_feature=dict.fromkeys(texts))

    def check(window: pd.DataFrame) -> bool:
        return bool(test.predict(coded(window))["data"]["is_drift"])

    return check


if __name__ == "__main__":
    answer(prepare)
