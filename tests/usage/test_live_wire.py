"""A connection to a metrics server: what it bears, how long, and what it says of it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import numpy as np
import pytest
from servers import sick as server
from servers.authority import Authority, client, wanting_certificates
from servers.sick import Sick, fails, matrix, says, vector

from reconciler.errors import Misconfigured
from reconciler.model import Secret, Whose
from reconciler.usage.prometheus.auth import Bearer
from reconciler.usage.prometheus.gate import Gate
from reconciler.usage.prometheus.wire import Access, Kind, UnansweredError, Wire

NOW = 1_700_000_000
ONE = says(vector(({"__name__": "up", "job": "a"}, NOW, "1")))
UNREACHED = "http://127.0.0.1:9"


@pytest.fixture
def sick() -> Iterator[Sick]:
    running, stop = server.start()
    yield running
    stop()


@pytest.fixture
def tls_sick(authority: Authority) -> Iterator[Sick]:
    running, stop = server.start(host="localhost", tls=authority.context)
    yield running
    stop()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Waits(list):
    """Seconds that were waited."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def wire(url: str, waits: Waits | None = None, **how: object) -> Wire:
    return Wire(Access(url, **{"seconds": 20.0, **how}), waits if waits is not None else Waits())


def unanswered(asked: Wire, kind: Kind) -> UnansweredError:
    with pytest.raises(UnansweredError) as caught:
        asked.instant("up", NOW)
    assert caught.value.kind is kind, caught.value.words
    words = caught.value.words
    assert asked.url.split("@")[-1] in words
    assert words.isprintable()
    assert len(words) < 600
    return caught.value


# -- asking ----------------------------------------------------------------------------------------


def test_questions_are_posted_and_read(sick: Sick):
    asked = wire(f"{sick.url}/select/0/prometheus/", headers={"X-Scope-OrgID": "a"}, parameters={"team": "b"})
    sick.does(ONE)
    found = asked.instant('up{a="b"}', NOW)
    assert (found.labels, found.times.tolist(), found.values.tolist()) == (({"job": "a"},), [NOW], [1.0])
    seen = sick.asked[0]
    assert (seen.method, seen.path) == ("POST", "/select/0/prometheus/api/v1/query")
    assert (
        seen.form
        | {
            "query": ['up{a="b"}'],
            "time": [str(NOW)],
            "team": ["b"],
            "dedup": ["true"],
            "partial_response": ["false"],
            "max_source_resolution": ["0s"],
        }
        == seen.form
    )
    assert seen.headers["x-scope-orgid"] == "a"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["user-agent"] == "reconciler"

    sick.does(says(matrix(({}, [(NOW, "1"), (NOW + 300, "2")]))))
    grid = asked.range("up", NOW, NOW + 300, 300)
    assert (grid.times.tolist(), grid.values.tolist()) == ([NOW, NOW + 300], [1, 2])
    assert sick.asked[1].form["step"] == ["300"]


def test_a_question_can_be_long(sick: Sick):
    sick.does(ONE)
    query = "|".join(f"pod-{index}" for index in range(50_000))
    wire(sick.url).instant(query, NOW)
    assert sick.asked[0].form["query"] == [query]


@pytest.mark.parametrize("refusal", [says("", 405), says("", 404), fails(403, "Method POST is not allowed")])
def test_who_takes_no_post_is_asked_by_get_from_then_on(sick: Sick, refusal):
    asked = wire(sick.url)
    sick.does(refusal, ONE)
    asked.instant("up", NOW)
    asked.instant("up", NOW)
    assert [each.method for each in sick.asked] == ["POST", "GET", "GET"]
    assert sick.asked[1].form["query"] == ["up"]


def test_where_neither_helps_the_address_is_wrong(sick: Sick):
    sick.does(says("404 page not found", 404))
    asked = wire(sick.url)
    error = unanswered(asked, Kind.BROKEN)
    assert "the address ends right before /api/v1, and may lack its path, like /prometheus" in error.words
    assert error.whose is Whose.YOURS
    assert [each.method for each in sick.asked] == ["POST", "GET"]
    unanswered(asked, Kind.BROKEN)
    assert sick.asked[2].method == "POST"


