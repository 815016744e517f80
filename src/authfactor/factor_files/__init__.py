"""Files of TOTP factors that other programs write: read as entries, and written from them (decision 0054).

Nothing here does any I/O: readers take bytes or lines and give entries and refused entries.
"""
