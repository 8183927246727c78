/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * The .lwc container, version 1: one file carries a model directory and gives
 * it back byte for byte. All integers are little endian.
 *
 * What was written as version 1 can be read for ever: this text changes only
 * to say more clearly what it said, or to add. Vectors and containers in
 * tests/golden hold every reader to it, also those that are not ours; where one
 * of them and this text differ, the vector is right. Reserved fields and bits,
 * and those that this text says are zero, are zero; a reader refuses anything
 * else. It does not look at the extension of the superblock, at bytes between
 * payloads and tables, nor at entries of tables that nothing refers to. What
 * places nothing, because its count or length is 0, may be any index or offset up
 * to the end of its table. An addition takes a bit of
 *   incompat   if a reader has to know it: who does not refuses the file and
 *              says which bit it is;
 *   ro_compat  if a reader need not, but an update would destroy it: who does
 *              not know a bit reads the file, and neither updates nor compacts it;
 *   compat     if it concerns neither: an update or a compacted copy by who does
 *              not know a bit is without it.
 * What a bit of the last two adds begins in the superblock's extension and may
 * go on anywhere behind the superblocks, before file_size.
 *
 * Each codec (but RAW and CONST), structure, field and kind of dtype has an
 * incompat bit. A file has at least those of what occurs in it, so that it can
 * be read by all who know that; what occurs without its bit is refused. Unknown
 * bits are reported before anything but magic, crc and version is looked at.
 *
 *   0      superblock slot 0 (4096 bytes)
 *   4096   superblock slot 1 (4096 bytes)
 *   8192   payloads of tiles and the tables, in any order
 *
 * A slot was written if its magic and crc are right and its generation is not
 * 0. The one with the higher generation describes the model (slot 0 of two with
 * the same). That is so in all versions: the slots, the places of magic, crc,
 * version and generation, and what the crc covers, which is none of the first
 * three. If the newer one cannot be read, for what it needs or because
 * the file ends before file_size, the file is refused: the older model is not the
 * model.
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
 * The uuid names the content of one generation: no two generations of a file,
 * and no two containers of different models, have the same. Containers with the
 * same uuid have the same tables, but for the offsets of tiles, so that numbers
 * of tiles mean the same in all of them. How the uuid is made is the writer's
 * business; lwcmem derives it from the tables and the uuid of the generation
 * before. Hence
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
 *
 * A container may depend on another, its base: a tile of it is then stored as
 * what differs from a tile of the base (LWC_CODEC_DELTA). The base is named in
 * DEPS, and has no base itself. More than one would need another incompat bit.
 */
#ifndef _UAPI_LWCMEM_FORMAT_H
#define _UAPI_LWCMEM_FORMAT_H

#include <linux/types.h>

/* As in PNG: a transfer that takes it for text, or for seven bits, shows at once. */
#define LWC_MAGIC		"\x89LWC\r\n\x1a\n"
#define LWC_VERSION		1
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
#define LWC_MAX_DEPS		1
#define LWC_PAYLOAD_ALIGN	64	/* what lwcmem writes */
#define LWC_PAYLOAD_ALIGN_MAX	(2u * 1024 * 1024)

/* Incompatible features: a reader that does not know a bit refuses the file. */
#define LWC_INCOMPAT_PLANES	 (1ull << 0)
#define LWC_INCOMPAT_ZSTD	 (1ull << 1)
#define LWC_INCOMPAT_COPY	 (1ull << 2)
#define LWC_INCOMPAT_SPARSE	 (1ull << 3)
#define LWC_INCOMPAT_GRID	 (1ull << 4)	/* and LEVELS of its parameters */
#define LWC_INCOMPAT_SPLIT	 (1ull << 5)
#define LWC_INCOMPAT_DELTA	 (1ull << 6)	/* and DEPS with one base */
#define LWC_INCOMPAT_BLOCKS	 (1ull << 7)	/* dtypes LWC_DTYPE_Q4_0 .. Q2_0 */
/* LEVELS in structure s, and LEVELS or DELTA of field f: one bit each; s and f are below 16 */
#define LWC_INCOMPAT_STRUCTURE(s) (1ull << (16 + (s)))
#define LWC_INCOMPAT_FIELD(f)	 (1ull << (32 + (f)))
#define LWC_INCOMPAT_KNOWN	 (LWC_INCOMPAT_PLANES | LWC_INCOMPAT_ZSTD | LWC_INCOMPAT_COPY | \
				  LWC_INCOMPAT_SPARSE | LWC_INCOMPAT_GRID | LWC_INCOMPAT_SPLIT | \
				  LWC_INCOMPAT_DELTA | LWC_INCOMPAT_BLOCKS | \
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

