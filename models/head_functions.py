"""What the heads compute: losses, outputs per example, and the Arrow types of their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

IGNORED = -100  # label of a word piece that the loss leaves out
UNSCORED = -1  # word index of a word piece at which nothing is predicted
# The label of a token for a span head is a sum of these: the answer starts here, it ends here, a sequence starts here.
STARTS_ANSWER, ENDS_ANSWER, STARTS_SEQUENCE = 1, 2, 4


class Batch(Protocol):
    """What a head needs to know of the batch that gave the logits; `training.collation.Batch` has it.

    Attributes:
        word_positions: for each word of all examples the index of its logits among the flattened logits, or -1 if the
            word has no word piece; int, shape (words,). None for heads that do not read words.
        n_words: the number of words of each example, shape (examples,), or None.
        sequences: the number of sequences of each example, shape (examples,).
        lengths: the number of tokens of each sequence, shape (sequences,).
        token_positions: the index of each token's logits among the flattened logits, shape (tokens,).
        token_spans: start and end of each token in the context of its question, in code points, or -1 for other
            tokens; shape (tokens, 2). None for heads that do not look for spans.
    """

    @property
    def word_positions(self) -> np.ndarray | None: ...  # noqa: D102

    @property
    def n_words(self) -> np.ndarray | None: ...  # noqa: D102

    @property
    def sequences(self) -> np.ndarray: ...  # noqa: D102

    @property
    def lengths(self) -> np.ndarray: ...  # noqa: D102

    @property
    def token_positions(self) -> np.ndarray: ...  # noqa: D102

    @property
    def token_spans(self) -> np.ndarray | None: ...  # noqa: D102


def logits(output: Any, sequences: np.ndarray) -> torch.Tensor:
    """Return the logits of a model with one output per token, sequence or option."""
    return output.logits


def mean_logits(output: Any, sequences: np.ndarray) -> torch.Tensor:
    """Return one row of logits per example: the mean over its sequences, shape (examples, labels).

    Heads end in a linear layer, so that this is what the layer gives for the mean of the vectors before it.
    """
    import numpy as np
    import torch

    logits = output.logits
    if len(sequences) == len(logits):
        return logits
    owners, counts = np.repeat(np.arange(len(sequences)), sequences), sequences.astype(np.float32)[:, None]
    index, divisor = (torch.from_numpy(values).to(logits.device) for values in (owners, counts))
    return logits.float().new_zeros(len(sequences), logits.shape[-1]).index_add(0, index, logits.float()) / divisor


def token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy, summed over the words."""
    from torch.nn import functional

    return functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def class_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy, summed over the examples."""
    from torch.nn import functional

    return functional.cross_entropy(logits.float(), labels, reduction="sum")


def multi_label_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the binary cross entropy, summed over the examples."""
    from torch.nn import functional

    # The loss of one example is the mean over its labels, as in the authors' scripts.
    return functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum") / labels.shape[-1]


def regression_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the squared error, summed over the examples."""
    from torch.nn import functional

    return functional.mse_loss(logits.float().squeeze(-1), labels, reduction="sum")


def span_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean of the losses of start and end, summed over sequences, as in BERT's scripts for SQuAD.

    The softmax goes over all tokens of a sequence. In a packed row the sequences have different lengths, so that sums
    are taken by the number of the sequence.

    Args:
        logits: of start and end for each token, shape (rows, tokens, 2).
        labels: sums of `STARTS_ANSWER`, `ENDS_ANSWER` and `STARTS_SEQUENCE`, or `IGNORED`; shape (rows, tokens).
    """
    import torch

    real = labels.flatten() != IGNORED
    values, flags = logits.float().flatten(0, 1)[real], labels.flatten()[real]
    sequence = (flags & STARTS_SEQUENCE).bool().cumsum(0) - 1
    owners = sequence.unsqueeze(1).expand_as(values)
    shape = (int(sequence[-1]) + 1, 2)
    # The maximum is subtracted for numerical stability; the result does not depend on it, so it needs no gradient.
    largest = values.detach().new_full(shape, -torch.inf).scatter_reduce(0, owners, values.detach(), "amax")
    sums = values.new_zeros(shape).index_add(0, sequence, (values - largest[sequence]).exp())
    logarithms = sums.log() + largest
    chosen = torch.stack([(flags & STARTS_ANSWER).bool(), (flags & ENDS_ANSWER).bool()], dim=1)
    return (logarithms.sum() - values[chosen].sum()) / 2


