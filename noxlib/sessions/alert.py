"""``alert``: records that are bad enough are told to a webhook."""

from __future__ import annotations

import json

import msgspec

from noxlib.errors import UsageError
from noxlib.records import alerting, report
from noxlib.secret import Secret
from noxlib.sessions.arguments import DRY_RUN, Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.report import gather

WEBHOOK = Option("--webhook", "where the URL is: env:NAME or file:PATH (default env:ALERT_WEBHOOK_TOKEN)", "REFERENCE")
THRESHOLD = Option("--threshold", "alert where a run's success rate is below it (default 0.8)", "RATE")
DEFAULT = "env:ALERT_WEBHOOK_TOKEN"  #: the name makes every stream of ours mask the value


def run(context: Context) -> None:
    """Carry the step out; words after the options are folders with runs. Default: each session's newest run.

    Raises:
        RecordError: there is no run.
        EngineError: the webhook did not take it.
    """
    arguments = context.parse(WEBHOOK, THRESHOLD, DRY_RUN)
    threshold = _threshold(context, arguments["threshold"])
    found = gather(context, arguments.rest)
    analysis = alerting.analyse(found, threshold)
    payload = msgspec.to_builtins(alerting.payload(found, analysis))
    told = f"{report.headline(found)}; lowest success rate {analysis.lowest * 100:.1f} %: {analysis.severity}"
    if arguments["dry_run"]:
        say(json.dumps(payload, ensure_ascii=False, indent=2))
    if not analysis.needs_alert:
        say(f"{context.session}: nothing to tell ({told})")
        return
    if arguments["dry_run"]:
        say(f"{context.session}: would be posted ({told})")
        return
    from noxlib.engines import webhook  # noqa: PLC0415 - 40 ms, only where something is posted

    webhook.post(Secret(arguments["webhook"] or DEFAULT), payload)
    say(f"{context.session}: posted ({told})")


def _threshold(context: Context, given: str | None) -> float:
    try:
        value = alerting.WARNING if given is None else float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"{context.session}: --threshold {given} is no rate", "give a number from 0 to 1: 0.8")
    return value
