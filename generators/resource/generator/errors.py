from cookiecutter.exceptions import FailedHookException


class CommandError(SystemExit, FailedHookException):
    """One line and exit code 1. cookiecutter prints it as the error of a failed hook, without a traceback."""
