"""Signatures of webhooks: what each scheme accepts, and everything that it does not."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

import headwater as hw
from headwater import webhooks
from headwater.functions.context_services import Configuration
from headwater.services.webhook_signatures import Delivery

NOW = 1_704_067_200
BODY = b'{"id": "evt_1", "type": "paid"}'
KEY = "whsec_" + base64.b64encode(b"a key of many bytes").decode()
OTHER_KEY = "whsec_" + base64.b64encode(b"another key").decode()


def verify(verifier, headers, body=BODY, now=NOW, **settings):
    return verifier.verify(Delivery(hw.Headers(headers), body, now, Configuration(settings)))


def accepts(verifier, headers, body=BODY, now=NOW, **settings):
    try:
        verify(verifier, headers, body, now, **settings)
    except (hw.SignatureInvalidError, hw.RequestInvalidError):
        return False
    return True


def mac(key, message, algorithm="sha256"):
    return hmac.new(key, message, algorithm)


# As the senders' own documents and libraries have it --------------------------------------------


def test_the_example_of_github():
    """Source: GitHub, "Validating webhook deliveries", section "Testing the webhook"."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": "72d3162e"}
    verifier = webhooks.github("It's a Secret to Everybody")
    assert verify(verifier, headers, b"Hello, World!").event_id == "72d3162e"
    assert not accepts(verifier, headers, b"Hello, World")


