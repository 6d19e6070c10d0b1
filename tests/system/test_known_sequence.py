"""One known sequence of requests: the log and the metrics of it are compared whole with what they must be."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from harness.relay.answers import AnswerReader
from harness.relay.deadlines import wait_until
from harness.site.client import Field, ask, connect, request_bytes
from harness.site.gateways import StartGateway
from harness.site.process import GatewayProcess
from harness.site.site import TRUSTED_ORIGIN, Site

from app.build import BUILD, PYTHON, VERSION

JSON: Field = ("Content-Type", "application/json")
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE: Field = ("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01")
NEEDLE = "secret-query"
UNKNOWN = {"time", "request_id", "seconds", "upstream_seconds", "sessions"}
ANY: Any = "?"  # stands for what nobody can know before
PASSWORD = b'{"user_":"demo","pass":"demo"}'
WRONG = b'{"user_":"demo","pass":"wrong"}'


@dataclass
class Visitor:
    """Asks, and only cookies. `sizes` is what came over the wire for each answer."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def ask(self, method: str, target: str, *fields: Field, body: bytes | None = None, only: str = "") -> int:
        """`only`: the one cookie to send; all of them, if it is empty."""
        sent = {name: value for name, value in self.cookies.items() if only in {"", name}}
        cookie = [("Cookie", "; ".join(f"{name}={value}" for name, value in sent.items()))] if sent else []
        with connect(self.url) as wire:
            wire.send(request_bytes(method, target, [*cookie, *fields], body))
            answer = AnswerReader(wire, method).whole()
            self.sizes.append(len(wire.received))
        for value in answer.head.values(b"set-cookie"):
            name, _, rest = value.decode().partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer.status


def ask_all(site: Site, gateway: GatewayProcess) -> list[int]:
    """The sequence; what came over the wire for each answer."""
    visitor = Visitor(gateway.url)
    origin: Field = ("Origin", gateway.url)
    preflight = [("Origin", TRUSTED_ORIGIN), ("Access-Control-Request-Method", "GET")]
    expired: Field = ("Cookie", f"access_token={site.token(seconds=-1)}")
    statuses = [
        visitor.ask("GET", f"/rest/task?{NEEDLE}"),
        visitor.ask("OPTIONS", "/rest/task", *preflight),
        visitor.ask("POST", "/rpc/login", JSON, body=WRONG),
        visitor.ask("POST", "/rpc/login", JSON, TRACE, body=PASSWORD),
        visitor.ask("GET", f"/rest/task?title=neq.{NEEDLE}", TRACE),
        visitor.ask("POST", "/rest/rpc/add", JSON, ("Host", gateway.url[7:]), origin, body=b'{"a":1,"b":2}'),
        visitor.ask("GET", f"/rest/nothing?{NEEDLE}"),
        visitor.ask("GET", "/rest/task", only="refresh_token"),
        visitor.ask("POST", "/rest/task", JSON, ("Origin", "https://evil.example"), body=b"{}"),
        visitor.ask("GET", f"/rest/%2e%2e/{NEEDLE}"),
        visitor.ask("POST", "/rpc/logout"),
        visitor.ask("GET", "/rest/task", expired, only="none"),
        *[visitor.ask("POST", "/rpc/login", JSON, body=WRONG) for _ in range(3)],
    ]
    assert statuses == [401, 204, 401, 204, 200, 200, 404, 200, 403, 400, 204, 401, 401, 401, 429]
    return visitor.sizes


def refused(method: str, path: str, status: int, code: str, reason: str = "", **more: str) -> dict[str, Any]:
    told = {"reason": reason, **more}
    return {
        **line("info", "request_rejected"),
        "method": method,
        "status": status,
        "code": code,
        "path": path,
        **{name: value for name, value in told.items() if value},
    }


def line(level: str, event: str) -> dict[str, Any]:
    return {"time": ANY, "level": level, "event": event, "request_id": ANY, "client": "127.0.0.1"}


