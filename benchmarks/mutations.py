"""Break the formulas and bounds one at a time, and see whether a test notices.

    python benchmarks/mutations.py            # all of them
    python benchmarks/mutations.py tail       # those whose name contains "tail"

Each mutation changes one line in a copy of the repository and runs the tests that should notice. mutmut and cosmic-ray make the changes by
themselves, but keep numba's cache (so that a changed function is not run) and make thousands
of changes that are no faults, such as other texts of messages; the terms of a bound are better
named one by one. Not part of CI; it prints a line for each mutation.
"""

# ruff: noqa: E501 - a mutation is a line of code

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from analytic import compilation  # noqa: E402


class Mutation(NamedTuple):
    """A fault: in which file which text becomes which, and the tests that should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


_A, _T = "analytic/", "tests/analytic/"
_E, _R, _S = _A + "expectations/", _A + "recursion/", _A + "spectrum/"
TABLES = _T + "expectations/test_error_bounds.py"
WAVES = _T + "expectations/test_waves.py"
TERMS = _T + "recursion/test_error_terms.py"
ENDS = _T + "recursion/test_series_ends.py"
NORMS = _T + "recursion/test_derivative_norms.py"
ORIGIN = _T + "expectations/test_small_deviations.py"
DEFECTS = _T + "images/test_defects.py"
SPHERE = _T + "spectrum/test_sphere_eigenspaces.py -k spread"
ZONAL = _T + "solve/test_equal_norms.py"
_N, _P = _A + "network/", _T + "recursion/test_"
SIDES = _P + "concatenated_branches.py"
NOISE = _P + "dropout.py"
SUMS = _P + "sums_of_branches.py"
UNITS = _P + "layer_norm.py"
OVER = _P + "layer_norm_over_positions.py"
FACTORS = _T + "network/test_scale.py"
ERF = _T + "expectations/test_coefficients_of_erf.py"
LINES = _T + "pairs/test_lines.py"
LEFT = _T + "pairs/test_left_out.py"
WIDE = _T + "expectations/test_wide_pairs.py"
TABLE = _T + "pairs/test_wide_inputs.py"
SPLINES = _T + "expectations/test_splines.py " + _T + "expectations/test_far_beyond_kinks.py"
SERVED = _T + "pairs/test_close_forms.py -k knows_badly"
BADLY = _T + "pairs/test_near_tiles.py -k too_badly"
PARTS = _T + "expectations/test_angle_parts.py"
OUTER = _T + "expectations/test_outer_nodes.py"
GAPS = _T + "expectations/test_norm_gaps.py"
SHARP = _T + "pairs/test_sharp_gaps.py"
BUMPS = _T + "expectations/test_gaussian_bumps.py"
RAYS = _T + "pairs/test_rays.py"
SERIES = _T + "pairs/test_power_series.py"
EXTREMES = _T + "expressions/test_extremes.py"
CANCELLING = _T + "proofs/test_cancelling_zeros.py"
NEAR = _T + "pairs/test_near_layers.py"
CARRIED = _T + "pairs/test_carried_angles.py"
WINDOWS = _T + "images/test_fields.py -k pairs_of_positions"
SHAPES = _T + "network/test_shapes.py -k reads"
MUTATIONS = (
    # nearly parallel patches of images
    Mutation("norms of patches", _A + "images/defects.py", "inverse + norms[j]  # 1 - rho", "inverse  # 1 - rho", DEFECTS),
    Mutation("an average of norms", _A + "images/defect_averages.py", "upper * upper * (t + u - t * u)", "upper * upper * (t + u)", DEFECTS),
    # the parts of a network
    Mutation("part: shares side by side", _N + "steps.py", "(float(before / whole), float(part / whole)) if mixes", "(float(part / whole), float(before / whole)) if mixes", SIDES + " -k every_entry"),
    Mutation("part: means side by side", _R + "layer_equations.py", "none), p * mu0 + q * mu)", "none), mu0 + mu)", SIDES + " -k every_entry"),
    Mutation("part: noise at x = x'", _R + "layer_equations.py", "return noise * self.deviation**2, noise * self.gamma", "return self.deviation**2, noise * self.gamma", NOISE + " -k every_entry"),
    Mutation("part: noise of what is trained", _R + "layer_equations.py", "return noise * self.deviation**2, noise * self.gamma", "return noise * self.variance, self.gamma", NOISE + " -k every_entry"),
    Mutation("gap: 1/r - 1/r'", _E + "conditioned_pairs.py", "rise = turn * gaps.r.value", "rise = -turn * gaps.r.value", GAPS),
    Mutation("gap: Simpson's rule", _E + "norm_gaps.py", "rise = apart * (ends + 2 * center) / 3", "rise = apart * (ends + center) / 2", GAPS),
    Mutation("gap: of waves", _E + "pair_formulas.py", "x = kappa * (gap**2 + 2", "x = kappa * (0 * gap**2 + 2", GAPS),
    Mutation("gap: equal inputs", _A + "pairs/left_out.py", "sign * ends.theta[i], own)", "(1 + 1e-9) * sign * ends.theta[i], own)", SHARP),
    Mutation("gap: behind an activation", _A + "pairs/nearly_parallel.py", "error, None if gaps is None else gaps.r)", "error, None if gaps is None else gaps.s)", SHARP),
    Mutation("gap: a trained bias", _A + "pairs/left_out.py", "if any(step.bias_rate for step in problem.network.steps):", "if False:", SHARP),
    Mutation("bumps: third derivative", _E + "gaussian_bumps.py", "20 * t**2 - 12 * t + 3", "20 * t**2 - 12 * t + 2", BUMPS),
    Mutation("bumps: gap of variances", _E + "gaussian_bumps.py", "near = ((apart / g) ** 2 + q", "near = (0 * (apart / g) ** 2 + q", GAPS),
    Mutation("part: noise between inputs", _A + "pairs/nearly_parallel.py", "state.angle.thinned(1 / stage.step.noise)", "state.angle", NOISE + " -k every_entry"),
    Mutation("part: noise between inputs, equation", _N + "equations.py", "same = 1 + (noise - 1) * same", "same = noise", NOISE + " -k equations"),
    Mutation("part: eps of a variance", _R + "divisors.py", "return variance + layer.eps, variance", "return variance, variance", UNITS + " -k every_entry"),
    Mutation("part: division of Theta", _R + "layer_equations.py", "return size, self.gamma / self.variance", "return size, self.gamma", UNITS + " -k every_entry"),
    Mutation("part: mean behind a normalisation", _R + "layer_equations.py", "self.gamma / self.variance, np.zeros_like(self.mu)", "self.gamma / self.variance, self.mu", UNITS + " -k every_entry"),
    Mutation("part: mean of a variance", _R + "divisors.py", "sigma - mu**2", "sigma - 0 * mu**2", UNITS + " -k every_entry"),
    Mutation("part: variance over positions", _R + "divisors.py", "np.mean(variance, axis=-1", "np.max(variance, axis=-1", OVER + " -k ball"),
    Mutation("part: error of a mean over positions", _R + "normalization.py", "own_e=2.0 if stage.step.over_positions else still", "own_e=still", OVER),
    Mutation("part: roundings of a mean over positions", _A + "images/equal_positions.py", "reads = sigma.shape[1]", "reads = 0", OVER),
    Mutation("part: gains over positions", _N + "trained_gains.py", "replace(norm, gain_rate=0.0)", "LayerNorm(eps=norm.eps, bias_rate=norm.bias_rate)", OVER + " -k finite"),
    Mutation("part: positions before shifts", _N + "normalization.py", "alone = replace(self, gain_rate=0.0, bias_rate=0.0)", "alone = LayerNorm(eps=self.eps)", OVER + " -k ball"),
    Mutation("part: rate of gains", _N + "steps.py", "return self.layer.weight_rate / self.weight", "return 1.0 / self.weight", UNITS + " -k every_entry"),
    Mutation("part: slope behind gains", _N + "trained_gains.py", "Activation(X * w.derivative)", "Activation(w.derivative)", _P + "trained_gains.py"),
    Mutation("part: means of a sum", _R + "layer_equations.py", "residual(sigma0, theta0, mu0, mu0, sigma", "residual(sigma0, theta0, 0 * mu0, 0 * mu0, sigma", SUMS + " -k every_entry"),
    Mutation("part: means of a sum, equation", _N + "equations.py", "return sigma + more[0] + both", "return sigma + more[0]", SUMS + " -k equations"),
    Mutation("part: factor before weights", _N + "absorption.py", "replace(layer, weight_std=layer.weight_std * factor)", "layer", FACTORS),
    Mutation("part: factor before a nonlinearity", _N + "absorption.py", "activation=_of_scaled(layer.activation, factor))", "activation=layer.activation)", FACTORS),
    Mutation("part: factor before eps", _N + "absorption.py", "eps=layer.eps / factor**2", "eps=layer.eps / factor", UNITS + " -k eps"),
    Mutation("part: factor behind biases", _N + "absorption.py", "last.bias_std * factor", "last.bias_std", FACTORS),
    Mutation("part: factor behind rates of biases", _N + "absorption.py", "else last.bias_rate * factor**2", "else last.bias_rate", FACTORS),
    Mutation("part: factor behind a skip", _N + "absorption.py", "_scaled_twice(branch, 1 / factor, factor)", "_scaled_twice(branch, 1.0, factor)", FACTORS),
    Mutation("part: factor behind a normalisation", _N + "absorption.py", "return (*layers, Nonlinearity(_short(factor) * X))", "return layers", FACTORS),
    Mutation("part: gains of rate 1, equation", _N + "equations.py", "(1, bias) and not from_zero:", "(1, bias):", _P + "trained_gains.py -k equations"),
    Mutation("part: dilation", _A + "images/axes.py", "stride, back, wraps, apart)", "stride, back, wraps, 1)", WINDOWS),
    Mutation("part: stride", _A + "images/axes.py", "ends, kernel, stride, back", "ends, kernel, 1, back", WINDOWS),
    Mutation("part: middle of a dilated filter", _A + "images/axes.py", "back = apart * (", "back = (", WINDOWS),
    Mutation("part: dilation, shapes", _N + "shapes.py", "+ dilation * np.arange(kernel) - back", "+ np.arange(kernel) - back", SHAPES),
    Mutation("part: stride, shapes", _N + "shapes.py", "stride * np.arange(out)", "np.arange(out)", SHAPES),
    Mutation("part: stride of an equation", _N + "position_sums.py", "s * x + d * i - o", "x + d * i - o", _T + "network/test_image_equations.py"),
    Mutation("part: dilation of an equation", _N + "position_sums.py", "s * x + d * i - o", "s * x + i - o", _T + "network/test_image_equations.py"),
    # the rule and the table of an octave
    Mutation("no tail", _E + "quadrature_error.py", "if np.all(tails <= norms + SHARE):", "if True:", TABLES + " -k test_the_tail_decides"),
    Mutation("mass of a box", _E + "majorants.py", "* 0.4) - least**2 / 2", "* 0.4) - least**2", TABLES + " -k test_a_majorant or tail_decides"),
    Mutation("no aliasing", _E + "quadrature_error.py", "*(a + b + c for", "*(b + c for", TABLES + " -k may_alias"),
    Mutation("poles below contours", _E + "analytic_regions.py", "box = box[:, ~np.isfinite(modulus(function, rectangle))]", "box = box[:, :0]", "tests/analytic/expectations/test_analytic_regions.py"),
    Mutation("step of aliasing", _E + "quadrature_error.py", "step = 2 * np.pi * self.maps.height[:, 0] / need", "step = 6 * np.pi * self.maps.height[:, 0] / need", TABLES + " -k tables_keep"),
    Mutation("values of w", _E + "node_tables.py", "by_values = 1.01 *", "by_values = 0 *", TABLES + " -k cancellation"),
    Mutation("library", "analytic/expressions/rounding.py", "own = 4 * EXTENDED", "own = 0.2 * EXTENDED", TABLES + " -k values_are"),
    Mutation("normal distribution", "analytic/expressions/rounding.py", "own + np.minimum(_size(x) * (x < 0), 1e150) ** 2 * EXTENDED", "own + 0 * EXTENDED", TABLES + " -k values_are"),
    Mutation("interpolation", _E + "interpolation_error.py", "- (points - 1) * np.log(RHO)", "- 1.5 * (points - 1) * np.log(RHO)", TABLES + " -k interpolation_in_s"),
    Mutation("arcs", _E + "interpolation_error.py", "reduce(2 * slope + mass, axis=(0, 3)).max(axis=1)", "reduce(2 * slope + mass, axis=(0, 3)).min(axis=1)", TABLES + " -k interpolation_in_s"),
    Mutation("evaluation of the series", _E + "bounded_tables.py", "np.where(order > 0, order + 3, 0)", "0 * order", TABLES + " -k long_series"),
    Mutation("errors at the nodes", _E + "bounded_tables.py", "at_nodes = lebesgue * (errors * scale)", "at_nodes = 0 * (errors * scale)", TABLES + " -k tables_keep or cancellation"),
    Mutation("interpolation in the bound", _E + "bounded_tables.py", "at_nodes + np.exp(interpolated[[0, 1, 2, 3, 0]])", "at_nodes", TABLES + " -k too_few"),
    Mutation("series cut short", _E + "bounded_tables.py", "carried + lost + _sizes", "carried + _sizes", TABLES + " -k leaves_out"),
    Mutation("storing", _E + "bounded_tables.py", "storing = UNIT + 2 * EXTENDED + by_powers", "storing = 0.0", TABLES + " -k tables_keep or leaves_out or long_series"),
    Mutation("error of E w", _E + "bounded_tables.py", "mean, variance = total[3] * s ** own[3],", "mean, variance = 0 * s,", TABLES + " -k w_alone"),
    Mutation("error of Var w", _E + "bounded_tables.py", "total[2] * s ** (2.0 + own[2])", "0 * s", TABLES + " -k tables_keep or cancellation"),
    Mutation("low bits of the basis", _E + "quadrature.py", "low += whole - high", "low += 0 * high", TABLES + " -k tables_keep"),
    Mutation("complex product", "analytic/proofs/complex_rectangles.py", "added(times(a.re, b.im), times(a.im, b.re))", "times(a.re, b.im)", TABLES + " -k rectangles"),
    Mutation("complex tanh", "analytic/proofs/complex_functions.py", "bottom = _one_plus(times(_real(sympy.cos, y), decay))", "bottom = _one_plus(decay)", TABLES + " -k rectangles"),
    Mutation("waves", _E + "waves.py", "-_log_factorials(terms)[:, None] / 2", "-_log_factorials(terms).astype(float)[:, None] / 2", WAVES),
    Mutation("rounding of waves", _E + "waves.py", "np.asarray(15 * EXTENDED * sum(parts) + 9 * EXTENDED + UNIT)", "np.asarray(0.2 * UNIT + 0 * sum(parts))", WAVES),
    # tables as they come
    Mutation("wide: error of a cell", _E + "wide_cells.py", "of.error[:, cells] = (wrong * pairs[0]).max(axis=2)", "of.error[:, cells] = 0 * (wrong * pairs[0]).max(axis=2)", WIDE + " -k closed_forms"),
    Mutation("wide: a cell is judged", _E + "wide_cells.py", "good = inside[:, 0] & (share < SHARP)", "good = inside[:, 0] & (share >= 0)", WIDE + " -k refused"),
    Mutation("wide: the line seen through v", _E + "broken_lines.py", "even, odd = y * odd + q * bell, y * even", "even, odd = y * odd, y * even", WIDE + " -k closed_forms"),
    Mutation("wide: density of u", _E + "broken_lines.py", "density = np.exp(-flat[:, None] * self.x**2 / 2)", "density = np.exp(-flat[:, None] * self.x**2)", WIDE + " -k closed_forms"),
    Mutation("wide: error of the angle in Theta", _A + "pairs/wide_inputs.py", "found[3] = of_d + turned + 6", "found[3] = of_d + 6", TABLE + " -k angle"),
    Mutation("wide: Theta of the layer before", _A + "pairs/wide_inputs.py", "bias_rate + weight * theta)", "bias_rate)", TABLE + " -k behind_all_layers"),
    Mutation("wide: bias of a later layer", _A + "pairs/wide_inputs.py", "((both - bias) - weight * before[0, p])", "(both - weight * before[0, p])", TABLE + " -k behind_all_layers"),
    Mutation("wide: bias of the first layer", _A + "pairs/wide_inputs.py", "near_ = (beside * gap + inner * near) / both", "near_ = inner * near / both", TABLE + " -k conditioning"),
    Mutation("spline: moments of two pieces", _E + "smoothed_splines.py", "(2 + b * b) * e, (8 + b", "(3 + b * b) * e, (8 + b", SPLINES),
    Mutation("spline: what is not seen", _E + "smoothed_splines.py", "if within else (0.0, 0.0)", "if True else (0.0, 0.0)", SPLINES),
    Mutation("spline: short pieces", _E + "smoothed_splines.py", "SHORT = 1.0", "SHORT = 0.0", SPLINES),
    Mutation("spline: panels beside kinks", _E + "spline_pairs.py", "LAYER = 9.0", "LAYER = 90.0", SPLINES),
    Mutation("spline: Mills's ratio", _E + "spline_lanes.py", "range(_LAST - 1, -1, -1)", "range(_LAST - 1, 0, -1)", SPLINES),
    Mutation("close forms: units that are not served", _A + "pairs/close_lanes.py", "        if kind != TABLE:\n", "        if kind == 3:\n", SERVED),
    Mutation("near tiles: what a table knows too badly", _A + "pairs/row_blocks.py", "p.bounds.in_kernel, nngp, ntk) <= most:", "p.bounds.in_kernel, nngp, ntk) <= 1.0:", BADLY),
    Mutation("outer: where t begins", _E + "outer_nodes.py", "FIRST = -3.7", "FIRST = -1.7", OUTER + " -k each_half"),
    Mutation("outer: lengths of half a line", _E + "outer_nodes.py", "y * (1 + np.exp(-t)), 0.0", "y * (1 + 0.99 * np.exp(-t)), 0.0", OUTER + " -k each_half"),
    Mutation("outer: tau that is too small", _E + "conditioned_pairs.py", "(least >= 2.0**table.lowest) |", "(least >= 0) |", OUTER),
    Mutation("outer: parallel pairs", _E + "heat_tables.py", "series[..., 0] = np.stack([w, w1, w1**2], axis=1)", "series[..., 0] = np.stack([w, w, w1**2], axis=1)", OUTER + " -k parallel"),
    Mutation("pieces: how far they reach", _E + "cut_pieces.py", "CutPieces(pieces, (left, right))", "CutPieces(pieces, (np.inf, np.inf))", SPLINES + " -k beyond_the_last"),
    Mutation("pieces: what goes on", _E + "polynomial_pieces.py", "asymptote(smooth, reach) or (0.0, 0.0)", "(0.0, 0.0)", SPLINES + " -k go_on"),
    Mutation("pieces: a kink within a panel", _E + "spline_nodes.py", "if spl[k, KINK] > 0.0 or end - begin > most * shortest:", "if end - begin > most * shortest:", SPLINES + " -k two_dim"),
    Mutation("pieces: the law of one polynomial", _E + "spline_nodes.py", "factor *= h * (d + 2 * j + 1)", "factor *= h * (d + 2 * j + 2)", SPLINES + " -k two_dim"),
    Mutation("pieces: places in several", _E + "spline_nodes.py", "within = line[PLACES + i] >= start", "within = True", SPLINES + " -k two_dim"),
    Mutation("beside 0: values", _A + "proofs/cancelling_zeros.py", "value[near] = sharper", "value[near] = value[near]", CANCELLING),
    Mutation("beside 0: where the series ends", _A + "expressions/removed_zeros.py", "LEFT_OUT = 80", "LEFT_OUT = 20", CANCELLING),
    Mutation("outer: a lane's reach", _E + "conditioning.py", "OUTER * split.sigma) + 1", "OUTER / 3 * split.sigma) + 1", OUTER + " -k spline"),
    Mutation("near: 1 - |c| over omega", _A + "pairs/carried_angles.py", "near *= omega\n", "near *= 1.0\n", NEAR + " -k first_layer"),
    Mutation("near: error of D by the angle", _A + "pairs/carried_angles.py", "bent = error + turned + 6", "bent = error + 6", NEAR + " -k errors_of_the_angle"),
    Mutation("near: error of c by the angle", _A + "pairs/carried_angles.py", "error * omega + steep * (share + turned) * off", "error * omega", NEAR + " -k errors_of_the_angle"),
    Mutation("near: Theta of the layer before", _A + "pairs/carried_angles.py", "given + weight * theta", "given", NEAR + " -k all_layers"),
    Mutation("near: bias between opposite inputs", _A + "pairs/carried_angles.py", "/ (both + inner) + bias\n", "/ (both + inner)\n", CARRIED),
    Mutation("near: bias and the gap of norms", _A + "pairs/carried_angles.py", "(beside * gap + inner * minus)", "(inner * minus)", CARRIED),
    Mutation("near: roundings of unit vectors", _A + "pairs/carried_angles.py", "(4 * np.sqrt(near) + (d", "((d", CARRIED),
    Mutation("near: the even part of a bent line", _A + "pairs/bent_angles.py", "return small - 2.0 / np.pi", "return small - 1.8 / np.pi", CARRIED),
    Mutation("near: ranks of the polynomials", _E + "clenshaw_lanes.py", "while a + 8 <= rows:", "while a + 8 < rows:", "tests/analytic/expectations/test_near_tables.py -k closed_forms"),
    Mutation("near: Theta in tiles", _A + "pairs/near_tiles.py", "a[STEEP], a[JUMP]), a[SLOPE]", "a[STEEP], a[JUMP]), a[UNITS]", "tests/analytic/pairs/test_near_tiles.py -k few_inputs"),
    Mutation("near: what no table of a tile serves", _E + "angle_parts.py", "place if steep * steeps[i] > 0.0 else -1.0", "place", PARTS),
    Mutation("near: opposite inputs in tiles", _A + "pairs/near_tiles.py", "near, -1.0 if other_side else 1.0", "near, 1.0", "tests/analytic/pairs/test_near_tiles.py -k few_inputs"),
    Mutation("bands: coefficients of another band", _E + "listed_pairs.py", "numbers[bands[band, q, 1 + part] :]", "numbers[bands[0, q, 1 + part] :]", "tests/analytic/expectations/test_banded_sums.py -k nothing_out"),
    Mutation("bands: coefficients that matter", _E + "banded_sums.py", "KEPT = 2.0**-50", "KEPT = 2.0**-40", "tests/analytic/expectations/test_banded_sums.py -k nothing_out"),
    Mutation("parts: their ends", _E + "angle_parts.py", "part += place >= EDGES[k]", "part += place >= EDGES[k] + 0.01", PARTS),
    Mutation("parts: arguments", _E + "angle_parts.py", "low, high = EDGES[part], EDGES[part + 1]", "low, high = EDGES[part], 1.0", PARTS),
    Mutation("parts: lanes of one key", _E + "angle_parts.py", "(turned == 0 or turned == place.size)", "True", PARTS),
    Mutation("parts: lanes side by side", _E + "clenshaw_lanes.py", "side_by_side, width = not filled_up and ", "side_by_side, width = ", PARTS),
    Mutation("parts: signs of rho", _E + "angle_parts.py", "low, high = min(low, side), max(high, side + 1)", "low, high = min(low, side), max(high, 1)", PARTS),
    Mutation("parts: twelve phi", _E + "clenshaw_lanes.py", "slope + vb * p[11, i]", "slope + va * p[11, i]", PARTS),
    Mutation("bands: psi that matter", _E + "banded_sums.py", "LEFT_OUT = 2.0**-51", "LEFT_OUT = 2.0**-43", "tests/analytic/expectations/test_banded_sums.py -k nothing_out"),
    Mutation("quadrants: what begins at two kinks", "analytic/expectations/quadrant_moments.py", "f22 = 0.5 * (0.5 * (f + r * edge", "f22 = 0.5 * (0.5 * (f + 0.9 * r * edge", "tests/analytic/expectations/test_quadrant_moments.py -k equal"),
    Mutation("bands: the band of a row in a tile", "analytic/pairs/close_lanes.py", "p.close[at, 4] + band_of[begin] * p.close[at, 6] + band", "p.close[at, 4] + band", "tests/analytic/expectations/test_banded_sums.py -k no_order"),
    Mutation("bands: groups behind the first layer", "analytic/pairs/layers_behind.py", "| (band[1:] != band[:-1])", "& (band[1:] != band[:-1])", "tests/analytic/expectations/test_banded_sums.py -k one_row"),
    Mutation("rays: opposite inputs", _A + "pairs/rays.py", "sign = parity if part == 0 else -parity", "sign = parity", RAYS + " -k mpmath"),
    Mutation("rays: nodes of the other side", _A + "pairs/rays.py", "b = turned[part, column] if opposite and parity == 0 else", "b = turned[part, column] if False else", RAYS + " -k mpmath"),
    Mutation("lines: what a coefficient of erf is", _E + "coefficients_of_erf.py", "b[j, i] = front[i] * (power[i] * roots[j])", "b[j, i] = front[i] * (power[i] * roots[j]) * (1 + 9e-16 * j)", ERF),
    Mutation("lines: rest of the coefficients of erf", _E + "coefficients_of_erf.py", "return np.asarray(share * (1 + 2.0**-40) + 1e-300)", "return np.asarray(share * 0.98 + 1e-300)", ERF),
    Mutation("tiles: the second step of a series", _A + "pairs/power_series.py", "v = d * y + coef[last - 1]", "v = d + coef[last - 1]", SERIES),
    Mutation("tiles: rows of fewer terms", _A + "pairs/power_series.py", "elif blocks == block + 1:", "elif blocks == block + 3:", SERIES),
    Mutation("tiles: a row that begins late", _A + "pairs/power_series.py", "row, fresh = coef[m], blocks <= block + 2", "row, fresh = coef[m], most <= block + 2", SERIES),
    Mutation("tiles: pairs that are left out", _A + "pairs/term_groups.py", "if departed or largest > ceiling:", "if largest > ceiling:", SERIES),
    Mutation("tiles: rows of the diagonal", _A + "pairs/row_blocks.py", "if own and first >= lane + LANES:", "if own and first >= lane:", _T + "pairs/test_near_tiles.py"),
    Mutation("tiles: the row of a sum", _A + "pairs/pair_recursion.py", "_leave(t, p, at, m, m - row, of_row)", "_leave(t, p, at, m, 0, of_row)", _T + "pairs/test_close_forms.py"),
    Mutation("extremes of powers", _A + "expressions/evaluation.py", "return expression.replace(_is_extreme, named_arguments)  # the inner ones first", "return expression", EXTREMES),
    Mutation("lines: closed form of erf", _A + "pairs/pair_recursion.py", "e, d = arcsine(z) * (2.0 / np.pi), (4.0 / np.pi) * root / np.sqrt(left)", "e, d = arcsine(z) * (2.0 / np.pi), (4.0 / np.pi) * root / np.sqrt(left + 1e-8)", LINES),
    Mutation("lines: coefficients behind the first layer", _A + "pairs/layers_behind.py", "_gather(columns, j[start:stop], p.first[1], together)", "_gather(columns, j[start:stop], p.first[1] + 1, together)", LEFT),
    Mutation("lines: Theta behind the first layer", _A + "pairs/layers_behind.py", "first.theta[start + k] if inside", "first.theta[start + k] * (1 + 1e-9) if inside", LEFT),
    Mutation("lines: errors behind the first layer", _A + "pairs/layers_behind.py", "t.error[part, 0, 0] = first.error[part, start:stop].max()", "t.error[part, 0, 0] = 0.0", LEFT),
    # near s = 0
    Mutation("Taylor, variance", _E + "small_deviations.py", "c[k] ** 2 / (k + 1)", "c[k] ** 2 / (k + 2)", ORIGIN),
    Mutation("Taylor, slope", _E + "small_deviations.py", "sum(c[k] ** 2 for k in range(4))", "sum(c[k] ** 2 for k in range(2))", ORIGIN),
    Mutation("Taylor, second coefficient", _E + "small_deviations.py", "w2 * s + w4 * v * s / 2", "w2 * s + w4 * v * s / 3", ORIGIN),
    Mutation("Taylor, third coefficient", _E + "small_deviations.py", "w3 * v / 2**0.5", "w3 * v / 3**0.5", ORIGIN),
    Mutation("Taylor, remainder", _E + "small_deviations.py", "return 1.4 * most", "return 0.0 * most", ORIGIN + " -k beside"),
    Mutation("norms between the nodes", _E + "between_nodes.py", "np.maximum(size - at.reach, 0), size + at.reach", "size, size", TABLES + " -k between"),
    Mutation("Taylor, response", _E + "small_deviations.py", " + v**2 / 2 * w3**2", "", ORIGIN),
    # sizes of inputs, roundings counted one by one, variances in extended precision
    Mutation("sizes: the classes of a pair", _R + "classes.py", "kinds[a, b] = kinds[b, a] = len(found)", "kinds[a, b] = kinds[b, a] = 1", _T + "recursion/test_classes.py"),
    Mutation("sizes: no classes", _R + "classes.py", "CLASSES = 8", "CLASSES = 1", _T + "recursion/test_classes.py"),
    Mutation("sizes: sums over positions", _R + "roundings.py", "float(parts.max(initial=0.0)) + (bias > 0) + reads", "float(parts.max(initial=0.0)) + (bias > 0)", _T + "recursion/test_roundings.py -k cancel"),
    Mutation("sizes: sums over windows", _A + "images/linear_maps.py", "return deep * low - 1 + right - 1", "return 1", _T + "recursion/test_roundings.py -k windows"),
    Mutation("sizes: correlations of positions", _A + "images/propagation.py", "max(self.nearest.get(at, 0.0), float(most_rho.max()))", "float(most_rho.max())", _T + "images/test_nearest_positions.py"),
    Mutation("an image beside itself", _A + "images/propagation.py", "[some] *= kept", "[some] *= 1", _T + "images/test_lane_places.py -k itself"),
    Mutation("orders of later coefficients", _A + "images/lane_places.py", "first += len(b)", "first += 0", _T + "images/test_lane_places.py -k parts"),
    Mutation("biases of linear layers", _A + "images/defects.py", "both > 0.0 or bend == 0.0", "both > 0.0", _T + "images/test_image_rates.py -k linear_layer"),
    Mutation("sizes: correlations of images", _A + "images/own_positions.py", "max(apart.nearest[at] for _, apart in others)", "others[0][1].nearest[at]", _T + "images/test_nearest_positions.py"),
    Mutation("sizes: squares that are not exact", _R + "roundings.py", "shares * of_weight", "shares * 0", _T + "recursion/test_roundings.py -k lambda"),
    Mutation("sizes: roundings of E", _R + "amplification_factors.py", "count = 3 + both + (mean > 0)", "count = 0", _T + "recursion/test_roundings.py -k series"),
    Mutation("sizes: roundings of D", _R + "amplification_factors.py", "(3 + 2 * both) / OF_D", "0.0", _T + "recursion/test_roundings.py -k series"),
    Mutation("sizes: roundings of a total", _A + "images/linear_maps.py", "(kahan + halvings + 3 * self.mixes + quotient)", "(0.25 * kahan)", _T + "recursion/test_roundings.py -k total"),
    Mutation("sizes: roundings of products", _A + "pairs/input_products.py", "return 1 + sums +", "return 0 * sums +", _T + "recursion/test_roundings.py -k scalar"),
    Mutation("sizes: the low half of s in tables", _E + "chebyshev_sums.py", "rest[1, i] = 2.0 * below[last] / (high - low)", "rest[1, i] = 0.0", _T + "recursion/test_wide_variances.py"),
    Mutation("sizes: variances in float64", _R + "layer_equations.py", "(np.longdouble(a) ** 2 for a in", "(np.float64(a) ** 2 for a in", _T + "recursion/test_wide_variances.py"),
    # through the layers
    Mutation("tables, E", _R + "error_propagation.py", "e = (tables if np.ndim(tables) else float(tables)) +", "e =", TERMS),
    Mutation("tables, D", _R + "error_propagation.py", "d = fixed.slope * at.norm_d +", "d =", TERMS),
    Mutation("tables at x = x', E", _R + "error_propagation.py", "variance + layer.noise.carried", "variance", TERMS),
    Mutation("tables at x = x', D", _R + "error_propagation.py", "variance + layer.noise.square", "variance", TERMS),
    Mutation("variances, E", _R + "error_propagation.py", "fixed.variance * at.v_e", "0 * at.v_e", TERMS),
    Mutation("variances, D", _R + "error_propagation.py", "fixed.variance * at.v_d", "0 * at.v_d", TERMS),
    Mutation("variances of relu, E", _R + "amplification_factors.py", "d, none + part, radius * k_d", "d, none, radius * k_d", _T + "recursion/test_variances_before_abs.py -k slope"),
    Mutation("variances of relu, D", _R + "amplification_factors.py", "none + part, radius * k_d", "none + part, none", _T + "recursion/test_variances_before_abs.py -k slope"),
    Mutation("response of relu", _R + "error_amplification.py", "own_e=1.0,", "own_e=0.0,", TERMS),
    Mutation("response of E", _R + "derivative_norms.py", "np.abs(r), f)[chosen]", "np.abs(r) / 2, f)[chosen]", TERMS),
    Mutation("response of E between the nodes", _E + "between_nodes.py", "second = mean * of_mean + v", "second = v", NORMS),
    Mutation("response of D between the nodes", _E + "between_nodes.py", "(np.abs(steep) + loose)[:, 0]", "loose[:, 0]", NORMS),
    Mutation("rests between the nodes", _E + "segments.py", "nodes[:, None] * sums / np.where(before > 0, before, 1.0)", "sums / table[:, [SLOPE]]", TABLES + " -k between"),
    Mutation("what the coefficients lack", _R + "derivative_norms.py", "twice = root * np.sqrt(c * fifth)", "twice = root * np.sqrt(0 * fifth)", NORMS),
    Mutation("roots of 53 bits", _E + "quadrature.py", "low = [(root", "low = [0 * (root", "tests/analytic/expectations/test_quadrature.py"),
    Mutation("response of the mean", _R + "error_amplification.py", "np.sqrt(v / 2) * np.abs(sums.b_1)", "np.sqrt(v / 8) * np.abs(sums.b_1)", TERMS),
    Mutation("a nonlinearity is trained", "analytic/network/steps.py", "return 0.0 if isinstance(self.layer, Pointwise) else self.layer.weight_rate", "return 1.0", "tests/analytic/recursion/test_bare_nonlinearities.py"),
    Mutation("a bias that is trained alone is forgotten", "analytic/recursion/formulas.py", "(rate * weight) * sigma + bias_rate", "(rate * weight) * sigma", "tests/analytic/recursion/test_rates.py"),
    Mutation("the certificate takes all of T for exact", "analytic/recursion/layer_errors.py", "trained = f.learned * eps_sigma + f.of_t", "trained = f.of_t", "tests/analytic/recursion/test_trained_errors.py"),
    Mutation("the share of Sigma in what is trained", _R + "shares.py", "1 - ratio(bias_rate, stage.trained)", "0.5 - 0.5 * ratio(bias_rate, stage.trained)", "tests/analytic/recursion/test_trained_errors.py"),
    Mutation("a defect has no shift", "analytic/images/defects.py", "theta[j] += shift / layer.weight", "theta[j] += 0.0", "tests/analytic/images/test_image_rates.py"),
    Mutation("share of the bias", _R + "shares.py", "bias = stage.step.bias", "bias = 2 * stage.step.bias", TERMS),
    Mutation("ratio at a skip", _R + "layer_errors.py", "sigma = f.ratio * of_sum", "sigma = of_sum", TERMS),
    Mutation("means at a skip", _R + "error_propagation.py", "skip = ratio * (branch.mean + total.mean) + SUM", "skip = 4 * UNIT", TERMS),
    Mutation("k_E", _R + "layer_errors.py", "return f.k_e * covariance + f.add_e", "return f.add_e", TERMS),
    Mutation("k_D", _R + "layer_errors.py", "else f.k_d * covariance + f.add_d", "else f.add_d", TERMS),
    Mutation("r_D", _R + "layer_errors.py", "d * size + f.r_d * gamma +", "d * size +", TERMS),
    Mutation("size of Gamma", _R + "layer_errors.py", "theta = d * size +", "theta = 0.5 * d * size +", TERMS),
    Mutation("shares of a sum", _R + "layer_errors.py", "return a + (b - a) * share_b", "return a + (b - a) * share_b / 2", TERMS),
    Mutation("reach of Theta", _R + "layer_errors.py", "min(f.r_d * size, 1.0)", "min(f.r_d * size / 2, 1.0)", TERMS),
    Mutation("truncation", _R + "error_amplification.py", "np.append(self.r_d, self.rest_d)[::-1]", "np.append(0 * self.r_d, self.rest_d)[::-1]", ENDS),
    Mutation("rest of k_E", _R + "error_amplification.py", "rest_e=float(", "rest_e=0 * float(", ENDS),
    Mutation("rest of r_D", _R + "error_amplification.py", "rest_d=float(", "rest_d=0 * float(", ENDS),
    Mutation("rest of k_D", _R + "error_amplification.py", "rest_k=float(", "rest_k=0 * float(", ENDS),
    Mutation("rest of v_E", _R + "error_amplification.py", "rest_ve=float(", "rest_ve=0 * float(", ENDS),
    Mutation("rest of v_D", _R + "error_amplification.py", "rest_vd=float(", "rest_vd=0 * float(", ENDS),
    Mutation("mean squares in float64", _R + "layer_equations.py", "np.square(b, dtype=np.longdouble)", "np.square(b)", ENDS),
    # spheres
    Mutation("spread of a group", _S + "sphere.py", "errors[g].max() + np.ptp(values[g])", "errors[g].max()", SPHERE),
    Mutation("interpolation in rho", _A + "solve/equal_norms.py", "gap = max(float((1 - series.sum(axis=1)).max()), 0.0) +", "gap =", ZONAL),
)  # fmt: skip


def _share_compiled_code(copy: Path) -> None:
    """Let the copy use the compiled code of this tree, which saves it a minute.

    Not where the mutation is in a compiled function; ``layer_error`` runs in Python in its tests.
    """
    known = compilation._folder()
    compilation.PACKAGE, original = copy / "analytic", compilation.PACKAGE
    try:
        own = copy / "analytic" / "__pycache__" / (compilation.PREFIX + compilation._digest())
    finally:
        compilation.PACKAGE = original
    if known is not None:
        shutil.copytree(known, own)


def _is_compiled(text: str, old: str) -> bool:
    """Whether a text stands in a function that is compiled, or outside, for compiled ones to read."""
    before = text[: text.index(old)]
    if not text[before.rfind("\n") + 1].isspace():  # a constant
        return True
    decorator = before[: before.rfind("\ndef ")].rsplit("\n", 1)[-1]
    marks = "@compiled", "@elementwise", "@inlined", "@partial(compiled", "@partial(inlined"
    return decorator.startswith(marks)


def survives(mutation: Mutation) -> bool:
    """Whether the tests pass in spite of the fault."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        ignored = shutil.ignore_patterns("__pycache__", ".git", ".venv", "*.nbi", "*.nbc")
        shutil.copytree(ROOT, copy, ignore=ignored)
        target = copy / mutation.file
        text = target.read_text()
        target.write_text(text.replace(mutation.old, mutation.new, 1))
        if not _is_compiled(text, mutation.old):
            _share_compiled_code(copy)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        tests, _, chosen = mutation.tests.partition(" -k ")
        command += [*tests.split(), *(["-k", chosen] if chosen else [])]
        done = subprocess.run(command, cwd=copy, capture_output=True)
        if done.returncode not in (0, 1):  # 1: tests failed
            raise RuntimeError(f"the tests of {mutation.name!r} did not run: {done.stdout!r}")
        return done.returncode == 0


def run(mutations: Sequence[Mutation]) -> None:
    """Try the mutations whose names contain the command's argument."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutation for mutation in mutations if part in mutation.name]
    for mutation in chosen:
        if mutation.old not in (ROOT / mutation.file).read_text():
            raise ValueError(
                f"expected the text of {mutation.name!r} in {mutation.file}; update it"
            )
    survived = []
    for mutation in chosen:
        alive = survives(mutation)
        survived += [mutation.name] * alive
        print("SURVIVED" if alive else "caught  ", mutation.name, flush=True)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} caught")


if __name__ == "__main__":
    run(MUTATIONS)
