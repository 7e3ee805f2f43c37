r"""Products of derivatives of w at a few Gaussian units, and sums of them.

One product is written as a text of digits for each unit, the orders of its derivatives in
increasing order: ("001", "1") is w(u)^2 w'(u) w'(u'), ("", "00") is w(u')^2. A ``Sum`` maps
products to their coefficients. Differentiation is Leibniz's rule; how the expectation of a
sum moves with the covariance Lambda of the units is Price's theorem,

    dE[F]/dLambda_ab = E[F_ab]    for a != b,        dE[F]/dLambda_aa = E[F_aa] / 2 .
"""

from __future__ import annotations

__all__ = ["Product", "Sum", "by_covariance", "keys", "slope", "times"]

Product = tuple[str, ...]
Sum = dict[Product, float]


def times(*factors: Sum) -> Sum:
    """The product of sums.

    Example:
        >>> times({("0", ""): 2.0}, {("0", "1"): 1.0, ("", "0"): 1.0})
        {('00', '1'): 2.0, ('0', '0'): 2.0}
    """
    found: Sum = {("",) * len(next(iter(factors[0]))): 1.0}
    for factor in factors:
        new: Sum = {}
        for p, c in found.items():
            for q, d in factor.items():
                both = tuple(_sorted(a + b) for a, b in zip(p, q, strict=True))
                new[both] = new.get(both, 0.0) + c * d
        found = new
    return found


def slope(terms: Sum, unit: int) -> Sum:
    """The derivative by the pre-activation of one unit.

    Example:
        >>> slope({("00", "1"): 1.0}, 0)
        {('01', '1'): 2.0}
    """
    new: Sum = {}
    for product, c in terms.items():
        digits = product[unit]
        for place, digit in enumerate(digits):
            raised = digits[:place] + str(int(digit) + 1) + digits[place + 1 :]
            both = (*product[:unit], _sorted(raised), *product[unit + 1 :])
            new[both] = new.get(both, 0.0) + c
    return new


def by_covariance(terms: Sum, a: int, b: int) -> Sum:
    """The derivative of the expectation by Lambda_ab, by Price's theorem.

    Example:
        >>> by_covariance({("00", ""): 1.0}, 0, 0)  # E[w'^2 + w w'']
        {('11', ''): 1.0, ('02', ''): 1.0}
    """
    half = 0.5 if a == b else 1.0
    twice = slope(slope(terms, a), b)
    return {product: half * c for product, c in twice.items()}


def keys(*sums: Sum) -> frozenset[Product]:
    """All products that occur."""
    return frozenset(product for terms in sums for product in terms)


def _sorted(digits: str) -> str:
    return "".join(sorted(digits))
