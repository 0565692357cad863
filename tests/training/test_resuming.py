"""A training that was stopped and resumed gives the same bits as one that was never stopped."""

import os
import signal

import pytest
import torch
from linkbert.errors import RunError
from linkbert.experiments.identity import RunIdentity
from linkbert.models.loading import load_model
from linkbert.tasks.data import encode_split, load_split
from linkbert.tasks.recipe import Recipe
from linkbert.tasks.registry import TASKS
from linkbert.training.checkpoints import Checkpoints
from linkbert.training.state import State
from linkbert.training.stopping import Stopped, obeying_signals
from linkbert.training.trainer import Trainer

UPDATES = 9  # three epochs of twelve examples in batches of four


class Counter:
    """A part of a run's state that the trainer saves and restores without knowing its content."""

    def __init__(self):
        self.epochs = []

    def state(self):
        return State({"sum": torch.tensor(float(len(self.epochs)))}, {"epochs": self.epochs})

    def restore(self, state):
        self.epochs = state.values.get("epochs", [])


@pytest.fixture
def train(data_dir, make_model, tokenizer, tmp_path):
    def run(name="gad", kind="bert", stop_at=None, folder="c", compiled=False, at_end_of_epoch=None, **changes):
        task, model_folder = TASKS[name], make_model(kind)
        trainer = Trainer(task.head, tokenizer, "fp32", compile_passes=compiled)
        settings = {"learning_rate": 1e-3, "batch_size": 4, "epochs": 3, "max_length": 32, "warmup": 2}
        recipe = Recipe(**(settings | {key: changes.pop(key) for key in list(changes) if key != "per_device"}))
        encoded, _ = encode_split(task, load_split(task, "train", data_dir), tokenizer, 32)
        trainer.seed(1)
        model = load_model(model_folder, task.head, task.labels, fine_tuned=False)
        counter = Counter()

        def end_of_epoch(model, epoch):
            if at_end_of_epoch == epoch and len(counter.epochs) == epoch - 1:
                os.kill(os.getpid(), signal.SIGINT)
            counter.epochs.append(epoch)
            return {}

        def stop_if_asked(*arguments):
            if stop_at is not None and seen["updates"] == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)

        original_backward, seen = trainer._backward, {"updates": 0}

        def counting_backward(model, update):
            seen["updates"] += 1
            stop_if_asked()
            return original_backward(model, update)

        trainer._backward = counting_backward
        checkpoints = Checkpoints(tmp_path / folder, RunIdentity(conditions={"x": 1}), every=None)
        with obeying_signals():
            model, cost = trainer.fit(
                model, encoded, recipe, seed=1, end_of_epoch=end_of_epoch, checkpoints=checkpoints,
                parts={"counter": counter}, **changes,
            )  # fmt: skip
        return {name: tensor.clone() for name, tensor in model.state_dict().items()}, counter.epochs, seen, cost

    return run


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


CASES = {
    "packed batches": {},
    "compiled elementwise operations": {"compiled": True},
    "padded batches": {"kind": "modernbert"},
    "gradients accumulated over micro-batches": {"per_device": 1},
    "batches grouped by length": {"group_by_length": True},
    "weight decay, which changes all word embeddings": {"weight_decay": 0.1},
    "token classification": {"name": "ncbi-disease"},
    "multiple choice": {"name": "medqa"},
}


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_training_gives_the_same_bits_as_an_uninterrupted_one(train, case):
    options = CASES[case]
    if options.get("kind") == "modernbert":
        pytest.importorskip("transformers.models.modernbert")
    uninterrupted, epochs, _, cost = train(folder="whole", **options)
    assert epochs == [1, 2, 3]
    done = 0
    # Stop in the middle of the first epoch, at its end, and in the middle of the last epoch.
    for stop_at in (2, 1, 4):
        with pytest.raises(Stopped) as stopped:
            train(stop_at=stop_at, **options)
        assert stopped.value.exit_code == 143
        done += stop_at
    resumed, epochs, seen, resumed_cost = train(**options)
    assert seen["updates"] == UPDATES - done and epochs == [1, 2, 3]
    assert_same(uninterrupted, resumed)
    assert resumed_cost.padding == cost.padding and resumed_cost.micro_batch == cost.micro_batch
    # A finished training that is started again makes no further update.
    last, _, seen, _ = train(**options)
    assert seen["updates"] == 0
    assert_same(uninterrupted, last)


