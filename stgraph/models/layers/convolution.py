"""A convolution with a batch norm behind or in front of it.

Folding the norms of evaluation into the weights was measured and is not worth its code: whole networks gain 0 to 9 %,
and a single frame through the linear net takes 1.7 times as long.
"""

from torch import nn

from stgraph.models.layers.dropout import relu_dropout
from stgraph.models.layers.shapes import Motion, Result


class ConvNorm(nn.Module):
    """norm(conv(x)).

    Args:
        conv: any convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j), as the convolution strides."""
        return self.norm(self.conv(x))


class ConvNormReLU(ConvNorm):
    """dropout(ReLU(norm(conv(x)))).

    Args:
        conv: any convolution.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, conv: nn.Conv2d, dropout: float) -> None:
        super().__init__(conv)
        self.dropout = dropout

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j), as the convolution strides."""
        return relu_dropout(super().forward(x), self.dropout * self.training)


class NormConv(nn.Module):
    """conv(norm(x)).

    Args:
        conv: any convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(conv.in_channels)
        self.conv = conv

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j), as the convolution strides."""
        return self.conv(self.norm(x))


def zero_bias(conv: nn.Conv2d) -> None:
    """Set the bias, if there is one, to zero."""
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
