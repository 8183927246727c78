/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_perplexity MODEL TEXT: the perplexity of a HuggingFace directory, as lwcmem perplexity
 * prints it, by a program that rounds up and flushes subnormals all the time.
 */
#include "open_model.h"
#include "engine/perplexity.h"

#include <immintrin.h>

static int measure(struct weights *weights, const char *text, struct perplexity *out,
                   struct failure *failure)
{
    struct perplexity_options options = {.context = 20};
    struct engine *engine = engine_open(weights, 2, KV_F32, failure);
    uint32_t before = _mm_getcsr() & ~_MM_EXCEPT_MASK;
    int result = engine ? perplexity(engine, text, strlen(text), &options, out, failure) : -1;

    if (result == 0 && (_mm_getcsr() & ~_MM_EXCEPT_MASK) != before)
        result = fail(failure, "MXCSR is another after a call");
    engine_close(engine);
    return result;
}

int main(int argc, char **argv)
{
    struct perplexity result;
    struct failure failure;
    struct weights *weights;
    int status;

    if (argc != 3)
        return stop("MODEL TEXT");
    _mm_setcsr(_MM_MASK_MASK | _MM_ROUND_UP | _MM_FLUSH_ZERO_ON | 0x0040u);
    weights = open_model(argv[1], NULL, "directory", "auto", 2, &failure);
    if (!weights)
        return stop(failure.text);
    status = measure(weights, argv[2], &result, &failure);
    weights->ops->close(weights);
    _mm_setcsr(_MM_MASK_MASK);
    if (status == 0)
        printf("%.17g\n", result.value);
    return status < 0 ? stop(failure.text) : 0;
}