def test_parameters_that_a_server_minds_are_not_sent_again(sick: Sick):
    asked = wire(sick.url)
    sick.does(fails(400, 'Unknown name "dedup": Cannot bind; Unknown name "stats"', "bad_data"), ONE)
    asked.instant("up", NOW)
    asked.instant("up", NOW)
    assert len(sick.asked) == 3
    for seen in sick.asked[1:]:
        assert not {"dedup", "stats"} & set(seen.form)
        assert seen.form["partial_response"] == ["false"]


def test_what_the_settings_want_is_never_left_out(sick: Sick):
    asked = wire(sick.url, parameters={"dedup": "false"})
    sick.does(fails(400, "dedup", "bad_data"))
    unanswered(asked, Kind.WRONG)
    assert [each.form["dedup"] for each in sick.asked] == [["false"]] * len(sick.asked)
    assert len(sick.asked) <= 2


def test_label_values_come_by_the_librarys_own_question(sick: Sick):
    asked = wire(sick.url)
    sick.does(says({"status": "success", "data": ["b", "a"]}))
    assert asked.labels("cluster", ["up", 'a{b="c d"}'], NOW, NOW + 1) == ("a", "b")
    assert sick.asked[0].path == "/api/v1/label/cluster/values"
    assert sick.asked[0].form["match[]"] == ["up", 'a{b="c d"}']
    for bad in ({"data": [1]}, {"data": None}, {}, []):
        sick.does(says(bad))
        with pytest.raises(UnansweredError, match=r"not what was asked for|no list"):
            asked.labels("cluster")


def test_the_time_of_the_server(sick: Sick):
    asked = wire(sick.url)
    for found in (
        {"status": "success", "data": {"resultType": "scalar", "result": [NOW + 0.5, f"{NOW}.5"]}},
        vector(({}, NOW, f"{NOW}.5")),
    ):
        sick.does(says(found))
        assert asked.server_time() == NOW
    assert "time" not in sick.asked[0].form


def test_our_load_is_counted(sick: Sick):
    asked = wire(sick.url)
    body = vector(({}, NOW, "1"))
    body["data"]["stats"] = {"samples": {"totalQueryableSamples": 7}}
    sick.does(fails(503, "starting"), says(body))
    asked.instant("up", NOW)
    asked.instant("up", NOW)
    load = asked.load()
    assert (load.queries, load.samples, load.bytes) == (3, 14, sick.sent)
    assert 0 < load.seconds < 5


# -- a server that is well, and says no -------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (422, "query processing would load too many samples into memory in query execution", Kind.TOO_MUCH),
        (503, "query timed out in expression evaluation", Kind.TOO_MUCH),
        (400, "exceeded maximum resolution of 11,000 points per timeseries", Kind.TOO_MUCH),
        (413, "", Kind.TOO_MUCH),
        (414, "", Kind.TOO_MUCH),
        (422, "expanding series: proxy Series(): rpc error: code = Aborted desc = receive series from a: rpc "
              "error: code = ResourceExhausted desc = exceeded chunks limit: limit 1 violated (got 8)",
         Kind.TOO_MUCH),
        (422, "the query exceeded the maximum number of chunks (limit: 2000000 chunks) "
              "(err-mimir-max-chunks-per-query)", Kind.TOO_MUCH),
        (422, "expanding series: the query hit the max number of series limit (limit: 100000 series)",
         Kind.TOO_MUCH),
        (422, "the query hit the aggregated data size limit", Kind.TOO_MUCH),
        (422, "the query time range exceeds the limit (query length: 768h, limit: 720h)", Kind.TOO_MUCH),
        (400, "Invalid time range. Timestamps must be valid and time range cannot exceed 32 days.",
         Kind.TOO_MUCH),
        (422, "cannot select more than -search.maxSamplesPerQuery=1000000000 samples", Kind.TOO_MUCH),
        (422, "the number of matching timeseries exceeds 300000; either narrow down the search or increase "
              "-search.maxUniqueTimeseries", Kind.TOO_MUCH),
        (422, "not enough memory for processing 100 data points across 10 time series", Kind.TOO_MUCH),
        (500, "context deadline exceeded", Kind.TOO_MUCH),
        (400, '1:3: parse error: unexpected "}"', Kind.WRONG),
        (422, "multiple matches for labels: many-to-one matching must be explicit", Kind.WRONG),
        (422, 'error when executing query="up{a=\\"b\\",namespace=\\"too many samples, throttled\\"}": no',
         Kind.WRONG),
        (403, "no access to tenant", Kind.DENIED),
        (406, "", Kind.BROKEN),
    ],
)  # fmt: skip
def test_what_is_asked_in_vain_is_asked_once(sick: Sick, status, error, kind):
    sick.does(fails(status, error))
    found = unanswered(wire(sick.url), kind)
    assert error[:100] in found.words
    assert len(sick.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 400, "message": "too many samples", "status": "RESOURCE_EXHAUSTED"}},
        {"message": "too many samples"},
        "too many samples",
    ],
)
def test_each_kind_words_its_errors_in_its_own_way(sick: Sick, body):
    sick.does(says(body, 400))
    assert unanswered(wire(sick.url), Kind.TOO_MUCH).words.endswith("too many samples")


