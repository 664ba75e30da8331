"""Random shapes, strides, dtypes, overlaps and broadcasting, for each kind of the table: compared with PyTorch where it is installed, else with
contiguous copies. CASES examples in all; TALLOW_CASES scales them."""

import os
import re

import properties as p
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = int(os.environ.get("TALLOW_CASES", "10000"))


def share(part):
    """Settings of a test that gets this share of the cases. The same cases every time: a failure can be had again."""
    return settings(max_examples=max(1, int(CASES * part)), deadline=None, derandomize=True, database=None, print_blob=False,
                    suppress_health_check=list(HealthCheck))


def signature(columns):
    return re.findall(r"(?:\(|, )(?!\*)(Tensor|Scalar)\b\??(?:\([a-z]!\))? (\w+)(?:=[^,)]+)?", columns["sig"].split(" -> ")[0])


def function(module, columns, key):
    for place in columns.get("namespaces", []) if "function" not in columns.get("variants", "function") else [""]:
        found = module
        for part in filter(None, [*place.split("."), key.split(".")[0]]):
            found = getattr(found, part, None)
        if callable(found):
            return found
    return None


ELEMENTWISE = {key: columns for key, columns in p.table("elementwise").items()
               if all(kind == "Tensor" for kind, _ in signature(columns)) and function(p.tallow, columns, key)
               and (p.torch is None or function(p.torch, columns, key))}
# Random values meet poles, overflow and double rounding in these; parity compares them on chosen ones.
LOOSE = {"lgamma", "digamma", "polygamma", "tan", "float_power", "signbit", "copysign"}  # the last two: the sign of NaN
INVERSE = {"asin", "acos", "atan", "asinh", "acosh", "atanh"}  # at infinities: only parity's samples


@share(0.3)
@given(st.data())
def test_elementwise(data):
    key = data.draw(st.sampled_from(sorted(set(ELEMENTWISE) - LOOSE)))
    columns = ELEMENTWISE[key]
    count = len(signature(columns))
    made = [data.draw(p.recipes(shape, special=key not in INVERSE)) for shape in data.draw(p.broadcastable(count))]
    if columns.get("promote") == "where":
        made[0] = data.draw(p.recipes(made[0].shape, ("bool",)))
    p.compare(lambda module, *xs: function(module, columns, key)(*xs), made, where=key)


@share(0.05)
@given(st.data())
def test_elementwise_with_a_number(data):
    key = data.draw(st.sampled_from(["add", "sub", "mul", "div", "pow", "eq", "lt", "remainder", "floor_divide", "maximum"]))
    number = data.draw(st.sampled_from([0, 1, 2, 3, -2, True, 0.5, -1.5, 2.0, 10.0, 3 + 1j]))
    made = [data.draw(p.recipes())]
    p.compare(lambda module, x: getattr(module, key)(x, number), made, where=f"{key} with {number}")


@share(0.05)
@given(st.data())
def test_in_place(data):
    key = data.draw(st.sampled_from(["add_", "sub_", "mul_", "div_", "pow_", "copy_", "exp_", "neg_", "eq_", "clamp_min_", "bitwise_and_"]))
    unary = key in ("exp_", "neg_")
    sizes = data.draw(p.broadcastable(1 if unary else 2))
    made = [data.draw(p.recipes(shape, special=key not in INVERSE)) for shape in sizes]

    def call(module, x, *others):
        x = x.clone()
        getattr(x, key)(*others)
        return x

    def through_view(module, x, *others):
        getattr(x, key)(*others)
        return x

    p.compare(call, made, where=key)
    if p.torch is not None:  # a contiguous copy may be written to where an expanded tensor may not
        p.compare(through_view, made, where=f"{key} of the tensor as it is")


@share(0.06)
@given(st.data())
def test_in_place_over_itself(data):
    """Windows into one memory, read and written in one call."""
    made = data.draw(p.recipes(dtypes=("float32", "int64", "complex64", "bool"), least=1, most=2, expand=False, special=False))
    key = data.draw(st.sampled_from(["add_", "mul_", "copy_", "maximum_out"]))
    cut = [data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2)), data.draw(st.booleans())]

    def call(module, x):
        base = x.contiguous()
        n = base.shape[0] - max(cut[0], cut[1])
        if n <= 0:
            return base
        to, source = base[cut[0]:cut[0] + n], base[cut[1]:cut[1] + n]
        if cut[2] and source.dim() == 2 and source.shape[0] == source.shape[1]:
            source = source.t()
        if key == "maximum_out":
            module.maximum(to, source, out=to)
        else:
            getattr(to, key)(source)
        return base

    p.compare(call, [made], where=key)


