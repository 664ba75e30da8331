"""torch.testing: comparing results, and making random ones."""

from tallow.testing._comparison import assert_allclose as assert_allclose, assert_close as assert_close
from tallow.testing._creation import make_tensor as make_tensor