/* offset: of the first metadata block, a multiple of 4096; 0 without entries. count: entries. */
struct lwc_table_ref {
	__le64 offset;
	__le64 count;
	__le32 entry_size;
	__le32 reserved;
};

/*
 * crc: of bytes 16..4095 of the slot. All crcs are crc32c (Castagnoli) as in
 * RFC 3720: reflected, begun and ended with all ones; of "123456789"
 * 0xe3069283. payload_align: a power of two up to LWC_PAYLOAD_ALIGN_MAX; the
 * stored bytes of each tile begin at a multiple of it.
 */
struct lwc_superblock {
	__u8 magic[LWC_MAGIC_SIZE];
	__le32 crc;
	__le32 version;			/* LWC_VERSION; others are refused */
	__le64 generation;		/* 0 = slot never written */
	__u8 uuid[16];
	__le64 compat;
	__le64 ro_compat;
	__le64 incompat;
	__le64 file_size;		/* bytes that this generation covers */
	__le64 bytes_original;		/* sum of the sizes of all files */
	__le64 weights;			/* sum of the elements of all tensors */
	__le64 arena_size;		/* at least the end of the last place in the arena */
	__le32 payload_align;
	__le32 reserved0;
	struct lwc_table_ref tables[LWC_TABLES];
	__u8 extension[1024];		/* of bits in compat and ro_compat */
	__u8 reserved[2824];		/* zero */
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

/*
 * Sorted by name, bytewise as unsigned; none twice. name: relative, 1 to
 * LWC_NAME_MAX bytes but no NUL, of no particular encoding; '/' between
 * components of 1 to 255 bytes, never "." or "..". Each directory that a name
 * goes through has an entry of its own.
 */
struct lwc_file {
	__le64 name_offset;		/* in NAMES */
	__le32 name_length;
	__le16 kind;			/* a directory has no bytes */
	__le16 mode;			/* permission bits, 0777 at most */
	__le64 size;
	__le64 extent_first;		/* behind those of the files before */
	__le64 extent_count;		/* in order, without holes; 0 without bytes */
	__u8 sha256[32];		/* of the original file; zero for a directory */
};

/* length bytes (not zero) of the object, which has them, from object_offset on, at file_offset. */
struct lwc_extent {
	__le64 file_offset;
	__le64 length;
	__le64 object;
	__le64 object_offset;
};

/*
 * From 16 on: blocks of quantised weights as GGUF has them. An element by
 * itself has no bytes; the comment says how many elements of the last dimension a
 * block holds, and its bytes. That dimension is a multiple of the first number,
 * also where another is 0.
 */
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
	LWC_DTYPE_Q4_0 = 16,		/* 32, 18 */
	LWC_DTYPE_Q4_1 = 17,		/* 32, 20 */
	LWC_DTYPE_Q5_0 = 18,		/* 32, 22 */
	LWC_DTYPE_Q5_1 = 19,		/* 32, 24 */
	LWC_DTYPE_Q8_0 = 20,		/* 32, 34 */
	LWC_DTYPE_Q8_1 = 21,		/* 32, 36 */
	LWC_DTYPE_Q2_K = 22,		/* 256, 84 */
	LWC_DTYPE_Q3_K = 23,		/* 256, 110 */
	LWC_DTYPE_Q4_K = 24,		/* 256, 144 */
	LWC_DTYPE_Q5_K = 25,		/* 256, 176 */
	LWC_DTYPE_Q6_K = 26,		/* 256, 210 */
	LWC_DTYPE_Q8_K = 27,		/* 256, 292 */
	LWC_DTYPE_IQ1_S = 28,		/* 256, 50 */
	LWC_DTYPE_IQ1_M = 29,		/* 256, 56 */
	LWC_DTYPE_IQ2_XXS = 30,	/* 256, 66 */
	LWC_DTYPE_IQ2_XS = 31,	/* 256, 74 */
	LWC_DTYPE_IQ2_S = 32,		/* 256, 82 */
	LWC_DTYPE_IQ3_XXS = 33,	/* 256, 98 */
	LWC_DTYPE_IQ3_S = 34,		/* 256, 110 */
	LWC_DTYPE_IQ4_NL = 35,	/* 32, 18 */
	LWC_DTYPE_IQ4_XS = 36,	/* 256, 136 */
	LWC_DTYPE_TQ1_0 = 37,		/* 256, 54 */
	LWC_DTYPE_TQ2_0 = 38,		/* 256, 66 */
	LWC_DTYPE_MXFP4 = 39,		/* 32, 17 */
	LWC_DTYPE_NVFP4 = 40,		/* 64, 36 */
	LWC_DTYPE_Q1_0 = 41,		/* 128, 18 */
	LWC_DTYPE_Q2_0 = 42,		/* 64, 18 */
	LWC_DTYPES,
};

