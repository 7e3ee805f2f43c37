"""What the gradient of a parameter looks like in each operation that may use it.

A rule takes the arguments of a torch function and returns, for every argument that may be a
parameter, that argument with a function of (df/dh, samples) that builds its ``Gradient``.
None means that the rule does not cover these arguments.
"""

from empirical.layerwise.rules import arithmetic, convolution, embedding, linear, normalization
from empirical.layerwise.rules.call import Rule, Share

__all__ = ["RULES", "Rule", "Share"]

RULES = {
    **arithmetic.RULES,
    **convolution.RULES,
    **embedding.RULES,
    **linear.RULES,
    **normalization.RULES,
}
