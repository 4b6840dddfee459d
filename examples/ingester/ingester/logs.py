"""Logs: a JSON object a line for programs, or text for people."""

from __future__ import annotations

import json
import logging.config

FIELDS = ("file_id", "storage_element", "size")  #: what ``extra`` may carry
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a record carries besides its message becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"time": self.formatTime(record), "level": record.levelname, "message": record.getMessage()}
        fields.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def configure(log_format: str) -> None:
    """Send this service's logs to standard error, as ``json`` or as ``text``."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}, "text": {"format": TEXT}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": log_format}},
            "loggers": {"ingester": {"handlers": ["stderr"], "level": "INFO"}},
        }
    )
