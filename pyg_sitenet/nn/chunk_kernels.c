/* The element-wise steps of a layer on pairs in one pass each, for float32 and mish.
 *
 * u is what the pair features contribute, [rows, width]; sender and receiver hold the
 * contributions of the sites, picked by j and i. Without sites, j and i are null and
 * receiver is one row, the bias. Rows are filled up with zeros from width to stride,
 * whole vectors; as numbers next to the zeros may be NaN, they are chosen, not
 * multiplied, away.
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

/* x, or 0 beyond the width: by bits, which compilers turn into whole vectors. */
static inline float within(float x, int c, int width) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits &= (uint32_t)((c - width) >> 31);
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* row <- row + sender + receiver */
static inline void add_sites(float *restrict row, const float *sender,
                             const float *receiver, const int64_t *j, const int64_t *i,
                             int64_t p, int stride) {
  const float *restrict r = i ? receiver + i[p] * stride : receiver;
  if (j) {
    const float *restrict s = sender + j[p] * stride;
#pragma omp simd
    for (int c = 0; c < stride; c++) row[c] += s[c] + r[c];
  } else {
#pragma omp simd
    for (int c = 0; c < stride; c++) row[c] += r[c];
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

/* u <- norm(mish(u + sender + receiver)) */
void sitenet_normalise(float *u, const float *sender, const float *receiver,
                       const int64_t *j, const int64_t *i, int64_t rows, int width,
                       int stride, float eps, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < rows; first += TILE) {
    const int64_t last = first + TILE < rows ? first + TILE : rows;
    for (int64_t p = first; p < last; p++)
      add_sites(u + p * stride, sender, receiver, j, i, p, stride);
    float *restrict x = u + first * stride;
#pragma omp simd
    for (int64_t c = 0; c < (last - first) * stride; c++) {
      float a = exponential(bounded(x[c]));
      float n = a * (a + 2.0f);
      x[c] *= n / (n + 2.0f);
    }
    for (int64_t p = first; p < last; p++) normalise(u + p * stride, width, stride, eps);
  }
}

/* The same, and slope <- mish'(u + sender + receiver) / sqrt(variance + eps) */
void sitenet_differentiate(float *u, const float *sender, const float *receiver,
                           const int64_t *j, const int64_t *i, float *slope,
                           int64_t rows, int width, int stride, float eps,
                           int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < rows; first += TILE) {
    const int64_t last = first + TILE < rows ? first + TILE : rows;
    for (int64_t p = first; p < last; p++)
      add_sites(u + p * stride, sender, receiver, j, i, p, stride);
    float *restrict x = u + first * stride, *restrict d = slope + first * stride;
#pragma omp simd
    for (int64_t c = 0; c < (last - first) * stride; c++) {
      float b = bounded(x[c]), a = exponential(b);
      float n = a * (a + 2.0f);
      float v = 1.0f / (n + 2.0f);
      d[c] = n * v + 4.0f * b * (a * v) * ((a + 1.0f) * v);
      x[c] *= n * v;
    }
    for (int64_t p = first; p < last; p++) {
      const float rstd = normalise(u + p * stride, width, stride, eps);
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

/* sums[index] += alpha z for each head; threads as above. */
void sitenet_add_heads(const float *z, const float *alpha, const int64_t *index,
                       float *sums, int64_t rows, int heads, int stride, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int part = 0; part < threads; part++) {
    const int first = stride * part / threads, last = stride * (part + 1) / threads;
    for (int64_t p = 0; p < rows; p++)
      for (int h = 0; h < heads; h++) {
        const float a = alpha[p * heads + h];
        const float *restrict o = z + p * stride;
        float *restrict t = sums + (index[p] * heads + h) * stride;
#pragma omp simd
        for (int c = first; c < last; c++) t[c] += a * o[c];
      }
  }
}

/* Back from the gradient of those sums to the gradients of alpha and z. */
void sitenet_pull_back_heads(const float *z, const float *alpha, const int64_t *index,
                             const float *sums_grad, float *alpha_grad, float *z_grad,
                             int64_t rows, int heads, int stride, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t p = 0; p < rows; p++) {
    const float *restrict o = z + p * stride;
    float *restrict g = z_grad + p * stride;
    memset(g, 0, (size_t)stride * sizeof *g);
    for (int h = 0; h < heads; h++) {
      const float *restrict t = sums_grad + (index[p] * heads + h) * stride;
      const float a = alpha[p * heads + h];
      float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
      for (int c = 0; c < stride; c++) {
        dot += t[c] * o[c];
        g[c] += a * t[c];
      }
      alpha_grad[p * heads + h] = dot;
    }
  }
}
