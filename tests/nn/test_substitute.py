from __future__ import annotations

import torch
from torch import nn

from unrolled.nn.substitute import substitute, take_back


def test_reads_other_tensors_and_leaves_the_module_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    names: list[str] = []

    def double(name: str, parameter: torch.Tensor) -> torch.Tensor:
        names.append(name)
        return parameter * 2

    own = [parameter.clone() for parameter in module.parameters()]
    copy = substitute(module, double)
    assert names == [name for name, _ in module.named_parameters()]
    assert torch.equal(copy[0].weight, module[0].weight * 2)
    assert isinstance(copy[0].weight, torch.Tensor)
    assert copy[1].running_mean is module[1].running_mean
    assert all(torch.equal(a, b) for a, b in zip(own, module.parameters(), strict=True))
    copy[0](torch.ones(1, 2)).sum().backward()
    assert torch.equal(module[0].weight.grad, torch.full((3, 2), 2.0))


def test_an_absent_parameter_stays_absent() -> None:
    assert substitute(nn.Linear(2, 3, bias=False), lambda name, parameter: parameter).bias is None


def test_a_part_in_two_places_stays_one() -> None:
    part = nn.Linear(2, 2)
    copy = substitute(nn.Sequential(part, nn.Tanh(), part), lambda name, parameter: parameter)
    assert copy[0] is copy[2] is not part


def test_what_a_copy_has_set_on_itself_is_taken_back() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    module[0].count, module[0].kept = 0, module[0].weight
    weight = module[0].weight
    copy = substitute(module, lambda name, parameter: parameter * 2)
    copy[0].count, copy[0].new = 3, "x"
    take_back(module, copy, lambda value: [value])
    assert (module[0].count, module[0].new) == ([3], ["x"])
    assert module[0].weight is module[0].kept is weight
