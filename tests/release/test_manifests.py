"""The rules of our own see what a linter and a schema let pass; what we give away keeps them.

The linters themselves run by `make manifests`.
"""

import copy
import re
import textwrap

import pytest

from recorder import config, errors
from release import lock, manifests

TEXT = manifests.CONTAINERFILE.read_text(encoding="utf-8")
KUBERNETES = manifests.KUBERNETES.read_text(encoding="utf-8")
LABELS = {"app.kubernetes.io/name": "recorder"}


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        (r"USER 10001:10001", "USER root", "runs as root"),
        (r"USER 10001:10001", "USER 0:0", "runs as root"),
        (r"HEALTHCHECK .*\n.*", "", "is never asked how it is"),
        (r"ENTRYPOINT .*", "ENTRYPOINT recorder", "starts a shell"),
        (r"VOLUME .*", "", "keeps data in the image"),
        (r"FROM \$\{BASE\}\n", "FROM python:3.13\n", "has a base that cannot be pinned"),
        (r"--require-hashes ", "", "installs what is not locked"),
        (r"--only-binary :all: ", "", "builds from what is not a wheel"),
    ],
)
def test_an_image_that_is_spoilt_is_told(line: str, instead: str, told: str) -> None:
    spoilt, count = re.subn(line, instead, TEXT)
    assert count
    assert manifests.image_faults(spoilt) == [f"Containerfile: {told}"]


def test_the_image_keeps_the_rules() -> None:
    assert manifests.image_faults(TEXT) == []


def documents() -> list[dict]:
    """The least that keeps the rules."""
    probe = {"httpGet": {"path": "/livez"}}
    container = {
        "image": f"registry.example/recorder:{lock.version()}",
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]}},
        "startupProbe": probe, "livenessProbe": copy.deepcopy(probe),
        "readinessProbe": {"httpGet": {"path": "/readyz"}},
        "resources": {"requests": {"memory": "1Gi"}},
    }  # fmt: skip
    pod = {
        "containers": [container],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001,
                            "seccompProfile": {"type": "RuntimeDefault"}},
    }  # fmt: skip
    stateful = {
        "replicas": 2, "serviceName": "recorder", "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": pod},
        "volumeClaimTemplates": [{"spec": {"accessModes": ["ReadWriteOncePod"]}}],
    }  # fmt: skip
    return [
        {"kind": "StatefulSet", "spec": stateful},
        {"kind": "Service", "metadata": {"name": "recorder"}, "spec": {"selector": LABELS}},
        {"kind": "PodDisruptionBudget", "spec": {"minAvailable": 1,
                                                 "selector": {"matchLabels": dict(LABELS)}}},
        {"kind": "ConfigMap", "data": {"recorder.toml": 'data = "data"'}},
    ]  # fmt: skip


POD = (0, "spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
VOLUME = (0, "spec", "volumeClaimTemplates", 0, "spec")


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ((*POD, "securityContext", "runAsNonRoot"), False, "runs as root"),
        ((*POD, "securityContext", "runAsUser"), 0, "runs as root"),
        ((*POD, "securityContext", "seccompProfile"), None, "makes any system call"),
        ((*POD, "automountServiceAccountToken"), True, "has an account"),
        ((*POD, "terminationGracePeriodSeconds"), 30, "is killed while it stops"),
        ((*CONTAINER, "securityContext", "readOnlyRootFilesystem"), False, "writes to its image"),
        ((*CONTAINER, "securityContext", "allowPrivilegeEscalation"), True, "may gain privileges"),
        ((*CONTAINER, "securityContext", "capabilities"), {}, "has capabilities"),
        ((*CONTAINER, "image"), "recorder:latest", "has an image of any version"),
        ((*CONTAINER, "resources"), {}, "asks for no memory"),
        ((*CONTAINER, "resources", "limits"), {"cpu": 1}, "is held up"),
        ((*CONTAINER, "readinessProbe", "httpGet", "path"), "/livez", "readinessProbe does not"),
        ((*CONTAINER, "livenessProbe", "httpGet", "path"), "/readyz", "livenessProbe does not"),
        ((*CONTAINER, "startupProbe"), {}, "startupProbe does not"),
        ((0, "spec", "serviceName"), "other", "serviceName is no Service"),
        ((0, "spec", "replicas"), 1, "no node can ever be drained"),
        (
            (0, "spec", "volumeClaimTemplates", 0, "spec", "accessModes"),
            ["ReadWriteMany"],
            "one volume",
        ),
        ((1, "spec", "selector"), {"app": "other"}, "Service: selects no pod"),
        ((2, "spec", "selector", "matchLabels"), {"app": "other"}, "selects no pod"),
        ((2, "kind"), "Pod", "no PodDisruptionBudget"),
    ],
)
def test_a_manifest_that_is_spoilt_is_told(path: tuple, value: object, told: str) -> None:
    found = documents()
    assert manifests.kubernetes_faults(found) == []
    place = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (fault,) = manifests.kubernetes_faults(found)
    assert told in fault


def test_the_recorder_takes_the_configuration_of_the_manifest() -> None:
    """The text of the ConfigMap, as YAML indents it."""
    (block,) = re.findall(r"^  recorder\.toml: \|\n((?:    .*\n|\n)+)", KUBERNETES, re.MULTILINE)
    found = config.parse(textwrap.dedent(block), None)
    assert str(found.data).startswith("/var/lib/recorder/")
    assert found.http.insecure, "probes of the node would not reach it"
    with pytest.raises(errors.ConfigError):
        config.parse(textwrap.dedent(block) + "nothing = 1\n", None)


def test_what_is_told_of_the_version_is_so() -> None:
    assert f"image: registry.example/recorder:{lock.version()}\n" in KUBERNETES
