"""The operator T_K: its eigenspaces and its flow exp(-T_K t).

Enters: a network and either a sphere (harmonics, exact eigenfunctions, one-dimensional
integrals) or a sample of any distribution (Nystrom). Leaves: eigenvalues with errors,
complete eigenspaces, projections. Below: ``analytic.limit``.
"""

from analytic.spectrum.nystrom_extension import nystrom
from analytic.spectrum.operator import Basis, Eigenspaces, grouped
from analytic.spectrum.sphere import Harmonics, SphereSpectrum, sphere_spectrum
from analytic.spectrum.spherical_harmonics import multiplicity

__all__ = [
    "Basis",
    "Eigenspaces",
    "Harmonics",
    "SphereSpectrum",
    "grouped",
    "multiplicity",
    "nystrom",
    "sphere_spectrum",
]
