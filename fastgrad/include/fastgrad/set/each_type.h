/* The kernels of the instruction set FG_SET, whose primitives are in FG_SIMD, for float and for double. */
#define FG(name) FG_PASTE(name, FG_TYPE, FG_SET)

#ifndef FASTGRAD_ONLY
static void FG_PASTE(exponential, f64, FG_SET)(size_t, const void *, double, void *); /* the losses' */
#endif

#define FG_BITS 32
#define FG_TYPE f32
#define FG_SCALAR float
#include FG_SIMD
#include "parts.h"
#include "formulas_f32.h"
#include "loops.h"
#ifndef FASTGRAD_ONLY
#include "network.h"
#include "training.h"
#include "dense.h"
#include "random.h"
#include "peak.h"
#endif
#include "table.h"
#include "undefine.h"

#define FG_BITS 64
#define FG_TYPE f64
#define FG_SCALAR double
#include FG_SIMD
#include "parts.h"
#include "formulas_f64.h"
#include "loops.h"
#ifndef FASTGRAD_ONLY
#include "network.h"
#include "training.h"
#include "dense.h"
#include "random.h"
#include "peak.h"
#endif
#include "table.h"
#include "undefine.h"

#undef FG
#undef FG_SET
#undef FG_SIMD
