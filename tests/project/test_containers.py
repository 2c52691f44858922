"""The images and how they are run: what the files promise, and with Docker at hand, what happens.

The tests marked `docker` build the images, which takes minutes the first time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command import command
from support.repository import ROOT, SAMPLE

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LOCKS = ROOT / "requirements"
TARGETS = ["test", "jupyter", "spark", "app"]
MEGABYTE = 1_000_000
# No cache, nothing of the repository but the package, no secret, no data.
UNWANTED = ["*/pip/http*", "/var/lib/apt/lists/*Packages*", "*/.git", "*/.env", "*/data-output"]
# Somebody whom no image knows.
USER = GROUP = 4321


def instructions(target: str) -> list[str]:
    """The instructions of one stage of the Dockerfile, one a line."""
    joined = re.sub(r"\s*\\\n\s*", " ", DOCKERFILE)
    stages = re.split(r"^(?=FROM )", joined, flags=re.MULTILINE)
    (stage,) = [text for text in stages if re.match(rf"FROM \S+ AS {target}\n", text)]
    return [line for line in stage.splitlines() if line and not line.startswith("#")]


def document(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package in a lock."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^(\S+)==(\S+)", (LOCKS / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


# ---------------------------------------------------------------- the files


def test_one_base_image_and_nothing_that_an_old_docker_cannot_build() -> None:
    froms = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    stages = {name for _, name in froms}
    assert {image for image, _ in froms if image not in stages} == {"python:3.11-slim-bookworm"}
    for unwanted in ("# syntax=", "HEALTHCHECK", "<<", "--link", "@sha256", "ADD "):
        assert unwanted not in DOCKERFILE


def test_the_application_is_what_is_built_without_a_target() -> None:
    assert re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)[-4:] == TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_images_run_as_nobody_special_and_pass_signals_on(target: str) -> None:
    lines = instructions(target)
    users = [line for line in lines if line.startswith("USER ")]
    assert users[-1:] == ["USER 1000:1000"]
    (entrypoint,) = [line.removeprefix("ENTRYPOINT ") for line in lines if "ENTRYPOINT" in line]
    assert json.loads(entrypoint), "no shell stands between Docker and the command"


def test_what_is_installed_is_locked_and_leaves_no_cache() -> None:
    for line in re.sub(r"\s*\\\n\s*", " ", DOCKERFILE).splitlines():
        for install in re.findall(r"\bpip\b.*?\b(?:install|wheel)\b[^&]*", line):
            hashed = "--require-hashes" in install and "--requirement requirements/" in install
            ours = "--no-index" in install or install.rstrip().endswith("/wheels .")
            assert "--no-deps" in install and (hashed or ours), install
            cached = "--mount=type=cache,target=/var/cache/pip" in line
            assert cached or "--no-cache-dir" in install, install
        if "apt-get install" in line:
            assert "rm -rf /var/lib/apt/lists/*" in line


@pytest.mark.parametrize("lock", ["build.txt", "image.txt", "lake.txt", "spark.txt"])
def test_locks_of_images_have_a_hash_for_each_pin_and_name_no_registry(lock: str) -> None:
    text = (LOCKS / lock).read_text()
    entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)
    assert "://" not in text and "index-url" not in text


def test_images_hold_the_versions_that_are_tested() -> None:
    tested = pins("dev.txt")
    for lock in ("image.txt", "spark.txt"):
        for name, versions in pins(lock).items():
            assert versions <= tested.get(name, set()), f"{name}: make the locks anew together"
    assert not {"hatchling", "go-task-bin", "pytest"} & pins("image.txt").keys()


def test_only_what_is_named_goes_to_docker() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    named = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert not {".git", ".env", "data-input", "data-output", ".venv"} & named
    assert all((ROOT / name).exists() for name in named)


def test_services_belong_to_the_caller_and_are_not_open_to_the_network() -> None:
    services = document("docker-compose.yml")["services"]
    always = {name for name, service in services.items() if "profiles" not in service}
    assert always == {
        *("events-split", "conversion-rate-week-after-registration"),
        *("unit-tests", "jupyter"),
    }
    for name in services.keys() - always:
        profile = "lake" if name.startswith("lake") else "cluster"
        assert services[name]["profiles"] == [profile], name
    assert services["spark-worker"]["deploy"]["replicas"] == 2
    for name, service in services.items():
        ports = service.get("ports", [])
        assert all(port.startswith("127.0.0.1:") for port in ports), name
        assert service["init"] is True, name
        if name != "unit-tests":
            assert service["user"] == "${RUN_AS:-1000:1000}", name


def test_tasks_have_the_same_names_with_docker_and_without() -> None:
    ours, local = document("Taskfile.docker.yml")["tasks"], document("Taskfile.yml")["tasks"]
    public = {name: task for name, task in ours.items() if not task.get("internal")}
    assert all(task["desc"] for task in public.values())
    assert public.keys() - local.keys() == {"cluster", "lake"}
    assert public.keys() - {"cluster", "lake"} <= document("docker-compose.yml")["services"].keys()


def test_unit_tests_are_the_same_in_a_container() -> None:
    entrypoint = document("docker-compose.yml")["services"]["unit-tests"]["entrypoint"]
    marked = entrypoint[entrypoint.index("-m", 2) + 1]
    assert f"-m '{marked}'" in document("Taskfile.yml")["tasks"]["unit-tests"]["cmd"]


def test_actions_are_pinned_by_commit() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        used = re.findall(r"uses: (.*)", workflow.read_text())
        assert used and all(
            re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", each) for each in used
        )


# ---------------------------------------------------------------- with Docker


def docker(*arguments: object, **more: Any) -> str:
    """Run `docker`, which must do what it is told; its standard output."""
    more = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 1800} | more
    done = subprocess.run(["docker", *map(str, arguments)], **more)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="session")
def _docker_answers() -> None:
    if not shutil.which("docker"):
        pytest.skip("Docker is not installed")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("Docker does not answer: its daemon is not running, or not for this user")


@pytest.fixture(scope="session")
def images(_docker_answers: None) -> dict[str, str]:
    """The images by target, built from the files as they are."""
    tags = {target: f"user-conversion:{target}" for target in ("app", "spark")}
    for target, tag in tags.items():
        docker("build", "--quiet", "--target", target, "--tag", tag, ".")
    return tags


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """What a container sees as /data: the sample, and an output folder of somebody else's."""
    (tmp_path / "data-input").mkdir()
    shutil.copy(SAMPLE, tmp_path / "data-input")
    (tmp_path / "data-output").mkdir()
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o644)
    yield tmp_path
    # Whoever runs the tests may not remove the files of another user; the containers' root may.
    as_root = ("run", "--rm", "--user=0", f"--volume={tmp_path / 'data-output'}:/mnt")
    docker(*as_root, "--entrypoint=chmod", "user-conversion:app", "-R", "a+rwX", "/mnt")


