/* SPDX-License-Identifier: BSD-3-Clause */
#include "features.h"

/* A member that no reader would take asks for nothing. */
static uint64_t member_features(const struct lwc_split_member *member)
{
    const struct lwc_tile tile = {
        .chain = {member->codec}, .param = member->structure, .field = member->field};

    return lwc_tile_features(&tile);
}

uint64_t tile_features(const struct lwc_tile *tile, const uint8_t *stored)
{
    uint64_t features = lwc_tile_features(tile);
    size_t at = sizeof(struct lwc_split_header);
    struct lwc_split_member member;

    if (tile->chain[0] != LWC_CODEC_SPLIT)
        return features;
    for (uint8_t i = 0; i < stored[0] && at + sizeof(member) <= tile->stored; i++) {
        memcpy(&member, stored + at, sizeof(member));
        features |= member_features(&member);
        at += sizeof(member);
    }
    return features;
}
