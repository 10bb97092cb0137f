/* Pairs fall in a part for each thread, with sums of its own where pairs add to something
 * shared; in the end they are added up, always in the same order. Those sums reach from
 * the first to the last site of a part: little where pairs are ordered by crystal, but the
 * whole table for each thread where they are in no order. */
#ifndef SITENET_PARTS_H
#define SITENET_PARTS_H
#include <stdlib.h>

#include "inputs.h"
#include "rows.h"

/* Pairs that stay in the cache of a core, and in its first level; tiles that are added up
 * before their sum goes to that of all, as long sums in one place lose digits. */
enum { TILE = 48, SUBTILE = 16, SETTLE = 64 };

/* Sums of rows first to last of something shared; the recent ones apart where many pairs
 * add to one row, else they are the same. */
typedef struct {
  float *sums, *recent;
  int64_t first, last;
  int width;
} table;

enum { SENDER, RECEIVER, WEIGHT, USE, TABLES };
typedef struct {
  table tables[TABLES];
  int64_t first, last, next; /* pairs of the part; the next p of HEADS */
  float *memory, *buffers;
} part;

static inline float *row_of(const table *t, int64_t row) {
  return t->recent + (row - t->first) * t->width;
}

static inline int64_t size_of(const table *t) { return (t->last - t->first) * t->width; }

static table whole(int64_t rows, int width) { return (table){NULL, NULL, 0, rows, width}; }

/* The rows that an index names between first and last. */
static table named(const int64_t *index, int64_t first, int64_t last, int width) {
  if (!index || first == last) return whole(first < last, width);
  int64_t low = index[first], high = low;
  for (int64_t p = first; p < last; p++) {
    low = index[p] < low ? index[p] : low;
    high = index[p] > high ? index[p] : high;
  }
  return (table){NULL, NULL, low, high + 1, width};
}

static int64_t start_of_part(const layer *l, int t) {
  int64_t p = l->pairs * t / l->threads;
  if (l->kind && p > 0) /* a kind is in one part: its gradient is written there */
    while (p < l->pairs && l->kind[p] == l->kind[p - 1]) p++;
  return p;
}

/* The first p of HEADS whose row is not below this. */
static int64_t first_of_row(const use *u, int64_t row) {
  if (!u->row) return row;
  int64_t low = 0, high = u->count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (u->row[middle] < row) low = middle + 1; else high = middle;
  }
  return low;
}

/* Whether all pairs add to the same rows. */
static inline int is_long(const layer *l, const use *u, int which) {
  return which == WEIGHT || (which == RECEIVER && !l->i)
      || (which == USE && u->purpose != HEADS);
}

/* Find the part's pairs and tables; 0 if there is no memory for them. */
static int open_part(part *a, const layer *l, const use *u, int t, int backward) {
  const int64_t first = a->first = start_of_part(l, t);
  const int64_t last = a->last = start_of_part(l, t + 1);
  a->next = first_of_row(u, first);
  for (int k = 0; k < TABLES; k++) a->tables[k] = whole(0, l->stride);
  if (backward) {
    if (l->j) a->tables[SENDER] = named(l->j, first, last, l->stride);
    a->tables[RECEIVER] = named(l->i, first, last, l->stride);
    a->tables[WEIGHT] = whole(l->depth, l->stride);
    if (u->purpose != HEADS) a->tables[USE] = whole(u->heads, l->stride);
  } else if (u->purpose == HEADS) {
    a->tables[USE] = named(u->i, a->next, first_of_row(u, last), u->heads * l->stride);
  }
  int64_t size = (int64_t)TILE * (3 * l->stride + l->filled_depth);
  for (int k = 0; k < TABLES; k++)
    size += (is_long(l, u, k) ? 2 : 1) * size_of(&a->tables[k]);
  float *memory = a->memory = aligned_alloc(64, (size_t)size * sizeof *memory);
  if (!memory) return 0;
  memset(memory, 0, (size_t)size * sizeof *memory);
  for (int k = 0; k < TABLES; k++) {
    table *one = &a->tables[k];
    one->sums = one->recent = memory;
    if (is_long(l, u, k)) one->recent = memory += size_of(one);
    memory += size_of(one);
  }
  a->buffers = memory;
  return 1;
}

/* Add what is recent to the sums. */
static void settle(part *a) {
  for (int k = 0; k < TABLES; k++) {
    const table *one = &a->tables[k];
    if (one->recent == one->sums) continue;
    for (int64_t c = 0; c < size_of(one); c++) one->sums[c] += one->recent[c];
    memset(one->recent, 0, (size_t)size_of(one) * sizeof(float));
  }
}

/* out += the tables of all parts */
static void collect(float *out, const part *parts, int threads, int which, int64_t rows) {
  const int width = parts[0].tables[which].width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t row = 0; row < rows; row++)
    for (int t = 0; t < threads; t++) {
      const table *from = &parts[t].tables[which];
      if (row >= from->first && row < from->last)
        add_row(out + row * width, 1.0f, from->sums + (row - from->first) * width, width);
    }
}
#endif
