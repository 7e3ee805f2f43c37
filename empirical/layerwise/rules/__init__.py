"""What the gradient of an argument looks like in each operation of a backward pass.

A rule takes an operation, df/dh at its result h and the place of the samples there, and returns
the gradients of all samples with respect to one argument of the operation. All that it needs is
what the operation has saved for its own backward. ``sample_by_sample`` serves any operation.
"""

from empirical.layerwise.rules import arithmetic, convolution, embedding, linear, normalization
from empirical.layerwise.rules.anything import sample_by_sample
from empirical.layerwise.rules.call import Call, Rule

__all__ = ["RULES", "Call", "Rule", "sample_by_sample"]

RULES = {
    **arithmetic.RULES,
    **convolution.RULES,
    **embedding.RULES,
    **linear.RULES,
    **normalization.RULES,
}
