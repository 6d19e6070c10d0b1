"""Log lines: what happened, one line for each event. An observer: events hold nothing secret."""

from app.logs.lines import LogLines
from app.logs.log import Form, Log, catch_foreign, open_log
from app.logs.writer import LineWriter

__all__ = ["Form", "LineWriter", "Log", "LogLines", "catch_foreign", "open_log"]
