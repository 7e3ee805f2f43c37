"""The constant C of ||K_0 - K_inf||^2 = C/m, without a finite network in sight (a minute)."""

# %% How C grows with depth, at equal inputs of norm sqrt(d), relative to K^2
import numpy as np
from matplotlib.figure import Figure

import kinfinity as ki

x = np.ones((1, 4))


def relative(network: ki.Network, point: np.ndarray) -> float:
    """C/K^2: the relative variance of K_0(x, x), times m."""
    return float(ki.fluctuation(network, point)[0, 0] / ki.kernel(network, point)[0, 0] ** 2)


def plain(name: str, depth: int, weight_std: float = 1.0) -> ki.Network:
    return ki.Network(*[ki.FullyConnected(name, weight_std=weight_std)] * depth)


def residual(name: str, depth: int, weight_std: float = 1.0) -> ki.Network:
    first, layer = (ki.FullyConnected(name, weight_std=w) for w in (1.0, weight_std))
    return ki.Network(first, *[ki.Residual(layer)] * (depth - 1))


depths = np.array([1, 2, 3, 4, 6, 8, 10, 12])
families = {
    "linear": [relative(plain("identity", k), x) for k in depths],
    "tanh, critical": [relative(plain("tanh", k), x) for k in depths],
    "tanh, weights 1.5": [relative(plain("tanh", k, 1.5), x) for k in depths],
    "softplus": [relative(plain("softplus", k), x) for k in depths],
    "tanh, residual, weights 0.5": [relative(residual("tanh", k, 0.5), x) for k in depths],
    "softplus, residual, weights 0.5": [relative(residual("softplus", k, 0.5), x) for k in depths],
}
figure = Figure(figsize=(6.0, 4.2), layout="constrained")
ax = figure.add_subplot()
for label, values in families.items():
    ax.plot(depths, values, "o-", ms=3, label=label)
ax.plot(depths, 5 * depths, "k--", lw=1, label="$5 L$ (relu, Hanin and Nica)")
ax.set(xlabel="depth $L$", ylabel="$C / K_\\infty^2$", yscale="log", xticks=depths)
ax.set_ylim(0.05, 100)
ax.legend(fontsize=8, frameon=False, loc="lower right", ncols=2)
figure.savefig("depth.png", dpi=90)
for label, values in families.items():
    print(label, np.round(values, 3))

# %% How it depends on the scale of weights and inputs, three layers
stds = np.linspace(0.5, 2.0, 13)
by_std = {name: [relative(plain(name, 3, s), x) for s in stds] for name in ("tanh", "softplus")}
norms = np.geomspace(0.1, 3.0, 13)
by_norm = {name: [relative(plain(name, 3), r * x) for r in norms] for name in ("tanh", "softplus")}
figure = Figure(figsize=(8.0, 3.6), layout="constrained")
for ax, abscissa, found, label in zip(
    figure.subplots(1, 2, sharey=True), (stds, norms), (by_std, by_norm),
    ("weight_std", "$\\|x\\| / \\sqrt{d}$"), strict=True,
):  # fmt: skip
    for name, values in found.items():
        ax.plot(abscissa, values, "o-", ms=3, label=name)
    ax.set(xlabel=label, ylabel="$C / K_\\infty^2$", yscale="log")
    ax.legend(frameon=False)
figure.savefig("scale.png", dpi=90)

# %% E ||K_0 - K_inf||^2 for a distribution of inputs: predicted, and measured by a sweep
network = ki.Network(ki.FullyConnected("tanh"), ki.FullyConnected("tanh"))
result = ki.convergence(network, ki.Inputs.sphere(10), [32, 64, 128, 256], 200, points=24)
print(result.predicted, result.constant, result.law.constant_interval)
result.plot().get_figure(root=True).savefig("predicted.png", dpi=90)

# %% The law of m ||K_0 - K_inf||^2, and the width that Assumption 3.6 asks for
points = ki.Inputs.sphere(10).sample(10)
law = ki.distance_law(network, points)
print(law.mean, law.variation, law.required_width(0.01, 0.05), law.mean / (0.01 * 0.05))
levels = np.linspace(0.005, 0.995, 60)
figure = Figure(figsize=(6.0, 4.2), layout="constrained")
ax = figure.add_subplot()
ax.plot([law.quantile(p) for p in levels], levels, "k-", lw=1, label="predicted")
for width in (64, 256):
    one = ki.convergence(network, ki.Inputs.array(points), [8, 16, width], [2, 2, 1000])
    d = width * one.distances[2]
    ax.plot(np.sort(d), (np.arange(1000) + 0.5) / 1000, lw=1, label=f"1000 networks, m = {width}")
ax.set(xlabel="$m\\,\\|K_0 - K_\\infty\\|^2$", ylabel="share of networks")
ax.legend(frameon=False)
figure.savefig("law.png", dpi=90)
