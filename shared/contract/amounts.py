"""Turns the decimal text of a money amount into exact integer minor units, and back."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

# ISO 4217: how many digits the minor unit has. Others may be added, or the contract says `minor_digits` itself.
MINOR_DIGITS = {
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "INR"), 2),
    **dict.fromkeys(("MXN", "NOK", "NZD", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR"), 2),
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "VND"), 0),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}
LARGEST_AMOUNT = Decimal(1_000_000_000)
# Events carry sums up to 2^53 minor units: thousands of cases at their worst.
MOST_MINOR_PER_CASE = 10**12
LARGEST_TEXT = 40
MOST_DIGITS = 6


def parse_amount(raw: object) -> Decimal:
    """The exact amount that was written, without trailing zeros: 5.00, 5 and "5.0" are the same contract.

    >>> parse_amount("0.60"), parse_amount(Decimal("5.00")), parse_amount(0.1)
    (Decimal('0.6'), Decimal('5'), Decimal('0.1'))
    """
    if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal):
        raise PydanticCustomError("amount", "must be an amount of money")
    # The repr of a float is what was written in JSON; its binary value is not.
    text = repr(raw) if isinstance(raw, float) else str(raw).strip()
    try:
        amount = Decimal(text) if len(text) <= LARGEST_TEXT and "_" not in text else Decimal("NaN")
    except InvalidOperation:
        raise PydanticCustomError("amount", "must be an amount of money in decimal digits") from None
    if not amount.is_finite() or abs(amount) > LARGEST_AMOUNT:
        raise PydanticCustomError("amount", "must be an amount between -1000000000 and 1000000000")
    if amount == 0:
        return Decimal(0)
    if not fits(amount, MOST_DIGITS):
        raise PydanticCustomError("amount", "must have at most 6 decimal digits")
    plain = amount.normalize()
    return plain.quantize(Decimal(1)) if int(plain.as_tuple().exponent) > 0 else plain


Amount = Annotated[
    Decimal,
    BeforeValidator(parse_amount),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str),
    Field(json_schema_extra={"x-allowed": "money in the contract's currency, e.g. 0.60; a negative amount is a gain"}),
]


def fits(amount: Decimal, digits: int) -> bool:
    """Whether the currency has a coin that small.

    >>> fits(Decimal("0.60"), 2), fits(Decimal("0.605"), 2)
    (True, False)
    """
    return amount == round(amount, digits)


def to_minor(amount: Decimal, digits: int) -> int:
    """The amount in minor units, exactly; ValueError where it has more digits than the currency.

    >>> to_minor(Decimal("0.60"), 2)
    60
    """
    if not fits(amount, digits):
        raise ValueError(f"{amount} has more than {digits} decimal digits")
    return int(amount.scaleb(digits))
