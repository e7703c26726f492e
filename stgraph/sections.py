"""The sections of params.json that no model decides: what is taken from a dataset, and how it is trained."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from stgraph.errors import InputError
from stgraph.skeleton import SKELETONS, skeleton_from

Subjects = list[str] | None
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A section of params.json: no unknown keys, no converted types, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def problems(self) -> list[str]:
        """What does not go together, each beginning "KEY: "."""
        return []


class DataSettings(Section):
    """What every task says of its data."""

    dataset: str = Field(description="NAME of the file data/NAME.h5, or a path with an ending")
    skeleton: Literal[tuple(SKELETONS)] | dict[str, Any] | None = Field(
        None, description="take these joints: a layout, or one given by names, parents and centre; null: all there are"
    )
    train: Subjects = Field(None, min_length=1, description="subjects; null: as the file's split says, or all others")
    validation: Subjects = Field([], description="subjects that choose the best epoch; empty: the last epoch is it")
    test: Subjects = Field(None, description="subjects that `evaluate` scores; null: as the file's split says")
    actions: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="use these actions alone")

    def problems(self) -> list[str]:
        """Subjects that are in two parts."""
        problems = []
        if isinstance(self.skeleton, dict):
            try:
                skeleton_from(self.skeleton, "skeleton")
            except InputError as error:
                problems.append(str(error))
        for part in ("validation", "test"):
            if shared := sorted(set(self.train or ()) & set(getattr(self, part) or ())):
                text = f"{', '.join(shared)} also in data.train; a subject is in one of them alone"
                problems.append(f"{part}: {text}")
        return problems


class WindowSettings(DataSettings):
    """Which windows of which recordings."""

    detector: str = Field(description="2D detections that are the input; 'gt' is the exact projection")
    frames: PositiveInt = Field(81, description="length of a window")
    stride: PositiveInt = Field(5, description="frames between training windows")
    frame_step: PositiveInt = Field(1, description="use every n-th frame of a recording")
    flip: bool = Field(False, description="add the mirrored twin of every training window")
    confidence: bool = Field(False, description="the detector's confidence is a third input channel")

    @property
    def channels(self) -> int:
        """Of the model's input: x, y and perhaps the confidence."""
        return 2 + self.confidence


NORMALISATIONS = {"2D": ("image", "screen", "body"), "3D": ("camera", "kinect", "body")}


class ClipSettings(DataSettings):
    """Whole clips, sampled to a number of frames."""

    detector: str | None = Field(description="2D detections that are the input; null: the 3D poses")
    confidence: bool = Field(False, description="the detector's confidence is a third input channel")
    cameras: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="use these cameras alone")
    split: str = Field("standard", description="the file's split that says what is trained and tested on")
    frames: PositiveInt = Field(64, description="frames that the model sees of a clip")
    sampling: Literal["uniform", "crop", "start"] = Field(
        "uniform",
        description="uniform: one frame of each of as many equal parts; crop: consecutive frames, from anywhere in "
        "training; start: the first ones. The latter two fill a shorter clip up with zeros",
    )
    test_frames: PositiveInt | None = Field(None, description="frames outside training; null: as in training")
    max_persons: PositiveInt = Field(2, description="persons of a clip that are used, the first ones")
    normalise: Literal[*NORMALISATIONS["2D"], *NORMALISATIONS["3D"]] = Field(
        "body",
        description="body: root at the origin; 3D turned to spine up and shoulders sideways, 2D divided by the body's "
        "size. 2D: image: x / width - 0.5, y / height - 0.5; screen: as lifters. 3D: camera: metres as they are; "
        "kinect: x left and y up, as NTU's files",
    )
    stream: Literal["joint", "bone", "joint_motion", "bone_motion"] = Field("joint", description="what is fed")
    flip: bool = Field(False, description="mirror half of the training clips")
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(0, description="degrees, about every axis, either way")
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(0, description="share by which each axis changes, either way")
    shift: NonNegativeFloat = Field(0, description="in the input's unit, either way")
    move: bool = Field(False, description="2D: turn, scale and shift along the clip (ST-GCN's for Kinetics)")
    shortest: Share = Field(1, description="uniform: least share of a clip that a training sample is taken from")
    repeat: PositiveInt = Field(1, description="samples of every clip in an epoch")

    @property
    def channels(self) -> int:
        """Of the model's input: x, y and perhaps the confidence, or x, y, z."""
        return 2 + self.confidence if self.detector else 3

    @property
    def moves(self) -> bool:
        """Whether a change between frames is fed, for which each frame needs the next one."""
        return self.stream.endswith("motion")

    def problems(self) -> list[str]:
        """What does not go together."""
        problems = super().problems()
        kind = "2D" if self.detector else "3D"
        if self.normalise not in NORMALISATIONS[kind]:
            allowed = ", ".join(NORMALISATIONS[kind])
            problems.append(f'normalise: found "{self.normalise}"; the input is {kind}, for which there are {allowed}')
        if self.confidence and not self.detector:
            problems.append("confidence: 3D poses have none; leave it out or name a detector")
        if self.move and not self.detector:
            problems.append("move: is for 2D; use rotate, scale and shift")
        if self.shortest < 1 and self.sampling != "uniform":
            problems.append(f'shortest: sampling "{self.sampling}" takes consecutive frames; leave it out')
        return problems


class TrackSettings(DataSettings):
    """Sequences of single people, with what a detector missed of them."""

    detector: str | None = Field(description="2D detections that are the input; null: the 3D poses")
    truth: str = Field("gt", description="2D poses that are to be predicted; in 3D the input's own poses are")
    features: str | None = Field(None, description="visual features of the joints in the file that are fed as well")
    cameras: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="use these cameras alone")
    split: str = Field("standard", description="the file's split that says what is trained and tested on")
    frames: Annotated[int, Field(ge=2)] = Field(24, description="length of a sequence")
    stride: PositiveInt = Field(8, description="frames between training sequences of a track")
    frame_steps: Annotated[list[PositiveInt], Field(min_length=1)] = Field(
        [1], description="frames from one of the sequence to the next: one of these for each training sequence"
    )
    still: Share = Field(1, description="share of the training sequences without motion that are kept")
    flip: bool = Field(False, description="mirror half of the training sequences")
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(0, description="degrees in the image, either way")
    missed_joints: Annotated[float, Field(ge=0, le=0.8)] = Field(
        0, description="share of the detected joints that are taken away as well, in runs of a few frames"
    )
    missed_people: Annotated[float, Field(ge=0, le=1)] = Field(
        0, description="share of the predictions that go on alone from a frame further back"
    )
    predicted: Annotated[float, Field(gt=0, le=1)] = Field(
        1, description="share of a training sequence's frames that are predicted; the others are remembered alone"
    )
    noise: NonNegativeFloat = Field(0, description="standard deviation of what is added to the input, in its unit")

    @property
    def channels(self) -> int:
        """Of the model's input: x, y, or x, y, z."""
        return 2 if self.detector else 3


class OptimSettings(Section):
    """The optimizer and its learning rate."""

    name: Literal["adamw", "sgd"] = Field("adamw", description="sgd: with Nesterov's momentum")
    momentum: Annotated[float, Field(gt=0, lt=1, description="of sgd")] = 0.9
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
        """Settings that others would leave without effect."""
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
