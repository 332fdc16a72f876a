"""Charts from elsewhere: fetched once, from allowed hosts, with a token that stays where it belongs."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chart_servers import Asked, Reply, Server, index, push, serving
from charts import chart, packed

from reconciler.model import Reason, Refused, Secret
from reconciler.rendering import archive
from reconciler.rendering.archive import unpack
from reconciler.rendering.fetch import Chart, ChartFetcher, ChartSource
from reconciler.rendering.web import Login, Web, allows, split

BASIC = "Basic " + base64.b64encode(b"bot:hunter2").decode()
LOGIN = Login(Secret("hunter2"), "bot")


def made(version: str) -> bytes:
    return packed(chart("a: 1") | {"VERSION": version.encode()})


CHARTS = {"web": {version: made(version) for version in ("1.2.0", "1.2.3", "1.10.0", "2.0.0-rc.1")}}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        found.pages["/charts/index.yaml"] = Reply(index(CHARTS))
        for version, data in CHARTS["web"].items():
            found.pages[f"/charts/web-{version}.tgz"] = Reply(data)
        yield found


@pytest.fixture
def other() -> Iterator[Server]:
    with serving() as found:
        yield found


def fetcher(folder: Path, *servers: Server, logins: dict[str, Login] | None = None) -> ChartFetcher:
    return ChartFetcher(Web([one.host for one in servers], logins, proxies={}, seconds=5), folder)


def source(server: Server, version: str, name: str = "web") -> ChartSource:
    return ChartSource(f"{server.url}/charts", name, version)


def registry(server: Server, version: str, name: str = "web") -> ChartSource:
    return ChartSource(f"oci://{server.host}/team", name, version)


def got(answer: Chart | Refused) -> str:
    assert isinstance(answer, Chart), answer
    return answer.files["VERSION"].decode()


def why(answer: Chart | Refused) -> str:
    assert isinstance(answer, Refused), answer
    assert answer.reason is Reason.CHART_UNAVAILABLE
    assert answer.detail.isprintable()
    assert "hunter2" not in answer.detail
    return answer.detail


# ------------------------------------------------------------------------------ chart repositories


@pytest.mark.parametrize(
    ("wanted", "version"), [("1.2.3", "1.2.3"), ("~1.2", "1.2.3"), ("^1", "1.10.0"), ("", "1.10.0")]
)
def test_a_version_or_the_highest_of_a_range(
    server: Server, tmp_path: Path, wanted: str, version: str
) -> None:
    answer = fetcher(tmp_path, server).fetch(source(server, wanted))
    assert got(answer) == version
    assert isinstance(answer, Chart)
    assert (answer.version, "templates/all.yaml" in answer.files) == (version, True)


def test_an_exact_version_is_fetched_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        one = fetcher(tmp_path, server)
        assert got(one.fetch(source(server, "1.2.3"))) == got(one.fetch(source(server, "1.2.3"))) == "1.2.3"
    assert server.paths() == ["/charts/index.yaml", "/charts/web-1.2.3.tgz"]


def test_a_range_is_looked_up_and_its_chart_fetched_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        one = fetcher(tmp_path, server)
        assert got(one.fetch(source(server, "^1"))) == "1.10.0"
        assert got(one.fetch(source(server, "~1.2"))) == "1.2.3"
    assert sorted(server.paths()) == ["/charts/index.yaml"] * 2 + [
        "/charts/web-1.10.0.tgz",
        "/charts/web-1.2.3.tgz",
    ]


def test_a_damaged_chart_in_the_cache_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    got(fetcher(tmp_path, server).fetch(source(server, "1.2.3")))
    (kept,) = tmp_path.glob("*/*")
    assert kept.stat().st_mode & 0o077 == 0
    assert kept.parent.stat().st_mode & 0o077 == 0
    kept.write_bytes(kept.read_bytes()[:-1])
    assert got(fetcher(tmp_path, server).fetch(source(server, "1.2.3"))) == "1.2.3"


def test_what_is_kept_has_a_bound_and_the_longest_unused_goes(server: Server, tmp_path: Path) -> None:
    most = (len(made("1.2.0")) + 72) * 27 // 10  # two of them fit

    def fetched(version: str) -> int:
        before = len(server.paths())
        web = Web([server.host], None, proxies={}, seconds=5)
        assert got(ChartFetcher(web, tmp_path, most_bytes=most).fetch(source(server, version))) == version
        return len(server.paths()) - before

    for age, version in enumerate(("1.2.0", "1.2.3"), start=1000):
        assert fetched(version) == 2
        newest = max(tmp_path.glob("*/*"), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (age, age))
    assert fetched("1.2.0") == 0  # and so it is the other that goes
    assert fetched("1.10.0") == 2
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= most
    assert [fetched("1.2.3"), fetched("1.2.3")] == [2, 0]


def test_what_is_not_there(server: Server, tmp_path: Path) -> None:
    one = fetcher(tmp_path, server)
    assert "no version fits; the newest is 2.0.0-rc.1" in why(one.fetch(source(server, "^3")))
    assert "no version of it" in why(one.fetch(source(server, "^3", name="none")))
    assert "answers with 404" in why(one.fetch(ChartSource(f"{server.url}/none", "web", "1.2.3")))
    server.pages["/charts/web-1.2.3.tgz"] = Reply(status=500)
    assert "answers with 500" in why(one.fetch(source(server, "1.2.3")))


def test_what_is_not_what_was_announced(server: Server, tmp_path: Path) -> None:
    server.pages["/charts/web-1.2.3.tgz"] = Reply(made("1.2.4"))
    assert "not what the index announces" in why(fetcher(tmp_path, server).fetch(source(server, "1.2.3")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"\xff",
        b"- 1",
        b"entries: 1",
        b"entries: {web: 1}",
        b"entries: {web: [1, {version: 1.2.3}]}",
        b"entries: {web: [{version: 1.2.3, urls: [1]}]}",
        b"entries: &a {web: [*a]}",
    ],
)
def test_an_index_that_is_none(server: Server, tmp_path: Path, text: bytes) -> None:
    server.pages["/charts/index.yaml"] = Reply(text)
    why(fetcher(tmp_path, server).fetch(source(server, "1.2.3")))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:///etc", "x"),
        ("ftp://x", "x"),
        ("", "x"),
        ("https://", "x"),
        ("http://[", "x"),
        ("https://x:port", "x"),
        ("https://x", "../x"),
        ("https://x", ""),
        ("oci://x", "a b"),
        ("oci://x/UPPER", "x"),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str, name: str) -> None:
    why(ChartFetcher(Web(["x"], proxies={}, seconds=1), tmp_path).fetch(ChartSource(url, name, "1.0.0")))


# ------------------------------------------------------------------------------ hosts and tokens


def test_a_host_that_is_not_allowed_is_not_asked(server: Server, other: Server, tmp_path: Path) -> None:
    assert f"{server.host} is not among the hosts" in why(
        fetcher(tmp_path, other).fetch(source(server, "1.2.3"))
    )
    assert server.asked == []


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        (["a.example.com"], "https://a.example.com/x", True),
        (["a.example.com"], "https://A.EXAMPLE.com:8443/x", True),
        (["A.example.com:8443"], "https://a.example.com:8443/x", True),
        (["a.example.com:8443"], "https://a.example.com/x", False),
        (["a.example.com:443"], "https://a.example.com/x", True),
        (["a.example.com:443"], "http://a.example.com/x", False),
        (["a.example.com"], "https://b.a.example.com/x", False),
        (["*.example.com"], "https://a.example.com/x", True),
        (["*.example.com"], "https://b.a.example.com:1/x", True),
        (["*.example.com:8443"], "https://a.example.com:8443/x", True),
        (["*.example.com:8443"], "https://a.example.com/x", False),
        (["*.example.com"], "https://example.com/x", False),
        (["*.example.com"], "https://example.com.evil.org/x", False),
        (["*.example.com"], "https://evilexample.com/x", False),
        (["*.example.com"], "https://a.example.com@evil.org/x", False),
        (["*.example.com"], "https://evil.org/a.example.com", False),
        (["[::1]:5000"], "http://[::1]:5000/x", True),
        (["[::1]"], "http://[::1]:5000/x", True),
        (["[::1]:5000"], "http://[::1]/x", False),
        ([], "https://a.example.com/x", False),
    ],
)
def test_which_hosts_are_meant(hosts: list[str], url: str, allowed: bool) -> None:
    parts = split(url)
    assert parts is not None
    assert allows([host.lower() for host in hosts], parts) is allowed


def test_neither_an_index_nor_a_redirect_leads_elsewhere(
    server: Server, other: Server, tmp_path: Path
) -> None:
    away = f"{other.url}/web-1.2.3.tgz"
    server.pages["/charts/web-1.2.3.tgz"] = Reply(status=302, headers=(("Location", away),))
    assert f"{other.host} is not among" in why(fetcher(tmp_path, server).fetch(source(server, "1.2.3")))
    server.pages["/charts/index.yaml"] = Reply(index(CHARTS, where=f"{other.url}/{{name}}-{{version}}.tgz"))
    assert f"{other.host} is not among" in why(fetcher(tmp_path, server).fetch(source(server, "1.2.3")))
    for odd in ("file:///etc/passwd", "gopher://x"):
        server.pages["/charts/index.yaml"] = Reply(index(CHARTS, where=odd))
        assert "no address that can be fetched" in why(
            fetcher(tmp_path, server).fetch(source(server, "1.2.3"))
        )
    assert other.asked == []


def test_the_token_goes_to_its_own_origin_alone(server: Server, other: Server, tmp_path: Path) -> None:
    away = f"{other.url}/web-1.2.3.tgz?signature=x"
    server.pages["/charts/web-1.2.3.tgz"] = Reply(status=307, headers=(("Location", away),))
    other.pages["/web-1.2.3.tgz"] = Reply(CHARTS["web"]["1.2.3"])
    one = fetcher(tmp_path, server, other, logins={server.host: LOGIN})
    assert got(one.fetch(source(server, "1.2.3"))) == "1.2.3"
    assert {asked.authorization for asked in server.asked} == {BASIC}
    assert [asked.authorization for asked in other.asked] == [None]


def test_a_token_is_not_sent_where_others_can_read_it() -> None:
    web = Web(["charts.example.com"], {"charts.example.com": LOGIN})
    assert web.login("https://charts.example.com/x") == LOGIN
    assert web.login("https://charts.example.com:444/x") is None
    assert web.login("http://charts.example.com/x") is None
    assert "hunter2" not in repr(LOGIN)


def test_redirects_have_an_end(server: Server, tmp_path: Path) -> None:
    server.pages["/charts/index.yaml"] = Reply(status=301, headers=(("Location", "/charts/index.yaml"),))
    assert "redirects too often" in why(fetcher(tmp_path, server).fetch(source(server, "1.2.3")))


def test_downloads_have_an_end(server: Server, tmp_path: Path) -> None:
    server.pages["/charts/web-1.2.3.tgz"] = Reply(bytes(21 << 20))
    assert "larger than 20 MiB" in why(fetcher(tmp_path, server).fetch(source(server, "1.2.3")))


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    one = ChartFetcher(Web(["127.0.0.1:9"], proxies={}, seconds=2), tmp_path)
    assert "can't be fetched" in why(
        one.fetch(ChartSource("http://user:hunter2@127.0.0.1:9/x", "web", "1.2.3"))
    )


def test_a_proxy_is_used(server: Server, tmp_path: Path) -> None:
    web = Web(["charts.invalid"], proxies={"http": server.url}, seconds=5)
    why(ChartFetcher(web, tmp_path).fetch(ChartSource("http://charts.invalid/x", "web", "1.2.3")))
    assert server.paths() == ["http://charts.invalid/x/index.yaml"]


# ------------------------------------------------------------------------------ registries


@pytest.mark.parametrize(("wanted", "version"), [("1.2.3", "1.2.3"), ("~1.2", "1.2.3"), ("", "1.10.0+b1")])
def test_a_tag_or_the_highest_of_a_range(server: Server, tmp_path: Path, wanted: str, version: str) -> None:
    push(server, "team/web", {"1.2.3": made("1.2.3"), "1.10.0_b1": made("1.10.0+b1"), "latest": made("9")})
    for _ in range(2):
        answer = fetcher(tmp_path, server).fetch(registry(server, wanted))
        assert got(answer) == version
        assert isinstance(answer, Chart)
        assert answer.version == version
    assert len([path for path in server.paths() if "/blobs/" in path]) == 1


def test_a_digest(server: Server, tmp_path: Path) -> None:
    wanted = push(server, "team/web", {"1.2.3": made("1.2.3")})["1.2.3"]
    for _ in range(2):
        assert got(fetcher(tmp_path, server).fetch(registry(server, wanted))) == "1.2.3"
    assert server.paths()[0] == f"/v2/team/web/manifests/{wanted}"
    assert len(server.asked) == 2


def test_an_exact_tag_with_a_plus(server: Server, tmp_path: Path) -> None:
    push(server, "team/web", {"1.0.0_x": made("x")})
    assert got(fetcher(tmp_path, server).fetch(registry(server, "1.0.0+x"))) == "x"


def test_tags_on_several_pages(server: Server, tmp_path: Path) -> None:
    push(server, "team/web", {"1.2.3": made("1.2.3")})
    more = "/v2/team/web/tags/list?last=0.1.0"
    server.pages["/v2/team/web/tags/list?n=1000"] = Reply(
        b'{"tags": ["0.1.0"]}', headers=(("Link", f'<{more}>; rel="next"'),)
    )
    server.pages[more] = Reply(b'{"tags": ["1.2.3"]}')
    assert got(fetcher(tmp_path, server).fetch(registry(server, "*"))) == "1.2.3"


def guarded(server: Server, realm: str) -> None:
    """Lets nobody at anything without the token `t0ken`."""
    challenge = f'Bearer realm="{realm}",service="registry",scope="repository:team/web:pull"'

    def wrap(page: Reply) -> object:
        def reply(asked: Asked) -> Reply:
            if asked.authorization == "Bearer t0ken":
                return page
            return Reply(status=401, headers=(("WWW-Authenticate", challenge),))

        return reply

    for path, page in list(server.pages.items()):
        if path.startswith("/v2/"):
            server.pages[path] = wrap(page)  # type: ignore[arg-type, assignment]


def test_a_token_for_everybody_from_another_host(server: Server, other: Server, tmp_path: Path) -> None:
    push(server, "team/web", {"1.2.3": made("1.2.3")})
    guarded(server, f"{other.url}/token")
    other.pages["/token"] = Reply(b'{"token": "t0ken"}')
    assert f"{other.host} is not among" in why(fetcher(tmp_path, server).fetch(registry(server, "1.2.3")))
    one = fetcher(tmp_path, server, other, logins={server.host: LOGIN})
    assert got(one.fetch(registry(server, "1.2.3"))) == "1.2.3"
    assert [asked.authorization for asked in other.asked] == [None]
    assert "scope=repository%3Ateam%2Fweb%3Apull" in other.paths()[0]


def test_a_login_at_the_same_host(server: Server, tmp_path: Path) -> None:
    push(server, "team/web", {"1.2.3": made("1.2.3")})
    guarded(server, f"{server.url}/token")
    server.pages["/token"] = lambda asked: Reply(
        b'{"access_token": "t0ken"}' if asked.authorization == BASIC else b"{}"
    )
    assert "gives no token" in why(fetcher(tmp_path, server).fetch(registry(server, "1.2.3")))
    one = fetcher(tmp_path, server, logins={server.host: LOGIN})
    assert got(one.fetch(registry(server, "1.2.3"))) == "1.2.3"


def test_a_blob_that_lies_elsewhere_gets_no_token(server: Server, other: Server, tmp_path: Path) -> None:
    push(server, "team/web", {"1.2.3": made("1.2.3")})
    blob = next(path for path in server.pages if "/blobs/" in path)
    other.pages["/blob"] = server.pages[blob]
    server.pages[blob] = Reply(status=307, headers=(("Location", f"{other.url}/blob?signature=s"),))
    guarded(server, f"{server.url}/token")
    server.pages["/token"] = Reply(b'{"token": "t0ken"}')
    assert got(fetcher(tmp_path, server, other).fetch(registry(server, "1.2.3"))) == "1.2.3"
    assert [asked.authorization for asked in other.asked] == [None]


def test_a_registry_that_lies(server: Server, tmp_path: Path) -> None:
    found = push(server, "team/web", {"1.2.3": made("1.2.3")})["1.2.3"]
    blob = next(path for path in server.pages if "/blobs/" in path)
    server.pages[blob] = Reply(made("6.6.6"))
    assert "not what its manifest says" in why(fetcher(tmp_path, server).fetch(registry(server, "1.2.3")))
    for lie in (b"{}", b"[", json.dumps({"layers": [{"mediaType": "image"}]}).encode()):
        server.pages[f"/v2/team/web/manifests/{found}"] = Reply(lie)
        assert "not the one that was announced" in why(
            fetcher(tmp_path, server).fetch(registry(server, found))
        )
        server.pages["/v2/team/web/manifests/1.2.3"] = Reply(lie)
        assert "is no chart" in why(fetcher(tmp_path, server).fetch(registry(server, "1.2.3")))


# ------------------------------------------------------------------------------ archives


def tgz(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w:gz") as written:
        for member, data in members:
            member.size = len(data)
            written.addfile(member, io.BytesIO(data))
    return found.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made_ = tarfile.TarInfo(name)
    made_.type, made_.linkname = kind, link
    return made_


HEAD = (member("web/Chart.yaml"), b"name: web\n")


def test_an_archive_as_helm_packs_it() -> None:
    folder = (member("web/templates", tarfile.DIRTYPE), b"")
    assert unpack(tgz(HEAD, folder, (member("web/templates/a.yaml"), b"a"))) == {
        "Chart.yaml": b"name: web\n", "templates/a.yaml": b"a"
    }  # fmt: skip
    assert unpack(tgz((member("./web/Chart.yaml"), b""))) == {"Chart.yaml": b""}


@pytest.mark.parametrize(
    "odd",
    [
        member("web/../../etc/x"),
        member("/etc/x"),
        member("web//x"),
        member("../x"),
        member("beside"),
        member("web/a\nb"),
        member("web/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("web/link", tarfile.LNKTYPE, "web/Chart.yaml"),
        member("web/pipe", tarfile.FIFOTYPE),
        member("web/disk", tarfile.BLKTYPE),
        member("other/x"),
    ],
)
def test_members_that_are_more_than_files(odd: tarfile.TarInfo) -> None:
    answer = unpack(tgz(HEAD, (odd, b"")))
    assert isinstance(answer, Refused)
    assert answer.detail.isprintable()


@pytest.mark.parametrize(
    "data", [b"", b"x", made("1")[:-20], made("1")[:40], tgz(), tgz((member("web/x"), b""))]
)
def test_what_is_no_chart(data: bytes) -> None:
    assert isinstance(unpack(data), Refused)


def test_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    one = tgz(HEAD, (member("web/zeros"), bytes(6 << 20)))
    assert "larger than 5 MiB" in why(unpack(one))  # type: ignore[arg-type]
    many = tgz(HEAD, *((member(f"web/{number}"), bytes(4 << 20)) for number in range(4)))
    assert isinstance(unpack(many), dict)
    monkeypatch.setattr(archive, "MOST_BYTES", 10 << 20)
    assert "more than 10 MiB" in why(unpack(many))  # type: ignore[arg-type]
    header = tarfile.TarInfo("web/x")
    header.pax_headers = {"comment": "x" * (11 << 20)}
    assert "more than 10 MiB" in why(unpack(tgz(HEAD, (header, b""))))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ time


START = {
    "headers": b"HTTP/1.1 200 OK\r\nX: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "error": b"HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\n",
    "tls": b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03",  # a handshake that goes on and on
}


@pytest.mark.parametrize("part", START)
def test_a_server_that_drips_is_cut_off(part: str) -> None:
    """A byte every now and then is in time by the clock of any socket."""

    def drip(visitor: socket.socket) -> None:
        with visitor, contextlib.suppress(OSError):
            visitor.recv(1000)
            visitor.sendall(START[part])
            for _ in range(60):
                time.sleep(0.05)
                visitor.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: drip(listening.accept()[0]))
        thread.start()
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        scheme = "https" if part == "tls" else "http"
        began = time.monotonic()
        answer = Web([host], proxies={}, seconds=0.4).get(f"{scheme}://{host}/index.yaml", 1 << 20)
        took = time.monotonic() - began
        thread.join()
    assert isinstance(answer, Refused)
    assert "takes too long" in answer.detail
    assert took < 1.5
