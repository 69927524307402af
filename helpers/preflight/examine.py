"""The order of the checks, and what each needs from those before it."""

from . import backend
from .axes import check_axes
from .batch_norm import check_batch_norm
from .data import check_data
from .gradient import check_gradient, check_trainable
from .inputs import check_confidence, check_initial_loss, check_input_range, check_unscaled
from .labels import check_labels
from .loss import check_loss
from .model import check_forward, check_model, check_shapes
from .optimizer import check_optimizer
from .output import check_output
from .pairs import check_alignment
from .prediction import check_prediction
from .scores import check_scores
from .training import Trainer, check_overfit


def examine(table, unchanged, model, batch, *, class_names, steps, void, end):
    """Makes one check after another, the most fundamental first.

    Without the facts of those that are `needed`, no later check has a meaning; each of the others may fail alone.

    Args:
        table: asks each check and prints what it found: `report.Table`.
        unchanged: puts back what was changed meanwhile: `unchanged.Unchanged`.
        model, batch, class_names, steps, void: as `preflight` takes them.
        end: when everything should be over, by `time.perf_counter`.

    Raises:
        Stop: when no later check has a meaning.
    """
    ask = table.ask
    ask("model", check_model, model, needed=True)
    data = ask("data", check_data, batch, needed=True)
    data, output = ask("model", check_forward, model, data, unchanged, needed=True)
    form = ask("shapes", check_shapes, data, output, needed=True)
    case = ask("labels", check_labels, model, data, output, form, void, class_names, needed=True)
    ask("alignment", check_alignment, case, explained=table.found("data"))

    gives = ask("output", check_output, case, needed=True)
    said = ask("loss", check_loss, case, gives, needed=True)
    ask("scores", check_scores, case, gives, explained=table.found("loss"))

    start = ask("initial loss", check_initial_loss, case, said, unchanged)
    norms = ask("input range", check_input_range, case, gives, said, start)
    other_range = table.found("input range")
    ask("batch norm", check_batch_norm, case, said, start, norms, steps, explained=other_range)
    ask("gradient", check_trainable, model, needed=True)
    gradients = backend.gradients_of(model, case.x, case.data.y, case.data.weight)
    ask("gradient", check_gradient, case, said, gradients, unchanged, explained=table.found("loss", "input range"))
    ask("axes", check_axes, case, gives)
    ask("prediction", check_prediction, case, gives, start, norms, explained=table.found("input range", "batch norm"))

    trainer = Trainer(case, gives, said, gradients, unchanged, end)
    before = table.found(other_than=["prediction"])
    learned = ask("overfit", check_overfit, trainer, start, explained=bool(table.problems))
    ask("input range", check_unscaled, case, start, trainer, said, explained=before)
    before = before or table.found("input range")
    ask("initial loss", check_confidence, start, trainer, said, explained=before)
    ask("optimizer", check_optimizer, trainer, learned, explained=table.found("labels", "output", "loss"))
