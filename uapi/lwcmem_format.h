/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * The .lwc container: one file carries a model directory and gives it back
 * byte for byte. All integers are little endian. DRAFT: the layout may change
 * until the magic loses the word "draft".
 *
 *   0      superblock slot 0 (4096 bytes)
 *   4096   superblock slot 1 (4096 bytes)
 *   8192   payloads of tiles and the tables, in any order
 *
 * The valid slot with the higher generation describes the model.
 *
 * An update makes the next generation. It puts all tables and the payloads that
 * are new behind file_size of the current generation, syncs, writes the other
 * slot with one write, and syncs. So a crash leaves the old model or the new
 * one, and nothing that any generation refers to is ever written over: who has
 * an older one open, mapped or attached goes on reading it. Bytes behind
 * file_size are what a crashed update left; the next one cuts them off. To give
 * back what no tile refers to any more, the current generation is copied to a
 * new file that then takes the place of the old one by rename.
 *
 * The uuid names the content of one generation: it is derived from the tables
 * and the uuid of the generation before. Hence each update changes it, and
 *   - a block that an update left behind is not taken for one of another update
 *     at the same place, although table and index are the same;
 *   - what depends on the container by its uuid notices that the base changed;
 *   - inode, generation and uuid together tell any two models of a file apart.
 * A copy without dead bytes holds the same generation of the same model, tile
 * by tile, and keeps uuid and generation.
 *
 * A table is an array of fixed-size entries in metadata blocks of 4096 bytes.
 * An entry never straddles two blocks: a block holds
 * LWC_BLOCK_PAYLOAD / entry_size entries. The NAMES table is a table of
 * one-byte entries. Each block has its own crc32c, checked when the block is
 * first used, so that opening a large model touches only what it needs.
 *
 * Every byte of every file of the model belongs to an object: a tensor, or a
 * literal (what is between tensors, and files that hold none). An object is
 * cut into tiles that decode independently of each other.
 */
#ifndef _UAPI_LWCMEM_FORMAT_H
#define _UAPI_LWCMEM_FORMAT_H

#include <linux/types.h>

#define LWC_MAGIC		"LWCdraft"
#define LWC_MAGIC_SIZE		8
#define LWC_SUPERBLOCK_SIZE	4096
#define LWC_SUPERBLOCK_SLOTS	2
#define LWC_DATA_START		(LWC_SUPERBLOCK_SIZE * LWC_SUPERBLOCK_SLOTS)

#define LWC_BLOCK_SIZE		4096
#define LWC_BLOCK_HEADER	32
#define LWC_BLOCK_PAYLOAD	(LWC_BLOCK_SIZE - LWC_BLOCK_HEADER)

/* Largest decoded tile; stored tiles never exceed it either (RAW is the cap). */
#define LWC_TILE_MAX		(256u * 1024)
#define LWC_TILE_TARGET		(128u * 1024)
#define LWC_MAX_DIMS		8
#define LWC_CHAIN_MAX		4
#define LWC_NAME_MAX		4095
#define LWC_MAX_DEPS		64
#define LWC_PAYLOAD_ALIGN	64

/* Incompatible features: a reader that does not know a bit refuses the file. */
#define LWC_INCOMPAT_PLANES	 (1ull << 0)
#define LWC_INCOMPAT_ZSTD	 (1ull << 1)
#define LWC_INCOMPAT_COPY	 (1ull << 2)
#define LWC_INCOMPAT_SPARSE	 (1ull << 3)
#define LWC_INCOMPAT_GRID	 (1ull << 4)	/* and LEVELS of its scales */
/* LEVELS in structure s and LEVELS of field f: one bit each */
#define LWC_INCOMPAT_STRUCTURE(s) (1ull << (16 + (s)))
#define LWC_INCOMPAT_FIELD(f)	 (1ull << (32 + (f)))
#define LWC_INCOMPAT_KNOWN	 (LWC_INCOMPAT_PLANES | LWC_INCOMPAT_ZSTD | LWC_INCOMPAT_COPY | \
				  LWC_INCOMPAT_SPARSE | LWC_INCOMPAT_GRID | \
				  (LWC_INCOMPAT_STRUCTURE(LWC_STRUCTURES) - LWC_INCOMPAT_STRUCTURE(1)) | \
				  (LWC_INCOMPAT_FIELD(LWC_FIELDS) - LWC_INCOMPAT_FIELD(1)))

