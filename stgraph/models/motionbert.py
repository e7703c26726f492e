"""MotionBERT's DSTformer: two streams of attention over joints and frames, in either order, fused in every layer."""

from dataclasses import replace
from typing import Any

from pydantic import PositiveFloat
from torch import Tensor, nn

from stgraph.models.base import Published, Size
from stgraph.models.layers.transformer import (
    SelfAttention,
    Stream,
    TwoStreamModel,
    TwoStreams,
    block,
    embedded,
    inferred,
    our_weights,
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
)


@MODELS.register("motionbert")
class MotionBERT(TwoStreamModel):
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

    small, small_frames = {"channels": 8, "representation": 12, "layers": 1, "attention_heads": 2, "frames": 9}, 9
    published = (Published("motionbert", r"^blocks_st\.", H36M17, "motionbert"),)

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 512,
        representation: Size = 512,
        layers: Size = 5,
        attention_heads: Size = 8,
        mlp_ratio: Size = 2,
        frames: Size = 243,
        eps: PositiveFloat = 1e-5,
    ) -> None:
        def stream(joints_first: bool) -> Stream:
            spatial, temporal = (
                block(SelfAttention(channels, attention_heads), channels, mlp_ratio, eps=eps) for _ in range(2)
            )
            return Stream(spatial, temporal, joints_first)

        body = (TwoStreams(channels, st=stream(True), ts=stream(False)) for _ in range(layers))
        sizes = {"channels": channels, "representation": representation, "frames": frames}
        super().__init__(len(skeleton), in_channels, heads, layers=body, eps=eps, **sizes)
        for name, weight in self.named_parameters():
            if name.endswith("_embedding"):
                nn.init.trunc_normal_(weight, std=0.02)
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
        weights = our_weights(state, PUBLISHED_NAMES)
        settings = inferred(weights, weights["frame_embedding"].shape[1])
        return settings | {"representation": len(weights["representation.bias"])}, weights
