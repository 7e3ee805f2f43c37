"""How the eps of Corollary 3.7 and the gap of Observation 3.9 fall (a few minutes)."""

# %% 12 networks for each width and number of samples, and 250 linearised ones; 4 against the
# kernel of another activation
import kinfinity as ki

network = ki.Network(ki.FullyConnected("tanh"), ki.FullyConnected("tanh"))
target = ki.Target.harmonic((1, 3, 5), dimension=2, amplitude=0.6, seed=1)
grid = {"widths": [32, 64, 128, 256], "samples": [64, 128, 256], "horizon": 12.0, "points": 64}
circle = ki.Inputs.sphere(2)
result = ki.dynamics_scaling(network, circle, target, **grid, seeds=12)
wrong = ki.Network(ki.FullyConnected("softplus"), ki.FullyConnected("softplus"))
control = ki.dynamics_scaling(network, circle, target, **grid, seeds=4, limit=wrong)
growth = ki.dynamics_growth(
    network, circle, target, ratios=(0.5, 1.0), samples=[64, 128, 256], horizon=12.0, points=64
)

# %% What was found
print(result)
print(result.table())
print(control)
print(growth)

# %% The pictures of the gallery
result.plot().get_figure(root=True).savefig("scaling.png", dpi=90)
control.plot().get_figure(root=True).savefig("control.png", dpi=90)