enum lwc_table {
	LWC_TABLE_FILES,
	LWC_TABLE_EXTENTS,
	LWC_TABLE_OBJECTS,
	LWC_TABLE_TILES,
	LWC_TABLE_DEPS,
	LWC_TABLE_NAMES,
	LWC_TABLES,
};

/* offset: of the first metadata block, a multiple of 4096. count: entries. */
struct lwc_table_ref {
	__le64 offset;
	__le64 count;
	__le32 entry_size;
	__le32 reserved;
};

/* crc: crc32c (Castagnoli) of bytes 16..4095 of the slot. */
struct lwc_superblock {
	__u8 magic[LWC_MAGIC_SIZE];
	__le32 crc;
	__le32 version;			/* 0 while the format is a draft */
	__le64 generation;		/* 0 = slot never written */
	__u8 uuid[16];
	__le64 compat;
	__le64 ro_compat;
	__le64 incompat;
	__le64 file_size;		/* bytes that this generation covers */
	__le64 bytes_original;		/* sum of the sizes of all files */
	__le64 weights;			/* sum of the elements of all tensors */
	__le64 arena_size;
	__le32 payload_align;
	__le32 reserved0;
	struct lwc_table_ref tables[LWC_TABLES];
	__u8 reserved[3848];		/* zero */
};

/* crc: crc32c of bytes 4..4095. Unused payload bytes are zero. */
struct lwc_block {
	__le32 crc;
	__le32 table;			/* enum lwc_table */
	__le64 index;			/* of this block in its table */
	__u8 uuid[16];			/* of the superblock: a stale block is noticed */
	__u8 payload[LWC_BLOCK_PAYLOAD];
};

enum lwc_file_kind {
	LWC_FILE_REGULAR = 1,
	LWC_FILE_DIRECTORY = 2,
};

/* Sorted by name. name: relative, '/' between components, never "." or "..". */
struct lwc_file {
	__le64 name_offset;		/* in NAMES */
	__le32 name_length;
	__le16 kind;
	__le16 mode;			/* permission bits */
	__le64 size;
	__le64 extent_first;		/* extents tile the file without holes */
	__le64 extent_count;
	__u8 sha256[32];		/* of the original file; zero for a directory */
};

/* length bytes (not zero) of the object from object_offset on, at file_offset. */
struct lwc_extent {
	__le64 file_offset;
	__le64 length;
	__le64 object;
	__le64 object_offset;
};

enum lwc_dtype {
	LWC_DTYPE_BYTES = 0,		/* literals */
	LWC_DTYPE_BF16 = 1,
	LWC_DTYPE_F16 = 2,
	LWC_DTYPE_F32 = 3,
	LWC_DTYPE_F64 = 4,
	LWC_DTYPE_F8_E4M3 = 5,
	LWC_DTYPE_F8_E5M2 = 6,
	LWC_DTYPE_I8 = 7,
	LWC_DTYPE_U8 = 8,
	LWC_DTYPE_I16 = 9,
	LWC_DTYPE_U16 = 10,
	LWC_DTYPE_I32 = 11,
	LWC_DTYPE_U32 = 12,
	LWC_DTYPE_I64 = 13,
	LWC_DTYPE_U64 = 14,
	LWC_DTYPE_BOOL = 15,
	LWC_DTYPES,
};

#define LWC_NO_ARENA	(~0ull)

/*
 * An object of decoded_size bytes in tile_count tiles of tile_bytes each; the
 * last one holds the rest. arena_offset grows with the index; literals have
 * LWC_NO_ARENA. sha256: over the concatenated sha256 of its decoded tiles.
 */
struct lwc_object {
	__le64 name_offset;
	__le32 name_length;		/* 0 for a literal */
	__le16 dtype;
	__le16 ndim;
	__le64 shape[LWC_MAX_DIMS];
	__le64 decoded_size;
	__le64 arena_offset;
	__le64 tile_first;
	__le64 tile_count;
	__le32 tile_bytes;
	__le32 reserved;
	__u8 sha256[32];
};

