"""Errors meant for people: what is wrong, where, and what to do. Caught once, in `cli`."""


class AnalyzerError(Exception):
    """Base of every error the product raises on purpose; its text is shown as it is."""


class ConfigError(AnalyzerError):
    """`rollout.toml` or `policy.toml` cannot be used; the text names the key."""


class LogError(AnalyzerError):
    """A log cannot be read or lacks what the job needs; the text names file and column."""


class StoreError(AnalyzerError):
    """The profile store is locked, foreign or damaged."""


class NothingThere(StoreError):
    """The store, or the logs it was made of, hold nothing of the time that was asked for."""
