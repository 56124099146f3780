"""The workflows, the scripts that they call and the linters: what a pull request can reach, and what the gate says."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
BASH = pytest.mark.skipif(sys.platform == "win32", reason="the scripts want bash")
SETUP = {"sudo apt-get update", "sudo apt-get install --yes valgrind"}
WRITES = {  # (workflow, job): what it may write
    ("history", "keep"): {"contents"},
    ("history", "publish"): {"pages", "id-token"},
    ("release", "publish"): {"id-token"},
}
ACTION = r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
HEAD = "0123456789abcdef" * 2 + "01234567"
TEXT = {"capture_output": True, "text": True, "check": False}


# ---- the workflows ---------------------------------------------------------------------------------------------------


def load(path):
    found = yaml.safe_load(path.read_text())
    found["on"] = found.pop(True)  # YAML 1.1 reads `on` as a truth value
    return found


PATHS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: load(path) for path in PATHS}
JOBS = {(name, key): job for name, found in WORKFLOWS.items() for key, job in found["jobs"].items()}
STEPS = [(*place, step) for place, job in JOBS.items() for step in job["steps"]]


def faults(step):
    """What is wrong with one ``run:`` step."""
    command = step["run"].strip()
    if "${{" in command:
        yield "expands text into a script"
    if command in SETUP:
        return
    script = shlex.split(command)[0]
    if "\n" in command or not script.startswith(".ci/"):
        yield "does not call one script in .ci"
    elif not os.access(ROOT / script, os.X_OK):
        yield f"calls {script}, which is no executable file"


def test_there_are_the_four_workflows():
    assert set(WORKFLOWS) == {"tests", "gate", "history", "release"}


@pytest.mark.parametrize("step", [pytest.param(s, id=f"{w}-{s['run']}") for w, _, s in STEPS if "run" in s])
def test_a_step_calls_one_script(step):
    assert not list(faults(step))


@pytest.mark.parametrize(
    "command", ["pip install .", ".ci/none", ".ci/environment", '.ci/run "${{ github.head_ref }}"', ".ci/run\nrm x"]
)
def test_faulty_steps_are_seen(command):
    assert list(faults({"run": command}))


@pytest.mark.parametrize("place", JOBS, ids="-".join)
def test_a_job_may_write_what_it_must_and_no_more(place):
    allowed = WORKFLOWS[place[0]]["permissions"]
    assert set(allowed.values()) <= {"read"}
    granted = JOBS[place].get("permissions", allowed)
    assert {name for name, access in granted.items() if access != "read"} == WRITES.get(place, set())
    assert JOBS[place]["timeout-minutes"] <= 350
    assert WORKFLOWS[place[0]]["concurrency"]["group"]


def test_secrets_are_not_used_and_the_token_only_where_it_writes():
    for path in PATHS:
        assert not re.search(r"\bsecrets(\.|\[)[A-Za-z'\"]", path.read_text())
    for workflow, job, step in STEPS:
        if "github.token" in str(step):
            assert (workflow, job) in WRITES


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_checkouts_leave_no_token(path):
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    assert all(re.fullmatch(ACTION, use) for use in uses)
    for workflow, _, step in STEPS:
        if workflow == path.stem and step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_no_workflow_gives_a_pull_request_more_than_a_token_that_reads():
    assert not {"pull_request_target", "workflow_run"} & {
        event for found in WORKFLOWS.values() for event in found["on"]
    }


def test_what_is_published_was_checked_and_is_a_tag():
    publish, check = JOBS["release", "publish"], JOBS["release", "check"]
    assert set(publish["needs"]) == {job for workflow, job in JOBS if workflow == "release"} - {"publish"}
    assert "if" not in publish
    assert (
        check["if"] == "github.event_name == 'push' && github.ref_type == 'tag'"
    )  # where it is skipped, so is what needs it
    assert not any("run" in step or "checkout" in step["uses"] for step in publish["steps"])  # no code beside the token


# ---- the linters -----------------------------------------------------------------------------------------------------


def hooks():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"  # any other would be cloned
    return {hook["id"]: hook for hook in repository["hooks"]}


def test_the_linters_are_pip_packages_of_one_version():
    for hook in hooks().values():
        assert hook["language"] == "python"
        assert all(re.fullmatch(r"[\w-]+==[\d.]+", package) for package in hook["additional_dependencies"])
    assert re.search(r'pip install --quiet "pre-commit==[\d.]+"', (ROOT / ".ci" / "lint").read_text())


def test_every_script_and_workflow_is_linted():
    scripts, found = hooks()["shellcheck"], set()
    for path in (ROOT / ".ci").iterdir():
        name = path.relative_to(ROOT).as_posix()
        if re.search(scripts["files"], name) and not re.search(scripts["exclude"], name):
            found.add(name)
    with_bash = {f".ci/{path.name}" for path in (ROOT / ".ci").iterdir() if path.read_text().startswith("#!")}
    assert found == with_bash | {".ci/environment"}
    for path in PATHS:
        for name in ("workflow-keys", "security"):
            assert re.search(hooks()[name]["files"], path.relative_to(ROOT).as_posix())
    for name in ("action-keys", "security"):
        assert re.search(hooks()[name]["files"], "action.yml")


# ---- .ci/gate, .ci/keep and .ci/release, in a repository of two commits ----------------------------------------------


def git(folder, *arguments):
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    run = subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.fixture
def clone(tmp_path):
    """A clone with our scripts in it, beside its origin."""
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    git(clone, "checkout", "--quiet", "-B", "main")
    (clone / ".ci").mkdir()
    for name in ("action", "gate", "keep", "environment", "release", "wheels"):
        (clone / ".ci" / name).write_bytes((ROOT / ".ci" / name).read_bytes())
        (clone / ".ci" / name).chmod(0o755)
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", "first")
    git(clone, "push", "--quiet", "origin", "main")
    return clone


def script(clone, *command, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GIT_"))} | variables
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)


@BASH
@pytest.mark.parametrize(("code", "table"), [(0, "fine"), (1, "worse"), (3, "inconclusive"), (2, None)])
def test_gate_script(clone, tmp_path, code, table):
    base = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "--quiet", "-b", "branch")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "theirs")
    head = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "--quiet", "main")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "since then, on main")

    judge = tmp_path / "bin" / "fastgrad"
    judge.parent.mkdir()
    write = f"echo {table} > $5/gate.md" if table else ":"
    judge.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n{write}\nexit {code}\n')
    judge.chmod(0o755)
    out = tmp_path / "a folder"
    out.mkdir()
    for ending in ("md", "json", "smaller.json", "bmf.json"):
        (out / f"gate.{ending}").write_text("of an earlier run")
    summary = tmp_path / "summary"
    variables = {"PATH": f"{judge.parent}:{os.environ['PATH']}"}
    found = script(clone, ".ci/gate", "main", "branch", str(out), GITHUB_STEP_SUMMARY=str(summary), **variables)

    assert found.returncode == code
    assert (tmp_path / "called").read_text() == f"gate {base} {head} --out {out}\n"
    expected = f"{table or f'The gate could not judge (exit code {code}); its log says why.'}\n"
    assert (out / "gate.md").read_text() == summary.read_text() == expected
    assert [path.name for path in out.iterdir()] == ["gate.md"]


@BASH
@pytest.mark.parametrize("arguments", [(), ("main",), ("main", "none", "out"), ("none", "main", "out")])
def test_gate_script_refuses(clone, arguments):
    found = script(clone, ".ci/gate", *arguments)
    assert found.returncode == 2
    assert found.stderr
    assert not (clone / "out").exists()


def test_the_action_calls_one_script_and_expands_nothing_into_it():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    (step,) = action["runs"]["steps"]
    assert step["run"] == '"$GITHUB_ACTION_PATH/.ci/action"'
    assert os.access(ROOT / ".ci" / "action", os.X_OK)
    names = {value.split()[1].removeprefix("inputs.") for value in step["env"].values()}
    assert names == set(action["inputs"])
    assert all(option["description"] for option in action["inputs"].values())


@BASH
def test_the_action_judges_the_repository_that_it_runs_in(clone, tmp_path):
    head = git(clone, "rev-parse", "HEAD")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("fastgrad", "valgrind"):
        (programs / name).write_text(f'#!/bin/bash\nprintf "[%s]" "$@" >{tmp_path}/called\npwd >>{tmp_path}/called\n')
        (programs / name).chmod(0o755)
    variables = {"BASE": "main", "HEAD": "HEAD", "OUT": "out", "PATH": f"{programs}:{os.environ['PATH']}"}
    options = "--bench 'time_a|time b' --budget 2m"
    found = script(clone, str(ROOT / ".ci" / "action"), OPTIONS=options, **variables)
    assert found.returncode == 0, found.stderr
    expected = ["gate", head, head, "--out", "out", "--bench", "time_a|time b", "--budget", "2m"]
    assert (tmp_path / "called").read_text() == "".join(f"[{one}]" for one in expected) + f"{clone}\n"


@BASH
def test_keep_script(clone, tmp_path):
    results = tmp_path / "some results"
    (results / "ci").mkdir(parents=True)
    (results / "ci" / "machine.json").write_text("{}")
    (results / "ci" / "0123.json").write_text("1")

    def keep():
        found = script(clone, ".ci/keep", str(results))
        assert found.returncode == 0, found.stderr
        git(clone, "fetch", "--quiet", "origin")
        files = git(clone, "ls-tree", "-r", "--name-only", "origin/asv-results").split()
        return found.stdout, files, int(git(clone, "rev-list", "--count", "origin/asv-results"))

    assert keep()[1:] == (["ci/0123.json", "ci/machine.json"], 1)
    assert keep()[0] == "nothing new\n"
    (results / "ci" / "0123.json").unlink()  # what is there stays there
    (results / "ci" / "4567.json").write_text("2")
    assert keep()[1:] == (["ci/0123.json", "ci/4567.json", "ci/machine.json"], 2)
    assert git(clone, "status", "--porcelain") == ""


@BASH
@pytest.mark.parametrize(
    ("tag", "heading", "snapshot", "says"),
    [
        ("v1.2.3", "## 1.2.3 (2026-12-01)", "1.2.3", ()),
        ("1.2.3", "## 1.2.3 (2026-12-01)", "1.2.3", ("the tag is 1.2.3, and abi.h has version 1.2.3",)),
        ("v1.2.3", "## 1.2.3 (unreleased)", "1.2.3", ("CHANGELOG.md begins with '## 1.2.3 (unreleased)'",)),
        ("v1.2.3", "## 1x2.3 (2026-12-01)", "1.2.3", ("CHANGELOG.md begins with",)),
        ("v1.2.4", "## 1.2.4 (2026-12-01)", "1.2.4", ("the tag is", "CHANGELOG.md begins", "tests/abi/1.2.3.txt")),
    ],
)
def test_release_script(clone, tag, heading, snapshot, says):
    header, layout = clone / "fastgrad" / "include" / "fastgrad" / "abi.h", clone / "tests" / "abi" / f"{snapshot}.txt"
    for path, text in ((header, '#define FASTGRAD_VERSION "1.2.3"\n'), (layout, "abi 1\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (clone / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n\n## 0.1.0 (2026-01-01)\n")
    found = script(clone, ".ci/release", tag)
    assert found.returncode == bool(says)
    assert all(line.startswith(said) for line, said in zip(found.stderr.splitlines(), says, strict=True))


@BASH
def test_release_script_wants_links_to_the_repository_that_publishes(clone):
    (clone / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (clone / "CHANGELOG.md").write_text("## 1\n")
    (clone / "fastgrad" / "include" / "fastgrad").mkdir(parents=True)
    (clone / "fastgrad" / "include" / "fastgrad" / "abi.h").touch()
    says = "pyproject.toml links to another repository than"
    assert says in script(clone, ".ci/release", "v1", GITHUB_REPOSITORY="someone/else").stderr
    assert says not in script(clone, ".ci/release", "v1", GITHUB_REPOSITORY="fastgrad/fastgrad").stderr


@BASH
def test_wheels_script_takes_an_empty_folder(clone, tmp_path):
    (tmp_path / "old.whl").touch()
    found = script(clone, ".ci/wheels", str(tmp_path))
    assert found.returncode == 2
    assert "usage" in found.stderr
    assert not script(clone, ".ci/wheels").stdout


HISTORY = """#!/bin/bash
case "$0 $*" in
    *"python -I -c"*) echo "$CPU" ;;
    *"asv run --machine "*)
        commits="${@: -1}"
        while read -r commit; do echo {} >"$results/$3/${commit:0:8}-here.json"; done <"${commits#HASHFILE:}" ;;
    *"python -m pip freeze "*) echo numpy==2.4.6 ;;
    *"asv machine --machine "*) mkdir -p "$results/$3" ; echo "${@:4}" >"$results/$3/machine.json" ;;
