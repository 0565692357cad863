"""Fitting texts into the maximum length: nothing is lost that a way promises to keep, and no sequence is too long."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from linkbert.errors import RequestError
from linkbert.tasks.fitting import cut_end, fit_texts, keep_mentions, windows
from linkbert.tasks.recipe import LONG_INPUTS, resolve_recipe
from linkbert.tasks.registry import TASKS
from linkbert.tasks.task import Truncation

CHECKPOINT = {"dropout": 0.1, "attention_dropout": 0.1}
WORDS = st.lists(st.sampled_from("a b c d e f g h".split()), min_size=1, max_size=60)


def fitted(tokenizer, first, second=None, max_length=16, fit=cut_end):
    (found,) = fit_texts(tokenizer, [(first, second)], max_length, True, fit)
    return found, [tokenizer.convert_ids_to_tokens(sequence) for sequence in found.row["input_ids"]]


@pytest.mark.parametrize("fit", [cut_end, keep_mentions, windows])
def test_a_text_that_fits_is_the_same_in_every_way(tokenizer, fit):
    found, sequences = fitted(tokenizer, "a @X$ b @Y$", max_length=32, fit=fit)
    assert len(sequences) == 1 and found.cut == 0 and not found.mention_lost
    assert found.row == fitted(tokenizer, "a @X$ b @Y$", max_length=32)[0].row


@settings(max_examples=60, deadline=None)
@given(before=WORDS, between=WORDS, after=WORDS, max_length=st.integers(12, 40))
def test_both_mentions_stay_inside(tokenizer, before, between, after, max_length):
    text = " ".join([*before, "@X$", *between, "@Y$", *after])
    found, (pieces,) = fitted(tokenizer, text, max_length=max_length, fit=keep_mentions)
    whole = tokenizer(text)["input_ids"]
    assert len(pieces) == min(max_length, len(whole)) and found.cut == max(0, len(whole) - max_length)
    assert not found.mention_lost and " ".join(pieces).count("@ x $") == 1 and " ".join(pieces).count("@ y $") == 1
    assert pieces[0] == "[CLS]" and pieces[-1] == "[SEP]" and pieces.count("[SEP]") == 1


def test_what_is_kept_lies_around_the_mentions(tokenizer):
    text = "a b c d e f g h @X$ a @Y$ h g f e d c b a"
    _, (pieces,) = fitted(tokenizer, text, max_length=15, fit=keep_mentions)
    assert pieces[1:-1] == "f g h @ x $ a @ y $ h g f".split()
    _, (start,) = fitted(tokenizer, "a @X$ b @Y$ c d e f g h a b c", max_length=14, fit=keep_mentions)
    assert start[1:-1] == "a @ x $ b @ y $ c d e f".split()


def test_what_is_far_apart_is_cut_between(tokenizer):
    text = "a @X$ " + "b " * 20 + "@Y$ c"
    found, (pieces,) = fitted(tokenizer, text, max_length=12, fit=keep_mentions)
    assert pieces[1:-1] == "@ x $ b b b b @ y $".split() and not found.mention_lost
    marked = "@ * drug * aspirin @ " + "b " * 20 + "# ^ pain ^ a b c d e f g h #"
    assert fitted(tokenizer, marked, max_length=16, fit=keep_mentions)[0].mention_lost
    assert fitted(tokenizer, marked, max_length=40, fit=cut_end)[0].mention_lost
    assert not fitted(tokenizer, marked, max_length=40, fit=keep_mentions)[0].mention_lost


def test_a_text_without_mentions_loses_its_end(tokenizer):
    text = "a b c d " * 10
    assert fitted(tokenizer, text, fit=keep_mentions) == fitted(tokenizer, text, fit=cut_end)


@settings(max_examples=60, deadline=None)
@given(first=WORDS, second=st.none() | WORDS, share=st.floats(0.1, 0.99))
def test_windows_lose_nothing_of_the_longer_text(tokenizer, first, second, share):
    first, second = " ".join(first), None if second is None else " ".join(second)
    length = len(tokenizer(first, second)["input_ids"])
    max_length = max(6, int(share * length))
    assume(length > max_length)
    found, sequences = fitted(tokenizer, first, second, max_length, windows)
    assert max(map(len, sequences)) <= max_length and not found.mention_lost
    longer, shorter = (first, second) if second is None or len(first) >= len(second) else (second, first)
    room = max_length - 2 if second is None else max_length - 3
    short = [] if shorter is None else tokenizer.tokenize(shorter)[: room // 2]
    assert found.cut == (0 if shorter is None else max(0, len(tokenizer.tokenize(shorter)) - room // 2))
    overlap = (room - len(short)) // 4
    joined = []
    for number, pieces in enumerate(sequences):
        parts = " ".join(pieces[1:-1]).split(" [SEP] ")
        part = parts[0 if longer is first else 1].split()
        if short:
            assert parts[1 if longer is first else 0].split() == short
        joined += part[overlap if number else 0 :]
    assert joined == tokenizer.tokenize(longer)


def test_windows_without_room_are_refused(tokenizer):
    with pytest.raises(RequestError, match="max_length 3 leaves no room for windows; raise it"):
        fitted(tokenizer, "a b c d", "e", 3, windows)


def test_each_task_says_what_it_can_do_with_long_inputs(tokenizer):
    ways = {name: ("cut", *task.family.long_inputs) for name, task in TASKS.items()}
    assert ways["ddi"] == ("cut", "keep-mentions") and ways["ncbi-disease"] == ("cut",)
    assert all(ways[name] == ("cut", "windows") for name in ("bioasq", "pubmedqa", "hoc", "biosses"))
    assert {way for known in ways.values() for way in known} == set(LONG_INPUTS)
    examples = [{"id": "1", "text": "a", "text_pair": "b c d e f g h " * 4, "label": "yes"}]
    truncation = Truncation()
    (row,) = TASKS["bioasq"].encode(tokenizer, examples, 16, truncation, "windows")
    assert len(row["input_ids"]) > 1 and truncation == Truncation(examples=1, windowed=1)


@pytest.mark.parametrize(
    ("task", "value", "message"),
    [
        (
            "ddi",
            "windows",
            "--long-inputs: relation extraction has no long_inputs 'windows'; it has cut, keep-mentions",
        ),
        ("bioasq", "keep-mentions", "--long-inputs: question answering has no long_inputs 'keep-mentions'; it has cut"),
        ("bioasq", "window", "--long-inputs: unknown long_inputs 'window'; did you mean windows"),
    ],
)
def test_what_a_task_cannot_do_is_refused(task, value, message):
    with pytest.raises(RequestError, match=message):
        resolve_recipe(TASKS[task], "base", {"long_inputs": (value, "--long-inputs")}, CHECKPOINT)
