"""Secrets do not reach the disk, and ordinary words do."""

import json
from typing import Any

import pytest

from decisionlog import Option, RunStore
from decisionlog.testing import MemorySink, Runtime
from tests.keeping import kept, parts, sound_lines
from tests.recording import recorded

REDACTED = {"$redacted": True}

SECRET = """
password Password PASSWORD passwd passwords passcode passphrase pwd pass_word db_password dbPassword
DATABASE_PASSWORD PGPASSWORD user-password userPassword smtp_pass DB_PASS db.password
secret secrets Secret client_secret clientSecret CLIENT-SECRET aws_secret_access_key webhookSecret
api_key apiKey ApiKey APIKey API_KEY apikey api-key api.key x-api-key X-Api-Key X_API_KEY apikeys
OPENAI_API_KEY openai_key ANTHROPIC_API_KEY my_APIkey access_key accessKeyId AWS_ACCESS_KEY_ID
secret_key SECRET_KEY private_key privateKey PRIVATE-KEY ssh_key signing_key encryption_key
master_key account_key AccountKey subscription-key license_key hmac_key
token Token TOKEN access_token accessToken refresh_token id_token idToken auth_token authToken
bearer_token GITHUB_TOKEN hf_token slack_bot_token csrf_token X-CSRF-Token xsrf-token session_token
sessionToken AWS_SESSION_TOKEN api_tokens refreshTokens oauth_token
authorization Authorization AUTHORIZATION Proxy-Authorization http_authorization
cookie Cookie cookies Set-Cookie set_cookie jwt JWT jwtToken bearer sessionid
credential credentials Credentials aws_credentials connection_string connectionString
AZURE_STORAGE_CONNECTION_STRING auth pin_code pinCode
""".split()

ORDINARY = """
token_count tokenCount max_tokens maxTokens total_tokens prompt_tokens completion_tokens tokens
tokens_used tokens_per_second input_tokens tokenizer tokenize eos_token bos_token pad_token
stop_token special_token next_token cost_per_token time_to_first_token eos_token_id
token_type
key keys id_key primary_key foreign_key sort_key partition_key cache_key public_key idempotency_key
key_value keyword keywords keyboard keynote monkey turnkey hotkey keystone
author authors authority authored authenticated auth_type auth_method
pass passed passes passenger bypass compass passport_check
secretary access accessible account api app client id session session_count service private
user username email name node query sign signature security personal refresh
""".split()


def test_there_are_enough_of_them() -> None:
    assert len(set(SECRET)) >= 80
    assert len(set(ORDINARY)) >= 70


@pytest.mark.parametrize("key", SECRET)
def test_what_names_a_secret(key: str) -> None:
    sink = MemorySink()
    hidden = {key: "hunter2"}
    value = {**hidden, "rows": [{"in": (hidden, {key: {"deep": ["hunter2"]}})}]}
    with recorded(sink) as runtime, runtime.run("goal", "", value, tags=hidden) as run:
        options = [Option("a", "", "", value, extra=value), {"id": "b", **hidden}]
        with runtime.decision("d", options, "a", context=value) as decision:
            decision.succeed(value, state_changes=value, attributes=value)
        with runtime.decision(
            "d", [Option("a", "", "", hidden), {"id": "b", "action_params": hidden}]
        ):
            pass
        with pytest.raises(ValueError, match="hunter2"), runtime.decision("d"):
            raise ValueError(f"{hidden}, {json.dumps(hidden)}, {key}=hunter2; {key}: hunter2")
        run.fail(output_data=value)
    assert b"hunter2" not in sink.data("run_1")
    assert b"ValueError" in sink.data("run_1")


@pytest.mark.parametrize("key", ORDINARY)
def test_what_does_not(key: str) -> None:
    value = {key: "hunter2", "rows": [{key: ["hunter2"]}]}
    assert kept(value) == value
    sink = MemorySink()
    text = f"{value}, {json.dumps(value)}, {key}=hunter2; {key}: hunter2"
    with (
        recorded(sink) as runtime,
        runtime.run("goal", tags={key: "hunter2"}),
        runtime.decision("d") as decision,
    ):
        decision.fail(text)
    read = sink.run("run_1")
    assert parts(read)[1].error == text
    assert read.tags == {key: "hunter2"}


