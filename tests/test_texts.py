"""Free text comes out of a bake as it went in, whatever it is made of."""

import json
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from local_extensions import LONGEST_TEXT, REORDERING, markdown, quoted, why_not
from tests.baking import SERVICE, Baker, files
from tests.services import running_uv

AWKWARD = [
    "He said \"so\" and 'thus'",
    r"C:\new\table\u0041 \\ \{ \$",
    "{single} } { braces }} %} #}",
    "# not a heading # nor a comment",
    "key: value, - item, ? key, & anchor, *alias, !tag, @at, `tick`, |, >",
    "100 % of %(here)s %d %%",
    "${HOME} $(whoami) $USER $$ `id`",
    "<script>alert(1)</script> &amp; &lt; <!-- -->",
    "*bold* _em_ **strong** ~~gone~~ [link](http://x) ![image](y) | cell | https://a_b.c/d_e www.f_g.h",
    "- item",
    "1. item",
    "12) item",
    "+ item",
    "=====",
    "---",
    ":-:",
    "> quote",
    "true",
    "3.13",
    "null",
    "~",
    "ends with a backslash \\",
    "👩🏽‍🚀 👨‍👩‍👧 🏴󠁧󠁢󠁳󠁣󠁴󠁿 ☕️",
    "注文サービス",
    "خدمة الطلبات\u200f",
    "می‌خواهم",
    "שירות הזמנות",
    "सेवा",
    "Ünïcödé ﬁ ẞ",
    "\ufeff byte order mark \ufeff",
    "nonbreaking\u00a0space\u3000wide \u00ad",
    "noncharacters \ufffe \uffff \ufdd0 \U0010ffff",
    "private \ue000 and unassigned \u0378 \U000e0fff",
]
TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=REORDERING),
    min_size=1,
    max_size=LONGEST_TEXT,
) | st.text(list("\\`*_[]<>#|~&$:-+=.1)!({}\"'% aw/ @^"), min_size=1, max_size=20)
ACCEPTED = TEXTS.filter(lambda text: why_not("owner", text) is None)
PLACES = {"paragraph": "{}", "heading": "## {}", "item": "- {}", "cell": "| a |\n| --- |\n| {} |"}

PACKAGE = """
[project]
name = "a"
version = "1"
maintainers = [{{ name = {} }}]

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""


def read_markdown(source: str) -> str:
    """Render, and hand back the text; anything that is not a plain block of plain text stands out."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    blocks = [token.children or [] for token in reader.parse(source) if token.type == "inline"]
    lines = [[child.content if child.type == "text" else f"<{child.type}>" for child in b] for b in blocks]
    return "\n".join(map("".join, lines))


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_is_accepted(text: str) -> None:
    assert why_not("owner", text) is None


@settings(max_examples=300)
@given(ACCEPTED)
def test_quoted_text_is_the_same_in_toml_yaml_and_json(text: str) -> None:
    assert tomllib.loads(f"a = {quoted(text)}") == {"a": text}
    assert yaml.safe_load(f"a: {quoted(text)}") == {"a": text}
    assert json.loads(quoted(text)) == text


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=300)
@given(text=ACCEPTED)
def test_text_in_markdown_reads_as_itself(place: str, text: str) -> None:
    read = read_markdown(PLACES[place].format(markdown(text)))
    assert read.removeprefix("a\n") == text.strip()  # Space at the edges of a block means nothing.


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_in_markdown_reads_as_itself(place: str, text: str) -> None:
    assert read_markdown(PLACES[place].format(markdown(text))).removeprefix("a\n") == text.strip()


