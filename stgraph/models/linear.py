"""Martinez' linear net: residual blocks of dense layers over a flattened pose."""

from typing import Any

import torch
from torch import Tensor

from stgraph.models.base import Published, renamed
from stgraph.models.layers.frames import FlatModel
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16

# Published names of weights -> ours.
PUBLISHED_NAMES = (
    (r"^w1\.", "first.conv."),
    (r"^batch_norm1\.", "first.norm."),
    (r"^w2\.", "heads.pose.conv."),
    (r"^linear_stages\.(\d+)\.w1\.", r"blocks.\1.0.conv."),
    (r"^linear_stages\.(\d+)\.w2\.", r"blocks.\1.1.conv."),
    (r"^linear_stages\.(\d+)\.batch_norm1\.", r"blocks.\1.0.norm."),
    (r"^linear_stages\.(\d+)\.batch_norm2\.", r"blocks.\1.1.norm."),
)


@MODELS.register("linear")
class Linear(FlatModel):
    """A dense layer, residual blocks x + dense(dense(x)), and a map to the joints; the root's output is zero."""

    predicts_root = False
    normed_input = True
    published = (Published("martinez", r"^linear_stages\.", H36M16, "linear"),)

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`. Some checkpoints are for the joints other than the root: its weights are then zero."""
        weights = {}
        for published, value in state.items():
            name = renamed(published, PUBLISHED_NAMES)
            weights[name] = value[..., None, None] if value.ndim == 2 else value
        if not {"first.conv.weight", "first.conv.bias"} <= weights.keys():
            return {}, weights
        first, root = weights["first.conv.weight"], 2 * H36M16.root
        if first.shape[1] == 2 * (joints - 1):
            unseen = first.new_zeros(len(first), 2, 1, 1)
            weights["first.conv.weight"] = torch.cat([first[:, :root], unseen, first[:, root:]], dim=1)
        layers = {name.split(".")[1] for name in weights if name.startswith("blocks.")}
        return {"channels": len(weights["first.conv.bias"]), "layers": len(layers)}, weights
