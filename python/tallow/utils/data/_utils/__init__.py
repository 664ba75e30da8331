"""Parts of the loader."""

from tallow.utils.data._utils import collate as collate, fetch as fetch
