"""TLS of the server: a context from the settings, checked before a worker starts, and replaced while it runs."""

import asyncio
import contextlib
import logging
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import SecretStr, model_validator

from chassis.settings import EX_CONFIG, SettingsGroup

log = logging.getLogger("chassis.tls")

EXPIRY_WARNING = 14 * 24 * 3600.0  # Seconds; time enough to find out why the renewal does not work.
POLL_INTERVAL = 1.0  # Seconds between two looks at the files.

_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_EXPIRED, _NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID.


class TLSSettings(SettingsGroup):
    certfile: Path
    """The certificate and the intermediate ones after it, PEM. New files are served within seconds."""
    keyfile: Path | None = None
    """Its private key, PEM. Default: it stands in `certfile`."""
    keyfile_password: SecretStr | None = None
    """The password of an encrypted key. Best given as the file `/run/secrets/app_server__tls__keyfile_password`."""
    ca_certs: Path | None = None
    """Who may sign client certificates, PEM."""
    client_certs: Literal["none", "optional", "required"] = "none"
    """Whether clients show a certificate. `request.scope["extensions"]["tls"]["client_cert_name"]` has its subject."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest TLS that is spoken."""
    ciphers: str | None = None
    """OpenSSL's names of the TLS 1.2 ciphers, with colons between. Default: Python's."""

    @model_validator(mode="after")
    def _clients_need_a_ca(self) -> Self:
        if self.client_certs != "none" and self.ca_certs is None:
            raise ValueError(f"CLIENT_CERTS is {self.client_certs}, so CA_CERTS must name who signs them")
        return self


class TLSProblem(Exception):
    """What is wrong, in one line that names the variable."""


def check(settings: TLSSettings, *, http2: bool) -> None:
    """End the process with exit code 78 and one line if TLS could not be served with these settings."""
    try:
        context(settings, http2=http2)
    except TLSProblem as problem:
        print(f"configuration: {problem}", file=sys.stderr)  # noqa: T201 - The place of all wrong settings.
        sys.exit(EX_CONFIG)


def context(settings: TLSSettings, *, http2: bool) -> ssl.SSLContext:
    """Build a context and shake hands with it once; raises TLSProblem."""
    new = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    new.minimum_version = _VERSIONS[settings.minimum_version]
    new.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    _load_certificate(new, settings)
    if settings.ca_certs:
        with _naming("CA_CERTS", settings.ca_certs):
            new.load_verify_locations(settings.ca_certs)
    if settings.ciphers:
        with _naming("CIPHERS", settings.ciphers):
            new.set_ciphers(settings.ciphers)
    _shake_hands(new, settings.certfile)
    new.verify_mode = _VERIFY[settings.client_certs]
    return new


def _load_certificate(new: ssl.SSLContext, settings: TLSSettings) -> None:
    keyfile, given = settings.keyfile or settings.certfile, settings.keyfile_password
    asked = False

    def password() -> str:  # Without one OpenSSL would ask on the terminal, and wait.
        nonlocal asked
        asked = True
        return given.get_secret_value() if given else ""

    for name, path in (("CERTFILE", settings.certfile), ("KEYFILE", keyfile)):
        with _naming(name, path):
            path.read_bytes()
    with _naming("CERTFILE", settings.certfile):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.certfile)
    try:
        new.load_cert_chain(settings.certfile, keyfile, password)
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            raise _problem("KEYFILE", f"{keyfile} does not belong to {settings.certfile}") from error
        if asked:
            reason = "wrong" if given else "missing, and the key is encrypted"
            raise _problem("KEYFILE_PASSWORD", f"the password of {keyfile} is {reason}") from error
        raise _problem("KEYFILE", f"{keyfile}: {_reason(error)}") from error


def _shake_hands(server: ssl.SSLContext, certfile: Path) -> None:
    """Let a client that trusts this very certificate judge its dates and the ciphers, in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certfile)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)
    try:
        for _ in range(3):
            for end in ends:
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
    except ssl.SSLCertVerificationError as error:
        when = {_EXPIRED: "has expired", _NOT_YET_VALID: "is not valid yet"}.get(error.verify_code)
        raise _problem("CERTFILE", f"{certfile} {when or error.verify_message}") from error
    except ssl.SSLError as error:
        raise _problem("CIPHERS", f"no handshake succeeds: {_reason(error)}") from error
    certificate: dict[str, Any] = ends[0].getpeercert() or {}
    left = ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
    if left < EXPIRY_WARNING:
        log.warning("certificate %s expires on %s", certfile, certificate["notAfter"])


@contextlib.contextmanager
def _naming(name: str, what: object) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise _problem(name, f"{what}: {_reason(error)}") from error
    except OSError as error:
        raise _problem(name, f"{what}: {error.strerror}") from error


def _problem(name: str, text: str) -> TLSProblem:
    return TLSProblem(f"APP_SERVER__TLS__{name}: {text}")


def _reason(error: ssl.SSLError) -> str:
    reason: str = getattr(error, "reason", None) or str(error.args[0])
    return reason.lower().replace("_", " ").strip("().")


class RotatingContext(ssl.SSLContext):
    """Hands each new connection to `current`: asyncio and uvloop call nothing but `wrap_bio`.

    `load_cert_chain` on a context in use would have moments with the new certificate and the old key.
    """

    current: ssl.SSLContext

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return self.current.wrap_bio(*args, **options)


class _Signature(NamedTuple):
    inode: int
    modified: int
    size: int


async def rotate(serving: RotatingContext, settings: TLSSettings, *, http2: bool) -> None:
    """Serve new files within seconds, forever. A pair that is wrong costs a log line; the old one stays."""
    loaded = seen = _signatures(settings)
    while True:
        await asyncio.sleep(POLL_INTERVAL)
        before, seen = seen, _signatures(settings)
        if seen == loaded or seen != before:  # Two equal looks: nobody is writing.
            continue
        loaded = seen
        try:
            serving.current = context(settings, http2=http2)
        except TLSProblem as problem:
            log.error("new certificate rejected, the old one stays in use: %s", problem)  # noqa: TRY400 - Says it all.
        else:
            log.info("new certificate in use: %s", settings.certfile)


def _signatures(settings: TLSSettings) -> list[_Signature | None]:
    paths = (settings.certfile, settings.keyfile, settings.ca_certs)
    return [_signature(path) for path in paths if path]


def _signature(path: Path) -> _Signature | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return _Signature(stat.st_ino, stat.st_mtime_ns, stat.st_size)