def count_sequences(labels: torch.Tensor) -> torch.Tensor:
    """Return the number of sequences that the loss of a span head is summed over."""
    return ((labels != IGNORED) & (labels & STARTS_SEQUENCE).bool()).sum()


def count_words(labels: torch.Tensor) -> torch.Tensor:
    """Return the number of labelled words."""
    return (labels != IGNORED).sum()


def count_examples(labels: torch.Tensor) -> torch.Tensor:
    """Return the number of examples."""
    return labels.new_tensor(labels.shape[0]).long()


def per_example(logits: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """Return the logits of each example."""
    return list(logits.float().cpu().numpy())


def per_word(logits: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """Return one array of shape (words, labels) per example; a word without a word piece is a row of NaN."""
    import numpy as np

    if batch.word_positions is None or batch.n_words is None:
        raise ValueError("a batch for a token head needs the positions of its words")
    values = logits.float().cpu().numpy().reshape(-1, logits.shape[-1])[batch.word_positions]
    values[batch.word_positions < 0] = np.nan
    return np.split(values, np.cumsum(batch.n_words)[:-1])


def span_logits(output: Any, sequences: np.ndarray) -> torch.Tensor:
    """Return the logits of start and end, shape (rows, tokens, 2)."""
    import torch

    return torch.stack([output.start_logits, output.end_logits], dim=-1)


def option_logits(output: Any, sequences: np.ndarray) -> torch.Tensor:
    """Return logits of shape (examples, options), with minus infinity in place of options that an example lacks."""
    import numpy as np
    import torch

    logits = output.logits
    if len(sequences) == len(logits):
        return logits
    owners = np.repeat(np.arange(len(sequences)), sequences)
    options = np.arange(len(owners)) - np.repeat(np.cumsum(sequences) - sequences, sequences)
    index = tuple(torch.from_numpy(values).to(logits.device) for values in (owners, options))
    filled = logits.new_full((len(sequences), int(sequences.max())), -torch.inf)
    return filled.index_put(index, logits.flatten())


def per_option(logits: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """Return one logit per option for each example."""
    return [row[:options] for row, options in zip(per_example(logits, batch), batch.sequences, strict=True)]


def per_token(logits: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """Return one array of shape (tokens, 5) per example, in float64.

    Its columns are: number of the token's sequence in the example, logit of the start, logit of the end, and start and
    end of the token in the context (-1 for other tokens).
    """
    import numpy as np

    if batch.token_spans is None:
        raise ValueError("a batch for a span head needs the positions of its tokens in the text")
    values = logits.float().cpu().numpy().reshape(-1, 2)[batch.token_positions]
    first = np.repeat(np.cumsum(batch.sequences) - batch.sequences, batch.sequences)
    numbers = np.repeat(np.arange(len(batch.lengths)) - first, batch.lengths)
    rows = np.column_stack([numbers, values, batch.token_spans]).astype(np.float64)
    after_last_sequence = np.cumsum(batch.sequences)
    return np.split(rows, np.cumsum(batch.lengths)[after_last_sequence - 1][:-1])


def tags() -> pa.DataType:
    """Return the type of one list per window, with one label per word piece."""
    import pyarrow as pa

    return pa.list_(pa.list_(pa.int16()))


def class_index() -> pa.DataType:
    """Return the type of the number of a class."""
    import pyarrow as pa

    return pa.int32()


def number() -> pa.DataType:
    """Return the type of a regression label."""
    import pyarrow as pa

    return pa.float32()


def flags() -> pa.DataType:
    """Return the type of one flag per label."""
    import pyarrow as pa

    return pa.list_(pa.float32())
