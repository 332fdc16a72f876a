"""deploy/ is valid Kubernetes, asks for no rights, and its settings load the way a pod mounts them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from reconciler.config import Found, load_settings
from reconciler.config.written import read_policies
from reconciler.quantity import parse_memory
from reconciler.rendering.room import limits_here, workers_here

DEPLOY = Path(__file__).parents[2] / "deploy"
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
# From the oldest whose published schema has podFailurePolicy right to the newest there is.
VERSIONS = ["1.29", "1.31", "1.33", kubernetes_validate.latest_version()]

Object = dict[str, Any]


def objects(*names: str) -> list[Object]:
    return [found for name in names for found in yaml.safe_load_all((DEPLOY / name).read_text())]


def all_objects() -> list[Object]:
    return objects(*KUSTOMIZATION["resources"])


def only(kind: str, name: str) -> Object:
    found = [each for each in all_objects() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1
    return found[0]


def pod() -> Object:
    return only("CronJob", "reconciler")["spec"]["jobTemplate"]["spec"]["template"]


# ------------------------------------------------------------------------------- valid Kubernetes


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version: str) -> None:
    for found in (*all_objects(), *objects("secret.example.yaml")):
        kubernetes_validate.validate(found, version, strict=True)


def test_the_validation_notices_an_unknown_key() -> None:
    broken = only("CronJob", "reconciler")
    broken["spec"]["timezone"] = broken["spec"].pop("timeZone")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_the_kustomization_names_every_file_but_the_example() -> None:
    there = {path.name for path in DEPLOY.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(KUSTOMIZATION["resources"]) == there


def test_kustomize_builds_it_and_names_the_image() -> None:
    tools = f"{DEPLOY.parent / '.venv' / 'tools'}{os.pathsep}{os.environ.get('PATH', '')}"
    kubectl = shutil.which("kubectl", path=tools)  # where make test puts one
    if kubectl is None:
        pytest.skip("kubectl kustomize deploy/: install kubectl")
    words = [kubectl, "kustomize", str(DEPLOY)]
    built = list(yaml.safe_load_all(subprocess.run(words, check=True, capture_output=True).stdout))
    assert {found["kind"] for found in built} == {found["kind"] for found in all_objects()}
    [job] = [found for found in built if found["kind"] == "CronJob"]
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    [image] = KUSTOMIZATION["images"]
    assert container["image"] == f"{image['newName']}:{image['newTag']}"


def test_everything_lies_in_one_namespace() -> None:
    for found in (*all_objects(), *objects("secret.example.yaml")):
        where = "name" if found["kind"] == "Namespace" else "namespace"
        assert found["metadata"][where] == "reconciler"


def test_names_that_refer_to_each_other_agree() -> None:
    spec = pod()["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {mount["name"] for mount in spec["containers"][0]["volumeMounts"]} == set(volumes)
    for name in ("settings", "policies"):
        assert only("ConfigMap", volumes[name]["configMap"]["name"])
    [secret] = objects("secret.example.yaml")
    assert volumes["secrets"]["secret"]["secretName"] == secret["metadata"]["name"]
    assert only("ServiceAccount", spec["serviceAccountName"])
    selected = only("NetworkPolicy", "reconciler")["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= pod()["metadata"]["labels"].items()


# ------------------------------------------------------------------------------- no rights


def test_no_rights_in_the_cluster() -> None:
    kinds = {found["kind"] for found in all_objects()}
    assert kinds == {"Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy", "CronJob"}
    assert only("ServiceAccount", "reconciler")["automountServiceAccountToken"] is False
    assert pod()["spec"]["automountServiceAccountToken"] is False


def test_the_pod_meets_the_restricted_standard() -> None:
    spec = pod()["spec"]
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        assert not spec.get(key)
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["containers"], *spec.get("initContainers", [])):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    [namespace] = [found for found in all_objects() if found["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_only_throwaway_volumes_can_be_written() -> None:
    spec = pod()["spec"]
    writable = {mount["name"] for mount in spec["containers"][0]["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {volume["name"] for volume in spec["volumes"] if "emptyDir" in volume}


def test_the_token_is_a_file_that_the_group_reads() -> None:
    [secret] = [volume["secret"] for volume in pod()["spec"]["volumes"] if "secret" in volume]
    assert secret["defaultMode"] == 0o440
    assert pod()["spec"]["securityContext"]["fsGroup"] == pod()["spec"]["securityContext"]["runAsGroup"]
    [container] = pod()["spec"]["containers"]
    assert "envFrom" not in container
    assert all("valueFrom" not in variable for variable in container["env"])


def test_a_run_ends_and_never_meets_itself() -> None:
    spec = only("CronJob", "reconciler")["spec"]
    job = spec["jobTemplate"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] >= 10  # below, the controller may miss every start
    assert spec["timeZone"] == "Etc/UTC"
    assert job["activeDeadlineSeconds"] <= 3600
    [rule] = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == pod()["spec"]["containers"][0]["name"]
    assert rule["onExitCodes"]["values"] == [2, 3]
    assert pod()["spec"]["restartPolicy"] == "Never"  # podFailurePolicy needs it


def test_the_network_policy_leaves_what_the_settings_need() -> None:
    spec = only("NetworkPolicy", "reconciler")["spec"]
    ports = {(port["protocol"], port["port"]) for rule in spec["egress"] for port in rule["ports"]}
    assert ports == {("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 22), ("TCP", 9090)}
    assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
    assert spec["ingress"] == []


# ------------------------------------------------------------------------------- the settings


def mounted(root: Path, mount: Object, files: dict[str, str]) -> Path:
    """What the kubelet makes of a ConfigMap or Secret: links to a dated folder, by way of `..data`."""
    folder = root / mount["mountPath"].lstrip("/")
    dated = folder / "..2026_01_05_05_17_00.123456789"
    dated.mkdir(parents=True)
    (folder / "..data").symlink_to(dated.name)
    for name, text in files.items():
        (dated / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The file system of the pod, as far as it is mounted from ConfigMaps."""
    mounts = {mount["name"]: mount for mount in pod()["spec"]["containers"][0]["volumeMounts"]}
    for name in ("settings", "policies"):
        mounted(tmp_path, mounts[name], only("ConfigMap", f"reconciler-{name}")["data"])
    return tmp_path


