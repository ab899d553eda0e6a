"""The version of pg-guard, read by the build."""

__version__ = "0.1.0"
