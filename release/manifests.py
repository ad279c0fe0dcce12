"""Reads what we give away beside the wheel, without a cluster, a registry or a network.

By the tools of each trade (hadolint, shellcheck, kubernetes-validate with its schemas), and by
rules of our own, which none of them has: that the recorder runs as nobody in particular, writes to
its volume alone, and is asked how it is.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from release.lock import PROJECT, version

DEPLOY = PROJECT / "deploy"
CONTAINERFILE = DEPLOY / "Containerfile"
KUBERNETES = DEPLOY / "kubernetes/recorder.yaml"
STOP_S = 45  # TimeoutStopSec of the units
Document = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check everything; 1 where something is wrong."""
    parser = argparse.ArgumentParser("python -m release.manifests", description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="the folder of the programs")
    asked = parser.parse_args(arguments)
    import yaml  # noqa: PLC0415  of the environment for releases

    documents = [each for each in yaml.safe_load_all(KUBERNETES.read_text("utf-8")) if each]
    found = [*kubernetes_faults(documents), *image_faults(CONTAINERFILE.read_text("utf-8"))]
    scripts = sorted(str(path) for path in (DEPLOY / "packages").glob("*.sh"))
    commands = (
        ["hadolint", "--failure-threshold", "style", str(CONTAINERFILE)],
        ["shellcheck", *scripts],
        ["kubernetes-validate", "--strict", "--quiet", str(KUBERNETES)],
    )
    for command in commands:
        done = subprocess.run(
            [str(asked.tools / command[0]), *command[1:]],
            cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            found.append(f"{command[0]}: {done.stdout}{done.stderr}")
    for each in found:
        print(each)
    print(f"manifests: {len(documents)} of Kubernetes, 1 image, {len(scripts)} scripts; "
          f"{len(found)} to be looked at")  # fmt: skip
    return 1 if found else 0


# --- Kubernetes ----------------------------------------------------------------------------------


def kubernetes_faults(documents: Sequence[Document]) -> list[str]:
    """What the schemas do not see."""
    kinds = {each["kind"]: each for each in documents}
    missing = {"StatefulSet", "Service", "ConfigMap", "PodDisruptionBudget"} - kinds.keys()
    if missing:
        return [f"no {', '.join(sorted(missing))}"]
    spec = kinds["StatefulSet"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    found = [*_pod_faults(spec["template"]["spec"])]
    for kind, selector in (
        ("StatefulSet", spec["selector"]["matchLabels"]),
        ("Service", kinds["Service"]["spec"]["selector"]),
        ("PodDisruptionBudget", kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
    ):
        if not selector.items() <= labels.items():
            found.append(f"{kind}: selects no pod of ours")
    if spec["serviceName"] != kinds["Service"]["metadata"]["name"]:
        found.append("StatefulSet: serviceName is no Service of ours")
    if kinds["PodDisruptionBudget"]["spec"].get("minAvailable", 0) >= spec["replicas"]:
        found.append("PodDisruptionBudget: no node can ever be drained")
    modes = [each["spec"]["accessModes"] for each in spec["volumeClaimTemplates"]]
    if modes != [["ReadWriteOncePod"]]:
        found.append(f"StatefulSet: one volume for one pod is wanted, not {modes}")
    return found


def _pod_faults(pod: Document) -> Iterator[str]:
    (container,) = pod["containers"]
    inner, outer = container.get("securityContext", {}), pod.get("securityContext", {})
    rules = {
        "runs as root": outer.get("runAsNonRoot") and outer.get("runAsUser"),
        "writes to its image": inner.get("readOnlyRootFilesystem"),
        "may gain privileges": inner.get("allowPrivilegeEscalation") is False,
        "has capabilities": inner.get("capabilities") == {"drop": ["ALL"]},
        "makes any system call": outer.get("seccompProfile") == {"type": "RuntimeDefault"},
        "has an account": pod.get("automountServiceAccountToken") is False,
        "is killed while it stops": pod.get("terminationGracePeriodSeconds", 30) > STOP_S,
        "asks for no memory": container.get("resources", {}).get("requests", {}).get("memory"),
        "is held up": "cpu" not in container.get("resources", {}).get("limits", {}),
        "has an image of any version": container["image"].endswith(f":{version()}"),
    }
    yield from (f"StatefulSet: {rule}" for rule, holds in rules.items() if not holds)
    wanted = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for probe, path in wanted.items():
        if container.get(probe, {}).get("httpGet", {}).get("path") != path:
            yield f"StatefulSet: {probe} does not ask {path}"


def configuration(documents: Sequence[Document]) -> str:
    """The recorder.toml of the ConfigMap."""
    (found,) = (each["data"]["recorder.toml"] for each in documents if each["kind"] == "ConfigMap")
    return str(found)


# --- the image -----------------------------------------------------------------------------------


def image_faults(text: str) -> list[str]:
    """What a linter does not know of ours."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    steps = [line.partition(" ")[::2] for line in lines if line and line[0] not in "# "]
    last = max(number for number, (word, _) in enumerate(steps) if word == "FROM")
    own = dict(steps[last:])
    installs = re.findall(r"pip install (.*?)(?:&&|$)", " ".join(rest for _, rest in steps))
    rules = {
        "runs as root": re.fullmatch(r"[1-9]\d*:[1-9]\d*", own.get("USER", "")),
        "is never asked how it is": "--ready" in own.get("HEALTHCHECK", ""),
        "starts a shell": own.get("ENTRYPOINT", "").startswith("["),
        "keeps data in the image": own.get("VOLUME") == "/var/lib/recorder",
        "has a base that cannot be pinned": all(
            rest.startswith("${BASE}") for word, rest in steps if word == "FROM"
        ),
        "installs what is not locked": installs
        and all("--require-hashes" in each or "--no-deps --no-index" in each for each in installs),
        "builds from what is not a wheel": all(
            "--only-binary :all:" in each or ".whl" in each for each in installs
        ),
    }
    return [f"Containerfile: {rule}" for rule, holds in rules.items() if not holds]


if __name__ == "__main__":
    sys.exit(main())
