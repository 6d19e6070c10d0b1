"""Content negotiation: the media type of the response, and whether the client wants a row count."""

from enum import Enum
from typing import Final

from app.auth.calls import FunctionCall
from app.auth.replies import JSON_TYPE, Rejected, error_reply


class Media(Enum):
    """The formats of a response, by their Content-Type."""

    JSON = JSON_TYPE
    OBJECT = b"application/vnd.pgrst.object+json; charset=utf-8"  # exactly one row
    CSV = b"text/csv; charset=utf-8"


# Compared byte for byte with the text before the first semicolon, as PostgREST does
_OFFERED: Final = {
    b"*/*": Media.JSON,
    b"application/json": Media.JSON,
    b"application/vnd.pgrst.array+json": Media.JSON,
    b"application/vnd.pgrst.array": Media.JSON,
    b"application/vnd.pgrst.object+json": Media.OBJECT,
    b"application/vnd.pgrst.object": Media.OBJECT,
    b"text/csv": Media.CSV,
}


def negotiate(call: FunctionCall) -> Media:
    """The first of the client's media types that is available. Raises Rejected (406, PGRST107)."""
    accept = call.header(b"accept")
    if accept is None:
        return Media.JSON
    wanted = _by_preference(accept)
    for media in wanted:
        offered = _OFFERED.get(media)
        if offered is not None:
            return offered
    listed = b", ".join(wanted).decode(errors="replace")
    raise Rejected(error_reply(406, "PGRST107", f"None of these media types are available: {listed}"))


def wants_count(call: FunctionCall) -> bool:
    """Whether the first `count=` preference is `exact`. Several Prefer lines are one list (RFC 7240)."""
    preferences = (item.strip() for line in call.header_lines(b"prefer") for item in line.split(b","))
    counts = (item for item in preferences if item in {b"count=exact", b"count=planned", b"count=estimated"})
    return next(counts, b"") == b"count=exact"


def _by_preference(accept: bytes) -> list[bytes]:
    """Media types without their parameters: higher weight first, then fewer wildcards, then as written."""
    weighed = []
    for item in accept.split(b","):
        media, *parameters = (part.strip() for part in item.split(b";"))
        weighed.append((-_weight(parameters), media.count(b"*"), media))
    return [media for _, _, media in sorted(weighed, key=lambda entry: entry[:2])]


def _weight(parameters: list[bytes]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip().lower() == b"q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0
