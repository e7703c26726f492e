"""SimplePose: Martinez' net with every joint in its output, and without a norm after its first layer (POSEIDON)."""

from stgraph.models.layers.frames import FlatModel
from stgraph.settings.registry import MODELS


@MODELS.register("simple_pose")
class SimplePose(FlatModel):
    """An affine map, residual blocks x + dense(dense(x)), and a map to every output."""

    normed_input = False
