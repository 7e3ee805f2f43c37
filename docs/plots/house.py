"""The house: floors as columns, rooms as boxes, an arrow for every import between rooms.

Everything is read from the code: the order of the rooms from the contracts in pyproject.toml,
the arrows from the import statements, so that the picture cannot be wrong.
"""

import ast
import math
import textwrap
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

HERE = Path(globals().get("__file__", "docs/plots/house.py")).resolve()
ROOT = next(p for p in (*HERE.parents, *Path.cwd().parents) if (p / "pyproject.toml").is_file())
FLOORS = {"analytic": "#0060a8", "empirical": "#c25700", "compare": "#2e7d4f"}
COLUMN, BOX, ROW, HIGH = 5.6, 3.5, 1.0, 0.66
Room = tuple[str, str]


def orders() -> dict[str, list[list[str]]]:
    """The rooms of each floor from the top to the ground, as the contracts list them, two a row."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    found = {c["containers"][0]: c for c in contracts["contracts"] if "containers" in c}
    rows = {f: [row.replace(" ", "").split("|") for row in found[f]["layers"]] for f in FLOORS}
    return {f: [row[k : k + 2] for row in rows[f] for k in range(0, len(row), 2)] for f in FLOORS}


def room(module: str) -> Room:
    floor, _, rest = module.partition(".")
    return floor, rest.partition(".")[0]


def statements(path: Path) -> list[tuple[str, str]]:
    """(module, name) of every ``from module import name`` of the three floors."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and room(node.module)[0] in FLOORS
        for alias in node.names
    ]


def doors() -> dict[tuple[str, str], Room]:
    """Which room a name comes from that is imported through the door of a whole floor."""
    return {
        (floor, name): room(module)
        for floor in FLOORS
        for module, name in statements(ROOT / floor / "__init__.py")
    }


def imports() -> set[tuple[Room, Room]]:
    """All pairs (importer, imported) of different rooms."""
    home, pairs = doors(), set()
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
            if here[1] == "__init__":
                continue  # the door of the floor opens on all its rooms
            for module, name in statements(path):
                there = (
                    room(module) if room(module)[1] else home.get((module, name), (module, name))
                )
                pairs.add((here, there))
    return {(a, b) for a, b in pairs if a != b}


def needed(pairs: set[tuple[Room, Room]]) -> set[tuple[Room, Room]]:
    """Those that do not follow from others by going from room to room."""
    below: dict[Room, set[Room]] = {}
    for a, b in pairs:
        below.setdefault(a, set()).add(b)

    def reaches(a: Room, b: Room) -> bool:
        return b in below.get(a, ()) or any(reaches(c, b) for c in below.get(a, ()))

    return {(a, b) for a, b in pairs if not any(reaches(c, b) for c in below[a] - {b})}


def place(floors: dict[str, list[list[str]]]) -> dict[Room, tuple[float, float, float]]:
    """Middle and width of each box."""
    spots = {}
    for column, (floor, rows) in enumerate(floors.items()):
        for level, names in enumerate(reversed(rows)):
            width = (BOX - 0.12 * (len(names) - 1)) / len(names)
            for k, name in enumerate(names):
                x = column * COLUMN - BOX / 2 + width / 2 + k * (width + 0.12)
                spots[floor, name] = x, level * ROW, width
    return spots


def draw_room(ax: Axes, at: tuple[float, ...], name: str, folder: bool, hue: str) -> None:
    x, y, width = at
    corner = (x - width / 2, y - HIGH / 2)
    style = "round,pad=0,rounding_size=0.09"
    face = [1 - (0.13 if folder else 0.03) * (1 - c) for c in to_rgb(hue)]
    ax.add_patch(FancyBboxPatch(corner, width, HIGH, style, fc=face, ec=hue, lw=1.1, zorder=2))
    label = name if folder else f"{name}.py"
    size = min(8.6, 62 * width / len(label))
    font = {"size": size, "family": "monospace", "color": "#1b1b1b"}
    ax.text(x, y, label, ha="center", va="center", zorder=3, **font)


def draw_arrow(ax: Axes, a: tuple[float, ...], b: tuple[float, ...], hue: str, main: bool) -> None:
    """Straight down to the next row; in an arc outside the boxes where rooms lie between."""
    if a[1] - b[1] < 1.5 * ROW:
        start, end, bend = (a[0], a[1] - HIGH / 2), (b[0], b[1] + HIGH / 2), 0.0
    else:
        middle = round(a[0] / COLUMN) * COLUMN
        off = next((x - middle for x, _, _ in (b, a) if abs(x - middle) > 0.1), 0.0)
        side = math.copysign(1, off or (-1) ** round((a[1] + b[1]) / ROW))  # half on each side
        edge = middle + side * BOX / 2
        start = (edge, a[1] - 0.12) if (a[0] - middle) * side >= 0 else (a[0], a[1] - HIGH / 2)
        end = edge, b[1] + 0.12
        bend = side * -min(0.42, 0.9 / (a[1] - b[1]) + 0.12)
    ax.add_patch(
        FancyArrowPatch(
            start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>", mutation_scale=7,
            color=hue, alpha=0.9 if main else 0.28, lw=1.3 if main else 0.8, zorder=1,
            shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip


floors, pairs = orders(), imports()
spots = place(floors)
strong = needed({(a, b) for a, b in pairs if a[0] == b[0]})
figure, ax = plt.subplots(figsize=(10.5, 8.6), layout="constrained")
for floor, hue in FLOORS.items():
    for name in (name for row in floors[floor] for name in row):
        draw_room(ax, spots[floor, name], name, (ROOT / floor / name).is_dir(), hue)
for a, b in sorted(pairs):
    if a[0] == b[0]:
        draw_arrow(ax, spots[a], spots[b], FLOORS[a[0]], (a, b) in strong)
for column, (floor, hue) in enumerate(FLOORS.items()):
    top = len(floors[floor]) * ROW - 0.25
    ax.text(column * COLUMN, top, floor, ha="center", color=hue, size=13, weight="bold")
for column, floor in enumerate(FLOORS):
    lower = list(FLOORS)[:column]
    taken = {f: sorted({b[1] for a, b in pairs if a[0] == floor and b[0] == f}) for f in lower}
    lines = [f"from {f}: {', '.join(rooms)}" for f, rooms in reversed(taken.items())]
    text = "\n".join(wrap for line in lines for wrap in textwrap.wrap(line, 42))
    ax.text(
        column * COLUMN, -0.55 * ROW, text or "numpy, scipy, sympy, numba; never torch",
        ha="center", va="top", size=8, color="#444444",
    )  # fmt: skip
ax.set(xlim=(-BOX / 2 - 1.1, 2 * COLUMN + BOX / 2 + 1.1), aspect="auto")
ax.set_ylim(-1.9, max(map(len, floors.values())) * ROW + 0.2)
ax.axis("off")