def test_it_says_that_something_was_there() -> None:
    value = {
        "user": "bob",
        "password": "x",
        "list": [{"token": {"a": 1}, b"token": 2, ("api", "key"): 3}],
    }
    inner = {"token": REDACTED, "token_1": REDACTED, '["api","key"]': REDACTED}
    assert kept(value) == {"user": "bob", "password": REDACTED, "list": [inner]}
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal", tags={"api_key": "x", "version": "2"}):
        pass
    assert sink.run("run_1").tags == {"api_key": "[redacted]", "version": "2"}


def test_off() -> None:
    value = {"password": "hunter2", "in": [{"token": 1}]}
    assert kept(value, redact=False) == value
    sink = MemorySink()
    with (
        recorded(sink, redact=False) as runtime,
        runtime.run("goal", tags={"token": "t"}),
        runtime.decision("d") as decision,
    ):
        decision.fail("password=hunter2")
    assert parts(sink.run("run_1"))[1].error == "password=hunter2"
    assert sink.run("run_1").tags == {"token": "t"}


# Each holds `S3CRET`, which goes, and around it what stays.
TEXTS: dict[str, str] = {
    "api_key=S3CRET": "api_key=[redacted]",
    "api_key = S3CRET, retry": "api_key = [redacted], retry",
    "password: S3CRET": "password: [redacted]",
    "Password:S3CRET.": "Password:[redacted]",
    "the API key: S3CRET (401)": "the API key: [redacted] (401)",
    "--api-key=S3CRET --verbose": "--api-key=[redacted] --verbose",
    "_token=S3CRET": "_token=[redacted]",
    "config.db.password=S3CRET": "config.db.password=[redacted]",
    "{'password': 'S3CRET', 'user': 'bob'}": "{'password': [redacted], 'user': 'bob'}",
    '{"password": "S3CRET", "user": "bob"}': '{"password": [redacted], "user": "bob"}',
    '{"password":"S3CRET"}': '{"password":[redacted]}',
    r'{"password": "S3\"CRET", "a": 1}': '{"password": [redacted], "a": 1}',
    r"""'{\"token\": \"S3CRET\", \"b\": 1}'}""": r"""'{\"token\": [redacted], \"b\": 1}'}""",
    r'"{\\\"token\\\":\\\"S3CRET\\\"}"': r'"{\\\"token\\\":[redacted]}"',
    "{'password': b'S3CRET', 'a': 1}": "{'password': [redacted], 'a': 1}",
    "password=rb'S3CRET'": "password=[redacted]",
    "password='S3CRET and it is cut": "password=[redacted]",
    'password="S3CRET\nand cut': "password=[redacted]",
    r"{\"password\": \"S3CRET and cut": r"{\"password\": [redacted]",
    "Config(password='S3CRET', size=3)": "Config(password=[redacted], size=3)",
    "Config(password=Secret('S3CRET', 1), size=3)": "Config(password=[redacted], size=3)",
    "{'jwt': {'a': ['S3CRET', ('b',)], 'c': 'S3CRET'}, 'd': 1}": "{'jwt': [redacted], 'd': 1}",
    "{'cookies': {'sid': 'S3CRET'": "{'cookies': [redacted]",
    "{'tokens': 5, 'api_keys': ['S3CRET', 'S3CRET']}": "{'tokens': 5, 'api_keys': [redacted]}",
    "os.environ['API_KEY'] = 'S3CRET'": "os.environ['API_KEY'] = [redacted]",
    "assert password == 'S3CRET'": "assert password == [redacted]",
    "'password' => 'S3CRET'": "'password' => [redacted]",
    "password := S3CRET": "password := [redacted]",
    "password=\n  S3CRET": "password=\n  [redacted]",
    "PGPASSWORD=S3CRET psql -h db": "PGPASSWORD=[redacted] psql -h db",
    "Server=db;Uid=sa;Pwd=S3CRET;Timeout=5": "Server=db;Uid=sa;Pwd=[redacted];Timeout=5",
    "Bearer S3CRET123 was refused": "Bearer [redacted] was refused",
    "Authorization: Bearer S3CRET for /a": "Authorization: [redacted] for /a",
    "Authorization: Basic UzNDUkVU==": "Authorization: [redacted]",
    "authorization: Token S3CRET": "authorization: [redacted]",
    "Authorization: Digest user=b, response=S3CRET\nHost: a": "Authorization: [redacted]\nHost: a",
    "Proxy-Authorization: AWS4 Credential=S3CRET, Sign=S3CRET": "Proxy-Authorization: [redacted]",
    "Cookie: theme=dark; sid=S3CRET\r\nHost: a": "Cookie: [redacted]\r\nHost: a",
    "Set-Cookie: sid=S3CRET; Path=/": "Set-Cookie: [redacted]",
    "{'Authorization': 'Token S3CRET', 'A': '*'}": "{'Authorization': [redacted], 'A': '*'}",
    "{'Authorization': ['Bearer S3CRET'], 'a': 1}": "{'Authorization': [redacted]",
    "x-api-key: S3CRET": "x-api-key: [redacted]",
    "https://bob:S3CRET@example.com/a": "https://bob:[redacted]@example.com/a",
    "at https://bob:S3@CRET@example.com": "at https://bob:[redacted]@example.com",
    "jdbc:postgresql://bob:S3CRET@db:5432/x": "jdbc:postgresql://bob:[redacted]@db:5432/x",
    "redis://:S3CRET@localhost:6379/0": "redis://:[redacted]@localhost:6379/0",
    "GET /a?user=bob&api_key=S3CRET&page=2": "GET /a?user=bob&api_key=[redacted]&page=2",
    "GET /a?access_token=S3CRET#top": "GET /a?access_token=[redacted]",
    "a b=1 c: 2 token=S3CRET d=3": "a b=1 c: 2 token=[redacted] d=3",
    "error: password: S3CRET": "error: password: [redacted]",
    "one token=S3CRET, two token=S3CRET": "one token=[redacted], two token=[redacted]",
}
UNTOUCHED = [
    "",
    "nothing here",
    "https://example.com:8080/path?page=2&sort=asc",
    "see https://example.com for help: it's there",
    "postgres://bob@db/x",
    "mail bob@example.com: now",
    "max_tokens=100, token_count: 5",
    "password=, token: ; secret=",
    "the key: value pairs",
    "Basic English is no secret, nor is HTTP Basic authentication",
    "bearer of bad news",
    "unexpected token at line 5",
    "{'a': [1, (2, 3)], 'key': 'value'}",
    "time 12:30:45, ratio 1:2",
]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_secrets_in_error_texts(text: str) -> None:
    expected = TEXTS[text]
    assert "S3CRET" not in expected
    sink = MemorySink()

    class Silent(Exception):
        def __repr__(self) -> str:
            return text

    with recorded(sink) as runtime, runtime.run("goal", input_data=Silent().__repr__) as run:
        with runtime.decision("d") as said:
            said.fail(text)
        with runtime.decision("d") as said:
            said.fail(ValueError(text))
        with pytest.raises(ValueError), runtime.decision("d"):
            raise ValueError(text)
        run.fail(output_data=[ValueError(text)])
    with (
        pytest.raises(RuntimeError),
        recorded(sink) as runtime,
        runtime.run("goal", run_id="raised"),
    ):
        raise RuntimeError(text)
    read = sink.run("run_1")
    assert [made.outcome.error for made in read.decisions if made.outcome] == [expected] * 3
    assert read.output_data == [{"$error": "ValueError", "text": expected}]
    assert sink.run("raised").error == expected
    for run_id in sink.run_ids():
        for line in sound_lines(sink, run_id):
            assert "S3CRET" not in json.dumps(line), line


