"""Judge a challenger model against its champion from the Parquet logs of both."""

__version__ = "0.1.0"
