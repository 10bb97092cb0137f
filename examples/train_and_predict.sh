#!/usr/bin/env bash
# For a materials scientist: train on a data set, look at the model, predict structures.
# Without arguments on the bundled band gaps; with own data for example
#
#   bash examples/train_and_predict.sh my_crystals/ band_gap runs/gap
#
# where my_crystals/ holds structure files and a table. What follows the run folder goes
# to `sitenet train`; every command explains itself with --help.
set -euo pipefail

structures=$(dirname "$0")/structures
data=${1:-band_gaps}
target=${2:-band_gap}
run=${3:-runs/example}

# 1. Train; the test error is printed beside those of two trivial models.
sitenet train "$data" --target "$target" --output "$run" "${@:4}"

# 2. What does the model know, and how good is it?
sitenet info "$run"

# 3. Predict a folder; what cannot be used is in examples_failures.csv.
sitenet predict "$run" "$structures" --output "$run/examples.csv"
cat "$run/examples.csv"
