"""The common base of request bodies: unknown fields are refused, and many mistakes are reported briefly."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from sfu import limits


class RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _count_faults(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Each mistake named costs three times as much as finding it: beyond `limits.FAULTS` only their number is."""
        try:
            return handler(value)
        except ValidationError as error:
            if error.error_count() <= limits.FAULTS:
                raise
            raise PydanticCustomError(
                "many_faults", "it is wrong in {count} places", {"count": error.error_count()}
            ) from None
