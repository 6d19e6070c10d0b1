"""POSTGATE_ROUTES as text: options, and what is refused."""

import pytest

from app.settings.routes import RouteSetting, read_routes

TO = "http://files:9000"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", RouteSetting("/a/", TO)),
        ("strip host websocket", RouteSetting("/a/", TO, strip=True, host=True, websocket=True)),
        ("none body_bytes=10", RouteSetting("/a/", TO, "none", body_bytes=10)),
        ("stall_seconds=0", RouteSetting("/a/", TO, stall_seconds=0.0)),
        (
            "optional stall_seconds=600 first_byte_seconds=2.5",
            RouteSetting("/a/", TO, "optional", stall_seconds=600.0, first_byte_seconds=2.5),
        ),
    ],
)
def test_options_stand_in_any_order(options: str, expected: RouteSetting) -> None:
    assert read_routes(f"/a/ {TO} {options}") == (expected,)
    assert read_routes(f"/a/ {TO} {' '.join(reversed(options.split()))}") == (expected,)


@pytest.mark.parametrize(
    "options",
    [
        "stall_seconds=", "stall_seconds=-1", "stall_seconds=1e3", "stall_seconds=x", "stall_seconds=nan",
        "first_byte_seconds=1.2.3", "first_byte_seconds", "stall=1", "stall_seconds=1 stall_seconds=2",
        "stall_seconds=1 stall_seconds=1", "body_bytes=1 body_bytes=1", "body_bytes=1.5", "body_bytes=\uff11",
        "required none", "hosts", "host=x",
    ],
)  # fmt: skip
def test_any_other_option_is_refused_with_the_list_of_them(options: str) -> None:
    with pytest.raises(
        ValueError, match=r"unknown option in entry 1: allowed are one policy, strip, host, websocket"
    ):
        read_routes(f"/a/ {TO} {options}")
