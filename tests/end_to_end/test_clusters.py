"""Suites on a Ray cluster of two machines, on Slurm, and on submitit's stand-in for it; all of them on this machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.cluster
SUITE = [
    "blurb",
    "--task",
    "biosses",
    "--seeds",
    "2",
    "--precision",
    "fp32",
    "--set",
    "max_length=32",
    "--set",
    "warmup=0",
]
SEEDS = (5, 6)
EPOCHS = 120  # some seconds, so that a run can be interrupted in the middle


def need(package):
    """Skip a test if a package is missing. It is not imported here: it reads the environment when it is imported."""
    if find_spec(package) is None:
        pytest.skip(f"needs the package {package}")


def wait_for(condition, what, seconds=120.0):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, what
        time.sleep(0.1)
    return found


def start(folder, tiny, data_dir, epochs, *options):
    """Start a suite of two runs, with checkpoints at the ends of epochs."""
    command = [
        sys.executable, "-m", "linkbert", "benchmark", *SUITE, "--set", f"epochs={epochs}", "--model", tiny, "--data-dir",
        data_dir, "--checkpoint-every", "0.02", "--json", *options,
    ]  # fmt: skip
    return subprocess.Popen(
        list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def scores(suite):
    output, errors = suite.communicate(timeout=300)
    assert suite.returncode == 0, errors
    return [(run["score"], run["predictions_sha256"]) for run in json.loads(output)["runs"]], errors


def trials(folder, tiny, data_dir, *options):
    """Return the scores of a search of three trials by their batch size; so few are never ended early."""
    folder.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "linkbert", "search", "biosses", "--model", tiny, "--data-dir", data_dir, "--trials", "3",
        "--space", "batch_size=2,4,8", "--set", "max_length=32", "--set", "warmup=0", "--set", "epochs=3", "--precision",
        "fp32", "--json", *options,
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (folder / f"recipe-biosses-{tiny.name}.toml").is_file()
    return {trial["settings"]["batch_size"]: trial["score"] for trial in json.loads(done.stdout)["trials"]}


@pytest.fixture(scope="module")
def expected_trials(tmp_path_factory, data_dir, tiny):
    """The scores of a search with the local engine."""
    found = trials(tmp_path_factory.mktemp("search"), tiny, data_dir)
    assert set(found) == {2, 4, 8}
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory, data_dir, tiny):
    """The scores of both seeds with the local engine."""
    folder = tmp_path_factory.mktemp("local")
    return scores(start(folder, tiny, data_dir, EPOCHS, "--runs-per-device", 2))[0]


def checkpoints(folder, seed):
    return list(folder.glob(f"runs/biosses/*/seed-{seed}/checkpoints/update-*"))


class RayCluster:
    """Two machines with one core each; their processes are in groups of their own, which can be killed."""

    def __init__(self):
        need("ray")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # the paths of its sockets have to be short
        common = ["--num-cpus=1", "--disable-usage-stats", "--block"]
        head = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        self.machines = [self._start(*head, *common)]
        wait_for(self._answers, "Ray's head does not answer")
        self.machines.append(self._start(f"--address=127.0.0.1:{self.port}", *common))
        self.address = f"127.0.0.1:{self.port}"

    def _answers(self):
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def _start(self, *options):
        ray = Path(sys.executable).with_name("ray")
        return subprocess.Popen(
            [ray, "start", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def kill(self, machine):
        """Kill all processes of a machine at once."""
        root = psutil.Process(self.machines[machine].pid)
        for process in [*root.children(recursive=True), root]:
            process.kill()

    def close(self):
        for number, machine in enumerate(self.machines):
            if machine.poll() is None:
                self.kill(number)
            machine.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def ray_cluster():
    cluster = RayCluster()
    yield cluster
    cluster.close()


def running_on(cluster, machine):
    """Return the seeds of the runs that a machine works on."""
    root = psutil.Process(cluster.machines[machine].pid)
    titles = [" ".join(process.cmdline()) for process in root.children(recursive=True)]
    return [seed for seed in SEEDS if any(f"seed {seed}" in title for title in titles)]


def test_a_run_whose_ray_machine_is_killed_goes_on_elsewhere_with_the_same_bits(
    ray_cluster, tmp_path, tiny, data_dir, expected
):
    options = ("--engine", "ray", "--address", ray_cluster.address)
    suite = start(tmp_path, tiny, data_dir, EPOCHS, *options)
    seed = wait_for(lambda: running_on(ray_cluster, 1), "no run began on the second machine")[0]
    wait_for(lambda: checkpoints(tmp_path, seed) or suite.poll() is not None, "no checkpoint was written")
    ray_cluster.kill(1)
    found, errors = scores(suite)
    assert found == expected
    assert f"biosses {tiny.name} seed {seed}: its machine or process was lost" in errors
    again = start(tmp_path, tiny, data_dir, EPOCHS)
    assert scores(again)[0] == expected, "the local engine finds the results of the other one"


def test_a_search_on_ray_scores_as_the_local_one(ray_cluster, tmp_path, tiny, data_dir, expected_trials):
    found = trials(tmp_path, tiny, data_dir, "--engine", "ray", "--address", ray_cluster.address)
    assert found == expected_trials


def test_ctrl_c_stops_the_runs_of_ray_with_checkpoints(ray_cluster, tmp_path, tiny, data_dir):
    suite = start(tmp_path, tiny, data_dir, 20000, "--engine", "ray", "--address", ray_cluster.address)
    wait_for(lambda: all(checkpoints(tmp_path, seed) for seed in SEEDS), "no checkpoints were written")
    assert running_on(ray_cluster, 0) or running_on(ray_cluster, 1)
    suite.send_signal(signal.SIGINT)
    output, errors = suite.communicate(timeout=60)
    assert suite.returncode == 130 and output == "" and "the same command continues" in errors
    assert not running_on(ray_cluster, 0) + running_on(ray_cluster, 1)


def test_an_address_without_a_ray_cluster_is_refused(tmp_path, tiny, data_dir, monkeypatch):
    need("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    suite = start(tmp_path, tiny, data_dir, 1, "--engine", "ray", "--address", "nonsense")
    _, errors = suite.communicate(timeout=120)
    assert suite.returncode == 2 and "no Ray cluster can be used there" in errors and "ray start --head" in errors


def test_results_of_machines_with_folders_of_their_own_are_carried_back(tmp_path, monkeypatch, data_dir, tiny):
    """What a worker sends, and what the command stores, without a cluster in between."""
    from linkbert.benchmarks import ray_engine
    from linkbert.experiments.finetune import finetune
    from linkbert.experiments.store import read_result

    worker, command = tmp_path / "worker", tmp_path / "command"
    for folder in (worker, command):
        folder.mkdir()
    monkeypatch.chdir(worker)
    result = finetune(
        "biosses", model=str(tiny), data_dir=data_dir, epochs=1, max_length=32, warmup=0, precision="fp32",
        runs_dir="runs", results_dir="results",
    )  # fmt: skip
    document = result.to_json()
    files = ray_engine._files_of(document)
    assert len(files) == 2 and ray_engine._files_of({"score": 1.0, "settings": {}}) == {}
    monkeypatch.chdir(command)
    ray_engine._store(document, files)
    assert read_result(Path(result.result_file)) == read_result(worker / result.result_file)
    assert Path(result.predictions_file).read_bytes() == (worker / result.predictions_file).read_bytes()
    ray_engine._store(document, files)  # The folder of results may be shared.


class Slurm:
    """A Slurm of one machine with two cores, with all its files in a folder."""

    def __init__(self, folder):
        self.folder, self.daemons, self.environment = folder, [], {}

    def begin(self):
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool", "munge"):
            (self.folder / name).mkdir()
        key, munge_socket = self.folder / "munge" / "key", self.folder / "munge" / "socket"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        with socket.socket() as one, socket.socket() as two:
            for free in (one, two):
                free.bind(("", 0))
            ports = one.getsockname()[1], two.getsockname()[1]
        (self.folder / "slurm.conf").write_text(f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={munge_socket},cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmdSpoolDir={self.folder}/spool
StateSaveLocation={self.folder}/state
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
""")
        self.environment = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}
        munged = ["munged", "--foreground", "--force", f"--socket={munge_socket}", f"--key-file={key}"]
        files = [f"--{kind}-file={self.folder}/munge/{kind}" for kind in ("pid", "log", "seed")]
        self._daemon(*munged, *files)
        wait_for(munge_socket.exists, "munged does not answer")
        self._daemon("slurmctld", "-D")
        self._daemon("slurmd", "-D")
        wait_for(lambda: "idle" in self.ask("sinfo", "--noheader"), "Slurm has no idle machine")

    def _daemon(self, *command):
        self.daemons.append(
            subprocess.Popen(
                command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )  # fmt: skip

    def ask(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout

    def close(self):
        self.ask("scancel", "--user=root")
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(30)


@pytest.fixture(scope="module")
def slurm():
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and Slurm's daemons ({', '.join(missing) or 'not root'})")
    need("submitit")
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
    server = Slurm(folder)
    try:
        server.begin()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def on_slurm(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    return slurm


def jobs_of(slurm, states="R"):
    return slurm.ask("squeue", "--noheader", "--array", f"--states={states}", "--format=%i").split()


def test_a_run_that_slurm_preempts_is_requeued_and_has_the_same_bits(on_slurm, tmp_path, tiny, data_dir, expected):
    if os.cpu_count() != 2:
        pytest.skip("the preemption is arranged for two cores")
    suite = start(tmp_path, tiny, data_dir, EPOCHS, "--engine", "slurm", "--time", "30")
    wait_for(lambda: any(checkpoints(tmp_path, seed) for seed in SEEDS), "no run began")
    on_slurm.ask("sbatch", "--partition=urgent", "--cpus-per-task=1", "--output=/dev/null", "--wrap=sleep 1")
    found, errors = scores(suite)
    assert found == expected
    assert "waits in the queue to go on from its checkpoint" in errors
    assert not (tmp_path / "runs" / "slurm").exists(), "nothing of a suite that succeeded is left"


def test_a_search_on_slurm_scores_as_the_local_one(on_slurm, tmp_path, tiny, data_dir, expected_trials):
    assert trials(tmp_path, tiny, data_dir, "--engine", "slurm") == expected_trials


def test_a_slurm_job_that_is_cancelled_fails_alone(on_slurm, tmp_path, tiny, data_dir, expected):
    # So many epochs that the job still runs when a busy machine has seen its first checkpoint.
    suite = start(tmp_path, tiny, data_dir, 1500, "--engine", "slurm")
    job = wait_for(lambda: jobs_of(on_slurm), "no job began")[0]
    wait_for(lambda: checkpoints(tmp_path, SEEDS[0]), "no checkpoint was written")
    on_slurm.ask("scancel", "--signal=KILL", job)
    output, errors = suite.communicate(timeout=300)
    runs = json.loads(output)["runs"]
    assert suite.returncode == 1 and ["error" in run for run in runs] == [True, False]
    assert f"its Slurm job {job} ended without a result" in errors and "run the same command again" in errors


def test_ctrl_c_cancels_the_jobs_of_slurm_and_the_local_engine_goes_on(on_slurm, tmp_path, tiny, data_dir, expected):
    suite = start(tmp_path, tiny, data_dir, EPOCHS, "--engine", "slurm")
    wait_for(lambda: checkpoints(tmp_path, SEEDS[0]), "no checkpoint was written")
    suite.send_signal(signal.SIGINT)
    _, errors = suite.communicate(timeout=120)
    assert suite.returncode == 130, errors
    assert not jobs_of(on_slurm, "R,PD")
    assert scores(start(tmp_path, tiny, data_dir, EPOCHS, "--runs-per-device", 2))[0] == expected


def test_a_partition_that_does_not_exist_is_refused(on_slurm, tmp_path, tiny, data_dir):
    suite = start(tmp_path, tiny, data_dir, 1, "--engine", "slurm", "--partition", "nowhere")
    _, errors = suite.communicate(timeout=120)
    assert suite.returncode == 2 and "invalid partition" in errors.lower() and "`sinfo`" in errors


def test_submitits_stand_in_runs_a_suite_and_puts_a_run_that_is_warned_back_into_its_queue(
    tmp_path, tiny, data_dir, expected, monkeypatch
):
    need("submitit")
    from linkbert.benchmarks.driver import Driver, Watcher
    from linkbert.benchmarks.plan import plan_suite
    from linkbert.benchmarks.slurm_engine import SlurmEngine
    from linkbert.experiments.options import RunOptions

    monkeypatch.chdir(tmp_path)
    options = RunOptions.of(
        "", model="", data_dir=data_dir, precision="fp32", max_length=32, warmup=0, epochs=EPOCHS, checkpoint_every=0.02
    )
    plan = plan_suite("blurb", [str(tiny)], 2, ("biosses",), options)
    engine = SlurmEngine(Path("runs"), {"time": "30"}, None, 0.0, cluster="local")
    began, warned = [], []

    class Warning(Watcher):
        def on_start(self, number):
            began.append(number)

        def on_progress(self, number, progress):
            if number == 0 and progress.stage == "train" and not warned:
                warned.append(0)
                job = psutil.Process(int(engine._watched[0].handle.job_id)).children()[0]
                job.send_signal(signal.SIGUSR1)

    results = Driver(plan, engine, Warning()).run()
    assert [(result.score, result.predictions_sha256) for result in results] == expected
    assert sorted(began) == [0, 0, 1], "the first run began twice"
