/* A layer on pairs, z = norm(mish(features weight + sender[j] + receiver[i])), and what a
 * block makes of z: forward, and backward to gradients of all that went in. Float32.
 *
 * Threads take pairs in equal parts and go through them in tiles that stay in a core's
 * own cache, so that no z is ever stored.
 */
#include "parts.h"
#include "products.h"

static inline int64_t kind_of(const layer *l, int64_t p) {
  return l->kind ? l->kind[p] : p;
}

/* z of a tile, and with slope its derivative by what goes into the activation. */
static void compute(const layer *l, int64_t first, int rows, float *z, float *slope,
                    float *scratch) {
  const int stride = l->stride;
  const int64_t k = kind_of(l, first);
  const int kinds = (int)(kind_of(l, first + rows - 1) - k) + 1;
  for (int r = 0; r < rows; r++) {
    float *restrict row = z + r * stride;
    const float *restrict i = l->receiver + (l->i ? l->i[first + r] * stride : 0);
    memcpy(row, i, stride * sizeof *row);
    if (l->j) add_row(row, 1.0f, l->sender + l->j[first + r] * stride, stride);
  }
  float *product = z;
  if (l->kind) {
    product = scratch;
    memset(product, 0, (size_t)kinds * stride * sizeof *product);
  }
  add_product(l->features + k * l->depth, l->depth, 1, l->weight, stride, product, stride,
              kinds, l->depth, stride);
  for (int start = 0; start < rows; start += SUBTILE) {
    const int stop = start + SUBTILE < rows ? start + SUBTILE : rows;
    if (l->kind)
      for (int r = start; r < stop; r++)
        add_row(z + r * stride, 1.0f, product + (l->kind[first + r] - k) * stride, stride);
    float *x = z + start * stride, *d = slope ? slope + start * stride : NULL;
    const int size = (stop - start) * stride;
    if (d) activate_with_slope(x, d, size); else activate(x, size);
    for (int r = start; r < stop; r++) {
      const float rstd = normalise(z + r * stride, l->width, stride, l->eps);
      if (d) scale_row(slope + r * stride, rstd, stride);
    }
  }
}

/* What is made of the z of a tile. */
static void apply(const layer *l, const use *u, part *a, int64_t first, int rows,
                  const float *z) {
  const int stride = l->stride, heads = u->heads;
  if (u->purpose == HEADS) {
    for (; a->next < u->count; a->next++) {
      const int64_t p = a->next, row = (u->row ? u->row[p] : p) - first;
      if (row >= rows) break;
      for (int h = 0; h < heads; h++)
        add_row(row_of(&a->tables[USE], u->i[p]) + h * stride, u->values[p * heads + h],
                z + row * stride, stride);
    }
    return;
  }
  for (int r = 0; r < rows; r++, z += stride) {
    const int64_t p = first + r;
    if (u->purpose == LOGITS) {
      for (int h = 0; h < heads; h++)
        u->values[p * heads + h] = dot(z, u->weight + h * stride, stride);
      continue;
    }
    float *restrict out = u->values + p * l->width;
    for (int c = 0; c < l->width; c++) out[c] = z[c] * u->weight[c] + u->shift[c];
    if (u->residual) add_row(out, 1.0f, l->features + kind_of(l, p) * l->depth, l->width);
  }
}

/* Gradients by way of that: of z, of the weights of the use, of the heads' alpha. */
static void pull_back_use(const layer *l, const use *u, const gradients *g, part *a,
                          int64_t first, int rows, const float *z, float *z_grad) {
  const int stride = l->stride, heads = u->heads;
  memset(z_grad, 0, (size_t)rows * stride * sizeof *z_grad);
  if (u->purpose == HEADS) {
    for (; a->next < u->count; a->next++) {
      const int64_t p = a->next, row = (u->row ? u->row[p] : p) - first;
      if (row >= rows) break;
      for (int h = 0; h < heads; h++) {
        const float *sum = g->table + (u->i[p] * heads + h) * stride;
        g->values[p * heads + h] = dot(sum, z + row * stride, stride);
        add_row(z_grad + row * stride, u->values[p * heads + h], sum, stride);
      }
    }
    return;
  }
  float *weight_grad = a->tables[USE].recent;
  for (int r = 0; r < rows; r++, z += stride, z_grad += stride) {
    const int64_t p = first + r;
    if (u->purpose == LOGITS) {
      for (int h = 0; h < heads; h++) {
        const float grad = g->values[p * heads + h];
        add_row(z_grad, grad, u->weight + h * stride, stride);
        add_row(weight_grad + h * stride, grad, z, stride);
      }
      continue;
    }
    const float *grad = g->values + p * l->width;
    for (int c = 0; c < l->width; c++) {
      z_grad[c] = grad[c] * u->weight[c];
      weight_grad[c] += grad[c] * z[c];
    }
    if (u->residual && g->features)
      add_row(g->features + kind_of(l, p) * l->depth, 1.0f, grad, l->width);
  }
}

