"""The data section of recognisers: clips, sampling and augmentation."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from stgraph.settings.sections import Share, SplitSettings

NORMALISATIONS = {"2D": ("image", "screen", "body", "pyskl"), "3D": ("camera", "kinect", "body", "pyskl")}


class ClipSettings(SplitSettings):
    """Whole clips, sampled to a number of frames."""

    confidence: bool = Field(False, description="the detector's confidence is a third input channel")
    frames: PositiveInt = Field(64, description="frames that the model sees of a clip")
    sampling: Literal["uniform", "crop", "start"] = Field(
        "uniform",
        description="uniform: one frame of each of as many equal parts; crop: consecutive frames, from anywhere in "
        "training; start: the first ones. The latter two fill a shorter clip up with zeros",
    )
    test_frames: PositiveInt | None = Field(None, description="frames outside training; null: as in training")
    max_persons: PositiveInt = Field(2, description="persons of a clip that are used, the first ones")
    normalise: Literal["image", "screen", "body", "camera", "kinect", "pyskl"] = Field(
        "body",
        description="body: root at the origin; 3D turned to spine up and shoulders sideways, 2D divided by the body's "
        "size. 2D: image: x / width - 0.5, y / height - 0.5; screen: as lifters. 3D: camera: metres as they are; "
        "kinect: x left and y up, as NTU's files. pyskl: as its published networks; 2D: 2 x / width - 1, "
        "2 y / height - 1, zero where the confidence is at most 0.01; 3D: frames without the first person left out, "
        "turned by NTU's spine and shoulders in the clip's first frame",
    )
    stream: Literal["joint", "bone", "joint_motion", "bone_motion"] = Field("joint", description="what the input is")
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
        """Whether the input is a change between frames, for which each frame needs the next one."""
        return self.stream.endswith("motion")

    @property
    def by_opening(self) -> bool:
        """Whether a clip is normalised by its first person's first pose, without the frames that lack that person."""
        return self.normalise == "pyskl" and self.detector is None

    def problems(self) -> list[str]:
        """Conflicts between settings."""
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
