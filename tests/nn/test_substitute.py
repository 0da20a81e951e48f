from __future__ import annotations

import torch
from torch import nn

from unrolled.nn.substitute import substitute


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
