"""The learning rate follows the schedule that the recipe names."""

import pytest
import torch
from linkbert.tasks.recipe import SCHEDULES, Recipe
from linkbert.training.optimization import make_scheduler
from linkbert.training.steps import StepPlan


def learning_rates(schedule, total=10, warmup=2):
    recipe = Recipe(1.0, 4, 1, 32, schedule=schedule)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.learning_rate)
    scheduler = make_scheduler(recipe, optimizer, StepPlan(total, total, warmup))
    found = []
    for _ in range(total):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


def test_the_learning_rate_of_the_linear_schedule_rises_and_falls_linearly():
    assert learning_rates("linear") == pytest.approx([0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_that_a_recipe_may_name_exists_in_transformers(schedule):
    from transformers import SchedulerType

    assert schedule in {item.value for item in SchedulerType}
    found = learning_rates(schedule)
    assert max(found) == pytest.approx(1) and min(found) >= 0


def test_the_cosine_schedule_is_first_above_and_then_below_the_linear_one():
    cosine, linear = learning_rates("cosine", 100, 0), learning_rates("linear", 100, 0)
    assert cosine[25] > linear[25] and cosine[75] < linear[75]
