"""Peers as policies write them: what is read, what is refused, and who is whose peer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import book, container, failure, policy, resolve, workload

from reconciler.config import BadFile, parse_policies
from reconciler.config.peers import kin
from reconciler.model import ContainerRef, PeerRule

REF = ContainerRef("eu", "shop", "Deployment", "web", "app")


def peers(text: str, more: str = "") -> str:
    return f"{more}\nresources: {{peers: {text}}}"


def rule(text: str) -> PeerRule | None:
    return resolve(book(policy("p", peers(text)))).peers


@pytest.mark.parametrize("text", ["{}", "", "{names: []}", "{clusters: [], namespaces: [], names: []}"])
def test_nobody_is_a_peer_unless_a_policy_says_so(text):
    assert rule(text) is None
    assert resolve(book()).peers is None


def test_what_is_said_is_read():
    found = rule('{clusters: [prod-*], namespaces: ["{team}-eu", "{team}-us"], names: [web, api]}')
    assert found == PeerRule(("prod-*",), ("{team}-eu", "{team}-us"), ("web", "api"))


def test_a_policy_takes_back_what_it_extends():
    base = policy("base", "match: {names: [other]}" + peers("{clusters: [a], names: [b, c]}"))
    assert resolve(book(base, policy("p", "extends: [base]"))).peers == PeerRule(("a",), (), ("b", "c"))
    less = policy("p", "extends: [base]" + peers("{names: []}"))
    assert resolve(book(base, less)).peers == PeerRule(("a",), (), ())


def test_two_policies_of_one_rank_contradict_each_other():
    found = failure(book(policy("a", peers("{names: [x, y]}")), policy("b", peers("{names: [x, z]}"))))
    assert found.error.startswith(
        "resources.peers.names is said differently by a (p0.yaml:5) and b (p1.yaml:5)"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[web]", "expected a mapping"),
        ("{names: web}", "expected a list"),
        ("{names: [1]}", "expected text"),
        ("{names: [{app: x}]}", "expected text"),
        ("{name: [web]}", 'did you mean "names"'),
        ("{names: ['{app}-blue']}", "makes nobody a peer: say the others, too"),
        ("{names: ['{app}-blue', '{app}-blue']}", "makes nobody a peer"),
        ("{names: ['{app}-blue', web]}", "with {app} in one pattern, all of them have just that one"),
        ("{names: ['{app}-blue', '{app}-green', '{b}']}", "with {app} in one pattern, all of them have"),
        ("{names: ['{app}-{colour}', '{app}']}", "one word in braces, and no second one"),
        ("{names: ['{app}-*', '{app}']}", "beside a word in braces there is no '*'"),
        ("{names: ['web-{blue,green}']}", "braces stand around one word"),
        ("{names: ['{}', '{app}']}", "braces stand around one word"),
        ("{names: ['{{app}}', '{app}']}", "braces stand around one word"),
        ("{names: ['web{', '}']}", "braces stand around one word"),
        ('{names: ["a\\u0001b"]}', "expected one line of text"),
        (f"{{names: [{'a' * 300}]}}", "at most 256 characters"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, says):
    with pytest.raises(BadFile) as told:
        parse_policies(policy("p", peers(text, "mode: observe")), "p.yaml")
    assert "p.yaml:5:" in str(told.value)
    assert says in str(told.value)


# -- who is whose peer -----------------------------------------------------------------------------


def same(one: ContainerRef, other: ContainerRef, **said: tuple[str, ...]) -> bool:
    shared = kin(PeerRule(**{"clusters": (), "namespaces": (), "names": (), **said}))
    found = shared(one)
    return found is not None and found == shared(other)


@pytest.mark.parametrize(
    ("said", "other", "peer"),
    [
        ({"clusters": ("*",)}, {"cluster": "us"}, True),
        ({"clusters": ("eu", "us")}, {"cluster": "us"}, True),
        ({"clusters": ("eu", "us")}, {"cluster": "test"}, False),
        ({"clusters": ("us", "test")}, {"cluster": "us"}, False),  # it is in none of them itself
        ({"clusters": ("*",)}, {"cluster": "us", "namespace": "news"}, False),
        ({"clusters": ("*",)}, {"cluster": "us", "workload": "api"}, False),
        ({"clusters": ("*",)}, {"cluster": "us", "kind": "StatefulSet"}, False),
        ({"clusters": ("*",)}, {"cluster": "us", "container": "side"}, False),
        ({"namespaces": ("shop", "shop-*")}, {"namespace": "shop-us"}, True),
        ({"names": ("web", "web-standby")}, {"workload": "web-standby"}, True),
        ({"names": ("web", "web-standby")}, {"workload": "web-standby", "namespace": "news"}, False),
        ({"names": ("{a}", "{a}-standby")}, {"workload": "web-standby"}, True),
        ({"names": ("{a}", "{a}-standby")}, {"workload": "api-standby"}, False),
        ({"names": ("{a}-standby", "{a}")}, {"workload": "web-standby"}, True),  # the order is nothing
        ({"names": ("{a}", "blue-{a}")}, {"workload": "blue-web"}, True),
        ({"names": ("{a}", "blue-{a}-x")}, {"workload": "blue-web-x"}, True),
        ({"clusters": ("*",), "names": ("web", "api")}, {"cluster": "us", "workload": "api"}, True),
    ],
)
def test_peers_differ_in_what_is_said_and_in_nothing_else(said, other, peer):
    assert same(REF, REF._replace(**other), **said) is peer
    assert same(REF._replace(**other), REF, **said) is peer


def test_a_word_stands_for_something():
    shared = kin(PeerRule((), (), ("{a}-blue", "{a}-green")))
    assert shared(REF._replace(workload="-blue")) is None
    assert shared(REF._replace(workload="web-blue")) is not None
    assert shared(REF._replace(workload="web-red")) is None


@given(st.text("ab-", max_size=12), st.text("ab-", max_size=6), st.text("ab-", max_size=6))
def test_what_a_word_stands_for_is_what_is_left(name, head, tail):
    shared = kin(PeerRule((), (), (f"{head}{{a}}{tail}", f"{head}{{a}}{tail}-x-x-x-x-x-x")))
    found = shared(REF._replace(workload=f"{head}{name}{tail}"))
    assert found == (("Deployment", "app", "eu", "shop", name) if name else None)


# -- teams -----------------------------------------------------------------------------------------


def test_a_team_names_peers_among_what_its_policy_is_about():
    team = policy("team", "match: {names: ['web*']}" + peers("{names: ['*']}"))
    found = book(teams=(team,))
    said = resolve(found, workload("web")).peers
    assert said == PeerRule((), (), ("*",), within=("team",))
    shared = found.kin(said)

    def of(one):
        return shared(one, container(one))

    assert of(workload("web")) == of(workload("web-standby"))
    assert of(workload("api")) is None
    assert of(workload("web-2", repository="elsewhere")) is None


def test_the_operators_word_on_peers_stands_and_is_not_mixed_with_a_teams():
    team = policy("team", "priority: 99" + peers("{names: [web, api]}"))
    ours = policy("ours", "priority: -9" + peers("{clusters: ['*']}"))
    assert resolve(book(ours, teams=(team,))).peers == PeerRule(("*",), (), ())
    off = policy("ours", peers("{names: []}"))
    assert resolve(book(off, teams=(team,))).peers is None
    assert resolve(book(teams=(team,))).peers == PeerRule((), (), ("web", "api"), ("team",))


def test_what_a_team_extends_is_its_own_word():
    lent = policy("lent", "match: {names: [other]}" + peers("{names: ['*']}"))
    team = policy("team", "match: {names: [web]}\nextends: [lent]")
    assert resolve(book(lent, teams=(team,))).peers == PeerRule((), (), ("*",), ("team",))
