"""The errors a user can meet, each with the exit code that its kind of failure has.

The message of each is one line: the rule, the value received and the way out.
"""

import errno

# What the system says of a disk that takes no more: full, over a quota, over a file's limit.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CatdogError(Exception):
    """A failure that catdog explains in one line; `exit_code` is what the process ends with."""

    exit_code = 1


class UsageError(CatdogError, ValueError):
    """A flag, an option or an argument that cannot be used as given."""

    exit_code = 2


class InputError(CatdogError):
    """Input that was read and rejected: pictures, archives, folders."""

    exit_code = 3


class IntegrityError(CatdogError):
    """Records or a checkpoint that are damaged, cut or incomplete."""

    exit_code = 4


class MismatchError(CatdogError):
    """Things that are sound but do not belong together: another model, other data."""

    exit_code = 5


class NumericError(CatdogError):
    """NaN or infinity where a finite number has to be."""

    exit_code = 6


class ResourceError(CatdogError):
    """No more disk or memory."""

    exit_code = 7


class LockedError(CatdogError):
    """A folder that another job is using."""

    exit_code = 8


class Preempted(KeyboardInterrupt):
    """The job was told to leave (SIGTERM) and has saved its state.

    It is no CatdogError: like Ctrl-C it must pass through code that handles failures.
    """

    exit_code = 42