def job(folder: Path, image: str, *arguments: object) -> list[object]:
    """The arguments of `docker` that run a job as somebody unknown."""
    user = f"--user={USER}:{GROUP}"
    return ["run", "--rm", "--init", user, f"--volume={folder}:/data", image, *arguments]


def figures(answer: dict[str, Any]) -> dict[str, Any]:
    """What must be equal wherever it is computed."""
    return {key: value for key, value in answer.items() if key != "events"}


@pytest.fixture(scope="session")
def local_answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The metric of the sample, computed here by the embedded engine."""
    output = tmp_path_factory.mktemp("local") / "output"
    return figures(command("run", "--input", SAMPLE, "--output", output, "--format", "json").json())


@pytest.mark.docker
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", ["app", "spark"])
def test_a_container_gives_the_local_answer_in_files_of_the_caller(
    images: dict[str, str], folder: Path, local_answer: dict[str, Any], target: str
) -> None:
    engine = "spark" if target == "spark" else "duckdb"
    answer = docker(*job(folder, images[target], "run", "--format", "json", "--engine", engine))
    assert figures(json.loads(answer)) == local_answer
    written = list((folder / "data-output").rglob("*"))
    assert written and {(path.stat().st_uid, path.stat().st_gid) for path in written} == {
        (USER, GROUP)
    }


@pytest.mark.docker
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("signal", ["INT", "TERM"])
def test_a_stopped_container_leaves_the_output_as_it_was(
    images: dict[str, str], folder: Path, signal: str
) -> None:
    docker(*job(folder, images["app"], "run"))
    before = contents(folder / "data-output")
    # A tenth of a processor and twenty times the log: time enough to stop it in the middle.
    log = folder / "data-input" / "more.json"
    log.write_bytes(SAMPLE.read_bytes() * 20)
    detached = ["run", "--detach", "--cpus=0.1", *job(folder, images["app"], "run")[1:]]
    container = docker(*detached).strip()
    wait_for(folder / "data-output" / ".staging")
    stopped = time.monotonic()
    docker("kill", f"--signal={signal}", container)
    docker("wait", container, timeout=60)
    assert time.monotonic() - stopped < 30, "even on a tenth of a processor"
    assert contents(folder / "data-output") == before


def contents(output: Path) -> dict[str, str]:
    """The published files by their content."""
    files = [path for path in output.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(output)): sha256(path.read_bytes()).hexdigest() for path in files}


def wait_for(path: Path, patience: float = 120) -> None:
    until = time.monotonic() + patience
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.1)


@pytest.mark.docker
@pytest.mark.timeout(3600)
def test_images_are_small_and_hold_no_cache_and_no_secret(images: dict[str, str]) -> None:
    assert int(docker("image", "inspect", "--format={{.Size}}", images["app"])) < 500 * MEGABYTE
    for image in images.values():
        find = ("run", "--rm", "--user=0", "--entrypoint=find", image, "/", "-xdev")
        for unwanted in UNWANTED:
            assert docker(*find, "-path", unwanted) == ""
        kept = docker("image", "inspect", "--format={{json .Config}}", image)
        kept += docker("history", "--no-trunc", "--format={{.CreatedBy}}", image)
        assert not re.search(r"(?i)token|secret|passw(or)?d=|api_?key", kept)
        assert '"org.opencontainers.image.licenses":"Apache-2.0"' in kept


@pytest.mark.docker
@pytest.mark.timeout(3600)
def test_a_cluster_gives_the_local_answer(
    images: dict[str, str], folder: Path, local_answer: dict[str, Any]
) -> None:
    environment = os.environ | {
        "RUN_AS": f"{USER}:{GROUP}",
        "USER_CONVERSION_FORMAT": "json",
        "SPARK_WORKER_MEMORY": "1g",
    }
    compose = ("compose", f"--file={ROOT / 'docker-compose.yml'}", f"--project-directory={folder}")
    compose = (*compose, "--project-name=user-conversion-test", "--profile=cluster")
    run = (*compose, "run", "--rm")
    try:
        docker(*run, "cluster-events-split", env=environment)
        metric = "cluster-conversion-rate-week-after-registration"
        answer = json.loads(docker(*run, metric, env=environment))
    finally:
        docker(*compose, "down", "--timeout=5", env=environment)
    assert figures(answer) == local_answer
    record = json.loads((folder / "data-output" / "run.json").read_text())
    assert "spark" in json.dumps(record)


@pytest.mark.docker
@pytest.mark.timeout(3600)
def test_a_lake_gives_the_local_answer(
    images: dict[str, str], folder: Path, local_answer: dict[str, Any]
) -> None:
    docker("build", "--quiet", "--target=lake", "--tag=user-conversion:lake", ROOT)
    environment = os.environ | {"RUN_AS": f"{USER}:{GROUP}", "USER_CONVERSION_FORMAT": "json"}
    compose = ("compose", f"--file={ROOT / 'docker-compose.yml'}", f"--project-directory={folder}")
    compose = (*compose, "--project-name=user-conversion-lake", "--profile=lake")
    run = (*compose, "run", "--rm")
    try:
        docker(*run, "lake-events-split", env=environment)
        metric = "lake-conversion-rate-week-after-registration"
        answer = json.loads(docker(*run, metric, env=environment))
    finally:
        docker(*compose, "down", "--timeout=5", env=environment)
    assert figures(answer) == local_answer
    assert not list((folder / "data-output").iterdir())
