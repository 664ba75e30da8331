"""`tallow check`: the names of torch that a program uses and tallow lacks, found by reading it.

A name is followed through imports, aliases (F = torch.nn.functional) and attributes. Tensors are known where they are made by a function
of torch, annotated, or come from another one by a method or arithmetic; of what is not known to be a tensor, methods are not looked at.
What a program reaches only behind `except ImportError` or `hasattr(torch, ...)` is its own business."""

import ast
import os
import sys
from dataclasses import dataclass

TENSOR = "torch.Tensor"
# Functions and methods of tensors whose results are no tensors (or tuples of them).
_PLAIN = frozenset(
    """is_tensor is_storage is_floating_point is_complex is_nonzero is_grad_enabled numel item tolist numpy size stride dim ndimension
    storage_offset element_size data_ptr type get_device is_contiguous is_pinned is_set_to is_shared equal allclose is_signed
    retain_grad backward register_hook storage untyped_storage nelement has_names is_inference split chunk unbind tensor_split hsplit
    vsplit dsplit split_with_sizes topk sort kthvalue mode cummax cummin max min median nanmedian aminmax svd qr eig lu lstsq
    slogdet cholesky_ex inv_ex solve_ex eigh lu_factor lu_factor_ex ldl_factor ldl_factor_ex unique unique_consecutive meshgrid broadcast_tensors nonzero where std_mean var_mean frexp histogram histogramdd
    get_default_dtype set_default_dtype get_default_device set_default_device get_num_threads set_num_threads save load seed
    manual_seed initial_seed compile typename can_cast promote_types broadcast_shapes device dtype Size Generator vmap
    set_printoptions set_grad_enabled no_grad enable_grad inference_mode autocast finfo iinfo export trace script atleast_1d
    atleast_2d atleast_3d to_dlpack module_load requires_grad_ result_type use_deterministic_algorithms set_default_tensor_type
    get_rng_state set_rng_state are_deterministic_algorithms_enabled is_inference_mode_enabled is_autocast_enabled""".split()
)
_TENSOR_ATTRIBUTES = frozenset("data grad T mT H mH real imag".split())


@dataclass(frozen=True, order=True)
class Finding:
    """A place in a file and the missing name there; no name: the file cannot be read, and why."""

    path: str
    line: int
    column: int
    name: str
    problem: str = ""
    hint: str = ""

    def __str__(self):
        return f"{self.path}:{self.line}:{self.column + 1}: " + (self.problem or f"{self.name} is not in tallow") + self.hint


class Names:
    """What tallow has."""

    def __init__(self):
        import tallow

        self._known = {"torch": tallow}

    def find(self, path):
        """The object of a dotted name; None if tallow lacks it."""
        if path not in self._known:
            self._known[path] = self._look_up(path)
        return self._known[path]

    def _look_up(self, path):
        import importlib
        import warnings

        owner_path, _, name = path.rpartition(".")
        owner = self.find(owner_path) if owner_path else None
        if owner is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = getattr(owner, name)
            except (AttributeError, NotImplementedError):
                try:
                    found = importlib.import_module("tallow" + path[5:])
                except ImportError:
                    return None
        return None if getattr(found, "_absent", False) is True else found

    def missing_part(self, path):
        """The shortest leading part of a dotted name that tallow lacks; None if it has it all. What is no module or class is not entered."""
        parts = path.split(".")
        for n in range(2, len(parts) + 1):
            part = ".".join(parts[:n])
            if self.find(part) is None:
                return part
            if not isinstance(self.find(part), (type(sys), type)):
                return None
        return None


    def hint(self, path):
        """What a misspelt name was meant to be, in brackets."""
        from difflib import get_close_matches

        owner_path, _, name = path.rpartition(".")
        owner = self.find(owner_path)
        if name in getattr(owner, "__dict__", {}):  # a placeholder: PyTorch has the name
            return ""
        meant = get_close_matches(name, dir(owner), n=1, cutoff=0.8)
        return f" (did you mean {owner_path}.{meant[0]}?)" if meant else ""


