"""MixSTE: attention over the joints of each frame and over the frames of each joint, in turn."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from stgraph.models.base import Dropout, Model, Published, Size, make_heads
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.models.layers.transformer import (
    RowNorm,
    SelfAttention,
    block,
    embedded,
    inferred,
    our_weights,
    over_frames,
    over_joints,
    shared_out,
)
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, Skeleton

EPS = 1e-6  # of the norms in the body, as published

# Published names of weights -> ours.
PUBLISHED_NAMES = (
    (r"^Spatial_patch_to_embedding\.", "first."),
    (r"^Spatial_pos_embed$", "joint_embedding"),
    (r"^Temporal_pos_embed$", "frame_embedding"),
    (r"^STEblocks\.", "spatial."),
    (r"^TTEblocks\.", "temporal."),
    (r"^Spatial_norm\.", "spatial_norm."),
    (r"^Temporal_norm\.", "temporal_norm."),
    (r"^head\.0\.", "heads.pose.0.norm."),
    (r"^head\.1\.", "heads.pose.1."),
)


def normed_head(channels: int, outputs: int) -> nn.Sequential:
    """An affine map of every normed node."""
    return nn.Sequential(RowNorm(channels), nn.Conv2d(channels, outputs, 1))


@MODELS.register("mixste")
class MixSTE(Model):
    """Attention over joints, then over frames, in every layer (Zhang et al., CVPR 2022).

    Two norms, shared by all layers, follow the layers' spatial and temporal halves. Every joint and every frame of the
    window has an embedding, so that shorter windows than the longest go in and longer ones do not.

    Args:
        skeleton: gives the number of joints.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output. "pose" has a norm in front of its map.
        channels: width of the body.
        layers: of a spatial and a temporal block each.
        attention_heads: of each attention.
        mlp_ratio: width inside an MLP by that of the body.
        frames: of the longest window.
        drop_path: share of sequences whose last block training leaves out; less for those before, in a line from 0.
    """

    small, small_frames = {"channels": 8, "layers": 1, "attention_heads": 2, "frames": 9}, 9
    published = (Published("mixste", r"^STEblocks\.", H36M17, "mixste"),)

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 512,
        layers: Size = 8,
        attention_heads: Size = 8,
        mlp_ratio: Size = 2,
        frames: Size = 243,
        drop_path: Dropout = 0.0,
    ) -> None:
        super().__init__()
        self.longest = frames
        self.first = nn.Linear(in_channels, channels)
        self.joint_embedding = nn.Parameter(torch.zeros(1, len(skeleton), channels))
        self.frame_embedding = nn.Parameter(torch.zeros(1, frames, channels))
        rates = [drop_path * layer / max(layers - 1, 1) for layer in range(layers)]
        self.spatial, self.temporal = (
            nn.ModuleList(
                block(SelfAttention(channels, attention_heads), channels, mlp_ratio, eps=EPS, drop_path=rate)
                for rate in rates
            )
            for _ in range(2)
        )
        self.spatial_norm, self.temporal_norm = (nn.LayerNorm(channels, EPS) for _ in range(2))
        self.heads = make_heads(heads, channels, pose=normed_head)

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        return shared_out(settings["channels"], settings["attention_heads"]) + embedded(settings, frames)

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`. The number of heads cannot be inferred."""
        weights = our_weights(state, PUBLISHED_NAMES)
        return inferred(weights, weights["frame_embedding"].shape[1]), weights

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b d t j)."""
        y = self.first(rearrange(x, "b c t j -> b t j c")) + self.joint_embedding
        for layer, (spatial, temporal) in enumerate(zip(self.spatial, self.temporal, strict=True)):
            y = self.spatial_norm(over_joints(spatial, y))
            if layer == 0:
                y = y + self.frame_embedding[0, : x.shape[2], None]
            y = self.temporal_norm(over_frames(temporal, y))
        return rearrange(y, "b t j c -> b c t j")
