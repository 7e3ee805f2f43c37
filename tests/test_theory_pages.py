"""The numbers that the pages on theory state are made there: their blocks run as doctests."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parent.parent / "docs" / "theory"
BLOCKS = {
    page.name: blocks
    for page in sorted(PAGES.glob("*.md"))
    if (blocks := re.findall(r"```pycon\n(.*?)```", page.read_text(), re.DOTALL))
}


@pytest.mark.parametrize("page", BLOCKS)
def test_the_numbers_of_a_page_are_those_its_blocks_print(page: str) -> None:
    test = doctest.DocTestParser().get_doctest("\n".join(BLOCKS[page]), {}, page, page, 0)
    assert test.examples
    said: list[str] = []
    doctest.DocTestRunner().run(test, out=said.append)
    assert not said, "".join(said)


def test_a_page_with_a_wrong_number_fails() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(test, out=lambda _: None).failed == 1
