"""The version of the library, which every run notes."""

__version__ = "0.1.0"
