import pytest

from bench.load import Counted, Load, LoadBroken, check, parse_wrk

OUTPUT = """\
Running 3s test @ http://127.0.0.1:8000/rest/todos
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.86ms  310.00us   9.62ms   89.12%
90528 requests in 3.00s, 114.00MB read
Requests/sec:  30176.00
{"requests":90528,"seconds":3.000123,"p50_us":1860,"p99_us":3850,"refused":0,"broken":0}
"""
COUNTED = Counted(90528, 3.000123, 1860, 3850, 0, 0)


def test_the_last_line_of_wrk_holds_the_figures() -> None:
    assert parse_wrk(OUTPUT) == COUNTED


def test_wrk_without_its_last_line_gave_no_figures() -> None:
    with pytest.raises(LoadBroken, match="no figures"):
        parse_wrk("unable to connect to 127.0.0.1:8000 Connection refused\n")


@pytest.mark.parametrize(
    ("counted", "expect_rejection", "reason"),
    [
        (Counted(0, 3.0, 0, 0, 0, 0), False, "no request"),
        (Counted(100, 3.0, 1, 1, 0, 2), False, "2 connections broke"),
        (Counted(100, 3.0, 1, 1, 7, 0), False, "7 of 100 requests were rejected"),
        (Counted(100, 3.0, 1, 1, 99, 0), True, "99 of 100 requests were rejected"),
    ],
)
def test_figures_of_a_run_that_did_something_else_are_refused(
    counted: Counted, reason: str, *, expect_rejection: bool
) -> None:
    with pytest.raises(LoadBroken, match=reason):
        check(counted, Load("/rest/todos", expect_rejection=expect_rejection))


def test_a_run_of_refusals_only_is_good_where_refusals_are_expected() -> None:
    check(Counted(100, 3.0, 1, 1, 100, 0), Load("/rest/todos", expect_rejection=True))
