"""pyskl's published recognisers (and MMAction2's) under our names: ST-GCN, ST-GCN++ and CTR-GCN.

Biases in front of a norm are subtracted from its running mean, which is the same function; columns of its adjacencies
receive, and rows of ours. Entries that belong to none of the networks keep their names.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from stgraph.errors import InputError
from stgraph.models.base import Published, renamed
from stgraph.skeleton import COCO17, HAND21, NTU25, OPENPOSE18

FAMILY = "pyskl"
LAYOUTS = {len(skeleton): skeleton for skeleton in (COCO17, NTU25, OPENPOSE18, HAND21)}
State = dict[str, Tensor]

# Published names of ST-GCN's weights -> ours.
STGCN_NAMES = (
    (r"^backbone\.gcn\.", "blocks."),
    (r"\.gcn\.conv\.", ".graph_conv.conv."),
    (r"\.gcn\.bn\.", ".graph_conv.norm."),
    (r"\.tcn\.conv\.", ".temporal_conv.conv."),
    (r"\.tcn\.bn\.", ".temporal_conv.norm."),
    (r"\.residual\.conv\.", ".match.0."),
    (r"\.residual\.bn\.", ".match.1."),
)


def facts(mark: str) -> Published:
    """Facts about its checkpoints of one model, whose names match the pattern."""
    return Published(FAMILY, mark, COCO17, "pyskl_2d")


def holds(state: Iterable[str]) -> bool:
    """Whether the names are those of its checkpoints."""
    return any(name.startswith("backbone.") for name in state)


def of_layout(published: Published, state: State) -> Published:
    """The facts for the joints of a checkpoint: those of its graph, where a layout has as many."""
    graph = next((value for name, value in state.items() if re.search(r"\.0\.gcn1?\.A$", name)), None)
    joints = graph.shape[-1] if graph is not None and graph.ndim else 0
    skeleton = LAYOUTS.get(joints, published.skeleton)
    return replace(published, skeleton=skeleton, like="pyskl_3d" if skeleton == NTU25 else published.like)


def settings(state: State) -> dict[str, Any]:
    """What shapes determine: widths, strides (2 where the width doubles), persons, channels and classes."""
    names = "\n".join(state)
    norms = re.findall(r"^backbone\.(?:gcn|net)\.\d+\.gcn1?\.bn\.bias$", names, re.MULTILINE)
    graphs = re.findall(r"^backbone\.(?:gcn|net)\.0\.gcn1?\.A$", names, re.MULTILINE)
    maps = re.findall(r"^backbone\.\w+\.0\.(?:gcn\.conv|gcn1\.convs\.0\.conv3)\.weight$", names, re.MULTILINE)
    channels = [len(state[name]) for name in sorted(norms, key=lambda name: int(name.split(".")[2]))]
    strides = [1 + (after == 2 * before) for before, after in pairwise(channels)]
    joints, values = state[graphs[0]].shape[-1], state[maps[0]].shape[1]
    persons = len(state["backbone.data_bn.bias"]) // (joints * values)
    found = {
        "channels": channels,
        "strides": [1, *strides],
        "persons": persons,
        "task.persons": "padded",
        "task.classes": [f"class {number}" for number in range(len(state["cls_head.fc_cls.bias"]))],
    }
    found |= {"data.max_persons": persons} if persons > 1 else {}
    return found | ({} if joints == len(NTU25) else {"data.confidence": values > 2})


def stgcn_weights(state: State) -> State:
    """Those of ST-GCN; its matrices times their importances are our learned graph."""
    rest = shared(state)
    for block in blocks(rest):
        place = f"backbone.gcn.{block}.gcn"
        matrices = take(rest, f"{place}.A") * take(rest, f"{place}.PA")
        rest[f"blocks.{block}.adjacency.partitions"] = matrices.mT.contiguous()
    return {renamed(name, STGCN_NAMES): value for name, value in rest.items()}


def stgcnpp_weights(state: State) -> State:
    """Those of ST-GCN++."""
    rest = shared(state)
    for block in blocks(rest):
        theirs, ours = f"backbone.gcn.{block}", f"blocks.{block}"
        adjacency = take(rest, f"{theirs}.gcn.A").mT.contiguous()
        rest[f"{ours}.space.adjacency.weight"], k = adjacency, len(adjacency)
        weight, bias = (take(rest, f"{theirs}.gcn.conv.{name}") for name in ("weight", "bias"))
        rest[f"{ours}.space.conv.weight"] = rearrange(weight, "(k d) c 1 1 -> d (k c) 1 1", k=k)
        rest[f"{ours}.space.bias"] = rearrange(bias, "(k d) -> k d", k=k)
        norms(rest, [f"{theirs}.gcn.bn"], f"{ours}.space.norm")
        *lifted, plain = (f"{theirs}.tcn.branches.{branch}" for branch in range(6))
        into, joined = f"{ours}.time.branches", f"{theirs}.tcn.transform.0"
        biases = branches(rest, lifted, [f"{branch}.3.conv" for branch in lifted[:-1]], plain, into)
        norms(rest, [joined], f"{into}.norm", biases)
        rest[f"{ours}.time.conv.weight"] = take(rest, f"{theirs}.tcn.transform.2.weight")
        norms(rest, [f"{theirs}.tcn.bn"], f"{ours}.time.norm", [take(rest, f"{theirs}.tcn.transform.2.bias")])
        residual(rest, f"{theirs}.gcn.down.0", f"{theirs}.gcn.down.1", f"{ours}.space.residual")
        residual(rest, f"{theirs}.residual.conv", f"{theirs}.residual.bn", f"{ours}.residual")
    return rest


def ctrgcn_weights(state: State) -> State:
    """Those of CTR-GCN. Its relation is tanh(sender - receiver), so that the map of ours has the other sign."""
    rest = shared(state)
    for block in blocks(rest):
        theirs, ours = f"backbone.net.{block}", f"blocks.{block}"
        rest[f"{ours}.space.adjacency.shared"] = take(rest, f"{theirs}.gcn1.A").mT.contiguous()
        rest[f"{ours}.space.adjacency.alpha"] = take(rest, f"{theirs}.gcn1.alpha").reshape(())
        parts = range(len(rest[f"{ours}.space.adjacency.shared"]))

        def maps(number: int, kind: str, theirs: str = theirs, parts: range = parts) -> list[Tensor]:
            return [take(rest, f"{theirs}.gcn1.convs.{part}.conv{number}.{kind}") for part in parts]

        rest[f"{ours}.space.adjacency.sender.weight"] = torch.cat(maps(1, "weight"))
        rest[f"{ours}.space.adjacency.receiver.weight"] = torch.cat(maps(2, "weight"))
        rest[f"{ours}.space.adjacency.receiver.bias"] = torch.cat(maps(2, "bias")) - torch.cat(maps(1, "bias"))
        rest[f"{ours}.space.adjacency.weight"] = -torch.stack(maps(4, "weight")).flatten(2)
        rest[f"{ours}.space.adjacency.bias"] = torch.stack(maps(4, "bias"))[..., None, None]
        rest[f"{ours}.space.weight"] = torch.cat(maps(3, "weight")).flatten(1)
        rest[f"{ours}.space.bias"] = torch.cat(maps(3, "bias"))[:, None]
        norms(rest, [f"{theirs}.gcn1.bn"], f"{ours}.space.norm")
        *lifted, plain = (f"{theirs}.tcn1.branches.{branch}" for branch in range(4))
        convs, into = [f"{branch}.3.conv" for branch in lifted[:-1]], f"{ours}.time.0"
        biases = branches(rest, lifted, convs, f"{plain}.0", into)
        ends = [*(f"{branch}.3.bn" for branch in lifted[:-1]), f"{lifted[-1]}.4", f"{plain}.1"]
        norms(rest, ends, f"{into}.norm", biases)
        residual(rest, f"{theirs}.gcn1.down.0", f"{theirs}.gcn1.down.1", f"{ours}.space.residual")
        residual(rest, f"{theirs}.residual.conv", f"{theirs}.residual.bn", f"{ours}.residual")
    return rest


def shared(state: State) -> State:
    """The entries, with those outside the blocks under our names; a copy of the graph that nothing uses is left out."""
    names = ((r"^backbone\.data_bn\.", "data_norm.norm."), (r"^cls_head\.fc_cls\.", "heads.action."))
    rest = {renamed(name, names): value for name, value in state.items() if name != "backbone.A"}
    rest["heads.action.weight"] = rearrange(take(rest, "heads.action.weight"), "n c -> n c 1 1")
    return rest


def blocks(state: State) -> list[int]:
    """Numbers of the blocks."""
    return sorted({int(match[1]) for name in state if (match := re.match(r"backbone\.(?:gcn|net)\.(\d+)\.", name))})


def take(rest: State, name: str) -> Tensor:
    """An entry, which is then used. Raises InputError where it is missing."""
    if name not in rest:
        raise InputError("missing", where=name, remedy="get the checkpoint again")
    return rest.pop(name)


def norms(rest: State, theirs: Sequence[str], ours: str, biases: Sequence[Tensor] = ()) -> None:
    """Norms side by side as one, with the biases in front of them in its mean."""
    for part in ("weight", "bias", "running_mean", "running_var"):
        rest[f"{ours}.{part}"] = torch.cat([take(rest, f"{norm}.{part}") for norm in theirs])
    if biases:
        rest[f"{ours}.running_mean"] = rest[f"{ours}.running_mean"] - torch.cat(list(biases))
    counts = [rest.pop(f"{norm}.num_batches_tracked", None) for norm in theirs]
    if counts[0] is not None:
        rest[f"{ours}.num_batches_tracked"] = counts[0]


def branches(rest: State, lifted: Sequence[str], convs: Sequence[str], plain: str, ours: str) -> list[Tensor]:
    """Temporal branches, without the norm behind them; returns the biases of their results, in order.

    Args:
        lifted: names of those with a map (.0) and a norm (.1), the pooled one last. convs: of the convolutions in
            them. plain: of the map alone.
    """
    rest[f"{ours}.lift.weight"] = torch.cat([take(rest, f"{branch}.0.weight") for branch in lifted])
    mapped = [take(rest, f"{branch}.0.bias") for branch in lifted]
    norms(rest, [f"{branch}.1" for branch in lifted], f"{ours}.lift_norm", mapped)
    for number, conv in enumerate(convs):
        rest[f"{ours}.convs.{number}.weight"] = take(rest, f"{conv}.weight")
    rest[f"{ours}.plain.weight"] = take(rest, f"{plain}.weight")
    biases = [take(rest, f"{conv}.bias") for conv in convs]
    return [*biases, torch.zeros_like(mapped[-1]), take(rest, f"{plain}.bias")]


def residual(rest: State, conv: str, norm: str, ours: str) -> None:
    """What goes around layers, where it is not the input itself."""
    if f"{conv}.weight" in rest:
        rest[f"{ours}.conv.weight"] = take(rest, f"{conv}.weight")
        norms(rest, [norm], f"{ours}.norm", [take(rest, f"{conv}.bias")])
