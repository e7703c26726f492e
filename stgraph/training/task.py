"""Task: the base class of tasks, which define the loss and the errors of a model's outputs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeVar

from jaxtyping import Float
from torch import Tensor

from stgraph.models.base import Model

Scalar = Float[Tensor, ""]
Batch = dict[str, Tensor]
Outputs = dict[str, Tensor]


class Task(ABC):
    """Loss and errors. The keyword-only arguments of a subclass's constructor are its settings.

    Attributes:
        name: in the settings.
        heads: of the model: name -> number of outputs.
        losses: weight of each term of the loss.
        classes: names in the order of a head's scores; empty without classes.
        validation_losses: the terms by which the best epoch is chosen; all where none of these is in the loss.
    """

    name: ClassVar[str]
    heads: dict[str, int]
    losses: Mapping[str, float]
    classes: tuple[str, ...] = ()
    validation_losses: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]:
        """What is impossible in the task's section for samples of this length, each beginning "KEY: "."""
        return []

    @staticmethod
    def check_model(settings: dict, model: type[Model]) -> list[str]:
        """What of the task's section a model of this class cannot do, each beginning "KEY: "."""
        return []

    @staticmethod
    def inputs(batch: Batch) -> dict[str, Tensor]:
        """The keyword arguments of the model's `forward`, from a batch."""
        return {"x": batch["x"]}

    @abstractmethod
    def terms(self, batch: Batch, outputs: Outputs) -> dict[str, Scalar]:
        """The unweighted terms of the loss, each a mean over the batch."""

    def loss(self, terms: dict[str, Scalar]) -> Scalar:
        """The training loss: the weighted sum of the terms."""
        return _weighted(terms, self.losses)

    def validation_loss(self, terms: dict[str, float]) -> float:
        """The loss that chooses the best epoch: the weighted sum of `validation_losses`."""
        chosen = {name: term for name, term in terms.items() if name in self.validation_losses} or terms
        return _weighted(chosen, self.losses)

    @abstractmethod
    def errors(self, batch: Batch, outputs: Outputs) -> dict[str, Float[Tensor, "b t _"]]:
        """Unreduced errors by name; its ending gives the unit (see `stgraph.scoring.metrics.UNITS`)."""


TaskT = TypeVar("TaskT", bound=Task)
Term = TypeVar("Term", float, Tensor)


def _weighted(terms: dict[str, Term], losses: Mapping[str, float]) -> Term:
    first, *others = (losses[name] * term for name, term in terms.items())
    return sum(others, first)
