"""Transformers over sequences: joints of a frame or frames of a joint, as rows (sequence, element, channel)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.models.base import Model, Replacement, make_heads, renamed
from stgraph.models.layers.shapes import Changed, Motion

Rows = Float[Tensor, "n l c"]  # sequences, their elements, channels
Frames = Float[Tensor, "b t j c"]  # a motion tensor in the order of its memory

# Published names of a block's weights -> ours; a network's own names come before them.
BLOCK_NAMES = (
    (r"\.norm1\.", ".0.norm."),
    (r"\.norm2\.", ".1.norm."),
    (r"\.(?:attn|mixer)\.qkv\.", ".0.layer.qkv."),
    (r"\.(?:attn|mixer)\.proj\.", ".0.layer.out."),
    (r"\.mlp\.fc1\.", ".1.layer.0."),
    (r"\.mlp\.fc2\.", ".1.layer.2."),
)


def over_joints(layer: Callable[[Rows], Rows], x: Frames) -> Frames:
    """A layer of sequences applied to the joints of every frame."""
    return rearrange(layer(rearrange(x, "b t j c -> (b t) j c")), "(b t) j c -> b t j c", b=x.shape[0])


def over_frames(layer: Callable[[Rows], Rows], x: Frames) -> Frames:
    """A layer of sequences applied to the frames of every joint."""
    return rearrange(layer(rearrange(x, "b t j c -> (b j) t c")), "(b j) t c -> b t j c", b=x.shape[0])


class SelfAttention(nn.Module):
    """W [softmax(q_h k_h^T / sqrt(c / heads)) v_h for every head h] + b, with q, k, v affine maps of each element.

    Args:
        channels: width, a multiple of the heads.
        heads: that attend by themselves, each with its share of the channels.
        bias: of q, k and v.
    """

    def __init__(self, channels: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Rows) -> Rows:
        """Every element attends to all elements of its sequence."""
        q, k, v = rearrange(self.qkv(x), "n l (part h c) -> part n h l c", part=3, h=self.heads).unbind()
        return self.out(rearrange(F.scaled_dot_product_attention(q, k, v), "n h l c -> n l (h c)"))


def mlp(channels: int, ratio: int) -> nn.Sequential:
    """Two affine maps of each element with an exact GELU between them, `ratio` times as wide there."""
    return nn.Sequential(nn.Linear(channels, ratio * channels), nn.GELU(), nn.Linear(ratio * channels, channels))


class Residual(nn.Module):
    """x + s layer(norm(x)), norm a LayerNorm and s a learned scale of every channel, or 1.

    Args:
        channels: width.
        layer: from rows to rows.
        eps: of the norm.
        scale: where s starts; None: it is 1.
        drop_path: share of sequences whose layer training leaves out (stochastic depth, Huang et al. 2016).
    """

    def __init__(
        self, channels: int, layer: nn.Module, *, eps: float = 1e-5, scale: float | None = None, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps)
        self.layer = layer
        self.scale = None if scale is None else nn.Parameter(torch.full((channels,), scale))
        self.drop_path = drop_path

    def forward(self, x: Rows) -> Rows:
        """(n l c) -> (n l c)."""
        y = self.layer(self.norm(x))
        if self.drop_path and self.training:
            kept = 1 - self.drop_path
            y = y * (torch.empty_like(y[:, :1, :1]).bernoulli_(kept) / kept)
        return x + y if self.scale is None else torch.addcmul(x, y, self.scale)


def block(
    mixer: nn.Module,
    channels: int,
    mlp_ratio: int,
    *,
    eps: float = 1e-5,
    scale: float | None = None,
    drop_path: float = 0.0,
) -> nn.Sequential:
    """A residual with what mixes the elements of a sequence, then one with an MLP; arguments as of `Residual`."""
    return nn.Sequential(
        Residual(channels, mixer, eps=eps, scale=scale, drop_path=drop_path),
        Residual(channels, mlp(channels, mlp_ratio), eps=eps, scale=scale, drop_path=drop_path),
    )


class Stream(nn.Module):
    """A block over the joints of each frame and one over the frames of each joint.

    Args:
        spatial, temporal: the blocks.
        joints_first: whether the joints come before the frames.
    """

    def __init__(self, spatial: nn.Module, temporal: nn.Module, joints_first: bool = True) -> None:
        super().__init__()
        self.spatial, self.temporal, self.joints_first = spatial, temporal, joints_first

    def forward(self, x: Frames) -> Frames:
        """(b t j c) -> (b t j c)."""
        if self.joints_first:
            return over_frames(self.temporal, over_joints(self.spatial, x))
        return over_joints(self.spatial, over_frames(self.temporal, x))


class Fusion(nn.Module):
    """w a + (1 - w) b of two streams, w by a softmax over two affine maps of both: a weight for every joint and frame.

    It starts with equal weights.

    Args:
        channels: of a stream.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * channels, 2)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, 0.5)

    def forward(self, a: Frames, b: Frames) -> Frames:
        """Two streams as one."""
        of_a, of_b = self.linear.weight.chunk(2, dim=1)
        weight = (F.linear(a, of_a) + F.linear(b, of_b, self.linear.bias)).softmax(dim=-1)
        return torch.lerp(b, a, weight[..., :1].to(a.dtype))  # autocast may have made it shorter