#define LWC_NO_ARENA	(~0ull)

/*
 * An object of decoded_size bytes in tile_count tiles of tile_bytes each (1 to
 * LWC_TILE_MAX); the last one holds the rest. Its tiles are behind those of the
 * objects before. shape: outermost dimension first; decoded_size is what dtype
 * and shape make it, of a tensor without dimensions one element (there is no
 * such block). name: of a tensor, 1 to LWC_NAME_MAX bytes but no NUL, of no
 * particular encoding; two may have the same. Literals have no name, no shape
 * and dtype bytes. An object need not be in a file.
 *
 * The arena is a space of arena_size bytes in which a tensor may have a place:
 * arena_offset, a multiple of 4096, behind the tensors before; of an empty one
 * any multiple of 4096 up to arena_size. LWC_NO_ARENA says that it has none;
 * literals have none. sha256: over the concatenated sha256 of its decoded
 * tiles.
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
	LWC_CODEC_CONST = 2,		/* stored: 1, 2, 4 or 8 bytes, which all of the tile repeats */
	LWC_CODEC_ZSTD = 3,		/* one frame of RFC 8878 */
	LWC_CODEC_LEVELS = 4,
	LWC_CODEC_PLANES = 5,		/* byte planes of param-byte elements, then inner */
	LWC_CODEC_COPY = 6,		/* same bytes as tile ref; never of a COPY */
	LWC_CODEC_SPARSE = 7,		/* a mask, then inner for what is not zero */
	LWC_CODEC_GRID = 8,		/* scales, then inner for integers that they multiply */
	LWC_CODEC_SPLIT = 9,		/* blocks of equal layout, member by member */
	LWC_CODEC_DELTA = 10,		/* what differs from tile ref of a base */
	LWC_CODECS,
};

/*
 * chain: outermost first; the stored bytes are input of the last codec. Valid
 * chains: one codec that is none of these, PLANES followed by RAW or ZSTD,
 * SPARSE or GRID followed by RAW or LEVELS (of GRID, LEVELS of a one-byte
 * field). param: element size of PLANES (2 .. 8), structure of LEVELS, else 0.
 * field: of LEVELS and DELTA, which has no nibbles, else 0. One-byte fields are
 * e4m3, e5m2, i8 and nibble; of nibbles, two weights are a byte.
 * stored: from 1 to 64 more than the tile's decoded bytes, LWC_TILE_MAX at
 * most; of DELTA from 0 to the decoded bytes. Stored bytes of tiles may
 * overlap. COPY stores nothing: offset, stored and crc are those of the tile it
 * names, which has stored bytes, and which they repeat for checking; base is 0
 * even if that tile is a DELTA. A COPY is decoded as the entry of tile ref
 * says, to the COPY's own decoded bytes.
 *
 * ZSTD: one frame that says its content size, which is right; no dictionary (id
 * 0 is none), no skippable frame, nothing behind it, a content checksum only if
 * it is right. A window of more than 8 MiB need not be read, and blocks that are
 * larger than the RFC allows need not be noticed.
 * CONST: the tile's bytes are a multiple of the stored ones.
 * PLANES: the tile is elements of param bytes, a multiple of that; the inner
 * codec holds the first, lowest byte of all elements in order, then the second
 * one of all, and so on.
 *
 * DELTA: ref is the index of a tile in the TILES table of base number `base` of
 * DEPS. It may be a COPY, but no DELTA, and is decoded as its entry says, to the
 * DELTA's own decoded bytes. A tile that equals it may store nothing: field,
 * offset, stored and crc are 0 then.
 */
