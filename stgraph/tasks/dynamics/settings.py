"""The data section of pose dynamics."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt

from stgraph.settings.sections import Share, SplitSettings


class TrackSettings(SplitSettings):
    """Sequences of single people, with detections missing."""

    truth: str = Field("gt", description="2D poses that are predicted; in 3D the input's poses are")
    features: str | None = Field(None, description="visual features of the joints in the file, as additional input")
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
        0, description="share of the predictions that start from an earlier frame, without detections"
    )
    predicted: Annotated[float, Field(gt=0, le=1)] = Field(
        1, description="share of a training sequence's frames that are predicted; the others are remembered alone"
    )
    noise: NonNegativeFloat = Field(0, description="standard deviation of what is added to the input, in its unit")
