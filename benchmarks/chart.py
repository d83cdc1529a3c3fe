"""docs/benchmark.svg: a bar for each contestant and work. Readable in light and dark, and no library."""

from html import escape
from typing import Any

from benchmarks.contestants import FLOOR, SERVICE
from benchmarks.plan import WORKS, Work

NAMESPACE = "http://www.w3.org/2000/svg"
TITLE = "Requests a second, as a share of a raw ASGI application"
WIDTH, MARGIN, NAMES, TOP, ROW, BOTTOM = 1060, 20, 310, 84, 42, 52
PANEL = (WIDTH - MARGIN - NAMES) / len(WORKS)
LABEL = 48  # Right of each bar, for its figure.
SIZES = {"": 13, "ours": 13, "small": 11, "head": 16}
GLYPH = 0.58  # Of the font's size: the mean width of a character, on the wide side.

STYLE = """
    .page { fill: #ffffff; } .bar { fill: #afb8c1; } .floor { fill: #d8dee4; } .service { fill: #0969da; }
    text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
    .head { font-size: 16px; font-weight: 600; } .ours { font-weight: 600; }
    .small { font-size: 11px; fill: #59636e; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; } .bar { fill: #545d68; } .floor { fill: #2f363d; } .service { fill: #4493f8; }
      text { fill: #f0f6fc; } .small { fill: #9198a1; }
    }
"""


class TooWideError(Exception):
    """A text that would leave its place."""


def drawn(found: dict[str, Any]) -> str:
    contestants = found["contestants"]
    height = TOP + ROW * len(contestants) + BOTTOM
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{TITLE}</title>',
        f'<desc id="desc">{escape(spoken(contestants))}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="12"/>',
        text((MARGIN, 34), TITLE, WIDTH - 2 * MARGIN, "head"),
        *(text((left(work), 68), name, PANEL, "ours") for work, name in WORKS.items()),
    ]
    for index, (name, contestant) in enumerate(contestants.items()):
        parts += row(TOP + ROW * index, name, contestant)
    parts.append(text((MARGIN, height - 20), conditions(found["made"]), WIDTH - 2 * MARGIN, "small"))
    return "\n".join([*parts, "</svg>", ""])


def row(y: float, name: str, contestant: dict[str, Any]) -> list[str]:
    room = NAMES - MARGIN
    parts = [
        text((MARGIN, y + 17), contestant["title"], room, "ours" if name == SERVICE.name else ""),
        text((MARGIN, y + 32), f"{contestant['server']}; {contestant['access']}", room, "small"),
    ]
    return parts + [part for work in WORKS for part in bar((left(work), y), name, contestant, work)]


def bar(at: tuple[float, float], name: str, contestant: dict[str, Any], work: Work) -> list[str]:
    x, y = at
    share = contestant.get("works", {}).get(work, {}).get("of_floor")
    if share is None:
        return [text((x, y + 23), "not measured" if "failed" in contestant else "invalid", PANEL, "small")]
    width = (PANEL - LABEL) * min(share, 1)  # Noise can lift a framework above the floor; the figure says so.
    kind = name if name in {SERVICE.name, FLOOR.name} else "bar"
    return [
        f'<rect class="{kind}" x="{x:.1f}" y="{y + 8:.1f}" width="{width:.1f}" height="20" rx="3"/>',
        text((x + width + 6, y + 23), shown(share), LABEL - 8, "ours" if name == SERVICE.name else ""),
    ]


def left(work: Work) -> float:
    return NAMES + PANEL * tuple(WORKS).index(work)


def shown(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")


def text(at: tuple[float, float], content: str, room: float, kind: str) -> str:
    """Draw a line of text, if it fits."""
    needed = len(content) * SIZES[kind] * GLYPH
    if needed > room:
        raise TooWideError(f"{content!r} needs {needed:.0f} of {room:.0f}")
    mark = f' class="{kind}"' if kind else ""
    return f'<text{mark} x="{at[0]:.1f}" y="{at[1]:.1f}">{escape(content)}</text>'


def conditions(made: dict[str, Any]) -> str:
    rounds = "1 round" if made["rounds"] == 1 else f"medians of {made['rounds']} rounds"
    return (
        f"{rounds} of {made['seconds_each']} s, {made['connections']} connections, a pool of {made['pool']}; "
        f"the server on one core, load and PostgreSQL {made['postgresql']} on another; "
        f"Python {made['python']}"
    )


def spoken(contestants: dict[str, Any]) -> str:
    works = contestants[SERVICE.name].get("works", {})
    shares = {name: works.get(work, {}).get("of_floor") for work, name in WORKS.items()}
    said = ", ".join(f"{name} {share:.2f}" for name, share in shares.items() if share is not None)
    return f"The service as generated: {said}. docs/benchmark.md has all figures as a table."
