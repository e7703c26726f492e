"""What recognisers of clips share."""

import torch
from torch import nn

from stgraph.models.layers.recogniser import ClipModel, DataNorm
from stgraph.skeleton import COCO17, HAND21


def test_every_coordinate_of_every_joint_is_normalised_by_itself():
    torch.manual_seed(0)
    spread, centre = torch.rand(3, 1, 21) + 0.1, 10 * torch.randn(3, 1, 21)
    x = spread * torch.randn(8, 3, 40, 21) + centre
    norm = DataNorm(3, len(HAND21)).train()
    y = norm(x)
    torch.testing.assert_close(y.mean(dim=(0, 2)), torch.zeros(3, 21), rtol=0, atol=1e-4)
    torch.testing.assert_close(y.var(dim=(0, 2), correction=0), torch.ones(3, 21), rtol=0, atol=2e-3)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(norm.eval()(x[:, :, :7]), norm(x)[:, :, :7]), "in prediction frames do not see one another"


def test_statistics_lie_joint_by_joint_as_in_published_weights():
    norm = DataNorm(2, 3).eval()
    norm.norm.running_mean.copy_(torch.tensor([0.0, 1.0, 10.0, 11.0, 20.0, 21.0]))
    x = torch.tensor([[0.0, 10.0, 20.0], [1.0, 11.0, 21.0]])[None, :, None]
    torch.testing.assert_close(norm(x), torch.zeros(1, 2, 1, 3), rtol=0, atol=1e-5)


def test_blocks_follow_one_another_and_heads_map_every_node():
    torch.manual_seed(0)
    blocks = [nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1, stride=(2, 1))]
    model = ClipModel(COCO17, 3, {"action": 5}, blocks=blocks, width=6, strides=[1, 2]).eval()
    assert model.serves == ("clips",) and model.stride == 2
    x = torch.randn(2, 3, 9, 17)
    features = model.features(x)
    torch.testing.assert_close(features, blocks[1](blocks[0](model.data_norm(x))))
    assert features.shape == (2, 6, 5, 17)
    expected = torch.einsum("nd,bdsj->bnsj", model.heads["action"].weight[..., 0, 0], features)
    torch.testing.assert_close(model(x)["action"], expected + model.heads["action"].bias[:, None, None])


def test_every_person_of_a_clip_has_a_norm_of_its_own():
    torch.manual_seed(0)
    norm = DataNorm(3, 5, persons=2)
    for values in (norm.norm.weight, norm.norm.bias, norm.norm.running_mean):
        torch.nn.init.normal_(values)
    torch.nn.init.uniform_(norm.norm.running_var, 0.5, 2)
    x = torch.randn(6, 3, 4, 5)
    whole = norm.eval()(x)
    for person in range(2):
        alone = DataNorm(3, 5).eval()
        state = norm.norm.state_dict()
        part = slice(15 * person, 15 * (person + 1))
        alone.norm.load_state_dict({name: value[part] if value.ndim else value for name, value in state.items()})
        torch.testing.assert_close(whole[person::2], alone(x[person::2]))
    torch.testing.assert_close(norm(x[:3]), whole[:3])
    trained = norm.train()(x)
    for person in range(2):
        rows = DataNorm(3, 5).train()
        rows.norm.weight.data, rows.norm.bias.data = (
            values.detach()[15 * person :][:15] for values in (norm.norm.weight, norm.norm.bias)
        )
        torch.testing.assert_close(trained[person::2], rows(x[person::2]))
