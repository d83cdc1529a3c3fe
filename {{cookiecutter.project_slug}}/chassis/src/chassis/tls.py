"""The server's TLS context: created from the settings, checked before the start, and replaced when the files change."""

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

EXPIRY_WARNING = 14 * 24 * 3600.0  # Seconds. Enough time to repair the renewal.
POLL_INTERVAL = 1.0  # Seconds between two checks of the files.

_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_EXPIRED, _NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID.


class TLSSettings(SettingsGroup):
    certfile: Path
    """The certificate, followed by intermediate certificates, PEM. New files are loaded within seconds."""
    keyfile: Path | None = None
    """Its private key, PEM. Default: in `certfile`."""
    keyfile_password: SecretStr | None = None
    """The password of an encrypted key. Preferably the file `/run/secrets/app_server__tls__keyfile_password`."""
    ca_certs: Path | None = None
    """The authorities that may sign client certificates, PEM."""
    client_certs: Literal["none", "optional", "required"] = "none"
    """Whether clients have a certificate. Its subject is `request.scope["extensions"]["tls"]["client_cert_name"]`."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest accepted version of TLS."""
    ciphers: str | None = None
    """TLS 1.2 ciphers by OpenSSL's names, separated by colons. Default: Python's."""

    @model_validator(mode="after")
    def _clients_need_a_ca(self) -> Self:
        if self.client_certs != "none" and self.ca_certs is None:
            raise ValueError(f"CLIENT_CERTS is {self.client_certs}, so CA_CERTS must be set")
        return self


class TLSProblem(Exception):
    """One line that names the variable."""


def load(settings: TLSSettings, *, http2: bool) -> "Rotation":
    """Load the files. Exits with code 78 and one line on standard error if a server could not use them."""
    try:
        return Rotation(settings, http2=http2)
    except TLSProblem as problem:
        print(f"configuration: {problem}", file=sys.stderr)  # noqa: T201 - As for all wrong settings.
        sys.exit(EX_CONFIG)


def context(settings: TLSSettings, *, http2: bool) -> ssl.SSLContext:
    """Create a context and test it with a handshake. Raises TLSProblem."""
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

    def password() -> str:  # Without it OpenSSL would ask for a password on the terminal, and wait.
        nonlocal asked
        asked = True
        return given.get_secret_value() if given else ""

    for name, path in (("CERTFILE", settings.certfile), ("KEYFILE", keyfile)):
        with _naming(name, path):
            path.read_bytes()
    with _naming("CERTFILE", settings.certfile):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.certfile)
    with _naming("KEYFILE", keyfile):  # It can be deleted after it was read above.
        try:
            new.load_cert_chain(settings.certfile, keyfile, password)
        except ssl.SSLError as error:
            if "KEY_VALUES_MISMATCH" in str(error):
                raise _problem("KEYFILE", f"{keyfile} does not belong to {settings.certfile}") from error
            if asked:
                reason = "wrong" if given else "missing: the key is encrypted"
                raise _problem("KEYFILE_PASSWORD", f"the password of {keyfile} is {reason}") from error
            raise


def _shake_hands(server: ssl.SSLContext, certfile: Path) -> None:
    """Check the dates of the certificate and the ciphers by an in-memory handshake with a client that trusts it."""
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
        raise _problem("CIPHERS", f"the handshake fails: {_reason(error)}") from error
    with _naming("CERTFILE", certfile):
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
    except ValueError as error:  # A name in a certificate that is not UTF-8.
        raise _problem(name, f"{what}: {error}") from error


def _problem(name: str, text: str) -> TLSProblem:
    return TLSProblem(f"APP_SERVER__TLS__{name}: {text}")


def _reason(error: ssl.SSLError) -> str:
    reason: str = getattr(error, "reason", None) or str(error.args[0])
    return reason.lower().replace("_", " ").strip("().")


class RotatingContext(ssl.SSLContext):
    """Uses `current` for each new connection. asyncio and uvloop call only `wrap_bio`.

    `load_cert_chain` on a context in use would serve the new certificate with the old key for a moment.
    """

    current: ssl.SSLContext

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return self.current.wrap_bio(*args, **options)


class _Signature(NamedTuple):
    inode: int
    modified: int
    size: int


class Rotation:
    """The context that serves, replaced when its files change.

    The master creates it, and workers inherit it by `fork`: a worker starts with the last valid certificate, even if
    the files have become invalid. From then on each process polls for itself.
    """

    def __init__(self, settings: TLSSettings, *, http2: bool) -> None:
        """Raises TLSProblem."""
        self.settings, self.http2 = settings, http2
        self.loaded = self.seen = _signatures(settings)
        self.rejected: list[_Signature | None] | None = None
        self.serving = RotatingContext(ssl.PROTOCOL_TLS_SERVER)
        self.serving.current = context(settings, http2=http2)

    def poll(self) -> bool:
        """Load changed files, and return whether a new context serves. Raises TLSProblem, once for the same files."""
        before, self.seen = self.seen, _signatures(self.settings)
        # Only when two polls see the same: then nobody is still writing.
        if self.seen != before or self.seen in (self.loaded, self.rejected):
            return False
        self.rejected = self.seen
        self.serving.current = context(self.settings, http2=self.http2)
        self.loaded = self.seen
        return True

    async def run(self) -> None:
        """Poll in a worker, and log the results, until cancelled."""
        self.rejected = None  # The master logs nothing. If it rejects the present files, this worker says why.
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            try:
                if self.poll():
                    log.info("new certificate in use: %s", self.settings.certfile)
            except TLSProblem as problem:
                log.error("new certificate rejected, the old one stays in use: %s", problem)  # noqa: TRY400 - No traceback needed.


def _signatures(settings: TLSSettings) -> list[_Signature | None]:
    paths = (settings.certfile, settings.keyfile, settings.ca_certs)
    return [_signature(path) for path in paths if path]


def _signature(path: Path) -> _Signature | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return _Signature(stat.st_ino, stat.st_mtime_ns, stat.st_size)
