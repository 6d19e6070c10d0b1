"""The pages of the demo's mailbox, on the admin listener: for people, and as JSON for tests.

The mails contain codes that sign in. So these pages respond only to the names of this machine: a page of
another site whose name resolves to loopback (DNS rebinding) sends its own name.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException

from app.devstack.mailbox import Mailbox, ReceivedMail
from app.routes.health import reject_cross_site

_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font-family: sans-serif; line-height: 1.5; max-width: 48em; margin: 2em auto; padding: 0 1em; }
article { border-top: 1px solid; padding: 1em 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
_PAGE: Final = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>Mailbox</title>
<style>{{ style }}</style>
</head>
<body>
<h1>Mailbox</h1>
<p>The mails of this demo, the last one first. The page reloads every 5 seconds.
<a href="/dev/mails">JSON</a></p>
{% for mail in mails %}
<article>
<h2>{{ mail.subject }}</h2>
<p>To {{ mail.to }}, {{ mail.at }}</p>
<pre>{{ mail.text }}</pre>
</article>
{% else %}
<p>There are no mails yet.</p>
{% endfor %}
</body>
</html>
"""
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_URL: Final = re.compile(r"(https?://[^\s<>\"']+)")


def mailbox_routes(mailbox: Mailbox) -> APIRouter:
    """`GET /dev/mailbox` and `GET /dev/mails`."""
    router = APIRouter(dependencies=[Depends(reject_cross_site), Depends(_require_own_name)])

    async def page() -> Response:
        return HTMLResponse(_render(mailbox.mails()), headers=_HEADERS)

    async def mails() -> Response:
        found = [{**asdict(mail), "at": mail.at.isoformat()} for mail in mailbox.mails()]
        return JSONResponse(found, headers=_HEADERS)

    router.add_api_route("/dev/mailbox", page, methods=["GET"])
    router.add_api_route("/dev/mails", mails, methods=["GET"])
    return router


async def _require_own_name(request: Request) -> None:
    if request.url.hostname not in _OWN_NAMES:
        raise HTTPException(403)


def _render(mails: Sequence[ReceivedMail]) -> str:
    shown = [
        {
            "to": mail.to,
            "subject": mail.subject,
            "text": _with_links(mail.text),
            "at": f"{mail.at:%Y-%m-%d %H:%M:%S} UTC",
        }
        for mail in mails
    ]
    return _PAGE.render(mails=shown, style=Markup(_STYLE))  # noqa: S704  a constant


def _with_links(text: str) -> Markup:
    """The text, escaped, with its URLs as links."""
    pieces = _URL.split(text)  # each second one is a URL
    return Markup("").join(
        Markup('<a href="{0}">{0}</a>').format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(pieces)
    )
