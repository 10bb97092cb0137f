/* Mish with its slope, layer norm, and the way back through both, on rows in cache.
 *
 * Rows are filled up with zeros from width to stride, whole vectors. As numbers next to
 * the zeros may be NaN, they are chosen, not multiplied, away.
 */
#ifndef SITENET_ROWS_H
#define SITENET_ROWS_H
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 512 }; /* Numbers of a loop over two: in the first-level cache. */

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

/* Where e^x and e^2x are far from the ends of float32. Beyond, mish is x or next to 0.
 * NaN stays NaN. A loop of its own: next to the exponential, compilers make branches. */
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

/* grad <- (grad - mean(grad) - z mean(grad z)) slope: through norm and activation. */
static inline void pull_back(float *restrict g, const float *restrict z,
                             const float *restrict slope, int width, int stride) {
  float sum = 0.0f, product = 0.0f;
#pragma omp simd reduction(+ : sum, product)
  for (int c = 0; c < stride; c++) {
    float x = within(g[c], c, width);
    sum += x;
    product += x * z[c];
  }
  sum /= (float)width;
  product /= (float)width;
#pragma omp simd
  for (int c = 0; c < stride; c++)
    g[c] = within((g[c] - sum - z[c] * product) * slope[c], c, width);
}

/* to += factor from */
static inline void add_row(float *restrict to, float factor, const float *restrict from,
                           int size) {
#pragma omp simd
  for (int c = 0; c < size; c++) to[c] += factor * from[c];
}

static inline void scale_row(float *restrict row, float factor, int size) {
#pragma omp simd
  for (int c = 0; c < size; c++) row[c] *= factor;
}

static inline float dot(const float *restrict a, const float *restrict b, int size) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (int c = 0; c < size; c++) sum += a[c] * b[c];
  return sum;
}
#endif
