"""However an answer is changed on the way, it says what the server said or it is no answer (SEC-30)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carnet.client.flows import activate
from carnet.client.judging import Caller, Verdict, judge
from carnet.client.roots import Chain, Trust
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.errors import TransportError
from carnet.formats.keys import Ed25519Signer
from carnet.formats.strict_json import dump_json, parse_object
from support.issuing import LICENSE_KEY, NOW, ROOT, ROOT_TEXT, Vendor

DEVICE = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"
CALLER = Caller(
    product="hustl",
    fingerprint=DEVICE,
    signer=Ed25519Signer(bytes(32)),
    seed=bytes(32),
    trust=Trust(chain=Chain(root=ROOT, files=(ROOT_TEXT,)), wall=NOW),
    entropy=lambda count: bytes(range(count)),
)
VENDOR = Vendor(lambda: NOW)
REQUEST = next(activate(CALLER, LICENSE_KEY))
assert isinstance(REQUEST, HttpRequest)
ANSWER = VENDOR.answer(REQUEST)
NONCE: str = parse_object(REQUEST.body, max_bytes=10_000, what="The request")["nonce"]


def read(body: bytes) -> Verdict | None:
    try:
        answer = HttpAnswer(status=200, body=body)
        return judge(CALLER, answer, nonce=NONCE, action="activate", license_key=LICENSE_KEY)
    except TransportError:
        return None


GENUINE = read(ANSWER.body)


def test_the_unchanged_answer_is_a_grant() -> None:
    assert GENUINE is not None
    assert GENUINE.token is not None


@given(st.data())
def test_no_changed_byte_changes_what_is_taken(data: st.DataObject) -> None:
    body = bytearray(ANSWER.body)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert read(bytes(body)) in {None, GENUINE}


@given(st.integers(0, len(ANSWER.body) - 1), st.binary(max_size=40))
def test_no_cut_and_no_tail_changes_what_is_taken(at: int, tail: bytes) -> None:
    assert read(ANSWER.body[:at] + tail) in {None, GENUINE}


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything_but_a_transport_error(body: bytes) -> None:
    assert read(body) is None


@given(
    st.dictionaries(st.sampled_from(["proof", "token", "machine_file", "roots", "x"]), st.none() | st.integers(-9, 9))
)
def test_no_members_of_other_types_raise_anything_but_a_transport_error(members: dict[str, int | None]) -> None:
    kept = parse_object(ANSWER.body, max_bytes=100_000, what="The answer", max_string=100_000)
    assert read(dump_json({**kept, **members})) in {None, GENUINE}