def test_the_settings_load_where_the_pod_looks_for_them(image: Path) -> None:
    variables = {each["name"]: each["value"] for each in pod()["spec"]["containers"][0]["env"]}
    path = image / variables["RECONCILE_CONFIG"].lstrip("/")
    settings = load_settings(Found(path, True))
    assert [repository.branch for repository in settings.repositories] == ["main"]
    assert [forge.kind for forge in settings.forges] == ["gitlab"]
    assert settings.notes == ()
    assert settings.policies is not None
    assert os.path.samefile(settings.policies, image / "etc/reconciler/policies")


def test_the_token_file_of_the_settings_is_a_key_of_the_secret(image: Path) -> None:
    settings = load_settings(Found(image / "etc/reconciler/settings/reconcile.yaml", True))
    [mount] = [m for m in pod()["spec"]["containers"][0]["volumeMounts"] if m["name"] == "secrets"]
    [secret] = objects("secret.example.yaml")
    token = settings.forges[0].token
    assert token is not None
    assert token.file is not None
    assert token.file.parent == Path(mount["mountPath"])
    assert token.file.name in secret["stringData"]


def test_the_commented_keys_of_the_settings_are_known_too(image: Path) -> None:
    path = image / "etc/reconciler/settings/reconcile.yaml"
    text = path.read_text()
    tail = text[text.index("# network:") :].replace("# ", "", 1).replace("\n# ", "\n")
    other = path.parent / "all.yaml"
    other.write_text(text[: text.index("# network:")] + tail)
    network = load_settings(Found(other, True)).network
    assert {str(found) for found in (network.ca_bundle, network.ssh_key, network.known_hosts)} == {
        f"/run/secrets/reconciler/{name}" for name in ("ca.crt", "ssh-key", "known-hosts")
    }


def test_the_metrics_that_are_commented_out_load(image: Path) -> None:
    path = image / "etc/reconciler/settings/reconcile.yaml"
    text = path.read_text()
    begin, end = text.index("metrics:\n"), text.index("# Charts and overlays")
    entry = re.sub(r"(?m)^    # ", "    ", text[begin:end]).replace("http://", "https://")
    other = path.parent / "metrics.yaml"
    other.write_text(text[:begin] + entry + text[end:])
    [found] = load_settings(Found(other, True)).metrics
    assert found.token is not None
    assert str(found.token.file) == "/run/secrets/reconciler/metrics-token"
    assert (found.labels.preset, found.cache) == ("exported", "s3://reconciler-usage/main")


def test_the_token_of_the_service_account_fits_into_the_pod() -> None:
    """The volume that docs/install.md has for metrics servers that ask the cluster who asks."""
    page = (DEPLOY.parent / "docs" / "install.md").read_text()
    section = page.split("### The metrics server")[1].split("\n### ")[0]
    volume, mount = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section, re.S))
    job = only("CronJob", "reconciler")
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    spec["volumes"] += volume
    spec["containers"][0]["volumeMounts"] += mount
    assert mount[0]["name"] == volume[0]["name"]
    for version in VERSIONS:
        kubernetes_validate.validate(job, version, strict=True)
    for path in ("token", "service-ca.crt"):
        assert f"/run/secrets/metrics/{path}" in (DEPLOY.parent / "docs" / "metrics.md").read_text()


def test_the_rendering_that_is_commented_out_loads(image: Path) -> None:
    path = image / "etc/reconciler/settings/reconcile.yaml"
    text = path.read_text()
    begin, end = text.index("# rendering:"), text.index("# The other ConfigMap")
    other = path.parent / "rendering.yaml"
    other.write_text(text[:begin] + text[begin:end].replace("# ", "", 1).replace("\n# ", "\n") + text[end:])
    rendering = load_settings(Found(other, True)).rendering
    assert rendering.hosts == tuple(one.host for one in rendering.registries)
    assert str(rendering.registries[0].password_file) == "/run/secrets/reconciler/charts-password"
    assert rendering.build_options == ("--enable-helm",)


def test_a_render_can_not_take_the_memory_of_the_whole_run(tmp_path: Path) -> None:
    """And more than one fit side by side."""
    limit = pod()["spec"]["containers"][0]["resources"]["limits"]["memory"]
    (tmp_path / "memory.max").write_text(str(parse_memory(limit)))
    assert limits_here(30, tmp_path).memory * 4 <= parse_memory(limit)
    assert workers_here(tmp_path) >= min(2, workers_here(tmp_path / "none"))


def test_the_policies_load_once_each(image: Path) -> None:
    folder = image / "etc/reconciler/policies"
    names = sorted(policy.name for policy in read_policies(folder))
    assert names == ["development", "first-weeks", "production-data"]
