"""Compares the table's signatures with PyTorch's own schemas: names, types, order and defaults of the arguments."""
import difflib

from parse import DTYPES, SpecError, parse_schema

PYTORCH_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex32", "complex64", "complex128", "bool")


def read_schemas(path):
    """{name: [(text, Schema)]} of a file with one schema a line; those that we cannot read (Dimname, Storage) are left out."""
    out = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            schema = parse_schema(line)
        except ValueError:
            continue
        for param in schema.params:  # dtypes are PyTorch's own numbers there
            if param.type.base == "ScalarType" and isinstance(param.default, int):
                param.default = DTYPES[PYTORCH_DTYPES[param.default]]
        if line.startswith(("aten::", schema.name)):
            out.setdefault(schema.name, []).append((line.strip(), schema))
    return out


def shape(param):
    t = param.type
    default = param.default
    if t.base in ("float", "Scalar") and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    return (param.name, t.base, t.is_list, t.list_size, t.optional, t.optional_items, param.keyword_only, repr(default))


def same(ours, theirs):
    return [shape(p) for p in ours.params] == [shape(p) for p in theirs.params] and len(ours.results) == len(theirs.results)


def check_against(ops, path):
    """Errors for public ops whose signature PyTorch does not have. Private ops are our own."""
    schemas, errors = read_schemas(path), []
    for op in ops:
        if not op.public or "unlike" in op.columns:  # `unlike` says why
            continue
        theirs = schemas.get(op.base, [])
        if not theirs:
            errors.append(SpecError(op.where("sig"), f"PyTorch has no op '{op.base}'"))
        elif not any(same(op.schema, schema) for _, schema in theirs):
            near = difflib.get_close_matches(op.columns["sig"], [text for text, _ in theirs], n=1, cutoff=0)
            errors.append(SpecError(op.where("sig"), f"the signature of '{op.key}' is unlike PyTorch's: {near[0] if near else theirs[0][0]}"))
    return errors
