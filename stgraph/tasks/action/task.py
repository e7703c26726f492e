"""Action: from the motion of one or more persons to the class of the clip."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from stgraph.errors import InputError
from stgraph.skeleton import Skeleton
from stgraph.training.task import Batch, Outputs, Scalar, Task

Scores = Float[Tensor, "b n"]
Weight = Annotated[float, Field(gt=0)]


def clip_scores(dense: Float[Tensor, "p n s j"], clip: Int[Tensor, " p"], clips: int) -> Scores:
    """Scores of clips from the dense ones of their persons.

    The mean over frames and joints of each person, then over the persons of the input: that of all of them where
    absent ones were not (Sijie Yan et al.: the network's global pooling).
    """
    each = dense.to(torch.promote_types(dense.dtype, torch.float32)).mean(dim=(2, 3))
    total = each.new_zeros(clips, each.shape[1]).index_add(0, clip, each)
    return total / torch.bincount(clip, minlength=clips).clamp_min(1)[:, None]


class Action(Task):
    """Loss and errors of a recogniser.

    Args:
        skeleton: of the input.
        classes: names in the order of the scores; null: those that the file lists, else the training clips' actions.
        persons: "present": absent persons are left out; "padded": they go in as zeros and count in the mean, as in the
            published ST-GCN.
        label_smoothing: share of the target that goes to all classes alike.
        class_weights: weight of each class in the loss, by its name (1 where not named), scaled to a mean of 1 over
            the training clips; "balanced": inverse to the class's clips.
    """

    name = "action"

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        classes: Annotated[list[str], Field(min_length=2)] | None = None,
        persons: Literal["present", "padded"] = "present",
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        class_weights: Literal["balanced"] | dict[str, Weight] | None = None,
    ) -> None:
        self.classes = tuple(classes or ())
        self.padded = persons == "padded"
        self.label_smoothing = label_smoothing
        named = class_weights if isinstance(class_weights, dict) else {}
        self.class_weights = torch.tensor([named.get(name, 1.0) for name in self.classes])
        self.losses = {"cross_entropy": 1.0}
        self.heads = {"action": len(self.classes)}

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]:
        """What is impossible in the task's section."""
        classes, weights = settings["classes"], settings["class_weights"]
        problems = []
        if len(set(classes or ())) < len(classes or ()):
            problems.append("classes: a name stands in it twice; give each once")
        if classes and isinstance(weights, dict) and (unknown := sorted(set(weights) - set(classes))):
            problems.append(f"class_weights: {', '.join(unknown)} in it, but not in classes; mend the names")
        return problems

    @staticmethod
    def settle(settings: dict, actions: Sequence[str], listed: Sequence[str], where: str) -> dict:
        """The task's section, once the action of every training clip and the classes that the file lists are known.

        Raises:
            InputError: training clips of a class that the section does not name, weights for one that there is not,
                or but one class.
        """
        counts = Counter(actions)
        classes = list(settings["classes"] or listed or sorted(counts))
        if unknown := sorted(set(counts) - set(classes)):
            raise InputError(
                f"{where} has training clips of {', '.join(unknown)}, which it does not name",
                where="task.classes",
                remedy="add them, leave task.classes out to take all, or choose with data.actions",
            )
        if len(counts) < 2:
            problem = f"all {len(actions)} training clips are of one class ({', '.join(counts)})"
            raise InputError(problem, where=where, remedy="give clips of two or more")
        weights = settings["class_weights"]
        if weights == "balanced":
            weights = {name: 1 / counts[name] for name in classes if counts[name]}
        if weights:
            if unknown := sorted(set(weights) - set(classes)):
                expected = f"some of {', '.join(classes)}"
                raise InputError(where="task.class_weights", found=", ".join(unknown), expected=expected)
            mean = sum(weights.get(name, 1.0) * count for name, count in counts.items()) / len(actions)
            weights = {name: weights.get(name, 1.0) / mean for name in classes}
        return settings | {"classes": classes, "class_weights": weights}

    @staticmethod
    def scores(batch: Batch, outputs: Outputs) -> Scores:
        """Of every clip of the batch."""
        return clip_scores(outputs["action"], batch["clip"], len(batch["label"]))

    def terms(self, batch: Batch, outputs: Outputs) -> dict[str, Scalar]:
        """Weighted cross-entropy, a mean over all clips; label -1 adds nothing."""
        scores = self.scores(batch, outputs)
        each = F.cross_entropy(
            scores, batch["label"], ignore_index=-1, reduction="none", label_smoothing=self.label_smoothing
        )
        weights = self.class_weights.to(scores)[batch["label"].clamp_min(0)]
        return {"cross_entropy": (each * weights).mean()}

    def errors(self, batch: Batch, outputs: Outputs) -> dict[str, Float[Tensor, "b 1 1"]]:
        """Unreduced, by name; its ending is the unit (see `stgraph.scoring.metrics.UNITS`)."""
        right = self.scores(batch, outputs).argmax(1) == batch["label"]
        return {"accuracy_percent": 100 * right.float()[:, None, None]}
