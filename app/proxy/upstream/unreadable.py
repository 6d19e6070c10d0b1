"""The error for bytes of an upstream that the parser refuses."""

import httptools

from app.errors import GatewayError, UpstreamBroken


def unreadable_response(error: httptools.HttpParserError) -> GatewayError:
    """What the parser, or a callback of ours in it, has against a response. Raises a callback's defect."""
    if not isinstance(error, httptools.HttpParserCallbackError):
        return UpstreamBroken(reason=str(error))
    if isinstance(error.__context__, GatewayError):
        return error.__context__
    raise (error.__context__ or error) from None
