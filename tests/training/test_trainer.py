"""The trainer follows the protocol: loss, optimizer, schedule, packing, memory and precision."""

import copy
import math

import pytest
import torch
from datasets import Dataset, concatenate_datasets
from linkbert.errors import RequestError, RunError
from linkbert.models.heads import HEADS
from linkbert.models.loading import load_model
from linkbert.tasks.data import encode_split, load_split
from linkbert.tasks.recipe import Recipe
from linkbert.tasks.registry import TASKS
from linkbert.training.collation import Collator
from linkbert.training.steps import plan_steps
from linkbert.training.trainer import Trainer

NAMES = {"ncbi-disease": "token", "gad": "sequence", "hoc": "multi-label", "biosses": "regression", "medqa": "choice"}


def recipe(**changes):
    settings = {"learning_rate": 1e-3, "batch_size": 6, "epochs": 2, "max_length": 32}
    return Recipe(**(settings | changes))


@pytest.fixture
def prepared(data_dir, tiny, tokenizer):
    def prepare(name):
        task = TASKS[name]
        encoded, _ = encode_split(task, load_split(task, "train", data_dir), tokenizer, 32)
        torch.manual_seed(0)
        model = load_model(tiny, task.head, task.labels, fine_tuned=False, dropout=0.0, attention_dropout=0.0)
        return task, encoded, model

    return prepare


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("name", NAMES)
def test_the_micro_batch_size_does_not_change_the_trained_weights(prepared, tokenizer, name):
    """The loss of an update is a sum divided by the number of labelled words or examples of the whole update."""
    task, encoded, model = prepared(name)
    trained = []
    for per_device in (6, 2, 1):
        trainer = Trainer(task.head, tokenizer, "fp32")
        copied, _ = trainer.fit(copy.deepcopy(model), encoded, recipe(eps=1e-5), seed=3, per_device=per_device)
        trained.append(weights(copied))
    moved = (trained[0] - weights(model)).abs().max()
    # Float sums depend on their order. The exact gradient of the bias of a choice head is zero, so it gets rounding
    # errors only, which Adam with its default eps would scale up to full steps of 1e-3.
    for other in trained[1:]:
        assert (other - trained[0]).abs().max() < 2e-5 < 5e-4 < moved


@pytest.mark.parametrize("name", ["pubmedqa", "hoc", "biosses"])
def test_an_example_in_windows_is_scored_by_the_mean_of_their_logits(data_dir, tiny, tokenizer, name):
    task = TASKS[name]
    split = load_split(task, "train", data_dir)
    parts = [encode_split(task, split, tokenizer, length, "windows")[0] for length in (8, 32)]
    encoded = concatenate_datasets(parts)
    rows = [encoded[index] for index in range(len(encoded))]
    assert len({len(row["input_ids"]) for row in rows}) > 1
    torch.manual_seed(0)
    model = load_model(tiny, task.head, task.labels, fine_tuned=False, dropout=0.0, attention_dropout=0.0).eval()
    trainer = Trainer(task.head, tokenizer, "fp32")
    for row, output in zip(rows, trainer.predict(model, encoded), strict=True):
        sequences = [
            model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0]
            for ids, types in zip(row["input_ids"], row["token_type_ids"], strict=True)
        ]
        assert torch.allclose(torch.tensor(output), torch.stack(sequences).mean(0), atol=1e-5)
    trained = [
        weights(Trainer(task.head, tokenizer, "fp32").fit(copy.deepcopy(model), encoded, recipe(eps=1e-5), seed=3,
                                                          per_device=size)[0])
        for size in (6, 1)
    ]  # fmt: skip
    assert (trained[0] - trained[1]).abs().max() < 2e-5 < 5e-4 < (trained[0] - weights(model)).abs().max()