def test_an_epoch_whose_scoring_was_stopped_is_scored_again(train):
    uninterrupted, *_ = train(folder="whole")
    with pytest.raises(Stopped) as stopped:
        train(at_end_of_epoch=2)
    assert stopped.value.exit_code == 130
    resumed, epochs, seen, _ = train()
    assert epochs == [1, 2, 3] and seen["updates"] == 3
    assert_same(uninterrupted, resumed)


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(train, kind):
    assert_same(train(folder="a", kind=kind)[0], train(folder="b", kind=kind)[0])


def test_resuming_with_another_micro_batch_size_warns_that_the_last_bits_may_differ(train, caplog):
    caplog.set_level("INFO", logger="linkbert")
    with pytest.raises(Stopped):
        train(stop_at=2, per_device=2)
    train(per_device=1)
    assert "last bits" in caplog.text and "continuing after update 2 of 9" in caplog.text


def test_resuming_on_another_device_warns_that_the_last_bits_may_differ(train, caplog, monkeypatch):
    with pytest.raises(Stopped):
        train(stop_at=2)
    monkeypatch.setattr("linkbert.training.resuming.device_name", lambda device: "another CPU")
    train()
    assert "last bits" in caplog.text


def test_the_first_signal_waits_for_the_update_and_the_second_signal_stops_at_once(monkeypatch):
    from linkbert.training.stopping import between_updates, stop_asked

    monkeypatch.setattr("linkbert.training.stopping._SAME_SECONDS", 0.0)
    with obeying_signals(), pytest.raises(Stopped) as last, between_updates():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_asked() == signal.SIGINT
        with pytest.raises(Stopped) as second:
            os.kill(os.getpid(), signal.SIGTERM)
        assert second.value.at_once and second.value.exit_code == 143
    assert not last.value.at_once
    with obeying_signals():
        assert stop_asked() is None
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("first", "second", "obeyed"),
    [
        (signal.SIGTERM, signal.SIGTERM, signal.SIGTERM),  # a launcher passes on what the process has received as well
        (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR1),  # a preemption by Slurm, in either order
        (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1),
    ],
)
def test_two_signals_of_one_request_wait_for_the_update(first, second, obeyed):
    from linkbert.training.stopping import between_updates

    with obeying_signals(), pytest.raises(Stopped) as last, between_updates():
        os.kill(os.getpid(), first)
        os.kill(os.getpid(), second)
    assert not last.value.at_once and last.value.number == obeyed


def test_weights_that_are_not_finite_are_never_written_to_a_checkpoint(train, monkeypatch, tmp_path):
    """The loss is computed before the update, so it can be finite although the updated weights are not."""
    step = torch.optim.AdamW.step

    def spoil(self, *arguments, **options):
        step(self, *arguments, **options)
        self.param_groups[0]["params"][-1].data.fill_(torch.nan)

    monkeypatch.setattr(torch.optim.AdamW, "step", spoil)
    with pytest.raises(RunError, match="the weights are not finite after update 1"):
        train(stop_at=1)
    assert not list((tmp_path / "c").glob("*"))


def test_gpu_processes_agree_on_a_checkpoint_every_few_updates_and_after_each_epoch(monkeypatch):
    from types import SimpleNamespace

    from linkbert.training.resuming import Resumable

    training = SimpleNamespace(
        accelerator=SimpleNamespace(num_processes=2), loader=SimpleNamespace(device=torch.device("cuda")), updates=117
    )
    resumable = Resumable(training, SimpleNamespace(due=True, cheap=True), total=1000)
    saved = []
    monkeypatch.setattr(resumable, "_agreed", lambda stop, due: (stop, due))
    monkeypatch.setattr(resumable, "save", lambda: saved.append(training.updates))
    resumable.after_update()
    assert not saved
    resumable.after_epoch()
    assert saved == [117]
    training.updates = 120
    resumable.after_update()
    assert saved == [117, 120]
