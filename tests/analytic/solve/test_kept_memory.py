"""Memory of large answers is taken again, and never while somebody holds a part of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel
from analytic.machine import CACHE_LINE
from analytic.solve.kept_memory import LEAST, MOST, empty, kept_numbers

SIDE = int(np.sqrt(LEAST)) + 1
"""Rows of an answer that is kept."""


def _place(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_an_answer_takes_the_memory_of_one_that_is_gone() -> None:
    answer = empty(SIDE, SIDE)
    assert _place(answer) % CACHE_LINE == 0
    assert answer.flags.c_contiguous
    assert answer.flags.writeable
    place = _place(answer)
    del answer
    assert _place(empty(SIDE, SIDE)) == place


@pytest.mark.parametrize(
    "part",
    [lambda a: a[3:5, ::2], lambda a: a.T, lambda a: a.ravel()[7:], memoryview],
    ids=["slice", "transposed", "flat", "memoryview"],
)
def test_no_answer_is_overwritten_while_a_part_is_held(part: Callable[..., object]) -> None:
    answer = empty(SIDE, SIDE)
    answer[:] = 1.0
    held = part(answer)
    place = _place(answer)
    del answer
    other = empty(SIDE, SIDE)
    assert _place(other) != place
    other[:] = 2.0
    assert (np.asarray(held) == 1.0).all()


def test_small_and_huge_answers_and_those_of_other_sizes_are_given_up() -> None:
    for n in (SIDE // 4, SIDE, SIDE + 1):
        empty(n, n)
    assert kept_numbers() == (SIDE + 1) ** 2 + CACHE_LINE // 8
    empty(2, MOST // 2 + 1)
    assert kept_numbers() <= (SIDE + 1) ** 2 + CACHE_LINE // 8
    held = [empty(SIDE + 1, SIDE + 1) for _ in range(2 * MOST // SIDE**2)]
    del held
    assert 0 < kept_numbers() <= MOST


def test_threads_share_no_answer() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(8):
            answer = empty(SIDE, SIDE)
            answer[::64] = number
            if not (answer[::64] == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_kernel_that_is_held_stays_as_it_is(rng: np.random.Generator) -> None:
    x = rng.standard_normal((SIDE, 3))
    network = Network(FullyConnected("erf"))
    first = kernel(network, x)[:4]
    copy = first.copy()
    kernel(network, -2 * x)
    np.testing.assert_array_equal(first, copy)
