/* SPDX-License-Identifier: BSD-3-Clause */
#include "sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

/* The context is the hash: the type only keeps libcrypto out of the header. */
static EVP_MD_CTX *context_of(struct sha256 *hash)
{
    return (EVP_MD_CTX *)hash;
}

struct sha256 *sha256_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1)
        return (struct sha256 *)context;
    EVP_MD_CTX_free(context);
    return NULL;
}

void sha256_free(struct sha256 *hash)
{
    EVP_MD_CTX_free(context_of(hash));
}

int sha256_update(struct sha256 *hash, const void *data, size_t size)
{
    return EVP_DigestUpdate(context_of(hash), data, size) == 1 ? 0 : -ENOMEM;
}

int sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_SIZE])
{
    if (EVP_DigestFinal_ex(context_of(hash), digest, NULL) != 1)
        return -ENOMEM;
    return EVP_DigestInit_ex(context_of(hash), EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int sha256_buffer(const void *data, size_t size, uint8_t digest[SHA256_SIZE])
{
    return EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

void sha256_hex(const uint8_t digest[SHA256_SIZE], char text[2 * SHA256_SIZE + 1])
{
    for (int i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}
