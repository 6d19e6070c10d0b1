"""The error for bytes of an upstream that the parser rejects."""

import httptools

from app.errors import GatewayError, UpstreamBroken


def unreadable_response(error: httptools.HttpParserError) -> GatewayError:
    """The error of the parser, or of a callback that it called. Raises the defect of a callback."""
    if not isinstance(error, httptools.HttpParserCallbackError):
        return UpstreamBroken(reason=str(error))
    if isinstance(error.__context__, GatewayError):
        return error.__context__
    raise (error.__context__ or error) from None
