"""The mechanism of the proof, measured: spectra of low effective rank, small Hessians.

Enters: a network or modules, inputs, widths and numbers of seeds. Leaves: records of how
effective rank and norm of the Hessian depend on the width, with laws fitted and a verdict.
Below: ``compare.rate`` and ``compare.rho``.
"""

from compare.low_rank.hessian_growth import HessianGrowth, hessian_growth
from compare.low_rank.rank_growth import RankGrowth, covering_table, rank_growth

__all__ = ["HessianGrowth", "RankGrowth", "covering_table", "hessian_growth", "rank_growth"]