REDUCTIONS = ["sum", "prod", "mean", "amax", "amin", "all", "any", "argmax", "argmin", "logsumexp", "std", "var", "nansum", "count_nonzero",
              "max", "min", "norm", "cumsum", "cumprod", "softmax", "log_softmax", "aminmax"]
REDUCTIONS = [key for key in REDUCTIONS if hasattr(p.tallow, key)]


@share(0.12)
@given(st.data())
def test_reduce(data):
    key = data.draw(st.sampled_from(REDUCTIONS))
    made = data.draw(p.recipes(special=key in ("sum", "amax", "amin", "max", "min", "argmax", "argmin", "all", "any")))
    n = len(made.shape)
    keywords = {}
    one = key in ("argmax", "argmin", "max", "min", "cumsum", "cumprod", "softmax", "log_softmax", "aminmax")
    if data.draw(st.booleans()) or key in ("cumsum", "cumprod", "softmax", "log_softmax", "logsumexp"):
        dims = st.integers(-n - (data.draw(st.integers(0, 9)) == 0), max(n - 1, 0))
        keywords["dim"] = data.draw(dims) if one or data.draw(st.booleans()) else tuple(data.draw(st.lists(dims, min_size=key == "logsumexp", max_size=3)))
        if key not in ("cumsum", "cumprod", "softmax", "log_softmax", "count_nonzero") and data.draw(st.booleans()):
            keywords["keepdim"] = True
    if key in ("sum", "prod", "mean", "cumsum", "softmax") and data.draw(st.integers(0, 3)) == 0:
        keywords["dtype"] = data.draw(st.sampled_from(["float64", "float32", "int32"]))

    def call(module, x):
        named = {name: getattr(module, value) if name == "dtype" else value for name, value in keywords.items()}
        return getattr(module, key)(x, **named)

    p.compare(call, [made], where=f"{key} {keywords}")


VIEWS = ["transpose", "permute", "slice", "select", "unsqueeze", "squeeze", "expand", "narrow", "flatten", "diagonal", "unfold", "movedim",
         "flip", "reshape", "view", "chunk"]


@st.composite
def view_steps(draw, count, without=()):
    """Names and raw numbers of view operations; the numbers are fitted to the tensor at hand."""
    names = [name for name in VIEWS if name not in without]
    return [(draw(st.sampled_from(names)), [draw(st.integers(0, 7)) for _ in range(3)]) for _ in range(draw(st.integers(1, count)))]


def step(x, name, raw):
    n = x.dim()
    a, b, c = raw
    if n == 0:
        return x.unsqueeze(0)
    dim, other = a % n, b % n
    size = x.shape[dim]
    if name == "transpose":
        return x.transpose(dim, other)
    if name == "permute":
        return x.permute([(i + b) % n for i in range(n)])
    if name == "slice":
        return x[(slice(None),) * dim + (slice(b % (size + 1), None, c % 3 + 1),)]
    if name == "select":
        return x.select(dim, b % size) if size else x
    if name == "unsqueeze":
        return x.unsqueeze(a % (n + 1)) if n < 5 else x
    if name == "squeeze":
        return x.squeeze(dim) if c % 2 else x.squeeze()
    if name == "expand":
        return x.unsqueeze(0).expand(c % 3 + 1, *x.shape) if n < 5 else x
    if name == "narrow":
        return x.narrow(dim, b % (size + 1), c % (size - b % (size + 1) + 1))
    if name == "flatten":
        return x.flatten(min(dim, other), max(dim, other))
    if name == "diagonal":
        return x.diagonal(b % 3 - 1, dim, other) if dim != other else x
    if name == "unfold":
        return x.unfold(dim, b % size + 1, c % 3 + 1) if size and n < 5 else x
    if name == "movedim":
        return x.movedim(dim, other)
    if name == "flip":
        return x.flip(dim)
    if name == "reshape":
        return x.reshape(-1) if c % 2 and x.numel() else x.reshape([*x.shape, 1])
    if name == "view":
        return x.view(-1) if x.numel() else x
    return x.chunk(b % 3 + 1, dim)[0]


def walk(x, steps):
    for name, raw in steps:
        x = step(x, name, raw)
    return x


@share(0.1)
@given(p.recipes(special=False), view_steps(5))
def test_views(made, steps):
    def call(module, x):
        y = walk(x, steps)
        where = y.storage_offset() - x.storage_offset() if y._base is not None and p.torch is not None else -1
        return y, module.tensor([where])

    p.compare(call, [made], strides=True, where=f"views {steps}")


