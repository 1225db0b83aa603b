"""A constant folder for scripts that unpack, open or import other code before they execute it."""
