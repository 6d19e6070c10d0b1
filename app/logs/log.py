"""The output of log lines and their form: JSON, or text for a terminal."""

import atexit
import json
import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal, TextIO, cast

import structlog
from typing_extensions import override

from app.logs.writer import END_SECONDS, LineWriter

Form = Literal["auto", "json", "text"]
_FIRST = ("time", "level", "event")


class Log:
    """A structlog logger in front of a writer."""

    def __init__(self, writer: LineWriter, *, as_json: bool) -> None:
        self.as_json = as_json
        self._writer = writer
        self.write_line = writer.write  # takes a complete line
        self._logger = structlog.wrap_logger(
            structlog.BytesLogger(cast("BinaryIO", _Lines(writer))),
            processors=[structlog.processors.add_log_level, _stamp, self._render],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            cache_logger_on_first_use=True,
        )

    @property
    def lost(self) -> int:
        """Lines that were dropped, because the reader was too slow."""
        return self._writer.lost

    @property
    def has_room(self) -> bool:
        return self._writer.has_room

    def write(self, event: str, level: int, fields: Mapping[str, Any]) -> None:
        """Write an event now."""
        self._logger.log(level, event, **fields)

    def flush(self) -> None:
        self._writer.flush()

    def close(self, seconds: float = END_SECONDS) -> None:
        self._writer.close(seconds)

    def _render(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
        ordered = {name: event.pop(name) for name in _FIRST} | dict(event)
        return (_as_json if self.as_json else _as_text)(ordered).encode("ascii")


class _Lines:
    """The file interface that BytesLogger needs."""

    name = "<log>"

    def __init__(self, writer: LineWriter) -> None:
        self.write = writer.write
        self.flush = writer.flush


def open_log(form: Form, stream: TextIO | None = None) -> Log:
    """The log of this process, on standard error by default."""
    stream = stream or sys.stderr
    log = Log(LineWriter(stream.fileno()), as_json=is_json(form, stream))
    atexit.register(log.close)
    return log


def is_json(form: Form, stream: TextIO | None = None) -> bool:
    return form == "json" or (form == "auto" and not (stream or sys.stderr).isatty())


def catch_foreign(log: Log) -> None:
    """Write the log records of libraries to the same log."""
    logging.basicConfig(level=logging.INFO, handlers=[_Foreign(log)], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # events report starts and ends
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every readiness probe


def defect(error: BaseException) -> dict[str, Any]:
    """The location of a defect, without error texts: drivers put values and passwords into them."""
    kinds: list[str] = []
    frames: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        kinds.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        frames.extend(
            f"{kinds[-1]}: {frame.filename}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(cause.__traceback__)
        )
        cause = cause.__cause__ or cause.__context__
    return {"errors": kinds, "frames": frames}


class _Foreign(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    @override
    def emit(self, record: logging.LogRecord) -> None:
        # One line: further lines of asyncio's records contain the texts of errors
        message = record.getMessage().partition("\n")[0]
        fields: dict[str, Any] = {"logger": record.name, "message": message}
        if record.exc_info is not None and record.exc_info[1] is not None:
            fields |= defect(record.exc_info[1])
        self._log.write("message", record.levelno, fields)


def _stamp(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _as_json(event: Mapping[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))


def _as_text(event: Mapping[str, Any]) -> str:
    """A line for a terminal: plain values without quotes, others as JSON, so that no value looks like two."""
    fields = dict(event)
    head = f"{fields.pop('time')[11:23]} {fields.pop('level'):<8}{fields.pop('event')}"
    frames = fields.pop("frames", ())
    known = (f" {name}={_plain(value)}" for name, value in fields.items() if value is not None)
    return head + "".join(known) + "".join(f"\n    {json.dumps(frame)[1:-1]}" for frame in frames)


def _plain(value: object) -> str:
    text = json.dumps(value)
    is_plain = isinstance(value, str) and value and not set(' "\\=').intersection(text[1:-1])
    return text[1:-1] if is_plain else text
