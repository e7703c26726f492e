"""pyskl's checkpoints: their scores from our models, and settings by their shapes."""

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from stgraph.errors import InputError
from stgraph.models import pyskl
from stgraph.models.published import find_model
from stgraph.settings.registry import MODELS
from stgraph.skeleton import COCO17, NTU25
from stgraph.tasks.action.task import clip_scores
from tests.models.published_golden import golden, published_state

CHANNELS, STRIDES = [64] * 4 + [128] * 3 + [256] * 3, [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]


def converted(state):
    """A model with a checkpoint's weights, and the settings."""
    name = find_model("pyskl", state, "it")
    kind = MODELS.get(name)
    skeleton = kind.published_for(state).skeleton
    inferred, weights = kind.from_published(state, len(skeleton))
    settings = {key: value for key, value in inferred.items() if "." not in key}
    model = kind(skeleton, 3, {"action": len(inferred["task.classes"])}, **settings)
    missing = {name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.load_state_dict(missing | weights)
    return model.eval(), inferred


def scores(model, x, dtype):
    """Of clips (n m t v c)."""
    clips, persons = x.shape[:2]
    rows = rearrange(torch.as_tensor(x).to(dtype), "n m t v c -> (n m) c t v")
    with torch.no_grad():
        dense = model.to(dtype)(rows)["action"]
    return clip_scores(dense, torch.arange(clips).repeat_interleave(persons), clips).numpy()


@pytest.mark.parametrize(
    ("name", "kind", "skeleton"),
    [("pyskl_stgcn_ntu_c8", "stgcn", NTU25), ("pyskl_stgcnpp_coco_c16", "stgcnpp", COCO17)],
)
def test_scores_are_the_published_ones(name, kind, skeleton):
    arrays, state = golden(name)
    assert find_model("pyskl", state, "it") == kind and MODELS.get(kind).published_for(state).skeleton == skeleton
    model, _ = converted(state)
    for dtype, output, limit in ((torch.float32, "output", 1e-5), (torch.float64, "output_f64", 1e-7)):
        found = scores(model, arrays["input"], dtype)
        assert np.abs(found - arrays[output]).max() < limit * np.abs(arrays[output]).max()


@pytest.mark.parametrize(
    ("name", "like", "persons"),
    [
        ("pyskl_stgcn_ntu60_hrnet", "pyskl_2d", 1),
        ("pyskl_stgcnpp_ntu60_hrnet", "pyskl_2d", 1),
        ("pyskl_stgcnpp_ntu60_3d", "pyskl_3d", 1),
        ("pyskl_ctrgcn_ntu60_hrnet", "pyskl_2d", 2),
    ],
)
def test_settings_of_full_size_checkpoints_are_inferred_and_every_entry_is_used(name, like, persons):
    state, _ = published_state(name)
    model, inferred = converted(state)
    assert type(model).published_for(state).like == like
    assert (inferred["channels"], inferred["strides"], inferred["persons"]) == (CHANNELS, STRIDES, persons)
    assert len(inferred["task.classes"]) == 60 and inferred["task.persons"] == "padded"
    assert inferred.get("data.max_persons") == (persons if persons > 1 else None)
    assert inferred.get("data.confidence") == (True if like == "pyskl_2d" else None)


def literal_ctrgcn(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Scores of clips (n m t v c), written from the description of the network."""

    def norm(y, name):
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(y, *parts, eps=1e-5)

    def conv(y, name, **options):
        return F.conv2d(y, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    n, m, v = x.shape[0], x.shape[1], x.shape[3]
    y = norm(rearrange(x, "n m t v c -> n (m v c) t"), "backbone.data_bn")
    y = rearrange(y, "n (m v c) t -> (n m) c t v", m=m, v=v)
    blocks = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("backbone.net."))
    for block in range(blocks):
        place = f"backbone.net.{block}"
        stride = 2 if f"{place}.residual.conv.weight" in state else 1
        z = 0
        for k in range(3):
            maps = f"{place}.gcn1.convs.{k}.conv"
            first, second = (conv(y, f"{maps}{number}").mean(dim=2) for number in (1, 2))
            relation = torch.tanh(first[..., :, None] - second[..., None, :])
            graph = state[f"{place}.gcn1.alpha"] * conv(relation, f"{maps}4") + state[f"{place}.gcn1.A"][k]
            z = z + torch.einsum("nctv,ncvw->nctw", conv(y, f"{maps}3"), graph)
        z = norm(z, f"{place}.gcn1.bn")
        if f"{place}.gcn1.down.0.weight" in state:
            z = z + norm(conv(y, f"{place}.gcn1.down.0"), f"{place}.gcn1.down.1")
        else:
            z = z + y
        z, results = z.relu(), []
        for branch in range(4):
            name = f"{place}.tcn1.branches.{branch}"
            if branch == 3:
                results.append(norm(conv(z, f"{name}.0", stride=(stride, 1)), f"{name}.1"))
                continue
            part = norm(conv(z, f"{name}.0"), f"{name}.1").relu()
            if branch == 2:
                results.append(norm(F.max_pool2d(part, (3, 1), (stride, 1), (1, 0)), f"{name}.4"))
            else:
                options = {"stride": (stride, 1), "dilation": (branch + 1, 1), "padding": (2 * (branch + 1), 0)}
                results.append(norm(conv(part, f"{name}.3.conv", **options), f"{name}.3.bn"))
        out = torch.cat(results, dim=1).relu()
        if block:
            around = y
            if stride == 2:
                around = norm(conv(y, f"{place}.residual.conv", stride=(2, 1)), f"{place}.residual.bn")
            out = out + around
        y = out.relu()
    pooled = rearrange(y.mean(dim=(2, 3)), "(n m) c -> n m c", n=n).mean(dim=1)
    return F.linear(pooled, state["cls_head.fc_cls.weight"], state["cls_head.fc_cls.bias"])


def test_ctrgcn_is_its_description():
    random = torch.Generator().manual_seed(0)

    def draw(key, shape):
        if key.endswith("num_batches_tracked"):
            return torch.zeros((), dtype=torch.int64)
        value = torch.randn(shape, generator=random, dtype=torch.float64)
        if key.endswith("running_var"):
            return 0.5 + value.abs()
        return value / np.sqrt(np.prod(shape[1:]) or 1) if len(shape) > 1 else 1 + 0.3 * value

    listed, _ = published_state("pyskl_ctrgcn_ntu60_hrnet")
    state = {name: draw(name, value.shape) for name, value in listed.items()}
    kept = [name for name in state if not name.startswith("backbone.net.") or int(name.split(".")[2]) < 5]
    state = {name: state[name] for name in kept} | {
        "cls_head.fc_cls.weight": torch.randn(60, 128, generator=random, dtype=torch.float64)
    }
    x = torch.randn(2, 2, 7, 17, 3, generator=random, dtype=torch.float64)
    x[1, 1] = 0  # an absent person counts as zeros
    expected = literal_ctrgcn(state, x).numpy()
    model, inferred = converted(state)
    assert inferred["strides"] == [1, 1, 1, 1, 2] and inferred["persons"] == 2
    found = scores(model, x, torch.float64)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.slow
def test_a_missing_entry_is_named():
    _, state = golden("pyskl_stgcnpp_coco_c16")
    del state["backbone.gcn.3.tcn.bn.weight"]
    with pytest.raises(InputError, match=r"backbone\.gcn\.3\.tcn\.bn\.weight: missing"):
        MODELS.get("stgcnpp").from_published(state, 17)


def test_unknown_entries_keep_their_names():
    _, state = golden("pyskl_stgcnpp_coco_c16")
    state["backbone.gcn.3.gate"] = torch.zeros(1)
    assert "backbone.gcn.3.gate" in MODELS.get("stgcnpp").from_published(state, 17)[1]


def test_layouts_are_known_by_the_number_of_joints():
    assert {joints: skeleton.name for joints, skeleton in pyskl.LAYOUTS.items()} == {
        **{17: "coco17", 25: "ntu25", 18: "openpose18", 21: "hand21"}
    }