@pytest.mark.parametrize("text", AWKWARD)
def test_a_wheel_names_its_maintainer(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(PACKAGE.format(quoted(text)))
    (tmp_path / "src/a").mkdir(parents=True)
    (tmp_path / "src/a/__init__.py").touch()

    command = (running_uv(), "build", "--quiet", "--wheel", "--out-dir", ".")
    subprocess.run(command, cwd=tmp_path, check=True)

    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read("a-1.dist-info/METADATA").decode()
    assert f"\nMaintainer: {text}\n" in metadata


@pytest.fixture(scope="module")
def probe(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Baker:
    """A template of one file each, which bakes fast enough for hundreds of texts."""
    template = tmp_path_factory.mktemp("probe")
    shutil.copy2(baker.template / "cookiecutter.json", template)
    shutil.copy2(baker.template / "local_extensions.py", template)
    (template / SERVICE).mkdir()
    shutil.copy2(baker.template / SERVICE / "pyproject.toml", template / SERVICE)
    for name, source in PROBES.items():
        (template / SERVICE / name).write_text(source)
    return Baker(template, baker.home)


PROBES = {
    "a.toml": "a = {{ cookiecutter.owner | quoted }}\n",
    "a.yaml": "a: {{ cookiecutter.owner | quoted }}\n",
    "a.json": '{"a": {{ cookiecutter.owner | quoted }}}\n',
    "a.md": "{{ cookiecutter.owner | markdown }}\n",
}


@settings(max_examples=50)
@given(text=ACCEPTED)
def test_any_accepted_text_survives_the_bake(
    probe: Baker, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    service = probe.bake(tmp_path_factory.mktemp("service"), {"owner": text}, hooks=False)

    assert tomllib.loads((service / "a.toml").read_text()) == {"a": text}
    assert yaml.safe_load((service / "a.yaml").read_text()) == {"a": text}
    assert json.loads((service / "a.json").read_text()) == {"a": text}
    assert read_markdown((service / "a.md").read_text()) == text.strip()


def read(path: Path) -> Any:
    """Read a file as the program does that it is for."""
    text = path.read_text()
    match path.name, path.suffix:
        case _, ".toml":
            return tomllib.loads(text)
        case _, ".yaml" | ".yml":
            return list(yaml.safe_load_all(text))
        case _, ".json":
            return json.loads(text)
        case _, ".md":
            tokens = MarkdownIt("commonmark").enable("table").parse(text)
            flat = [child for token in tokens for child in token.children or [token]]
            return [[token.type, token.content, token.attrs] for token in flat]
        case "LICENSE", _:
            return text
    pytest.fail(f"{path.name} holds free text, and this test does not know how it is read")


def put(read: Any, texts: dict[str, str]) -> Any:
    """Put each text where what was read has the plain one."""
    if isinstance(read, dict):
        return {key: put(value, texts) for key, value in read.items()}
    if isinstance(read, list):
        return [put(value, texts) for value in read]
    if isinstance(read, str):
        for plain, text in texts.items():
            read = read.replace(plain, text)
    return read


PLAIN = {"project_name": "The name", "description": "The description", "owner": "The owner"}


@pytest.fixture(scope="module")
def plain(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return files(baker.bake(tmp_path_factory.mktemp("plain"), PLAIN | {"project_slug": "x"}))


@pytest.mark.parametrize("text", AWKWARD)
def test_the_files_of_a_service_hold_awkward_text(
    baker: Baker, plain: dict[str, Path], tmp_path: Path, text: str
) -> None:
    awkward = {question: f"{text} ({question})" for question in PLAIN}
    service = files(baker.bake(tmp_path, awkward | {"project_slug": "x"}))

    differ = [name for name in service if service[name].read_bytes() != plain[name].read_bytes()]
    assert {"LICENSE", "pyproject.toml"} <= set(differ)
    project = tomllib.loads(service["pyproject.toml"].read_text())
    assert project["project"]["maintainers"] == [{"name": awkward["owner"]}]
    assert project["tool"]["chassis"]["title"] == awkward["project_name"]
    for name in differ:
        texts = {PLAIN[question]: awkward[question] for question in PLAIN}
        assert read(service[name]) == put(read(plain[name]), texts), name