def test_a_gateway_that_loses_patience_wants_less(sick: Sick, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reconciler.usage.prometheus.refusals._LONG", 0.1)
    sick.does(server.slowly(0.2, says("", 504)))
    unanswered(wire(sick.url), Kind.TOO_MUCH)
    assert len(sick.asked) == 1


def test_words_of_others_are_told_shortly_and_plainly(sick: Sick):
    sick.does(fails(400, "a\x1b[31m\n\t\u202eb " + "x" * 5000 + " https://me:pw@h/"))
    words = unanswered(wire(sick.url), Kind.WRONG).words
    assert "a [31m b xxx" in words
    assert "pw" not in words


# -- a server that wants to be asked later ---------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "waited"),
    [
        (fails(429, "slow down", Retry_After="7"), 7),
        (fails(503, "later", Retry_After="2.5"), 2.5),
        (fails(429, "now", Retry_After="0"), 1),
        (fails(429, "long ago", Retry_After="Mon, 01 Jan 2001 00:00:00 GMT"), 1),
        (fails(429, "no word of it"), 1),
        (fails(429, "nonsense", Retry_After="soon"), 1),
        (fails(429, "nonsense", Retry_After="-5"), 1),
        (says("<html>Bad Gateway</html>", 502, Content_Type="text/html"), 1),
        (says("", 504), 1),
        (fails(422, "couldn't start executing the request in 10.000 seconds, since "
                    "-search.maxConcurrentRequests=8 concurrent requests are executed"), 1),
    ],
)  # fmt: skip
def test_it_is_waited_for(sick: Sick, answer, waited):
    waits = Waits()
    sick.does(answer, ONE)
    wire(sick.url, waits).instant("up", NOW)
    assert waits == [waited]


def test_a_date_is_waited_for(sick: Sick):
    waits = Waits()
    sick.does(fails(429, "", Retry_After=formatdate(time.time() + 20, usegmt=True)), ONE)
    wire(sick.url, waits).instant("up", NOW)
    assert 15 < waits[0] <= 20


@pytest.mark.parametrize(
    "after", ["86400", "9" * 9, "9" * 4000, "Fri, 01 Jan 2100 00:00:00 GMT", "Fri, 99 Xyz 99999 0:0:0"]
)
def test_nobody_is_waited_for_forever(sick: Sick, after):
    waits = Waits()
    sick.does(fails(429, "", Retry_After=after))
    unanswered(wire(sick.url, waits), Kind.BUSY)
    assert sum(waits) <= 120
    assert max(waits, default=0) <= 60


def test_when_a_server_stays_busy_no_more_is_asked(sick: Sick):
    waits = Waits()
    asked = wire(sick.url, waits)
    sick.does(fails(503, "starting up"))
    unanswered(asked, Kind.BUSY)
    assert waits == [1, 2, 4, 8, 16, 32]
    unanswered(asked, Kind.BUSY)
    unanswered(asked, Kind.BUSY)
    before = len(sick.asked)
    assert "starting up" in unanswered(asked, Kind.BUSY).words
    assert len(sick.asked) == before


# -- a server that is sick -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way",
    [
        server.drips_its_head,
        server.drips_its_body,
        server.drips_and_wants_to_close,
        server.says_nothing,
    ],
)
def test_a_slow_answer_is_cut_off(sick: Sick, way):
    sick.does(way)
    began = time.monotonic()
    words = unanswered(wire(sick.url, seconds=0.7), Kind.TOO_MUCH).words
    assert "takes more than" in words
    assert time.monotonic() - began < 5
    assert len(sick.asked) == 1