@pytest.mark.parametrize("text", UNTOUCHED, ids=ascii)
def test_error_texts_without(text: str) -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"), runtime.decision("d") as decision:
        decision.fail(text)
    assert parts(sink.run("run_1"))[1].error == text


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "a " * 150_000,
        "a=" * 150_000,
        "a:" * 150_000,
        "a." * 150_000,
        "-a" * 150_000,
        "a://b:" * 50_000,
        "a://" + "b" * 300_000,
        "a://b:" + "c" * 300_000,
        "@" * 300_000,
        "bearer " * 40_000,
        "bearer" + " " * 300_000,
        "a" + " " * 300_000,
        "a  " * 100_000,
        "password=" * 30_000,
        "password='" * 30_000,
        'password="' * 30_000,
        "password='\\" * 30_000,
        "password=\\" * 30_000,
        "password=" + "\\" * 300_000,
        "password='" + "\\" * 300_000,
        "password" + "\\" * 300_000,
        "password=" + "(" * 300_000,
        "password=([{" * 20_000,
        "password=()" * 20_000,
        "password=" + "b" * 300_000,
        "authorization:" * 20_000,
        "cookie: \n" * 30_000,
        "password" + "=" * 300_000,
        "password=" + " " * 300_000,
        "token " * 50_000,
        "\n" * 300_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_the_time_it_takes_is_linear(text: str) -> None:
    """300 KB each; were it quadratic, one of these would take minutes."""
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        for error in (f"{text} token=S3CRET", f"token=S3CRET {text}"):
            with runtime.decision("d") as decision:
                decision.fail(error)
    assert b"token=[redacted]" in sink.data("run_1")
    assert b"S3CRET" not in sink.data("run_1")


