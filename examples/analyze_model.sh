#!/usr/bin/env bash
# What did a model learn, and how far does it look? Figures and tables of a trained model.
# Without arguments of the ready model of band gaps; with an own run for example
#
#   bash examples/analyze_model.sh runs/gap my_crystals/ analysis/gap
#
# What follows goes to `sitenet converge`, such as --crystals 20.
set -euo pipefail

structures=$(dirname "$0")/structures
model=${1:-band-gap}
data=${2:-dielectric}
output=${3:-analysis/example}

# 1. Attention, long-range coefficient and errors over the whole data set.
sitenet analyze "$model" "$data" --output "$output/all"

# 2. Which sites and which neighbours one prediction rests on.
sitenet analyze "$model" "$structures/TiO2_rutile.cif" --output "$output/rutile"

# 3. Do the predictions settle as sites see more atoms? The trained network, the layers.
sitenet converge "$model" "$data" --output "$output/convergence" "${@:4}"
sitenet converge "$model" "$data" --output "$output/layers" --untrained "${@:4}"

# 4. The model's vectors of crystals and sites, for other models.
sitenet embed "$model" "$data" --output "$output/vectors.npz"
