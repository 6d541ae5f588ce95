# SPDX-License-Identifier: BSD-2-Clause
# Completion of convenectl for fish: one file serves both programs.
source (status dirname)/convene.fish
