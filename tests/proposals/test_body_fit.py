"""Every body fits its forge, says what was left out, and keeps what must stand."""

from __future__ import annotations

import re

from body_world import GITHUB, PLAIN, change, keep, memory, proposal, used
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import ContainerRef, LedgerEntry, Proof
from reconciler.proposals.body_fit import ALWAYS, Section, fitted
from reconciler.proposals.memo import find, hide
from reconciler.proposals.pushed import pushed, restored, whole
from reconciler.proposals.surface import size
from reconciler.proposals.wishes import Wish, box

WORDS = st.text("ab é漢🙂\n", max_size=40)
SECTIONS = st.lists(
    st.builds(
        Section,
        st.sampled_from(["charts", "evidence", "reasons", "rows"]),
        st.integers(1, 9),
        WORDS,
        st.lists(WORDS, max_size=8).map(tuple),
        WORDS,
        st.sampled_from(["", "and {n} more"]),
        st.integers(0, 3),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(SECTIONS, st.integers(500, 1500))
def test_it_is_never_longer_than_its_limit(sections: list[Section], limit: int) -> None:
    first, last = Section("verdict", ALWAYS, "VERDICT"), Section("memo", ALWAYS, "<!-- MEMO -->")
    told = fitted([first, *sections, last], limit)
    assert size(told) <= limit
    assert told.startswith("VERDICT")
    assert told.endswith("<!-- MEMO -->\n")


def test_what_matters_least_goes_first_and_is_named() -> None:
    rows = tuple(f"row {n}" for n in range(50))
    parts = [
        Section("verdict", ALWAYS, "VERDICT"),
        Section("evidence", 5, "EVIDENCE", ("x" * 200,)),
        Section("rows of the table", 1, "TABLE", rows, "", "and {n} more"),
        Section("charts", 9, "CHART" * 20),
        Section("memo", ALWAYS, "MEMO"),
    ]
    whole = len(fitted(parts, 10_000))
    assert "Left out" not in fitted(parts, whole)
    first = fitted(parts, whole - 1)
    assert "CHART" not in first
    assert "EVIDENCE" in first
    assert "*Left out or shortened, as no longer text is taken here: charts.*" in first
    assert "EVIDENCE" not in fitted(parts, whole - 200)
    shortest = fitted(parts, whole - 400)
    shown = re.findall(r"row \d+", shortest)
    assert 0 < len(shown) < 50
    assert f"and {50 - len(shown)} more" in shortest
    assert "rows of the table" in shortest


def test_a_limit_counts_as_the_strictest_forge_does() -> None:
    assert size("aé漢") == 3
    assert size("a🙂") == 3
    assert size("\ud800") == 1


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.sampled_from([8_000, 12_000, 65_536, 1_000_000]), st.booleans())
def test_a_body_keeps_verdict_memo_and_controls(count: int, limit: int, diagrams: bool) -> None:
    refs = [ContainerRef("", f"team-{n}", "Deployment", f"{'long-' * 20}{n}", "app") for n in range(count)]
    proof = Proof("unit", "helm 4", tuple(f"field {n}" for n in range(count)), (), (), (), 0)
    surface = GITHUB._replace(body_limit=limit, diagrams=diagrams)
    changes = [change(ref, proofs=[proof], because=f"because of {n}") for n, ref in enumerate(refs)]
    one = proposal(changes, surface, [keep(ref) for ref in refs])
    assert size(one.body) <= limit
    assert one.body.startswith("**Frees ")
    assert "; risk: low; confidence: high (14 days, 100 % of samples)**" in one.body.splitlines()[0]
    for wish in (Wish.REBASE, Wish.FREEZE):
        assert box(wish, one.key) in one.body
    found = find(one.body)
    assert found is not None
    assert (found.key, found.plan, found.title) == (one.key, one.plan, one.title)
    assert found.elsewhere or len(found.values) == count
    assert limit > 12_000 or count < 30 or "Left out or shortened" in one.body


def test_what_has_no_room_in_the_body_is_in_the_ledger() -> None:
    refs = [ContainerRef("", f"team-{n}", "Deployment", f"service-{n}", "app") for n in range(1200)]
    usage = used()
    one = proposal([change(ref, usage=usage) for ref in refs])
    assert size(one.body) <= 65_536
    short = find(one.body)
    assert short is not None
    assert short.elsewhere
    assert not short.values
    assert whole(short, ()) is None, "a ledger that was lost knows nothing"
    other = proposal([memory()])
    ledger = [
        LedgerEntry(1, "pushed", one.key, pushed(other, "0" * 40)),
        LedgerEntry(2, "pushed", one.key, pushed(one, "1" * 40)),
    ]
    full = whole(short, ledger)
    assert full is not None
    assert len(full.values) == 1200
    assert not full.elsewhere
    roomy = proposal([change(ref, usage=usage) for ref in refs], GITHUB._replace(body_limit=1_000_000))
    assert set(full.values) == set(find(roomy.body).values)  # type: ignore[union-attr]
    assert full.evidence == find(roomy.body).evidence  # type: ignore[union-attr]


def test_a_request_is_given_back_what_it_remembers() -> None:
    from reconciler.model import MergeRequest

    one = proposal([change()])
    memo = find(one.body)
    assert memo is not None
    body = f"A person's words.\n\n{hide(memo, 400)}"
    request = MergeRequest(1, "", one.branch, "main", "1" * 40, "open", one.title, body, (), 0)
    assert find(body).elsewhere  # type: ignore[union-attr]
    ledger = [LedgerEntry(2, "pushed", one.key, pushed(one, "1" * 40))]
    assert find(restored(request, ledger).body) == memo
    assert restored(request, []) == request
    whole_one = request._replace(body=one.body)
    assert restored(whole_one, ledger) is whole_one


def test_memos_of_earlier_versions_are_read() -> None:
    import base64

    from reconciler import canonical

    memo = find(proposal([change()]).body)
    assert memo is not None
    text = base64.b64encode(canonical.dump(memo).encode()).decode()
    assert find(f"Words.\n<!-- reconcile:v1 {text} -->\n") == memo
    assert find(f"<!-- reconcile:v2 {text} -->") is None, "not packed"
    packed = hide(memo)
    assert find(packed[:40] + packed[44:]) is None, "cut"


def test_a_bomb_is_not_unpacked() -> None:
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(b" " * (80 << 20), 9)).decode()
    assert find(f"<!-- reconcile:v2 {bomb} -->") is None


def test_titles_fit_every_forge() -> None:
    ref = ContainerRef("", "x" * 250, "Deployment", "y" * 250, "z" * 250)
    title = proposal([change(ref)], PLAIN, name="n" * 400).title
    assert size(title) + len(" - autoclosed") <= 255
