"""TLS and proxies, with real certificates and a real proxy."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from pydantic import HttpUrl, Secret, ValidationError

from chassis.upstreams._client import Upstream, UpstreamFailed
from chassis.upstreams._settings import UpstreamSettings, UpstreamTLS
from tests.upstreams.raw_upstream import RawUpstream, good


class Authority:
    """A certificate authority, and our own certificate from it, as files."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.ca_certs, self.certfile, self.keyfile = (folder / name for name in ("ca.pem", "our.crt", "our.key"))
        self.ca.cert_pem.write_to_path(self.ca_certs)
        certificate = self.ca.issue_cert("orders.example.org")
        certificate.cert_chain_pems[0].write_to_path(self.certfile)
        certificate.private_key_pem.write_to_path(self.keyfile)

    def serving(self) -> ssl.SSLContext:
        """Serve 127.0.0.1 to clients with a certificate of this authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert("127.0.0.1").configure_cert(context)
        self.ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def upstream(authority: Authority) -> Iterator[RawUpstream]:
    with RawUpstream.running(authority.serving()) as upstream:
        yield upstream


async def fetched(url: str, **settings: Any) -> bytes:
    given = UpstreamSettings(base_url=HttpUrl(url), attempts=1, **settings)
    async with Upstream.open("fake", given) as client:
        return await client.send("GET", "payments")


async def test_mutual_tls(upstream: RawUpstream, authority: Authority) -> None:
    tls = UpstreamTLS(ca_certs=authority.ca_certs, certfile=authority.certfile, keyfile=authority.keyfile)
    assert await fetched(upstream.url, tls=tls) == b'{"ok": true}'


async def test_without_our_certificate_it_fails(upstream: RawUpstream, authority: Authority) -> None:
    with pytest.raises(UpstreamFailed):
        await fetched(upstream.url, tls=UpstreamTLS(ca_certs=authority.ca_certs))


async def test_another_authoritys_certificate_of_ours_is_rejected(
    upstream: RawUpstream, authority: Authority, stranger: Authority
) -> None:
    tls = UpstreamTLS(ca_certs=authority.ca_certs, certfile=stranger.certfile, keyfile=stranger.keyfile)
    with pytest.raises(UpstreamFailed):
        await fetched(upstream.url, tls=tls)


@pytest.mark.parametrize("given", ["the system's", "a stranger's"])
async def test_an_upstream_of_another_authority_is_rejected(
    upstream: RawUpstream, stranger: Authority, given: str
) -> None:
    tls = UpstreamTLS(ca_certs=stranger.ca_certs) if given == "a stranger's" else UpstreamTLS()
    upstream.requests.clear()
    with pytest.raises(UpstreamFailed):
        await fetched(upstream.url, tls=tls)
    assert upstream.requests == []


async def test_a_wrong_name_is_rejected(upstream: RawUpstream, authority: Authority) -> None:
    tls = UpstreamTLS(ca_certs=authority.ca_certs, certfile=authority.certfile, keyfile=authority.keyfile)
    with pytest.raises(UpstreamFailed):
        await fetched(upstream.url.replace("127.0.0.1", "localhost"), tls=tls)


async def test_an_upstream_that_breaks_off_its_tls(upstream: RawUpstream, authority: Authority) -> None:
    async def break_off(writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(os.write, writer.get_extra_info("socket").fileno(), b"not a record of TLS")

    tls = UpstreamTLS(ca_certs=authority.ca_certs, certfile=authority.certfile, keyfile=authority.keyfile)
    upstream.scenarios = [break_off, good]
    with pytest.raises(UpstreamFailed):
        await fetched(upstream.url, tls=tls)


def test_an_encrypted_key(authority: Authority, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(authority.keyfile.read_bytes(), None)
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    given = {"certfile": authority.certfile, "keyfile": encrypted}
    assert UpstreamTLS.model_validate({**given, "keyfile_password": "hunter2"}).keyfile == encrypted
    for wrong in ({}, {"keyfile_password": "no"}):
        with pytest.raises(ValidationError, match="KEYFILE"):
            UpstreamTLS.model_validate({**given, **wrong})


@pytest.mark.parametrize("field", ["ca_certs", "certfile", "keyfile"])
def test_unusable_files_are_found_at_the_start(authority: Authority, tmp_path: Path, field: str) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    good = {"ca_certs": authority.ca_certs, "certfile": authority.certfile, "keyfile": authority.keyfile}
    for wrong in (tmp_path / "nowhere.pem", empty):
        with pytest.raises(ValidationError):
            UpstreamTLS.model_validate(good | {field: wrong})


async def test_calls_go_through_the_proxy() -> None:
    with RawUpstream.running() as proxy:
        url = HttpUrl(proxy.url.replace("//", "//us:hunter2@"))
        assert await fetched("http://rates.invalid/v1/", proxy=Secret(url)) == b'{"ok": true}'
    [request] = proxy.requests
    assert request.startswith(b"GET http://rates.invalid/v1/payments HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic dXM6aHVudGVyMg==\r\n" in request
