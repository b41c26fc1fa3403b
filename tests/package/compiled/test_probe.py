"""The last number that goes left is found to the last bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from shared.package.compiled.probe import LARGEST, largest_where, to_single

numbers = some.floats(allow_nan=False, allow_infinity=False)


@given(some.lists(numbers, min_size=1, max_size=5), some.floats(1e-6, 1e6), some.floats(-1e6, 1e6))
def test_beyond_it_the_function_is_above_the_split(splits: list[float], over: float, minus: float) -> None:
    wanted = np.array(splits)

    def left(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.asarray((x - minus) / over <= wanted)

    found = largest_where(left, len(splits))
    inner = np.isfinite(found)
    assert left(np.where(inner, found, -LARGEST))[inner].all()
    with np.errstate(over="ignore"):
        above = np.nextafter(found, np.inf)
    assert not left(np.where(inner & np.isfinite(above), above, LARGEST))[inner].any()
    assert not left(np.full(len(splits), -LARGEST))[found == -np.inf].any()
    assert left(np.full(len(splits), LARGEST))[found == np.inf].all()


@given(numbers)
def test_a_split_between_two_float32_is_found(split: float) -> None:
    found = largest_where(lambda x: to_single(x) <= split, 1)[0]
    if np.isfinite(found):
        assert to_single(np.array(found)) <= split
        with np.errstate(over="ignore"):
            assert to_single(np.nextafter(np.array(found), np.inf)) > split
