"""Entries of `metrics`: what they say, and which combinations are refused."""

from __future__ import annotations

import pytest
from settings_world import SMALL, load

from reconciler.config import BadFile, Settings, TokenSource
from reconciler.usage.prometheus import promql

SERVER = "kind: prometheus, url: https://m.example.com"


def entry(folder, text: str, *, trusted: bool = True):
    return load(folder, SMALL + f"metrics: [{{{text}}}]\n", trusted=trusted).metrics[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{SERVER}, username: a", "a username needs passwordFile or passwordEnv"),
        (f"{SERVER}, passwordFile: a", "passwordFile needs a username"),
        (f'{SERVER}, username: "a:b", passwordEnv: A', "a username can't have ':' in it"),
        (f"{SERVER}, username: a, passwordFile: a, passwordEnv: A",
         "passwordFile and passwordEnv both name a password: remove one"),
        (f"{SERVER}, tokenFile: a, username: a, passwordEnv: A",
         "tokenFile and username both say who asks: remove one"),
        (f"{SERVER}, tokenEnv: A, identity: google", "tokenEnv and identity both say who asks: remove one"),
        (f"{SERVER}, identity: aws", "identity aws needs region, like eu-central-1"),
        (f"{SERVER}, identity: google, region: eu", "region belongs to identity aws"),
        (f"{SERVER}, identity: gogle", 'expected google, azure or aws, found "gogle"'),
        ("kind: prometheus, url: http://m.example.com, identity: google",
         "an identity is only shown over https"),
        ("kind: prometheus, url: http://m, clientCertificate: a",
         "clientCertificate needs an address with https"),
        (f"{SERVER}, clientKey: a", "clientKey needs clientCertificate"),
        (f"{SERVER}, headers: {{Authorization: Bearer abc}}",
         "metrics[0].headers.Authorization: Authorization would put a secret into this file: use tokenFile, "
         "username or headersFrom"),
        (f"{SERVER}, headers: {{Host: h}}", "the header Host is set by Reconciler itself"),
        (f"{SERVER}, headers: {{'X Y': h}}", "this can't be the name of a header"),
        (f'{SERVER}, headers: {{X-Y: "ä"}}', "expected plain ASCII without spaces around it"),
        (f"{SERVER}, headers: {{X-Y: a}}, headersFrom: {{x-y: {{env: A}}}}",
         "this header stands in headers, too: remove one"),
        (f"{SERVER}, headersFrom: {{X-Y: {{}}}}",
         "a header's value lies in a file or an environment variable: name one"),
        (f"{SERVER}, tokenEnv: A, headersFrom: {{authorization: {{env: A}}}}",
         "this header would take the place of the login: remove one"),
        (f"{SERVER}, parameters: {{query: up}}", "the parameter query is set by Reconciler itself"),
        (f"{SERVER}, labels: gcp", 'did you mean "gmp"?'),
        (f"{SERVER}, labels: {{pod: a-b}}", "expected the name of a label, like exported_namespace"),
        (f"{SERVER}, labels: {{pods: a}}", 'unknown key "pods"; did you mean "pod"?'),
        (f"{SERVER}, concurrency: 9", "metrics[0].concurrency: must be less than or equal to 8, found"),
        (f"{SERVER}, scrapeInterval: 2h", "expected between 1s and 1h"),
        (f"{SERVER}, cache: 's3://key:secret@bucket/a'",
         "expected a folder, or an address like s3://BUCKET/PATH without a login in it"),
        (f"{SERVER}, keepDays: 0", "must be greater than or equal to 1"),
        (f"{SERVER}, password: x",
         '"password" would put a secret into this file: name where it lies with passwordFile or passwordEnv'),
        ("kind: recording, path: a, identity: google", "3:48: metrics of kind recording have no identity"),
        ("kind: recording, path: a, cache: a", "metrics of kind recording have no cache"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_place(tmp_path, text, told):
    with pytest.raises(BadFile) as caught:
        entry(tmp_path, text)
    assert told in str(caught.value)
    assert len(caught.value.mistakes) == 1


def test_values_of_headers_are_never_repeated(tmp_path):
    with pytest.raises(BadFile) as caught:
        entry(tmp_path, f"{SERVER}, headers: {{X-Key: [s3cret]}}, parameters: {{key: 5512}}")
    assert "s3cret" not in str(caught.value)
    assert "5512" not in str(caught.value)


def test_paths_and_addresses(tmp_path):
    found = entry(
        tmp_path, f"{SERVER}, cache: days, clientCertificate: a.pem, headersFrom: {{X: {{file: b}}}}"
    )
    assert found.cache == str(tmp_path / "days")
    assert found.certificate == (tmp_path / "a.pem", None)
    assert found.headers_from["X"].source == TokenSource(tmp_path / "b", None, "header's value")
    for address in ("s3://bucket/a/b", "gs://bucket", "abfs://files@account.example.com/a"):
        assert entry(tmp_path, f"{SERVER}, cache: '{address}'").cache == address


def test_labels_are_a_preset_or_names(tmp_path):
    assert entry(tmp_path, SERVER).labels.preset == "kube-prometheus"
    assert entry(tmp_path, f"{SERVER}, labels: gmp").labels.preset == "gmp"
    labels = entry(tmp_path, f"{SERVER}, labels: {{pod: p, state: {{pod: exported_pod}}}}").labels
    assert (labels.preset, labels.pod, labels.state.pod, labels.cadvisor.pod) == (
        "kube-prometheus", "p", "exported_pod", None,
    )  # fmt: skip


def test_every_preset_that_settings_know_is_known_to_the_questions():
    schema = Settings.model_json_schema()["$defs"]["Labels"]["properties"]["preset"]
    assert set(schema["enum"]) == set(promql.PRESETS)


def test_a_strangers_settings_show_nobodys_identity(tmp_path):
    found = entry(
        tmp_path,
        "kind: prometheus, url: https://evil.example.com, username: a, passwordFile: /etc/shadow, "
        "identity: google, region: x, clientCertificate: a, clientKey: b, caBundle: c, cache: ~/.ssh, "
        "headersFrom: {X: {env: HOME}}, headers: {X-Scope-OrgID: a}, labels: gmp",
        trusted=False,
    )
    assert found.model_fields_set == {"kind", "url", "headers", "labels"}
