"""Parameters travel out of sight, and mean what they meant as words of the command."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from charts import chart, request
from hypothesis import given
from hypothesis import strategies as st

from reconciler.rendering import helm as called
from reconciler.rendering.helm import arguments
from reconciler.rendering.parameters import in_files
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source.render import FileParameter, HelmRequest, Parameter, Rendered

ALL = "all: {{ toJson .Values | quote }}"

ODD = [
    "", " ", " x ", "x y", "0", "00", "007", "7", "-7", "+7", "7.5", "1e3", "0x1F", "1_000", "9" * 30,
    "true", "True", "TRUE", "false", "yes", "null", "NULL", "nullx", "~", "{", "}", "{a,b}", "{a", "{}",
    "x{a,b}", "a,b", "a\\,b", "a\\\\,b", "\\", "a\\", "a\\\\", "\\n", "a\\b", "\\7", "\\true", "\\{a",
    ",", ",,", "a=b", "=", "[0]", "a[0]", "a.b", "--set", "-", "@x", "'", '"', "'x'", "#", "# x", "a: b",
    "%", "$HOME", "{{ .x }}", "line\nbreak", "\n", "\r\n", "tab\t", "ä € 漢 😀", "\ufeffx", "\u2028",
    "files/0", "http://h/x", "-----BEGIN KEY-----\nMII=\n-----END KEY-----\n",
]  # fmt: skip


def both(
    renderer: ProgramRenderer, monkeypatch: pytest.MonkeyPatch, asked: HelmRequest
) -> tuple[str | None, str | None]:
    """What it renders to as it is called, and called with all parameters in its words; None if refused."""
    ours = renderer.render(asked)
    with monkeypatch.context() as plain:
        plain.setattr(called, "in_files", lambda request: request)
        theirs = renderer.render(asked)
    return (
        ours.text if isinstance(ours, Rendered) else None,
        theirs.text if isinstance(theirs, Rendered) else None,
    )


@pytest.mark.parametrize("as_text", [False, True])
def test_every_value_means_what_it_meant(
    renderer: ProgramRenderer, monkeypatch: pytest.MonkeyPatch, as_text: bool
) -> None:
    dice = random.Random(7)
    letters = ["a", "7", ",", "\\", "{", "}", "=", ".", " ", "\n", "ä", "[", "]", "-", "t"]
    values = ODD + ["".join(dice.choices(letters, k=dice.randint(1, 6))) for _ in range(300)]
    parameters = [Parameter(f"p{at}", value, as_text) for at, value in enumerate(values)]
    moved = {file.name for file in in_files(request(chart(), parameters=tuple(parameters))).file_parameters}
    assert len(moved) > 200
    sound = [one for one in parameters if one.name in moved]
    ours, theirs = both(renderer, monkeypatch, request(chart(ALL), parameters=tuple(sound)))
    assert ours is not None
    assert ours == theirs


NAMES = [
    "a",
    "a.b",
    "a.b.c",
    "a.d",
    "l[0]",
    "l[1]",
    "l[1].x",
    "l",
    "m.a\\.b",
    "m",
    "n[2].k",
    "v.l[0]",
    "v.l[1].k",
]


@pytest.mark.parametrize("seed", range(6))
def test_names_that_are_part_of_each_other_keep_their_order(
    renderer: ProgramRenderer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    values = "a: {b: {c: 1}, z: 1}\nl: [x, {x: 1, y: 2}]\nv: {l: [x, {k: 1}, y]}"
    for _ in range(3):
        names = dice.choices(NAMES, k=dice.randint(2, 6))
        parameters = tuple(
            Parameter(name, dice.choice(["x", "7", "null", "{u,w}", "text"]), dice.random() < 0.4)
            for name in names
        )
        files = tuple(FileParameter(name, b"file") for name in dice.choices(NAMES, k=dice.randint(0, 1)))
        asked = request(chart(ALL, values), "a: {d: q}", parameters=parameters, file_parameters=files)
        ours, theirs = both(renderer, monkeypatch, asked)
        assert ours == theirs, parameters


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=4), st.booleans()), max_size=6).map(
        lambda found: tuple(Parameter(*one) for one in found)
    )
)
def test_nothing_is_lost_or_said_twice(parameters: tuple[Parameter, ...]) -> None:
    made = in_files(request(chart(), parameters=parameters))
    kept, moved = {one.name for one in made.parameters}, {one.name for one in made.file_parameters}
    assert kept | moved == {one.name for one in parameters}
    assert not kept & moved
    assert in_files(made) == made


def test_a_password_is_in_no_word_of_the_command() -> None:
    parameters = (
        Parameter("db.password", "hunter2"), Parameter("db.other", "hunter2,x", True), Parameter("n", "3"),
        Parameter("tricky\\.name", "hunter2"), Parameter("list[0]", "hunter2"), Parameter("on", "true"),
    )  # fmt: skip
    words = arguments(in_files(request(chart(), parameters=parameters)))
    assert "hunter2" not in " ".join(words)
    assert [word for word in words if word.startswith(("n=", "on="))] == ["n=3", "on=true"]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are listed elsewhere")
def test_nobody_sees_it_in_the_list_of_processes(renderer: ProgramRenderer) -> None:
    seen: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    work = '{{ range until 400 }}{{ $x := sha256sum (repeat 100000 "x") }}{{ end }}'
    parameters = (Parameter("password", "hunter2-seen"), Parameter("n", "424242"))
    try:
        answer = renderer.render(
            request(chart(f"{work}\na: {{{{ .Values.password }}}}"), parameters=parameters)
        )
        time.sleep(0.05)
    finally:
        stop.set()
        watcher.join()
    assert isinstance(answer, Rendered)
    assert "hunter2-seen" in answer.text
    assert any(b"n=424242" in words for words in seen)  # so that it would have been seen
    assert not any(b"hunter2-seen" in words for words in seen)
