/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tile decoder for one thread: the codec's scratch and the implementation
 * that fits this CPU.
 *
 * Choice: the fastest implementation that the CPU can run and the mask
 * allows. mask 0 asks the environment: LWCMEM_ISA is scalar, bmi2, avx2 or
 * avx512 and names the fastest one allowed; unset or "auto" allows all.
 */
#ifndef LWC_DECODER_H
#define LWC_DECODER_H

#include "failure.h"
#include "kmod/codec/codec.h"

struct decoder {
    const struct lwc_impl *impl;
    u32 isa; /* LWC_ISA_ bits that may be used here: of the CPU and the mask */
    struct lwc_scratch scratch;
    u8 *base; /* LWC_TILE_MAX bytes each, once there was a DELTA: a base's tile decoded, stored */
    u8 *base_stored;
};

/* Bits up to the named one. 0 or -1 for an unknown name. */
int decoder_isa_mask(const char *name, u32 *mask);

/* 0, or -1 with a message: unknown LWCMEM_ISA or out of memory. */
int decoder_init(struct decoder *decoder, u32 mask, struct failure *failure);
void decoder_free(struct decoder *decoder);

/* Get base and base_stored. 0, or -1 with a message. */
int decoder_need_base(struct decoder *decoder, struct failure *failure);

#endif
