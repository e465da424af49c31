"""One JSON object a line. Keys never reach a log, and no text can begin a line of its own."""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

KEY_PATTERN = re.compile(r"\b(sk|rk|whsec|pk)_(?:(live|test)_)?[A-Za-z0-9]{8,}")
CONTROL_PATTERN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
LONGEST_TEXT = 10_000
# What our own modules say beside a sentence (`extra=`). Others may pass a whole request there.
SAID_BESIDE = ("connection", "event_id", "objects", "rederivation", "automation", "run", "step", "mail", "delivery")


def redacted(text: str) -> str:
    """The text with every Stripe key and signing secret replaced by its kind: rk_live_[redacted]."""
    return KEY_PATTERN.sub(lambda found: "_".join(part for part in found.groups() if part) + "_[redacted]", text)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        text = CONTROL_PATTERN.sub(lambda found: f"\\x{ord(found.group()):02x}", redacted(value))
        return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "… [cut]"
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(part) for part in value]
    if isinstance(value, (int, float, bool, type(None))):
        return value
    return _cleaned(str(value))


def clean_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: last before rendering, so that tracebacks and values bound elsewhere pass through it too."""
    return {key: value if key in ("_record", "_from_structlog") else _cleaned(value) for key, value in event.items()}


def _shared_processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(allow=SAID_BESIDE),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]


def logging_settings(*, pretty: bool, level: str) -> dict[str, Any]:
    """Django's LOGGING for structlog and the standard library alike."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(ensure_ascii=False)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared_processors(),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    clean_event,
                    renderer,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Both repeat, line by line, what the request log already says once.
            "django.server": {"level": "WARNING"},
            "django": {"handlers": [], "propagate": True, "level": level},
            # The queues are rung every second; a line for each ring would bury the rest.
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            "django_structlog.celery": {"level": "WARNING"},
            # Stripe's own log prints parameters and bodies.
            "stripe": {"level": "WARNING"},
        },
    }
