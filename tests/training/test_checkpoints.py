"""A checkpoint is whole or it is passed over."""

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


def read(checkpoints):
    found = checkpoints.read()
    return None if found is None else found["position"].values["at"]


def test_a_state_comes_back_as_it_was_and_the_last_two_are_kept(checkpoints):
    assert checkpoints.read() is None
    for number in (1, 2, 3):
        checkpoints.write(number, states(number))
    found = checkpoints.read()
    assert torch.equal(found["model"].tensors["w"], torch.full((3,), 3.0)) and found["model"].values == {"n": 3}
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == [
        "update-00000002.0000",
        "update-00000003.0000",
    ]


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def forged(folder, state):
    """Other values, with a manifest that fits."""
    file = folder / "state.json"
    file.write_text(state, encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["state.json"] = [file.stat().st_size, sha256_of(file)]
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = {
    "a file cut short": lambda folder: cut(folder / "model.safetensors"),
    "a bit turned": lambda folder: flip(folder / "model.safetensors"),
    "values edited": lambda folder: flip(folder / "state.json"),
    "a file gone": lambda folder: (folder / "model.safetensors").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: cut(folder / "manifest.json"),
    "another manifest": lambda folder: (folder / "manifest.json").write_text("[1]"),
    "a manifest that leads out": lambda folder: (folder / "manifest.json").write_text('{"../x": [0, ""]}'),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a file too many": lambda folder: (folder / "more.safetensors").write_bytes(b""),
    "values without a name": lambda folder: forged(folder, "[]"),
    "nothing in the values": lambda folder: forged(folder, "{}"),
    "values that lead out": lambda folder: forged(
        folder, '{"identity": {}, "values": {"../update-00000001.0000/model": {}}}'
    ),
    "values without end": lambda folder: forged(folder, "[" * 100_000),
    "an empty folder": lambda folder: [path.unlink() for path in folder.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(checkpoints, caplog, damage):
    for number in (1, 2):
        checkpoints.write(number, states(number))
    DAMAGES[damage](checkpoints.folder / "update-00000002.0000")
    assert read(checkpoints) == 1
    assert "damaged" in caplog.text and "update-00000002.0000" in caplog.text
    DAMAGES[damage](checkpoints.folder / "update-00000001.0000")
    assert read(checkpoints) is None


def test_a_checkpoint_of_other_conditions_is_refused_and_the_difference_named(checkpoints, tmp_path):
    checkpoints.write(1, states(1))
    identity = RunIdentity(conditions=CONDITIONS | {"epochs": 5, "version of torch": "3"})
    other = Checkpoints(tmp_path / "checkpoints", identity, None)
    with pytest.raises(
        RequestError, match=r"epochs is 3 there, 5 asked for; version of torch is 2\.13 there, 3 asked for.*--restart"
    ):
        other.read()
    with pytest.raises(RequestError, match="packing is None there, True asked for"):
        checkpoints.read({"packing": True})


def test_a_write_that_fails_leaves_the_ones_before_and_nothing_else(checkpoints, monkeypatch):
    checkpoints.write(1, states(1))

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(RunError, match="cannot be written .No space left on device"):
            checkpoints.write(2, states(2))
    assert [path.name for path in checkpoints.folder.iterdir()] == ["update-00000001.0000"]
    assert read(checkpoints) == 1


def test_there_is_no_pickle_in_it(checkpoints):
    checkpoints.write(1, states(1))
    assert {path.suffix for path in checkpoints.folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_when_one_is_due(tmp_path, monkeypatch):
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


def test_all_random_generators_go_on_where_they_were():
    import random

    import numpy as np

    def draw():
        return [torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random(), float(np.random.standard_normal())]

    device = torch.device("cpu")
    np.random.standard_normal()  # one of a pair is kept back
    state = random_state(device)
    state = State(state.tensors, json.loads(json.dumps(state.values)))
    drawn = draw()
    restore_random(device, state)
    assert draw() == drawn


def test_a_generator_that_keeps_its_own_state_is_noticed(monkeypatch):
    device = torch.device("cpu")
    state = random_state(device)
    torch.rand(1)
    monkeypatch.setattr(torch, "set_rng_state", lambda state: None)
    with pytest.raises(RuntimeError, match="did not take its state"):
        restore_random(device, state)


def test_damaged_checkpoints_take_nobodys_place(checkpoints):
    for number in (6, 7):
        checkpoints.write(number, states(number))
        (checkpoints.folder / f"update-{number:08d}.0000" / "manifest.json").unlink()
    assert read(checkpoints) is None
    for number in (1, 2, 3):
        checkpoints.write(number, states(number))
        assert read(checkpoints) == number
    assert len(list(checkpoints.folder.iterdir())) == 2


def test_the_end_of_an_epoch_leaves_the_checkpoint_of_its_last_update(checkpoints):
    checkpoints.write(3, states(3), epochs=0)
    checkpoints.write(3, states(4), epochs=1)
    assert read(checkpoints) == 4
    assert [path.name for path in sorted(checkpoints.folder.iterdir())] == [
        "update-00000003.0000",
        "update-00000003.0001",
    ]


def test_a_device_that_is_not_there_keeps_no_run_from_going_on():
    state = random_state(torch.device("cpu"))
    state.tensors["device"] = torch.zeros(16, dtype=torch.uint8)
    restore_random(torch.device("cpu"), state)
