"""Tags as public images have them: what follows which, by looks alone."""

from __future__ import annotations

import random

import pytest

from reconciler.images.choose import Chosen, NoChoice, choose
from reconciler.images.rules import ImageRule
from reconciler.images.shapes import shape

# One list of a registry, and of it what each tag leads to. "" is nothing: a policy has to say it.
_LISTS = {
    "postgres": (
        "16 16.1 16.2 17 17.0 17beta1 17rc1 18beta2 16-alpine 17-alpine 16-alpine3.19 16-alpine3.20 "
        "17-alpine3.19 16.1-bookworm 16.2-bookworm 17.0-bookworm 16.1-bullseye latest alpine bookworm "
        "alpine3.19",
        {"16": "17", "16.1": "17.0", "16-alpine": "17-alpine", "16-alpine3.19": "17-alpine3.19",
         "16.1-bookworm": "17.0-bookworm", "17rc1": "17", "18beta2": "18beta2", "latest": "",
         "alpine3.19": ""},
    ),
    "nginx": (
        "1.25.3 1.25.4 1.25 1.26 1.25.3-alpine 1.25.4-alpine 1.25.3-alpine-slim 1.25.4-alpine-slim "
        "1.25.4-perl 1.25.3-alpine3.18 1.25.4-alpine3.19 stable stable-alpine3.18 stable-alpine3.19 "
        "mainline 1-alpine 1",
        {"1.25.3": "1.25.4", "1.25": "1.26", "1.25.3-alpine": "1.25.4-alpine", "stable-alpine3.18": "",
         "1.25.3-alpine-slim": "1.25.4-alpine-slim", "1.25.3-alpine3.18": "1.25.3-alpine3.18", "1": "1"},
    ),
    "bitnami": (
        "16.1.0-debian-11-r15 16.1.0-debian-11-r25 16.1.0-debian-12-r0 16.2.0-debian-12-r1 "
        "16.2.0-debian-12-r10 16.2.0 16 latest",
        {"16.1.0-debian-11-r15": "16.1.0-debian-11-r25", "16.2.0-debian-12-r1": "16.2.0-debian-12-r10"},
    ),
    "python": (
        "3.12.1-slim-bookworm 3.12.2-slim-bookworm 3.13.0a3-slim-bookworm 3.13.0rc1-slim-bookworm 3.12.2 "
        "3.12-slim 3.13-rc-slim 3.12.2-windowsservercore-ltsc2022 3.12.9-alpine3.19 slim-bookworm",
        {"3.12.1-slim-bookworm": "3.12.2-slim-bookworm", "3.12-slim": "3.12-slim", "slim-bookworm": "",
         "3.13.0a3-slim-bookworm": "3.13.0a3-slim-bookworm"},
    ),
    "node": (
        "20 22 20-bookworm-slim 22-bookworm-slim 20.11.0 20.11.1 lts lts-alpine lts-alpine3.19 "
        "lts-alpine3.20 iron iron-slim current 20-alpine3.19 latest",
        {"20": "22", "20-bookworm-slim": "22-bookworm-slim", "20.11.0": "20.11.1", "lts-alpine3.19": "",
         "iron": "", "lts": ""},
    ),
    "temurin": (
        "21.0.2_13-jdk 21.0.3_9-jdk 21.0.3_9-jre 21.0.3_9-jdk-alpine 22_36-jdk 8u392-b08-jre "
        "8u402-b06-jre 21-jdk 17.0.9_9-jre-alpine 17.0.10_7-jre-alpine",
        {"21.0.2_13-jdk": "21.0.3_9-jdk", "17.0.9_9-jre-alpine": "17.0.10_7-jre-alpine",
         "22_36-jdk": "22_36-jdk", "8u392-b08-jre": "8u392-b08-jre"},
    ),
    "grafana": (
        "10.2.3 10.2.3-ubuntu 10.3.1-ubuntu 10.3.1 10.4.0-12345678pre 10.3.1-security-01 main "
        "main-ubuntu 10.3.2-beta1",
        {"10.2.3-ubuntu": "10.3.1-ubuntu", "10.2.3": "10.3.1", "main-ubuntu": ""},
    ),
    "minio": (
        "RELEASE.2024-01-16T16-07-38Z RELEASE.2024-02-09T21-25-16Z RELEASE.2024-03-01T00-00-00Z.fips "
        "RELEASE.2024-02-09T21-25-16Z.hotfix.7ef5f3a RELEASE.2024-05-01T00-00-00Z-cpuv1 edge",
        {"RELEASE.2024-01-16T16-07-38Z": "RELEASE.2024-02-09T21-25-16Z",
         "RELEASE.2024-02-09T21-25-16Z": "RELEASE.2024-02-09T21-25-16Z"},
    ),
    "dates": (
        "2024.10.1 2024.10.2 2024.11.0b3 2024.11.0.dev20241015 24.04 24.10 24.4 20240115 20240301 "
        "202403011230 bookworm-20240110-slim bookworm-20240211-slim trixie-20240301-slim "
        "bookworm-20240211 2024-01-15 2024-02-15",
        {"2024.10.1": "2024.10.2", "24.04": "24.10", "20240115": "20240301", "2024-01-15": "2024-02-15",
         "bookworm-20240110-slim": "bookworm-20240211-slim"},
    ),
    "rancher, gitlab, keycloak, redis, debian, nvidia": (
        "v2.8.0 v2.8.1-rc3 v2.8.1 v2.9.0-rc1 v2.8.1-rc3-linux-amd64 16.5.1-ce.0 16.6.0-ce.0 16.6.0-ee.0 "
        "23.0.4-0 23.0.5-0 7.2-alpine3.19 7.4-alpine3.19 7.4-rc1-alpine3.19 12.4-slim 12.5-slim "
        "23.10-py3 24.01-py3 24.02-igpu v1.2.3_amd64 v1.2.4_amd64 v1.2.5_arm64 1.2.3.4 1.2.3.5 8.11.3 "
        "8.12.0-SNAPSHOT 1.0.0.Final 1.1.0.CR1",
        {"v2.8.0": "v2.8.1", "v2.8.1-rc3": "v2.8.1", "16.5.1-ce.0": "16.6.0-ce.0", "23.0.4-0": "23.0.5-0",
         "7.2-alpine3.19": "7.4-alpine3.19", "12.4-slim": "12.5-slim", "23.10-py3": "24.01-py3",
         "v1.2.3_amd64": "v1.2.4_amd64", "1.2.3.4": "1.2.3.5", "8.11.3": "8.11.3",
         "1.0.0.Final": "1.0.0.Final"},
    ),
    "other words in front": (
        "alpine3.18-v16.7.0 alpine3.19-v16.7.0 alpine3.18-v16.8.0 arm64v8-1.2.3 arm64v8-1.2.4 "
        "amd64-1.2.5 slim-2.8.0 slim-2.8.1 latest-python3.11 latest-python3.12 jammy-20240111 "
        "jammy-20240211 noble-20240311",
        {"alpine3.18-v16.7.0": "alpine3.18-v16.8.0", "arm64v8-1.2.3": "arm64v8-1.2.4",
         "slim-2.8.0": "slim-2.8.1", "latest-python3.11": "", "jammy-20240111": "jammy-20240211"},
    ),
    "work, commits and moments": (
        "pr-123 pr-124 PR-7 PR-8 ABC-12 ABC-13 feature-3 feature-4 sha-1234567 sha-7654321 main-1234567 "
        "main-9876543 main-12ab34f 1234567 9876543 3f2a91c 1234 1235 1705312345 123456 ltsc2022 ltsc2025 "
        "1.2.3 1.20240115.0 1.2.3-14-g1a2b3c4 build-41 build-42",
        {"pr-123": "", "PR-7": "", "ABC-12": "", "feature-3": "", "sha-1234567": "", "main-1234567": "",
         "1234567": "", "3f2a91c": "", "1234": "1235", "123456": "123456", "ltsc2022": "",
         "1.2.3": "1.2.3", "build-41": "build-42", "1.2.3-14-g1a2b3c4": "1.2.3-14-g1a2b3c4"},
    ),
    "not ready, or of another sort": (
        "3.12.1-dev 3.12.2-dev 3.12.2 1.2.3-alpine 1.2.4-alpine-rc1 1.2.4-alpine-beta.2 1.2.3-20240101 "
        "1.2.4-20240202",
        {"3.12.1-dev": "3.12.1-dev", "1.2.3-alpine": "1.2.3-alpine",
         "1.2.4-alpine-rc1": "1.2.4-alpine-rc1", "1.2.3-20240101": "1.2.3-20240101"},
    ),
}  # fmt: skip
_ROWS = [(name, current, wanted) for name, (_, led) in _LISTS.items() for current, wanted in led.items()]


