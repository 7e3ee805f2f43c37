"""K_inf of a digit and its shifted copies, for three readouts."""

import matplotlib.pyplot as plt
import numpy as np

from analytic import AveragePooling, Convolution, GlobalAveragePooling, Network, kernel
from compare import Inputs

digits = Inputs.digits(flat=False).sample(20)
shifts = np.arange(-4, 5)
layers = [Convolution("softplus", 3, weight_std=1 / 3, padding_mode="circular")] * 2
networks = {
    "flattened": Network(*layers),
    "windows of 2, flattened": Network(*layers, AveragePooling(2)),
    "windows of 4, flattened": Network(*layers, AveragePooling(4)),
    "global pooling": Network(*layers, GlobalAveragePooling()),
}
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for (name, network), marker in zip(networks.items(), "osD^", strict=True):
    curves = []
    for digit in digits:
        moved = np.stack([np.roll(digit, shift, axis=2) for shift in shifts])
        row = kernel(network, digit[None], moved)[0]
        curves.append(row / row[shifts == 0])
    ax.plot(shifts, np.mean(curves, axis=0), marker + "-", label=name)
ax.set_xlabel("shift in pixels")
ax.set_ylabel(r"$K_\infty(x, x_{shifted})\,/\,K_\infty(x, x)$")
ax.legend()
