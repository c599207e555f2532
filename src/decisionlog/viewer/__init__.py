"""The viewer: runs in a browser, live, and as reports that can be mailed.

It needs the extra `decisionlog[viewer]`, and is only imported when it is asked for. The parts:

    tracking, index, answers (what there is to show) ──> app (JSON API) ──> guard ──> server
                                                          static (the page) ──> page ──> report
"""
