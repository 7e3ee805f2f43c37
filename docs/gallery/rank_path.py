"""Does the effective rank stay low along gradient flow? (a few minutes)"""

# %% Three networks of the theory and a small transformer from outside, odd and even digits
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import kinfinity as ki

pixels, digit = load_digits(return_X_y=True)
x = torch.from_numpy(pixels / pixels.std())
y = torch.from_numpy(digit % 2 * 2.0 - 1)
times = [0.5, 2.0, 8.0, 32.0, 128.0]


class SmallTransformer(nn.Module):
    """The rows of a digit as eight tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 16)
        self.place = nn.Parameter(torch.randn(8, 16) / 4)
        self.block = nn.TransformerEncoderLayer(
            16, 2, 32, dropout=0.0, activation="gelu", batch_first=True
        )
        self.head = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.embed(x.view(-1, 8, 8)) + self.place).mean(1))[:, 0]


def network(name: str, residual: bool) -> ki.FiniteNetwork:
    second = ki.Residual(ki.FullyConnected(name)) if residual else ki.FullyConnected(name)
    described = ki.Network(ki.FullyConnected(name), second)
    return ki.FiniteNetwork(described, (64,), 128)


torch.manual_seed(0)
modules = {
    "two tanh layers": network("tanh", False),
    "softplus, residual": network("softplus", True),
    "sigmoid, residual": network("sigmoid", True),
    "small transformer": SmallTransformer().double().eval(),
}
for name, module in modules.items():
    outside = name == "small transformer"
    n, until = (16, times[:3]) if outside else (64, times)
    path = ki.rank_path(module, x[:n], y[:n], until, x[64:320], rtol=1e-4 if outside else 1e-6)
    print(name, path.table(), path, sep="\n", flush=True)
    path.plot().figure.savefig(f"path-{name.replace(' ', '-').replace(',', '')}.png", dpi=90)
