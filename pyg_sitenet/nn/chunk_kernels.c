/* The element-wise steps of a layer on pairs in one pass each, for float32 and mish.
 *
 * A pair's row is the sum of what its features, its sender and its receiver contribute.
 * The features' part lies in the row itself, or in row k of q where pairs share features;
 * sender and receiver hold the parts of the sites, picked by j and i. Without sites, j
 * and i are null and receiver is one row, the bias. Rows are filled up with zeros from
 * width to stride, whole vectors; as numbers next to the zeros may be NaN, they are
 * chosen, not multiplied, away.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Rows that go through all steps together: few enough for the first-level cache, and
 * whole vectors of numbers whatever the width. */
enum { TILE = 16, BLOCK = 512 };

static inline int32_t bits_of(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float with_bits(int32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Where e^x and e^2x are far from the ends of float32. Beyond, mish is 0 or x, to all
 * digits. NaN stays NaN. A loop of its own: next to the exponential, compilers make
 * branches of it. */
static inline void bound(const float *restrict x, float *restrict bounded, int count) {
#pragma omp simd
  for (int c = 0; c < count; c++) {
    float y = x[c] < -87.0f ? -87.0f : x[c];
    bounded[c] = y > 20.0f ? 20.0f : y;
  }
}

/* e^x = 2^k 2^f with |f| <= 1 / 2, to 1e-7, for bounded x. Adding 3 * 2^22 rounds to the
 * integer k and leaves it in the lowest bits. */
static inline float exponential(float x) {
  const float shift = 12582912.0f, log2e = 1.44269504f;
  const float t = x * log2e + shift;
  const float f = x * log2e - (t - shift), f2 = f * f;
  const float p = (1.0f + 6.93147181e-1f * f)
      + f2 * ((2.40226507e-1f + 5.55041087e-2f * f)
      + f2 * ((9.61812911e-3f + 1.33335581e-3f * f) + f2 * 1.54035304e-4f));
  return with_bits(bits_of(p) + (int32_t)((uint32_t)bits_of(t) << 23));
}

/* x, or 0 beyond the width: by bits, which compilers turn into whole vectors. */
static inline float within(float x, int c, int width) {
  return with_bits(bits_of(x) & ((c - width) >> 31));
}

/* What a pair's row adds up. */
typedef struct {
  const float *q, *sender, *receiver;
  const int64_t *k, *j, *i;
} terms;

static inline void add_up(float *row, terms t, int64_t p, int stride) {
  const float *base = t.k ? t.q + t.k[p] * stride : row;
  const float *r = t.i ? t.receiver + t.i[p] * stride : t.receiver;
  if (t.j) {
    const float *s = t.sender + t.j[p] * stride;
#pragma omp simd
    for (int c = 0; c < stride; c++) row[c] = base[c] + s[c] + r[c];
  } else {
#pragma omp simd
    for (int c = 0; c < stride; c++) row[c] = base[c] + r[c];
  }
}

/* x <- mish(x) */
static inline void activate(float *restrict x, int64_t size) {
  float bounded[BLOCK];
  for (int64_t first = 0; first < size; first += BLOCK, x += BLOCK) {
    const int count = size - first < BLOCK ? (int)(size - first) : BLOCK;
    bound(x, bounded, count);
#pragma omp simd
    for (int c = 0; c < count; c++) {
      float a = exponential(bounded[c]);
      float n = a * (a + 2.0f);
      float v = 1.0f / (n + 2.0f);
      x[c] *= n * v;  /* rounded as below */
    }
  }
}

/* x <- mish(x), d <- mish'(x) */
static inline void activate_with_slope(float *restrict x, float *restrict d,
                                       int64_t size) {
  float bounded[BLOCK];
  for (int64_t first = 0; first < size; first += BLOCK, x += BLOCK, d += BLOCK) {
    const int count = size - first < BLOCK ? (int)(size - first) : BLOCK;
    bound(x, bounded, count);
#pragma omp simd
    for (int c = 0; c < count; c++) {
      float b = bounded[c], a = exponential(b);
      float n = a * (a + 2.0f);
      float v = 1.0f / (n + 2.0f);
      d[c] = n * v + 4.0f * b * (a * v) * ((a + 1.0f) * v);
      x[c] *= n * v;
    }
  }
}

/* row <- (row - mean) / sqrt(variance + eps); returns the reciprocal of that root. */
static inline float normalise(float *restrict row, int width, int stride, float eps) {
  float mean = 0.0f, squares = 0.0f;
#pragma omp simd reduction(+ : mean)
  for (int c = 0; c < stride; c++) mean += row[c];
  mean /= (float)width;
#pragma omp simd reduction(+ : squares)
  for (int c = 0; c < stride; c++) {
    float x = within(row[c] - mean, c, width);
    squares += x * x;
    row[c] = x;
  }
  const float rstd = 1.0f / sqrtf(squares / (float)width + eps);
#pragma omp simd
  for (int c = 0; c < stride; c++) row[c] *= rstd;
  return rstd;
}

/* z <- norm(mish(terms)) */
void sitenet_normalise(float *z, const float *q, const float *sender,
                       const float *receiver, const int64_t *k, const int64_t *j,
                       const int64_t *i, int64_t rows, int width, int stride, float eps,
                       int threads) {
  const terms t = {q, sender, receiver, k, j, i};
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < rows; first += TILE) {
    const int64_t last = first + TILE < rows ? first + TILE : rows;
    for (int64_t p = first; p < last; p++) add_up(z + p * stride, t, p, stride);
    activate(z + first * stride, (last - first) * stride);
    for (int64_t p = first; p < last; p++) normalise(z + p * stride, width, stride, eps);
  }
}

/* The same, and slope <- mish'(terms) / sqrt(variance + eps) */
void sitenet_differentiate(float *z, const float *q, const float *sender,
                           const float *receiver, const int64_t *k, const int64_t *j,
                           const int64_t *i, float *slope, int64_t rows, int width,
                           int stride, float eps, int threads) {
  const terms t = {q, sender, receiver, k, j, i};
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < rows; first += TILE) {
    const int64_t last = first + TILE < rows ? first + TILE : rows;
    for (int64_t p = first; p < last; p++) add_up(z + p * stride, t, p, stride);
    activate_with_slope(z + first * stride, slope + first * stride,
                        (last - first) * stride);
    for (int64_t p = first; p < last; p++) {
      const float rstd = normalise(z + p * stride, width, stride, eps);
      float *restrict row = slope + p * stride;
#pragma omp simd
      for (int c = 0; c < stride; c++) row[c] *= rstd;
    }
  }
}