def test_a_slow_answer_to_the_librarys_own_question_is_cut_off(sick: Sick):
    sick.does(server.drips_its_body)
    began = time.monotonic()
    with pytest.raises(UnansweredError, match="takes more than"):
        wire(sick.url, seconds=0.7).labels("job")
    assert time.monotonic() - began < 5


def test_a_slow_handshake_is_cut_off():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        asked = wire(f"https://127.0.0.1:{silent.getsockname()[1]}", seconds=0.7)
        assert "nobody answers" in unanswered(asked, Kind.GONE).words
        assert time.monotonic() - began < 5


def test_what_was_cut_off_does_not_reach_the_next_answer(sick: Sick):
    asked = wire(sick.url, seconds=0.7)
    sick.does(server.drips_its_body, ONE)
    unanswered(asked, Kind.TOO_MUCH)
    assert asked.instant("up", NOW).values.tolist() == [1]


@pytest.mark.parametrize("way", [server.hangs_up, server.breaks_off])
def test_a_cut_connection_is_made_again_twice(sick: Sick, way):
    waits = Waits()
    sick.does(way, way, ONE)
    wire(sick.url, waits).instant("up", NOW)
    assert len(waits) == 2
    assert sum(waits) < 1
    sick.does(way)
    assert "breaks the connection off" in unanswered(wire(sick.url), Kind.GONE).words


