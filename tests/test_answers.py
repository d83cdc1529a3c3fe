"""Which answers make a service and which are refused, in one line each, with nothing left behind."""

import contextlib
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import given
from hypothesis import strategies as st

from local_extensions import EXAMPLES, LABEL, AnswerError, checked, require_cookiecutter, slug
from tests.baking import Baker

TEXTS = ("project_name", "description", "owner")
BAD_TEXTS = {
    "": "is empty",
    " \t ": "is empty",
    "\u00a0\u3000\u200b\ufeff": "is empty",
    "x" * 513: "has 513 characters",
    "{{ x }}": "template markup {{",
    "{{ 7*7 }}": "template markup {{",
    "{{ cookiecutter.project_slug }}": "template markup {{",
    "{% x %}": "template markup {%",
    "{%": "template markup {%",
    "{# x": "template markup {#",
    "a\nb": "a line break (U+000A)",
    "a\x0bb": "a line break (U+000B)",
    "a\x0cb": "a line break (U+000C)",
    "a\x85b": "a line break (U+0085)",
    "a\u2028b": "a line break (U+2028)",
    "a\u2029b": "a line break (U+2029)",
    "a\tb": "a control character (U+0009)",
    "a\0b": "a control character (U+0000)",
    "a\x1bb": "a control character (U+001B)",
    "a\x7fb": "a control character (U+007F)",
    "a\x9bb": "a control character (U+009B)",
    "a\udcffb": "half a character (U+DCFF)",
    "a\u202eb": "reorders the text (U+202E)",
    "a\u2066b": "reorders the text (U+2066)",
}
BAD_SLUGS = ["Bad/Slug", "a/b", "../x", ".", "a b", "Orders", "1orders", "-a", "a-", "a_b", "a.b", "é", "a\n"]
BAD_SLUGS += ["", " ", "{{ x }}", "a" * 64, "fastapi", "uvicorn", "pytest", "service-chassis"]
GOOD_SLUGS = ["a", "a1", "order-service", "a--b", "a" * 63, "fastapi-orders", "app"]


def refusal(baker: Baker, output: Path, answers: dict[str, str]) -> list[str]:
    """Bake in vain, and hand back the lines that are said."""
    output.mkdir(exist_ok=True)
    with pytest.raises(FailedHookException) as refused:
        baker.bake(output, answers)
    assert list(output.iterdir()) == []
    return str(refused.value).split("\n")


@pytest.mark.parametrize("question", TEXTS)
@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_a_bad_text_is_refused(baker: Baker, tmp_path: Path, question: str, text: str) -> None:
    (line,) = refusal(baker, tmp_path / "output", {question: text})

    assert line.startswith(f"{question}: ")
    assert BAD_TEXTS[text] in line
    assert line.endswith(f"; for example: {EXAMPLES[question]}")
    assert line.isprintable()


@pytest.mark.parametrize("given", BAD_SLUGS, ids=ascii)
def test_a_bad_slug_is_refused(baker: Baker, tmp_path: Path, given: str) -> None:
    (line,) = refusal(baker, tmp_path / "output", {"project_slug": given})

    assert line.startswith("project_slug: ")
    assert line.endswith("; for example: order-service")


def test_all_bad_answers_are_refused_at_once(baker: Baker, tmp_path: Path) -> None:
    bad = {"project_name": "{% x %}", "project_slug": "A", "description": "a\nb", "owner": ""}
    lines = refusal(baker, tmp_path / "output", bad)
    assert [line.split(":")[0] for line in lines] == list(bad)


def test_a_name_of_which_no_slug_can_be_made_asks_for_one(baker: Baker, tmp_path: Path) -> None:
    (line,) = refusal(baker, tmp_path / "output", {"project_name": "🧾"})
    assert line.startswith("project_slug: cannot be derived from '🧾', so type one")

    service = baker.bake(tmp_path, {"project_name": "🧾", "project_slug": "receipts"})
    assert service.name == "receipts"


@pytest.mark.parametrize("slug", GOOD_SLUGS)
def test_a_good_slug_is_taken(slug: str) -> None:
    assert checked(EXAMPLES | {"project_slug": slug}) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Order Service", "order-service"),
        ("  Björk's Ørders & C++_v2  ", "bjork-s-orders-c-v2"),
        ("注文", "zhu-wen"),
        ("Заказы", "zakazy"),
        ("خدمة", "khdm"),
        ("2024 Orders", "service-2024-orders"),
        ("٣ orders", "service-3-orders"),
        ("word " * 20, "-".join(["word"] * 12)),
        ("x" * 80, "x" * 63),
        ("🧾", ""),
        ("&#99999999999999999999; &amp;", "service-99999999999999999999-amp"),
    ],
)
def test_a_slug_is_made_of_any_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(st.text())
def test_a_slug_is_a_label_or_nothing(name: str) -> None:
    made = slug(name)
    assert made == "" or LABEL.fullmatch(made)
    assert len(made) <= 63


@given(st.fixed_dictionaries(dict.fromkeys(EXAMPLES, st.text() | st.none() | st.integers() | st.booleans())))
def test_no_answer_is_a_traceback(answers: dict[str, object]) -> None:
    with contextlib.suppress(AnswerError):
        checked(answers)


def test_an_old_cookiecutter_is_told_so() -> None:
    with pytest.raises(FailedHookException, match=r"^cookiecutter 2\.1\.1 is too old, 2\.2 is "):
        require_cookiecutter("2.1.1")
    require_cookiecutter("2.2.0")
    require_cookiecutter("10.0.dev1")
