"""Functions of plain numbers with the same bits on every machine. Python's own (math.cos, float ** float) are the C library's, whose last bit
differs from one to the next; the library's Python code computes with these instead."""

from ._C import _number_cos as cos
from ._C import _number_erf as erf
from ._C import _number_exp as exp
from ._C import _number_log as log
from ._C import _number_pow

__all__ = ["cos", "erf", "exp", "log", "power"]


def power(base, exponent):
    """base ** exponent. Whole numbers stay exact, and what is undefined raises, as Python has it."""
    if type(base) in (int, float) and type(exponent) in (int, float) and (type(base) is float or type(exponent) is float) and base > 0:
        result = _number_pow(base, exponent)
        if 0 < result < float("inf"):
            return result
    return base**exponent
