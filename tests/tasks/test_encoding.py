"""Encoding into token ids: windows, truncation, and the counts of what is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.models.heads import IGNORED
from linkbert.tasks.encoding import UNSCORED, place_words
from linkbert.tasks.registry import TASKS
from linkbert.tasks.task import Truncation

NER, GAD, QA, MEDQA = (TASKS[name] for name in ("ncbi-disease", "gad", "pubmedqa", "medqa"))


def encode(task, tokenizer, examples, max_length):
    truncation = Truncation()
    return list(task.encode(tokenizer, examples, max_length, truncation)), truncation


def example_of(tokens, tags=None):
    return {"id": "1", "tokens": tokens, "label": tags or ["O"] * len(tokens)}


def test_only_the_first_piece_of_each_word_is_labelled(tokenizer):
    ((row,), truncation) = encode(NER, tokenizer, [example_of(["the", "xyz"], ["O", "B-Disease"])], 32)
    pieces = tokenizer.convert_ids_to_tokens(row["input_ids"][0])
    assert pieces == ["[CLS]", "the", "x", "##y", "##z", "[SEP]"]
    assert row["labels"] == [[IGNORED, 0, 1, IGNORED, IGNORED, IGNORED]]
    assert row["word_index"] == [[UNSCORED, 0, 1, UNSCORED, UNSCORED, UNSCORED]]
    assert truncation == Truncation(examples=1)


def test_a_gold_entity_past_the_maximum_length_still_counts(tokenizer):
    """The original LinkBERT scripts truncated such a sentence and dropped its gold labels beyond the limit."""
    tokens = ["the"] * 40 + ["pain"]
    ((row,), truncation) = encode(NER, tokenizer, [example_of(tokens, ["O"] * 40 + ["B-Disease"])], 16)
    assert len(row["input_ids"]) > 1 and max(map(len, row["input_ids"])) <= 16
    placed = sorted(word for window in row["word_index"] for word in window if word != UNSCORED)
    assert placed == list(range(41))
    assert truncation.windowed == 1 and truncation.gold_labels_lost == 0


def test_a_window_starts_every_half_maximum_length(tokenizer):
    letters = [chr(97 + index % 26) for index in range(30)]
    ((row,), _) = encode(NER, tokenizer, [example_of(letters)], 12)
    starts = [tokenizer.convert_ids_to_tokens(window)[1] for window in row["input_ids"]]
    assert starts == [letters[start] for start in range(0, 6 * len(starts), 6)]


def test_the_gold_label_of_a_word_without_a_word_piece_is_counted_as_lost(tokenizer):
    # BERT's text cleaning deletes U+FFFD, so the second word has no word piece.
    ((row,), truncation) = encode(NER, tokenizer, [example_of(["the", "\ufffd", "pain"], ["O", "B-Disease", "O"])], 32)
    assert [word for word in row["word_index"][0] if word != UNSCORED] == [0, 2]
    assert truncation.gold_labels_lost == 1 and row["n_words"] == 3


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=30), max_length=st.integers(4, 24))
def test_every_word_is_placed_once_at_its_first_piece_in_the_window_with_most_context(tokenizer, lengths, max_length):
    tokens = ["x" + "y" * (length - 1) for length in lengths]
    ((row,), _) = encode(NER, tokenizer, [example_of(tokens)], max_length)
    step, capacity = max(1, min(max_length // 2, max_length - 2)), max_length - 2
    firsts = [sum(lengths[:word]) for word in range(len(lengths))]
    total = sum(lengths)
    found = {}
    for number, (ids, index) in enumerate(zip(row["input_ids"], row["word_index"])):
        pieces = tokenizer.convert_ids_to_tokens(ids)
        assert pieces[0] == "[CLS]" and pieces[-1] == "[SEP]" and len(pieces) <= max_length
        for position, word in enumerate(index):
            if word != UNSCORED:
                assert word not in found and pieces[position] == "x"
                found[word] = (number, number * step + position - 1)
    assert set(found) == set(range(len(lengths)))
    for word, (number, piece) in found.items():
        assert piece == firsts[word]
        last = firsts[word] + lengths[word] - 1
        windows = [(k * step, min(k * step + capacity, total)) for k in range(len(row["input_ids"]))]
        contexts = [min(piece - s, e - 1 - last) if s <= piece < e else None for s, e in windows]
        best = max(context for context in contexts if context is not None)
        assert contexts[number] == best and best not in contexts[:number]


def test_the_earlier_of_two_windows_with_equal_context_is_chosen():
    # The first window holds pieces 0 to 3, the second one pieces 2 to 5. In the first window, word 2 has one piece of
    # context and word 3 has none; in the second window it is the other way round.
    first, second = [None, 0, 1, 2, 3, None], [None, 2, 3, 4, 5, None]
    assert place_words([first, second], 2) == [[-1, 0, 1, 2, -1, -1], [-1, -1, 3, 4, 5, -1]]
    tie_first, tie_second = [None, 0, 1, 2, None], [None, 1, 2, 3, None]
    assert place_words([tie_first, tie_second], 1)[0] == [-1, 0, 1, -1, -1]


def test_pairs_are_truncated_longest_first_and_lost_tokens_are_counted(tokenizer):
    question, context = "the pain", " ".join(["fever"] * 40)
    ((row,), truncation) = encode(
        QA, tokenizer, [{"id": "1", "text": question, "text_pair": context, "label": "no"}], 20
    )
    pieces = tokenizer.convert_ids_to_tokens(row["input_ids"][0])
    assert pieces[:4] == ["[CLS]", "the", "pain", "[SEP]"] and len(pieces) == 20 and pieces[-1] == "[SEP]"
    assert row["token_type_ids"][0] == [0] * 4 + [1] * 16 and row["labels"] == 1
    assert (truncation.examples_cut, truncation.tokens_cut) == (1, 45 - 20)


def test_a_lost_entity_mask_is_counted_once_per_example(tokenizer):
    long = "@GENE$ " + "the " * 60 + "@DISEASE$ and @GENE$"
    kept = "@GENE$ and @DISEASE$ " + "the " * 60
    _, truncation = encode(
        GAD,
        tokenizer,
        [{"id": str(n), "text": t, "text_pair": None, "label": "1"} for n, t in enumerate((long, kept))],
        40,
    )
    assert (truncation.examples_cut, truncation.masks_lost) == (2, 1)


def test_each_option_is_encoded_as_a_pair_of_question_and_option(tokenizer):
    example = {"id": "1", "question": "which drug", "options": ["a", "b", "c", "d " * 40], "label": 2}
    ((row,), truncation) = encode(MEDQA, tokenizer, [example], 24)
    pieces = [tokenizer.convert_ids_to_tokens(ids) for ids in row["input_ids"]]
    assert pieces[1] == ["[CLS]", "which", "drug", "[SEP]", "b", "[SEP]"] and len(pieces[3]) == 24
    assert row["labels"] == 2 and truncation.examples_cut == 1


def test_label_numbers_follow_the_task_and_not_the_data(tokenizer):
    examples = [{"id": "1", "text": "the", "text_pair": None, "label": label} for label in ("CPR:9", "0", "CPR:3")]
    rows, _ = encode(TASKS["chemprot"], tokenizer, examples, 16)
    assert [row["labels"] for row in rows] == [5, 0, 1]
