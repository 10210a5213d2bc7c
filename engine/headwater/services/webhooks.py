"""Who sent a webhook: verifiers of signatures, for `headwater.webhook`.

``hw.webhooks.stripe``, ``github``, ``svix``, ``standard`` and ``hmac`` make one. Each looks at the
bytes as they came, compares in constant time, and takes any of several secrets, so that one can be
replaced while both are in use. A secret is given itself or, better, as ``env("NAME")``.
"""

from typing import Final, Literal

from headwater.services.webhook_secrets import (
    Secret,
    Secrets,
    Setting,
    base64_key,
    env,
    text_key,
)
from headwater.services.webhook_signatures import (
    TOLERANCE_SECONDS,
    Delivery,
    HmacVerifier,
    Scheme,
    StandardVerifier,
    StripeVerifier,
    Verified,
    Verifier,
)

__all__ = [
    "Delivery",
    "Setting",
    "Verified",
    "Verifier",
    "env",
    "github",
    "hmac",
    "standard",
    "stripe",
    "svix",
]

_GITHUB: Final = Scheme("X-Hub-Signature-256", "sha256", "hex", "sha256=", "{body}")


def stripe(*secrets: Secret, tolerance_seconds: float = TOLERANCE_SECONDS) -> Verifier:
    """Webhooks of Stripe: the header ``Stripe-Signature`` with ``t=`` and ``v1=``.

    The id of the event is the ``id`` in its body. Source: Stripe's documentation, "Verify webhook
    signatures manually".

    Args:
        *secrets: The endpoint's signing secrets, which begin with ``whsec_``.
        tolerance_seconds: How far the time of the signature may be from now.

    Raises:
        DeclarationError: There is no secret, or one cannot be one.
    """
    return StripeVerifier(Secrets("stripe", secrets, text_key), tolerance_seconds)


def github(*secrets: Secret) -> Verifier:
    """Webhooks of GitHub: the header ``X-Hub-Signature-256``.

    GitHub signs neither a time nor the id, which is that of the header ``X-GitHub-Delivery``.
    Source: GitHub's documentation, "Validating webhook deliveries".

    Args:
        *secrets: The webhook's secrets.

    Raises:
        DeclarationError: There is no secret, or one cannot be one.
    """
    return HmacVerifier(
        Secrets("github", secrets, text_key), _GITHUB, id_header="X-GitHub-Delivery"
    )


def standard(*secrets: Secret, tolerance_seconds: float = TOLERANCE_SECONDS) -> Verifier:
    """Standard Webhooks: ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``.

    Signatures by HMAC, ``v1``, one or several. Source: the specification of Standard Webhooks.

    Args:
        *secrets: ``whsec_`` and base64.
        tolerance_seconds: How far the time of the signature may be from now.

    Raises:
        DeclarationError: There is no secret, or one cannot be one.
    """
    accepted = Secrets("standard", secrets, base64_key)
    return StandardVerifier(accepted, ("webhook",), tolerance_seconds)


def svix(*secrets: Secret, tolerance_seconds: float = TOLERANCE_SECONDS) -> Verifier:
    """Webhooks of Svix and those who send by it, such as Clerk and Resend.

    The headers are ``svix-id``, ``svix-timestamp`` and ``svix-signature``, or those of `standard`.

    Args:
        *secrets: ``whsec_`` and base64.
        tolerance_seconds: How far the time of the signature may be from now.

    Raises:
        DeclarationError: There is no secret, or one cannot be one.
    """
    accepted = Secrets("svix", secrets, base64_key)
    return StandardVerifier(accepted, ("svix", "webhook"), tolerance_seconds)


def hmac(  # noqa: PLR0913 - each is of its own, and given by name
    *secrets: Secret,
    header: str,
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256",
    encoding: Literal["hex", "base64"] = "hex",
    prefix: str = "",
    signed: str = "{body}",
    timestamp_header: str | None = None,
    id_header: str | None = None,
    id_field: str | None = None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> Verifier:
    """Any other sender that signs with a shared secret.

    Without ``id_header`` and ``id_field``, the id of an event is a hash of its body. An id in a
    header that is not signed is as good as the connection.

    Args:
        *secrets: The keys as text.
        header: Has the signature.
        algorithm: The hash function.
        encoding: How the signature is written.
        prefix: What stands before it in the header, such as ``sha256=``.
        signed: What is signed, of ``{body}``, ``{timestamp}`` and ``{id}``: Slack's is
            ``v0:{timestamp}:{body}``.
        timestamp_header: Has the time of the signature, in seconds.
        id_header: Has the id of the event.
        id_field: The name of the id in the body, which is an object in JSON.
        tolerance_seconds: How far the time of the signature may be from now.

    Raises:
        DeclarationError: There is no secret, one cannot be one, or the others do not fit together.
    """
    scheme = Scheme(header, algorithm, encoding, prefix, signed)
    scheme.check(timestamp_header, id_header, id_field)
    return HmacVerifier(
        Secrets("hmac", secrets, text_key),
        scheme,
        timestamp_header=timestamp_header,
        id_header=id_header,
        id_field=id_field,
        tolerance_seconds=tolerance_seconds,
    )
