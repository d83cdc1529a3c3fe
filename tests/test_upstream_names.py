"""What an upstream may be called, what is made of the name, and where it may be."""

import pytest

from upstream_names import Refused, of_answers


@pytest.mark.parametrize(
    ("name", "one", "kind"),
    [
        ("payments", "payment", "Payments"),
        ("exchange_rates", "exchange_rate", "ExchangeRates"),
        ("directories", "directory", "Directories"),
        ("mailboxes", "mailbox", "Mailboxes"),
        ("crm", "crm_item", "Crm"),
        ("sms", "sms_item", "Sms"),
        ("analytics", "analytic", "Analytics"),
        ("address", "address_item", "Address"),
        ("s3", "s3_item", "S3"),
    ],
)
def test_the_forms_of_a_name(name: str, one: str, kind: str) -> None:
    upstream = of_answers({"name": name, "url": ""})
    assert (upstream.one, upstream.type) == (one, kind)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Payments", "lower-case letters, digits and single underscores"),
        ("2pay", "start with a letter"),
        ("pay__me", "single underscores"),
        ("pay-me", "lower-case letters"),
        ("../pay", "lower-case letters"),
        ("p" * 31, "has 31 characters; the maximum is 30"),
        ("class", "has a meaning in Python; choose another, for example class_api"),
        ("match", "has a meaning in Python"),
        ("filter", "has a meaning in Python"),
    ],
)
def test_a_wrong_name_is_refused(name: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        of_answers({"name": name, "url": ""})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "https://user-directory.invalid/"),
        ("https://users.example", "https://users.example/"),
        ("http://localhost:8080/v2", "http://localhost:8080/v2/"),
        ("https://[::1]/a/b/", "https://[::1]/a/b/"),
    ],
)
def test_where_it_is(given: str, url: str) -> None:
    assert of_answers({"name": "user_directory", "url": given}).url == url


@pytest.mark.parametrize(
    "url",
    [
        "users.example",
        "ftp://users.example/",
        "https://me:secret@users.example/",
        "https://users.example/?a=b",
        "https://users.example/#a",
        'https://users.example/"',
        "https:///v2",
        "https://users.example/a b",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="a host and optionally a path"):
        of_answers({"name": "users", "url": url})