@share(0.06)
@given(p.recipes(dtypes=("float64",), special=False, expand=False, most=3), view_steps(3, without=("unfold", "expand")), st.integers(0, 3))
def test_gradients_and_writes_through_views(made, steps, how):
    def call(module, x):
        leaf = x.detach().clone().requires_grad_()
        base = leaf * 2
        view = walk(base, steps)
        if how == 0:
            view.mul_(3)
        elif how == 1:
            view.copy_(module.ones_like(view))
        elif how == 2:
            view += view.sum()
        else:
            base.add_(1)
        loss = (base.sigmoid() * base).sum() + (view * view).sum()
        loss.backward()
        return loss, base, leaf.grad

    p.compare(call, [made], strides=False, where=f"views {steps}, write {how}")


@st.composite
def indices(draw, shape):
    """An index into a tensor of this shape: ints, slices, None, ..., masks and lists of places."""
    found, left, dots = [], list(shape), False
    for _ in range(draw(st.integers(0, len(shape) + 1))):
        kind = draw(st.sampled_from(["int", "slice", "slice", "none", "dots", "list", "tensor", "mask"]))
        if kind == "none":
            found.append(("none",))
        elif kind == "dots" and not dots:
            dots = True
            found.append(("dots",))
            left = left[len(left):] if not left else left[draw(st.integers(0, len(left))):]
        elif not left or kind == "dots":
            break
        elif kind == "mask":
            count = draw(st.integers(1, len(left)))
            found.append(("mask", tuple(left[:count]), draw(st.integers(0, 99))))
            left = left[count:]
        else:
            size = left.pop(0)
            if kind == "slice":
                bound = st.one_of(st.none(), st.integers(-size - 1, size + 1))
                found.append(("slice", draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, 3]))))
            elif size == 0:
                found.append(("slice", None, None, None))
            else:
                place = st.integers(-size, size - 1 + (draw(st.integers(0, 30)) == 0))
                if kind == "int":
                    found.append(("int", draw(place)))
                else:
                    rows = draw(st.sampled_from([1, 2, 3, 3]))
                    found.append((kind, [draw(place) for _ in range(rows)]))
    return found


def realise(module, found):
    out = []
    for entry in found:
        kind = entry[0]
        if kind == "none":
            out.append(None)
        elif kind == "dots":
            out.append(...)
        elif kind == "slice":
            out.append(slice(*entry[1:]))
        elif kind == "mask":
            random = p.numpy.random.default_rng(entry[2])
            out.append(module.from_numpy(random.integers(0, 2, entry[1]).astype(bool)))
        elif kind == "tensor":
            out.append(module.tensor(entry[1]))
        else:
            out.append(entry[1])
    return tuple(out)


@share(0.1)
@given(st.data())
def test_indexing(data):
    made = data.draw(p.recipes(special=False))
    found = data.draw(indices(made.shape))
    write = data.draw(st.sampled_from(["read", "number", "tensor", "gradient"]))

    def call(module, x):
        where = realise(module, found)
        if write == "read":
            return x[where]
        if write == "gradient":
            leaf = x.detach().to(module.float64).clone().requires_grad_()
            y = leaf[where]
            (y * module.arange(y.numel(), dtype=module.float64).reshape(y.shape)).sum().backward()
            return y, leaf.grad
        x = x.clone()
        x[where] = 3 if write == "number" or not x[where].dim() else x[where].flip(0)
        return x

    p.compare(call, [made], where=f"{write} {found}")


@share(0.06)
@given(st.data())
def test_products(data):
    b, m, k, n = (data.draw(p.SIZES) for _ in range(4))
    form = data.draw(st.sampled_from(["mm", "bmm", "matmul", "mv", "addmm", "linear", "einsum"]))
    dtype = data.draw(st.sampled_from(["float32", "float64", "int64", "complex64", "bfloat16", "int8"]))
    sizes = {"mm": [(m, k), (k, n)], "bmm": [(b, m, k), (b, k, n)], "matmul": [(b, 1, m, k), (2, k, n)], "mv": [(m, k), (k,)],
             "addmm": [(m, n), (m, k), (k, n)], "linear": [(b, m, k), (n, k)], "einsum": [(b, m, k), (n, k)]}[form]
    if data.draw(st.integers(0, 12)) == 0:
        sizes[-1] = sizes[-1][:-1] + (sizes[-1][-1] + 1,)
    made = [data.draw(p.recipes(size, (dtype,), special=False)) for size in sizes]

    def call(module, *xs):
        if form == "linear":
            return module.nn.functional.linear(*xs)
        return module.einsum("bmk,nk->bmn", *xs) if form == "einsum" else getattr(module, form)(*xs)

    p.compare(call, made, strides=form != "einsum", where=f"{form} {sizes} {dtype}")


