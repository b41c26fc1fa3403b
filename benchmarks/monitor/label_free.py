"""How well quality is known before labels are: New York's flights, scores alone against 5 % audited labels beside them.

Run by hand: `python -m benchmarks.monitor.label_free`. A model fitted on January and February scores April to December.
Each day closes a window of the last 28 (windows overlap; each draws an audit of its own, several times): what was its
Brier score? Also for windows of 1, 7 and 14 days, where 5 % are few labels. Prints one JSON report; exit status 1 when
a bound is broken.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.loop.flights_days import fit_scores, flights_contract, labelled_flights
from services.monitor.before_labels import estimate, expected_of
from services.monitor.frames import decided
from shared.contract import derive_policy

Floats = NDArray[np.float64]
AUDIT_SHARE, WINDOW = 0.05, 28
MOST_ERROR_RATIO, LEAST_COVERAGE, LEAST_CHUNKS = 0.4, 0.9, 200
