/* An epoch of training, or part of one, for one instruction set and one type: rows gathered, a pass (network.h), a step
   of the optimiser (printed from kernels/steps.py), batch after batch. */

/* Design: - Parameters, gradient and what the optimiser keeps are one flat array each, of whole cache lines and so of
             whole vectors: a step is one loop without a tail, and the formulas see every number once.
           - No sum is fused with its product here, so that a step has the bits of NumPy's. */

/* What the optimisers do with a vector of parameters w and its gradient g; a, b, c, e are their coefficients. */
#define FG_STEP(NAME, BODY)                                                                                     \
    static void FG(NAME##_steps)(size_t n, FG_SCALAR *w_, const FG_SCALAR *g_, FG_SCALAR *m_, FG_SCALAR *v_,    \
                                 const double *coefficients, double weight_decay)                               \
    {                                                                                                           \
        const FG_REAL rate = FG_SET1(coefficients[0]), a = FG_SET1(coefficients[1]), b = FG_SET1(coefficients[2]), \
                      c = FG_SET1(coefficients[3]), e = FG_SET1(coefficients[4]), decay = FG_SET1(weight_decay); \
        (void)m_, (void)v_, (void)a, (void)b, (void)c, (void)e;                                                 \
        for (size_t i = 0; i < n; i += FG_WIDTH) {                                                              \
            const FG_REAL w = FG_LOAD(w_ + i), g = FG(decayed)(FG_LOAD(g_ + i), w, decay);                      \
            BODY                                                                                                \
        }                                                                                                       \
    }

FG_STEP(sgd, FG_STORE(w_ + i, FG(descent)(w, g, rate));)
FG_STEP(momentum, const FG_REAL m = FG(velocity)(FG_LOAD(m_ + i), g, rate, a); FG_STORE(m_ + i, m);
        FG_STORE(w_ + i, FG(coasting)(w, m));)
FG_STEP(nesterov, const FG_REAL m = FG(velocity)(FG_LOAD(m_ + i), g, rate, a); FG_STORE(m_ + i, m);
        FG_STORE(w_ + i, FG(nesterov)(w, m, g, rate, a));)
FG_STEP(adam, const FG_REAL m = FG(first_moment)(FG_LOAD(m_ + i), g, b); FG_STORE(m_ + i, m);
        const FG_REAL v = FG(second_moment)(FG_LOAD(v_ + i), g, c); FG_STORE(v_ + i, v);
        FG_STORE(w_ + i, FG(adam)(w, m, v, rate, a, e));)
#undef FG_STEP

/* One step of the optimiser: weights with decay, then biases without. */
static void FG(step)(fg_training *run)
{
    static void (*const steps[])(size_t, FG_SCALAR *, const FG_SCALAR *, FG_SCALAR *, FG_SCALAR *, const double *,
                                 double) = {FG(sgd_steps), FG(momentum_steps), FG(nesterov_steps), FG(adam_steps)};
    FG_SCALAR *const w = (FG_SCALAR *)run->w, *const g = (FG_SCALAR *)run->g;
    FG_SCALAR *const m = (FG_SCALAR *)run->kept[0], *const v = (FG_SCALAR *)run->kept[1];
    const size_t first = run->decaying, rest = run->parameters - first;
    double coefficients[5] = {run->rate, run->options[0], 0, 0, 0}; /* Optimizer.coefficients of optimizers.py */
    run->step++;
    if (run->optimizer == FG_ADAM) {
        const double beta_1 = run->options[0], beta_2 = run->options[1];
        coefficients[0] = run->rate / (1 - pow(beta_1, (double)run->step));
        coefficients[1] = 1 / sqrt(1 - pow(beta_2, (double)run->step));
        coefficients[2] = beta_1;
        coefficients[3] = beta_2;
        coefficients[4] = run->options[2];
    }
    steps[run->optimizer](first, w, g, m, v, coefficients, run->weight_decay);
    steps[run->optimizer](rest, w + first, g + first, m ? m + first : m, v ? v + first : v, coefficients, 0);
}

/* Samples whose largest output, the first of equals, is at their label. */
static int64_t FG(correct)(const fg_network *net)
{
    const FG_SCALAR *const outputs = (const FG_SCALAR *)net->outputs;
    const int64_t *const labels = (const int64_t *)net->targets;
    int64_t right = 0;
    for (size_t b = 0; b < net->batch; b++) {
        size_t top = 0;
        for (size_t c = 1; c < net->sizes[net->layers]; c++)
            top = outputs[c * net->ld + b] > outputs[top * net->ld + b] ? c : top;
        right += (int64_t)top == labels[b];
    }
    return right;
}

/* Train on rows[0 .. count); returns how many were done before a loss that is not finite. */
static size_t FG(train)(const fg_kernels *kernels, fg_training *run)
{
    fg_network *const net = run->net;
    const size_t inputs = net->sizes[0] * sizeof(FG_SCALAR), full = net->batch, full_ld = net->ld;
    const size_t targets = net->cross_entropy ? sizeof(int64_t) : net->sizes[net->layers] * sizeof(FG_SCALAR);
    size_t done = 0;
    net->inputs = run->batch_inputs;
    net->targets = run->batch_targets;
    for (; done < run->count; done += net->batch) {
        const int64_t *const rows = run->rows + done;
        net->batch = run->count - done < full ? run->count - done : full;
        net->ld = (net->batch + FG_WIDTH - 1) / FG_WIDTH * FG_WIDTH;
        for (size_t b = 0; b < net->batch; b++) {
            memcpy((char *)run->batch_inputs + b * inputs, (const char *)run->inputs + (size_t)rows[b] * inputs, inputs);
            memcpy((char *)run->batch_targets + b * targets, (const char *)run->targets + (size_t)rows[b] * targets,
                   targets);
        }
        FG(network)(kernels, net);
        if (!(net->loss - net->loss == 0))
            break;
        run->loss += net->loss * (double)net->batch;
        run->correct += net->cross_entropy ? FG(correct)(net) : 0;
        FG(step)(run);
    }
    net->batch = full;
    net->ld = full_ld;
    return done;
}
