"""Descriptions of networks, and their text."""

from __future__ import annotations

import pickle

import pytest

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Residual,
    SumPooling,
)
from analytic.network.network_text import parse_network

NETWORKS = [
    Network(FullyConnected("tanh")),
    Network(FullyConnected("tanh", weight_std=1.5, bias_std=0.1), FullyConnected("relu")),
    Network(FullyConnected("sigmoid"), Residual(FullyConnected("erf"), FullyConnected("identity"))),
    Network(
        FullyConnected("tanh"), Residual(Residual(FullyConnected("sin")), FullyConnected("cos"))
    ),
    Network(FullyConnected("gelu", width_ratio=2), FullyConnected("silu", width_ratio=0.5)),
    Network(Convolution("tanh", 3), Residual(Convolution("erf", (2, 5), bias_std=0.1))),
    Network(
        Convolution(
            "tanh", 3, stride=(2, 1), padding_mode="circular", dilation=(1, 2), width_ratio=2
        ),
        AveragePooling(2),
        Convolution("softplus", 1, padding="valid", weight_std=0.5),
        Flatten(),
        FullyConnected("tanh"),
    ),
    Network(AveragePooling((1, 2)), Convolution("tanh", 3, stride=2), GlobalAveragePooling()),
    Network(SumPooling(2), Convolution("tanh", 3), AveragePooling(3, stride=(1, 2))),
    Network(
        FullyConnected("identity"),
        Residual(Nonlinearity("tanh"), FullyConnected("identity", bias_std=0.1)),
        Nonlinearity("softplus"),
    ),
]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_text_of_a_network_is_its_code(network: Network) -> None:
    assert parse_network(repr(network)) == network
    assert eval(repr(network)) == network
    assert hash(parse_network(repr(network))) == hash(network)
    assert pickle.loads(pickle.dumps(network)) == network


def test_averages_stand_before_the_layer_that_follows() -> None:
    network = NETWORKS[6]
    assert [step.averages for step in network.steps] == [(), (AveragePooling(2),), (Flatten(),)]
    assert network.readout == ()
    assert NETWORKS[5].readout == (Flatten(),)
    assert NETWORKS[7].readout == (GlobalAveragePooling(),)
    assert NETWORKS[7].steps[0].averages == (AveragePooling((1, 2)),)
    branch = Network(Convolution("tanh", 3), AveragePooling(2), Residual(Convolution("tanh", 3)))
    assert branch.steps[1].averages == (AveragePooling(2),)
    assert branch.steps[1].opens == 1


