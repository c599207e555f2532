"""Who is let in, and what every answer bears."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from decisionlog.viewer.guard import Guard
from tests.cli.recorded import Recorded
from tests.viewer.serving import TOKEN, Client, serving

KEY = ("Authorization", f"Bearer {TOKEN}")
FORGED_HOSTS = [
    "", "localhost", "127.0.0.1", "{port}", ":{port}", "127.0.0.1:", "127.0.0.1:0",
    "127.0.0.1:80", "127.0.0.1:{port}0", "127.0.0.1:0{port}", "127.0.0.1 :{port}",
    "127.0.0.1:{port}.", "127.0.0.1.:{port}", "localhost.:{port}", "evil.example",
    "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example:{port}",
    "evil.example#127.0.0.1:{port}", "127.0.0.1:{port}@evil.example",
    "evil.example@127.0.0.1:{port}", "user:pass@127.0.0.1:{port}", "127.0.0.1:{port}/",
    "127.0.0.1:{port}?", "http://127.0.0.1:{port}", "//127.0.0.1:{port}", "127.1:{port}",
    "127.0.1:{port}", "2130706433:{port}", "0x7f000001:{port}", "0177.0.0.1:{port}",
    "0.0.0.0:{port}", "127.0.0.2:{port}", "[::1]:{port}", "[::ffff:127.0.0.1]:{port}",
    "[::]:{port}", "::1:{port}", "LOCALHOST:{port}", "Localhost:{port}", "localhost:{port},evil",
    "evil,localhost:{port}", "localhost:{port} evil.example", "local%68ost:{port}",
    "localhost%00:{port}", "*:{port}", "10.0.0.1:{port}", "169.254.169.254:{port}",
    "decisionlog:{port}", "xn--lcalhost-n4a:{port}", "127.0.0.1\t:{port}",
]  # fmt: skip
FORGED_ORIGINS = [
    "", "null", "*", "http://evil.example", "https://evil.example", "http://evil.example:{port}",
    "http://127.0.0.1", "http://localhost", "https://127.0.0.1:{port}", "https://localhost:{port}",
    "http://127.0.0.1:0{port}", "http://127.0.0.1:{port}0", "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1.evil.example:{port}",
    "http://localhost.evil.example:{port}", "http://evil.example/127.0.0.1:{port}",
    "http://127.0.0.1:{port}@evil.example", "http://evil.example@127.0.0.1:{port}",
    "http://user@127.0.0.1:{port}", "127.0.0.1:{port}", "//127.0.0.1:{port}",
    "HTTP://127.0.0.1:{port}", "http://LOCALHOST:{port}", "http://[::1]:{port}",
    "http://[::ffff:127.0.0.1]:{port}", "http://127.1:{port}", "http://2130706433:{port}",
    "http://0.0.0.0:{port}", "http://127.0.0.2:{port}", "http://localhost.:{port}",
    "http://127.0.0.1:{port} http://evil.example", "http://evil.example http://127.0.0.1:{port}",
    "http://127.0.0.1:{port},http://evil.example", "ws://127.0.0.1:{port}", "file://",
    "chrome-extension://abcdefghijklmnop", "moz-extension://abcdefghijklmnop", "about:blank",
    "data:", "blob:http://127.0.0.1:{port}", "http://127.0.0.1:{port}#", "http://127.0.0.1:{port}?",
    "http:/127.0.0.1:{port}", "http:127.0.0.1:{port}", "http://127.0.0.1 :{port}",
    "http://local%68ost:{port}", "http://xn--lcalhost-n4a:{port}", "http://10.0.0.1:{port}",
    "http://decisionlog:{port}",
]  # fmt: skip
assert len(set(FORGED_HOSTS)) == len(set(FORGED_ORIGINS)) == 50

PAGES = ["/", "/main.js", "/api/info", "/api/runs", "/api/events", f"/?token={TOKEN}", "/nothing"]
BORNE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(Recorded(tmp_path_factory.mktemp("guard") / "traces").path) as client:
        yield client


@pytest.mark.parametrize("host", FORGED_HOSTS)
def test_a_forged_host_is_refused_before_all_else(client: Client, host: str) -> None:
    forged = ("Host", host.format(port=client.port))
    for path in ("/api/runs", f"/?token={TOKEN}"):
        answer = client.raw(path, [forged, KEY])
        assert answer.error == (403, "WrongHost")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", FORGED_ORIGINS)
def test_a_forged_origin_is_refused(client: Client, origin: str) -> None:
    forged = ("Origin", origin.format(port=client.port))
    for path in ("/api/runs", f"/?token={TOKEN}"):
        answer = client.ask(path, forged)
        assert answer.error == (403, "WrongOrigin")
        assert "set-cookie" not in answer.headers


def test_a_host_is_one_and_no_more(client: Client) -> None:
    host = ("Host", client.host)
    assert client.raw("/api/info", [host, KEY]).status == 200
    # The server itself refuses what HTTP/1.1 forbids.
    assert client.raw("/api/info", [KEY]).status in (400, 403)
    assert client.raw("/api/info", [host, ("Host", "evil.example"), KEY]).status in (400, 403)


def test_two_hosts_are_refused_whatever_server_is_before_it() -> None:
    """The one used here refuses them itself; the guard does not count on that."""
    sent: list[Any] = []

    async def never(*_: Any) -> None:
        raise AssertionError("it was let through")

    async def send(message: Any) -> None:
        sent.append(message)

    ours, other = (b"host", b"localhost:1"), (b"host", b"evil.example")
    guard = Guard(never, token=TOKEN, hosts=frozenset({"localhost:1"}), port=1)
    for hosts in ([ours, other], [other, ours], [ours, ours], []):
        headers = [*hosts, (b"authorization", f"Bearer {TOKEN}".encode())]
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}
        anyio.run(guard, scope | {"headers": headers}, never, send)
        assert sent[-2]["status"] == 403


def test_of_two_origins_both_must_be_ours(client: Client) -> None:
    ours, other = ("Origin", f"http://{client.host}"), ("Origin", "http://evil.example")
    for origins in ([ours, other], [other, ours]):
        assert client.ask("/api/info", *origins).error == (403, "WrongOrigin")


def test_it_is_reached_by_the_two_names_of_its_host(client: Client) -> None:
    for host in (client.host, f"localhost:{client.port}"):
        own = ("Origin", f"http://{host}")
        assert client.raw("/api/info", [("Host", host), KEY, own]).status == 200


def test_no_other_host_is_believed_in_other_headers(client: Client) -> None:
    told = [
        ("X-Forwarded-Host", client.host),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", f"host={client.host}"),
    ]
    assert client.raw("/api/info", [("Host", "evil.example"), KEY, *told]).status == 403


def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_have_not(
    client: Client,
) -> None:
    host = ("Host", client.host)
    entered = client.raw(f"/?token={TOKEN}", [host])
    assert (entered.status, entered.headers["location"]) == (303, "/")
    pair, *attributes = entered.headers["set-cookie"].split("; ")
    name, _, _ = pair.partition("=")
    assert name == f"decisionlog-{client.port}"
    assert {each.lower() for each in attributes} == {"httponly", "path=/", "samesite=strict"}
    inside = client.raw("/", [host, ("Cookie", pair)])
    assert inside.status == 200
    assert inside.headers["content-type"] == "text/html; charset=utf-8"
    assert client.raw("/api/runs", [host, ("Cookie", pair)]).status == 200


def test_the_cookies_of_other_programs_on_this_host_are_not_in_the_way(client: Client) -> None:
    own = f"decisionlog-{client.port}={TOKEN}"
    for others in ("odd; {}", 'a="b; {}', 'state={{"a": [1, 2]}}; {}', "{}; =x", "a=b=c;{}; ;"):
        cookie = ("Cookie", others.format(own))
        assert client.raw("/api/info", [("Host", client.host), cookie]).status == 200, others


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", ""),
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer "),
        ("Authorization", f"Bearer {TOKEN[:-1]}"),
        ("Authorization", f"Bearer {TOKEN}x"),
        ("Authorization", f"Bearer {TOKEN.upper()}"),
        ("Authorization", f"Basic {TOKEN}"),
        ("Authorization", TOKEN),
        ("Authorization", "Bearer \xff\xfe"),
        ("Cookie", ""),
        ("Cookie", f"decisionlog={TOKEN}"),
        ("Cookie", f"decisionlog-1={TOKEN}"),
        ("Cookie", "decisionlog-{port}="),
        ("Cookie", f"decisionlog-{{port}}={TOKEN[1:]}"),
        ("Cookie", "decisionlog-{port}=\xff"),
        ("Cookie", f"Decisionlog-{{port}}={TOKEN}"),
        ("X-Token", TOKEN),
    ],
)
def test_without_the_token_one_is_told_how_to_get_in(client: Client, name: str, value: str) -> None:
    given = [("Host", client.host), (name, value.format(port=client.port))]
    refused = client.raw("/api/runs", given)
    assert refused.error == (401, "NotAllowed")
    assert b"run_" not in refused.body
    for path in ("/", "/main.js", "/index.html", "/nothing"):
        page = client.raw(path, given)
        assert page.status == 401
        assert b"decisionlog view" in page.body


@pytest.mark.parametrize(
    "path",
    [
        "info", "runs", "events", "goals", "goal?id=fetch", "compare?a=x&b=y", "runs/x",
        "runs/x/decisions/y", "runs/x/explanation", "runs/x/summary", "runs/x/events", "nothing",
    ],
)  # fmt: skip
def test_nothing_of_the_api_is_open(client: Client, path: str) -> None:
    answer = client.raw(f"/api/{path}", [("Host", client.host)])
    assert answer.error == (401, "NotAllowed")


@pytest.mark.parametrize("given", ["", "wrong", TOKEN[:-1], f"{TOKEN}&token=wrong", "%ff", "%00"])
def test_a_wrong_token_gives_no_cookie(client: Client, given: str) -> None:
    answer = client.raw(f"/?token={given}", [("Host", client.host)])
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_the_token_in_an_address_of_the_api_is_none(client: Client) -> None:
    assert client.raw(f"/api/runs?token={TOKEN}", [("Host", client.host)]).status == 401


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)
def test_it_only_reads(client: Client, method: str) -> None:
    for path in ("/", "/api/runs", "/nothing"):
        answer = client.ask(path, method=method)
        assert answer.error == (405, "WrongMethod")


def test_head_is_get_without_the_body(client: Client) -> None:
    for path in ("/", "/main.js", "/api/runs", "/api/runs/none"):
        got, headed = client.ask(path), client.ask(path, method="HEAD")
        assert (headed.status, headed.body) == (got.status, b"")
        assert headed.headers["content-type"] == got.headers["content-type"]


def test_every_answer_bears_the_same_headers(client: Client) -> None:
    host = ("Host", client.host)
    stream = "/api/events"
    answers = {path: client.ask(path) for path in PAGES if path != stream}
    answers |= {
        "no token": client.raw("/", [host]),
        "no host": client.raw("/", [("Host", "evil.example")]),
        "origin": client.ask("/", ("Origin", "null")),
        "method": client.ask("/", method="POST"),
        "bad query": client.ask("/api/runs?sort=colour"),
        "no run": client.ask("/api/runs/none"),
    }
    assert {answer.status for answer in answers.values()} == {200, 303, 400, 401, 403, 404, 405}
    for what, answer in answers.items():
        assert BORNE.items() <= answer.headers.items(), what
        assert not any(name.startswith("access-control-") for name in answer.headers), what
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'", "script-src": "'self'", "style-src": "'self'",
            "img-src": "'self' data:", "font-src": "'self'", "connect-src": "'self'",
            "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
        }  # fmt: skip
    connection = client.connection()
    connection.request("GET", stream, headers=dict([KEY]))
    response = connection.getresponse()
    assert {name: response.getheader(name) for name in BORNE} == BORNE
    connection.close()
    response.close()


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml", "/%2e%2e/app.py", "/..%2fapp.py", "/styles/../../app.py",
        "/styles/%2e%2e/%2e%2e/app.py", "/vendor/..%2f..%2fguard.py", "//etc/passwd",
        "/%2fetc%2fpasswd", "/etc/passwd", "/main.js/", "/main.js%00", "/MAIN.JS", "/.", "/..",
        "/vendor", "/vendor/", "/vendor/README.md", "/app.py", "/static/main.js", "/api", "/api/",
        "/api/..", "/api/none", "/\\..\\app.py", "/C:/Windows/win.ini",
    ],
)  # fmt: skip
def test_of_files_there_are_those_of_the_page_alone(client: Client, path: str) -> None:
    answer = client.ask(path)
    assert answer.status == 404, answer.body[:200]
    assert b"import" not in answer.body
