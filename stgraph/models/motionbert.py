"""MotionBERT's DSTformer: two streams of attention over joints and frames, in either order, fused in every layer."""

import re
from dataclasses import replace
from typing import Any

import torch
from einops import rearrange
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from stgraph.models.base import Model, Published, make_heads, renamed
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.models.layers.transformer import (
    Frames,
    Fusion,
    SelfAttention,
    block,
    embedded,
    embedding,
    over_frames,
    over_joints,
    shared_out,
)
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, Skeleton

LITE = 256  # channels of the lite network

# Published names of weights -> ours.
PUBLISHED_NAMES = (
    (r"^joints_embed\.", "first."),
    (r"^pos_embed$", "joint_embedding"),
    (r"^temp_embed$", "frame_embedding"),
    (r"^blocks_(st|ts)\.(\d+)\.", r"layers.\2.\1."),
    (r"^ts_attn\.(\d+)\.", r"layers.\1.fusion.linear."),
    (r"^pre_logits\.fc\.", "representation."),
    (r"^head\.", "heads.pose."),
    (r"\.(norm[12]|attn|mlp)_s\b", r".spatial.\1"),
    (r"\.(norm[12]|attn|mlp)_t\b", r".temporal.\1"),
    (r"\.norm1\.", ".0.norm."),
    (r"\.norm2\.", ".1.norm."),
    (r"\.attn\.qkv\.", ".0.layer.qkv."),
    (r"\.attn\.proj\.", ".0.layer.out."),
    (r"\.mlp\.fc1\.", ".1.layer.0."),
    (r"\.mlp\.fc2\.", ".1.layer.2."),
)


class Stream(nn.Module):
    """Attention and an MLP over the joints of each frame, and others over the frames of each joint.

    Args:
        channels: width.
        attention_heads, mlp_ratio, eps: see `MotionBERT`.
        joints_first: whether the joints come before the frames.
    """

    def __init__(self, channels: int, attention_heads: int, mlp_ratio: int, eps: float, joints_first: bool) -> None:
        super().__init__()
        self.joints_first = joints_first
        self.spatial, self.temporal = (
            block(SelfAttention(channels, attention_heads), channels, mlp_ratio, eps=eps) for _ in range(2)
        )

    def forward(self, x: Frames) -> Frames:
        """(b t j c) -> (b t j c)."""
        if self.joints_first:
            return over_frames(self.temporal, over_joints(self.spatial, x))
        return over_joints(self.spatial, over_frames(self.temporal, x))


class Layer(nn.Module):
    """Both streams of one input, fused.

    Args:
        channels, attention_heads, mlp_ratio, eps: see `MotionBERT`.
    """

    def __init__(self, channels: int, attention_heads: int, mlp_ratio: int, eps: float) -> None:
        super().__init__()
        self.st, self.ts = (Stream(channels, attention_heads, mlp_ratio, eps, first) for first in (True, False))
        self.fusion = Fusion(channels)

    def forward(self, x: Frames) -> Frames:
        """(b t j c) -> (b t j c)."""
        return self.fusion(self.st(x), self.ts(x))


@MODELS.register("motionbert")
class MotionBERT(Model):
    """Two streams in every layer, joints then frames and frames then joints (DSTformer; Zhu et al., ICCV 2023).

    Every joint and every frame of the window has an embedding, so that shorter windows than the longest go in and
    longer ones do not.

    Args:
        skeleton: gives the number of joints.
        in_channels: of the input, 3 for x, y and the confidence.
        heads: name -> channels of every output, each a map of tanh(representation).
        channels: width of the body.
        representation: width in front of the heads.
        layers: of two streams each.
        attention_heads: of each attention.
        mlp_ratio: width inside an MLP by that of the body.
        frames: of the longest window.
        eps: of every norm.
    """

    small, small_frames = {"channels": 8, "representation": 12, "layers": 2, "attention_heads": 2, "frames": 9}, 9
    published = (Published("motionbert", r"^blocks_st\.", H36M17, "motionbert"),)

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: PositiveInt = 512,
        representation: PositiveInt = 512,
        layers: PositiveInt = 5,
        attention_heads: PositiveInt = 8,
        mlp_ratio: PositiveInt = 2,
        frames: PositiveInt = 243,
        eps: PositiveFloat = 1e-5,
    ) -> None:
        super().__init__()
        self.longest = frames
        self.first = nn.Linear(in_channels, channels)
        self.joint_embedding = embedding(1, len(skeleton), channels)
        self.frame_embedding = embedding(1, frames, 1, channels)
        self.layers = nn.ModuleList(Layer(channels, attention_heads, mlp_ratio, eps) for _ in range(layers))
        self.norm = nn.LayerNorm(channels, eps)
        self.representation = nn.Linear(channels, representation)
        self.heads = make_heads(heads, representation)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear) and not name.endswith("fusion.linear"):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        return shared_out(settings["channels"], settings["attention_heads"]) + embedded(settings, frames)

    @classmethod
    def published_for(cls, state: dict[str, Tensor]) -> Published:
        """Published in two widths."""
        published, bias = super().published_for(state), state.get("joints_embed.bias")
        return replace(published, like="motionbert_lite") if bias is not None and bias.numel() == LITE else published

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`. The number of heads, and the norms' eps, cannot be inferred."""
        weights = {renamed(name, PUBLISHED_NAMES): value for name, value in state.items()}
        weights["heads.pose.weight"] = rearrange(weights["heads.pose.weight"], "d c -> d c 1 1")
        channels, frames = len(weights["first.bias"]), weights["frame_embedding"].shape[1]
        numbers = [int(match[1]) for name in weights if (match := re.match(r"layers\.(\d+)\.", name))]
        settings = {
            "channels": channels,
            "representation": len(weights["representation.bias"]),
            "layers": 1 + max(numbers),
            "mlp_ratio": len(weights["layers.0.st.spatial.1.layer.0.bias"]) // channels,
            "frames": frames,
            "data.frames": frames,
            "data.confidence": weights["first.weight"].shape[1] > 2,
        }
        return settings, weights

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b d t j)."""
        y = self.first(rearrange(x, "b c t j -> b t j c")) + self.joint_embedding
        y = y + self.frame_embedding[:, : x.shape[2]]
        for layer in self.layers:
            y = layer(y)
        return rearrange(torch.tanh(self.representation(self.norm(y))), "b t j c -> b c t j")
