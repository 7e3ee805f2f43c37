"""The recursion for pairs of images: shifts, fields, plans.

Enters: a convolutional network and images, positions first. Leaves: a ``Problem`` whose
method takes fields of pairs of images, one for every shift between positions that the readout
needs, through the network: sums over windows, and the nonlinearity at every position. Below:
``analytic.pairs``.
"""

from analytic.images.image_blocks import prepare_images
from analytic.images.planning import image_readouts

__all__ = ["image_readouts", "prepare_images"]
