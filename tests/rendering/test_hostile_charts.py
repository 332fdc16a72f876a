"""Charts that want more than to be rendered."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from charts import chart, packed, request
from listener import listening

from reconciler.model import Reason, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.sandbox import Limits, run
from reconciler.rendering.schemas import leads_outside
from reconciler.rendering.tools import Tool, Tools
from reconciler.rendering.tree import temporary_tree, write_files
from reconciler.rendering.walls import NO_WALLS, Walls
from reconciler.source.render import HelmRequest, Parameter, Rendered

TIGHT = Limits(seconds=1.0, output=2 << 20, memory=400 << 20)


@pytest.fixture
def tight(tools: Tools, walls: Walls) -> ProgramRenderer:
    return ProgramRenderer(tools, walls, TIGHT)


@pytest.mark.parametrize(
    "template",
    [
        "{{ range until 10000000 }}{{ range until 10000000 }}{{ end }}{{ end }}",
        '{{ repeat 3000000 "a long line of text" }}',
        '{{ repeat 2000000000 "a long line of text" }}',
        '{{ define "x" }}{{ range until 200 }}{{ template "x" }}{{ end }}{{ end }}{{ template "x" }}',
        '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}',
        '{{ $x := "abcdefgh" }}{{ range until 60 }}{{ $x = print $x $x }}{{ end }}',
        "{{ genPrivateKey `rsa` | len }}{{ range until 100000 }}{{ $x := genPrivateKey `rsa` }}{{ end }}",
    ],
)
def test_bombs_end_with_a_reason(tight: ProgramRenderer, template: str) -> None:
    begun = time.monotonic()
    answer = tight.render(request(chart(template)))
    assert isinstance(answer, Refused), len(answer.text)
    assert answer.reason in (Reason.RENDER_LIMIT, Reason.RENDER_FAILED)
    assert answer.detail.isprintable()
    assert time.monotonic() - begun < TIGHT.seconds + 4


def test_yaml_bombs_in_values_end_with_a_reason(tight: ProgramRenderer) -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]" for n in range(12)]
    answer = tight.render(request(chart("a: {{ .Values | toJson | len }}"), "\n".join(rows)))
    assert isinstance(answer, Refused)


def test_files_outside_the_chart_are_not_there(renderer: ProgramRenderer, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    outside = f"{'../' * 12}{tmp_path}/secret"
    template = f"""
        a: {{{{ .Files.Get "{tmp_path}/secret" | quote }}}}
        b: {{{{ .Files.Get "{outside}" | quote }}}}
        c: {{{{ .Files.Get "../values/0.yaml" | quote }}}}
        d: {{{{ range $path, $_ := .Files.Glob "/**" }}}}{{{{ $path }}}} {{{{ end }}}}
    """
    answer = renderer.render(request(chart(template), "token: hunter2"))
    assert isinstance(answer, Rendered)
    assert "hunter2" not in answer.text


def test_the_surroundings_are_not_in_templates(
    renderer: ProgramRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNTER", "hunter2")
    for call in ('env "HUNTER"', 'expandenv "$HUNTER"'):
        answer = renderer.render(request(chart(f"a: {{{{ {call} }}}}")))
        assert isinstance(answer, Refused)
        assert "hunter2" not in answer.detail


def schema(url: str) -> bytes:
    return f'{{"$schema": "{url}/s", "$ref": "{url}/schema.json"}}'.encode()


def asking(port: int) -> HelmRequest:
    """A chart that names a server wherever one can be named."""
    url = f"http://127.0.0.1:{port}"
    template = f"""
        a: {{{{ lookup "v1" "Secret" "kube-system" "" | toJson | quote }}}}
        b: {{{{ getHostByName "localhost" | quote }}}}
        c: {{{{ .Files.Get "{url}/x" | quote }}}}
        d: {{{{ .Values | toJson | quote }}}}
    """
    files = chart(template) | {
        "Chart.yaml": f"apiVersion: v2\nname: web\nversion: 0.1.0\nicon: {url}/icon\n"
        f"dependencies: [{{name: sub, version: 1.x, repository: '{url}', condition: sub.on}}]\n".encode(),
        "charts/sub/Chart.yaml": f"apiVersion: v2\nname: sub\nversion: 1.0.0\nsources: ['{url}']\n".encode(),
        "values.schema.json": schema(url),
        "charts/packed-1.0.0.tgz": packed(
            {
                "Chart.yaml": b"apiVersion: v2\nname: packed\nversion: 1.0.0\n",
                "values.schema.json": schema(url),
            }
        ),
    }
    return request(files, f"url: {url}/values.yaml")


def test_nobody_is_asked_for_anything(
    renderer: ProgramRenderer, walls: Walls, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not walls.without_network:
        pytest.skip("THIS KERNEL HAS NO WALL AGAINST THE NETWORK: flags alone keep helm from it")
    with listening() as listener:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{listener.port}")
        asked = asking(listener.port)
        answer = renderer.render(asked)
        assert isinstance(answer, Refused)  # for the schema that is packed
        assert answer.reason is Reason.REMOTE_BASE
        plain = {path: data for path, data in asked.chart.items() if not path.endswith(".tgz")}
        answer = renderer.render(asked._replace(chart=plain))
        assert isinstance(answer, Rendered), answer
        time.sleep(0.1)
    assert listener.heard == []


def test_nobody_is_asked_where_there_are_no_walls(tools: Tools) -> None:
    with listening() as listener:
        answer = ProgramRenderer(tools, NO_WALLS).render(asking(listener.port))
        assert isinstance(answer, Rendered), answer
        time.sleep(0.1)
    assert listener.heard == []


def test_the_listener_would_hear_it(helm: Tool) -> None:
    """helm alone does ask, so that the silence above means something."""
    with listening() as listener, temporary_tree() as tree:
        write_files(tree / "chart", asking(listener.port).chart)
        run([str(helm.path), "template", "x", "./chart"], tree, TIGHT, NO_WALLS, [helm.path])
        time.sleep(0.1)
    assert listener.heard


@pytest.mark.parametrize(
    ("reference", "outside"),
    [
        ('{"$ref": "#/definitions/x"}', False),
        ('{"$schema": "http://json-schema.org/draft-07/schema#"}', False),
        ('{"$schema": "https://json-schema.org/draft/2020-12/schema"}', False),
        ('{"properties": {"$ref": {"type": "string"}}}', False),
        ('{"description": "see https://example.com"}', False),
        ('{"$ref": "https://example.com/x.json"}', True),
        ('{"a": [{"\\u0024ref": "https://example.com/x.json"}]}', True),
        ('{"$ref": "file:///etc/passwd"}', True),
        ('{"$ref": "../other.json"}', True),
        ('{"$schema": "https://json-schema.org/evil"}', True),
        ("[" * 100_000, True),
        ("{", False),
    ],
)
def test_schemas_that_lead_outside(reference: str, outside: bool) -> None:
    assert leads_outside(reference.encode()) is outside


def test_a_schema_that_leads_nowhere_else_holds_beside_one_that_does(renderer: ProgramRenderer) -> None:
    files = chart("a: 1", "it: word", charts__sub__Chart_yaml="apiVersion: v2\nname: sub\nversion: 1.0.0\n")
    files["charts/sub/values.schema.json"] = schema("https://example.com")
    files["values.schema.json"] = b'{"properties": {"it": {"type": "integer"}}}'
    answer = renderer.render(request(files))
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.RENDER_FAILED


def test_no_plugin_is_run(renderer: ProgramRenderer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugin = tmp_path / "plugins" / "spy"
    plugin.mkdir(parents=True)
    mark = tmp_path / "mark"
    (plugin / "plugin.yaml").write_text(
        "name: spy\nversion: 0.1.0\ncommand: '$HELM_PLUGIN_DIR/spy'\n"
        "downloaders: [{command: spy, protocols: [secrets]}]\n"
    )
    (plugin / "spy").write_text(f"#!/bin/sh\ntouch {mark}\n")
    os.chmod(plugin / "spy", 0o755)
    monkeypatch.setenv("HELM_PLUGINS", str(plugin.parent))
    monkeypatch.setenv("HELM_DATA_HOME", str(tmp_path))
    assert isinstance(renderer.render(request(chart("a: 1"))), Rendered)
    assert not mark.exists()


def test_many_long_parameters_are_refused_not_raised(renderer: ProgramRenderer) -> None:
    long = "y" * (4 << 20)
    answer = renderer.render(request(chart("a: 1"), parameters=(Parameter("x", f"{{{long}}}"),)))
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.RENDER_LIMIT
    assert isinstance(renderer.render(request(chart("a: 1"), parameters=(Parameter("x", "a\0b"),))), Refused)
    answer = renderer.render(request(chart("a: {{ len .Values.x }}"), parameters=(Parameter("x", long),)))
    assert isinstance(answer, Rendered)
    assert answer.text.endswith(f"a: {len(long)}\n")
