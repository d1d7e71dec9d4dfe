"""The job templates, executed as far as this machine allows: Slurm's tasks, Kubernetes' pods, a TPU slice's shell."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.helpers.cheap_run import FLAGS, contents, whole_run
from tests.helpers.places import ROOT

JOBS = ROOT / "bench" / "jobs"
IMAGES = 3
# Replaces python -m bench.NAME, made cheap by `tests.helpers.cheap_run`.
CHEAP = """
import importlib, sys, pytest
from tests.helpers.cheap_run import cheapen
with pytest.MonkeyPatch.context() as patch:
    cheapen(patch)
    sys.exit(importlib.import_module(sys.argv[2]).main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Data, and the run of one process."""
    return whole_run(tmp_path_factory.mktemp("jobs"), IMAGES)


@pytest.fixture
def programs(tmp_path):
    """A folder of programs that are found before all others; the fixture makes a program of a shell script."""
    folder = tmp_path / "programs"
    folder.mkdir()

    def make(name, body):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    (folder / "cheap.py").write_text(CHEAP)
    make("python", f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "{folder}/cheap.py" "$@"')
    return make


def do(tmp_path, command, **environment):
    """Run a command as a job would, in the project's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    path = f"{tmp_path / 'programs'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env=kept | {"PATH": path, "PYTHON": "python"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def run_in(output):
    """Find the run that all parts share."""
    (path,) = output.glob("*/run.json")
    return path.parent


def arguments(volume):
    return [*FLAGS, "--data", volume, "--save-perturbations"]


def test_the_tasks_of_a_slurm_array_share_a_run_and_go_on(tmp_path, whole, programs):
    volume, one = whole
    output = tmp_path / "runs"
    command = [JOBS / "slurm_array.sh", 2, output, *arguments(volume)]
    for task in ("1", "1", "2"):
        done = do(tmp_path, command, SLURM_JOB_ID="7", SLURM_ARRAY_TASK_ID=task)
        # A failed image does not fail its task.
        assert done.returncode == 0, done.stderr
    assert "0 of 1 image were done" in done.stderr
    assert contents(run_in(output)) == contents(one)


def test_a_slurm_array_submits_itself(tmp_path, programs):
    log = tmp_path / "log"
    programs("sbatch", f'printf "%s\\n" "$*" >> {log}; echo 41')
    output = tmp_path / "runs"
    command = [JOBS / "slurm_array.sh", 8, output, "--method", "l1"]
    assert do(tmp_path, command).stdout == "submitted array 41\n"
    (array,) = log.read_text().splitlines()
    words = f"{JOBS}/slurm_array.sh 8 {output} --method l1"
    assert array == f"--parsable --array=1-8 --output={output}/part-%a.log {words}"
    assert do(tmp_path, command[:2]).returncode == 2


def pod():
    """The specification of the job, and its container."""
    (job,) = yaml.safe_load_all((JOBS / "kubernetes_indexed_job.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return job["spec"], container


def test_kubernetes_pods_share_a_run_and_go_on(tmp_path, whole, programs):
    volume, one = whole
    output = tmp_path / "runs"
    _, attack = pod()
    for index in ("0", "0", "1"):
        command = [*attack["command"], *arguments(volume)]
        done = do(tmp_path, command, OUTPUT=str(output), PARTS="2", JOB_COMPLETION_INDEX=index)
        assert done.returncode == 0, done.stderr
    assert contents(run_in(output)) == contents(one)


def test_the_kubernetes_job_is_of_one_piece():
    job, attack = pod()
    assert job["completionMode"] == "Indexed"
    values = {one["name"]: one["value"] for one in attack["env"]}
    assert int(values["PARTS"]) == job["completions"] == job["parallelism"]
    (mount,), (volume,) = attack["volumeMounts"], job["template"]["spec"]["volumes"]
    assert mount["name"] == volume["name"]
    assert values["OUTPUT"].startswith(mount["mountPath"])


def test_a_pod_that_is_told_to_stop_tells_its_run(tmp_path, programs):
    _, attack = pod()
    programs("python", "trap 'exit 143' TERM; kill -TERM $PPID; for n in $(seq 200); do sleep 0.05; done; exit 9")
    done = do(tmp_path, [*attack["command"], "--method", "l1"], OUTPUT="/nowhere", JOB_COMPLETION_INDEX="0", PARTS="1")
    assert done.returncode == 143


def test_a_tpu_slice_gets_one_command_for_all_its_machines(tmp_path, programs):
    # The remote machine: the project's folder, and a Python that prints its arguments.
    there = tmp_path / "the project" / ".venv" / "bin"
    there.mkdir(parents=True)
    told = programs("told", 'pwd; printf "[%s]" "$@"')
    (there / "python").symlink_to(told)
    # A remote shell for the text after --command=.
    programs("gcloud", 'echo "$@" >&2; for word; do command=$word; done; exec sh -c "${command#--command=}"')
    command = [JOBS / "tpu_vm.sh", "bench.attack", "--data", "it's mine/*", "--output", "/mnt/runs"]
    done = do(tmp_path, command, TPU="slice", ZONE="us-central2-b", FOLDER=str(tmp_path / "the project"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("compute tpus tpu-vm ssh slice --zone=us-central2-b --worker=all --command=cd ")
    folder, words = done.stdout.splitlines()
    assert folder == str(tmp_path / "the project")
    expected = ["-m", "bench.attack", "--devices", "all", "--data", "it's mine/*", "--output", "/mnt/runs"]
    assert re.findall(r"\[(.*?)\]", words) == [*expected, "--device", "tpu", "--distributed"]
    # A training takes all chips, and has no such flag.
    done = do(tmp_path, [JOBS / "tpu_vm.sh", "bench.train"], TPU="slice", ZONE="z", FOLDER=folder)
    assert re.findall(r"\[(.*?)\]", done.stdout) == ["-m", "bench.train", "--device", "tpu", "--distributed"]
    assert "its zone" in do(tmp_path, command, TPU="slice").stderr
