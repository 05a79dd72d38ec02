"""Each file of deploy/ is taken by the program it is for, and names only what clinpipe has.

promtool, amtool, prometheus-blackbox-exporter and caddy come from Debian's packages (`.ci/run` fetches them); a missing one is a failure.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import clinpipe

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PATIENT = {
    "patient_id": "P-0001", "age": 84, "gender": "Male", "treatment_group": "Active", "trial_phase": "Phase II",
    "days_in_trial": 90, "visits_completed": 4, "last_visit_day": 80, "adverse_events": 1,
}
KEY = "a-key-for-this-test-alone"
# Of Prometheus itself, the blackbox exporter and kube-state-metrics.
FOREIGN = {"up", "ALERTS", "probe_success", "probe_ssl_earliest_cert_expiry", "kube_job_status_failed", "kube_cronjob_status_last_successful_time"}
FOREIGN_LABELS = {"job", "instance"}
WORDS = {
    "abs", "and", "by", "changes", "count", "group_left", "histogram_quantile", "ignoring", "increase", "label_replace", "max", "min", "offset",
    "on", "or", "rate", "sum", "time", "unless", "vector", "without",
}


def run(*command, check=True, **environment):
    """Runs a checker that has to be there; with `check`, what it says is shown when it refuses."""
    command = list(map(str, command))
    assert shutil.which(command[0]), f"{command[0]} is not here; .ci/run says where it comes from"
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert not check or done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done


def python_tool(name):
    return Path(sys.executable).with_name(name)


def manifests():
    """Every object of deploy/kubernetes, with its file."""
    files = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
    return [(path, document) for path in files for document in yaml.safe_load_all(path.read_text())]


def expressions():
    """Every PromQL expression of the rules and the dashboard, with where it stands."""
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
            yield variable["name"], metric[1]


def selectors(expression):
    """Metrics of an expression, each with the labels it is asked for."""
    expression = re.sub(r"\[[^\]]*\]", "", re.sub(r'"[^"]*"', '""', expression))
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left)\s*\([^)]*\)", " ", expression)
    found = []
    for name, matchers in re.findall(r"(?<![\w.$])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?", bare):
        if name not in WORDS:
            found.append((name, set(re.findall(r"(\w+)\s*[=!]~?", matchers))))
    return found


@pytest.fixture(scope="module")
def exported(services, tmp_path_factory):
    """Metrics and their labels, of a service with keys that has answered, refused, recorded and reloaded."""
    from service import Service

    record = tmp_path_factory.mktemp("record") / "predictions.jsonl"
    service = Service(services.study("dropout"), KEY, ["--predictions", record])
    assert service.ask("/predict", PATIENT)[0] == 200
    assert service.ask("/predict", {**PATIENT, "days_in_trial": 999, "last_visit_day": 990})[0] == 200
    assert service.ask("/predict", {})[0] == 422
    service.process.send_signal(1)
    text = ""
    for _ in range(100):
        text = service.ask("/metrics")[2].decode()
        if "model_reloads_total" in text:
            break
    service.stop()
    families = {}
    for name, labels in re.findall(r"^([a-z_]+)(\{.*\})? \S+$", text, re.M):
        families.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    assert "input_warnings_total" in families, text
    # What a test cannot bring about at will, and numbers, which another study has.
    source = (ROOT / "src/serve/metrics/mod.rs").read_text()
    for name, labels in {"connections_turned_away_total": {"reason"}, "predicted_value": {"model_version"}}.items():
        assert f'"{name}"' in source
        for suffix in ["", "_bucket", "_sum", "_count"]:
            families.setdefault(name + suffix, set()).update(labels | ({"le"} if suffix == "_bucket" else set()))
    return families


def test_every_metric_and_label_is_one_that_the_service_exports(exported):
    seen = set()
    for where, expression in expressions():
        assert selectors(expression), where
        for name, labels in selectors(expression):
            if name in FOREIGN:
                continue
            assert name in exported, f"{where}: no such metric: {name}"
            seen.add(name)
            unknown = labels - exported[name] - FOREIGN_LABELS
            assert not unknown, f"{where}: {name} has no label {unknown}"
            if not re.search(r"\bALERTS|kube_", expression):
                grouped = {label for inner in re.findall(r"\bby\s*\(([^)]*)\)", expression) for label in re.findall(r"\w+", inner)}
                known = set().union(*(exported.get(other, set()) for other, _ in selectors(expression))) | FOREIGN_LABELS
                assert grouped <= known, f"{where}: no label {grouped - known}"
    assert len(seen) > 20, seen


def test_a_renamed_metric_or_label_would_be_noticed(exported):
    assert selectors('sum by (le) (rate(a_total{job="x{", status=~"5.."}[5m])) / b > 0.5') == [("a_total", {"job", "status"}), ("b", set())]
    assert "http_requests" not in exported and "code" not in exported["http_requests_total"]


def test_rules_are_taken_and_fire_as_said():
    rules = DEPLOY / "prometheus/alerts.yml"
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)
    run("promtool", "test", "rules", DEPLOY / "prometheus/alerts.test.yml")
    tested = (DEPLOY / "prometheus/alerts.test.yml").read_text()
    for rule in [rule for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]]:
        assert rule["alert"] in tested, f"{rule['alert']} has no test"
        assert rule["labels"]["severity"] in {"critical", "warning", "info", "escalated"}
        assert {"summary", "action"} <= rule["annotations"].keys(), rule["alert"]


def test_prometheus_and_the_prober_take_their_configuration():
    run("promtool", "check", "config", DEPLOY / "prometheus/prometheus.yml")
    run("prometheus-blackbox-exporter", "--config.check", f"--config.file={DEPLOY / 'prometheus/blackbox.yml'}")


def test_alerts_reach_who_answers_for_them():
    config = DEPLOY / "alertmanager/alertmanager.yml"
    run("amtool", "check-config", config)
    for severity, receiver in {"critical": "on-call", "warning": "team", "info": "team", "escalated": "responsible"}.items():
        run("amtool", "config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receiver}", f"severity={severity}")
    repeats = {str(route["matchers"]): route["repeat_interval"] for route in yaml.safe_load(config.read_text())["route"]["routes"]}
    assert [repeats[f"['severity=\"{name}\"']"] for name in ["info", "warning", "critical"]] == ["24h", "4h", "1h"]


@pytest.mark.parametrize("certificates", ["internal", "files"])
def test_the_proxy_takes_its_configuration(certificates, tmp_path):
    tls = "internal"
    if certificates == "files":
        # The proxy's settings are words, so a path with a space cannot be one of them.
        keys = tmp_path / "tls"
        keys.symlink_to(ROOT / "tests/it/tls")
        tls = f"{keys / 'first-cert.pem'} {keys / 'first-key.pem'}"
    environment = {"SITE_HOST": "localhost", "SITE_TLS": tls, "HOME": str(tmp_path)}
    run("caddy", "validate", "--adapter", "caddyfile", "--config", DEPLOY / "compose/Caddyfile", **environment)


def test_workflows_and_compose_follow_their_schemas():
    run(python_tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *(ROOT / ".github/workflows").glob("*.yml"))
    run(python_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose/compose.yaml")


def test_manifests_follow_the_schema_of_kubernetes():
    files = {path for path, _ in manifests()}
    run(python_tool("kubernetes-validate"), "--strict", "--version", "1.33", *sorted(files))
    listed = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())["resources"]
    assert {path.name for path in files} == {*listed, "secret.template.yaml", "threshold.yaml"}
    assert all((DEPLOY / "kubernetes" / name).is_file() for name in listed)


def test_pods_have_no_rights_and_the_service_its_probes():
    kinds = {(document["kind"], document["metadata"]["name"]): document for path, document in manifests() if path.name != "threshold.yaml"}
    service = kinds["Deployment", "clinpipe"]["spec"]
    job = kinds["CronJob", "clinpipe-monitor"]["spec"]["jobTemplate"]["spec"]
    for pod in [service["template"]["spec"], job["template"]["spec"]]:
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            assert {"cpu", "memory"} == container["resources"]["limits"].keys() == container["resources"]["requests"].keys()
        claims = {volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume}
        assert all(("PersistentVolumeClaim", claim) in kinds for claim in claims)
    (container,) = service["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez" and container["readinessProbe"]["httpGet"]["path"] == "/health"
    grace = service["template"]["spec"]["terminationGracePeriodSeconds"]
    drain = int(kinds["ConfigMap", "clinpipe"]["data"]["CLINPIPE_DRAIN"])
    assert grace > container["lifecycle"]["preStop"]["sleep"]["seconds"] + drain
    labels = service["template"]["metadata"]["labels"].items()
    for selector in [kinds["Service", "clinpipe"]["spec"]["selector"], service["selector"]["matchLabels"]]:
        assert selector.items() <= labels
    scaler = kinds["HorizontalPodAutoscaler", "clinpipe"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)
    assert scaler["scaleTargetRef"]["name"] == "clinpipe"


def test_images_run_without_rights_and_are_clean():
    for name in ["Dockerfile", "model.Dockerfile"]:
        run(python_tool("hadolint"), "--strict-labels", DEPLOY / name)
    text = (DEPLOY / "Dockerfile").read_text()
    assert "USER 65532:65532" in text and 'CMD ["clinpipe", "serve", "probe"]' in text
    # The build needs every file that the program has inside it.
    ignored = [line.rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    embedded = set(re.findall(r'"([\w./-]+\.(?:md|yaml|lock))"', (ROOT / "src/templates.rs").read_text()))
    roots = {Path(name).parts[0] for name in embedded if (ROOT / name).exists()}
    kept = {line[1:].split("/")[0] for line in ignored if line.startswith("!")}
    assert all(root in kept or (root.endswith(".yaml") and "*.yaml" in kept) or root == "README.md" for root in roots), roots - kept


def test_the_trial_of_an_image_finds_what_works_and_what_does_not(tmp_path):
    stand_in = {"DOCKER": str(Path(__file__).with_name("no_container")), "STATE": str(tmp_path)}
    assert "any works" in run(DEPLOY / "smoke", "any", **stand_in).stdout
    # A service that any key opens is no success.
    script = tmp_path / "smoke"
    script.write_text((DEPLOY / "smoke").read_text().replace("expect 401", "expect 200"))
    script.chmod(0o755)
    assert "200 was expected, 401 came" in run(script, "any", check=False, **stand_in).stderr


def variables(value):
    """Every variable of clinpipe that is named in a text."""
    return set(re.findall(r"\bCLINPIPE_[A-Z_]+\b", value))


def test_every_variable_is_a_setting():
    table = (ROOT / "docs/serving.md").read_text().split("<!-- settings -->")[1]
    known = variables(table) | {"CLINPIPE_ACTOR"}
    for path in sorted(path for path in DEPLOY.rglob("*") if path.is_file()):
        for name in variables(path.read_text()):
            level = name.startswith("CLINPIPE_RISK_THRESHOLD_")
            assert name in known or level, f"{path.relative_to(ROOT)}: {name} is no setting"


@pytest.mark.parametrize("names", [["configmap.yaml"], ["configmap.yaml", "threshold.yaml"]])
def test_the_service_takes_the_config_map(names, services, tmp_path):
    data = {}
    for name in names:
        data |= yaml.safe_load((DEPLOY / "kubernetes" / name).read_text())["data"]
    (tmp_path / "log.key").write_text("a key of enough bytes for a log")
    made = clinpipe("serve", "key", "new", "--name", "ward")
    (tmp_path / "keys.yaml").write_text(made.stderr.splitlines()[-1])
    here = {
        "CLINPIPE_BUNDLE": services.study("dropout") / "artifacts/bundle",
        "CLINPIPE_KEYS": tmp_path / "keys.yaml",
        "CLINPIPE_PREDICTIONS_KEY_FILE": tmp_path / "log.key",
        "CLINPIPE_HOST": "0.0.0.0",
        "CLINPIPE_PORT": "0",
        "CLINPIPE_PREDICTIONS_FILE": tmp_path / "pod.jsonl",
    }
    assert data.keys() & here.keys() == {"CLINPIPE_BUNDLE", "CLINPIPE_KEYS", "CLINPIPE_PREDICTIONS_KEY_FILE"}
    environment = {name: str(value) for name, value in (data | here).items()}
    done = clinpipe("serve", "--check", cwd=tmp_path, env={"PATH": os.environ["PATH"], **environment})
    said = done.stdout + done.stderr
    # TLS is the affair of what stands before the service.
    assert [line for line in said.splitlines() if "warning" in line and "unencrypted" not in line] == [], said
    assert ("threshold = 0.3" in said) == ("threshold.yaml" in names), said


def test_the_dashboard_is_whole():
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        place = panel["gridPos"]
        covered = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not covered & cells, panel["title"]
        cells |= covered
        assert panel["type"] == "row" or panel["targets"], panel["title"]
    names = {variable["name"] for variable in dashboard["templating"]["list"]} | {"__rate_interval"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - {"__all"}
    assert used <= names, used - names
    provisioned = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/clinpipe.yaml").read_text())
    compose = (DEPLOY / "compose/compose.yaml").read_text()
    assert provisioned["providers"][0]["options"]["path"] in compose