esac
"""


@BASH
def test_history_has_a_series_for_each_model_of_processor(clone, tmp_path):
    """A new model of processor measures the commits that another has measured, and no field but the model differs."""
    programs, environment = tmp_path / "bin", clone / ".asv" / "env" / "1" / "bin"
    for program in (programs / "python", programs / "asv", programs / "fastgrad", environment / "python"):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(HISTORY)
        program.chmod(0o755)
    (clone / ".ci" / "environment").write_text(f'environment="$(mktemp -d)"\nexport PATH="{programs}:$PATH"\n')
    (clone / ".ci" / "history").write_bytes((ROOT / ".ci" / "history").read_bytes())
    for message in ("second", "third"):
        git(clone, "commit", "--quiet", "--allow-empty", "-m", message)

    def measured(cpu):
        found = script(clone, "bash", ".ci/history", CPU=cpu, results=".asv/results", COMMITS="2")
        assert found.returncode == 0, found.stderr
        return re.search(r"(\d) commits to measure on (.*)", found.stdout).groups()

    assert measured("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz") == ("2", "intel-xeon-platinum-8370c")
    assert measured("AMD EPYC 7763 64-Core Processor") == ("2", "amd-epyc-7763-64-core-processor")
    assert measured("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.70GHz") == ("0", "intel-xeon-platinum-8370c")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "fourth")
    assert measured("AMD EPYC 7763 64-Core Processor") == ("1", "amd-epyc-7763-64-core-processor")
    results = clone / ".asv" / "results"
    machines = {path.parent.name: path.read_text() for path in results.glob("*/machine.json")}
    made_with = [path.read_text() for path in results.glob("*/*.txt")]
    assert len(made_with) == 3  # one of each run that measured
    assert all(text.endswith("numpy==2.4.6\n") and len(text.splitlines()) >= 4 for text in made_with)
    assert len({text.replace(name, "MODEL") for name, text in machines.items()}) == 1


def test_the_libraries_of_the_history_are_pinned():
    text = re.sub(r"^\s*//.*$", "", (ROOT / "asv.conf.json").read_text(), flags=re.MULTILINE)
    (versions,) = json.loads(text)["matrix"].values()
    assert {"numpy", "scipy", "numba", "cython"} <= set(versions)
    assert all(re.fullmatch(r"[\d.]+", version) for [version] in versions.values())


# ---- .ci/run, .ci/lowest and .ci/sweeps ------------------------------------------------------------------------------


def test_ci_runs_the_whole_product():
    run = (ROOT / ".ci" / "run").read_text()
    assert [line for line in run.splitlines() if line.startswith(".ci/")] == [".ci/tools", ".ci/lint", ".ci/lowest"]
    assert "FASTGRAD_ALLOWED_SKIPS=.ci/allowed-skips bash" in run
    pinned = re.findall(r"^([\w-]+)==", (ROOT / ".ci" / "requirements").read_text(), flags=re.MULTILINE)
    assert pinned == ["torch", "jax", "mypy"]
    assert '"torch' not in (ROOT / "pyproject.toml").read_text()  # a range of it would fetch gigabytes
    assert any(step.get("run") == ".ci/sweeps" for step in JOBS["history", "sweeps"]["steps"])


@BASH
def test_tools_says_what_is_missing_where_it_cannot_be_installed(tmp_path):
    (tmp_path / "bash").symlink_to(shutil.which("bash"))
    found = subprocess.run([tmp_path / "bash", ROOT / ".ci" / "tools"], env={"PATH": str(tmp_path)}, **TEXT)
    assert found.returncode == 1
    assert found.stderr.startswith("missing, and there is no apt-get to install them with: git gcc ")
    assert "chromium" in found.stderr


@BASH
def test_tools_installs_what_is_missing_and_nothing_else(tmp_path):
    """Debian's qemu-aarch64-static and Google's Chrome will do; what is called by another package's name is known."""
    tools = {"git", "gcc", "g++", "make", "cmake", "pkg-config", "nm", "ps", "clang++", "rustc", "id", "bash"}
    for name in tools | {"google-chrome", "qemu-aarch64-static"}:
        (tmp_path / name).write_text("#!/bin/sh\necho 0\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "bash").unlink()
    (tmp_path / "bash").symlink_to(shutil.which("bash"))
    (tmp_path / "apt-get").write_text(f'#!{shutil.which("bash")}\necho "$@" >>{tmp_path}/asked\n')
    (tmp_path / "apt-get").chmod(0o755)
    found = subprocess.run([tmp_path / "bash", ROOT / ".ci" / "tools"], env={"PATH": str(tmp_path)}, **TEXT)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "installing valgrind gcc-aarch64-linux-gnu libc6-dev-arm64-cross\n"
    update, install = (tmp_path / "asked").read_text().splitlines()
    assert update.startswith("update")
    assert install.endswith("--no-install-recommends valgrind gcc-aarch64-linux-gnu libc6-dev-arm64-cross")


@BASH
def test_keep_script_refuses_a_folder_without_results(clone, tmp_path):
    found = script(clone, ".ci/keep", str(tmp_path))
    assert found.returncode == 2
    assert "usage" in found.stderr
