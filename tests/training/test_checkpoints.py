"""A checkpoint is used only if it is complete and belongs to the same run."""

import json

import pytest
import torch
from linkbert.errors import RequestError, RunError
from linkbert.experiments.identity import RunIdentity
from linkbert.files import sha256_of
from linkbert.training.checkpoints import Checkpoints
from linkbert.training.state import State, random_state, restore_random

CONDITIONS = {"seed": 1, "epochs": 3, "version of torch": "2.13"}


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", RunIdentity(conditions=CONDITIONS), every=None)


def states(number):
    return {
        "model": State({"w": torch.full((3,), float(number))}, {"n": number}),
        "position": State({}, {"at": number}),
    }


def number_of_last_checkpoint(checkpoints):
    found = checkpoints.read()
    return None if found is None else found["position"].values["at"]


def test_a_checkpoint_restores_tensors_and_values_and_the_last_two_are_kept(checkpoints):
    assert checkpoints.read() is None
    for number in (1, 2, 3):
        checkpoints.write(number, states(number))
    found = checkpoints.read()
    assert torch.equal(found["model"].tensors["w"], torch.full((3,), 3.0)) and found["model"].values == {"n": 3}
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == [
        "update-00000002.0000",
        "update-00000003.0000",
    ]


def drop_last_byte(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def write_forged_values(folder, state):
    """Write other values, and a manifest that fits them."""
    file = folder / "state.json"
    file.write_text(state, encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["state.json"] = [file.stat().st_size, sha256_of(file)]
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = {
    "a truncated weights file": lambda folder: drop_last_byte(folder / "model.safetensors"),
    "a flipped bit in the weights": lambda folder: flip_a_bit(folder / "model.safetensors"),
    "a flipped bit in the values": lambda folder: flip_a_bit(folder / "state.json"),
    "a missing weights file": lambda folder: (folder / "model.safetensors").unlink(),
    "a missing manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a truncated manifest": lambda folder: drop_last_byte(folder / "manifest.json"),
    "a manifest that is not an object": lambda folder: (folder / "manifest.json").write_text("[1]"),
    "a manifest with a path outside the checkpoint": lambda folder: (folder / "manifest.json").write_text(
        '{"../x": [0, ""]}'
    ),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a file that the manifest does not list": lambda folder: (folder / "more.safetensors").write_bytes(b""),
    "values that are a list": lambda folder: write_forged_values(folder, "[]"),
    "values without any content": lambda folder: write_forged_values(folder, "{}"),
    "values with a path outside the checkpoint": lambda folder: write_forged_values(
        folder, '{"identity": {}, "values": {"../update-00000001.0000/model": {}}}'
    ),
    "values nested too deeply to parse": lambda folder: write_forged_values(folder, "[" * 100_000),
    "an empty folder": lambda folder: [path.unlink() for path in folder.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_skipped_with_a_warning_and_the_one_before_is_used(checkpoints, caplog, damage):
    for number in (1, 2):
        checkpoints.write(number, states(number))
    DAMAGES[damage](checkpoints.folder / "update-00000002.0000")
    assert number_of_last_checkpoint(checkpoints) == 1
    assert "damaged" in caplog.text and "update-00000002.0000" in caplog.text
    DAMAGES[damage](checkpoints.folder / "update-00000001.0000")
    assert number_of_last_checkpoint(checkpoints) is None


def test_a_checkpoint_of_a_different_run_is_refused_and_the_differences_are_named(checkpoints, tmp_path):
    checkpoints.write(1, states(1))
    identity = RunIdentity(conditions=CONDITIONS | {"epochs": 5, "version of torch": "3"})
    other = Checkpoints(tmp_path / "checkpoints", identity, None)
    with pytest.raises(
        RequestError, match=r"epochs is 3 there, 5 asked for; version of torch is 2\.13 there, 3 asked for.*--restart"
    ):
        other.read()
    with pytest.raises(RequestError, match="packing is None there, True asked for"):
        checkpoints.read({"packing": True})


def test_a_failed_write_keeps_the_earlier_checkpoint_and_leaves_nothing_else(checkpoints, monkeypatch):
    checkpoints.write(1, states(1))

    def raise_disk_full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", raise_disk_full)
        with pytest.raises(RunError, match="cannot be written .No space left on device"):
            checkpoints.write(2, states(2))
    assert [path.name for path in checkpoints.folder.iterdir()] == ["update-00000001.0000"]
    assert number_of_last_checkpoint(checkpoints) == 1


def test_a_checkpoint_holds_only_json_and_safetensors_files(checkpoints):
    checkpoints.write(1, states(1))
    assert {path.suffix for path in checkpoints.folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_a_checkpoint_is_due_after_the_interval_and_cheap_if_writing_takes_little_time(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("linkbert.training.checkpoints.time.monotonic", lambda: clock[0])
    checkpoints = Checkpoints(tmp_path / "c", RunIdentity(), every=60)
    assert not checkpoints.due and checkpoints.cheap
    clock[0] += 60
    assert checkpoints.due
    checkpoints.took, checkpoints.last = 2.0, clock[0]
    clock[0] += 39
    assert not checkpoints.due and not checkpoints.cheap
    clock[0] += 1
    assert checkpoints.cheap
    assert not Checkpoints(tmp_path / "c", RunIdentity(), every=None).due


def test_all_random_generators_continue_from_the_saved_state():
    import random

    import numpy as np

    def draw():
        return [torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random(), float(np.random.standard_normal())]

    device = torch.device("cpu")
    np.random.standard_normal()  # numpy draws these in pairs and keeps the second number for the next call
    state = random_state(device)
    state = State(state.tensors, json.loads(json.dumps(state.values)))
    drawn = draw()
    restore_random(device, state)
    assert draw() == drawn


def test_a_random_generator_that_ignores_the_restored_state_is_an_error(monkeypatch):
    device = torch.device("cpu")
    state = random_state(device)
    torch.rand(1)
    monkeypatch.setattr(torch, "set_rng_state", lambda state: None)
    with pytest.raises(RuntimeError, match="did not take its state"):
        restore_random(device, state)


def test_damaged_checkpoints_are_not_counted_among_the_two_that_are_kept(checkpoints):
    for number in (6, 7):
        checkpoints.write(number, states(number))
        (checkpoints.folder / f"update-{number:08d}.0000" / "manifest.json").unlink()
    assert number_of_last_checkpoint(checkpoints) is None
    for number in (1, 2, 3):
        checkpoints.write(number, states(number))
        assert number_of_last_checkpoint(checkpoints) == number
    assert len(list(checkpoints.folder.iterdir())) == 2


def test_the_checkpoint_after_an_epoch_does_not_replace_that_of_its_last_update(checkpoints):
    checkpoints.write(3, states(3), epochs=0)
    checkpoints.write(3, states(4), epochs=1)
    assert number_of_last_checkpoint(checkpoints) == 4
    assert [path.name for path in sorted(checkpoints.folder.iterdir())] == [
        "update-00000003.0000",
        "update-00000003.0001",
    ]


def test_the_random_state_of_a_missing_device_is_ignored():
    state = random_state(torch.device("cpu"))
    state.tensors["device"] = torch.zeros(16, dtype=torch.uint8)
    restore_random(torch.device("cpu"), state)
