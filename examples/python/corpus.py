"""Text that comes with Python: the language reference that help() shows."""


def text():
    """Some hundred thousand characters of plain English about Python."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))
