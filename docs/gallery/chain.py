"""The exponents on the page "the chain of the proof" (twelve minutes of one core)."""

# %% The Hessian against the width: at theta_0 and over a ball, for the networks of eq. (5)
from pathlib import Path

import numpy as np
import torch

import kinfinity as ki

sphere, digits = ki.Inputs.sphere(8), ki.Inputs.digits()


def stacked(name: str, depth: int, residual: bool) -> ki.Network:
    later = ki.Residual(ki.FullyConnected(name)) if residual else ki.FullyConnected(name)
    return ki.Network(ki.FullyConnected(name), *[later] * (depth - 1))


shapes = [(1, False), (2, False), (2, True), (3, False), (3, True)]
for depth, residual in shapes:
    for name in ("tanh", "softplus", "sigmoid"):
        for radius in (0.0, 1.0):
            widths = [64 * 2**k for k in range(8 if depth == 1 else 5 if radius else 6)]
            kept = Path(f"hessian-{name}-{depth}{'r' * residual}-{radius:g}.npz")
            if kept.is_file():  # of a run that was stopped
                found = ki.HessianGrowth.load(kept)
            else:
                network = stacked(name, depth, residual)
                found = ki.hessian_growth(network, sphere, widths, 8, radius=radius)
                found.save(kept)
            low, high = found.exponent_interval
            print(
                f"{name:9s} depth {depth} {'residual' if residual else 'plain':9s} R = {radius:g}"
                f" m to {widths[-1]}: {found.exponent:.3f} [{low:.3f}, {high:.3f}]"
                f" {found.laws.plain:7.1f} {found.laws.logarithmic:7.1f}"
                f" {found.laws.preferred}, {found.verdict}",
                flush=True,
            )
            if name == "tanh" and depth == 1 and radius == 0:
                found.plot().figure.savefig("hessian.png", dpi=90)

# %% Drift of parameters and kernel against the width, to t = 10 on 32 digits
x = torch.from_numpy(digits.sample(32))
y = torch.sign(x[:, 20] - x[:, 20].median() + 1e-9)
widths, drift, moved, times = [32, 64, 128, 256], [], [], [0.0, 2.5, 5.0, 10.0]
for m in widths:
    for both in (True, False):
        flows = []
        for seed in range(6):
            f = ki.FiniteNetwork(stacked("tanh", 2, False), (64,), m, seed=seed, antisymmetric=both)
            start = f(x).detach()  # the same target for the residual: y is moved with f
            flows.append(ki.gradient_flow(f, x, start + y, times, watch=x))
        if both:
            moved.append([[float(d) for d in flow.displacement] for flow in flows])
        norms = [torch.linalg.matrix_norm(g.kernels[-1] - g.kernels[0]) / 32 for g in flows]
        drift.append([float(d) for d in norms])
drift = np.array(drift).reshape(len(widths), 2, -1)
for k, label in enumerate(("antisymmetric", "one copy")):
    rates = [np.polyfit(np.log(widths), np.log(d), 1)[0] for d in drift[:, k].T]
    print(f"||K_T - K_0|| against m, {label}: {np.mean(rates):.3f} +- {np.std(rates):.3f}")
moved = np.array(moved)
rates = [np.polyfit(np.log(widths), np.log(d), 1)[0] for d in moved[:, :, -1].T]
print(f"|theta_T - theta_0| against m: {np.mean(rates):.3f} +- {np.std(rates):.3f}")
rates = [np.polyfit(np.log(times[1:]), np.log(d[1:]), 1)[0] for d in moved[-1]]
print(f"|theta_t - theta_0| against t: {np.mean(rates):.3f} +- {np.std(rates):.3f}", flush=True)

# %% Effective rank against the width, and what it means for covering numbers
network = stacked("softplus", 2, False)
ranks = ki.rank_growth(network, digits, [64 * 2**k for k in range(8)], 4)
print(ranks.table(), ranks, ki.covering_table(ranks.limit, [1, 3], [0.3, 0.1, 0.03]), sep="\n")
ranks.plot().figure.savefig("ranks.png", dpi=90)
scales = np.geomspace(0.3, 0.01, 20)
counts = [ki.effective_rank(ranks.limit, s) for s in scales]
print(f"p~ against 1/scale: {np.polyfit(-np.log(scales), np.log(counts), 1)[0]:.3f}")

# %% Few samples: sup of |E_n g^2 - E g^2| over the linearised model is R^2 ||F_n - F||
population = torch.from_numpy(digits.sample(1797))
sizes = [32, 64, 128, 256, 512]
for m in (64, 512):
    f = ki.FiniteNetwork(network, (64,), m, antisymmetric=False)
    values, vectors = torch.linalg.eigh(ki.tangent_kernel(f, population))
    keep = values > 1e-10 * values[-1]
    factor = vectors[:, keep] * values[keep].sqrt()  # rows: gradients in the basis of F
    rng, rows = np.random.default_rng(0), []
    for n in sizes:
        for _ in range(6):
            weights = torch.full((1797,), -1 / 1797, dtype=torch.float64)
            weights[torch.from_numpy(rng.permutation(1797)[:n])] += 1 / n
            gap = torch.linalg.eigvalsh(factor.T @ (weights[:, None] * factor))
            rows.append(float(gap.abs().max() / values[-1] * 1797))
    gaps = np.array(rows).reshape(len(sizes), -1)
    rates = [np.polyfit(np.log(sizes), np.log(g), 1)[0] for g in gaps.T]
    print(f"||F_n - F||/||F|| against n, m = {m}: {np.mean(rates):.3f} +- {np.std(rates):.3f}")
    print(f"  {gaps[0].mean():.3f} at {sizes[0]}, {gaps[-1].mean():.3f} at {sizes[-1]}")

# %% Convergence of the spectrum in the number of samples
f = ki.FiniteNetwork(network, (64,), 256)
limit = ki.fisher_limit(f, population[:1024])
for k in (0, 1, 4, 9, 29):
    print(k + 1, limit.eigenvalues[:, k].tolist(), limit.value[k], limit.stderr[k], limit.bias[k])
