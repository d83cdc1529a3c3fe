import signal
import socket
import ssl
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization

from chassis import tls
from chassis.testing import PATIENCE, ServerProcess
from tests.server.conftest import Certificates, Serve
from tests.server.conftest import served as on_the_server

BILLING = "CN=billing,OU=Accounts,O=Example\\, Inc."


def bad_inputs(certificates: Certificates) -> dict[str, tuple[dict[str, str], str]]:
    """By name: the settings that differ from valid ones, and a part of the expected line."""
    other, other_key = certificates.issue("other")
    encrypted = certificates.folder / "encrypted.key"
    key = serialization.load_pem_private_key(certificates.keyfile.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    pkcs8, pem = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    encrypted.write_bytes(key.private_bytes(pem, pkcs8, secret))
    empty = certificates.folder / "empty.pem"
    empty.touch()
    expired, expired_key = certificates.issue("expired", days=-1, since=-2)
    future, future_key = certificates.issue("future", days=9, since=1)
    misnamed = certificates.folder / "misnamed.crt"
    der = ssl.PEM_cert_to_DER_cert(certificates.certfile.read_text().partition("\n\n")[0])
    misnamed.write_text(ssl.DER_cert_to_PEM_cert(der.replace(b"localhost", b"lo\xe9alhost")))
    return {
        "no certificate file": ({"certfile": "/nowhere.crt"}, "CERTFILE: /nowhere.crt: No such file"),
        "no key file": ({"keyfile": "/nowhere.key"}, "KEYFILE: /nowhere.key: No such file"),
        "an empty certificate": ({"certfile": str(empty)}, "CERTFILE"),
        "another's key": ({"keyfile": str(other_key)}, "does not belong to"),
        "a key without its password": ({"keyfile": str(encrypted)}, "missing: the key is encrypted"),
        "a wrong password": ({"keyfile": str(encrypted), "keyfile_password": "no"}, f"{encrypted} is wrong"),
        "no CA file": ({"ca_certs": "/nowhere.pem"}, "CA_CERTS: /nowhere.pem: No such file"),
        "an empty CA": ({"ca_certs": str(empty)}, "CA_CERTS"),
        "bad ciphers": ({"ciphers": "ROT13"}, "CIPHERS: ROT13: no cipher can be selected"),
        "an expired certificate": (
            {"certfile": str(expired), "keyfile": str(expired_key)},
            f"{expired} has expired",
        ),
        "one not yet valid": ({"certfile": str(future), "keyfile": str(future_key)}, f"{future} is not valid yet"),
        "a name that is not UTF-8": ({"certfile": str(misnamed)}, f"{misnamed}: 'utf-8' codec can't decode"),
        "a certificate without a key": ({"certfile": str(other), "keyfile": str(other)}, "KEYFILE"),
    }


@pytest.mark.parametrize("case", range(13))
def test_bad_input_is_one_line_and_exit_code_78(
    certificates: Certificates, case: int, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, message = list(bad_inputs(certificates).values())[case]
    good = {"certfile": str(certificates.certfile), "keyfile": str(certificates.keyfile)}
    settings = tls.TLSSettings.model_validate(good | wrong)
    with pytest.raises(SystemExit) as raised:
        tls.load(settings, http2=False)
    assert raised.value.code == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("configuration: APP_SERVER__TLS__")
    assert message in line


def test_a_server_with_bad_input_boots_no_worker(certificates: Certificates) -> None:
    _, other_key = certificates.issue("other")
    process = on_the_server(certificates.settings(keyfile=str(other_key))).start()
    assert process.wait(timeout=10) == 78
    process.close()
    assert process.lines == [
        f"configuration: APP_SERVER__TLS__KEYFILE: {other_key} does not belong to {certificates.certfile}"
    ]


def test_a_certificate_that_expires_soon_is_a_warning(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    certfile, keyfile = certificates.issue("soon", days=13)
    tls.load(tls.TLSSettings(certfile=certfile, keyfile=keyfile), http2=False)
    (record,) = caplog.records
    assert "soon.crt expires on" in record.getMessage()


@pytest.fixture(scope="module")
def strict(serve: Serve, certificates: Certificates) -> ServerProcess:
    """Clients must have a certificate. All other settings are the defaults."""
    return serve(certificates.settings(ca_certs=str(certificates.ca_file), client_certs="required"))


@pytest.fixture(scope="module")
def modern(serve: Serve, certificates: Certificates) -> ServerProcess:
    """TLS 1.3 only, and clients may have a certificate."""
    extra = {"ca_certs": str(certificates.ca_file), "client_certs": "optional", "minimum_version": "1.3"}
    return serve(certificates.settings(**extra))


def client(certificates: Certificates, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.ca_file)
    if pair:
        context.load_cert_chain(*pair)
    return context


def scope(server: ServerProcess, context: ssl.SSLContext, **headers: str) -> dict[str, object] | None:
    """The scope that the application got, or None if the connection was rejected."""
    try:
        answer = httpx2.get(server.url + "/scope", verify=context, headers=headers, timeout=PATIENCE)
    except httpx2.TransportError:
        return None
    seen: dict[str, object] = answer.json()
    return seen


def test_required_client_certificates(strict: ServerProcess, certificates: Certificates) -> None:
    stranger = certificates.issue("stranger", stranger=True)
    assert scope(strict, client(certificates)) is None
    assert scope(strict, client(certificates, stranger)) is None
    seen = scope(strict, client(certificates, certificates.issue("billing")))
    assert seen
    assert seen["tls"] == {"client_cert_name": BILLING}
    assert seen["scheme"] == "https"


def test_optional_client_certificates(modern: ServerProcess, certificates: Certificates) -> None:
    seen = scope(modern, client(certificates), **{"X-Client-Cert": "CN=billing", "X-SSL-Client-S-DN": "CN=billing"})
    assert seen
    assert seen["tls"] is None
    assert scope(modern, client(certificates, certificates.issue("stranger", stranger=True))) is None
    seen = scope(modern, client(certificates, certificates.issue("billing")))
    assert seen
    assert seen["tls"] == {"client_cert_name": BILLING}


def negotiated(server: ServerProcess, version: ssl.TLSVersion, pair: tuple[Path, Path]) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options &= ~(ssl.OP_NO_TLSv1_1 | ssl.OP_NO_TLSv1_2)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*pair)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        try:
            with context.wrap_socket(connection) as secured:
                return secured.version()
        except (ssl.SSLError, ConnectionError):
            return None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_versions(strict: ServerProcess, modern: ServerProcess, certificates: Certificates) -> None:
    pair = certificates.issue("billing")
    assert negotiated(strict, ssl.TLSVersion.TLSv1_1, pair) is None
    assert negotiated(strict, ssl.TLSVersion.TLSv1_2, pair) == "TLSv1.2"
    assert negotiated(modern, ssl.TLSVersion.TLSv1_2, pair) is None
    assert negotiated(modern, ssl.TLSVersion.TLSv1_3, pair) == "TLSv1.3"


def served(server: ServerProcess, context: ssl.SSLContext) -> str:
    """The subject of the certificate that a new connection gets."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        return str(secured.getpeercert())


def test_rotation_and_a_rejected_reload(serve: Serve, certificates: Certificates, tmp_path: Path) -> None:
    certfile, keyfile = tmp_path / "tls.crt", tmp_path / "tls.key"
    trusting = client(certificates)

    def put(name: str, *, share: float = 1) -> None:
        new_cert, new_key = (path.read_bytes() for path in certificates.issue(name))
        keyfile.write_bytes(new_key)
        certfile.write_bytes(new_cert[: int(len(new_cert) * share)])

    put("first")
    server = serve(certificates.settings(certfile=str(certfile), keyfile=str(keyfile)))
    assert "first" in served(server, trusting)
    put("second", share=0.5)
    server.wait_for_log("new certificate rejected, the old one stays in use")
    assert "first" in served(server, trusting)
    put("second")
    server.wait_for_log("new certificate in use")
    assert "second" in served(server, trusting)
    assert server.log.count("new certificate rejected") == 1

    keyfile.write_bytes(certificates.issue("other")[1].read_bytes())
    server.signal(signal.SIGHUP)
    server.wait_for_log("reload rejected, the settings stay as they were: configuration: APP_SERVER__TLS__KEYFILE")
    assert "second" in served(server, trusting)
    assert server.log.count("Booting worker") == 1


def test_polls_load_valid_files_and_report_invalid_ones_once(certificates: Certificates, tmp_path: Path) -> None:
    certfile, keyfile = tmp_path / "tls.crt", tmp_path / "tls.key"

    def put(certificate: Path, key: Path) -> None:
        certfile.write_bytes(certificate.read_bytes())
        keyfile.write_bytes(key.read_bytes())

    put(*certificates.issue("first"))
    rotation = tls.load(tls.TLSSettings(certfile=certfile, keyfile=keyfile), http2=False)
    first = rotation.serving.current
    assert not rotation.poll()
    put(*certificates.issue("second"))
    assert not rotation.poll()  # Somebody may still be writing.
    assert rotation.poll()
    second = rotation.serving.current
    assert second is not first
    put(certificates.certfile, certificates.issue("other")[1])
    assert not rotation.poll()
    with pytest.raises(tls.TLSProblem, match="does not belong to"):
        rotation.poll()
    assert not rotation.poll()
    assert rotation.serving.current is second
    put(*certificates.issue("third"))
    assert [rotation.poll(), rotation.poll(), rotation.poll()] == [False, True, False]
