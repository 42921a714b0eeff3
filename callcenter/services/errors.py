"""What a service says when it cannot do what was asked; `error_id` is stable."""

from __future__ import annotations


class ServiceError(Exception):
    """Base: `message` is Indonesian, for people; `error_id` is for programs."""

    error_id = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(ServiceError):
    """The thing does not exist, or not for this person."""

    error_id = "not_found"


class Refused(ServiceError):
    """A value or a step is not acceptable; `field` names where, the message how to mend it."""

    error_id = "refused"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Conflict(ServiceError):
    """Somebody else changed it since it was read; nothing was overwritten."""

    error_id = "conflict"