def test_a_server_that_falls_over_a_question_is_asked_for_less(sick: Sick, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reconciler.usage.prometheus.transport._LONG", 0.1)
    sick.does(server.slowly(0.2, server.hangs_up))
    unanswered(wire(sick.url), Kind.TOO_MUCH)
    assert len(sick.asked) == 1


def test_nobody_there():
    waits = Waits()
    asked = wire(UNREACHED, waits)
    assert "the connection is refused" in unanswered(asked, Kind.GONE).words
    assert len(waits) == 2
    for _ in range(4):
        unanswered(asked, Kind.GONE)
    assert len(waits) == 6


def test_no_such_host():
    error = unanswered(wire("http://nothing.invalid"), Kind.GONE)
    assert "the name of its host can't be resolved" in error.words
    assert error.whose is Whose.YOURS


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (says("<html>Log in</html>", Content_Type="text/html; charset=utf-8"), "a web page"),
        (says("<html>Log in</html>"), "a web page"),
        (says('{"status":"success"}', Content_Type="text/plain"), "not said to be JSON"),
        (says("up 1\n"), "no JSON"),
        (says(""), "empty"),
        (says('{"status":"success","data":{"resultType":"vector","result":[]}'), "not what was asked for"),
        (says('{"status":"success","data":{"resultType":"vector","result":['), "cut short"),
        (says({"data": {"resultType": "vector", "result": []}}), "not what was asked for"),
        (says(matrix()), "not what was asked for"),
        (says(vector(isPartial=True)), "not whole: it says that its answer is partial"),
        (says(vector(warnings=["receive series from Addr: s:10901"])), "not whole: receive series from"),
        (says(vector(warnings=["PromQL info: a", "PromQL warning: b"])), "not whole: PromQL warning: b"),
        (says(b"\xff" * 100), "no JSON"),
        (says("[" * 100_000), "no JSON"),
        (says('{"a":' * 100_000), "cut short"),
        (says(vector(), Content_Encoding="br"), "packs its answer in a way that was not asked for"),
        (says("{}", 302, Location="https://me:pw@login.example.com/secret?token=abc"),
         "leads on to https://login.example.com: put the address"),
        (says("{}", 301, Location="/login"), "leads on to another path"),
        (says("{}", 307), "leads on to another path"),
        (says("{}", 204), "answers 204"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_and_not_believed(sick: Sick, answer, told):
    sick.does(answer)
    words = unanswered(wire(sick.url), Kind.BROKEN).words
    assert told in words
    assert "pw" not in words
    assert "token" not in words
    assert len(sick.asked) == 1


def test_remarks_on_a_query_are_nothing_against_its_answer(sick: Sick):
    sick.does(
        says(vector(({}, NOW, "1"), warnings=["PromQL info: metric might not be a counter"], infos=["a"]))
    )
    assert wire(sick.url).instant("up", NOW).values.tolist() == [1]


def test_too_large_an_answer_is_cut_off(sick: Sick):
    sick.does(server.pours(2 << 30))
    asked = wire(sick.url, most=8 << 20)
    assert "sends more than 8 MiB" in unanswered(asked, Kind.TOO_MUCH).words
    assert sick.sent < 64 << 20
    sick.does(ONE)
    assert len(asked.instant("up", NOW).values) == 1


def test_too_large_a_complaint_is_not_read_to_its_end(sick: Sick):
    def pours(handler):
        handler.head(500, {"Content-Length": str(1 << 30)})
        for _ in range(1 << 14):
            handler.pour(b" " * (1 << 16))

    sick.does(pours)
    unanswered(wire(sick.url), Kind.BUSY)
    assert sick.sent < 640 << 20


def test_little_that_becomes_a_lot_is_cut_off(sick: Sick):
    sick.does(server.unpacks_to(64 << 20))
    assert "sends more than 8 MiB" in unanswered(wire(sick.url, most=8 << 20), Kind.TOO_MUCH).words


def test_packed_answers_are_read_though_nobody_asked_for_them(sick: Sick):
    body = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
    sick.does(says(server.gzipped(body), Content_Encoding="gzip"))
    assert len(wire(sick.url).instant("up", NOW).values) == 0
    sick.does(says(server.gzipped(body)[:-9], Content_Encoding="gzip"))
    unanswered(wire(sick.url), Kind.GONE)
    sick.does(says(b"no gzip", Content_Encoding="gzip"))
    unanswered(wire(sick.url), Kind.GONE)


def test_over_a_slow_link_packed_answers_are_asked_for(sick: Sick):
    series = tuple(({"pod": f"p{index}"}, [(NOW + 300 * k, "1") for k in range(288)]) for index in range(60))
    sick.does(server.trickles(matrix(*series), 0.2))
    asked = wire(sick.url)
    for _ in range(3):
        assert len(asked.range("up", NOW, NOW, 300).values) == 288 * 60
    assert [each.headers["accept-encoding"] for each in sick.asked] == ["identity", "gzip", "gzip"]
    assert asked.load().bytes == sick.sent


# -- several at the same time ----------------------------------------------------------------------


def ask_many(asked: Wire, count: int) -> list[object]:
    found: list[object] = []

    def one() -> None:
        try:
            found.append(asked.instant("up", NOW).values.tolist())
        except UnansweredError as error:
            found.append(error.kind)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    return found


def test_threads_share_a_wire(sick: Sick):
    sick.does(server.slowly(0.05, ONE))
    asked = wire(sick.url, concurrent=3)
    assert ask_many(asked, 12) == [[1.0]] * 12
    assert sick.most_at_once == 3


def test_never_more_than_eight_at_a_time(sick: Sick):
    def waits_for_the_others(handler):
        until = time.monotonic() + 3
        while len(sick.asked) < 8 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)
        ONE(handler)

    sick.does(waits_for_the_others)
    ask_many(wire(sick.url, concurrent=100), 16)
    assert sick.most_at_once == 8


def test_a_server_that_struggles_is_asked_one_by_one_and_then_by_more_again(sick: Sick):
    asked = wire(sick.url, concurrent=2)
    sick.does(fails(429, "", Retry_After="86400"))
    unanswered(asked, Kind.BUSY)
    assert asked.gate.limit == 1
    sick.does(server.slowly(0.02, ONE))
    sick.asked.clear()
    ask_many(asked, 6)
    assert sick.most_at_once == 1
    ask_many(asked, 4)
    assert asked.gate.limit == 2


def test_a_limit_of_the_query_is_no_struggle(sick: Sick):
    asked = wire(sick.url, concurrent=2)
    sick.does(fails(422, "query processing would load too many samples into memory"))
    unanswered(asked, Kind.TOO_MUCH)
    assert asked.gate.limit == 2


def test_a_gate_is_never_closed():
    assert [Gate(most).limit for most in (-1, 0, 1, 8, 9)] == [1, 1, 1, 8, 8]


# -- the way there ---------------------------------------------------------------------------------


def test_a_custom_authority_is_trusted_where_it_is_named(tls_sick: Sick, authority: Authority):
    tls_sick.does(ONE)
    assert len(wire(tls_sick.url, ca_bundle=authority.bundle).instant("up", NOW).values) == 1
    error = unanswered(wire(tls_sick.url), Kind.GONE)
    assert "its certificate is not accepted" in error.words
    assert "caBundle" in error.words
    assert error.whose is Whose.YOURS


def test_only_the_named_authorities_are_trusted(tls_sick: Sick, authority: Authority, tmp_path, monkeypatch):
    stranger = tmp_path / "other"
    stranger.mkdir()
    from servers import authority as authorities

    other = authorities.make(stranger)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    unanswered(wire(tls_sick.url, ca_bundle=other.bundle), Kind.GONE)


def test_a_client_shows_its_certificate(authority: Authority, tmp_path):
    shown = client(authority, tmp_path)
    running, stop = server.start(host="localhost", tls=wanting_certificates(authority))
    try:
        running.does(ONE)
        how = {"ca_bundle": authority.bundle, "certificate": shown.certificate, "key": shown.key}
        assert len(wire(running.url, **how).instant("up", NOW).values) == 1
        unanswered(wire(running.url, ca_bundle=authority.bundle), Kind.GONE)
    finally:
        stop()


def test_certificates_that_can_not_be_used_are_told_at_once(authority: Authority, tmp_path):
    shown = client(authority, tmp_path)
    (tmp_path / "empty").write_text("")
    for how in (
        {"ca_bundle": tmp_path / "missing"},
        {"ca_bundle": tmp_path / "empty"},
        {"certificate": tmp_path / "missing"},
        {"certificate": shown.certificate},
        {"certificate": shown.certificate, "key": tmp_path / "empty"},
        {"certificate": shown.certificate, "key": authority.bundle.parent / "server.key"},
    ):
        with pytest.raises(Misconfigured, match=r"can't be (read|used)"):
            wire("https://localhost", **how)


@pytest.mark.parametrize("named", ["settings", "environment"])
@pytest.mark.parametrize("secure", [False, True])
def test_proxies_are_gone_through(sick, tls_sick, proxy_server, authority, monkeypatch, named, secure):
    far = tls_sick if secure else sick
    far.does(ONE)
    monkeypatch.setenv("http_proxy", proxy_server.url if named == "environment" else UNREACHED)
    monkeypatch.setenv("https_proxy", proxy_server.url if named == "environment" else UNREACHED)
    how = {"proxy": proxy_server.url} if named == "settings" else {}
    asked = wire(far.url, ca_bundle=authority.bundle, auth=Bearer(lambda: Secret("t0ken")), **how)
    assert len(asked.instant("up", NOW).values) == 1
    assert len(proxy_server.asked) == 1
    assert not secure or "authorization" not in proxy_server.headers[0]
    assert far.asked[0].headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("named", ["settings", "environment"])
def test_no_proxy_holds(sick: Sick, monkeypatch, named):
    monkeypatch.setenv("http_proxy", UNREACHED)
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    sick.does(ONE)
    how = {"proxy": UNREACHED} if named == "settings" else {}
    assert len(wire(sick.url, **how).instant("up", NOW).values) == 1


def test_a_proxy_that_is_not_there_is_named_as_the_fault(tls_sick: Sick, authority: Authority):
    asked = wire(tls_sick.url, ca_bundle=authority.bundle, proxy="http://me:pw@127.0.0.1:9")
    error = unanswered(asked, Kind.GONE)
    assert "the proxy does not lead there" in error.words
    assert "pw" not in error.words


def test_a_proxy_of_another_kind_is_refused(sick: Sick):
    error = unanswered(wire(sick.url, proxy="socks5://127.0.0.1:9"), Kind.GONE)
    assert "only proxies over http and https" in error.words


def test_tls_of_a_slow_body_is_cut_off_too(tls_sick: Sick, authority: Authority):
    tls_sick.does(server.drips_its_body)
    began = time.monotonic()
    unanswered(wire(tls_sick.url, ca_bundle=authority.bundle, seconds=0.7), Kind.TOO_MUCH)
    assert time.monotonic() - began < 5


def test_old_tls_is_not_spoken(authority: Authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    home = authority.bundle.parent
    context.load_cert_chain(home / "server.pem", home / "server.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    running, stop = server.start(host="localhost", tls=context)
    running.does(ONE)
    assert np.isfinite(wire(running.url, ca_bundle=authority.bundle).instant("up", NOW).values).all()
    stop()
