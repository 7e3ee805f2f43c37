"""Break the statistics of ``compare`` one constant at a time, and see whether a test notices.

    python -m benchmarks.statistics_mutations           # all of them, some ten minutes
    python -m benchmarks.statistics_mutations verdict   # those whose name contains "verdict"

As ``benchmarks/mutations.py``: each threshold (on both sides of it), each degree of freedom, each
divisor and each stream of seeds is put off by one named fault. Results in
docs/theory/convergence.md.
"""

# ruff: noqa: E501 - a mutation is a line of code

from __future__ import annotations

from benchmarks.mutations import Mutation, run

_T = "tests/compare/rate/test_"
JUDGED, ERRORS, FITS = (
    _T + "judgement.py",
    _T + "sandwich.py -k not calibrated",
    _T + "sandwich.py -k left_out or three_widths",
)
WIDTH, SWEEP = _T + "sufficient_width.py", _T + "width_sweep.py"
CONTROL = _T + "controlled.py"
SCALING = "tests/compare/dynamics/test_scaling.py -k judged or twice"
_R, _D = "compare/rate/", "compare/dynamics/"
MUTATIONS = (
    Mutation("verdict: fails below 0.4", _R + "judgement.py", "if high < 0.5:", "if high < 0.4:", JUDGED),
    Mutation("verdict: fails at 1/2", _R + "judgement.py", "if high < 0.5:", "if high <= 0.5:", JUDGED),
    Mutation("verdict: holds from 0.4", _R + "judgement.py", "(low <= 0.5,", "(low <= 0.4,", JUDGED),
    Mutation("verdict: holds at 1/2", _R + "judgement.py", "(low <= 0.5,", "(low < 0.5,", JUDGED),
    Mutation("verdict: floor fails at 0.6", _R + "judgement.py", "floor_low > last / 2", "floor_low > last * 0.6", JUDGED),
    Mutation("verdict: floor fails at 0.4", _R + "judgement.py", "floor_low > last / 2", "floor_low > last * 0.4", JUDGED),
    Mutation("verdict: floor above 0 ignored", _R + "judgement.py", "floor_low > 0 or ", "", JUDGED),
    Mutation("verdict: floor up to the last distance", _R + "judgement.py", "floor_high >= last / 2", "floor_high >= last", JUDGED),
    Mutation("verdict: floor at half allowed", _R + "judgement.py", "floor_high >= last / 2", "floor_high > last / 2", JUDGED),
    Mutation("verdict: share need not fall", _R + "judgement.py", "final[1] >= first[0]", "False", JUDGED),
    Mutation("verdict: share falls by its middle", _R + "judgement.py", "final[1] >= first[0]", "final[1] > first[0]", JUDGED),
    Mutation("verdict: shares of the second width", _R + "judgement.py", "above.interval[0], above.interval[-1]", "above.interval[0], above.interval[1]", JUDGED),
    Mutation("excess: a quarter above", _R + "judgement.py", "np.median(distances[0])", "np.quantile(distances[0], 0.75)", JUDGED),
    Mutation("excess: at the threshold", _R + "judgement.py", "d > kappa / np.sqrt(m)", "d >= kappa / np.sqrt(m)", JUDGED),
    Mutation("excess: threshold 1/m", _R + "judgement.py", "d > kappa / np.sqrt(m)", "d > kappa / m", JUDGED),
    Mutation("binomial: one-sided", _R + "statistics.py", "tail, k, n = (1 - confidence) / 2", "tail, k, n = (1 - confidence)", ERRORS),
    Mutation("binomial: count off below", _R + "statistics.py", "ppf(tail, k, n - k + 1)", "ppf(tail, k, n - k)", ERRORS),
    Mutation("binomial: count off above", _R + "statistics.py", "ppf(1 - tail, k + 1, n - k)", "ppf(1 - tail, k, n - k)", ERRORS),
    Mutation("student: one-sided", _R + "statistics.py", "half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * stderr", "half = float(stats.t.ppf(confidence, freedom)) * stderr", ERRORS),
    Mutation("student: freedom of the mean", _R + "statistics.py", "(1 + confidence) / 2, n - 1)", "(1 + confidence) / 2, n)", ERRORS),
    Mutation("student: divisor n", _R + "statistics.py", "ddof=1", "ddof=0", ERRORS),
    Mutation("sandwich: no n/(n-1)", _R + "sandwich.py", "np.sum((d / f - 1) ** 2) * d.size / (d.size - 1)", "np.sum((d / f - 1) ** 2)", ERRORS),
    Mutation("freedom: pooled", _R + "sandwich.py", "freedom = np.divide(total, noise, out=np.full(len(total), np.inf), where=known)", "freedom = np.full(len(total), float(counts.sum()))", ERRORS),
    Mutation("freedom: no kurtosis", _R + "sandwich.py", " + kurtosis / sizes", "", ERRORS),
    Mutation("freedom: n for n - 1", _R + "sandwich.py", "2 / (sizes - 1)", "2 / sizes", ERRORS),
    Mutation("control: no difference", _R + "controlled.py", "return float(self.others.mean() + (self.values - self.controls).mean())", "return float(self.others.mean())", CONTROL),
    Mutation("control: other sign", _R + "controlled.py", "apart = self.values - self.controls", "apart = self.values + self.controls", CONTROL),
    Mutation("control: n for n - 1", _R + "controlled.py", "d.var(ddof=1)", "d.var()", CONTROL),
    Mutation("control: one variance", _R + "sandwich.py", "spread[i] = parts.sum()", "spread[i] = parts[0]", CONTROL),
    Mutation("control: one freedom", _R + "sandwich.py", "share = parts / max(parts.sum(), 1e-300)", "share = np.array([1.0, 0.0])", CONTROL),
    Mutation("freedom: twice", _R + "sandwich.py", "noise = (shares**2 @ varying) / 2", "noise = (shares**2 @ varying) / 4", ERRORS),
    Mutation("kurtosis: 3 for 6", _R + "sandwich.py", "max(6 * float", "max(3 * float", ERRORS),
    Mutation("kurtosis: sample's ignored", _R + "sandwich.py", "second**2 - 3)", "second**2 - 1e9)", ERRORS),
    Mutation("fit: smallest width kept", _R + "fits.py", "1 if len(widths) >= 5 else 0", "0", FITS),
    Mutation("fit: smallest of four left out", _R + "fits.py", "1 if len(widths) >= 5 else 0", "1 if len(widths) >= 4 else 0", FITS),
    Mutation("fit: correction 1/m^3", _R + "fits.py", "columns = np.column_stack([1 / m, 1 / m**2, np.ones_like(m)])", "columns = np.column_stack([1 / m, 1 / m**3, np.ones_like(m)])", FITS),
    Mutation("width: quantile delta", _R + "sufficient_width.py", "np.quantile(factors, 1 - delta)", "np.quantile(factors, 1 - 2 * delta)", WIDTH),
    Mutation("width: pooled m D", _R + "sufficient_width.py", "[d / d.mean() for d in distances]", "[d / distances[0].mean() for d in distances]", WIDTH),
    Mutation("width: no correction", _R + "sufficient_width.py", "laws = np.array([[c1, c2, 0.0], [c1, c2, 0.0]])", "laws = np.array([[c1, 0.0, 0.0], [c1, 0.0, 0.0]])", WIDTH),
    Mutation("width: floor without error", _R + "sufficient_width.py", "laws[:, 2] = np.maximum(laws[:, 2], 0.0)", "laws[:, 2] = 0.0", WIDTH),
    Mutation("width: Markov without delta", _R + "sufficient_width.py", "epsilon * delta])", "epsilon])", WIDTH),
    Mutation("width: one-sided interval", _R + "sufficient_width.py", "[(1 - confidence) / 2, (1 + confidence) / 2]", "[(1 - confidence), confidence]", WIDTH),
    Mutation("width: whatever the verdict", _R + "convergence_record.py", "if not self.holds:", "if False:", WIDTH),
    Mutation("seeds: every cell from the first", _R + "network_cells.py", "range(cell.first, cell.first + cell.count)", "range(cell.count)", SWEEP),
    Mutation("seeds: the same for all widths", _R + "network_cells.py", "seed=width * 2**32 + number", "seed=number", SWEEP),
    Mutation("bias: with its own noise", _R + "width_sweep.py", "float(square_norms(total, population)) - distances.sum()", "float(square_norms(total, population))", SWEEP),
    Mutation("bias: divisor n^2", _R + "width_sweep.py", "products / (n * (n - 1))", "products / (n * n)", SWEEP),
    Mutation("rates: three times the stretch", "compare/theory/observations.py", "max(1 / sigma,", "max(3 / sigma,", "tests/compare/dynamics/test_dynamics.py -k rates"),
    Mutation("scaling: fails below 0.4", _D + "scaling_record.py", "initial=np.inf) < 0.5", "initial=np.inf) < 0.4", SCALING),
    Mutation("scaling: holds from 0.4", _D + "scaling_record.py", "initial=np.inf) > 0.5", "initial=np.inf) > 0.4", SCALING),
    Mutation("scaling: floor fails later", _D + "scaling_record.py", "floor.interval[0] > last / 2", "floor.interval[0] > last", SCALING),
    Mutation("scaling: floor above 0 ignored", _D + "scaling_record.py", "floor.interval[0] <= 0 and ", "", SCALING),
    Mutation("scaling: floor as large as eps", _D + "scaling_record.py", "floor.interval[1] < last", "floor.interval[1] < 2 * last", SCALING),
    Mutation("scaling: cells repeat networks", _D + "scaling.py", "i * seeds + s", "s", SCALING),
    Mutation("scaling: samples of all cells alike", _D + "training.py", "[job.samples, own]", "[1, 1]", SCALING),
)  # fmt: skip


if __name__ == "__main__":
    run(MUTATIONS)
