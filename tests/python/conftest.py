"""What holds for every test."""

import pytest
import tallow


@pytest.fixture(autouse=True)
def seed():
    """The same random numbers in every run, whichever tests run: a process starts from a seed of the system."""
    tallow.manual_seed(0)
