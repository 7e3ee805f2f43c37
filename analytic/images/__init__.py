"""The recursion for pairs of images: shifts, fields, plans.

Enters: a convolutional network and images, positions first. Leaves: a ``Problem`` whose
method takes fields of pairs of images, one for every shift between positions that the readout
needs, through the network: sums over windows, and the nonlinearity at every position. Where series
do not reach (``beyond_series``), positions are taken one by one (``try_positions``). Below:
``analytic.pairs``.
"""

from analytic.images.image_blocks import Images, prepare_images
from analytic.images.position_angles import MOST, PositionAngles, Unserved, prepare_positions
from analytic.images.position_reach import beyond_series, middle, try_positions
from analytic.images.position_readings import is_plain, pairs_of_positions, reads_all
from analytic.images.sampling import sample_size

__all__ = [
    "MOST",
    "Images",
    "PositionAngles",
    "Unserved",
    "beyond_series",
    "is_plain",
    "middle",
    "pairs_of_positions",
    "prepare_images",
    "prepare_positions",
    "reads_all",
    "sample_size",
    "try_positions",
]
