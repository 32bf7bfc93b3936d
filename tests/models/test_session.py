import numpy as np
import onnxruntime

from models.runtime.session import EXACT_INT8, INT8_PRODUCT, saturates_int8
from tools.converters.int8_product import build

LARGEST = {"a": np.full((16, 32), 255, np.uint8), "b": np.full((32, 16), 127, np.int8)}


def is_right(*, exact: bool) -> bool:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(EXACT_INT8, "1" if exact else "0")
    session = onnxruntime.InferenceSession(INT8_PRODUCT, options, providers=["CPUExecutionProvider"])
    [product] = session.run(None, LARGEST)
    return bool((product == 255 * 127 * 32).all())


def test_the_slower_product_is_taken_where_it_is_needed_and_only_there() -> None:
    """tests/system/test_other_processors.py has other processors than this one."""
    assert is_right(exact=saturates_int8())
    assert is_right(exact=False) != saturates_int8()


def test_the_probe_is_made_by_its_tool() -> None:
    assert build().SerializeToString() == INT8_PRODUCT.read_bytes()
