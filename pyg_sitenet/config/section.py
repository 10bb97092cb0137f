"""What all sections of the settings have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from pyg_sitenet.config.search import Searched


class Section(BaseModel):
    """Settings that cannot be changed; unknown names and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401
        """Let the description of a searched field end with its range."""
        super().__pydantic_init_subclass__(**kwargs)
        for field in cls.model_fields.values():
            for searched in field.metadata:
                if isinstance(searched, Searched):
                    text = f"{field.description or ''} Searched: {searched}."
                    field.description = text.strip()
        cls.model_rebuild(force=True)
