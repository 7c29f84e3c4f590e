# SPDX-License-Identifier: GPL-3.0-or-later
#
# Rules about the source itself, as tests. They are small Python programs; each prints what breaks the rule and where.
find_program(SOTTO_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(SOTTO_PYTHON NAMES python3 REQUIRED)
