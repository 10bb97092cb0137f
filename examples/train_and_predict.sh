#!/usr/bin/env bash
# For a materials scientist: train on a data set, look at it, predict own structures.
# Every command explains itself with --help.
#
#   bash examples/train_and_predict.sh [RUN_FOLDER] [more options of sitenet train]
set -euo pipefail

here=$(dirname "$0")
run=${1:-runs/example}
shift || true

# 1. Train. Own data: a folder of CIFs with a CSV in place of `dielectric`
#    (sitenet train my_crystals/ --target band_gap).
sitenet train dielectric --target band_gap --output "$run" "$@"

# 2. What does the model know, and how good is it?
sitenet info "$run"

# 3. Predict a folder of structures; what cannot be used is in examples_failures.csv.
sitenet predict "$run" "$here/structures" --output "$run/examples.csv"
cat "$run/examples.csv"

echo "Figures: $run/figures"
