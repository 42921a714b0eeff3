"""config.yaml as frozen settings, and the secrets that never stand in it."""

from callcenter.config.errors import ConfigError
from callcenter.config.load import load
from callcenter.config.schema import Config
from callcenter.config.secrets import Secrets, read_secrets

__all__ = ["Config", "ConfigError", "Secrets", "load", "read_secrets"]