class TwoStreams(nn.ModuleDict):
    """Two streams of one input, fused.

    Args:
        channels: of a stream.
        streams: name -> stream; the first and the second of the fusion.
    """

    def __init__(self, channels: int, **streams: Stream) -> None:
        super().__init__({**streams, "fusion": Fusion(channels)})

    def forward(self, x: Frames) -> Frames:
        """(b t j c) -> (b t j c)."""
        first, second, fusion = self.values()
        return fusion(first(x), second(x))


class TwoStreamModel(Model):
    """Layers of two streams over embedded joints, and heads on tanh(W norm(y) + b): MotionBERT's frame.

    Every joint has an embedding, 0 where training starts.

    Args:
        joints: of the skeleton.
        in_channels: of the input.
        heads: name -> channels of every output, each a map of the representation.
        layers: `TwoStreams` each.
        channels: width of the body.
        representation: width in front of the heads.
        eps: of the norm in front of the representation.
        frames: of the longest window, each of which has an embedding, too; None: frames have none.
    """

    def __init__(
        self,
        joints: int,
        in_channels: int,
        heads: dict[str, int],
        *,
        layers: Iterable[TwoStreams],
        channels: int,
        representation: int,
        eps: float = 1e-5,
        frames: int | None = None,
    ) -> None:
        super().__init__()
        self.longest = frames
        self.first = nn.Linear(in_channels, channels)
        self.joint_embedding = nn.Parameter(torch.zeros(1, joints, channels))
        self.frame_embedding = None if frames is None else nn.Parameter(torch.zeros(1, frames, 1, channels))
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(channels, eps)
        self.representation = nn.Linear(channels, representation)
        self.heads = make_heads(heads, representation)

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b d t j)."""
        y = self.first(rearrange(x, "b c t j -> b t j c")) + self.joint_embedding
        if self.frame_embedding is not None:
            y = y + self.frame_embedding[:, : x.shape[2]]
        for layer in self.layers:
            y = layer(y)
        return rearrange(torch.tanh(self.representation(self.norm(y))), "b t j c -> b c t j")


class RowNorm(nn.Module):
    """LayerNorm of every node's channels.

    Args:
        channels: width.
        eps: of the norm.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps)

    def forward(self, x: Float[Tensor, "b c t j"]) -> Float[Tensor, "b c t j"]:
        """(b c t j) -> (b c t j), in channels-last memory."""
        return rearrange(self.norm(rearrange(x, "b c t j -> b t j c")), "b t j c -> b c t j")


def shared_out(channels: int, heads: int) -> list[str]:
    """A problem, unless the channels can be shared out among the heads of an attention."""
    if channels % heads == 0:
        return []
    return [f"attention_heads: {heads} of them cannot share {channels} channels; give a divisor of channels"]


def embedded(settings: dict, frames: int) -> list[str]:
    """A problem, unless there is an embedding for each of so many frames."""
    if frames <= settings["frames"]:
        return []
    return [f"frames: {settings['frames']} have an embedding, and data.frames is {frames}; give at least as many"]


def our_weights(state: dict[str, Tensor], names: Sequence[tuple[str, Replacement]]) -> dict[str, Tensor]:
    """A published `state_dict` under our names, its heads as maps of every node.

    Args:
        names: patterns of published names and ours, but for `BLOCK_NAMES`.
    """
    weights = {renamed(name, (*names, *BLOCK_NAMES)): value for name, value in state.items()}
    heads = [name for name, value in weights.items() if name.startswith("heads.") and value.ndim == 2]
    return weights | {name: rearrange(weights[name], "d c -> d c 1 1") for name in heads}


def inferred(weights: dict[str, Tensor], frames: int) -> dict[str, Any]:
    """The settings common to these networks that shapes determine; the number of attention heads is none of them.

    Args:
        weights: under our names.
        frames: of a window, or of the longest.
    """
    channels = len(weights["first.bias"])
    wide = {name: len(value) for name, value in weights.items() if name.endswith(".1.layer.0.bias")}
    return {
        "channels": channels,
        "layers": 1 + max(int(name.split(".")[1]) for name in wide),
        "mlp_ratio": max(wide.values()) // channels,
        "frames": frames,
        "data.frames": frames,
        "data.confidence": weights["first.weight"].shape[1] > 2,
    }
