class Refused(Exception):  # noqa: N818 - It says what happened.
    """What is wrong with what was asked for, in one line, with what would be right."""