def test_steps_unroll_nested_branches() -> None:
    network = NETWORKS[3]
    assert [(step.opens, step.closes) for step in network.steps] == [
        (0, 0),
        (2, 1),
        (0, 1),
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network(), "expected at least one layer"),
        (lambda: Residual(), "expected at least one layer"),
        (
            lambda: Network(Residual(FullyConnected("tanh"))),
            "expected a first layer that is not residual",
        ),
        (
            lambda: Residual(Residual(FullyConnected("tanh"))),
            "which is a function of the units that are skipped",
        ),
        (
            lambda: FullyConnected("tanh", weight_std=0),
            "expected a positive finite weight_std, got 0",
        ),
        (lambda: FullyConnected("tanh", weight_std=float("nan")), "weight_std, got nan"),
        (
            lambda: FullyConnected("tanh", bias_std=-1),
            "expected a non-negative finite bias_std, got -1",
        ),
        (lambda: FullyConnected("tanh", width_ratio=0), "positive finite width_ratio"),
        (
            lambda: Network(
                FullyConnected("tanh"), Residual(FullyConnected("tanh", width_ratio=2))
            ),
            "width ratio",
        ),
        (lambda: Network(Flatten()), "expected a layer with weights"),
        (lambda: Network(Convolution("tanh", 3), FullyConnected("tanh")), "between images and"),
        (
            lambda: Network(Convolution("tanh", 3), Residual(FullyConnected("tanh"))),
            "between images and",
        ),
        (lambda: Network(FullyConnected("tanh"), Convolution("tanh", 3)), "needs positions"),
        (lambda: Network(FullyConnected("tanh"), Flatten()), "needs positions"),
        (
            lambda: Network(Convolution("tanh", 3), GlobalAveragePooling(), AveragePooling(2)),
            "needs positions",
        ),
        (lambda: Network(AveragePooling(2), Residual(Convolution("tanh", 3))), "not residual"),
        (lambda: Residual(Convolution("tanh", 3, stride=2)), "stride leaves out positions"),
        (lambda: Residual(Convolution("tanh", 3, padding="valid")), "loses the border"),
        (lambda: Residual(Convolution("tanh", 3), AveragePooling(2)), "fewer positions"),
        (lambda: Convolution("tanh", 3, padding="valid", padding_mode="circular"), "choose one"),
        (
            lambda: Convolution("tanh", 3, padding="full"),  # pyright: ignore[reportArgumentType]
            "padding 'same' or 'valid', got 'full'",
        ),
        (
            lambda: Network(Convolution("tanh", 3), Flatten(), Residual(FullyConnected("tanh"))),
            "between Flatten",
        ),
        (lambda: Convolution("tanh", 0), "positive kernel_size"),
        (lambda: Convolution("tanh", 3, dilation=0), "positive dilation"),
        (lambda: Network(Convolution("tanh", (3, 3), dilation=(2,))), "2 spatial dimensions"),
        (lambda: Convolution("tanh", (3, 3, 3, 3)), "one, two or three dimensions"),
        (lambda: AveragePooling(-1), "positive size"),
        (lambda: SumPooling(2, stride=0), "positive stride"),
        (lambda: Network(Convolution("tanh", (3, 3)), SumPooling(2, stride=(1,))), "2 spatial"),
        (
            lambda: Network(Convolution("tanh", (3, 3)), Convolution("tanh", (3,))),
            "2 spatial dimensions",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Network("tanh"),  # pyright: ignore[reportArgumentType]
        lambda: Network([FullyConnected("tanh")]),  # pyright: ignore[reportArgumentType]
        lambda: FullyConnected("tanh", weight_std="wide"),  # pyright: ignore[reportArgumentType]
        lambda: Convolution("tanh", 2.5),  # pyright: ignore[reportArgumentType]
        lambda: Convolution("tanh", True),
        lambda: Network(Flatten),  # pyright: ignore[reportArgumentType]
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(TypeError, match="expected"):
        make()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tanh",
        'FullyConnected("tanh")',
        'Network(FullyConnected("tanh")',
        '__import__("os").system("true")',
        'Network(FullyConnected("tanh").activation)',
        "Network(FullyConnected(lambda x: x))",
        "Network(*[1])",
        "Network(**{})",
        'Network(FullyConnected("tanh", weight=1))',
        'Network(FullyConnected("tanh", weight_std=1 + 1))',
        'Network(FullyConnected(b"tanh"))',
        'Network(Convolution("tanh"))',
        'Network(Convolution("tanh", 3, 3))',
        'Network(Convolution("tanh", -3))',
        'Network(Convolution("tanh", 1e3))',
        'Network(Convolution("tanh", (3, (3,))))',
        'Network(Convolution("tanh", 10**9))',
        'Network(Convolution("tanh", 3, padding=3))',
        'Network(Convolution("tanh", 3, dilation=0))',
        'Network(Convolution("tanh", 3, padding="full"))',
        'Network(FullyConnected("tanh", stride=2))',
        'Network(Convolution("tanh", 3), AveragePooling())',
        'Network(Convolution("tanh", 3), Flatten(2))',
        'Network(Convolution("tanh", 3), SumPooling(2, stride=None))',
        'Network(Convolution("tanh", 3), AveragePooling(2, step=1))',
        "Network(" * 300,
        "x" * 20_000,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_network(text)
