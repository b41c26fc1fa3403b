"""The one process that loads a pickle, and ends: `python -m headrace.unpickle_once FOLDER`, never imported.

Loading a pickle runs whatever its author put in. So a person has to ask for it, it happens in a process without our
settings, and what comes out is a skops file that the caller checks against the fixed list before it loads a thing.
"""

import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.exceptions import InconsistentVersionWarning

from headrace.import_model import ASKED, PICKLE, SCORES, SKOPS
from services.trainer.foreign import foreign_scores
from services.trainer.rows import features_of
from shared.contract import Contract
from shared.package import PackageRefused, to_frame


def main(folder: Path) -> None:
    """Load the pickle, write it as skops, and write what the original answers for the rows in the job."""
    warnings.simplefilter("error", InconsistentVersionWarning)
    asked: dict[str, Any] = json.loads((folder / ASKED).read_bytes())
    contract = Contract.model_validate(asked["contract"])
    with (folder / PICKLE).open("rb") as stream:
        model = pickle.load(stream)  # noqa: S301 - the purpose of this process, at the user's explicit word
    skops.io.dump(model, folder / SKOPS)
    np.save(folder / SCORES, foreign_scores(contract, model, to_frame(features_of(contract), asked["columns"])))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except PackageRefused as refused:
        # The caller shows the last line: the refusal itself, without the name of its class.
        sys.exit(str(refused))
