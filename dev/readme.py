"""Writes the generated parts of the documents. `make format` runs it, and tests compare."""

import json
import re
from pathlib import Path
from typing import Any

from dev import figures

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
FIGURES = ROOT / "docs/benchmark.md"
SCALING = ROOT / "{{cookiecutter.project_slug}}/chassis/docs/scaling.md"
BENCHMARK = ROOT / "docs/benchmark.json"


def written(text: str) -> str:
    """Return the text with each part between `<!-- name: … -->` and `<!-- /name -->` as its source has it."""
    for name, part in parts().items():
        if found := re.search(rf"<!-- {name}:.*?-->\n(.*?)<!-- /{name} -->", text, re.DOTALL):
            text = f"{text[: found.start(1)]}\n{part}\n{text[found.end(1) :]}"
    return text


def parts() -> dict[str, str]:
    measured: dict[str, Any] = json.loads(BENCHMARK.read_text())
    return {
        "questions": questions(),
        "speed": figures.speed(measured),
        "benchmark": f"{figures.ratios(measured)}\n{figures.notes(measured)}",
        "growth": figures.growth(measured),
        "instances": figures.instances(measured),
    }


def questions() -> str:
    asked = json.loads((ROOT / "cookiecutter.json").read_text())
    prompts = asked.pop("__prompts__")
    lines = ["| question | what it asks | default or choices |", "| --- | --- | --- |"]
    for name, default in asked.items():
        if not name.startswith("_"):
            prompt = prompts[name] if isinstance(prompts[name], str) else prompts[name]["__prompt__"]
            lines.append(f"| `{name}` | {prompt} | {shown(default)} |")
    return "".join(f"{line}\n" for line in lines)


def shown(default: str | list[str]) -> str:
    if isinstance(default, list):
        return ", ".join(f"**{each}**" if each == default[0] else each for each in default)
    source = re.fullmatch(r"\{\{ cookiecutter\.(\w+).*\}\}", default)
    return f"made of `{source[1]}`" if source else default


def main() -> None:
    for document in (README, FIGURES, SCALING):
        document.write_text(written(document.read_text()))


if __name__ == "__main__":
    main()
