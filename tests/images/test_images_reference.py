"""References to images, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.images.reference import BadReferenceError, Image, image, rewritten

_DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nginx", Image("docker.io", "library/nginx")),
        ("nginx:1.27", Image("docker.io", "library/nginx", "1.27")),
        ("docker.io/nginx", Image("docker.io", "library/nginx")),
        ("index.docker.io/library/nginx", Image("docker.io", "library/nginx")),
        ("bitnami/redis:7", Image("docker.io", "bitnami/redis", "7")),
        ("localhost/app:1", Image("localhost", "app", "1")),
        ("localhost:5000/a/b/c:1.2", Image("localhost:5000", "a/b/c", "1.2")),
        ("GHCR.io/org/app", Image("ghcr.io", "org/app")),
        ("[::1]:5000/app:1", Image("[::1]:5000", "app", "1")),
        (f"quay.io/o/a:1@{_DIGEST}", Image("quay.io", "o/a", "1", _DIGEST)),
        (f"quay.io/o/a@{_DIGEST}", Image("quay.io", "o/a", "", _DIGEST)),
        ("registry:5000", Image("docker.io", "library/registry", "5000")),
    ],
)
def test_what_a_runtime_takes_it_for(text: str, wanted: Image) -> None:
    assert image(text) == wanted
    assert image(str(wanted)) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "UPPER/case", "a b", "nginx:", "nginx:-x", "nginx@sha256:abc", "nginx@", "a..b.io/x", "-host.io/x",
     "x/", "/x", "http://host/x", "host.io/../x", "host.io/x\r\nHost: y", "host.io/x?y", "user@host.io/x",
     "host.io:99999999/x", "a" * 300, "host.io/a%2fb", "nginx:" + "1" * 129, "169.254.169.254:80/../latest"],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadReferenceError):
        image(text)


def test_a_number_that_should_be_text_is_told() -> None:
    with pytest.raises(BadReferenceError, match="is no tag: where it is set it needs quotes"):
        image("app:2.0240115e+07")  # what Helm makes of `tag: 20240115`


@given(st.text(max_size=60))
def test_no_text_does_harm(text: str) -> None:
    try:
        found = image(text)
    except BadReferenceError:
        return
    assert not set(found.registry + found.repository) & set(" \r\n?#%@\\")
    assert image(str(found)) == found


def test_the_name_stays_as_it_is_written() -> None:
    assert rewritten("nginx:1", "2", "") == "nginx:2"
    assert rewritten("host:5000/nginx", "2", "") == "host:5000/nginx:2"
    assert rewritten(f"Host.io/a:1@{_DIGEST}", "", _DIGEST) == f"Host.io/a@{_DIGEST}"
