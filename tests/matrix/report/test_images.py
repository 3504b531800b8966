import numpy as np
import pytest
from PIL import Image

from invprior.matrix.report.images import inset_box


@pytest.mark.parametrize(("left", "top"), [(0, 0), (80, 112), (33, 51)])
def test_the_inset_is_where_the_methods_differ(left, top):
    same = np.full((128, 96), 100, np.uint8)
    other = same.copy()
    other[top : top + 16, left : left + 16] = 200
    box = inset_box([Image.fromarray(same), Image.fromarray(other)], None)
    assert box is not None
    assert (box[2] - box[0], box[3] - box[1]) == (24, 24)
    assert box[0] <= left
    assert box[1] <= top
    assert box[2] >= left + 16
    assert box[3] >= top + 16
    assert min(box) >= 0
    assert box[2] <= 96
    assert box[3] <= 128


def test_a_tiny_image_is_its_own_inset():
    assert inset_box([Image.new("L", (9, 7))], None) == (0, 0, 7, 7)
    assert inset_box([], None) is None
