#!/usr/bin/env bash
# What did a model learn, and how far does it look? Figures and tables of a trained model.
# Without arguments of a model of the bundled band gaps; with an own one for example
#
#   bash examples/analyze_model.sh runs/gap my_crystals/ analysis/gap
#
# What follows goes to `sitenet converge`, such as --crystals 20.
set -euo pipefail

structures=$(dirname "$0")/structures
run=${1:-runs/analysed}
data=${2:-dielectric}
output=${3:-analysis/example}

if [ ! -e "$run" ]; then
    sitenet train "$data" --target band_gap --output "$run"
fi

# 1. Attention, long-range coefficient and errors over the whole data set.
sitenet analyze "$run" "$data" --output "$output/all"

# 2. Which sites and which neighbours one prediction rests on.
sitenet analyze "$run" "$structures/TiO2_rutile.cif" --output "$output/rutile"

# 3. Do the predictions settle as sites see more atoms? The trained network, the layers.
sitenet converge "$run" "$data" --output "$output/convergence" "${@:4}"
sitenet converge "$run" "$data" --output "$output/layers" --untrained "${@:4}"

# 4. The model's vectors of crystals and sites, for other models.
sitenet embed "$run" "$data" --output "$output/vectors.npz"
