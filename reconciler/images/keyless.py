"""Signatures without a key of one's own: who signed is what an identity provider said at that moment.

A certificate of minutes names the signer; a log that anybody can read has both. All of it is checked, by
sigstore's own library and without a network: that the certificate comes from the authority that is trusted,
is in its log of certificates (SCT), was valid when it was used, that the signature is in the transparency
log (inclusion proof and signed checkpoint), and that issuer and identity are those that are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import re2  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from reconciler.errors import Misconfigured

if TYPE_CHECKING:
    from sigstore.verify import Verifier

_PUBLIC: Final = "https://tuf-repo-cdn.sigstore.dev"  # by that name its trusted root comes with the library
_MOST: Final = 1 << 20  # bytes of a bundle
# What a library says to bytes that are no bundle, besides its own errors.
_NONSENSE: Final = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError,
    AssertionError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension,
)  # fmt: skip


class Wanted(NamedTuple):
    """Who is to have signed, as the settings say."""

    name: str  # by which policies speak of it
    issuer: str
    identity: str = ""  # exactly
    pattern: str = ""  # or RE2, which has to match all of it


class Identity:
    """Somebody who may sign, and what is trusted to say that it was them."""

    def __init__(self, wanted: Wanted, verifier: Verifier) -> None:
        self.name = wanted.name
        self._verifier = verifier
        self._policy = _Who(wanted.issuer, _matching(wanted))

    def signed(self, body: bytes) -> tuple[str, bytes] | None:
        """Kind and content of the statement in a bundle, when it holds in every respect; else None."""
        from sigstore.errors import Error
        from sigstore.models import Bundle

        if len(body) > _MOST:
            return None
        try:
            return self._verifier.verify_dsse(Bundle.from_json(body), self._policy)
        except (Error, *_NONSENSE):
            return None


def identity(wanted: Wanted, root: Path | None = None) -> Identity:
    """`root` is a trusted root as sigstore writes it (trusted_root.json); None is the public one."""
    return Identity(wanted, _verifier(root))


@cache
def _verifier(root: Path | None) -> Verifier:
    """The public root is the one that came with the library: nothing is fetched."""
    try:
        from sigstore.errors import Error
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier
    except ImportError:
        words = "imageIdentities needs sigstore: install it with pip install 'reconciler[keyless]'."
        raise Misconfigured("settings", words) from None
    folder = resources.files("sigstore") / "_store" / quote(_PUBLIC, safe="")
    path = Path(str(folder / "trusted_root.json")) if root is None else root
    try:
        return Verifier(trusted_root=TrustedRoot.from_file(str(path)))
    except OSError as error:
        words = f"the trusted root can't be read: {error.strerror}."
        raise Misconfigured("settings", words, path=str(path)) from None
    except (Error, *_NONSENSE):
        words = "it holds no trusted root of sigstore (trusted_root.json), or one without a log."
        raise Misconfigured("settings", words, path=str(path)) from None


def _matching(wanted: Wanted) -> Callable[[str], bool]:
    if not wanted.pattern:
        return lambda text: text == wanted.identity
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(wanted.pattern, options)
    except re2.error:
        words = f"imageIdentities.{wanted.name}: {wanted.pattern!r} is no regular expression (RE2)."
        raise Misconfigured("settings", words) from None
    return lambda text: compiled.fullmatch(text) is not None


class _Who:
    """Asked by the library about a certificate, once everything else of it is right."""

    def __init__(self, issuer: str, matches: Callable[[str], bool]) -> None:
        self._issuer, self._matches = issuer, matches

    def verify(self, cert: x509.Certificate) -> None:
        from sigstore.errors import VerificationError
        from sigstore.verify.policy import AnyOf, OIDCIssuer, OIDCIssuerV2

        AnyOf([OIDCIssuerV2(self._issuer), OIDCIssuer(self._issuer)]).verify(cert)
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        told = [
            *names.get_values_for_type(x509.UniformResourceIdentifier),
            *names.get_values_for_type(x509.RFC822Name),
        ]
        if len(list(names)) != 1 or len(told) != 1 or not self._matches(told[0]):
            raise VerificationError("it was signed by somebody else")