struct lwc_tile {
	__le64 offset;
	__le32 stored;
	__le32 crc;			/* crc32c of the stored bytes */
	__u8 chain[LWC_CHAIN_MAX];
	__u8 param;
	__u8 field;
	__u8 base;			/* of DELTA, an index in DEPS; else 0 */
	__u8 reserved;
	__le64 ref;			/* of COPY and DELTA; else 0 */
};

/*
 * A base: the container with this uuid. sha256: over the concatenated sha256 of
 * the objects of the base. A container with entries here has LWC_INCOMPAT_DELTA.
 */
struct lwc_dep {
	__u8 uuid[16];
	__u8 sha256[32];
};

/*
 * LEVELS: an entropy code for the few bits of a weight that are worth one, its
 * symbol: the exponent of a float. The rest is stored as it is. Elements are
 * little-endian integers, here and in all codecs, whatever the dtype.
 *
 * Field		symbol			rest, from the top
 * bf16			8 bits of exponent	sign, kept mantissa bits
 * f16			5			sign, kept mantissa bits
 * f32			8			sign, kept mantissa bits
 * f8 e4m3, e5m2	4, 5			sign, kept mantissa bits
 * i8			upper 8 - kept bits	lower kept bits (at most 6)
 * nibble		4 bits			nothing (kept is 0)
 *
 * Nibbles are halves of a byte, the lower one first, each a weight.
 *
 * kept: mantissa bits from the top that are stored; those below are zero in
 * every weight of the tile. With R bits in the rest (kept + 1; kept for i8;
 * none for nibbles), R / 8 byte planes hold its upper bits, one byte for each
 * weight, and a stream of codes of R % 8 bits the others.
 *
 * A stream of w-bit codes: code i is bits i * w .. i * w + w - 1, where bit b
 * is bit b % 8 of byte b / 8; the bits of the last byte that are left are zero.
 *
 * A structure names the widths of the levels. All weights have a code on level
 * 0. The code of all ones says that the weight goes on to the next level,
 * where the next code is its own; past the last level its symbol is the next
 * byte of the escapes. Any other code c of a level stands for symbol number
 * c + (sum of 2^w - 1 over the levels before). All symbols are below 2 to the
 * bits of a symbol, those of symbols[] and of escapes. A tile is whole elements.
 *
 * Layout of the stored bytes: struct lwc_levels_header; the byte planes, upper
 * bits first; the stream of each level; the escapes; the stream of the rest.
 */
enum lwc_structure {
	LWC_STRUCTURE_41 = 1,		/* (4,1) */
	LWC_STRUCTURE_3222 = 2,		/* (3,2,2,2) */
	LWC_STRUCTURE_2222 = 3,		/* (2,2,2,2) */
	LWC_STRUCTURE_211222 = 4,	/* (2,1,1,2,2,2) */
	LWC_STRUCTURE_111112 = 5,	/* (1,1,1,1,1,2) */
	LWC_STRUCTURES,
};

enum lwc_field {
	LWC_FIELD_BF16 = 1,
	LWC_FIELD_F16 = 2,
	LWC_FIELD_F32 = 3,
	LWC_FIELD_E4M3 = 4,
	LWC_FIELD_E5M2 = 5,
	LWC_FIELD_I8 = 6,
	LWC_FIELD_NIBBLE = 7,
	LWC_FIELDS,
};

#define LWC_LEVELS_MAX		6
#define LWC_LEVELS_SYMBOLS	16
#define LWC_LEVELS_WEIGHTS	(256u * 1024)	/* at most, in a tile */

struct lwc_levels_header {
	__le32 weights;
	__le32 reached[LWC_LEVELS_MAX];	/* [l]: weights that level l passes on; 0 without a level l */
	__u8 kept;
	__u8 reserved0[3];
	__u8 symbols[LWC_LEVELS_SYMBOLS]; /* by number; zero where the structure has none */
	__u8 reserved[16];
};