@pytest.mark.parametrize(("name", "current", "wanted"), _ROWS, ids=[f"{row[0]}: {row[1]}" for row in _ROWS])
def test_what_follows(name: str, current: str, wanted: str) -> None:
    found = choose(ImageRule(), current, _LISTS[name][0].split())
    assert (found.tag if isinstance(found, Chosen) else "") == wanted


def test_all_lists_together_lead_nowhere_else() -> None:
    """Whatever else is there: the kind stays, nothing falls, nothing unready comes, no order matters."""
    everything = [tag for tags, _ in _LISTS.values() for tag in tags.split()]
    dice = random.Random(7)
    for current in everything:
        found = choose(ImageRule(), current, everything)
        dice.shuffle(everything)
        assert choose(ImageRule(), current, everything) == found
        if isinstance(found, NoChoice) or found.tag == current:
            continue
        now, then = shape(current), shape(found.tag)
        assert now is not None
        assert then is not None
        assert (now.prefix, now.suffix, now.dots, len(now.numbers)) == (
            *(then.prefix, then.suffix, then.dots),
            len(then.numbers),
        )
        assert then.order > now.order
        assert not then.pre or now.pre
        assert choose(ImageRule(), found.tag, everything) == choose(ImageRule(), found.tag, [*everything] * 2)
        twice = choose(ImageRule(), found.tag, everything)
        assert isinstance(twice, Chosen)
        assert twice.tag == found.tag


def test_long_and_strange_tags_take_no_time() -> None:
    for text in (
        "a-" * 63 + "!",
        "a1." * 42,
        "a.1" * 42,
        "1." * 64,
        "a1.1" * 32,
        "0-" * 64,
        "rc" * 64,
        "1_" * 64,
    ):
        for _ in range(50):
            shape(text[:128])
