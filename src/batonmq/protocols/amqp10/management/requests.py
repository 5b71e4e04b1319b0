"""Requests and answers as messages (HTTP over AMQP, as RabbitMQ has it)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from batonmq.fields import NAME_MAX
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import MessageProperties
from batonmq.protocols.amqp10.codec.sections import VALUE, Sections, in_order
from batonmq.protocols.amqp10.codec.values import DecodeError, Described, ULong, encode
from batonmq.protocols.amqp10.failures import LinkFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.protocols.amqp10.codec.composites import MessageId

# The reply-to of a request whose answer goes over the other link of its pair (linkpair-v1.0 §2.1).
ME: Final = "$me"
# The largest request in octets: parsing blocks the loop.
REQUEST_MAX: Final = 1 << 20
# The most fields of a query.
FIELDS_MAX: Final = 100

_APPLICATION_PROPERTIES: Final = encode(Described(ULong(0x74), {"http:response": "1.1"}))


class BadRequest(Exception):
    """The answer is an error: a status and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Request(NamedTuple):
    """A request. The segments of its path and its query are as they came, %-encoded."""

    id: MessageId | None
    method: str
    path: list[str]
    query: str
    body: object


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    body: object = None


def read_request(data: bytes) -> Request:
    """The request in a message. Raises LinkFailure for one that cannot be answered."""
    if len(data) > REQUEST_MAX:
        raise LinkFailure(conditions.MESSAGE_SIZE_EXCEEDED, f"a request has at most {REQUEST_MAX} bytes")
    try:
        # RabbitMQ's Python client puts an empty body before the other sections.
        sections = Sections(in_order(data))
        properties = sections.properties()
        body = sections.body_values()[0] if sections.body_kind == VALUE else None
    except DecodeError as error:
        raise LinkFailure(conditions.DECODE_ERROR, f"the request cannot be read: {error}") from None
    if properties is None or properties.reply_to != ME:
        raise _unanswerable(f"the reply-to of a request is '{ME}'")
    if not isinstance(properties.to, str) or not isinstance(properties.subject, str):
        raise _unanswerable("a request has its path in the property to, and its method in subject")
    path, _, query = properties.to.partition("?")
    return Request(properties.message_id, properties.subject, path.split("/"), query, body)


def write_answer(request_id: MessageId | None, answer: Answer) -> bytes:
    """The message with the answer to the request of that id."""
    properties = MessageProperties(subject=str(answer.status), correlation_id=request_id)
    body = answer.body
    if isinstance(body, str):
        # A quoted name may be other than UTF-8, but the text must be readable.
        body = body.encode(errors="replace").decode()
    return properties.encoded() + _APPLICATION_PROPERTIES + encode(Described(ULong(0x77), body))


def unescaped(segment: str) -> str:
    """The name for a %-encoded segment of a path. Raises BadRequest."""
    for at, character in enumerate(segment):
        if character == "%" and not _is_hex(segment[at + 1 : at + 3]):
            raise BadRequest(400, f"bad percent encoding in '{segment[:100]}'")
    return unquote(segment, errors="surrogateescape")


def check_name(name: str) -> None:
    """Check that a name has no line ends, which could forge lines in logs and listings. Raises BadRequest."""
    if "\n" in name or "\r" in name:
        text = f"Bad name '{name[:NAME_MAX]}': line feed and carriage return characters not allowed"
        raise BadRequest(400, text)


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits)


def body_fields(request: Request, defaults: Mapping[str, object], what: str) -> dict[str, object]:
    """The fields of a map in the body of a request, each of the type of its default. Raises BadRequest.

    ``what`` says what a field is, in errors.
    """
    body = request.body
    if not isinstance(body, dict):
        raise BadRequest(400, f"no map, which the body of {request.method[:32]} is, with {what} entries")
    found = dict(defaults)
    for name, value in body.items():
        default = defaults.get(name)
        if default is None or not isinstance(value, type(default)):
            raise BadRequest(400, f"bad {what} {str(name)[:64]!r}: {str(value)[:64]!r}")
        found[str(name)] = value
    return found


def query_fields(query: str) -> dict[str, str]:
    """The fields of a query. Raises BadRequest."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="surrogateescape"))
    except ValueError:
        raise BadRequest(400, f"a query has at most {FIELDS_MAX} fields") from None


def _unanswerable(text: str) -> LinkFailure:
    return LinkFailure(conditions.INVALID_FIELD, text)