#define LWC_GROUP		64

/*
 * SPARSE: elements of `element` bytes (1, 2 or 4) that are not all zero bits,
 * in order, by the codec that follows in the chain; and a mask that says where
 * they belong. An element with its bit set may be zero too. The inner codec
 * makes kept * element bytes; it does not matter to it of what size the
 * elements of its own field are. The tile is whole elements.
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
 * GRID: elements of a float field (bf16, f16 or f32) that are made from
 * integers of a byte, stored by the inner codec, and the parameters of their
 * group: groups are `group` elements in order (LWC_TILE_MAX at most), the last
 * one may have fewer. "Rounded" is to the nearest value of `through` (one of
 * the same three fields; that of the elements where the arithmetic was no
 * other), subnormal ones included, ties to even, overflow to infinity, with the
 * sign kept. Only the element, last of all, is then rounded to the field in the
 * same way.
 *
 * LWC_GRID_PRODUCT: an integer of -127 .. 127 in two's complement times the
 * scale of its group, rounded. The integer 0 gives a zero with the sign of the
 * scale, 0x80 one with the other sign. A scale is a finite normal f32 of either
 * sign.
 * LWC_GRID_AFFINE: an integer of 0 .. 255 times the scale plus the offset of its
 * group, added exactly and rounded. Scales are positive; an offset is a finite
 * normal f32 or zero, not -0.
 * LWC_GRID_STEPS: the integer plus the zero point of its group, modulo 256, times
 * the scale, rounded, less the zero point times the scale, rounded; the difference
 * rounded. Scales are positive and 255 times them finite in `through`; a zero
 * point is an integer of 0 .. 255, not -0.
 * A sum or difference that is exactly zero is positive.
 *
 * Exceptions are elements that are stored as they are.
 *
 * Layout of the stored bytes: struct lwc_grid_header; the scale of each group;
 * the offset or zero point of each (nothing for LWC_GRID_PRODUCT); the number of
 * each exception's element (le32, increasing); the exceptions; the stored bytes
 * of the inner codec. The parameters are f32: as they are where their stored
 * bytes are four for each group, else by LEVELS of f32 in structure (2,2,2,2).
 */
#define LWC_GRID_GROUP_MIN	16
#define LWC_GRID_PAIR_MIN	32	/* smallest group with two parameters */

enum lwc_grid {
	LWC_GRID_PRODUCT = 0,
	LWC_GRID_AFFINE = 1,
	LWC_GRID_STEPS = 2,
	LWC_GRIDS,
};

struct lwc_grid_header {
	__le32 group;
	__le32 exceptions;
	__le32 scales;			/* stored bytes */
	__le32 seconds;			/* of offsets or zero points */
	__u8 field;
	__u8 kind;			/* enum lwc_grid */
	__u8 through;
	__u8 reserved;
};

