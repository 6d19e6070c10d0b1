"""Set-Cookie in auth functions: missing attributes, and paths that do not match.

Read from the source of functions; text that is built from variables is skipped. The gateway adds missing
attributes; PostgREST without the gateway sends the cookie as written.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.doctor import sources
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.functions import Function
from app.diagnostics.doctor.sources import Source
from app.settings import Settings

OTHER_PATH: Final = Rule(
    "PD601",
    Severity.WARNING,
    "A cookie is set with one Path and cleared with another.",
    "Browsers treat these as two cookies: after signing out, a browser still has the first one. The gateway "
    "also clears /, /rpc and /rpc/refresh_token; PostgREST without the gateway does not.",
    "Clear it with the Path that it was set with, best Path=/ for both.",
)
UNPROTECTED: Final = Rule(
    "PD602",
    Severity.WARNING,
    "A session cookie is set without HttpOnly or without SameSite.",
    "Scripts can read it, or requests of other sites carry it. The gateway adds the missing attributes; "
    "PostgREST without the gateway does not.",
    "Write HttpOnly; SameSite=Lax.",
)
NOT_SECURE: Final = Rule(
    "PD603",
    Severity.NOTE,
    "A session cookie is set without Secure.",
    "Browsers also send it over plain HTTP. The gateway adds Secure where clients come by https.",
    "Write Secure, unless clients use plain HTTP.",
)
NARROW_PATH: Final = Rule(
    "PD604",
    Severity.WARNING,
    "Browsers send the refresh cookie to some paths only.",
    "Signing out does not receive the token and cannot revoke the session, and the gateway cannot renew a "
    "session on any other path.",
    "Set it with Path=/: the gateway does not forward it to PostgREST.",
)

DROPPED: Final = Rule(
    "PD605",
    Severity.WARNING,
    "Browsers drop a cookie because of its attributes.",
    "Signing in seems to succeed and has no effect. The gateway adds Secure where clients come by https, "
    "and does not correct the rest.",
    "Follow RFC 6265bis section 5.7.",
)

_COOKIE: Final = re.compile(r"set-cookie", re.IGNORECASE).split
_PAIR: Final = re.compile(r"[\"'\s:,\0]*([A-Za-z0-9!#$&'*+.^_`|~-]+)=([^;\"]*)(?:;([^\"}\1]*))?").match
_NO_HOST: Final = re.compile(r"[:/]").search
_LONG_AGO: Final = re.compile(r"1970").search
_SESSIONS: Final = re.compile(r"token|session|jwt|auth|(?:^|[_-])sid(?:$|[_-])", re.IGNORECASE).search
_DEFAULT_PATH: Final = "/rpc"  # of a response to /rpc/login (RFC 6265 section 5.1.4)
MAX_PAIR_BYTES: Final = 4_096
_LONGEST: Final = 5_000


@dataclass(frozen=True, slots=True)
class Cookie:
    """One Set-Cookie in the source of a function."""

    function: Source
    name: str
    value: str
    attributes: dict[str, str]

    @property
    def path(self) -> str:
        """Empty if it is built from variables."""
        path = self.attributes.get("path", _DEFAULT_PATH)
        return "" if sources.GAP in path or "%" in path else path

    @property
    def is_cleared(self) -> bool:
        return (
            not self.value
            or self.attributes.get("max-age") == "0"
            or _LONG_AGO(self.attributes.get("expires", "")) is not None
        )


def judge(functions: Sequence[Function], settings: Settings) -> list[Finding]:
    cookies = [cookie for function in functions for cookie in read(function)]
    refresh, names = settings.refresh_cookie, {settings.access_cookie, settings.refresh_cookie}
    of_sessions = [cookie for cookie in cookies if cookie.name in names or _SESSIONS(cookie.name)]
    return [
        *_judge_paths(cookies),
        *_judge_dropped(cookies),
        *_judge_attributes(cookie for cookie in of_sessions if not cookie.is_cleared),
        *_judge_refresh(cookie for cookie in cookies if cookie.name == refresh and not cookie.is_cleared),
    ]


def read(function: Source) -> Iterable[Cookie]:
    """The cookies whose name is in the source."""
    _, *written = _COOKIE(sources.quoted(function.source))
    for text in written:
        if pair := _PAIR(text[:_LONGEST].partition(sources.END)[0]):
            yield Cookie(function, pair[1], pair[2], _read_attributes(pair[3] or ""))


def _read_attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for attribute in text.split(";"):
        written, gap, after = attribute.partition(sources.GAP)
        name, _, value = written.partition("=")
        is_variable = bool(gap) and not value.strip()
        if name.strip():
            attributes.setdefault(name.strip().lower(), sources.GAP if is_variable else value.strip())
        if after.strip(sources.GAP + " ") and not is_variable:
            break  # other text: no attribute of this cookie follows
    return attributes


def _judge_paths(cookies: Sequence[Cookie]) -> Iterable[Finding]:
    for name in dict.fromkeys(cookie.name for cookie in cookies):
        own = [cookie for cookie in cookies if cookie.name == name]
        set_with = {cookie.path for cookie in own if not cookie.is_cleared}
        cleared_with = {cookie.path for cookie in own if cookie.is_cleared}
        if "" in cleared_with or not cleared_with:
            continue
        for path in sorted(set_with - cleared_with - {""}):
            where = next(cookie.function.where for cookie in own if cookie.is_cleared)
            yield OTHER_PATH.broken(
                f"cookie {name} in {where}",
                detail=f"Set with Path={path}, cleared with Path={', '.join(sorted(cleared_with))}.",
            )


def _judge_dropped(cookies: Iterable[Cookie]) -> Iterable[Finding]:
    for cookie in cookies:
        if reasons := list(_reasons_to_drop(cookie)):
            where = f"cookie {cookie.name} in {cookie.function.where}"
            yield DROPPED.broken(where, detail=" ".join(reasons))


def _reasons_to_drop(cookie: Cookie) -> Iterable[str]:
    name, attributes = cookie.name.lower(), cookie.attributes
    is_secure = "secure" in attributes
    if attributes.get("samesite", "").lower() == "none" and not is_secure:
        yield "SameSite=None requires Secure."
    if name.startswith(("__secure-", "__host-")) and not is_secure:
        yield "A name with this prefix requires Secure."
    if name.startswith("__host-"):
        if "domain" in attributes:
            yield "A name with the prefix __Host- allows no Domain."
        if "path" not in attributes or cookie.path not in {"", "/"}:
            yield "A name with the prefix __Host- requires Path=/."
    if sources.GAP not in attributes.get("domain", "") and _NO_HOST(attributes.get("domain", "")):
        yield "Domain must be a host name, without a scheme, a port or a path."
    if len(cookie.name) + len(cookie.value) > MAX_PAIR_BYTES:
        yield f"Name and value have more than {MAX_PAIR_BYTES} bytes."


def _judge_attributes(cookies: Iterable[Cookie]) -> Iterable[Finding]:
    for cookie in cookies:
        where = f"cookie {cookie.name} in {cookie.function.where}"
        missing = [name for name in ("HttpOnly", "SameSite") if name.lower() not in cookie.attributes]
        if missing:
            yield UNPROTECTED.broken(where, detail=f"Missing: {', '.join(missing)}.")
        if "secure" not in cookie.attributes:
            yield NOT_SECURE.broken(where)


def _judge_refresh(cookies: Iterable[Cookie]) -> Iterable[Finding]:
    for cookie in cookies:
        if cookie.path not in {"", "/"}:
            yield NARROW_PATH.broken(
                f"cookie {cookie.name} in {cookie.function.where}", detail=f"Path={cookie.path}."
            )
