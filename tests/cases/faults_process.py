"""Faults of a gateway that runs as a process of its own: how it ends, and what it writes."""

import json
import signal
import time

from harness.relay.client import Client, is_refused, request
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane
from harness.relay.process import GatewayProcess, gateway_process

from app.devstack import Database
from cases.faults_sessions import call, cookies_of, lane_with_database, sign_in
from cases.stage import Stage, fault

# Whoever commits a refresh token waits for as long as the gate has a row
GATE = """
create table public.gate (is_closed boolean);
create function public.wait_at_gate() returns trigger language plpgsql security definer as $$
begin
  while exists (select from public.gate) loop
    perform pg_sleep(0.01);
  end loop;
  return null;
end $$;
create constraint trigger gate after insert on auth.refresh_token deferrable initially deferred
  for each row execute function public.wait_at_gate();
"""
WAITING = """
select from pg_stat_activity
 where usename = 'gateway' and datname = current_database() and state = 'active' and query ilike 'commit%'
"""
ENDED = "select count(*) from auth.session where ended_at is not null"
LINES = 5
REQUESTS = 500
AT_ONCE = 25


@fault("G37")
def a_process_ends_while_a_refresh_is_committed(stage: Stage) -> None:
    lane, database = lane_with_database(stage)
    database.execute(GATE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        token = cookies_of(sign_in(lane))["refresh_token"][0]
        database.execute("insert into public.gate values (true)")
        with gateway_process(lane.upstream.url, database_url=database.gateway_dsn) as gateway:
            client = refreshing(gateway, token)
            wait_until(lambda: database.fetch(WAITING), "the commit to wait")
            gateway.process.send_signal(number)
            wait_until(lambda: is_refused(gateway.port), "the process to take nobody new")
            database.execute("delete from public.gate")
            if number == signal.SIGTERM:
                answered = {cookies_of(client.answer())["refresh_token"][0]}
                assert gateway.wait() == 0
            else:
                assert gateway.wait() == -signal.SIGKILL
                client.wait_end()
                assert not client.received
                answered = set()
        check_retries(lane, database, token, answered)


def refreshing(gateway: GatewayProcess, token: str) -> Client:
    client = gateway.client()
    fields = [f"Cookie: refresh_token={token}"]
    client.send(request("POST", "/rpc/refresh_token", fields, body=b"", token=None))
    return client


def check_retries(lane: Lane, database: Database, token: str, answered: set[str]) -> None:
    """Within the grace window each gets the successor that was committed, and the session goes on."""
    retried = [call(lane, "refresh_token", f"Cookie: refresh_token={token}", body=b"") for _ in range(2)]
    assert [got.status for got in retried] == [204, 204]
    successors = answered | {cookies_of(got)["refresh_token"][0] for got in retried}
    assert len(successors) == 1
    next_one = call(lane, "refresh_token", f"Cookie: refresh_token={successors.pop()}", body=b"")
    assert next_one.status == 204
    assert database.fetch(ENDED)[0][0] == 0


@fault("G47")
def strangers_flood_the_log(stage: Stage) -> None:
    began = time.monotonic()
    knock = request("GET", "/rest/items", token=None)
    with gateway_process(stage.lane.upstream.url, log_format="json", log_lines_per_second=LINES) as gateway:
        client = gateway.client()
        for _ in range(REQUESTS // AT_ONCE):
            client.send(knock * AT_ONCE)
            assert {client.answer().status for _ in range(AT_ONCE)} == {401}
        wait_until(lambda: sum(refusals_in(gateway)) >= REQUESTS, "every refusal to be told of")
        written, _ = refusals_in(gateway)
        assert written <= LINES * (time.monotonic() - began + 2)
        assert written < REQUESTS / 5


def refusals_in(gateway: GatewayProcess) -> tuple[int, int]:
    """How many have a line of their own, and how many are told to have been left out."""
    whole, _, _ = gateway.log.read_text().rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines()]
    return (
        sum(line["event"] == "request_rejected" for line in lines),
        sum(line["lines"] for line in lines if line.get("of") == "request_rejected"),
    )