/*
 * DELTA: an entropy code for the differences between the elements of the tile
 * and those of the base's tile, given the symbol (see LEVELS; of i8 the upper
 * two bits) of the base's element. In all fields that are floats, elements are
 * taken as integers in the order of the values, one to one: with n bits, those
 * without sign are moved up by 2^(n-1), all bits of the others inverted. The
 * difference d, modulo 2^n in
 * -2^(n-1) .. 2^(n-1) - 1, becomes u = 2 * d, or -2 * d - 1 if d is negative.
 *
 * The shift of an element is shift + max(0, pivot - symbol), n - 6 at most. Its
 * token t stands for v = u >> shift: t is v itself below LWC_DELTA_DIRECT; from
 * there on two tokens share an octave of v + 1: with e = (t - LWC_DELTA_DIRECT)
 * / 2 + 3 token t begins at v = (2 + (t - LWC_DELTA_DIRECT) % 2) * 2^e - 1, and
 * e low bits are added. So an element has e (or 0) + shift low bits in all,
 * which are added to the beginning << shift. That may give a u of more than n bits:
 * it stands for the d that it stands for, and only the sum is modulo 2^n.
 *
 * Symbols are cut into classes at the first symbol of each, which increases;
 * the first class begins at 0, the others need not begin at a symbol that the
 * field has. A class has frequencies of its tokens that add up to
 * LWC_DELTA_TOTAL. They are given by codes 0 .. LWC_DELTA_CODE_MAX: number j =
 * 1 .. LWC_DELTA_DIRECT / 2 is for token 2 * j - 1 and as much for 2 * j, which
 * are the two signs of a difference; those that follow are for one token each.
 * Code c means (c * c + 1) / 2. Token 0 has what is left, tokens without a code
 * have none.
 *
 * The classes are a string of nibbles, the lower one of a byte first, up to the
 * end of a byte (a nibble that is left is 0). For each class: its first symbol
 * and the number of its codes, two nibbles each, lower one first; and the
 * codes. A nibble below 15 is a code less the code before it plus 12, where
 * before the first one of a class 14 is assumed; 15 says that two nibbles
 * follow that are the code.
 *
 * Tokens are decoded with LWC_DELTA_STATES states in turn: element i belongs to
 * state i % LWC_DELTA_STATES. A token takes the part of 0 .. LWC_DELTA_TOTAL - 1
 * that begins behind those of the tokens before it, and is as long as its
 * frequency. With slot = state % LWC_DELTA_TOTAL, the token whose part that lies
 * in is decoded, and
 *
 *	state = frequency * (state / LWC_DELTA_TOTAL) + slot - begin of the part
 *
 * and if that is below LWC_DELTA_LOW, state = state * 65536 + the next word. At
 * the end all states are LWC_DELTA_LOW and all words are used.
 *
 * Layout of the stored bytes: struct lwc_delta_header; the classes; the states
 * (le32, each LWC_DELTA_LOW or more); the low bits of all elements in order, of
 * each as many as it has (up to 57), bit b of all being bit b % 8 of byte b /
 * 8, what is left of the last byte zero; words (le16) up to the end.
 */
#define LWC_DELTA_CLASSES	8
#define LWC_DELTA_DIRECT	15
#define LWC_DELTA_TOKENS	72
#define LWC_DELTA_CODE_MAX	90
#define LWC_DELTA_TOTAL		4096
#define LWC_DELTA_STATES	4
#define LWC_DELTA_LOW		65536

struct lwc_delta_header {
	__le32 low;			/* bytes of the low bits */
	__u8 classes;
	__u8 shift;
	__u8 pivot;
	__u8 reserved;
};

/*
 * SPLIT: the tile is an array of blocks, and these are structs of so many
 * members, each of which is `bytes` long; a block has as many bytes as all of
 * them together, and the tile is whole blocks. A member's content is its bytes
 * of the first block, of the second, and so on. It is stored as it is (RAW), as
 * one zstd frame (ZSTD, as for a tile), or by LEVELS of a one-byte field
 * (LEVELS, with structure and field, which are zero else; at most
 * LWC_SPLIT_LEVELS_MAX bytes of content and LWC_LEVELS_WEIGHTS weights). What a
 * member means is not the container's business: a quantised weight's scale may
 * be one member or two, for the upper byte compresses and the lower one does
 * not. The incompat bits of ZSTD, structures and fields that members use are
 * set as for tiles; who knows them all may leave it to a check of the whole
 * file to notice that one is not.
 *
 * Layout of the stored bytes: struct lwc_split_header, struct lwc_split_member
 * for each member, the stored bytes of each member.
 */
#define LWC_SPLIT_MEMBERS	16
#define LWC_SPLIT_LEVELS_MAX	(192u * 1024)

struct lwc_split_header {
	__u8 members;			/* 1 .. LWC_SPLIT_MEMBERS */
	__u8 reserved[7];
};

struct lwc_split_member {
	__le32 stored;			/* bytes */
	__le16 bytes;			/* of a block, not 0 */
	__u8 codec;
	__u8 structure;
	__u8 field;
	__u8 reserved[3];
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
LWC_SIZE_ASSERT(struct lwc_grid_header, 20);
LWC_SIZE_ASSERT(struct lwc_delta_header, 8);
LWC_SIZE_ASSERT(struct lwc_split_header, 8);
LWC_SIZE_ASSERT(struct lwc_split_member, 12);

#endif
