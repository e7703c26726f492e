"""The data section of lifters."""

from pydantic import Field, PositiveInt

from stgraph.settings.sections import DataSettings


class WindowSettings(DataSettings):
    """Windows of recordings."""

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
