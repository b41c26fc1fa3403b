"""What blocks are compared with is read from packages of any make, also from those that miss labels."""

from pathlib import Path

import pytest

from services.monitor.baseline import Baseline, Baselines
from shared.package import PackageStore
from shared.package.reference import Reference
from tests.monitor.test_drifting import CONTRACT, REFERENCE, REFERENCE_DAYS
from tests.registry.toy import make_toy


def baseline_of(folder: Path, reference: Reference) -> Baseline:
    folder.mkdir()
    toy, store = make_toy(folder, reference=reference), PackageStore(str(folder / "packages"))
    store.put(toy.path, toy.digest)
    return Baselines(store, folder / "cache").get(toy.digest)


def test_reference_rows_without_a_label_count_for_no_gap(tmp_path: Path) -> None:
    some = [row._replace(label=None) if row.position % 6 == 0 else row for row in REFERENCE.rows]
    gaps = baseline_of(tmp_path / "some", Reference(tuple(some))).cost_gaps(CONTRACT)
    assert len(gaps) == REFERENCE_DAYS
    rest = Reference(tuple(row for row in REFERENCE.rows if row.position % 6))
    assert gaps == pytest.approx(baseline_of(tmp_path / "rest", rest).cost_gaps(CONTRACT))
