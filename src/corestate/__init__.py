"""One block of memory, live in every process, on the board and in the browser."""

__version__ = "0.1.0"
