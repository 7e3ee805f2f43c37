"""The mechanism of the proof, measured: spectra of low effective rank, small Hessians.

Enters: a network or modules, inputs, widths and numbers of seeds. Leaves: records of how
effective rank and norm of the Hessian depend on the width, with laws fitted and a verdict.
Below: ``compare.rate`` and ``compare.rho``.
"""

from compare.low_rank.gram_spectrum import spectrum
from compare.low_rank.hessian_sweep import HessianGrowth, hessian_growth
from compare.low_rank.lenet import lenet5
from compare.low_rank.paper_figure import FIGURE_ONE, figure_one
from compare.low_rank.rank_sweep import RankGrowth, covering_table, rank_growth
from compare.low_rank.spectrum_record import Spectrum

__all__ = [
    "FIGURE_ONE",
    "HessianGrowth",
    "RankGrowth",
    "Spectrum",
    "covering_table",
    "figure_one",
    "hessian_growth",
    "lenet5",
    "rank_growth",
    "spectrum",
]
