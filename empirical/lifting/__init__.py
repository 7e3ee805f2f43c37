"""From a module to its description: what somebody has written, as a network with a limit.

Enters: a ``torch.nn.Module`` at its initialisation, and inputs. Leaves: a ``ModuleNetwork``, the
description with widths, rates and what was assumed, proved to be the same function; or a
``LiftingError`` that names the call that has no place in one. Below: the finite network, and
descriptions.
"""

from empirical.lifting.initial_laws import InitialLaw
from empirical.lifting.module_network import ModuleNetwork, network_of
from empirical.lifting.places import LiftingError

__all__ = ["InitialLaw", "LiftingError", "ModuleNetwork", "network_of"]