/* grad <- (grad - mean(grad) - z mean(grad z)) slope: through norm and activation. */
void sitenet_pull_back(float *grad, const float *z, const float *slope, int64_t rows,
                       int width, int stride, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t p = 0; p < rows; p++) {
    float *restrict g = grad + p * stride;
    const float *restrict o = z + p * stride;
    const float *restrict d = slope + p * stride;
    float sum = 0.0f, product = 0.0f;
#pragma omp simd reduction(+ : sum, product)
    for (int c = 0; c < stride; c++) {
      float x = within(g[c], c, width);
      sum += x;
      product += x * o[c];
    }
    sum /= (float)width;
    product /= (float)width;
#pragma omp simd
    for (int c = 0; c < stride; c++)
      g[c] = within((g[c] - sum - o[c] * product) * d[c], c, width);
  }
}

/* table[index] += grad, row by row. Threads take columns, so that no two write to one
 * place and sums have one order. */
void sitenet_add_rows(const float *grad, const int64_t *index, float *table,
                      int64_t rows, int stride, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int part = 0; part < threads; part++) {
    const int first = stride * part / threads, last = stride * (part + 1) / threads;
    for (int64_t p = 0; p < rows; p++) {
      const float *restrict g = grad + p * stride;
      float *restrict t = table + index[p] * stride;
#pragma omp simd
      for (int c = first; c < last; c++) t[c] += g[c];
    }
  }
}

/* sums[i] += alpha values[k] for each pair and head; threads as above. */
void sitenet_add_heads(const float *values, const float *alpha, const int64_t *k,
                       const int64_t *i, float *sums, int64_t pairs, int heads,
                       int width, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int part = 0; part < threads; part++) {
    const int first = width * part / threads, last = width * (part + 1) / threads;
    for (int64_t p = 0; p < pairs; p++)
      for (int h = 0; h < heads; h++) {
        const float a = alpha[p * heads + h];
        const float *restrict v = values + (k ? k[p] : p) * width;
        float *restrict t = sums + (i[p] * heads + h) * width;
#pragma omp simd
        for (int c = first; c < last; c++) t[c] += a * v[c];
      }
  }
}

/* Back from the gradient of those sums to those of alpha and, added up, of the values. */
void sitenet_pull_back_heads(const float *values, const float *alpha, const int64_t *k,
                             const int64_t *i, const float *sums_grad,
                             float *values_grad, float *alpha_grad, int64_t pairs,
                             int heads, int width, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t p = 0; p < pairs; p++)
    for (int h = 0; h < heads; h++) {
      const float *restrict v = values + (k ? k[p] : p) * width;
      const float *restrict t = sums_grad + (i[p] * heads + h) * width;
      float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
      for (int c = 0; c < width; c++) dot += t[c] * v[c];
      alpha_grad[p * heads + h] = dot;
    }
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int part = 0; part < threads; part++) {
    const int first = width * part / threads, last = width * (part + 1) / threads;
    for (int64_t p = 0; p < pairs; p++)
      for (int h = 0; h < heads; h++) {
        const float a = alpha[p * heads + h];
        const float *restrict t = sums_grad + (i[p] * heads + h) * width;
        float *restrict g = values_grad + (k ? k[p] : p) * width;
#pragma omp simd
        for (int c = first; c < last; c++) g[c] += a * t[c];
      }
  }
}
