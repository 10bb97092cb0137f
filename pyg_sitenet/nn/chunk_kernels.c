/* The element-wise steps of a layer on pairs in one pass each, for float32 and mish.
 *
 * u is what the pair features contribute, [rows, width]; sender and receiver hold the
 * contributions of the sites, picked by j and i. Without sites, j and i are null and
 * receiver is one row, the bias.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Rows that go through all steps together: few enough for the first-level cache, and
 * whole vectors of numbers whatever the width. */
enum { TILE = 16 };

/* Where e^x and e^2x are far from the ends of float32. Beyond, mish is 0 or x, to all
 * digits. NaN stays NaN. */
static inline float bounded(float x) {
  x = x < -87.0f ? -87.0f : x;
  return x > 20.0f ? 20.0f : x;
}

/* e^x = 2^k e^f with |f| <= ln(2) / 2, to 1e-7, for bounded x. */
static inline float exponential(float x) {
  float k = rintf(x * 1.44269504f);
  float f = x - k * 0.693359375f + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * f * f + f + 1.0f;
  int32_t bits = (int32_t)((uint32_t)((int32_t)k + 127) << 23);
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

/* row <- row + sender + receiver */
static inline void add_sites(float *restrict row, const float *sender,
                             const float *receiver, const int64_t *j, const int64_t *i,
                             int64_t p, int64_t width) {
  const float *restrict r = i ? receiver + i[p] * width : receiver;
  if (j) {
    const float *restrict s = sender + j[p] * width;
#pragma omp simd
    for (int64_t c = 0; c < width; c++) row[c] += s[c] + r[c];
  } else {
#pragma omp simd
    for (int64_t c = 0; c < width; c++) row[c] += r[c];
  }
}

/* row <- (row - mean) / sqrt(variance + eps); returns the reciprocal of that root. */
static inline float normalise(float *restrict row, int64_t width, float eps) {
  float mean = 0.0f, squares = 0.0f;
#pragma omp simd reduction(+ : mean)
  for (int64_t c = 0; c < width; c++) mean += row[c];
  mean /= (float)width;
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < width; c++) squares += (row[c] - mean) * (row[c] - mean);
  const float rstd = 1.0f / sqrtf(squares / (float)width + eps);
#pragma omp simd
  for (int64_t c = 0; c < width; c++) row[c] = (row[c] - mean) * rstd;
  return rstd;
}

/* u <- norm(mish(u + sender + receiver)) */
void sitenet_normalise(float *u, const float *sender, const float *receiver,
                       const int64_t *j, const int64_t *i, int64_t rows, int64_t width,
                       float eps, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < rows; first += TILE) {
    const int64_t last = first + TILE < rows ? first + TILE : rows;
    for (int64_t p = first; p < last; p++)
      add_sites(u + p * width, sender, receiver, j, i, p, width);
    float *restrict x = u + first * width;
#pragma omp simd
    for (int64_t c = 0; c < (last - first) * width; c++) {
      float a = exponential(bounded(x[c]));
      float n = a * (a + 2.0f);
      x[c] *= n / (n + 2.0f);
    }
    for (int64_t p = first; p < last; p++) normalise(u + p * width, width, eps);
  }
}

/* The same, and slope <- mish'(u + sender + receiver) / sqrt(variance + eps) */
void sitenet_differentiate(float *u, const float *sender, const float *receiver,
                           const int64_t *j, const int64_t *i, float *slope,
                           int64_t rows, int64_t width, float eps, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < rows; first += TILE) {
    const int64_t last = first + TILE < rows ? first + TILE : rows;
    for (int64_t p = first; p < last; p++)
      add_sites(u + p * width, sender, receiver, j, i, p, width);
    float *restrict x = u + first * width, *restrict d = slope + first * width;
#pragma omp simd
    for (int64_t c = 0; c < (last - first) * width; c++) {
      float b = bounded(x[c]), a = exponential(b);
      float n = a * (a + 2.0f);
      float v = 1.0f / (n + 2.0f);
      d[c] = n * v + 4.0f * b * (a * v) * ((a + 1.0f) * v);
      x[c] *= n * v;
    }
    for (int64_t p = first; p < last; p++) {
      const float rstd = normalise(u + p * width, width, eps);
      float *restrict row = slope + p * width;
#pragma omp simd
      for (int64_t c = 0; c < width; c++) row[c] *= rstd;
    }
  }
}

/* grad <- (grad - mean(grad) - z mean(grad z)) slope: through norm and activation. */
void sitenet_pull_back(float *grad, const float *z, const float *slope, int64_t rows,
                       int64_t width, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t p = 0; p < rows; p++) {
    float *restrict g = grad + p * width;
    const float *restrict o = z + p * width;
    const float *restrict d = slope + p * width;
    float sum = 0.0f, product = 0.0f;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t c = 0; c < width; c++) {
      sum += g[c];
      product += g[c] * o[c];
    }
    sum /= (float)width;
    product /= (float)width;
#pragma omp simd
    for (int64_t c = 0; c < width; c++) g[c] = (g[c] - sum - o[c] * product) * d[c];
  }
}

/* table[index] += grad, row by row. Threads take columns, so that no two write to one
 * place and sums have one order. */
void sitenet_add_rows(const float *grad, const int64_t *index, float *table,
                      int64_t rows, int64_t width, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int part = 0; part < threads; part++) {
    const int64_t first = width * part / threads, last = width * (part + 1) / threads;
    for (int64_t p = 0; p < rows; p++) {
      const float *restrict g = grad + p * width;
      float *restrict t = table + index[p] * width;
#pragma omp simd
      for (int64_t c = first; c < last; c++) t[c] += g[c];
    }
  }
}
