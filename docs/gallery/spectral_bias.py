"""Spectral bias outside the training set, and both sides of Theorem 3.5 (several minutes)."""

# %% Ten Fourier modes of equal weight, a network whose kernel has all of them
import kinfinity as ki

network = ki.Network(*[ki.FullyConnected("tanh", weight_std=3.0)] * 3)
target = ki.Target.harmonic(range(1, 20, 2), dimension=2, amplitude=0.3, seed=0)
result = ki.dynamics_gap(
    network, ki.Inputs.sphere(2), target,
    width=512, samples=1024, horizon=10.0, seeds=4, points=256,
)  # fmt: skip

# %% What was found
print(result)
print(result.rates().table())
print(result.stopping())

# %% The pictures of the gallery
for name, draw in {
    "bias": result.plot_modes,
    "gap": result.plot,
    "theorem": result.plot_theorem,
    "rates": result.plot_rates,
}.items():
    draw().get_figure(root=True).savefig(f"{name}.png", dpi=90)
result.save("dynamics.npz")
