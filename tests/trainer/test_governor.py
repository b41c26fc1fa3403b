"""One run per use case at a time; every refusal says why."""

from services.trainer.governor import Standing, govern


def test_a_known_use_case_with_nothing_open_may_start() -> None:
    verdict = govern("toy", "a person asked", Standing(known=True))
    assert verdict.start
    assert verdict.reason == "a person asked"


def test_a_use_case_without_a_contract_is_declined() -> None:
    verdict = govern("toy", "drift", Standing(known=False))
    assert not verdict.start
    assert verdict.reason == "declined, because no contract was applied for toy yet"


def test_a_second_run_beside_an_open_one_is_declined_and_names_it() -> None:
    verdict = govern("toy", "drift", Standing(known=True, open_runs=("run-1",)))
    assert not verdict.start
    assert "run-1" in verdict.reason