/* Add up what a tile's gradient gives to sites, weight and features. Spoils it. */
static void pull_back_terms(const layer *l, const gradients *g, part *a, int64_t first,
                            int rows, float *grad, float *features_grad) {
  const int stride = l->stride, depth = l->depth;
  for (int r = 0; r < rows; r++) {
    const int64_t p = first + r;
    const float *row = grad + r * stride;
    if (l->j) add_row(row_of(&a->tables[SENDER], l->j[p]), 1.0f, row, stride);
    add_row(row_of(&a->tables[RECEIVER], l->i ? l->i[p] : 0), 1.0f, row, stride);
  }
  const int64_t k = kind_of(l, first);
  const int kinds = (int)(kind_of(l, first + rows - 1) - k) + 1;
  if (l->kind) /* rows of a kind lie together: sum them up front */
    for (int r = 1; r < rows; r++) {
      float *to = grad + (l->kind[first + r] - k) * stride, *from = grad + r * stride;
      if (l->kind[first + r] == l->kind[first + r - 1]) add_row(to, 1.0f, from, stride);
      else if (to != from) memcpy(to, from, stride * sizeof *to);
    }
  add_product(l->features + k * depth, 1, depth, grad, stride, a->tables[WEIGHT].recent,
              stride, depth, kinds, stride);
  if (!g->features) return;
  memset(features_grad, 0, (size_t)kinds * l->filled_depth * sizeof *features_grad);
  add_product(grad, stride, 1, l->weight_t, l->filled_depth, features_grad,
              l->filled_depth, kinds, stride, l->filled_depth);
  for (int r = 0; r < kinds; r++, features_grad += l->filled_depth)
    add_row(g->features + (k + r) * depth, 1.0f, features_grad, depth);
}

static void run_part(const layer *l, const use *u, const gradients *g, part *a) {
  const int size = TILE * l->stride;
  float *z = a->buffers, *scratch = z + size, *slope = scratch + size;
  float *features_grad = slope + size;
  for (int64_t first = a->first; first < a->last; first += TILE) {
    const int rows = first + TILE < a->last ? TILE : (int)(a->last - first);
    compute(l, first, rows, z, g ? slope : NULL, scratch);
    if (!g) {
      apply(l, u, a, first, rows, z);
      continue;
    }
    pull_back_use(l, u, g, a, first, rows, z, scratch);
    for (int r = 0; r < rows; r++)
      pull_back(scratch + r * l->stride, z + r * l->stride, slope + r * l->stride,
                l->width, l->stride);
    pull_back_terms(l, g, a, first, rows, scratch, features_grad);
    if ((first - a->first) / TILE % SETTLE == SETTLE - 1) settle(a);
  }
  settle(a);
}

/* Forward without gradients g, else backward. The tables' sizes are theirs in rows.
 * Returns 0, or 1 if there was no memory. */
int sitenet_run(const layer *l, const use *u, const gradients *g, int64_t senders,
                int64_t receivers, int64_t sums) {
  const int threads = l->threads;
  part *parts = calloc((size_t)threads, sizeof *parts);
  if (!parts) return 1;
  int failed = 0;
#pragma omp parallel for schedule(static, 1) num_threads(threads) reduction(| : failed)
  for (int t = 0; t < threads; t++) {
    if (open_part(&parts[t], l, u, t, g != NULL)) run_part(l, u, g, &parts[t]);
    else failed = 1;
  }
  if (!failed && g) {
    if (l->j) collect(g->sender, parts, threads, SENDER, senders);
    collect(g->receiver, parts, threads, RECEIVER, receivers);
    collect(g->weight, parts, threads, WEIGHT, l->depth);
    if (u->purpose != HEADS) collect(g->weight_of_use, parts, threads, USE, u->heads);
  } else if (!failed && u->purpose == HEADS) {
    collect(u->table, parts, threads, USE, sums);
  }
  for (int t = 0; t < threads; t++) free(parts[t].memory);
  free(parts);
  return failed;
}
