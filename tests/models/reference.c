/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reference CHECKPOINT BYTES N [PROMPT...]: for each prompt a line with the
 * token ids of the prompt, '|', and of N greedy new tokens. The first N rows of
 * logits of the first prompt go to standard error as fp32.
 *
 * Everything in fp64 from the llama2.c checkpoint itself, as plainly as it can
 * be written: no code of the engine, no HuggingFace files in between.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int32_t dim, hidden, layers, heads, kv_heads, vocabulary, context;
static float *embedding, *attention_norm, *wq, *wk, *wv, *wo, *forward_norm, *w1, *w2, *w3, *norm;
static double *keys, *values;
static char **pieces;
static float *scores;

static void *need(void *pointer)
{
    if (!pointer) {
        fprintf(stderr, "reference: out of memory or cannot read\n");
        exit(1);
    }
    return pointer;
}

static void load(const char *path, long bytes)
{
    FILE *file = need(fopen(path, "rb"));
    int32_t header[7], ignored;
    float *at = need(malloc((size_t)bytes));

    need(fread(header, 4, 7, file) == 7 ? at : NULL);
    dim = header[0], hidden = header[1], layers = header[2], heads = header[3];
    kv_heads = header[4], vocabulary = header[5], context = header[6];
    need(fread(at, 1, (size_t)bytes - 28, file) == (size_t)bytes - 28 ? at : NULL);
#define TAKE(name, count) (name = at, at += (size_t)(count))
    TAKE(embedding, vocabulary * dim);
    TAKE(attention_norm, layers * dim);
    TAKE(wq, layers * dim * dim);
    TAKE(wk, layers * dim * (dim / heads * kv_heads));
    TAKE(wv, layers * dim * (dim / heads * kv_heads));
    TAKE(wo, layers * dim * dim);
    TAKE(forward_norm, layers * dim);
    TAKE(w1, layers * dim * hidden);
    TAKE(w2, layers * dim * hidden);
    TAKE(w3, layers * dim * hidden);
    TAKE(norm, dim);
    pieces = need(calloc((size_t)vocabulary, sizeof(*pieces)));
    scores = need(calloc((size_t)vocabulary, sizeof(*scores)));
    need(fread(&ignored, 4, 1, file) == 1 ? at : NULL);
    for (int i = 0; i < vocabulary; i++) {
        int32_t length;

        need(fread(&scores[i], 4, 1, file) == 1 && fread(&length, 4, 1, file) == 1 ? at : NULL);
        pieces[i] = need(calloc((size_t)length + 1, 1));
        need(fread(pieces[i], 1, (size_t)length, file) == (size_t)length ? at : NULL);
    }
    fclose(file);
    keys = need(calloc((size_t)layers * (size_t)context * (size_t)dim, sizeof(double)));
    values = need(calloc((size_t)layers * (size_t)context * (size_t)dim, sizeof(double)));
}

static int lookup(const char *text, size_t length)
{
    for (int i = 259; i < vocabulary; i++)
        if (strlen(pieces[i]) == length && memcmp(pieces[i], text, length) == 0)
            return i;
    return -1;
}

/* SentencePiece's BPE: again and again join the neighbours with the best score. */
static int encode(const char *prompt, int *tokens)
{
    char text[4096];
    int count = 0;

    tokens[count++] = 1;
    if (!*prompt)
        return count;
    snprintf(text, sizeof(text), " %s", prompt);
    for (char *c = text; *c;) {
        size_t length = 1;
        int id;

        while ((c[length] & 0xc0) == 0x80 && length < 4)
            length++;
        id = lookup(c, length);
        for (size_t i = 0; id < 0 && i < length; i++)
            tokens[count++] = (uint8_t)c[i] + 3;
        if (id >= 0)
            tokens[count++] = id;
        c += length;
    }
    for (;;) {
        float best = -1e30f;
        int at = -1, joined = -1;

        for (int i = 1; i + 1 < count; i++) {
            char both[512];
            int id;

            if (tokens[i] < 259 || tokens[i + 1] < 259)
                continue;
            snprintf(both, sizeof(both), "%s%s", pieces[tokens[i]], pieces[tokens[i + 1]]);
            id = lookup(both, strlen(both));
            if (id >= 0 && scores[id] > best)
                best = scores[id], at = i, joined = id;
        }
        if (at < 0)
            return count;
        tokens[at] = joined;
        memmove(tokens + at + 1, tokens + at + 2, sizeof(*tokens) * (size_t)(count - at - 2));
        count--;
    }
}

static void multiply(double *out, const float *w, const double *x, int rows, int cols)
{
    for (int r = 0; r < rows; r++) {
        double sum = 0;

        for (int c = 0; c < cols; c++)
            sum += (double)w[(size_t)r * (size_t)cols + (size_t)c] * x[c];
        out[r] = sum;
    }
}

