"""Nested containers: flattened into leaves and a structure, and back."""

from collections import OrderedDict, namedtuple


class TreeSpec:
    """The structure: kind of container, what rebuilds it, the structures of its items. A leaf has kind None."""

    __slots__ = ("type", "context", "children_specs", "num_leaves")

    def __init__(self, type, context, children_specs):
        self.type, self.context, self.children_specs = type, context, children_specs
        self.num_leaves = 1 if type is None else sum(c.num_leaves for c in children_specs)

    def is_leaf(self):
        return self.type is None

    def __eq__(self, other):
        return isinstance(other, TreeSpec) and (self.type, self.context, self.children_specs) == (
            other.type, other.context, other.children_specs
        )  # fmt: skip

    def __hash__(self):
        return hash((self.type, repr(self.context), len(self.children_specs)))

    def __repr__(self):
        if self.type is None:
            return "*"
        return f"TreeSpec({self.type.__name__}, {self.context}, {self.children_specs})"


LeafSpec = TreeSpec(None, None, [])
_registered = {}


def register_pytree_node(cls, flatten_fn, unflatten_fn, **kwargs):
    """Makes a class a container: flatten_fn(x) → (items, context), unflatten_fn(items, context) → x."""
    _registered[cls] = (flatten_fn, unflatten_fn)


def _open(tree):
    """(kind, context, items) of a container; None for a leaf."""
    cls = type(tree)
    if cls in (dict, OrderedDict):
        return cls, list(tree), list(tree.values())
    if cls in (list, tuple):
        return cls, None, list(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return namedtuple, cls, list(tree)
    if cls in _registered:
        items, context = _registered[cls][0](tree)
        return cls, context, list(items)
    if isinstance(tree, tuple) and hasattr(cls, "n_fields"):
        return cls, None, list(tree)
    return None


def _close(kind, context, items):
    if kind in (dict, OrderedDict):
        return kind(zip(context, items))
    if kind is namedtuple:
        return context(*items)
    if kind in _registered:
        return _registered[kind][1](items, context)
    return kind(items)


def tree_flatten(tree, is_leaf=None):
    """(leaves, structure)."""
    leaves = []

    def walk(node):
        opened = None if is_leaf is not None and is_leaf(node) else _open(node)
        if opened is None:
            leaves.append(node)
            return LeafSpec
        kind, context, items = opened
        return TreeSpec(kind, context, [walk(item) for item in items])

    spec = walk(tree)
    return leaves, spec


def tree_unflatten(leaves, treespec):
    """The tree of a structure with these leaves."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a pytree that "
            f"holds {treespec.num_leaves} items ({treespec})."
        )
    source = iter(leaves)

    def build(spec):
        if spec.type is None:
            return next(source)
        return _close(spec.type, spec.context, [build(child) for child in spec.children_specs])

    return build(treespec)


def tree_structure(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[1]


def tree_leaves(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[0]


def tree_map(func, tree, *rests, is_leaf=None):
    """func on each leaf (and the leaves in the same places of the others)."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_leaves(r, is_leaf) for r in rests]
    return tree_unflatten([func(*group) for group in zip(leaves, *others)], spec)


def tree_map_only(kind, func, tree, is_leaf=None):
    """func on each leaf of a kind."""
    return tree_map(lambda x: func(x) if isinstance(x, kind) else x, tree, is_leaf=is_leaf)


def tree_all(pred, tree):
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred, tree):
    return any(map(pred, tree_leaves(tree)))


def _broadcast_to_and_flatten(tree, treespec):
    """Leaves of tree, one repeated for all below it, to match a structure; None if they do not fit."""
    if treespec.type is None:
        return [tree] if _open(tree) is None else None
    opened = _open(tree)
    if opened is None:
        return [tree] * treespec.num_leaves
    kind, context, items = opened
    if kind is not treespec.type or context != treespec.context or len(items) != len(treespec.children_specs):
        return None
    result = []
    for item, child in zip(items, treespec.children_specs):
        part = _broadcast_to_and_flatten(item, child)
        if part is None:
            return None
        result.extend(part)
    return result
