"""The common base of request bodies: unknown fields are refused, and many mistakes are reported briefly.

JSON has types: `"1"` and `true` are no numbers, `1` and `"yes"` no booleans, though pydantic would convert them. `1.0`
is an integer, as in JSON Schema.
"""

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    StrictBool,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sfu import limits


def _a_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise PydanticCustomError("number_type", "Input should be a number")
    return value


Integer = Annotated[int, BeforeValidator(_a_number)]
Number = Annotated[float, BeforeValidator(_a_number)]
Boolean = StrictBool


class RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _count_faults(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Reports only the number of mistakes beyond `limits.FAULTS`, because describing one costs three times as much
        as finding it."""
        try:
            return handler(value)
        except ValidationError as error:
            if error.error_count() <= limits.FAULTS:
                raise
            raise PydanticCustomError(
                "many_faults", "it is wrong in {count} places", {"count": error.error_count()}
            ) from None
