"""What every table of `vespiary.toml` has in common: unknown keys are errors, and no value is shown. Knows no table."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
