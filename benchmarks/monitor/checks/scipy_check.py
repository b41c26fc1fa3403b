"""A loop over the columns with scipy: Kolmogorov and Smirnov for numbers, χ² for texts; flagged where any p < .05."""

import pandas as pd
from protocol import Check, answer
from scipy import stats


def prepare(reference: pd.DataFrame, rows: int) -> Check:
    def check(window: pd.DataFrame) -> bool:
        flagged = False
        for name in window:
            if name[0] == "n":
                p = stats.ks_2samp(reference[name].to_numpy(), window[name].to_numpy()).pvalue
            else:
                counts = pd.concat([reference[name].value_counts(), window[name].value_counts()], axis=1).fillna(0)
                p = stats.chi2_contingency(counts.to_numpy().T).pvalue
            flagged |= bool(p < 0.05)
        return flagged

    return check


if __name__ == "__main__":
    answer(prepare)
