"""The names of this deployment that the line says: agencies and categories of config.yaml."""

from __future__ import annotations

from callcenter.config.schema import Config


def extra_texts(config: Config) -> dict[str, str]:
    """What the prompts `agency_<key>` and `category_<key>` say, in Indonesian."""
    agencies = {f"agency_{agency.key}": agency.name for agency in config.agencies}
    return agencies | {f"category_{kind.key}": kind.name for kind in config.categories}
