"""The recursion for pairs of images: shifts, fields, plans.

Enters: a convolutional network and images, positions first. Leaves: a ``Problem`` whose
method takes fields of pairs of images, one for every shift between positions that the readout
needs, through the network: sums over windows, and the nonlinearity at every position. Where series
do not reach, ``prepare_positions`` takes positions one by one. Below: ``analytic.pairs``.
"""

from analytic.images.image_blocks import Images, prepare_images
from analytic.images.planning import image_readouts
from analytic.images.position_angles import PositionAngles, prepare_positions
from analytic.images.sampling import sample_size

__all__ = [
    "Images",
    "PositionAngles",
    "image_readouts",
    "prepare_images",
    "prepare_positions",
    "sample_size",
]
