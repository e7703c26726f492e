"""The data section of lifters."""

from typing import Annotated

from pydantic import Field, PositiveInt

from stgraph.settings.sections import DataSettings, Section, Share

Part = Annotated[float, Field(ge=0, le=1)]


class Augmentation(Section):
    """What is drawn anew for every training window.

    The ranges of cameras stand in `stgraph.tasks.lifting.views`, those of errors and gaps in
    `stgraph.tasks.lifting.detections`.
    """

    cameras: Part = Field(0.6, description="share of windows seen by a drawn camera; the others by the file's")
    noise: float = Field(1.0, ge=0, description="size of the detector's errors, 1 as in detector_noise.json")
    missing: Part = Field(1.0, description="how often joints, limbs, legs or frames are not seen; 0: never")
    unrated: Part = Field(0.3, description="share of windows in which the confidence of all seen joints is 1")
    uncalibrated: Part = Field(0.3, description="share of windows whose camera the model is not given")
    bodies: float = Field(0.1, ge=0, lt=0.5, description="spread of the body's size and of each bone's length")
    recombined: Part = Field(0.4, description="share of windows whose arms, or legs, move as another window's")
    turned: float = Field(0.0, ge=0, le=90, description="degrees by which limbs, upper body and body are turned")
    tumbled: Part = Field(0.0, description="share of windows whose person lies, leans or stands on the head")
    rigs: float = Field(0.02, ge=0, le=0.1, description="metres by which joints of the trunk lie elsewhere in it")
    stretch: tuple[float, float] = Field((0.7, 1.4), description="frames of the file from one to the next: from, to")

    def problems(self) -> list[str]:
        """A range of times that is none."""
        low, high = self.stretch
        return [] if 0 < low <= high <= 10 else [f"stretch: {low:g} to {high:g}; give two numbers in order, up to 10"]


class WindowSettings(DataSettings):
    """Windows of recordings."""

    detector: str = Field(description="2D detections that are the input; 'gt' is the exact projection")
    frames: PositiveInt = Field(81, description="length of a window")
    stride: PositiveInt = Field(5, description="frames between training windows")
    frame_step: PositiveInt = Field(1, description="use every n-th frame of a recording")
    flip: bool = Field(False, description="add the mirrored twin of every training window")
    confidence: bool = Field(False, description="the detector's confidence is a third input channel")
    augment: Augmentation | None = Field(None, description="draw people, cameras and detections anew; null: the file's")
    mix: dict[str, Share] = Field({}, description="further files -> share of the training windows that come from them")

    @property
    def channels(self) -> int:
        """Of the model's input: x, y and perhaps the confidence."""
        return 2 + self.confidence

    def problems(self) -> list[str]:
        """Those of every task, and of what is drawn anew."""
        problems = super().problems()
        if self.augment:
            problems += [f"augment.{problem}" for problem in self.augment.problems()]
        if sum(self.mix.values()) >= 1:
            problems.append(f"mix: shares of {sum(self.mix.values()):g} in sum; leave some of 1 for data.dataset")
        return problems
