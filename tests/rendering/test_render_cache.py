"""A second scan renders nothing; and a cache that is damaged, full or unwritable only costs time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from charts import chart, request
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Reason, Refused
from reconciler.rendering.cache import Cached, request_digest
from reconciler.rendering.renderer import ProgramRenderer, render_all
from reconciler.source.render import (
    FileParameter,
    HelmRequest,
    KustomizeRequest,
    Parameter,
    Rendered,
    Request,
)


class Counting:
    """Answers by number, so that it shows whether it was asked."""

    def __init__(self, *answers: Rendered | Refused, program: str = "helm 1.2.3") -> None:
        self.asked = 0
        self._answers = answers
        self._program = program

    def render(self, request: Request) -> Rendered | Refused:
        self.asked += 1
        return self._answers[self.asked - 1] if self._answers else Rendered(f"n: {self.asked}", self._program)

    def identity(self, request: Request) -> str:
        return self._program


ASKED = request(chart("a: 1"), "a: 1")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_second_time_nothing_is_rendered(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    answer = Cached(first, tmp_path / "renders").render(ASKED)
    assert Cached(second, tmp_path / "renders").render(ASKED) == answer
    assert (first.asked, second.asked) == (1, 0)


def test_with_a_real_helm(renderer: ProgramRenderer, tmp_path: Path) -> None:
    cached = Cached(renderer, tmp_path / "renders")
    random = request(chart("a: {{ randAlphaNum 20 }}"))
    once = cached.render(random)
    assert isinstance(once, Rendered)
    assert cached.render(random) == once
    assert cached.render(random._replace(again=1)) != once  # how noise is found


def test_a_refusal_is_remembered_unless_it_may_pass(tmp_path: Path) -> None:
    for reason, asked in ((Reason.RENDER_FAILED, 1), (Reason.RENDER_LIMIT, 2), (Reason.MISSING_TOOL, 2)):
        answers = Refused(reason, "as it was"), Refused(reason, "as it is")
        renderer = Counting(*answers)
        cached = Cached(renderer, tmp_path / reason)
        assert [cached.render(ASKED), cached.render(ASKED)] == [answers[0], answers[asked - 1]]


def test_another_program_is_another_answer(tmp_path: Path) -> None:
    Cached(Counting(), tmp_path).render(ASKED)
    newer = Counting(program="helm 1.2.4")
    Cached(newer, tmp_path).render(ASKED)
    assert newer.asked == 1


HELM = HelmRequest({"a": b"b"}, (b"x",), (Parameter("n", "v"),), "r", "n")
KUSTOMIZE = KustomizeRequest({"a": b"b"}, "f")
DIFFERENT: list[Request] = [
    HELM,
    HELM._replace(chart={"a": b"c"}),
    HELM._replace(chart={"ab": b""}),
    HELM._replace(chart={"a": b"b", "c": b""}),
    HELM._replace(values=(b"x", b"")),
    HELM._replace(values=(b"", b"x")),
    HELM._replace(values=(b"y",)),
    HELM._replace(parameters=(Parameter("n", "v", as_text=True),)),
    HELM._replace(parameters=(Parameter("n", "v"), Parameter("n", "v"))),
    HELM._replace(parameters=(Parameter("nv", ""),)),
    HELM._replace(release="n", namespace="r"),
    HELM._replace(kube_version="1"),
    HELM._replace(api_versions=("1",)),
    HELM._replace(api_versions=("1", "2")),
    HELM._replace(api_versions=("12",)),
    HELM._replace(include_crds=False),
    HELM._replace(skip_tests=True),
    HELM._replace(skip_schema_validation=True),
    HELM._replace(file_parameters=(FileParameter("n", b"v"),)),
    HELM._replace(again=1),
    KUSTOMIZE,
    KUSTOMIZE._replace(folder=""),
    KUSTOMIZE._replace(options=("f",)),
    KUSTOMIZE._replace(kube_version="f"),
    KUSTOMIZE._replace(api_versions=("f",)),
    KUSTOMIZE._replace(files={}),
    KUSTOMIZE._replace(again=1),
    KUSTOMIZE._replace(mounted={"a": "b"}),
    KUSTOMIZE._replace(mounted={"a": "c"}),
]


def test_everything_that_goes_in_counts() -> None:
    assert len({request_digest(one, "p") for one in DIFFERENT}) == len(DIFFERENT)
    varied = {
        (type(one), name) for one in DIFFERENT for base in (HELM, KUSTOMIZE) if type(one) is type(base)
        for name in one._fields if getattr(one, name) != getattr(base, name)
    }  # fmt: skip
    every = {(kind, name) for kind in (HelmRequest, KustomizeRequest) for name in kind._fields}
    assert every == varied


@given(st.dictionaries(st.text(max_size=3), st.binary(max_size=3), max_size=4))
def test_the_order_of_files_does_not(found: dict[str, bytes]) -> None:
    turned = dict(reversed(found.items()))
    assert request_digest(HELM._replace(chart=found), "") == request_digest(HELM._replace(chart=turned), "")


def test_only_this_user_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "renders"
    folder.mkdir(mode=0o755)
    Cached(Counting(), folder).render(ASKED)
    assert files(folder)
    for path in [folder, *folder.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def damages() -> Iterator[tuple[str, object]]:
    yield "empty", lambda data: b""
    yield "cut", lambda data: data[:-1]
    yield "flipped", lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
    yield "other", lambda data: b"something else\n" * 10


@pytest.mark.parametrize("damage", [how for _, how in damages()], ids=[name for name, _ in damages()])
def test_what_is_damaged_is_rendered_anew(tmp_path: Path, damage) -> None:
    renderer = Counting()
    cached = Cached(renderer, tmp_path)
    cached.render(ASKED)
    (path,) = files(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert cached.render(ASKED) == Rendered("n: 2", "helm 1.2.3")
    assert cached.render(ASKED) == Rendered("n: 2", "helm 1.2.3")


def test_it_stays_below_its_bound_and_keeps_what_is_used(tmp_path: Path) -> None:
    big = [Rendered(os.urandom(3000).hex(), "p") for _ in range(30)]
    renderer = Counting(*big, *big)
    cached = Cached(renderer, tmp_path, most_bytes=40_000)
    asked = [ASKED._replace(again=number) for number in range(30)]
    for number, one in enumerate(asked):
        cached.render(one)
        path = sorted(files(tmp_path), key=lambda path: path.stat().st_mtime)[-1]
        os.utime(path, (number + 1000, number + 1000))  # so that the ages are certain
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 40_000
    before = renderer.asked
    cached.render(asked[-1])
    assert renderer.asked == before
    cached.render(asked[0])
    assert renderer.asked == before + 1


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    renderer = Counting()
    cached = Cached(renderer, tmp_path / "file" / "renders")
    assert cached.render(ASKED) == Rendered("n: 1", "helm 1.2.3")
    assert cached.render(ASKED) == Rendered("n: 2", "helm 1.2.3")


def test_several_at_once(tmp_path: Path) -> None:
    class Slow(Counting):
        most = 0
        now = 0
        lock = threading.Lock()

        def render(self, request: Request) -> Rendered:
            with self.lock:
                Slow.now += 1
                Slow.most = max(Slow.most, Slow.now)
            threading.Event().wait(0.02)
            with self.lock:
                Slow.now -= 1
            return Rendered(str(request.again), "p")

    asked = [HELM._replace(again=number) for number in range(12)]
    answers = list(render_all(Cached(Slow(), tmp_path), asked, workers=3))
    assert [answer.text for answer in answers] == [str(number) for number in range(12)]
    assert Slow.most == 3


def test_who_stops_listening_stops_the_work() -> None:
    renderer = Counting()
    answers = render_all(renderer, [HELM] * 500, workers=1)
    next(answers)
    answers.close()
    assert renderer.asked < 500
