import torch
from torch import nn

from invprior.numerics.devices import placed


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("mask", torch.ones(2, dtype=torch.bool))


def test_a_module_that_fits_is_returned_itself():
    module = Masked()
    assert placed(module, torch.zeros(1)) is module


def test_another_dtype_gives_a_copy_and_leaves_the_module_alone():
    module = Masked()
    copy = placed(module, torch.zeros(1, dtype=torch.float64))
    assert copy.weight.dtype == torch.float64
    assert copy.mask.dtype == torch.bool
    assert module.weight.dtype == torch.float32


def test_complex_buffers_keep_their_imaginary_parts():
    module = Masked()
    module.register_buffer("transfer", torch.tensor([1 + 2j]))
    copy = placed(module, torch.zeros(1, dtype=torch.float64))
    assert torch.equal(copy.transfer, torch.tensor([1 + 2j], dtype=torch.complex128))
    assert copy.weight.requires_grad
    assert isinstance(copy.weight, nn.Parameter)
    assert placed(copy, torch.zeros(1, dtype=torch.float64)) is copy
    assert placed(copy, torch.zeros(1)).transfer.dtype == torch.complex64
    assert module.transfer.dtype == torch.complex64
