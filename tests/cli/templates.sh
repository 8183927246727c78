#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Chat templates say what jinja2 makes of them, as transformers sets it up.
set -u
# the distribution's, where another comes first and has no jinja2
python=python3
python3 -c 'import jinja2' 2> /dev/null || python=/usr/bin/python3
PYTHONPATH=tests/models:tests/bench/redundancy PYTHONDONTWRITEBYTECODE=1 $python -W ignore tests/cli/compare_templates.py \
	"$(dirname "$LWCMEM")/tests/render" tests/models/chat/*.jinja || echo "not ok compare templates"
