"""Both sides of what the paper proves, as numbers.

Enters: trajectories and eigenspaces. Leaves: the two sides of Theorem 3.5 and its
corollaries, the ideal dynamics exp(-T_K t) r_0, the identities of the proof (Duhamel), the
rates of Observation 3.8. Below: ``compare.rate`` (its statistics), ``compare.rho`` and the
operator of ``analytic``.
"""

from compare.theory.bounds import Inequalities, mode_factor, stopping_times, theorem
from compare.theory.duhamel import Checks, Track, checked_track, track
from compare.theory.ideal_dynamics import Reference, reference
from compare.theory.observations import Rates, decay_rates
from compare.theory.rkhs import ideal_decay

__all__ = [
    "Checks",
    "Inequalities",
    "Rates",
    "Reference",
    "Track",
    "checked_track",
    "decay_rates",
    "ideal_decay",
    "mode_factor",
    "reference",
    "stopping_times",
    "theorem",
    "track",
]