def test_an_update_is_one_adamw_step_on_the_mean_loss(prepared, tokenizer):
    task, encoded, model = prepared("gad")
    reference = copy.deepcopy(model)
    trainer = Trainer(task.head, tokenizer, "fp32")
    fitted, _ = trainer.fit(model, encoded, recipe(batch_size=12, epochs=1, weight_decay=0.01), seed=1, per_device=12)
    with_decay = [p for p in reference.parameters() if p.ndim >= 2]
    without_decay = [p for p in reference.parameters() if p.ndim < 2]
    groups = [{"params": with_decay, "weight_decay": 0.01}, {"params": without_decay, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    batch = Collator(task.head, tokenizer.pad_token_id, token_types=True)(encoded.with_format("arrow")[:])
    loss = torch.nn.functional.cross_entropy(reference(**batch.inputs).logits, batch.labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
    optimizer.step()
    assert torch.allclose(weights(fitted), weights(reference), atol=2e-5)


def test_biases_and_layer_norms_have_no_weight_decay(prepared):
    from linkbert.training.optimization import make_optimizer

    _, _, model = prepared("gad")
    optimizer = make_optimizer(model, recipe(weight_decay=0.1), torch.device("cpu"))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    without_decay = {names[id(p)] for p in optimizer.param_groups[1]["params"]}
    assert optimizer.param_groups[0]["weight_decay"] == 0.1 and optimizer.param_groups[1]["weight_decay"] == 0
    assert without_decay == {name for name in names.values() if name.endswith("bias") or "LayerNorm" in name}


def test_the_learning_rate_warms_up_from_zero_and_decays_linearly_to_zero(prepared, tokenizer):
    task, encoded, model = prepared("gad")
    rates = []

    class RecordingAdamW(torch.optim.AdamW):
        def step(self, *args, **options):
            rates.append(self.param_groups[0]["lr"])
            return super().step(*args, **options)

    trainer = Trainer(task.head, tokenizer, "fp32")
    original, torch.optim.AdamW = torch.optim.AdamW, RecordingAdamW
    try:
        trainer.fit(model, encoded, recipe(batch_size=3, epochs=2, warmup=0.5), seed=1)
    finally:
        torch.optim.AdamW = original
    assert rates == pytest.approx([1e-3 * factor for factor in (0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25)])


@pytest.mark.parametrize(
    ("examples", "batch", "epochs", "max_steps", "expected"),
    [(10178, 32, 2, None, 638), (1295, 32, 20, None, 820), (10, 4, 3, None, 9), (10, 4, 3, 2, 2), (10, 4, 3, 100, 100)],
)
def test_the_number_of_updates_follows_from_epochs_and_batch_size_or_is_max_steps(
    examples, batch, epochs, max_steps, expected
):
    assert plan_steps(recipe(batch_size=batch, epochs=epochs), examples, max_steps).total == expected


def test_max_steps_shortens_the_learning_rate_schedule_as_well():
    plan = plan_steps(recipe(warmup=0.5), 1000, 10)
    assert (plan.total, plan.warmup) == (10, 5)


def test_a_warm_up_longer_than_the_run_is_an_error():
    with pytest.raises(RequestError, match="longer than the run"):
        plan_steps(recipe(warmup=100), 12, None)


def test_a_loss_that_is_not_finite_stops_the_run(prepared, tokenizer):
    task, encoded, model = prepared("gad")
    with torch.no_grad():
        model.classifier.bias.fill_(math.nan)
    with pytest.raises(RunError, match=r"not finite \(nan\) at update 1 of 4; lower --learning-rate"):
        Trainer(task.head, tokenizer, "fp32").fit(model, encoded, recipe(), seed=1)


def test_the_same_seed_gives_the_same_weights_and_another_seed_gives_others(data_dir, tiny, tokenizer):
    task = TASKS["gad"]
    encoded, _ = encode_split(task, load_split(task, "train", data_dir), tokenizer, 32)
    found = []
    for seed in (5, 5, 6):
        trainer = Trainer(task.head, tokenizer, "fp32")
        trainer.seed(seed)
        model = load_model(tiny, task.head, task.labels, fine_tuned=False)
        found.append(weights(trainer.fit(model, encoded, recipe(), seed=seed)[0]))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_in_the_order_of_the_examples_whatever_their_lengths(prepared, tokenizer, name):
    task, encoded, model = prepared(name)
    trainer = Trainer(task.head, tokenizer, "fp32")
    rows = [encoded[index] for index in range(len(encoded))]
    for number, row in enumerate(rows):
        if number % 3 == 0:
            for key in ("input_ids", "token_type_ids"):
                row[key] = [sequence[:1] + sequence[1:-1] * 2 + sequence[-1:] for sequence in row[key]]
            if task.head.per_word:
                row["word_index"] = [window + [-1] * (len(window) - 2) for window in row["word_index"]]
                row["labels"] = [window + [-100] * (len(window) - 2) for window in row["labels"]]
    mixed = Dataset.from_list(rows)
    together = list(trainer.predict(model, mixed))
    tables = mixed.with_format("arrow")
    alone = [trainer.predict_rows(model, tables[index : index + 1])[0] for index in range(len(rows))]
    for one, other in zip(together, alone, strict=True):
        assert one.shape == other.shape and abs(one - other).max() < 1e-5


def test_bf16_training_keeps_the_weights_in_float32(prepared, tokenizer):
    task, encoded, model = prepared("gad")
    trainer = Trainer(task.head, tokenizer, "bf16")
    fitted, cost = trainer.fit(model, encoded, recipe(), seed=1)
    assert all(parameter.dtype == torch.float32 for parameter in fitted.parameters())
    assert trainer.precision == "bf16" and cost.tokens_per_second > 0


def test_fp16_without_a_gpu_is_refused(tokenizer):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(RequestError, match="fp16 needs a GPU"):
        Trainer(HEADS["sequence"], tokenizer, "fp16")


def test_a_per_device_batch_size_that_does_not_divide_the_batch_size_is_refused(tokenizer):
    with pytest.raises(RequestError, match="does not divide the 6 examples"):
        Trainer(HEADS["sequence"], tokenizer, "fp32").check_batch(recipe(), 4)


class PaddedTrainer(Trainer):
    """A trainer that treats every model as one that cannot be packed."""

    def packs(self, model):
        return False


@pytest.mark.parametrize("name", NAMES)
def test_packed_and_padded_training_give_the_same_losses_weights_and_predictions(prepared, tokenizer, name):
    """Both train for 20 updates on the same batches, without dropout."""
    task, encoded, model = prepared(name)
    losses, trained, predicted = [], [], []
    for kind in (Trainer, PaddedTrainer):
        trainer = kind(task.head, tokenizer, "fp32")
        seen = []
        backward = trainer._backward
        trainer._backward = lambda *args, backward=backward, seen=seen: seen.append(backward(*args)) or seen[-1]
        # 12 examples in batches of 6 make 2 updates per epoch.
        settings = recipe(epochs=10, eps=1e-5, learning_rate=1e-3)
        fitted, _ = trainer.fit(copy.deepcopy(model), encoded, settings, seed=3)
        losses.append(torch.stack(seen))
        trained.append(weights(fitted))
        predicted.append(list(trainer.predict(fitted, encoded)))
    assert len(losses[0]) == 20
    # Float sums in another order differ by about 1e-7 of their size. AdamW scales each gradient to a step of up to
    # 1e-3, so that the relative error of a tiny gradient reaches the weights in each of 20 steps; eps reduces it.
    assert (losses[0] - losses[1]).abs().max() < 1e-4
    assert (trained[0] - trained[1]).abs().max() < 5e-5 < (trained[0] - weights(model)).abs().max() / 20
    for one, other in zip(*predicted, strict=True):
        assert abs(one - other).max() < 1e-3


def test_the_amount_of_padding_and_the_micro_batch_size_are_reported(prepared, tokenizer):
    task, encoded, model = prepared("gad")
    packed = Trainer(task.head, tokenizer, "fp32").fit(copy.deepcopy(model), encoded, recipe(), seed=1)[1]
    padded = PaddedTrainer(task.head, tokenizer, "fp32").fit(copy.deepcopy(model), encoded, recipe(), seed=1)[1]
    lengths = [len(row["input_ids"][0]) for row in encoded]
    assert 0 <= packed.padding < 32 / (sum(lengths) / 2) and 0 <= padded.padding < 1
    assert packed.micro_batch == "4096 tokens" and packed.halvings == 0


def test_batches_of_a_model_that_cannot_be_packed_are_padded_and_this_is_logged_once(
    data_dir, make_model, caplog, monkeypatch
):
    from linkbert.models.tokenizer_loading import load_tokenizer

    monkeypatch.setattr("linkbert.training.predictor.can_pack", lambda model, head: False)
    folder = make_model("deberta-v2")
    task, tokenizer = TASKS["gad"], load_tokenizer(folder, words=False)
    encoded, _ = encode_split(task, load_split(task, "train", data_dir), tokenizer, 32)
    trainer = Trainer(task.head, tokenizer, "fp32")
    model = load_model(folder, task.head, task.labels, fine_tuned=False)
    with caplog.at_level("INFO", logger="linkbert"):
        fitted, _ = trainer.fit(model, encoded, recipe(), seed=1)
        list(trainer.predict(fitted, encoded))
    lines = [record.getMessage() for record in caplog.records if "padded" in record.getMessage()]
    assert lines == ["deberta-v2 does not take packed rows: batches are padded"]


@pytest.mark.parametrize("per_device", [None, 6])
def test_running_out_of_memory_halves_the_micro_batch_and_training_continues(
    prepared, tokenizer, monkeypatch, caplog, per_device
):
    """The batch size stays that of the recipe, so the weights equal those of a run with enough memory."""
    task, encoded, model = prepared("ncbi-disease")
    settings = recipe(epochs=2, eps=1e-5)
    whole, _ = Trainer(task.head, tokenizer, "fp32").fit(copy.deepcopy(model), encoded, settings, seed=3)
    small = copy.deepcopy(model)
    forward = small.classifier.forward

    def forward_with_little_memory(hidden):
        if hidden.shape[1] > 32:  # one packed row of more than 32 tokens
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")
        return forward(hidden)

    monkeypatch.setattr(small.classifier, "forward", forward_with_little_memory)
    with caplog.at_level("WARNING", logger="linkbert"):
        fitted, cost = Trainer(task.head, tokenizer, "fp32").fit(
            small, encoded, settings, seed=3, per_device=per_device
        )
    assert (weights(fitted) - weights(whole)).abs().max() < 2e-5
    assert cost.halvings >= 1 and caplog.text.count("out of memory with micro-batches of") == cost.halvings
    assert cost.micro_batch.split()[1] == ("tokens" if per_device is None else "examples")


def test_running_out_of_memory_with_a_single_example_is_a_plain_error(prepared, tokenizer, monkeypatch):
    task, encoded, model = prepared("gad")

    def raise_out_of_memory(*args, **options):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(model.classifier, "forward", raise_out_of_memory)
    with pytest.raises(RunError, match="out of memory on .* with micro-batches of 1 examples; use --per-device"):
        Trainer(task.head, tokenizer, "fp32").fit(model, encoded, recipe(), seed=1, per_device=6)


def test_other_errors_in_an_update_are_not_treated_as_running_out_of_memory(prepared, tokenizer, monkeypatch):
    task, encoded, model = prepared("gad")
    monkeypatch.setattr(model.classifier, "forward", lambda hidden: hidden @ torch.ones(3, 3))
    trainer = PaddedTrainer(task.head, tokenizer, "fp32")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        trainer.fit(model, encoded, recipe(), seed=1)


def test_embeddings_of_tokens_that_are_not_in_the_training_data_do_not_change(prepared, tokenizer):
    task, encoded, model = prepared("gad")
    fitted, _ = Trainer(task.head, tokenizer, "fp32").fit(copy.deepcopy(model), encoded, recipe(), seed=1)
    found, before = fitted.get_input_embeddings().weight, model.get_input_embeddings().weight
    met = sorted({token for row in encoded for token in row["input_ids"][0]})
    moved = (found != before).any(1).nonzero().flatten().tolist()
    assert moved == met and 0 < len(met) < len(before)


def test_weight_decay_changes_embeddings_of_tokens_that_are_not_in_the_training_data(prepared, tokenizer):
    task, encoded, model = prepared("gad")
    settings = recipe(weight_decay=0.1)
    fitted, _ = Trainer(task.head, tokenizer, "fp32").fit(copy.deepcopy(model), encoded, settings, seed=1)
    found, before = fitted.get_input_embeddings().weight, model.get_input_embeddings().weight
    moved = (found != before).any(1)
    assert int((~moved).sum()) <= 1  # the embedding of the padding token is zero and stays zero


def test_scoring_halves_a_batch_that_does_not_fit_into_memory(prepared, tokenizer, monkeypatch):
    task, encoded, model = prepared("gad")
    trainer = Trainer(task.head, tokenizer, "fp32")
    whole = list(trainer.predict(model, encoded))
    forward = model.classifier.forward

    def forward_with_little_memory(hidden):
        if len(hidden) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(hidden)

    monkeypatch.setattr(model.classifier, "forward", forward_with_little_memory)
    halved = list(trainer.predict(model, encoded))
    assert len(halved) == len(whole)
    assert all(abs(one - other).max() < 1e-5 for one, other in zip(whole, halved, strict=True))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nmuch"), r"out of memory \(CUDA out of memory. Tried\)"),
        (MemoryError(), r"out of memory \(of the machine\)"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "the device failed .*same command continues"),
        (RuntimeError("x does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms(True)'"),
         "--deterministic is not possible"),
    ],
)  # fmt: skip
def test_device_failures_become_plain_errors(tokenizer, error, words):
    with pytest.raises(RunError, match=words), Trainer(HEADS["sequence"], tokenizer, "fp32").working():
        raise error


def test_other_failures_are_not_reported_as_device_failures(tokenizer):
    with pytest.raises(RuntimeError, match="shape"), Trainer(HEADS["sequence"], tokenizer, "fp32").working():
        raise RuntimeError("shape mismatch")


def test_deterministic_algorithms_are_enabled_only_while_the_trainer_works(tokenizer):
    trainer = Trainer(HEADS["sequence"], tokenizer, "fp32", deterministic=True)
    with trainer.working():
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
