"""The chi-squared distribution."""

from tallow.distributions import constraints
from tallow.distributions.gamma import Gamma


class Chi2(Gamma):
    """The sum of the squares of df standard normal numbers."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._copy(batch_shape, _instance)
        new.concentration, new.rate = (t.expand(new._batch_shape) for t in (self.concentration, self.rate))
        return new

    df = property(lambda self: self.concentration * 2)
