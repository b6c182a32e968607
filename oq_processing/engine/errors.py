"""What can go wrong between us and an engine, each as one sentence a user can act on.

::

    Explained
    ├── Cancelled                   the user asked us to stop, which is not an error
    └── EngineError
        ├── InvalidConnection       an address or a saved connection that cannot be used
        ├── Unreachable             nothing answers at the address, or it went away
        │   ├── Interrupted         the connection broke in the middle of an answer
        │   └── ProxyLoginRequired  the proxy before the server requires a login
        ├── NotAnEngine             something answers, but not the engine's API
        ├── NotAllowed              not logged in, or no permission
        ├── NotFound                no such calculation, output or endpoint
        ├── ServerFault             the server answered with an error of its own
        ├── InvalidJob              the job's files or parameters cannot be sent
        ├── SubmissionRefused       the engine did not accept the job
        ├── SubmissionUnknown       the connection broke after the upload began
        ├── ContactLost             the server of a calculation has been silent too long
        ├── CalculationFailed       the calculation ended as failed or aborted
        ├── AbortNotConfirmed       the engine has not ended a calculation that we aborted
        ├── InvalidOutput           an output that cannot be read as what it claims to be
        ├── InvalidChoice           a choice the output does not have
        └── LocalEngineError        a local engine could not be found, started or stopped
"""

from __future__ import annotations


class Explained(Exception):
    """Base of all; ``str()`` is the sentence shown to the user."""


class Cancelled(Explained):
    """The user asked us to stop; ``except EngineError`` lets it pass."""


class EngineError(Explained):
    """Base of all that fails."""


class InvalidConnection(EngineError):
    """An address that is not one, or a saved connection that cannot be used or does not exist."""


class Unreachable(EngineError):
    """Nothing answers at the address, or it stopped answering; trying again may help."""


class Interrupted(Unreachable):
    """The server had begun a good answer when the connection broke; what came is thrown away."""


class ProxyLoginRequired(Unreachable):
    """The proxy between here and the server requires a login; the server was not reached."""


class NotAnEngine(EngineError):
    """Something answers at the address, but it is not the engine's API."""


class NotAllowed(EngineError):
    """The server wants a login, or refuses what was asked to who is logged in."""


class NotFound(EngineError):
    """The server has no such calculation, output or endpoint."""


class ServerFault(EngineError):
    """The server answered with an error of its own.

    ``http_status`` is the HTTP status code; 502, 503 and 504 come from something in front of the
    engine and may pass.
    """

    def __init__(self, message: str, http_status: int = 500) -> None:
        super().__init__(message)
        self.http_status = http_status


class InvalidJob(EngineError):
    """The job's files or parameters cannot be sent; all problems are named at once."""


class SubmissionRefused(EngineError):
    """The engine did not accept the job; ``calculation_id`` is the failed row it leaves, if any."""

    def __init__(self, message: str, calculation_id: int | None = None) -> None:
        super().__init__(message)
        self.calculation_id = calculation_id


class SubmissionUnknown(EngineError):
    """The connection broke after the upload began: the calculation may or may not exist."""


class ContactLost(EngineError):
    """The server has been silent for so long that a calculation is not watched any more."""


class CalculationFailed(EngineError):
    """The calculation ended as ``failed`` or ``aborted``."""

    def __init__(self, message: str, calculation_id: int, status: str) -> None:
        super().__init__(message)
        self.calculation_id = calculation_id
        self.status = status


class AbortNotConfirmed(EngineError):
    """The engine has refused to abort a calculation, or has not ended it in time."""


class InvalidOutput(EngineError):
    """An output that cannot be read as what it claims to be."""


class InvalidChoice(EngineError):
    """A choice the output does not have; the message names those it has."""


class LocalEngineError(EngineError):
    """An engine on this computer could not be found, started or stopped."""
