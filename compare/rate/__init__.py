"""How fast K_0 approaches K_inf: the width sweep, its fits and the verdict.

Enters: a network, inputs, widths and numbers of seeds. Leaves: a ``Convergence``: distances,
exponent and constant with intervals, and the verdict on Assumption 3.6. Below:
``compare.rho``.
"""

from compare.rate.controlled import Controlled, Distances
from compare.rate.convergence_record import Convergence
from compare.rate.fits import Floor, Joint, Power, fit_floor, fit_joint, fit_power
from compare.rate.interval_coverage import Coverage, coverage
from compare.rate.measurement import convergence
from compare.rate.module_gap import LimitGap, gap
from compare.rate.network_cells import Weights
from compare.rate.statistics import Interval, clopper_pearson, slopes, student_of_mean
from compare.rate.sufficient_width import RequiredWidth, check_accuracy
from compare.rate.width_sweep import check_design

__all__ = [
    "Controlled",
    "Convergence",
    "Coverage",
    "Distances",
    "Floor",
    "Interval",
    "Joint",
    "LimitGap",
    "Power",
    "RequiredWidth",
    "Weights",
    "check_accuracy",
    "check_design",
    "clopper_pearson",
    "convergence",
    "coverage",
    "fit_floor",
    "fit_joint",
    "fit_power",
    "gap",
    "slopes",
    "student_of_mean",
]
