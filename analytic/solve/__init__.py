"""The answer: row blocks shared out to threads, memory, foresight.

Enters: a ``Problem``, of vectors or of images. Leaves: the kernels with their error bound, or
``AccuracyError``; or, without computing them, what they will cost. Inputs of equal norm are
solved here as one function of the correlation. Below: ``analytic.pairs``.
"""

from analytic.solve.answer import KINDS, solve
from analytic.solve.equal_norms import zonal
from analytic.solve.foresight import Plan, at_work, foresee, measured, sample
from analytic.solve.image_foresight import KernelSizes, foresee_images
from analytic.solve.refusal import Objection, early_refusal
from analytic.solve.scouts import refused_by_few

__all__ = [
    "KINDS",
    "KernelSizes",
    "Objection",
    "Plan",
    "at_work",
    "early_refusal",
    "foresee",
    "foresee_images",
    "measured",
    "refused_by_few",
    "sample",
    "solve",
    "zonal",
]