enum lwc_codec_id {
	LWC_CODEC_NONE = 0,		/* ends a chain */
	LWC_CODEC_RAW = 1,
	LWC_CODEC_CONST = 2,		/* stored: one element of 1, 2, 4 or 8 bytes */
	LWC_CODEC_ZSTD = 3,		/* one frame, exact content size, no dictionary */
	LWC_CODEC_LEVELS = 4,
	LWC_CODEC_PLANES = 5,		/* byte planes of param-byte elements, then inner */
	LWC_CODEC_COPY = 6,		/* same bytes as tile ref; never of a COPY */
	LWC_CODEC_SPARSE = 7,		/* a mask, then inner for what is not zero */
	LWC_CODEC_GRID = 8,		/* scales, then inner for integers that they multiply */
	LWC_CODECS,
};

/*
 * chain: outermost first; the stored bytes are input of the last codec. Valid
 * chains: one codec, PLANES followed by RAW or ZSTD, SPARSE or GRID followed by
 * RAW or LEVELS. param: element size of PLANES, structure of LEVELS, else 0. field:
 * of LEVELS, else 0. stored: from 1 to 64 more than the tile's decoded bytes.
 * COPY stores nothing: offset, stored and crc are those of the tile it names,
 * which ref repeats for checking.
 */
struct lwc_tile {
	__le64 offset;
	__le32 stored;
	__le32 crc;			/* crc32c of the stored bytes */
	__u8 chain[LWC_CHAIN_MAX];
	__u8 param;
	__u8 field;
	__u8 reserved[2];
	__le64 ref;
};

struct lwc_dep {
	__u8 uuid[16];
	__u8 sha256[32];
};

/*
 * LEVELS: an entropy code for the few bits of a weight that are worth one, its
 * symbol: the exponent of a float. The rest is stored as it is.
 *
 * Field		symbol			rest, from the top
 * bf16			8 bits of exponent	sign, kept mantissa bits
 * f16			5			sign, kept mantissa bits
 * f32			8			sign, kept mantissa bits
 * f8 e4m3, e5m2	4, 5			sign, kept mantissa bits
 * i8			upper 4 bits		lower 4 bits (kept is 4)
 * byte			8 bits			nothing (kept is 0)
 *
 * kept: mantissa bits from the top that are stored; those below are zero in
 * every weight of the tile. With R bits in the rest (kept + 1, 4 for i8, 0 for byte),
 * R / 8 byte planes hold its upper bits, one byte for each weight, and a
 * stream of codes of R % 8 bits the others.
 *
 * A stream of w-bit codes: code i is bits i * w .. i * w + w - 1, where bit b
 * is bit b % 8 of byte b / 8; the bits of the last byte that are left are zero.
 *
 * A structure names the widths of the levels. All weights have a code on level
 * 0. The code of all ones says that the weight goes on to the next level,
 * where the next code is its own; past the last level its symbol is the next
 * byte of the escapes. Any other code c of a level stands for symbol number
 * c + (sum of 2^w - 1 over the levels before).
 *
 * Layout of the stored bytes: struct lwc_levels_header; the byte planes, upper
 * bits first; the stream of each level; the escapes; the stream of the rest.
 */
enum lwc_structure {
	LWC_STRUCTURE_41 = 1,		/* (4,1) */
	LWC_STRUCTURE_3222 = 2,		/* (3,2,2,2) */
	LWC_STRUCTURE_2222 = 3,		/* (2,2,2,2) */
	LWC_STRUCTURE_211222 = 4,	/* (2,1,1,2,2,2) */
	LWC_STRUCTURE_111222 = 5,	/* (1,1,1,2,2,2) */
	LWC_STRUCTURES,
};

enum lwc_field {
	LWC_FIELD_BF16 = 1,
	LWC_FIELD_F16 = 2,
	LWC_FIELD_F32 = 3,
	LWC_FIELD_E4M3 = 4,
	LWC_FIELD_E5M2 = 5,
	LWC_FIELD_I8 = 6,
	LWC_FIELD_BYTE = 7,
	LWC_FIELDS,
};

