"""Choosing the epoch whose model is best on dev."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..tasks.data import Split
from ..tasks.task import Task
from ..training.state import State
from .scoring import predict_split, score_split

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

    from ..training.predictor import Predictor


class BestEpoch:
    """Scores dev after each epoch, and keeps the weights of the best epoch (the earlier one of equal scores)."""

    def __init__(self, task: Task, predictor: Predictor, split: Split, encoded: Dataset) -> None:
        self.task, self.predictor, self.split, self.encoded = task, predictor, split, encoded
        self.score, self.epoch, self.weights = -math.inf, 0, {}

    def score_epoch(self, model: PreTrainedModel, epoch: int) -> dict[str, float]:
        """Score dev, and keep the weights if they are the best so far."""
        predicted, _ = predict_split(self.task, self.predictor, model, self.split, self.encoded)
        score = score_split(self.task, predicted).score
        if score > self.score:
            weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            self.score, self.epoch, self.weights = score, epoch, weights
        return {"dev_score": score}

    def use(self, model: PreTrainedModel) -> None:
        """Put the best weights into the model."""
        model.load_state_dict(self.weights)

    def state(self) -> State:
        """Return the best epoch so far with its weights."""
        return State(self.weights, {"score": self.score, "epoch": self.epoch} if self.epoch else {})

    def restore(self, state: State) -> None:
        """Continue from a state; an empty one means that no epoch was scored."""
        self.score, self.epoch = state.values.get("score", -math.inf), state.values.get("epoch", 0)
        self.weights = dict(state.tensors)
