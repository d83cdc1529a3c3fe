"""`make upstream` in a service: it adds an API that the service calls, or says in a line why not."""

import re
from functools import partial
from pathlib import Path

import pytest

from tests import additions
from tests.additions import contents
from tests.resources import commit

URL = "https://payments.example/v2/"
ADDED = """\
Adding
  src/app/payments/__init__.py
  src/app/payments/client.py
  src/app/payments/errors.py
  src/app/payments/schemas.py
  tests/payments/test_client.py
  tests/payments_api.py
and to src/app/settings.py
  +class PaymentsSettings(UpstreamSettings):
  +    base_url: HttpUrl = HttpUrl("https://payments.example/v2/")
  +    \"""The base URL of the payments API.\"""
  +
  +
  +    payments: PaymentsSettings = PaymentsSettings()
and to src/app/lifespan.py
  +    payments: Upstream
  +                payments=await stack.enter_async_context(Upstream.open("payments", settings.payments)),
and to tests/conftest.py
  +    "tests.payments_api",
and to .env.example
  +# The base URL of the payments API.
  +# APP_PAYMENTS__BASE_URL=https://payments.example/v2/
"""

pytestmark = pytest.mark.timeout(600)

ask = partial(additions.ask, "upstream")
refused = partial(additions.refused, "upstream", {"name": "payments"})


def test_an_upstream_is_added_and_shown(ours: Path, machine: dict[str, str]) -> None:
    before = contents(ours)
    code, dry = ask(ours, machine, name="payments", url=URL, dry="1")
    assert (code, contents(ours)) == (0, before), dry

    code, said = ask(ours, machine, name="payments", url=URL)
    assert code == 0, said
    assert said.startswith(ADDED)
    assert dry == said.replace("Adding", "It would add").partition("\n\nNext: ")[0] + "\n"
    assert len([name for name, text in contents(ours).items() if before.get(name) != text]) == 10

    refused(ours, machine, " is not committed. Commit or stash all changes first", name="billing")
    commit(ours, "Payments")
    refused(ours, machine, "src/app/payments exists already. Type another name=…")


def test_two_upstreams_stand_beside_each_other(ours: Path, machine: dict[str, str]) -> None:
    assert ask(ours, machine, name="payments", url="https://PAYMENTS.example:443/v2")[0] == 0
    commit(ours, "Payments")
    assert ask(ours, machine, name="user_directory")[0] == 0

    settings = (ours / "src/app/settings.py").read_text()
    lifespan = (ours / "src/app/lifespan.py").read_text()
    example = (ours / ".env.example").read_text()
    assert re.findall(r"^class (\w+)\(UpstreamSettings\)", settings, re.MULTILINE) == [
        "ExchangeRatesSettings",
        "PaymentsSettings",
        "UserDirectorySettings",
    ]
    assert re.findall(r"^    (\w+): Upstream$", lifespan, re.MULTILINE) == [
        "exchange_rates",
        "payments",
        "user_directory",
    ]
    assert re.findall(r"^# APP_(\w+)__BASE_URL=(.*)", example, re.MULTILINE)[1:] == [
        ("PAYMENTS", "https://payments.example/v2/"),
        ("USER_DIRECTORY", "https://user-directory.invalid/"),
    ]


def test_the_example_says_of_it_what_it_says_of_the_others(ours: Path, machine: dict[str, str]) -> None:
    bytecode = ours / "src/app/payments/__pycache__/client.pyc"  # Of a branch that had one, too.
    bytecode.parent.mkdir(parents=True, exist_ok=True)
    bytecode.touch()
    assert ask(ours, machine, name="payments")[0] == 0
    rates, payments = (
        re.findall(rf"^# (.*)\n# {name}__(\w+)=(.*)", (ours / ".env.example").read_text(), re.MULTILINE)
        for name in ("APP_EXCHANGE_RATES", "APP_PAYMENTS")
    )
    assert len(rates) > 10
    assert payments[1:] == rates[1:]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"name": ""}, "it needs a name: make upstream name=payments url=https://payments.example/v2/"),
        ({"name": "{{x}}"}, "must not contain {"),
        ({"name": "class"}, "the name 'class' has a meaning in Python"),
        ({"name": "orders"}, "src/app/orders exists already"),
        ({"name": "settings"}, "src/app/settings.py exists already"),
        ({"name": "rates"}, "tests/rates_api.py exists already"),
        ({"name": "log"}, "src/app/settings.py has log already"),
        ({"name": "drain"}, "src/app/lifespan.py has drain already"),
        ({"name": "load"}, "settings have this attribute already; for example load_api"),
        ({"name": "requests"}, "its code has a Request already; for example requests_api"),
        ({"url": "payments"}, "the url 'payments': Input should be a valid URL"),
        ({"url": "https://me:secret@payments.example/"}, "https://, a host and optionally a path"),
    ],
)
def test_what_cannot_be_is_refused(
    ours: Path, machine: dict[str, str], answers: dict[str, str], why: str
) -> None:
    refused(ours, machine, why, **answers)


def test_a_fixture_of_that_name(ours: Path, machine: dict[str, str]) -> None:
    (ours / "tests/servers.py").write_text("def raw_server() -> None:\n    pass\n")
    commit(ours, "A server of its own")
    refused(ours, machine, "there is a raw_server in tests/servers.py; another name than raw", name="raw")


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("src/app/settings.py", "Settings(Env -> Ours(Env", "class Settings with fields any more"),
        ("src/app/settings.py", "class -> clas", "is not valid Python. Correct it first"),
        ("src/app/lifespan.py", "yield State( -> yield dict(", "this line would go: payments=await stack."),
        ("src/app/lifespan.py", "class State( -> class Ours(", "this line would go: payments: Upstream"),
        ("tests/conftest.py", "pytest_plugins = -> plugins =", 'would go: "tests.payments_api",'),
    ],
)
def test_a_file_that_was_rewritten(
    ours: Path, machine: dict[str, str], name: str, change: str, why: str
) -> None:
    there, instead = change.split(" -> ")
    text = (ours / name).read_text()
    assert there in text
    (ours / name).write_text(text.replace(there, instead))
    commit(ours, "Another way")
    refused(ours, machine, why)


def test_what_cannot_be_put_in_place_is_taken_away_again(ours: Path, machine: dict[str, str]) -> None:
    (ours / "tests/payments").symlink_to("nowhere")  # It does not exist, and nothing can be made there.
    commit(ours, "A link")
    before = contents(ours)
    code, said = ask(ours, machine, name="payments")
    assert (code, contents(ours)) == (2, before)
    assert "tests/payments" in said.splitlines()[-1]
