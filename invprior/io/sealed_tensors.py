"""Files of tensors and facts, in which a change of any bit is seen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from invprior.io import files, strict_json

# The keys of the facts and of their checksum among the metadata of a safetensors file, and the key of the tensors'
# checksum among the facts.
_FACTS, _SEAL, _TENSORS = "invprior", "sha256", "tensors_sha256"


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts to one safetensors file, atomically; an older file is replaced.

    Args:
        path: the file.
        tensors: on any device.
        facts: as JSON can hold them.
    """
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    # The checksum of the text as it stands, since to print a large state twice takes time.
    text = strict_json.dumps({**facts, _TENSORS: digest(plain)})
    data = save(plain, {_FACTS: text, _SEAL: hashlib.sha256(text.encode()).hexdigest()})
    with files.atomic(path, overwrite=True) as file:
        file.write(data)


def read(path: Path, number: str | int | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the facts that `write` has written.

    Args:
        path: the file.
        number: the facts' entry "format" that the caller reads, if they have one.

    Raises:
        OtherFormat: their format has another number.
        Exception: any error of a damaged file, with the reason as its text.
    """
    facts = read_facts(path, number)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if facts.pop(_TENSORS, None) != digest(tensors):
        raise ValueError("its tensors do not match their checksum")
    return tensors, facts


def read_facts(path: Path, number: str | int | None = None) -> dict[str, Any]:
    """Return the facts without reading the tensors; arguments and errors are those of `read`."""
    if not path.is_file():  # a pipe would never answer
        raise ValueError("it is no plain file")
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    facts: dict[str, Any] = strict_json.loads(metadata[_FACTS])
    # The format first: a file of another one has its checksum elsewhere, and is not damaged.
    if number is not None and facts["format"] != number:
        raise OtherFormat(facts)
    if metadata[_SEAL] != hashlib.sha256(metadata[_FACTS].encode()).hexdigest():
        raise ValueError("its content does not match its checksum")
    return facts


class OtherFormat(ValueError):
    """A file of another format.

    Attributes:
        facts: what it says, unchecked.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        super().__init__(f"it has format {facts['format']}")


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the names, types, shapes and values of tensors."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().resolve_conj().resolve_neg().cpu()
        total.update(f"{name!r} {tensor.dtype} {tuple(tensor.shape)};".encode())
        # As bytes, since NumPy has no bfloat16.
        values: Any = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        total.update(values)
    return total.hexdigest()
