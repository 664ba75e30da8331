"""What parameters and samples must satisfy: check(value) says where they do."""

import tallow


class Constraint:
    """Base class: check() gives a tensor of bools."""

    is_discrete = False
    event_dim = 0

    def check(self, value):
        """Where value satisfies the constraint."""
        raise NotImplementedError

    def __repr__(self):
        return type(self).__name__[1:] + "()"


class _Rule(Constraint):
    """A constraint given by a function of the value and its bounds, which the repr shows."""

    def __init__(self, name, rule, is_discrete=False, event_dim=0, **bounds):
        self._name, self._rule, self._bounds = name, rule, bounds
        self.is_discrete, self.event_dim = is_discrete, event_dim
        self.__dict__.update(bounds)

    def check(self, value):
        return self._rule(value, **self._bounds)

    def __repr__(self):
        return f"{self._name}({', '.join(f'{k}={v}' for k, v in self._bounds.items())})"


class _Dependent(Constraint):
    """A constraint that depends on parameters: only an instance knows it."""

    def __init__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        return _Dependent(
            is_discrete=self.is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self.event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value):
        raise ValueError("Cannot determine validity of dependent constraint")


class dependent_property(property, _Dependent):
    """A property that is a constraint: on the class it stands for one that depends on parameters."""

    def __init__(self, fn=None, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        super().__init__(fn)
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, fn):
        return dependent_property(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


def is_dependent(constraint):
    """Whether only an instance knows the constraint."""
    return isinstance(constraint, _Dependent)


class _IndependentConstraint(Constraint):
    """A constraint on several dimensions at once."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    @property
    def is_discrete(self):
        """The base's."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        """The base's, and the dimensions that are taken together."""
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value):
        result = self.base_constraint.check(value)
        if result.dim() < self.reinterpreted_batch_ndims:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.dim()}")
        return result.reshape(result.shape[: result.dim() - self.reinterpreted_batch_ndims] + (-1,)).all(-1)

    def __repr__(self):
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


def _lower_cholesky(value):
    lower = (value.tril() == value).flatten(-2).all(-1)
    return lower & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


def _positive_definite(value):
    symmetric = tallow.isclose(value, value.mT, atol=1e-6).all(-2).all(-1)
    return symmetric & tallow.linalg.cholesky_ex(value).info.eq(0)


def _simplex(value):
    return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


def _whole(value):
    return value % 1 == 0


dependent = _Dependent()
independent = _IndependentConstraint
boolean = _Rule("Boolean", lambda v: (v == 0) | (v == 1), True)
one_hot = _Rule("OneHot", lambda v: ((v == 0) | (v == 1)).all(-1) & v.sum(-1).eq(1), True, 1)
real = _Rule("Real", lambda v: v == v)
real_vector = independent(real, 1)
nonnegative = _Rule("GreaterThanEq", lambda v, lower_bound: lower_bound <= v, lower_bound=0.0)
positive = _Rule("GreaterThan", lambda v, lower_bound: lower_bound < v, lower_bound=0.0)
nonnegative_integer = _Rule("IntegerGreaterThan", lambda v, lower_bound: _whole(v) & (v >= lower_bound), True, lower_bound=0)
positive_integer = _Rule("IntegerGreaterThan", lambda v, lower_bound: _whole(v) & (v >= lower_bound), True, lower_bound=1)
simplex = _Rule("Simplex", _simplex, event_dim=1)
lower_triangular = _Rule("LowerTriangular", lambda v: (v.tril() == v).flatten(-2).all(-1), event_dim=2)
lower_cholesky = _Rule("LowerCholesky", _lower_cholesky, event_dim=2)
square = _Rule("Square", lambda v: tallow.full(v.shape[:-2], v.shape[-2] == v.shape[-1], dtype=tallow.bool), event_dim=2)
symmetric = _Rule("Symmetric", lambda v: tallow.isclose(v, v.mT, atol=1e-6).all(-2).all(-1), event_dim=2)
positive_definite = _Rule("PositiveDefinite", _positive_definite, event_dim=2)


def greater_than(lower_bound):
    """Above a bound."""
    return _Rule("GreaterThan", lambda v, lower_bound: lower_bound < v, lower_bound=lower_bound)


def greater_than_eq(lower_bound):
    """At or above a bound."""
    return _Rule("GreaterThanEq", lambda v, lower_bound: lower_bound <= v, lower_bound=lower_bound)


def less_than(upper_bound):
    """Below a bound."""
    return _Rule("LessThan", lambda v, upper_bound: v < upper_bound, upper_bound=upper_bound)


def interval(lower_bound, upper_bound):
    """Between bounds, both included."""
    return _Rule("Interval", lambda v, lower_bound, upper_bound: (lower_bound <= v) & (v <= upper_bound),
                 lower_bound=lower_bound, upper_bound=upper_bound)  # fmt: skip


def half_open_interval(lower_bound, upper_bound):
    """Between bounds, the upper one excluded."""
    return _Rule("HalfOpenInterval", lambda v, lower_bound, upper_bound: (lower_bound <= v) & (v < upper_bound),
                 lower_bound=lower_bound, upper_bound=upper_bound)  # fmt: skip


def integer_interval(lower_bound, upper_bound):
    """Whole numbers between bounds, both included."""
    return _Rule("IntegerInterval", lambda v, lower_bound, upper_bound: _whole(v) & (lower_bound <= v) & (v <= upper_bound), True,
                 lower_bound=lower_bound, upper_bound=upper_bound)  # fmt: skip


def multinomial(upper_bound):
    """Counts that add up to a bound."""
    return _Rule("Multinomial", lambda v: (v >= 0).all(-1) & (v.sum(-1) <= upper_bound), True, 1)


unit_interval = interval(0.0, 1.0)
