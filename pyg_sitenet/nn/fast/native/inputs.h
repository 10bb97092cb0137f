/* What goes into a layer on pairs, as layer.py gives it. */
#ifndef SITENET_INPUTS_H
#define SITENET_INPUTS_H
#include <stdint.h>

/* Without sites j and i are null and receiver is one row, the bias; with kind, pair p has
 * the features of row kind[p], which rises by steps of 1 or 0. */
typedef struct {
  const float *features, *weight, *weight_t; /* [U, depth], [depth, S], [S, D] */
  const float *sender, *receiver;            /* [n, S] */
  const int64_t *kind, *j, *i;               /* [E] or null */
  int64_t pairs;
  int depth, filled_depth, width, stride; /* D is the depth filled up, S the width */
  float eps;
  int threads;
} layer;

/* LOGITS: values[e, h] = weight[h] z[e].
 * HEADS: table[i[p], h] += values[p, h] z[row[p]] for p < count; row null: each its own.
 * ROWS: values[e] = weight[0] z[e] + shift, and the features with residual. */
enum { LOGITS, HEADS, ROWS };
typedef struct {
  const float *weight, *shift;   /* [heads, S], [S] */
  float *values;                 /* [E, heads], [count, heads] or [E, width] */
  float *table;                  /* [n, heads, S] */
  const int64_t *row, *i;        /* [count] */
  int64_t count;
  int purpose, heads, residual;
} use;

/* Gradients. Those of values and table come in, but for HEADS that of values goes out;
 * all others are added to, and features may be null. */
typedef struct {
  float *values, *table;
  float *weight_of_use; /* [heads, S] */
  float *sender, *receiver, *weight, *features; /* [n, S], [n, S], [depth, S], [U, depth] */
} gradients;
#endif