static void normalise(double *out, const double *x, const float *weight)
{
    double squares = 0;

    for (int i = 0; i < dim; i++)
        squares += x[i] * x[i];
    for (int i = 0; i < dim; i++)
        out[i] = (double)weight[i] * x[i] / sqrt(squares / dim + 1e-5);
}

static void rotate(double *x, int size, int position)
{
    int head = dim / heads;

    for (int i = 0; i < size; i += 2) {
        double angle = position * pow(10000.0, -(double)(i % head) / head);
        double a = x[i], b = x[i + 1];

        x[i] = a * cos(angle) - b * sin(angle);
        x[i + 1] = a * sin(angle) + b * cos(angle);
    }
}

static void forward(int token, int position, double *logits)
{
    int head = dim / heads, kv = head * kv_heads;
    double x[4096], n[4096], q[4096], mixed[4096], gate[8192], up[8192], weight[4096];

    for (int i = 0; i < dim; i++)
        x[i] = (double)embedding[(size_t)token * (size_t)dim + (size_t)i];
    for (int l = 0; l < layers; l++) {
        double *k = keys + ((size_t)l * (size_t)context + (size_t)position) * (size_t)kv;
        double *v = values + ((size_t)l * (size_t)context + (size_t)position) * (size_t)kv;

        normalise(n, x, attention_norm + l * dim);
        multiply(q, wq + (size_t)l * (size_t)(dim * dim), n, dim, dim);
        multiply(k, wk + (size_t)l * (size_t)(dim * kv), n, kv, dim);
        multiply(v, wv + (size_t)l * (size_t)(dim * kv), n, kv, dim);
        rotate(q, dim, position);
        rotate(k, kv, position);
        for (int h = 0; h < heads; h++) {
            size_t of = (size_t)(h / (heads / kv_heads) * head);
            const double *all_k = keys + (size_t)l * (size_t)context * (size_t)kv + of;
            const double *all_v = values + (size_t)l * (size_t)context * (size_t)kv + of;
            double max = -1e300, sum = 0;

            for (int p = 0; p <= position; p++) {
                weight[p] = 0;
                for (int i = 0; i < head; i++)
                    weight[p] += q[h * head + i] * all_k[p * kv + i];
                weight[p] /= sqrt(head);
                max = weight[p] > max ? weight[p] : max;
            }
            for (int p = 0; p <= position; p++)
                sum += weight[p] = exp(weight[p] - max);
            for (int i = 0; i < head; i++) {
                mixed[h * head + i] = 0;
                for (int p = 0; p <= position; p++)
                    mixed[h * head + i] += weight[p] / sum * all_v[p * kv + i];
            }
        }
        multiply(n, wo + (size_t)l * (size_t)(dim * dim), mixed, dim, dim);
        for (int i = 0; i < dim; i++)
            x[i] += n[i];
        normalise(n, x, forward_norm + l * dim);
        multiply(gate, w1 + (size_t)l * (size_t)(dim * hidden), n, hidden, dim);
        multiply(up, w3 + (size_t)l * (size_t)(dim * hidden), n, hidden, dim);
        for (int i = 0; i < hidden; i++)
            gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
        multiply(n, w2 + (size_t)l * (size_t)(dim * hidden), gate, dim, hidden);
        for (int i = 0; i < dim; i++)
            x[i] += n[i];
    }
    normalise(n, x, norm);
    multiply(logits, embedding, n, vocabulary, dim);
}

int main(int argc, char **argv)
{
    double *logits;
    int tokens[4096], count, new_tokens;

    if (argc < 4)
        return 2;
    load(argv[1], atol(argv[2]));
    new_tokens = atoi(argv[3]);
    logits = need(calloc((size_t)vocabulary, sizeof(*logits)));
    for (int prompt = 4; prompt < argc; prompt++) {
        count = encode(argv[prompt], tokens);
        for (int i = 0; i < count; i++)
            printf("%s%d", i ? " " : "", tokens[i]);
        printf(" |");
        for (int position = 0; new_tokens && position < context; position++) {
            int best = 0;

            forward(tokens[position], position, logits);
            if (position + 1 < count)
                continue;
            for (int i = 1; i < vocabulary; i++)
                best = logits[i] > logits[best] ? i : best;
            for (int i = 0; prompt == 4 && i < vocabulary; i++) {
                float value = (float)logits[i];

                fwrite(&value, sizeof(value), 1, stderr);
            }
            tokens[position + 1] = best;
            printf(" %d", best);
            if (best == 1 || best == 2 || position + 2 - count == new_tokens)
                break;
        }
        printf("\n");
    }
    return 0;
}
