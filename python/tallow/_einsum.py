"""einsum: parses the equation, then contracts two operands at a time by matrix products."""

import tallow


def _parse(equation, operands):
    """Labels of each operand and of the result, ellipses replaced by labels of their own."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        few = len(operands) < len(terms)
        raise RuntimeError(f"einsum(): {'fewer' if few else 'more'} operands were provided than specified in the equation")
    wide, parsed = 0, []
    for i, (term, x) in enumerate(zip(terms, operands)):
        bare = term.replace("...", "")
        for c in bare:
            if not c.isalpha() or not c.isascii():
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {equation.index(c)} in the equation string, "
                    "subscripts must be in [a-zA-Z]"
                )
        extra = x.dim() - len(bare)
        if extra < 0 or (extra and "..." not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(bare)}) does not match the number of "
                f"dimensions ({x.dim()}) for operand {i} and no ellipsis was given"
            )
        wide = max(wide, extra)
        parsed.append((term, extra))
    dots = [f".{i}" for i in range(wide)]
    labels = []
    for term, extra in parsed:
        head, found, tail = term.partition("...")
        labels.append(list(head) + (dots[wide - extra :] if found else []) + list(tail))
    if arrow:
        head, found, tail = right.partition("...")
        result = list(head) + (dots if found else []) + list(tail)
    else:
        flat = [c for term in labels for c in term]
        result = dots + sorted(c for c in set(flat) if c.isalpha() and flat.count(c) == 1)
    known = {c for term in labels for c in term}
    for c in result:
        if c not in known:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation for any input operand"
            )
        if result.count(c) > 1:
            raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output")
    return labels, result


def _diagonals(x, labels):
    """Repeated labels of one operand become one dimension: the diagonal."""
    for c in list(dict.fromkeys(labels)):
        while labels.count(c) > 1:
            i = labels.index(c)
            j = labels.index(c, i + 1)
            x = x.diagonal(0, i, j)  # the diagonal comes last
            labels = [label for k, label in enumerate(labels) if k not in (i, j)] + [c]
    return x, labels


def _contract(a, la, b, lb, keep):
    """One product: labels in both and in keep are batches, in both only are summed."""
    for labels, other in ((la, lb), (lb, la)):
        gone = [c for c in labels if c not in other and c not in keep]
        if gone:
            dims = [labels.index(c) for c in gone]
            if labels is la:
                a, la = a.sum(dims), [c for c in la if c not in gone]
            else:
                b, lb = b.sum(dims), [c for c in lb if c not in gone]
    size = {}
    for x, labels in ((a, la), (b, lb)):
        for c, n in zip(labels, x.shape):
            size[c] = n if size.get(c, 1) == 1 else size[c]
    both = [c for c in la if c in lb]
    # A dimension of size 1 in one operand broadcasts.
    a = a.expand([size[c] if c in both else n for c, n in zip(la, a.shape)])
    b = b.expand([size[c] if c in both else n for c, n in zip(lb, b.shape)])
    batch = [c for c in both if c in keep]
    inner = [c for c in both if c not in keep]
    free_a, free_b = [c for c in la if c not in lb], [c for c in lb if c not in la]

    def count(labels):
        n = 1
        for c in labels:
            n *= size[c]
        return n

    left = a.permute([la.index(c) for c in batch + free_a + inner])
    right = b.permute([lb.index(c) for c in batch + inner + free_b])
    if not inner:  # nothing to sum: a product, which promotes
        left = left.reshape([size[c] for c in batch + free_a] + [1] * len(free_b))
        right = right.reshape([size[c] for c in batch] + [1] * len(free_a) + [size[c] for c in free_b])
        return left * right, batch + free_a + free_b
    left = left.reshape(count(batch), count(free_a), count(inner))
    right = right.reshape(count(batch), count(inner), count(free_b))
    product = tallow.bmm(left, right)
    return product.reshape([size[c] for c in batch + free_a + free_b]), batch + free_a + free_b


def _letters(subscripts):
    return "".join(
        "..." if s is ... else chr(ord("A") + s) if s < 26 else chr(ord("a") + s - 26) for s in subscripts
    )


def einsum(*args):
    if not isinstance(args[0], str):  # einsum(a, [0, 1], b, [1, 2], [0, 2])
        equation = ",".join(_letters(s) for s in args[1::2])
        if len(args) % 2:
            equation += "->" + _letters(args[-1])
        return einsum(equation, *args[: len(args) // 2 * 2 : 2])
    equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    labels, result = _parse(equation, operands)
    sizes = {}
    for i, (x, term) in enumerate(zip(operands, labels)):
        for c, n in zip(term, x.shape):
            if sizes.setdefault(c, n) != n and n != 1 and sizes[c] != 1:
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} for operand {i} which does not broadcast with previously "
                    f"seen size {sizes[c]}"
                )
            sizes[c] = max(sizes[c], n) if n != 0 else 0
    terms = [_diagonals(x, term) for x, term in zip(operands, labels)]
    x, lx = terms[0]
    for i, (y, ly) in enumerate(terms[1:], 2):
        keep = set(result).union(*(term for _, term in terms[i:]))
        x, lx = _contract(x, lx, y, ly, keep)
    gone = [i for i, c in enumerate(lx) if c not in result]
    if gone:
        x = x.sum(gone)
        lx = [c for c in lx if c in result]
    return x.permute([lx.index(c) for c in result])
