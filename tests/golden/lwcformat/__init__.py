# SPDX-License-Identifier: BSD-3-Clause
"""A second implementation of the format, in Python, for tests."""