class Reader(ast.NodeVisitor):
    """Reads one file."""

    def __init__(self, path, names):
        self.path, self.names = path, names
        self.scopes = [{}]     # variable → dotted name, or TENSOR, or None for what is not known
        self.guards = 0        # how deep in what the program guards itself
        self.used, self.findings = set(), set()

    # --- names ------------------------------------------------------------------------------------------------

    def look(self, name):
        """What a variable is."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def note(self, path, node):
        """A dotted name of torch is used."""
        self.used.add(path)
        missing = self.names.missing_part(path)
        if missing is not None and not self.guards:
            self.findings.add(Finding(self.path, node.lineno, node.col_offset, missing, hint=self.names.hint(missing)))

    def kind(self, node):
        """The dotted name that an expression is; TENSOR for a value that is one, as TENSOR + "()"; None if it is not known."""
        if isinstance(node, ast.Name):
            return self.look(node.id)
        if isinstance(node, ast.Attribute):
            base = self.kind(node.value)
            if base is None:
                return None
            if base == TENSOR + "()":
                return base if node.attr in _TENSOR_ATTRIBUTES else TENSOR + "()." + node.attr
            return None if base.startswith(TENSOR + "().") else f"{base}.{node.attr}"
        if isinstance(node, ast.Call):
            return self.result(self.kind(node.func))
        if isinstance(node, ast.BinOp):
            return TENSOR + "()" if TENSOR + "()" in (self.kind(node.left), self.kind(node.right)) else None
        if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
            return TENSOR + "()" if self.kind(node.operand) == TENSOR + "()" else None
        if isinstance(node, ast.Subscript):
            return TENSOR + "()" if self.kind(node.value) == TENSOR + "()" else None
        return None

    def result(self, function):
        """What a call gives."""
        if function is None:
            return None
        owner, _, name = function.rpartition(".")
        if function == TENSOR:
            return TENSOR + "()"
        if owner in ("torch", TENSOR + "()", "torch.nn.functional", "torch.linalg", "torch.special", "torch.fft"):
            found = self.names.find(f"{TENSOR if owner.endswith('()') else owner}.{name}")
            plain = name in _PLAIN or name.startswith(("is_", "set_", "get_")) or isinstance(found, (type, type(sys)))
            return TENSOR + "()" if found is not None and not plain else None
        return None

    # --- imports ----------------------------------------------------------------------------------------------

    @staticmethod
    def torchs(module):
        """torch's name of a module of torch, or of tallow; None for others."""
        top, dot, rest = (module or "").partition(".")
        return "torch" + dot + rest if top in ("torch", "tallow") else None

    def visit_Import(self, node):
        for alias in node.names:
            top, module = alias.name.split(".")[0], self.torchs(alias.name)
            if module:
                self.note(module, node)
            self.scopes[-1][alias.asname or top] = module if alias.asname else module and "torch"

    def visit_ImportFrom(self, node):
        ours = None if node.level else self.torchs(node.module)
        if ours:
            self.note(ours, node)
        for alias in node.names:
            if not ours:
                self.scopes[-1][alias.asname or alias.name] = None
            elif alias.name == "*":
                module = self.names.find(ours)
                for name in getattr(module, "__all__", None) or dir(module):
                    if not name.startswith("_"):
                        self.scopes[-1][name] = f"{ours}.{name}"
            else:
                path = f"{ours}.{alias.name}"
                self.note(path, alias if hasattr(alias, "lineno") else node)
                self.bind(ast.Name(alias.asname or alias.name), path)

    # --- guards -----------------------------------------------------------------------------------------------

    def visit_Try(self, node):
        caught = {n.id for handler in node.handlers for n in ast.walk(handler.type or ast.Name("Exception")) if isinstance(n, ast.Name)}
        guarded = bool(caught & {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"})
        self.guards += guarded
        for statement in node.body:
            self.visit(statement)
        self.guards -= guarded
        for statement in [*node.handlers, *node.orelse, *node.finalbody]:
            self.visit(statement)

    def visit_If(self, node):
        asks = any(
            isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "hasattr" and n.args
            and (self.kind(n.args[0]) or "").startswith("torch")
            for n in ast.walk(node.test)
        )  # fmt: skip
        self.visit(node.test)
        self.guards += asks
        for statement in node.body:
            self.visit(statement)
        self.guards -= asks
        for statement in node.orelse:
            self.visit(statement)

    # --- expressions ------------------------------------------------------------------------------------------

    def visit_Attribute(self, node):
        path = self.kind(node)
        if path is None or path == TENSOR + "()":
            self.visit(node.value)
            return
        if path.startswith(TENSOR + "()."):
            self.note(TENSOR + path[len(TENSOR) + 2 :], node)
            self.visit(node.value)
            return
        self.note(path, node)
        inner = node.value
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.visit(inner)

    def visit_Name(self, node):
        path = self.look(node.id) if isinstance(node.ctx, ast.Load) else None
        if path is not None and not path.startswith(TENSOR + "()"):
            self.used.add(path)

    # --- bindings ---------------------------------------------------------------------------------------------

    def bind(self, target, kind):
        """A variable becomes something."""
        if isinstance(target, ast.Name):
            absent = kind is not None and not kind.startswith(TENSOR + "()") and self.names.missing_part(kind) is not None
            self.scopes[-1][target.id] = None if absent else kind  # what is missing is said once
        elif isinstance(target, (ast.Tuple, ast.List)):
            for item in target.elts:
                self.bind(item, None)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, None)
        else:
            self.visit(target)

    def visit_Assign(self, node):
        self.visit(node.value)
        kind = self.kind(node.value)
        for target in node.targets:
            self.bind(target, kind)

    def visit_AnnAssign(self, node):
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
        self.bind(node.target, self.annotated(node.annotation) or (node.value and self.kind(node.value)))

    def visit_AugAssign(self, node):
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node):
        self.visit(node.iter)
        self.bind(node.target, TENSOR + "()" if self.kind(node.iter) == TENSOR + "()" else None)
        for statement in [*node.body, *node.orelse]:
            self.visit(statement)

    visit_AsyncFor = visit_For

    def visit_With(self, node):
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, None)
        for statement in node.body:
            self.visit(statement)

    visit_AsyncWith = visit_With

    def visit_NamedExpr(self, node):
        self.visit(node.value)
        self.bind(node.target, self.kind(node.value))

    def annotated(self, annotation):
        """TENSOR's value for an annotation that says so."""
        return TENSOR + "()" if annotation is not None and self.kind(annotation) == TENSOR else None

    def visit_FunctionDef(self, node):
        arguments = node.args
        for decorator in node.decorator_list:
            self.visit(decorator)
        for default in [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]:
            self.visit(default)
        if node.returns is not None:
            self.visit(node.returns)
        self.scopes[-1][node.name] = None
        self.scopes.append({})
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *filter(None, (arguments.vararg, arguments.kwarg))]
        for argument in every:
            if argument.annotation is not None:
                self.visit(argument.annotation)
            packed = argument in (arguments.vararg, arguments.kwarg)
            self.scopes[-1][argument.arg] = None if packed else self.annotated(argument.annotation)
        for statement in node.body:
            self.visit(statement)
        self.scopes.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self.scopes.append({a.arg: None for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]})
        self.visit(node.body)
        self.scopes.pop()

    def visit_ClassDef(self, node):
        for part in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(part)
        self.scopes[-1][node.name] = None
        self.scopes.append({})
        for statement in node.body:
            self.visit(statement)
        self.scopes.pop()

    def visit_comprehension(self, node):
        self.visit(node.iter)
        self.bind(node.target, None)
        for test in node.ifs:
            self.visit(test)

    def _visit_comprehension(self, node):
        self.scopes.append({})
        for generator in node.generators:
            self.visit(generator)
        for part in ("key", "value", "elt"):
            if hasattr(node, part):
                self.visit(getattr(node, part))
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension


def python_files(path):
    """The Python files of a file or folder; no caches, hidden folders or virtual environments."""
    if os.path.isfile(path):
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and name not in ("__pycache__", "node_modules")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )  # fmt: skip
        yield from (os.path.join(folder, name) for name in sorted(files) if name.endswith(".py"))


def check_file(path, names):
    """(findings, names used) of a file."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except (SyntaxError, ValueError, OSError) as error:
        line = getattr(error, "lineno", None) or 1
        return [Finding(path, line, 0, "", f"cannot be read: {getattr(error, 'msg', None) or error}")], set()
    reader = Reader(path, names)
    reader.visit(tree)
    return sorted(reader.findings), reader.used


def check(paths, out=sys.stdout):
    """Checks files and folders; prints what is missing. 0: nothing; 1: something; 2: a path or file cannot be read."""
    names, findings, used, files = Names(), [], set(), 0
    for path in paths:
        if not os.path.exists(path):
            sys.stderr.write(f"tallow: '{path}': No such file or directory\n")
            return 2
        for file in python_files(path):
            files += 1
            found, some = check_file(file, names)
            findings += found
            used |= some
    for finding in findings:
        print(finding, file=out)
    missing = sorted({finding.name for finding in findings if finding.name})
    unread = sum(not finding.name for finding in findings)
    if findings:
        print(file=out)
    if missing:
        print(f"Missing: {', '.join(missing)}", file=out)
    there = sum(path.startswith("torch.") and names.missing_part(path) is None for path in used)
    text = f"{files} file{'s' * (files != 1)}, {there} names of torch found in tallow, {len(missing)} missing"
    print(text + (f", {unread} file{'s' * (unread != 1)} not read" if unread else ""), file=out)
    return 2 if unread else 1 if missing else 0