def test_keys_take_linear_time_too() -> None:
    for key in ("aB" * 500_000, "_" * 10**6, "a" * 10**6, "A" * 10**6, "1a" * 500_000):
        [found] = kept({key: 1})
        assert found in (key, "$cut", "bytes")


def test_tracebacks_hold_neither_source_nor_values() -> None:
    sink = MemorySink()

    def connect(password: str) -> None:
        raise ValueError("no" + password[:0])  # password="hunter2"

    with (
        pytest.raises(ValueError),
        recorded(sink) as runtime,
        runtime.run("goal"),
        runtime.decision("d"),
    ):
        connect("hunter2")
    read = sink.run("run_1")
    outcome = parts(read)[1]
    for trace in (read.traceback, outcome.traceback):
        assert trace is not None
        assert all(line.startswith('File "') for line in trace.splitlines())
        assert trace.endswith("test_tracebacks_hold_neither_source_nor_values.<locals>.connect")
    assert b"hunter2" not in sink.data("run_1")


def test_long_tracebacks_are_shortened_in_the_middle() -> None:
    def fall(levels: int) -> None:
        if not levels:
            raise ValueError
        fall(levels - 1)

    sink = MemorySink()
    with pytest.raises(ValueError), recorded(sink) as runtime, runtime.run("goal"):
        fall(200)
    trace = sink.run("run_1").traceback
    assert trace is not None
    lines = trace.splitlines()
    assert len(lines) == 61
    assert lines[30] == "… 142 more frames …"
    assert lines[0].endswith("test_long_tracebacks_are_shortened_in_the_middle")


async def test_nothing_is_on_the_disk(traces: Any) -> None:
    async with (
        Runtime(traces) as runtime,
        runtime.run("goal", input_data={"api_key": "hunter2"}) as run,
    ):
        with pytest.raises(ValueError, match="hunter2"):
            async with runtime.decision(
                "d", context={"headers": {"Authorization": "Bearer hunter2"}}
            ):
                raise ValueError("401 for https://bob:hunter2@example.com (token=hunter2)")
    for path in traces.rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()
    read = await RunStore(traces).load(run.id)
    assert parts(read)[1].error == "401 for https://bob:[redacted]@example.com (token=[redacted])"
