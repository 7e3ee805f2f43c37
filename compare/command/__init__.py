"""The command ``kinfinity``: options in, a folder with report, numbers and arrays out.

Below: everything else.
"""
