"""Layer normalisation of a finite network: over the units, at every position."""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.network.layer_modules import PointwiseLayer

__all__ = ["NormalizedLayer"]


class NormalizedLayer(PointwiseLayer):
    """alpha -> (alpha - mean)/std over the m units, without parameters and with nothing added."""

    def activation(self, h: Tensor) -> Tensor:
        """Of units on the last axis."""
        return self._parts(h)[0]

    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor:
        """df/dh from df/dz, z = (h - mean)/std: the parts along 1 and along z are lost."""
        z, std = self._parts(h)
        along = (signal * z).mean(-1, keepdim=True)
        return (signal - signal.mean(-1, keepdim=True) - z * along) / std

    def forward(self, alpha: Tensor) -> Tensor:
        return self.activation(alpha.movedim(1, -1)).movedim(-1, 1)

    @staticmethod
    def _parts(h: Tensor) -> tuple[Tensor, Tensor]:
        """The normalised units, and what they were divided by."""
        from_mean = h - h.mean(-1, keepdim=True)
        std = torch.sqrt(from_mean.square().mean(-1, keepdim=True))
        return from_mean / std, std
