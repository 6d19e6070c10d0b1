"""An observer that writes one log line for each event. Events contain no secret."""

from app.logs.lines import LogLines
from app.logs.log import Form, Log, catch_foreign, open_log
from app.logs.writer import LineWriter

__all__ = ["Form", "LineWriter", "Log", "LogLines", "catch_foreign", "open_log"]
