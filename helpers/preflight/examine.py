"""The order of the checks, and what each needs from those before it."""

from .axes import check_axes
from .batch_norm import check_batch_norm
from .borders import check_alignment
from .data import check_data
from .gradient import check_gradient, check_trainable, gradients_of
from .inputs import check_confidence, check_initial_loss, check_input_range
from .labels import check_labels
from .loss import check_loss
from .model import check_forward, check_model, check_shapes
from .output import check_output
from .prediction import check_prediction
from .scores import check_scores
from .training import Trainer, check_optimizer, check_overfit


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
    ask("alignment", check_alignment, case)

    gives = ask("output", check_output, case, needed=True)
    said = ask("loss", check_loss, case, gives, needed=True)
    ask("scores", check_scores, case, gives)

    start = ask("initial loss", check_initial_loss, case, said, unchanged)
    norms = ask("input range", check_input_range, case, said, start)
    other_range = table.found("input range")
    ask("batch norm", check_batch_norm, case, said, start, norms, steps, explained=other_range)
    ask("initial loss", check_confidence, start, said, explained=bool(table.problems))

    ask("gradient", check_trainable, model, needed=True)
    gradients = gradients_of(case)
    ask("gradient", check_gradient, case, gradients, unchanged)
    ask("axes", check_axes, case)
    ask("prediction", check_prediction, case, gives, explained=table.found("input range", "batch norm"))

    trainer = Trainer(case, gives, gradients, unchanged, end)
    best = ask("overfit", check_overfit, trainer, said, explained=bool(table.problems))
    ask("optimizer", check_optimizer, trainer, said, best)
