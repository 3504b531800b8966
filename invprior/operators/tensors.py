"""Kept until the plugins import `invprior.numerics.tensors`."""

from invprior.numerics.tensors import apply_linear as apply_linear
