"""What judging costs: estimates, prices and the limit."""

from pathlib import Path

import pytest

from harness.endpoint.prices import Price, load_prices
from harness.errors import UserError
from harness.judge.budget import (
    LETTERS_A_TOKEN,
    REPLY_TOKENS,
    Budget,
    estimate,
    price_of,
    tokens_of,
)
from harness.judge.contract import JudgeCard, Reply
from tests.support.requests import asking

DEAR = Price(1e6, 1e6)
"""A dollar a token."""


def of(tokens: int) -> str:
    return "x" * round(tokens * LETTERS_A_TOKEN)


def test_tokens_are_estimated_from_the_letters_and_the_form_up_to_max_tokens() -> None:
    assert tokens_of(asking(of(100), form="pair", max_tokens=None)) == (100, REPLY_TOKENS["pair"])
    assert tokens_of(asking(of(100), form="pair", max_tokens=5)) == (100, 5)
    assert estimate([asking(of(10)), asking(of(20))]) == (2, 30, 16)
    assert estimate([]) == (0, 0, 0)


def test_the_longest_name_that_a_model_begins_with_sets_its_price() -> None:
    prices = {"gpt-4": Price(1, 1), "gpt-4o": Price(2, 2), "gpt-4o-mini": Price(3, 3)}
    for model, price in (("gpt-4o-2024-08-06", 2), ("gpt-4-0613", 1), ("gpt-4o-mini", 3)):
        assert price_of(JudgeCard(f"openai:{model}", model), prices) == Price(price, price)
    assert price_of(JudgeCard("openai:unheard-of", "unheard-of"), prices) is None


@pytest.mark.parametrize("spec", ["rules", "transformers:gpt-4"])
def test_a_judge_without_an_endpoint_costs_nothing(spec: str) -> None:
    assert price_of(JudgeCard(spec, "gpt-4"), load_prices()) == Price(0, 0)


def test_lines_of_the_users_table_stand_over_the_built_in_ones(tmp_path: Path) -> None:
    built_in = load_prices()
    name = next(iter(built_in))
    (tmp_path / "prices.yaml").write_text(f"{name}: [1, 2]\nmine: [3.5, 4]\n")
    assert load_prices(tmp_path / "prices.yaml") == built_in | {name: Price(1, 2), "mine": Price(3.5, 4)}


@pytest.mark.parametrize("text", ["- 1", "a: 1", "a: [1]", "a: [1, x]", "a: [1", "\x00"])
def test_what_is_no_price_table_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(UserError, match=r"prices\.yaml: is no price table"):
        load_prices(tmp_path / "prices.yaml")


def test_what_does_not_fit_is_left_out_and_what_is_smaller_still_passes() -> None:
    budget = Budget(DEAR, limit=100)
    sizes = [50, 60, 20, 1]
    passed = list(budget.passing(asking(of(size), max_tokens=0) for size in sizes))
    assert [tokens_of(one)[0] for one in passed] == [50, 20, 1]
    assert budget.left_out == 1


def test_what_a_call_took_less_than_its_estimate_is_free_for_the_next() -> None:
    budget = Budget(DEAR, limit=100)
    requests = [asking(of(80), sample=f"q{number}", max_tokens=0) for number in range(3)]
    for request in budget.passing(requests):
        budget.pay(request, Reply("yes", "m", 10, 5))
    assert budget.spent == pytest.approx(30)
    assert budget.left_out == 1


def test_a_failed_call_costs_nothing_and_one_without_usage_its_estimate() -> None:
    budget = Budget(DEAR, limit=None)
    failed, silent = budget.passing([asking(of(30)), asking(of(40))])
    budget.pay(failed, None)
    assert budget.spent == 0
    budget.pay(silent, Reply("yes", "m"))
    assert budget.spent == pytest.approx(48)


def test_a_limit_needs_a_price() -> None:
    with pytest.raises(UserError, match="--judge-prices"):
        Budget(None, limit=1.0)
    budget = Budget(None)
    (request,) = budget.passing([asking("?")])
    budget.pay(request, Reply("yes", "m", 1, 1))
    assert budget.spent == 0