def test_the_example_of_standard_webhooks():
    """Source: the specification of Standard Webhooks, section "Signature scheme"."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    verifier = webhooks.standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert verify(verifier, headers, body, 1614265330).event_id == headers["webhook-id"]
    assert not accepts(verifier, headers, body + b" ", 1614265330)


@given(st.binary(max_size=50), st.binary(min_size=1, max_size=40), st.text("abc_", min_size=1))
def test_what_the_library_of_standard_webhooks_signs_is_accepted(body, key, event_id):
    text = body.decode("latin-1")  # which the library takes as text
    secret = "whsec_" + base64.b64encode(key).decode()
    sender = standardwebhooks.Webhook(secret)
    signature = sender.sign(event_id, datetime.fromtimestamp(NOW, tz=UTC), text)
    for family in ("webhook", "svix"):
        headers = {
            f"{family}-id": event_id,
            f"{family}-timestamp": str(NOW),
            f"{family}-signature": signature,
        }
        found = verify(webhooks.svix(secret), headers, text.encode())
        assert (found.event_id, found.sent_seconds) == (event_id, NOW)
        assert accepts(webhooks.standard(secret), headers, text.encode()) == (family == "webhook")


# Stripe -----------------------------------------------------------------------------------------


def stripe_signature(body=BODY, key=KEY, at=NOW):
    return mac(key.encode(), f"{at}.".encode() + body).hexdigest()


RIGHT = stripe_signature()
STRIPE_ACCEPTED = {
    "one signature": f"t={NOW},v1={RIGHT}",
    "spaces": f"t={NOW}, v1={RIGHT}",
    "the last of several": f"t={NOW},v1={'0' * 64},v1={RIGHT}",
    "the first of several": f"t={NOW},v1={RIGHT},v1=zz",
    "beside an older scheme": f"t={NOW},v1={RIGHT},v0={'0' * 64}",
    "in another order": f"v1={RIGHT},t={NOW}",
    "as old as it may be": f"t={NOW - 300},v1={stripe_signature(at=NOW - 300)}",
    "as far ahead as it may be": f"t={NOW + 300},v1={stripe_signature(at=NOW + 300)}",
}
STRIPE_REFUSED = {
    "nothing": "",
    "no time": f"v1={RIGHT}",
    "no signature": f"t={NOW}",
    "an empty signature": f"t={NOW},v1=",
    "another scheme": f"t={NOW},v0={RIGHT}",
    "a scheme in capitals": f"t={NOW},V1={RIGHT}",
    "half of it": f"t={NOW},v1={RIGHT[:32]}",
    "more than it": f"t={NOW},v1={RIGHT}00",
    "in capitals": f"t={NOW},v1={RIGHT.upper()}",
    "of another body": f"t={NOW},v1={stripe_signature(BODY + b' ')}",
    "of another key": f"t={NOW},v1={stripe_signature(key=OTHER_KEY)}",
    "of another time": f"t={NOW + 1},v1={RIGHT}",
    "two times": f"t={NOW},t={NOW},v1={RIGHT}",
    "too old": f"t={NOW - 301},v1={stripe_signature(at=NOW - 301)}",
    "too far ahead": f"t={NOW + 301},v1={stripe_signature(at=NOW + 301)}",
    "a time with a sign": f"t=+{NOW},v1={stripe_signature(at=f'+{NOW}')}",
    "a time with a space": f"t= {NOW},v1={stripe_signature(at=f' {NOW}')}",
    "a time with a point": f"t={NOW}.0,v1={stripe_signature(at=f'{NOW}.0')}",
    "a time with an exponent": f"t=1e9,v1={stripe_signature(at='1e9')}",
    "a time in hexadecimal": f"t=0x65920080,v1={stripe_signature(at='0x65920080')}",
    "no number": f"t=NaN,v1={stripe_signature(at='NaN')}",
    "an underscore": f"t=1_704_067_200,v1={stripe_signature(at='1_704_067_200')}",
    "a time without end": f"t={'9' * 5000},v1={RIGHT}",
    "bytes": f"t={NOW},v1=\xff\xfe",
}


@pytest.mark.parametrize("header", STRIPE_ACCEPTED.values(), ids=STRIPE_ACCEPTED.keys())
def test_stripe_accepts(header):
    assert verify(webhooks.stripe(KEY), {"Stripe-Signature": header}).event_id == "evt_1"


@pytest.mark.parametrize("header", STRIPE_REFUSED.values(), ids=STRIPE_REFUSED.keys())
def test_stripe_refuses(header):
    with pytest.raises(hw.SignatureInvalidError):
        verify(webhooks.stripe(KEY), {"Stripe-Signature": header})


def test_a_header_that_is_missing_or_comes_twice_is_refused():
    right = ("Stripe-Signature", f"t={NOW},v1={RIGHT}")
    for headers in ([], [right, right]):
        assert not accepts(webhooks.stripe(KEY), headers)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"id": 3}', b'{"id": ""}', b'{"id": "a\\ud800"}', b"\xff"]
)
def test_a_signed_body_without_an_id_is_refused(body):
    header = f"t={NOW},v1={stripe_signature(body)}"
    with pytest.raises(hw.RequestInvalidError):
        verify(webhooks.stripe(KEY), {"Stripe-Signature": header}, body)


# GitHub -----------------------------------------------------------------------------------------


def github_headers(**changed):
    right = {
        "X-Hub-Signature-256": f"sha256={mac(KEY.encode(), BODY).hexdigest()}",
        "X-GitHub-Delivery": "4d1f0a",
    }
    return {**right, **{name.replace("_", "-"): value for name, value in changed.items()}}


GITHUB_REFUSED = {
    "no prefix": {"X_Hub_Signature_256": mac(KEY.encode(), BODY).hexdigest()},
    "SHA-1": {"X_Hub_Signature_256": f"sha1={mac(KEY.encode(), BODY, 'sha1').hexdigest()}"},
    "SHA-1 under the other name": {
        "X_Hub_Signature_256": f"sha256={mac(KEY.encode(), BODY, 'sha1').hexdigest()}"
    },
    "another key": {"X_Hub_Signature_256": f"sha256={mac(b'other', BODY).hexdigest()}"},
    "nothing": {"X_Hub_Signature_256": "sha256="},
    "no id": {"X_GitHub_Delivery": ""},
    "an id without end": {"X_GitHub_Delivery": "a" * 257},
    "an id with a line break": {"X_GitHub_Delivery": "a\nb"},
}


@pytest.mark.parametrize("changed", GITHUB_REFUSED.values(), ids=GITHUB_REFUSED.keys())
def test_github_refuses(changed):
    assert accepts(webhooks.github(KEY), github_headers())
    assert not accepts(webhooks.github(KEY), github_headers(**changed))


# Standard Webhooks ------------------------------------------------------------------------------


def standard_headers(event_id="msg_1", at=NOW, body=BODY, key=KEY, **changed):
    message = f"{event_id}.{at}.".encode() + body
    digest = mac(base64.b64decode(key.removeprefix("whsec_")), message).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        **{f"webhook-{name}": value for name, value in changed.items()},
    }


SIGNATURE = standard_headers()["webhook-signature"]
STANDARD_ACCEPTED = {
    "one signature": standard_headers(),
    "the last of several": standard_headers(signature=f"v1,AAAA v1,BBBB {SIGNATURE}"),
    "beside another version": standard_headers(signature=f"v1a,AAAA v2,x {SIGNATURE}"),
    "as old as it may be": standard_headers(at=NOW - 300),
    "as far ahead as it may be": standard_headers(at=NOW + 300),
}
STANDARD_REFUSED = {
    "another version": standard_headers(signature=SIGNATURE.replace("v1", "v2")),
    "no version": standard_headers(signature=SIGNATURE.removeprefix("v1,")),
    "several without a space": standard_headers(signature=f"v1,AAAA,{SIGNATURE}"),
    "nothing": standard_headers(signature=""),
    "cut": standard_headers(signature=SIGNATURE[:-2]),
    "another id": standard_headers(id="msg_2"),
    "another time": standard_headers(timestamp=str(NOW + 1)),
    "a point in the id": standard_headers(event_id="msg_1.2", id="msg_1", timestamp=f"2.{NOW}"),
    "too old": standard_headers(at=NOW - 301),
    "too far ahead": standard_headers(at=NOW + 301),
    "another body": standard_headers(body=b"{}"),
    "another key": standard_headers(key=OTHER_KEY),
    "no id": standard_headers(event_id=""),
}


@pytest.mark.parametrize("headers", STANDARD_ACCEPTED.values(), ids=STANDARD_ACCEPTED.keys())
def test_standard_accepts(headers):
    assert accepts(webhooks.standard(KEY), headers)


@pytest.mark.parametrize("headers", STANDARD_REFUSED.values(), ids=STANDARD_REFUSED.keys())
def test_standard_refuses(headers):
    assert not accepts(webhooks.standard(KEY), headers)


# Any other --------------------------------------------------------------------------------------

SLACK = {"header": "X-Slack-Signature", "prefix": "v0=", "signed": "v0:{timestamp}:{body}"}
SLACK |= {"timestamp_header": "X-Slack-Request-Timestamp"}


def test_slack():
    signature = "v0=" + mac(b"key", f"v0:{NOW}:".encode() + BODY).hexdigest()
    headers = {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": str(NOW)}
    verifier = webhooks.hmac("key", **SLACK)
    found = verify(verifier, headers)
    assert found.event_id == "sha256:" + hashlib.sha256(BODY).hexdigest()
    assert found.sent_seconds == NOW
    assert not accepts(verifier, headers, now=NOW + 301)
    assert not accepts(verifier, headers | {"X-Slack-Request-Timestamp": str(NOW + 1)})


def test_shopify():
    signature = base64.b64encode(mac(b"key", BODY).digest()).decode()
    headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Webhook-Id": "b54557e4"}
    verifier = webhooks.hmac(
        "key", header="X-Shopify-Hmac-Sha256", encoding="base64", id_header="X-Shopify-Webhook-Id"
    )
    assert verify(verifier, headers).event_id == "b54557e4"
    assert not accepts(verifier, headers, BODY + b"\n")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_any_hash_function(algorithm):
    headers = {"S": mac(b"key", BODY, algorithm).hexdigest()}
    verifier = webhooks.hmac("key", header="S", algorithm=algorithm, id_field="id")
    assert verify(verifier, headers).event_id == "evt_1"


@pytest.mark.parametrize(
    "options",
    [
        {"signed": "{id}.{body}"},
        {"signed": "{timestamp}"},
        {"signed": "{body}{body}"},
        {"signed": "{other}{body}"},
        {"signed": "\u20ac{body}"},
        {"timestamp_header": "T"},
        {"algorithm": "md5"},
        {"encoding": "base32"},
        {"id_header": "I", "id_field": "id"},
        {"tolerance_seconds": 0},
    ],
)
def test_what_does_not_fit_together_is_refused_where_it_is_declared(options):
    with pytest.raises(hw.DeclarationError):
        webhooks.hmac("key", header="S", **options)


# Secrets ----------------------------------------------------------------------------------------


def test_any_of_several_secrets_is_accepted():
    verifier = webhooks.stripe(OTHER_KEY, KEY)
    for key in (KEY, OTHER_KEY):
        assert accepts(verifier, {"Stripe-Signature": f"t={NOW},v1={stripe_signature(key=key)}"})
    third = stripe_signature(key="whsec_third")
    assert not accepts(verifier, {"Stripe-Signature": f"t={NOW},v1={third}"})


def test_a_secret_may_stand_in_a_setting():
    verifier = webhooks.standard(webhooks.env("OLD"), webhooks.env("NEW"))
    assert accepts(verifier, standard_headers(), OLD=OTHER_KEY, NEW=KEY)
    with pytest.raises(hw.ConfigurationMissingError, match="NEW"):
        verify(verifier, standard_headers(), OLD=KEY)
    with pytest.raises(hw.ConfigurationMissingError, match="base64"):
        verify(verifier, standard_headers(), OLD=KEY, NEW="no base64!")


@pytest.mark.parametrize(
    "declare",
    [
        webhooks.stripe,
        webhooks.github,
        lambda: webhooks.stripe(""),
        lambda: webhooks.stripe(" "),
        lambda: webhooks.stripe(b"bytes"),
        lambda: webhooks.stripe(None),
        lambda: webhooks.standard("whsec_"),
        lambda: webhooks.standard("whsec_no base64!"),
        lambda: webhooks.stripe(KEY, tolerance_seconds=-1),
    ],
)
def test_what_can_be_no_secret_is_refused_where_it_is_declared(declare):
    with pytest.raises(hw.DeclarationError):
        declare()


def test_secrets_are_not_shown():
    verifier = webhooks.stripe(KEY, webhooks.env("NAME"))
    shown = repr(vars(verifier)) + repr(verifier)
    assert KEY not in shown
    with pytest.raises(hw.DeclarationError) as caught:
        webhooks.standard("whsec_no base64!")
    assert "no base64!" not in str(caught.value)


def test_every_signature_is_compared_in_constant_time(monkeypatch):
    compared = []
    compare = hmac.compare_digest

    def compare_digest(one, other):
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    header = f"t={NOW},v1={RIGHT},v1={'0' * 64}"
    assert accepts(webhooks.stripe(KEY, OTHER_KEY), {"Stripe-Signature": header})
    assert len(compared) == 4  # also those behind the one that is right


@given(st.binary(max_size=200), st.integers(0, 10_000), st.integers(0, 7))
def test_one_flipped_bit_anywhere_makes_it_another_body(noise, position, bit):
    body = json.dumps({"id": "evt", "noise": noise.decode("latin-1")}).encode()
    headers = standard_headers(body=body)
    assert accepts(webhooks.standard(KEY), headers, body)
    changed = bytearray(body)
    changed[position % len(body)] ^= 1 << bit
    assert not accepts(webhooks.standard(KEY), headers, bytes(changed))
