"""What can be proved of an expression on the whole real line.

Enters: an expression of the room below (``analytic.expressions``). Leaves: statements that
hold at every real x, not at samples of it: enclosures of the range (interval arithmetic with
outward rounding), signs and zeros, suprema, orders of growth, kinks and jumps, the width of
the strip of analyticity, and whether Assumption 3.1 of Bowman and Montufar (2022) holds.
Where nothing can be proved the answer says so.

An expression becomes an activation only through here: ``from_text`` and ``from_sympy``
refuse what is not one real function with finitely many jumps and Gaussian moments.
"""

from analytic.proofs.admission import from_sympy, from_text
from analytic.proofs.asymptotics import tail
from analytic.proofs.cancelling_zeros import sharp_extended_values, sharp_values
from analytic.proofs.complex_enclosure import Rectangle, log_real_modulus, modulus
from analytic.proofs.extrema import Bound
from analytic.proofs.interval import supremum_between
from analytic.proofs.nonsmooth_points import branch, first_jump, jump, jumps, kinks
from analytic.proofs.smoothness import Answer, assumption, growth, lipschitz, parity, strip

__all__ = [
    "Answer",
    "Bound",
    "Rectangle",
    "assumption",
    "branch",
    "first_jump",
    "from_sympy",
    "from_text",
    "growth",
    "jump",
    "jumps",
    "kinks",
    "lipschitz",
    "log_real_modulus",
    "modulus",
    "parity",
    "sharp_extended_values",
    "sharp_values",
    "strip",
    "supremum_between",
    "tail",
]