def called(name: str, status: int, **more: Any) -> dict[str, Any]:
    told = {"function": name, "status": status, "seconds": ANY, "path": f"/rpc/{name}"}
    return {**line("info", "function_called"), **told, **more}


def relayed(method: str, path: str, status: int, size: int, **more: Any) -> dict[str, Any]:
    return {
        **line("info", "request_relayed"),
        "method": method,
        "path": path,
        "route": "rest",
        "status": status,
        "bytes_in": 0,
        "bytes_out": size,
        "seconds": ANY,
        "upstream_seconds": ANY,
        "role": "basic_subscriber",
        "subject": "user",
        "session": "session",
        "trace_id": None,
        **more,
    }


def expected_lines(sizes: list[int]) -> list[dict[str, Any]]:
    foreign = "foreign Origin https://evil.example, and this is http://gw.test"
    renewed = {name: value for name, value in line("info", "session_renewed").items() if name != "client"}
    return [
        refused("GET", "/rest/task", 401, "GW200"),
        {**line("info", "options_handled"), "path": "/rest/task"},
        called("login", 401),
        called("login", 204, trace_id=TRACE_ID),
        relayed("GET", "/rest/task", 200, sizes[4], trace_id=TRACE_ID),
        relayed("POST", "/rest/rpc/add", 200, sizes[5], bytes_in=13),
        relayed("GET", "/rest/nothing", 404, sizes[6]),
        {**renewed, "renewed": True, "seconds": ANY},
        relayed("GET", "/rest/task", 200, sizes[7]),
        refused("POST", "/rest/task", 403, "GW104", foreign),
        refused("GET", f"/rest/%2e%2e/{NEEDLE}", 400, "GW101", "dot segment"),
        called("logout", 204),
        refused("GET", "/rest/task", 401, "GW201", "expired"),
        *[called("login", 401)] * 2,
        refused("POST", "/rpc/login", 429, "GW203", "login: pair", function="login"),
    ]


def as_comparable(told: dict[str, Any], sessions: set[str], user: str) -> dict[str, Any]:
    """Without what nobody can know before; `user` is the id of the user."""
    if told.get("session"):
        sessions.add(told["session"])
        told["session"] = "session"
    if told.get("subject") == user:
        told["subject"] = "user"
    return {name: ANY if name in UNKNOWN else value for name, value in told.items()}


METRICS = """\
gateway_requests_relayed_total{method="GET",route="rest",status="200"} 2.0
gateway_requests_relayed_total{method="GET",route="rest",status="404"} 1.0
gateway_requests_relayed_total{method="POST",route="rest",status="200"} 1.0
gateway_relay_duration_seconds_bucket{le="+Inf",route="rest"} 4.0
gateway_relay_duration_seconds_count{route="rest"} 4.0
gateway_relay_duration_seconds_sum{route="rest"} ?
gateway_upstream_duration_seconds_bucket{le="+Inf",route="rest"} 4.0
gateway_upstream_duration_seconds_count{route="rest"} 4.0
gateway_upstream_duration_seconds_sum{route="rest"} ?
gateway_requests_rejected_total{code="GW101",status="400"} 1.0
gateway_requests_rejected_total{code="GW104",status="403"} 1.0
gateway_requests_rejected_total{code="GW200",status="401"} 1.0
gateway_requests_rejected_total{code="GW201",status="401"} 1.0
gateway_requests_rejected_total{code="GW203",status="429"} 1.0
gateway_options_handled_total 1.0
gateway_function_calls_total{function="login",status="204"} 1.0
gateway_function_calls_total{function="login",status="401"} 3.0
gateway_function_calls_total{function="logout",status="204"} 1.0
gateway_function_duration_seconds_bucket{function="login",le="+Inf"} 4.0
gateway_function_duration_seconds_count{function="login"} 4.0
gateway_function_duration_seconds_sum{function="login"} ?
gateway_function_duration_seconds_bucket{function="logout",le="+Inf"} 1.0
gateway_function_duration_seconds_count{function="logout"} 1.0
gateway_function_duration_seconds_sum{function="logout"} ?
gateway_sign_ins_total{result="failed"} 0.0
gateway_sign_ins_total{result="limited"} 1.0
gateway_sign_ins_total{result="rejected"} 3.0
gateway_sign_ins_total{result="signed_in"} 1.0
gateway_session_renewals_total{result="rejected"} 0.0
gateway_session_renewals_total{result="renewed"} 1.0
gateway_limits_reached_total{function="login",scope="pair"} 1.0
gateway_mails_total{result="deferred"} 0.0
gateway_mails_total{result="failed"} 0.0
gateway_mails_total{result="sent"} 0.0
gateway_internal_errors_total 0.0
gateway_settings_reloads_total{result="done"} 0.0
gateway_settings_reloads_total{result="rejected"} 0.0
gateway_log_lines_lost_total 0.0
gateway_worker_starts_total 1.0
gateway_client_connections 0.0
gateway_upstream_connections{upstream="postgrest"} 1.0
gateway_upstream_connections_idle{upstream="postgrest"} 1.0
gateway_upstream_queued{upstream="postgrest"} 0.0
gateway_database_connections ?
gateway_database_connections_idle ?
gateway_password_checks_queued 0.0
gateway_sessions_revoked ?
gateway_revocations_connected 1.0
gateway_limit_store_lost 0.0
gateway_workers 1.0
gateway_build_info? 1.0
process_start_time_seconds ?
process_cpu_seconds_total ?
process_resident_memory_bytes ?
"""


