# SPDX-License-Identifier: BSD-3-Clause
"""bf16 tensors that occur more than once: tied embeddings stored twice, layers repeated as depth up-scaling does."""
from bounds import Bound, float_bits
from floats import to_bf16
from model import gaussian, source, write_model

FORMULA = "order-0 bound of the different tensors (exponent entropy per tile + 8 bits) / weights of all"


def finish(out, tensors, originals):
    bound = Bound(FORMULA)
    bound.weights = sum(content.size for _, content in tensors)
    bound.part("different tensors", sum(float_bits(content) for content in originals))
    write_model(out, tensors)
    return bound


def make_tied(out, options, rng):
    """Embeddings of half the weights of the model, before and behind its layers."""
    layers = [(name, to_bf16(values)) for name, values in source(options, rng, 32)]
    hidden = next(content.shape[1] for _, content in layers if content.ndim == 2)
    rows = sum(content.size for _, content in layers) // hidden // 2
    embeddings = to_bf16(gaussian(rng, (rows, hidden)))
    tensors = [("model.embed_tokens.weight", embeddings), *layers, ("lm_head.weight", embeddings)]
    return finish(out, tensors, [embeddings] + [content for _, content in layers])


def make_repeated(out, options, rng):
    """Every layer once more, behind all of them."""
    once = [(name, to_bf16(values)) for name, values in source(options, rng, 32)]
    count = len({name.split(".")[2] for name, _ in once if name.startswith("model.layers.")})
    again = []
    for name, content in once:
        if name.startswith("model.layers."):
            parts = name.split(".")
            parts[2] = str(int(parts[2]) + count)
            again.append((".".join(parts), content))
    return finish(out, once + again, [content for _, content in once])
