"""What is kept of heads: for those that come again, and never more than fits."""

from core.builders import NOW, gateway, mint, request

from app.proxy.memory import HeadMemory

MOST = 2_048


def keep(memory: HeadMemory, *fields: str, times: int, method: str = "GET") -> None:
    head = request(f"{method} /rest/items", f"Cookie: access_token={mint()}", *fields)
    lines = b"".join(b"%b: %b\r\n" % header for header in head.headers)
    data = b"%b /rest/items HTTP/1.1\r\n%b\r\n" % (head.method, lines)
    admitted = gateway().decide(head, NOW)
    for _ in range(times):
        memory.keep_admitted(head, admitted, data)


def test_a_head_is_kept_when_it_comes_again() -> None:
    memory = HeadMemory()
    keep(memory, times=1)
    assert len(memory) == 0
    keep(memory, times=1)
    assert len(memory) == 1
    keep(memory, times=5)
    assert len(memory) == 1


def test_heads_that_never_come_again_drive_nobody_out() -> None:
    memory = HeadMemory()
    keep(memory, times=2)
    for number in range(3 * MOST):
        keep(memory, f"traceparent: 00-{number + 1:032x}-{1:016x}-01", times=1)
    assert len(memory) == 1


def test_the_oldest_makes_room() -> None:
    memory = HeadMemory()
    for number in range(MOST + 10):
        keep(memory, f"X-Number: {number}", times=2)
    assert len(memory) == MOST


def test_a_large_head_is_not_kept() -> None:
    memory = HeadMemory()
    keep(memory, "X-Large: " + "x" * 4_096, times=3)
    assert len(memory) == 0


def test_a_write_is_not_kept() -> None:
    memory = HeadMemory()
    keep(memory, times=3, method="DELETE")
    assert len(memory) == 0


def test_other_rules_look_at_every_head_anew() -> None:
    memory = HeadMemory()
    keep(memory, times=2)
    memory.clear()
    assert len(memory) == 0
