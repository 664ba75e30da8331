"""L-BFGS: Liu and Nocedal, 1989; the line search for the strong Wolfe conditions as in Nocedal and Wright, 2006, chapter 3."""

import tallow
from tallow import Tensor
from tallow.optim.optimizer import Optimizer


def _minimum_of_cubic(a, b, bounds=None):
    """Where the cubic through two points with their slopes is least, kept within bounds (the points, unless given)."""
    (x1, f1, s1), (x2, f2, s2) = a, b
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = s1 + s2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - s1 * s2
    if square < 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    if x1 <= x2:
        at = x2 - (x2 - x1) * ((s2 + d2 - d1) / (s2 - s1 + 2 * d2))
    else:
        at = x1 - (x1 - x2) * ((s1 + d2 - d1) / (s1 - s2 + 2 * d2))
    return min(max(at, low), high)


class _Point:
    """A trial of the line search: step, loss, gradient, and slope along the direction."""

    def __init__(self, t, loss, grad, slope):
        self.t, self.loss, self.grad, self.slope = t, loss, grad, slope

    @property
    def key(self):
        return self.t, self.loss, self.slope


def _strong_wolfe(evaluate, start, t, width, tolerance_change, most, c1=1e-4, c2=0.9):
    """(the point found, number of evaluations). evaluate(t) gives a _Point; width is the direction's largest element."""
    evaluations, tried = 1, 0
    before, now = start, evaluate(t)
    bracket, done = None, False
    while tried < most:
        rises = now.loss > start.loss + c1 * now.t * start.slope or (tried > 1 and now.loss >= before.loss)
        if not rises and abs(now.slope) <= -c2 * start.slope:
            bracket, done = [now], True
            break
        if rises or now.slope >= 0:
            bracket = [before, now]
            break
        t = _minimum_of_cubic(before.key, now.key, (now.t + 0.01 * (now.t - before.t), now.t * 10))
        before, now = now, evaluate(t)
        evaluations += 1
        tried += 1
    if tried == most:
        bracket = [_Point(0, start.loss, start.grad, start.slope), now]

    def order():
        return (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)

    stuck = False
    low, high = order()
    while not done and tried < most:
        if abs(bracket[1].t - bracket[0].t) * width < tolerance_change:
            break
        t = _minimum_of_cubic(bracket[0].key, bracket[1].key)
        left, right = min(p.t for p in bracket), max(p.t for p in bracket)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # close to an end: twice in a row is too little progress
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = evaluate(t)
        evaluations += 1
        tried += 1
        if now.loss > start.loss + c1 * t * start.slope or now.loss >= bracket[low].loss:
            bracket[high] = now
            low, high = order()
            continue
        if abs(now.slope) <= -c2 * start.slope:
            done = True
        elif now.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
    return bracket[low if len(bracket) > 1 else 0], evaluations


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last gradients; step() calls its closure several times."""

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
                 history_size=100, line_search_fn=None):  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad,
                                      tolerance_change=tolerance_change, history_size=history_size,
                                      line_search_fn=line_search_fn))  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _flat_grad(self):
        """All gradients in a row; of complex ones both parts."""
        rows = []
        for p in self._params:
            row = tallow.zeros_like(p).reshape(-1) if p.grad is None else p.grad.reshape(-1)
            rows.append(tallow.view_as_real(row).reshape(-1) if row.is_complex() else row)
        return tallow.cat(rows, 0)

    def _move(self, t, direction):
        at = 0
        for p in self._params:
            p = tallow.view_as_real(p) if p.is_complex() else p
            p.add_(direction[at : at + p.numel()].view_as(p), alpha=t)
            at += p.numel()

    def _direction(self, own, grad, previous, history_size):
        """The next direction, by the two-loop recursion over the history, which it brings up to date."""
        if own["n_iter"] == 1:
            own.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return grad.neg()
        changes, steps, ro = own["old_dirs"], own["old_stps"], own["ro"]
        y, s = grad.sub(previous), own["d"].mul(own["t"])
        ys = y.dot(s)
        if ys > 1e-10:
            if len(changes) == history_size:
                for history in (changes, steps, ro):
                    history.pop(0)
            changes.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            own["H_diag"] = ys / y.dot(y)
        al = own.setdefault("al", [None] * history_size)
        q = grad.neg()
        for i in range(len(changes) - 1, -1, -1):
            al[i] = steps[i].dot(q) * ro[i]
            q.add_(changes[i], alpha=-al[i])
        r = q.mul(own["H_diag"])
        for i in range(len(changes)):
            r.add_(steps[i], alpha=al[i] - changes[i].dot(r) * ro[i])
        return r

    def _search(self, closure, own, loss, grad, slope, most, tolerance_change):
        """Line search along d from where the parameters are; they are put back."""
        start, d = [p.clone(memory_format=tallow.contiguous_format) for p in self._params], own["d"]

        def evaluate(t):
            self._move(t, d)
            value, flat = float(closure()), self._flat_grad()
            for p, was in zip(self._params, start):
                p.copy_(was)
            return _Point(t, value, flat, flat.dot(d))

        first = _Point(0, loss, grad, slope)
        return _strong_wolfe(evaluate, first, own["t"], d.abs().max(), tolerance_change, most)

    @tallow.no_grad()
    def step(self, closure):
        """Several steps; closure computes the loss and its gradients again."""
        closure = tallow.enable_grad()(closure)
        group = self.param_groups[0]
        lr = group["lr"].squeeze() if isinstance(group["lr"], Tensor) else group["lr"]
        max_iter, max_eval, tolerance_change = group["max_iter"], group["max_eval"], group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        own = self.state[self._params[0]]
        own.setdefault("func_evals", 0)
        own.setdefault("n_iter", 0)
        first_loss = closure()
        loss, grad, evaluations = float(first_loss), self._flat_grad(), 1
        own["func_evals"] += 1

        def flat():
            return grad.abs().max() <= group["tolerance_grad"]

        if flat():
            return first_loss
        previous, previous_loss = own.get("prev_flat_grad"), own.get("prev_loss")
        for n in range(1, max_iter + 1):
            own["n_iter"] += 1
            own["d"] = d = self._direction(own, grad, previous, group["history_size"])
            if previous is None:
                previous = grad.clone(memory_format=tallow.contiguous_format)
            else:
                previous.copy_(grad)
            previous_loss = loss
            own["t"] = min(1.0, 1.0 / grad.abs().sum()) * lr if own["n_iter"] == 1 else lr
            slope = grad.dot(d)
            if slope > -tolerance_change:
                break
            spent = 0
            if group["line_search_fn"] is not None:
                point, spent = self._search(closure, own, loss, grad, slope, max_eval - evaluations, tolerance_change)
                loss, grad, own["t"] = point.loss, point.grad, point.t
                self._move(own["t"], d)
            else:
                self._move(own["t"], d)
                if n != max_iter:
                    loss, grad, spent = float(closure()), self._flat_grad(), 1
            evaluations += spent
            own["func_evals"] += spent
            if evaluations >= max_eval or flat():
                break
            if d.mul(own["t"]).abs().max() <= tolerance_change or abs(loss - previous_loss) < tolerance_change:
                break
        own["prev_flat_grad"], own["prev_loss"] = previous, previous_loss
        return first_loss
