"""A run as a notebook shows it: static HTML, without scripts, that needs nothing but the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

import msgspec

from decisionlog.analysis import explain
from decisionlog.analysis.one.advice import SuggestionType
from decisionlog.analysis.one.explanation import FailureExplanation
from decisionlog.model import Decision, Option, Outcome, Run, RunStatus
from decisionlog.wording import counted

_DECISIONS = 200
_OPTIONS = 30
_CAUSES = 5
_EXPLAINED = 20_000
"""Runs with more decisions are shown without an explanation, which takes seconds there."""
_LARGEST = 500_000
"""From here on, in characters, no more decisions are added: a notebook keeps what it shows."""

_MARKS = {
    "success": ("✓", "succeeded"),
    "failure": ("✗", "failed"),
    "cancelled": ("⊘", "cancelled"),
    "pending": ("…", "pending"),
}
_STATUS_MARKS = {
    RunStatus.COMPLETED: "✓",
    RunStatus.FAILED: "✗",
    RunStatus.STUCK: "◆",
    RunStatus.INTERRUPTED: "⚡",
    RunStatus.CANCELLED: "⊘",
    RunStatus.RUNNING: "►",
}

# No colours of text or ground but those of the notebook, so that it reads in light and dark. The
# tints are translucent, and what they say is said in a word as well.
_STYLE = """
.decisionlog-run{font:13px/1.5 system-ui,sans-serif;max-width:110ch;
font-variant-numeric:tabular-nums}
.decisionlog-run h4{margin:0 0 .2em;font-size:15px}
.decisionlog-run p,.decisionlog-run ol,.decisionlog-run ul{margin:.2em 0}
.decisionlog-run .quiet{opacity:.7}
.decisionlog-run .why{margin:.6em 0;padding:.4em .8em;border-left:3px solid #d9424a;
background:#d9424a14}
.decisionlog-run .why.calm{border-color:#8888;background:#8881}
.decisionlog-run .why b{font-size:14px}
.decisionlog-run details{margin:0;border-top:1px solid #8883}
.decisionlog-run summary{padding:.2em 0;cursor:pointer}
.decisionlog-run .in{padding:0 0 .6em 1.2em}
.decisionlog-run table{font:inherit;border-collapse:collapse;margin:.4em 0;width:100%}
.decisionlog-run td,.decisionlog-run th{text-align:left;vertical-align:top;
padding:.2em .8em .2em .4em;border-top:1px solid #8883;overflow-wrap:anywhere;white-space:pre-wrap}
.decisionlog-run tr.chosen{background:#6366f122}
.decisionlog-run pre{margin:.3em 0;padding:.4em .8em;background:#8881;white-space:pre-wrap;
overflow-wrap:anywhere;max-height:20em;overflow:auto;font-size:12px}
.decisionlog-run meter{width:5em;vertical-align:middle}
""".replace("\n", "")


def run_html(run: Run) -> str:
    """The run as HTML: how it ended, why, and its first decisions, each with its options.

    Whatever the run holds is escaped. The size is bounded: long texts are cut, and after 200
    decisions, or half a megabyte, the rest is counted.
    """
    parts = [f'<div class="decisionlog-run"><style>{_STYLE}</style>', *_head(run), *_why(run)]
    size = sum(map(len, parts))
    depths = _depths(run.decisions)
    shown = 0
    for decision in run.decisions[:_DECISIONS]:
        part = "".join(_decision(decision, depths[decision.id]))
        if size + len(part) > _LARGEST:
            break
        parts.append(part)
        size += len(part)
        shown += 1
    if left := len(run.decisions) - shown:
        parts.append(
            f'<p class="quiet">and {left:,} more decisions: <code>decisionlog view</code></p>'
        )
    return "".join([*parts, "</div>"])


def _text(value: object, longest: int = 400) -> str:
    """Escaped, and cut. Half a surrogate pair, which no file can hold, is replaced."""
    text = str(value)
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return escape(text.encode("utf-8", "replace").decode())


def _head(run: Run) -> Iterator[str]:
    metrics = run.metrics
    mark = _STATUS_MARKS.get(run.status, "")
    title = run.goal_description or run.goal_id or "A run without a goal"
    yield f"<h4>{mark} {_text(run.status)}: {_text(title, 200)}</h4>"
    facts = [_text(run.id, 120)]
    if run.goal_description and run.goal_id:
        facts.append(_text(run.goal_id, 120))
    if run.started_at is not None:
        facts.append(f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC")
    if run.duration_ms is not None:
        facts.append(_duration(run.duration_ms))
    facts.append(counted(metrics.total_decisions, "decision"))
    if metrics.success_rate is not None:
        facts.append(f"{metrics.success_rate:.0%} successful")
    if metrics.total_tokens:
        facts.append(counted(metrics.total_tokens, "token"))
    if run.problems:
        facts.append(counted(len(run.problems), "problem"))
    yield f'<p class="quiet">{" · ".join(facts)}</p>'
    if run.narrative:
        yield f"<p>{_text(run.narrative, 600)}</p>"


def _why(run: Run) -> Iterator[str]:
    if len(run.decisions) > _EXPLAINED:
        return
    explanation = explain(run)
    if not explanation.causes:
        return
    calm = run.status in (RunStatus.COMPLETED, RunStatus.RUNNING)
    yield f'<div class="why{" calm" if calm else ""}"><b>{_text(explanation.headline, 500)}</b>'
    yield from _causes(explanation)
    yield "</div>"


def _causes(explanation: FailureExplanation) -> Iterator[str]:
    yield "<ol>"
    for cause in explanation.causes[:_CAUSES]:
        reasons = "; ".join(_text(reason, 200) for reason in cause.reasons[:3])
        ids = " ".join(_text(each, 40) for each in cause.decision_ids[:5])
        # The headline says the first one, as a rule.
        told = cause.summary in explanation.headline
        yield f"<li>{'' if told else _text(cause, 400)}"
        yield f'<div class="quiet">because {reasons}</div>' if reasons else ""
        yield f'<div class="quiet">see {ids}</div>' if ids else ""
        yield "</li>"
    yield "</ol>"
    if explanation.suggestions:
        first = explanation.suggestions[0]
        target = "" if first.type is SuggestionType.FIX else f"<b>{_text(first.target, 100)}</b> "
        yield f"<p>To try: {target}{_text(first.reason, 400)}</p>"


def _decision(decision: Decision, depth: int) -> Iterator[str]:
    outcome = decision.outcome
    mark, word = _MARKS[_state(outcome)]
    chosen = f" → {_text(decision.chosen_option_id, 80)}" if decision.chosen_option_id else ""
    took = _duration(outcome.latency_ms) if outcome else word
    yield f'<details style="margin-left:{min(depth, 8) * 1.2:.1f}em"><summary>{mark} '
    yield f"{_text(decision.intent or decision.id, 160)}<b>{chosen}</b>"
    yield f' <span class="quiet">{took} · {_text(decision.node_id, 60)} · '
    yield f'{_text(decision.id, 40)}</span></summary><div class="in">'
    if decision.reasoning:
        yield f"<p>{_text(decision.reasoning, 800)}</p>"
    if decision.options:
        yield from _options(decision.options, decision.chosen_option_id)
    if outcome is not None:
        yield from _outcome(outcome, word)
    if decision.active_constraints:
        constraints = "; ".join(_text(each, 200) for each in decision.active_constraints[:10])
        yield f"<p>Constraints: {constraints}</p>"
    if decision.input_context:
        yield f"<p>Context</p><pre>{_json(decision.input_context)}</pre>"
    yield "</div></details>"


def _options(options: list[Option], chosen: str | None) -> Iterator[str]:
    yield "<table><tr><th>Option</th><th>Confidence</th><th>For it</th><th>Against it</th></tr>"
    for option in options[:_OPTIONS]:
        mine = option.id == chosen
        name = f"<b>{_text(option.id, 80)}</b> (chosen)" if mine else _text(option.id, 80)
        yield f"{'<tr class=chosen>' if mine else '<tr>'}<td>{name}<br>"
        yield f'<span class="quiet">{_text(option.description, 200)}</span></td><td>'
        yield f'<meter value="{option.confidence:.3f}"></meter> {option.confidence:.2f}</td>'
        yield f"<td>{_points(option.pros)}</td><td>{_points(option.cons)}</td></tr>"
    yield "</table>"
    if left := len(options) - _OPTIONS:
        yield f'<p class="quiet">and {left:,} more options</p>' if left > 0 else ""


def _points(points: Iterable[str]) -> str:
    return "<br>".join(_text(point, 200) for point in list(points)[:6])


def _outcome(outcome: Outcome, word: str) -> Iterator[str]:
    yield f"<p>{word}{': ' + _text(outcome.summary) if outcome.summary else ''}"
    yield (
        f', <span class="quiet">{counted(outcome.tokens_used, "token")}</span>'
        if outcome.tokens_used
        else ""
    )
    yield "</p>"
    if outcome.error or outcome.error_type:
        kind = f"{_text(outcome.error_type, 120)}: " if outcome.error_type else ""
        yield f"<pre>{kind}{_text(outcome.error or '', 600)}</pre>"
    if outcome.result is not None:
        yield f"<pre>{_json(outcome.result)}</pre>"


def _state(outcome: Outcome | None) -> str:
    if outcome is None:
        return "pending"
    if outcome.cancelled:
        return "cancelled"
    return "success" if outcome.success else "failure"


def _json(value: object) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = repr(value)  # not from a file, which holds JSON only
    return _text(text, 1000)


def _duration(ms: float) -> str:
    if ms < 999.5:
        return f"{ms:.3g} ms"
    return f"{ms / 1000:.3g} s" if ms < 100_000 else f"{ms / 60_000:,.1f} min"


def _depths(decisions: list[Decision]) -> dict[str, int]:
    """How deep each decision lies. One made inside another comes after it."""
    depths: dict[str, int] = {}
    for each in decisions:
        depths[each.id] = depths[each.parent_id] + 1 if each.parent_id in depths else 0
    return depths
