/* Products of small matrices that lie in a core's own cache. */
#ifndef SITENET_PRODUCTS_H
#define SITENET_PRODUCTS_H
#include <stdint.h>

/* PANEL, the columns of a product that are done together, comes from compiler.py. Its
 * sums fill 12 registers: of 16 numbers where the processor has them, else of 8. */
#ifndef VECTOR
#ifdef __AVX512F__
#define VECTOR 16
#else
#define VECTOR 8
#endif
#endif
enum { PANEL_ROWS = 12 * VECTOR / PANEL };
_Static_assert(PANEL == 16, "a panel is one vector wide, or two");
typedef float vector
    __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

/* c[r][0:PANEL] += sum over k of a[r][k] b[k][0:PANEL] for r < rows, a constant: the sums
 * stay in registers. A step is by how much an index moves a pointer. */
static inline __attribute__((always_inline)) void add_panel(
    const float *a, int64_t row_step, int64_t k_step, const float *b, int64_t b_step,
    float *c, int64_t c_step, int depth, const int rows) {
#if VECTOR == PANEL
  vector sums[PANEL_ROWS];
  for (int r = 0; r < rows; r++) sums[r] = *(const vector *)(c + r * c_step);
  for (int k = 0; k < depth; k++, a += k_step, b += b_step) {
    const vector b_row = *(const vector *)b;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sums[r] += a[r * row_step] * b_row;
  }
  for (int r = 0; r < rows; r++) *(vector *)(c + r * c_step) = sums[r];
#else
  vector low[PANEL_ROWS], high[PANEL_ROWS];
  for (int r = 0; r < rows; r++) {
    low[r] = *(const vector *)(c + r * c_step);
    high[r] = *(const vector *)(c + r * c_step + VECTOR);
  }
  for (int k = 0; k < depth; k++, a += k_step, b += b_step) {
    const vector b_low = *(const vector *)b, b_high = *(const vector *)(b + VECTOR);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
      const float x = a[r * row_step];
      low[r] += x * b_low;
      high[r] += x * b_high;
    }
  }
  for (int r = 0; r < rows; r++) {
    *(vector *)(c + r * c_step) = low[r];
    *(vector *)(c + r * c_step + VECTOR) = high[r];
  }
#endif
}

/* c += a b, with columns in whole panels. */
static void add_product(const float *a, int64_t row_step, int64_t k_step, const float *b,
                        int64_t b_step, float *c, int64_t c_step, int rows, int depth,
                        int columns) {
  for (int first = 0; first < columns; first += PANEL) {
    int r = 0;
    for (; r + PANEL_ROWS <= rows; r += PANEL_ROWS)
      add_panel(a + r * row_step, row_step, k_step, b + first, b_step,
                c + r * c_step + first, c_step, depth, PANEL_ROWS);
#if VECTOR == PANEL
    for (; r + PANEL_ROWS / 2 <= rows; r += PANEL_ROWS / 2)
      add_panel(a + r * row_step, row_step, k_step, b + first, b_step,
                c + r * c_step + first, c_step, depth, PANEL_ROWS / 2);
#endif
    for (; r < rows; r++)
      add_panel(a + r * row_step, row_step, k_step, b + first, b_step,
                c + r * c_step + first, c_step, depth, 1);
  }
}
#endif
