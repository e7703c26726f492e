"""The computation of a lifter's exported file, and the metadata of its input."""

from typing import ClassVar

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from stgraph.tasks.lifting.settings import WindowSettings
from stgraph.tasks.lifting.task import Lifting
from stgraph.training.deployed import SCREEN, UNSEEN, Axes, Deployed, without_unseen


class Lifter(Deployed):
    """Windows of 2D poses in, 3D poses out, as the task scores them: a root that is zero by definition is zero."""

    task: Lifting
    data: WindowSettings
    inputs: ClassVar[dict[str, Axes]] = {"x": ("batch", "channel", "frame", "joint")}

    @property
    def outputs(self) -> dict[str, dict]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Axes and meaning of every head's output."""
        shown = "frame" if not self.model.before + self.model.after else "predicted frame"
        place = "every joint relative to the root"
        if self.task.output == "global":
            place += ", and in the root's place its path in camera space"
        unit = "half the image's width, without a metric scale" if self.task.output == "image" else "metre"
        meanings = {
            "pose": {"axes": ["batch", "coordinate", shown, "joint"], "unit": unit, "meaning": f"x, y, z: {place}"},
            "uncertainty": {
                "axes": ["batch", "logarithm", shown, "joint"],
                "meaning": "natural logarithm of the expected distance from the truth, in metres",
            },
            "action": {
                "axes": ["batch", "class", shown, "joint"],
                "meaning": "scores; their mean over frames and joints (one node, or all) is the window's",
            },
        }
        return {name: meanings[name] for name in self.model.heads}

    def input_text(self, fps: float | None) -> dict[str, object]:
        """As every model's; `frame_step` thins the frames."""
        return super().input_text(fps / self.data.frame_step if fps else None)

    def preparation(self) -> dict[str, object]:
        """Channels and normalisation."""
        return {
            "channels": ("x", "y", "confidence")[: self.data.channels],
            "normalisation": SCREEN,
            "stream": "positions",
            "unseen": UNSEEN,
        }

    def forward(self, x: Float[Tensor, "b c t j"]) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """(b c t j) -> name -> (b n s j)."""
        outputs = self.model(without_unseen(x, channel=1))
        return outputs | {"pose": rearrange(self.task.prediction(outputs), "b t j c -> b c t j")}
