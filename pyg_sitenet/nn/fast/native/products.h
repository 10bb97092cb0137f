/* Products of small matrices that lie in a core's own cache. */
#ifndef SITENET_PRODUCTS_H
#define SITENET_PRODUCTS_H
#include <stdint.h>

/* PANEL, the columns of a product that are done together, comes from compiler.py. */
enum { VECTOR = 8, PANEL_ROWS = 6 };
_Static_assert(PANEL == 2 * VECTOR, "a panel is two vectors wide");
typedef float vector
    __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

/* c[r][0:PANEL] += sum over k of a[r][k] b[k][0:PANEL] for r < rows, a constant: the sums
 * stay in registers. A step is by how much an index moves a pointer. */
static inline __attribute__((always_inline)) void add_panel(
    const float *a, int64_t row_step, int64_t k_step, const float *b, int64_t b_step,
    float *c, int64_t c_step, int depth, const int rows) {
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
    for (; r < rows; r++)
      add_panel(a + r * row_step, row_step, k_step, b + first, b_step,
                c + r * c_step + first, c_step, depth, 1);
  }
}
#endif
