# Made from the public C headers when the package is built: the headers are its documentation, and typing every
# function here would be a second copy of them.
from typing import Any

ffi: Any
lib: Any
