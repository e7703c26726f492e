"""The data and optim sections of params.json, which are the same for every model."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from stgraph.errors import InputError
from stgraph.skeleton import SKELETONS, skeleton_from

Subjects = list[str] | None
if TYPE_CHECKING:
    Layout = str
else:
    Layout = Literal[tuple(SKELETONS)]
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A section of params.json: no unknown keys, no converted types, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def problems(self) -> list[str]:
        """Settings that contradict one another, each message beginning "KEY: "."""
        return []


class DataSettings(Section):
    """Data settings that every task has."""

    dataset: str = Field(description="NAME of the file data/NAME.h5, or a path with an ending")
    detector: str | None = Field(description="2D detections that are the input; null: the 3D poses")
    frames: PositiveInt = Field(description="length of a sample")
    skeleton: Layout | dict[str, Any] | None = Field(
        None, description="take these joints: a layout, or one given by names, parents and centre; null: all there are"
    )
    train: Subjects = Field(None, min_length=1, description="subjects; null: as the file's split says, or all others")
    validation: Subjects = Field([], description="subjects that choose the best epoch; empty: the last epoch is it")
    test: Subjects = Field(None, description="subjects that `evaluate` scores; null: as the file's split says")
    actions: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="use these actions alone")

    @property
    def channels(self) -> int:
        """Of the model's input: x, y, or x, y, z."""
        return 2 if self.detector else 3

    def problems(self) -> list[str]:
        """Subjects that are in two splits, and malformed skeletons."""
        problems = []
        if isinstance(self.skeleton, dict):
            try:
                skeleton_from(self.skeleton, "skeleton")
            except InputError as error:
                problems.append(str(error))
        for split in ("validation", "test"):
            if shared := sorted(set(self.train or ()) & set(getattr(self, split) or ())):
                problems.append(f"{split}: {', '.join(shared)} also in data.train; a subject is in one of them alone")
        return problems


class SplitSettings(DataSettings):
    """Data that may be divided by a split of the file."""

    cameras: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="use these cameras alone")
    split: str = Field("standard", description="the file's split that says what is trained and tested on")


class OptimSettings(Section):
    """The optimizer and its learning rate."""

    name: Literal["adamw", "sgd", "muon"] = Field(
        "adamw", description="sgd: with Nesterov's momentum; muon: for the matrices, adamw for the other weights"
    )
    momentum: Annotated[float, Field(gt=0, lt=1, description="of sgd and muon")] = 0.9
    lr: PositiveFloat = 0.001
    weight_decay: NonNegativeFloat = 1e-5
    amsgrad: bool = True
    schedule: Literal["decay", "cosine"] = Field(
        "decay", description="of the learning rate: by `decay`, or to zero over the epochs or minutes there are"
    )
    decay: Annotated[float, Field(gt=0, le=1, description="factor on the learning rate after every epoch")] = 0.99
    decay_steps: PositiveInt | None = Field(None, description="decay after so many steps instead of every epoch")
    decay_at: list[PositiveInt] | None = Field(None, description="decay after these epochs instead of every one")
    warm_up: NonNegativeFloat = Field(0, description="epochs in which the learning rate grows from nothing")
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 64
    max_norm: PositiveFloat | None = Field(None, description="limit of the gradient's norm")
    ema: Annotated[float, Field(ge=0, lt=1, description="decay of averaged weights; 0: off")] = 0.0
    patience: NonNegativeInt = Field(0, description="stop after so many epochs without a better validation; 0: off")
    norm_momentum: tuple[Share, Share] | None = Field(
        None, description="momentum of batch norms in the first and last epoch, geometric between; null: as built"
    )
    freeze_norm: bool = Field(False, description="batch norms keep their running statistics, as in fine-tuning")

    def problems(self) -> list[str]:
        """Settings that others make ineffective."""
        problems = []
        steps = [name for name in ("decay_steps", "decay_at") if getattr(self, name)]
        if self.schedule == "cosine" and steps:
            problems.append(f'{steps[0]}: schedule "cosine" has no steps; leave one of the two out')
        if len(steps) == 2:
            problems.append("decay_at: decay_steps says otherwise; leave one of the two out")
        if self.freeze_norm and self.norm_momentum:
            problems.append("norm_momentum: frozen norms have none; leave it or freeze_norm out")
        if self.warm_up >= self.epochs:
            problems.append(f"warm_up: {self.warm_up:g} of {self.epochs} epochs; leave some to train in")
        return problems