def scraped(gateway: GatewayProcess) -> str:
    return ask(gateway.admin_url, "GET", "/metrics").body.decode()


def as_text(metrics: str) -> str:
    """Without help, without what the machine decides: times, and the buckets they fall in."""
    lines = [text for text in metrics.splitlines() if not text.startswith("#")]
    lines = [text for text in lines if "_bucket{" not in text or 'le="+Inf"' in text]
    # Sessions that others ended in this database count as well
    names = r"process_|gateway_database_connections|gateway_sessions_revoked|\w+_seconds_sum"
    unknown = re.compile(rf"((?:{names})\S*) \S+").fullmatch
    told = "".join(f"{found[1]} ?\n" if (found := unknown(text)) else f"{text}\n" for text in lines)
    return re.sub(
        r'(?<=build_info)\{build="(?:plain|compiled)",python="3[\d.]+",version="[\d.]+"\}', "?", told
    )


def test_the_log_and_the_metrics_of_it_are_as_they_must_be(site: Site, start_gateway: StartGateway) -> None:
    with start_gateway(site.environ, log_requests="true", login_limit_pair="2/minute") as gateway:
        wait_until(lambda: "revocations_connected" in gateway.output, "the news to come in")
        sizes = ask_all(site, gateway)
        wait_until(lambda: "GW203" in gateway.output, "the last line")
        wait_until(lambda: "client_connections 0.0" in scraped(gateway), "every connection to be closed")
        metrics = scraped(gateway)
        started = {"public": gateway.url, "admin": gateway.admin_url, "version": VERSION, "pid": gateway.pid}
        started |= {"build": BUILD, "python": PYTHON}
        ended = {"time": ANY, "level": "info", "event": "drained", "pid": gateway.pid}
    sessions: set[str] = set()
    lines = [json.loads(text) for text in gateway.output.splitlines()]
    # What this machine's limits are, is not this sequence's subject
    user = site.database.fetch("select id::text from auth.user where username = 'demo'")[0][0]
    read = [as_comparable(entry, sessions, user) for entry in lines if entry["event"] != "limit_too_low"]
    # The harness asks /ready while the process starts, so the order of these three is not given
    begun = sorted(read[:3], key=lambda entry: str(entry["event"]))
    assert begun == [
        {"time": ANY, "level": "info", "event": "became_ready"},
        {"time": ANY, "level": "info", "event": "listening", **started},
        {"time": ANY, "level": "info", "event": "revocations_connected", "sessions": ANY},
    ]
    assert read[3:] == [
        *expected_lines(sizes),
        ended,
    ]
    assert len(sessions) == 1
    assert as_text(metrics) == METRICS