#define LWC_LEVELS_MAX		6
#define LWC_LEVELS_SYMBOLS	16
#define LWC_LEVELS_WEIGHTS	(128u * 1024)	/* at most, in a tile */

struct lwc_levels_header {
	__le32 weights;
	__le32 reached[LWC_LEVELS_MAX];	/* [l]: weights that level l passes on */
	__u8 kept;
	__u8 reserved0[3];
	__u8 symbols[LWC_LEVELS_SYMBOLS]; /* unused ones are zero */
	__u8 reserved[16];
};

#define LWC_GROUP		64

/*
 * SPARSE: elements of `element` bytes (1, 2 or 4) that are not all zero bits,
 * in order, by the codec that follows in the chain; and a mask that says where
 * they belong. An element with its bit set may be zero too.
 *
 * LWC_MASK_BITS: bit i % 8 of byte i / 8 is set for element i if it is stored;
 * the bits of the last byte that are left are zero.
 * LWC_MASK_2_OF_4: elements are a multiple of four, and of four elements two
 * are stored: a stream of 3-bit codes, one for each four. Codes 0 .. 5 mean
 * elements 0 1, 0 2, 1 2, 0 3, 1 3, 2 3; others are not allowed.
 *
 * Layout of the stored bytes: struct lwc_sparse_header, the mask, the stored
 * bytes of the inner codec.
 */
enum lwc_mask {
	LWC_MASK_BITS = 1,
	LWC_MASK_2_OF_4 = 2,
};

struct lwc_sparse_header {
	__le32 kept;			/* elements that are stored */
	__u8 element;
	__u8 mask;
	__u8 reserved[2];
};

/*
 * GRID: each element is an integer times the scale of its group, rounded to
 * the nearest value of the field (bf16, f16 or f32), ties to even, overflow to
 * infinity; groups are `group` elements in order, the last one may have fewer.
 * A scale is a finite normal f32, of either sign. The integers are bytes, by the
 * inner codec: -127 .. 127 in two's complement. Zero times any scale is a
 * positive zero; 0x80 is a zero with a negative sign.
 *
 * With LWC_GRID_AFFINE an element is an integer of 0 .. 255 times the scale plus
 * the offset of its group, added exactly and rounded once; a sum of zero is
 * positive. Scales are positive; an offset is a finite normal f32 or zero.
 * Exceptions are elements that are stored as they are.
 *
 * Layout of the stored bytes: struct lwc_grid_header; the scales, stored bytes
 * of LEVELS of f32 in structure (2,2,2,2), one scale for each group, with
 * LWC_GRID_AFFINE then one offset for each; the number
 * of each exception's element (le32, increasing); the exceptions; the stored
 * bytes of the inner codec.
 */
#define LWC_GRID_GROUP_MIN	16
#define LWC_GRID_AFFINE_MIN	32	/* smallest group with offsets */

enum lwc_grid {
	LWC_GRID_PRODUCT = 0,
	LWC_GRID_AFFINE = 1,
};

struct lwc_grid_header {
	__le32 group;
	__le32 scales;			/* stored bytes */
	__le32 exceptions;
	__u8 field;
	__u8 kind;			/* enum lwc_grid */
	__u8 reserved[2];
};

#ifdef __cplusplus
#define LWC_SIZE_ASSERT(t, n) static_assert(sizeof(t) == (n), #t)
#else
#define LWC_SIZE_ASSERT(t, n) _Static_assert(sizeof(t) == (n), #t)
#endif
LWC_SIZE_ASSERT(struct lwc_table_ref, 24);
LWC_SIZE_ASSERT(struct lwc_superblock, 4096);
LWC_SIZE_ASSERT(struct lwc_block, 4096);
LWC_SIZE_ASSERT(struct lwc_file, 72);
LWC_SIZE_ASSERT(struct lwc_extent, 32);
LWC_SIZE_ASSERT(struct lwc_object, 152);
LWC_SIZE_ASSERT(struct lwc_tile, 32);
LWC_SIZE_ASSERT(struct lwc_dep, 48);
LWC_SIZE_ASSERT(struct lwc_levels_header, 64);
LWC_SIZE_ASSERT(struct lwc_sparse_header, 8);
LWC_SIZE_ASSERT(struct lwc_grid_header, 16);

#endif
