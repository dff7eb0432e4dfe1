"""The second opinion on names: low-rank changes of a frozen YAMNet."""

import pytest
import torch

from twnm.model.namer import Namer
from twnm.model.yamnet import CLASS_COUNT, YamNet

CLASSES = ("bell", "cow", "dog")


@pytest.fixture(scope="module")
def network() -> YamNet:
    torch.manual_seed(0)
    return YamNet(tuple(str(number) for number in range(CLASS_COUNT))).requires_grad_(False).eval()


@pytest.fixture
def namer() -> Namer:
    torch.manual_seed(1)
    return Namer(CLASSES, rank=2).eval()


def test_without_changes_it_reads_the_pretrained_embedding(network: YamNet, namer: Namer) -> None:
    patches = torch.randn(2, 96, 64)
    embeddings = network.embed(patches)
    expected = namer.head(torch.nn.functional.layer_norm(embeddings, embeddings.shape[-1:]))
    torch.testing.assert_close(namer(network, patches), expected)


def test_changes_are_those_of_the_weights_and_leave_the_network_alone(network: YamNet, namer: Namer) -> None:
    patches = torch.randn(2, 96, 64)
    before = network.embed(patches)
    other = YamNet(network.class_names).eval()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        for parameter in namer.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
        for layer, down, up, bias in zip(other.layers, namer.down, namer.up, namer.bias, strict=True):
            layer.pointwise.weight += (up @ down)[:, :, None, None]  # type: ignore[union-attr]
            layer.pointwise.bias += bias  # type: ignore[union-attr]
        embeddings = other.embed(patches)
        expected = namer.head(torch.nn.functional.layer_norm(embeddings, embeddings.shape[-1:]))
        torch.testing.assert_close(namer(network, patches), expected)
        torch.testing.assert_close(network.embed(patches), before, rtol=0, atol=0)


def test_what_is_kept_without_learning_is_made_anew_for_other_weights(network: YamNet, namer: Namer) -> None:
    patches = torch.randn(2, 96, 64)
    with torch.no_grad():
        before = namer(network, patches)
        torch.testing.assert_close(namer(network, patches), before, rtol=0, atol=0)
        for up in namer.up:
            up.normal_(std=0.01)
        after = namer(network, patches)
    torch.testing.assert_close(after, namer(network, patches))  # with gradients nothing is kept
    assert not torch.allclose(after, before)


def test_every_part_of_it_learns_and_nothing_of_the_network(network: YamNet, namer: Namer) -> None:
    with torch.no_grad():
        for up in namer.up:
            up.normal_(std=0.01)
    namer(network, torch.randn(4, 96, 64)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in namer.parameters())
    assert all(parameter.grad is None for parameter in network.parameters())
