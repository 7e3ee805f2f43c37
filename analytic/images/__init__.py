"""The recursion for pairs of images: positions, patches, plans.

Enters: a convolutional network and images, positions first. Leaves: a ``Problem`` whose
method walks through the pairs of positions that the readout needs, layer by layer, with the
compiled layer of ``analytic.pairs`` between a gather and a store. Below: ``analytic.pairs``.
"""

from analytic.images.image_blocks import prepare_images
from analytic.images.planning import Plans, plan_images
from analytic.images.position_order import network_ways

__all__ = ["Plans", "network_ways", "plan_images", "prepare_images"]