@share(0.06)
@given(st.data())
def test_kernels(data):
    form = data.draw(st.sampled_from(["cat", "stack", "gather", "scatter_add", "index_select", "masked_fill", "masked_select", "nonzero",
                                      "sort", "tril", "roll", "repeat", "where", "conv1d", "conv2d", "max_pool2d"]))
    n = st.integers(1, 6)
    if form in ("conv1d", "conv2d", "max_pool2d"):
        two = form != "conv1d"
        batch, channels, out, size, kernel = data.draw(n), data.draw(n), data.draw(n), data.draw(st.integers(3, 9)), data.draw(st.integers(1, 3))
        sizes = [(batch, channels, size) + (size + 1,) * two, (out, channels) + (kernel,) * (1 + two)]
        made = [data.draw(p.recipes(shape, ("float64", "float32"), special=False)) for shape in sizes]
        options = {"stride": data.draw(st.integers(1, 2)), "padding": data.draw(st.integers(0, kernel // 2)), "dilation": data.draw(st.integers(1, 2))}

        def call(module, x, w):
            if form == "max_pool2d":
                return module.nn.functional.max_pool2d(x, kernel, **options)
            return getattr(module.nn.functional, form)(x, w, **options)

        p.compare(call, made, strides=False, where=f"{form} {sizes} {options}")
        return
    made = data.draw(p.recipes(least=form in ("gather", "scatter_add", "index_select", "cat"), special=False))
    raw = [data.draw(st.integers(0, 9)) for _ in range(3)]

    def call(module, x):
        dim = raw[0] % max(x.dim(), 1)
        size = x.shape[dim] if x.dim() else 1
        if form in ("cat", "stack"):
            return getattr(module, form)([x, x.clone(), x][: raw[1] % 3 + 1], dim)
        if form in ("gather", "scatter_add"):
            places = (module.arange(x.numel()).reshape(x.shape) * 7 + raw[1]) % max(size, 1)
            return module.gather(x, dim, places) if form == "gather" else module.zeros_like(x).scatter_add(dim, places, x)
        if form == "index_select":
            return x.index_select(dim, module.tensor([raw[1] % size, raw[2] % size] if size else [], dtype=module.int64))
        if form in ("masked_fill", "masked_select", "where"):
            mask = (module.arange(x.numel()).reshape(x.shape) + raw[1]) % 3 == 0
            if form == "where":
                return module.where(mask, x, module.ones((), dtype=x.dtype))
            return x.masked_fill(mask, raw[2] % 2) if form == "masked_fill" else x.masked_select(mask)
        if form == "nonzero":
            return x.nonzero()
        if form == "sort":
            return x.sort(dim, descending=raw[1] % 2 == 0, stable=True)
        if form == "tril":
            return x.tril(raw[1] - 4)
        if form == "roll":
            return x.roll(raw[1] - 4, dim) if x.dim() else x.roll(1)
        return x.repeat(*[raw[1] % 3] * (x.dim() or 1))

    p.compare(call, [made], strides=form not in ("sort",), where=f"{form} {raw}")


@share(0.04)
@given(st.data())
def test_composites_agree_with_vmap(data):
    """vmap over a leading dimension is a loop over it."""
    key = data.draw(st.sampled_from(["exp", "sum", "mean", "softmax", "cumsum", "matmul", "logsumexp", "relu", "flatten", "amax", "std", "sort"]))
    made = data.draw(p.recipes(dtypes=("float64",), least=2, most=3, special=False))
    if 0 in made.shape:
        return
    module = p.tallow
    x = made.make(module)

    def one(row):
        if key in ("softmax", "cumsum", "logsumexp"):
            return getattr(module, key)(row, 0)
        if key == "matmul":
            return row.flatten() @ row.flatten()
        found = getattr(module, key)(row)
        return found[0] if isinstance(found, tuple) else found

    got = module.vmap(one)(x)
    expected = module.stack([one(row) for row in x])
    p.same(got, expected, False, key)


if p.torch is None:
    pytestmark = pytest.mark.filterwarnings("ignore")
else:
    pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
