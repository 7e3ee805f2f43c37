"""Sentences for what people write without having a limit: why, and what is nearest."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from empirical.lifting import LiftingError, network_of


class Attention(nn.Module):
    """One head, by hand; with ``pooled`` positions are weighed by scores instead."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.pooled, self.inward, self.outward = pooled, nn.Linear(8, 16), nn.Linear(16, 1)
        self.q, self.k, self.v = (nn.Linear(16, 16) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.inward(x))
        if self.pooled:
            weights = functional.softmax(self.q(h), dim=1)
            return self.outward((weights * h).sum(1))
        scores = torch.softmax(self.q(h) @ self.k(h).transpose(1, 2) / 4, dim=-1)
        return self.outward((scores @ self.v(h)).mean(1))


class AfterSum(nn.Module):
    """The block of He et al. (2016): its activation acts on the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, 1, 1), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.gelu(self.stem(x))
        h = functional.gelu(h + self.a(h))
        return self.head(h.mean((2, 3)))


class Enlarges(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.interpolate(torch.relu(self.a(x)), scale_factor=2)
        return self.head(torch.relu(self.b(h)).mean((2, 3)))


def perceptron(*before: nn.Module, after: tuple[nn.Module, ...] = ()) -> nn.Module:
    return nn.Sequential(*before, nn.Linear(6, 16), *after, nn.ReLU(), nn.Linear(16, 1))


def weight_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        hidden = nn.utils.weight_norm(nn.Linear(6, 16))
    return nn.Sequential(hidden, nn.ReLU(), nn.Linear(16, 1))


def line() -> nn.Module:
    return nn.Sequential(nn.Conv1d(3, 8, 3), nn.InstanceNorm1d(8), nn.Flatten(), nn.Linear(48, 1))


class Ends(nn.Module):
    """A block whose units meet a function of the first ones and what they give."""

    def __init__(
        self, function: Callable[[Tensor, nn.Module], Tensor], other: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.function, self.a, self.b = function, nn.Linear(6, 16), nn.Linear(16, 16)
        self.c, self.other = nn.Linear(16, 1), other

    def forward(self, x: Tensor) -> Tensor:
        h = self.function(torch.tanh(self.a(x)), self.b)
        return self.c(h) if self.other is None else torch.cat([self.c(h), self.other(h)], dim=1)


class Constant(nn.Linear):
    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.constant_(self.bias, 0.01)


class Shifted(Ends):
    def __init__(self) -> None:
        super().__init__(lambda h, b: b(h))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 16), nn.Linear(48, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)).flatten(1))


class Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Bilinear(3, 3, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x[:, 0], x[:, 1])))


def started(start: Callable[[Tensor], Any], *layers: nn.Module) -> nn.Module:
    """A sequence whose third part starts with other weights."""
    module = nn.Sequential(*layers)
    start(module[2].weight)  # pyright: ignore[reportArgumentType]
    return module


def last_filter() -> nn.Module:
    hidden = nn.Conv2d(3, 16, 3), nn.Tanh(), nn.Conv2d(16, 2, 2)
    return nn.Sequential(*hidden, nn.AdaptiveAvgPool2d(1), nn.Flatten())


SENTENCES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], tuple[str, ...]]] = {
    "attention by hand": (
        lambda: Attention(False), (5, 8),
        ("softmax in Attention, line", "scores = torch.softmax", "one head its weights stay random",
         "average over positions"),
    ),
    "attention that pools": (
        lambda: Attention(True), (5, 8), ("softmax in Attention, line", "average over positions"),
    ),
    "a last softmax": (
        lambda: nn.Sequential(perceptron(), nn.Softmax(-1)), (6,), ("the kernel is that of the",),
    ),
    "weight norm by hooks": (
        weight_norm, (6,), ("got 'weight' of Linear '0'", "remove_weight_norm"),
    ),
    "gains of data": (
        lambda: perceptron(nn.LayerNorm(6)), (6,),
        ("layer_norm in LayerNorm '0'", "multiply data", "elementwise_affine=False"),
    ),
    "InstanceNorm1d of vectors": (
        lambda: perceptron(after=(nn.InstanceNorm1d(4),)), (6,),
        ("unsqueeze in InstanceNorm1d '1'", "nn.LayerNorm(units, elementwise_affine=False)"),
    ),
    "InstanceNorm1d of a line": (
        line, (3, 8),
        ("instance_norm in InstanceNorm1d '1'", "over the positions", "nn.LayerNorm"),
    ),
    "activation behind a sum": (
        AfterSum, (3, 6, 6),
        ("got gelu in AfterSum, line", "h = functional.gelu(h + self.a(h))`",
         "those behind gelu in AfterSum, line", "h + f(act(h)) in place of act(h + f(h))"),
    ),
    "an image that is enlarged": (
        Enlarges, (3, 6, 6), ("interpolate in Enlarges, line", "keep the size"),
    ),
    "the unit matrix": (
        lambda: started(nn.init.eye_, nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(),
                        nn.Linear(32, 1)),
        (6,), ("an orthogonal matrix '2.weight' that is none", "nn.init.orthogonal_"),
    ),
    "the unit filter": (
        lambda: started(nn.init.dirac_, nn.Conv1d(2, 16, 3), nn.ReLU(), nn.Conv1d(16, 16, 3),
                        nn.Flatten(), nn.Linear(64, 1)),
        (2, 8), ("an orthogonal matrix '2.weight' that is none", "hands on single units"),
    ),
    "a branch without gradients": (
        lambda: Ends(lambda h, b: h + b(h.detach())), (6,),
        ("tangent kernels that differ", "its outputs are those", "detach or no_grad in one of"),
    ),
    "a slope in single precision": (
        lambda: nn.Sequential(nn.Linear(6, 64), nn.Hardsigmoid(), nn.Linear(64, 1)), (6,),
        ("tangent kernels that differ", "a slope is rounded to single precision", "torch.clamp(x"),
    ),
    "a stack of branches": (
        lambda: Ends(lambda h, b: torch.stack([h, b(h)]).mean(0)), (6,),
        ("got stack in Ends, line", "an axis of their own", "sum(list)"),
    ),
    "products of two inputs": (
        Bilinear, (2, 3),
        ("bilinear in Bilinear 'a'", "products of two inputs", "nn.Linear(d1 * d2, m)"),
    ),
    "positions flattened in front of units": (
        Tokens, (3, 6), ("flatten in Tokens, line", "h.movedim(-1, 1).flatten(1)"),
    ),
    "a last filter and an average": (
        last_filter, (3, 6, 6), ("reads several positions", "nn.Conv2d(m, k, 1)"),
    ),
    "a constant behind the outputs": (
        Shifted, (6,), ("add in Shifted, line", "a constant is added to the outputs"),
    ),
    "outputs side by side": (
        lambda: Ends(lambda h, b: h, nn.Linear(16, 2)), (6,),
        ("cat in Ends, line", "several layers side by side", "let one nn.Linear give all"),
    ),
    "a bound for each unit": (
        lambda: Ends(lambda h, b: torch.clamp(b(h), min=h)), (6,),
        ("clamp in Ends, line", "no single constant", "pass numbers"),
    ),
    "constant biases": (
        lambda: nn.Sequential(Constant(6, 16), nn.ReLU(), nn.Linear(16, 1)), (6,),
        ("got '0.bias', all of them 0.01", "start them at 0, nn.init.zeros_"),
    ),
    "a reflected border": (
        lambda: nn.Sequential(nn.Conv1d(2, 16, 3), nn.ReLU(),
                              nn.Conv1d(16, 16, 3, padding=1, padding_mode="reflect"),
                              nn.ReLU(), nn.Flatten(), nn.Linear(96, 1)),
        (2, 8), ("pad in Conv1d '2'", "the border is filled", 'padding_mode="circular"'),
    ),
    "a threshold that shows": (
        lambda: nn.Sequential(nn.Linear(6, 16), nn.Softplus(1, 2), nn.Linear(16, 1)), (6,),
        ("softplus in Softplus '1'", "jumps from softplus(2) to 2"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_names_the_call_the_reason_and_what_is_nearest(name: str) -> None:
    make, shape, says = SENTENCES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of InstanceNorm1d itself
        with pytest.raises(LiftingError) as found:
            network_of(make().eval(), torch.randn(4, *shape))
    for part in says:
        assert part in str(found.value), found.value


def test_normalised_data_without_gains_are_data() -> None:
    norm = nn.LayerNorm(6, elementwise_affine=False)
    assert network_of(perceptron(norm), torch.randn(4, 6)).widths == (16,)


def test_what_is_written_through_a_view_does_not_pass() -> None:
    class Sly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 16), nn.Linear(16, 1)

        def forward(self, x: Tensor) -> Tensor:
            h = self.a(x)
            h.detach().numpy()[:, 0] = 0.0
            return self.b(torch.tanh(h))

    with pytest.raises(LiftingError, match="got numpy in Sly"):
        network_of(Sly().double(), torch.randn(4, 6).double())


def test_what_hides_its_calls_or_its_numbers_is_refused() -> None:
    module, x = perceptron(), torch.randn(4, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled = torch.compile(module)
    with pytest.raises(LiftingError, match=r"got one of torch\.compile.*_orig_mod"):
        network_of(compiled, x)  # pyright: ignore[reportArgumentType]
    with pytest.raises(LiftingError, match=r"got '0\.weight' of torch\.bfloat16"):
        network_of(perceptron().bfloat16(), x.bfloat16())
    with pytest.raises(TypeError, match=r"expected laws as InitialLaw, got 1\.0 for '\*'"):
        network_of(module, x, laws={"*": 1.0})  # pyright: ignore[reportArgumentType]
